"""What the market of one coin looks like: book, trades, candles, funding.

Protocol 1.2 and 1.3. Prices and sizes are decimal strings, sizes in base units.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from connectors.hyperliquid.info.fields import (
    Address,
    Amount,
    Answer,
    Count,
    Rate,
    SideText,
    TimeMs,
)


class Level(Answer, frozen=True):
    """One price of the book and what rests there; `n` is the number of orders."""

    px: Amount
    sz: Amount
    n: Count | UnsetType = UNSET


class L2Book(Answer, frozen=True):
    """The book of one coin, best first: bids fall, asks rise. At most 20 levels a side.

    `spread` comes only when prices were grouped.
    """

    coin: str
    time_ms: TimeMs = msgspec.field(name="time")
    levels: tuple[tuple[Level, ...], tuple[Level, ...]]
    spread: Amount | UnsetType = UNSET

    @property
    def bids(self) -> tuple[Level, ...]:
        """Buy levels, the highest first."""
        return self.levels[0]

    @property
    def asks(self) -> tuple[Level, ...]:
        """Sell levels, the lowest first."""
        return self.levels[1]


class TradeRow(Answer, frozen=True):
    """A trade between others; `side` is the aggressor's. `users` is (buyer, seller).

    `tid` alone is no key: it is a hash of 50 bits. (time, coin, tid) is unique.
    """

    coin: str
    side: SideText
    px: Amount
    sz: Amount
    time_ms: TimeMs = msgspec.field(name="time")
    hash: str
    tid: Count
    users: tuple[Address, Address] | UnsetType = UNSET


class Candle(Answer, frozen=True):
    """One candle; `close_ms` is its last millisecond. Volume is in base units.

    The newest row of an answer is mostly the candle that is still open.
    """

    open_ms: TimeMs = msgspec.field(name="t")
    close_ms: TimeMs = msgspec.field(name="T")
    coin: str = msgspec.field(name="s")
    interval: str = msgspec.field(name="i")
    open_px: Amount = msgspec.field(name="o")
    close_px: Amount = msgspec.field(name="c")
    high_px: Amount = msgspec.field(name="h")
    low_px: Amount = msgspec.field(name="l")
    volume: Amount = msgspec.field(name="v")
    trades: Count = msgspec.field(name="n")


class FundingRow(Answer, frozen=True):
    """A settled funding rate of one coin, of the hour that ended at (about) `time_ms`.

    Before 2023-06-08T01:00Z rows are 8-hour rates. Times are some ms to minutes after the hour, and
    some hours are missing for every coin (protocol 1.2): match by hour, never exactly.
    """

    coin: str
    funding_rate: Rate
    time_ms: TimeMs = msgspec.field(name="time")
    premium: Rate | UnsetType = UNSET


class PredictedFunding(Answer, frozen=True):
    """The next funding of a coin at one venue, a rate of that venue's own interval."""

    funding_rate: Rate
    next_funding_time_ms: TimeMs = msgspec.field(name="nextFundingTime")
    funding_interval_hours: Count | UnsetType = UNSET


VenueFundings = tuple[tuple[str, PredictedFunding | None], ...]
"""(venue, its prediction or None); venues are HlPerp, BinPerp, BybitPerp."""
