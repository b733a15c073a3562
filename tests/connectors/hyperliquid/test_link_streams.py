"""When the streams of a link are ready, in virtual time: never before everything is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.hyperliquid.link import RELEASE_S
from connectors.port import Resumption, Wants
from engine.errors import ModelError
from engine.model.events import (
    AccountRead,
    AssetContext,
    Bar,
    BookSnapshot,
    FundingRate,
    InstrumentUpdated,
    OpenInterestCaps,
    OrderCanceled,
    Trade,
    WeightSpent,
)
from engine.model.units import NS_PER_MS, NS_PER_S
from tests.connectors.hyperliquid.link_parts import cloid
from tests.connectors.hyperliquid.venue_in_memory import (
    SETTINGS,
    SIGNER,
    UNIVERSE,
    Rig,
    book,
    candle,
    context,
    put,
    update,
    virtually,
)

MINUTE_NS = 60 * NS_PER_S


@virtually
async def test_opening_gives_the_state_and_measures_the_venues_clock(rig: Rig) -> None:
    state = await rig.open()

    assert 1000 * 10**8 == state.cash_e8
    assert {"hl:BTC": (7, True)} == state.leverage
    assert any(isinstance(event, WeightSpent) for event in rig.events)
    prepared_ms = rig.link._common.time.now_ms()  # noqa: SLF001 - the clock has no other face
    assert rig.venue.now_ms() + 2_000 == prepared_ms


@virtually
async def test_an_instrument_is_ready_with_its_first_book_and_context_and_not_before(
    rig: Rig,
) -> None:
    await rig.open()
    assert ["down", "up"] == rig.phases("hl market")
    book(rig.market, rig.venue)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ["down", "up"] == rig.phases("hl market")

    context(rig.market)
    await asyncio.sleep(0.01)
    assert ["down", "up", "ready"] == rig.phases("hl market")
    assert any(isinstance(event, BookSnapshot) for event in rig.events)


@virtually
async def test_a_lost_market_stream_is_down_until_book_and_context_came_again(rig: Rig) -> None:
    await rig.open()
    book(rig.market, rig.venue)
    context(rig.market)
    await asyncio.sleep(1)
    rig.market.lose()
    await asyncio.sleep(3)
    assert ["down", "up", "ready", "down", "up"] == rig.phases("hl market")

    book(rig.market, rig.venue)
    context(rig.market)
    await asyncio.sleep(0.01)
    assert "ready" == rig.phases("hl market")[-1]


@virtually
async def test_an_account_stream_is_ready_after_acks_snapshot_and_reading(rig: Rig) -> None:
    await rig.open()
    assert ["down", "up", "ready"] == rig.phases("hl account")

    rig.venue.snapshots = False
    rig.user.lose()
    await asyncio.sleep(3)
    assert "up" == rig.phases("hl account")[-1]

    rig.venue.snapshots = True
    put(rig.user, "userFills", {"isSnapshot": True, "user": SIGNER.address, "fills": []})
    await asyncio.sleep(0.01)
    assert "ready" == rig.phases("hl account")[-1]
    assert isinstance(rig.events[-2], AccountRead)


@virtually
async def test_a_connection_whose_subscriptions_are_not_confirmed_is_made_anew(rig: Rig) -> None:
    await rig.open()
    rig.venue.acks = False
    dials = len(rig.venue.dialer.dials)
    rig.user.lose()
    await asyncio.sleep(SETTINGS.ack_timeout_s + 5)
    assert len(rig.venue.dialer.dials) >= dials + 2
    assert "ready" != rig.phases("hl account")[-1]

    rig.venue.acks = True
    await asyncio.sleep(20)
    assert "ready" == rig.phases("hl account")[-1]


@virtually
async def test_while_the_account_cannot_be_read_its_stream_is_not_ready(rig: Rig) -> None:
    await rig.open()
    rig.venue.fails.add("clearinghouseState")
    rig.user.lose()
    await asyncio.sleep(60)
    assert "up" == rig.phases("hl account")[-1]

    rig.venue.fails.clear()
    await asyncio.sleep(SETTINGS.settle_backoff.most_s + 1)
    assert "ready" == rig.phases("hl account")[-1]


@virtually
async def test_a_mistake_of_ours_while_the_account_is_read_is_tried_again_as_anything_else(
    rig: Rig,
) -> None:
    await rig.open()
    rig.venue.breaks.add("clearinghouseState")
    rig.user.lose()
    await asyncio.sleep(60)
    tries = rig.venue.asked.count("clearinghouseState")
    assert 5 < tries < 20
    assert "up" == rig.phases("hl account")[-1]

    rig.venue.breaks.clear()
    await asyncio.sleep(SETTINGS.settle_backoff.most_s + 1)
    assert "ready" == rig.phases("hl account")[-1]


async def hold_two(rig: Rig) -> None:
    """Two orders of an earlier run end while a new connection waits for its snapshot."""
    await rig.open(Resumption(generations=((cloid(1), 0, 1), (cloid(2), 0, 2))))
    rig.venue.snapshots = False
    rig.user.lose()
    await asyncio.sleep(2)
    rig.chokes_on = OrderCanceled
    update(rig, 1, "canceled", number=1)
    update(rig, 2, "canceled", number=2)
    await asyncio.sleep(1)
    rig.venue.snapshots = True
    assert OrderCanceled is rig.chokes_on


def ended(rig: Rig) -> list[str]:
    return [event.cloid for event in rig.events if isinstance(event, OrderCanceled)]


@virtually
async def test_a_held_frame_that_cannot_be_told_costs_no_other_and_the_account_is_read_again(
    rig: Rig,
) -> None:
    await hold_two(rig)
    reads = rig.venue.asked.count("clearinghouseState")
    put(rig.user, "userFills", {"isSnapshot": True, "user": SIGNER.address, "fills": []})
    await asyncio.sleep(SETTINGS.settle_backoff.most_s + 1)

    assert [cloid(2)] == ended(rig)
    assert reads + 2 == rig.venue.asked.count("clearinghouseState")
    assert "ready" == rig.phases("hl account")[-1]


@virtually
async def test_a_held_frame_that_cannot_be_told_does_not_end_the_making_of_connections(
    rig: Rig,
) -> None:
    await hold_two(rig)
    rig.user.lose()
    await asyncio.sleep(0.01)
    assert ["up", "down"] == rig.phases("hl account")[-2:]

    await asyncio.sleep(20)
    assert [cloid(2)] == ended(rig)
    assert "ready" == rig.phases("hl account")[-1]


@virtually
async def test_a_stalled_book_is_stale_while_its_connection_lives(rig: Rig) -> None:
    await rig.open()
    for _ in range(40):
        book(rig.market, rig.venue)
        context(rig.market)
        await asyncio.sleep(0.5)
    assert [] == rig.phases("hl l2Book")

    for _ in range(5):
        context(rig.market)
        await asyncio.sleep(0.5)
    assert ["stale"] == rig.phases("hl l2Book")
    assert "ready" == rig.phases("hl market")[-1]


@virtually
async def test_old_trades_that_every_subscription_replays_are_not_passed_on(rig: Rig) -> None:
    await rig.open(trades=True)

    def trade(tid: int, time_ms: int) -> dict[str, Any]:
        return {
            "coin": "BTC",
            "side": "B",
            "px": "1.0",
            "sz": "1.0",
            "hash": "0x0",
            "time": time_ms,
            "tid": tid,
        }

    now_ms = rig.venue.now_ms() + 2_000
    rows = [trade(1, now_ms - 60_000), trade(2, now_ms + 5)]
    put(rig.market, "trades", rows)
    put(rig.market, "trades", rows)
    await asyncio.sleep(0.01)

    assert [2] == [event.trade_id for event in rig.events if isinstance(event, Trade)]


@virtually
async def test_candles_come_as_history_then_live_without_a_gap_over_a_lost_connection(
    rig: Rig,
) -> None:
    await rig.open(bars_ns=(MINUTE_NS,), history_bars=5)
    bars = [event for event in rig.events if isinstance(event, Bar)]
    assert 5 == len(bars)

    open_ms = bars[-1].ts_venue_ns // NS_PER_MS
    for step in range(3):
        put(rig.market, "candle", candle(open_ms + step * 60_000, rig.venue))
    await asyncio.sleep(400)
    rig.market.lose()
    await asyncio.sleep(5)

    closes = [event.ts_venue_ns for event in rig.events if isinstance(event, Bar)]
    assert closes == [closes[0] + step * MINUTE_NS for step in range(len(closes))]
    assert len(closes) >= 5 + 6


@virtually
async def test_bars_of_a_length_that_the_venue_does_not_send_are_refused(rig: Rig) -> None:
    with pytest.raises(ModelError, match="hl:BTC: the venue sends no bars of 7000000000 ns"):
        await rig.open(bars_ns=(7 * NS_PER_S,))


@virtually
async def test_a_refresh_tells_what_changed(rig: Rig) -> None:
    await rig.open()
    rig.venue.universe = [*UNIVERSE, {"name": "NEW", "szDecimals": 1, "maxLeverage": 3}]
    rig.venue.capped = ["ETH"]
    rig.events.clear()
    await rig.link.refresh("metadata")
    await rig.link.refresh("metadata")
    await rig.link.refresh("contexts")
    await rig.link.refresh("contexts")

    (new,) = [event for event in rig.events if isinstance(event, InstrumentUpdated)]
    assert ("hl:NEW", 2) == (new.instrument.id, new.instrument.asset)
    (caps,) = [event for event in rig.events if isinstance(event, OpenInterestCaps)]
    assert ("hl:ETH",) == caps.instruments
    assert 2 == sum(isinstance(event, AssetContext) for event in rig.events)


@virtually
async def test_settled_funding_is_told_once_each_hour(rig: Rig) -> None:
    await rig.open()
    await asyncio.sleep(3_700)
    settled_ms = rig.venue.now_ms() - 50_000
    rig.venue.fundings = [{"coin": "BTC", "fundingRate": "0.0001", "time": settled_ms}]
    rig.events.clear()
    for _ in range(3):
        await rig.link.refresh("contexts")

    (event,) = [event for event in rig.events if isinstance(event, FundingRate)]
    assert (0.0001, settled_ms * NS_PER_MS) == (event.rate, event.ts_venue_ns)


@virtually
async def test_closing_twice_is_closing_once(rig: Rig) -> None:
    await rig.open()
    await rig.link.close()
    await asyncio.sleep(100)

    assert all(socket.is_closed for socket in rig.venue.dialer.sockets)


# -- from the state that `open` gave to what is newer ----------------------------------------------


async def open_unreleased(rig: Rig, *known: int) -> None:
    """The link has just given the account's state; these orders are of an earlier run."""
    await rig.link.load()
    generations = tuple((cloid(number), 0, number) for number in known)
    want = Wants("hl:BTC", book=True)
    await rig.link.open([want], Resumption(generations=generations), rig._hear)  # noqa: SLF001


@virtually
async def test_news_that_came_while_the_link_opened_is_told_after_the_state_and_before_ready(
    rig: Rig,
) -> None:
    await open_unreleased(rig, 1)
    update(rig, 1, "canceled", number=1)
    await asyncio.sleep(RELEASE_S / 2)
    assert ([], ["down", "up"]) == (ended(rig), rig.phases("hl account"))

    await asyncio.sleep(RELEASE_S)
    told = [type(event) for event in rig.events]
    assert ([cloid(1)], ["down", "up", "ready"]) == (ended(rig), rig.phases("hl account"))
    assert OrderCanceled is told[-2]


@virtually
async def test_news_that_cannot_be_told_when_the_link_has_opened_is_read_again_before_ready(
    rig: Rig,
) -> None:
    await open_unreleased(rig, 1)
    reads = rig.venue.asked.count("clearinghouseState")
    rig.chokes_on = OrderCanceled
    rig.venue.fails.add("clearinghouseState")
    update(rig, 1, "canceled", number=1)
    await asyncio.sleep(2 * RELEASE_S)
    assert ["down", "up"] == rig.phases("hl account")

    rig.venue.fails.clear()
    await asyncio.sleep(SETTINGS.settle_backoff.most_s + 1)
    assert ["down", "up", "ready"] == rig.phases("hl account")
    assert reads + 2 == rig.venue.asked.count("clearinghouseState")


@virtually
async def test_an_account_whose_stream_is_lost_before_the_link_has_opened_is_ready_once_it_is_back(
    rig: Rig,
) -> None:
    await open_unreleased(rig, 1)
    reads = rig.venue.asked.count("clearinghouseState")
    update(rig, 1, "canceled", number=1)
    await asyncio.sleep(RELEASE_S / 2)
    rig.user.lose()
    await asyncio.sleep(RELEASE_S)
    assert (["down", "up"], []) == (rig.phases("hl account"), ended(rig))

    await asyncio.sleep(20)
    assert ["down", "up", "up", "ready"] == rig.phases("hl account")
    assert [cloid(1)] == ended(rig)
    assert reads + 1 == rig.venue.asked.count("clearinghouseState")


@virtually
async def test_an_account_whose_stream_was_made_anew_before_the_link_has_opened_is_read_again(
    rig: Rig,
) -> None:
    """What happened between the two connections is in neither, nor in the state."""
    rig.venue.slow_s["userFillsByTime"] = 3.0
    opening = asyncio.ensure_future(open_unreleased(rig))
    await asyncio.sleep(0.5)
    assert "userFillsByTime" in rig.venue.asked
    rig.user.lose()
    await opening
    rig.venue.slow_s.clear()
    assert (["down", "up", "up"], 1) == (
        rig.phases("hl account"),
        rig.venue.asked.count("clearinghouseState"),
    )

    await asyncio.sleep(2 * RELEASE_S)
    assert "ready" == rig.phases("hl account")[-1]
    assert 2 == rig.venue.asked.count("clearinghouseState")


@virtually
async def test_an_account_whose_new_stream_waits_for_its_snapshot_as_the_link_opens_is_not_ready(
    rig: Rig,
) -> None:
    rig.venue.slow_s["userFillsByTime"] = 3.0
    opening = asyncio.ensure_future(open_unreleased(rig))
    await asyncio.sleep(0.5)
    rig.venue.snapshots = False
    rig.user.lose()
    await opening
    rig.venue.slow_s.clear()
    await asyncio.sleep(1)
    assert ["down", "up", "up"] == rig.phases("hl account")

    put(rig.user, "userFills", {"isSnapshot": True, "user": SIGNER.address, "fills": []})
    await asyncio.sleep(0.01)
    assert ["down", "up", "up", "ready"] == rig.phases("hl account")
