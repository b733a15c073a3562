"""How resting orders are filled: by prints, by the opposite best, by bars; and never by a touch."""

from __future__ import annotations

import pytest

from engine.model.units import Side, Tif
from tests.backtests.exchange.scene import BUY, SELL, Scene

NEAR = [(10010, 5), (10020, 5)]


def resting(queue_lots: int = 4) -> Scene:
    """Ours: buy 3 at 9990, behind `queue_lots`."""
    scene = Scene()
    scene.book([(9990, queue_lots), (9980, 6)], NEAR)
    scene.place("o", BUY, 9990, 3, Tif.ALO)
    return scene


# -- trades ----------------------------------------------------------------------------------------


def test_a_print_at_the_price_first_eats_what_stands_ahead() -> None:
    scene = resting(4)

    assert [] == scene.trade(9990, 3, SELL)
    assert [(9990, 1)] == scene.ahead()
    assert ["o +1 at 9990 maker"] == scene.trade(9990, 2, SELL)
    assert [] == scene.ahead()
    assert ["o +2 at 9990 maker"] == scene.trade(9990, 9, SELL)
    assert scene.exchange.watch(scene.id) is None


def test_a_print_through_the_price_fills_whatever_stands_ahead() -> None:
    scene = resting(4)

    assert ["o +2 at 9990 maker"] == scene.trade(9989, 2, SELL)
    assert [] == scene.ahead(), "what was ahead must be gone"
    assert ["o +1 at 9990 maker"] == scene.trade(9990, 1, SELL)


@pytest.mark.parametrize(("px", "aggressor"), [(9990, BUY), (9989, BUY), (9991, SELL)])
def test_a_print_by_the_same_side_or_above_the_price_does_nothing(px: int, aggressor: Side) -> None:
    scene = resting(0)

    assert [] == scene.trade(px, 50, aggressor)


def test_a_sell_is_filled_by_buyers_at_or_above_its_price() -> None:
    scene = Scene()
    scene.book([(9990, 5)], [(10010, 2)])
    scene.place("o", SELL, 10010, 3)

    assert [] == scene.trade(10010, 9, SELL)
    assert [] == scene.trade(10009, 9, BUY)
    assert ["o -1 at 10010 maker"] == scene.trade(10010, 3, BUY)
    assert ["o -2 at 10010 maker"] == scene.trade(10011, 2, BUY)


@pytest.mark.parametrize("source", ["book", "top", "quote"])
@pytest.mark.parametrize("ask", [9990, 9980, 9000], ids=["touched", "crossed", "far through"])
def test_a_price_that_is_only_touched_is_never_filled_under_the_rule_of_trades(
    source: str, ask: int
) -> None:
    scene = Scene()

    def show(bid: int, ask: int) -> list[str]:
        if source == "book":
            return scene.book([(bid, 100)], [(ask, 100)])
        return (scene.top if source == "top" else scene.quote)(bid, 100, ask, 100)

    show(9980, 10010)
    scene.place("o", BUY, 9990, 3)

    assert [] == show(8990, ask)
    assert [] == show(8990, ask)
    assert [] == scene.mark(ask)


def test_a_better_price_is_filled_before_an_older_one() -> None:
    scene = Scene()
    scene.book([(9980, 1)], NEAR)
    for cloid, px in (("a", 9990), ("b", 9991), ("c", 9990)):
        scene.place(cloid, BUY, px, 2)

    assert [
        "b +2 at 9991 maker",
        "a +2 at 9990 maker",
        "c +1 at 9990 maker",
    ] == scene.trade(9990, 5, SELL)


def test_the_size_of_one_print_is_consumed_once_over_all_orders() -> None:
    scene = Scene()
    scene.book([(9990, 4)], NEAR)
    scene.place("a", BUY, 9990, 2)
    scene.change([(9990, 7)], [])
    scene.place("b", BUY, 9990, 2)

    assert [(9990, 4), (9990, 7)] == scene.ahead()
    assert ["a +2 at 9990 maker"] == scene.trade(9990, 7, SELL), "4 ahead, a, 1 of 3 between"
    assert [(9990, 2)] == scene.ahead()
    assert ["b +2 at 9990 maker"] == scene.trade(9990, 4, SELL)


def test_what_stood_ahead_of_two_orders_is_eaten_once() -> None:
    scene = Scene()
    scene.book([(9990, 4)], NEAR)
    scene.place("a", BUY, 9990, 2)
    scene.change([(9990, 7)], [])
    scene.place("b", BUY, 9990, 2)

    assert ["a +2 at 9990 maker", "b +1 at 9990 maker"] == scene.trade(9990, 10, SELL)


def test_a_print_serves_two_accounts_in_time_priority() -> None:
    scene = Scene(accounts=("main", "other"))
    scene.book([(9980, 1)], NEAR)
    scene.place("a", BUY, 9990, 2)
    scene.place("b", BUY, 9990, 2, account="other")

    assert ["a +2 at 9990 maker", "b +1 at 9990 maker"] == scene.trade(9990, 3, SELL)


def test_a_row_that_shows_less_moves_an_order_forward_and_one_that_shows_more_does_not() -> None:
    scene = resting(4)
    scene.change([(9990, 9)], [])
    assert [(9990, 4)] == scene.ahead()

    scene.change([(9990, 1)], [])
    assert [(9990, 1)] == scene.ahead()

    scene.change([(9990, 0)], [])
    assert [] == scene.ahead()


def test_a_best_bid_below_the_price_leaves_nothing_ahead() -> None:
    scene = Scene()
    scene.top(9990, 4, 10010, 1)
    scene.place("o", BUY, 9990, 3)

    scene.top(9985, 4, 10010, 1)

    assert [] == scene.ahead()


def test_an_order_that_improves_the_best_stands_first() -> None:
    scene = Scene()
    scene.book([(9980, 4)], NEAR)
    scene.place("o", BUY, 9990, 3)

    assert [] == scene.ahead()
    assert ["o +1 at 9990 maker"] == scene.trade(9990, 1, SELL)


@pytest.mark.parametrize("source", ["book", "top"])
def test_an_order_on_a_side_that_shows_nothing_stands_first(source: str) -> None:
    scene = Scene()
    if source == "book":
        scene.book([(9990, 4)], [])
    else:
        scene.top(9990, 4, 0, 0)
    scene.place("o", SELL, 10010, 3)

    assert [] == scene.ahead()


def test_an_order_between_displayed_levels_stands_first() -> None:
    scene = Scene()
    scene.book([(9990, 4), (9970, 4)], NEAR)
    scene.place("o", BUY, 9980, 3)

    assert [] == scene.ahead()


@pytest.mark.parametrize("source", ["book", "top", "quote"])
def test_outside_the_displayed_window_the_queue_is_unknown_until_it_is_displayed(
    source: str,
) -> None:
    scene = Scene()

    def show(bid: int, lots: int) -> None:
        if source == "book":
            scene.book([(bid, lots)], NEAR)
        else:
            (scene.top if source == "top" else scene.quote)(bid, lots, 10010, 5)

    show(9990, 4)
    scene.place("o", BUY, 9980, 3)

    assert [(9980, None)] == scene.ahead()
    assert [] == scene.trade(9980, 50, SELL), "nobody knows how many stood ahead"

    show(9980, 6)

    assert [(9980, 6)] == scene.ahead()
    assert ["o +1 at 9980 maker"] == scene.trade(9980, 7, SELL)


def test_an_unknown_queue_is_passed_by_a_print_through_the_price() -> None:
    scene = Scene()
    scene.top(9990, 4, 10010, 5)
    scene.place("o", BUY, 9980, 3)

    assert ["o +3 at 9980 maker"] == scene.trade(9979, 3, SELL)


def test_after_trades_only_a_resting_order_needs_a_print_through_its_price() -> None:
    scene = Scene()
    scene.trade(10000, 1, BUY)
    scene.place("o", BUY, 9990, 3)

    assert [] == scene.trade(9990, 9, SELL)
    assert ["o +3 at 9990 maker"] == scene.trade(9989, 9, SELL)


# -- cross -----------------------------------------------------------------------------------------


def crossing() -> Scene:
    scene = Scene(queue="cross")
    scene.quote(9990, 9, 10010, 9)
    scene.place("a", BUY, 9995, 3)
    scene.place("b", BUY, 9996, 3)
    return scene


def test_the_opposite_best_at_the_price_fills_up_to_its_displayed_size() -> None:
    scene = crossing()

    assert [] == scene.quote(9980, 9, 9997, 9)
    assert ["b +2 at 9996 maker"] == scene.quote(9980, 9, 9996, 2)
    assert ["b +1 at 9996 maker", "a +3 at 9995 maker"] == scene.quote(9980, 9, 9995, 4)


def test_under_the_rule_of_crossing_a_sell_is_filled_at_its_own_price() -> None:
    scene = Scene(queue="cross")
    scene.quote(9990, 9, 10010, 9)
    scene.place("o", SELL, 10005, 3)

    assert ["o -3 at 10005 maker"] == scene.quote(10020, 9, 10030, 9)


def test_the_displayed_size_is_there_once_for_each_row() -> None:
    scene = Scene(queue="cross")
    scene.top(9990, 9, 10010, 9)
    scene.place("a", BUY, 10000, 5)

    assert ["a +2 at 10000 maker"] == scene.top(9990, 9, 10000, 2)
    assert [] == scene.top(9990, 9, 10000, 2, same=True)
    assert ["b rejected: Order could not immediately match against any resting orders."] == (
        scene.place("b", BUY, 10000, 1, Tif.IOC)
    )
    assert ["a +2 at 10000 maker"] == scene.top(9990, 9, 10000, 2)


def test_under_the_rule_of_crossing_prints_fill_nothing_beside_quotes() -> None:
    scene = crossing()

    assert [] == scene.trade(9000, 99, SELL)


def test_under_the_rule_of_crossing_a_print_is_the_best_where_there_are_only_trades() -> None:
    scene = Scene(queue="cross")
    scene.trade(10000, 1, BUY)
    scene.place("o", BUY, 9990, 300)

    assert [] == scene.trade(9990, 1, SELL), "half a spread away"
    assert ["o +300 at 9990 maker"] == scene.trade(9989, 1, SELL)


def test_under_the_rule_of_crossing_a_book_fills_at_its_best_level_only() -> None:
    scene = Scene(queue="cross")
    scene.book([(9980, 1)], [(10010, 9)])
    scene.place("o", BUY, 10000, 5)

    assert ["o +2 at 10000 maker"] == scene.change([], [(9990, 2), (9995, 9)])


# -- bars ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["trades", "cross"])
@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (9990, 10010, []),
        (9989, 10010, ["b +500 at 9990 maker"]),
        (9990, 10011, ["s -500 at 10010 maker"]),
        (9980, 10020, ["b +500 at 9990 maker", "s -500 at 10010 maker"]),
    ],
)
def test_a_bar_fills_in_full_what_it_trades_strictly_through(
    queue: str, low: int, high: int, told: list[str]
) -> None:
    scene = Scene(queue="trades" if queue == "trades" else "cross", half_spread_ppb=1_000_000)
    scene.bar(10000, 10000, 10000, 10000)
    scene.place("b", BUY, 9990, 500)
    scene.place("s", SELL, 10010, 500)

    assert told == scene.bar(10000, high, low, 10000)


def test_bars_beside_other_feeds_fill_nothing() -> None:
    scene = resting(0)

    assert [] == scene.bar(10000, 10000, 9000, 10000)


# -- the watch -------------------------------------------------------------------------------------


def test_without_live_orders_there_is_nothing_to_watch() -> None:
    scene = resting()
    scene.cancel("o")

    assert scene.exchange.watch(scene.id) is None


def test_the_watch_names_the_prices_that_can_touch_an_order() -> None:
    scene = Scene()
    scene.book([(9990, 4), (9970, 4)], NEAR)
    scene.place("a", BUY, 9980, 3)
    scene.place("b", BUY, 9985, 3)
    scene.place("c", SELL, 10020, 3)
    scene.place("d", SELL, 10015, 3)
    watch = scene.exchange.watch(scene.id)

    assert watch is not None
    assert (9985, 10015, 0, 2**62) == (
        watch.bid_ticks,
        watch.ask_ticks,
        watch.trigger_low_ticks,
        watch.trigger_high_ticks,
    )
    assert ((-1, 10020, 5),) == watch.levels
    assert watch is scene.exchange.watch(scene.id), "cached while nothing changes"


def test_the_watch_names_the_nearest_triggers() -> None:
    scene = Scene()
    scene.mark(10000)
    scene.book([(9990, 4)], [(10010, 9)])
    scene.place("entry", BUY, 10010, 9)
    for cloid, px in (("a", 9900), ("b", 9950), ("e", 9925)):
        scene.send(scene.stop(cloid, SELL, px, 2))
    for cloid, px in (("c", 10100), ("d", 10050), ("f", 10075)):
        scene.send(scene.profit(cloid, SELL, px, 2))
    watch = scene.exchange.watch(scene.id)

    assert watch is not None
    assert (0, 2**62, 9950, 10050, ()) == (
        watch.bid_ticks,
        watch.ask_ticks,
        watch.trigger_low_ticks,
        watch.trigger_high_ticks,
        watch.levels,
    )
