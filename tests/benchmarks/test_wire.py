"""What the benchmark of the wire layer measures and how it judges."""

from __future__ import annotations

import pytest

from benchmarks import wire
from benchmarks.floors import bare_decode, inlined_body, untyped_decode
from benchmarks.wire import (
    MISSED,
    Row,
    batch,
    book_frame,
    measure_wire,
    show_wire,
    timed,
    wire_json,
)


@pytest.mark.parametrize(
    ("row", "ratio", "verdict"),
    [
        (Row("sign", 12.0, "floor", 10.0, 1.25), 1.2, "met"),
        (Row("sign", 12.5, "floor", 10.0, 1.25), 1.25, "met"),
        (Row("sign", 13.0, "floor", 10.0, 1.25), 1.3, MISSED),
        (Row("sign", 10.0, "peer", 100.0, 10.0, is_peer=True), 10.0, "met"),
        (Row("sign", 10.0, "peer", 99.0, 10.0, is_peer=True), 9.9, MISSED),
        (Row("sign", 10.0, "floor", 1.0), 10.0, ""),
    ],
)
def test_a_goal_is_a_bound_on_time_beside_a_floor_and_on_speed_beside_a_peer(
    row: Row, ratio: float, verdict: str
) -> None:
    assert (ratio, verdict) == (row.ratio, row.verdict)


def test_a_timing_is_the_median_of_interleaved_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REPEATS", 3)
    order: list[str] = []
    times = {"a": [1.0, 9.0, 2.0], "b": [5.0, 4.0, 6.0]}

    def timing(name: str) -> wire.Timing:
        def measure() -> float:
            order.append(name)
            return times[name].pop(0)

        return measure

    assert {"a": 2.0, "b": 5.0} == timed({name: timing(name) for name in "ab"})
    assert list("ababab") == order


def test_everything_is_measured_and_shown_with_its_goals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wire, "REPEATS", 1)
    monkeypatch.setattr(wire, "CALLS", 2)
    rows = measure_wire(with_sdk=False)
    show_wire(rows)

    printed = capsys.readouterr().out
    assert {1.25, 1.5, 1.3} == {row.goal for row in rows if row.goal}
    assert all(row.ours_us > 0 and row.theirs_us > 0 for row in rows)
    assert all(row.what in printed for row in rows)
    assert [row.what for row in rows] == [each["what"] for each in wire_json(rows)]


def test_the_floor_makes_the_body_of_every_order() -> None:
    body = untyped_decode(inlined_body([("1", "2"), ("3", "4")], 4, "0x01", 7))

    assert [("1", "2"), ("3", "4")] == [(each["p"], each["s"]) for each in body["action"]["orders"]]


def test_what_is_measured_has_as_many_orders_and_levels_as_said() -> None:
    book = bare_decode(book_frame()).data

    assert [20, 20] == [len(side) for side in book.levels]
    assert 20 == len({place.px_ticks for place in batch(20).commands if hasattr(place, "px_ticks")})
