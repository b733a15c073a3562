"""One WebSocket connection of the Hyperliquid face: its queue out, its loop in.

What goes out passes the scripted faults and waits in a bounded queue; a client that reads too
slowly is cut off. A connection to which nothing was sent for a minute is closed (protocol 5.1).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from connectors.simulated.faults import WsFaults

QUEUE_MAX: Final = 20_000
CLOSE_S: Final = 1.0
_GOING_AWAY: Final = 1001


class Connection:
    """One socket. `subscriptions` are the topics it follows, `users` those of its user channels."""

    def __init__(
        self,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        ip: str,
        faults: WsFaults,
        silence_s: float,
    ) -> None:
        self.ip = ip
        self.subscriptions: dict[str, tuple[object, ...]] = {}
        self.users: dict[str, str] = {}
        self.posts = 0
        self._ws = ws
        self._transport = transport
        self._faults = faults
        self._silence_s = silence_s
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)
        self._is_frozen = False
        self._thawed = asyncio.Event()

    # -- out ---------------------------------------------------------------------------------------

    def send(self, frame: dict[str, Any]) -> None:
        """Send a frame, unless a fault says otherwise."""
        for _ in range(self._faults.passes(self, frame)):
            self.send_now(frame)

    def send_now(self, frame: dict[str, Any]) -> None:
        """Send a frame past every fault."""
        if self._is_frozen:
            return
        try:
            self._queue.put_nowait(msgspec.json.encode(frame))
        except asyncio.QueueFull:
            self.reset()

    async def write(self) -> None:
        """Write what is queued until the connection ends."""
        while True:
            try:
                async with asyncio.timeout(self._silence_s):
                    text = await self._queue.get()
            except TimeoutError:
                if not self._is_frozen:
                    await self._ws.close()
                return
            if text is None:
                await self._ws.close(code=_GOING_AWAY)
                return
            if self._is_frozen:
                continue
            try:
                await self._ws.send_frame(text, WSMsgType.TEXT)
            except ConnectionError:
                return

    # -- in ----------------------------------------------------------------------------------------

    async def read(self) -> str | None:
        """The next text; None at the end. What is no text is an empty one."""
        while True:
            message = await self._ws.receive()
            if self._is_frozen:
                await self._thawed.wait()
                return None
            if message.type is WSMsgType.TEXT:
                text: str = message.data
                return text
            if message.type is WSMsgType.PING:
                await self._ws.pong(message.data)
            elif message.type is WSMsgType.BINARY:
                return ""
            elif message.type is not WSMsgType.PONG:
                return None

    # -- ends --------------------------------------------------------------------------------------

    def close_cleanly(self) -> None:
        """Close with a closing handshake, after what is queued."""
        if not self._queue.full():
            self._queue.put_nowait(None)

    def close_silently(self) -> None:
        """Close the socket without a word."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Break the connection off."""
        reset(self._transport)

    def freeze(self) -> None:
        """Read and write nothing any more, and stay open."""
        self._is_frozen = True

    async def stop(self) -> None:
        """End it because the venue stops."""
        if self._is_frozen:
            self.reset()
            self._thawed.set()
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._ws.close(code=_GOING_AWAY)
        except (TimeoutError, ConnectionError):
            self.reset()


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with a reset: nothing that was written and not read arrives."""
    if not isinstance(transport, asyncio.Transport) or transport.is_closing():
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
