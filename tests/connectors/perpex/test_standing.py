"""What positions show beyond the fills that were read, counted once and forgotten in time."""

from __future__ import annotations

import asyncio

import pytest

from connectors.perpex.standing import Standing
from connectors.perpex.tickets import Phase
from connectors.port import Outgoing, Resumption
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.model.commands import CancelOrder
from engine.model.effects import AskOrder
from engine.model.events import (
    OrderFilled,
)
from engine.model.units import NS_PER_S, Side
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    FOURTH,
    NOT_FOUND,
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
    until,
)
from tests.connectors.perpex.test_families import cancel_too_late, held
from tests.connectors.perpex.test_orders import (
    CANCEL,
    FOREIGN,
    THIRD,
    Rig,
    bracket,
    gone,
    play,
)
from tests.connectors.perpex.test_settling import Parts


def test_a_late_row_of_an_accepted_position_does_not_hide_the_fill_of_the_next_entry() -> None:
    async def story(rig: Rig) -> list[str]:
        # order A (no children), canceled with 0.2 stated, its fill is late
        rig.on("POST orders", reply(order("9", client_order_id=FOURTH)))
        rig.on("DELETE orders/9", reply({"status": "canceled", "filled_size": "0.2"}))
        rig.send(place(FOURTH))
        await asyncio.sleep(1)
        rig.on("GET account", reply(account(positions=[position(size="0.2")])))
        rig.send(CancelOrder(BTC, FOURTH, 0), kind="cancel")
        await asyncio.sleep(28)
        await bracket(rig)
        row = fill("a", size="0.2", order_id="9", client_order_id=FOURTH)
        rig.on("GET trades", reply([row]))
        await asyncio.sleep(4)
        # the entry is filled 0.2 too: position 0.4
        rig.on("GET account", reply(held("0.4")))
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(20)
        early = gone(rig)
        rig.on("GET trades", reply([row, fill("b", size="0.2", time=T0_MS + 90_000)]))
        await asyncio.sleep(30)
        return early + gone(rig)

    assert "2" not in play(story)


def test_a_hand_trade_whose_row_is_late_does_not_hide_the_fill_of_the_next_entry() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("GET account", reply(account(positions=[position(size="0.2")])))
        rig.session.hasten()
        await asyncio.sleep(1.5)
        await bracket(rig)
        rig.on(
            "GET account",
            reply(
                account(
                    positions=[position(size="0.2")],
                    open_orders=[
                        order("1"),
                        order("2", "pending", client_order_id=OTHER),
                        order("3", "pending", client_order_id=THIRD),
                    ],
                )
            ),
        )
        await asyncio.sleep(1.5)
        row = fill("a", size="0.2", **FOREIGN)
        rig.on("GET trades", reply([row]))
        await asyncio.sleep(60)
        rig.on("GET account", reply(held("0.4")))
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(20)
        early = gone(rig)
        rig.on("GET trades", reply([row, fill("b", size="0.2", time=T0_MS + 90_000)]))
        await asyncio.sleep(30)
        return [*early, "|", *gone(rig)]

    assert ["|", "1"] == play(story)


def test_a_fill_between_the_two_readings_does_not_hide_the_fill_of_an_entry() -> None:
    async def story(rig: Rig) -> tuple[int, list[str]]:
        await cancel_too_late(rig)
        rig.on("GET account", reply(held("0.2")))  # 0.2 of the entry, in /trades later
        ticket = rig.session.tickets.get(CLOID, 0)
        assert ticket is not None
        await until(lambda: virtual_clock().monotonic_ns() - ticket.since_ns > 9 * 10**9)
        # one foreign buy of 0.2 after the account and before the trades of the next reading
        other = fill("o", size="0.2", **FOREIGN)
        rig.on("GET account", reply(held("0.2")), reply(held("0.4")))
        rig.on("GET trades", reply([other]))
        await asyncio.sleep(5)
        rig.on("GET trades", reply([other, fill("e", size="0.2", time=T0_MS + 6_000)]))
        await asyncio.sleep(30)
        return len(rig.told(OrderFilled)), gone(rig)

    told, ended = play(story)
    assert (2, ["1"]) == (told, ended)


def test_a_fill_held_at_an_opening_without_a_time_is_counted_once() -> None:
    async def run() -> int:
        rig = Rig()
        rig.on("GET account", reply(account(time=None, positions=[position(size="0.5")])))
        rig.on("GET trades", reply([fill(time=T0_MS - 500, **FOREIGN)]))
        unanswered = (Outgoing(VENUE, ACCOUNT, batch(place(), place(OTHER)), 0, b"{}"),)
        seen, living = {ACCOUNT: T0_MS - 2_000}, ((CLOID, 0, 0), (OTHER, 0, 0), (THIRD, 0, 3))
        await rig.open(Resumption(unanswered=unanswered, fills_seen_ms=seen, generations=living))
        for cloid in (CLOID, OTHER, THIRD):
            rig.session.ask(AskOrder(ACCOUNT, BTC, cloid, 0))
        # an order of ours rests for as long, so that nothing is accepted
        rest = order("3", client_order_id=THIRD, price="90")
        rig.on(
            "GET account",
            reply(account(time=None, open_orders=[rest], positions=[position(size="0.5")])),
        )
        await asyncio.sleep(120)
        assert len(rig.told(OrderFilled)) == 1
        await rig.session.aclose()
        return rig.session.fills.standing.unexplained(BTC)

    assert 0 == run_virtual(run())


def test_a_row_that_could_not_be_read_at_first_is_not_counted_twice() -> None:
    async def story(rig: Rig) -> int:
        rig.on("GET account", reply(account(positions=[position(size="0.2")])))
        rig.on("GET trades", reply([fill("a", size="0.2", side="?", **FOREIGN)]))
        await asyncio.sleep(100)
        rig.on("GET trades", reply([fill("a", size="0.2", **FOREIGN)]))
        rest = order("1")
        rig.on("POST orders", reply(rest))
        rig.on("GET account", reply(account(open_orders=[rest], positions=[position(size="0.2")])))
        rig.send(place())
        await asyncio.sleep(60)
        assert len(rig.told(OrderFilled)) == 1
        return rig.session.fills.standing.unexplained(BTC)

    assert 0 == play(story)


def test_an_order_of_an_earlier_run_without_a_market_may_be_on_any() -> None:
    async def run() -> int:
        rig = Rig()
        rig.on("GET account", reply(account()))
        await rig.open(
            Resumption(fills_seen_ms={ACCOUNT: T0_MS - 2_000}, generations=((CLOID, 0, 1),))
        )
        # the engine has not asked about it; it fills 0.2, the row is late
        rig.on(
            "GET account",
            reply(account(open_orders=[order("1")], positions=[position(size="0.2")])),
        )
        await asyncio.sleep(30)
        await rig.session.aclose()
        return rig.session.fills.standing.unexplained(BTC)

    assert 200 == run_virtual(run())


def test_what_is_not_explained_has_the_side_of_what_moved_it() -> None:
    standing = Standing(30 * NS_PER_S)
    standing.open({BTC: 5}, 0)
    lots = [standing.unexplained(BTC)]
    standing.count(BTC, Side.SELL, 5, 1)
    lots.append(standing.unexplained(BTC))
    standing.show({})
    lots.append(standing.unexplained(BTC))
    standing.count(BTC, Side.BUY, 3, 1)
    lots.append(standing.unexplained(BTC))

    assert [0, 5, 0, -3] == lots
    sides = (None, Side.SELL, Side.BUY)
    assert [True, True, False] == [standing.may_hold(BTC, side) for side in sides]


@pytest.mark.parametrize(
    ("unsettled", "after_s", "lots"),
    [([], 0, 3), ([], 29, 3), ([], 30, 0), ([BTC], 30, 3), (["px:ETH"], 30, 0)],
)
def test_what_nothing_of_ours_can_be_the_cause_of_is_accepted_in_time(
    unsettled: list[str], after_s: int, lots: int
) -> None:
    standing = Standing(30 * NS_PER_S)
    standing.open({}, 0)
    standing.show({BTC: 3})
    for now_ns in (0, after_s * NS_PER_S):
        standing.accept(unsettled, now_ns)

    assert lots == standing.unexplained(BTC)


def test_what_is_not_explained_must_stand_still_to_be_accepted() -> None:
    standing = Standing(30 * NS_PER_S)
    standing.open({}, 0)
    for second in range(0, 100, 20):
        standing.show({BTC: second + 1})
        standing.accept([], second * NS_PER_S)

    assert 81 == standing.unexplained(BTC)


def test_a_position_of_the_opening_is_nothing_an_entry_waits_for() -> None:
    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(positions=[position(size="0.2")])))
        await rig.open()
        await bracket(rig)
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.on("GET account", reply(held("0.2")))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(20)
        await rig.session.aclose()
        return gone(rig)

    assert ["1", "2", "3"] == run_virtual(run())


def test_a_position_that_came_while_nothing_was_alive_is_nothing_an_entry_waits_for() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("GET account", reply(account(positions=[position(size="0.2")])))
        await asyncio.sleep(70)
        await bracket(rig)
        rig.on("DELETE orders/1", NOT_FOUND)
        rig.on("GET account", reply(held("0.2")))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(20)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_a_fill_of_the_opening_or_before_moves_nothing_that_it_explains() -> None:
    parts = Parts()
    parts.fills.goes_on = True
    parts.fills.opened_ms = T0_MS
    parts.ticket(CLOID, Phase.LIVE)
    parts.fills.standing.open({BTC: 500}, T0_MS)
    assert 1 == len(parts.take(fill(time=T0_MS)))
    assert parts.fills.standing.is_explained


def test_a_reading_before_a_fill_is_not_accepted_as_explained() -> None:
    async def run() -> int:
        rig = Rig()
        rig.on("GET account", reply(account(time=None)))
        await rig.open()
        rig.on("GET trades", reply([fill("a", **FOREIGN, size="0.2", time=T0_MS + 10)]))
        await rig.session.poll(with_account=True)
        await rig.session.aclose()
        return rig.session.fills.standing.unexplained(BTC)

    assert -200 == run_virtual(run())
