"""The simulated exchange behind Hyperliquid's wire, in memory: requests, frames and their weather.

What was sent arrives, or not, whatever becomes of its sender meanwhile: a dead daemon's order still
comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import msgspec
from aiohttp import WSMsgType

from backtests.models.queue import QueueRule
from connectors.hyperliquid.keys import Signer
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.clock import VenueClock
from connectors.simulated.core import VenueCore
from connectors.simulated.faults import Faults
from connectors.simulated.hyperliquid.connection import Connection
from connectors.simulated.hyperliquid.exchange import ExchangeHandler
from connectors.simulated.hyperliquid.info import InfoHandler
from connectors.simulated.hyperliquid.limits import AddressBudget, IpWeights
from connectors.simulated.hyperliquid.ws import WsHandler
from connectors.simulated.market import Block, listed
from connectors.simulated.settings import Cadences, Limits, VenueSettings
from connectors.web import HttpReply, WebSocket
from engine.config.secret import Secret
from engine.drive.seams import Clock
from engine.errors import TransportError
from engine.model.events import AssetContext, BookSnapshot, FundingRate, Trade
from engine.model.units import NS_PER_S, Side
from tests.simulation.weather import Fate, Weather

KEY = "0x" + "17" * 32
IP = "127.0.0.1"
COINS = ("BTC", "ETH")
ROW_NS = NS_PER_S // 5
FUNDING_NS = 7 * NS_PER_S
SETTINGS = VenueSettings(
    coins=COINS,
    history_s=0.0,
    volume_e8=10**15,
    cadences=Cadences(book_s=1.0, fast_book_s=0.5, context_s=1.0, account_s=60.0, tick_s=0.1),
    limits=Limits(ip_weight_per_min=10**9, ws_connections_per_min=10**6, ws_messages_per_min=10**6),
)


class Market:
    """A seeded random walk of two coins, five rows a second; funding every seven seconds."""

    def __init__(self, weather: Weather, start_ns: int) -> None:
        self.instruments = listed(COINS)
        self.queue: dict[str, QueueRule] = {one.id: "trades" for one in self.instruments}
        self._dice = weather.dice
        self._now_ns = start_ns
        self._px = {"hl:BTC": 100_000.0, "hl:ETH": 4_000.0}
        self._seq = 0
        self.pays_funding = True
        self.end_ns = 0

    def segment(self) -> None:
        """Nobody asks for this: rows are made when they are due."""

    def due(self, until_ns: int) -> Block:
        """The rows up to a venue time that were not given yet."""
        rows: Block = []
        while self._now_ns + ROW_NS <= until_ns:
            rows += self._rows()
        return rows

    def _rows(self) -> Block:
        now_ns = self._now_ns = self._now_ns + ROW_NS
        self._seq += 1
        rows: Block = []
        for where in self._px:
            px = self._px[where] = self._moved(where)
            tick = px / 10_000
            rows.append(AssetContext(now_ns, now_ns, where, px, px, 0.0000125, 1_000.0))
            bids = tuple(self._on_grid(px - tick * (1 + level)) for level in range(3))
            asks = tuple(self._on_grid(px + tick * (1 + level)) for level in range(3))
            sizes = (2.0, 3.0, 4.0)
            rows.append(BookSnapshot(now_ns, now_ns, where, self._seq, bids, sizes, asks, sizes))
            side = self._dice.choice((Side.BUY, Side.SELL))
            hit = self._on_grid(px + side * tick * self._dice.uniform(0.5, 3.0))
            rows.append(Trade(now_ns, now_ns, where, hit, 5.0, side, self._seq))
            if self.pays_funding and now_ns % FUNDING_NS < ROW_NS:
                rows.append(FundingRate(now_ns, now_ns, where, 0.0001))
        return rows

    def _moved(self, where: str) -> float:
        return self._on_grid(self._px[where] * (1 + self._dice.gauss(0.0, 0.0002)))

    @staticmethod
    def _on_grid(px: float) -> float:
        return float(round(px)) if px > 10_000 else round(px, 1)


class Reply(NamedTuple):
    """What the venue answers a request with."""

    status: int
    body: bytes


class SimulatedVenue:
    """The venue: lives on while daemons come and go. Its tasks are its own."""

    def __init__(self, weather: Weather, clock: Clock) -> None:
        self.weather = weather
        self.faults = Faults()
        self.faults_of_its_own: list[BaseException] = []
        venue_clock = VenueClock(clock)
        market = Market(weather, venue_clock.now_ns())
        self.core = VenueCore(SETTINGS, venue_clock, market)
        weights = IpWeights(venue_clock, SETTINGS.limits)
        budget = AddressBudget(venue_clock, SETTINGS.limits)
        self.info = InfoHandler(self.core, weights, budget)
        self.exchange = ExchangeHandler(self.core, SETTINGS, weights, budget)
        self.ws = WsHandler(self.core, SETTINGS, self.faults, self.info, self.exchange)
        self.market = market
        self.tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Begin to play the market."""
        self.core.catch_up = self._catch_up
        self.ws.hub.start()
        self.spawn(self._play())

    async def stop(self) -> None:
        """End everything. Raises what a task of the venue died of."""
        await self.ws.hub.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for error in self.faults_of_its_own:
            raise error

    def end_funding(self) -> None:
        """No more funding is settled."""
        self.market.pays_funding = False

    def _catch_up(self) -> None:
        self.core.play(self.market.due(self.core.clock.now_ns()))

    async def _play(self) -> None:
        while True:
            self._catch_up()
            await asyncio.sleep(ROW_NS / NS_PER_S)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Something that goes on whatever becomes of who began it."""
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, TransportError):
            self.faults_of_its_own.append(error)

    @property
    def account(self) -> VenueAccount:
        """The one account that is traded."""
        return self.core.accounts[Signer(Secret(KEY)).address]


class MemoryHttp:
    """`OrderedHttp` to a venue in memory, for one process."""

    def __init__(self, venue: SimulatedVenue, fate: Fate) -> None:
        self._venue = venue
        self._fate = fate

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
        """Send; raises TransportError when no answer comes in time."""
        del method, headers
        await alive(self._fate, f"request {path}")
        if on_written is not None:
            on_written()
        serving = self._venue.spawn(self._serve(path, body or b""))
        try:
            async with asyncio.timeout(timeout_s):
                reply = await asyncio.shield(serving)
        except TimeoutError:
            raise TransportError("timeout") from None
        await alive(self._fate, f"answer {path}")
        return HttpReply(reply.status, {}, reply.body)

    async def _serve(self, path: str, body: bytes) -> Reply:
        weather = self._venue.weather
        climate = weather.climate
        if path == "/info":
            await asyncio.sleep(0.01 + weather.seconds(0.03))
            if weather.happens("read lost", climate.reads):
                raise TransportError("reset")
            return _reply(self._venue.info.answer(msgspec.json.decode(body), IP))
        if weather.happens("lost before", climate.before):
            await asyncio.sleep(weather.seconds(2.0))
            raise TransportError("reset")
        most_s = climate.slow_s if weather.happens("slow", climate.slow) else 0.08
        await asyncio.sleep(0.005 + weather.seconds(most_s))
        reply = _reply(self._venue.exchange.answer_now(msgspec.json.decode(body), IP))
        if weather.happens("lost after", climate.after):
            await asyncio.sleep(weather.seconds(2.0))
            raise TransportError("reset")
        await asyncio.sleep(0.005 + weather.seconds(0.05))
        return reply

    async def aclose(self) -> None:
        """Nothing is open."""


def _reply(reply: Any) -> Reply:  # noqa: ANN401 - the face's own
    body = msgspec.json.encode(reply.body) if reply.status == 200 else str(reply.body).encode()
    return Reply(reply.status, body)


async def alive(fate: Fate, what: str) -> None:
    """One step of the process; one that is dead waits here until its tasks are cancelled."""
    if fate.is_dead or fate.is_last(what):
        await asyncio.Event().wait()


class _Message(NamedTuple):
    type: WSMsgType
    data: str


class ServerSocket:
    """The venue's end of a connection, with the shape of aiohttp's."""

    def __init__(self, to_client: Callable[[bytes], None], close: Callable[[], None]) -> None:
        self.heard: asyncio.Queue[_Message] = asyncio.Queue()
        self._to_client = to_client
        self._close = close

    async def receive(self) -> _Message:
        """What the client says."""
        return await self.heard.get()

    async def send_frame(self, text: bytes, kind: WSMsgType) -> None:
        """Send to the client."""
        del kind
        self._to_client(text)

    async def close(self, *, code: int = 1000) -> None:
        """Close."""
        del code
        self.hang_up()
        self._close()

    def hang_up(self) -> None:
        """The client is gone."""
        self.heard.put_nowait(_Message(WSMsgType.CLOSED, ""))


class MemorySocket:
    """A connection to the venue's WebSocket: frames come late and in order, some twice."""

    def __init__(self, venue: SimulatedVenue, fate: Fate) -> None:
        self._fate = fate
        self._weather = venue.weather
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._free_at_s = 0.0
        self._server = ServerSocket(self._come, lambda: self._frames.put_nowait(None))
        self._is_closed = False
        venue.spawn(self._serve(venue))
        breaks_s = self._weather.climate.breaks_s
        if breaks_s:
            life_s = self._weather.dice.expovariate(1 / breaks_s)
            self._loop.call_later(life_s, self._break)

    def _come(self, text: bytes) -> None:
        """A frame is on its way; none overtakes another."""
        climate = self._weather.climate
        at_s = self._loop.time() + self._weather.seconds(climate.lag_s)
        at_s = self._free_at_s = max(at_s, self._free_at_s)
        for _ in range(1 + self._weather.happens("frame doubled", climate.frames)):
            self._loop.call_at(at_s, self._frames.put_nowait, text)

    def _break(self) -> None:
        if not self._is_closed:
            self._weather.counts["stream broken"] += 1
            self._frames.put_nowait(None)

    async def _serve(self, venue: SimulatedVenue) -> None:
        handler = venue.ws
        connection = Connection(self._server, None, IP, venue.faults.ws, 60.0)  # type: ignore[arg-type]
        handler.connections.append(connection)
        writer = venue.spawn(connection.write())
        try:
            while (text := await connection.read()) is not None:
                handler._hear(connection, text)  # noqa: SLF001 - its own loop needs a real socket
        finally:
            handler.connections.remove(connection)
            for topic in connection.subscriptions.values():
                handler.hub.leave(connection, topic)
            writer.cancel()

    async def send(self, text: str) -> None:
        """Send one message."""
        if self._is_closed or self._fate.is_dead:
            raise TransportError("closed")
        self._server.heard.put_nowait(_Message(WSMsgType.TEXT, text))

    async def receive(self) -> str | bytes:
        """The next message. Raises TransportError when the connection is lost."""
        frame = await self._frames.get()
        if self._fate.is_dead:
            await asyncio.Event().wait()
        if frame is None:
            self._server.hang_up()
            raise TransportError("lost")
        return frame

    async def aclose(self) -> None:
        """Close."""
        if not self._is_closed:
            self._is_closed = True
            self._server.hang_up()


class MemoryDialer:
    """Connects to the venue in memory."""

    def __init__(self, venue: SimulatedVenue, fate: Fate) -> None:
        self._venue = venue
        self._fate = fate

    async def dial(self, url: str, headers: Mapping[str, str] | None = None) -> WebSocket:
        """Connect."""
        del url, headers
        await asyncio.sleep(0.01)
        return MemorySocket(self._venue, self._fate)
