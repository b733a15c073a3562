"""Age limits of market data: measured, bounded, and told exactly when something changes."""

from __future__ import annotations

import asyncio

from connectors.freshness import Freshness, FreshnessSettings
from engine.drive.virtual_time import virtual_clock
from engine.model.events import StreamChanged
from engine.model.units import NS_PER_S
from tests.connectors.fakes import virtually


class Rig:
    """One instrument with a book (cadenced) and quotes (not), watched from the start."""

    def __init__(self, settings: FreshnessSettings | None = None) -> None:
        self.clock = virtual_clock()
        self.said: list[tuple[float, str, str]] = []
        self.freshness = Freshness(self.clock, self._note, "hl", settings)
        self.freshness.watch("l2Book", "hl:BTC", is_cadenced=True)
        self.freshness.watch("bbo", "hl:BTC", is_cadenced=False)
        self.freshness.resume()
        self.task = asyncio.create_task(self.freshness.run())

    def _note(self, event: StreamChanged) -> None:
        assert "hl:BTC" == event.instrument
        assert "" == event.account
        assert self.clock.now_ns() == event.ts_local_ns
        self.said.append((self.clock.monotonic_ns() / NS_PER_S, event.stream, event.phase.value))

    async def beat(self, channel: str, gap_s: float, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(gap_s)
            self.freshness.heard(channel, "hl:BTC")


@virtually
async def test_the_limit_is_three_of_the_streams_own_gaps() -> None:
    rig = Rig()
    await rig.beat("l2Book", 5, 16)

    assert 15 == rig.freshness.limit_s("l2Book", "hl:BTC")
    await asyncio.sleep(14.9)
    assert [] == rig.said
    await asyncio.sleep(0.2)
    assert ("hl l2Book", "stale") == rig.said[0][1:]
    assert 95 <= rig.said[0][0] < 95.1


@virtually
async def test_the_limit_stays_within_its_bounds() -> None:
    rig = Rig()
    await rig.beat("l2Book", 0.01, 16)
    assert 2 == rig.freshness.limit_s("l2Book", "hl:BTC")

    await rig.beat("l2Book", 29, 32)
    assert 30 == rig.freshness.limit_s("l2Book", "hl:BTC")


@virtually
async def test_one_long_gap_among_many_does_not_move_the_limit() -> None:
    rig = Rig()
    await rig.beat("l2Book", 1, 24)
    await rig.beat("l2Book", 50, 1)
    await rig.beat("l2Book", 1, 7)

    assert 3 == rig.freshness.limit_s("l2Book", "hl:BTC")


@virtually
async def test_before_anything_was_measured_a_fixed_limit_holds() -> None:
    rig = Rig(FreshnessSettings(unmeasured_s=10))
    await asyncio.sleep(9.9)
    assert [] == rig.said

    await asyncio.sleep(0.2)
    assert [(10, "hl l2Book", "stale"), (10, "hl bbo", "stale")] == [
        (round(at, 3), *rest) for at, *rest in rig.said
    ]


@virtually
async def test_quotes_of_a_quiet_market_are_fresh_while_its_book_is() -> None:
    rig = Rig()
    await rig.beat("bbo", 0.1, 16)
    await rig.beat("l2Book", 0.5, 600)

    assert 2 == rig.freshness.limit_s("bbo", "hl:BTC")
    assert [] == rig.said
    assert rig.freshness.is_fresh("bbo", "hl:BTC")


@virtually
async def test_a_silent_book_is_stale_though_quotes_keep_coming() -> None:
    rig = Rig()
    await rig.beat("l2Book", 0.5, 16)
    await rig.beat("bbo", 0.1, 100)

    assert [("hl l2Book", "stale")] == [said[1:] for said in rig.said]
    assert rig.freshness.is_fresh("bbo", "hl:BTC")


@virtually
async def test_what_was_stale_is_ready_with_its_next_data_and_neither_is_said_twice() -> None:
    rig = Rig()
    await rig.beat("l2Book", 0.5, 16)
    await asyncio.sleep(60)
    assert 2 == len(rig.said)

    await rig.beat("l2Book", 0.5, 16)

    phases = [said[1:] for said in rig.said]
    assert [
        ("hl l2Book", "stale"),
        ("hl bbo", "stale"),
        ("hl l2Book", "ready"),
        ("hl bbo", "ready"),
    ] == sorted(phases, key=lambda item: item[1] == "ready")
    assert 68.5 == rig.said[-1][0]


@virtually
async def test_data_made_long_ago_does_not_make_a_stream_fresh() -> None:
    rig = Rig()
    await rig.beat("l2Book", 0.5, 16)
    for _ in range(10):
        await asyncio.sleep(0.5)
        rig.freshness.heard("l2Book", "hl:BTC", late_ns=10 * NS_PER_S)

    assert not rig.freshness.is_fresh("l2Book", "hl:BTC")


@virtually
async def test_nothing_is_found_stale_while_the_connection_is_down() -> None:
    rig = Rig()
    await rig.beat("l2Book", 0.5, 16)
    rig.freshness.pause()
    await asyncio.sleep(3600)
    assert [] == rig.said

    rig.freshness.resume()
    await asyncio.sleep(1.9)
    assert [] == rig.said
    await asyncio.sleep(0.2)
    assert [("hl l2Book", "stale")] == [said[1:] for said in rig.said]


@virtually
async def test_what_was_stale_before_the_connection_was_lost_is_told_when_it_is_back() -> None:
    rig = Rig()
    await rig.beat("l2Book", 0.5, 16)
    await asyncio.sleep(5)
    rig.freshness.pause()
    await asyncio.sleep(5)
    rig.freshness.resume()

    said = [said[1:] for said in rig.said]
    assert [("hl l2Book", "stale"), ("hl bbo", "stale")] == said[:2]
    assert {("hl l2Book", "ready"), ("hl bbo", "ready")} == set(said[2:])


@virtually
async def test_data_of_what_is_not_watched_says_nothing() -> None:
    rig = Rig()
    rig.freshness.heard("l2Book", "hl:ETH")

    assert [] == rig.said


@virtually
async def test_late_data_is_told_to_be_stale_at_once_and_not_while_the_connection_is_down() -> None:
    rig = Rig()
    await rig.beat("l2Book", 0.5, 16)
    rig.freshness.pause()
    rig.freshness.heard("l2Book", "hl:BTC", late_ns=10 * NS_PER_S)
    assert [] == rig.said

    rig.freshness.resume()
    rig.freshness.heard("l2Book", "hl:BTC", late_ns=2 * NS_PER_S)
    assert [] == rig.said
    rig.freshness.heard("l2Book", "hl:BTC", late_ns=2 * NS_PER_S + 1)
    assert [("hl l2Book", "stale")] == [said[1:] for said in rig.said][:1]
