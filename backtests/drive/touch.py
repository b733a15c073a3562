"""Where the exchange must look next: the first row of a stream that could touch an own order.

A search, never a decision: it may stop where nothing happens (harmless, the row goes through the exchange's own rule and changes
nothing), and must never pass a row where something does; the parity test hunts for that. Prices are compared in integer ticks, in
windows that grow while nothing is found.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from backtests.drive.blocks import Block, Source
from backtests.exchange import Watch
from backtests.tape import StreamKind

FIRST_WINDOW: Final = 64
NEVER_HIGH: Final = 1 << 62


class Touch:
    """The search over one stream for one instrument's own orders; remembers how far it has looked."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._watch: Watch | None = None
        self._looked = 0
        self._found = -1

    def find(self, watch: Watch | None, limit_ns: int) -> tuple[int, int]:
        """(row, clear_ns): the first row to look at, or -1; without one, nothing happens before clear_ns.

        The search goes no further than the first row after `limit_ns`, nor than a block at a time.
        """
        source = self.source
        if watch is not self._watch:
            self._watch = watch
            self._looked = source.seen + 1
            self._found = -1
        self._looked = max(self._looked, source.seen + 1)
        if self._found > source.seen:
            return self._found, 0
        if source.kind is StreamKind.FUNDING:
            row = source.seen + 1
            return (row, 0) if row < source.n else (-1, NEVER_HIGH)
        if watch is None:
            return -1, NEVER_HIGH
        row = self._looked
        if row >= source.n:
            return -1, NEVER_HIGH
        block = source.block(row)
        return self._search(watch, block, row - block.start, limit_ns)

    def _search(self, watch: Watch, block: Block, at: int, limit_ns: int) -> tuple[int, int]:
        size = FIRST_WINDOW
        count = len(block.events)
        while at < count:
            stop = min(count, at + size)
            mask = self._mask(watch, block, at, stop)
            if mask is None:
                hit = at
            else:
                first = int(mask.argmax())
                hit = at + first if mask[first] else -1
            if hit >= 0:
                self._found = self._looked = block.start + hit
                return self._found, 0
            at = stop
            self._looked = block.start + at
            if at < count and block.venue_ns[at] > limit_ns:
                return -1, block.venue_ns[at]
            size *= 4
        if self._looked >= self.source.n:
            return -1, NEVER_HIGH
        return -1, self.source.venue_ns(self._looked)

    def _mask(self, watch: Watch, block: Block, a: int, b: int) -> Any:
        """Which rows a..b could touch an own order; None when each must be looked at."""
        kind = self.source.kind
        columns = block.columns
        if kind is StreamKind.CONTEXT:
            return _marks(watch, columns[0][a:b], self.source.stream.instrument.grid.px_scale)
        if kind is StreamKind.TRADE:
            px = columns[0][a:b]
            low = max(watch.bid_ticks, watch.trigger_low_ticks)
            high = min(watch.ask_ticks, watch.trigger_high_ticks)
            return (px <= low) | (px >= high)
        if kind is StreamKind.BAR:
            low = max(watch.bid_ticks, watch.trigger_low_ticks)
            high = min(watch.ask_ticks, watch.trigger_high_ticks)
            return (columns[0][a:b] <= low) | (columns[1][a:b] >= high)
        bid, ask = columns[0][a:b], columns[1][a:b]
        mask = (ask <= watch.bid_ticks) | (bid >= watch.ask_ticks)
        if watch.trigger_low_ticks or watch.trigger_high_ticks != NEVER_HIGH:
            mid2 = bid + ask
            mask |= mid2 <= 2 * watch.trigger_low_ticks
            mask |= mid2 >= 2 * watch.trigger_high_ticks
        if watch.levels:
            return self._levels(watch, block, a, b, mask)
        return mask

    def _levels(self, watch: Watch, block: Block, a: int, b: int, mask: Any) -> Any:
        """Rows that could change how much is ahead of an own order."""
        stream = self.source.stream
        if self.source.kind is StreamKind.QUOTE:
            bid, ask = block.columns[0][a:b], block.columns[1][a:b]
            for side, px_ticks, _ in watch.levels:
                # Seen again or seen smaller: only a row that shows this very price (or better) tells.
                mask = mask | ((bid <= px_ticks) if side > 0 else (ask >= px_ticks))
            return mask
        if any(ahead is None for _, _, ahead in watch.levels):
            return None
        first, last = block.start + a, block.start + b
        off = stream.window("off", first, last + 1)
        ticks = stream.window("chg_ticks", int(off[0]), int(off[-1]))
        snapshots = stream.window("is_snapshot", first, last)
        changed = np.zeros(len(ticks), dtype=bool)
        for _, px_ticks, _ in watch.levels:
            changed |= ticks == px_ticks
        rows = np.searchsorted(off - off[0], np.flatnonzero(changed), side="right") - 1
        mask = mask | (snapshots != 0)
        mask[rows] = True
        return mask


def _marks(watch: Watch, mark_px: Any, px_scale: int) -> Any:
    ticks = mark_px * px_scale
    return (ticks <= watch.trigger_low_ticks + 1) | (ticks >= watch.trigger_high_ticks - 1)
