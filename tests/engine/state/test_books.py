"""The book against a dict that is sorted anew after every update."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.model.events import BookDelta, BookSnapshot, BookTop
from engine.state.books import Book, Levels

PRICES = [float(px) for px in range(98, 103)]
Side = list[tuple[float, float]]
updates = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.sampled_from(PRICES), st.sampled_from([0.0, 1.0, 2.0])), max_size=6),
        st.lists(st.tuples(st.sampled_from(PRICES), st.sampled_from([0.0, 1.0, 2.0])), max_size=6),
    ),
    max_size=30,
)


def event(
    kind: type[BookSnapshot | BookDelta], seq: int, bids: Side, asks: Side
) -> BookSnapshot | BookDelta:
    columns = [tuple(level[i] for level in side) for side in (bids, asks) for i in (0, 1)]
    return kind(seq, seq + 1, "hl:BTC", seq, *columns)


def take(book: Book, what: BookSnapshot | BookDelta) -> BookTop:
    return book.delta(what) if isinstance(what, BookDelta) else book.snapshot(what)


@given(updates)
def test_the_book_is_what_a_sorted_dict_says(changes: list[tuple[bool, Side, Side]]) -> None:
    """After every update, deletes and additions of the best level in one update among them."""
    book = Book()
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    for seq, (is_snapshot, bid_changes, ask_changes) in enumerate(changes):
        if is_snapshot:
            bids = {px: sz for px, sz in bid_changes if sz}
            asks = {px: sz for px, sz in ask_changes if sz}
            what = event(BookSnapshot, seq, list(bids.items()), list(asks.items()))
        else:
            what = event(BookDelta, seq, bid_changes, ask_changes)
            for side, levels in ((bids, bid_changes), (asks, ask_changes)):
                for px, sz in levels:
                    side[px] = sz
                    if not sz:
                        del side[px]
        top = take(book, what)

        best_bid, best_ask = max(bids, default=0.0), min(asks, default=0.0)
        assert (seq, seq, seq + 1) == (top.seq, top.ts_venue_ns, top.ts_local_ns)
        assert (best_bid, bids.get(best_bid, 0.0)) == (top.bid_px, top.bid_sz)
        assert (best_ask, asks.get(best_ask, 0.0)) == (top.ask_px, top.ask_sz)
        assert sorted(bids.items(), reverse=True) == book.bids(depth=99)
        assert sorted(asks.items()) == book.asks(depth=99)


def test_the_best_is_settled_after_the_whole_update() -> None:
    """Deleting the best and adding a better one in one update leaves the better one best."""
    book = Book()
    book.snapshot(BookSnapshot(1, 1, "x", 1, (99.0, 98.0), (1.0, 1.0), (101.0,), (1.0,)))
    top = book.delta(
        BookDelta(2, 2, "x", 2, (99.0, 100.0, 98.5), (0.0, 3.0, 1.0), (101.0, 100.5), (0.0, 2.0))
    )

    assert (100.0, 3.0, 100.5, 2.0) == (top.bid_px, top.bid_sz, top.ask_px, top.ask_sz)


def test_a_lost_best_is_not_forgotten_when_lower_levels_go_too() -> None:
    book = Book()
    bids, asks = (99.0, 98.0, 97.0), (101.0, 102.0, 103.0)
    book.snapshot(BookSnapshot(1, 1, "x", 1, bids, (1.0,) * 3, asks, (1.0,) * 3))
    top = book.delta(BookDelta(2, 2, "x", 2, (99.0, 97.0), (0.0,) * 2, (101.0, 103.0), (0.0,) * 2))

    assert (98.0, 102.0) == (top.bid_px, top.ask_px)


def test_an_empty_side_has_price_and_size_0() -> None:
    book = Book()
    book.snapshot(BookSnapshot(1, 1, "x", 1, (99.0,), (1.0,), (101.0,), (1.0,)))
    top = book.delta(BookDelta(2, 2, "x", 2, (99.0,), (0.0,), (), ()))

    assert (0.0, 0.0, 101.0, 1.0) == (top.bid_px, top.bid_sz, top.ask_px, top.ask_sz)
    assert [] == book.bids()


def test_only_as_many_levels_as_asked_for_are_given_best_first() -> None:
    book = Book()
    px = (97.0, 99.0, 98.0)
    book.snapshot(BookSnapshot(1, 1, "x", 1, px, (1.0, 2.0, 3.0), (), ()))

    assert [(99.0, 2.0), (98.0, 3.0)] == book.bids(depth=2)


def test_a_book_with_a_depth_source_reads_it_once_per_update_and_only_when_asked() -> None:
    class Source:
        def __init__(self) -> None:
            self.read: list[int] = []

        def levels(self, seq: int) -> tuple[Levels, Levels]:
            self.read.append(seq)
            return {float(seq): 1.0}, {}

    book, source = Book(), Source()
    book.attach(source)
    for book.seq in (1, 2, 3):
        pass
    read = [book.bids(), book.bids(), book.asks()]
    book.seq = 4

    assert [[(3.0, 1.0)], [(3.0, 1.0)], []] == read
    assert [(4.0, 1.0)] == book.bids()
    assert [3, 4] == source.read
