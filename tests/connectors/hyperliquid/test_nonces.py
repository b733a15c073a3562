"""Nonces rise whatever the clock does, and start above what was used before."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from connectors.hyperliquid.nonces import Nonces
from engine.drive.seams import ManualClock
from engine.model.units import NS_PER_MS

NOW_MS = 1_700_000_000_000


def nonces(*, high_water: int = 0, offset_ms: int = 0) -> tuple[Nonces, ManualClock]:
    clock = ManualClock(NOW_MS * NS_PER_MS + 999_999)
    return Nonces(clock, high_water=high_water, offset_ms=offset_ms), clock


def test_a_nonce_is_the_time_and_one_more_within_a_millisecond() -> None:
    source, clock = nonces()
    first = [source.next() for _ in range(3)]
    clock.advance(10 * NS_PER_MS)

    assert [NOW_MS, NOW_MS + 1, NOW_MS + 2] == first
    assert NOW_MS + 10 == source.next()


def test_a_nonce_follows_the_venues_clock() -> None:
    assert NOW_MS - 4_000 == nonces(offset_ms=-4_000)[0].next()


def test_a_clock_set_back_gives_no_nonce_twice() -> None:
    source, clock = nonces()
    first = source.next()
    clock.set_now(0)

    assert first + 1 == source.next()


def test_after_a_restart_nonces_start_above_the_journaled_mark() -> None:
    source, _ = nonces(high_water=NOW_MS + 50)

    assert NOW_MS + 51 == source.next()
    assert NOW_MS + 51 == source.high_water


def test_a_mark_is_only_ever_raised() -> None:
    source, _ = nonces()
    source.raise_to(NOW_MS + 7)
    source.raise_to(NOW_MS + 3)

    assert NOW_MS + 8 == source.next()


@given(st.lists(st.integers(0, 2 * NOW_MS), max_size=50))
def test_nonces_always_rise(times_ms: list[int]) -> None:
    source, clock = nonces()
    given_out = []
    for now_ms in times_ms:
        clock.set_now(now_ms * NS_PER_MS)
        given_out.append(source.next())

    assert all(earlier < later for earlier, later in pairwise(given_out))
