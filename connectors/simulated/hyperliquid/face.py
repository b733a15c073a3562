"""The Hyperliquid face's server: `/info`, `/exchange` and `/ws` on one port of 127.0.0.1."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from aiohttp import web

from connectors.simulated.core import VenueCore
from connectors.simulated.faults import HTML, Fault, Faults
from connectors.simulated.hyperliquid.connection import reset
from connectors.simulated.hyperliquid.exchange import ExchangeHandler, action_type
from connectors.simulated.hyperliquid.info import InfoHandler
from connectors.simulated.hyperliquid.limits import TOO_MANY, AddressBudget, IpWeights
from connectors.simulated.hyperliquid.replies import UNREADABLE, Reply
from connectors.simulated.hyperliquid.ws import WsHandler
from connectors.simulated.settings import HOST, VenueSettings

BODY_MAX: Final = 1 << 20
_REFUSED: Final = frozenset({"refuse", "status_429", "bad_gateway", "null_500", "hang_before"})


class HyperliquidFace:
    """Serves Hyperliquid's wire."""

    def __init__(self, core: VenueCore, settings: VenueSettings, faults: Faults) -> None:
        weights = IpWeights(core.clock, settings.limits)
        budget = AddressBudget(core.clock, settings.limits)
        self._core = core
        self._settings = settings
        self._faults = faults
        self._info = InfoHandler(core, weights, budget)
        self._exchange = ExchangeHandler(core, settings, weights, budget)
        self._ws = WsHandler(core, settings, faults, self._info, self._exchange)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._port = settings.port

    @property
    def http_url(self) -> str:
        """The base of `/info` and `/exchange`."""
        return f"http://{HOST}:{self._port}"

    @property
    def ws_url(self) -> str:
        """The WebSocket."""
        return f"ws://{HOST}:{self._port}/ws"

    def addresses(self) -> dict[str, object]:
        """`hyperliquid` and `ws`."""
        return {"hyperliquid": self.http_url, "ws": self.ws_url}

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_post("/info", self._serve_info)
        app.router.add_post("/exchange", self._serve_exchange)
        app.router.add_get("/ws", self._ws.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await self._listen(True)  # noqa: FBT003 - open or not is all it takes
        self._faults.listen.append(self._listen)
        self._ws.hub.start()

    async def stop(self) -> None:
        """Close everything."""
        self._faults.release_hung()
        await self._ws.hub.stop()
        await self._ws.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self, is_open: bool) -> None:  # noqa: FBT001 - open or not is all it takes
        assert self._runner is not None
        if not is_open:
            if self._site is not None:
                await self._site.stop()
                self._site = None
            return
        if self._site is None:
            self._site = web.TCPSite(self._runner, HOST, self._port, reuse_address=True)
            await self._site.start()
            self._port = self._runner.addresses[0][1]

    # -- requests ----------------------------------------------------------------------------------

    async def _serve_info(self, request: web.Request) -> web.Response:
        return await self._serve(request, is_action=False)

    async def _serve_exchange(self, request: web.Request) -> web.Response:
        return await self._serve(request, is_action=True)

    async def _serve(self, request: web.Request, *, is_action: bool) -> web.Response:
        body = await request.read()
        try:
            payload = msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return _response(UNREADABLE)
        fault = self._faults.take(request.path, action_type(payload))
        if fault is not None and fault.kind in _REFUSED:
            return await self._fail(request, fault)
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        ip = request.remote or ""
        if is_action:
            reply = await self._exchange.answer(payload, ip)
        else:
            reply = self._info.answer(payload, ip)
        if fault is not None and fault.kind != "delay":
            return await self._fail(request, fault)
        return _response(reply)

    async def _fail(self, request: web.Request, fault: Fault) -> web.Response:
        """Answer as the fault says."""
        match fault.kind:
            case "status_429":
                return web.Response(status=429, text=TOO_MANY)
            case "bad_gateway" | "late_502":
                return web.Response(status=502, text=HTML, content_type="text/html")
            case "null_500":
                return _response(Reply(500, None))
            case "garbage":
                return web.Response(body=b'{"status":"ok","resp', content_type="application/json")
            case "hang_before" | "hang_after":
                await self._faults.hang()
            case _:
                pass
        reset(request.transport)
        return web.Response()


def _response(reply: Reply) -> web.Response:
    if reply.status in {200, 500}:
        body: Any = msgspec.json.encode(reply.body)
        return web.Response(status=reply.status, body=body, content_type="application/json")
    return web.Response(status=reply.status, text=reply.body)
