"""The other side of the round trip, in a process of its own: pushes books, takes signed actions.

    python -m benchmarks.roundtrip_venue

prints its port. What is read at the start comes from the simulated exchange. A book of 20 levels a
side, moved by a tick, is pushed `PACE_S` after the action that answers the one before; a client
that says nothing gets the next one after `PATIENCE_S`. Actions are answered at once and unread, as
resting orders; only the first noop goes to the exchange, which opens the account by it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import HOST, Cadences, VenueSettings

COIN: Final = "BTC"
JSON: Final = {"Content-Type": "application/json"}
LEVELS: Final = 20
PACE_S: Final = 0.006
PATIENCE_S: Final = 0.25
MOVES: Final = (0, 1, 2, 3, 2, 1)
MID_TICKS: Final = 1_000_000
"""The middle of the book: one tick is 0.1, so 100,000."""


def book_frame(number: int, time_ms: int) -> bytes:
    """The book number `number`; every one is a tick or more away from the one before."""
    mid_ticks = MID_TICKS + 10 * MOVES[number % len(MOVES)]
    sides = [
        [
            {
                "px": f"{(mid_ticks + sign * 10 * (level + 1)) / 10:.1f}",
                "sz": f"{level + 1}.23451",
                "n": level + 1,
            }
            for level in range(LEVELS)
        ]
        for sign in (-1, 1)
    ]
    data = {"coin": COIN, "time": time_ms, "levels": sides}
    return msgspec.json.encode({"channel": "l2Book", "data": data})


def context_frame() -> bytes:
    """The mark, where the book is."""
    px = str(MID_TICKS / 10)
    context = {"funding": "0.00001", "openInterest": "100.0", "markPx": px, "oraclePx": px}
    return _frame("activeAssetCtx", {"coin": COIN, "ctx": context})


def _frame(channel: str, data: Any) -> bytes:  # noqa: ANN401 - any JSON
    return msgspec.json.encode({"channel": channel, "data": data})


class _Pusher:
    """Pushes books to one socket, one for each action, while it is told to."""

    def __init__(self, venue: LoopbackVenue) -> None:
        self._venue = venue
        self._go = asyncio.Event()
        self._answered = asyncio.Event()
        self._number = 0

    def answered(self) -> None:
        """An action was answered."""
        self._answered.set()

    def set_running(self, *, is_running: bool) -> None:
        """Go on, or rest."""
        if is_running:
            self._go.set()
        else:
            self._go.clear()

    async def run(self, socket: web.WebSocketResponse) -> None:
        """Push until cancelled."""
        while True:
            await self._go.wait()
            self._answered.clear()
            self._number += 1
            frame = book_frame(self._number, self._venue.clock.now_ms())
            with suppress(ConnectionError):
                await socket.send_str(frame.decode())
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._answered.wait()
            await asyncio.sleep(PACE_S)


class RoundTripVenue:
    """The server's handlers."""

    def __init__(self, venue: LoopbackVenue, outward: aiohttp.ClientSession) -> None:
        self._venue = venue
        self._outward = outward
        self._pusher = _Pusher(venue)
        self._oid = 1_000_000

    def app(self) -> web.Application:
        """Everything it serves."""
        app = web.Application()
        app.router.add_post("/info", self._pass_on)
        app.router.add_post("/exchange", self._exchange)
        app.router.add_get("/ws", self._ws)
        app.router.add_get("/bare", self._bare)
        app.router.add_post("/{switch:go|rest}", self._switch)
        return app

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        url = f"{self._venue.http_url}{request.path}"
        async with self._outward.post(url, data=body, headers=JSON) as answer:
            return web.Response(status=answer.status, body=await answer.read(), headers=JSON)

    async def _exchange(self, request: web.Request) -> web.Response:
        action = msgspec.json.decode(await request.read())["action"]
        if action["type"] == "noop":
            return await self._pass_on(request)
        if action["type"] == "cancelByCloid":
            statuses: list[Any] = ["success"] * len(action["cancels"])
        else:
            commands = action.get("orders") or action["modifies"]
            self._oid += len(commands)
            statuses = [{"resting": {"oid": self._oid - back}} for back in range(len(commands))]
        response = {"type": action["type"], "data": {"statuses": statuses}}
        body = msgspec.json.encode({"status": "ok", "response": response})
        self._pusher.answered()
        return web.Response(body=body, headers=JSON)

    async def _switch(self, request: web.Request) -> web.Response:
        self._pusher.set_running(is_running=request.match_info["switch"] == "go")
        return web.Response()

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        tasks = []
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            if asked["method"] == "ping":
                await socket.send_str('{"channel":"pong"}')
                continue
            subscription = asked["subscription"]
            echo = {"method": asked["method"], "subscription": subscription}
            await socket.send_str(_frame("subscriptionResponse", echo).decode())
            kind = subscription["type"]
            if kind == "userFills":
                fills = {"isSnapshot": True, "user": subscription["user"], "fills": []}
                await socket.send_str(_frame("userFills", fills).decode())
            elif kind == "activeAssetCtx":
                tasks.append(asyncio.create_task(_contexts(socket)))
            elif kind == "l2Book":
                await socket.send_str(book_frame(0, self._venue.clock.now_ms()).decode())
                tasks.append(asyncio.create_task(self._pusher.run(socket)))
        for task in tasks:
            task.cancel()
        return socket

    async def _bare(self, request: web.Request) -> web.StreamResponse:
        """A book `PACE_S` after each message: for the floor of receiving."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        number = 0
        async for _ in socket:
            number += 1
            await asyncio.sleep(PACE_S)
            await socket.send_str(book_frame(number, self._venue.clock.now_ms()).decode())
        return socket


async def _contexts(socket: web.WebSocketResponse) -> None:
    while True:
        with suppress(ConnectionError):
            await socket.send_str(context_frame().decode())
        await asyncio.sleep(1.0)


async def _serve() -> None:
    # Its own market hardly moves: it would take the processor from what is measured.
    settings = VenueSettings(coins=(COIN,), history_s=5.0, cadences=Cadences(tick_s=5.0))
    async with LoopbackVenue(settings) as venue, aiohttp.ClientSession() as outward:
        runner = web.AppRunner(RoundTripVenue(venue, outward).app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        print(runner.addresses[0][1], flush=True)
        # Ends with the process that started it.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
