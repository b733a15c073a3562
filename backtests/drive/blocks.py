"""One stream read in blocks by two cursors: the feed's and, ahead of it, the exchange's.

A block holds its rows as events, built once and used by both, beside the columns that the search
for the next touch reads. The book comes as tops; its depth is rebuilt from the tape when somebody
asks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backtests.drive.rows import BLOCK_ROWS, FOLDED, times_of
from backtests.tape import Stream, StreamKind
from engine.model.events import MarketEvent

_KEPT_BLOCKS: Final = 4
PART_ROWS: Final = 16
NEVER_HIGH: Final = 1 << 62


class Searched:
    """The prices of a block that the search for a touch reads, in ticks.

    `low` is what reaches an own buy from above, `high` what reaches an own sell from below;
    `mark_low` and `mark_high` bound the mark from both sides. `*_ahead` are, at every row, their
    extremes over the 16 rows from there on. All are arrays, which make an int only of what is
    looked at: that is little.
    """

    __slots__ = (
        "high",
        "high_ahead",
        "low",
        "low_ahead",
        "mark_high",
        "mark_high_ahead",
        "mark_low",
        "mark_low_ahead",
    )

    def __init__(self, stream: Stream, start: int, stop: int) -> None:
        low, high, mark_low, mark_high = _prices(stream, start, stop)
        # Of most streams two of the four columns are one.
        plain = {id(column): _plain(column) for column in (low, high, mark_low, mark_high)}
        self.low, self.high = plain[id(low)], plain[id(high)]
        self.mark_low, self.mark_high = plain[id(mark_low)], plain[id(mark_high)]
        self.low_ahead = _plain(_ahead(low, np.minimum))
        self.high_ahead = _plain(_ahead(high, np.maximum))
        self.mark_low_ahead, self.mark_high_ahead = self.low_ahead, self.high_ahead
        if mark_low is not low:
            self.mark_low_ahead = _plain(_ahead(mark_low, np.minimum))
        if mark_high is not high:
            self.mark_high_ahead = _plain(_ahead(mark_high, np.maximum))


def _plain(column: NDArray[np.int64]) -> array[int]:
    values = array("q")
    values.frombytes(column.astype(np.int64, copy=False).tobytes())
    return values


def _ahead(column: NDArray[np.int64], least_or_most: np.ufunc) -> NDArray[np.int64]:
    """The extreme over up to 16 rows from every row on, by doubling the reach four times."""
    ahead = column.astype(np.int64)
    reach = 1
    while reach < PART_ROWS:
        # The source of each step must be as it was before it.
        least_or_most(ahead[:-reach], ahead[reach:].copy(), out=ahead[:-reach])
        reach *= 2
    return ahead


class Block:
    """Rows `start`.. of a stream: their events and stamps, and what is searched when it is."""

    __slots__ = ("_searched", "_stream", "count", "events", "local_ns", "start", "stop", "venue_ns")

    def __init__(self, stream: Stream, start: int, feed_ns: int) -> None:
        stop = min(stream.n, start + BLOCK_ROWS)
        times = times_of(stream, start, stop, feed_ns)
        self.start = start
        self.stop = stop
        self.count = stop - start
        self.venue_ns, self.local_ns = times
        self.events: list[Any] = list(FOLDED[stream.kind](stream, start, stop, times))
        self._stream = stream
        self._searched: Searched | None = None

    @property
    def searched(self) -> Searched:
        """The prices of these rows; most blocks are never searched."""
        if self._searched is None:
            self._searched = Searched(self._stream, self.start, self.start + self.count)
        return self._searched


def _prices(stream: Stream, a: int, b: int) -> tuple[Any, Any, Any, Any]:
    """(low, high, mark_low, mark_high) of rows a..b; a missing side is 0, a harmless stop."""
    kind = stream.kind
    if kind in (StreamKind.QUOTE, StreamKind.BOOK):
        bid, ask = stream.window("bid_ticks", a, b), stream.window("ask_ticks", a, b)
        return ask, bid, bid, ask
    if kind is StreamKind.TRADE:
        px = stream.window("px_ticks", a, b)
        return px, px, px, px
    if kind is StreamKind.BAR:
        low, high = stream.window("low_ticks", a, b), stream.window("high_ticks", a, b)
        return low, high, low, high
    never = np.full(b - a, NEVER_HIGH)
    if kind is StreamKind.CONTEXT:
        marks = stream.window("mark_px", a, b) * stream.instrument.grid.px_scale
        return never, -never, np.floor(marks).astype(np.int64), np.ceil(marks).astype(np.int64)
    return never, -never, never, -never


class Depth:
    """The depth of a book by its row number, for one reader."""

    def __init__(self, stream: Stream) -> None:
        self._reader = stream.depth_reader()

    def levels(self, seq: int) -> tuple[dict[float, float], dict[float, float]]:
        """(bids, asks) after row `seq`."""
        bids, asks = self._reader.at(seq)
        return dict(bids), dict(asks)


class Source:
    """A stream as blocks, kept while a cursor may need them, and the exchange's place in it."""

    def __init__(self, stream: Stream, feed_ns: int) -> None:
        self.stream = stream
        self.instrument = stream.instrument.id
        self.kind = stream.kind
        self.n = stream.n
        self._feed_ns = feed_ns
        self._blocks: dict[int, Block] = {}
        self._newest: Block | None = None
        self.seen = -1

    def block(self, row: int) -> Block:
        """The block that holds a row."""
        newest = self._newest
        if newest is not None and newest.start <= row < newest.stop:
            return newest
        number = row // BLOCK_ROWS
        found = self._blocks.get(number)
        if found is None:
            found = self._blocks[number] = Block(self.stream, number * BLOCK_ROWS, self._feed_ns)
            if len(self._blocks) > _KEPT_BLOCKS:
                del self._blocks[min(self._blocks)]
        self._newest = found
        return found

    def event(self, row: int) -> MarketEvent:
        """One row as an event."""
        block = self.block(row)
        event: MarketEvent = block.events[row - block.start]
        return event

    def venue_ns(self, row: int) -> int:
        """When a row happened at the venue."""
        block = self.block(row)
        return block.venue_ns[row - block.start]

    def last_row(self, ts_ns: int) -> int:
        """The last row at or before `ts_ns`, from the exchange's place on."""
        row = self.seen + 1
        while row < self.n:
            block = self.block(row)
            venue_ns, start = block.venue_ns, block.start
            # Mostly it is near: a few looks close by cost less than a search of the whole block.
            near = row - start + PART_ROWS
            if near < block.count and venue_ns[near] > ts_ns:
                return start + bisect_right(venue_ns, ts_ns, row - start, near) - 1
            if venue_ns[-1] > ts_ns:
                return start + bisect_right(venue_ns, ts_ns, row - start) - 1
            row = block.stop
        return self.n - 1

    def is_book(self) -> bool:
        """Whether this is an order book, which has depth."""
        return self.kind is StreamKind.BOOK
