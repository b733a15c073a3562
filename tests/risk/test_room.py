"""A reduce-only order leaves no order behind that would open what new risk may not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from engine.model.commands import CancelOrder, Command, ModifyOrder, Place
from engine.model.units import MONEY_SCALE
from risk.limits import Limits
from tests.engine.builders import BTC, BUY, SELL, House, Scripted, commands, live_house


def told(found: list[Command]) -> list[tuple[str, str]]:
    """What goes out, and for which order."""
    kinds = {CancelOrder: "cancel", Place: "place", ModifyOrder: "modify"}
    return [(kinds[type(one)], one.cloid) for one in found]  # type: ignore[union-attr]


def close(house: House, by: int = 0) -> list[Command]:
    return commands(house.ask(house.strategies[by].close(BTC), by=by))


def test_a_close_under_a_halt_takes_away_the_order_it_would_leave_without_a_position() -> None:
    house = live_house()
    house.hold(1.0)
    house.halt()
    resting = house.rest(SELL, 101.0, 1.0)

    cancel, placed = close(house)

    assert ("cancel", resting) == told([cancel])[0]
    assert isinstance(placed, Place)
    assert (True, 1_000) == (placed.reduce_only, placed.sz_lots)


def test_while_new_risk_of_that_size_is_allowed_the_order_stays() -> None:
    house = live_house()
    house.hold(1.0)
    house.rest(SELL, 101.0, 1.0)

    (placed,) = close(house)

    assert isinstance(placed, Place)


@pytest.mark.parametrize(("most", "canceled"), [(150.0, False), (99.0, True)])
def test_the_position_limit_counts_what_might_be_opened(most: float, *, canceled: bool) -> None:
    house = live_house()
    house.hold(1.0)
    house.engine.gate.limits = Limits(position_notional_max_e8=round(most * MONEY_SCALE))
    house.rest(SELL, 101.0, 1.0)

    assert canceled == (2 == len(close(house)))


def test_the_newest_go_and_only_as_many_as_it_needs() -> None:
    house = live_house()
    house.hold(3.0)
    kept = house.rest(SELL, 101.0, 1.0)
    first = house.rest(SELL, 102.0, 1.0)
    second = house.rest(SELL, 103.0, 1.0)
    house.halt()

    *cancels, placed = commands(house.ask(house.limit(SELL, 100.0, 2.0, reduce_only=True)))

    assert isinstance(placed, Place)
    assert [("cancel", second), ("cancel", first)] == told(cancels)
    assert house.order(kept).is_live


def test_the_order_of_another_strategy_on_the_account_goes_too() -> None:
    house = live_house(Scripted(), Scripted())
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0, by=1)
    house.halt()

    assert ("cancel", resting) == told(close(house))[0]


def stop_loss(house: House, _: str) -> list[Command]:
    stop = house.strategies[0].stop_loss(BTC, SELL, 1.0, 90.0)
    return commands(house.ask(stop))


def larger_modify(house: House, cloid: str) -> list[Command]:
    return commands(house.ask(house.strategies[0].modify(BTC, cloid, 102.0, 1.0)))


@pytest.mark.parametrize("reduce", [stop_loss, larger_modify])
def test_whatever_is_reduce_only_makes_room(
    reduce: Callable[[House, str], list[Command]],
) -> None:
    house = live_house()
    house.hold(1.0)
    plain = house.rest(SELL, 101.0, 0.5)
    reducing = house.rest(SELL, 102.0, 0.5, reduce_only=True)
    house.halt()

    assert [("cancel", plain)] == told(reduce(house, reducing))[:1]


@pytest.mark.parametrize("is_stop", [True, False])
def test_a_stop_loss_is_never_taken_away(*, is_stop: bool) -> None:
    """It may be all that protects the position until the reduce-only order is filled."""
    house = live_house()
    house.hold(1.0)
    strategy = house.strategies[0]
    wish = (
        strategy.stop_loss(BTC, SELL, 1.0, 90.0)
        if is_stop
        else strategy.take_profit(BTC, SELL, 1.0, 110.0)
    )
    plain = msgspec.structs.replace(wish, reduce_only=False)
    (waiting,) = commands(house.ask(plain))
    house.halt()

    told_first = told(close(house))[0]

    assert isinstance(waiting, Place)
    assert is_stop == (told_first != ("cancel", waiting.cloid))


def test_an_order_that_is_being_cancelled_is_not_cancelled_again() -> None:
    house = live_house()
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    house.ask(house.strategies[0].cancel(BTC, resting))
    house.halt()

    (placed,) = close(house)

    assert isinstance(placed, Place)


def test_orders_on_the_other_side_are_left_alone() -> None:
    house = live_house()
    house.hold(1.0)
    house.rest(BUY, 99.0, 1.0)
    house.halt()

    (placed,) = close(house)

    assert isinstance(placed, Place)
