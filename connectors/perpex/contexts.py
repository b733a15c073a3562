"""Marks, funding rates and whether a market may be traded: /markets, read every ten seconds.

No channel carries them. Funding is settled hourly; when the time of the next settlement moves on,
the rate last read before it is told as the settled one, which is the nearest that can be known. A
market that is halted, or whose mark is not Hyperliquid's, takes no new risk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import MarketWire
from connectors.perpex.metadata import PublicReference, block_reason
from connectors.perpex.rest import PerpexRest
from connectors.port import Sink
from engine.drive.seams import Clock
from engine.errors import CredentialsError, TransportError, VenueError
from engine.model.events import AssetContext, FundingRate, StreamChanged, StreamPhase
from engine.model.instruments import Instrument

METADATA_STREAM: Final = "metadata"
MARKS_EVERY: Final = 6
FAILURES_MAX: Final = 2


class Contexts:
    """Reads /markets for the instruments in `wanted`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what reading needs
        self,
        venue: str,
        rest: PerpexRest,
        settings: PerpexSettings,
        clock: Clock,
        sink: Sink,
        assumed: Mapping[str, Instrument],
        reference: PublicReference | None,
    ) -> None:
        self.wanted: Collection[str] = ()
        self._venue = venue
        self._rest = rest
        self._settings = settings
        self._clock = clock
        self._sink = sink
        self._assumed = assumed
        self._reference = reference
        self._marks: Mapping[str, float] = {}
        self._blocked: dict[str, str] = {}
        self._funding: dict[str, tuple[int, float]] = {}
        self._turns = 0
        self._failures = 0
        self._is_stale = True
        self._is_read = False
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    def start(self) -> None:
        """Begin to read again and again."""
        self._task = asyncio.create_task(self._run(), name=f"perpex {self._venue} contexts")

    async def aclose(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """Read /markets once. Raises TransportError, VenueError or CredentialsError."""
        if self._reference is not None and self._turns % MARKS_EVERY == 0:
            self._marks = await self._reference.marks()
        self._turns += 1
        self.take(await self._rest.markets())
        self._is_read = True

    def take(self, markets: Sequence[MarketWire]) -> None:
        """Tell what /markets says of the instruments that are wanted."""
        found: set[str] = set()
        for market in markets:
            coin = self._settings.coin(market.symbol)
            where = f"{self._venue}:{coin}"
            if where in self.wanted and where not in found:
                found.add(where)
                self.block(where, block_reason(market, self._assumed.get(coin), self._mark(coin)))
                self._tell(where, market)
        for where in self.wanted:
            if where not in found:
                self.block(where, "not listed any more")

    def _mark(self, coin: str) -> float | None:
        return self._marks.get(coin)

    def _tell(self, where: str, market: MarketWire) -> None:
        at_ns = self._clock.now_ns()
        rate = float(market.funding_rate or 0)
        if market.mark_price is not None and market.mark_price > 0:
            mark = float(market.mark_price)
            oracle = float(market.oracle_price or 0)
            interest = float(market.open_interest or 0)
            self._sink(AssetContext(at_ns, at_ns, where, mark, oracle, rate, interest))
        if market.next_funding_time is None or market.funding_rate is None:
            return
        settled_ns, last_rate = self._funding.get(where, (market.next_funding_time.ns, rate))
        if market.next_funding_time.ns > settled_ns:
            self._sink(FundingRate(settled_ns, at_ns, where, last_rate))
        self._funding[where] = market.next_funding_time.ns, rate

    def block(self, where: str, reason: str) -> None:
        """Let an instrument take no new risk for a reason, or, without one, let it."""
        if bool(reason) is (where in self._blocked):
            return
        if reason:
            self._blocked[where] = reason
            self._log.error("perpex: no new risk", instrument=where, reason=reason)
        else:
            del self._blocked[where]
        at_ns = self._clock.now_ns()
        phase = StreamPhase.GAP if reason else StreamPhase.READY
        self._sink(StreamChanged(at_ns, at_ns, METADATA_STREAM, phase, where))

    async def _run(self) -> None:
        while True:
            try:
                await self.refresh()
                self._failures = 0
            except (TransportError, VenueError, CredentialsError) as error:
                self._failures += 1
                self._log.warning("perpex: markets not read", reason=self._rest.scrub(str(error)))
            except Exception:  # noqa: BLE001 - reading must go on
                self._failures += 1
                self._log.exception("perpex: reading markets failed")
            self._tell_age()
            await asyncio.sleep(self._settings.contexts_poll_s)

    def _tell_age(self) -> None:
        """Marks that are not renewed make every wanted instrument stale."""
        is_stale = self._failures >= FAILURES_MAX or not self._is_read
        if is_stale is self._is_stale:
            return
        self._is_stale = is_stale
        at_ns = self._clock.now_ns()
        phase = StreamPhase.STALE if is_stale else StreamPhase.READY
        for where in self.wanted:
            self._sink(StreamChanged(at_ns, at_ns, "perpex contexts", phase, where))
