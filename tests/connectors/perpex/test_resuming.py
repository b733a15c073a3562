"""What a restart knows of the orders that an earlier run left, and of what was filled of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.perpex.tickets import Phase
from connectors.port import Outgoing, Resumption
from engine.drive.virtual_time import run_virtual
from engine.model.commands import CancelOrder, Trigger
from engine.model.effects import AskOrder
from engine.model.events import AccountRead, OrderFilled
from engine.model.units import Side, TriggerKind
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    OTHER,
    T0_MS,
    VENUE,
    account,
    batch,
    fill,
    order,
    place,
    position,
    reply,
)
from tests.connectors.perpex.test_orders import FOREIGN, THIRD, Rig, gone, play

SEEN_MS = T0_MS - 2_000
STOP = Trigger(95_000, TriggerKind.STOP_LOSS, True)  # noqa: FBT003
TAKE = Trigger(105_000, TriggerKind.TAKE_PROFIT, True)  # noqa: FBT003
CHILD: dict[str, Any] = {"side": Side.SELL, "reduce_only": True, "parent": CLOID}
BRACKET = batch(
    place(),
    place(OTHER, trigger=STOP, **CHILD),
    place(THIRD, trigger=TAKE, **CHILD),
    kind="bracket",
)
TAKE_LISTED = order("3", "pending", client_order_id=THIRD, side="sell", type="take_profit_market")


async def gone_of_bracket(rows: list[Any], *living: tuple[str, int, int], **left: Any) -> list[str]:  # noqa: ANN401
    """What is canceled after a restart that finds the take profit alone in the book.

    The children were in flight, so that what carried the bracket is unanswered.
    """
    rig = Rig()
    rig.on("GET account", reply(account(open_orders=[TAKE_LISTED])))
    rig.on("GET trades", reply(rows))
    rig.on("DELETE orders/3", reply({"status": "canceled", "filled_size": "0"}))
    unanswered = (Outgoing(VENUE, ACCOUNT, BRACKET, 0, b"{}"),)
    seen = {ACCOUNT: SEEN_MS}
    await rig.open(
        Resumption(unanswered=unanswered, fills_seen_ms=seen, generations=living, **left)
    )
    for cloid, generation, _ in living:
        rig.session.ask(AskOrder(ACCOUNT, BTC, cloid, generation))
    await asyncio.sleep(120)
    await rig.session.aclose()
    return gone(rig)


STOP_AND_TAKE = (OTHER, 0, 0), (THIRD, 0, 0)


def test_an_entry_that_was_filled_in_part_before_a_restart_keeps_its_children_when_it_is_gone() -> (
    None
):
    living = (CLOID, 0, 1), *STOP_AND_TAKE

    assert ["1", "2", "3"] == run_virtual(gone_of_bracket([], *living))
    assert ["1", "2"] == run_virtual(gone_of_bracket([], *living, filled_lots={CLOID: {0: 100}}))


def test_a_fill_that_is_read_after_a_restart_is_of_the_entry_whatever_it_was_resumed_by() -> None:
    rows = [fill(size="0.1", client_order_id=None, time=T0_MS - 1_000)]

    living = (CLOID, 0, 1), *STOP_AND_TAKE
    assert ["1", "2"] == run_virtual(gone_of_bracket(rows, *living))


def test_an_entry_that_had_ended_before_a_restart_is_not_looked_for_and_keeps_its_children() -> (
    None
):
    assert ["2"] == run_virtual(gone_of_bracket([], *STOP_AND_TAKE))


def test_an_order_filled_in_part_before_a_restart_is_gone_once_its_cancel_says_that_much() -> None:
    async def run() -> tuple[list[str], list[str]]:
        rig = Rig()
        rig.on("GET account", reply(account(open_orders=[order("1", filled_size="0.3")])))
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": "0.3"}))
        left = Resumption(generations=((CLOID, 0, 1),), filled_lots={CLOID: {0: 300}})
        await rig.open(left)
        rig.on("GET account", reply(account()))
        rig.send(CancelOrder(BTC, CLOID, 0), kind="cancel")
        await asyncio.sleep(60)
        await rig.session.aclose()
        return gone(rig), rig.phases("perpex account")

    assert (["1"], []) == run_virtual(run())


@pytest.mark.parametrize(("later", "alive"), [("0.3", [CLOID]), ("0.4", [])])
def test_what_was_booked_before_a_restart_counts_once_though_it_is_read_again(
    later: str, alive: list[str]
) -> None:
    async def run() -> tuple[list[int], list[str]]:
        rig = Rig()
        rig.on("GET account", reply(account(open_orders=[order("1", filled_size="0.1")])))
        old = fill("7", size="0.1", time=SEEN_MS)
        rig.on("GET trades", reply([old]), reply([old, fill("8", size=later)]))
        left = Resumption(
            fills_seen_ms={ACCOUNT: SEEN_MS},
            fills_seen=frozenset({(ACCOUNT, SEEN_MS, BTC, 7)}),
            generations=((CLOID, 0, 1),),
            filled_lots={CLOID: {0: 100}},
        )
        await rig.open(left)
        await asyncio.sleep(4)
        await rig.session.aclose()
        living = [one.cloid for one in rig.session.tickets.alive() if one.phase is Phase.LIVE]
        return [event.sz_lots for event in rig.told(OrderFilled)], living

    assert ([int(float(later) * 1_000)], alive) == run_virtual(run())


@pytest.mark.parametrize("whose", [{}, FOREIGN])
def test_a_row_from_before_the_opening_that_appears_after_it_is_booked_once_where_a_ledger_goes_on(
    whose: dict[str, Any],
) -> None:
    async def run(resumption: Resumption) -> list[int]:
        rig = Rig()
        rig.on("GET account", reply(account(open_orders=[order("1")])))
        await rig.open(resumption)
        rig.on("GET trades", reply([fill(time=T0_MS - 1_000, **whose)]))
        await asyncio.sleep(60)
        await rig.session.aclose()
        return [event.sz_lots for event in rig.told(OrderFilled)]

    goes_on = Resumption(fills_seen_ms={ACCOUNT: SEEN_MS}, generations=((CLOID, 0, 1),))
    assert [500] == run_virtual(run(goes_on))
    assert [] == run_virtual(run(Resumption()))


@pytest.mark.parametrize("said", [{}, {"time": None}])
@pytest.mark.parametrize("later_ms", [0, 500])
def test_a_fill_held_while_opening_is_let_go_of_however_late_the_account_was_read(
    said: dict[str, Any], later_ms: int
) -> None:
    async def run() -> tuple[list[str], list[str], list[str], dict[str, Any]]:
        rig = Rig()
        rig.on("GET account", reply(account(**said)))
        rig.on("GET trades", reply([fill(time=T0_MS + later_ms, **FOREIGN)]))
        unanswered = (Outgoing(VENUE, ACCOUNT, batch(place(), place(OTHER)), 0, b"{}"),)
        seen, living = {ACCOUNT: SEEN_MS}, ((CLOID, 0, 0), (OTHER, 0, 0))
        await rig.open(Resumption(unanswered=unanswered, fills_seen_ms=seen, generations=living))
        for cloid in (CLOID, OTHER):
            rig.session.ask(AskOrder(ACCOUNT, BTC, cloid, 0))
        before = [event.cloid for event in rig.told(OrderFilled)]
        await asyncio.sleep(120)
        await rig.session.aclose()
        filled = [event.cloid for event in rig.told(OrderFilled)]
        return before, filled, gone(rig), dict(rig.session.fills.held)

    assert ([], ["oid:900"], ["1", "2"], {}) == run_virtual(run())


@pytest.mark.parametrize("is_sent", [True, False])
def test_an_order_of_nobody_s_that_was_there_at_a_restart_may_be_one_of_before_it(
    is_sent: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def run() -> tuple[list[str], list[str]]:
        rig = Rig()
        foreign = order("9", client_order_id=None, price="99")
        rig.on("GET account", reply(account(open_orders=[foreign])))
        sent = (Outgoing(VENUE, ACCOUNT, batch(place()), 0, b"{}"),) if is_sent else ()
        await rig.open(Resumption(unanswered=sent, generations=((CLOID, 0, 0),)))
        await asyncio.sleep(20)
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        await asyncio.sleep(300)
        await rig.session.aclose()
        return gone(rig), [one.cloid for one in rig.session.tickets.alive()]

    assert ([], [CLOID] * 2) == run_virtual(run())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ["1", "3"]),
        ([fill(time=T0_MS - 1_000, **FOREIGN)], ["1"]),
        ([fill(time=T0_MS - 1_000, side="sell", **FOREIGN)], ["1", "3"]),
    ],
)
def test_an_entry_that_the_operator_dismisses_keeps_its_children_for_a_fill_that_may_be_its_own(
    rows: list[Any], expected: list[str]
) -> None:
    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(open_orders=[TAKE_LISTED])))
        rig.on("GET trades", reply(rows))
        rig.on("DELETE orders/3", reply({"status": "canceled", "filled_size": "0"}))
        sent = (Outgoing(VENUE, ACCOUNT, BRACKET, 0, b"{}"),)
        living = (CLOID, 0, 0), (THIRD, 0, 3)
        await rig.open(
            Resumption(unanswered=sent, fills_seen_ms={ACCOUNT: SEEN_MS}, generations=living)
        )
        assert rig.session.settler.dismiss(CLOID)
        await asyncio.sleep(120)
        await rig.session.aclose()
        return gone(rig)

    assert expected == run_virtual(run())


def test_a_reading_without_a_time_from_before_a_fill_of_the_newest_ms_is_not_told_after_it() -> (
    None
):
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1")))
        rig.send(place())
        await asyncio.sleep(0.5)
        listed = account(time=None, open_orders=[order("1")], positions=[position(size="0.1")])
        rows = [fill(name, size="0.1", time=T0_MS + 1_000) for name in "ab"]
        rig.on("GET account", reply(listed))
        rig.on("GET trades", reply(rows[:1]))
        await asyncio.sleep(8)
        rig.heard.clear()
        rig.on("GET trades", reply(rows))
        rig.session.hasten()
        await asyncio.sleep(1)
        kinds = (OrderFilled, AccountRead)
        return [type(event).__name__ for event in rig.heard if isinstance(event, kinds)]

    assert ["OrderFilled"] == play(story)
