"""A generated market: seeded, so that the same arguments give the same rows everywhere.

    streams = generate_market(7, [instrument("BTC"), instrument("ETH")], 3600)

Prices are random walks with clustered volatility that move together; each instrument has an order
book, trades against what the book shows, quotes, contexts, hourly funding and one-minute bars. It
is for tests and demonstrations: a strategy that earns here has shown nothing about a real market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from backtests.generator.books import BookMaker
from backtests.generator.contexts import Contexts, make_contexts
from backtests.generator.paths import Factor, common_factor, path
from backtests.generator.settings import START_NS, Settings, first_px, instrument
from backtests.tape.bars import bars_from_trades
from backtests.tape.schema import COLUMNS, TOP, IntArray, StreamKind
from backtests.tape.stream import Stream
from engine.errors import DataError
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS, NS_PER_S

__all__ = ["START_NS", "Settings", "generate_market", "instrument"]

BAR_NS: Final = 60 * NS_PER_S
_LATENCY_SPREAD: Final = 0.35


def generate_market(
    seed: int,
    instruments: Sequence[Instrument],
    duration_s: float,
    *,
    start_ns: int = START_NS,
    start_px: Mapping[str, float] | None = None,
    settings: Settings | None = None,
) -> list[Stream]:
    """The streams of some instruments over `duration_s` seconds from `start_ns` (a full ms).

    `start_px` gives first prices by coin. An instrument's rows depend on the seed, its place in the
    list and its own fields, not on how many others there are. Raises DataError for a duration below
    one second or an instrument that is given twice.
    """
    if not duration_s >= 1:
        raise DataError(f"duration_s is {duration_s}, expected at least 1")
    if start_ns % NS_PER_MS or start_ns < 0:
        raise DataError(f"start_ns is {start_ns}, expected a full millisecond from 0 on")
    ids = [one.id for one in instruments]
    if len(set(ids)) != len(ids) or not ids:
        raise DataError(f"instruments are {', '.join(ids) or 'none'}, expected each once")
    settings = settings or Settings()
    factor = common_factor(_rng(seed, 0), duration_s, settings)
    streams = []
    for place, one in enumerate(instruments, 1):
        px = (start_px or {}).get(one.coin, first_px(one.coin))
        span_ms = start_ns // NS_PER_MS, start_ns // NS_PER_MS + int(duration_s * 1000)
        streams += _instrument_streams(_rng(seed, place), one, px, (factor, span_ms, settings))
    return streams


def _rng(seed: int, place: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, place]))


def _instrument_streams(
    rng: np.random.Generator,
    one: Instrument,
    px: float,
    market: tuple[Factor, tuple[int, int], Settings],
) -> list[Stream]:
    factor, span_ms, settings = market
    maker = BookMaker(one, px, path(rng, factor, span_ms[0], settings), settings)
    maker.run(rng)

    def local_ns(venue_ns: IntArray) -> IntArray:
        latency = settings.latency_ms * np.exp(_LATENCY_SPREAD * rng.standard_normal(len(venue_ns)))
        arrived: IntArray = venue_ns + (latency * NS_PER_MS).astype(np.int64)
        return np.maximum.accumulate(arrived) if len(arrived) else arrived

    trades = maker.trades(local_ns)
    book = _stamped(maker.builder.stream(), local_ns)
    contexts = make_contexts(rng, book, trades, maker.samples, span_ms)
    return [
        _funding(one, contexts, local_ns),
        _contexts(one, contexts, local_ns),
        trades,
        book,
        _quotes(book),
        bars_from_trades(trades, BAR_NS)[0],
    ]


def _stamped(book: Stream, local_ns: Callable[[IntArray], IntArray]) -> Stream:
    """The maker's book with the times its rows arrive."""
    columns = {spec.name: book.column(spec.name) for spec in COLUMNS[StreamKind.BOOK]}
    columns["ts_local_ns"] = local_ns(columns["ts_venue_ns"])
    return Stream.from_columns(StreamKind.BOOK, book.instrument, columns)


def _quotes(book: Stream) -> Stream:
    """The rows of a book whose best bid or ask changed."""
    top = np.stack([book.column(spec.name) for spec in TOP])
    changed = np.concatenate(([True], (top[:, 1:] != top[:, :-1]).any(axis=0)))
    columns = {spec.name: book.column(spec.name)[changed] for spec in COLUMNS[StreamKind.QUOTE]}
    return Stream.from_columns(StreamKind.QUOTE, book.instrument, columns)


def _contexts(
    one: Instrument, contexts: Contexts, local_ns: Callable[[IntArray], IntArray]
) -> Stream:
    venue_ns = contexts.ts_ms * NS_PER_MS
    columns = {
        "ts_venue_ns": venue_ns,
        "ts_local_ns": local_ns(venue_ns),
        "mark_px": contexts.mark_px,
        "oracle_px": contexts.oracle_px,
        "funding_rate": contexts.funding_rate,
        "open_interest": contexts.open_interest,
    }
    return Stream.from_columns(StreamKind.CONTEXT, one, columns)


def _funding(
    one: Instrument, contexts: Contexts, local_ns: Callable[[IntArray], IntArray]
) -> Stream:
    venue_ns = contexts.settled_ms * NS_PER_MS
    columns = {
        "ts_venue_ns": venue_ns,
        "ts_local_ns": local_ns(venue_ns),
        "rate_ppb": contexts.rate_ppb,
    }
    return Stream.from_columns(StreamKind.FUNDING, one, columns)
