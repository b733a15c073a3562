"""What the benchmark of the round trip measures and how it judges."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.floors import bare_decode
from benchmarks.roundtrip import (
    WHOLE,
    Row,
    Turn,
    measure_roundtrip,
    roundtrip_json,
    rows_of,
    show_roundtrip,
)
from benchmarks.roundtrip_floors import DECODE, DISK, POST, RECEIVE, SIGN
from benchmarks.roundtrip_live import FRAME_BYTES_MIN, Trip
from benchmarks.roundtrip_venue import LEVELS, MOVES, book_frame
from benchmarks.wire import MISSED

TRIP = Trip(
    received_ns=1_000,
    heard_ns=31_000,
    flushing_ns=131_000,
    synced_ns=431_000,
    written_ns=601_000,
    journal_bytes=2_000,
)
FLOORS = {
    RECEIVE: [20_000],
    DECODE: [10_000],
    SIGN: [50_000],
    DISK: [200_000],
    POST: [120_000],
}


@pytest.mark.parametrize(
    ("trip", "is_whole", "is_too_early"),
    [
        (TRIP, True, False),
        (Trip(1_000, 31_000, 131_000, 0, 601_000), False, True),
        (Trip(1_000, 31_000, 131_000, 700_000, 601_000), False, True),
        (Trip(0, 31_000, 131_000, 431_000, 601_000), False, False),
        (Trip(1_000, 31_000, 0, 0, 601_000), False, False),
    ],
    ids=["whole", "never on disk", "sent before it was on disk", "of no frame", "of another frame"],
)
def test_a_trip_counts_only_when_its_journal_was_durable_before_it_was_sent(
    trip: Trip,
    is_whole: bool,  # noqa: FBT001 - a column of the table
    is_too_early: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert (is_whole, is_too_early) == (trip.is_whole, trip.is_too_early)


def test_a_trip_stands_beside_the_sum_of_its_floors_with_and_without_the_disk() -> None:
    rows = rows_of("asyncio", [Turn([TRIP], FLOORS)])
    assert [
        Row("asyncio", WHOLE, 600.0, 600.0, 400.0, 1.5, 1.5),
        Row("asyncio", "the same without the disk", 300.0, 0.0, 200.0, 1.5),
        Row("asyncio", "- frame to event", 30.0, 0.0, 30.0, 1.0),
        Row("asyncio", "- event to signed action", 100.0, 0.0, 50.0, 2.0),
        Row("asyncio", "- journal to disk", 300.0, 0.0, 200.0, 1.5),
        Row("asyncio", "- action to written", 170.0, 0.0, 120.0, 170 / 120),
    ] == rows
    assert ["met", "", "", "", "", ""] == [row.verdict for row in rows]
    assert MISSED == Row("asyncio", WHOLE, 601.0, 601.0, 400.0, 1.51, 1.5).verdict


def test_a_ratio_is_the_median_of_the_turns_ratios_so_that_a_slow_one_does_not_count() -> None:
    slow = {**FLOORS, DISK: [9_800_000]}
    turns = [Turn([TRIP], FLOORS), Turn([TRIP], FLOORS), Turn([TRIP], slow)]
    assert 1.5 == rows_of("asyncio", turns)[0].ratio


def test_every_book_is_a_long_frame_of_whole_sides_and_moves_from_the_one_before() -> None:
    frames = [book_frame(number, 1) for number in range(len(MOVES) + 1)]
    books = [bare_decode(frame).data for frame in frames]
    assert {(LEVELS, LEVELS)} == {(len(book.levels[0]), len(book.levels[1])) for book in books}
    assert all(len(frame) > FRAME_BYTES_MIN for frame in frames)
    best = [book.levels[0][0].px for book in books]
    assert all(before != after for before, after in pairwise(best))


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_every_part_runs_and_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rows = measure_roundtrip(smoke=True)
    assert WHOLE == rows[0].what
    assert all(row.median_us > 0 and row.floor_us > 0 and row.ratio > 0 for row in rows)
    assert len(rows) == len(roundtrip_json(rows))
    show_roundtrip(rows)
    assert WHOLE in capsys.readouterr().out
