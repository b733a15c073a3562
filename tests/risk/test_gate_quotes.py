"""Quotes and modifies: one order that follows the newest wish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.model.commands import CancelOrder, ModifyOrder, Place
from engine.model.intents import (
    PlaceLimit,
)
from engine.model.orders import OrderState
from engine.model.units import MONEY_SCALE
from risk.limits import Limits
from tests.engine.builders import (
    ALO,
    BTC,
    BUY,
    GTC,
    SELL,
    House,
    Scripted,
    checks,
    commands,
    live_house,
    only_command,
    refused,
)


def placed(effects: Any) -> Place:  # noqa: ANN401 - any effects
    command = only_command(effects)
    assert isinstance(command, Place)
    return command


# -- quotes ----------------------------------------------------------------------------------------


def quoting_house() -> tuple[House, str]:
    """A house with a live quote "bid": 1 at 99."""
    house = live_house()
    quote = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)
    house.ask(quote)
    house.accept(quote.cloid)
    return house, quote.cloid


def test_a_quote_that_already_is_as_wished_is_left_alone() -> None:
    house, _ = quoting_house()

    assert () == house.ask(house.strategies[0].quote(BTC, "bid", BUY, 99.0004, 1.0004))


def test_a_quote_is_moved_by_one_modify() -> None:
    house, cloid = quoting_house()
    command = only_command(house.ask(house.strategies[0].quote(BTC, "bid", BUY, 98.5, 2.0)))

    assert ModifyOrder(BTC, cloid, 1, BUY, 98_500, 2000, ALO) == command


def test_a_partly_filled_quote_is_wished_back_to_its_size() -> None:
    house, cloid = quoting_house()
    house.fill(cloid, 99.0, 0.4)
    command = only_command(house.ask(house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)))

    assert ModifyOrder(BTC, cloid, 1, BUY, 99_000, 1000, ALO) == command


def test_a_quote_in_motion_is_not_moved_twice() -> None:
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    house.ask(strategy.quote(BTC, "bid", BUY, 98.0, 1.0))
    moving = house.ask(strategy.quote(BTC, "bid", BUY, 97.0, 1.0))
    house.replaced(cloid, 98_000, 1000)
    after = only_command(house.ask(strategy.quote(BTC, "bid", BUY, 97.0, 1.0)))

    assert () == moving
    assert ModifyOrder(BTC, cloid, 2, BUY, 97_000, 1000, ALO) == after


def test_of_several_wishes_for_one_quote_the_newest_wins() -> None:
    house = live_house()
    strategy = house.strategies[0]
    wishes = [strategy.quote(BTC, "bid", BUY, px, 1.0) for px in (99.0, 98.0, 97.0)]
    command = placed(house.ask(*wishes))

    assert (wishes[-1].cloid, 97_000) == (command.cloid, command.px_ticks)


def test_a_withdrawal_is_a_wish_too() -> None:
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    moved = strategy.quote(BTC, "bid", BUY, 98.0, 1.0)
    away = strategy.cancel_quote(BTC, "bid")
    other = strategy.quote(BTC, "ask", SELL, 101.0, 1.0)

    assert [CancelOrder, Place] == [type(c) for c in commands(house.ask(moved, other, away))]
    assert OrderState.CANCELING is house.order(cloid).state


def test_a_wish_after_a_withdrawal_moves_the_quote() -> None:
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    effects = house.ask(
        strategy.cancel_quote(BTC, "bid"), strategy.quote(BTC, "bid", BUY, 98.0, 1.0)
    )

    assert ModifyOrder(BTC, cloid, 1, BUY, 98_000, 1000, ALO) == only_command(effects)


@pytest.mark.parametrize(
    "wish",
    [
        lambda s: s.quote(BTC, "bid", SELL, 101.0, 1.0),
        lambda s: s.quote(BTC, "bid", BUY, 99.0, 1.0, tif=GTC),
    ],
)
def test_a_quote_of_another_side_or_kind_is_taken_away_first(
    wish: Callable[[Scripted], PlaceLimit],
) -> None:
    """A modify changes neither, so moving it would leave an order nobody wished for."""
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    first = only_command(house.ask(wish(strategy)))
    house.canceled(cloid)
    second = wish(strategy)

    assert CancelOrder(BTC, cloid, 0) == first
    assert second.cloid == placed(house.ask(second)).cloid


def test_a_quote_that_ended_opens_anew() -> None:
    house, cloid = quoting_house()
    house.canceled(cloid)
    wish = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)

    assert wish.cloid == placed(house.ask(wish)).cloid


def test_quotes_of_one_name_are_separate_per_strategy() -> None:
    house = live_house(Scripted(), Scripted())
    for by in (0, 1):
        wish = house.strategies[by].quote(BTC, "bid", BUY, 99.0, 1.0)
        assert wish.cloid == placed(house.ask(wish, by=by)).cloid


# -- modifies --------------------------------------------------------------------------------------


def test_a_modify_names_the_next_generation_and_the_size_that_remains() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.fill(cloid, 99.0, 0.4)
    command = only_command(house.ask(house.strategies[0].modify(BTC, cloid, 98.0, 0.5)))

    assert ModifyOrder(BTC, cloid, 1, BUY, 98_000, 500, GTC) == command


@pytest.mark.parametrize("state", ["SENT", "CANCELING", "MODIFYING", "UNKNOWN"])
def test_only_an_open_order_is_modified(state: str) -> None:
    house = live_house()
    strategy = house.strategies[0]
    if state == "SENT":
        intent = house.limit(BUY, 99.0, 1.0)
        house.ask(intent)
        cloid = intent.cloid
    else:
        cloid = house.rest(BUY, 99.0, 1.0)
    if state == "CANCELING":
        house.ask(strategy.cancel(BTC, cloid))
    if state == "MODIFYING":
        house.ask(strategy.modify(BTC, cloid, 98.0, 1.0))
    if state == "UNKNOWN":
        house.unclear(cloid)

    assert [("modify", "an open order", state)] == refused(
        house.ask(strategy.modify(BTC, cloid, 97.0, 1.0))
    )


def test_a_reducing_order_is_moved_whatever_stands_in_the_way_of_new_risk() -> None:
    house = live_house()
    house.hold(2.0)
    cloids = [
        house.rest(SELL, 110.0, 1.0),
        house.rest(SELL, 110.0, 1.0, reduce_only=True),
    ]
    house.halt()
    moves = [house.strategies[0].modify(BTC, cloid, 109.0, 1.0) for cloid in cloids]

    assert [] == checks(house.ask(*moves))


def test_a_reducing_order_that_grows_beyond_the_position_is_an_add() -> None:
    house = live_house()
    house.hold(2.0)
    cloid = house.rest(SELL, 110.0, 1.0)
    house.halt()
    strategy = house.strategies[0]

    assert ["halted"] == checks(house.ask(strategy.modify(BTC, cloid, 110.0, 2.001)))
    assert [] == checks(house.ask(strategy.modify(BTC, cloid, 110.0, 2.0)))


def test_a_reduce_only_order_is_moved_to_no_more_than_the_position() -> None:
    house = live_house()
    house.hold(2.0)
    cloid = house.rest(SELL, 110.0, 1.0, reduce_only=True)
    command = only_command(house.ask(house.strategies[0].modify(BTC, cloid, 110.0, 7.0)))

    assert ModifyOrder(BTC, cloid, 1, SELL, 110_000, 2000, GTC, reduce_only=True) == command


def test_a_reduce_only_order_without_a_position_is_not_moved() -> None:
    house = live_house()
    house.hold(2.0)
    cloid = house.rest(SELL, 110.0, 1.0, reduce_only=True)
    house.fill("0xmanual", 100.0, 2.0, side=SELL)

    assert [("reduce_only", "a position to reduce", "0")] == refused(
        house.ask(house.strategies[0].modify(BTC, cloid, 109.0, 1.0))
    )


def test_a_modify_meets_the_checks_of_an_add() -> None:
    house = live_house(limits=Limits(order_notional_max_e8=150 * MONEY_SCALE))
    cloid = house.rest(BUY, 99.0, 1.0)

    assert [("order_notional", "150.00", "198.00")] == refused(
        house.ask(house.strategies[0].modify(BTC, cloid, 99.0, 2.0))
    )
    assert OrderState.OPEN is house.order(cloid).state
