"""A book is known or not known, and never wrong: gaps, crossings and steps back drop it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.perpex.book import BookKeeper
from connectors.perpex.mapping.read import decode
from connectors.perpex.mapping.wire import LevelsWire
from engine.errors import VenueError
from engine.model.events import BookDelta, BookSnapshot
from engine.state.books import Book


def wire(bids: Any, asks: Any) -> LevelsWire:  # noqa: ANN401
    return decode(json.dumps({"bids": bids, "asks": asks}), LevelsWire)


def known(seq: int | None = 5) -> BookKeeper:
    keeper = BookKeeper("px:BTC")
    keeper.snapshot(wire([["99", "1"], ["98", "2"]], [["101", "3"]]), seq, 1, 2)
    return keeper


def test_a_snapshot_and_the_next_update_are_told_as_they_are() -> None:
    keeper = BookKeeper("px:BTC")

    snapshot = keeper.snapshot(wire([["98", "2"], ["99", "1"]], [["101", "3"]]), 5, 1, 2)
    delta = keeper.update(wire([["99", "0"], ["98.5", "4"]], []), 6, 3, 4)

    assert BookSnapshot(1, 2, "px:BTC", 5, (99.0, 98.0), (1.0, 2.0), (101.0,), (3.0,)) == snapshot
    assert BookDelta(3, 4, "px:BTC", 6, (99.0, 98.5), (0.0, 4.0), (), ()) == delta
    assert (98.5, 4.0, 101.0, 3.0) == keeper.best()


@pytest.mark.parametrize(
    ("bids", "asks", "seq"),
    [
        ([], [], 7),
        ([], [], 5),
        ([], [], 4),
        ([], [], None),
        ([["101", "1"]], [], 6),
        ([], [["98", "1"]], 6),
        ([["x", "1"]], [], 6),
        ([["97"]], [], 6),
    ],
)
def test_a_gap_a_step_back_a_crossing_or_nonsense_drops_the_book(
    bids: Any,  # noqa: ANN401
    asks: Any,  # noqa: ANN401
    seq: int | None,
) -> None:
    keeper = known()

    with pytest.raises(VenueError):
        keeper.update(wire(bids, asks), seq, 1, 1)
    assert not keeper.is_known
    assert keeper.update(wire([], []), 6, 1, 1) is None, "only a snapshot makes it known again"


@pytest.mark.parametrize("seq", [5, 4, 0])
def test_a_snapshot_that_steps_back_drops_the_book(seq: int) -> None:
    keeper = known()

    with pytest.raises(VenueError):
        keeper.snapshot(wire([], []), seq, 1, 1)
    assert not keeper.is_known
    keeper.snapshot(wire([], []), seq, 1, 1)
    assert keeper.is_known


def test_a_server_that_only_sends_whole_books_needs_no_numbers() -> None:
    keeper = known(None)

    second = keeper.snapshot(wire([["99", "1"]], [["100", "1"]]), None, 1, 1)

    assert (1, (99.0,)) == (second.seq, second.bid_px)


def test_a_crossed_snapshot_is_refused() -> None:
    with pytest.raises(VenueError, match="crossed"):
        BookKeeper("px:BTC").snapshot(wire([["101", "1"]], [["101", "1"]]), 1, 1, 1)


def test_a_book_that_only_grows_is_dropped_at_its_bound() -> None:
    keeper = known()
    many = [[str(90 - number / 1e3), "1"] for number in range(1_001)]

    with pytest.raises(VenueError, match="1000 levels"):
        keeper.update(wire(many, []), 6, 1, 1)


levels = st.lists(
    st.tuples(st.integers(min_value=1, max_value=60), st.integers(min_value=0, max_value=3)),
    max_size=4,
)


@given(
    updates=st.lists(st.tuples(levels, levels, st.integers(min_value=0, max_value=2)), max_size=30)
)
def test_the_engine_s_book_and_the_keeper_s_always_have_the_same_best(
    updates: list[tuple[list[Any], list[Any], int]],
) -> None:
    keeper, book = known(), Book()
    book.snapshot(BookSnapshot(1, 2, "px:BTC", 5, (99.0, 98.0), (1.0, 2.0), (101.0,), (3.0,)))
    for bids, asks, skip in updates:
        changed = wire(
            [[str(p), str(s)] for p, s in bids], [[str(p + 50), str(s)] for p, s in asks]
        )
        try:
            delta = keeper.update(changed, keeper.seq + 1 + skip, 1, 1)
        except VenueError:
            return
        assert delta is not None
        top = book.delta(delta)
        assert (top.bid_px, top.bid_sz, top.ask_px, top.ask_sz) == keeper.best()
        assert not (top.bid_px and top.ask_px) or top.bid_px < top.ask_px
