"""A process that stood still (stopped, asleep, busy) takes nothing that waited meanwhile for new.

Frames wait in the sockets and are stamped when they are read. What an engine makes of them is asked
of an engine: a strategy that buys at every price it hears of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine.core import Engine
from engine.drive.virtual_time import VirtualTimeLoop
from engine.model.events import (
    AccountOpened,
    AnyEvent,
    AssetContext,
    BookSnapshot,
    EngineStarted,
    StreamChanged,
    TimerFired,
)
from engine.model.units import NS_PER_S
from tests.connectors.hyperliquid.link_parts import BTC
from tests.connectors.hyperliquid.venue_in_memory import Rig, book, context, virtually
from tests.engine.builders import BUY, EPOCH, MAIN, Scripted, checks, commands, engine_with


def stand_still(seconds: float) -> None:
    """Time passes, and nothing of this process runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.elapsed_ns += round(seconds * NS_PER_S)


async def trade(rig: Rig, seconds: int) -> None:
    """A market that lives."""
    for _ in range(2 * seconds):
        book(rig.market, rig.venue)
        context(rig.market)
        rig.user.put("")
        await asyncio.sleep(0.5)


def buys(events: Sequence[AnyEvent]) -> list[tuple[int, bool]]:
    """(when, whether it went out) of an order that is asked for at every price there is."""

    def script(me: Scripted, handler: str, _: object) -> Any:  # noqa: ANN401
        return [me.limit("hl:BTC", BUY, 100.0, 0.2)] if handler == "on_timer" else None

    engine: Engine = engine_with(Scripted(script=script), instruments=(BTC,))
    begun_ns = events[0].ts_local_ns
    engine.step(AccountOpened(begun_ns, begun_ns, MAIN, "hl", 10**15))
    engine.step(EngineStarted(begun_ns, begun_ns, EPOCH))
    made = []
    for event in events:
        engine.step(event)
        if isinstance(event, BookSnapshot | AssetContext):
            now_ns = event.ts_local_ns
            effects = engine.step(TimerFired(now_ns, now_ns, "one", "buy"))
            is_sent = bool(commands(effects))
            assert is_sent is not bool(checks(effects))
            made.append((now_ns, is_sent))
    return made


def both(rig: Rig) -> None:
    """A book and a context are on their way."""
    book(rig.market, rig.venue)
    context(rig.market)


def context_first(rig: Rig) -> None:
    """The other way round."""
    context(rig.market)
    book(rig.market, rig.venue)


def only_context(rig: Rig) -> None:
    """What carries no time of the venue."""
    context(rig.market)


@pytest.mark.parametrize("seconds", [6, 20, 3_600])
@pytest.mark.parametrize("waiting", [both, context_first, only_context])
def test_nothing_is_bought_on_what_waited_while_the_process_stood_still(
    waiting: Callable[[Rig], None], seconds: float
) -> None:
    @virtually
    async def play(rig: Rig) -> None:
        await rig.open()
        await trade(rig, 20)
        before_ns = rig.venue.clock.now_ns()
        waiting(rig)
        stand_still(seconds)
        await asyncio.sleep(5)
        made = buys(rig.events)
        assert made[2][1], "it buys while the market lives"
        assert [] == [when for when, is_sent in made if when > before_ns and is_sent]

        await trade(rig, 5)
        assert buys(rig.events)[-1][1], "it buys again once the market is there"

    play()


@virtually
async def test_a_book_that_is_late_is_told_to_be_stale_before_it_is_told(rig: Rig) -> None:
    await rig.open()
    await trade(rig, 20)
    book(rig.market, rig.venue)
    rig.events.clear()
    stand_still(3)
    await asyncio.sleep(0.01)

    told = [
        event.phase.value if isinstance(event, StreamChanged) else "book"
        for event in rig.events
        if isinstance(event, BookSnapshot)
        or (isinstance(event, StreamChanged) and event.stream == "hl l2Book")
    ]
    assert ["stale", "book"] == told


@virtually
async def test_a_usual_delay_and_a_quiet_stream_stay_fresh(rig: Rig) -> None:
    await rig.open()
    await trade(rig, 20)
    for _ in range(20):
        both(rig)
        rig.user.put("")
        stand_still(1.5)
        await asyncio.sleep(0.5)

    assert all(is_sent for _, is_sent in buys(rig.events)[2:])
    assert ["down", "up", "ready"] == rig.phases("hl market")
