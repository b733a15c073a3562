"""News of our orders, in every order of arrival: each fact once, and of the right generation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from connectors.hyperliquid.answers import (
    Filled,
    NotTaken,
    Outcome,
    Refused,
    Resting,
    Success,
    Unclear,
    Waiting,
)
from connectors.hyperliquid.fills import CashBook
from connectors.hyperliquid.orders_book import LEGS_KEPT
from connectors.hyperliquid.verdicts import Verdicts
from engine.model.commands import (
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    UpdateLeverage,
)
from engine.model.events import (
    CancelRejected,
    LeverageSet,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderUnclear,
)
from engine.model.units import Side, Tif
from tests.connectors.hyperliquid.link_parts import (
    ADDRESS,
    NOW_MS,
    Parts,
    cloid,
    fill,
    open_order,
)

LOTS = 100_000
PLACE = Place("hl:BTC", cloid(1), Side.BUY, 1_000, LOTS, Tif.GTC)
MODIFY = ModifyOrder("hl:BTC", cloid(1), 1, Side.BUY, 900, 2 * LOTS, Tif.GTC)
CANCEL = CancelOrder("hl:BTC", cloid(1), 0)


def told(parts: Parts) -> list[tuple[str, int, int]]:
    """(event, generation, oid) of every order event since the last look."""
    return [
        (type(event).__name__, event.generation, getattr(event, "oid", -1))
        for event in parts.take()
        if isinstance(event, OrderEvent)
    ]


class Desk:
    """Verdicts over a set of parts."""

    def __init__(self) -> None:
        self.parts = Parts()
        self.doubts: list[UpdateLeverage] = []
        self.verdicts = Verdicts(
            self.parts.common, self.parts.reports, lambda _, command: self.doubts.append(command)
        )
        self.cash = CashBook(self.parts.common, self.parts.reports, "main", ADDRESS)

    def answer(self, command: Command, outcome: Outcome) -> None:
        self.verdicts.tell("main", (command,), (outcome,))

    def update(self, oid: int, status: str, **fields: str) -> None:
        self.parts.reports.update("main", open_order(oid, 1, **fields), status, NOW_MS)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Resting(5), [("OrderAccepted", 0, 5)]),
        (Filled(5, "1.0", "100.0"), [("OrderAccepted", 0, 5)]),
        (Waiting(), [("OrderAccepted", 0, 0)]),
        (Refused("no margin"), [("OrderRejected", 0, -1)]),
        (NotTaken("HTTP 429"), [("OrderRejected", 0, -1)]),
        (Unclear("HTTP 502"), [("OrderUnclear", 0, -1)]),
    ],
)
def test_an_answer_to_a_place_is_one_event(
    outcome: Outcome, expected: list[tuple[str, int, int]]
) -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)

    desk.answer(PLACE, outcome)
    assert expected == told(desk.parts)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Resting(6), OrderReplaced),
        (Filled(6, "2.0", "90.0"), OrderReplaced),
        (Success(), OrderReplaced),
        (Refused("Cannot modify"), ModifyRejected),
        (NotTaken("HTTP 429"), ModifyRejected),
        (Unclear("timeout"), OrderUnclear),
    ],
)
def test_an_answer_to_a_modify_names_the_generation_it_would_make(
    outcome: Outcome, expected: type
) -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(5))
    desk.parts.sent("modify", MODIFY)
    desk.parts.take()
    desk.answer(MODIFY, outcome)

    (event,) = desk.parts.take()
    assert type(event) is expected
    assert 1 == event.generation  # type: ignore[union-attr]
    if isinstance(event, OrderReplaced):
        assert (900, 2 * LOTS) == (event.px_ticks, event.sz_lots)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Success(), OrderCanceled),
        (Refused("Order was never placed"), CancelRejected),
        (NotTaken("HTTP 429"), CancelRejected),
        (Unclear("timeout"), OrderUnclear),
    ],
)
def test_an_answer_to_a_cancel_concludes_no_more_than_it_says(
    outcome: Outcome, expected: type
) -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(5))
    desk.parts.take()
    desk.answer(CANCEL, outcome)

    (event,) = desk.parts.take()
    assert type(event) is expected


def test_a_cancel_that_met_a_modify_is_about_the_generation_the_venue_holds() -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(5))
    desk.parts.sent("modify", MODIFY)
    desk.answer(MODIFY, Resting(6))
    desk.parts.take()

    desk.answer(CANCEL, Unclear("timeout"))
    assert [("OrderUnclear", 1, -1)] == told(desk.parts)
    desk.answer(CANCEL, Success())
    assert [("OrderCanceled", 1, 6)] == told(desk.parts)


def test_a_cancel_of_a_modify_that_is_not_answered_yet_is_about_what_the_modify_makes() -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(5))
    desk.parts.sent("modify", MODIFY)
    desk.parts.take()

    desk.answer(CancelOrder("hl:BTC", cloid(1), 1), Unclear("timeout"))
    assert [("OrderUnclear", 1, -1)] == told(desk.parts)


def test_a_cancel_of_an_order_that_is_not_ours_goes_by_its_oid() -> None:
    desk = Desk()
    foreign = CancelOrder("hl:BTC", "oid:77", 0)
    desk.answer(foreign, Success())

    assert [("OrderCanceled", 0, 77)] == told(desk.parts)


def test_a_confirmed_leverage_is_told_and_an_unconfirmed_one_is_read() -> None:
    desk = Desk()
    wish = UpdateLeverage("hl:BTC", 5, is_cross=True)
    desk.answer(wish, Success())
    (event,) = desk.parts.take()
    assert isinstance(event, LeverageSet)
    assert (5, True) == (event.leverage, event.is_cross)

    for outcome in (Refused("no"), NotTaken("HTTP 429"), Unclear("timeout")):
        desk.answer(wish, outcome)
    assert [] == desk.parts.take()
    assert [wish] * 3 == desk.doubts


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_an_acceptance_is_told_once_whatever_comes_first(order: tuple[int, ...]) -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    news: list[Callable[[], object]] = [
        lambda: desk.answer(PLACE, Resting(5)),
        lambda: desk.update(5, "open"),
        lambda: desk.update(5, "open"),
    ]
    for index in order:
        news[index]()

    assert [("OrderAccepted", 0, 5)] == told(desk.parts)


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_a_modify_ends_as_its_new_generation_whatever_comes_first(order: tuple[int, ...]) -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(5))
    desk.parts.sent("modify", MODIFY)
    desk.parts.take()
    new = {"px": "90.0", "sz": "2.0", "orig_sz": "2.0"}
    news: list[Callable[[], object]] = [
        lambda: desk.answer(MODIFY, Resting(6)),
        lambda: desk.update(5, "canceled"),
        lambda: desk.update(6, "open", **new),
        lambda: desk.cash.book_fills([fill(9, oid=6, number=1, px="90.0", sz="0.5")]),
    ]
    for index in order:
        news[index]()
    events = desk.parts.take()

    kinds = [type(event) for event in events]
    assert 1 == kinds.count(OrderReplaced)
    assert 1 == kinds.count(OrderFilled)
    assert kinds.count(OrderCanceled) <= 1
    assert {1} == {
        event.generation for event in events if isinstance(event, OrderReplaced | OrderFilled)
    }
    for event in events:
        if isinstance(event, OrderCanceled):
            assert (0, 5) == (event.generation, event.oid)
    leg = desk.parts.common.orders.by_oid("main", 6)
    assert leg is not None
    assert not leg.is_ended


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_a_cancel_is_told_once_whatever_comes_first(order: tuple[int, ...]) -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(5))
    desk.parts.take()
    news: list[Callable[[], object]] = [
        lambda: desk.answer(CANCEL, Success()),
        lambda: desk.update(5, "canceled"),
        lambda: desk.update(5, "open"),
    ]
    for index in order:
        news[index]()

    assert [("OrderCanceled", 0, 5)] == told(desk.parts)


def test_an_answer_that_comes_after_the_end_says_nothing() -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.update(5, "open")
    desk.update(5, "filled")
    desk.parts.take()
    desk.answer(PLACE, Resting(5))
    desk.answer(PLACE, Unclear("timeout"))

    assert [] == told(desk.parts)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("open", OrderAccepted),
        ("triggered", OrderTriggered),
        ("canceled", OrderCanceled),
        ("marginCanceled", OrderCanceled),
        ("scheduledCancel", OrderCanceled),
        ("perpMarginRejected", OrderRejected),
        ("somethingNewRejected", OrderRejected),
        ("somethingNew", OrderUnclear),
    ],
)
def test_every_status_word_has_one_meaning_and_a_new_one_is_asked_about(
    status: str, expected: type
) -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.update(5, status)

    assert [expected] == [type(event) for event in desk.parts.take()]


def test_filled_as_a_status_tells_nothing_the_fills_do() -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.update(5, "filled", sz="0.0")
    assert [] == told(desk.parts)

    desk.cash.book_fills([fill(1, oid=5, number=1)])
    assert [("OrderFilled", 0, 5)] == told(desk.parts)


@pytest.mark.parametrize("is_fill_first", [True, False])
def test_an_ioc_that_filled_in_part_is_over_after_its_last_fill(*, is_fill_first: bool) -> None:
    desk = Desk()
    place = Place("hl:BTC", cloid(1), Side.BUY, 1_000, LOTS, Tif.IOC)
    desk.parts.sent("order", place)
    fills = [
        fill(1, oid=5, number=1, sz="0.2"),
        fill(2, oid=5, number=1, sz="0.2", start="0.2"),
    ]
    if is_fill_first:
        desk.cash.book_fills(fills)
    desk.answer(place, Filled(5, "0.4", "100.0"))
    if not is_fill_first:
        desk.cash.book_fills(fills)
    desk.update(5, "canceled")

    events = [(type(event), getattr(event, "reason", "")) for event in desk.parts.take()]
    assert (OrderCanceled, "iocRest") == events[-1]
    assert 1 == sum(kind is OrderCanceled for kind, _ in events)
    assert 2 == sum(kind is OrderFilled for kind, _ in events)


def test_of_orders_that_are_not_ours_nothing_is_said() -> None:
    parts = Parts()
    parts.reports.update("main", open_order(7, None), "open", NOW_MS)
    parts.reports.update("main", open_order(8, 99), "canceled", NOW_MS)
    parts.reports.update("main", open_order(9, 1, coin="@107"), "open", NOW_MS)

    assert [] == parts.take()


def test_an_order_of_an_earlier_run_is_known_again_by_its_first_news() -> None:
    parts = Parts()
    parts.common.orders.expect(cloid(1), 3, 44)
    parts.reports.update("main", open_order(44, 1), "canceled", NOW_MS)

    assert [("OrderCanceled", 3, 44)] == told(parts)


def test_a_refused_modify_leaves_its_number_to_the_next() -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(5))
    desk.parts.sent("modify", MODIFY)
    desk.answer(MODIFY, Refused("no"))
    desk.parts.sent("modify", MODIFY)
    desk.parts.take()
    desk.answer(MODIFY, Resting(6))

    assert [("OrderReplaced", 1, 6)] == told(desk.parts)


def test_two_orders_do_not_take_each_others_ids() -> None:
    desk = Desk()
    second = Place("hl:BTC", cloid(2), Side.SELL, 1_100, LOTS, Tif.GTC)
    desk.parts.sent("order", PLACE, second)
    desk.parts.reports.update("main", open_order(6, 2, px="110.0", side="A"), "open", NOW_MS)
    desk.update(5, "open")

    found = [(event.cloid, event.oid) for event in desk.parts.take()]  # type: ignore[union-attr]
    assert [(cloid(2), 6), (cloid(1), 5)] == found


def test_a_quote_modified_all_day_keeps_few_generations_and_takes_a_fill_of_any() -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(1_000))
    for generation in range(1, 3_001):
        px_ticks = 900 + generation % 2
        modify = ModifyOrder("hl:BTC", cloid(1), generation, Side.BUY, px_ticks, LOTS, Tif.GTC)
        desk.parts.sent("modify", modify)
        desk.answer(modify, Resting(1_000 + generation))
    desk.parts.take()
    order = desk.parts.common.orders.get("main", cloid(1))
    assert order is not None
    assert LEGS_KEPT == len(order.legs)

    oids = (1_000, 2_500, 4_000)
    desk.cash.book_fills([fill(oid, oid=oid, sz="0.1") for oid in oids])
    fills = [event for event in desk.parts.take() if isinstance(event, OrderFilled)]
    assert [(cloid(1), oid - 1_000, oid) for oid in oids] == [
        (event.cloid, event.generation, event.oid) for event in fills
    ]


def test_an_old_generation_that_turns_out_to_live_is_one_of_the_order_s_again() -> None:
    desk = Desk()
    desk.parts.sent("order", PLACE)
    desk.answer(PLACE, Resting(1_000))
    orders = desk.parts.common.orders
    first = orders.leg("main", cloid(1), 0)
    assert first is not None
    for generation in range(1, 100):
        modify = ModifyOrder("hl:BTC", cloid(1), generation, Side.BUY, 900, LOTS, Tif.GTC)
        desk.parts.sent("modify", modify)
        desk.answer(modify, Resting(1_000 + generation))
    assert orders.leg("main", cloid(1), 0) is None

    orders.revive(first)
    assert first is orders.leg("main", cloid(1), 0)
    assert not first.order.is_ended
