"""An order that left the book ends when its fills are read, or waited for; so does its family."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.perpex.tickets import Phase
from connectors.port import Outgoing, Resumption
from engine.drive.virtual_time import run_virtual
from engine.model.commands import CancelOrder, ModifyOrder
from engine.model.effects import AskOrder
from engine.model.events import (
    CancelRejected,
    OrderFilled,
    OrderRejected,
    OrderUnclear,
)
from engine.model.units import NS_PER_S, Side, Tif
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    DONE,
    FOURTH,
    NOT_FOUND,
    OTHER,
    T0_MS,
    VENUE,
    account,
    error,
    fill,
    now_ms,
    order,
    place,
    position,
    reply,
    slow_delete,
    until,
)
from tests.connectors.perpex.test_families import cancel_too_late, gone_after_a_late_row, held
from tests.connectors.perpex.test_orders import (
    CANCEL,
    MODIFY,
    NEXT,
    THIRD,
    Rig,
    bracket,
    gone,
    play,
)
from tests.connectors.perpex.test_resuming import BRACKET
from tests.connectors.perpex.test_settling import Parts
from tests.connectors.perpex.test_untrue_rows import YEAR_MS


def test_a_refused_modify_whose_cancel_said_no_size_keeps_the_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        rig.on("POST orders", error(422, "INSUFFICIENT_MARGIN"))
        rig.on("GET account", reply(held("0.2")))
        rig.send(MODIFY, kind="modify")
        return await gone_after_a_late_row(rig, 3)

    assert ["1"] == play(story)


def test_a_second_generation_that_is_canceled_leaves_the_children_to_the_first_that_waits() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        rig.on("DELETE orders/11", DONE)
        rig.on("POST orders", reply(order("11", client_order_id=NEXT)))
        rig.on("GET account", reply(held("0.2")))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(1)
        rig.send(CancelOrder(BTC, CLOID, 1), kind="cancel")
        return await gone_after_a_late_row(rig, 3)

    assert ["1", "1"] == play(story)


def test_a_refused_modify_after_which_nothing_was_filled_takes_the_children_along() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        rig.on("POST orders", error(422, "INSUFFICIENT_MARGIN"))
        rig.on("GET account", reply(held("0")))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(60)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_a_child_that_fills_while_its_modify_is_on_its_way_takes_its_sibling_along() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rows = [fill("a"), fill("b", order_id="2", client_order_id=OTHER, side="sell")]
        rig.on("GET trades", reply(rows))
        move = ModifyOrder(BTC, OTHER, 1, Side.SELL, 99_000, 500, Tif.GTC, reduce_only=True)
        rig.on("DELETE orders/2", NOT_FOUND)
        slow_delete(rig.http, 3.0)
        rig.send(move, kind="modify")
        await asyncio.sleep(60)
        return gone(rig)

    assert "3" in play(story)


@pytest.mark.parametrize(("size", "left"), [("0", []), ("0.2", [OTHER, THIRD])])
def test_an_entry_told_canceled_and_listed_again_is_canceled_and_then_its_children(
    size: str, left: list[str]
) -> None:
    async def story(rig: Rig) -> tuple[int, list[str]]:
        await bracket(rig)
        children = [
            order("2", "pending", client_order_id=OTHER),
            order("3", "pending", client_order_id=THIRD),
        ]
        for number in "23":
            rig.on(f"DELETE orders/{number}", error(503, "UNAVAILABLE"))
        rig.on("GET account", reply(account(open_orders=children)))
        rig.session.hasten()
        await until(lambda: "1" in gone(rig))
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": size}))
        rig.on("GET account", reply(account(open_orders=[order("1"), *children])))
        await until(lambda: bool(rig.http.calls("DELETE", "/1")))
        rig.on("GET account", reply(account(open_orders=children)))
        for number in "23":
            rig.on(f"DELETE orders/{number}", DONE)
        await asyncio.sleep(120)
        return gone(rig).count("1"), [one.cloid for one in rig.session.tickets.alive()]

    assert (1, left) == play(story)


def test_a_second_cancel_without_a_size_does_not_forget_what_the_first_stated() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on(
            "DELETE orders/1",
            reply({"status": "canceled", "filled_size": "0.1"}),
            reply({"status": "canceled"}),
        )
        rig.send(CANCEL, kind="cancel")
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(40)
        return gone(rig)

    assert ["1"] == play(story)


def test_an_entry_of_which_a_part_was_booked_leaves_its_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("GET trades", reply([fill(size="0.1")]))
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.on("GET account", reply(held("0.1")))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(60)
        return gone(rig)

    assert ["1"] == play(story)


def test_cancels_of_an_order_that_left_the_book_use_up_no_budget() -> None:
    async def story(rig: Rig) -> int:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        for _ in range(58):
            await asyncio.sleep(0.5)
            rig.send(CANCEL, kind="cancel")
        return len(rig.http.calls("DELETE", "/1"))

    assert play(story) < 10


def test_a_part_that_a_listing_stated_keeps_the_children_though_its_row_is_late() -> None:

    async def run() -> list[str]:
        rig = Rig()
        listed = [
            order("1", filled_size="0.2"),
            order(
                "2", "pending", client_order_id=OTHER, side="sell", type="stop_market", price="95"
            ),
            order(
                "3",
                "pending",
                client_order_id=THIRD,
                side="sell",
                type="take_profit_market",
                price="105",
            ),
        ]
        rig.on("GET account", reply(account(open_orders=listed, positions=[position(size="0.2")])))
        for n in "23":
            rig.on(f"DELETE orders/{n}", DONE)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        left = Resumption(
            unanswered=(Outgoing(VENUE, ACCOUNT, BRACKET, 0, b"{}"),),
            fills_seen_ms={ACCOUNT: T0_MS - 2_000},
            generations=((CLOID, 0, 1), (OTHER, 0, 2), (THIRD, 0, 3)),
        )
        await rig.open(left)
        await asyncio.sleep(1)
        rig.on("GET account", reply(held("0.2")))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(14)
        rig.on("GET trades", reply([fill(size="0.2", time=T0_MS - 100)]))
        await asyncio.sleep(30)
        assert len(rig.told(OrderFilled)) == 1
        return gone(rig)

    assert ["1"] == run_virtual(run())


def test_a_position_that_nothing_explains_spares_the_children_of_later_generations_too() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        rig.on("DELETE orders/11", DONE)
        rig.on("POST orders", reply(order("11", client_order_id=NEXT)))
        children = held("0.2")["open_orders"]
        assert isinstance(children, list)
        listed = [order("11", client_order_id=NEXT), *children]
        rig.on("GET account", reply(account(open_orders=listed, positions=[position(size="0.2")])))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(60)
        rig.send(CancelOrder(BTC, CLOID, 1), kind="cancel")
        await asyncio.sleep(60)
        return gone(rig)

    assert ["1", "1"] == play(story)


def test_a_take_profit_filled_in_part_and_canceled_leaves_the_stop_loss() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rows = [fill("a"), fill("b", order_id="3", client_order_id=THIRD, side="sell", size="0.1")]
        rig.on("GET trades", reply(rows))
        rig.on("DELETE orders/3", reply({"status": "canceled", "filled_size": "0.1"}))
        rig.on("GET account", reply(held("0.4")))
        await asyncio.sleep(5)
        rig.send(CancelOrder(BTC, THIRD, 0), kind="cancel")
        await asyncio.sleep(30)
        return gone(rig)

    assert ["3"] == play(story)


def test_a_take_profit_filled_in_part_whose_modify_is_refused_leaves_the_stop_loss() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rows = [fill("a"), fill("b", order_id="3", client_order_id=THIRD, side="sell", size="0.1")]
        rig.on("GET trades", reply(rows))
        rig.on("DELETE orders/3", reply({"status": "canceled", "filled_size": "0.1"}))
        rig.on("POST orders", error(422, "INVALID_PRICE"))
        rig.on("GET account", reply(held("0.4")))
        await asyncio.sleep(5)
        rig.send(
            ModifyOrder(BTC, THIRD, 1, Side.SELL, 104_000, 400, Tif.GTC, reduce_only=True),
            kind="modify",
        )
        await asyncio.sleep(30)
        return gone(rig)

    assert ["3"] == play(story)


@pytest.mark.parametrize(
    "answers", [[error(503, "UNAVAILABLE")] * 4, [error(429, "RATE_LIMITED")] * 4]
)
def test_a_child_whose_cancel_failed_is_canceled_later(answers: list[Any]) -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        done = DONE
        rig.on("DELETE orders/2", *answers, done)
        rig.on("GET account", reply(held("0")))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(5)
        await asyncio.sleep(600)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_a_modify_whose_cancel_said_no_size_and_whose_post_is_unclear_keeps_the_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        rig.on("POST orders", error(503, "UNAVAILABLE"))
        rig.on("GET account", reply(held("0.2")))
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        await asyncio.sleep(120)
        return gone(rig)

    assert not {"2", "3"} & set(play(story))


def test_a_reading_older_than_the_end_proves_nothing() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        # It lists no orders, and is from before the cancel: it cannot show what was filled then.
        rig.on("GET account", reply(account(open_orders=None, time=T0_MS - 60_000)))
        await asyncio.sleep(14)
        rig.on("GET account", reply(held("0.2")))
        rig.on("GET trades", reply([fill(size="0.2")]))
        await asyncio.sleep(30)
        return gone(rig)

    assert not {"2", "3"} & set(play(story))


def test_a_modify_that_came_too_late_keeps_the_children_until_the_fill() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.on("GET account", reply(held("0.2")))
        rig.send(MODIFY, kind="modify")
        return await gone_after_a_late_row(rig, 20)

    assert ["1"] == play(story)


def test_an_entry_dismissed_while_its_fills_are_waited_for_leaves_its_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        await asyncio.sleep(4)
        rig.session.settler.dismiss(CLOID)
        await asyncio.sleep(60)
        return gone(rig)

    assert ["1"] == play(story)


def test_a_row_without_ids_does_not_explain_an_entry_that_ends() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        await asyncio.sleep(3)
        rig.on("GET trades", reply([fill(size="0.2", order_id=None, client_order_id=None)]))
        await asyncio.sleep(60)
        return gone(rig)

    assert ["1"] == play(story)


@pytest.mark.parametrize("size", ["0", "0.2"])
def test_a_question_about_an_order_that_ends_is_answered_once(size: str) -> None:
    async def story(rig: Rig) -> tuple[int, int]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held(size)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(90)
        return gone(rig).count("1"), len(rig.session.settler.asked)

    assert (1, 0) == play(story)


def test_an_order_without_facts_whose_stated_part_is_never_read_ends_all_the_same() -> None:
    async def run() -> tuple[list[str], list[Phase]]:
        rig = Rig()
        rig.on("GET account", reply(account(open_orders=None)))
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": "0.1"}))
        await rig.open(
            Resumption(fills_seen_ms={ACCOUNT: T0_MS - 2_000}, generations=((CLOID, 0, 1),))
        )
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(300)
        await rig.session.aclose()
        return gone(rig), [t.phase for t in rig.session.tickets.alive()]

    assert (["1"], []) == run_virtual(run())


def test_a_stop_loss_that_two_readings_missed_and_a_third_lists_is_live() -> None:
    async def story(rig: Rig) -> tuple[list[str], Phase]:
        await bracket(rig)
        full = rig.http.on["GET /api/v1/account"][0]
        rig.on("GET account", reply(account(open_orders=[order("1")])))
        rig.session.hasten()
        await asyncio.sleep(6)
        rig.on("GET account", full)
        await asyncio.sleep(30)
        t = rig.session.tickets.get(OTHER, 0)
        assert t is not None
        return gone(rig), t.phase

    assert ([], Phase.LIVE) == play(story)


def test_a_stop_that_fills_late_is_not_told_canceled_and_takes_its_sibling_along() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        await bracket(rig)
        rig.on("GET trades", reply([fill("a")]))
        rig.on(
            "GET account",
            reply(
                account(open_orders=[order("3", "pending", client_order_id=THIRD)], positions=[])
            ),
        )
        await asyncio.sleep(12)
        early = gone(rig)
        rig.on(
            "GET trades",
            reply([fill("a"), fill("b", order_id="2", client_order_id=OTHER, side="sell")]),
        )
        await asyncio.sleep(30)
        return early, gone(rig)

    assert ([], ["3"]) == play(story)


def test_a_stop_that_fills_very_late_still_takes_its_sibling_along() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("GET trades", reply([fill("a")]))
        rig.on(
            "GET account",
            reply(
                account(open_orders=[order("3", "pending", client_order_id=THIRD)], positions=[])
            ),
        )
        await asyncio.sleep(60)
        rig.on(
            "GET trades",
            reply([fill("a"), fill("b", order_id="2", client_order_id=OTHER, side="sell")]),
        )
        await asyncio.sleep(30)
        return gone(rig)

    assert "3" in play(story)


def test_an_entry_and_its_stop_whose_rows_are_both_late_leave_no_order_behind() -> None:
    async def story(rig: Rig) -> tuple[list[str], int]:
        await cancel_too_late(rig)
        rig.on(
            "GET account",
            reply(account(open_orders=[order("3", "pending", client_order_id=THIRD)])),
        )
        await asyncio.sleep(20)
        rig.on(
            "GET trades",
            reply([fill("a"), fill("b", order_id="2", client_order_id=OTHER, side="sell")]),
        )
        await asyncio.sleep(60)
        return gone(rig), len(rig.told(OrderFilled))

    ended, filled = play(story)
    assert 2 == filled
    assert "3" in ended


def test_an_entry_whose_rows_come_one_by_one_leaves_its_children() -> None:
    async def story(rig: Rig) -> tuple[list[str], int]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled"}))
        rig.on("GET trades", reply([fill("a", size="0.1")]))
        rig.on("GET account", reply(held("0.2")))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(15)
        rig.on(
            "GET trades", reply([fill("a", size="0.1"), fill("b", size="0.1", time=T0_MS + 6_000)])
        )
        await asyncio.sleep(60)
        return gone(rig), len(rig.told(OrderFilled))

    assert (["1"], 2) == play(story)


def test_an_entry_whose_cancel_was_unclear_and_that_is_listed_no_more_leaves_its_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", error(503, "UNAVAILABLE"))
        rig.on("GET account", reply(held("0.2")))
        rig.send(CANCEL, kind="cancel")
        return await gone_after_a_late_row(rig, 20)

    assert ["1"] == play(story)


def test_an_end_is_not_decided_while_fills_cannot_be_read() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        rig.on("GET trades", error(503, "UNAVAILABLE"))
        await asyncio.sleep(60)
        rig.on("GET trades", reply([]))
        return await gone_after_a_late_row(rig, 1)

    assert ["1"] == play(story)


def test_a_row_that_cannot_be_read_keeps_the_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0")))
        rig.on("GET trades", reply([fill(size="0.2", side="?")]))
        await asyncio.sleep(60)
        return gone(rig)

    assert not {"2", "3"} & set(play(story))


def test_a_row_of_the_entry_that_cannot_be_true_keeps_the_children() -> None:

    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0")))
        rig.on("GET trades", reply([fill(size="0.2", time=now_ms() + YEAR_MS)]))
        await asyncio.sleep(60)
        return gone(rig)

    assert not {"2", "3"} & set(play(story))


def test_a_row_off_the_grid_keeps_the_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        rig.on("GET trades", reply([fill(size="0.20001")]))
        await asyncio.sleep(60)
        return gone(rig)

    assert not {"2", "3"} & set(play(story))


def test_an_end_that_is_waited_for_does_not_use_up_what_closes_a_position() -> None:
    async def story(rig: Rig) -> tuple[int, list[str]]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))
        rig.on("POST orders", reply(order("4", "filled", client_order_id=FOURTH)))
        for _ in range(100):
            await asyncio.sleep(0.25)
            if "1" not in gone(rig):
                rig.send(CANCEL, kind="cancel")
        rig.send(place(FOURTH, side=Side.SELL, tif=Tif.IOC, reduce_only=True, sz_lots=200))
        await asyncio.sleep(1)
        return len(rig.http.calls("DELETE", "/1")), [e.reason for e in rig.told(OrderRejected)]

    deletes, refused = play(story)
    assert not refused, (deletes, refused)


def test_a_child_whose_end_nobody_knows_leaves_its_sibling_though_a_sale_is_unexplained() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("GET trades", reply([fill("a")]))
        await asyncio.sleep(5)
        rig.on("DELETE orders/3", NOT_FOUND)
        left = [order("2", "pending", client_order_id=OTHER)]
        rig.on("GET account", reply(account(open_orders=left, positions=[position(size="0.3")])))
        rig.send(CancelOrder(BTC, THIRD, 0), kind="cancel")
        await asyncio.sleep(60)
        return gone(rig)

    assert ["3"] == play(story)


def test_a_stated_part_is_no_gap_when_it_is_late() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.leave_book(100, "canceled", parts.clock.monotonic_ns())
    ticket.polls = 5
    assert [] == parts.fills.endings.missing
    ticket.expected_lots = ticket.sz_lots
    assert [ticket] == parts.fills.endings.missing
    ticket.polls = 4
    assert [] == parts.fills.endings.missing


@pytest.mark.parametrize(
    ("polls", "stated", "phase"),
    [(4, 100, Phase.ENDING), (5, 100, Phase.ENDED), (9, 500, Phase.ENDING)],
)
def test_a_stated_part_is_given_up_after_five_readings_and_all_of_it_never(
    polls: int, stated: int, phase: Phase
) -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.leave_book(stated, "canceled", parts.clock.monotonic_ns())
    for _ in range(polls):
        parts.clock.advance(NS_PER_S)
        parts.take()
    assert phase is ticket.phase


@pytest.mark.parametrize(("seconds", "phase"), [(9, Phase.ENDING), (10, Phase.ENDED)])
def test_what_is_not_stated_is_waited_for_ten_seconds(seconds: int, phase: Phase) -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.leave_book(-1, "ORDER_NOT_FOUND", parts.clock.monotonic_ns())
    for _ in range(seconds):
        parts.clock.advance(NS_PER_S)
        parts.take()
    assert phase is ticket.phase


def test_where_the_account_says_as_of_when_five_seconds_of_it_are_enough() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.leave_book(-1, "ORDER_NOT_FOUND", parts.clock.monotonic_ns())
    seconds = 0
    while ticket.phase is Phase.ENDING:
        seconds += 1
        parts.clock.advance(NS_PER_S)
        parts.fills.standing.show({}, T0_MS + seconds)
        parts.take()

    assert 5 == seconds


def test_an_order_canceled_without_a_size_is_told_after_the_first_reading() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.leave_book(-1, "canceled", parts.clock.monotonic_ns())
    parts.fills.endings.settle(ticket)
    assert not ticket.is_told
    parts.take()
    assert ticket.is_told


def test_an_order_without_a_market_is_not_told() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.instrument = ""
    ticket.leave_book(0, "canceled", parts.clock.monotonic_ns())
    parts.take()
    assert [] == parts.heard
    assert not ticket.is_told


def test_a_child_filled_whole_takes_its_sibling_along_whatever_else_the_account_holds() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rows = [fill("a"), fill("b", order_id="2", client_order_id=OTHER, side="sell")]
        rig.on("GET trades", reply(rows))
        rig.on("GET account", reply(account(positions=[position(size="3")])))
        await asyncio.sleep(5)
        return gone(rig)

    assert ["3"] == play(story)


@pytest.mark.parametrize(("news", "after_s"), [(Side.BUY, 20), (Side.SELL, 10)])
def test_news_of_its_market_and_side_prove_nothing_of_an_order(news: Side, after_s: int) -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.leave_book(-1, "ORDER_NOT_FOUND", parts.clock.monotonic_ns())
    seconds = 0
    while ticket.phase is Phase.ENDING:
        seconds += 1
        parts.clock.advance(NS_PER_S)
        side = "buy" if news is Side.BUY else "sell"
        row = fill(f"{seconds}", order_id="9", client_order_id="another", side=side, size="0.001")
        parts.fills.standing.show({BTC: news * min(seconds, 17)})
        parts.take(*[row] if seconds <= 17 else [])

    assert after_s == seconds


@pytest.mark.parametrize(("quiet", "phase"), [(3, Phase.ENDED), (2, Phase.ENDING)])
def test_a_proof_is_three_readings_in_a_row(quiet: int, phase: Phase) -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    ticket.leave_book(-1, "ORDER_NOT_FOUND", parts.clock.monotonic_ns())
    for second in range(12):
        parts.clock.advance(NS_PER_S)
        parts.take(*[fill("bad", side="?")] if second == 11 - quiet else [])

    assert phase is ticket.phase


def test_what_a_listing_stated_is_waited_for_until_it_is_booked() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    parts.tickets.learn(ticket, "1")
    ticket.state_filled(200)
    ticket.leave_book(-1, "ORDER_NOT_FOUND", parts.clock.monotonic_ns())
    phases = []
    for rows in ([], [fill(size="0.2")]):
        for _ in range(12):
            parts.clock.advance(NS_PER_S)
            parts.take(*rows)
        phases.append(ticket.phase)

    assert [Phase.ENDING, Phase.ENDED] == phases


def test_a_child_of_which_nothing_is_known_says_nothing_of_its_sibling() -> None:
    parts = Parts()
    child, sibling = (parts.ticket(cloid, Phase.LIVE) for cloid in (OTHER, THIRD))
    child.parent = sibling.parent = CLOID
    parts.tickets.spare(child)

    assert [] == parts.tickets.family(child)


def test_an_order_that_was_dismissed_and_is_listed_is_canceled() -> None:
    async def story(rig: Rig) -> int:
        rig.on("POST orders", 60.0)
        rig.send(place())
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.settler.dismiss(CLOID)
        rig.on("GET account", reply(account(open_orders=[order("1")])))
        rig.on("DELETE orders/1", DONE)
        await asyncio.sleep(30)
        return len(rig.http.calls("DELETE", "/1"))

    assert play(story) > 0


def test_a_reading_that_began_before_an_order_was_given_up_brings_it_not_back() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.UNCLEAR)
    started_ns = parts.clock.monotonic_ns()
    parts.clock.advance(1)
    parts.settler.dismiss(CLOID)
    phases = []
    for asked_ns in (started_ns, None):
        parts.review(order(), started_ns=asked_ns)
        phases.append(ticket.phase)

    assert [Phase.ENDED, Phase.LIVE] == phases


def test_a_cancel_of_an_order_that_ended_asks_the_venue_nothing() -> None:
    async def story(rig: Rig) -> int:
        await bracket(rig)
        for _ in range(3):
            rig.send(CANCEL, kind="cancel")
            await asyncio.sleep(20)
        return len(rig.http.calls("DELETE", "/1"))

    assert 1 == play(story)


def test_an_order_that_is_listed_no_more_is_asked_to_be_canceled_once() -> None:
    async def story(rig: Rig) -> int:
        await bracket(rig)
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.on("GET account", reply(held("0.2")))
        rig.session.hasten()
        ticket = rig.session.tickets.get(CLOID, 0)
        assert ticket is not None
        await until(lambda: ticket.phase is Phase.ENDING)
        for _ in range(5):
            rig.send(CANCEL, kind="cancel")
            await asyncio.sleep(1)
        return len(rig.http.calls("DELETE", "/1"))

    assert 1 == play(story)


def test_a_cancel_of_an_order_that_was_filled_says_why_it_was_refused() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("GET trades", reply([fill()]))
        rig.session.wake()
        await until(lambda: bool(rig.told(OrderFilled)))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(1)
        return [event.reason for event in rig.told(CancelRejected)]

    assert ["ORDER_NOT_FOUND"] == play(story)


def test_a_reduce_only_order_that_is_filled_by_what_there_was_to_close_is_over() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str], list[str]]:
        answer = order("1", "filled", side="sell", filled_size="0.1", reduce_only=True)
        rig.on("POST orders", reply(answer))
        rig.on("GET trades", reply([fill(side="sell", size="0.1")]))
        rig.send(place(side=Side.SELL, tif=Tif.IOC, reduce_only=True))
        await asyncio.sleep(30)
        living = [one.cloid for one in rig.session.tickets.alive()]
        return rig.names(), living, rig.phases("perpex account")

    told = ["OrderAccepted 0", "OrderFilled 0", "OrderCanceled 0"]
    assert (told, [], []) == play(story)
