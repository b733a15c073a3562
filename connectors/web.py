"""HTTP and WebSocket as the connectors need them, and nothing more: two protocols with one meaning.

What matters to an order is whether anything left the machine. `NotSentError` is raised only when no
connection was made; every other failure is a `TransportError`, after which nobody knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from engine.errors import NotSentError, TransportError

BODY_BYTES_MAX: Final = 16 * 2**20
CONNECTIONS_MAX: Final = 32
CONNECT_TIMEOUT_S: Final = 5.0
IDLE_S_MAX: Final = 15.0
CLOSE_TIMEOUT_S: Final = 1.0
_CHUNK_BYTES: Final = 2**16
_MESSAGE_ENDS: Final = frozenset(
    {
        aiohttp.WSMsgType.CLOSE,
        aiohttp.WSMsgType.CLOSING,
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.ERROR,
    }
)


class HttpReply(NamedTuple):
    """A whole answer. Header names are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """Requests to one host."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> HttpReply:
        """Send one request, never twice, and give its whole answer whatever its status.

        Raises NotSentError when no connection was made, so that nothing left, and TransportError
        for a timeout, a reset, half an answer or one above 16 MiB: whether the request was carried
        out is then unclear.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; closing again does nothing."""
        ...


class OrderedHttp(Http, Protocol):
    """An `Http` that can say when a request's bytes were handed to the network."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        on_written: Callable[[], None] | None = None,
    ) -> HttpReply:
        """As `Http.request`; `on_written` is called once the body is on its way, if ever."""
        ...


class WebSocket(Protocol):
    """One open connection."""

    async def send(self, text: str) -> None:
        """Send one text message. Raises TransportError when the connection is gone."""
        ...

    async def receive(self) -> str | bytes:
        """The next message. Raises TransportError when the connection is closed or lost.

        An empty one says that the other side pinged, and was answered: a sign of life.
        """
        ...

    async def aclose(self) -> None:
        """Close, within a second or so; closing again does nothing."""
        ...


class Dialer(Protocol):
    """Makes WebSocket connections."""

    async def dial(self, url: str, headers: Mapping[str, str] | None = None) -> WebSocket:
        """Connect to `url`. Raises TransportError when that fails."""
        ...


class AiohttpHttp:
    """`OrderedHttp` over pooled connections to `base_url` (scheme, host, port, perhaps a path).

    Redirects are not followed, cookies not kept, proxies of the environment not used. aiohttp sets
    TCP_NODELAY on every connection. An idle connection is dropped after 15 s, long before a server
    would, so that a request does not meet a closing one.
    """

    def __init__(self, base_url: str, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self._base_url = base_url.rstrip("/")
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        on_written: Callable[[], None] | None = None,
    ) -> HttpReply:
        """Send one request; see `OrderedHttp.request`."""
        if self._is_closed:
            raise NotSentError(f"{method} {path}: the client is closed")
        session = self._session
        if session is None:
            session = self._session = _session(self._connections_max)
        data = body if body is None or on_written is None else _ToldBytes(body, on_written)
        try:
            async with session.request(
                method,
                self._base_url + path,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=_timeout(timeout_s),
            ) as answer:
                return HttpReply(answer.status, answer.headers, await _body(answer))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSentError(f"{method} {path}: not connected: {_say(error)}") from error
        except TimeoutError as error:
            raise TransportError(f"{method} {path}: no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(f"{method} {path}: {_say(error)}") from error

    async def aclose(self) -> None:
        """Close every connection; closing again does nothing."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()


class AiohttpDialer:
    """`Dialer` whose connections share one session."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def dial(self, url: str, headers: Mapping[str, str] | None = None) -> WebSocket:
        """Connect to `url`; see `Dialer.dial`."""
        if self._session is None or self._session.closed:
            self._session = _session(0)
        try:
            socket = await self._session.ws_connect(
                url,
                headers=headers,
                autoping=False,
                compress=0,
                max_msg_size=BODY_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TransportError(f"websocket not connected: {_say(error)}") from error
        return _AiohttpWebSocket(socket)

    async def aclose(self) -> None:
        """Close what the connections share, and with it every connection."""
        if self._session is not None:
            await self._session.close()


class _AiohttpWebSocket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise TransportError(f"websocket: {_say(error)}") from error

    async def receive(self) -> str | bytes:
        while True:
            message = await self._socket.receive()
            kind = message.type
            if kind is aiohttp.WSMsgType.TEXT or kind is aiohttp.WSMsgType.BINARY:
                data: str | bytes = message.data
                if data:
                    return data
            elif kind is aiohttp.WSMsgType.PING:
                await self._pong(message.data)
                return ""
            elif kind is aiohttp.WSMsgType.PONG:
                return ""
            elif kind in _MESSAGE_ENDS:
                raise TransportError(f"websocket closed ({self._why(message)})")

    async def _pong(self, data: bytes) -> None:
        try:
            await self._socket.pong(data)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise TransportError(f"websocket: {_say(error)}") from error

    def _why(self, message: aiohttp.WSMessage) -> str:
        if message.type is aiohttp.WSMsgType.ERROR:
            return _say(message.data)
        code = self._socket.close_code
        return "no close frame" if code is None or code == 1006 else f"code {code}"

    async def aclose(self) -> None:
        try:
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                await self._socket.close()
        except (aiohttp.ClientError, OSError, RuntimeError, TimeoutError):
            return


class _ToldBytes(aiohttp.BytesPayload):
    """A body that says when it has been written to its connection's transport."""

    def __init__(self, body: bytes, on_written: Callable[[], None]) -> None:
        super().__init__(body)
        self._on_written = on_written

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        await super().write_with_length(writer, content_length)
        self._on_written()


def _session(connections_max: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections_max, keepalive_timeout=IDLE_S_MAX),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=2**15,
        max_field_size=2**15,
    )


@lru_cache(maxsize=64)
def _timeout(total_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total_s, sock_connect=min(total_s, CONNECT_TIMEOUT_S))


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The whole body, if it is not above the bound."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            answer.close()
            raise TransportError(f"an answer of more than {BODY_BYTES_MAX} bytes")
    return bytes(body)


def _say(error: object) -> str:
    """An error in words: many of the network's have no text of their own."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
