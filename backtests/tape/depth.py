"""A book's depth at any row: from the last snapshot at or before it, forward through the changes.

Snapshots (keyframes) come at least every 1,000 rows of an imported book, which bounds the work of a
jump. Going forward one row at a time applies that row's changes only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

import numpy as np

from backtests.tape.columns import Column
from backtests.tape.schema import Array
from engine.errors import DataError
from engine.model.instruments import Grid

Depth = tuple[dict[float, float], dict[float, float]]

_BLOCK_ROWS: Final = 1 << 18


class DepthReader:
    """The depth of one book at the row asked for last.

    `at` counts rows of a slice when made for one.
    """

    __slots__ = (
        "_asks",
        "_bids",
        "_columns",
        "_first",
        "_n",
        "_next_snapshot",
        "_px_scale",
        "_row",
        "_snapshots",
        "_sz_scale",
    )

    def __init__(self, columns: Mapping[str, Column], grid: Grid, first: int, n: int) -> None:
        self._columns = columns
        self._first = first
        self._n = n
        self._px_scale = grid.px_scale
        self._sz_scale = grid.sz_scale
        self._snapshots: list[int] | None = None
        self._row = -1
        self._next_snapshot = -1
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}

    def at(self, row: int) -> Depth:
        """The book after `row` as (bids, asks), each price -> size, in no particular order.

        The dicts belong to the reader: read them before the next call. Raises DataError for a row
        that is not there.
        """
        if not 0 <= row < self._n:
            raise DataError(f"book row {row}: expected 0 to {self._n - 1}")
        row += self._first
        if row != self._row:
            start = self._row + 1
            if row < start or row >= self._next_snapshot:
                start = self._restart(row)
            self._apply(start, row)
            self._row = row
        return self._bids, self._asks

    def _restart(self, row: int) -> int:
        """Forget the book and return the last snapshot at or before `row`."""
        snapshots = self._snapshots
        if snapshots is None:
            snapshots = self._snapshots = _snapshot_rows(self._columns["is_snapshot"])
        at = bisect_right(snapshots, row)
        self._next_snapshot = snapshots[at] if at < len(snapshots) else self._columns["seq"].size
        self._bids = {}
        self._asks = {}
        return snapshots[at - 1]

    def _apply(self, first: int, last: int) -> None:
        offs: list[int] = self._columns["off"].window(first, last + 2).tolist()
        ask_offs: list[int] = self._columns["ask_off"].window(first, last + 1).tolist()
        base = offs[0]
        px = self._px(base, offs[-1])
        sz = self._sz(base, offs[-1])
        bids, asks = self._bids, self._asks
        for i, ask_off in enumerate(ask_offs):
            start, middle, stop = offs[i] - base, ask_off - base, offs[i + 1] - base
            _set(bids, px[start:middle], sz[start:middle])
            _set(asks, px[middle:stop], sz[middle:stop])

    def _px(self, start: int, stop: int) -> list[float]:
        ticks: Array = self._columns["chg_ticks"].window(start, stop)
        values: list[float] = (ticks / self._px_scale).tolist()
        return values

    def _sz(self, start: int, stop: int) -> list[float]:
        lots: Array = self._columns["chg_lots"].window(start, stop)
        values: list[float] = (lots / self._sz_scale).tolist()
        return values


def _set(levels: dict[float, float], px: list[float], sz: list[float]) -> None:
    for price, size in zip(px, sz, strict=True):
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)


def _snapshot_rows(column: Column) -> list[int]:
    """The rows that are snapshots, found in blocks."""
    rows: list[int] = []
    for start in range(0, column.size, _BLOCK_ROWS):
        block = column.window(start, min(column.size, start + _BLOCK_ROWS))
        rows += (np.flatnonzero(block) + start).tolist()
    return rows
