"""What the four channels say and when: public trades, books, candles, and an account's positions.

One publisher stands for one (channel, symbol, parameter) and numbers its frames; it lives on
without subscribers, so that numbers never come twice. Frames go out when a turn of the core ends.
A new subscriber's snapshot carries the number that the next update goes on from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.candles import Candle
from connectors.simulated.core import VenueCore
from connectors.simulated.perpex import views
from connectors.simulated.perpex.views import Json
from connectors.simulated.publicdata import Level, PublicTrade
from connectors.simulated.reading import AccountReading, PositionReading
from engine.model.instruments import Instrument
from engine.model.units import PPB

TRADES: Final = "trades"
ORDERBOOK: Final = "orderbook"
POSITIONS: Final = "positions"
CANDLES: Final = "candles"
SNAPSHOT: Final = "snapshot"
UPDATE: Final = "update"
WARNING: Final = "liquidation_warning"
INTERVALS: Final = ("1m", "5m", "15m", "1h", "4h", "1d")
_CALM_PART: Final = 10  # a warning is over when the ratio is a tenth below where it began

Side = dict[str, str]


class Subscriber(Protocol):
    """One connection."""

    def send(self, frame: Json) -> None:
        """Send a data frame, as the faults let it."""
        ...


class Publisher:
    """The base: numbers and sends. `symbol` is None for the positions of an account."""

    def __init__(self, core: VenueCore, channel: str, symbol: str | None) -> None:
        self.subscribers: dict[Subscriber, None] = {}
        self.seq = 0
        self._core = core
        self._channel = channel
        self._symbol = symbol

    def subscribe(self, subscriber: Subscriber) -> None:
        """From now on this connection hears of everything; first of what is."""
        self.flush()
        self.subscribers[subscriber] = None
        first = self.first()
        if first is not None:
            subscriber.send(self._frame(SNAPSHOT, first))

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """It hears no more."""
        self.subscribers.pop(subscriber, None)

    def first(self) -> Any:  # noqa: ANN401 - any JSON
        """The data of a snapshot; None when the channel has none."""
        return None

    def flush(self) -> None:
        """The turn is over: send what happened in it."""

    def publish(self, kind: str, data: Any) -> None:  # noqa: ANN401 - any JSON
        """Send one numbered frame to everybody."""
        self.seq += 1
        frame = self._frame(kind, data)
        for subscriber in tuple(self.subscribers):
            subscriber.send(frame)

    def _frame(self, kind: str, data: Any) -> Json:  # noqa: ANN401 - any JSON
        return {
            "channel": self._channel,
            "symbol": self._symbol,
            "type": kind,
            "seq": self.seq,
            "time": self._core.clock.now_ms(),
            "data": data,
        }


class TradesPublisher(Publisher):
    """The public trades of a symbol; those of one turn go in one frame."""

    def __init__(self, core: VenueCore, instrument: Instrument) -> None:
        super().__init__(core, TRADES, instrument.coin)
        self._waiting: list[Json] = []

    def on_trade(self, trade: PublicTrade) -> None:
        """A trade."""
        if self.subscribers:
            self._waiting.append(views.print_of(trade))

    def flush(self) -> None:
        """Send the turn's trades."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self.publish(UPDATE, waiting)


class BookPublisher(Publisher):
    """The best levels of a symbol, as deltas: size 0 takes a level away."""

    def __init__(self, core: VenueCore, instrument: Instrument, depth: int) -> None:
        super().__init__(core, ORDERBOOK, instrument.coin)
        self.is_dirty = True
        self._instrument = instrument
        self._depth = depth
        self._bids: Side = {}
        self._asks: Side = {}

    def first(self) -> Json:
        """The whole book."""
        return {"bids": _pairs(self._bids), "asks": _pairs(self._asks)}

    def flush(self) -> None:
        """Send what changed, when anything did."""
        if not self.is_dirty:
            return
        self.is_dirty = False
        found = self._core.public[self._instrument.id].book(self._depth)
        bids, asks = (self._side(side) for side in found)
        changes = {"bids": _changes(self._bids, bids), "asks": _changes(self._asks, asks)}
        self._bids, self._asks = bids, asks
        if changes["bids"] or changes["asks"]:
            self.publish(UPDATE, changes)

    def _side(self, side: Iterable[Level]) -> Side:
        instrument = self._instrument
        return {
            views.price(instrument, one.px_ticks): views.size(instrument, one.sz_lots)
            for one in side
        }


class CandlePublisher(Publisher):
    """The candle that forms, at each trade; and each candle once more when it is closed."""

    def __init__(self, core: VenueCore, instrument: Instrument, interval: str) -> None:
        super().__init__(core, CANDLES, instrument.coin)
        self._instrument = instrument
        self._interval = interval
        self._candles = core.public[instrument.id].candles.by_interval[interval]
        self._forming: Candle | None = None
        self._is_dirty = False

    def first(self) -> Json | None:
        """The newest candle."""
        if not self._candles:
            return None
        self._forming = self._candles[-1]
        return self._view(self._forming, closed=False)

    def on_trade(self) -> None:
        """A trade was counted in."""
        self._is_dirty = True

    def on_time(self, market_ms: int) -> None:
        """No trade of before this moment is to come."""
        forming = self._forming
        if forming is not None and market_ms > forming.close_ms:
            self._forming = None
            self.publish(UPDATE, self._view(forming, closed=True))

    def flush(self) -> None:
        """Send what a trade changed."""
        if not self._is_dirty or not self.subscribers:
            return
        self._is_dirty = False
        newest = self._candles[-1]
        self.on_time(newest.open_ms)
        self._forming = newest
        self.publish(UPDATE, self._view(newest, closed=False))

    def _view(self, candle: Candle, *, closed: bool) -> Json:
        return views.candle(self._instrument, self._interval, candle, closed=closed)


class PositionPublisher(Publisher):
    """An account's positions: each that changed, and a warning when its margin grows thin."""

    def __init__(self, core: VenueCore, account: VenueAccount, warning_ppb: int) -> None:
        super().__init__(core, POSITIONS, None)
        self.changed: dict[str, Instrument] = {}
        self.is_moved = False
        self._account = account
        self._warning_ppb = warning_ppb
        self._warned: set[str] = set()

    def first(self) -> list[Json]:
        """Every open position."""
        self.is_moved = True
        reading = self._core.reading(self._account)
        return [views.position(self._core, self._account, one) for one in reading.positions]

    def flush(self) -> None:
        """Send the positions that changed, and what the marks did to the margin."""
        if not self.subscribers or not (self.changed or self.is_moved):
            self.changed.clear()
            return
        reading = self._core.reading(self._account)
        changed, self.changed, self.is_moved = self.changed, {}, False
        if changed:
            held = {one.instrument.id: one for one in reading.positions}
            rows = [self._row(held.get(one.id), one) for one in changed.values()]
            self.publish(UPDATE, rows)
        self._warn(reading)

    def _row(self, held: PositionReading | None, instrument: Instrument) -> Json:
        if held is None:
            return views.flat_position(self._core, self._account, instrument)
        return views.position(self._core, self._account, held)

    def _warn(self, reading: AccountReading) -> None:
        open_ids = {one.instrument.id for one in reading.positions}
        self._warned &= open_ids
        for one in reading.positions:
            ratio_ppb = _margin_ppb(reading, one)
            if ratio_ppb < self._warning_ppb - self._warning_ppb // _CALM_PART:
                self._warned.discard(one.instrument.id)
            elif ratio_ppb >= self._warning_ppb and one.instrument.id not in self._warned:
                self._warned.add(one.instrument.id)
                self.publish(WARNING, views.warning(self._core, one, ratio_ppb))


def _margin_ppb(reading: AccountReading, one: PositionReading) -> int:
    """Maintenance margin as a part of what stands behind the position, in 1e-9."""
    if one.is_cross:
        needed_e8, behind_e8 = reading.cross_maintenance_e8, reading.cross_equity_e8
    else:
        needed_e8, behind_e8 = one.maintenance_e8, one.margin_e8
    return needed_e8 * PPB // max(behind_e8, 1)


def _pairs(side: Side) -> list[list[str]]:
    return [[px, sz] for px, sz in side.items()]


def _changes(before: Side, now: Side) -> list[list[str]]:
    gone = [[px, "0"] for px in before if px not in now]
    return gone + [[px, sz] for px, sz in now.items() if before.get(px) != sz]
