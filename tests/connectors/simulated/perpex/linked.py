"""A trader on perpd's own Perpex link over real sockets, on a venue with a lively market."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from connectors.perpex.link import PerpexLink
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.port import AccountState, Resumption, Wants
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import LIVELY, VenueSettings
from connectors.stream import Network
from connectors.web import AiohttpDialer, AiohttpHttp
from engine.config.secret import Secret
from engine.drive.seams import SeededRandomness, SystemClock
from engine.model.commands import Batch, CancelOrder, Command, Place
from engine.model.effects import AskOrder
from engine.model.events import AssetContext, StreamChanged, StreamPhase
from engine.model.units import NS_PER_S, Side, Tif
from tests.connectors.hearing import Hearing

ACCOUNT = "main"
ADDRESS = "0x" + "a1" * 20
WHERE = "px:BTC"


class Linked(Hearing):
    """The link, what it said, and the venue at its other end; `fetched` counts its tokens."""

    def __init__(self, venue: LoopbackVenue, settings: dict[str, Any], ttl_s: float | None) -> None:
        super().__init__()
        self.venue = venue
        self.fetched = 0
        self._ttl_s = ttl_s
        self._cloids = 0
        self._dialer = AiohttpDialer()
        face = venue.perpex
        network = Network(self._dialer, SystemClock(), SeededRandomness(7))
        given = {"orders_poll_s": 1.0, "idle_poll_s": 1.0, "contexts_poll_s": 1.0} | settings
        self.link = PerpexLink(
            "px",
            PerpexSettings(rest_url=face.url, ws_url=face.ws_url, **given),
            {ACCOUNT: self.fetch},
            AiohttpHttp(face.url),
            network,
        )

    async def fetch(self) -> Secret:
        """Another token of the same key."""
        self.fetched += 1
        ttl_s = 3_600.0 if self._ttl_s is None else self._ttl_s
        return Secret(self.venue.perpex.issue_token(ADDRESS, ttl_s))

    async def open(self) -> AccountState:
        """Open the link; the account's state."""
        wants = Wants(WHERE, book=True, quotes=True, trades=True, bars_ns=(60 * NS_PER_S,))
        instruments = await self.link.load()
        self.instrument = next(one for one in instruments if one.id == WHERE)
        (state,) = await self.link.open([wants], Resumption(), self.hear)
        await self.until(lambda: self.heard(AssetContext))
        return state

    async def close(self) -> None:
        await self.link.close()
        await self._dialer.aclose()

    def phases(self, stream: str, since: int = 0) -> list[StreamPhase]:
        """The phases of a stream since so many events."""
        return [
            event.phase
            for event in self.events[since:]
            if isinstance(event, StreamChanged) and event.stream == stream
        ]

    # -- acting ------------------------------------------------------------------------------------

    def place(self, factor: float = 0.9, *, tif: Tif = Tif.GTC, count: int = 1) -> list[str]:
        """Send buys at so much of the mark as one batch: 0.9 rests, 1.05 takes; their cloids."""
        mark_px = self.heard(AssetContext)[-1].mark_px
        px_ticks = self.instrument.grid.quantise_px(mark_px * factor, Side.BUY, is_aggressive=False)
        places = []
        for _ in range(count):
            self._cloids += 1
            cloid = f"0x{1:016x}{self._cloids:016x}"
            places.append(Place(WHERE, cloid, Side.BUY, px_ticks, 1_000, tif))
        self.submit(*places)
        return [place.cloid for place in places]

    def cancel(self, cloid: str) -> None:
        self.submit(CancelOrder(WHERE, cloid, 0))

    def submit(self, *commands: Command) -> None:
        """Prepare and send commands of one kind."""
        kind = "order" if isinstance(commands[0], Place) else "cancel"
        batch = Batch(ACCOUNT, kind, commands, len(commands), len(commands))
        self.link.send(self.link.prepare(batch, ()))

    def ask(self, cloid: str) -> None:
        """Have an unclear order settled, as the engine does."""
        self.link.ask(AskOrder(ACCOUNT, WHERE, cloid, 0))

    @property
    def at_venue(self) -> VenueAccount:
        """The account as the venue has it."""
        found = self.venue.core.account(ADDRESS)
        assert found is not None
        return found

    def venue_lots(self) -> int:
        """The position at the venue."""
        return sum(one.lots for one in self.venue.core.reading(self.at_venue).positions)


@asynccontextmanager
async def linked(
    *,
    ttl_s: float | None = None,
    face: dict[str, Any] | None = None,
    **settings: Any,  # noqa: ANN401
) -> AsyncIterator[Linked]:
    """A link that is open; `settings` are the client's, `face` the venue's."""
    venue_settings = VenueSettings(
        coins=("BTC",),
        market=LIVELY,
        history_s=5.0,
        perpex_port=0,
        perpex=PerpexFaceSettings(**(face or {})),
    )
    async with LoopbackVenue(venue_settings) as venue:
        trader = Linked(venue, settings, ttl_s)
        try:
            await trader.open()
            yield trader
        finally:
            venue.faults.release_hung()
            await trader.close()
