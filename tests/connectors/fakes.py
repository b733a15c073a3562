"""An HTTP client and a WebSocket dialer in memory, for tests in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from connectors.web import HttpReply, WebSocket
from engine.drive.virtual_time import run_virtual
from engine.errors import TransportError


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Let a test run in virtual time."""

    def run() -> None:
        run_virtual(test())

    run.__name__ = test.__name__
    return run


class FakeSocket:
    """One connection. The test puts frames in and reads what was sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.is_closed = False
        self._frames: asyncio.Queue[str | bytes | TransportError] = asyncio.Queue()

    def put(self, frame: str | bytes) -> None:
        self._frames.put_nowait(frame)

    def lose(self, reason: str = "reset") -> None:
        self._frames.put_nowait(TransportError(reason))

    async def send(self, text: str) -> None:
        if self.is_closed:
            raise TransportError("closed")
        self.sent.append(text)

    async def receive(self) -> str | bytes:
        frame = await self._frames.get()
        if isinstance(frame, TransportError):
            raise frame
        return frame

    async def aclose(self) -> None:
        self.is_closed = True


class FakeDialer:
    """Hands out sockets; `refuse` says how many of the next dials fail."""

    def __init__(self) -> None:
        self.dials: list[tuple[str, Mapping[str, str] | None]] = []
        self.sockets: list[FakeSocket] = []
        self.refuse = 0
        self.dialled = asyncio.Event()
        self.on_socket: Callable[[FakeSocket], None] = lambda _: None

    async def dial(self, url: str, headers: Mapping[str, str] | None = None) -> WebSocket:
        self.dials.append((url, headers))
        self.dialled.set()
        if self.refuse:
            self.refuse -= 1
            raise TransportError("refused")
        socket = FakeSocket()
        self.sockets.append(socket)
        self.on_socket(socket)
        return socket


class FakeHttp:
    """Answers by a function of the test; keeps what was asked."""

    def __init__(self, answer: Callable[[str, bytes], Awaitable[HttpReply]]) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self._answer = answer

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> HttpReply:
        del method, headers
        self.requests.append((path, body or b""))
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer(path, body or b"")
        except TimeoutError:
            raise TransportError("timeout") from None

    async def aclose(self) -> None:
        return


class ScriptedRandomness:
    """The same number every time."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def u64(self) -> int:
        return int(self.value * 2**64)

    def uniform(self) -> float:
        return self.value
