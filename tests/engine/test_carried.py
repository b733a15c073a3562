"""What was there before a run counts from its start, and belongs to whom it belonged."""

from __future__ import annotations

import pytest

from engine.model.effects import AskOrder
from engine.model.events import (
    EngineStopping,
    OrderCanceled,
    OrderCarried,
    PositionCarried,
    Wished,
)
from engine.model.intents import SetLeverage
from engine.model.orders import OrderState
from engine.model.units import Side, Tif
from engine.state.accounts import EXTERNAL
from tests.engine.builders import BTC, BUY, GTC, MAIN, House, checks, commands, live_house

CLOID = "0x" + "ab" * 16


def carry(  # noqa: PLR0913 - a case says what it needs
    house: House,
    state: OrderState = OrderState.OPEN,
    *,
    owner: str = "one",
    side: Side = BUY,
    tif: Tif = GTC,
    reduce_only: bool = False,
    quote: str = "bid",
    generation: int = 3,
) -> tuple[object, ...]:
    return house.step(
        OrderCarried,
        MAIN,
        BTC,
        CLOID,
        generation,
        77,
        owner,
        quote,
        side,
        99_000,
        2_000,
        tif,
        reduce_only,
        state,
    )


def test_a_carried_position_is_held_by_the_account_and_by_who_built_it() -> None:
    house = live_house()
    house.step(PositionCarried, MAIN, BTC, "one", 1000, 98 * 10**8)

    assert (1000, 1000, 0) == (house.net(), house.own(), house.own(EXTERNAL))
    assert 98.0 == house.account.position(BTC).entry_px
    assert 2 * 10**8 == house.account.position(BTC).unrealised_e8(200_000)


def test_the_position_of_a_strategy_that_is_gone_is_external() -> None:
    house = live_house()
    house.step(PositionCarried, MAIN, BTC, "gone", 1000, 98 * 10**8)

    assert (1000, 1000) == (house.net(), house.own(EXTERNAL))


def test_a_carried_order_that_the_venue_lists_is_open_and_is_its_quote_again() -> None:
    house = live_house()
    assert () == carry(house)
    order = house.order(CLOID)

    assert (OrderState.OPEN, 3, 77, 2_000) == (
        order.state,
        order.generation,
        order.oid,
        order.remaining_lots,
    )
    assert order is house.engine.orders.quote("one", BTC, "bid")
    assert 2_000 == house.account.exposure(BTC).buy_lots


def test_a_carried_order_of_unknown_outcome_counts_and_is_asked_about() -> None:
    house = live_house()

    assert (AskOrder(MAIN, BTC, CLOID, 3),) == carry(house, OrderState.UNKNOWN)
    assert 2_000 == house.account.exposure(BTC).buy_lots

    house.step(OrderCanceled, MAIN, BTC, CLOID, 3, 0, "neverPlaced")
    assert 0 == house.account.exposure(BTC).buy_lots


def test_the_order_of_somebody_else_counts_against_the_limits_and_is_nobodys_quote() -> None:
    house = live_house(budget=None)
    carry(house, owner="gone")

    assert EXTERNAL == house.order(CLOID).strategy
    assert None is house.engine.orders.quote("gone", BTC, "bid")
    assert 2_000 == house.account.exposure(BTC).buy_lots


def test_an_order_is_carried_once() -> None:
    house = live_house()
    carry(house)
    carry(house)

    assert 2_000 == house.account.exposure(BTC).buy_lots
    assert {"OrderCarried": 1} == house.engine.account_book.strays


def test_a_fill_of_a_carried_order_is_its_owners() -> None:
    house = live_house()
    carry(house)
    house.fill(CLOID, 99.0, 2.0)

    assert (2_000, 2_000) == (house.net(), house.own())
    assert OrderState.FILLED is house.order(CLOID).state


def test_the_operator_meets_the_gate_like_everybody() -> None:
    house = live_house()
    effects = house.step(Wished, MAIN, (SetLeverage(BTC, 7), SetLeverage(BTC, 500)))

    assert [7] == [command.leverage for command in commands(effects)]  # type: ignore[union-attr]
    assert ["leverage"] == checks(effects)


@pytest.mark.parametrize(
    ("is_fault", "asked"), [(False, ["on_start", "on_stop"]), (True, ["on_start"])]
)
def test_after_a_fault_no_strategy_is_asked_for_its_last_wish(
    is_fault: bool,  # noqa: FBT001 - a case
    asked: list[str],
) -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    effects = house.step(EngineStopping, "the end", is_fault=is_fault)
    handlers = [name for name in house.strategies[0].handlers if name in ("on_start", "on_stop")]

    assert asked == handlers
    assert [cloid] == [command.cloid for command in commands(effects)]  # type: ignore[union-attr]


def test_what_owners_paid_apart_from_the_account_is_counted_as_carried() -> None:
    """Start + carried is what the run began with: else it would show a profit it did not make."""
    house = live_house()
    house.step(PositionCarried, MAIN, BTC, "one", 1000, 98 * 10**8, 95 * 10**8)

    assert 95 * 10**8 == house.account.position(BTC).cost_e8
    assert 3 * 10**8 == house.account.carried_e8


def test_the_order_of_a_strategy_that_is_gone_is_no_quote() -> None:
    house = live_house()
    carry(house, owner="gone", quote="bid")
    (order,) = house.engine.orders.all_live()

    assert (EXTERNAL, "") == (order.strategy, order.quote)
