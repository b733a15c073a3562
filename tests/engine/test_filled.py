"""What was filled of an order is known for as long as it may live."""

from __future__ import annotations

from collections import Counter

from engine.drive.filled import FilledLots
from engine.model.commands import Place
from engine.model.events import OrderFilled
from engine.model.orders import OrderState
from engine.model.units import Side, Tif
from engine.state.exposure import Exposure
from engine.state.orders import Order, new_order
from tests.engine.builders import BTC, MAIN


def order(cloid: str) -> Order:
    place = Place(BTC, cloid, Side.BUY, 99_000, 1_000, Tif.GTC)
    return new_order(place, MAIN, "one", Exposure(), (1_000, 1_000, 100), 1, "")


def fill(cloid: str, lots: int, generation: int = 0) -> OrderFilled:
    numbers = Side.BUY, 99_000, lots, 99.0, lots / 1_000, 0
    return OrderFilled(1, 1, MAIN, BTC, cloid, generation, 7, 1, *numbers, is_maker=True)


def test_a_late_fill_of_an_ended_order_is_told_only_if_the_order_lives_again() -> None:
    one, filled = order("0x1"), FilledLots({"0x1": Counter({0: 5})})
    filled.count(one, fill("0x1", 10))
    one.state = OrderState.CANCELED
    filled.follow(one)
    filled.count(one, fill("0x1", 20))
    assert {} == filled.of([one])

    one.state = OrderState.UNKNOWN
    filled.follow(one)
    filled.count(one, fill("0x1", 40, generation=1))
    assert {"0x1": {0: 35, 1: 40}} == filled.of([one])


def test_only_so_many_ended_orders_are_remembered_the_newest_and_every_live_one() -> None:
    filled = FilledLots({}, ended_max=2)
    live = order("0x0")
    filled.count(live, fill("0x0", 1))
    ended = [order(f"0x{number}") for number in range(1, 5)]
    for one in ended[:3]:
        filled.count(one, fill(one.cloid, 1))
        one.state = OrderState.CANCELED
        filled.follow(one)
    ended[3].state = OrderState.REJECTED
    filled.count(ended[3], fill(ended[3].cloid, 1))
    for one in ended:
        one.state = OrderState.UNKNOWN
        filled.follow(one)

    assert ["0x0", "0x3", "0x4"] == sorted(filled.of([live, *ended]))


def test_what_is_told_is_a_copy() -> None:
    one, filled = order("0x1"), FilledLots({})
    filled.count(one, fill("0x1", 10))
    told = filled.of([one])
    filled.count(one, fill("0x1", 10))

    assert {"0x1": {0: 10}} == told


def test_a_fill_that_ends_or_revives_an_order_is_added_to_what_was_filled_of_it() -> None:
    one, filled = order("0x1"), FilledLots({"0x1": Counter({0: 5})})
    one.state = OrderState.FILLED
    filled.count(one, fill("0x1", 10))
    one.state = OrderState.UNKNOWN
    filled.count(one, fill("0x1", 20))

    assert {"0x1": {0: 35}} == filled.of([one])


def test_orders_that_ended_without_a_fill_since_are_bounded_too() -> None:
    filled = FilledLots({}, ended_max=2)
    ones = [order(f"0x{number}") for number in range(4)]
    for one in ones:
        filled.count(one, fill(one.cloid, 1))
    for state in (OrderState.CANCELED, OrderState.UNKNOWN):
        for one in ones:
            one.state = state
            filled.follow(one)

    assert ["0x2", "0x3"] == sorted(filled.of(ones))
