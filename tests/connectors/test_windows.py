"""A sliding window: what fits, what waits, and for how long."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.windows import Window
from engine.drive.seams import ManualClock
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import ModelError
from engine.model.units import NS_PER_S


def test_what_was_spent_counts_for_the_span_and_no_longer() -> None:
    clock = ManualClock()
    window = Window(10, 60, clock)
    window.spend(4)
    clock.advance(30 * NS_PER_S)
    window.spend(6)
    assert 10 == window.used

    clock.advance(30 * NS_PER_S - 1)
    assert 10 == window.used
    clock.advance(1)
    assert 6 == window.used


@pytest.mark.parametrize(
    ("amount", "reserve", "expected_s"),
    [(4, 0, 0.0), (5, 0, 50.0), (1, 4, 50.0), (9, 0, 60.0), (10, 0, 60.0), (11, 0, 60.0)],
)
def test_the_wait_is_until_enough_of_what_was_spent_is_forgotten(
    amount: int, reserve: int, expected_s: float
) -> None:
    clock = ManualClock()
    window = Window(10, 60, clock)
    window.spend(4)
    clock.advance(10 * NS_PER_S)
    window.spend(2)

    assert expected_s == window.wait_s(amount, reserve)


def test_a_shut_window_lets_nothing_through_for_a_while() -> None:
    clock = ManualClock()
    window = Window(10, 60, clock)
    window.shut(5)
    assert 5 == window.wait_s()
    clock.advance(5 * NS_PER_S)
    assert 0 == window.wait_s()


def test_an_empty_window_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ModelError, match="at least 1"):
        Window(0, 60, ManualClock())


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=60))
def test_never_more_is_taken_within_the_span_than_the_window_allows(
    wishes: list[tuple[int, int]],
) -> None:
    async def play() -> list[tuple[float, int]]:
        clock = virtual_clock()
        window = Window(7, 10, clock)
        taken: list[tuple[float, int]] = []

        async def take(after_s: int, amount: int) -> None:
            await asyncio.sleep(after_s)
            await window.take(amount)
            taken.append((clock.monotonic_ns() / NS_PER_S, amount))

        await asyncio.gather(*[take(*wish) for wish in wishes])
        return taken

    taken = run_virtual(play())

    assert sorted(amount for _, amount in wishes) == sorted(amount for _, amount in taken)
    for at, _ in taken:
        assert sum(amount for when, amount in taken if at - 10 < when <= at) <= 7


def test_what_is_urgent_passes_everybody_who_waits_in_line() -> None:
    async def play() -> list[str]:
        window = Window(10, 60, virtual_clock())
        window.spend(8)
        order: list[str] = []

        async def wait() -> None:
            await window.take(5, 4)
            order.append("line")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(1)
        await window.take_first(2)
        order.append("urgent")
        await waiting
        return order

    assert ["urgent", "line"] == run_virtual(play())


def test_a_shorter_shut_does_not_open_a_window_that_is_shut_for_longer() -> None:
    window = Window(10, 60, ManualClock())
    window.shut(5)
    window.shut(1)

    assert 5 == window.wait_s()
