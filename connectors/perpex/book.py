"""A book from sequenced frames: a gap, a crossing or a step back means it is not known.

Perpex's `seq` is assumed to rise by one for each symbol. The keeper checks the levels and remembers
them; the engine's own book is fed the same updates. A server that only ever sends whole books needs
no `seq`: each replaces what was known.
"""

from __future__ import annotations

from typing import Final, NoReturn

from connectors.perpex.mapping.read import levels
from connectors.perpex.mapping.wire import LevelsWire
from engine.errors import VenueError
from engine.model.events import BookDelta, BookSnapshot

LEVELS_MAX: Final = 1_000

Sides = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...], tuple[float, ...]]


class BookKeeper:
    """The book of one instrument as far as it is known; `seq` is -1 while it is not."""

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.is_known = False
        self.seq = -1
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        self._times_ns = (0, 0)

    def drop(self) -> None:
        """Forget the book: only a snapshot makes it known again."""
        self.is_known = False
        self.seq = -1
        self._bids = {}
        self._asks = {}

    def snapshot(
        self, wire: LevelsWire, seq: int | None, ts_venue_ns: int, ts_local_ns: int
    ) -> BookSnapshot:
        """A whole book. Raises VenueError, and drops the book, for one that cannot be."""
        try:
            if seq is not None and self.is_known and seq <= self.seq:
                self._break(seq)
            self._bids = dict(levels(wire.bids, removes=False))
            self._asks = dict(levels(wire.asks, removes=False))
            self._check()
        except VenueError:
            self.drop()
            raise
        self.is_known = True
        self.seq = self.seq + 1 if seq is None else seq
        self._times_ns = ts_venue_ns, ts_local_ns
        return self._whole()

    def update(
        self, wire: LevelsWire, seq: int | None, ts_venue_ns: int, ts_local_ns: int
    ) -> BookDelta | None:
        """Changed levels; None while there is no book to change.

        Raises VenueError, and drops the book, after a gap, for a crossing or a step back.
        """
        if not self.is_known:
            return None
        try:
            if seq is None or seq != self.seq + 1:
                self._break(seq)
            bids = levels(wire.bids, removes=True)
            asks = levels(wire.asks, removes=True)
            _apply(self._bids, bids)
            _apply(self._asks, asks)
            self._check()
        except VenueError:
            self.drop()
            raise
        self.seq += 1
        self._times_ns = ts_venue_ns, ts_local_ns
        return BookDelta(
            ts_venue_ns, ts_local_ns, self.instrument, self.seq, *_columns(bids), *_columns(asks)
        )

    def whole(self) -> BookSnapshot | None:
        """The book as it is known, of the time of its last frame; None while it is not known."""
        return self._whole() if self.is_known else None

    def best(self) -> tuple[float, float, float, float]:
        """Best bid and ask as (price, size, price, size); a missing side has 0 and 0."""
        bid, ask = max(self._bids, default=0.0), min(self._asks, default=0.0)
        return bid, self._bids.get(bid, 0.0), ask, self._asks.get(ask, 0.0)

    def _break(self, seq: int | None) -> NoReturn:
        raise VenueError(f"perpex: book frame of seq {seq} after {self.seq}")

    def _check(self) -> None:
        bid, _, ask, _ = self.best()
        if bid and ask and bid >= ask:
            raise VenueError(f"perpex: a crossed book: bid {bid}, ask {ask}")
        if len(self._bids) > LEVELS_MAX or len(self._asks) > LEVELS_MAX:
            raise VenueError(f"perpex: a book of more than {LEVELS_MAX} levels a side")

    def _whole(self) -> BookSnapshot:
        return BookSnapshot(*self._times_ns, self.instrument, self.seq, *self._sides())

    def _sides(self) -> Sides:
        bids = sorted(self._bids.items(), reverse=True)
        asks = sorted(self._asks.items())
        return *_columns(tuple(bids)), *_columns(tuple(asks))


def _apply(side: dict[float, float], changes: tuple[tuple[float, float], ...]) -> None:
    for px, sz in changes:
        if sz:
            side[px] = sz
        else:
            side.pop(px, None)


def _columns(
    rows: tuple[tuple[float, float], ...],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(px for px, _ in rows), tuple(sz for _, sz in rows)
