"""Frames about the market (protocol 5.2), with prices and sizes as floats.

What a price or a size must be, positive and below 1e15, is checked while decoding. `n`, hashes and
users are passed over.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

NUMBER_MAX: Final = 1e15
# The last millisecond whose nanoseconds fit 64 bits.
_TIME_MS_MAX: Final = (2**63 - 1) // 1_000_000

Positive = Annotated[float, Meta(gt=0, lt=NUMBER_MAX)]
"""A price, or the size of what there is."""

NotNegative = Annotated[float, Meta(ge=0, lt=NUMBER_MAX)]
"""A volume or an open interest."""

Moment = Annotated[int, Meta(ge=0, le=_TIME_MS_MAX)]
"""Milliseconds UTC since 1970."""

TradeId = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _MarketFrame(msgspec.Struct, frozen=True, gc=False, tag_field="channel"):
    """The base of a frame: its channel is its tag."""


class _Row(msgspec.Struct, frozen=True, gc=False):
    """The base of what a frame holds."""


class Level(_Row, frozen=True, gc=False):
    """One price of the book and what rests there."""

    px: Positive
    sz: Positive


class Book(_Row, frozen=True, gc=False):
    """A whole book: (bids, asks), best first. There is no sequence number."""

    coin: str
    time: Moment
    levels: tuple[list[Level], list[Level]]


class BookFrame(_MarketFrame, frozen=True, gc=False, tag="l2Book"):
    """Always a full snapshot: 20 levels about every 5 s, or 5 about every 0.5 s (`fast`)."""

    data: Book


class Bbo(_Row, frozen=True, gc=False):
    """The best bid and ask; a side may be missing."""

    coin: str
    time: Moment
    bbo: tuple[Level | None, Level | None]


class BboFrame(_MarketFrame, frozen=True, gc=False, tag="bbo"):
    """Sent when the best bid or ask changed in a block."""

    data: Bbo


class TradeRow(_Row, frozen=True, gc=False):
    """A public trade; `side` is the aggressor's."""

    coin: str
    side: Literal["A", "B"]
    px: Positive
    sz: Positive
    time: Moment
    tid: TradeId


class TradesFrame(_MarketFrame, frozen=True, gc=False, tag="trades"):
    """Trades, the last 30 again after every subscribe, without a mark that says so."""

    data: list[TradeRow]


class Candle(
    _Row,
    frozen=True,
    gc=False,
    rename={
        "open_ms": "t",
        "close_ms": "T",
        "coin": "s",
        "interval": "i",
        "open": "o",
        "close": "c",
        "high": "h",
        "low": "l",
        "volume": "v",
    },
):
    """One candle as far as it has come; `close_ms` is its last millisecond."""

    open_ms: Moment
    close_ms: Moment
    coin: str
    interval: str
    open: Positive
    close: Positive
    high: Positive
    low: Positive
    volume: NotNegative


class CandleFrame(_MarketFrame, frozen=True, gc=False, tag="candle"):
    """One candle, sent again whenever it changes; a list is documented and taken too."""

    data: Candle | list[Candle]


class Context(_Row, frozen=True, gc=False, rename="camel"):
    """Mark, oracle, hourly funding rate and open interest (base units); nothing says when."""

    funding: float
    open_interest: NotNegative
    mark_px: float | None = None
    oracle_px: float | None = None


class CoinContext(_Row, frozen=True, gc=False):
    """The context of one coin."""

    coin: str
    ctx: Context


class ContextFrame(_MarketFrame, frozen=True, gc=False, tag="activeAssetCtx"):
    """A perpetual's context, about once a second."""

    data: CoinContext


class SpotContext(_Row, frozen=True, gc=False, rename="camel"):
    """The context of a spot pair."""

    mark_px: float | None = None


class SpotCoinContext(_Row, frozen=True, gc=False):
    """The context of one spot pair."""

    coin: str
    ctx: SpotContext


class SpotContextFrame(_MarketFrame, frozen=True, gc=False, tag="activeSpotAssetCtx"):
    """A spot pair's context."""

    data: SpotCoinContext


class AllMids(_Row, frozen=True, gc=False):
    """Mid prices by coin, of one dex; a mid is no mark."""

    mids: dict[str, Positive]
    dex: str | None = None


class AllMidsFrame(_MarketFrame, frozen=True, gc=False, tag="allMids"):
    """Every mid price."""

    data: AllMids


class AllDexsContexts(_Row, frozen=True, gc=False):
    """(dex, contexts in the order of its universe)."""

    ctxs: list[tuple[str, list[Context]]]


class AllDexsContextsFrame(_MarketFrame, frozen=True, gc=False, tag="allDexsAssetCtxs"):
    """Every context, about every 15 s."""

    data: AllDexsContexts
