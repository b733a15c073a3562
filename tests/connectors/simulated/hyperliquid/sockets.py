"""A WebSocket of the scripted venue, as a test reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from connectors.simulated.server import LoopbackVenue
from tests.connectors.simulated.scripted import Json

WAIT_S = 5.0


class Socket:
    """Frames that were read past are kept, so that the order of channels does not matter."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.passed: list[Json] = []

    async def say(self, message: Json) -> None:
        await self.ws.send_str(message if isinstance(message, str) else _text(message))

    async def subscribe(self, kind: str, **fields: Json) -> Json:
        """Subscribe, and give the acknowledgement or the error."""
        await self.say({"method": "subscribe", "subscription": {"type": kind, **fields}})
        return await self.next("subscriptionResponse", "error")

    async def next(self, *channels: str) -> Json:
        """The next frame of these channels."""
        for frame in self.passed:
            if frame["channel"] in channels:
                self.passed.remove(frame)
                return frame
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = msgspec.json.decode(await self.ws.receive_str())
                if frame["channel"] in channels:
                    return frame
                self.passed.append(frame)

    async def data(self, channel: str) -> Json:
        return (await self.next(channel))["data"]

    async def quiet(self) -> list[Json]:
        """Everything that was sent until the answer to a ping of ours."""
        await self.say({"method": "ping"})
        await self.next("pong")
        passed, self.passed = self.passed, []
        return passed

    async def end(self) -> aiohttp.WSMsgType:
        """How the connection ends."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = await self.ws.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return message.type


def _text(message: Json) -> str:
    return msgspec.json.encode(message).decode()


@asynccontextmanager
async def connected(venue: LoopbackVenue, session: aiohttp.ClientSession) -> AsyncIterator[Socket]:
    """One connection."""
    async with session.ws_connect(venue.ws_url) as ws:
        yield Socket(ws)
