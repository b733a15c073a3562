"""The client over real sockets: throttling, tokens, permissions, timeouts, pings and reconnects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from connectors.perpex.auth import Tokens
from connectors.perpex.budget import RequestBudget
from connectors.perpex.feed import Feed, Private
from connectors.perpex.mapping.names import Verdict
from connectors.perpex.mapping.read import Fault, Payload, Quarantine
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.rest import NotSent, PerpexRest, Unclear
from connectors.port import Wants
from connectors.stream import Network
from connectors.web import AiohttpDialer, AiohttpHttp
from engine.config.secret import Secret
from engine.drive.seams import SystemClock
from engine.errors import CredentialsError
from engine.model.events import AnyEvent, BookSnapshot, Trade
from tests.connectors.fakes import ScriptedRandomness
from tests.connectors.perpex.fakes import BTC, T0_MS, TOKEN, account, book_frame
from tests.connectors.serving import Handler, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

RAW = msgspec.Raw(b'{"symbol":"BTC"}')


@asynccontextmanager
async def client(handler: Handler, tokens: Tokens | None = None) -> AsyncIterator[PerpexRest]:
    """The REST client of a server with this handler; it gives up after 0.3 s."""
    clock = SystemClock()
    async with serving(handler) as url:
        http = AiohttpHttp(url)
        rest = PerpexRest(
            http,
            PerpexSettings(rest_prefix="/api/v1", request_timeout_s=0.3),
            RequestBudget(110, 20, clock),
            tokens or Tokens(Secret(TOKEN), clock),
            ScriptedRandomness(0.0),
            Quarantine(),
        )
        try:
            yield rest
        finally:
            await http.aclose()


def answer(data: Any, status: int = 200, **headers: str) -> web.Response:  # noqa: ANN401
    return web.json_response({"data": data}, status=status, headers=headers)


def fault(status: int, code: str, **headers: str) -> web.Response:
    body = {"error": {"code": code, "message": "no"}}
    return web.json_response(body, status=status, headers=headers)


async def test_a_429_with_retry_after_is_waited_out_by_a_read_and_told_to_an_order() -> None:
    calls: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        calls.append(request.method)
        if len(calls) == 1 or request.method == "POST":
            return fault(429, "RATE_LIMITED", **{"Retry-After": "0.05"})
        return answer(account(time=T0_MS))

    async with client(handler) as rest:
        await rest.account()
        outcome = await rest.post_orders([RAW])

    assert ["GET", "GET", "POST"] == calls
    assert isinstance(outcome, Fault)
    assert Verdict.THROTTLED is outcome.verdict
    assert 2 == rest.budget.throttles


async def test_a_token_that_ends_in_mid_run_is_renewed_by_a_read_and_refuses_an_order() -> None:
    made = 0

    async def source() -> Secret:
        nonlocal made
        made += 1
        return Secret(f"token-{made}")

    good = "token-1"

    async def handler(request: web.Request) -> web.StreamResponse:
        is_good = request.headers.get("Authorization") == f"Bearer {good}"
        return answer(account(time=T0_MS)) if is_good else fault(401, "UNAUTHORIZED")

    clock = SystemClock()
    tokens = Tokens(source, clock)
    async with client(handler, tokens) as rest:
        await rest.account()
        good = "token-2"
        tokens._tried_ns = None  # noqa: SLF001 - no need to wait 5 s of real time
        outcome = await rest.post_orders([RAW])
        assert isinstance(outcome, Fault)
        assert Verdict.UNAUTHORIZED is outcome.verdict
        await rest.account()

    assert 2 == made


async def test_a_403_is_a_missing_permission() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return fault(403, "FORBIDDEN")

    async with client(handler) as rest:
        with pytest.raises(CredentialsError, match="permission"):
            await rest.account()


@pytest.mark.parametrize("code", ["INSUFFICIENT_MARGIN", "INVALID_SYMBOL", "ORDER_NOT_FOUND"])
async def test_the_three_codes_of_the_page_arrive_as_they_are(code: str) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return fault(422, code)

    async with client(handler) as rest:
        outcome = await rest.post_orders([RAW])

    assert isinstance(outcome, Fault)
    assert code == outcome.code


async def test_an_order_taken_and_answered_by_silence_is_unclear_and_not_sent_again() -> None:
    taken: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        taken.append(await request.json())
        await asyncio.sleep(5)
        raise AssertionError

    async with client(handler) as rest:
        outcome = await rest.post_orders([RAW])

    assert isinstance(outcome, Unclear)
    assert 1 == len(taken)


async def test_an_order_whose_connection_breaks_is_unclear_and_one_never_connected_not_sent() -> (
    None
):
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        raise web.HTTPInternalServerError

    async with client(handler) as rest:
        broken = await rest.post_orders([RAW])
    async with serving(handler) as url:
        http = AiohttpHttp(url)
    unreached = PerpexRest(
        http,
        PerpexSettings(rest_prefix="/api/v1"),
        RequestBudget(110, 20, SystemClock()),
        None,
        ScriptedRandomness(),
        Quarantine(),
    )
    never = await unreached.post_orders([RAW])
    await http.aclose()

    assert isinstance(broken, Unclear)
    assert isinstance(never, NotSent)


async def test_a_redirect_is_not_followed_so_the_token_stays_with_its_host() -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        raise web.HTTPTemporaryRedirect(location="/elsewhere")

    async with client(handler) as rest:
        outcome = await rest.post_orders([RAW])

    assert ["/api/v1/orders"] == paths
    assert isinstance(outcome, Fault)
    assert Verdict.UNCLEAR is outcome.verdict


async def test_ids_and_symbols_are_escaped_on_the_wire() -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.raw_path)
        return answer({"bids": [], "asks": [], "status": "canceled"})

    async with client(handler) as rest:
        await rest.orderbook("xyz:TSLA")
        assert isinstance(await rest.cancel("a/b?c"), Payload)

    # A colon needs no escape within a path, and aiohttp takes it away.
    assert ["/api/v1/orderbook/xyz:TSLA?depth=20", "/api/v1/orders/a%2Fb%3Fc"] == paths


# -- the WebSocket ---------------------------------------------------------------------------------


class Server:
    """Acknowledges subscriptions, and does what a test tells it with each connection."""

    def __init__(self) -> None:
        self.connections: list[web.WebSocketResponse] = []
        self.authorizations: list[str | None] = []
        self.pongs = 0
        self.changed = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.connections.append(socket)
        self.authorizations.append(request.headers.get("Authorization"))
        self.changed.set()
        async for message in socket:
            if message.type is WSMsgType.PONG:
                self.pongs += 1
                self.changed.set()
                continue
            frame = json.loads(message.data)
            if frame["op"] == "subscribe":
                await socket.send_json({"op": "subscribed", "id": frame["id"]})
                if frame["channel"] == "orderbook":
                    await socket.send_json(book_frame(1))
        return socket

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def fed(server: Server) -> AsyncIterator[tuple[Feed, list[AnyEvent]]]:
    heard: list[AnyEvent] = []

    def hear(event: AnyEvent) -> None:
        heard.append(event)
        server.changed.set()

    async with serving(server.serve) as url:
        dialer = AiohttpDialer()
        feed = Feed(
            "px",
            PerpexSettings(ws_url=url.replace("http", "ws", 1) + "/"),
            Network(dialer, SystemClock(), ScriptedRandomness(0.0)),
            hear,
            Quarantine(),
            on_positions=lambda *_: None,
            on_lost=lambda: None,
        )
        accounts = {"main": Private(Tokens(Secret(TOKEN), SystemClock()), Quarantine())}
        feed.start([Wants(BTC, book=True, trades=True)], {BTC: "BTC"}, accounts)
        assert await feed.wait_ready(10)
        try:
            yield feed, heard
        finally:
            await feed.aclose()
            await dialer.aclose()


async def test_a_ping_frame_is_answered_even_when_a_step_was_busy() -> None:
    server = Server()
    async with fed(server):
        socket = server.connections[-1]
        for number in range(200):
            row = {"id": number, "price": "1", "size": "1", "side": "buy", "time": T0_MS}
            frame = {"channel": "trades", "symbol": "BTC", "type": "update", "data": [row]}
            await socket.send_json(frame)
        await socket.ping(b"are you there")
        sum(number * number for number in range(300_000))  # nobody yields meanwhile
        await server.until(lambda: server.pongs > 0)

    assert 1 == server.pongs


async def test_a_connection_that_breaks_is_made_anew_and_the_book_begins_with_a_snapshot() -> None:
    server = Server()
    async with fed(server) as (feed, heard):
        public = server.connections[-1]
        await public.close()
        await server.until(lambda: sum(isinstance(e, BookSnapshot) for e in heard) == 2)
        await server.until(lambda: feed.is_ready)
        assert 3 == len(server.connections)


async def test_only_the_private_connection_carries_the_token() -> None:
    server = Server()
    async with fed(server) as (_, heard):
        assert [f"Bearer {TOKEN}", None] == server.authorizations
        assert not any(isinstance(event, Trade) for event in heard)
