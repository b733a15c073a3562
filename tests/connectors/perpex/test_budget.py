"""120 requests a minute: never more, cancels always first, and a 429 taken seriously."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.perpex.budget import RequestBudget, retry_after_s
from engine.drive.seams import ManualClock
from engine.drive.virtual_time import START_NS, run_virtual, virtual_clock
from engine.model.units import NS_PER_S

MOST, RESERVE = 110, 20


def budget() -> RequestBudget:
    return RequestBudget(MOST, RESERVE, virtual_clock())


def now_s() -> float:
    return virtual_clock().monotonic_ns() / NS_PER_S


def test_orders_are_told_no_when_only_the_reserve_is_left_and_cancels_still_go() -> None:
    async def story() -> tuple[int, bool, float]:
        item = budget()
        sent = 0
        while item.try_orders(1, 0):
            sent += 1
        for _ in range(RESERVE):
            await item.take_cancel()
        at_s = now_s()
        return sent, item.try_orders(1, 0), at_s

    assert (90, False, 0.0) == run_virtual(story())


def test_an_order_that_only_reduces_may_use_the_reserve_and_no_more() -> None:
    async def story() -> tuple[int, bool]:
        item = RequestBudget(MOST, RESERVE, virtual_clock(), read_share=40)
        while item.try_orders(1, 0):
            pass
        reduced = 0
        while item.try_orders(1, 0, only_reduces=True):
            reduced += 1
        return reduced, item.try_orders(1, 0, only_reduces=True)

    # 50 orders used their own part; all that is left of the minute's 110 is there to reduce with.
    assert (MOST - 50, False) == run_virtual(story())


def test_orders_leave_a_share_to_reads_however_often_they_are_asked_for() -> None:
    async def story() -> tuple[int, list[float]]:
        item = RequestBudget(MOST, RESERVE, virtual_clock(), read_share=40)
        sent = 0
        stamps = []
        for second in range(61):
            sent += sum(item.try_orders(1, 0) for _ in range(10))
            if second % 2 == 0:
                await item.take_read()
                stamps.append(now_s())
            await asyncio.sleep(1)
        return sent, stamps

    sent, stamps = run_virtual(story())
    assert 50 == sent
    assert [float(second) for second in range(0, 61, 2)] == stamps, "no read had to wait"


def test_reading_goes_on_where_no_cancel_all_fits_any_more() -> None:
    async def story() -> float:
        item = budget()
        item.open_orders = 80
        item.throttle("0")
        await item.take_read()
        assert not item.try_orders(1, 0)
        return now_s()

    assert 0.0 == run_virtual(story())


def test_a_read_waits_until_the_minute_has_passed() -> None:
    async def story() -> float:
        item = budget()
        while item.try_orders(1, 0):
            pass
        await item.take_read()
        return now_s()

    assert 61.0 == run_virtual(story())


def test_a_cancel_beyond_the_reserve_waits_for_the_window_and_no_longer() -> None:
    async def story() -> float:
        item = budget()
        while item.try_orders(1, 0):
            pass
        for _ in range(RESERVE + 1):
            await item.take_cancel()
        return now_s()

    assert 61.0 == run_virtual(story())


def test_no_order_is_sent_that_would_leave_more_open_than_30_s_can_cancel() -> None:
    async def story() -> int:
        item = budget()
        while item.try_orders(1, 1):
            item.open_orders += 1
        return item.open_orders

    orders = run_virtual(story())
    assert MOST == orders + orders, "each open order has kept one request for its cancel"


def test_cancel_all_fits_in_30_s_at_any_moment_of_a_busy_hour() -> None:
    async def story() -> float:
        item = budget()
        worst_s = 0.0
        for _ in range(120):
            await asyncio.sleep(7)
            for _ in range(12):
                if item.try_orders(1, 1):
                    item.open_orders += 1
            reader = asyncio.create_task(item.take_read())
            await asyncio.sleep(0)
            reader.cancel()
            start_s = now_s()
            while item.open_orders > 40:
                await item.take_cancel()
                item.open_orders -= 1
            worst_s = max(worst_s, now_s() - start_s)
        start_s = now_s()
        while item.open_orders:
            await item.take_cancel()
            item.open_orders -= 1
        return max(worst_s, now_s() - start_s)

    assert run_virtual(story()) <= 30.0


def test_a_429_halves_the_limit_for_a_minute_and_shuts_it_as_long_as_the_venue_says() -> None:
    async def story() -> tuple[list[int], float, float]:
        item = budget()
        most = [item.most]
        waited_s = item.throttle("7")
        most.append(item.most)
        refused = item.try_orders(1, 0)
        await item.take_cancel()
        cancel_s = now_s()
        assert not refused
        await asyncio.sleep(60)
        most.append(item.most)
        return most, waited_s, cancel_s

    assert ([110, 55, 110], 7.0, 7.0) == run_virtual(story())


def test_without_a_header_the_waits_double_up_to_30_s_and_start_anew_after_a_pass() -> None:
    async def story() -> list[float]:
        item = budget()
        waits = [item.throttle(None) for _ in range(7)]
        item.passed()
        return [*waits, item.throttle(None)]

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 1.0] == run_virtual(story())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("5", 5.0),
        (" 2.5 ", 2.5),
        ("-3", 0.0),
        ("999999", 300.0),
        ("inf", 300.0),
        ("nan", None),
        ("soon", None),
        ("Thu, 01 Jan 2026 00:00:09 GMT", 9.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_believed_up_to_5_minutes(
    header: str | None, expected: float | None
) -> None:
    assert expected == retry_after_s(header, ManualClock(START_NS))


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["order", "read", "cancel", "wait"]),
            st.integers(min_value=1, max_value=10),
        ),
        max_size=200,
    )
)
def test_never_more_than_the_limit_in_any_minute_whatever_is_asked(
    steps: list[tuple[str, int]],
) -> None:
    async def story() -> int:
        item = RequestBudget(20, 5, virtual_clock())
        sent: deque[float] = deque()
        worst = 0
        for kind, amount in steps:
            if kind == "wait":
                await asyncio.sleep(amount)
                continue
            if kind == "order":
                count = amount if item.try_orders(amount, 0) else 0
            elif kind == "read":
                await item.take_read()
                count = 1
            else:
                await item.take_cancel()
                count = 1
            at_s = now_s()
            sent += [at_s] * count
            while sent and sent[0] <= at_s - 60:
                sent.popleft()
            worst = max(worst, len(sent))
        return worst

    assert run_virtual(story()) <= 20
