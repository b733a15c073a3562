"""The WebSocket half: connections, subscriptions, who is asking, and signs of life (protocol 9.4).

A connection that says nothing for 30 s is pinged, and closed when it does not show life either. One
whose token is over is told so and closed. Frames wait in a bounded queue; a reader too slow for it
is disconnected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from connectors.simulated.core import VenueCore
from connectors.simulated.faults import Faults
from connectors.simulated.perpex.channels import (
    CANDLES,
    INTERVALS,
    ORDERBOOK,
    POSITIONS,
    TRADES,
    Publisher,
)
from connectors.simulated.perpex.errors import (
    FORBIDDEN,
    INVALID_REQUEST,
    INVALID_SYMBOL,
    TOO_MANY_SUBSCRIPTIONS,
    UNAUTHORIZED,
    Refusal,
)
from connectors.simulated.perpex.hub import Hub
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.perpex.tokens import READ, Caller, TokenDesk, bearer
from connectors.simulated.perpex.views import Json
from engine.drive.seams import Clock
from engine.model.units import NS_PER_S

DEPTH_MAX: Final = 20
MESSAGE_BYTES_MAX: Final = 2**16
CLOSE_TIMEOUT_S: Final = 1.0
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
POLICY: Final = 1008
TOO_SLOW: Final = 1013

Key = tuple[str, str, str | int]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sends."""

    op: str
    id: int | None = None
    channel: str = ""
    symbol: str = ""
    depth: int = DEPTH_MAX
    interval: str = ""
    token: str = ""


_MESSAGE: Final = msgspec.json.Decoder(Message)


class Connection:
    """One client; for the faults a `Wire`, for the channels a `Subscriber`."""

    def __init__(
        self, socket: web.WebSocketResponse, request: web.Request, faults: Faults, queued_max: int
    ) -> None:
        self.caller: Caller | None = None
        self.subscriptions: dict[Key, Publisher] = {}
        self.is_frozen = False
        self.is_broken = False
        self._socket = socket
        self._transport = request.transport
        self._faults = faults
        self._queue: asyncio.Queue[str | tuple[int, str]] = asyncio.Queue(queued_max)
        self._is_closing = False

    def send(self, frame: Json) -> None:
        """Send a data frame, as the faults let it."""
        for _ in range(self._faults.ws.passes(self, frame)):
            self.send_now(frame)

    def send_now(self, frame: Json) -> None:
        """Send a frame past every fault."""
        if self._is_closing:
            return
        if self._queue.full():
            self.reset()
            return
        self._queue.put_nowait(msgspec.json.encode(frame).decode())

    def refuse(self, ident: int | None, refusal: Refusal) -> None:
        """Say what is wrong with a message, or with the connection."""
        self.send_now({"op": "error", "id": ident, **refusal.view()})

    def close(self, code: int, reason: str) -> None:
        """Close, after what is queued was sent."""
        if not self._is_closing:
            self._is_closing = True
            if self._queue.full():
                self.reset()
            else:
                self._queue.put_nowait((code, reason))

    def close_cleanly(self) -> None:
        """Close with a closing handshake."""
        self.close(GOING_AWAY, "going away")

    def reset(self) -> None:
        """Break the connection off."""
        self._is_closing = self.is_broken = True
        if self._transport is not None:
            self._transport.abort()

    def freeze(self) -> None:
        """Read and write nothing any more, and stay open."""
        self.is_frozen = True

    async def write(self) -> None:
        """Send what is queued, until the connection is closed."""
        while True:
            item = await self._queue.get()
            if isinstance(item, tuple):
                code, reason = item
                if not self.is_frozen:
                    await self._socket.close(code=code, message=reason.encode())
                return
            if self.is_frozen:
                continue
            try:
                await self._socket.send_str(item)
            except (ConnectionError, RuntimeError):
                return


class Life:
    """Signs of life of one connection: when it is to be pinged, and when it is given up."""

    def __init__(self, clock: Clock, settings: PerpexFaceSettings) -> None:
        self.is_pinged = False
        self._clock = clock
        self._ping_after_ns = round(settings.ping_after_s * NS_PER_S)
        self._pong_within_ns = round(settings.pong_within_s * NS_PER_S)
        self._deadline_ns = 0
        self.heard()

    def heard(self) -> None:
        """Something came."""
        self.is_pinged = False
        self._deadline_ns = self._clock.monotonic_ns() + self._ping_after_ns

    def pinged(self) -> None:
        """Now it has to answer."""
        self.is_pinged = True
        self._deadline_ns = self._clock.monotonic_ns() + self._pong_within_ns

    def left_ns(self) -> int:
        """Until something is to be done."""
        return self._deadline_ns - self._clock.monotonic_ns()


class WsDesk:
    """Serves connections. `withholds_pings` leaves them in silence: a fault."""

    def __init__(
        self,
        core: VenueCore,
        settings: PerpexFaceSettings,
        tokens: TokenDesk,
        hub: Hub,
        faults: Faults,
    ) -> None:
        self.withholds_pings = False
        self.connections: list[Connection] = []
        self._core = core
        self._settings = settings
        self._tokens = tokens
        self._hub = hub
        self._faults = faults
        self._ops: dict[str, Callable[[Connection, Message], None]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "auth": self._authenticate,
            "ping": _pong,
            "pong": _nothing,
        }

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, from the upgrade to its end."""
        token = bearer(request.headers.get("Authorization"))
        caller = None if token is None else self._tokens.read(token)
        socket = web.WebSocketResponse(
            autoping=False,
            compress=False,
            max_msg_size=MESSAGE_BYTES_MAX,
            timeout=CLOSE_TIMEOUT_S,
        )
        if not socket.can_prepare(request).ok:
            raise Refusal(INVALID_REQUEST, "a WebSocket is served here")
        await socket.prepare(request)
        queued_max = self._settings.frames_queued_max
        connection = Connection(socket, request, self._faults, queued_max)
        connection.caller = caller
        self.connections.append(connection)
        self._faults.ws.wires.append(connection)
        writer = asyncio.create_task(connection.write())
        try:
            await self._read(socket, connection)
        finally:
            self.connections.remove(connection)
            self._faults.ws.wires.remove(connection)
            self._hub.leave(connection)
            # A close that was asked for is seen to its end.
            connection.close(NORMAL, "")
            if not connection.is_broken:
                await asyncio.wait([writer], timeout=2 * CLOSE_TIMEOUT_S)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    def check_tokens(self) -> None:
        """Close every connection whose token is over."""
        for connection in tuple(self.connections):
            self._check_token(connection)

    # -- reading -----------------------------------------------------------------------------------

    async def _read(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        life = Life(self._core.clock, self._settings)
        while True:
            wait_ns = min(life.left_ns(), self._token_left_ns(connection))
            try:
                message = await socket.receive(timeout=max(wait_ns, 0) / NS_PER_S)
            except TimeoutError:
                if not await self._on_silence(socket, connection, life):
                    return
                continue
            if message.type not in {WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG}:
                return
            life.heard()
            if connection.is_frozen:
                continue
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.TEXT and self._check_token(connection):
                self._on_text(connection, message.data)

    async def _on_silence(
        self, socket: web.WebSocketResponse, connection: Connection, life: Life
    ) -> bool:
        """Nothing came for a while; False when the connection is over for it."""
        if not self._check_token(connection):
            return False
        if life.left_ns() > 0:
            return True
        if life.is_pinged:
            connection.close(GOING_AWAY, "no pong")
            return False
        if self.withholds_pings or connection.is_frozen:
            life.heard()
            return True
        life.pinged()
        await socket.ping()
        return True

    def _token_left_ns(self, connection: Connection) -> int:
        caller = connection.caller
        if caller is None or not caller.expires_ns:
            return NS_PER_S * 3600
        return caller.expires_ns - self._tokens.now_ns()

    def _check_token(self, connection: Connection) -> bool:
        """Whether the token is still good; if not the connection is told so, and closed."""
        if connection.caller is not None:
            try:
                self._tokens.check(connection.caller)
            except Refusal as refusal:
                connection.refuse(None, refusal)
                connection.close(POLICY, "token")
                return False
        return True

    def _on_text(self, connection: Connection, text: str) -> None:
        try:
            message = _MESSAGE.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            connection.refuse(None, Refusal(INVALID_REQUEST, str(error)))
            return
        try:
            self._ops.get(message.op, _unknown)(connection, message)
        except Refusal as refusal:
            connection.refuse(message.id, refusal)

    # -- what a client asks for --------------------------------------------------------------------

    def _authenticate(self, connection: Connection, message: Message) -> None:
        connection.caller = self._tokens.read(message.token)
        connection.send_now({"op": "authenticated", "id": message.id})

    def _subscribe(self, connection: Connection, message: Message) -> None:
        """The same subscription again counts once, and brings another snapshot."""
        key = _key(message)
        publisher = self._publisher(connection, message)
        known = connection.subscriptions
        if key not in known and len(known) >= self._settings.subscriptions_max:
            raise Refusal(
                TOO_MANY_SUBSCRIPTIONS,
                f"at most {self._settings.subscriptions_max} subscriptions on a connection",
            )
        known[key] = publisher
        connection.send_now(_ack("subscribed", message))
        self._core.catch_up()
        publisher.subscribe(connection)

    def _unsubscribe(self, connection: Connection, message: Message) -> None:
        publisher = connection.subscriptions.pop(_key(message), None)
        if publisher is None:
            raise Refusal(INVALID_REQUEST, "there is no such subscription")
        publisher.unsubscribe(connection)
        connection.send_now(_ack("unsubscribed", message))

    def _publisher(self, connection: Connection, message: Message) -> Publisher:
        if message.channel == POSITIONS:
            return self._positions(connection)
        if message.channel not in {TRADES, ORDERBOOK, CANDLES}:
            raise Refusal(INVALID_REQUEST, "channel: not one that is known")
        instrument = self._core.instruments.get(message.symbol)
        if instrument is None:
            raise Refusal(INVALID_SYMBOL, "there is no such market")
        if message.channel == TRADES:
            return self._hub.trades(instrument)
        if message.channel == CANDLES:
            if message.interval not in INTERVALS:
                raise Refusal(INVALID_REQUEST, f"interval: expected one of {', '.join(INTERVALS)}")
            return self._hub.candles(instrument, message.interval)
        if not 1 <= message.depth <= DEPTH_MAX:
            raise Refusal(INVALID_REQUEST, f"depth: expected 1 to {DEPTH_MAX}")
        return self._hub.book(instrument, message.depth)

    def _positions(self, connection: Connection) -> Publisher:
        caller = connection.caller
        if caller is None:
            raise Refusal(UNAUTHORIZED, "this needs a token")
        if READ not in caller.permissions:
            raise Refusal(FORBIDDEN, f"the key lacks the permission {READ!r}")
        account = self._core.account(caller.address)
        if account is None:
            raise Refusal(UNAUTHORIZED, "the token is of no account here")
        return self._hub.positions(account)


def _key(message: Message) -> Key:
    """What makes one subscription different from another."""
    if message.channel == POSITIONS:
        return message.channel, "", ""
    parameter: str | int = ""
    if message.channel == ORDERBOOK:
        parameter = message.depth
    elif message.channel == CANDLES:
        parameter = message.interval
    return message.channel, message.symbol, parameter


def _ack(op: str, message: Message) -> Json:
    ack: dict[str, Any] = {"op": op, "id": message.id, "channel": message.channel}
    if message.channel != POSITIONS:
        ack["symbol"] = message.symbol
    return ack


def _pong(connection: Connection, message: Message) -> None:
    connection.send_now({"op": "pong", "id": message.id})


def _nothing(_connection: Connection, _message: Message) -> None:
    """A pong in JSON: a sign of life, which is all it is."""


def _unknown(_connection: Connection, _message: Message) -> None:
    raise Refusal(INVALID_REQUEST, "op: not one that is known")
