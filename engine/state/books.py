"""An order book as two dicts, price to size, and its best levels.

The best is settled once after each whole update, never in the middle of one. A fast driver that
feeds tops of book instead of changes attaches a depth source, and the levels are rebuilt only when
somebody reads them.
"""

from __future__ import annotations

from typing import Protocol

from engine.model.events import BookDelta, BookSnapshot, BookTop

Levels = dict[float, float]


class DepthSource(Protocol):
    """Rebuilds a book as it was after update `seq`: (bids, asks), price to size."""

    def levels(self, seq: int) -> tuple[Levels, Levels]: ...  # noqa: D102 - named by the class


class Book:
    """The book of one instrument."""

    __slots__ = ("_asks", "_bids", "_levels_seq", "_source", "best_ask", "best_bid", "seq")

    def __init__(self) -> None:
        self._bids: Levels = {}
        self._asks: Levels = {}
        self.best_bid = 0.0
        self.best_ask = 0.0
        self.seq = -1
        self._source: DepthSource | None = None
        self._levels_seq = -1

    def attach(self, source: DepthSource) -> None:
        """Read levels from `source` by the seq of the last top."""
        self._source = source

    def bids(self, depth: int = 20) -> list[tuple[float, float]]:
        """The best bids as (price, size), best first."""
        bids, _ = self._levels()
        return [(px, bids[px]) for px in sorted(bids, reverse=True)[:depth]]

    def asks(self, depth: int = 20) -> list[tuple[float, float]]:
        """The best asks as (price, size), best first."""
        _, asks = self._levels()
        return [(px, asks[px]) for px in sorted(asks)[:depth]]

    def snapshot(self, event: BookSnapshot) -> BookTop:
        """Replace the whole book."""
        self._bids = dict(zip(event.bid_px, event.bid_sz, strict=True))
        self._asks = dict(zip(event.ask_px, event.ask_sz, strict=True))
        self.best_bid = max(self._bids, default=0.0)
        self.best_ask = min(self._asks, default=0.0)
        return self._top(event)

    def delta(self, event: BookDelta) -> BookTop:  # noqa: C901 - both sides written out
        """Apply one atomic update."""
        # Counting along costs half of what a zip of so few levels does.
        bids, best_bid = self._bids, self.best_bid
        is_lost = False
        sizes, at = event.bid_sz, 0
        for px in event.bid_px:
            sz = sizes[at]
            at += 1  # noqa: SIM113
            if sz:
                bids[px] = sz
                if px > best_bid:  # noqa: PLR1730 - a call of max costs more than all the rest
                    best_bid = px
            elif bids.pop(px, None) and px >= best_bid:
                is_lost = True
        if is_lost:
            best_bid = max(bids) if bids else 0.0
        asks, best_ask = self._asks, self.best_ask
        is_lost = False
        sizes, at = event.ask_sz, 0
        for px in event.ask_px:
            sz = sizes[at]
            at += 1  # noqa: SIM113
            if sz:
                asks[px] = sz
                if px < best_ask or not best_ask:
                    best_ask = px
            elif asks.pop(px, None) and px <= best_ask:
                is_lost = True
        if is_lost:
            best_ask = min(asks) if asks else 0.0
        self.best_bid, self.best_ask, self.seq = best_bid, best_ask, event.seq
        return BookTop(
            event.ts_venue_ns,
            event.ts_local_ns,
            event.instrument,
            event.seq,
            best_bid,
            bids.get(best_bid, 0.0),
            best_ask,
            asks.get(best_ask, 0.0),
        )

    def _top(self, event: BookSnapshot) -> BookTop:
        self.seq = event.seq
        bid, ask = self.best_bid, self.best_ask
        return BookTop(
            event.ts_venue_ns,
            event.ts_local_ns,
            event.instrument,
            event.seq,
            bid,
            self._bids.get(bid, 0.0),
            ask,
            self._asks.get(ask, 0.0),
        )

    def _levels(self) -> tuple[Levels, Levels]:
        if self._source is not None and self._levels_seq != self.seq:
            self._bids, self._asks = self._source.levels(self.seq)
            self._levels_seq = self.seq
        return self._bids, self._asks
