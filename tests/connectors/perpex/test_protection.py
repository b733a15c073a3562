"""Protection stays while a position, or an entry that rests, can need it; then it goes.

On a venue that keeps its own book: orders missed and listed again, entries and profits filled in
parts, cancels that stand in line, and a busy market.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from itertools import groupby

import pytest

from connectors.port import Resumption
from engine.drive.virtual_time import run_virtual
from engine.model.commands import CancelOrder, ModifyOrder
from engine.model.effects import AskOrder
from engine.model.events import AccountRead, OrderFilled, OrderUnclear
from engine.model.units import Side, Tif
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    NOT_FOUND,
    OTHER,
    batch,
    error,
    place,
    until,
)
from tests.connectors.perpex.matching_venue import (
    LAGS,
    MatchingVenue,
    enter,
    move_child,
    settled,
    simulate,
)
from tests.connectors.perpex.test_cleanup import MODIFY_STOP, UNAVAILABLE, cloid_of
from tests.connectors.perpex.test_orders import CANCEL, MODIFY, THIRD, Rig, gone
from tests.connectors.perpex.test_resuming import BRACKET, STOP
from tests.connectors.perpex.test_untrue_rows import ACCOUNT_STREAM

CANCEL_TAKE = CancelOrder(BTC, THIRD, 0)


# -- missed, and listed again ----------------------------------------------------------------------


def test_a_stop_that_is_missed_and_listed_again_stays_while_there_is_a_position() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str]]:
        await enter(rig)
        venue.fill("1", "0.5")
        await asyncio.sleep(20)
        venue.hide("2", 45)
        await asyncio.sleep(120)
        return gone(rig), settled(rig, venue)

    assert (["2"], ["2", "3"]) == simulate(story)


def test_a_stop_that_is_missed_and_listed_again_stays_after_a_restart() -> None:
    async def run() -> tuple[list[str], list[str]]:
        venue, first, second = MatchingVenue(), Rig(), Rig()
        venue.serve(first)
        await first.open()
        await enter(first)
        venue.fill("1", "0.5")
        await asyncio.sleep(20)
        await first.session.aclose()
        entry = first.told(OrderFilled)[0]
        seen_ms = entry.ts_venue_ns // 10**6
        venue.serve(second)
        left = Resumption(
            fills_seen_ms={ACCOUNT: seen_ms},
            fills_seen=frozenset({(ACCOUNT, seen_ms, BTC, entry.trade_id)}),
            generations=((OTHER, 0, 2), (THIRD, 0, 3)),
            filled_lots={CLOID: {0: 500}},
        )
        await second.open(left)
        for cloid in (OTHER, THIRD):
            second.session.ask(AskOrder(ACCOUNT, BTC, cloid, 0))
        await asyncio.sleep(20)
        venue.hide("2", 45)
        await asyncio.sleep(120)
        await second.session.aclose()
        return gone(second), venue.resting

    assert (["2"], ["2", "3"]) == run_virtual(run())


@pytest.mark.parametrize("for_s", [6, 10, 14, 18, 45])
def test_a_stop_without_a_family_stays_however_long_it_was_not_listed(for_s: float) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        rig.send(place())
        await asyncio.sleep(2)
        venue.fill("1", "0.5")
        await asyncio.sleep(5)
        rig.send(place(OTHER, side=Side.SELL, reduce_only=True, trigger=STOP))
        await asyncio.sleep(5)
        venue.hide("2", for_s)
        rig.session.hasten()
        await asyncio.sleep(120)
        return settled(rig, venue)

    assert ["2"] == simulate(story)


def test_a_stop_that_came_back_while_its_entry_rested_goes_when_all_is_over() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str]]:
        await enter(rig)
        venue.hide("2", 45)
        await asyncio.sleep(60)
        early = gone(rig)
        venue.fill("1", "0.5")
        await asyncio.sleep(20)
        rig.send(CANCEL_TAKE, kind="cancel")
        await asyncio.sleep(2)
        venue.trade_by_hand("-0.5")
        await asyncio.sleep(300)
        return early, venue.resting

    assert (["2"], []) == simulate(story)


# -- entries and profits in parts ------------------------------------------------------------------


@pytest.mark.parametrize("lag_s", [0.0, 4.0])
def test_a_profit_on_a_part_leaves_the_stop_to_the_part_that_fills_later(lag_s: float) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.fill("1", "0.2")
        await asyncio.sleep(10)
        venue.fill("3", "0.5")
        await asyncio.sleep(40)
        venue.fill("1", "0.3")
        await asyncio.sleep(120)
        return settled(rig, venue)

    assert ["2"] == simulate(story, lag_s)


@pytest.mark.parametrize("wait_s", [5, 30])
def test_a_profit_canceled_after_a_part_leaves_the_stop_to_an_entry_that_rests(
    wait_s: float,
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.fill("1", "0.2")
        await asyncio.sleep(10)
        venue.fill("3", "0.2", keeps_rest=True)
        await asyncio.sleep(5)
        rig.send(CANCEL_TAKE, kind="cancel")
        await asyncio.sleep(wait_s)
        venue.fill("1", "0.3")
        await asyncio.sleep(60)
        return settled(rig, venue)

    assert ["2"] == simulate(story)


@pytest.mark.parametrize(("first", "later"), [("0.5", "0"), ("0.2", "0.3")])
def test_a_profit_modified_to_a_part_leaves_the_stop_to_the_rest(first: str, later: str) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.fill("1", first)
        await asyncio.sleep(10)
        rig.send(move_child(THIRD, 1, 200, 105_000), kind="modify")
        await asyncio.sleep(5)
        venue.fill("4", "0.2")
        await asyncio.sleep(40)
        venue.fill("1", later)
        await asyncio.sleep(10)
        return settled(rig, venue)

    assert ["2"] == simulate(story)


async def take_a_part(rig: Rig, venue: MatchingVenue) -> None:
    await enter(rig)
    venue.fill("1", "0.5")
    await asyncio.sleep(20)
    venue.fill("3", "0.2")
    await asyncio.sleep(3)


@LAGS
def test_a_profit_that_fills_in_parts_and_is_moved_between_them_closes_all(lag_s: float) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str]]:
        await take_a_part(rig, venue)
        rig.send(move_child(THIRD, 1, 300, 106_000), kind="modify")
        await asyncio.sleep(30)
        early = settled(rig, venue)
        venue.fill("4", "0.3")
        await asyncio.sleep(60)
        return early, settled(rig, venue)

    assert (["2", "4"], []) == simulate(story, lag_s)


@LAGS
def test_a_stop_beside_a_profit_whose_modify_was_refused_can_be_moved_and_closes(
    lag_s: float,
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str], list[str]]:
        await take_a_part(rig, venue)
        venue.failures["POST orders"] = [error(422, "INVALID_PRICE")]
        rig.send(move_child(THIRD, 1, 300, 106_000), kind="modify")
        await asyncio.sleep(30)
        early = settled(rig, venue)
        rig.send(move_child(OTHER, 1, 300, 95_500), kind="modify")
        await asyncio.sleep(20)
        moved = settled(rig, venue)
        venue.fill("4", "0.5")
        await asyncio.sleep(60)
        return early, moved, settled(rig, venue)

    assert (["2"], ["4"], []) == simulate(story, lag_s)


# -- entries that never lived, or whose modify failed ----------------------------------------------


def test_children_sent_by_a_later_request_than_their_refused_entry_go() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> set[str]:
        nine = [place(cloid_of(50 + number), px_ticks=90_000) for number in range(9)]
        made = batch(*nine, *BRACKET.commands, kind="bracket")
        venue.refused.add(CLOID)
        rig.session.desk.send(made, rig.session.desk.prepare(made))
        await asyncio.sleep(120)
        resting = {venue.orders[number].cloid for number in settled(rig, venue)}
        return resting - {one.cloid for one in nine}

    assert set() == simulate(story)


def test_an_entry_that_the_venue_ends_while_its_modify_waits_takes_its_children_along() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.failures["DELETE orders/1"] = [error(429, "RATE_LIMITED", {"Retry-After": "25"})]
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(1)
        venue.end("1")
        await asyncio.sleep(200)
        return settled(rig, venue)

    assert [] == simulate(story)


def test_an_entry_whose_modify_was_unclear_can_be_modified_again_and_keeps_its_children() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.failures["DELETE orders/1"] = [UNAVAILABLE] * 3
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        await asyncio.sleep(60)
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(60)
        return settled(rig, venue)

    assert ["2", "3", "4"] == simulate(story)


def test_an_unclear_modify_beside_a_trade_by_hand_is_settled() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[bool, bool, list[str]]:
        await enter(rig)
        venue.failures["DELETE orders/1"] = [UNAVAILABLE] * 3
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        await asyncio.sleep(2)
        venue.trade_by_hand("0.1")
        await asyncio.sleep(900)
        is_asked, is_held = bool(rig.session.settler.asked), bool(rig.session.fills.held)
        return is_asked, is_held, settled(rig, venue)

    assert (False, False, ["1", "2", "3"]) == simulate(story)


# -- cancels that stand in line --------------------------------------------------------------------


def test_a_cancel_that_waits_behind_a_modify_is_dropped_when_the_entry_turns_out_filled() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.end("1")
        venue.failures["DELETE orders/1"] = [NOT_FOUND]
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(2)
        venue.delays_s["DELETE orders/2"] = 9.0
        rig.send(MODIFY_STOP, kind="modify")
        await until(lambda: "1" in gone(rig), 30)
        await asyncio.sleep(0.5)
        venue.orders["1"].status = "open"
        venue.fill("1", "0.2")
        venue.end("1")
        rig.session.hasten()
        await until(lambda: bool(rig.told(OrderFilled)))
        assert "2" in venue.resting
        await asyncio.sleep(60)
        return venue.resting

    assert "4" in simulate(story)


def test_a_cancel_decided_while_flat_is_dropped_when_the_entry_fills_on() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.fill("1", "0.2")
        await asyncio.sleep(10)
        venue.fill("3", "0.2")
        await asyncio.sleep(8)
        venue.delays_s["DELETE orders/2"] = 8.0
        rig.send(MODIFY_STOP, kind="modify")
        await until(lambda: "3" in gone(rig), 60)
        venue.fill("1", "0.3")
        rig.session.hasten()
        await asyncio.sleep(60)
        return settled(rig, venue)

    assert ["4"] == simulate(story)


# -- a busy market ---------------------------------------------------------------------------------


def test_an_entry_without_a_fill_takes_its_children_along_though_another_order_fills() -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        rig.send(place(cloid_of(9), px_ticks=99_000, sz_lots=50_000))
        await asyncio.sleep(2)
        venue.end("1")
        for _ in range(100):
            venue.fill("4", "0.01")
            await asyncio.sleep(3)
        await asyncio.sleep(100)
        return settled(rig, venue)

    assert ["4"] == simulate(story)


def longest(waits: list[bool]) -> int:
    """How many in a row waited in vain, at most."""
    return max((len(list(run)) for in_vain, run in groupby(waits) if in_vain), default=0)


async def quote(rig: Rig, each_time: Callable[[int], None]) -> list[bool]:
    """Move two quotes every 6 s for 20 minutes; which times no account was told meanwhile."""
    sides = {cloid_of(1): (Side.BUY, 99_000), cloid_of(2): (Side.SELL, 101_000)}
    for cloid, (side, px_ticks) in sides.items():
        rig.send(place(cloid, side=side, px_ticks=px_ticks, sz_lots=50_000))
    await asyncio.sleep(1)
    waits = []
    for number in range(200):
        told = len(rig.told(AccountRead))
        each_time(number)
        await asyncio.sleep(6)
        for cloid, (side, px_ticks) in sides.items():
            px = px_ticks + number % 7
            move = ModifyOrder(BTC, cloid, number + 1, side, px, 50_000, Tif.GTC)
            rig.send(move, kind="modify")
        waits.append(len(rig.told(AccountRead)) == told)
    return waits


@pytest.mark.parametrize("lag_s", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("unexplained", ["0", "0.3"])
def test_two_quotes_that_move_and_fill_leave_the_account_told_and_ready(
    lag_s: float, unexplained: str
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[int, list[str], bool]:
        def trade(number: int) -> None:
            if number == 20:
                venue.position += Decimal(unexplained)
            if number % 3 == 1:
                venue.fill(min(venue.resting, key=int), "0.1")

        waits = await quote(rig, trade)
        await asyncio.sleep(60)
        settled(rig, venue)
        return longest(waits), rig.phases(ACCOUNT_STREAM), rig.session.fills.standing.is_explained

    in_vain, phases, is_explained = simulate(story, lag_s)
    assert in_vain < 5
    assert [] == phases
    assert is_explained
