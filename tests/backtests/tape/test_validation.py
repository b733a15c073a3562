"""A stream that breaks a rule is refused, naming the row, the value and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtests.tape import Stream, StreamKind
from engine.errors import DataError
from tests.backtests.tape.streams import BTC

TIMES: dict[str, Any] = {"ts_venue_ns": [1, 2, 2], "ts_local_ns": [3, 3, 4]}
SOUND: dict[StreamKind, dict[str, Any]] = {
    StreamKind.QUOTE: TIMES
    | {"bid_ticks": [5, 0, 6], "bid_lots": [1, 0, 1]}
    | {"ask_ticks": [7, 8, 0], "ask_lots": [1, 1, 0]},
    StreamKind.TRADE: TIMES
    | {"px_ticks": [1, 2, 3], "sz_lots": [1, 1, 1], "side": [1, -1, 1], "trade_id": [1, 2, 3]},
    StreamKind.BOOK: TIMES
    | {"seq": [1, 2, 3], "is_snapshot": [1, 0, 0], "off": [0, 2, 2, 3], "ask_off": [1, 2, 2]}
    | {"bid_ticks": [5, 5, 5], "bid_lots": [1, 1, 1]}
    | {"ask_ticks": [7, 7, 6], "ask_lots": [1, 1, 1]}
    | {"chg_ticks": [5, 7, 6], "chg_lots": [1, 1, 1]},
    StreamKind.BAR: TIMES
    | {"open_ticks": [2, 2, 2], "high_ticks": [3, 3, 3], "low_ticks": [1, 2, 1]}
    | {"close_ticks": [2, 3, 2], "volume_lots": [0, 1, 2]},
    StreamKind.CONTEXT: TIMES
    | {"mark_px": [1.0, 2.0, 3.0], "oracle_px": [1.0, 2.0, 3.0]}
    | {"funding_rate": [-1e-5, 0.0, 1e-5], "open_interest": [0.0, 1.0, 2.0]},
    StreamKind.FUNDING: TIMES | {"rate_ppb": [-1, 0, 10**9]},
}


def make(kind: StreamKind, **changed: object) -> Stream:
    interval_ns = 60 if kind is StreamKind.BAR else 0
    return Stream.from_columns(kind, BTC, SOUND[kind] | changed, interval_ns)


@pytest.mark.parametrize("kind", StreamKind)
def test_a_sound_stream_is_taken(kind: StreamKind) -> None:
    stream = make(kind)

    assert 3 == stream.n
    assert SOUND[kind] == {name: stream.column(name).tolist() for name in stream.names}


@pytest.mark.parametrize("kind", StreamKind)
def test_an_empty_stream_is_taken(kind: StreamKind) -> None:
    empty: dict[str, Any] = {name: [] for name in SOUND[kind]}
    if kind is StreamKind.BOOK:
        empty["off"] = [0]
    interval_ns = 60 if kind is StreamKind.BAR else 0

    assert 0 == Stream.from_columns(kind, BTC, empty, interval_ns).n


Q, T, B, R, C, F = (
    StreamKind.QUOTE,
    StreamKind.TRADE,
    StreamKind.BOOK,
    StreamKind.BAR,
    StreamKind.CONTEXT,
    StreamKind.FUNDING,
)


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        (
            Q,
            {"ts_venue_ns": [2, 1, 2]},
            "row 1: ts_venue_ns is 1, expected at least the row before",
        ),
        (
            T,
            {"ts_local_ns": [3, 4, 3]},
            "row 2: ts_local_ns is 3, expected at least the row before",
        ),
        (Q, {"bid_ticks": [5, 0, 7], "ask_ticks": [7, 8, 7], "ask_lots": [1, 1, 1]}, "row 2: bid"),
        (Q, {"bid_ticks": [8, 0, 6]}, "row 0: bid_ticks is 8, expected less than ask_ticks"),
        (Q, {"bid_lots": [-1, 0, 1]}, "row 0: bid_lots is -1, expected a size of 0 or more"),
        (Q, {"ask_lots": [1, 1, 1]}, "row 2: ask_ticks is 0, expected a positive price with a"),
        (Q, {"bid_ticks": [5, 4, 6]}, "row 1: bid_ticks is 4, expected a positive price with a"),
        (T, {"px_ticks": [1, 0, 3]}, "row 1: px_ticks is 0, expected a positive price"),
        (T, {"sz_lots": [1, 1, 0]}, "row 2: sz_lots is 0, expected a positive size"),
        (T, {"side": [1, 0, 1]}, "row 1: side is 0, expected 1"),
        (T, {"side": [1, 300, 1]}, "column side: a value does not fit int8"),
        (T, {"px_ticks": [1.5, 2.0, 3.0]}, "column px_ticks: type float64, expected int64"),
        (T, {"px_ticks": np.array([1, 2**63, 3], np.uint64)}, "px_ticks: a value does not fit"),
        (T, {"px_ticks": [[1, 2, 3]]}, "column px_ticks: 2 dimensions, expected 1"),
        (T, {"px_ticks": [1, 2]}, "column px_ticks has 2 values, expected 3"),
        (T, {"price": [1, 2, 3]}, "columns are .*price, expected ts_venue_ns, ts_local_ns, px_tic"),
        (B, {"is_snapshot": [0, 0, 0]}, "row 0: is_snapshot is 0, expected 1, being first"),
        (B, {"is_snapshot": [1, 2, 0]}, "row 1: is_snapshot is 2, expected 0 or 1"),
        (B, {"off": [1, 2, 2, 3]}, "off starts at 1, expected 0"),
        (B, {"off": [0, 2, 1, 3]}, "row 1: off is 2, expected at most the next row's"),
        (B, {"off": [0, 2, 2, 4]}, "column chg_ticks has 3 values, expected 4"),
        (B, {"off": [0, 2, 2]}, "column off has 3 values, expected 4"),
        (B, {"ask_off": [3, 2, 2]}, "row 0: ask_off is 3, expected between this off and the next"),
        (B, {"ask_ticks": [7, 5, 6]}, "row 1: bid_ticks is 5, expected less than ask_ticks"),
        (B, {"chg_lots": [1, -1, 1]}, "change 1 is -1 lots at 7 ticks, expected a positive price"),
        (B, {"chg_ticks": [5, 7, 0]}, "change 2 is 1 lots at 0 ticks, expected a positive price"),
        (R, {"open_ticks": [4, 2, 2]}, "row 0: open_ticks is 4, expected between low_ticks and"),
        (R, {"close_ticks": [2, 1, 2]}, "row 1: close_ticks is 1, expected between low_ticks and"),
        (R, {"low_ticks": [0, 2, 1]}, "row 0: low_ticks is 0, expected a positive price"),
        (R, {"volume_lots": [0, -1, 2]}, "row 1: volume_lots is -1, expected 0 or more"),
        (C, {"mark_px": [1.0, float("nan"), 3.0]}, "row 1: mark_px is nan, expected a positive"),
        (C, {"oracle_px": [0.0, 2.0, 3.0]}, "row 0: oracle_px is 0.0, expected a positive price"),
        (C, {"funding_rate": [0.0, 0.0, float("inf")]}, "row 2: funding_rate is inf, expected a"),
        (C, {"open_interest": [0.0, -1.0, 2.0]}, "row 1: open_interest is -1.0, expected 0 or"),
        (F, {"rate_ppb": [0, 10**9 + 1, 0]}, "row 1: rate_ppb is 1000000001, expected a rate of"),
    ],
)
def test_a_stream_that_breaks_a_rule_is_refused(
    kind: StreamKind, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=f"{kind} hl:BTC.*: .*{message}"):
        make(kind, **changed)


@pytest.mark.parametrize(
    ("kind", "interval_ns", "expected"),
    [(R, 0, "a positive interval"), (R, -1, "a positive interval"), (T, 60, "0, as only bars")],
)
def test_bars_and_only_bars_have_an_interval(
    kind: StreamKind, interval_ns: int, expected: str
) -> None:
    with pytest.raises(DataError, match=f"interval_ns is {interval_ns}, expected {expected}"):
        Stream.from_columns(kind, BTC, SOUND[kind], interval_ns)


def test_a_time_that_goes_back_far_into_a_long_stream_is_found() -> None:
    """Rows are checked in blocks; the first of each is compared with the last of the one before."""
    for at in (1, 262_143, 262_144, 262_145, 299_999):
        times = np.arange(300_000)
        times[at] = at - 2
        columns = {"ts_venue_ns": times, "ts_local_ns": np.zeros(300_000, np.int64)}
        columns["rate_ppb"] = columns["ts_local_ns"]
        with pytest.raises(DataError, match=f"row {at}: ts_venue_ns is {at - 2}, expected"):
            Stream.from_columns(F, BTC, columns)


def test_from_columns_does_not_copy_what_needs_no_conversion() -> None:
    times = np.arange(10)
    stream = Stream.from_columns(
        F, BTC, {"ts_venue_ns": times, "ts_local_ns": times, "rate_ppb": times}
    )

    assert np.shares_memory(times, stream.column("rate_ppb"))
    assert times.flags.writeable
