"""What can be traded, on which grid, and the one quantiser from a strategy's floats to that grid.

Hyperliquid's rule (protocol 4): a price has at most 5 significant figures and at most `6 -
szDecimals` decimals, integers are always allowed; a size is a multiple of 10^-szDecimals. A price
is first read as the decimal of 15 significant digits that its float stands for, then moved to the
grid towards the passive side for a maker and the aggressive side for an IOC. It is never moved past
the asked side, and a price on the grid comes back unchanged.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

import msgspec

from engine.errors import ModelError
from engine.model.units import MONEY_DECIMALS, Side

PX_DECIMALS_TOTAL_HL: Final = 6
SIGNIFICANT_FIGURES_HL: Final = 5
MIN_NOTIONAL_HL_E8: Final = 10 * 10**MONEY_DECIMALS
_NEAR: Final = 1e-6
_EXACT_MAX: Final = 1e9
_NUMBER_MAX: Final = 1e15


class MarginTier(msgspec.Struct, frozen=True):
    """From this notional (1e-8) upwards a position may have at most `leverage_max`."""

    lower_bound_e8: int
    leverage_max: int


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual of one venue, as its metadata states it.

    `id` is `venue:coin`, the key of every event, order and position (a builder dex's coin already
    carries its dex: `hl:xyz:TSLA`). Tiers are ordered by lower bound, the first at zero.
    """

    id: str
    venue: str
    coin: str
    px_decimals: int
    sz_decimals: int
    margin_tiers: tuple[MarginTier, ...]
    dex: str = ""
    asset: int = 0
    significant_figures: int = SIGNIFICANT_FIGURES_HL
    min_notional_e8: int = MIN_NOTIONAL_HL_E8
    margin_mode: str = "cross"
    is_delisted: bool = False

    def __post_init__(self) -> None:
        if self.px_decimals + self.sz_decimals > MONEY_DECIMALS:
            raise ModelError(
                f"{self.id}: px_decimals + sz_decimals is {self.px_decimals + self.sz_decimals},"
                f" expected at most {MONEY_DECIMALS}"
            )
        if not self.margin_tiers or self.margin_tiers[0].lower_bound_e8 != 0:
            raise ModelError(f"{self.id}: margin_tiers must start at a lower bound of 0")

    @property
    def leverage_max(self) -> int:
        """The leverage of the first margin tier."""
        return self.margin_tiers[0].leverage_max

    @property
    def grid(self) -> Grid:
        """The numbers of this instrument's grid, for the hot path."""
        return Grid(
            px_scale=10**self.px_decimals,
            sz_scale=10**self.sz_decimals,
            money_per_unit=10 ** (MONEY_DECIMALS - self.px_decimals - self.sz_decimals),
            significant_figures=self.significant_figures,
        )


class Grid(msgspec.Struct, frozen=True, gc=False):
    """The integer grid of one instrument.

    `px_scale` ticks make 1 of the quote, `sz_scale` lots make 1 of the base, and one tick times one
    lot is `money_per_unit` in 1e-8 of the collateral.
    """

    px_scale: int
    sz_scale: int
    money_per_unit: int
    significant_figures: int

    def px(self, px_ticks: int) -> float:
        """Ticks as a float price: by division, which gives the float nearest the decimal."""
        return px_ticks / self.px_scale

    def sz(self, sz_lots: int) -> float:
        """Lots as a float size."""
        return sz_lots / self.sz_scale

    def notional_e8(self, px_ticks: int, sz_lots: int) -> int:
        """Price times size in 1e-8, exact."""
        return px_ticks * sz_lots * self.money_per_unit

    def ticks(self, px: float) -> int:
        """A venue's price, which must be on the decimal grid, as ticks.

        Raises ModelError when it is not (a venue's number we would have to guess at).
        """
        return _exact(px, self.px_scale, "price")

    def lots(self, sz: float) -> int:
        """A venue's size, which must be on the grid, as lots. Raises ModelError when it is not."""
        return _exact(sz, self.sz_scale, "size")

    def step_ticks(self, px_ticks: int) -> int:
        """The distance between allowed prices: by significant figures, at most one whole unit."""
        step, bound = 1, 10**self.significant_figures
        while px_ticks >= bound and step < self.px_scale:
            step *= 10
            bound *= 10
        return step

    def is_valid_px(self, px_ticks: int) -> bool:
        """Whether the venue takes this price."""
        return px_ticks > 0 and px_ticks % self.step_ticks(px_ticks) == 0

    def quantise_px(self, px: float, side: Side, *, is_aggressive: bool) -> int:
        """The nearest allowed price not past the asked side, in ticks; 0 when there is none.

        A buy rests at or below what was asked and a sell at or above (passive); an IOC the other
        way round, so that it still reaches what it asked for. What is no price at all (nan, an
        infinity, 1e15 or more) has none.
        """
        up = (side < 0) is not is_aggressive
        scale = self.px_scale
        # Most prices asked for are on the decimal grid already.
        is_number = -_NUMBER_MAX < px < _NUMBER_MAX
        px_ticks = round(px * scale) if is_number else 0
        if px_ticks / scale != px:
            px_ticks = _directed(px, scale, up=up)
        if px_ticks <= 0:
            return 0
        if px_ticks < 10**self.significant_figures:
            return px_ticks
        step = self.step_ticks(px_ticks)
        rest = px_ticks % step
        if rest == 0:
            return px_ticks
        return px_ticks + step - rest if up else px_ticks - rest

    def quantise_sz(self, sz: float) -> int:
        """The largest allowed size not above what was asked, in lots.

        0 when that is less than a lot, or no size at all (negative, nan, 1e15 or more).
        """
        scale = self.sz_scale
        lots = round(sz * scale) if 0.0 < sz < _NUMBER_MAX else 0
        if lots and lots / scale == sz:
            return lots
        return max(0, _directed(sz, scale, up=False))


def _exact(value: float, scale: int, what: str) -> int:
    nearest = round(value * scale) if -_NUMBER_MAX < value < _NUMBER_MAX else 0
    if nearest / scale != value:
        raise ModelError(f"{what} {value!r} is not on the grid of 1/{scale}")
    return nearest


def _directed(value: float, scale: int, *, up: bool) -> int:
    """`value * scale` rounded up or down, reading `value` as the decimal of 15 digits.

    0 for nan, infinities, and what is too large to be a price or a size.
    """
    if not -_NUMBER_MAX < value < _NUMBER_MAX:
        return 0
    scaled = value * scale
    nearest = round(scaled)
    if nearest / scale == value:
        return nearest
    if abs(scaled - nearest) > _NEAR and abs(scaled) < _EXACT_MAX:
        floor = int(scaled // 1)
        return floor + 1 if up else floor
    exact = Decimal(f"{value:.15g}") * scale
    return int(exact.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR))


def hyperliquid_instrument(  # noqa: PLR0913 - the fields of one universe row
    venue: str,
    coin: str,
    *,
    sz_decimals: int,
    margin_tiers: tuple[MarginTier, ...],
    asset: int = 0,
    margin_mode: str = "cross",
    is_delisted: bool = False,
) -> Instrument:
    """An instrument of Hyperliquid's universe: 6 - szDecimals decimals of price (protocol 4)."""
    return Instrument(
        id=f"{venue}:{coin}",
        venue=venue,
        coin=coin,
        dex=coin.split(":", 1)[0] if ":" in coin else "",
        asset=asset,
        px_decimals=PX_DECIMALS_TOTAL_HL - sz_decimals,
        sz_decimals=sz_decimals,
        margin_tiers=margin_tiers,
        margin_mode=margin_mode,
        is_delisted=is_delisted,
    )
