"""Integers and nanoseconds as exact text: no float is printed, so files are the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from engine.model.units import MONEY_DECIMALS, NS_PER_S


def decimal_text(value: int, decimals: int) -> str:
    """`value * 10^-decimals` with exactly `decimals` places: (-5, 2) is "-0.05"."""
    if decimals == 0:
        return str(value)
    digits = str(abs(value)).rjust(decimals + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def money_text(amount_e8: int) -> str:
    """An amount in 1e-8 as a decimal string with eight places."""
    return decimal_text(amount_e8, MONEY_DECIMALS)


def iso_ns(ts_ns: int) -> str:
    """Nanoseconds UTC as `2025-09-04T00:00:00.123456789Z`, always with nine places."""
    seconds, rest = divmod(ts_ns, NS_PER_S)
    return f"{_iso_seconds(seconds)}.{rest:09d}Z"


def iso_short(ts_ns: int) -> str:
    """Nanoseconds UTC as ISO time, without a fraction when it is a whole second."""
    seconds, rest = divmod(ts_ns, NS_PER_S)
    return iso_ns(ts_ns) if rest else f"{_iso_seconds(seconds)}Z"


@lru_cache(maxsize=4096)
def _iso_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
