"""The chunked driver: the engine takes rows by the iterator, the exchange sees what matters to it.

It skips and never decides: what it stops at goes through the same rules as in the reference driver,
and the two give the same orders, fills, cash, refusals and wakes (held equal by test). The feed and
the exchange have separate cursors; the engine takes rows up to the next thing that can happen, so
nothing is ever rolled back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from heapq import heappop
from itertools import islice
from operator import length_hint
from typing import Any, Final

import numpy as np

from backtests.drive.blocks import NEVER_HIGH, Depth, Source
from backtests.drive.session import COMMAND, MARKET_AT_ENGINE, TIMER, Due, Session
from backtests.drive.touch import Touch
from backtests.tape import Stream, StreamKind
from engine.core import Engine
from engine.model.events import AssetContext, Bar, BookTop, FundingRate, Quote, Trade
from engine.routes import NOTHING, Effects

_NEAR_ROWS: Final = 32
_ROUTED: Final = {
    StreamKind.QUOTE: Quote,
    StreamKind.BOOK: BookTop,
    StreamKind.TRADE: Trade,
    StreamKind.BAR: Bar,
    StreamKind.CONTEXT: AssetContext,
    StreamKind.FUNDING: FundingRate,
}


class Feed:
    """The engine's rows of one or more streams, in the order of their local stamps."""

    def __init__(self, engine: Engine, sources: list[Source]) -> None:
        self._sources = sources
        self._routes = [
            engine.route(_ROUTED[source.kind], source.instrument, source.stream.interval_ns)
            for source in sources
        ]
        self._rows = [0] * len(sources)
        self._events: list[Any] = []
        self._rest: Iterator[Any] = iter(())
        self._order: list[int] = []
        self.local_ns: list[int] = []
        self.count = 0
        self.at = 0

    def load(self) -> bool:
        """Take the next rows, up to a stamp no stream will come back to; False at the end."""
        parts: list[tuple[int, list[Any], list[int]]] = []
        edge = None
        for i, source in enumerate(self._sources):
            row = self._rows[i]
            if row >= source.n:
                continue
            block = source.block(row)
            start = row - block.start
            parts.append((i, block.events[start:], block.local_ns[start:]))
            is_last = block.start + len(block.events) >= source.n
            if not is_last and (edge is None or block.local_ns[-1] < edge):
                edge = block.local_ns[-1]
        if not parts:
            return False
        self._take(parts, edge)
        self._rest = iter(self._events)
        self.count = len(self._events)
        self.at = 0
        return True

    def _take(self, parts: list[tuple[int, list[Any], list[int]]], edge: int | None) -> None:
        if len(parts) == 1 and len(self._sources) == 1:
            i, self._events, self.local_ns = parts[0]
            self._rows[i] += len(self._events)
            return
        events: list[Any] = []
        stamps: list[int] = []
        owners: list[int] = []
        for i, part, local_ns in parts:
            # A run of one stamp may go on in a stream's next block; it is left for later whole.
            stop = len(part) if edge is None else bisect_left(local_ns, edge)
            events += part[:stop]
            stamps += local_ns[:stop]
            owners += [i] * stop
            self._rows[i] += stop
        if not events and edge is not None:
            self._take_run(edge)
            return
        order = np.argsort(np.array(stamps, dtype=np.int64), kind="stable").tolist()
        self._events = [events[k] for k in order]
        self.local_ns = [stamps[k] for k in order]
        self._order = [owners[k] for k in order]

    def _take_run(self, edge: int) -> None:
        """A run of equal stamps longer than a block: take it whole, stream by stream."""
        self._events, self.local_ns, self._order = [], [], []
        for i, source in enumerate(self._sources):
            while self._rows[i] < source.n:
                block = source.block(self._rows[i])
                start = self._rows[i] - block.start
                stop = bisect_right(block.local_ns, edge, start)
                self._events += block.events[start:stop]
                self.local_ns += block.local_ns[start:stop]
                self._order += [i] * (stop - start)
                self._rows[i] += stop - start
                if stop < len(block.events):
                    break

    def run_until(self, stop: int) -> Effects:
        """Let the engine take loaded rows up to `stop` or the first effects; the effects."""
        if len(self._sources) == 1:
            rest = self._rest
            effects: Effects = self._routes[0].run(islice(rest, stop - self.at))
            self.at = self.count - length_hint(rest) if effects else stop
            return effects
        events, order, routes = self._events, self._order, self._routes
        for at in range(self.at, stop):
            effects = routes[order[at]].run((events[at],))
            if effects:
                self.at = at + 1
                return effects
        self.at = stop
        return NOTHING


def run_chunked(
    session: Session,
    *,
    exchange_streams: list[Stream],
    feed_streams: list[Stream],
    feed_ns: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Run the tape through the engine in long iterators; the outcome is the reference driver's."""
    sources = {id(stream): Source(stream, feed_ns) for stream in feed_streams}
    venue = [sources.get(id(stream)) or Source(stream, feed_ns) for stream in exchange_streams]
    feed = Feed(session.engine, [sources[id(stream)] for stream in feed_streams])
    _Run(session, feed, venue).go(progress)


class _Run:
    """One run: where the exchange stands, and the search for what it must look at next."""

    def __init__(self, session: Session, feed: Feed, venue: list[Source]) -> None:
        self._session = session
        self._feed = feed
        self._venue = venue
        self._on_market = session.exchange.on_market
        self._done = (0, MARKET_AT_ENGINE)
        self._synced_ns = -1
        self._touches = [
            Touch(source, session.exchange.desk(source.instrument).watch) for source in venue
        ]
        for source in venue:
            if source.is_book():
                session.exchange.attach_depth(source.instrument, Depth(source.stream))
                session.engine.markets[source.instrument].book.attach(Depth(source.stream))

    def go(self, progress: Callable[[int], None] | None) -> None:
        session, feed = self._session, self._feed
        agenda = session.agenda
        while True:
            if feed.at >= feed.count:
                last_ns = feed.local_ns[-1] if feed.count else 0
                if not feed.load():
                    # What is still under way meets the market as the last row of the feed found it.
                    self._sync(last_ns)
                    return
                session.events += feed.count
                if progress is not None and feed.count:
                    progress(feed.local_ns[0])
                continue
            # The exchange has been shown everything up to the engine's own instant.
            while agenda and agenda[0] < self._done:
                self._carry_out(heappop(agenda))
            due = agenda[0] if agenda else None
            due_ns = due[0] if due is not None else NEVER_HIGH
            last_ns = feed.local_ns[-1]
            if due_ns < last_ns:  # noqa: PLR1730 - a call of min costs more
                last_ns = due_ns
            touch = self._next_touch(last_ns)
            stop = self._stop(due, touch[0])
            if stop > feed.at:
                self._feed_rows(stop)
            elif touch[1] >= 0 and touch[0] <= due_ns:
                self._show(touch)
            elif due_ns < touch[0]:
                self._carry_out(heappop(agenda))

    def _stop(self, due: Due | None, touch_ns: int) -> int:
        """The first loaded row that must wait for the exchange, or for what is under way."""
        feed = self._feed
        local_ns, at = feed.local_ns, feed.at
        # Mostly it is near: a few looks close by cost less than a search of all that is loaded.
        near = at + _NEAR_ROWS
        if near < feed.count and local_ns[near] >= touch_ns:
            stop = bisect_left(local_ns, touch_ns, at, near)
        else:
            stop = bisect_left(local_ns, touch_ns, at)
        if due is not None:
            find = bisect_right if due[1] == TIMER else bisect_left
            stop = min(stop, find(local_ns, due[0], at))
        return stop

    def _feed_rows(self, stop: int) -> None:
        feed = self._feed
        effects = feed.run_until(stop)
        ts_ns = feed.local_ns[feed.at - 1]
        self._done = (ts_ns, MARKET_AT_ENGINE)
        if effects:
            self._session.perform(effects, ts_ns)

    def _next_touch(self, limit_ns: int) -> tuple[int, int, int]:
        """(ts_ns, source, row) of the earliest row to look at.

        Or, with a source of -1, until when nothing happens.
        """
        touches = self._touches
        if len(touches) == 1:
            row, ts_ns = touches[0].find(limit_ns)
            return ts_ns, -1 if row < 0 else 0, row
        found: list[tuple[int, int, int]] = []
        for i, touch in enumerate(touches):
            row, ts_ns = touch.find(limit_ns)
            found.append((ts_ns, -1 if row < 0 else i, row))
        # At one stamp -1 comes first: what is not searched yet may hold a row before the one found.
        return min(found)

    def _show(self, touch: tuple[int, int, int]) -> None:
        """Show the exchange the row it must look at, after the newest row of every other stream."""
        ts_ns, i, row = touch
        self._sync(ts_ns - 1)
        for k, source in enumerate(self._venue):
            # At one stamp the rows go in the order of the streams.
            if k < i:
                self._move(source, source.last_row(ts_ns))
        self._move(self._venue[i], row - 1)
        self._move(self._venue[i], row)
        if self._session.exchange.reports:
            self._session.collect()

    def _carry_out(self, due: Due) -> None:
        if due[1] != COMMAND:
            self._session.carry_out(due)
            return
        ts_ns = due[0]
        if ts_ns != self._synced_ns:
            self._sync(ts_ns)
            self._synced_ns = ts_ns
        self._session.command(ts_ns, due[3])

    def _sync(self, ts_ns: int) -> None:
        """Bring every stream at the exchange to its newest row at `ts_ns`."""
        for source in self._venue:
            row = source.last_row(ts_ns)
            if row > source.seen:
                source.seen = row
                self._on_market(source.event(row))

    def _move(self, source: Source, row: int) -> None:
        if row > source.seen:
            source.seen = row
            self._on_market(source.event(row))
