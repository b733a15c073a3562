"""The depth of a book at any row is what applying every row from the first gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.tape import Stream
from backtests.tape.building import KEYFRAME_ROWS, BookBuilder, Update
from engine.errors import DataError
from tests.backtests.tape.streams import BTC, Side, book, replayed, trades, updates


@given(updates(), st.data())
def test_depth_at_any_row_in_any_order_equals_replaying_from_the_first(
    drawn: list[tuple[Side, Side]], data: st.DataObject
) -> None:
    stream = book(drawn)
    rows = data.draw(st.lists(st.integers(0, stream.n - 1), max_size=12))

    for row in [*rows, *range(stream.n)]:
        assert replayed(stream, row) == stream.depth(row)


@given(updates(), st.data())
def test_depth_of_a_slice_counts_rows_from_its_own_first(
    drawn: list[tuple[Side, Side]], data: st.DataObject
) -> None:
    whole = book(drawn)
    start = data.draw(st.integers(0, whole.n - 1))
    part = whole.slice(start, whole.n).slice(0, whole.n - start)

    for row in range(part.n):
        assert replayed(whole, start + row) == part.depth(row)


def long_book(rows: int) -> Stream:
    builder = BookBuilder(BTC)
    for i in range(rows):
        bids, asks = [(10 + i % 7, 1 + i % 3)], [(30 + i % 5, i % 4)]
        builder.add_changes(Update(i, i, i, bids, asks))
    return builder.stream()


def test_depth_across_keyframes_forward_backward_and_far() -> None:
    stream = long_book(2 * KEYFRAME_ROWS + 100)

    for row in (0, 1, 998, 999, 1_000, 1_001, 999, 2_099, 5, 6, 1_999, 2_000, 2_001, 1_000):
        assert replayed(stream, row) == stream.depth(row)


def test_a_keyframe_comes_every_thousand_rows_and_changes_nothing() -> None:
    stream = long_book(2 * KEYFRAME_ROWS + 100)
    snapshots = [i for i, flag in enumerate(stream.column("is_snapshot").tolist()) if flag]

    assert [0, KEYFRAME_ROWS, 2 * KEYFRAME_ROWS] == snapshots
    for row in snapshots[1:]:
        bids, asks = map(dict, replayed(stream, row - 1))
        bids[(10 + row % 7) / 10] = (1 + row % 3) / 10**5
        asks[(30 + row % 5) / 10] = (row % 4) / 10**5
        asks = {px: sz for px, sz in asks.items() if sz}
        assert (bids, asks) == stream.depth(row)


def test_two_readers_keep_places_of_their_own() -> None:
    stream = long_book(50)
    early, late = stream.depth_reader(), stream.depth_reader()

    for row in range(40):
        assert replayed(stream, row + 10) == late.at(row + 10)
        assert replayed(stream, row) == early.at(row)


@pytest.mark.parametrize("row", [-1, 3, 4])
def test_depth_at_a_row_that_is_not_there_is_an_error(row: int) -> None:
    with pytest.raises(DataError, match=f"book row {row}: expected 0 to 2"):
        long_book(5).slice(1, 4).depth(row)


def test_only_a_book_has_depth() -> None:
    with pytest.raises(DataError, match="trade hl:BTC: has no depth, expected a book"):
        trades([1]).depth(0)
