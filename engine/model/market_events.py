"""What the market says, as frozen structs, and the base of every event.

See `engine.model.events`, which has all of them. Field order is part of the journal's format.
"""

from __future__ import annotations

import msgspec

from engine.model.instruments import Instrument
from engine.model.units import Side


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """The base of every event."""

    ts_venue_ns: int
    ts_local_ns: int


# -- market ----------------------------------------------------------------------------------------


class MarketEvent(Event, frozen=True, gc=False):
    """The base of everything the market says about one instrument."""

    instrument: str


class Quote(MarketEvent, frozen=True, gc=False, tag=True):
    """The best bid and ask from a top-of-book stream. A missing side has price and size 0."""

    bid_px: float
    bid_sz: float
    ask_px: float
    ask_sz: float


class BookTop(MarketEvent, frozen=True, gc=False, tag=True):
    """The top of an order book after update number `seq`; deeper levels are read through the view.

    Derived from `BookSnapshot` and `BookDelta`: what `on_book` receives. A missing side has price
    and size 0.
    """

    seq: int
    bid_px: float
    bid_sz: float
    ask_px: float
    ask_sz: float


class BookSnapshot(MarketEvent, frozen=True, gc=False, tag=True):
    """A whole book: prices best first, sizes beside them."""

    seq: int
    bid_px: tuple[float, ...]
    bid_sz: tuple[float, ...]
    ask_px: tuple[float, ...]
    ask_sz: tuple[float, ...]


class BookDelta(MarketEvent, frozen=True, gc=False, tag=True):
    """Levels that changed, as one atomic update: a size of 0 deletes the level."""

    seq: int
    bid_px: tuple[float, ...]
    bid_sz: tuple[float, ...]
    ask_px: tuple[float, ...]
    ask_sz: tuple[float, ...]


class Trade(MarketEvent, frozen=True, gc=False, tag=True):
    """A public trade; `side` is the aggressor's."""

    px: float
    sz: float
    side: Side
    trade_id: int


class Bar(MarketEvent, frozen=True, gc=False, tag=True):
    """A closed candle of `interval_ns`, volume in base units.

    `ts_venue_ns` is its close, the first instant after it.
    """

    interval_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class AssetContext(MarketEvent, frozen=True, gc=False, tag=True):
    """The venue's mark and oracle price, hourly funding rate, and open interest in base units."""

    mark_px: float
    oracle_px: float
    funding_rate: float
    open_interest: float


class FundingRate(MarketEvent, frozen=True, gc=False, tag=True):
    """Funding was settled at this rate (a fraction per settlement; positive: longs pay)."""

    rate: float


class OpenInterestCaps(Event, frozen=True, gc=False, tag=True):
    """The instruments of a venue now at their open-interest cap; replaces the earlier list."""

    venue: str
    instruments: tuple[str, ...]


class InstrumentUpdated(Event, frozen=True, gc=False, tag=True):
    """Metadata arrived or changed."""

    instrument: Instrument
