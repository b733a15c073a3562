"""A venue whose market moves only when a test says so, and a client of raw sockets at its face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec

from connectors.simulated.clock import VenueClock
from connectors.simulated.core import VenueCore
from connectors.simulated.faults import Faults
from connectors.simulated.market import Block, listed
from connectors.simulated.perpex.face import PerpexFace
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.settings import VenueSettings
from engine.drive.seams import Clock, ManualClock, SeededRandomness
from engine.model.events import AssetContext, BookSnapshot, MarketEvent, Trade
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS, NS_PER_S, Side

START_NS = 1_767_225_600 * NS_PER_S
ALICE = "0x" + "a1" * 20
BOB = "0x" + "b0" * 20
WAIT_S = 5.0
Json = dict[str, Any]


class QuietSource:
    """Lists two coins, and has no market of its own."""

    def __init__(self, instruments: Sequence[Instrument] = listed(("BTC", "ETH"))) -> None:
        self.instruments = tuple(instruments)
        self.queue: Mapping[str, Any] = {}
        self.end_ns = 0

    def segment(self) -> Iterator[Block] | None:
        return None


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:  # noqa: ANN401 - any JSON
        return self.body["data"]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


class Channel:
    """One WebSocket as a client has it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, **message: object) -> None:
        await self.socket.send_str(msgspec.json.encode(message).decode())

    async def receive(self) -> Json:
        message = await self.socket.receive(timeout=WAIT_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: Json = msgspec.json.decode(message.data)
        return frame

    async def ask(self, **message: object) -> Json:
        await self.send(**message)
        return await self.receive()

    async def closed(self) -> int | None:
        """Wait for the end, whatever comes before it; the code it came with."""
        while True:
            message = await self.socket.receive(timeout=WAIT_S)
            if message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}:
                return self.socket.close_code
            if message.type is aiohttp.WSMsgType.ERROR:
                return None


class Scene:
    """The venue, its face, and who talks to it."""

    def __init__(self, core: VenueCore, clock: Clock, faults: Faults, face: PerpexFace) -> None:
        self.core = core
        self.clock = clock
        self.faults = faults
        self.face = face
        self.prefix = face.settings.prefixes[0]
        self.session = aiohttp.ClientSession()
        self._seq = 0

    # -- the market --------------------------------------------------------------------------------

    def play(self, *rows: MarketEvent) -> None:
        self.core.play(list(rows))

    def book(
        self,
        bid: float = 100_000.0,
        ask: float = 100_001.0,
        *,
        size: float = 5.0,
        levels: int = 3,
        coin: str = "BTC",
    ) -> None:
        """Show a book with its best prices here, and a mark in the middle."""
        instrument = self.core.instruments[coin].id
        self._seq += 1
        now = self.core.clock.now_ns()
        steps = range(levels)
        self.play(
            BookSnapshot(
                now,
                now,
                instrument,
                self._seq,
                tuple(bid - n for n in steps),
                tuple(size for _ in steps),
                tuple(ask + n for n in steps),
                tuple(size for _ in steps),
            ),
            AssetContext(now, now, instrument, (bid + ask) / 2, (bid + ask) / 2, 1.25e-5, 1_000.0),
        )

    def trade(self, px: float, sz: float, side: Side, *, ms: int = 0, coin: str = "BTC") -> None:
        """Print a trade, so many ms after the venue's now."""
        instrument = self.core.instruments[coin].id
        now = self.core.clock.now_ns() + ms * NS_PER_MS
        self.play(Trade(now, now, instrument, px, sz, side, self._seq))

    def advance(self, seconds: float) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(round(seconds * NS_PER_S))

    # -- a client ----------------------------------------------------------------------------------

    def token(self, address: str = ALICE, **given: Any) -> str:  # noqa: ANN401 - passed on
        return self.face.issue_token(address, **given)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - any JSON
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        prefix: str | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        raw = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        url = self.face.url + (self.prefix if prefix is None else prefix) + path
        timeout = aiohttp.ClientTimeout(total=WAIT_S)
        async with self.session.request(
            method, url, data=raw, headers=sent, timeout=timeout
        ) as reply:
            text = await reply.read()
            is_json = reply.content_type == "application/json"
            found = msgspec.json.decode(text) if is_json and text[:1] in b"{[" else text
            return Answer(reply.status, found, reply.headers)

    @asynccontextmanager
    async def channel(
        self, token: str | None = None, *, autoping: bool = True, path: str | None = None
    ) -> AsyncIterator[Channel]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = self.face.ws_url if path is None else self.face.url + path
        async with self.session.ws_connect(url, headers=headers, autoping=autoping) as socket:
            yield Channel(socket)


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something holds; an error after 5 s."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)


@asynccontextmanager
async def serving(
    *,
    clock: Clock | None = None,
    strict: bool = False,
    balance: int = 100_000,
    order_delay_s: float = 0.0,
    **given: Any,  # noqa: ANN401 - passed on
) -> AsyncIterator[Scene]:
    """A face over a quiet market with a book of BTC; `given` are settings of the face."""
    own_clock = clock or ManualClock(START_NS)
    settings = VenueSettings(strict=strict, balance_e8=balance * 10**8, order_delay_s=order_delay_s)
    core = VenueCore(settings, VenueClock(own_clock), QuietSource())
    faults = Faults()
    face = PerpexFace(
        core,
        faults,
        PerpexFaceSettings(**given),
        strict=strict,
        randomness=SeededRandomness(7),
    )
    await face.start()
    scene = Scene(core, own_clock, faults, face)
    scene.book()
    try:
        yield scene
    finally:
        await scene.session.close()
        await face.stop()


def limit(side: str = "buy", size: str = "0.01", price: str = "99999", **more: object) -> Json:
    """The body of a limit order on BTC that rests."""
    return {
        "symbol": "BTC",
        "side": side,
        "type": "limit",
        "size": size,
        "price": price,
        **more,
    }


def market(side: str = "buy", size: str = "0.01", **more: object) -> Json:
    """The body of a market order on BTC."""
    return {"symbol": "BTC", "side": side, "type": "market", "size": size, **more}


def cloid(number: int) -> str:
    return f"0x{number:032x}"
