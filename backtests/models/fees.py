"""What a fill costs: a model gives the rate of one fill in 1e-9 of its notional.

Positive is a cost, negative a rebate. The published rates are those of protocol 7.4: taker and
maker by 14-day volume, a rebate by maker share, a discount for staked HYPE on what is paid (never
on a rebate).
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from engine.errors import ModelError

TAKER_PPB: Final = 450_000
MAKER_PPB: Final = 150_000

# (14-day weighted volume in USD that must be exceeded, taker, maker)
VOLUME_TIERS: Final[tuple[tuple[float, int, int], ...]] = (
    (0.0, TAKER_PPB, MAKER_PPB),
    (5e6, 400_000, 120_000),
    (25e6, 350_000, 80_000),
    (100e6, 300_000, 40_000),
    (500e6, 280_000, 0),
    (2e9, 260_000, 0),
    (7e9, 240_000, 0),
)
# (share of all maker volume that must be exceeded, maker)
REBATE_TIERS: Final = ((0.005, -10_000), (0.015, -20_000), (0.03, -30_000))
# (staked HYPE that must be exceeded, discount in percent)
STAKING_TIERS: Final = ((10, 5), (100, 10), (1_000, 15), (10_000, 20), (100_000, 30), (500_000, 40))


class FeeModel(Protocol):
    """The fee rate of one fill."""

    def rate_ppb(self, account: str, instrument: str, is_maker: bool, ts_ns: int) -> int:  # noqa: FBT001 - a fact of the fill
        """The rate in 1e-9 of the notional for a fill at `ts_ns` (venue time)."""
        ...


class StaticFees(msgspec.Struct, frozen=True):
    """One maker and one taker rate for everybody, always.

    The default is Hyperliquid's lowest tier.
    """

    maker_ppb: int = MAKER_PPB
    taker_ppb: int = TAKER_PPB

    def rate_ppb(self, account: str, instrument: str, is_maker: bool, ts_ns: int) -> int:  # noqa: ARG002, FBT001 - FeeModel
        """The maker or the taker rate."""
        return self.maker_ppb if is_maker else self.taker_ppb


def hyperliquid_fees(
    *, volume_14d_usd: float = 0.0, maker_share: float = 0.0, staked_hype: float = 0.0
) -> StaticFees:
    """The published rates of an account with this volume.

    Share of maker volume (a fraction) and stake. A discount is rounded so that a cost is never
    understated. Raises ModelError on a negative number.
    """
    for name, value in (
        ("volume_14d_usd", volume_14d_usd),
        ("maker_share", maker_share),
        ("staked_hype", staked_hype),
    ):
        if not value >= 0:
            raise ModelError(f"hyperliquid_fees: {name} is {value!r}, expected 0 or more")
    taker_ppb, maker_ppb = TAKER_PPB, MAKER_PPB
    for least_usd, taker, maker in VOLUME_TIERS:
        if volume_14d_usd > least_usd:
            taker_ppb, maker_ppb = taker, maker
    paid_percent = 100
    for least_hype, discount in STAKING_TIERS:
        if staked_hype > least_hype:
            paid_percent = 100 - discount
    taker_ppb = -(-taker_ppb * paid_percent // 100)
    maker_ppb = -(-maker_ppb * paid_percent // 100)
    for least_share, rebate in REBATE_TIERS:
        if maker_share > least_share:
            maker_ppb = rebate
    return StaticFees(maker_ppb=maker_ppb, taker_ppb=taker_ppb)
