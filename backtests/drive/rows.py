"""From tape columns to events, a block of rows at a time, built by C-level iteration.

Ticks and lots become floats by division by the scale, which gives the float nearest the decimal.
`seq` of a book event is the row's number in its stream, so that its depth can be found again.
Either driver sees the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any, Final

import msgspec
import numpy as np

from backtests.tape import Stream, StreamKind
from engine.model.events import (
    AssetContext,
    Bar,
    BookDelta,
    BookSnapshot,
    BookTop,
    FundingRate,
    MarketEvent,
    Quote,
    Trade,
)
from engine.model.units import PPB, Side

BLOCK_ROWS: Final = 4096
_SIDES: Final = {1: Side.BUY, -1: Side.SELL}
TOPS: Final = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
BARS: Final = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")


Times = tuple[list[int], list[int]]


def times_of(stream: Stream, a: int, b: int, feed_ns: int) -> Times:
    """The venue and local stamps of rows a..b, the feed's delay added to the latter."""
    local = stream.window("ts_local_ns", a, b)
    venue = stream.window("ts_venue_ns", a, b)
    venue_ns: list[int] = venue.tolist()
    if feed_ns:
        return venue_ns, (local + feed_ns).tolist()
    return venue_ns, venue_ns if np.array_equal(local, venue) else local.tolist()


def _floats(stream: Stream, name: str, a: int, b: int, scale: int) -> list[float]:
    values: list[float] = (stream.window(name, a, b) / scale).tolist()
    return values


def _top_columns(stream: Stream, a: int, b: int) -> list[list[float]]:
    grid = stream.instrument.grid
    scales = (grid.px_scale, grid.sz_scale, grid.px_scale, grid.sz_scale)
    return [_floats(stream, name, a, b, scale) for name, scale in zip(TOPS, scales, strict=True)]


def quotes(stream: Stream, a: int, b: int, times: Times) -> Iterator[Quote]:
    """Rows a..b of a quote stream."""
    tv, tl = times
    return map(Quote, tv, tl, repeat(stream.instrument.id), *_top_columns(stream, a, b))


def tops(stream: Stream, a: int, b: int, times: Times) -> Iterator[BookTop]:
    """Rows a..b of a book stream as the top of book after each."""
    tv, tl = times
    top = _top_columns(stream, a, b)
    return map(BookTop, tv, tl, repeat(stream.instrument.id), range(a, b), *top)


def trades(stream: Stream, a: int, b: int, times: Times) -> Iterator[Trade]:
    """Rows a..b of a trade stream."""
    tv, tl = times
    grid = stream.instrument.grid
    px = _floats(stream, "px_ticks", a, b, grid.px_scale)
    sz = _floats(stream, "sz_lots", a, b, grid.sz_scale)
    side = map(_SIDES.__getitem__, stream.window("side", a, b).tolist())
    ids = stream.window("trade_id", a, b).tolist()
    return map(Trade, tv, tl, repeat(stream.instrument.id), px, sz, side, ids)


def bars(stream: Stream, a: int, b: int, times: Times) -> Iterator[Bar]:
    """Rows a..b of a bar stream."""
    tv, tl = times
    grid = stream.instrument.grid
    px = [_floats(stream, name, a, b, grid.px_scale) for name in BARS]
    volume = _floats(stream, "volume_lots", a, b, grid.sz_scale)
    return map(Bar, tv, tl, repeat(stream.instrument.id), repeat(stream.interval_ns), *px, volume)


def contexts(stream: Stream, a: int, b: int, times: Times) -> Iterator[AssetContext]:
    """Rows a..b of a context stream."""
    tv, tl = times
    names = ("mark_px", "oracle_px", "funding_rate", "open_interest")
    columns = [stream.window(name, a, b).tolist() for name in names]
    return map(AssetContext, tv, tl, repeat(stream.instrument.id), *columns)


def fundings(stream: Stream, a: int, b: int, times: Times) -> Iterator[FundingRate]:
    """Rows a..b of a funding stream."""
    tv, tl = times
    rates = _floats(stream, "rate_ppb", a, b, PPB)
    return map(FundingRate, tv, tl, repeat(stream.instrument.id), rates)


def book_updates(
    stream: Stream, a: int, b: int, times: Times
) -> Iterator[BookSnapshot | BookDelta]:
    """Rows a..b of a book stream as the updates themselves: snapshots and changes.

    The first row of a slice starts from nothing, so it comes as the whole book there.
    """
    off = stream.window("off", a, b + 1)
    base, last = int(off[0]), int(off[-1])
    offs, ask_offs = (off - base).tolist(), (stream.window("ask_off", a, b) - base).tolist()
    grid = stream.instrument.grid
    px = tuple(_floats(stream, "chg_ticks", base, last, grid.px_scale))
    sz = tuple(_floats(stream, "chg_lots", base, last, grid.sz_scale))
    where = stream.instrument.id
    updates: list[BookSnapshot | BookDelta] = [
        BookDelta(tv, tl, where, row, px[i:j], sz[i:j], px[j:k], sz[j:k])
        for tv, tl, row, i, j, k in zip(
            *times, range(a, b), offs[:-1], ask_offs, offs[1:], strict=True
        )
    ]
    snapshots = np.flatnonzero(stream.window("is_snapshot", a, b)).tolist()
    for i in snapshots:
        updates[i] = BookSnapshot(*msgspec.structs.astuple(updates[i]))
    if a == 0 and snapshots[:1] != [0]:
        updates[0] = _first_book(stream, times[0][0], times[1][0])
    return iter(updates)


def _first_book(stream: Stream, tv: int, tl: int) -> BookSnapshot:
    bids, asks = stream.depth_reader().at(0)
    bid_px = tuple(sorted(bids, reverse=True))
    ask_px = tuple(sorted(asks))
    return BookSnapshot(
        tv,
        tl,
        stream.instrument.id,
        0,
        bid_px,
        tuple([bids[px] for px in bid_px]),
        ask_px,
        tuple([asks[px] for px in ask_px]),
    )


Builder = Callable[[Stream, int, int, Times], Iterator[Any]]
PLAIN: Final[dict[StreamKind, Builder]] = {
    StreamKind.QUOTE: quotes,
    StreamKind.BOOK: book_updates,
    StreamKind.TRADE: trades,
    StreamKind.BAR: bars,
    StreamKind.CONTEXT: contexts,
    StreamKind.FUNDING: fundings,
}
FOLDED: Final[dict[StreamKind, Builder]] = {**PLAIN, StreamKind.BOOK: tops}


def merged(
    streams: list[Stream], builders: dict[StreamKind, Builder], clock: str, feed_ns: int
) -> Iterator[list[MarketEvent]]:
    """The rows of several streams as blocks of events in the order of one of their clocks.

    `clock` is "ts_venue_ns" or "ts_local_ns". Equal stamps keep the order of the streams, then of
    their rows, and are never split over two blocks.
    """
    cursors = [0] * len(streams)
    while True:
        open_ = [i for i, stream in enumerate(streams) if cursors[i] < stream.n]
        if not open_:
            return
        windows = [
            streams[i].window(clock, cursors[i], min(streams[i].n, cursors[i] + BLOCK_ROWS))
            for i in open_
        ]
        edges = [
            int(window[-1])
            for i, window in zip(open_, windows, strict=True)
            if cursors[i] + len(window) < streams[i].n
        ]
        edge = min(edges) if edges else None
        parts: list[Iterator[Any]] = []
        stamps = []
        for i in open_:
            stop = streams[i].n if edge is None else rows_until(streams[i], clock, cursors[i], edge)
            if stop > cursors[i]:
                times = times_of(streams[i], cursors[i], stop, feed_ns)
                parts.append(builders[streams[i].kind](streams[i], cursors[i], stop, times))
                stamps.append(streams[i].window(clock, cursors[i], stop))
                cursors[i] = stop
        yield in_order(parts, stamps)


def rows_until(stream: Stream, clock: str, start: int, edge: int) -> int:
    """The first row from `start` on that is stamped after `edge`, found by galloping."""
    step = BLOCK_ROWS
    low = start
    while True:
        high = min(stream.n, low + step)
        window = stream.window(clock, low, high)
        found = int(np.searchsorted(window, edge, side="right"))
        if found < len(window) or high == stream.n:
            return low + found
        low, step = high, step * 2


def in_order(parts: list[Iterator[Any]], stamps: list[Any]) -> list[Any]:
    """The events of several streams merged by stamp, ties in the order of the streams."""
    if len(parts) == 1:
        return list(parts[0])
    events: list[Any] = []
    for part in parts:
        events.extend(part)
    order = np.argsort(np.concatenate(stamps), kind="stable").tolist()
    return [events[i] for i in order]
