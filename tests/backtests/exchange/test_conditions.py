"""Triggers, parents and children, siblings, and reduce-only orders following the position."""

from __future__ import annotations

import pytest

from engine.model.commands import Place, Trigger
from engine.model.units import Side, Tif, TriggerKind
from tests.backtests.exchange.scene import BUY, SELL, Scene

STOP, PROFIT = TriggerKind.STOP_LOSS, TriggerKind.TAKE_PROFIT
BIDS = [(9990, 50), (9980, 50)]
ASKS = [(10010, 50), (10020, 50)]


def long(lots: int = 10, *, mark: int | None = 10000) -> Scene:
    """Long some lots bought at 10010, with a deep book around 10000."""
    scene = Scene()
    scene.book(BIDS, ASKS)
    if mark is not None:
        scene.mark(mark)
    scene.place("entry", BUY, 10010, lots, Tif.IOC)
    return scene


def short(lots: int = 10) -> Scene:
    scene = Scene()
    scene.book(BIDS, ASKS)
    scene.mark(10000)
    scene.place("entry", SELL, 9990, lots, Tif.IOC)
    return scene


# -- triggers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "trigger", "waits_at", "fires_at"),
    [(STOP, 9900, 9900.5, 9900), (STOP, 9900, 9901, 9000), (PROFIT, 10100, 10099.5, 10100)],
)
def test_a_trigger_that_sells_fires_when_the_mark_reaches_it(
    kind: TriggerKind, trigger: int, waits_at: float, fires_at: int
) -> None:
    scene = long()

    assert ["s accepted"] == scene.send(scene.stop("s", SELL, trigger, 10, kind=kind))
    assert [] == scene.mark(waits_at)
    assert ["s triggered", "s -10 at 9990 taker"] == scene.mark(fires_at)
    assert 0 == scene.lots()
    assert [] == scene.mark(fires_at)


@pytest.mark.parametrize(
    ("kind", "trigger", "waits_at", "fires_at"),
    [(STOP, 10100, 10099, 10100), (PROFIT, 9900, 9901, 9900)],
)
def test_a_trigger_that_buys_fires_when_the_mark_reaches_it(
    kind: TriggerKind, trigger: int, waits_at: int, fires_at: int
) -> None:
    scene = short()
    scene.send(scene.stop("s", BUY, trigger, 10, kind=kind))

    assert [] == scene.mark(waits_at)
    assert ["s triggered", "s +10 at 10010 taker"] == scene.mark(fires_at)


def test_a_trigger_that_the_mark_has_passed_already_fires_on_arrival() -> None:
    scene = long()

    assert ["s accepted", "s triggered", "s -10 at 9990 taker"] == scene.send(
        scene.stop("s", SELL, 10000, 10)
    )


def test_prints_and_books_do_not_fire_a_trigger_where_the_venue_sends_a_mark() -> None:
    scene = long()
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert [] == scene.trade(9000, 1, SELL)
    assert [] == scene.book([(9000, 1)], [(9100, 1)])


def test_where_the_venue_sends_no_mark_the_mid_fires_a_trigger() -> None:
    scene = long(mark=None)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert [] == scene.trade(9000, 1, SELL)
    assert [] == scene.book([(9899, 50)], [(9902, 50)]), "the mid is 9900.5"
    assert ["s triggered", "s -10 at 9899 taker"] == scene.book([(9899, 50)], [(9901, 50)])


def test_without_a_book_the_last_trade_fires_a_trigger() -> None:
    scene = Scene()
    scene.trade(10000, 1, BUY)
    scene.place("entry", BUY, 10100, 10, Tif.IOC)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert [] == scene.trade(9901, 1, SELL)
    assert ["s triggered", "s -10 at 9899 taker"] == scene.trade(9900, 1, SELL)


def test_a_market_trigger_takes_no_worse_than_its_limit_and_the_rest_is_canceled() -> None:
    scene = long(10)
    scene.book([(9950, 4), (8900, 50)], ASKS)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert [
        "s triggered",
        "s -4 at 9950 taker",
        "s canceled: iocCanceled",
    ] == scene.mark(9900), "its limit is 8910"


def test_a_limit_trigger_rests_at_its_limit() -> None:
    scene = long(10)
    scene.send(scene.stop("s", SELL, 9900, 10, px=9895))
    scene.book([(9800, 50)], ASKS)

    assert ["s triggered"] == scene.mark(9900)
    assert ["s -10 at 9895 maker"] == scene.trade(9896, 10, BUY)


def test_a_post_only_trigger_that_would_take_is_canceled() -> None:
    scene = long(10)
    scene.send(scene.stop("s", SELL, 9900, 10, px=9900, tif=Tif.ALO))

    assert ["s triggered", "s canceled: badAloPxRejected"] == scene.mark(9900)


def test_a_market_trigger_that_finds_nothing_is_canceled() -> None:
    scene = long(10)
    scene.send(scene.stop("s", SELL, 9900, 10))
    scene.book([], ASKS)

    assert ["s triggered", "s canceled: iocCanceled"] == scene.mark(9900)


def test_a_trigger_larger_than_the_position_shrinks_to_it() -> None:
    scene = long(4)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert [
        "s triggered",
        "s -4 at 9990 taker",
        "s canceled: reduceOnlyCanceled",
    ] == scene.mark(9900), "the canceled part is the 6 that had nothing to close"


def test_several_triggers_fire_in_the_order_they_came() -> None:
    scene = long(10)
    scene.send(scene.stop("a", SELL, 9800, 3), scene.stop("b", SELL, 9900, 3))

    assert [
        "a triggered",
        "a -3 at 9990 taker",
        "b triggered",
        "b -3 at 9990 taker",
    ] == scene.mark(9000)


def test_a_waiting_trigger_can_be_canceled_and_not_modified() -> None:
    scene = long()
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert [
        "s modify rejected: Cannot modify an order that waits for its trigger or parent"
    ] == scene.modify("s", SELL, 9900, 5, reduce_only=True)
    assert ["s canceled: canceled"] == scene.cancel("s")
    assert [] == scene.mark(9000)


# -- triggers on bars ------------------------------------------------------------------------------


def barred(side: Side) -> Scene:
    """Ten lots held on bars around 10000; half a synthetic spread is 10 ticks."""
    scene = Scene(half_spread_ppb=1_000_000)
    scene.bar(10000, 10000, 10000, 10000)
    scene.place("entry", side, 10000 + 1000 * side, 10, Tif.IOC)
    return scene


@pytest.mark.parametrize(
    ("bar", "told"),
    [
        ((10000, 10050, 9901, 9950), []),
        ((10000, 10050, 9900, 9950), ["s triggered", "s -10 at 9890 taker"]),
        ((9850, 10050, 9800, 9950), ["s triggered", "s -10 at 9840 taker"]),
    ],
    ids=["not reached", "at the trigger", "opens beyond it"],
)
def test_a_stop_on_bars_fills_beyond_the_worse_of_open_and_trigger(
    bar: tuple[int, int, int, int], told: list[str]
) -> None:
    scene = barred(BUY)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert told == scene.bar(*bar)


def test_a_stop_that_buys_on_bars_is_the_mirror_image() -> None:
    scene = barred(SELL)
    scene.send(scene.stop("s", BUY, 10100, 10))

    assert [] == scene.bar(10000, 10099, 9900, 10000)
    assert ["s triggered", "s +10 at 10201 taker"] == scene.bar(10190, 10300, 9900, 10000)


@pytest.mark.parametrize("open_", [10000, 10150])
def test_a_take_profit_on_bars_fills_beyond_its_trigger_even_when_the_open_was_better(
    open_: int,
) -> None:
    scene = barred(BUY)
    scene.send(scene.profit("t", SELL, 10100, 10))

    assert ["t triggered", "t -10 at 10089 taker"] == scene.bar(open_, 10200, 9950, 10150)


def test_a_stop_on_bars_beyond_its_limit_is_canceled_unfilled() -> None:
    scene = barred(BUY)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert ["s triggered", "s canceled: iocCanceled"] == scene.bar(8000, 8000, 8000, 8000)


def test_within_a_bar_the_stop_comes_before_the_take_profit_and_the_resting_order() -> None:
    scene = barred(BUY)
    scene.place("rest", SELL, 10050, 10, reduce_only=True)
    scene.send(scene.profit("t", SELL, 10100, 10))
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert [
        "s triggered",
        "s -10 at 9890 taker",
        "rest canceled: reduceOnlyCanceled",
        "t canceled: reduceOnlyCanceled",
    ] == scene.bar(10000, 10200, 9800, 10000)


def test_the_stop_of_an_entry_filled_by_a_bar_can_fire_in_the_same_bar_and_its_profit_not() -> None:
    scene = Scene(half_spread_ppb=1_000_000)
    scene.bar(10000, 10000, 10000, 10000)
    scene.send(
        scene.order("e", BUY, 9950, 10),
        scene.stop("s", SELL, 9900, 10, parent="e"),
        scene.profit("t", SELL, 10100, 10, parent="e"),
    )

    assert ["e +10 at 9950 maker"] == scene.bar(10000, 10200, 9901, 9950)
    scene.place("out", SELL, 8000, 10, Tif.IOC)
    scene.send(scene.order("f", BUY, 9940, 10), scene.stop("u", SELL, 9900, 10, parent="f"))
    assert [
        "f +10 at 9940 maker",
        "u triggered",
        "u -10 at 9890 taker",
    ] == scene.bar(10000, 10200, 9900, 9950)


def test_bars_fire_triggers_by_the_mark_where_the_venue_sends_one() -> None:
    scene = Scene()
    scene.bar(10000, 10000, 10000, 10000)
    scene.mark(10000)
    scene.place("entry", BUY, 10100, 10, Tif.IOC)
    scene.place("rest", SELL, 10200, 5)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert ["rest -5 at 10200 maker"] == scene.bar(10000, 10300, 9000, 10000)
    assert ["s triggered", "s -5 at 9999 taker", "s canceled: reduceOnlyCanceled"] == scene.mark(
        9900
    )


# -- parents and children --------------------------------------------------------------------------


def bracket(px: int = 9985, tif: Tif = Tif.GTC) -> tuple[Scene, list[str]]:
    """An entry for 10 with a stop and a take profit, in one batch."""
    scene = Scene()
    scene.book(BIDS, ASKS)
    scene.mark(10000)
    told = scene.send(
        scene.order("e", BUY, px, 10, tif),
        scene.stop("s", SELL, 9900, 10, parent="e"),
        scene.profit("t", SELL, 10100, 10, parent="e"),
    )
    return scene, told


def test_children_wait_until_their_parent_is_filled_whole() -> None:
    scene, told = bracket()

    assert ["e accepted", "s accepted", "t accepted"] == told
    assert [] == scene.mark(9000), "not guarding yet"
    scene.mark(10000)
    assert ["e +9 at 9985 maker"] == scene.trade(9984, 9, SELL)
    assert [] == scene.mark(9000)
    scene.mark(10000)
    assert ["e +1 at 9985 maker"] == scene.trade(9984, 1, SELL)
    assert [
        "s triggered",
        "t canceled: siblingFilledCanceled",
        "s -10 at 9990 taker",
    ] == scene.mark(9900)
    assert scene.exchange.watch(scene.id) is None


def test_children_leave_with_their_parent() -> None:
    scene, _ = bracket()

    assert [
        "e canceled: canceled",
        "s canceled: canceled",
        "t canceled: canceled",
    ] == scene.cancel("e")


def test_children_follow_an_entry_that_takes_at_once() -> None:
    scene, told = bracket(10010, Tif.IOC)

    assert ["e accepted", "e +10 at 10010 taker", "s accepted", "t accepted"] == told
    assert [
        "t triggered",
        "s canceled: siblingFilledCanceled",
        "t -10 at 9990 taker",
    ] == scene.mark(10100)


def test_children_of_a_refused_entry_are_refused() -> None:
    scene, told = bracket(10010, Tif.ALO)

    assert [
        "s rejected: Parent order is not open.",
        "t rejected: Parent order is not open.",
    ] == told[1:]
    assert {"child_without_parent": 2} == scene.exchange.counters


def test_a_child_whose_trigger_is_passed_when_its_parent_is_filled_fires_at_once() -> None:
    scene, _ = bracket(9950)
    scene.mark(9900)

    assert [
        "e +10 at 9950 maker",
        "s triggered",
        "t canceled: siblingFilledCanceled",
        "s -10 at 9990 taker",
    ] == scene.trade(9949, 10, SELL)


def test_canceling_one_sibling_leaves_the_other() -> None:
    scene, _ = bracket()

    assert ["s canceled: canceled"] == scene.cancel("s")
    scene.trade(9984, 10, SELL)
    assert ["t triggered", "t -10 at 9990 taker"] == scene.mark(10100)


def test_a_modified_parent_keeps_its_children() -> None:
    scene, _ = bracket()

    assert ["e replaced by 1: 10 at 9988"] == scene.modify("e", BUY, 9988, 10)
    scene.trade(9980, 10, SELL)
    assert "s triggered" in scene.mark(9900)


def test_a_child_may_be_a_plain_limit_and_its_fill_cancels_the_sibling() -> None:
    scene = Scene()
    scene.book(BIDS, ASKS)
    scene.mark(10000)
    scene.send(
        scene.order("e", BUY, 10010, 10),
        scene.stop("s", SELL, 9900, 10, parent="e"),
        scene.order("t", SELL, 10100, 10, reduce_only=True, parent="e"),
    )

    assert ["t -4 at 10100 maker"] == scene.trade(10101, 4, BUY)
    assert ["t replaced by 1: 6 at 10050"] == scene.modify("t", SELL, 10050, 6, reduce_only=True)
    assert [
        "t -6 at 10050 maker",
        "s canceled: siblingFilledCanceled",
    ] == scene.trade(10101, 6, BUY)


def test_a_limit_child_asks_for_no_more_than_there_is_to_close() -> None:
    scene = short(4)

    assert [
        "t accepted",
        "t -6 at 9990 taker",
        "t canceled: reduceOnlyCanceled",
    ] == scene.send(
        scene.order("e", BUY, 10010, 10),
        scene.order("t", SELL, 9990, 10, reduce_only=True, parent="e"),
    )[2:]


def test_a_child_that_can_close_nothing_when_its_parent_is_filled_is_canceled() -> None:
    """The entry only reduced an opposite position."""
    scene = short(20)
    scene.send(scene.order("e", BUY, 10010, 10), scene.stop("s", SELL, 9900, 10, parent="e"))

    assert [] == scene.mark(9900)
    assert scene.exchange.watch(scene.id) is None
    assert -10 == scene.lots()


def test_a_child_that_arrives_long_after_its_parent_was_filled_guards_at_once() -> None:
    scene = long()

    assert ["s accepted"] == scene.send(scene.stop("s", SELL, 9900, 10, parent="entry"))
    assert ["s triggered", "s -10 at 9990 taker"] == scene.mark(9900)


# -- reduce-only orders follow the position --------------------------------------------------------


def test_a_reduce_only_order_larger_than_the_position_shrinks_to_it() -> None:
    scene = long(4)

    assert [
        "o accepted",
        "o -4 at 9990 taker",
        "o canceled: reduceOnlyCanceled",
    ] == scene.place("o", SELL, 9990, 10, Tif.IOC, reduce_only=True)
    assert 0 == scene.lots()


def test_resting_reduce_only_orders_shrink_with_the_position_the_oldest_first() -> None:
    scene = long(10)
    for cloid, px in (("a", 10100), ("b", 10200)):
        scene.place(cloid, SELL, px, 5, reduce_only=True)

    assert ["x accepted", "x -3 at 9990 taker"] == scene.place("x", SELL, 9990, 3, Tif.IOC)
    assert [
        "a -2 at 10100 maker",
        "a canceled: reduceOnlyCanceled",
    ] == scene.trade(10101, 9, BUY)
    assert ["b -5 at 10200 maker"] == scene.trade(10201, 9, BUY)
    assert 0 == scene.lots()


def test_reduce_only_orders_leave_when_the_position_is_closed_or_turned() -> None:
    for lots in (10, 15):
        scene = long(10)
        scene.place("o", SELL, 10100, 5, reduce_only=True)
        scene.send(scene.stop("s", SELL, 9900, 10))

        assert [
            "x accepted",
            f"x -{lots} at 9990 taker",
            "o canceled: reduceOnlyCanceled",
            "s canceled: reduceOnlyCanceled",
        ] == scene.place("x", SELL, 9990, lots, Tif.IOC)


def test_a_waiting_stop_stays_while_there_is_something_to_close() -> None:
    scene = long(10)
    scene.send(scene.stop("s", SELL, 9900, 10))

    assert ["x accepted", "x -9 at 9990 taker"] == scene.place("x", SELL, 9990, 9, Tif.IOC)
    assert ["s triggered", "s -1 at 9990 taker", "s canceled: reduceOnlyCanceled"] == scene.mark(
        9900
    )


def test_a_new_reduce_only_order_pushes_out_the_oldest_that_no_longer_fit() -> None:
    scene = long(10)
    scene.place("a", SELL, 10100, 4, reduce_only=True)
    scene.place("b", SELL, 10200, 6, reduce_only=True)

    assert ["c accepted", "a canceled: reduceOnlyCanceled"] == scene.place(
        "c", SELL, 10300, 3, reduce_only=True
    )


def test_two_reduce_only_orders_filled_by_one_print_never_turn_the_position() -> None:
    scene = long(10)
    scene.place("plain", SELL, 10100, 8)
    scene.place("a", SELL, 10100, 6, reduce_only=True)

    assert [
        "plain -8 at 10100 maker",
        "a -2 at 10100 maker",
        "a canceled: reduceOnlyCanceled",
    ] == scene.trade(10101, 50, BUY)
    assert 0 == scene.lots()


def test_a_reduce_only_order_that_rests_after_taking_asks_for_what_is_left_of_the_position() -> (
    None
):
    scene = long(10)
    scene.book([(9990, 3)], ASKS)

    assert ["o accepted", "o -3 at 9990 taker"] == scene.place(
        "o", SELL, 9990, 12, reduce_only=True
    )
    assert ["o -7 at 9990 maker", "o canceled: reduceOnlyCanceled"] == scene.trade(9991, 50, BUY)


def test_a_trigger_names_its_own_side() -> None:
    """A stop for a short fires high; one that would add to the position is refused."""
    scene = short(10)
    order = Place(
        scene.id,
        "s",
        BUY,
        10200,
        10,
        Tif.GTC,
        reduce_only=True,
        trigger=Trigger(10100, STOP, is_market=False),
    )

    assert ["s accepted"] == scene.send(order)
    assert ["s triggered", "s +10 at 10010 taker"] == scene.mark(10100)
