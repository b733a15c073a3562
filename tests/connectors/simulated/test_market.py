"""The venue's market and clock: rows come at their own time, without a gap and without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from backtests.generator import generate_market, instrument
from backtests.tape import write_tape
from connectors.simulated.clock import VenueClock
from connectors.simulated.market import (
    AHEAD_NS,
    FIRST_S,
    SEGMENT_S,
    Block,
    GeneratedSource,
    MarketPlayer,
    TapeSource,
    listed,
)
from connectors.simulated.settings import LIVELY, VenueSettings
from engine.drive.seams import ManualClock
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import DataError, ModelError
from engine.model.events import AssetContext, BookDelta, BookSnapshot, FundingRate, MarketEvent
from engine.model.units import NS_PER_HOUR, NS_PER_MS, NS_PER_S
from tests.connectors.simulated.scripted import NOW_NS, Scripted, trade

HOUR_NS = NOW_NS + 15 * NS_PER_S


# -- the clock -------------------------------------------------------------------------------------


def test_a_venue_can_start_just_before_an_hour_and_then_keeps_pace() -> None:
    local = ManualClock(NOW_NS + 123)

    clock = VenueClock.before_hour(local, 7.5)

    assert HOUR_NS - 7_500_000_000 == clock.now_ns()
    local.advance(8 * NS_PER_S)
    assert (HOUR_NS + NS_PER_S // 2) // NS_PER_MS == clock.now_ms()
    assert 8 * NS_PER_S == clock.monotonic_ns()


def test_a_venue_can_start_anywhere_in_time() -> None:
    assert 5 == VenueClock.starting_at(ManualClock(NOW_NS), 5).now_ns()


# -- generated -------------------------------------------------------------------------------------


def rows_of(source: GeneratedSource, segments: int) -> list[list[MarketEvent]]:
    return [[row for block in source.segment() for row in block] for _ in range(segments)]


def test_segments_follow_each_other_in_time_and_in_price() -> None:
    source = GeneratedSource(3, listed(("BTC", "ETH")), NOW_NS, history_s=10, settings=LIVELY)

    first, second = rows_of(source, 2)

    edge_ns = NOW_NS + round(FIRST_S * NS_PER_S)
    assert NOW_NS - 10 * NS_PER_S <= first[0].ts_venue_ns
    assert first[-1].ts_venue_ns <= edge_ns <= second[0].ts_venue_ns
    assert second[-1].ts_venue_ns <= edge_ns + round(SEGMENT_S * NS_PER_S)
    books = [row for row in second if isinstance(row, BookSnapshot)]
    marks = [row for row in first if isinstance(row, AssetContext)]
    for coin in ("hl:BTC", "hl:ETH"):
        bid = next(row.bid_px[0] for row in books if row.instrument == coin)
        mark = [row.mark_px for row in marks if row.instrument == coin][-1]
        assert abs(bid / mark - 1) < 0.002


def test_funding_is_settled_on_the_hour_once_wherever_segments_meet() -> None:
    start_ns = HOUR_NS - round(FIRST_S * NS_PER_S)
    source = GeneratedSource(3, listed(("BTC",)), start_ns)

    settled = [
        row.ts_venue_ns
        for rows in rows_of(source, 2)
        for row in rows
        if isinstance(row, FundingRate)
    ]

    assert [HOUR_NS] == settled


def test_the_same_seed_gives_the_same_market_and_another_gives_another() -> None:
    made = [rows_of(GeneratedSource(seed, listed(("BTC",)), NOW_NS), 2) for seed in (1, 1, 2)]

    assert made[0] == made[1] != made[2]


def test_assets_are_listed_in_order_with_the_tiers_that_are_known() -> None:
    found = listed(("ETH", "BTC", "WIF"))

    assert [("ETH", 0, 2), ("BTC", 1, 2), ("WIF", 2, 1)] == [
        (one.coin, one.asset, len(one.margin_tiers)) for one in found
    ]


# -- a tape ----------------------------------------------------------------------------------------


def test_a_tape_is_moved_by_whole_hours_to_begin_within_the_last(tmp_path: Path) -> None:
    streams = generate_market(1, [instrument("BTC")], 5, start_ns=HOUR_NS - 2 * NS_PER_S)
    write_tape(tmp_path / "market.tape", streams)
    now_ns = NOW_NS + 1_000 * NS_PER_HOUR + 777

    source = TapeSource(tmp_path / "market.tape", now_ns)
    blocks = source.segment()
    assert blocks is not None
    rows = [row for block in blocks for row in block]

    assert now_ns - NS_PER_HOUR < source.start_ns <= now_ns
    assert source.start_ns == rows[0].ts_venue_ns
    assert [0] == [row.ts_venue_ns % NS_PER_HOUR for row in rows if isinstance(row, FundingRate)]
    assert {"hl:BTC": "trades"} == source.queue
    assert any(isinstance(row, BookDelta) for row in rows)
    assert source.segment() is None


def test_a_folder_that_is_no_tape_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        TapeSource(tmp_path, NOW_NS)


# -- the player ------------------------------------------------------------------------------------


async def inline(make: Callable[[], Iterator[Block] | None]) -> Iterator[Block] | None:
    """Makes a segment here: there are no threads in virtual time."""
    return make()


def test_rows_are_played_at_their_time_in_batches_of_a_tick() -> None:
    async def play() -> tuple[list[tuple[int, int]], float]:
        clock = VenueClock.starting_at(virtual_clock(), NOW_NS)
        rows = [trade("BTC", 1.0, 1.0, 1, ts_ns=NOW_NS + ms * NS_PER_MS) for ms in (-5, 3, 4, 95)]
        heard: list[tuple[int, int]] = []
        player = MarketPlayer(
            Scripted(list(rows)),  # type: ignore[arg-type]
            clock,
            lambda block: heard.append((len(block), (clock.now_ns() - NOW_NS) // NS_PER_MS)),
            tick_s=0.01,
            in_thread=inline,
        )
        await player.start()
        await player.run()
        return heard, player.late_ms_max

    heard, late_ms_max = run_virtual(play())

    assert [(1, 0), (2, 10), (1, 100)] == heard
    assert 7.0 == late_ms_max


def test_a_generated_market_goes_on_over_its_segments_and_is_not_made_far_ahead() -> None:
    async def play() -> tuple[int, float]:
        clock = VenueClock.starting_at(virtual_clock(), NOW_NS)
        times: list[int] = []
        source = GeneratedSource(1, listed(("BTC",)), NOW_NS)
        player = MarketPlayer(
            source,
            clock,
            lambda block: times.extend([row.ts_venue_ns for row in block]),
            tick_s=1.0,
            in_thread=inline,
        )
        await player.start()
        playing = asyncio.ensure_future(player.run())
        await asyncio.sleep(500)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        assert times == sorted(times)
        assert source.end_ns - clock.now_ns() < AHEAD_NS + SEGMENT_S * NS_PER_S
        gaps = [after - before for before, after in pairwise(times)]
        return max(gaps) // NS_PER_MS, player.late_ms_max

    longest_gap_ms, late_ms_max = run_virtual(play())

    assert longest_gap_ms < 400
    assert late_ms_max <= 1_000


def test_a_market_that_cannot_keep_up_says_so() -> None:
    async def play() -> float:
        local = virtual_clock()
        clock = VenueClock.starting_at(local, NOW_NS)
        player = MarketPlayer(
            Scripted([trade("BTC", 1.0, 1.0, 1, ts_ns=NOW_NS + NS_PER_MS)]),  # type: ignore[arg-type]
            clock,
            lambda _: None,
            tick_s=0.4,
            in_thread=inline,
        )
        await player.start()
        await player.run()
        return player.late_ms_max

    assert 399.0 == run_virtual(play())


def test_an_action_meets_the_rows_of_its_own_instant() -> None:
    async def play() -> list[int]:
        clock = VenueClock.starting_at(virtual_clock(), NOW_NS)
        heard: list[int] = []
        rows = [trade("BTC", 1.0, 1.0, 1, ts_ns=NOW_NS + 3 * NS_PER_MS)]
        player = MarketPlayer(
            Scripted(list(rows)),  # type: ignore[arg-type]
            clock,
            lambda block: heard.append(len(block)),
            tick_s=1.0,
            in_thread=inline,
        )
        await player.start()
        await asyncio.sleep(0.005)
        player.catch_up()
        return heard

    assert [1] == run_virtual(play())


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"coins": ()}, {"coins": ("BTC", "BTC")}, {"balance_e8": -1}])
def test_settings_that_cannot_be_are_a_mistake(how: dict[str, int]) -> None:
    with pytest.raises(ModelError):
        VenueSettings(**how)  # type: ignore[arg-type]
