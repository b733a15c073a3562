"""What is subscribed to, ten to a connection: one topic is a channel with its symbol and parameter.

A connection is up when every subscription of it was acknowledged; one that the venue refuses is
down for good and said so, and does not take the others with it. Positions come first, on a
connection of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from connectors.perpex.auth import Tokens
from connectors.perpex.mapping import names
from connectors.perpex.mapping.names import Channel, Op
from connectors.perpex.mapping.read import Quarantine, read_frame
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import ControlFrame, FrameWire
from connectors.stream import Backoff, Network, Stream, StreamSettings
from engine.errors import CredentialsError, TransportError, VenueError

ACK_TIMEOUT_S: Final = 10.0
REPLIES_MAX: Final = 64
_AUTH_ID: Final = 0
_TOKEN_FAULTS: Final = frozenset({names.Code.UNAUTHORIZED, names.Code.FORBIDDEN})


class Topic(NamedTuple):
    """One subscription. `instrument` is ours, the rest as the venue says it."""

    channel: Channel
    instrument: str = ""
    symbol: str = ""
    depth: int = 0
    interval: str = ""


class Listener(Protocol):
    """Who hears of the topics of a connection."""

    def on_topic(self, topic: Topic, *, is_up: bool, reason: str) -> None:
        """A topic was acknowledged, or is down."""
        ...

    def on_data(self, topic: Topic, frame: FrameWire, ts_local_ns: int) -> None:
        """A data frame of a topic."""
        ...


class Connection:
    """One socket with at most ten topics; the handler of its own `Stream`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a connection needs
        self,
        name: str,
        topics: Sequence[Topic],
        listener: Listener,
        network: Network,
        settings: PerpexSettings,
        tokens: Tokens | None,
        quarantine: Quarantine,
    ) -> None:
        if len(topics) > names.SUBSCRIPTIONS_MAX:
            raise VenueError(f"{name}: {len(topics)} topics, at most {names.SUBSCRIPTIONS_MAX}")
        self.topics = tuple(topics)
        self._listener = listener
        self._settings = settings
        self._tokens = tokens
        self._quarantine = quarantine
        self._used_token = ""
        self._next_id = _AUTH_ID + 1
        self._waiting: dict[int, asyncio.Future[FrameWire]] = {}
        self._topic_of: dict[int, Topic] = {}
        self._replies: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger().bind(stream=name)
        uses_header = tokens is not None and settings.auth == "header"
        self.stream = Stream(
            StreamSettings(
                name,
                settings.ws_url,
                settings.silent_s_max,
                backoff=Backoff(names.RECONNECT_FIRST_S, names.RECONNECT_MOST_S, 0.5),
            ),
            self,
            network,
            self._headers if uses_header else None,
        )

    # -- the stream's handler ----------------------------------------------------------------------

    async def on_up(self) -> None:
        """Authenticate, subscribe to everything, and wait until each was acknowledged."""
        self._waiting.clear()
        self._topic_of.clear()
        if self._tokens is not None and self._settings.auth == "message":
            token = await self._token()
            await self._ask(ControlFrame(op=Op.AUTH, id=_AUTH_ID, token=token), _AUTH_ID)
        await asyncio.gather(*(self.subscribe(topic) for topic in self.topics))

    def on_frame(self, frame: str | bytes, ts_local_ns: int) -> None:
        """One message of the venue's."""
        try:
            wire = read_frame(frame)
        except VenueError:
            self._quarantine.keep("frame", frame)
            return
        if wire.op is None:
            self._data(wire, frame, ts_local_ns)
        elif wire.op == Op.PING:
            self._reply(ControlFrame(op=Op.PONG))
        elif wire.id is not None and wire.id in self._waiting:
            future = self._waiting.pop(wire.id)
            if not future.done():
                future.set_result(wire)
        elif wire.op not in {Op.SUBSCRIBED, Op.UNSUBSCRIBED, Op.AUTHENTICATED}:
            if self._tokens is not None and wire.code in _TOKEN_FAULTS:
                self._tokens.refuse(self._used_token)
            self._quarantine.keep(f"frame op {wire.op}", frame)

    def on_down(self, reason: str) -> None:
        """The connection is lost, and every topic with it."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(TransportError(f"connection lost: {reason}"))
        self._waiting.clear()
        for topic in self.topics:
            self._listener.on_topic(topic, is_up=False, reason=reason)

    # -- subscribing -------------------------------------------------------------------------------

    async def subscribe(self, topic: Topic) -> None:
        """Subscribe to one topic. Raises TransportError when it is not answered in time."""
        answer = await self._ask(self._frame(Op.SUBSCRIBE, topic), self._next_id)
        if answer.op == Op.SUBSCRIBED:
            self._listener.on_topic(topic, is_up=True, reason="")
            return
        reason = self._scrub(answer.code or answer.message)[:64] or "refused"
        self._log.error("perpex: subscription refused", topic=topic[:3], reason=reason)
        self._listener.on_topic(topic, is_up=False, reason=reason)
        if topic.channel is Channel.POSITIONS and answer.code in _TOKEN_FAULTS:
            await self._renew()

    async def resubscribe(self, topic: Topic) -> None:
        """Leave a topic and subscribe anew, for a fresh snapshot. Raises TransportError."""
        await self._ask(self._frame(Op.UNSUBSCRIBE, topic), self._next_id)
        await self.subscribe(topic)

    def _frame(self, op: Op, topic: Topic) -> ControlFrame:
        return ControlFrame(
            op=op,
            id=self._next_id,
            channel=topic.channel,
            symbol=topic.symbol,
            depth=topic.depth,
            interval=topic.interval,
        )

    async def _ask(self, frame: ControlFrame, number: int) -> FrameWire:
        """Send a control frame and wait for its answer, an error among them."""
        self._next_id = max(self._next_id, number + 1)
        future: asyncio.Future[FrameWire] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        await self.stream.send(msgspec.json.encode(frame).decode())
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                answer = await future
        except TimeoutError:
            text = f"{frame.op} {frame.channel} {frame.symbol}: no answer within {ACK_TIMEOUT_S} s"
            raise TransportError(text) from None
        finally:
            self._waiting.pop(number, None)
        if number == _AUTH_ID and answer.op != Op.AUTHENTICATED:
            await self._renew()
            raise TransportError(f"not authenticated: {self._scrub(answer.code)[:64]}")
        return answer

    # -- data, replies and tokens ------------------------------------------------------------------

    def _data(self, wire: FrameWire, frame: str | bytes, ts_local_ns: int) -> None:
        known = [
            topic
            for topic in self.topics
            if topic.channel == wire.channel and topic.symbol == (wire.symbol or "")
        ]
        if not known:
            self._quarantine.keep("frame of nothing subscribed to", frame)
        for topic in known:
            self._listener.on_data(topic, wire, ts_local_ns)

    def _reply(self, frame: ControlFrame) -> None:
        """Answer at once; a venue that asks faster than it takes answers gets none beyond 64."""
        if len(self._replies) < REPLIES_MAX:
            task = asyncio.create_task(self._send(frame))
            self._replies.add(task)
            task.add_done_callback(self._replies.discard)

    async def _send(self, frame: ControlFrame) -> None:
        try:
            await self.stream.send(msgspec.json.encode(frame).decode())
        except TransportError as error:
            self._log.warning("perpex: no reply sent", reason=str(error))

    async def _headers(self) -> dict[str, str]:
        return {names.AUTH_HEADER: f"{names.AUTH_SCHEME} {await self._token()}"}

    async def _token(self) -> str:
        assert self._tokens is not None
        try:
            self._used_token = await self._tokens.get()
        except CredentialsError as error:
            raise TransportError(str(error)) from error
        return self._used_token

    async def _renew(self) -> None:
        if self._tokens is not None:
            await self._tokens.renew(self._used_token)

    def _scrub(self, text: str) -> str:
        return text if self._tokens is None else self._tokens.scrub(text)


def shard(topics: Sequence[Topic]) -> list[tuple[Topic, ...]]:
    """Topics ten to a connection, without the positions, which have their own."""
    public = [topic for topic in topics if topic.channel is not Channel.POSITIONS]
    most = names.SUBSCRIPTIONS_MAX
    shards = [tuple(public[start : start + most]) for start in range(0, len(public), most)]
    private = [(topic,) for topic in topics if topic.channel is Channel.POSITIONS]
    return private + shards
