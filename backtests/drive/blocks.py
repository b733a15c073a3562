"""One stream read in blocks by two cursors: the feed's and, ahead of it, the exchange's.

A block holds its rows as events, built once and used by both, beside the columns that the search for the next touch reads. The
book comes as tops; its depth is rebuilt from the tape when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

from backtests.drive.rows import BLOCK_ROWS, FOLDED
from backtests.tape import Stream, StreamKind

_KEPT_BLOCKS: Final = 4
_SEARCHED: Final[dict[StreamKind, tuple[str, ...]]] = {
    StreamKind.QUOTE: ("bid_ticks", "ask_ticks"),
    StreamKind.BOOK: ("bid_ticks", "ask_ticks"),
    StreamKind.TRADE: ("px_ticks",),
    StreamKind.BAR: ("low_ticks", "high_ticks"),
    StreamKind.CONTEXT: ("mark_px",),
    StreamKind.FUNDING: (),
}


class Block:
    """Rows `start`.. of a stream: their events, their stamps, and the columns that are searched."""

    __slots__ = ("columns", "events", "local_ns", "start", "venue_ns")

    def __init__(self, stream: Stream, start: int, feed_ns: int) -> None:
        stop = min(stream.n, start + BLOCK_ROWS)
        self.start = start
        self.events: list[Any] = list(FOLDED[stream.kind](stream, start, stop, feed_ns))
        self.venue_ns: list[int] = [event.ts_venue_ns for event in self.events]
        self.local_ns: list[int] = [event.ts_local_ns for event in self.events]
        self.columns = [stream.window(name, start, stop) for name in _SEARCHED[stream.kind]]


class Depth:
    """The depth of a book by its row number, for one reader."""

    def __init__(self, stream: Stream) -> None:
        self._reader = stream.depth_reader()

    def levels(self, seq: int) -> tuple[dict[float, float], dict[float, float]]:
        """(bids, asks) after row `seq`."""
        bids, asks = self._reader.at(seq)
        return dict(bids), dict(asks)


class Source:
    """A stream as blocks, kept while either cursor may need them, and the exchange's place in it."""

    def __init__(self, stream: Stream, feed_ns: int) -> None:
        self.stream = stream
        self.instrument = stream.instrument.id
        self.kind = stream.kind
        self.n = stream.n
        self._feed_ns = feed_ns
        self._blocks: dict[int, Block] = {}
        self.seen = -1

    def block(self, row: int) -> Block:
        """The block that holds a row."""
        number = row // BLOCK_ROWS
        found = self._blocks.get(number)
        if found is None:
            found = self._blocks[number] = Block(self.stream, number * BLOCK_ROWS, self._feed_ns)
            if len(self._blocks) > _KEPT_BLOCKS:
                del self._blocks[min(self._blocks)]
        return found

    def event(self, row: int) -> Any:
        """One row as an event."""
        block = self.block(row)
        return block.events[row - block.start]

    def venue_ns(self, row: int) -> int:
        """When a row happened at the venue."""
        block = self.block(row)
        return block.venue_ns[row - block.start]

    def last_row(self, ts_ns: int) -> int:
        """The last row at or before `ts_ns`, from the exchange's place on."""
        row = self.seen + 1
        while row < self.n:
            block = self.block(row)
            if block.venue_ns[-1] > ts_ns:
                at = bisect_right(block.venue_ns, ts_ns, row - block.start)
                return block.start + at - 1
            row = block.start + len(block.events)
        return self.n - 1

    def is_book(self) -> bool:
        """Whether this is an order book, which has depth."""
        return self.kind is StreamKind.BOOK

