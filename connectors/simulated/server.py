"""A whole loopback venue: its clock, market, core and faces, for as long as it is entered.

    async with LoopbackVenue(VenueSettings(coins=("BTC",))) as venue:
        venue.http_url, venue.ws_url, venue.core, venue.faults

Nothing listens anywhere but on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

from connectors.simulated.clock import VenueClock
from connectors.simulated.core import VenueCore
from connectors.simulated.face import Face, FaceMaker
from connectors.simulated.faults import Faults
from connectors.simulated.hyperliquid.face import HyperliquidFace
from connectors.simulated.market import GeneratedSource, MarketPlayer, Source, TapeSource, listed
from connectors.simulated.perpex.face import PerpexFace
from connectors.simulated.perpex.face import make_face as make_perpex_face
from connectors.simulated.settings import VenueSettings
from engine.drive.seams import Clock, SystemClock
from engine.errors import ModelError
from engine.model.units import NS_PER_MS

FACES: Final[list[FaceMaker]] = [HyperliquidFace, make_perpex_face]


class LoopbackVenue:
    """One venue. `core` is its state, `faults` what goes wrong on purpose, `clock` its time.

    `source` is a market of a test's own, instead of the one the settings describe.
    """

    def __init__(
        self,
        settings: VenueSettings | None = None,
        clock: Clock | None = None,
        source: Source | None = None,
    ) -> None:
        self.settings = settings or VenueSettings()
        self.faults = Faults()
        self.clock, usual = _market(self.settings, clock or SystemClock())
        source = source or usual
        self.core = VenueCore(self.settings, self.clock, source)
        self.player = MarketPlayer(
            source, self.clock, self.core.play, tick_s=self.settings.cadences.tick_s
        )
        made = [make(self.core, self.settings, self.faults) for make in FACES]
        self.faces: list[Face] = [face for face in made if face is not None]
        self._started: list[Face] = []
        self._playing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.player.start()
        self.core.catch_up = self.player.catch_up
        try:
            for face in self.faces:
                await face.start()
                self._started.append(face)
        except BaseException:
            await self._stop()
            raise
        self._playing = asyncio.ensure_future(self.player.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        for face in self._started:
            await face.stop()
        self._started.clear()
        playing, self._playing = self._playing, None
        if playing is not None:
            is_failed = playing.done() and not playing.cancelled() and playing.exception()
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            if is_failed:
                raise is_failed

    async def wait(self) -> None:
        """Wait until the market is over, or raise what stopped it."""
        if self._playing is not None:
            await asyncio.shield(self._playing)

    def addresses(self) -> dict[str, object]:
        """The first line of `perpd venue`: where each face is found; null for one left out."""
        found: dict[str, object] = {
            "hyperliquid": None,
            "ws": None,
            "perpex": None,
            "perpex_ws": None,
            "perpex_tokens": {},
        }
        for face in self.faces:
            found |= face.addresses()
        return found

    @property
    def http_url(self) -> str:
        """The base of Hyperliquid's `/info` and `/exchange`."""
        return str(self.addresses()["hyperliquid"])

    @property
    def ws_url(self) -> str:
        """Hyperliquid's WebSocket."""
        return str(self.addresses()["ws"])

    @property
    def perpex(self) -> PerpexFace:
        """The Perpex face, with its address and its tokens. Raises ModelError when left out."""
        for face in self.faces:
            if isinstance(face, PerpexFace):
                return face
        raise ModelError("this venue has no Perpex face, expected a perpex_port")


def _market(settings: VenueSettings, clock: Clock) -> tuple[VenueClock, Source]:
    """The venue's clock, and what is played by it."""
    if settings.replay is not None:
        if settings.start_ns is not None or settings.start_before_hour_s is not None:
            raise ModelError("a replayed tape brings its own time: a start cannot be given")
        tape = TapeSource(settings.replay, clock.now_ns())
        return VenueClock.starting_at(clock, tape.start_ns), tape
    if settings.start_ns is not None:
        venue_clock = VenueClock.starting_at(clock, settings.start_ns)
    elif settings.start_before_hour_s is not None:
        venue_clock = VenueClock.before_hour(clock, settings.start_before_hour_s)
    else:
        venue_clock = VenueClock(clock)
    start_ns = venue_clock.now_ns() // NS_PER_MS * NS_PER_MS
    return venue_clock, GeneratedSource(
        settings.seed,
        listed(settings.coins),
        start_ns,
        history_s=settings.history_s,
        settings=settings.market,
    )
