"""How a run begins: what the journal left and what the venue says, as the first events."""

from __future__ import annotations

from collections import Counter

import pytest

from connectors.port import AccountState, HeldPosition, OpenOrder
from engine.drive.opening import heard_once, missing_leverage, opening_events, resumption
from engine.drive.recovery import Left, Owned
from engine.model.commands import Place, Trigger
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountOpened,
    AnyEvent,
    LeverageSet,
    ModifyRejected,
    OrderCarried,
    OrderFilled,
    OrderReplaced,
    PositionCarried,
)
from engine.model.orders import OrderState, Signal
from engine.model.units import NS_PER_MS, Side, Tif, TriggerKind
from engine.state.exposure import Exposure
from engine.state.orders import Order, new_order
from tests.engine.builders import BTC, ETH, MAIN, House, live_house

NOW_NS = 9_000
C1 = "0x1"


def order(
    *,
    state: OrderState = OrderState.OPEN,
    filled_lots: int = 0,
    oid: int = 7,
    pending: tuple[int, int] = (0, 0),
    trigger: Trigger | None = None,
    parent: str = "",
) -> Order:
    """An order of "one", its quote "bid", as the journal left it."""
    place = Place(BTC, C1, Side.BUY, 99_000, 1_000, Tif.GTC, trigger is not None, trigger, parent)
    made = new_order(
        place,
        account=MAIN,
        strategy="one",
        exposure=Exposure(),
        scales=(1_000, 1_000, 100),
        sent_ns=0,
        quote="bid",
    )
    made.oid, made.state, made.filled_lots = oid, state, filled_lots
    made.pending_px_ticks, made.pending_sz_lots = pending
    return made


def listed(
    *, oid: int = 7, px_ticks: int = 99_000, sz_lots: int = 1_000, cloid: str = C1,
    state: OrderState = OrderState.OPEN,
) -> OpenOrder:  # fmt: skip
    return OpenOrder(
        BTC, cloid, oid, Side.BUY, px_ticks, sz_lots, Tif.GTC, reduce_only=False, state=state
    )


def opened(
    left: Left, *orders: OpenOrder, positions: tuple[HeldPosition, ...] = ()
) -> list[AnyEvent]:
    state = AccountState(MAIN, 5_000, 70, 60, positions, orders, {ETH: (3, False), BTC: (5, True)})
    return [*opening_events(state, "hl", left, NOW_NS)]


def carried(left: Order, *orders: OpenOrder) -> OrderCarried:
    (event,) = [one for one in opened(known(left), *orders) if isinstance(one, OrderCarried)]
    return event


def known(*orders: Order, positions: tuple[Owned, ...] = ()) -> Left:
    return Left(cash_e8={MAIN: 55}, orders=orders, positions=positions)


def test_an_account_opens_before_its_leverage_positions_and_orders() -> None:
    left = known(order(), positions=(Owned(MAIN, BTC, "one", 400, 11, 12),))
    events = opened(left, listed(), listed(oid=9, cloid="oid:9"))

    assert [
        AccountOpened, LeverageSet, LeverageSet, PositionCarried, OrderCarried, OrderCarried
    ] == [type(one) for one in events]  # fmt: skip
    assert {(5_000, NOW_NS)} == {(one.ts_venue_ns, one.ts_local_ns) for one in events}


def test_a_ledger_that_the_journal_knows_goes_on_and_another_begins_with_what_is_there() -> None:
    held = HeldPosition(BTC, 300, 33)
    (first, *_), (anew, *rest) = opened(known()), opened(Left(), positions=(held,))

    assert (55, 60) == (first.balance_e8, anew.balance_e8)  # type: ignore[union-attr]
    assert [PositionCarried(5_000, NOW_NS, MAIN, BTC, "external", 300, 33, 33)] == [
        one for one in rest if isinstance(one, PositionCarried)
    ]


def test_positions_of_the_journal_are_carried_and_not_those_of_the_venue() -> None:
    """What happened since comes as fills: to take the venue's would count it twice."""
    left = known(positions=(Owned(MAIN, BTC, "one", 400, 11, 12),))
    events = opened(left, positions=(HeldPosition(BTC, 900, 99),))

    assert [("one", 400, 11, 12)] == [
        (one.owner, one.lots, one.cost_e8, one.net_cost_e8)
        for one in events
        if isinstance(one, PositionCarried)
    ]


def test_a_listed_order_counts_for_what_the_journal_says_is_left_of_it() -> None:
    """The venue's size is less by fills that are still to be booked."""
    event = carried(order(filled_lots=100), listed(sz_lots=300))

    assert (900, OrderState.OPEN, "one", "bid", 0) == (
        event.sz_lots,
        event.state,
        event.owner,
        event.quote,
        event.generation,
    )


@pytest.mark.parametrize("state", [OrderState.SENT, OrderState.CANCELING, OrderState.UNKNOWN])
def test_an_order_the_venue_does_not_list_is_unknown_and_counts(state: OrderState) -> None:
    event = carried(order(state=state))

    assert (OrderState.UNKNOWN, 1_000) == (event.state, event.sz_lots)


def test_a_modify_that_shows_by_another_id_went_through() -> None:
    moved = order(state=OrderState.MODIFYING, filled_lots=100, pending=(98_000, 900))
    event = carried(moved, listed(oid=8, px_ticks=98_000, sz_lots=900))

    assert (1, 8, 98_000, 900, OrderState.OPEN, 0) == (
        event.generation,
        event.oid,
        event.px_ticks,
        event.sz_lots,
        event.state,
        event.pending_sz_lots,
    )


@pytest.mark.parametrize(
    ("oid", "orders"), [(7, (listed(),)), (0, (listed(),)), (7, ())], ids=["old", "first", "none"]
)
def test_a_modify_that_may_still_arrive_is_asked_about_and_both_count(
    oid: int, orders: tuple[OpenOrder, ...]
) -> None:
    event = carried(order(state=OrderState.MODIFYING, oid=oid, pending=(98_000, 1_500)), *orders)

    assert (OrderState.UNKNOWN, 0, 98_000, 1_500) == (
        event.state,
        event.generation,
        event.pending_px_ticks,
        event.pending_sz_lots,
    )
    house = live_house()
    assert (AskOrder(MAIN, BTC, C1, 1),) == house.engine.step(event)
    assert 1_500 == house.account.exposure(BTC).buy_lots


def carried_modify() -> House:
    house = live_house()
    event = carried(order(state=OrderState.MODIFYING, pending=(98_000, 1_500)), listed())
    house.engine.step(event)
    return house


def test_a_carried_modify_that_arrives_after_all_is_the_order_from_then_on() -> None:
    house = carried_modify()
    house.step(OrderReplaced, MAIN, BTC, C1, 1, 8, 98_000, 1_500)
    found = house.order(C1)

    assert (OrderState.OPEN, 1, 98_000, 1_500, 8) == (
        found.state,
        found.generation,
        found.px_ticks,
        found.remaining_lots,
        found.oid,
    )
    assert {} == house.engine.orders.anomalies


def test_a_carried_modify_that_was_refused_leaves_what_was_there() -> None:
    house = carried_modify()
    house.step(ModifyRejected, MAIN, BTC, C1, 1, "no")
    found = house.order(C1)

    assert (0, 99_000, 1_000, 0) == (
        found.generation,
        found.px_ticks,
        found.remaining_lots,
        found.pending_sz_lots,
    )


def test_a_missed_fill_of_the_first_leaves_the_carried_modify_whole() -> None:
    house = carried_modify()
    numbers = Side.BUY, 99_000, 400, 99.0, 0.4, 0
    house.step(OrderFilled, MAIN, BTC, C1, 0, 7, 1, *numbers, is_maker=True)

    assert (400, 600) == (house.own(), house.order(C1).remaining_lots)
    assert 1_500 == house.account.exposure(BTC).buy_lots
    assert OrderState.UNKNOWN is house.order(C1).state


def test_a_child_that_waits_keeps_its_trigger_and_its_parent() -> None:
    trigger = Trigger(90_000, TriggerKind.STOP_LOSS, is_market=True)
    event = carried(
        order(state=OrderState.WAITING, trigger=trigger, parent="0x9"),
        listed(state=OrderState.WAITING),
    )

    assert (trigger, "0x9", OrderState.WAITING, True) == (
        event.trigger,
        event.parent,
        event.state,
        event.reduce_only,
    )


def test_an_order_that_no_journal_tells_of_is_external() -> None:
    (event,) = [
        one
        for one in opened(known(), listed(cloid="oid:9", oid=9))
        if isinstance(one, OrderCarried)
    ]

    assert ("oid:9", 9, "external", "") == (event.cloid, event.oid, event.owner, event.quote)


def test_the_link_is_told_of_the_accounts_whose_ledger_goes_on_and_of_no_other() -> None:
    left = Left(
        cash_e8={MAIN: 1},
        orders=(order(),),
        filled_lots={C1: Counter({0: 5}), "gone": Counter({0: 6})},
        nonce_max=77,
        fills_seen_ms={MAIN: 5, "gone": 6},
        booked=frozenset(
            {("fill", MAIN, 5, BTC, 1), ("funding", MAIN, 6, BTC, 0), ("fill", "gone", 5, BTC, 1)}
        ),
    )
    told = resumption(left, [MAIN, "new"])

    assert ({MAIN: 5}, {MAIN: 0}, 77) == (told.fills_seen_ms, told.funding_seen_ms, told.nonce_max)
    assert {(MAIN, 5, BTC, 1)} == told.fills_seen
    assert {(MAIN, 6, BTC)} == told.fundings_seen
    assert ((C1, 0, 7),) == told.generations
    assert {C1: {0: 5}} == told.filled_lots
    assert 77 == resumption(left, ["new"]).nonce_max
    assert {} == resumption(left, ["new"]).fills_seen_ms


@pytest.mark.parametrize(
    ("said", "is_missing"),
    [(None, True), ((10, True), False), ((10, False), True), ((9, True), True)],
)
def test_only_what_the_venue_said_is_leverage_in_force(
    said: tuple[int, bool] | None,
    is_missing: bool,  # noqa: FBT001 - a case
) -> None:
    """What the engine assumes where nothing is known may happen to be what is asked for."""
    house = live_house()
    house.account.leverage.clear()
    assert 10 == house.account.leverage_of(BTC)
    if said is not None:
        house.step(LeverageSet, MAIN, BTC, *said)

    assert is_missing is bool(missing_leverage({BTC: (10, True)}, house.account))


def test_the_signal_of_an_unknown_order_is_one_that_asks() -> None:
    house = live_house()
    event = carried(order(state=OrderState.SENT, oid=0))

    assert (AskOrder(MAIN, BTC, C1, 0),) == house.engine.step(event)
    house.engine.orders.signal(house.order(C1), Signal.ACCEPT, 0)
    assert OrderState.OPEN is house.order(C1).state


def test_what_came_with_the_opening_and_what_was_booked_is_passed_over() -> None:
    """`opened_ms` is the time of the state: a fill in that very ms is in it."""
    heard: list[AnyEvent] = []
    booked = frozenset({("fill", MAIN, 7, BTC, 4)})
    sink = heard_once(heard.append, Left(opened_ms={MAIN: 5}, booked=booked))
    numbers = Side.BUY, 99_000, 400, 99.0, 0.4, 5
    fills = [
        OrderFilled(ms * NS_PER_MS, 0, MAIN, BTC, C1, 0, 7, trade_id, *numbers, is_maker=True)
        for ms, trade_id in ((4, 1), (5, 2), (6, 3), (7, 4))
    ]
    for one in fills:
        sink(one)

    assert [fills[2]] == heard
