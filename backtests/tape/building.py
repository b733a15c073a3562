"""Making a book stream from updates: whole books become differences, with a keyframe now and then.

A row is stored as a snapshot when it is the first, when the caller says that updates were missed,
and every `KEYFRAME_ROWS` rows, which bounds the work of finding the depth at any row. A stored book
is never crossed: a whole book that is crossed is not taken, and an update that crosses removes the
levels of the other side that it shows to be stale.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np

from backtests.tape.schema import COLUMNS, Array, StreamKind
from backtests.tape.stream import Stream
from engine.model.instruments import Instrument

KEYFRAME_ROWS: Final = 1_000

Level = tuple[int, int]


class Update(NamedTuple):
    """One update of a book: its times, its number, and levels as (ticks, lots), 0 lots deleting."""

    ts_venue_ns: int
    ts_local_ns: int
    seq: int
    bids: Iterable[Level]
    asks: Iterable[Level]


class BookBuilder:
    """Takes the updates of one book in order. `removed` counts levels an update showed stale."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.removed = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self._bid = 0
        self._ask = 0
        self._columns = {spec.name: array("q") for spec in COLUMNS[StreamKind.BOOK]}
        self._columns["off"].append(0)
        self._since_keyframe = KEYFRAME_ROWS

    def add_book(self, update: Update, *, is_after_gap: bool = False) -> bool:
        """Take a whole book. Returns False, and takes nothing, when it is crossed or locked."""
        bids = {px: sz for px, sz in update.bids if sz}
        asks = {px: sz for px, sz in update.asks if sz}
        if bids and asks and max(bids) >= min(asks):
            return False
        changes = _difference(self.bids, bids), _difference(self.asks, asks)
        self.bids, self.asks = bids, asks
        self._bid, self._ask = max(bids, default=0), min(asks, default=0)
        self._store(update, changes, is_keyframe=is_after_gap)
        return True

    def add_changes(self, update: Update) -> None:
        """Take the levels that changed; the last change of a level wins, and an ask over a bid."""
        bids, asks = dict(update.bids), dict(update.asks)
        _apply(self.bids, bids)
        self._bid = _best(self.bids, self._bid, bids, max)
        top = max((px for px, sz in bids.items() if sz), default=0)
        if top >= self._ask > 0:
            # What this update says of an ask itself is heard next.
            self._remove(asks, self.asks, [px for px in self.asks if px <= top and px not in asks])
        _apply(self.asks, asks)
        self._ask = _best(self.asks, self._ask, asks, min)
        low = min((px for px, sz in asks.items() if sz), default=0)
        if 0 < low <= self._bid:
            self._remove(bids, self.bids, [px for px in self.bids if px >= low])
            self._bid = max(self.bids, default=0)
        self._store(update, (list(bids.items()), list(asks.items())), is_keyframe=False)

    def _remove(self, changes: dict[int, int], levels: dict[int, int], stale: list[int]) -> None:
        for ticks in stale:
            changes[ticks] = 0
            del levels[ticks]
        self.removed += len(stale)

    def _store(
        self, update: Update, changes: tuple[list[Level], list[Level]], *, is_keyframe: bool
    ) -> None:
        columns = self._columns
        is_snapshot = is_keyframe or self._since_keyframe >= KEYFRAME_ROWS
        self._since_keyframe = 1 if is_snapshot else self._since_keyframe + 1
        bids, asks = changes
        if is_snapshot:
            bids, asks = sorted(self.bids.items(), reverse=True), sorted(self.asks.items())
        columns["ts_venue_ns"].append(update.ts_venue_ns)
        columns["ts_local_ns"].append(update.ts_local_ns)
        columns["seq"].append(update.seq)
        columns["is_snapshot"].append(is_snapshot)
        start = columns["off"][-1]
        columns["ask_off"].append(start + len(bids))
        columns["off"].append(start + len(bids) + len(asks))
        for levels in (bids, asks):
            columns["chg_ticks"].extend([px for px, _ in levels])
            columns["chg_lots"].extend([sz for _, sz in levels])
        columns["bid_ticks"].append(self._bid)
        columns["bid_lots"].append(self.bids.get(self._bid, 0))
        columns["ask_ticks"].append(self._ask)
        columns["ask_lots"].append(self.asks.get(self._ask, 0))

    def stream(self) -> Stream:
        """The book so far. The builder can go on; the stream keeps what it has."""
        columns: dict[str, Array] = {
            name: np.array(values, np.int64) for name, values in self._columns.items()
        }
        return Stream.from_columns(StreamKind.BOOK, self.instrument, columns)


def _difference(old: dict[int, int], new: dict[int, int]) -> list[Level]:
    changed = [(px, sz) for px, sz in new.items() if old.get(px) != sz]
    return changed + [(px, 0) for px in old if px not in new]


def _apply(levels: dict[int, int], changes: dict[int, int]) -> None:
    for px, sz in changes.items():
        if sz:
            levels[px] = sz
        else:
            levels.pop(px, None)


def _best(
    levels: dict[int, int], best: int, changes: dict[int, int], pick: Callable[..., int]
) -> int:
    """The best level after changes; the whole side is looked at only when the old best is gone."""
    if best not in levels:
        return pick(levels, default=0)
    return pick([best, *(px for px, sz in changes.items() if sz)])
