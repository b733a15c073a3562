"""What cannot be true in a row of the venue's hides nothing that is."""

from __future__ import annotations

import asyncio
import gc
from typing import Any
from urllib.parse import parse_qs

import pytest

from connectors.perpex.client_ids import client_id
from connectors.perpex.tickets import Ticket
from connectors.port import Resumption
from engine.drive.virtual_time import run_virtual
from engine.errors import VenueError
from engine.model.events import AccountRead, OrderFilled
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    CLOID,
    OTHER,
    account,
    fill,
    now_ms,
    order,
    place,
    position,
    reply,
    until,
)
from tests.connectors.perpex.test_orders import FOREIGN, Rig, play

YEAR_MS = 365 * 24 * 3_600_000
ACCOUNT_STREAM = "perpex account"


def starts_ms(rig: Rig) -> list[int]:
    """From when on each reading of /trades asked for fills."""
    return [int(parse_qs(call.query)["start"][0]) for call in rig.http.calls("GET", "/trades")]


def test_a_fill_from_the_future_hides_no_later_fill_and_stops_new_risk_while_it_is_shown() -> None:
    async def story(rig: Rig) -> tuple[int, list[str], list[str], bool]:
        untrue = fill("x", **FOREIGN, time=now_ms() + YEAR_MS)
        rig.on("GET trades", reply([untrue]))
        await asyncio.sleep(60)
        early = rig.phases(ACCOUNT_STREAM)
        rig.on("GET trades", reply([untrue, fill("f", **FOREIGN, time=now_ms())]))
        await asyncio.sleep(60)
        told = len(rig.told(OrderFilled))
        rig.on("GET trades", reply([]))
        await asyncio.sleep(60)
        return told, early, rig.phases(ACCOUNT_STREAM), max(starts_ms(rig)) <= now_ms()

    assert (1, ["gap"], ["gap", "ready"], True) == play(story)


@pytest.mark.parametrize("has_time", [False, True])
@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_fill_from_the_future_at_the_opening_hides_no_later_fill(
    has_time: bool,  # noqa: FBT001 - a parameter of the test
    is_resumed: bool,  # noqa: FBT001
) -> None:
    async def run() -> tuple[list[int], bool, bool]:
        rig = Rig()
        opened_ms = now_ms()
        seen_ms = {ACCOUNT: opened_ms - 5_000} if is_resumed else {}
        untrue = fill("77", **FOREIGN, time=opened_ms + YEAR_MS)
        rig.on("GET account", reply(account(time=opened_ms if has_time else None)))
        rig.on("GET trades", reply([untrue]))
        state = await rig.open(Resumption(fills_seen_ms=seen_ms))
        await asyncio.sleep(20)
        rig.on("GET trades", reply([untrue, fill("5", **FOREIGN, time=now_ms())]))
        await asyncio.sleep(60)
        await rig.session.aclose()
        told = [event.trade_id for event in rig.told(OrderFilled)]
        is_sane = state.ts_venue_ns <= opened_ms * 10**6
        return told, is_sane, max(starts_ms(rig)) <= now_ms()

    assert ([5], True, True) == run_virtual(run())


def test_a_journal_that_booked_a_fill_from_the_future_reads_fills_from_now_on() -> None:
    async def run() -> tuple[list[int], bool]:
        rig = Rig()
        rig.on("GET account", reply(account(time=now_ms())))
        await rig.open(Resumption(fills_seen_ms={ACCOUNT: now_ms() + YEAR_MS}))
        rig.on("GET trades", reply([fill("5", **FOREIGN, time=now_ms() + 1)]))
        await asyncio.sleep(60)
        await rig.session.aclose()
        told = [event.trade_id for event in rig.told(OrderFilled)]
        return told, max(starts_ms(rig)) <= now_ms()

    assert ([5], True) == run_virtual(run())


def test_an_account_from_the_future_is_not_opened() -> None:
    async def run() -> None:
        rig = Rig()
        rig.on("GET account", reply(account(time=now_ms() + YEAR_MS)))
        await rig.open()

    with pytest.raises(VenueError, match="time"):
        run_virtual(run())


def test_an_account_from_the_future_is_stale_and_is_not_told() -> None:
    async def story(rig: Rig) -> tuple[list[str], int]:
        rig.heard.clear()
        rig.on("GET account", reply(account(time=now_ms() + YEAR_MS)))
        await asyncio.sleep(60)
        return rig.phases(ACCOUNT_STREAM), len(rig.told(AccountRead))

    assert (["stale"], 0) == play(story)


def test_a_fill_that_is_held_does_not_make_every_reading_begin_with_it() -> None:
    async def story(rig: Rig) -> tuple[int, int]:
        for cloid in (CLOID, OTHER):
            rig.on("POST orders", 60.0)
            rig.send(place(cloid))
        await asyncio.sleep(20)
        mystery = fill("77", **FOREIGN, time=now_ms())
        rig.on("GET trades", reply([mystery]))
        await until(lambda: bool(rig.session.fills.held))
        held_ms = now_ms()
        await asyncio.sleep(20)
        row = fill("8", order_id="9", client_order_id="of-somebody", time=now_ms())
        rig.on("GET trades", reply([row]))
        await asyncio.sleep(40)
        assert rig.session.fills.held
        behind_ms = starts_ms(rig)[-1] - held_ms
        for cloid in (CLOID, OTHER):
            rig.session.settler.dismiss(cloid)
        await asyncio.sleep(60)
        return behind_ms, sum(one.trade_id == 77 for one in rig.told(OrderFilled))

    behind_ms, told = play(story)
    assert (True, 1) == (behind_ms > 0, told)


def test_rows_with_generations_that_were_never_sent_are_not_remembered_as_orders() -> None:
    async def story(rig: Rig) -> int:
        rig.on("POST orders", reply(order()))
        rig.send(place())
        await asyncio.sleep(5)
        rows: list[Any] = [
            fill(f"{n}", order_id=f"{n}", client_order_id=client_id(CLOID, n), time=now_ms())
            for n in range(100, 600)
        ]
        rig.on("GET trades", reply(rows))
        await asyncio.sleep(10)
        assert len(rig.told(OrderFilled)) == len(rows)
        gc.collect()
        return sum(isinstance(found, Ticket) for found in gc.get_objects())

    assert play(story) < 50


def test_an_account_without_a_time_is_told_of_though_every_reading_brings_a_fill() -> None:
    async def run() -> tuple[int, int]:
        rig = Rig()
        rig.on("GET account", reply(account(time=None)))
        await rig.open()
        rows: list[Any] = []
        accounts, trades = [], []
        for number in range(1, 41):
            rows.append(fill(f"{number}", **FOREIGN, size="0.1", time=now_ms() + number * 500))
            accounts.append(reply(account(time=None, positions=[position(size=number / 10)])))
            trades.append(reply(list(rows)))
        rig.on("GET account", *accounts)
        rig.on("GET trades", *trades)
        rig.heard.clear()
        for _ in range(30):
            await rig.session.poll(with_account=True)
        await rig.session.aclose()
        return len(rig.told(OrderFilled)), len(rig.told(AccountRead))

    assert (30, 30) == run_virtual(run())


def test_a_fill_fifty_minutes_ahead_hides_nothing_that_is_filled_until_then() -> None:
    async def story(rig: Rig) -> tuple[bool, list[str], int]:
        rig.on("GET trades", reply([fill("x", **FOREIGN, time=now_ms() + 50 * 60_000)]))
        rig.on(
            "GET account", reply(account(time=now_ms() + 60_000, positions=[position(size="0.5")]))
        )
        await asyncio.sleep(60)
        start = int(parse_qs(rig.http.calls("GET", "/trades")[-1].query)["start"][0])
        rig.heard.clear()
        await asyncio.sleep(120)
        return start <= now_ms(), rig.phases("perpex account"), len(rig.told(AccountRead))

    is_read, phases, told = play(story)
    assert (True, []) == (is_read, phases)
    assert told


def test_a_move_that_no_fill_tells_is_said_though_every_reading_brings_a_fill() -> None:
    async def run() -> tuple[int, int, list[str]]:
        rig = Rig()
        rig.on("GET account", reply(account(time=None)))
        await rig.open()
        rig.on("POST orders", reply(order("1")))
        rig.send(place())
        await asyncio.sleep(0.1)
        rows: list[Any] = []
        accounts, trades = [], []
        for number in range(1, 101):
            rows.append(fill(f"{number}", **FOREIGN, size="0.1", time=now_ms() + number * 500))
            # 0.3 went away by a liquidation that /trades does not show
            accounts.append(
                reply(
                    account(
                        time=None,
                        open_orders=[order("1")],
                        positions=[position(size=round(number / 10 - 0.3, 1))],
                    )
                )
            )
            trades.append(reply(list(rows)))
        rig.on("GET account", *accounts)
        rig.on("GET trades", *trades)
        rig.heard.clear()
        for _ in range(60):
            await rig.session.poll(with_account=True)
        await rig.session.aclose()
        return len(rig.told(OrderFilled)), len(rig.told(AccountRead)), rig.phases("perpex account")

    filled, read, phases = run_virtual(run())
    assert read > 0 or "gap" in phases, (filled, read, phases)


def test_an_untrue_row_at_a_resumed_opening_is_said_at_once() -> None:

    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(time=now_ms())))
        rig.on("GET trades", reply([fill("77", **FOREIGN, time=now_ms() + YEAR_MS)]))
        await rig.open(Resumption(fills_seen_ms={ACCOUNT: now_ms() - 5_000}))
        phases = rig.phases("perpex account")
        await rig.session.aclose()
        return phases

    assert ["gap"] == run_virtual(run())
