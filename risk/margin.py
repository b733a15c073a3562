"""Initial margin, and the leverage a position's size allows by the margin table (protocol 7.1)."""

from __future__ import annotations

from engine.model.instruments import Instrument
from engine.model.units import PPB, ceil_div


def tier_leverage_max(instrument: Instrument, notional_e8: int) -> int:
    """The highest leverage a position of this notional may have."""
    allowed = 0
    for tier in instrument.margin_tiers:
        if notional_e8 < tier.lower_bound_e8:
            break
        allowed = tier.leverage_max
    return allowed


def initial_margin_e8(notional_e8: int, leverage: int) -> int:
    """Notional over leverage, rounded up."""
    return -(-notional_e8 // leverage)


def maintenance_margin_e8(instrument: Instrument, notional_e8: int) -> int:
    """The equity below which a position of this notional is liquidated, rounded up.

    Within tier n: notional * rate_n - deduction_n, with rate = 1 / (2 * leverage_max) and each
    deduction such that the requirement has no step where a tier begins.
    """
    rate_ppb, deducted = 0, 0
    for tier in instrument.margin_tiers:
        if notional_e8 < tier.lower_bound_e8:
            break
        next_ppb = ceil_div(PPB, 2 * tier.leverage_max)
        deducted += tier.lower_bound_e8 * (next_ppb - rate_ppb)
        rate_ppb = next_ppb
    return max(0, ceil_div(notional_e8 * rate_ppb - deducted, PPB))
