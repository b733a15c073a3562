"""Integers as the decimal strings a venue prints: exact, with at least one decimal (protocol 0.2).

Written apart from `connectors.hyperliquid.numbers`, so that a mistake in one shows against the
other.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from engine.model.units import MONEY_DECIMALS

PPB_DECIMALS: Final = 9


def printed(value: int, decimals: int) -> str:
    """An integer of 10^-decimals: 16701 at 1 decimal is "1670.1", 1000 is "100.0"."""
    if not decimals:
        return f"{value}.0"
    digits = str(abs(value)).rjust(decimals + 1, "0")
    part = digits[-decimals:].rstrip("0") or "0"
    return f"{'-' if value < 0 else ''}{digits[:-decimals]}.{part}"


def printed_money(amount_e8: int) -> str:
    """An amount in 1e-8."""
    return printed(amount_e8, MONEY_DECIMALS)


def printed_rate(ppb: int) -> str:
    """A rate in 1e-9."""
    return printed(ppb, PPB_DECIMALS)


def printed_ratio(value: Fraction | float, decimals: int) -> str:
    """A number rounded to the nearest at some decimals, ties to even."""
    return printed(round(Fraction(value) * 10**decimals), decimals)
