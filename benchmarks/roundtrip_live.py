"""The live side of the round trip: a whole daemon over real sockets, and when what happened.

Marks are taken by the process's own monotonic clock, by wrapping what the daemon passes through
anyway; each costs about 0.3 us, and the times hold it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final, Self
from unittest.mock import patch

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter

from benchmarks.roundtrip_venue import COIN, PACE_S
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.link import HyperliquidLink, over_network
from connectors.hyperliquid.settings import Place
from engine.budget import BudgetLimits
from engine.config import load_config
from engine.config.secret import Secret
from engine.drive.daemon import Daemon
from engine.drive.live import LiveDriver
from engine.drive.seams import SteadyClock, SystemClock, SystemRandomness
from engine.drive.venues import OpenVenues
from engine.errors import JournalError
from engine.journal import files
from engine.model.commands import Outgoing
from engine.model.events import BookSnapshot, BookTop
from engine.model.units import Side
from strategies.api import Books, Intents, Strategy, Subscription

KEY: Final = "4f" * 32
WHERE: Final = f"hl:{COIN}"
DISTANCE: Final = 20.0
SIZE: Final = 0.01
BETWEEN_S: Final = PACE_S / 2
FRAME_BYTES_MIN: Final = 1_200
"""A book is longer, and whatever else comes in is shorter."""
_PLENTY: Final = 10**9
_CONFIG: Final = """
[venues.hl]
kind = "hyperliquid"
network = "local"
[accounts.main]
venue = "hl"
[[strategies]]
name = "quotes"
use = "benchmarks.roundtrip_live:Requoter"
account = "main"
symbols = ["BTC"]
[daemon]
account_every_s = 3600.0
"""


class Requoter(Strategy):
    """Quotes both sides at every book, at other prices than before: one batchModify of two."""

    def subscriptions(self) -> list[Subscription]:
        """Every book update."""
        return [Books()]

    def on_book(self, top: BookTop) -> Intents:
        """Move both quotes."""
        bid_px, ask_px = top.bid_px - DISTANCE, top.ask_px + DISTANCE
        return [
            self.quote(WHERE, "bid", Side.BUY, bid_px, SIZE),
            self.quote(WHERE, "ask", Side.SELL, ask_px, SIZE),
        ]


class Trip(msgspec.Struct, gc=False):
    """Moments of one trip, in ns of the monotonic clock; 0 where one was not passed.

    `journal_bytes` is how much the journal wrote between frame and request.
    """

    received_ns: int = 0
    heard_ns: int = 0
    flushing_ns: int = 0
    synced_ns: int = 0
    written_ns: int = 0
    journal_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it has all of its moments, each after the one before: so durable, then sent."""
        moments = self.received_ns, self.heard_ns, self.flushing_ns, self.synced_ns, self.written_ns
        return moments[0] > 0 and list(moments) == sorted(moments)

    @property
    def is_too_early(self) -> bool:
        """Whether the journal was written and not on disk when the action was sent."""
        return self.flushing_ns > 0 and not self.flushing_ns < self.synced_ns < self.written_ns


class Marks:
    """Takes the moments of one trip after another while it is entered."""

    def __init__(self) -> None:
        self.trips: list[Trip] = []
        self.body = b""
        self.between: Callable[[], None] = _nothing
        self._trip = self._departed = Trip()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin to mark."""
        for owner, name, marked in (
            (ResponseHandler, "data_received", self._received),
            (LiveDriver, "hear", self._heard),
            (files, "write", self._flushing),
            (files, "sync", self._synced),
            (HyperliquidLink, "send", self._departing),
            (StreamWriter, "_writelines", self._written),
        ):
            whole = marked(getattr(owner, name))
            self._stack.enter_context(patch.object(owner, name, whole))
        return self

    def __exit__(self, *_: object) -> None:
        """Let everything be as it was."""
        self._stack.close()

    def _received(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def data_received(handler: ResponseHandler, data: bytes) -> None:
            if len(data) > FRAME_BYTES_MIN:
                self._trip = Trip(received_ns=perf_counter_ns())
            inner(handler, data)

        return data_received

    def _heard(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def hear(driver: LiveDriver, event: Any) -> None:  # noqa: ANN401 - any event
            if type(event) is BookSnapshot:
                self._trip.heard_ns = perf_counter_ns()
            inner(driver, event)

        return hear

    def _flushing(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def write(file: Any, data: bytes, path: Path) -> None:  # noqa: ANN401 - a file
            self._trip.flushing_ns = perf_counter_ns()
            self._trip.journal_bytes = len(data)
            inner(file, data, path)

        return write

    def _synced(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def sync(file: Any, path: Path) -> None:  # noqa: ANN401 - a file
            inner(file, path)
            self._trip.synced_ns = perf_counter_ns()

        return sync

    def _departing(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def send(link: HyperliquidLink, outgoing: Outgoing) -> None:
            # What the journal does from now on is of what comes after it.
            self._departed, self._trip = self._trip, Trip()
            inner(link, outgoing)

        return send

    def _written(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def writelines(writer: StreamWriter, chunks: Any) -> None:  # noqa: ANN401 - buffers
            inner(writer, chunks)
            head, *rest = chunks
            if bytes(head).startswith(b"POST /exchange") and self._departed.received_ns:
                self.body = bytes(rest[0])
                trip, self._departed = self._departed, Trip()
                when_in_kernel(partial(self._end, trip))

        return writelines

    def _end(self, trip: Trip) -> None:
        trip.written_ns = perf_counter_ns()
        self.trips.append(trip)
        asyncio.get_running_loop().call_later(BETWEEN_S, self._call_between)

    def _call_between(self) -> None:
        # Whatever it is by now: what comes late must not meet what has been closed.
        self.between()


def _nothing() -> None:
    pass


def when_in_kernel(call: Callable[[], None]) -> None:
    """Call when what was just given to a transport is with the kernel.

    asyncio's transports write at once, uvloop's at the end of the turn.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.BaseEventLoop):
        call()
    else:
        loop.call_soon(call)


class Live:
    """A daemon that trades, and the switch that lets frames come.

    `left_out` counts trips into which another frame came, after a stall of a quarter of a second.
    """

    def __init__(self, marks: Marks, control: aiohttp.ClientSession) -> None:
        self.left_out = 0
        self._marks = marks
        self._control = control

    @property
    def body(self) -> bytes:
        """The last action sent."""
        return self._marks.body

    async def trips(
        self, count: int, timeout_s: float, between: Callable[[], None] = _nothing
    ) -> list[Trip]:
        """Let frames come until so many trips were made; the first of them is left out.

        `between` is called once after each, when its answer has been taken in.
        """
        trips = self._marks.trips
        trips.clear()
        self._marks.between = between
        await self._switch("go")
        async with asyncio.timeout(timeout_s):
            while len(trips) <= count:  # noqa: ASYNC110 - an event would be set within a trip
                await asyncio.sleep(0.02)
        await self._switch("rest")
        await asyncio.sleep(0.02)
        self._marks.between = _nothing
        if any(trip.is_too_early for trip in trips):
            raise JournalError("an action was sent before the journal was durable")
        whole = [trip for trip in trips[1:] if trip.is_whole]
        self.left_out += len(trips) - 1 - len(whole)
        return whole

    async def _switch(self, name: str) -> None:
        async with self._control.post(f"/{name}"):
            pass


@asynccontextmanager
async def trading(base_url: str, folder: Path) -> AsyncIterator[Live]:
    """A daemon in `folder`, from its first order to its end."""
    config = folder / "bench.toml"
    config.write_text(_CONFIG, encoding="utf-8")
    clock, randomness = SteadyClock(SystemClock()), SystemRandomness()
    signer = Signer(Secret(KEY))
    place = Place(base_url, base_url.replace("http", "ws", 1) + "/ws")
    outside = over_network(place, clock, randomness)
    link = HyperliquidLink("hl", place, {"main": (signer.address, signer)}, outside)
    budgets = {
        "hl": BudgetLimits(ip_weight_max=_PLENTY, address_actions_start=_PLENTY),
    }
    venues = OpenVenues({"hl": link}, {"main": signer.address}, clock, budgets)
    daemon = Daemon(load_config(config), venues, randomness=randomness)
    is_trading = asyncio.Event()
    with Marks() as marks:
        run = asyncio.create_task(daemon.run(tick=lambda _: is_trading.set()))
        waits = asyncio.create_task(is_trading.wait())
        try:
            await asyncio.wait((run, waits), return_when=asyncio.FIRST_COMPLETED)
            if run.done():
                run.result()
            async with aiohttp.ClientSession(base_url) as control:
                yield Live(marks, control)
        finally:
            waits.cancel()
            daemon.stop("measured")
            await run
