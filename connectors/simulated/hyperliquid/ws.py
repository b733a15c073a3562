"""`GET /ws`: subscriptions, pings and posts of one venue's clients (protocol 5, 6).

Errors are frames and the connection lives on, but a coin that is not listed closes the socket
without a word. Limits are those of one address of callers, over all its connections.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from aiohttp import web

from connectors.simulated.core import VenueCore
from connectors.simulated.faults import Faults
from connectors.simulated.hyperliquid.connection import Connection
from connectors.simulated.hyperliquid.exchange import ExchangeHandler, action_type
from connectors.simulated.hyperliquid.hub import Hub
from connectors.simulated.hyperliquid.info import InfoHandler
from connectors.simulated.hyperliquid.limits import TOO_MANY, Window
from connectors.simulated.hyperliquid.replies import MALFORMED, Reply
from connectors.simulated.hyperliquid.subscriptions import (
    USER_KINDS,
    Follow,
    echoed,
    understood,
)
from connectors.simulated.settings import VenueSettings

GREETING: Final = "Websocket connection established."
PATH: Final = "post"
MESSAGE_MAX: Final = 1 << 20
Frame = dict[str, Any]


class WsHandler:
    """Serves every connection of the face."""

    def __init__(
        self,
        core: VenueCore,
        settings: VenueSettings,
        faults: Faults,
        info: InfoHandler,
        exchange: ExchangeHandler,
    ) -> None:
        self.connections: list[Connection] = []
        self.hub = Hub(core, settings.cadences)
        self._core = core
        self._limits = settings.limits
        self._faults = faults
        self._info = info
        self._exchange = exchange
        self._new: dict[str, Window] = {}
        self._messages: dict[str, Window] = {}
        self._posts: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, from its handshake to its end."""
        ip = request.remote or ""
        if not self._may_connect(ip):
            return web.Response(status=429, text=TOO_MANY)
        ws = web.WebSocketResponse(autoping=False, max_msg_size=MESSAGE_MAX, timeout=1.0)
        await ws.prepare(request)
        faults, silence_s = self._faults.ws, self._limits.ws_silence_s
        connection = Connection(ws, request.transport, ip, faults, silence_s)
        self.connections.append(connection)
        faults.wires.append(connection)
        writer = asyncio.ensure_future(connection.write())
        try:
            while (text := await connection.read()) is not None:
                self._hear(connection, text)
        finally:
            self.connections.remove(connection)
            faults.wires.remove(connection)
            for topic in connection.subscriptions.values():
                self.hub.leave(connection, topic)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return ws

    async def stop(self) -> None:
        """Close every connection."""
        for task in tuple(self._posts):
            task.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)
        await asyncio.gather(*(one.stop() for one in tuple(self.connections)))

    def _may_connect(self, ip: str) -> bool:
        if len(self._of(ip)) >= self._limits.ws_connections:
            return False
        return self._window(self._new, ip, self._limits.ws_connections_per_min).spend(1)

    def _of(self, ip: str) -> list[Connection]:
        return [one for one in self.connections if one.ip == ip]

    def _window(self, windows: dict[str, Window], ip: str, most: int) -> Window:
        if ip not in windows:
            windows[ip] = Window(self._core.clock, most)
        return windows[ip]

    # -- messages ----------------------------------------------------------------------------------

    def _hear(self, connection: Connection, text: str) -> None:
        messages = self._window(self._messages, connection.ip, self._limits.ws_messages_per_min)
        if not messages.spend(1):
            connection.send(_error(TOO_MANY))
            return
        try:
            message = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            message = None
        if isinstance(message, dict):
            method = message.get("method")
            if method == "ping":
                connection.send({"channel": "pong"})
                return
            if method in {"subscribe", "unsubscribe"}:
                follow = understood(message.get("subscription"))
                if follow is not None:
                    self._change(connection, method, message["subscription"], follow)
                    return
            if method == "post" and self._post(connection, message):
                return
        connection.send(_error(f"Error parsing JSON into valid websocket request: {text[:1000]}"))

    def _change(
        self, connection: Connection, method: str, subscription: Frame, follow: Follow
    ) -> None:
        """Subscribe or unsubscribe."""
        if (follow.coin and follow.coin not in self._core.instruments) or follow.dex:
            connection.close_silently()
            return
        key = repr(follow.topic)
        shown = msgspec.json.encode(subscription).decode()
        if method == "unsubscribe":
            topic = connection.subscriptions.pop(key, None)
            if topic is None:
                connection.send(_error(f"Already unsubscribed: {shown}"))
                return
            connection.users.pop(key, None)
            self.hub.leave(connection, topic)
            connection.send(_acknowledged(method, subscription))
            return
        reason = self._over_limit(connection.ip, follow)
        if key in connection.subscriptions:
            reason = f"Already subscribed: {shown}"
        if reason:
            connection.send(_error(reason))
            return
        connection.subscriptions[key] = follow.topic
        if follow.type in USER_KINDS:
            connection.users[key] = follow.user
        connection.send(_acknowledged(method, echoed(subscription)))
        self.hub.follow(connection, follow)

    def _over_limit(self, ip: str, follow: Follow) -> str:
        mine = self._of(ip)
        if sum([len(one.subscriptions) for one in mine]) >= self._limits.ws_subscriptions:
            return f"Cannot track more than {self._limits.ws_subscriptions} total subscriptions."
        users = {user for one in mine for user in one.users.values()}
        is_new = follow.type in USER_KINDS and follow.user not in users
        if is_new and len(users) >= self._limits.ws_users:
            return f"Cannot track more than {self._limits.ws_users} total users."
        return ""

    # -- posts -------------------------------------------------------------------------------------

    def _post(self, connection: Connection, message: Frame) -> bool:
        """Begin to answer a post; False when it is none."""
        number, request = message.get("id"), message.get("request")
        if not isinstance(number, int) or not isinstance(request, dict):
            return False
        kind = request.get("type")
        if kind not in {"info", "action"}:
            return False
        if sum([one.posts for one in self._of(connection.ip)]) >= self._limits.ws_posts_in_flight:
            connection.send(_posted(number, "error", "Too many inflight post messages."))
            return True
        connection.posts += 1
        task = asyncio.ensure_future(
            self._answer(connection, number, str(kind), request.get("payload"))
        )
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)
        return True

    async def _answer(
        self, connection: Connection, number: int, kind: str, payload: object
    ) -> None:
        try:
            fault = self._faults.take(PATH, action_type(payload))
            if fault is not None and fault.kind == "hang_before":
                return
            if fault is not None and fault.kind == "delay":
                await asyncio.sleep(fault.delay_s)
            if kind == "info":
                reply = self._info.answer(payload, connection.ip)
            else:
                reply = await self._exchange.answer(payload, connection.ip)
            if fault is None or fault.kind == "delay":
                connection.send(_reply(number, kind, payload, reply))
        finally:
            connection.posts -= 1


def _reply(number: int, kind: str, payload: object, reply: Reply) -> Frame:
    if reply.status == 429:
        return _posted(number, "error", TOO_MANY)
    if reply.status == 422:
        return _posted(number, "error", MALFORMED)
    if kind == "info":
        return _posted(number, kind, {"type": action_type(payload), "data": reply.body})
    return _posted(number, kind, reply.body)


def _posted(number: int, kind: str, payload: object) -> Frame:
    response = {"type": kind, "payload": payload}
    return {"channel": "post", "data": {"id": number, "response": response}}


def _acknowledged(method: str, subscription: Frame) -> Frame:
    data = {"method": method, "subscription": subscription}
    return {"channel": "subscriptionResponse", "data": data}


def _error(text: str) -> Frame:
    return {"channel": "error", "data": text}
