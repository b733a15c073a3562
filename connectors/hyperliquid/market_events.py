"""From market frames to the engine's events, with the little that has to be remembered for it.

Remembered are the trades seen lately (every subscribe replays the last 30) and each candle that is
still open (it closes when a later one comes). A book that is crossed or out of order, or a candle
whose high is not its highest, is quarantined whole and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any, Final

import msgspec

from connectors.hyperliquid.frames import Frame
from connectors.hyperliquid.market_frames import (
    BboFrame,
    BookFrame,
    Candle,
    CandleFrame,
    ContextFrame,
    Level,
    TradesFrame,
)
from connectors.hyperliquid.quarantine import Quarantine, Why
from engine.model.events import AnyEvent, AssetContext, Bar, BookSnapshot, Quote, Trade
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS, Side

TRADES_REMEMBERED: Final = 512
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
# A month has no fixed length: its candles are taken as long as they are.
INTERVALS_MS: Final = {
    "1m": _MINUTE_MS,
    "3m": 3 * _MINUTE_MS,
    "5m": 5 * _MINUTE_MS,
    "15m": 15 * _MINUTE_MS,
    "30m": 30 * _MINUTE_MS,
    "1h": _HOUR_MS,
    "2h": 2 * _HOUR_MS,
    "4h": 4 * _HOUR_MS,
    "8h": 8 * _HOUR_MS,
    "12h": 12 * _HOUR_MS,
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
    "1M": 0,
}
"""The candle intervals of the venue (protocol 1.3)."""

_NOTHING: Final[tuple[AnyEvent, ...]] = ()


class MarketEvents:
    """Turns the market frames of one venue into events.

    `venue_offset_ns` is the venue's clock less ours: contexts carry no time, so theirs is made of
    the local time and this. Frames of coins that are not among `instruments` are quarantined.
    """

    def __init__(self, instruments: Iterable[Instrument], quarantine: Quarantine) -> None:
        self.venue_offset_ns = 0
        self._ids: dict[str, str] = {}
        self._quarantine = quarantine
        self._seqs: dict[str, int] = {}
        self._trades = _Seen(TRADES_REMEMBERED)
        self._candles: dict[tuple[str, str], Candle] = {}
        self._makers: dict[type, Callable[[Any, int], Sequence[AnyEvent]]] = {
            BookFrame: self._book,
            BboFrame: self._quote,
            TradesFrame: self._trade,
            CandleFrame: self._bar,
            ContextFrame: self._context,
        }
        self.learn(instruments)

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take frames of these too."""
        self._ids.update({instrument.coin: instrument.id for instrument in instruments})

    def forget_open_bars(self) -> None:
        """The connection was lost: a candle that was open may have missed its end."""
        self._candles.clear()

    def events(self, frame: Frame, ts_local_ns: int) -> Sequence[AnyEvent]:
        """The events of one frame, in its order; none for frames that carry none. Never raises."""
        make = self._makers.get(type(frame))
        return _NOTHING if make is None else make(frame, ts_local_ns)

    def _put_away(self, why: Why, detail: str, frame: Frame) -> Sequence[AnyEvent]:
        self._quarantine.add(why, detail, msgspec.json.encode(frame))
        return _NOTHING

    def _book(self, frame: BookFrame, ts_local_ns: int) -> Sequence[AnyEvent]:
        book = frame.data
        instrument = self._ids.get(book.coin)
        if instrument is None:
            return self._put_away(Why.UNKNOWN_COIN, book.coin, frame)
        bids, asks = book.levels
        bid_px = [level.px for level in bids]
        ask_px = [level.px for level in asks]
        rising = bid_px[::-1] + ask_px
        if rising != sorted(rising) or (bids and asks and bid_px[0] == ask_px[0]):
            return self._put_away(Why.IMPLAUSIBLE, "a book crossed or out of order", frame)
        seq = self._seqs[instrument] = self._seqs.get(instrument, 0) + 1
        return (
            BookSnapshot(
                book.time * NS_PER_MS,
                ts_local_ns,
                instrument,
                seq,
                tuple(bid_px),
                tuple([level.sz for level in bids]),
                tuple(ask_px),
                tuple([level.sz for level in asks]),
            ),
        )

    def _quote(self, frame: BboFrame, ts_local_ns: int) -> Sequence[AnyEvent]:
        data = frame.data
        instrument = self._ids.get(data.coin)
        if instrument is None:
            return self._put_away(Why.UNKNOWN_COIN, data.coin, frame)
        bid, ask = data.bbo
        if bid is not None and ask is not None and bid.px >= ask.px:
            return self._put_away(Why.IMPLAUSIBLE, "bid at or above ask", frame)
        times = data.time * NS_PER_MS, ts_local_ns
        return (Quote(*times, instrument, *_side(bid), *_side(ask)),)

    def _trade(self, frame: TradesFrame, ts_local_ns: int) -> Sequence[AnyEvent]:
        events: list[AnyEvent] = []
        for row in frame.data:
            if row.coin not in self._ids:
                return self._put_away(Why.UNKNOWN_COIN, row.coin, frame)
        for row in frame.data:
            instrument = self._ids[row.coin]
            if self._trades.is_new((row.time, row.coin, row.tid)):
                side = Side.BUY if row.side == "B" else Side.SELL
                time_ns = row.time * NS_PER_MS
                trade = Trade(time_ns, ts_local_ns, instrument, row.px, row.sz, side, row.tid)
                events.append(trade)
        return events

    def _bar(self, frame: CandleFrame, ts_local_ns: int) -> Sequence[AnyEvent]:
        candles = frame.data if isinstance(frame.data, list) else [frame.data]
        for candle in candles:
            if candle.coin not in self._ids:
                return self._put_away(Why.UNKNOWN_COIN, candle.coin, frame)
            if not _is_plausible(candle):
                return self._put_away(Why.IMPLAUSIBLE, "no such candle", frame)
        events: list[AnyEvent] = []
        for candle in candles:
            instrument = self._ids[candle.coin]
            key = instrument, candle.interval
            known = self._candles.get(key)
            if known is not None and candle.open_ms < known.open_ms:
                continue
            if known is not None and candle.open_ms > known.open_ms:
                events.append(_closed(known, instrument, ts_local_ns))
            self._candles[key] = candle
        return events

    def _context(self, frame: ContextFrame, ts_local_ns: int) -> Sequence[AnyEvent]:
        ctx = frame.data.ctx
        instrument = self._ids.get(frame.data.coin)
        if instrument is None:
            return self._put_away(Why.UNKNOWN_COIN, frame.data.coin, frame)
        if not isfinite(ctx.funding):
            return self._put_away(Why.IMPLAUSIBLE, "a funding rate that is no number", frame)
        return (
            AssetContext(
                ts_local_ns + self.venue_offset_ns,
                ts_local_ns,
                instrument,
                _price(ctx.mark_px),
                _price(ctx.oracle_px),
                ctx.funding,
                ctx.open_interest,
            ),
        )


class _Seen:
    """The newest keys, at least `keys_min` of them and at most twice as many."""

    def __init__(self, keys_min: int) -> None:
        self._keys_min = keys_min
        self._new: set[tuple[int, str, int]] = set()
        self._old: set[tuple[int, str, int]] = set()

    def is_new(self, key: tuple[int, str, int]) -> bool:
        """Whether it was not asked for lately; from now on it is known."""
        if key in self._new or key in self._old:
            return False
        if len(self._new) >= self._keys_min:
            self._old, self._new = self._new, set()
        self._new.add(key)
        return True


def _side(level: Level | None) -> tuple[float, float]:
    """(price, size), zeros for a side that is missing."""
    return (0.0, 0.0) if level is None else (level.px, level.sz)


def _price(px: float | None) -> float:
    """A price, or 0 for what is none."""
    return px if px is not None and px > 0 and isfinite(px) else 0.0


def _is_plausible(candle: Candle) -> bool:
    length_ms = candle.close_ms - candle.open_ms + 1
    expected_ms = INTERVALS_MS.get(candle.interval)
    if expected_ms is None or length_ms != (expected_ms or max(length_ms, 1)):
        return False
    body = candle.open, candle.close
    return candle.low <= min(body) and max(body) <= candle.high


def _closed(candle: Candle, instrument: str, ts_local_ns: int) -> Bar:
    close_ms = candle.close_ms + 1
    return Bar(
        close_ms * NS_PER_MS,
        ts_local_ns,
        instrument,
        (close_ms - candle.open_ms) * NS_PER_MS,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
    )
