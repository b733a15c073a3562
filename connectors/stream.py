"""One WebSocket connection that is kept: lost, it is dialled again, for as long as it is wanted.

The deadline for silence runs from the last byte received and from nothing else: what we send does
not move it, so a half-open connection is found however much goes out. Waits between tries grow by
doubling and are spread by chance; a connection that lived for `healthy_s` starts the count anew.

What waits in a socket while this process stands still (stopped, asleep, busy with one step) is old
when it is read and does not show it. So a connection is given up, unread, when that lasted longer
than `still_s_max`: the next one begins with what is true now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from connectors.web import Dialer, WebSocket
from connectors.windows import Window
from engine.drive.seams import Clock, Randomness
from engine.errors import ModelError, TransportError
from engine.model.units import NS_PER_S

PULSE_S: Final = 1.0


class Backoff(msgspec.Struct, frozen=True):
    """Waits of `first_s`, doubled each time up to `most_s`, times a chance in [`jitter_low`, 1]."""

    first_s: float = 0.5
    most_s: float = 30.0
    jitter_low: float = 0.0

    def wait_s(self, tries: int, randomness: Randomness) -> float:
        """The wait after so many tries in a row that failed (1: the first)."""
        whole_s = min(self.most_s, self.first_s * 2.0 ** min(tries - 1, 60))
        chance = self.jitter_low + (1 - self.jitter_low) * randomness.uniform()
        return whole_s * chance


class StreamSettings(msgspec.Struct, frozen=True):
    """How one connection is kept. `ping` is the text sent every `ping_every_s`; empty: none.

    Hyperliquid closes a connection to which it has sent nothing for 60 s (protocol 5.1): a ping
    every 20 s makes it speak, so that 35 s of silence mean that it is lost.
    """

    name: str
    url: str
    silent_s_max: float
    ping: str = ""
    ping_every_s: float = 20.0
    dial_timeout_s: float = 10.0
    healthy_s: float = 60.0
    still_s_max: float = 5.0
    backoff: Backoff = Backoff()


class Network(NamedTuple):
    """What all connections of a process share.

    `dials` bounds the connections made from this IP address, `messages` what is sent over them.
    """

    dialer: Dialer
    clock: Clock
    randomness: Randomness
    dials: Window | None = None
    messages: Window | None = None


class Headers(Protocol):
    """Gives the headers of the next dial: a token may have been renewed meanwhile."""

    async def __call__(self) -> Mapping[str, str]:
        """The headers. Raises TransportError when there are none: the dial has failed then."""
        ...


class StreamHandler(Protocol):
    """What a stream's owner hears of it; no call may wait but `on_up`."""

    async def on_up(self) -> None:
        """Connected: subscribe. Frames come meanwhile. Raising TransportError drops the link."""
        ...

    def on_frame(self, frame: str | bytes, ts_local_ns: int) -> None:
        """One message, never empty, and when it was received (UTC)."""
        ...

    def on_down(self, reason: str) -> None:
        """The connection that was up is lost; the next is being made."""
        ...


class Stream:
    """Keeps one connection from `start` to `aclose`; `connects` counts those made."""

    def __init__(
        self,
        settings: StreamSettings,
        handler: StreamHandler,
        network: Network,
        headers: Headers | None = None,
    ) -> None:
        if settings.silent_s_max <= 0:
            raise ModelError(f"{settings.name}: silent_s_max must be above 0")
        self.settings = settings
        self.connects = 0
        self._handler = handler
        self._network = network
        self._clock = network.clock
        self._headers = headers
        self._log = structlog.get_logger().bind(stream=settings.name)
        self._task: asyncio.Task[None] | None = None
        self._socket: WebSocket | None = None
        self._lost: asyncio.Future[str] | None = None
        self._heard_ns = 0
        self._awake_ns = 0
        self._awake_utc_ns = 0
        self._still_ns_max = round(settings.still_s_max * NS_PER_S)
        self._tries = 0
        self._goodbyes: set[asyncio.Task[None]] = set()

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now."""
        return self._socket is not None

    def start(self) -> None:
        """Begin to connect, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"stream {self.settings.name}")

    async def send(self, text: str) -> None:
        """Send one message, in line with the message budget.

        Raises TransportError when there is no connection.
        """
        if self._network.messages is not None:
            await self._network.messages.take()
        if self._socket is None:
            raise TransportError(f"{self.settings.name}: no connection")
        await self._socket.send(text)

    def drop(self, reason: str) -> None:
        """Give up the present connection, if there is one, and make another."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    async def aclose(self) -> None:
        """Close for good; closing again does nothing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._goodbyes:
            await asyncio.gather(*self._goodbyes, return_exceptions=True)

    # -- the life of a connection ------------------------------------------------------------------

    async def _keep(self) -> None:
        network, backoff = self._network, self.settings.backoff
        while True:
            if self._tries:
                await asyncio.sleep(backoff.wait_s(self._tries, network.randomness))
            if network.dials is not None:
                await network.dials.take()
            self._tries += 1
            socket = await self._dial()
            if socket is not None:
                await self._live(socket)

    async def _dial(self) -> WebSocket | None:
        settings = self.settings
        try:
            async with asyncio.timeout(settings.dial_timeout_s):
                headers = None if self._headers is None else await self._headers()
                return await self._network.dialer.dial(settings.url, headers)
        except TimeoutError:
            self._log.warning("connect failed", tries=self._tries, reason="timeout")
        except TransportError as error:
            self._log.warning("connect failed", tries=self._tries, reason=str(error))
        return None

    async def _live(self, socket: WebSocket) -> None:
        """One connection, from its first moment until it is lost."""
        clock = self._clock
        up_ns = self._heard_ns = self._awake_ns = clock.monotonic_ns()
        self._awake_utc_ns = clock.now_ns()
        self.connects += 1
        self._lost = asyncio.get_running_loop().create_future()
        self._socket = socket
        self._log.info("connected", connects=self.connects)
        parts = [self._read(socket), self._greet(), self._watch(), self._pulse()]
        if self.settings.ping:
            parts.append(self._ping())
        tasks = [asyncio.create_task(self._part(part)) for part in parts]
        reason = "closed by us"
        try:
            reason = await self._lost
        finally:
            self._socket = None
            for task in tasks:
                task.cancel()
            self._part_with(socket)
            await asyncio.gather(*tasks, return_exceptions=True)
        if clock.monotonic_ns() - up_ns >= self.settings.healthy_s * NS_PER_S:
            self._tries = 1
        self._log.warning("connection lost", reason=reason)
        self._handler.on_down(reason)

    async def _part(self, part: Awaitable[None]) -> None:
        """One of the things that go on while a connection lives; its failure ends the life."""
        try:
            await part
        except TransportError as error:
            self.drop(str(error))
        except Exception:  # noqa: BLE001 - it is logged, and the connection made anew
            # A mistake of ours must not leave a connection that nobody reads.
            self._log.exception("stream failed")
            self.drop("failed")

    async def _read(self, socket: WebSocket) -> None:
        clock, receive, on_frame = self._clock, socket.receive, self._handler.on_frame
        while True:
            frame = await receive()
            now_ns, now_utc_ns = clock.monotonic_ns(), clock.now_ns()
            if self._has_stood_still(now_ns, now_utc_ns):
                return
            self._heard_ns = now_ns
            if frame:
                on_frame(frame, now_utc_ns)

    async def _greet(self) -> None:
        await self._handler.on_up()

    async def _watch(self) -> None:
        """Find out when nothing was received for too long."""
        silent_ns_max = round(self.settings.silent_s_max * NS_PER_S)
        while True:
            left_ns = self._heard_ns + silent_ns_max - self._clock.monotonic_ns()
            if left_ns <= 0:
                self.drop(f"nothing received for {self.settings.silent_s_max:g} s")
                return
            await asyncio.sleep(left_ns / NS_PER_S)

    async def _pulse(self) -> None:
        """Note that this process is awake; who reads may be the first to see that it was not."""
        clock = self._clock
        while not self._has_stood_still(clock.monotonic_ns(), clock.now_ns()):
            self._awake_ns, self._awake_utc_ns = clock.monotonic_ns(), clock.now_ns()
            await asyncio.sleep(PULSE_S)

    def _has_stood_still(self, now_ns: int, now_utc_ns: int) -> bool:
        """Whether too much time passed since the last pulse; then the connection is given up.

        A machine that sleeps stops the clock that never jumps, so the time of day is asked too; one
        that is set forward looks the same, and costs a connection.
        """
        still_ns = max(now_ns - self._awake_ns, now_utc_ns - self._awake_utc_ns)
        if still_ns <= self._still_ns_max:
            return False
        self.drop(f"this process stood still for {still_ns // NS_PER_S} s")
        return True

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self.settings.ping_every_s)
            await self.send(self.settings.ping)

    def _part_with(self, socket: WebSocket) -> None:
        """Close a connection in the background: the other side may be long gone."""
        goodbye = asyncio.get_running_loop().create_task(socket.aclose())
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)
