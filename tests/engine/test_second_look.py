"""When positions differ, everything is read again: once at a time, and not all the time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from engine.drive.seams import ManualClock
from engine.drive.second_look import LOOKS_APART_NS, SecondLook
from engine.model.events import AccountRead
from tests.engine.builders import BTC, MAIN, live_house


def differs(*, is_caught_up: bool) -> AccountRead:
    return AccountRead(9, 9, MAIN, 0, 0, ((BTC, 5),), is_caught_up)


def looks_at(times_ns: list[int], event: AccountRead) -> int:
    """How often the link was asked to catch up, the event being watched at these times."""
    house = live_house()
    house.step(AccountRead, MAIN, 0, 0, ((BTC, 5),), False)  # noqa: FBT003
    asked: list[str] = []

    async def refresh(job: str) -> None:
        asked.append(job)

    async def play() -> None:
        clock = ManualClock()
        start_ns = clock.monotonic_ns()
        links: Any = {MAIN: SimpleNamespace(venue="hl", refresh=refresh)}
        look = SecondLook(house.engine, links, clock)
        for at_ns in times_ns:
            clock.advance(at_ns - (clock.monotonic_ns() - start_ns))
            look.watch(event)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await look.aclose()

    asyncio.run(play())
    assert {"orders"} >= set(asked)
    return len(asked)


def test_a_comparison_that_differs_is_looked_into_but_not_again_within_15_s() -> None:
    event = differs(is_caught_up=False)

    assert 1 == looks_at([0, 1, LOOKS_APART_NS - 1], event)
    assert 2 == looks_at([0, LOOKS_APART_NS], event)


def test_what_catching_up_itself_told_is_no_reason_to_look_again() -> None:
    assert 0 == looks_at([0], differs(is_caught_up=True))
