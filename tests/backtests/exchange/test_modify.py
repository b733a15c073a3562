"""A modify is cancel and replace as one action.

And keeps the queue position only when the size shrinks.
"""

from __future__ import annotations

import pytest

from engine.model.commands import Batch, ModifyOrder
from engine.model.events import OrderReplaced
from engine.model.units import Side, Tif
from tests.backtests.exchange.scene import BUY, DOLLAR_E8, SELL, Scene

GTC, IOC, ALO = Tif.GTC, Tif.IOC, Tif.ALO
CANNOT = "Cannot modify canceled or filled order"


def two_at_one_price() -> Scene:
    """Ours: a, then b, both buying 4 at 9990, where nothing is displayed."""
    scene = Scene()
    scene.book([(9980, 5)], [(10010, 5)])
    scene.place("a", BUY, 9990, 4)
    scene.place("b", BUY, 9990, 4)
    return scene


@pytest.mark.parametrize(
    ("px", "lots", "tif", "first"),
    [
        (9990, 4, GTC, "a"),
        (9990, 3, GTC, "a"),
        (9990, 5, GTC, "b"),
        (9990, 3, ALO, "b"),
    ],
    ids=["nothing changes", "less", "more", "another time in force"],
)
def test_only_less_size_at_the_same_price_keeps_the_place_in_the_queue(
    px: int, lots: int, tif: Tif, first: str
) -> None:
    scene = two_at_one_price()

    assert [f"a replaced by 1: {lots} at {px}"] == scene.modify("a", BUY, px, lots, tif)
    assert [f"{first} +1 at 9990 maker"] == scene.trade(9990, 1, SELL)


def test_a_shrunk_order_keeps_what_stands_ahead_and_is_filled_by_no_more_than_it_asks() -> None:
    scene = Scene()
    scene.book([(9990, 5)], [(10010, 5)])
    scene.place("a", BUY, 9990, 4)
    scene.change([(9990, 9)], [])

    scene.modify("a", BUY, 9990, 2)

    assert [(9990, 5)] == scene.ahead()
    assert ["a +2 at 9990 maker"] == scene.trade(9990, 50, SELL)


def test_a_shrunk_order_gives_its_margin_back() -> None:
    scene = Scene(balance=1000, leverage=1)
    scene.place("a", BUY, 10000, 4)
    scene.modify("a", BUY, 10000, 1)

    assert 900 * DOLLAR_E8 == scene.exchange.free_margin_e8("main")

    scene.cancel("a")

    assert 1000 * DOLLAR_E8 == scene.exchange.free_margin_e8("main")


def test_a_moved_order_stands_behind_what_is_displayed_at_its_new_price() -> None:
    scene = two_at_one_price()

    assert ["a replaced by 1: 4 at 9980"] == scene.modify("a", BUY, 9980, 4)
    assert [(9980, 5)] == scene.ahead()


def test_the_size_of_a_modify_is_what_remains() -> None:
    scene = two_at_one_price()
    scene.trade(9990, 3, SELL)

    assert ["a replaced by 1: 4 at 9995"] == scene.modify("a", BUY, 9995, 4)
    assert ["a +4 at 9995 maker", "b +2 at 9990 maker"] == scene.trade(9989, 6, SELL)


def test_the_answer_names_the_new_generation_and_a_new_oid() -> None:
    scene = two_at_one_price()
    moves = [
        ModifyOrder(scene.id, "a", generation, BUY, px, lots, GTC)
        for generation, px, lots in ((1, 9990, 3), (2, 9989, 3), (3, 9989, 2))
    ]
    scene.exchange.on_batch(1, Batch("main", "modify", tuple(moves), 1, 3))
    events = [event for event in scene.taken() if isinstance(event, OrderReplaced)]

    assert [(1, 3), (2, 4), (3, 5)] == [(event.generation, event.oid) for event in events]


@pytest.mark.parametrize(
    ("px", "tif", "told"),
    [
        (10010, GTC, ["a replaced by 1: 8 at 10010", "a +5 at 10010 taker"]),
        (
            10010,
            IOC,
            ["a replaced by 1: 8 at 10010", "a +5 at 10010 taker", "a canceled: iocCanceled"],
        ),
    ],
)
def test_a_modify_that_crosses_takes(px: int, tif: Tif, told: list[str]) -> None:
    scene = two_at_one_price()

    assert told == scene.modify("a", BUY, px, 8, tif)


@pytest.mark.parametrize(
    ("side", "px", "lots", "tif", "reason"),
    [
        (BUY, 10010, 4, ALO, "Post only order would have immediately matched, bbo was 99.9@100.1."),
        (BUY, 9990, 4, IOC, "Order could not immediately match against any resting orders."),
        (BUY, 9990, 0, GTC, "Order has zero size."),
        (BUY, 20000, 4, GTC, "Order price cannot be more than 80% away from the reference price"),
        (BUY, 9990, 10**9, GTC, "Insufficient margin to place order."),
    ],
)
def test_a_refused_modify_leaves_the_order_where_it_stands(
    side: Side, px: int, lots: int, tif: Tif, reason: str
) -> None:
    scene = two_at_one_price()
    free_e8 = scene.exchange.free_margin_e8("main")

    assert [f"a modify rejected: {reason}"] == scene.modify("a", side, px, lots, tif)
    assert free_e8 == scene.exchange.free_margin_e8("main")
    assert ["a +4 at 9990 maker"] == scene.trade(9990, 4, SELL)


def test_a_modify_of_an_order_that_is_gone_or_never_was_is_refused() -> None:
    scene = two_at_one_price()
    scene.cancel("a")
    scene.trade(9989, 4, SELL)

    for cloid in ("a", "b", "never"):
        assert [f"{cloid} modify rejected: {CANNOT}"] == scene.modify(cloid, BUY, 9990, 1)


def test_an_order_may_be_moved_by_the_margin_it_gives_back() -> None:
    scene = Scene(balance=100, leverage=1)
    scene.book([(9000, 5)], [(11000, 5)])

    assert ["a accepted"] == scene.place("a", BUY, 10000, 1)
    assert ["b rejected: Insufficient margin to place order."] == scene.place("b", BUY, 10000, 1)
    assert ["a replaced by 1: 1 at 9900"] == scene.modify("a", BUY, 9900, 1)
    assert ["a modify rejected: Insufficient margin to place order."] == scene.modify(
        "a", BUY, 10001, 1, generation=2
    )


def test_a_modified_order_may_change_sides() -> None:
    scene = two_at_one_price()

    assert ["a replaced by 1: 4 at 10000"] == scene.modify("a", SELL, 10000, 4)
    assert ["a -4 at 10000 maker"] == scene.trade(10001, 4, BUY)


def test_an_order_that_changes_sides_does_not_meet_itself() -> None:
    scene = Scene()
    scene.book([(9980, 5)], [(10010, 5)])
    scene.place("a", BUY, 9990, 4)

    assert ["a replaced by 1: 4 at 9985"] == scene.modify("a", SELL, 9985, 4, ALO)


def test_a_reduce_only_order_modified_beyond_the_position_is_told_the_size_that_fits() -> None:
    scene = Scene()
    scene.book([(9980, 50)], [(10010, 50)])
    scene.place("entry", BUY, 10010, 10, IOC)
    scene.place("r", SELL, 10100, 5, reduce_only=True)

    assert ["r replaced by 1: 10 at 10200"] == scene.modify("r", SELL, 10200, 99, reduce_only=True)
    assert ["r -10 at 10200 maker"] == scene.trade(10201, 99, BUY)


def test_a_modify_to_the_present_size_ends_what_a_smaller_position_had_cut() -> None:
    scene = Scene()
    scene.book([(9980, 50)], [(10010, 50)])
    scene.place("entry", BUY, 10010, 10, IOC)
    scene.place("r", SELL, 10100, 8, reduce_only=True)
    scene.place("x", SELL, 9980, 4, IOC)

    assert ["r replaced by 1: 6 at 10100"] == scene.modify("r", SELL, 10100, 6, reduce_only=True)
    assert ["r -6 at 10100 maker"] == scene.trade(10101, 99, BUY), "no canceled part is told"


def test_the_generation_asked_for_is_the_one_answered() -> None:
    scene = two_at_one_price()

    assert ["a replaced by 4: 2 at 9990"] == scene.modify("a", BUY, 9990, 2, generation=4)
    assert ["a canceled: canceled"] == scene.cancel("a", 4)
