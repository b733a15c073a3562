"""From approvals to batches: the order they leave in, and what the budgets turn down."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.budget import BudgetLimits
from engine.model.commands import (
    Approved,
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    RiskClass,
    Trigger,
    UpdateLeverage,
)
from engine.model.intents import AnyIntent
from engine.model.units import Tif, TriggerKind
from engine.state.orders import Orders
from engine.submission import Planner
from risk.limits import Limits
from tests.engine.builders import (
    ALO,
    BTC,
    BUY,
    GTC,
    IOC,
    MAIN,
    SELL,
    House,
    batches,
    checks,
    commands,
    live_house,
    refusals,
    refused,
)

CANCEL, REDUCE, ADD = RiskClass
NOW_NS = 10**18


def place(cloid: str, tif: Tif = GTC, parent: str = "") -> Place:
    trigger = Trigger(1, TriggerKind.STOP_LOSS, is_market=True) if parent else None
    return Place(BTC, cloid, BUY, 100, 1, tif, trigger=trigger, parent=parent)


def cancel(cloid: str) -> CancelOrder:
    return CancelOrder(BTC, cloid, 0)


def modify(cloid: str, tif: Tif = GTC) -> ModifyOrder:
    return ModifyOrder(BTC, cloid, 1, BUY, 100, 1, tif)


def approved(command: Command, risk_class: RiskClass, account: str = MAIN) -> Approved:
    return Approved(account, "one", risk_class, command)


def planned(*items: Approved, **limits: int) -> list[tuple[str, list[str]]]:
    """(kind, cloids) of every batch."""
    planner = Planner(BudgetLimits(**limits), Orders())
    return [
        (batch.kind, [getattr(command, "cloid", "") for command in batch.commands])
        for batch in batches(planner.plan(items, NOW_NS))
    ]


# -- order -----------------------------------------------------------------------------------------


def test_cancels_go_first_then_kinds_with_a_reduce_in_them_then_the_rest() -> None:
    assert [
        ("cancel", ["c1", "c2"]),
        ("modify", ["m1"]),
        ("order", ["r1", "o1"]),
        ("alo", ["a1"]),
        ("leverage", [""]),
    ] == planned(
        approved(place("a1", ALO), ADD),
        approved(UpdateLeverage(BTC, 3, is_cross=True), ADD),
        approved(modify("m1"), REDUCE),
        approved(place("o1"), ADD),
        approved(cancel("c1"), CANCEL),
        approved(place("r1", IOC), REDUCE),
        approved(cancel("c2"), CANCEL),
    )


@pytest.mark.parametrize("has_bracket", [False, True])
def test_reduce_only_orders_and_their_moves_go_apart_and_first(
    has_bracket: bool,  # noqa: FBT001 - a case
) -> None:
    """What may add risk expires at the venue, and takes the orders beside it with it."""
    bracket = [approved(place("e"), ADD), approved(place("s", parent="e"), ADD)]
    assert [
        ("order", ["r"]),
        ("modify", ["n"]),
        ("order", ["a"]),
        ("modify", ["m"]),
        *([("bracket", ["e", "s"])] if has_bracket else []),
    ] == planned(
        approved(place("a", IOC), ADD),
        approved(modify("m"), ADD),
        approved(msgspec.structs.replace(place("r", IOC), reduce_only=True), REDUCE),
        approved(msgspec.structs.replace(modify("n"), reduce_only=True), REDUCE),
        *(bracket if has_bracket else []),
    )


def test_post_only_orders_and_their_moves_go_apart() -> None:
    """The venue takes them in another phase of its block than what may take."""
    assert [
        ("order", ["g", "i"]),
        ("alo", ["a", "b"]),
        ("modify", ["m"]),
        ("modify", ["n"]),
    ] == planned(
        approved(place("g"), ADD),
        approved(place("a", ALO), ADD),
        approved(place("i", IOC), ADD),
        approved(place("b", ALO), ADD),
        approved(modify("m", ALO), ADD),
        approved(modify("n"), ADD),
    )


def test_each_account_has_its_own_batches() -> None:
    planner = Planner(BudgetLimits(), Orders())
    effects = planner.plan([approved(place("a"), ADD), approved(place("b"), ADD, "other")], NOW_NS)

    assert [(MAIN, "order", (place("a"),)), ("other", "order", (place("b"),))] == [
        (batch.account, batch.kind, batch.commands) for batch in batches(effects)
    ]


def test_an_order_placed_and_canceled_in_one_step_is_placed_first() -> None:
    """A cancel that came first would meet no order, and the order would stay."""
    house = live_house()
    keep, drop = house.limit(BUY, 99.0, 1.0), house.limit(BUY, 98.0, 1.0)
    resting = house.rest(BUY, 97.0, 1.0)
    strategy = house.strategies[0]
    effects = house.ask(keep, drop, strategy.cancel(BTC, drop.cloid), strategy.cancel(BTC, resting))

    assert [
        ("cancel", [resting]),
        ("order", [keep.cloid, drop.cloid]),
        ("cancel", [drop.cloid]),
    ] == kinds(effects)


def kinds(effects: Any) -> list[tuple[str, list[str]]]:  # noqa: ANN401 - any effects
    return [(b.kind, [getattr(c, "cloid", "") for c in b.commands]) for b in batches(effects)]


# -- brackets --------------------------------------------------------------------------------------


def bracket(house: House) -> tuple[AnyIntent, list[str]]:
    """A bracket and the cloids of its entry and its two children."""
    entry = house.limit(BUY, 99.0, 1.0)
    intent = house.strategies[0].bracket(entry, stop_px=95.0, take_profit_px=110.0)
    assert intent.stop_loss is not None
    assert intent.take_profit is not None
    return intent, [entry.cloid, intent.stop_loss.cloid, intent.take_profit.cloid]


def test_an_entry_and_its_protection_are_one_batch_of_their_own_entry_first() -> None:
    """The venue takes children only beside, and after, the order they wait for."""
    house = live_house()
    single = house.limit(BUY, 99.0, 1.0)
    one, cloids_one = bracket(house)
    two, cloids_two = bracket(house)

    assert [
        ("order", [single.cloid]),
        ("bracket", cloids_one),
        ("bracket", cloids_two),
    ] == kinds(house.ask(single, one, two))


@pytest.mark.parametrize(
    ("limits", "check"),
    [
        ({"address_actions_start": 2, "address_actions_reserve": 0}, "address_budget"),
        ({"address_actions_start": 3, "address_actions_reserve": 1}, "address_budget"),
        ({"ip_weight_max": 20, "ip_weight_reserve": 20}, "ip_budget"),
    ],
)
def test_a_bracket_goes_whole_or_not_at_all(limits: dict[str, int], check: str) -> None:
    house = live_house(budget=BudgetLimits(**limits))
    intent, cloids = bracket(house)
    effects = house.ask(intent)

    assert [check] * 3 == checks(effects)
    assert cloids == [item.cloid for item in refusals(effects)]
    assert [] == commands(effects)
    assert 0 == house.account.exposure(BTC).count


# -- batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (39, [39]), (40, [39, 1]), (100, [39, 39, 22])]
)
@pytest.mark.parametrize("risk_class", RiskClass)
def test_a_batch_holds_at_most_39_commands_and_weighs_1(
    count: int, sizes: list[int], risk_class: RiskClass
) -> None:
    """40 would weigh 2."""
    make = cancel if risk_class is CANCEL else place
    planner = Planner(BudgetLimits(), Orders())
    items = [approved(make(f"c{n}"), risk_class) for n in range(count)]
    sent = batches(planner.plan(items, NOW_NS))

    assert sizes == [len(batch.commands) for batch in sent]
    assert [(1, size) for size in sizes] == [(b.ip_weight, b.address_weight) for b in sent]
    assert [f"c{n}" for n in range(count)] == [
        command.cloid
        for batch in sent
        for command in batch.commands
        if isinstance(command, Place | CancelOrder)
    ]
    assert (len(sizes), len(sizes)) == (planner.batches, planner.weight)
    assert 1200 - len(sizes) == planner.ip("").left(NOW_NS, is_urgent=True)
    assert count == planner.address(MAIN).used


def test_a_batch_of_reduces_and_adds_together_is_also_39_at_most() -> None:
    items = [approved(place(f"a{n}"), ADD) for n in range(30)]
    items += [approved(place(f"r{n}"), REDUCE) for n in range(20)]

    assert [("order", 20), ("order", 30)] == [(k, len(c)) for k, c in planned(*items)]


# -- what the budget turns down --------------------------------------------------------------------


def poor_house(**limits: int) -> House:
    return live_house(budget=BudgetLimits(**limits), limits=Limits(open_orders_max=0))


def test_adds_beyond_the_address_budget_are_refused_and_no_longer_count() -> None:
    house = poor_house(address_actions_start=8, address_actions_reserve=5)
    intents = [house.limit(BUY, 99.0, 1.0) for _ in range(5)]
    effects = house.ask(*intents)

    assert [intent.cloid for intent in intents[:3]] == kinds(effects)[0][1]
    assert [("address_budget", "1 action left", "3")] * 2 == refused(effects)
    assert [intent.cloid for intent in intents[3:]] == [i.cloid for i in refusals(effects)]
    assert (3, 3000) == (
        house.account.exposure(BTC).count,
        house.account.exposure(BTC).buy_lots,
    )
    assert house.engine.orders.get(intents[4].cloid) is None
    assert {("one", "address_budget"): 2} == house.engine.refusals


def test_a_quote_that_the_budget_turned_down_can_be_wished_again() -> None:
    house = poor_house(ip_weight_max=1, ip_weight_reserve=1)
    wish = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)
    first = house.ask(wish)
    again = house.ask(house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0))

    assert ["ip_budget"] == checks(first) == checks(again)
    assert house.engine.orders.quote("one", BTC, "bid") is None


def test_reduces_may_use_the_reserve_of_both_budgets() -> None:
    house = live_house(
        budget=BudgetLimits(
            ip_weight_max=4,
            ip_weight_reserve=2,
            address_actions_start=4,
            address_actions_reserve=2,
        )
    )
    house.fill("0xmanual", 100.0, 0.005, side=BUY)
    for _ in range(2):
        assert [] == checks(house.ask(house.limit(BUY, 99.0, 1.0)))
    assert ["ip_budget"] == checks(house.ask(house.limit(BUY, 99.0, 1.0)))
    for _ in range(2):
        effects = house.ask(house.limit(SELL, 110.0, 0.001, reduce_only=True))
        assert [] == checks(effects)


def test_cancels_have_a_higher_ceiling_than_everything_else() -> None:
    house = live_house(budget=BudgetLimits(address_actions_start=3, address_actions_reserve=0))
    cloids = [house.rest(BUY, 99.0, 1.0) for _ in range(3)]
    strategy = house.strategies[0]

    assert ["address_budget"] == checks(house.ask(house.limit(BUY, 99.0, 1.0)))
    assert [("cancel", cloids)] == kinds(house.ask(strategy.cancel_all(BTC)))


def test_a_cancel_that_even_the_whole_budget_does_not_cover_is_taken_back() -> None:
    """The order is as it was, so that the next wish for its cancel is sent."""
    house = live_house(budget=BudgetLimits(ip_weight_max=1, ip_weight_reserve=0))
    cloid = house.rest(BUY, 99.0, 1.0)
    effects = house.ask(house.strategies[0].cancel(BTC, cloid))
    state = house.order(cloid).state.name
    house.tick(ms=60_000)

    assert [("ip_budget", "1 weight left", "0")] == refused(effects)
    assert "OPEN" == state
    assert [("cancel", [cloid])] == kinds(house.ask(house.strategies[0].cancel(BTC, cloid)))


def test_a_modify_that_the_budget_does_not_cover_is_taken_back() -> None:
    house = live_house(budget=BudgetLimits(ip_weight_max=1, ip_weight_reserve=0))
    cloid = house.rest(BUY, 99.0, 1.0)
    effects = house.ask(house.strategies[0].modify(BTC, cloid, 99.5, 7.0))

    assert ["ip_budget"] == checks(effects)
    assert ("OPEN", 1000) == (
        house.order(cloid).state.name,
        house.account.exposure(BTC).buy_lots,
    )


def test_a_modify_and_a_cancel_of_one_step_are_both_taken_back() -> None:
    house = live_house(budget=BudgetLimits(ip_weight_max=1, ip_weight_reserve=0))
    cloid = house.rest(BUY, 99.0, 1.0)
    strategy = house.strategies[0]
    effects = house.ask(strategy.modify(BTC, cloid, 99.5, 7.0), strategy.cancel(BTC, cloid))

    assert ["ip_budget"] * 2 == checks(effects)
    assert ("OPEN", 1000) == (
        house.order(cloid).state.name,
        house.account.exposure(BTC).buy_lots,
    )


def test_the_cancel_of_an_order_that_the_budget_turned_down_is_nothing() -> None:
    house = live_house(budget=BudgetLimits(ip_weight_max=1, ip_weight_reserve=1))
    intent = house.limit(BUY, 99.0, 1.0)
    effects = house.ask(intent, house.strategies[0].cancel(BTC, intent.cloid))

    assert ["ip_budget"] == checks(effects)
    assert [] == commands(effects)


def test_leverage_beyond_the_budget_is_refused() -> None:
    house = live_house(budget=BudgetLimits(ip_weight_max=1, ip_weight_reserve=1))

    assert [("ip_budget", "1 weight left", "0")] == refused(
        house.ask(house.strategies[0].set_leverage(BTC, 3))
    )


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3), st.integers(0, 20_000)), max_size=15)
)
def test_a_flood_of_adds_never_keeps_a_cancel_or_a_reduce_waiting(
    steps: list[tuple[int, int, int]],
) -> None:
    """As long as these alone stay within the reserve; and no minute ever holds too much weight."""
    limits = BudgetLimits(
        ip_weight_max=12,
        ip_weight_reserve=6,
        address_actions_start=200,
        address_actions_reserve=60,
    )
    planner, sent = Planner(limits, Orders()), list[tuple[int, Batch]]()
    now_ns, number = NOW_NS, 0
    urgent: list[int] = []
    for adds, wished, wait_ms in steps:
        now_ns += wait_ms * 10**6
        recent = [at_ns for at_ns in urgent if now_ns - at_ns < 60 * 10**9]
        # One batch of cancels is one weight; a minute's reserve of them is six.
        cancels = wished if len(recent) < 6 else 0
        items = [approved(place(f"a{number + n}"), ADD) for n in range(adds)]
        items += [approved(cancel(f"c{n}"), CANCEL) for n in range(cancels)]
        number += adds
        effects = planner.plan(items, now_ns) if items else []
        urgent += [now_ns] * bool(cancels)
        out = batches(effects)
        sent += [(now_ns, batch) for batch in out]

        assert cancels == sum(len(batch.commands) for batch in out if batch.kind == "cancel")
        assert {"ip_budget", "address_budget"} >= set(checks(effects))
        in_window = [b.ip_weight for at_ns, b in sent if now_ns - at_ns < 60 * 10**9]
        assert sum(in_window) <= 12
    of_adds = [b.address_weight for _, b in sent if b.kind == "order"]

    assert sum(of_adds) <= 140
