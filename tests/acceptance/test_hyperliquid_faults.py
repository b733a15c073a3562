"""Scripted faults over real sockets: no order doubled or lost, position = fills = venue.

Everything is real but the venue: signed requests over HTTP, streams over WebSocket, on loopback.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from connectors.freshness import FreshnessSettings
from connectors.hyperliquid.settings import LinkSettings
from connectors.port import Resumption, Wants
from connectors.simulated.faults import Fault, Kind
from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import LIVELY, Cadences, Limits, VenueSettings
from connectors.stream import Backoff
from connectors.web import AiohttpHttp
from engine.model.events import (
    AccountRead,
    FundingPaid,
    OrderAccepted,
    OrderCanceled,
    OrderCarried,
    OrderFilled,
    OrderRejected,
    StreamChanged,
    StreamPhase,
)
from engine.model.orders import OrderState
from engine.model.units import Side, Tif
from tests.connectors.hyperliquid.trader import ACCOUNT, SETTINGS, Trader

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

VENUE = VenueSettings(
    history_s=5.0,
    cadences=Cadences(fast_book_s=0.1, context_s=0.2),
    limits=Limits(ip_weight_per_min=1_000_000, ws_connections_per_min=1_000),
)


@asynccontextmanager
async def trading(
    settings: LinkSettings = SETTINGS, place: VenueSettings = VENUE
) -> AsyncIterator[Trader]:
    """A trader whose streams are ready, on a venue of its own."""
    async with LoopbackVenue(place) as venue:
        trader = Trader(venue, settings)
        try:
            await trader.open()
            await trader.until(lambda: trader.is_ready() and trader.mark_px)
            yield trader
        finally:
            venue.faults.release_hung()
            await trader.close()


# -- lost connections ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close_all", "reset_all", "freeze_all"])
async def test_what_happened_while_the_streams_were_down_is_known_before_they_are_ready(
    how: str,
) -> None:
    slow = msgspec.structs.replace(SETTINGS, stream_backoff=Backoff(0.4, 0.4, 1.0))
    async with trading(slow) as trader:
        kept, canceled = trader.place(), trader.place()
        await trader.until(lambda: trader.state_of(canceled) is OrderState.OPEN)
        before = len(trader.events)

        getattr(trader.venue.faults.ws, how)()
        taken = trader.place(factor=1.02, tif=Tif.IOC)
        await trader.until(lambda: trader.at_venue.history.fills)
        record = trader.at_venue.find(canceled)
        assert record is not None
        assert trader.venue.core.cancel(trader.at_venue, record)
        await trader.until(
            lambda: (
                StreamPhase.DOWN
                in [
                    event.phase
                    for event in trader.events[before:]
                    if isinstance(event, StreamChanged) and event.account
                ]
            )
        )
        await trader.until(trader.is_ready)

        assert OrderState.OPEN is trader.state_of(kept)
        assert OrderState.CANCELED is trader.state_of(canceled)
        assert OrderState.FILLED is trader.state_of(taken)
        trader.assert_agrees()
        news = trader.events[before:]
        ready = max(
            index
            for index, event in enumerate(news)
            if isinstance(event, StreamChanged) and event.account
        )
        told = [type(event) for event in news[:ready]]
        assert {OrderFilled, OrderCanceled, AccountRead} <= set(told)
        assert {} == trader.orders.anomalies


async def test_a_half_open_connection_is_found_and_new_risk_is_blocked_by_then() -> None:
    async with trading() as trader:
        trader.venue.faults.ws.freeze_all()
        await trader.until(lambda: not trader.is_ready())

        assert StreamPhase.DOWN in trader.phases("hl market")
        await trader.until(trader.is_ready)


# -- unclear answers -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_after", "hang_after", "late_502", "garbage"])
async def test_an_order_that_was_taken_without_an_answer_is_found_and_not_doubled(
    kind: Kind,
) -> None:
    async with trading() as trader:
        trader.venue.faults.http(Fault(kind, path="/exchange", action="order"))
        cloid = trader.place()
        await trader.until(lambda: trader.state_of(cloid) is OrderState.OPEN)
        await trader.until(trader.is_at_rest)

        assert 1 == trader.orders_made(cloid)
        trader.assert_agrees()


@pytest.mark.parametrize("kind", ["refuse", "bad_gateway", "null_500", "hang_before"])
async def test_an_order_that_never_arrived_is_over_only_when_it_can_never_land(kind: Kind) -> None:
    async with trading() as trader:
        trader.venue.faults.http(Fault(kind, path="/exchange", action="order"))
        cloid = trader.place()
        await trader.until(lambda: trader.state_of(cloid) is OrderState.CANCELED)

        (gone,) = trader.heard(OrderCanceled, cloid)
        assert (0, "neverPlaced") == (gone.oid, gone.reason)
        http = AiohttpHttp(trader.venue.http_url)
        late = await http.request("POST", "/exchange", body=trader.sent[-1].body)
        await http.aclose()
        assert b"duplicate nonce" in late.body
        assert 0 == trader.orders_made(cloid)
        trader.assert_agrees()


async def test_while_no_nonce_can_be_burnt_only_the_expiry_ends_an_order() -> None:
    async with trading() as trader:
        trader.venue.faults.http(Fault("hang_before", path="/exchange", action="order"))
        for _ in range(100):
            trader.venue.faults.http(Fault("bad_gateway", path="/exchange", action="noop"))
        cloid = trader.place()
        await trader.until(lambda: trader.state_of(cloid) is OrderState.CANCELED)

        margin_ms = SETTINGS.expired_margin_ms
        assert trader.venue.clock.now_ms() > trader.sent[-1].expires_ms + margin_ms
        assert any(fault.action == "noop" for fault in trader.venue.faults.used)
        trader.assert_agrees()


@pytest.mark.parametrize("kind", ["hang_before", "hang_after", "drop_after", "bad_gateway"])
async def test_an_unclear_cancel_is_settled_by_what_the_venue_holds(kind: Kind) -> None:
    async with trading() as trader:
        cloid = trader.place()
        await trader.until(lambda: trader.state_of(cloid) is OrderState.OPEN)
        trader.venue.faults.http(Fault(kind, path="/exchange", action="cancelByCloid"))
        trader.cancel(cloid)
        await trader.until(
            lambda: trader.state_of(cloid) is not OrderState.CANCELING and trader.is_at_rest()
        )

        is_done = kind in {"hang_after", "drop_after"}
        expected = OrderState.CANCELED if is_done else OrderState.OPEN
        assert expected is trader.state_of(cloid)
        trader.assert_agrees()


@pytest.mark.parametrize("kind", ["hang_before", "hang_after", "drop_after", "bad_gateway"])
async def test_an_unclear_modify_leaves_one_order_of_the_right_generation(kind: Kind) -> None:
    async with trading() as trader:
        cloid = trader.place(lots=1_000)
        await trader.until(lambda: trader.state_of(cloid) is OrderState.OPEN)
        trader.venue.faults.http(Fault(kind, path="/exchange", action="batchModify"))
        trader.modify(cloid, 0.85, 2_000)
        await trader.until(lambda: trader.venue.faults.used and trader.is_at_rest())

        is_done = kind in {"hang_after", "drop_after"}
        order = trader.order(cloid)
        assert (1, 2_000) if is_done else (0, 1_000) == (order.generation, order.sz_lots)
        (record,) = trader.at_venue.live()
        assert (record.oid, record.left_lots) == (order.oid, order.remaining_lots)
        trader.assert_agrees()
        trader.modify(cloid, 0.8, 3_000)
        await trader.until(lambda: trader.order(cloid).sz_lots == 3_000)
        trader.cancel(cloid)
        await trader.until(lambda: trader.state_of(cloid) is OrderState.CANCELED)
        trader.assert_agrees()


async def test_what_the_venue_turned_away_for_its_weight_was_not_carried_out() -> None:
    async with trading() as trader:
        trader.venue.faults.http(Fault("status_429", path="/exchange", action="order"))
        cloid = trader.place()
        await trader.until(lambda: trader.state_of(cloid) is OrderState.REJECTED)

        (refused,) = trader.heard(OrderRejected)
        assert refused.reason.startswith("HTTP 429")
        trader.assert_agrees()


# -- doubled and late messages ---------------------------------------------------------------------


async def test_doubled_messages_change_nothing() -> None:
    async with trading() as trader:
        for channel in ("orderUpdates", "userFills"):
            trader.venue.faults.ws.duplicate(channel, frames=50)
        cloids = [trader.place(), trader.place(factor=1.02, tif=Tif.IOC)]
        await trader.until(lambda: trader.our_lots() and trader.is_at_rest())
        trader.cancel(cloids[0])
        await trader.until(lambda: trader.state_of(cloids[0]) is OrderState.CANCELED)

        for cloid in cloids:
            assert 1 == len(trader.heard(OrderAccepted, cloid))
        assert 1 == len(trader.heard(OrderCanceled))
        assert {} == trader.orders.anomalies
        trader.assert_agrees()


async def test_messages_that_come_late_change_nothing_that_was_settled() -> None:
    async with trading() as trader:
        trader.venue.faults.ws.hold("orderUpdates")
        trader.venue.faults.ws.hold("userFills")
        rested = trader.place()
        taken = trader.place(factor=1.02, tif=Tif.IOC)
        await trader.until(lambda: trader.state_of(rested) is OrderState.OPEN)
        trader.cancel(rested)
        await trader.until(lambda: trader.state_of(rested) is OrderState.CANCELED)
        await trader.until(lambda: trader.heard(OrderAccepted, taken))
        assert 0 == trader.our_lots()

        trader.venue.faults.ws.release()
        await trader.until(lambda: trader.state_of(taken) is OrderState.FILLED)

        assert {} == trader.orders.anomalies
        assert 1 == len(trader.heard(OrderCanceled))
        trader.assert_agrees()


async def test_a_lost_fill_is_found_by_the_next_read_of_the_account() -> None:
    async with trading() as trader:
        trader.venue.faults.ws.drop("userFills")
        taken = trader.place(factor=1.02, tif=Tif.IOC)
        await trader.until(lambda: trader.heard(OrderAccepted, taken))
        assert 0 == trader.our_lots()

        await trader.link.refresh("orders")

        assert OrderState.FILLED is trader.state_of(taken)
        trader.assert_agrees()


# -- stale data ------------------------------------------------------------------------------------


async def test_a_stalled_book_is_stale_within_its_limit_and_a_reduce_still_goes_out() -> None:
    quick = FreshnessSettings(least_s=1.0, unmeasured_s=1.0)
    async with trading(msgspec.structs.replace(SETTINGS, freshness=quick)) as trader:
        trader.place(factor=1.02, tif=Tif.IOC)
        await trader.until(trader.our_lots)
        trader.venue.faults.ws.stall("l2Book", "BTC")
        await trader.until(lambda: StreamPhase.STALE in trader.phases("hl l2Book"))
        assert [] == trader.phases("hl bbo")

        reduce = trader.place(Side.SELL, 0.98, trader.our_lots(), Tif.IOC, reduce_only=True)
        await trader.until(lambda: trader.state_of(reduce) is OrderState.FILLED)

        assert 0 == trader.sent[-1].expires_ms
        assert 0 == trader.our_lots()
        trader.assert_agrees()
        trader.venue.faults.ws.release()
        await trader.until(lambda: trader.phases("hl l2Book")[-1] is StreamPhase.READY)


# -- after a crash ---------------------------------------------------------------------------------


async def test_a_restart_takes_over_what_rested_what_was_in_flight_and_what_filled() -> None:
    async with LoopbackVenue(VENUE) as venue:
        first = await Trader(venue).open()
        await first.until(lambda: first.is_ready() and first.mark_px)
        seen = first.place(factor=1.02, tif=Tif.IOC)
        await first.until(lambda: first.state_of(seen) is OrderState.FILLED)
        rested, gone = first.place(), first.place()
        await first.until(lambda: first.state_of(gone) is OrderState.OPEN)
        # What the journal has is what follows; from here on the process hears nothing more.
        first.die()
        filled = first.place(factor=1.02, tif=Tif.IOC)
        await first.until(lambda: first.venue_lots() == 2_000)
        lost = first.place(is_sent=False)
        record = first.at_venue.find(gone)
        assert record is not None
        venue.core.cancel(first.at_venue, record)
        await first.close()

        (booked,) = first.heard(OrderFilled)
        booked_ms = booked.ts_venue_ns // 1_000_000
        orders = [first.order(cloid) for cloid in (rested, gone, filled, lost)]
        resumption = Resumption(
            nonce_max=first.sent[-1].nonce,
            unanswered=tuple(first.sent[-2:]),
            fills_seen_ms={ACCOUNT: booked_ms},
            funding_seen_ms={ACCOUNT: 0},
            fills_seen=frozenset({(ACCOUNT, booked_ms, first.where, booked.trade_id)}),
            generations=tuple((one.cloid, one.generation, one.oid) for one in orders),
        )
        second = Trader(venue)
        await second.open(resumption)
        try:
            second._cloids = first._cloids  # noqa: SLF001 - cloids are never used again
            assert second.state is not None
            assert [rested] == [one.cloid for one in second.state.orders]
            (caught_up,) = second.heard(OrderFilled)
            assert filled == caught_up.cloid

            for one in orders:
                second.carry(
                    OrderCarried(
                        0,
                        0,
                        ACCOUNT,
                        one.instrument,
                        one.cloid,
                        one.generation,
                        one.oid,
                        "me",
                        "",
                        one.side,
                        one.px_ticks,
                        one.sz_lots,
                        one.tif,
                        one.reduce_only,
                        OrderState.UNKNOWN,
                    )
                )
            await second.until(second.is_at_rest)

            assert OrderState.OPEN is second.state_of(rested)
            assert OrderState.CANCELED is second.state_of(gone)
            assert OrderState.CANCELED is second.state_of(lost)
            assert 1 == second.orders_made(filled)
            assert 0 == second.orders_made(lost)
            again = second.place(factor=1.02, tif=Tif.IOC)
            await second.until(lambda: second.state_of(again) is OrderState.FILLED)
            assert second.sent[-1].nonce > resumption.nonce_max
            assert 3_000 == second.venue_lots()
        finally:
            await second.close()


async def test_a_candle_history_comes_first_and_each_candle_once() -> None:
    async with LoopbackVenue(msgspec.structs.replace(VENUE, history_s=400.0)) as venue:
        trader = Trader(venue)
        minute_ns = 60_000_000_000
        wants = Wants("hl:BTC", bars_ns=(minute_ns,), history_bars=4)
        await trader.open(wants=wants)
        try:
            bars = [event for event in trader.events if type(event).__name__ == "Bar"]
            closes = [event.ts_venue_ns for event in bars]
            assert 4 == len(closes)
            assert [closes[0] + step * minute_ns for step in range(4)] == closes
        finally:
            await trader.close()


async def test_funding_is_paid_once_though_its_stream_is_lost_on_the_hour() -> None:
    soon = msgspec.structs.replace(VENUE, start_before_hour_s=2.0)
    async with trading(place=soon) as trader:
        trader.place(factor=1.02, tif=Tif.IOC)
        await trader.until(trader.our_lots)
        trader.venue.faults.ws.drop("userFundings")
        await trader.until(lambda: trader.at_venue.history.fundings)
        trader.venue.faults.ws.reset_all()
        await trader.until(lambda: trader.heard(FundingPaid) and trader.is_ready())
        await trader.link.refresh("orders")

        (paid,) = trader.heard(FundingPaid)
        (row,) = trader.at_venue.history.fundings
        assert (row.amount_e8, row.lots) == (paid.amount_e8, paid.sz_lots)
        assert 0 == trader.agreement.readings[ACCOUNT].cash_gap_e8


# -- everything at once ----------------------------------------------------------------------------

KINDS: tuple[Kind, ...] = (
    "refuse",
    "status_429",
    "bad_gateway",
    "null_500",
    "drop_after",
    "late_502",
    "garbage",
    "hang_before",
    "hang_after",
)
ACTIONS = ("order", "cancelByCloid", "batchModify", "noop", "orderStatus", "userFillsByTime")


async def disturb(trader: Trader, chance: random.Random) -> None:
    """One random fault."""
    faults = trader.venue.faults
    what = chance.random()
    if what < 0.6:
        path = "/exchange" if (action := chance.choice(ACTIONS)) in ACTIONS[:4] else "/info"
        faults.http(Fault(chance.choice(KINDS), path=path, action=action))
    elif what < 0.7:
        getattr(faults.ws, chance.choice(("close_all", "reset_all")))()
    elif what < 0.8:
        faults.ws.duplicate(chance.choice(("orderUpdates", "userFills")), frames=3)
    elif what < 0.9:
        faults.ws.hold(chance.choice(("orderUpdates", "userFills")))
    else:
        faults.ws.release()


async def act(trader: Trader, chance: random.Random) -> None:
    """One random wish of a trader."""
    live = [order for order in trader.orders.all_live() if order.state is OrderState.OPEN]
    what = chance.random()
    if live and what < 0.25:
        trader.cancel(chance.choice(live).cloid)
    elif live and what < 0.5:
        order = chance.choice(live)
        factor = 1 - order.side * chance.choice((0.15, 0.0001))
        trader.modify(order.cloid, factor, chance.randrange(500, 3_000))
    elif what < 0.75:
        # Far from the market, or so near that it fills them, perhaps in part.
        distance = chance.choice((0.1, 0.0002))
        side = chance.choice((Side.BUY, Side.SELL))
        trader.place(side, 1 - side * distance, chance.randrange(500, 90_000))
    elif live and what < 0.8:
        # Somebody else's hand.
        record = trader.at_venue.find(chance.choice(live).cloid)
        if record is not None:
            trader.venue.core.cancel(trader.at_venue, record)
    else:
        side = chance.choice((Side.BUY, Side.SELL))
        trader.place(side, 1.02 if side > 0 else 0.98, chance.randrange(100, 1_000), Tif.IOC)


@pytest.mark.parametrize("seed", range(4))
async def test_under_any_faults_no_order_is_doubled_or_lost(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable
    hasty = msgspec.structs.replace(SETTINGS, action_timeout_s=0.25)
    lively = msgspec.structs.replace(VENUE, market=LIVELY, seed=seed + 1)
    async with trading(hasty, lively) as trader:
        for _ in range(60):
            if chance.random() < 0.4:
                await disturb(trader, chance)
            await act(trader, chance)
            await asyncio.sleep(chance.random() * 0.02)
        trader.venue.faults.clear()
        trader.venue.faults.ws.release()
        await trader.until(lambda: trader.is_at_rest() and trader.is_ready())
        for order in [*trader.orders.all_live()]:
            if abs(order.px_ticks / trader.px(1.0, order.side) - 1) < 0.05:
                trader.cancel(order.cloid)
        await trader.until(trader.is_at_rest)
        await trader.link.refresh("orders")
        await trader.until(trader.is_at_rest)

        trader.assert_agrees()
        modifies = sum(sent.batch.kind == "modify" for sent in trader.sent)
        places = sum(sent.batch.kind == "order" for sent in trader.sent)
        assert len(trader.at_venue.orders) <= places + modifies
        for record in trader.at_venue.live():
            order = trader.order(str(record.new.cloid))
            assert (record.oid, record.left_lots) == (order.oid, order.remaining_lots)
        ours = trader.agreement.readings[ACCOUNT]
        assert (0, ()) == (ours.cash_gap_e8, ours.difference)
