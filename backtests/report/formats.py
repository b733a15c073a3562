"""Numbers as people read them, for the page and the terminal. What is not defined shows as n/a."""

from __future__ import annotations

from typing import Final

NONE: Final = "n/a"
_CENT: Final = 0.01
_DECIMALS_MAX: Final = 6


def amount(value: float | None, *, signed: bool = False) -> str:
    """Money with thousands separated: two decimals, up to six where that would show nothing."""
    if value is None:
        return NONE
    decimals = 2
    if 0 < abs(value) < _CENT / 2:
        shown = next((n for n in range(3, _DECIMALS_MAX + 1) if round(abs(value), n)), 1)
        decimals = min(shown + 1, _DECIMALS_MAX)
    return _number(value, decimals, signed=signed)


def percent(value: float | None, *, signed: bool = False, decimals: int = 2) -> str:
    """A fraction as a percentage."""
    return NONE if value is None else _number(value * 100, decimals, signed=signed) + " %"


def number(value: float | None, decimals: int = 2, *, signed: bool = False) -> str:
    """A plain number with a fixed count of decimals."""
    return NONE if value is None else _number(value, decimals, signed=signed)


def multiple(value: float | None, decimals: int = 2, *, unit: str = "\u00d7") -> str:
    """A multiple of something, such as leverage."""
    return NONE if value is None else _number(value, decimals, signed=False) + unit


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return NONE if value is None else f"{round(value):,}"


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units: `3d 04h`, `2h 05m`, `1m 30s`, `4.20s`, `35ms`."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24:02d}h"


def when(iso: str | None) -> str:
    """An ISO time of the summary to the second, without the letters."""
    return NONE if iso is None else iso[:19].replace("T", " ")


def _number(value: float, decimals: int, *, signed: bool) -> str:
    text = f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
    is_zero = not any(digit in text for digit in "123456789")
    return text.lstrip("+-") if is_zero else text
