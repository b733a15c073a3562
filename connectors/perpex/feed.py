"""The WebSocket channels as events: trades, books, candles, and what positions say.

A topic's stream is ready when it was acknowledged, and a book's only when its snapshot has come. A
book that is not known any more is said to have a gap, and is subscribed to anew: at once the first
time, then after waits that double up to 30 s. Trades are told once by their id. A candle is told
when the venue calls it closed, or when a later one begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import structlog

from connectors.freshness import Freshness, FreshnessSettings
from connectors.perpex.alerts import Alerts
from connectors.perpex.auth import Tokens
from connectors.perpex.book import BookKeeper
from connectors.perpex.mapping import names
from connectors.perpex.mapping.names import Channel, FrameType
from connectors.perpex.mapping.read import Quarantine, decode, items, positions, rows
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import (
    CandleWire,
    FrameWire,
    LevelsWire,
    LiquidationWire,
    PositionWire,
    PrintWire,
)
from connectors.perpex.numbers import id_number
from connectors.perpex.subscriptions import Connection, Topic, shard
from connectors.port import Sink, Wants
from connectors.stream import Backoff, Network
from engine.errors import ModelError, TransportError, VenueError
from engine.model.events import Bar, Quote, StreamChanged, StreamPhase, Trade
from engine.model.units import NS_PER_S

TRADES_REMEMBERED_MAX: Final = 5_000
HEALTHY_S: Final = 60.0
# A book whose market is quiet is silent: only much longer than usual means that it is not told.
FRESHNESS: Final = FreshnessSettings(gaps=10.0, least_s=10.0, most_s=40.0, unmeasured_s=30.0)
_AGAIN: Final = Backoff(1.0, 30.0, 0.5)
_MANY: Final = 1e15


class Private(NamedTuple):
    """What an account's own channel needs: its tokens, and who hides them in what it says."""

    tokens: Tokens
    quarantine: Quarantine


class Feed:
    """The channels of one venue. `on_positions` hears of every push about positions.

    `on_lost` hears that a connection was lost: what it may have said meanwhile is to be read.
    """

    def __init__(  # noqa: PLR0913 - what the channels need
        self,
        venue: str,
        settings: PerpexSettings,
        network: Network,
        sink: Sink,
        quarantine: Quarantine,
        *,
        on_positions: Callable[[str, list[PositionWire]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.alerts = Alerts(network.clock, sink)
        self._venue = venue
        self._settings = settings
        self._network = network
        self._clock = network.clock
        self._sink = sink
        self._quarantine = quarantine
        self._on_positions = on_positions
        self._on_lost = on_lost
        self._wants: dict[str, Wants] = {}
        self._books: dict[str, BookKeeper] = {}
        self._quotes: dict[str, tuple[float, float, float, float]] = {}
        self._trades: dict[str, dict[str, None]] = {}
        self._candles: dict[tuple[str, str], CandleWire] = {}
        self._told_candles: dict[tuple[str, str], int] = {}
        self._phases: dict[tuple[str, str], StreamPhase] = {}
        self._breaks: dict[str, tuple[int, int]] = {}
        self._lanes: list[_Lane] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._log = structlog.get_logger()

    def start(
        self, wants: Sequence[Wants], symbols: dict[str, str], accounts: Mapping[str, Private]
    ) -> None:
        """Connect and subscribe: `symbols` by instrument id, `accounts` for their positions."""
        for account, private in accounts.items():
            topic = Topic(Channel.POSITIONS)
            lane = _Lane(self, account, private.quarantine)
            self._open(lane, [topic], private.tokens)
        topics: list[Topic] = []
        for want in wants:
            self._wants[want.instrument] = want
            topics += _topics(want, symbols[want.instrument], self._settings.book_depth)
        for part in shard(topics):
            self._open(_Lane(self, "", self._quarantine), part, None)

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every stream is ready; whether it came to that in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.is_ready:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def tell_book(self, instrument: str) -> None:
        """Tell a whole book as it is known here; while it is not, the venue's will be told."""
        book = self._book(instrument).whole()
        if book is not None and self._wants[instrument].book:
            self._sink(book)

    @property
    def is_ready(self) -> bool:
        """Whether every stream is ready."""
        return all(phase is StreamPhase.READY for phase in self._phases.values())

    async def aclose(self) -> None:
        """Close every connection."""
        self.alerts.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(lane.connection.stream.aclose() for lane in self._lanes))

    # -- lanes -------------------------------------------------------------------------------------

    def _open(self, lane: _Lane, topics: Sequence[Topic], tokens: Tokens | None) -> None:
        name = f"perpex {self._venue} {len(self._lanes)}"
        lane.connection = Connection(
            name, topics, lane, self._network, self._settings, tokens, lane.quarantine
        )
        self._lanes.append(lane)
        lane.freshness = Freshness(self._clock, self._sink, "perpex age of", FRESHNESS)
        for topic in topics:
            self._set_phase(lane, topic, StreamPhase.DOWN)
            if topic.channel is Channel.ORDERBOOK:
                lane.freshness.watch(topic.channel, topic.instrument, is_cadenced=True)
        self._spawn(lane.freshness.run())
        lane.connection.stream.start()

    def topic_changed(self, lane: _Lane, topic: Topic, *, is_up: bool, reason: str) -> None:
        """A topic was acknowledged, or is down."""
        if topic.channel is Channel.ORDERBOOK:
            book = self._book(topic.instrument)
            if is_up:
                # The snapshot may have come before the acknowledgement.
                lane.freshness.resume()
                phase = StreamPhase.READY if book.is_known else StreamPhase.UP
                self._set_phase(lane, topic, phase)
                return
            book.drop()
        if not is_up:
            if not lane.connection.stream.is_up:
                lane.freshness.pause()
            self._set_phase(lane, topic, StreamPhase.DOWN)
            self._log.warning("perpex: stream down", topic=topic[:3], reason=reason)
        else:
            self._set_phase(lane, topic, StreamPhase.READY)
        if topic.channel is Channel.POSITIONS:
            self._on_lost()

    def data(self, lane: _Lane, topic: Topic, frame: FrameWire, ts_local_ns: int) -> None:
        """A data frame: told as events, or kept apart when it cannot be read."""
        ts_venue_ns = ts_local_ns if frame.time is None else frame.time.ns
        try:
            match topic.channel:
                case Channel.TRADES:
                    self._take_trades(topic, frame, ts_local_ns)
                case Channel.ORDERBOOK:
                    self._take_book(lane, topic, frame, ts_venue_ns, ts_local_ns)
                case Channel.CANDLES:
                    self._take_candles(topic, frame, ts_local_ns)
                case Channel.POSITIONS:
                    self._take_positions(lane, frame)
        except VenueError as error:
            lane.quarantine.keep(f"{topic.channel} frame", f"{error}: {bytes(frame.data)!r}")
            if topic.channel is Channel.ORDERBOOK:
                self._lose_book(lane, topic)

    # -- channels ----------------------------------------------------------------------------------

    def _take_trades(self, topic: Topic, frame: FrameWire, ts_local_ns: int) -> None:
        prints, _ = rows(items(frame.data), PrintWire, self._quarantine)
        seen = self._trades.setdefault(topic.instrument, {})
        for item in sorted(prints, key=lambda item: item.time):
            side = names.SIDES.get(item.side.lower())
            px, sz = float(item.price), float(item.size)
            if side is None or not 0.0 < px < _MANY or not 0.0 < sz < _MANY:
                self._quarantine.keep("trade", str(item))
                continue
            if item.id in seen:
                continue
            seen[item.id] = None
            if len(seen) > TRADES_REMEMBERED_MAX:
                del seen[next(iter(seen))]
            number = id_number(item.id)
            self._sink(Trade(item.time.ns, ts_local_ns, topic.instrument, px, sz, side, number))

    def _take_book(
        self, lane: _Lane, topic: Topic, frame: FrameWire, ts_venue_ns: int, ts_local_ns: int
    ) -> None:
        keeper = self._book(topic.instrument)
        wire = decode(frame.data, LevelsWire)
        if frame.type == FrameType.SNAPSHOT:
            snapshot = keeper.snapshot(wire, frame.seq, ts_venue_ns, ts_local_ns)
            if self._wants[topic.instrument].book:
                self._sink(snapshot)
            self._set_phase(lane, topic, StreamPhase.READY)
        elif frame.type == FrameType.UPDATE:
            delta = keeper.update(wire, frame.seq, ts_venue_ns, ts_local_ns)
            if delta is None:
                return
            if self._wants[topic.instrument].book:
                self._sink(delta)
        else:
            kind = self._quarantine.scrub(str(frame.type))[:32]
            raise VenueError(f"perpex: an orderbook frame of type {kind!r}")
        lane.freshness.heard(topic.channel, topic.instrument)
        self._tell_quote(keeper, ts_venue_ns, ts_local_ns)

    def _tell_quote(self, keeper: BookKeeper, ts_venue_ns: int, ts_local_ns: int) -> None:
        if not self._wants[keeper.instrument].quotes:
            return
        best = keeper.best()
        if self._quotes.get(keeper.instrument) != best:
            self._quotes[keeper.instrument] = best
            self._sink(Quote(ts_venue_ns, ts_local_ns, keeper.instrument, *best))

    def _take_candles(self, topic: Topic, frame: FrameWire, ts_local_ns: int) -> None:
        for raw in items(frame.data):
            candle = decode(raw, CandleWire)
            if candle.interval is not None and candle.interval != topic.interval:
                continue
            key = topic.instrument, topic.interval
            last = self._candles.get(key)
            if last is not None and candle.open_time > last.open_time:
                self._tell_candle(topic, last, ts_local_ns)
            if last is None or candle.open_time >= last.open_time:
                self._candles[key] = candle
            if candle.closed:
                self._tell_candle(topic, candle, ts_local_ns)

    def _tell_candle(self, topic: Topic, candle: CandleWire, ts_local_ns: int) -> None:
        key = topic.instrument, topic.interval
        if candle.open_time <= self._told_candles.get(key, -1):
            return
        open_, high, low, close = map(float, (candle.open, candle.high, candle.low, candle.close))
        is_sane = all(0.0 < px < _MANY for px in (open_, high, low, close))
        if not is_sane or candle.volume < Decimal(0):
            raise VenueError("perpex: a candle without prices")
        self._told_candles[key] = candle.open_time
        interval_ns = names.INTERVALS_NS[topic.interval]
        self._sink(
            Bar(
                candle.open_time.ns + interval_ns,
                ts_local_ns,
                topic.instrument,
                interval_ns,
                open_,
                high,
                low,
                close,
                float(candle.volume),
            )
        )

    def _take_positions(self, lane: _Lane, frame: FrameWire) -> None:
        if frame.type in {FrameType.LIQUIDATION_WARNING, FrameType.LIQUIDATED}:
            alert = decode(frame.data, LiquidationWire)
            kind = str(frame.type)
            self.alerts.take(lane.account, kind, alert, lane.quarantine.scrub)
            self._on_positions(lane.account, [])
            return
        self._on_positions(lane.account, positions(frame.data, lane.quarantine))

    # -- lost books --------------------------------------------------------------------------------

    def _lose_book(self, lane: _Lane, topic: Topic) -> None:
        """Say that the book has a gap, and ask for another."""
        key = str(topic.channel), topic.instrument
        if self._phases.get(key) is StreamPhase.GAP:
            return
        self._book(topic.instrument).drop()
        self._set_phase(lane, topic, StreamPhase.GAP)
        now_ns = self._clock.monotonic_ns()
        tries, broke_ns = self._breaks.get(topic.instrument, (0, 0))
        tries = tries + 1 if now_ns - broke_ns < HEALTHY_S * NS_PER_S else 1
        self._breaks[topic.instrument] = tries, now_ns
        self._spawn(self._ask_again(lane, topic, tries))

    async def _ask_again(self, lane: _Lane, topic: Topic, tries: int) -> None:
        if tries > 1:
            await asyncio.sleep(_AGAIN.wait_s(tries - 1, self._network.randomness))
        if not lane.connection.stream.is_up:
            return
        try:
            await lane.connection.resubscribe(topic)
        except TransportError as error:
            lane.connection.stream.drop(str(error))

    def _book(self, instrument: str) -> BookKeeper:
        found = self._books.get(instrument)
        if found is None:
            found = self._books[instrument] = BookKeeper(instrument)
        return found

    def _set_phase(self, lane: _Lane, topic: Topic, phase: StreamPhase) -> None:
        key = str(topic.channel), topic.instrument or lane.account
        if topic.interval:
            key = f"{topic.channel}:{topic.interval}", topic.instrument
        if self._phases.get(key) is phase:
            return
        self._phases[key] = phase
        self._changed.set()
        if topic.channel is Channel.POSITIONS:
            return  # account and fills are read by polls; a push only hastens them
        at_ns = self._clock.now_ns()
        self._sink(StreamChanged(at_ns, at_ns, f"perpex {key[0]}", phase, topic.instrument))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Lane:
    """One connection's way back to the feed; `account` owns the positions it tells of."""

    connection: Connection
    freshness: Freshness

    def __init__(self, feed: Feed, account: str, quarantine: Quarantine) -> None:
        self.account = account
        self.quarantine = quarantine
        self._feed = feed

    def on_topic(self, topic: Topic, *, is_up: bool, reason: str) -> None:
        self._feed.topic_changed(self, topic, is_up=is_up, reason=reason)

    def on_data(self, topic: Topic, frame: FrameWire, ts_local_ns: int) -> None:
        self._feed.data(self, topic, frame, ts_local_ns)


def _topics(want: Wants, symbol: str, depth: int) -> list[Topic]:
    """Raises ModelError for bars that the venue does not send."""
    topics = []
    if want.book or want.quotes:
        topics.append(Topic(Channel.ORDERBOOK, want.instrument, symbol, depth=depth))
    if want.trades:
        topics.append(Topic(Channel.TRADES, want.instrument, symbol))
    for interval_ns in want.bars_ns:
        word = names.INTERVAL_WORDS.get(interval_ns)
        if word is None:
            raise ModelError(f"{want.instrument}: the venue sends no bars of {interval_ns} ns")
        topics.append(Topic(Channel.CANDLES, want.instrument, symbol, interval=word))
    return topics
