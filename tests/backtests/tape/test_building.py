"""Books built from a venue's updates, whole or in changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backtests.tape.building import BookBuilder, Update
from tests.backtests.tape.streams import BTC, Side, columns_of, replayed, updates


def floats(side: Side) -> dict[float, float]:
    return {px / 10: sz / 10**5 for px, sz in side.items() if sz}


@given(updates())
def test_whole_books_come_back_whole_from_their_differences(
    drawn: list[tuple[Side, Side]],
) -> None:
    builder = BookBuilder(BTC)
    for i, (bids, asks) in enumerate(drawn):
        assert builder.add_book(Update(i, i, i, bids.items(), asks.items()))
    stream = builder.stream()

    for row, (bids, asks) in enumerate(drawn):
        assert (floats(bids), floats(asks)) == stream.depth(row)


@given(updates())
def test_changes_add_up_to_the_book(drawn: list[tuple[Side, Side]]) -> None:
    builder = BookBuilder(BTC)
    expected_bids: Side = {}
    expected_asks: Side = {}
    books = []
    for i, (bids, asks) in enumerate(drawn):
        builder.add_changes(Update(i, i, i, bids.items(), asks.items()))
        expected_bids |= bids
        expected_asks |= asks
        books.append((floats(expected_bids), floats(expected_asks)))
    stream = builder.stream()

    assert books == [tuple(map(dict, stream.depth(row))) for row in range(stream.n)]


_ANY_SIDE = st.dictionaries(st.integers(1, 12), st.integers(0, 3), max_size=5)


@given(st.lists(st.tuples(_ANY_SIDE, _ANY_SIDE), min_size=1, max_size=20))
def test_no_update_however_wrong_leaves_a_crossed_book(drawn: list[tuple[Side, Side]]) -> None:
    builder = BookBuilder(BTC)
    for i, (bids, asks) in enumerate(drawn):
        builder.add_changes(Update(i, i, i, bids.items(), asks.items()))
    stream = builder.stream()

    for row in range(stream.n):
        bids_then, asks_then = replayed(stream, row)
        best_bid, best_ask = max(bids_then, default=0.0), min(asks_then, default=0.0)
        assert not best_bid >= best_ask > 0
        assert round(best_bid * 10) == stream.column("bid_ticks")[row]
        assert round(best_ask * 10) == stream.column("ask_ticks")[row]
        assert round(bids_then.get(best_bid, 0) * 10**5) == stream.column("bid_lots")[row]
        assert round(asks_then.get(best_ask, 0) * 10**5) == stream.column("ask_lots")[row]


def test_a_whole_book_that_is_crossed_or_locked_is_not_taken() -> None:
    builder = BookBuilder(BTC)

    assert builder.add_book(Update(1, 1, 1, [(5, 1)], [(6, 1)]))
    assert not builder.add_book(Update(2, 2, 2, [(7, 1)], [(6, 1)]))
    assert not builder.add_book(Update(3, 3, 3, [(6, 1)], [(6, 1)]))
    assert builder.add_book(Update(4, 4, 4, [(6, 1)], [(7, 1)]))
    assert [1, 4] == builder.stream().column("seq").tolist()


def test_an_update_removes_the_levels_it_shows_to_be_stale() -> None:
    builder = BookBuilder(BTC)
    builder.add_book(Update(1, 1, 1, [(5, 1), (4, 1)], [(7, 1), (8, 1), (9, 1)]))
    builder.add_changes(Update(2, 2, 2, [(8, 2)], []))
    builder.add_changes(Update(3, 3, 3, [], [(5, 3)]))

    assert 4 == builder.removed
    columns = columns_of(builder.stream())
    assert [5, 8, 4] == columns["bid_ticks"]
    assert [7, 9, 5] == columns["ask_ticks"]


def test_a_gap_makes_the_next_book_a_snapshot() -> None:
    builder = BookBuilder(BTC)
    for seq, is_after_gap in ((1, False), (2, False), (3, True)):
        book = Update(seq, seq, seq, [(5, 1), (4, 2)], [(7, 1)])
        builder.add_book(book, is_after_gap=is_after_gap)

    columns = columns_of(builder.stream())
    assert [1, 0, 1] == columns["is_snapshot"]
    assert [0, 3, 3, 6] == columns["off"]
    assert [5, 4, 7, 5, 4, 7] == columns["chg_ticks"]


def test_a_builder_goes_on_after_its_stream_was_taken() -> None:
    builder = BookBuilder(BTC)
    builder.add_book(Update(1, 1, 1, [(5, 1)], [(7, 1)]))
    first = builder.stream()
    builder.add_changes(Update(2, 2, 2, [(5, 2)], []))

    assert (1, 2) == (first.n, builder.stream().n)
