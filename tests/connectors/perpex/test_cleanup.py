"""What an ended order leaves behind goes, in time and within the budget, unless it is needed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from connectors.perpex.client_ids import client_id
from connectors.perpex.tickets import ENDED_REMEMBERED_MAX, Ticket, Tickets
from connectors.web import HttpReply
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.model.commands import CancelOrder, ModifyOrder
from engine.model.effects import AskOrder
from engine.model.events import OrderFilled, OrderRejected, OrderUnclear
from engine.model.units import NS_PER_S, Side, Tif
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    AT_READING,
    BTC,
    CLOID,
    DONE,
    NOT_FOUND,
    OTHER,
    T0_MS,
    Answer,
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
from tests.connectors.perpex.test_families import cancel_too_late, held
from tests.connectors.perpex.test_orders import (
    CANCEL,
    FOREIGN,
    MODIFY,
    NEXT,
    THIRD,
    Rig,
    bracket,
    gone,
    play,
)
from tests.connectors.perpex.test_resuming import BRACKET, CHILD, STOP, TAKE
from tests.connectors.perpex.test_untrue_rows import ACCOUNT_STREAM

UNSIZED = reply({"status": "canceled"})
UNAVAILABLE = error(503, "UNAVAILABLE")
STOP_NEXT = client_id(OTHER, 1)
MODIFY_STOP = ModifyOrder(BTC, OTHER, 1, Side.SELL, 94_000, 500, Tif.GTC, reduce_only=True)
STOP_MOVED = order(
    "12", "pending", client_order_id=STOP_NEXT, side="sell", type="stop_market", price="95"
)


def cloid_of(number: int) -> str:
    return f"0x{0xAB:016x}{number:016x}"


def children() -> list[dict[str, Any]]:
    """The stop and the take profit of `bracket`, as they are listed."""
    stop, take = {"type": "stop_market", "price": "95"}, {"type": "take_profit_market"}
    return [
        order("2", "pending", client_order_id=OTHER, side="sell", **stop),
        order("3", "pending", client_order_id=THIRD, side="sell", price="105", **take),
    ]


def answer_children(rig: Rig, *answers: Answer) -> None:
    """What the cancels of the children of `bracket` are answered."""
    for number in "23":
        rig.on(f"DELETE orders/{number}", *answers)


def part_of_take(time_ms: int = T0_MS + 6_000) -> dict[str, Any]:
    """The row of a part of the take profit of `bracket`."""
    fields = {"order_id": "3", "client_order_id": THIRD, "side": "sell", "size": "0.1"}
    return fill("b", **fields, time=time_ms)


async def cancel_take_filled_in_part(
    rig: Rig, behind_ms: int, time: str | None = AT_READING
) -> None:
    """The fills' clock is so far behind; the account says `time`, if it does say one."""

    def shown(size: str, listed: list[dict[str, Any]]) -> HttpReply:
        return reply(account(time=time, open_orders=listed, positions=[position(size=size)]))

    await bracket(rig)
    entry = fill("a", time=now_ms() - behind_ms + 10)
    rig.on("GET trades", reply([entry]))
    rig.on("GET account", shown("0.5", children()))
    await asyncio.sleep(5)
    assert 1 == len(rig.told(OrderFilled))
    rig.on("GET trades", reply([entry, part_of_take(now_ms() - behind_ms)]))
    rig.on("GET account", shown("0.4", children()))
    await asyncio.sleep(3)
    assert 2 == len(rig.told(OrderFilled))
    rig.on("DELETE orders/3", reply({"status": "canceled", "filled_size": "0.1"}))
    rig.on("GET account", shown("0.4", children()[:1]))
    rig.send(CancelOrder(BTC, THIRD, 0), kind="cancel")
    await asyncio.sleep(30)


async def lose_children(rig: Rig, count: int, answer: Answer) -> list[dict[str, Any]]:
    """Cancel the entries of so many brackets; the rows of the children, whose cancels fail so."""
    listed: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    entries = []
    for first in range(100, 100 + 3 * count, 3):
        entry, stop, take = (cloid_of(number) for number in range(first, first + 3))
        rows = [
            order(f"{first}", client_order_id=entry),
            order(f"{first + 1}", "pending", client_order_id=stop, side="sell"),
            order(f"{first + 2}", "pending", client_order_id=take, side="sell"),
        ]
        rig.on("POST orders/batch", reply({"results": [{"order": row} for row in rows]}))
        listed += rows
        rig.on("GET account", reply(account(open_orders=listed)))
        child = {**CHILD, "parent": entry}
        protection = place(stop, trigger=STOP, **child), place(take, trigger=TAKE, **child)
        rig.send(place(entry), *protection, kind="bracket")
        await asyncio.sleep(8)
        rig.on(f"DELETE orders/{first}", DONE)
        for row in rows[1:]:
            rig.on(f"DELETE orders/{row['id']}", answer)
        left += rows[1:]
        entries.append(entry)
    assert 3 * count == len(rig.session.tickets.alive())
    rig.on("GET account", reply(account(open_orders=left)))
    for entry in entries:
        rig.send(CancelOrder(BTC, entry, 0), kind="cancel")
    return left


async def close_for_two_minutes(rig: Rig) -> tuple[list[str], float, int]:
    """Close a little every 5 s.

    Why any was refused, the longest gap between readings of /trades, and how often was canceled.
    """
    since_s = virtual_clock().monotonic_ns() / NS_PER_S - 15
    canceled = len(rig.http.calls("DELETE"))
    for number in range(900, 924):
        await asyncio.sleep(5)
        cloid = cloid_of(number)
        rig.on("POST orders", reply(order(f"{number}", "filled", client_order_id=cloid)))
        rig.send(place(cloid, side=Side.SELL, tif=Tif.IOC, reduce_only=True, sz_lots=1))
    await asyncio.sleep(1)
    reads_s = [call.at_s for call in rig.http.calls("GET", "/trades") if call.at_s >= since_s]
    gap_s = max(later - earlier for earlier, later in pairwise(reads_s))
    refused = [event.reason for event in rig.told(OrderRejected)]
    return refused, gap_s, len(rig.http.calls("DELETE")) - canceled


@pytest.mark.parametrize("entry_first", [True, False])
@pytest.mark.parametrize(("size", "left"), [("0", []), ("0.2", [OTHER, THIRD])])
def test_a_bracket_taken_for_gone_and_listed_again_goes_and_its_protection_last(
    entry_first: bool,  # noqa: FBT001 - a parameter of the test
    size: str,
    left: list[str],
) -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        rig.on("POST orders/batch", UNAVAILABLE)
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": size}))
        answer_children(rig, DONE)
        rig.session.desk.send(BRACKET, rig.session.desk.prepare(BRACKET))
        await until(lambda: len(rig.told(OrderUnclear)) == 3)
        for cloid in (CLOID, OTHER, THIRD):
            rig.session.ask(AskOrder(ACCOUNT, BTC, cloid, 0))
        await asyncio.sleep(45)
        assert [] == rig.session.tickets.alive()
        listed = [order("1"), *children()] if entry_first else [*children(), order("1")]
        rig.on("GET account", reply(account(open_orders=listed)))
        await until(lambda: bool(rig.http.calls("DELETE")))
        rig.on("GET account", reply(account(open_orders=children() if left else [])))
        await asyncio.sleep(60)
        paths = [call.path[-1] for call in rig.http.calls("DELETE")]
        return paths, [one.cloid for one in rig.session.tickets.alive()]

    paths, living = play(story)
    assert ("1", left) == (paths[0], living)
    assert ([] if left else ["2", "3"]) == sorted(paths[1:])


@pytest.mark.parametrize(("answer", "seconds"), [(DONE, 6), (DONE, 12), (NOT_FOUND, 20)])
def test_a_late_row_of_an_entry_keeps_the_children_whose_cancel_failed(
    answer: HttpReply, seconds: int
) -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        answer_children(rig, UNAVAILABLE)
        rig.on("DELETE orders/1", answer)
        rig.on("GET account", reply(account(open_orders=children())))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(seconds)
        # The venue's word was wrong or early: 0.2 were filled, and the row and the position say it.
        rig.on("GET account", reply(held("0.2")))
        rig.on("GET trades", reply([fill(size="0.2")]))
        await asyncio.sleep(5)
        assert 1 == len(rig.told(OrderFilled))
        answer_children(rig, DONE)
        await asyncio.sleep(60)
        return gone(rig)

    assert ["1"] == play(story)


def test_a_child_that_was_being_modified_when_it_lost_its_purpose_is_canceled_again() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/12", *[UNAVAILABLE] * 3, DONE)
        rig.on("POST orders", reply(STOP_MOVED))
        rig.on("GET account", reply(account(open_orders=[STOP_MOVED])))
        slow_delete(rig.http, 2.0, "/2")
        rig.send(MODIFY_STOP, kind="modify")
        await asyncio.sleep(0.1)
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(300)
        return [ticket.client_id for ticket in rig.session.tickets.alive()]

    assert [] == play(story)


@pytest.mark.parametrize("behind_ms", [0, 3_000])
def test_without_a_time_and_with_a_clock_behind_a_part_of_the_profit_leaves_the_stop(
    behind_ms: int,
) -> None:
    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(time=None)))
        await rig.open()
        await cancel_take_filled_in_part(rig, behind_ms, time=None)
        await rig.session.aclose()
        return gone(rig)

    assert ["3"] == run_virtual(run())


def test_a_slow_account_poll_of_a_healthy_account_is_no_gap() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1")))
        rig.on("GET account", reply(account(open_orders=[order("1")])))
        rig.send(place())
        await asyncio.sleep(600)
        return rig.phases(ACCOUNT_STREAM)

    assert [] == play(story, account_poll_s=120.0)


def test_cancels_of_a_lost_child_do_not_pile_up() -> None:
    async def story(rig: Rig) -> tuple[int, int]:
        await bracket(rig)
        answer_children(rig, 60.0)
        rig.on("GET account", reply(account(open_orders=children())))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(600)
        failed = len(rig.http.calls("DELETE"))
        answer_children(rig, DONE, NOT_FOUND)
        rig.on("GET account", reply(account()))
        await asyncio.sleep(120)
        return failed, len(rig.http.calls("DELETE")) - failed

    failed, later = play(story)
    assert failed < 20
    assert later <= 2


def test_a_late_part_of_a_live_order_whose_listing_states_no_size_keeps_the_children() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        listed = [order("1", filled_size=None), *children()]
        rig.on("GET account", reply(account(open_orders=listed, positions=[position(size="0.2")])))
        await asyncio.sleep(50)
        rig.on("GET account", reply(held("0.2")))
        rig.on("DELETE orders/1", UNSIZED)
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(30)
        return gone(rig)

    assert ["1"] == play(story)


@pytest.mark.parametrize("settle_s", [30.0, 8.0])
def test_an_entry_that_ends_without_a_fill_takes_its_children_along_whatever_settle_s(
    settle_s: float,
) -> None:
    async def story(rig: Rig) -> list[str]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(account(open_orders=children())))
        await asyncio.sleep(120)
        return gone(rig)

    assert ["1", "2", "3"] == play(story, settle_s=settle_s)


@pytest.mark.parametrize("answer", [UNSIZED, DONE])
def test_a_modified_entry_that_fills_keeps_its_children(answer: HttpReply) -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        moved = order("11", client_order_id=NEXT)
        rig.on("DELETE orders/1", answer)
        rig.on("POST orders", reply(moved))
        rig.on("GET account", reply(account(open_orders=[moved, *children()])))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(4)
        rig.on("GET account", reply(held("0.5")))
        rig.on("GET trades", reply([fill("a", order_id="11", client_order_id=NEXT)]))
        await asyncio.sleep(60)
        assert 1 == len(rig.told(OrderFilled))
        return gone(rig)

    assert ["1"] == play(story)


@pytest.mark.parametrize("answer", [UNSIZED, DONE])
def test_a_modified_child_that_fills_takes_its_sibling_along(answer: HttpReply) -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        entry = fill("a")
        rig.on("GET trades", reply([entry]))
        rig.on("GET account", reply(held("0.5")))
        await asyncio.sleep(5)
        take = children()[1]
        rig.on("DELETE orders/2", answer)
        rig.on("POST orders", reply(STOP_MOVED))
        listed = [STOP_MOVED, take]
        rig.on("GET account", reply(account(open_orders=listed, positions=[position(size="0.5")])))
        rig.send(MODIFY_STOP, kind="modify")
        await asyncio.sleep(4)
        rig.on("GET account", reply(account(open_orders=[take])))
        ids = {"order_id": "12", "client_order_id": STOP_NEXT}
        rig.on("GET trades", reply([entry, fill("b", **ids, side="sell", time=T0_MS + 12_000)]))
        await asyncio.sleep(60)
        assert 2 == len(rig.told(OrderFilled))
        return gone(rig)

    assert "3" in play(story)


@pytest.mark.parametrize("behind_ms", [0, 1_000])
def test_with_a_time_ahead_of_the_fills_clock_a_part_of_the_profit_leaves_the_stop(
    behind_ms: int,
) -> None:
    async def story(rig: Rig) -> list[str]:
        await until(lambda: len(rig.http.calls("GET", "/trades")) >= 3)
        await asyncio.sleep(0.2)
        await cancel_take_filled_in_part(rig, behind_ms)
        return gone(rig)

    assert ["3"] == play(story)


def test_without_a_time_an_empty_entry_takes_its_children_along_whatever_its_clock() -> None:
    """The fill of another order, a minute old by the venue's clock, explains the position."""

    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(time=None)))
        await rig.open()
        another = cloid_of(9)
        rig.on("POST orders", reply(order("9", client_order_id=another)))
        rig.send(place(another, px_ticks=99_000))
        await asyncio.sleep(1)
        row = fill("a", order_id="9", client_order_id=another, time=now_ms() - 60_000)
        rig.on("GET trades", reply([row]))
        await bracket(rig)
        shown = account(time=None, positions=[position(size="0.5")])
        rig.on("GET account", reply({**shown, "open_orders": [order("1"), *children()]}))
        await asyncio.sleep(4)
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.on("GET account", reply({**shown, "open_orders": children()}))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(300)
        await rig.session.aclose()
        return gone(rig)

    assert ["1", "2", "3"] == run_virtual(run())


def test_a_child_missed_when_its_entry_ended_is_canceled_when_listed_again() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("GET account", reply(account(open_orders=[order("1")])))
        await asyncio.sleep(22)
        assert [CLOID] == [ticket.cloid for ticket in rig.session.tickets.alive()]
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(0.5)
        rig.on("GET account", reply(account(open_orders=children())))
        await asyncio.sleep(120)
        return [ticket.cloid for ticket in rig.session.tickets.alive()]

    assert [] == play(story)


def test_a_forgotten_ticket_of_two_ids_does_not_end_the_polls() -> None:
    tickets = Tickets(lambda _: None)
    forgotten = Ticket(BTC, CLOID, 0, 1)
    tickets.add(forgotten)
    tickets.learn(forgotten, "1")
    tickets.learn(forgotten, "2")
    forgotten.leave_book(-1, "not found at the venue", 2)
    tickets.end(forgotten, 2)
    for number in range(ENDED_REMEMBERED_MAX):
        later = Ticket(BTC, f"0x{number:032x}", 0, 1)
        tickets.add(later)
        tickets.end(later, 2)
    found = tickets.find("1", None)
    assert found is forgotten
    tickets.revive(found, 3)
    assert [forgotten] == tickets.alive()


@pytest.mark.parametrize("answer", [60.0, error(429, "RATE_LIMITED", {"Retry-After": "20"})])
def test_after_an_outage_lost_children_leave_room_to_close_and_to_read(answer: Answer) -> None:
    async def story(rig: Rig) -> tuple[list[str], float, int]:
        lost = await lose_children(rig, 3, answer)
        await asyncio.sleep(600)
        for row in lost:
            rig.on(f"DELETE orders/{row['id']}", DONE, NOT_FOUND)
        rig.on("GET account", reply(account(positions=[position(size="0.2")])))
        return await close_for_two_minutes(rig)

    refused, gap_s, canceled = play(story)
    assert [] == refused
    assert gap_s < 10
    assert canceled <= 6


@pytest.mark.parametrize("count", [5, 8])
def test_while_cancels_fail_there_is_room_to_close_and_to_read(count: int) -> None:
    async def story(rig: Rig) -> tuple[list[str], float, int]:
        lost = await lose_children(rig, count, UNAVAILABLE)
        await asyncio.sleep(60)
        rig.on("GET account", reply(account(open_orders=lost, positions=[position(size="0.2")])))
        return await close_for_two_minutes(rig)

    refused, gap_s, canceled = play(story)
    assert [] == refused
    assert gap_s < 15
    assert 0 < canceled <= 2 * 2 * count


@pytest.mark.parametrize("answer", [UNSIZED, reply({"status": "canceled", "filled_size": "0.2"})])
def test_a_second_generation_filled_in_part_and_canceled_keeps_the_children(
    answer: HttpReply,
) -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        moved = order("11", client_order_id=NEXT)
        listed = [moved, *children()]
        rig.on("DELETE orders/1", UNSIZED)
        rig.on("DELETE orders/11", answer)
        rig.on("POST orders", reply(moved))
        rig.on("GET account", reply(account(open_orders=listed)))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(1)
        rig.on("GET trades", reply([fill("a", size="0.2", order_id="11", client_order_id=NEXT)]))
        rig.on("GET account", reply(account(open_orders=listed, positions=[position(size="0.2")])))
        await asyncio.sleep(2)
        rig.on("GET account", reply(held("0.2")))
        rig.send(CancelOrder(BTC, CLOID, 1), kind="cancel")
        await asyncio.sleep(60)
        return gone(rig)

    assert not {"2", "3"} & set(play(story))


@pytest.mark.parametrize("behind_ms", [0, 1_000])
def test_a_fill_a_second_before_the_last_idle_reading_leaves_the_stop(behind_ms: int) -> None:
    """The account's clock is ahead of the fills'; something was held on the market before."""

    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(positions=[position(size="0.2")])))
        await rig.open()
        rig.on("GET account", reply(account()))
        await asyncio.sleep(40)
        read = len(rig.http.calls("GET", "/trades"))
        await until(lambda: len(rig.http.calls("GET", "/trades")) > read)
        await asyncio.sleep(0.2)
        await cancel_take_filled_in_part(rig, behind_ms)
        await rig.session.aclose()
        return gone(rig)

    assert ["3"] == run_virtual(run())


def test_a_row_that_cannot_be_read_leaves_the_stop_beside_a_profit_filled_in_part() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        unreadable = fill("a", size="0.50001")
        rig.on("GET trades", reply([unreadable]))
        rig.on("GET account", reply(held("0.5")))
        await asyncio.sleep(5)
        rig.on("GET trades", reply([unreadable, part_of_take()]))
        rig.on("DELETE orders/3", reply({"status": "canceled", "filled_size": "0.1"}))
        rig.on("GET account", reply(held("0.4")))
        rig.send(CancelOrder(BTC, THIRD, 0), kind="cancel")
        await asyncio.sleep(30)
        return gone(rig)

    assert "2" not in play(story)


def test_a_stop_left_by_a_part_filled_profit_goes_when_the_position_is_closed() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rows = [fill("a"), part_of_take()]
        rig.on("GET trades", reply(rows))
        rig.on("DELETE orders/3", reply({"status": "canceled", "filled_size": "0.1"}))
        rig.on("GET account", reply(held("0.4")))
        await asyncio.sleep(5)
        rig.send(CancelOrder(BTC, THIRD, 0), kind="cancel")
        await asyncio.sleep(5)
        closed = fill("c", **FOREIGN, side="sell", size="0.4", time=T0_MS + 12_000)
        rig.on("GET trades", reply([*rows, closed]))
        rig.on("GET account", reply(account(open_orders=children()[:1])))
        await asyncio.sleep(120)
        return gone(rig)

    assert ["2", "3"] == play(story)


def test_where_time_is_the_last_change_an_entry_without_a_fill_takes_its_children_along() -> None:
    async def story(rig: Rig) -> list[str]:
        await asyncio.sleep(20)
        await cancel_too_late(rig)
        rig.on("GET account", reply(account(time=T0_MS, open_orders=children())))
        await asyncio.sleep(200)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_an_account_whose_time_is_its_last_change_in_whole_seconds_is_no_gap() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("GET trades", reply([fill("a", time=T0_MS + 5_500)]))
        rig.on("GET account", reply({**held("0.5"), "time": T0_MS + 5_000}))
        await asyncio.sleep(600)
        return rig.phases(ACCOUNT_STREAM)

    assert [] == play(story)


@pytest.mark.parametrize("behind_ms", [0, 1_000, 5_000])
def test_without_a_time_a_busy_account_is_no_gap_whatever_its_clock(behind_ms: int) -> None:
    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(time=None)))
        await rig.open()
        rig.on("POST orders", reply(order("1", size="50")))
        rig.send(place(sz_lots=50_000))
        rows: list[dict[str, Any]] = []
        listed = [order("1", size="50", filled_size="0.1")]
        for number in range(1, 61):
            await asyncio.sleep(2.5)
            rows.append(fill(f"x{number}", size="0.1", time=now_ms() - behind_ms))
            rig.on("GET trades", reply(rows))
            held_now = [position(size=str(number / 10))]
            rig.on("GET account", reply(account(time=None, open_orders=listed, positions=held_now)))
            rig.session.hasten()
        await rig.session.aclose()
        return rig.phases(ACCOUNT_STREAM)

    assert [] == run_virtual(run())
