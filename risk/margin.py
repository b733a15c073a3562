"""Initial margin, and the leverage a position's size allows by the margin table (protocol 7.1)."""

from __future__ import annotations

from engine.model.instruments import Instrument
from engine.model.units import ceil_div


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
    return ceil_div(notional_e8, leverage)
