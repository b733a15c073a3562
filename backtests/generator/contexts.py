"""A generated market's oracle, mark, running funding rate and settlements.

By the venue's own rules (protocol 7.2, 7.3). Mark is the median of the oracle plus a 150 s average
of mid - oracle, the median of bid, ask and last trade, and what other venues' perpetuals show.
Premium is sampled every 5 s against impact prices and averaged over the hour.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from backtests.generator.paths import LOG_SCALE
from backtests.tape.schema import Array, IntArray
from backtests.tape.stream import Stream
from engine.model.units import PPB

_HOUR_MS: Final = 3_600_000
_INTEREST_8H: Final = 0.0001
_CLAMP_8H: Final = 0.0005
_RATE_MAX: Final = 0.04
_MARK_AVERAGE_S: Final = 150.0

# The oracle strays from mid by about this, and comes back within minutes.
_BASIS: Final = 0.0003
_BASIS_MEMORY_S: Final = 600.0
_OTHER_VENUES: Final = 0.00005
_OPEN_INTEREST_NOTIONAL: Final = 5e8
_INTEREST_MOVE: Final = 0.0002


class Contexts(msgspec.Struct, frozen=True):
    """One value a second of every column, and the settlements (ms, 1e-9)."""

    ts_ms: IntArray
    mark_px: Array
    oracle_px: Array
    funding_rate: Array
    open_interest: Array
    settled_ms: IntArray
    rate_ppb: IntArray


def make_contexts(
    rng: np.random.Generator,
    book: Stream,
    trades: Stream,
    samples: list[tuple[int, float, float]],
    span_ms: tuple[int, int],
) -> Contexts:
    """The contexts of one instrument for each full second of the span, both ends included."""
    start_ms, end_ms = span_ms
    ts_ms = np.arange(-(-start_ms // 1000), end_ms // 1000 + 1) * 1000
    bid, ask, last = _touch_at(book, trades, ts_ms)
    mid = (bid + ask) / 2
    oracle = mid * (1 + _basis(rng, len(ts_ms)))
    others = mid * (1 + _OTHER_VENUES * rng.standard_normal(len(ts_ms)))
    own = np.median(np.stack((bid, ask, last)), axis=0)
    mark = np.median(np.stack((oracle + _average(mid - oracle), own, others)), axis=0)
    moves = np.rint(_INTEREST_MOVE * rng.standard_normal(len(ts_ms)) * LOG_SCALE)
    interest = _OPEN_INTEREST_NOTIONAL / mid[0] * np.exp(np.cumsum(moves) / LOG_SCALE)
    sampled_ms, premium = _premiums(samples, ts_ms, oracle)
    hours, settled = _settlements(sampled_ms, premium, span_ms)
    return Contexts(
        ts_ms=ts_ms,
        mark_px=_on_grid(book, mark),
        oracle_px=_on_grid(book, oracle),
        funding_rate=_running_rate(sampled_ms, premium, ts_ms),
        open_interest=np.round(interest, book.instrument.sz_decimals),
        settled_ms=hours,
        rate_ppb=settled,
    )


def hourly_rate(premium: float) -> float:
    """The hourly rate of an hour's average premium P: an eighth of P + clamp(I - P, 0.0005)."""
    rate_8h = premium + min(_CLAMP_8H, max(-_CLAMP_8H, _INTEREST_8H - premium))
    return min(_RATE_MAX, max(-_RATE_MAX, rate_8h / 8))


def _on_grid(book: Stream, px: Array) -> Array:
    """Prices rounded to the instrument's decimals, as the venue sends them."""
    scale = book.instrument.grid.px_scale
    rounded: Array = np.maximum(1, np.rint(px * scale)) / scale
    return rounded


def _touch_at(book: Stream, trades: Stream, ts_ms: IntArray) -> tuple[Array, Array, Array]:
    """Best bid, best ask and last trade at each time; before there is one, the first."""
    scale = book.instrument.grid.px_scale
    row = np.searchsorted(book.column("ts_venue_ns"), ts_ms * 1_000_000, side="right") - 1
    row = row.clip(0)
    bid, ask = book.column("bid_ticks")[row] / scale, book.column("ask_ticks")[row] / scale
    if not trades.n:
        return bid, ask, (bid + ask) / 2
    at = np.searchsorted(trades.column("ts_venue_ns"), ts_ms * 1_000_000, side="right") - 1
    return bid, ask, trades.column("px_ticks")[at.clip(0)] / scale


def _basis(rng: np.random.Generator, n: int) -> Array:
    """How far the oracle is from mid: comes back to 0 as it strays."""
    memory = math.exp(-1 / _BASIS_MEMORY_S)
    scale = _BASIS * math.sqrt(1 - memory * memory)
    basis, values = 0.0, []
    for shock in rng.standard_normal(n).tolist():
        basis = basis * memory + scale * shock
        values.append(basis)
    return np.array(values)


def _average(values: Array) -> Array:
    """The venue's average: numerator and denominator both fade over 150 s."""
    fade = math.exp(-1 / _MARK_AVERAGE_S)
    numerator = denominator = 0.0
    averages = []
    for value in values.tolist():
        numerator = numerator * fade + value
        denominator = denominator * fade + 1
        averages.append(numerator / denominator)
    return np.array(averages)


def _premiums(
    samples: list[tuple[int, float, float]], ts_ms: IntArray, oracle: Array
) -> tuple[IntArray, Array]:
    """Each sample's time and premium against the oracle then."""
    sampled_ms = np.array([ms for ms, _, _ in samples], np.int64)
    at = (np.searchsorted(ts_ms, sampled_ms, side="right") - 1).clip(0)
    px = oracle[at]
    above = np.maximum(np.array([bid for _, bid, _ in samples]) - px, 0)
    below = np.maximum(px - np.array([ask for _, _, ask in samples]), 0)
    return sampled_ms, (above - below) / px


def _running_rate(sampled_ms: IntArray, premium: Array, ts_ms: IntArray) -> Array:
    """The rate each moment would settle at: of the samples of its hour so far."""
    total = np.concatenate(([0.0], np.cumsum(premium)))
    stop = np.searchsorted(sampled_ms, ts_ms, side="right")
    start = np.searchsorted(sampled_ms, ts_ms // _HOUR_MS * _HOUR_MS, side="left")
    count = np.maximum(stop - start, 1)
    means = (total[stop] - total[np.minimum(start, stop)]) / count
    return np.array([hourly_rate(mean) for mean in means.tolist()])


def _settlements(
    sampled_ms: IntArray, premium: Array, span_ms: tuple[int, int]
) -> tuple[IntArray, IntArray]:
    """The full hours after the start, up to the end, and their rates in 1e-9."""
    start_ms, end_ms = span_ms
    hours = np.arange(start_ms // _HOUR_MS + 1, end_ms // _HOUR_MS + 1) * _HOUR_MS
    rates = []
    for hour in hours.tolist():
        inside = (sampled_ms >= hour - _HOUR_MS) & (sampled_ms < hour)
        mean = float(premium[inside].mean()) if inside.any() else 0.0
        rates.append(round(hourly_rate(mean) * PPB))
    return hours, np.array(rates, np.int64)
