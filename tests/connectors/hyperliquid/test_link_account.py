"""An account as printed, in integers; and which of it is ours."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.hyperliquid.account_state import (
    account_read,
    account_state,
    cash_e8,
    held,
    leverages,
    open_order,
    with_children,
)
from connectors.hyperliquid.fills import CashBook
from connectors.hyperliquid.flights import Flights
from connectors.hyperliquid.info.account import ClearinghouseState
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.ledger import FundingDelta, UserFundingRow
from connectors.hyperliquid.reconcile import Reconciler, flat_funding
from connectors.hyperliquid.settle import Asks, Settler
from connectors.port import HeldPosition, Resumption
from connectors.web import HttpReply
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import VenueError
from engine.model.commands import Place
from engine.model.effects import AskOrder
from engine.model.events import AccountRead, OrderAccepted, OrderCanceled, OrderFilled
from engine.model.orders import OrderState
from engine.model.units import NS_PER_MS, Side, Tif
from tests.connectors.fakes import FakeHttp
from tests.connectors.hyperliquid.link_parts import (
    ADDRESS,
    NOW_MS,
    Parts,
    cloid,
    frontend_order,
)


def position(coin: str, szi: str, value: str, upnl: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "type": "oneWay",
        "position": {
            "coin": coin,
            "szi": szi,
            "leverage": fields.get("leverage", {"type": "cross", "value": 20}),
            "entryPx": "1.0",
            "positionValue": value,
            "unrealizedPnl": upnl,
            "returnOnEquity": "0.0",
            "liquidationPx": None,
            "marginUsed": "0.0",
        },
    }


def raw_state(*positions: dict[str, Any], value: str = "1000.0", time: int = NOW_MS) -> bytes:
    summary = {
        "accountValue": value,
        "totalNtlPos": "0.0",
        "totalRawUsd": "0.0",
        "totalMarginUsed": "0.0",
    }
    return msgspec.json.encode(
        {
            "marginSummary": summary,
            "crossMarginSummary": summary,
            "withdrawable": "0.0",
            "assetPositions": positions,
            "time": time,
        }
    )


def state(*positions: dict[str, Any], value: str = "1000.0") -> ClearinghouseState:
    return msgspec.json.decode(raw_state(*positions, value=value), type=ClearinghouseState)


def test_cash_is_the_account_value_less_unrealised_profit() -> None:
    told = state(
        position("BTC", "0.1", "1000.0", "12.345678"),
        position("ETH", "-1.0", "50.0", "-0.00000001"),
        value="1012.5",
    )

    assert round((1012.5 - 12.345678) * 1e8) + 1 == cash_e8(told)


def test_the_cost_of_a_position_is_what_its_value_and_profit_say() -> None:
    told = state(
        position("BTC", "0.12345", "1000.0", "12.5"),
        position("ETH", "-2.0", "500.0", "20.0"),
    )

    assert [
        HeldPosition("hl:BTC", 12_345, 98_750_000_000),
        HeldPosition("hl:ETH", -20_000, -52_000_000_000),
    ] == [*held(Parts().common, told)]


def test_leverage_says_whether_it_is_cross() -> None:
    isolated = {"type": "isolated", "value": 3, "rawUsd": "-5.0"}
    told = state(
        position("BTC", "0.1", "1.0", "0.0"),
        position("ETH", "0.1", "1.0", "0.0", leverage=isolated),
    )

    assert {"hl:BTC": (20, True), "hl:ETH": (3, False)} == leverages(Parts().common, told)


@pytest.mark.parametrize(
    "row",
    [
        position("DOGE", "1.0", "1.0", "0.0"),
        position("BTC", "0.000001", "1.0", "0.0"),
        position("BTC", "1.0", "-1.0", "0.0"),
    ],
)
def test_a_position_that_cannot_be_is_an_error_and_no_guess(row: dict[str, Any]) -> None:
    with pytest.raises(VenueError):
        [*held(Parts().common, state(row))]


def test_a_read_carries_the_venues_time_and_every_position() -> None:
    told = state(position("BTC", "-0.5", "1.0", "0.0"))
    event = account_read(Parts().common, "main", told, is_caught_up=False)

    assert NOW_MS * NS_PER_MS == event.ts_venue_ns
    assert (("hl:BTC", -50_000),) == event.positions
    assert 1000 * 10**8 == event.equity_e8 == event.cash_e8


def test_a_recorded_account_costs_what_its_entry_prices_say(shared_dir: Path) -> None:
    path = shared_dir / "data" / "hyperliquid_rest" / "get_user_state.json"
    answer = msgspec.json.decode(path.read_bytes())["response"]
    recorded = msgspec.convert(answer, type=ClearinghouseState)
    known = Parts().common.by_coin
    rows = [one for one in recorded.asset_positions if one.position.coin in known]
    told = msgspec.structs.replace(recorded, asset_positions=tuple(rows))

    costs = [one.cost_e8 / 1e8 for one in held(Parts().common, told)]
    entries = [float(row.position.szi) * float(row.position.entry_px or 0) for row in rows]
    assert costs
    assert entries == pytest.approx(costs, rel=1e-4)


def test_an_account_begins_with_what_was_printed() -> None:
    told = state(position("BTC", "0.5", "40.0", "1.0"), value="101.5")
    begun = account_state(Parts().common, "main", told, (), {"hl:ETH": (7, True)}, ("warned",))

    assert (10_150_000_000, 10_050_000_000) == (begun.equity_e8, begun.cash_e8)
    assert {"hl:ETH": (7, True), "hl:BTC": (20, True)} == begun.leverage
    assert (("warned",), NOW_MS * NS_PER_MS) == (begun.warnings, begun.ts_venue_ns)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (OrderState.OPEN, Tif.GTC, False)),
        ({"tif": "Alo"}, (OrderState.OPEN, Tif.ALO, False)),
        ({"tif": "FrontendMarket"}, (OrderState.OPEN, Tif.GTC, False)),
        (
            {"tif": None, "is_trigger": True, "trigger_condition": "Price above 5"},
            (OrderState.WAITING, Tif.GTC, True),
        ),
    ],
)
def test_an_open_order_in_our_terms(fields: dict[str, Any], expected: Any) -> None:  # noqa: ANN401
    found = open_order(Parts().common, frontend_order(7, None, px="90.5", sz="0.5", **fields), None)

    assert expected == (found.state, found.tif, found.is_trigger)
    assert ("oid:7", 7, 905, 50_000) == (found.cloid, found.oid, found.px_ticks, found.sz_lots)


def test_children_are_listed_once() -> None:
    child = frontend_order(2, 2)
    parent = frontend_order(1, 1, children=(child,))

    assert [1, 2] == [one.oid for one in with_children([parent, child])]


# -- reading and merging ---------------------------------------------------------------------------


class Venue:
    """Answers info requests from a table."""

    def __init__(self, **answers: Any) -> None:  # noqa: ANN401
        self.answers = {
            "frontendOpenOrders": b"[]",
            "clearinghouseState": raw_state(),
            "userFillsByTime": b"[]",
            "userFunding": b"[]",
            "userNonFundingLedgerUpdates": b"[]",
            "orderStatus": b'{"status":"unknownOid"}',
        } | answers
        self.asked: list[str] = []
        self.may_say_status = asyncio.Event()
        self.may_say_status.set()
        self.is_asked_status = asyncio.Event()
        self.http = FakeHttp(self.answer)

    async def answer(self, path: str, body: bytes) -> HttpReply:
        assert path == "/info"
        kind = msgspec.json.decode(body)["type"]
        self.asked.append(kind)
        if kind == "orderStatus":
            self.is_asked_status.set()
            await self.may_say_status.wait()
        answer = self.answers[kind]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return HttpReply(200, {}, answer)


def fill_row(tid: int, time_ms: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "coin": "BTC",
        "px": "100.0",
        "sz": "1.0",
        "side": "B",
        "time": time_ms,
        "startPosition": "0.0",
        "dir": "Open Long",
        "closedPnl": "0.0",
        "hash": "0x0",
        "oid": 5,
        "crossed": True,
        "fee": "0.01",
        "tid": tid,
        "feeToken": "USDC",
        **fields,
    }


class Rig:
    """A reconciler over a scripted venue, in the running virtual loop."""

    def __init__(self, venue: Venue) -> None:
        self.parts = Parts(virtual_clock())
        self.common = self.parts.common
        self.info = InfoClient(venue.http)
        cash = CashBook(self.common, self.parts.reports, "main", ADDRESS)
        self.reconciler = Reconciler(self.common, self.info, cash, self.parts.reports)
        asks = Asks(
            lambda _, name: self.info.order_status(ADDRESS, name),
            lambda _: self.reconciler.fetch_fills(self.info),
            lambda _: self.reconciler.names_of_open_orders(self.info),
            lambda _: None,  # type: ignore[arg-type, return-value]
        )
        flights = Flights(self.common.orders)
        self.settler = Settler(self.common, flights, self.parts.reports, asks)

    def rest(self, number: int, oid: int) -> None:
        """An order of ours that rests."""
        place = Place("hl:BTC", cloid(number), Side.BUY, 1_000, 100_000, Tif.GTC)
        self.parts.sent("order", place)
        leg = self.common.orders.leg("main", cloid(number), 0)
        assert leg is not None
        self.parts.reports.accepted(leg, oid)
        self.parts.take()


def listed(oid: int, number: int) -> bytes:
    return msgspec.json.encode([frontend_order(oid, number)])


def test_catching_up_books_what_was_missed_before_it_tells_the_state() -> None:
    async def play() -> list[Any]:
        now_ms = virtual_clock().now_ns() // NS_PER_MS
        rows = msgspec.json.encode([fill_row(1, now_ms), fill_row(2, now_ms)])
        state_row = raw_state(position("BTC", "2.0", "200.0", "0.0"), time=now_ms)
        rig = Rig(Venue(userFillsByTime=rows, clearinghouseState=state_row))
        await rig.reconciler.catch_up(rig.settler)
        return rig.parts.take()

    events = run_virtual(play())

    assert [OrderFilled, OrderFilled, AccountRead] == [type(event) for event in events]


def test_an_order_that_is_not_listed_any_more_is_asked_about() -> None:
    async def play() -> tuple[list[Any], list[str]]:
        venue = Venue(frontendOpenOrders=listed(6, 2))
        rig = Rig(venue)
        rig.rest(1, 5)
        rig.rest(2, 6)
        await rig.reconciler.catch_up(rig.settler)
        return rig.parts.take(), venue.asked

    events, asked = run_virtual(play())

    assert [OrderCanceled, AccountRead] == [type(event) for event in events]
    assert cloid(1) == events[0].cloid
    assert "orderStatus" in asked


def test_a_catch_up_that_is_cut_off_does_not_end_the_asking_others_wait_for() -> None:
    async def play() -> list[Any]:
        venue = Venue()
        venue.may_say_status.clear()
        rig = Rig(venue)
        rig.rest(1, 5)
        catching_up = asyncio.ensure_future(rig.reconciler.catch_up(rig.settler))
        await venue.is_asked_status.wait()
        catching_up.cancel()
        await asyncio.wait({catching_up})
        venue.may_say_status.set()
        await rig.settler.begin(AskOrder("main", "hl:BTC", cloid(1), 0))
        return [*rig.parts.take(), venue.asked.count("orderStatus")]

    event, asked = run_virtual(play())

    assert (OrderCanceled, cloid(1), 4) == (type(event), event.cloid, asked)


def test_an_order_that_was_over_and_is_listed_lives() -> None:
    async def play() -> list[Any]:
        rig = Rig(Venue(frontendOpenOrders=listed(5, 1)))
        rig.rest(1, 5)
        leg = rig.common.orders.by_oid("main", 5)
        assert leg is not None
        rig.parts.reports.canceled(leg, "canceled")
        rig.parts.take()
        await rig.reconciler.catch_up(rig.settler)
        return rig.parts.take()

    events = run_virtual(play())

    assert [OrderAccepted, AccountRead] == [type(event) for event in events]


def test_a_state_older_than_our_last_fill_is_read_again_or_not_told() -> None:
    async def play() -> tuple[list[Any], list[str]]:
        now_ms = virtual_clock().now_ns() // NS_PER_MS
        old, new = raw_state(time=now_ms - 10), raw_state(time=now_ms)
        rows = msgspec.json.encode([fill_row(1, now_ms)])
        venue = Venue(userFillsByTime=rows, clearinghouseState=[old, old, new])
        rig = Rig(venue)
        await rig.reconciler.catch_up(rig.settler)
        fresh = rig.parts.take()
        venue.answers["clearinghouseState"] = old
        await rig.reconciler.catch_up(rig.settler)
        return [*fresh, "then", *rig.parts.take()], venue.asked

    events, asked = run_virtual(play())

    kinds = [type(event) for event in events]
    assert [OrderFilled, AccountRead, str] == kinds
    assert asked.count("clearinghouseState") > 4


@pytest.mark.parametrize("is_resumed", [True, False])
def test_opening_books_the_missed_fills_only_after_an_earlier_run(*, is_resumed: bool) -> None:
    async def play() -> tuple[list[Any], Any]:
        now_ms = virtual_clock().now_ns() // NS_PER_MS
        rows = [
            fill_row(1, now_ms - 2_000),
            fill_row(2, now_ms - 1_000),
            fill_row(3, now_ms + 1_000),
        ]
        rig = Rig(
            Venue(
                userFillsByTime=msgspec.json.encode(rows),
                clearinghouseState=raw_state(time=now_ms),
            )
        )
        left = Resumption(
            fills_seen_ms={"main": now_ms - 2_000},
            fills_seen=frozenset({("main", now_ms - 2_000, "hl:BTC", 1)}),
        )
        begun = await rig.reconciler.open(left if is_resumed else Resumption(), {}, ())
        booked = rig.parts.take()
        rig.reconciler.cash.book_fills(await rig.info.user_fills_by_time(ADDRESS, 1))
        told = [*booked, *rig.parts.take()]
        return [event.trade_id for event in told if isinstance(event, OrderFilled)], begun

    tids, begun = run_virtual(play())

    assert ([2, 3] if is_resumed else [3]) == tids
    assert 1000 * 10**8 == begun.cash_e8


def test_an_account_whose_time_is_not_yet_is_not_opened() -> None:
    async def play() -> None:
        late_ms = virtual_clock().now_ns() // NS_PER_MS + 24 * 3_600_000
        rig = Rig(Venue(clearinghouseState=raw_state(time=late_ms)))
        await rig.reconciler.open(Resumption(), {}, ())

    with pytest.raises(VenueError, match="not yet"):
        run_virtual(play())


def test_a_payment_of_the_request_has_the_form_of_the_stream() -> None:
    delta = FundingDelta(coin="BTC", usdc="-1.0", szi="2.0", funding_rate="0.1")
    flat = flat_funding(UserFundingRow(time_ms=5, hash="0x0", delta=delta))

    assert (5, "BTC", "-1.0", "2.0", "0.1") == (
        flat.time_ms,
        flat.coin,
        flat.usdc,
        flat.szi,
        flat.funding_rate,
    )


def test_a_state_that_was_read_again_says_that_fills_were_not_read_after_it() -> None:
    async def play() -> list[Any]:
        now_ms = virtual_clock().now_ns() // NS_PER_MS
        old, new = raw_state(time=now_ms - 10), raw_state(time=now_ms)
        rows = msgspec.json.encode([fill_row(1, now_ms)])
        rig = Rig(Venue(userFillsByTime=rows, clearinghouseState=[old, new]))
        await rig.reconciler.catch_up(rig.settler)
        return rig.parts.take()

    (told,) = [event for event in run_virtual(play()) if isinstance(event, AccountRead)]

    assert not told.is_caught_up


def test_a_state_is_told_though_a_fill_has_a_time_that_is_to_come() -> None:
    async def play() -> list[Any]:
        now_ms = virtual_clock().now_ns() // NS_PER_MS
        rows = msgspec.json.encode([fill_row(1, now_ms + 3_600_000)])
        rig = Rig(Venue(userFillsByTime=rows, clearinghouseState=[raw_state(time=now_ms)]))
        await rig.reconciler.catch_up(rig.settler)
        return rig.parts.take()

    assert [OrderFilled, AccountRead] == [type(event) for event in run_virtual(play())]


class Ending(Venue):
    """Its stream says that an order ended while the open orders are on their way."""

    rig: Rig

    async def answer(self, path: str, body: bytes) -> HttpReply:
        reply = await super().answer(path, body)
        if self.asked[-1] == "frontendOpenOrders":
            leg = self.rig.common.orders.by_oid("main", 5)
            assert leg is not None
            self.rig.parts.reports.canceled(leg, "canceled")
        return reply


def test_an_order_that_ended_after_open_orders_were_asked_for_stays_over() -> None:
    async def play() -> list[Any]:
        rig = Rig(venue := Ending(frontendOpenOrders=listed(5, 1)))
        rig.rest(1, 5)
        venue.rig = rig
        await rig.reconciler.catch_up(rig.settler)
        return rig.parts.take()

    assert [OrderCanceled, AccountRead] == [type(event) for event in run_virtual(play())]
