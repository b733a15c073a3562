"""Scaled integers: the one place that says what a unit is and how an amount is rounded.

Prices are *ticks* (10^-px_decimals of the quote currency), sizes are *lots* (10^-sz_decimals of the
base), money is in 1e-8 of the account's collateral token (the suffix `_e8`), rates are in 1e-9 (the
suffix `_ppb`). Floats appear in market data and in what a strategy reads and asks for; they become
integers in `engine.model.instruments` and nowhere else.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

MONEY_DECIMALS: Final = 8
MONEY_SCALE: Final = 10**MONEY_DECIMALS
PPB: Final = 10**9
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
NS_PER_HOUR: Final = 3600 * NS_PER_S


class Side(IntEnum):
    """The side of an order, a fill or an aggressor; its value is the sign of the position made."""

    BUY = 1
    SELL = -1


class Tif(StrEnum):
    """Time in force, by the venue's names (protocol reference 2.1: no FOK, no GTD)."""

    GTC = "Gtc"
    IOC = "Ioc"
    ALO = "Alo"


class TriggerKind(StrEnum):
    """What a trigger order protects: a stop loss or a take profit."""

    STOP_LOSS = "sl"
    TAKE_PROFIT = "tp"


def ceil_div(numerator: int, denominator: int) -> int:
    """Integer division rounded up (towards plus infinity). `denominator` must be positive."""
    return -(-numerator // denominator)


def fee_e8(notional_e8: int, rate_ppb: int) -> int:
    """A fee in 1e-8: positive is a cost, negative a rebate.

    Rounding rule (ours; the venue documents none): up, so a cost is never understated and a rebate
    never overstated.
    """
    return ceil_div(notional_e8 * rate_ppb, PPB)


def funding_e8(notional_e8: int, rate_ppb: int) -> int:
    """What a position of signed notional pays at a settlement; negative is received (protocol 7.3).

    Rounding rule (ours): up, so a payment is never understated and a receipt never overstated.
    """
    return ceil_div(notional_e8 * rate_ppb, PPB)


def rate_ppb(rate: float) -> int:
    """A rate as a fraction (0.00045) in 1e-9, rounded to the nearest."""
    return round(rate * PPB)


def money_e8(amount: float) -> int:
    """An amount of the collateral token in 1e-8, rounded to the nearest."""
    return round(amount * MONEY_SCALE)


def money(amount_e8: int) -> float:
    """An amount in 1e-8 as a float, for people and reports."""
    return amount_e8 / MONEY_SCALE
