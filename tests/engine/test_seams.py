"""The clocks, the randomness and the in-memory transport do what a driver relies on."""

from __future__ import annotations

import asyncio

import pytest

from engine.drive.seams import (
    Clock,
    ManualClock,
    MemoryTransport,
    Overflow,
    Randomness,
    SeededRandomness,
    SystemClock,
    SystemRandomness,
    Transport,
    wall_seconds,
)
from engine.drive.virtual_time import run_virtual
from engine.errors import ModelError, TransportError
from engine.model.commands import Batch
from engine.model.events import AnyEvent, BlockTime

YEAR_2020_NS = 1_577_836_800 * 10**9
YEAR_2100_NS = 4_102_444_800 * 10**9


def batch(number: int) -> Batch:
    return Batch("main", "order", (), number, 1)


def event(number: int) -> BlockTime:
    return BlockTime(number, number)


# -- clock -----------------------------------------------------------------------------------------


def test_the_system_clock_tells_utc_in_nanoseconds_and_its_monotonic_time_never_runs_back() -> None:
    clock: Clock = SystemClock()
    times = [clock.monotonic_ns() for _ in range(100)]

    assert YEAR_2020_NS < clock.now_ns() < YEAR_2100_NS
    assert sorted(times) == times


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(YEAR_2020_NS)

    before = (clock.now_ns(), clock.monotonic_ns(), clock.now_ns())
    clock.advance(5)

    assert (YEAR_2020_NS, 0, YEAR_2020_NS) == before
    assert (YEAR_2020_NS + 5, 5) == (clock.now_ns(), clock.monotonic_ns())


def test_setting_a_manual_clock_back_lets_no_time_pass() -> None:
    clock = ManualClock(YEAR_2020_NS)
    clock.advance(7)

    clock.set_now(YEAR_2020_NS - 3_600)

    assert (YEAR_2020_NS - 3_600, 7) == (clock.now_ns(), clock.monotonic_ns())


def test_time_on_a_manual_clock_does_not_run_back() -> None:
    with pytest.raises(ModelError, match="advance by -1 ns, expected 0 or more"):
        ManualClock().advance(-1)


def test_wall_seconds_do_not_run_back() -> None:
    times = [wall_seconds() for _ in range(100)]

    assert sorted(times) == times


# -- randomness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("randomness", [SystemRandomness(), SeededRandomness(1)])
def test_randomness_fills_its_whole_range_and_never_leaves_it(randomness: Randomness) -> None:
    integers = [randomness.u64() for _ in range(2_000)]
    floats = [randomness.uniform() for _ in range(2_000)]

    assert all(0 <= number < 2**64 for number in integers)
    assert len(set(integers)) == len(integers)
    assert {True} == {any(number >> bit & 1 for number in integers) for bit in range(64)}
    assert {True} == {any(not number >> bit & 1 for number in integers) for bit in range(64)}
    assert all(0.0 <= number < 1.0 for number in floats)
    assert set(range(10)) == {int(number * 10) for number in floats}


def test_the_same_seed_gives_the_same_numbers_on_every_python() -> None:
    randomness = SeededRandomness(7)

    assert 0xF2A74DE452E6B438 == randomness.u64()
    assert 0.15084917392450192 == randomness.uniform()
    assert randomness.u64() != SeededRandomness(8).u64()


# -- the in-memory transport -----------------------------------------------------------------------


def test_batches_go_out_and_events_come_in_each_in_order() -> None:
    async def main() -> tuple[list[Batch], list[AnyEvent]]:
        transport = MemoryTransport()
        link: Transport = transport
        await link.send(batch(1))
        await transport.emit(event(1))
        await link.send(batch(2))
        await transport.emit(event(2))
        await link.aclose()
        return [item async for item in transport.batches()], [item async for item in link.events()]

    assert ([batch(1), batch(2)], [event(1), event(2)]) == run_virtual(main())


def test_closing_wakes_a_reader_and_closing_again_does_nothing() -> None:
    async def main() -> list[AnyEvent]:
        transport = MemoryTransport()

        async def read() -> list[AnyEvent]:
            return [item async for item in transport.events()]

        reading = asyncio.create_task(read())
        await asyncio.sleep(1)
        await transport.emit(event(1))
        await asyncio.sleep(1)
        await transport.aclose()
        await transport.aclose()
        return await reading

    assert [event(1)] == run_virtual(main())


def test_a_closed_transport_takes_nothing_more() -> None:
    async def main() -> None:
        transport = MemoryTransport()
        await transport.aclose()
        with pytest.raises(TransportError, match="batches: the link is closed"):
            await transport.send(batch(1))
        with pytest.raises(TransportError, match="events: the link is closed"):
            await transport.emit(event(1))

    run_virtual(main())


def test_a_full_queue_that_waits_holds_the_sender_until_there_is_room() -> None:
    async def main() -> list[str]:
        transport = MemoryTransport(events_max=2, on_event_overflow=Overflow.WAIT)
        log: list[str] = []

        async def send() -> None:
            for number in range(4):
                await transport.emit(event(number))
                log.append(f"sent {number}")
            await transport.aclose()

        sending = asyncio.create_task(send())
        await asyncio.sleep(1)
        log.append("reading")
        log.extend([f"read {item.ts_local_ns}" async for item in transport.events()])
        await sending
        assert 0 == transport.events_dropped
        return log

    log = run_virtual(main())

    assert ["sent 0", "sent 1", "reading"] == log[:3]
    assert ["read 0", "read 1", "read 2", "read 3"] == log[-4:]


def test_closing_releases_a_sender_that_waits_for_room() -> None:
    async def main() -> None:
        transport = MemoryTransport(events_max=1)
        await transport.emit(event(1))
        sending = asyncio.create_task(transport.emit(event(2)))
        await asyncio.sleep(1)
        await transport.aclose()
        with pytest.raises(TransportError, match="the link is closed"):
            await sending

    run_virtual(main())


def test_a_full_queue_that_drops_the_oldest_counts_what_it_dropped() -> None:
    async def main() -> tuple[list[AnyEvent], int]:
        transport = MemoryTransport(events_max=2, on_event_overflow=Overflow.DROP_OLDEST)
        for number in range(5):
            await transport.emit(event(number))
        await transport.aclose()
        return [item async for item in transport.events()], transport.events_dropped

    assert ([event(3), event(4)], 3) == run_virtual(main())


def test_a_full_queue_that_fails_keeps_what_it_holds() -> None:
    async def main() -> list[Batch]:
        transport = MemoryTransport(batches_max=1, on_batch_overflow=Overflow.FAIL)
        await transport.send(batch(1))
        with pytest.raises(TransportError, match="batches: 1 are waiting, expected fewer than 1"):
            await transport.send(batch(2))
        await transport.aclose()
        assert 0 == transport.batches_dropped
        return [item async for item in transport.batches()]

    assert [batch(1)] == run_virtual(main())


def test_a_queue_without_room_for_anything_is_refused() -> None:
    with pytest.raises(ModelError, match="events_max is 0, expected at least 1"):
        MemoryTransport(events_max=0)
