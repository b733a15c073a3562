"""Whatever Perpex sends: typed values, a VenueError or a counted quarantine, and nothing else."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.perpex.account import AccountReader
from connectors.perpex.mapping.names import OrderStatus
from connectors.perpex.mapping.read import Fault, Payload, Quarantine, decode, open_answer
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import AccountWire, MarketWire
from connectors.perpex.metadata import build_metadata
from connectors.perpex.tickets import Tickets
from connectors.port import Wants
from connectors.web import HttpReply
from engine.drive.seams import ManualClock
from engine.drive.virtual_time import run_virtual
from engine.errors import VenueError
from engine.model.events import OrderEvent, OrderFilled, StreamChanged
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    VENUE,
    account,
    book_frame,
    fill,
    instrument,
    market,
    order,
    place,
    position,
)
from tests.connectors.perpex.test_feed import Rig as FeedRig
from tests.connectors.perpex.test_feed import candle
from tests.connectors.perpex.test_orders import CANCEL, MODIFY
from tests.connectors.perpex.test_orders import Rig as AccountRig

HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**25, max_value=10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["NaN", "Infinity", "-0", "1e999999999", "1e-999999999", "0x10", "9" * 400, "", " 1 "]
    ),
    st.sampled_from([[], {}, [[]], [{}], [["1", "2"]], {"data": 1}, [None], "1" * 5_000]),
)
FRAMES: list[Any] = [
    book_frame(2, "update"),
    book_frame(2),
    candle(1, "100", closed=True),
    {
        "channel": "trades",
        "symbol": "BTC",
        "type": "update",
        "time": 1_767_225_600_000,
        "data": [{"id": 1, "price": "1", "size": "2", "side": "buy", "time": 1_767_225_600_000}],
    },
    {"channel": "positions", "symbol": None, "type": "update", "data": [position()]},
    {"channel": "positions", "type": "liquidated", "data": {"symbol": "BTC", "size": "1"}},
    {"op": "subscribed", "id": 1, "channel": "trades"},
    {"op": "error", "id": 2, "code": "FORBIDDEN", "message": "no"},
    {"op": "ping"},
]
ANSWERS: list[Any] = [
    {"data": account(positions=[position()], open_orders=[order()])},
    {"data": [fill(), fill("f2")], "next_cursor": None},
    {"data": order()},
    {"data": {"results": [{"index": 0, "order": order()}, {"index": 1, "error": {"code": "X"}}]}},
    {"data": {"id": "1", "status": "canceled", "filled_size": "0.1"}},
    {"error": {"code": "ORDER_NOT_FOUND", "message": "m", "details": {"a": 1}}},
    [market()],
]


def paths(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """Every place in a JSON value."""
    found = [where] if where else []
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found += paths(item, (*where, key))
    return found


@st.composite
def mutated(draw: st.DrawFn, originals: list[Any]) -> bytes:
    """A message of the venue's in which something was replaced, removed, or cut."""
    value = copy.deepcopy(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(min_value=0, max_value=3))):
        places = paths(value)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        target = value
        for key in way:
            target = target[key]
        if draw(st.booleans()) and isinstance(target, dict):
            del target[last]
        else:
            target[last] = copy.deepcopy(draw(HOSTILE))
    raw = json.dumps(value).encode()
    if draw(st.integers(min_value=0, max_value=4)) == 0:
        at = draw(st.integers(min_value=0, max_value=len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=4)) + raw[at + 1 :]
    return raw


@given(raws=st.lists(mutated(FRAMES), max_size=6))
def test_no_frame_breaks_a_connection_or_makes_an_event_that_cannot_be(raws: list[bytes]) -> None:
    async def run() -> None:
        rig = FeedRig()
        wants = Wants(BTC, book=True, quotes=True, trades=True, bars_ns=(60_000_000_000,))
        rig.start(wants, with_account=True)
        await rig.feed.wait_ready(5)
        for socket in rig.server.dialer.sockets:
            for raw in raws:
                socket.put(raw)
        await asyncio.sleep(1)
        await rig.feed.aclose()
        assert 2 == len(rig.server.dialer.dials), "no frame costs the connection"
        assert all(e.ts_venue_ns > 0 for e in rig.heard if not isinstance(e, StreamChanged))

    run_virtual(run())


@given(raw=mutated(ANSWERS), status=st.sampled_from([200, 201, 302, 400, 404, 429, 500, 503]))
def test_every_answer_is_a_payload_a_fault_or_a_venue_error(raw: bytes, status: int) -> None:
    try:
        answer = open_answer(status, raw)
    except VenueError:
        assert 200 <= status < 300
        return
    assert isinstance(answer, Payload | Fault)
    if isinstance(answer, Fault):
        assert len(answer.reason) <= 64


@given(raw=mutated([account(positions=[position()], open_orders=[order()])]))
def test_an_account_is_read_whole_or_refused(raw: bytes) -> None:
    known = {BTC: instrument()}
    tickets = Tickets(lambda _: None)
    reader = AccountReader(
        ACCOUNT, VENUE, known, tickets, PerpexSettings(), ManualClock(1), Quarantine()
    )
    try:
        reading = reader.read(decode(raw, AccountWire))
    except VenueError:
        return
    assert all(item.instrument == BTC for item in reading.state.positions)
    assert reader.event(reading).equity_e8 == reading.state.equity_e8


@given(raw=mutated([market()]))
def test_a_market_becomes_an_instrument_or_is_left_out(raw: bytes) -> None:
    try:
        row = decode(raw, MarketWire)
    except VenueError:
        return
    made = build_metadata(VENUE, [row], {"BTC": instrument()}, {"BTC": 100.0}, PerpexSettings())

    assert 1 == len(made.instruments) + len(made.left_out)


@given(
    posts=st.lists(mutated(ANSWERS), min_size=1, max_size=3),
    deletes=st.lists(mutated(ANSWERS), min_size=1, max_size=3),
    accounts=st.lists(mutated([ANSWERS[0]]), min_size=1, max_size=3),
    fills=st.lists(mutated([ANSWERS[1]]), min_size=1, max_size=3),
    status=st.sampled_from([200, 200, 200, 404, 422, 503]),
)
def test_whatever_is_answered_to_an_order_every_command_is_told_something(
    posts: list[bytes],
    deletes: list[bytes],
    accounts: list[bytes],
    fills: list[bytes],
    status: int,
) -> None:
    async def run() -> None:
        rig = AccountRig()
        await rig.open()
        http = rig.http.on
        http["POST *"] = [HttpReply(status, {}, raw) for raw in posts]
        http["DELETE *"] = [HttpReply(status, {}, raw) for raw in deletes]
        http["GET /api/v1/account"] = [HttpReply(200, {}, raw) for raw in accounts]
        http["GET /api/v1/trades"] = [HttpReply(200, {}, raw) for raw in fills]
        rig.send(place())
        await asyncio.sleep(20)
        placed = [e for e in rig.told() if isinstance(e, OrderEvent) and e.cloid == CLOID]
        assert placed
        rig.heard.clear()
        rig.send(MODIFY, kind="modify")
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(90)
        told = [e for e in rig.told() if isinstance(e, OrderEvent) and e.cloid == CLOID]
        assert any(not isinstance(event, OrderFilled) for event in told)
        assert rig.session.budget.open_orders >= 0
        await rig.session.aclose()

    run_virtual(run())


@pytest.mark.parametrize("status", [*OrderStatus, "partially_filled", "OPEN", ""])
def test_every_status_word_is_taken_and_an_unknown_one_is_counted(status: str) -> None:
    async def run() -> tuple[int, int]:
        rig = AccountRig()
        await rig.open()
        body = json.dumps({"data": order("1", status)}).encode()
        rig.http.on["POST *"] = [HttpReply(200, {}, body)]
        rig.send(place())
        await asyncio.sleep(0.1)
        await rig.session.aclose()
        told = [event for event in rig.told() if isinstance(event, OrderEvent)]
        return len(told), rig.session.quarantine.counts.get("order status", 0)

    told, counted = run_virtual(run())
    assert told >= 1
    assert counted == (status.lower() not in set(OrderStatus))
