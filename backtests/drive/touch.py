"""Where the exchange must look next: the first row of a stream that could touch an own order.

A search, never a decision: it may stop where nothing happens (harmless, the row goes through the
exchange's own rule and changes nothing), and must never pass a row where something does; the parity
test hunts for that. Prices are compared in integer ticks, over the extremes of 16 rows at a time
first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from backtests.drive.blocks import NEVER_HIGH, PART_ROWS, Block, Searched, Source
from backtests.exchange import Watch
from backtests.tape import StreamKind

REACH_PARTS: Final = 3
_WITH_LEVELS: Final = (StreamKind.QUOTE, StreamKind.BOOK)


class Touch:
    """The search over one stream for one instrument's orders; remembers how far it has looked."""

    def __init__(self, source: Source, watching: Callable[[], Watch | None]) -> None:
        self.source = source
        self._watching = watching
        self._watch: Watch | None = None
        self._block: Block | None = None
        self._looked = 0
        self._found = -1
        self._reach = REACH_PARTS
        self._has_levels = source.kind in _WITH_LEVELS
        self._is_funding = source.kind is StreamKind.FUNDING

    def find(self, limit_ns: int) -> tuple[int, int]:
        """(row, ts_ns): the first row to look at and its venue stamp.

        Or -1, and until when nothing happens. The search goes no further than the first row after
        `limit_ns`, nor than a block at a time.
        """
        source = self.source
        seen = source.seen
        watch = self._watching()
        if watch is not self._watch:
            self._watch = watch
            self._looked = seen + 1
            self._found = -1
            self._reach = REACH_PARTS
        elif self._looked <= seen:
            self._looked = seen + 1
        row = self._looked
        if self._found > seen:
            row = self._found
        elif self._is_funding:
            row = seen + 1
        elif watch is not None and row < source.n:
            block = self._block
            if block is None or not block.start <= row < block.stop:
                block = self._block = source.block(row)
            return self._search(watch, block, row - block.start, limit_ns)
        else:
            return -1, NEVER_HIGH
        return (row, source.venue_ns(row)) if row < source.n else (-1, NEVER_HIGH)

    def _search(self, watch: Watch, block: Block, at: int, limit_ns: int) -> tuple[int, int]:
        """16 rows at a time, then row by row; no further than the first 16 after `limit_ns`.

        How far it reaches at once grows while the orders stay the same, because most orders change
        soon.
        """
        count, venue_ns, prices = block.count, block.venue_ns, block.searched
        reach = self._reach
        if reach < count:
            self._reach = 2 * reach
        has_levels = self._has_levels and bool(watch.levels)
        bid, ask = watch.bid_ticks, watch.ask_ticks
        lows, highs = prices.low_ahead, prices.high_ahead
        has_triggers = watch.has_triggers
        stop = at
        for _ in range(reach):
            stop = at + PART_ROWS
            if stop > count:  # noqa: PLR1730 - a call of min costs more
                stop = count
            hit = self._changed(watch, block, at, stop) if has_levels else -1
            if (
                lows[at] <= bid
                or highs[at] >= ask
                or (has_triggers and _may_fire(watch, prices, at))
            ):
                crossed = _crossed(watch, prices, at, stop if hit < 0 else hit)
                if crossed >= 0:
                    hit = crossed
            if hit >= 0:
                self._found = self._looked = block.start + hit
                return self._found, venue_ns[hit]
            if stop == count or venue_ns[stop] > limit_ns:
                break
            at = stop
        row = self._looked = block.start + stop
        if stop < count:
            return -1, venue_ns[stop]
        return -1, NEVER_HIGH if row >= self.source.n else self.source.venue_ns(row)

    def _changed(self, watch: Watch, block: Block, a: int, b: int) -> int:
        """The first of rows a..b that shows an own order's level anew."""
        if self.source.kind is StreamKind.QUOTE:
            # A quote tells of a level when it is the best one, or lies beyond it.
            lows, highs = block.searched.low, block.searched.high
            for row in range(a, b):
                for side, px_ticks, _ in watch.levels:
                    if (highs[row] <= px_ticks) if side > 0 else (lows[row] >= px_ticks):
                        return row
            return -1
        if any(ahead is None for _, _, ahead in watch.levels):
            return a
        stream = self.source.stream
        first, last = block.start + a, block.start + b
        off = stream.window("off", first, last + 1)
        ticks = stream.window("chg_ticks", int(off[0]), int(off[-1]))
        told = stream.window("is_snapshot", first, last) != 0
        changed = np.zeros(len(ticks), dtype=bool)
        for _, px_ticks, _ in watch.levels:
            changed |= ticks == px_ticks
        told[np.searchsorted(off - off[0], np.flatnonzero(changed), side="right") - 1] = True
        row = int(told.argmax())
        return a + row if told[row] else -1


def _may_fire(watch: Watch, prices: Searched, row: int) -> bool:
    """Whether the mark reaches a trigger in one of the 16 rows from this one on."""
    return (
        prices.mark_low_ahead[row] <= watch.trigger_low_ticks
        or prices.mark_high_ahead[row] >= watch.trigger_high_ticks
    )


def _crossed(watch: Watch, prices: Searched, a: int, b: int) -> int:
    """The first of rows a..b whose prices reach an own order or a trigger, or -1."""
    bid, ask = watch.bid_ticks, watch.ask_ticks
    lows, highs = prices.low, prices.high
    if not watch.has_triggers:
        for row in range(a, b):
            if lows[row] <= bid or highs[row] >= ask:
                return row
        return -1
    low, high = watch.trigger_low_ticks, watch.trigger_high_ticks
    mark_lows, mark_highs = prices.mark_low, prices.mark_high
    for row in range(a, b):
        if (
            lows[row] <= bid
            or highs[row] >= ask
            or mark_lows[row] <= low
            or mark_highs[row] >= high
        ):
            return row
    return -1
