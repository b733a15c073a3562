"""What an order's end leaves of its family: protection goes only when nothing can need it."""

from __future__ import annotations

import asyncio

from connectors.perpex.tickets import Phase
from connectors.port import Resumption
from engine.drive.virtual_time import run_virtual
from engine.model.commands import CancelOrder, ModifyOrder, Outgoing
from engine.model.effects import AskOrder
from engine.model.events import OrderCanceled, OrderFilled, OrderUnclear
from engine.model.units import Side, Tif
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    DONE,
    NOT_FOUND,
    OTHER,
    T0_MS,
    VENUE,
    account,
    batch,
    error,
    fill,
    order,
    place,
    position,
    reply,
    until,
)
from tests.connectors.perpex.test_orders import CANCEL, MODIFY, THIRD, Rig, bracket, gone, play

SEEN_MS = T0_MS - 2_000


def test_an_unclear_modify_leaves_the_children_of_the_entry_that_still_rests() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", error(503, "UNAVAILABLE"))
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        await asyncio.sleep(120)
        return gone(rig)

    assert [] == play(story)


def test_an_entry_that_rests_after_an_unclear_modify_can_be_canceled_and_takes_its_children() -> (
    None
):
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", error(503, "UNAVAILABLE"))
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        await asyncio.sleep(5)
        rig.on("DELETE orders/1", DONE)
        rig.send(CancelOrder(BTC, CLOID, 1), kind="cancel")
        await asyncio.sleep(120)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_a_question_about_a_generation_that_was_never_sent_is_answered_though_all_was_filled() -> (
    None
):
    async def story(rig: Rig) -> list[tuple[str, int]]:
        await bracket(rig)
        rig.on("DELETE orders/1", error(503, "UNAVAILABLE"))
        rig.send(MODIFY, kind="modify")
        rig.on("GET trades", reply([fill()]))
        rig.on("GET account", reply(held("0.5")))
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        await asyncio.sleep(60)
        return [(event.cloid, event.generation) for event in rig.told(OrderCanceled)]

    assert [(CLOID, 1)] == play(story)


def test_a_child_whose_modify_was_unclear_still_takes_its_sibling_along_when_it_fills() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/2", error(503, "UNAVAILABLE"))
        move = ModifyOrder(BTC, OTHER, 1, Side.SELL, 99_000, 500, Tif.GTC, True)  # noqa: FBT003
        rig.send(move, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, OTHER, 1))
        await asyncio.sleep(120)
        rows = [fill("a"), fill("b", order_id="2", client_order_id=OTHER, side="sell")]
        rig.on("GET trades", reply(rows))
        await asyncio.sleep(10)
        return gone(rig)

    assert "3" in play(story)


def test_a_fill_that_was_stated_and_not_read_yet_keeps_the_children_of_a_refused_modify() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": "0.1"}))
        rig.on("POST orders", error(422, "INSUFFICIENT_MARGIN"))
        rig.on("GET trades", reply([fill(size="0.1")]))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(10)
        return gone(rig)

    assert ["1"] == play(story)


def test_a_fill_that_a_cancel_stated_and_trades_show_late_keeps_the_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": "0.1"}))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(30)
        rig.on("GET trades", reply([fill(size="0.1")]))
        await asyncio.sleep(10)
        return gone(rig)

    assert ["1"] == play(story)


def held(size: str) -> dict[str, object]:
    """An account that lists the children and holds what was filled of the entry."""
    children = [
        order("2", "pending", client_order_id=OTHER),
        order("3", "pending", client_order_id=THIRD),
    ]
    return account(open_orders=children, positions=[position(size=size)])


async def gone_after_a_late_row(rig: Rig, after_s: int) -> list[str]:
    """What is told to be gone in the end, where a part's row comes so late."""
    await asyncio.sleep(after_s)
    rig.on("GET trades", reply([fill(size="0.2")]))
    await asyncio.sleep(60)
    return gone(rig)


async def cancel_too_late(rig: Rig) -> None:
    await bracket(rig)
    rig.on("DELETE orders/1", NOT_FOUND)
    rig.send(CANCEL, kind="cancel")


def test_a_fill_that_trades_show_seconds_after_a_cancel_came_too_late_keeps_the_children() -> None:
    async def story(rig: Rig) -> tuple[list[str], int]:
        await cancel_too_late(rig)
        await asyncio.sleep(4)
        rig.on("GET trades", reply([fill()]))
        await asyncio.sleep(60)
        return gone(rig), len(rig.told(OrderFilled))

    assert ([], 1) == play(story)


def test_an_entry_that_no_fill_and_no_position_shows_takes_its_children_along() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0")))
        await asyncio.sleep(20)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_a_position_that_no_fill_explains_yet_waits_for_the_fill() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        await asyncio.sleep(20)
        early = gone(rig)
        rig.on("GET trades", reply([fill(size="0.2")]))
        await asyncio.sleep(60)
        return early, gone(rig)

    assert ([], ["1"]) == play(story)


def test_a_position_that_no_fill_ever_explains_keeps_the_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        await asyncio.sleep(120)
        return gone(rig)

    assert ["1"] == play(story)


def test_a_cancel_that_says_no_size_is_told_at_once_and_its_children_wait() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        rig.on("GET account", reply(held("0.2")))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(4)
        early = gone(rig)
        rig.on("GET trades", reply([fill(size="0.2")]))
        await asyncio.sleep(60)
        return early, gone(rig)

    assert (["1"], ["1"]) == play(story)


def test_a_position_on_the_other_side_is_nothing_that_an_entry_waits_for() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("-0.2")))
        await asyncio.sleep(20)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_an_entry_that_is_not_listed_any_more_keeps_its_children_until_its_fill_is_read() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        await bracket(rig)
        rig.on("GET account", reply(held("0.2")))
        rig.session.hasten()
        await asyncio.sleep(60)
        early = gone(rig)
        rig.on("GET trades", reply([fill(size="0.2")]))
        await asyncio.sleep(60)
        return early, gone(rig)

    assert (["1"], ["1"]) == play(story)


def test_an_order_that_is_listed_again_is_not_gone_whatever_a_cancel_was_told() -> None:
    async def story(rig: Rig) -> tuple[list[str], Phase]:
        await cancel_too_late(rig)
        await asyncio.sleep(60)
        ticket = rig.session.tickets.get(CLOID, 0)
        assert ticket is not None
        return gone(rig), ticket.phase

    assert ([], Phase.LIVE) == play(story)


def test_a_fill_that_an_earlier_run_booked_is_not_held_for_ever() -> None:
    async def run() -> dict[str, object]:
        rig = Rig()
        row = fill("7", size="0.1", time=SEEN_MS, order_id="uuid-a", client_order_id=None)
        listed = order("uuid-a", client_order_id=OTHER, filled_size="0.1")
        rig.on("GET account", reply(account(open_orders=[listed])))
        rig.on("GET trades", reply([row]))
        left = Resumption(
            unanswered=(Outgoing(VENUE, ACCOUNT, batch(place()), 0, b"{}"),),
            fills_seen_ms={ACCOUNT: SEEN_MS},
            fills_seen=frozenset({(ACCOUNT, SEEN_MS, BTC, 7)}),
            generations=((CLOID, 0, 0), (OTHER, 0, (1 << 62) + 5)),
            filled_lots={OTHER: {0: 100}},
        )
        await rig.open(left)
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(600)
        await rig.session.aclose()
        return dict(rig.session.fills.held)

    assert {} == run_virtual(run())
