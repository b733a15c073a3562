"""Bars from trades, in integer ticks and lots, and the trade that closes each.

The engine folds live trades by the same rule.

A bar [k*i, (k+1)*i) of venue time closes at the first trade with ts_venue_ns >= (k+1)*i, its
closing row: the bar has ts_venue_ns (k+1)*i and the ts_local_ns of that trade. An interval without
a trade gives no bar; the unfinished last one is not emitted.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from backtests.tape.derived import read_bars, write_bars
from backtests.tape.schema import IntArray, StreamKind
from backtests.tape.stream import Stream
from engine.errors import DataError

_BLOCK_ROWS: Final = 1 << 18

# One folded bar: bucket, open, high, low, close, volume.
_Pending = tuple[int, int, int, int, int, int]


def bars_from_trades(stream: Stream, interval_ns: int) -> tuple[Stream, IntArray]:
    """The closed bars of a trade stream, and for each the row of `stream` that closes it.

    Computed once for a stream that lies in a tape folder and kept there (`derived/`); a slice is
    cut from the kept bars, its first one folded anew from the slice's own trades.
    """
    if stream.kind is not StreamKind.TRADE:
        raise DataError(f"{stream.label}: cannot be folded to bars, expected trades")
    if interval_ns <= 0:
        raise DataError(f"{stream.label}: interval_ns is {interval_ns}, expected more than 0")
    if stream.folder is None:
        return _fold(stream, interval_ns)
    bars, closing_rows = _kept(stream.whole(), interval_ns)
    return (bars, closing_rows) if stream.is_whole else _cut(stream, bars, closing_rows)


def _kept(stream: Stream, interval_ns: int) -> tuple[Stream, IntArray]:
    kept = read_bars(stream, interval_ns)
    if kept is None:
        kept = _fold(stream, interval_ns)
        write_bars(stream, *kept)
    return kept


def _cut(stream: Stream, bars: Stream, closing_rows: IntArray) -> tuple[Stream, IntArray]:
    """The bars that close inside a slice: those of the whole stream, but for the first.

    Only the first can have trades before the slice: from its predecessor's closing row on. One
    whose closing row is the slice's first has no trade in it at all.
    """
    first, stop = stream.first, stream.first + stream.n
    at = int(np.searchsorted(closing_rows, first, side="right"))
    end = int(np.searchsorted(closing_rows, stop, side="left"))
    rows = closing_rows[at:end] - first
    kept = bars.slice(at, end)
    if not rows.size:
        return kept, rows
    head, _ = _fold(stream.slice(0, int(rows[0]) + 1), bars.interval_ns)
    columns = {
        name: np.concatenate((head.column(name), kept.column(name)[1:])) for name in _BAR_COLUMNS
    }
    return Stream.from_columns(StreamKind.BAR, stream.instrument, columns, bars.interval_ns), rows


_BAR_COLUMNS: Final = (
    "ts_venue_ns",
    "ts_local_ns",
    "open_ticks",
    "high_ticks",
    "low_ticks",
    "close_ticks",
    "volume_lots",
)


def _fold(stream: Stream, interval_ns: int) -> tuple[Stream, IntArray]:
    """Fold trades in blocks; a bar left open by one block is carried into the next."""
    parts: list[IntArray] = []
    pending: _Pending | None = None
    for start in range(0, stream.n, _BLOCK_ROWS):
        stop = min(stream.n, start + _BLOCK_ROWS)
        part, pending = _fold_block(stream, (start, stop), interval_ns, pending)
        parts.append(part)
    table = np.concatenate(parts, axis=1) if parts else np.empty((8, 0), np.int64)
    columns = dict(zip(_BAR_COLUMNS, table, strict=False))
    bars = Stream.from_columns(StreamKind.BAR, stream.instrument, columns, interval_ns)
    return bars, table[-1]


def _fold_block(
    stream: Stream, rows: tuple[int, int], interval_ns: int, pending: _Pending | None
) -> tuple[IntArray, _Pending]:
    """The bars that close within a block (bar columns, closing row), and the one left open."""
    start, stop = rows
    buckets = stream.window("ts_venue_ns", start, stop) // interval_ns
    px = stream.window("px_ticks", start, stop)
    lots = stream.window("sz_lots", start, stop)
    firsts = np.concatenate(([0], np.flatnonzero(buckets[1:] != buckets[:-1]) + 1))
    lasts = np.concatenate((firsts[1:], [stop - start])) - 1
    folded = np.stack(
        (
            buckets[firsts],
            px[firsts],
            np.maximum.reduceat(px, firsts),
            np.minimum.reduceat(px, firsts),
            px[lasts],
            np.add.reduceat(lots, firsts),
        )
    )
    closing = firsts[1:]
    if pending is not None:
        if pending[0] == folded[0, 0]:
            folded[:, 0] = _joined(pending, folded[:, 0].tolist())
        else:
            folded = np.concatenate((np.array(pending)[:, None], folded), axis=1)
            closing = firsts
    local = stream.window("ts_local_ns", start, stop)
    closed = folded[:, :-1]
    table = np.concatenate(
        (
            [(closed[0] + 1) * interval_ns, local[closing]],
            closed[1:],
            [closing + start],
        )
    )
    bucket, opened, high, low, close, volume = folded[:, -1].tolist()
    return table, (bucket, opened, high, low, close, volume)


def _joined(pending: _Pending, rest: list[int]) -> _Pending:
    bucket, opened, high, low, _, volume = pending
    _, _, high_rest, low_rest, close_rest, volume_rest = rest
    return (
        bucket,
        opened,
        max(high, high_rest),
        min(low, low_rest),
        close_rest,
        volume + volume_rest,
    )
