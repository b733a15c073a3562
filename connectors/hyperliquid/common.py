"""What every part of a link shares: its clocks, instruments, orders, and the way to the driver.

An event gets its local time here, from the driver's clock, unless its bytes came with one. What the
venue says and we cannot read is counted in `quarantine` and logged once in a while, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import structlog

from connectors.hyperliquid.frames import FrameDecoder
from connectors.hyperliquid.orders_book import OrdersBook
from connectors.hyperliquid.quarantine import Quarantine, Quarantined
from connectors.hyperliquid.settings import LinkSettings
from connectors.hyperliquid.venue_time import VenueTime
from connectors.port import Sink
from connectors.windows import Window
from engine.drive.seams import Clock, Randomness
from engine.errors import VenueError
from engine.model.events import AnyEvent, StreamChanged, StreamPhase, WeightSpent
from engine.model.instruments import Instrument

_LOG_EACH = 100
TEXT_MAX = 200
WAIT_SAID_S = 2.0


class Common:
    """The shared ground of one link. `emit` does nothing until the driver gave its sink."""

    def __init__(
        self, venue: str, clock: Clock, randomness: Randomness, settings: LinkSettings
    ) -> None:
        self.venue = venue
        self.clock = clock
        self.randomness = randomness
        self.settings = settings
        self.time = VenueTime(clock)
        self.weight = Window(settings.weight_max, 60, clock)
        self.orders = OrdersBook()
        self.instruments: dict[str, Instrument] = {}
        self.by_coin: dict[str, Instrument] = {}
        self.quarantine: Counter[str] = Counter()
        self.frames = Quarantine(self._put_away)
        self.decoder = FrameDecoder(self.frames)
        self.log: Any = structlog.get_logger("perpd.hyperliquid").bind(venue=venue)
        self.emit: Sink = _nowhere

    def know(self, instruments: Iterable[Instrument]) -> None:
        """Take in the venue's metadata."""
        for instrument in instruments:
            self.instruments[instrument.id] = instrument
            self.by_coin[instrument.coin] = instrument

    def instrument(self, coin: str) -> Instrument:
        """The instrument of a coin. Raises VenueError for one the metadata does not have."""
        found = self.by_coin.get(coin)
        if found is None:
            raise VenueError(f"coin {coin!r:.60} is not in the venue's metadata")
        return found

    def _put_away(self, one: Quarantined) -> None:
        self.distrust(one.why.value, one.detail)

    def distrust(self, what: str, error: object) -> None:
        """Count what cannot be read; the first of each kind, and every hundredth, is logged."""
        self.quarantine[what] += 1
        count = self.quarantine[what]
        if count % _LOG_EACH == 1:
            self.log.warning("quarantined", what=what, count=count, error=str(error)[:TEXT_MAX])

    def stream(
        self, name: str, phase: StreamPhase, *, instrument: str = "", account: str = ""
    ) -> None:
        """Tell the engine of a stream's phase."""
        now_ns = self.clock.now_ns()
        self.emit(StreamChanged(now_ns, now_ns, name, phase, instrument, account))

    async def spend(self, weight: int) -> None:
        """Wait until so much IP weight may be spent beside what orders need, and spend it.

        The engine is told, because it plans its actions on the same budget.
        """
        wait_s = self.weight.wait_s(weight, self.settings.weight_reserve)
        if wait_s > WAIT_SAID_S:
            self.log.warning("waiting for the venue's rate limit", wait_s=round(wait_s, 1))
        await self.weight.take(weight, self.settings.weight_reserve)
        self._tell_spent(weight)

    async def spend_first(self, weight: int) -> None:
        """The same before everything that waits, from the reserve too: for what settles orders."""
        await self.weight.take_first(weight)
        self._tell_spent(weight)

    def spend_now(self, weight: int) -> None:
        """Spend IP weight without waiting: an action goes out whatever is left."""
        self.weight.spend(weight)
        self._tell_spent(weight)

    def _tell_spent(self, weight: int) -> None:
        now_ns = self.clock.now_ns()
        self.emit(WeightSpent(now_ns, now_ns, self.venue, weight))


def _nowhere(event: AnyEvent) -> None:
    del event
