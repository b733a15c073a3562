"""What is given up has ended, unless it goes on too long."""

from __future__ import annotations

import asyncio

import pytest

from engine.drive.unless import unless
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import StoppedEarly
from engine.model.units import NS_PER_S

ASKED_AFTER_S = 1.0


@pytest.mark.parametrize(("cleanup_s", "given_up_s"), [(1.0, 1.0), (11.0, 10.0)])
def test_what_was_given_up_has_ended_before_it_is_said_or_ten_seconds_are_over(
    cleanup_s: float, given_up_s: float
) -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(100.0)
        finally:
            await asyncio.sleep(cleanup_s)
            ended.append(True)

    async def run() -> float:
        clock, asked = virtual_clock(), asyncio.Event()
        asyncio.get_running_loop().call_later(ASKED_AFTER_S, asked.set)
        began_ns = clock.monotonic_ns()
        with pytest.raises(StoppedEarly):
            await unless(asked, work())
        assert (cleanup_s == given_up_s) is bool(ended)
        return (clock.monotonic_ns() - began_ns) / NS_PER_S

    assert ASKED_AFTER_S + given_up_s == run_virtual(run())
