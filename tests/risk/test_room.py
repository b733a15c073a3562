"""A reduce-only order leaves no order behind that would open what new risk may not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from engine.model.commands import CancelOrder, Command, ModifyOrder, Place
from engine.model.events import BudgetRead, OrderFilled, Resumed, WeightSpent
from engine.model.orders import OrderState
from engine.model.units import MONEY_SCALE
from risk.limits import Limits
from tests.engine.builders import (
    BTC,
    BUY,
    ETH,
    MAIN,
    SELL,
    House,
    Scripted,
    checks,
    commands,
    instrument,
    live_house,
)


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


def test_an_order_whose_margin_is_set_aside_stays_though_a_new_one_would_find_none() -> None:
    house = live_house(balance=25.0, leverage={BTC: 10})
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    assert house.account.free_margin_e8() < 101.0 / 10 * MONEY_SCALE

    (placed,) = close(house)
    assert isinstance(placed, Place)
    house.fill(placed.cloid, 100.0, 1.0)
    house.fill(resting, 101.0, 1.0)
    assert house.account.free_margin_e8() > 0


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


def reduce_a_part(house: House) -> list[str]:
    """What goes out for it: of a position of 1, a tenth."""
    return [
        kind for kind, _ in told(commands(house.ask(house.limit(SELL, 1e2, 0.1, reduce_only=True))))
    ]


def unclear_order(house: House, cloid: str) -> None:
    house.unclear(cloid)


def unclear_cancel(house: House, cloid: str) -> None:
    house.ask(house.strategies[0].cancel(BTC, cloid))
    house.unclear(cloid)


def refused_cancel(house: House, cloid: str) -> None:
    house.ask(house.strategies[0].cancel(BTC, cloid))
    house.cancel_rejected(cloid)


def with_unknown(how: Callable[[House, str], None]) -> tuple[House, str]:
    house = live_house()
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    how(house, resting)
    house.halt()
    assert OrderState.UNKNOWN is house.order(resting).state
    return house, resting


def room_again(house: House, after_ms: int) -> bool:
    """Whether a reduce-only order that is sent so much later takes the order away again."""
    house.tick(ms=after_ms)
    return ["cancel", "place"] == reduce_a_part(house)


def test_while_the_cancel_of_an_unclear_order_is_on_its_way_it_is_not_sent_again() -> None:
    house, _ = with_unknown(unclear_order)

    assert ["cancel", "place"] == reduce_a_part(house)
    assert [False] * 2 == [room_again(house, ms) for ms in (0, 60_000)]


@pytest.mark.parametrize("lost", ["unclear", "cancel_rejected"])
def test_a_cancel_that_was_lost_is_sent_again_but_only_every_few_seconds(lost: str) -> None:
    house, resting = with_unknown(unclear_order)
    assert ["cancel", "place"] == reduce_a_part(house)

    for _ in range(2):
        getattr(house, lost)(resting)
        assert [False, False, True] == [room_again(house, ms) for ms in (0, 4_999, 1)]


@pytest.mark.parametrize("how", [unclear_cancel, refused_cancel])
def test_a_cancel_that_a_strategy_asked_for_and_that_was_lost_is_sent_again_for_room(
    how: Callable[[House, str], None],
) -> None:
    house, _ = with_unknown(how)

    assert ["cancel", "place"] == reduce_a_part(house)


def test_an_order_whose_cancel_was_lost_opens_no_position_after_a_close_under_a_halt() -> None:
    house, resting = with_unknown(unclear_order)
    reduce_a_part(house)
    house.unclear(resting)
    house.tick(ms=5_000)

    (canceled, (_, closing)) = told(close(house))
    house.canceled(resting)
    house.fill(closing, 100.0, 0.9)

    assert (("cancel", resting), 100) == (canceled, house.net())
    assert 0 == house.account.exposure(BTC).sell_lots


def test_what_a_lost_cancel_may_leave_at_rest_does_not_count_as_leaving() -> None:
    house, resting = with_unknown(unclear_order)
    reduce_a_part(house)
    house.cancel_rejected(resting)
    house.step(Resumed, "by hand")
    other = house.rest(SELL, 103.0, 0.1)
    house.halt()

    assert ("cancel", other) in told(
        commands(house.ask(house.limit(SELL, 100.0, 0.1, reduce_only=True)))
    )


def test_an_order_that_turns_out_to_rest_is_canceled_for_room_again() -> None:
    house, resting = with_unknown(unclear_order)
    assert ["cancel", "place"] == reduce_a_part(house)
    house.accept(resting)

    assert room_again(house, 0)


def test_an_order_whose_cancel_the_budget_turned_down_is_canceled_for_room_later() -> None:
    house, _ = with_unknown(unclear_order)
    leave_weight(house, 1)

    assert [False, True] == [room_again(house, ms) for ms in (59_000, 1_000)]


def test_a_strategy_may_cancel_an_order_of_unclear_outcome_as_often_as_it_likes() -> None:
    house, resting = with_unknown(unclear_cancel)
    strategy = house.strategies[0]

    for _ in range(2):
        assert [("cancel", resting)] == told(commands(house.ask(strategy.cancel(BTC, resting))))


def test_a_cancel_that_makes_room_and_that_the_strategy_asks_for_too_goes_once() -> None:
    house, resting = with_unknown(unclear_order)
    strategy = house.strategies[0]
    closing = strategy.close(BTC)

    assert [("cancel", resting), ("place", closing.cloid)] == told(
        commands(house.ask(closing, strategy.cancel(BTC, resting)))
    )


def test_an_order_that_lives_again_is_canceled_for_room_again() -> None:
    house = live_house()
    house.hold(1.0)
    plain = house.rest(SELL, 101.0, 1.0)
    strategy = house.strategies[0]
    house.ask(strategy.modify(BTC, plain, 102.0, 1.0))
    house.ask(strategy.cancel(BTC, plain))
    house.modify_rejected(plain)
    house.canceled(plain)
    assert not house.order(plain).is_live
    house.replaced(plain, 102_000, 1_000)
    house.halt()

    assert OrderState.UNKNOWN is house.order(plain).state
    assert ["cancel", "place"] == reduce_a_part(house)


def test_what_a_cancel_on_its_way_takes_away_is_not_taken_from_another_too() -> None:
    house = live_house()
    house.hold(2.0)
    kept = house.rest(SELL, 101.0, 1.0)
    going = house.rest(SELL, 102.0, 1.0)
    house.ask(house.strategies[0].cancel(BTC, going))
    house.halt()

    house.ask(house.limit(SELL, 100.0, 1.0, reduce_only=True))

    assert OrderState.OPEN is house.order(kept).state


def test_where_a_cancel_on_its_way_takes_too_little_away_another_order_goes_too() -> None:
    house = live_house()
    house.hold(2.0)
    other = house.rest(SELL, 101.0, 1.0)
    going = house.rest(SELL, 102.0, 1.0)
    house.unclear(going)
    house.ask(house.strategies[0].cancel(BTC, going))
    house.halt()

    *canceled, _ = told(commands(house.ask(house.limit(SELL, 100.0, 1.5, reduce_only=True))))

    assert [("cancel", other)] == canceled


@pytest.mark.parametrize("is_beside_one_that_goes", [False, True])
def test_orders_on_the_other_side_are_left_alone(*, is_beside_one_that_goes: bool) -> None:
    house = live_house()
    house.hold(1.0)
    going = [house.rest(SELL, 101.0, 1.0)] if is_beside_one_that_goes else []
    house.rest(BUY, 99.0, 1.0)
    house.halt()

    *canceled, _ = told(close(house))

    assert [("cancel", cloid) for cloid in going] == canceled


# -- under the rate budget -------------------------------------------------------------------------


def leave_actions(house: House, actions: int) -> None:
    """What is left for orders; cancels have a higher ceiling."""
    house.step(BudgetRead, MAIN, 10_000 - actions, 10_000)


def leave_weight(house: House, weight: int) -> None:
    house.step(WeightSpent, "hl", 1_200 - house.engine.planner.weight - weight)


@pytest.mark.parametrize("reduce", [stop_loss, larger_modify])
def test_no_room_is_made_for_a_reduce_only_order_that_the_budget_turns_down(
    reduce: Callable[[House, str], list[Command]],
) -> None:
    house = live_house()
    house.hold(1.0)
    plain = house.rest(SELL, 101.0, 0.5)
    reducing = house.rest(SELL, 102.0, 0.5, reduce_only=True)
    house.halt()
    leave_actions(house, 0)

    assert [] == reduce(house, reducing)
    assert (OrderState.OPEN, OrderState.OPEN) == (
        house.order(plain).state,
        house.order(reducing).state,
    )


def test_a_cancel_that_a_strategy_asks_for_goes_though_the_order_it_makes_room_for_does_not() -> (
    None
):
    house = live_house()
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    house.halt()
    leave_actions(house, 0)
    strategy = house.strategies[0]

    assert [("cancel", resting)] == told(
        commands(house.ask(strategy.close(BTC), strategy.cancel(BTC, resting)))
    )


@pytest.mark.parametrize(
    ("weight", "expected"), [(0, []), (1, ["place"]), (2, ["cancel", "place"])]
)
def test_the_reduce_only_order_has_the_first_claim_on_the_weight_and_goes_after_its_cancels(
    weight: int, expected: list[str]
) -> None:
    house = live_house()
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    house.halt()
    leave_weight(house, weight)

    assert expected == [kind for kind, _ in told(close(house))]
    assert ("cancel" in expected) is (house.order(resting).state is OrderState.CANCELING)


def hold_eth(house: House, sz: float) -> None:
    house.quote(where=ETH)
    house.mark(where=ETH)
    lots = round(sz * 1000)
    where = MAIN, ETH, "0xmanual", 0, 1, 1
    house.step(OrderFilled, *where, BUY, 100_000, lots, 100.0, sz, 0, is_maker=True)


def test_of_two_reduce_only_orders_the_one_that_goes_has_its_room_made() -> None:
    house = live_house(instruments=(instrument(), instrument("ETH")))
    strategy = house.strategies[0]
    house.hold(1.0)
    hold_eth(house, 1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    house.ask(strategy.limit(ETH, SELL, 101.0, 1.0))
    house.halt()
    leave_actions(house, 1)

    wishes = [strategy.limit(where, SELL, 100.0, 1.0, reduce_only=True) for where in (BTC, ETH)]

    assert [("cancel", resting), ("place", wishes[0].cloid)] == told(commands(house.ask(*wishes)))


@pytest.mark.parametrize(
    ("leave", "much", "expected"),
    [
        (leave_weight, 1, ["place plain"]),
        (leave_weight, 3, ["place plain", "place reducing", "cancel plain"]),
        (leave_actions, 1, ["place plain"]),
        (leave_actions, 2, ["place plain", "place reducing", "cancel plain"]),
    ],
)
def test_an_order_of_the_same_step_is_canceled_after_it_went_or_not_at_all(
    leave: Callable[[House, int], None], much: int, expected: list[str]
) -> None:
    house = live_house()
    house.hold(1.0)
    house.halt()
    leave(house, much)
    plain = house.limit(SELL, 101.0, 1.0)
    reducing = house.limit(SELL, 100.0, 1.0, reduce_only=True)
    names = {plain.cloid: "plain", reducing.cloid: "reducing"}
    sent = told(commands(house.ask(plain, reducing)))

    assert expected == [f"{kind} {names[cloid]}" for kind, cloid in sent]
    is_canceling = house.order(plain.cloid).state is OrderState.CANCELING
    assert ("cancel plain" in expected) is is_canceling


def test_a_bracket_that_is_refused_makes_no_room_for_its_entry() -> None:
    house = live_house()
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    house.halt()
    strategy = house.strategies[0]
    entry = house.limit(SELL, 100.0, 1.0, reduce_only=True)

    effects = house.ask(strategy.bracket(entry, stop_px=1e-9))

    assert [] == commands(effects)
    assert "bracket" in checks(effects)
    assert OrderState.OPEN is house.order(resting).state


def test_a_cancel_asked_for_beside_a_bracket_that_is_refused_goes() -> None:
    house = live_house()
    house.hold(1.0)
    resting = house.rest(SELL, 101.0, 1.0)
    house.halt()
    strategy = house.strategies[0]
    entry = house.limit(SELL, 100.0, 1.0, reduce_only=True)

    effects = house.ask(strategy.bracket(entry, stop_px=1e-9), strategy.cancel(BTC, resting))

    assert [("cancel", resting)] == told(commands(effects))


def test_a_repeated_cancel_that_the_budget_turns_down_leaves_the_first_on_its_way() -> None:
    house, resting = with_unknown(unclear_order)
    assert ["cancel", "place"] == reduce_a_part(house)
    leave_weight(house, 0)
    assert [] == commands(house.ask(house.strategies[0].cancel(BTC, resting)))

    assert not room_again(house, 60_000)
