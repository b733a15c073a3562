"""Virtual time passes exactly and in order, takes no real time, and never waits for the world."""

from __future__ import annotations

import asyncio
import math
import os
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.drive.virtual_time import START_NS, VirtualTimeLoop, run_virtual, virtual_clock
from engine.errors import VirtualTimeError

HOUR_NS = 3600 * 10**9


def test_an_hour_of_sleep_is_exactly_an_hour_on_the_clock() -> None:
    async def main() -> tuple[int, int]:
        clock = virtual_clock()
        started_ns = clock.now_ns()
        await asyncio.sleep(3600)
        return started_ns, clock.now_ns()

    assert (START_NS, START_NS + HOUR_NS) == run_virtual(main())
    assert (5, 5 + HOUR_NS) == run_virtual(main(), start_ns=5)


def test_the_monotonic_time_and_the_loops_time_start_at_zero_and_pass_with_the_clock() -> None:
    async def main() -> list[tuple[int, float]]:
        clock = virtual_clock()
        times = [(clock.monotonic_ns(), asyncio.get_running_loop().time())]
        await asyncio.sleep(1.5)
        return [*times, (clock.monotonic_ns(), asyncio.get_running_loop().time())]

    assert [(0, 0.0), (1_500_000_000, 1.5)] == run_virtual(main())


@given(
    delays_ns=st.lists(st.integers(0, 10**12), max_size=20),
    days=st.sampled_from([0, 1, 400, 40_000]),
)
def test_sleeps_add_up_to_the_nanosecond_however_late_it_is(
    delays_ns: list[int], days: int
) -> None:
    async def main() -> int:
        await asyncio.sleep(days * 86_400)
        for delay_ns in delays_ns:
            await asyncio.sleep(delay_ns / 10**9)
        return virtual_clock().monotonic_ns()

    assert days * 24 * HOUR_NS + sum(delays_ns) == run_virtual(main())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_timers_fire_by_time_and_those_at_one_instant_in_the_order_asked_for(
    delays_ms: list[int],
) -> None:
    async def main() -> list[tuple[int, int]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[int, int]] = []
        for number, delay_ms in enumerate(delays_ms):
            loop.call_later(delay_ms / 1000, fired.append, (delay_ms, number))
        await asyncio.sleep(1)
        return fired

    expected = sorted((delay_ms, number) for number, delay_ms in enumerate(delays_ms))
    assert expected == run_virtual(main())


def test_timers_that_differ_only_by_float_rounding_are_at_one_instant() -> None:
    """0.1 + 0.2 is more than 0.3 as a float, and the same nanosecond."""

    async def main() -> list[tuple[str, int]]:
        loop, clock = asyncio.get_running_loop(), virtual_clock()
        fired: list[tuple[str, int]] = []
        loop.call_at(0.1 + 0.2, lambda: fired.append(("sum", clock.monotonic_ns())))
        loop.call_at(0.3, lambda: fired.append(("whole", clock.monotonic_ns())))
        await asyncio.sleep(1)
        return fired

    assert [("sum", 300_000_000), ("whole", 300_000_000)] == run_virtual(main())


def test_a_timer_in_the_past_fires_now_and_turns_no_time_back() -> None:
    async def main() -> list[int]:
        loop, clock = asyncio.get_running_loop(), virtual_clock()
        await asyncio.sleep(10)
        fired: list[int] = []
        loop.call_at(1, lambda: fired.append(clock.monotonic_ns()))
        await asyncio.sleep(1)
        return [*fired, clock.monotonic_ns()]

    assert [10 * 10**9, 11 * 10**9] == run_virtual(main())


def test_a_cancelled_timer_neither_fires_nor_lets_its_time_pass() -> None:
    async def main() -> tuple[list[str], int]:
        loop = asyncio.get_running_loop()
        fired: list[str] = []
        loop.set_exception_handler(lambda _, context: fired.append(str(context)))
        loop.call_later(100, fired.append, "cancelled").cancel()
        loop.call_later(1, fired.append, "cancelled too").cancel()
        loop.call_later(5, fired.append, "fired")
        loop.call_later(5, fired.append, "cancelled behind another").cancel()
        loop.call_soon(fired.append, "cancelled when ready").cancel()
        await asyncio.sleep(5)
        return fired, virtual_clock().monotonic_ns()

    assert (["fired"], 5 * 10**9) == run_virtual(main())


def test_work_that_is_ready_runs_before_time_passes() -> None:
    async def main() -> list[int]:
        clock = virtual_clock()
        asyncio.get_running_loop().call_later(1, lambda: None)
        times = []
        for _ in range(100):
            await asyncio.sleep(0)
            times.append(clock.monotonic_ns())
        return times

    assert [0] * 100 == run_virtual(main())


def test_waiting_with_a_timeout_times_out_exactly_when_it_should() -> None:
    async def main() -> tuple[int, int]:
        clock = virtual_clock()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), timeout=30)
        first_ns = clock.monotonic_ns()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await asyncio.sleep(1000)
        return first_ns, clock.monotonic_ns()

    assert (30 * 10**9, 30_250_000_000) == run_virtual(main())


def test_what_is_done_before_its_timeout_takes_only_its_own_time() -> None:
    async def main() -> int:
        await asyncio.wait_for(asyncio.sleep(2), timeout=30)
        return virtual_clock().monotonic_ns()

    assert 2 * 10**9 == run_virtual(main())


def test_tasks_interleave_by_time() -> None:
    async def main() -> list[tuple[str, int]]:
        clock, log = virtual_clock(), list[tuple[str, int]]()

        async def tick(name: str, every_s: float, times: int) -> None:
            for _ in range(times):
                await asyncio.sleep(every_s)
                log.append((name, clock.monotonic_ns() // 10**9))

        async with asyncio.TaskGroup() as group:
            group.create_task(tick("a", 2, 3))
            group.create_task(tick("b", 3, 2))
        return log

    assert [("a", 2), ("b", 3), ("a", 4), ("b", 6), ("a", 6)] == run_virtual(main())


def test_a_days_work_uses_no_clock_and_no_waiting_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the real world was asked")

    async def main() -> int:
        for module, name in [
            (time, "time"),
            (time, "time_ns"),
            (time, "monotonic"),
            (time, "monotonic_ns"),
            (time, "sleep"),
            (selectors.DefaultSelector, "select"),
        ]:
            monkeypatch.setattr(module, name, refuse)
        try:
            for _ in range(24):
                await asyncio.sleep(3600)
        finally:
            monkeypatch.undo()
        return virtual_clock().monotonic_ns()

    assert 24 * HOUR_NS == run_virtual(main())


# -- what never ends -------------------------------------------------------------------------------


def test_waiting_for_what_nobody_will_do_is_a_deadlock_that_names_who_waits() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.sleep(2)
        await asyncio.create_task(wait_for_nothing(), name="the sleeper")

    with pytest.raises(VirtualTimeError) as caught:
        run_virtual(main())

    message = str(caught.value)
    assert "deadlock after 2000000000 virtual ns" in message
    assert "the sleeper: " in message
    assert "wait_for_nothing at " in message
    assert "main at " in message


def test_a_deadlock_of_many_tasks_names_ten_and_counts_the_rest() -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.Event().wait() for _ in range(30)))

    with pytest.raises(VirtualTimeError, match=r"and 21 more$") as caught:
        run_virtual(main())

    assert 11 == str(caught.value).count("\n")


def test_only_cancelled_timers_left_is_a_deadlock_too() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(5, lambda: None).cancel()
        await asyncio.Event().wait()

    with pytest.raises(VirtualTimeError, match="deadlock after 0 virtual ns"):
        run_virtual(main())


def test_tasks_left_behind_by_a_deadlock_are_cancelled() -> None:
    cleaned: list[str] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("main")

    with pytest.raises(VirtualTimeError):
        run_virtual(main())

    assert ["main"] == cleaned


# -- the real world --------------------------------------------------------------------------------


async def connect() -> None:
    await asyncio.open_connection("127.0.0.1", 1)


async def serve() -> None:
    await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)


async def think_in_a_thread() -> None:
    await asyncio.to_thread(math.sqrt, 2.0)


async def start_a_process() -> None:
    await asyncio.create_subprocess_exec("true")


async def watch_a_pipe() -> None:
    read, write = os.pipe()
    try:
        asyncio.get_running_loop().add_reader(read, lambda: None)
    finally:
        os.close(read)
        os.close(write)


async def catch_a_signal() -> None:
    asyncio.get_running_loop().add_signal_handler(15, lambda: None)


async def look_up_a_name() -> None:
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (connect, "create_connection"),
        (serve, "create_server"),
        (think_in_a_thread, "run_in_executor"),
        (start_a_process, "subprocess_exec"),
        (watch_a_pipe, "add_reader"),
        (catch_a_signal, "add_signal_handler"),
        (look_up_a_name, "getaddrinfo"),
    ],
)
def test_what_needs_the_real_world_is_refused_by_name(
    work: Callable[[], Awaitable[None]], name: str
) -> None:
    async def main() -> None:
        await work()

    with pytest.raises(VirtualTimeError, match=rf"^{name}\(.* would wait for the real world"):
        run_virtual(main())


def test_no_waiting_method_of_asyncio_loops_is_left_unrefused() -> None:
    """Whatever the selector loop can do with files, sockets, names, processes and threads."""
    waiting = ("sock_", "create_", "connect_", "subprocess_", "add_", "start_tls", "sendfile")
    harmless = {"create_future", "create_task"}
    names = {name for name in dir(asyncio.SelectorEventLoop) if name.startswith(waiting)}

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        left = []
        for name in sorted(names - harmless | {"run_in_executor", "getaddrinfo", "getnameinfo"}):
            try:
                getattr(loop, name)()
            except VirtualTimeError:
                continue
            except TypeError:
                left.append(name)
        return left

    assert [] == run_virtual(main())


# -- what is left ----------------------------------------------------------------------------------


def test_the_result_and_the_exception_of_the_run_come_out() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_virtual(fail())


def test_there_is_no_virtual_clock_in_real_time() -> None:
    async def main() -> None:
        virtual_clock()

    with (
        pytest.raises(VirtualTimeError, match="expected the loop of run_virtual"),
        asyncio.Runner() as runner,
    ):
        runner.run(main())


def test_a_closed_loop_takes_no_timers() -> None:
    loop = VirtualTimeLoop()
    loop.close()

    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)
