"""What makes room goes for the order that is in need of it, and costs no other that reduces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from engine.budget import BudgetLimits
from engine.model.commands import Approved, CancelOrder, ModifyOrder, Place, RiskClass
from engine.model.intents import AnyIntent
from engine.model.orders import OrderState
from engine.model.units import Tif
from engine.room_cancels import takers_of
from engine.state.exposure import Exposure
from engine.state.orders import Order, Orders, new_order
from engine.submission import Planner
from tests.engine.builders import (
    BTC,
    BUY,
    ETH,
    MAIN,
    SELL,
    House,
    Scripted,
    commands,
    instrument,
    live_house,
)
from tests.risk.test_room import close, hold_eth, larger_modify, leave_actions, leave_weight, told

OTHER = "other"


def test_nothing_goes_for_an_order_that_is_turned_down_though_an_earlier_one_goes() -> None:
    house = live_house()
    house.hold(2.0)
    plain = house.rest(SELL, 110.0, 1.0)
    house.halt()
    leave_actions(house, 1)
    first, second = (house.limit(SELL, px, 1.0, reduce_only=True) for px in (100.0, 101.0))

    assert [("place", first.cloid)] == told(commands(house.ask(first, second)))
    assert OrderState.OPEN is house.order(plain).state


def test_what_makes_room_for_an_order_that_is_turned_down_goes_for_a_later_one() -> None:
    """The later one was judged as if it went."""
    house = live_house()
    house.hold(2.0)
    plain = house.rest(SELL, 110.0, 1.0)
    house.halt()
    leave_actions(house, 2)
    earlier = house.limit(SELL, 104.0, 0.5, reduce_only=True)
    turned_down = house.limit(SELL, 105.0, 1.0, reduce_only=True, tif=Tif.ALO)
    later = house.limit(SELL, 106.0, 0.5, reduce_only=True)

    assert [("cancel", plain), ("place", earlier.cloid), ("place", later.cloid)] == told(
        commands(house.ask(earlier, turned_down, later))
    )


def test_room_for_several_orders_is_made_at_once_before_the_first_of_them() -> None:
    house = live_house()
    house.hold(2.0)
    older, newer = (house.rest(SELL, px, 1.0) for px in (110.0, 111.0))
    house.halt()
    leave_actions(house, 2)
    first = house.limit(SELL, 104.0, 1.0, reduce_only=True)
    second = house.limit(SELL, 105.0, 1.0, reduce_only=True, tif=Tif.ALO)

    assert [
        ("cancel", newer),
        ("cancel", older),
        ("place", first.cloid),
        ("place", second.cloid),
    ] == told(commands(house.ask(first, second)))


@pytest.mark.parametrize("spare", [leave_actions, leave_weight])
def test_room_for_one_order_costs_no_stop_loss_of_the_same_step(
    spare: Callable[[House, int], None],
) -> None:
    house = live_house()
    house.hold(2.0)
    for px in (110.0, 111.0):
        house.rest(SELL, px, 1.0)
    house.halt()
    spare(house, 2)
    post_only = house.limit(SELL, 105.0, 1.0, reduce_only=True, tif=Tif.ALO)
    stop = house.strategies[0].stop_loss(BTC, SELL, 2.0, 90.0)

    sent = told(commands(house.ask(post_only, stop)))

    assert {("place", post_only.cloid), ("place", stop.cloid)} <= set(sent)


def test_room_on_one_market_costs_no_stop_loss_on_another() -> None:
    house = live_house(instruments=(instrument(), instrument("ETH")))
    house.hold(1.0)
    hold_eth(house, 1.0)
    for px in (110.0, 111.0, 112.0):
        house.rest(SELL, px, 0.33)
    house.halt()
    leave_actions(house, 3)
    post_only = house.limit(SELL, 105.0, 1.0, reduce_only=True, tif=Tif.ALO)
    stop = house.strategies[0].stop_loss(ETH, SELL, 1.0, 90.0)

    assert ("place", stop.cloid) in told(commands(house.ask(post_only, stop)))


@pytest.mark.parametrize(("weight", "expected"), [(1, ["modify"]), (2, ["cancel", "modify"])])
def test_a_larger_modify_makes_room_if_the_budget_covers_both(
    weight: int, expected: list[str]
) -> None:
    house = live_house()
    house.hold(1.0)
    house.rest(SELL, 101.0, 0.5)
    reducing = house.rest(SELL, 102.0, 0.5, reduce_only=True)
    house.halt()
    leave_weight(house, weight)

    assert expected == [kind for kind, _ in told(larger_modify(house, reducing))]


@pytest.mark.parametrize(("actions", "expected"), [(1, []), (2, ["cancel"])])
def test_no_room_is_made_for_a_modify_that_is_turned_down_though_its_order_is_canceled(
    actions: int, expected: list[str]
) -> None:
    house = live_house()
    house.hold(1.0)
    plain = house.rest(SELL, 101.0, 0.5)
    reducing = house.rest(SELL, 102.0, 0.5, reduce_only=True)
    house.halt()
    leave_actions(house, actions)
    strategy = house.strategies[0]
    larger = strategy.modify(BTC, reducing, 102.0, 1.0)

    sent = told(commands(house.ask(larger, strategy.cancel(BTC, reducing))))

    assert ("cancel", reducing) == sent[0]
    assert expected == [kind for kind, cloid in sent if cloid == plain]


def test_only_the_step_that_makes_room_knows_of_it() -> None:
    house = live_house()
    house.hold(1.0)
    house.rest(SELL, 101.0, 1.0)
    house.halt()

    assert 2 == len(close(house))
    assert set() == house.engine.orders.making_room


@pytest.mark.parametrize("weight", range(6))
@pytest.mark.parametrize("first", range(5))
def test_every_order_is_as_what_was_sent_leaves_it_whatever_the_budget(
    first: int, weight: int
) -> None:
    house = live_house(Scripted(), Scripted())
    house.hold(2.0)
    asked, untouched = house.rest(SELL, 110.0, 1.0), house.rest(SELL, 111.0, 0.5, by=1)
    house.halt()
    leave_weight(house, weight)
    strategy = house.strategies[0]
    wishes: list[AnyIntent] = [
        strategy.modify(BTC, asked, 112.0, 0.8),
        strategy.close(BTC),
        strategy.cancel(BTC, asked),
        strategy.stop_loss(BTC, SELL, 2.0, 90.0),
        house.limit(SELL, 105.0, 1.0, reduce_only=True, tif=Tif.ALO),
    ]
    sent = told(commands(house.ask(*wishes[first:], *wishes[:first])))

    states = {"cancel": OrderState.CANCELING, "modify": OrderState.MODIFYING}
    for cloid in (asked, untouched):
        order, kinds = house.order(cloid), [kind for kind, of in sent if of == cloid]
        last = "cancel" if "cancel" in kinds else "".join(kinds)
        assert states.get(last, OrderState.OPEN) is order.state
        assert kinds.count("cancel") == order.cancels_out <= 1
        assert ("modify" in kinds) is (order.pending_sz_lots > 0)
    assert (weight > 0) is (("cancel", asked) in sent)
    live = [order for order in house.engine.orders.all_live() if not order.reduce_only]
    assert sum(order.counted_lots for order in live) == house.account.exposure(BTC).sell_lots


# -- whom it is for --------------------------------------------------------------------------------

PLAIN = Place(BTC, "plain", SELL, 100, 1, Tif.GTC)
REDUCING = Place(BTC, "reducing", SELL, 100, 1, Tif.GTC, reduce_only=True)
MODIFY = ModifyOrder(BTC, "modify", 1, SELL, 100, 1, Tif.GTC, reduce_only=True)


@pytest.mark.parametrize(
    ("command", "account", "is_for_it"),
    [
        (REDUCING, MAIN, True),
        (MODIFY, MAIN, True),
        (replace(REDUCING, reduce_only=False), MAIN, False),
        (replace(MODIFY, reduce_only=False), MAIN, False),
        (replace(REDUCING, parent="entry"), MAIN, False),
        (replace(REDUCING, side=BUY), MAIN, False),
        (replace(REDUCING, instrument=ETH), MAIN, False),
        (REDUCING, OTHER, False),
    ],
)
def test_it_is_for_what_is_approved_after_it_and_reduces_on_its_side_of_its_market(
    command: Place | ModifyOrder, account: str, *, is_for_it: bool
) -> None:
    orders = Orders()
    orders.add(new_order(PLAIN, MAIN, "one", Exposure(), (1_000, 1_000, 100), 1, ""))
    cancel = Approved(MAIN, "one", RiskClass.CANCEL, CancelOrder(BTC, "plain", 0))
    earlier = Approved(MAIN, "one", RiskClass.REDUCE, replace(REDUCING, cloid="earlier"))
    later = Approved(account, "one", RiskClass.REDUCE, command)

    takers = takers_of([earlier, cancel, later], {"plain"}, orders)

    assert {"plain": {command.cloid} if is_for_it else set()} == takers


def planned(*, is_room_of_other: bool) -> tuple[list[str], Order]:
    """Room on the one account; of two reduce-only orders only that of the other account goes."""
    orders = Orders()
    planner = Planner(BudgetLimits(), orders)
    planner.address(MAIN).read(10_000, 10_000)
    here, there = (replace(REDUCING, cloid=cloid) for cloid in ("here", "there"))
    of_plain = OTHER if is_room_of_other else MAIN
    for place, account in ((PLAIN, of_plain), (here, MAIN), (there, OTHER)):
        orders.add(new_order(place, account, "one", Exposure(), (1_000, 1_000, 100), 1, ""))
    resting = orders.get("plain")
    assert resting is not None
    orders.send_cancel(resting, 2)
    orders.making_room.add("plain")
    cancel = Approved(of_plain, "one", RiskClass.CANCEL, CancelOrder(BTC, "plain", 0))
    items = [Approved(MAIN, "one", RiskClass.REDUCE, here), cancel]
    items = items if is_room_of_other else items[::-1]
    items.append(Approved(OTHER, "one", RiskClass.REDUCE, there))
    sent = commands(planner.plan(items, 10**18))
    return [cloid for _, cloid in told(sent)], resting


def test_an_order_of_another_account_on_the_same_market_needs_no_room_here() -> None:
    sent, resting = planned(is_room_of_other=False)

    assert (["there"], 0) == (sent, resting.cancels_out)


def test_each_account_has_its_own_room() -> None:
    sent, resting = planned(is_room_of_other=True)

    assert (["plain", "there"], 1) == (sent, resting.cancels_out)
