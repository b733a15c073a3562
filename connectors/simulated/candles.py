"""Candles of every interval, built from public trades as they happen.

A candle exists when a trade fell into it; the newest is open until a trade comes after it. At most
5,000 are kept of each interval (protocol 1.1).
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import Final

import msgspec

CANDLES_MAX: Final = 5_000
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 1_440 * _MINUTE_MS
_MONDAY_MS: Final = 4 * _DAY_MS  # 1970-01-05

INTERVALS_MS: Final = {
    "1m": _MINUTE_MS,
    "3m": 3 * _MINUTE_MS,
    "5m": 5 * _MINUTE_MS,
    "15m": 15 * _MINUTE_MS,
    "30m": 30 * _MINUTE_MS,
    "1h": 60 * _MINUTE_MS,
    "2h": 120 * _MINUTE_MS,
    "4h": 240 * _MINUTE_MS,
    "8h": 480 * _MINUTE_MS,
    "12h": 720 * _MINUTE_MS,
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
    "1M": 0,
}


class Candle(msgspec.Struct):
    """One candle in ticks and lots; `close_ms` is its last millisecond."""

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    trades: int = 0


class Candles:
    """The candles of one instrument, by interval, oldest first."""

    __slots__ = ("by_interval",)

    def __init__(self) -> None:
        self.by_interval: dict[str, deque[Candle]] = {
            interval: deque(maxlen=CANDLES_MAX) for interval in INTERVALS_MS
        }

    def add(self, time_ms: int, px_ticks: int, lots: int) -> None:
        """Count one trade; one older than the open candle counts in it."""
        for interval, candles in self.by_interval.items():
            last = candles[-1] if candles else None
            if last is None or time_ms > last.close_ms:
                span = span_ms(interval, time_ms)
                last = Candle(*span, px_ticks, px_ticks, px_ticks, px_ticks)
                candles.append(last)
            if px_ticks > last.high:
                last.high = px_ticks
            elif px_ticks < last.low:
                last.low = px_ticks
            last.close = px_ticks
            last.lots += lots
            last.trades += 1


def span_ms(interval: str, time_ms: int) -> tuple[int, int]:
    """The first and the last millisecond of the candle a moment falls into."""
    length_ms = INTERVALS_MS[interval]
    if not length_ms:
        return _month_ms(time_ms)
    origin_ms = _MONDAY_MS if interval == "1w" else 0
    open_ms = (time_ms - origin_ms) // length_ms * length_ms + origin_ms
    return open_ms, open_ms + length_ms - 1


def _month_ms(time_ms: int) -> tuple[int, int]:
    day = dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC)
    first = dt.datetime(day.year, day.month, 1, tzinfo=dt.UTC)
    after = dt.datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=dt.UTC)
    return round(first.timestamp() * 1000), round(after.timestamp() * 1000) - 1
