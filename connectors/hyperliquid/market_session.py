"""The market's stream: books, quotes, trades, candles and contexts of what strategies want.

Ready, per instrument, when all subscriptions of the connection are confirmed and its cadenced data
(context, and the book where one is wanted) has come after that. While the connection lives, data
that is older than its own cadence allows is told as stale. Every coin is checked against metadata
before it is subscribed to: an unknown one closes the whole connection (protocol 5.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from connectors.freshness import Freshness
from connectors.hyperliquid.bars import BarHistory, intervals
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.frames import ErrorFrame, SubscriptionFrame
from connectors.hyperliquid.market_events import MarketEvents
from connectors.hyperliquid.market_frames import BboFrame, BookFrame, ContextFrame, TradesFrame
from connectors.hyperliquid.settings import PING
from connectors.hyperliquid.subscriptions import Subscription, Subscriptions
from connectors.port import Wants
from connectors.stream import Network, Stream, StreamSettings
from engine.errors import TransportError, VenueError
from engine.model.events import Bar, MarketEvent, StreamChanged, StreamPhase, Trade

SUBSCRIPTIONS_MAX: Final = 1_000
BOOK: Final = "l2Book"
QUOTES: Final = "bbo"
TRADES: Final = "trades"
CONTEXT: Final = "activeAssetCtx"
CANDLE: Final = "candle"
_CHANNELS: Final[dict[type, str]] = {
    BookFrame: BOOK,
    BboFrame: QUOTES,
    TradesFrame: TRADES,
    ContextFrame: CONTEXT,
}


class MarketSession:
    """Keeps the market connection of one link. Trades from before its start are not passed on."""

    def __init__(
        self,
        common: Common,
        network: Network,
        ws_url: str,
        market: MarketEvents,
        wants: Sequence[Wants],
        bars: BarHistory,
    ) -> None:
        self._common = common
        self._bars = bars
        self._market = market
        self._wants = [*wants]
        self._name = f"{common.venue} market"
        settings = common.settings
        self.stream = Stream(
            StreamSettings(
                name=self._name,
                url=ws_url,
                silent_s_max=settings.silent_s_max,
                ping=PING,
                ping_every_s=settings.ping_every_s,
                backoff=settings.stream_backoff,
            ),
            self,
            network,
        )
        self._subscriptions = Subscriptions([*self._wanted()])
        if len(self._subscriptions.wanted) > SUBSCRIPTIONS_MAX:
            raise VenueError(
                f"{len(self._subscriptions.wanted)} market subscriptions, the venue allows"
                f" {SUBSCRIPTIONS_MAX}"
            )
        self.freshness = Freshness(common.clock, self._stale, common.venue, settings.freshness)
        self._needed: dict[str, set[str]] = {}
        self._is_subscribed = False
        self._opened = asyncio.Event()
        self._began_ns = 0
        self._ages: asyncio.Task[None] | None = None

    def _wanted(self) -> Iterable[Subscription]:
        for want in self._wants:
            instrument = self._common.instruments.get(want.instrument)
            if instrument is None:
                raise VenueError(f"{want.instrument} is not in the venue's metadata")
            coin = instrument.coin
            yield {"type": CONTEXT, "coin": coin}
            if want.book:
                yield {"type": BOOK, "coin": coin, "fast": True}
            if want.quotes or want.book:
                yield {"type": QUOTES, "coin": coin}
            if want.trades:
                yield {"type": TRADES, "coin": coin}
            for interval in intervals(want):
                yield {"type": CANDLE, "coin": coin, "interval": interval}

    # -- opening and closing -----------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect; every instrument is down until it is ready."""
        self._began_ns = self._common.time.now_ns()
        for want in self._wants:
            self.freshness.watch(CONTEXT, want.instrument, is_cadenced=True)
            if want.book:
                self.freshness.watch(BOOK, want.instrument, is_cadenced=True)
            if want.quotes or want.book:
                self.freshness.watch(QUOTES, want.instrument, is_cadenced=False)
            if want.trades:
                self.freshness.watch(TRADES, want.instrument, is_cadenced=False)
        self._tell_all(StreamPhase.DOWN)
        self._ages = asyncio.create_task(self.freshness.run(), name=f"{self._name} ages")
        self.stream.start()

    async def connected(self, timeout_s: float) -> None:
        """Wait until a connection is subscribed and the history of candles is told.

        Raises TransportError when that takes longer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._opened.wait()
        except TimeoutError:
            raise TransportError(f"no market stream within {timeout_s:g} s") from None

    async def aclose(self) -> None:
        """Close the stream."""
        if self._ages is not None:
            self._ages.cancel()
            await asyncio.gather(self._ages, return_exceptions=True)
        await self.stream.aclose()

    # -- the stream --------------------------------------------------------------------------------

    async def on_up(self) -> None:
        """Subscribe to everything."""
        self._tell_all(StreamPhase.UP)
        self._is_subscribed = False
        self._needed = {
            want.instrument: {CONTEXT, BOOK} if want.book else {CONTEXT} for want in self._wants
        }
        self._bars.hold()
        await self._subscriptions.make(self.stream)
        await self._subscriptions.confirmed(self._common.settings.ack_timeout_s)
        self._is_subscribed = True
        self.freshness.resume()
        for instrument in [*self._needed]:
            self._ready_if_complete(instrument)
        await self._bars.catch_up()
        self._opened.set()

    def on_down(self, reason: str) -> None:
        """Nothing of it is fresh until the next connection is complete."""
        self.freshness.pause()
        self._market.forget_open_bars()
        self._opened.clear()
        self._needed.clear()
        self._common.log.warning("market stream lost", reason=reason)
        self._tell_all(StreamPhase.DOWN)

    def on_frame(self, frame: str | bytes, ts_local_ns: int) -> None:
        """Take one frame."""
        heard = self._common.decoder.decode(frame)
        if heard is None:
            return
        channel = _CHANNELS.get(type(heard))
        if channel is None and isinstance(heard, SubscriptionFrame | ErrorFrame):
            self._subscriptions.hear(heard)
            if isinstance(heard, ErrorFrame):
                self._common.log.warning("refused", text=heard.data[:200])
            return
        common = self._common
        for event in self._market.events(heard, ts_local_ns):
            if type(event) is Trade and event.ts_venue_ns < self._began_ns:
                continue
            if channel is not None:
                assert isinstance(event, MarketEvent)
                late_ns = 0 if channel is CONTEXT else common.time.now_ns() - event.ts_venue_ns
                self.freshness.heard(channel, event.instrument, late_ns)
                if self._needed:
                    self._complete(channel, event.instrument)
            if type(event) is Bar:
                self._bars.hear(event)
            else:
                common.emit(event)

    # -- phases ------------------------------------------------------------------------------------

    def _complete(self, channel: str, instrument: str) -> None:
        needed = self._needed.get(instrument)
        if needed is not None:
            needed.discard(channel)
            self._ready_if_complete(instrument)

    def _ready_if_complete(self, instrument: str) -> None:
        if self._is_subscribed and not self._needed.get(instrument, {instrument}):
            del self._needed[instrument]
            self._common.stream(self._name, StreamPhase.READY, instrument=instrument)

    def _tell_all(self, phase: StreamPhase) -> None:
        for want in self._wants:
            self._common.stream(self._name, phase, instrument=want.instrument)

    def _stale(self, event: StreamChanged) -> None:
        self._common.log.warning(
            "market data", stream=event.stream, instrument=event.instrument, phase=event.phase
        )
        self._common.emit(event)
