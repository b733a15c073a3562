"""What a generated market is like. The defaults are a liquid coin on an ordinary day."""

from __future__ import annotations

from typing import Final

import msgspec

from engine.errors import DataError
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_S

# 2026-01-01T00:00:00Z: a market starts on a full hour unless another time is asked for.
START_NS: Final = 1_767_225_600 * NS_PER_S

# szDecimals, first price and largest leverage of coins that people know.
_COINS: Final = {
    "BTC": (5, 100_000.0, 40),
    "ETH": (4, 4_000.0, 25),
    "SOL": (2, 200.0, 20),
    "HYPE": (2, 40.0, 10),
    "XRP": (0, 2.5, 20),
    "DOGE": (0, 0.2, 10),
}
KNOWN_COINS: Final = frozenset(_COINS)
_OTHER_COIN: Final = (1, 10.0, 10)

# The impact notional of the premium (protocol 7.3).
IMPACT_NOTIONAL: Final = {"BTC": 20_000.0, "ETH": 20_000.0}
IMPACT_NOTIONAL_OTHER: Final = 6_000.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How busy, how volatile and how deep a market is.

    `volatility` is of log prices, a year; `orders_per_s` counts aggressive orders that no other
    order excited (about as many again follow in bursts); `level_notional` is a level's usual worth.
    """

    book_rate_hz: float = 5.0
    orders_per_s: float = 0.6
    volatility: float = 0.5
    correlation: float = 0.6
    levels: int = 20
    level_notional: float = 50_000.0
    order_notional: float = 600.0
    latency_ms: float = 60.0

    def __post_init__(self) -> None:
        for name in ("book_rate_hz", "volatility", "level_notional", "order_notional"):
            if not getattr(self, name) > 0:
                raise DataError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in ("orders_per_s", "latency_ms"):
            if not getattr(self, name) >= 0:
                raise DataError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if not 0 <= self.correlation <= 1:
            raise DataError(f"correlation is {self.correlation}, expected 0 to 1")
        if self.book_rate_hz > 200:
            raise DataError(f"book_rate_hz is {self.book_rate_hz}, expected at most 200")
        if self.levels < 1:
            raise DataError(f"levels is {self.levels}, expected at least 1")


def instrument(coin: str, venue: str = "hl") -> Instrument:
    """An instrument for a generated market: a known coin's, else one of 1 size decimal and 10x."""
    sz_decimals, _, leverage_max = _COINS.get(coin, _OTHER_COIN)
    return hyperliquid_instrument(
        venue, coin, sz_decimals=sz_decimals, margin_tiers=(MarginTier(0, leverage_max),)
    )


def first_px(coin: str) -> float:
    """The price a generated coin starts at."""
    return _COINS.get(coin, _OTHER_COIN)[1]
