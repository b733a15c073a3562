from __future__ import annotations

import pytest

from backtests.models.fees import FeeModel, StaticFees, hyperliquid_fees
from engine.errors import ModelError


def test_the_default_rates_are_those_of_the_lowest_tier() -> None:
    fees: FeeModel = StaticFees()

    assert 150_000 == fees.rate_ppb("main", "hl:BTC", is_maker=True, ts_ns=0)
    assert 450_000 == fees.rate_ppb("main", "hl:BTC", is_maker=False, ts_ns=0)


@pytest.mark.parametrize(
    ("volume", "taker", "maker"),
    [
        (0.0, 450_000, 150_000),
        (5e6, 450_000, 150_000),
        (5e6 + 1, 400_000, 120_000),
        (30e6, 350_000, 80_000),
        (200e6, 300_000, 40_000),
        (600e6, 280_000, 0),
        (3e9, 260_000, 0),
        (8e9, 240_000, 0),
    ],
)
def test_volume_beyond_a_bound_lowers_both_rates(volume: float, taker: int, maker: int) -> None:
    assert StaticFees(maker_ppb=maker, taker_ppb=taker) == hyperliquid_fees(volume_14d_usd=volume)


@pytest.mark.parametrize(
    ("share", "maker"),
    [(0.005, 150_000), (0.006, -10_000), (0.016, -20_000), (0.031, -30_000)],
)
def test_a_share_of_maker_volume_earns_a_rebate(share: float, maker: int) -> None:
    assert maker == hyperliquid_fees(maker_share=share).maker_ppb


@pytest.mark.parametrize(
    ("staked", "taker", "maker"),
    [
        (10, 450_000, 150_000),
        (11, 427_500, 142_500),
        (1_001, 382_500, 127_500),
        (500_001, 270_000, 90_000),
    ],
)
def test_staked_hype_discounts_what_is_paid(staked: float, taker: int, maker: int) -> None:
    assert StaticFees(maker_ppb=maker, taker_ppb=taker) == hyperliquid_fees(staked_hype=staked)


def test_a_rebate_is_not_discounted() -> None:
    assert -30_000 == hyperliquid_fees(maker_share=0.5, staked_hype=1e6).maker_ppb


@pytest.mark.parametrize("name", ["volume_14d_usd", "maker_share", "staked_hype"])
def test_a_negative_number_is_named(name: str) -> None:
    with pytest.raises(ModelError, match=f"{name} is -1, expected 0 or more"):
        hyperliquid_fees(**{name: -1})
