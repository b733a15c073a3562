"""Maintenance margin follows the tiers without a step (protocol 7.1)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import MONEY_SCALE
from risk.margin import maintenance_margin_e8

MILLION = 10**6 * MONEY_SCALE
BTC = hyperliquid_instrument(
    "hl", "BTC", sz_decimals=5, margin_tiers=(MarginTier(0, 40), MarginTier(150 * MILLION, 20))
)


def plain(instrument: Instrument, notional_e8: int) -> Fraction:
    """Each slice of the notional at its own tier's rate: the same sum, told another way."""
    bounds = [tier.lower_bound_e8 for tier in instrument.margin_tiers]
    total = Fraction(0)
    for tier, upper in zip(instrument.margin_tiers, [*bounds[1:], notional_e8], strict=True):
        within = max(0, min(notional_e8, upper) - tier.lower_bound_e8)
        total += Fraction(within, 2 * tier.leverage_max)
    return total


@pytest.mark.parametrize(
    "notional_e8", [0, 1, MILLION, 149 * MILLION, 150 * MILLION, 151 * MILLION, 900 * MILLION]
)
def test_the_deduction_makes_the_tiers_meet(notional_e8: int) -> None:
    expected = plain(BTC, notional_e8)

    actual = maintenance_margin_e8(BTC, notional_e8)

    assert 0 <= actual - expected <= max(Fraction(1), expected / 10**6)


def test_the_rate_is_half_of_the_initial_margin_at_the_highest_leverage() -> None:
    assert MILLION // 80 == maintenance_margin_e8(BTC, MILLION)
