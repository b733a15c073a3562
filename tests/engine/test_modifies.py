"""A modify and its answers, in whatever order they come: what rests is never lost sight of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.model.effects import AskOrder
from tests.engine.builders import BTC, BUY, MAIN, House, live_house, only_command


def moving(house: House, px: float = 98.0, sz: float = 1.0) -> str:
    """An order of 1 at 99 with a modify in flight; its cloid."""
    cloid = house.rest(BUY, 99.0, 1.0)
    only_command(house.ask(house.strategies[0].modify(BTC, cloid, px, sz)))
    return cloid


def state(house: House, cloid: str) -> str:
    return house.order(cloid).state.name


def strays(house: House) -> dict[str, int]:
    return house.engine.account_book.strays


def asked(cloid: str, generation: int = 0) -> tuple[AskOrder]:
    return (AskOrder(MAIN, BTC, cloid, generation),)


def test_a_modify_that_went_through_is_a_new_generation() -> None:
    house = live_house()
    cloid = moving(house, px=98.0, sz=3.0)
    house.replaced(cloid, 98_000, 3000, oid=55)
    order = house.order(cloid)

    assert ("OPEN", 1, 55) == (order.state.name, order.generation, order.oid)
    assert (98.0, 3.0, 3000) == (order.px, order.sz, house.account.exposure(BTC).buy_lots)


def test_answers_about_an_earlier_generation_move_nothing() -> None:
    house = live_house()
    cloid = moving(house)
    house.replaced(cloid, 98_000, 1000)
    house.canceled(cloid, generation=0)
    house.reject(cloid)
    house.unclear(cloid, generation=0)
    house.modify_rejected(cloid, generation=1)
    house.accept(cloid, generation=0)

    assert "OPEN" == state(house, cloid)
    assert {
        "OrderCanceled": 1,
        "OrderRejected": 1,
        "OrderUnclear": 1,
        "ModifyRejected": 1,
        "OrderAccepted": 1,
    } == strays(house)


def test_answers_about_a_generation_nobody_asked_for_are_strays() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.canceled(cloid, generation=1)
    house.replaced(cloid, 98_000, 1000, generation=2)
    house.unclear(cloid, generation=1)

    assert "OPEN" == state(house, cloid)
    assert {"OrderCanceled": 1, "OrderReplaced": 1, "OrderUnclear": 1} == strays(house)


def test_a_fill_of_the_new_generation_proves_the_modify_and_its_report_comes_late() -> None:
    """The fill stream is often faster than the answer to the modify."""
    house = live_house()
    cloid = moving(house, px=98.0, sz=3.0)
    house.fill(cloid, 98.0, 1.0, generation=1)
    early = (state(house, cloid), house.account.exposure(BTC).buy_lots)
    house.replaced(cloid, 98_000, 3000, oid=55)
    late = (state(house, cloid), house.account.exposure(BTC).buy_lots)
    house.fill(cloid, 98.0, 2.0)

    assert ("OPEN", 2000) == early == late
    assert 55 == house.order(cloid).oid
    assert "FILLED" == state(house, cloid)
    assert {} == strays(house)


def test_a_fill_of_the_new_generation_as_large_as_the_old_order_does_not_end_it() -> None:
    house = live_house()
    cloid = moving(house, sz=3.0)
    house.fill(cloid, 98.0, 1.0, generation=1)

    assert "OPEN" == state(house, cloid)
    assert 2000 == house.account.exposure(BTC).buy_lots


def test_a_late_fill_of_the_old_generation_leaves_the_new_one_whole() -> None:
    house = live_house()
    cloid = moving(house, sz=1.0)
    house.replaced(cloid, 98_000, 1000)
    house.fill(cloid, 99.0, 1.0, generation=0)

    assert ("OPEN", 1000) == (state(house, cloid), house.account.exposure(BTC).buy_lots)
    assert 1000 == house.own()


def test_the_old_generations_cancel_does_not_end_an_order_that_is_being_moved() -> None:
    """A venue that moves by cancel and replace may say both."""
    house = live_house()
    cloid = moving(house, sz=3.0)
    house.canceled(cloid, generation=0)
    between = (state(house, cloid), house.account.exposure(BTC).buy_lots)
    house.replaced(cloid, 98_000, 3000)

    assert ("MODIFYING", 3000) == between
    assert ("OPEN", 3000) == (state(house, cloid), house.account.exposure(BTC).buy_lots)


def test_when_only_the_new_generation_can_live_only_that_counts() -> None:
    house = live_house()
    cloid = moving(house, sz=0.3)
    house.canceled(cloid, generation=0)

    assert 300 == house.account.exposure(BTC).buy_lots


def test_an_order_canceled_while_a_modify_fails_is_gone() -> None:
    house = live_house()
    cloid = moving(house)
    house.canceled(cloid, generation=0)

    assert () == house.modify_rejected(cloid)
    assert "CANCELED" == state(house, cloid)
    assert 0 == house.account.exposure(BTC).buy_lots


def test_the_new_generations_cancel_ends_the_order_before_its_report() -> None:
    house = live_house()
    cloid = moving(house)
    house.canceled(cloid, generation=1)
    house.replaced(cloid, 98_000, 1000)

    assert "CANCELED" == state(house, cloid)
    assert 0 == house.account.exposure(BTC).buy_lots


def test_a_refused_modify_says_nothing_of_the_old_order_so_the_venue_is_asked() -> None:
    house = live_house()
    cloid = moving(house, sz=3.0)
    effects = house.modify_rejected(cloid)
    unknown = (state(house, cloid), house.account.exposure(BTC).buy_lots)
    house.accept(cloid)

    assert asked(cloid) == effects
    assert ("UNKNOWN", 1000) == unknown
    assert ("OPEN", 1000) == (state(house, cloid), house.account.exposure(BTC).buy_lots)


@pytest.mark.parametrize("generation", [0, 1])
def test_an_unclear_modify_counts_at_its_worst_until_it_is_settled(generation: int) -> None:
    """Whether the timeout names the generation that rests or the one that was asked for."""
    house = live_house()
    cloid = moving(house, sz=3.0)

    assert asked(cloid, generation=1) == house.unclear(cloid, generation)
    assert "UNKNOWN" == state(house, cloid)
    assert 3000 == house.account.exposure(BTC).buy_lots


@pytest.mark.parametrize(
    ("answer", "expected", "lots"),
    [
        (lambda house, cloid: house.accept(cloid, generation=0), "OPEN", 1000),
        (lambda house, cloid: house.accept(cloid, generation=1), "OPEN", 3000),
        (lambda house, cloid: house.replaced(cloid, 98_000, 3000), "OPEN", 3000),
        (lambda house, cloid: house.canceled(cloid, generation=1), "CANCELED", 0),
        (lambda house, cloid: house.canceled(cloid, generation=0), "UNKNOWN", 3000),
        (lambda house, cloid: house.fill(cloid, 99.0, 0.5, generation=0), "UNKNOWN", 3000),
        (lambda house, cloid: house.fill(cloid, 98.0, 0.5, generation=1), "OPEN", 2500),
        (lambda house, cloid: house.modify_rejected(cloid), "UNKNOWN", 1000),
    ],
)
def test_what_settles_an_unclear_modify(
    answer: Callable[[House, str], object], expected: str, lots: int
) -> None:
    house = live_house()
    cloid = moving(house, sz=3.0)
    house.unclear(cloid, generation=1)
    answer(house, cloid)

    assert (expected, lots) == (state(house, cloid), house.account.exposure(BTC).buy_lots)


def test_a_refused_cancel_of_a_generation_that_was_replaced_meanwhile_still_asks() -> None:
    """Else the order would be taken as on its way out for ever, and never be canceled again."""
    house = live_house()
    cloid = moving(house)
    house.ask(house.strategies[0].cancel(BTC, cloid))
    house.replaced(cloid, 98_000, 1000)

    assert asked(cloid, generation=1) == house.cancel_rejected(cloid, generation=0)
    only_command(house.ask(house.strategies[0].cancel(BTC, cloid)))


def test_a_modify_that_went_through_after_all_brings_a_filled_order_back() -> None:
    house = live_house()
    cloid = moving(house, sz=1.0)
    house.fill(cloid, 99.0, 1.0, generation=0)
    ended = state(house, cloid)
    house.replaced(cloid, 98_000, 1000)

    assert ("FILLED", "UNKNOWN") == (ended, state(house, cloid))
    assert 1000 == house.account.exposure(BTC).buy_lots
