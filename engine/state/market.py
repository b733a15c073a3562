"""What is known of one instrument's market: the last event of every feed, and prices on demand.

Nothing is computed per event: a feed keeps its last event, and mark, reference price and age are
worked out only when an order or a strategy asks. A price that is no positive number (a venue may
send none, or nan) counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.model.events import BookTop, Quote
from engine.model.instruments import Grid, Instrument
from engine.model.units import Side
from engine.state.books import Book

_NO_BLOCK: frozenset[str] = frozenset()
_INFINITY = float("inf")


class Feed:
    """One stream of events about one instrument; `last` is its newest event."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: Any = None


class Market:
    """One instrument: metadata, grid, feeds, book, and what blocks new risk on it."""

    __slots__ = (
        "_mid_of",
        "_mid_ticks2",
        "bars",
        "blocked",
        "book",
        "context",
        "grid",
        "instrument",
        "is_capped",
        "money_per_unit",
        "px_scale",
        "quote",
        "scales",
        "sz_scale",
        "top",
        "trade",
    )

    def __init__(self, instrument: Instrument) -> None:
        self.quote = Feed()
        self.top = Feed()
        self.trade = Feed()
        self.context = Feed()
        self.bars: dict[int, Feed] = {}
        self.book = Book()
        self.is_capped = False
        self.blocked = _NO_BLOCK
        self._mid_of: BookTop | Quote | None = None
        self._mid_ticks2 = 0
        self.describe(instrument)

    def describe(self, instrument: Instrument) -> None:
        """Take in (new) metadata."""
        self.instrument = instrument
        self.grid: Grid = instrument.grid
        self.px_scale = self.grid.px_scale
        self.sz_scale = self.grid.sz_scale
        self.money_per_unit = self.grid.money_per_unit
        self.scales = (self.px_scale, self.sz_scale, self.money_per_unit)

    def mark_ticks2(self) -> int:
        """Twice the mark price in ticks (a mid may lie between two); 0 when there is no price.

        The venue's mark; where it sends none, the mid, the last trade, the last close, or the one
        side there is.
        """
        context = self.context.last
        if context is not None and 0.0 < context.mark_px < _INFINITY:
            px2: float = 2 * context.mark_px
            return round(px2 * self.px_scale)
        best = self.top.last or self.quote.last
        if best is None:
            return round(2 * self._last_px() * self.px_scale)
        if best is self._mid_of:
            return self._mid_ticks2
        bid_px, ask_px = best.bid_px, best.ask_px
        if 0.0 < bid_px < _INFINITY and 0.0 < ask_px < _INFINITY:
            self._mid_of = best
            self._mid_ticks2 = round((bid_px + ask_px) * self.px_scale)
            return self._mid_ticks2
        bid_px, ask_px = _price(bid_px), _price(ask_px)
        return round(2 * (self._last_px() or bid_px or ask_px) * self.px_scale)

    def mark_px(self) -> float | None:
        """The mark price as a float, or None."""
        ticks2 = self.mark_ticks2()
        return ticks2 / (2 * self.px_scale) if ticks2 else None

    def take_px(self, side: Side, oldest_ns: int = 0) -> float:
        """The price a taker of `side` would meet; 0 if there is none at all.

        The opposite best of the book, else of the quotes, if it is no older than `oldest_ns` (local
        time). Else the newest price there is: an old best, the last trade, the last close, or the
        venue's mark (its oracle price where it sends none).
        """
        newest_ns, newest_px = -1, 0.0
        for best in (self.top.last, self.quote.last):
            px = 0.0 if best is None else _price(best.ask_px if side > 0 else best.bid_px)
            if px:
                if best.ts_local_ns >= oldest_ns:
                    return px
                if best.ts_local_ns > newest_ns:
                    newest_ns, newest_px = best.ts_local_ns, px
        for ts_ns, px in self._others():
            if px and ts_ns > newest_ns:
                newest_ns, newest_px = ts_ns, px
        return newest_px

    def has_heard_since(self, oldest_ns: int) -> bool:
        """Whether any price reached us at `oldest_ns` or later; a bar as `heard_ns` takes it."""
        last = self.top.last
        if last is not None and last.ts_local_ns >= oldest_ns:
            return True
        return self.heard_ns() >= oldest_ns

    def heard_ns(self) -> int:
        """When the newest price reached us; a bar counts as fresh for one more interval."""
        newest = 0
        for feed in (self.top, self.quote, self.trade, self.context):
            last = feed.last
            if last is not None and last.ts_local_ns > newest:
                newest = last.ts_local_ns
        for interval_ns, feed in self.bars.items():
            last = feed.last
            if last is not None and last.ts_local_ns + interval_ns > newest:
                newest = last.ts_local_ns + interval_ns
        return newest

    def _last_px(self) -> float:
        trade = self.trade.last
        px = 0.0 if trade is None else _price(trade.px)
        if px:
            return px
        newest = None
        for feed in self.bars.values():
            bar = feed.last
            if bar is not None and (newest is None or bar.ts_local_ns > newest.ts_local_ns):
                newest = bar
        return 0.0 if newest is None else _price(newest.close)

    def _others(self) -> Iterator[tuple[int, float]]:
        """Every price besides the best, with the local time it was heard."""
        trade = self.trade.last
        if trade is not None:
            yield trade.ts_local_ns, _price(trade.px)
        for feed in self.bars.values():
            bar = feed.last
            if bar is not None:
                yield bar.ts_local_ns, _price(bar.close)
        context = self.context.last
        if context is not None:
            yield context.ts_local_ns, _price(context.mark_px) or _price(context.oracle_px)


def _price(px: float) -> float:
    """The price, or 0 for what is none: nan, infinite or not positive."""
    return px if 0.0 < px < _INFINITY else 0.0
