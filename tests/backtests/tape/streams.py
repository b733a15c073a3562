"""Streams for the tape's tests: hypothesis strategies, and builders with plain defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from backtests.tape import Stream, StreamKind
from backtests.tape.building import BookBuilder, Update
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument

BTC = hyperliquid_instrument("hl", "BTC", sz_decimals=5, margin_tiers=(MarginTier(0, 40),))
ETH = hyperliquid_instrument("hl", "ETH", sz_decimals=4, margin_tiers=(MarginTier(0, 25),))

Side = dict[int, int]


def trades(
    times: Sequence[int],
    px: Sequence[int] | None = None,
    lots: Sequence[int] | None = None,
    *,
    instrument: Instrument = BTC,
    latency_ns: int = 5,
) -> Stream:
    """A trade stream with these venue times; prices and sizes count up when not given."""
    n = len(times)
    venue = np.array(times, np.int64)
    columns = {
        "ts_venue_ns": venue,
        "ts_local_ns": venue + latency_ns,
        "px_ticks": np.array(px if px is not None else range(1, n + 1), np.int64),
        "sz_lots": np.array(lots if lots is not None else range(1, n + 1), np.int64),
        "side": np.where(np.arange(n) % 2, 1, -1).astype(np.int8),
        "trade_id": np.arange(n),
    }
    return Stream.from_columns(StreamKind.TRADE, instrument, columns)


def book(updates: Sequence[tuple[Side, Side]], *, step_ns: int = 10) -> Stream:
    """A book stream of these updates: the first a whole book, the others changes."""
    builder = BookBuilder(BTC)
    for i, (bids, asks) in enumerate(updates):
        update = Update(i * step_ns, i * step_ns + 5, i, bids.items(), asks.items())
        if i:
            builder.add_changes(update)
        else:
            builder.add_book(update)
    return builder.stream()


def times(n: int) -> st.SearchStrategy[list[int]]:
    """`n` venue times that never go back, with many equal ones."""
    steps = st.lists(st.sampled_from([0, 0, 0, 1, 7, 1_000]), min_size=n, max_size=n)
    return steps.map(lambda values: np.cumsum(values).tolist())


@st.composite
def trade_streams(draw: Callable[..., Any]) -> Stream:
    """Trades with repeated times."""
    n = draw(st.integers(0, 40))
    px = draw(st.lists(st.integers(1, 10**9), min_size=n, max_size=n))
    lots = draw(st.lists(st.integers(1, 10**12), min_size=n, max_size=n))
    return trades(draw(times(n)), px, lots, instrument=draw(st.sampled_from([BTC, ETH])))


@st.composite
def quote_streams(draw: Callable[..., Any]) -> Stream:
    """Quotes, some with a side missing."""
    n = draw(st.integers(0, 40))
    venue = np.array(draw(times(n)), np.int64)
    bid = np.array(draw(st.lists(st.integers(0, 99), min_size=n, max_size=n)), np.int64)
    ask = np.array(draw(st.lists(st.integers(100, 200), min_size=n, max_size=n)), np.int64)
    columns = {
        "ts_venue_ns": venue,
        "ts_local_ns": venue + 3,
        "bid_ticks": bid,
        "bid_lots": bid * 2,
        "ask_ticks": ask,
        "ask_lots": ask * 3,
    }
    return Stream.from_columns(StreamKind.QUOTE, draw(st.sampled_from([BTC, ETH])), columns)


_LEVELS = st.dictionaries(st.integers(1, 15), st.integers(0, 5), max_size=6)


@st.composite
def updates(draw: Callable[..., Any], max_size: int = 30) -> list[tuple[Side, Side]]:
    """Updates of a book whose bids lie below 20 and asks above, so that none crosses."""
    sides = st.tuples(_LEVELS, _LEVELS.map(lambda side: {px + 20: sz for px, sz in side.items()}))
    drawn: list[tuple[Side, Side]] = draw(st.lists(sides, min_size=1, max_size=max_size))
    return drawn


def book_streams() -> st.SearchStrategy[Stream]:
    """Books that only ever change a few levels."""
    return updates().map(book)


@st.composite
def context_streams(draw: Callable[..., Any]) -> Stream:
    """Contexts with arbitrary floats."""
    n = draw(st.integers(0, 10))
    venue = np.array(draw(times(n)), np.int64)
    px = st.floats(0.001, 1e9)
    columns = {
        "ts_venue_ns": venue,
        "ts_local_ns": venue,
        "mark_px": np.array(draw(st.lists(px, min_size=n, max_size=n)), np.float64),
        "oracle_px": np.array(draw(st.lists(px, min_size=n, max_size=n)), np.float64),
        "funding_rate": np.linspace(-1e-5, 1e-5, n),
        "open_interest": np.linspace(0, 10, n),
    }
    return Stream.from_columns(StreamKind.CONTEXT, BTC, columns)


def tapes() -> st.SearchStrategy[list[Stream]]:
    """Some streams, none twice."""
    streams = st.one_of(trade_streams(), quote_streams(), book_streams(), context_streams())
    return st.lists(streams, max_size=4, unique_by=lambda s: (s.kind, s.instrument.id))


def replayed(stream: Stream, row: int) -> tuple[dict[float, float], dict[float, float]]:
    """The book after `row`, by applying every row from the first in the plainest way."""
    grid = stream.instrument.grid
    off, ask_off = stream.column("off").tolist(), stream.column("ask_off").tolist()
    ticks, lots = stream.column("chg_ticks").tolist(), stream.column("chg_lots").tolist()
    is_snapshot = stream.column("is_snapshot").tolist()
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for i in range(row + 1):
        if is_snapshot[i]:
            sides = ({}, {})
        for change in range(off[i], off[i + 1]):
            side = sides[change >= ask_off[i]]
            px = ticks[change] / grid.px_scale
            if lots[change]:
                side[px] = lots[change] / grid.sz_scale
            else:
                side.pop(px, None)
    return sides


def columns_of(stream: Stream) -> dict[str, list[Any]]:
    """Every column as a list, for comparing."""
    return {name: stream.column(name).tolist() for name in stream.names}
