"""A walk finds every row once, whatever the page size, the order and the ties at a cut."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.hyperliquid.info.paging import PAGES_MAX, Walk
from connectors.hyperliquid.info.requests import Paging
from engine.errors import VenueError


class Row(msgspec.Struct, frozen=True):
    time_ms: int
    name: int
    version: int = 0


def served(rows: list[Row], walk: Walk[Row], *, page_rows: int, newest_first: bool) -> list[Row]:
    """What a venue answers: both ends count, the page is cut at its limit."""
    end_ms = walk.end_ms if walk.end_ms is not None else 2**60
    span = [row for row in rows if walk.start_ms <= row.time_ms <= end_ms]
    return list(reversed(span))[:page_rows] if newest_first else span[:page_rows]


def walked(
    rows: list[Row], paging: Paging, *, newest_first: bool = False, page_rows: int = 0
) -> tuple[list[Row], int]:
    """The rows a walk finds, and the number of requests."""
    walk = Walk[Row]("userFunding", paging, 0, None)
    size = page_rows or paging.rows_max
    requests = 1
    while walk.take(served(rows, walk, page_rows=size, newest_first=newest_first)):
        requests += 1
    return walk.rows, requests


def rows_at(times_ms: list[int]) -> list[Row]:
    return [Row(time_ms, name) for name, time_ms in enumerate(sorted(times_ms))]


TIMES = st.lists(st.integers(min_value=0, max_value=30), max_size=60)


@example(times_ms=[5, 5, 5, 6, 6], page_rows=4, newest_first=False)
@example(times_ms=[5, 5, 5, 6, 6], page_rows=4, newest_first=True)
@given(times_ms=TIMES, page_rows=st.integers(min_value=2, max_value=12), newest_first=st.booleans())
def test_every_row_is_found_once_and_oldest_first(
    times_ms: list[int],
    page_rows: int,
    newest_first: bool,  # noqa: FBT001 - a case
) -> None:
    rows = rows_at(times_ms)
    most_at_once = max((times_ms.count(time_ms) for time_ms in times_ms), default=0)
    if most_at_once >= page_rows:
        return

    found, _ = walked(rows, Paging(page_rows), newest_first=newest_first)

    # Rows that all share one time do not show which way they are ordered.
    if len(set(times_ms)) == 1:
        found.sort(key=lambda row: row.name)
    assert rows == found


def test_a_venue_that_lowers_its_limit_is_still_walked_to_the_end() -> None:
    rows = rows_at(list(range(100)))

    found, _ = walked(rows, Paging(500), page_rows=30)

    assert rows == found


def test_an_empty_span_is_one_request_and_a_short_one_two() -> None:
    assert ([], 1) == walked([], Paging(500))
    assert (rows_at([1, 2]), 2) == walked(rows_at([1, 2]), Paging(500))


def test_a_row_that_changed_meanwhile_is_taken_in_its_newest_form() -> None:
    walk = Walk[Row]("candleSnapshot", Paging(500), 0, None)

    assert walk.take([Row(1, 1), Row(2, 2)])
    assert not walk.take([Row(2, 2, version=1)])
    assert [Row(1, 1), Row(2, 2, version=1)] == walk.rows


def test_a_span_that_does_not_begin_at_its_start_loses_nothing() -> None:
    walk = Walk[Row]("userFunding", Paging(500), 0, None)

    assert walk.take([Row(1, 1), Row(2, 2)])
    assert walk.take([Row(3, 3)])
    assert [Row(1, 1), Row(2, 2), Row(3, 3)] == walk.rows


def test_rows_of_before_the_span_are_passed_over_on_later_pages() -> None:
    walk = Walk[Row]("userFunding", Paging(500), 0, None)

    assert walk.take([Row(1, 1), Row(2, 2)])
    assert walk.take([Row(1, 1), Row(2, 2), Row(3, 3)])
    assert [Row(1, 1), Row(2, 2), Row(3, 3)] == walk.rows


def test_more_rows_at_one_time_than_a_page_holds_are_an_error_and_not_lost() -> None:
    with pytest.raises(VenueError, match=r"3 rows or more at the one time 7 ms"):
        walked(rows_at([7] * 5), Paging(3))


def test_a_walk_without_end_is_stopped() -> None:
    walk = Walk[Row]("userFunding", Paging(500), 0, None)

    for time_ms in range(PAGES_MAX - 1):
        assert walk.take([Row(time_ms, time_ms)])
    with pytest.raises(VenueError, match=f"not at the end after {PAGES_MAX} pages"):
        walk.take([Row(PAGES_MAX, PAGES_MAX)])
