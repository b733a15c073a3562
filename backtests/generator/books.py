"""One generated book and the trades against it.

Aggressive orders arrive in bursts (each excites more for a few seconds), lean towards where the
price goes, and take what the book shows: first the touch, then level by level, never more than is
displayed. The touch stays until the fair price has moved away from it, then is quoted around it
anew; some levels change size at every row.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from backtests.generator.paths import LOG_SCALE, Path
from backtests.generator.settings import (
    IMPACT_NOTIONAL,
    IMPACT_NOTIONAL_OTHER,
    Settings,
)
from backtests.tape.building import BookBuilder, Update
from backtests.tape.schema import IntArray, StreamKind
from backtests.tape.stream import Stream
from engine.model.instruments import Instrument

SAMPLE_MS: Final = 5_000

_DRAWS: Final = 4_096
_EXCITED_BY: Final = 0.55
_EXCITEMENT_S: Final = 2.0
_LEAN: Final = 0.3
_PRINTS_MAX: Final = 4
_ORDER_SPREAD: Final = 1.9
_LEVEL_SPREAD: Final = 0.8
_IMPACT: Final = 6_000
_KEPT_MOVES: Final = 2.0
_HALF_SPREAD: Final = 0.1
_ORDERS_MAX: Final = 60


class BookMaker:
    """Makes a book and its trades; `samples` are (ms, impact bid, impact ask) each 5 s."""

    def __init__(
        self, instrument: Instrument, first_px: float, path: Path, settings: Settings
    ) -> None:
        self.instrument = instrument
        self.builder = BookBuilder(instrument)
        self.samples: list[tuple[int, float, float]] = []
        self._first_px = first_px
        self._path = path
        self._settings = settings
        self._grid = instrument.grid
        self._trades: dict[str, array[Any]] = {
            name: array("q") for name in ("ts_ms", "px_ticks", "sz_lots", "side")
        }
        self._taken: dict[int, int] = {}
        self._touch = (0, 0)
        self._log = 0
        self._excitement = 0.0
        self._last_side = 1
        self._base_lots = max(1.0, settings.level_notional / first_px * self._grid.sz_scale)
        self._order_lots = max(1.0, settings.order_notional / first_px * self._grid.sz_scale)

    def run(self, rng: np.random.Generator) -> None:
        """Make every row."""
        settings = self._settings
        times, moves = self._path.ts_ms.tolist(), self._path.moves.tolist()
        activity = self._path.activity.tolist()
        uniform, normal = _drawn(rng.random), _drawn(rng.standard_normal)
        keep_within = float(np.abs(self._path.moves).mean()) * _KEPT_MOVES / LOG_SCALE
        next_sample_ms = times[0]
        for i, now_ms in enumerate(times):
            if i:
                rate = settings.orders_per_s * activity[i] + self._excitement
                since_ms = times[i - 1]
                orders = _poisson(rate * (now_ms - since_ms) / 1000, next(uniform))
                decay = math.exp((since_ms - now_ms) / (1000 * _EXCITEMENT_S))
                self._excitement = self._excitement * decay + orders * _EXCITED_BY / _EXCITEMENT_S
                stamps = sorted(
                    since_ms + 1 + int(next(uniform) * (now_ms - since_ms)) for _ in range(orders)
                )
                for ts_ms in stamps:
                    self._order(ts_ms, moves[i], uniform, normal)
            self._log += moves[i]
            self._quote((now_ms * 1_000_000, i + 1), keep_within, uniform, normal)
            if now_ms >= next_sample_ms:
                self.samples.append((now_ms, *self._impact_px()))
                next_sample_ms += SAMPLE_MS

    # -- aggressive orders
    # ---------------------------------------------------------------------------

    def _order(
        self, ts_ms: int, move: int, uniform: Iterator[float], normal: Iterator[float]
    ) -> None:
        """One order takes what it can of what is shown."""
        chance = 0.5 + _LEAN * (0.5 * self._last_side + 0.5 * _sign(move))
        side = 1 if next(uniform) < chance else -1
        self._last_side = side
        lots = max(1, int(self._order_lots * math.exp(_ORDER_SPREAD * next(normal))))
        book = self.builder.asks if side > 0 else self.builder.bids
        wanted = lots
        for px in sorted(book, reverse=side < 0):
            taken = self._taken.get(px, 0)
            filled = min(wanted, book[px] - taken)
            if filled:
                self._taken[px] = taken + filled
                self._print(ts_ms, px, filled, side, 1 + int(_PRINTS_MAX * next(uniform) ** 2))
                wanted -= filled
            if not wanted:
                break
            # The level is gone, and the fair price with it.
            self._log += side * (LOG_SCALE * self._step(px) // px)
        self._log += side * int(_IMPACT * min(4.0, lots / self._base_lots))

    def _print(self, ts_ms: int, px: int, lots: int, side: int, prints: int) -> None:
        """A fill at one price, against one or several resting orders."""
        prints = min(prints, lots)
        piece = lots // prints
        for size in [piece] * (prints - 1) + [lots - piece * (prints - 1)]:
            for name, value in zip(self._trades, (ts_ms, px, size, side), strict=True):
                self._trades[name].append(value)

    # -- quoting
    # -------------------------------------------------------------------------------------

    def _quote(
        self,
        stamp: tuple[int, int],
        keep_within: float,
        uniform: Iterator[float],
        normal: Iterator[float],
    ) -> None:
        """Store the book's next row, stamped with its time and number."""
        fair = self._first_px * math.exp(self._log / LOG_SCALE) * self._grid.px_scale
        bid, ask = self._touch
        slack = fair * keep_within
        step = self._step(fair + 2 * slack)
        is_near = bid - slack <= fair <= ask + slack
        if not is_near or bid % step or ask % step or not self._is_shown(bid, ask):
            half = slack * _HALF_SPREAD * next(uniform)
            bid = max(step, math.floor((fair - half) / step) * step)
            ask = max(bid + step, math.ceil((fair + half) / step) * step)
            self._touch = bid, ask
        bids = self._side(self.builder.bids, (bid, -step), uniform, normal)
        asks = self._side(self.builder.asks, (ask, step), uniform, normal)
        self._taken.clear()
        ts_ns, seq = stamp
        self.builder.add_changes(Update(ts_ns, ts_ns, seq, bids, asks))

    def _is_shown(self, bid: int, ask: int) -> bool:
        """Whether both best levels are left by the orders since the last row."""
        book, taken = self.builder, self._taken
        return book.bids.get(bid, 0) > taken.get(bid, 0) and book.asks.get(ask, 0) > taken.get(
            ask, 0
        )

    def _step(self, px_ticks: float) -> int:
        """The distance of levels: that of the highest price in the book, valid for all below it."""
        grid = self._grid
        step = grid.step_ticks(int(px_ticks))
        return grid.step_ticks(int(px_ticks) + step * (self._settings.levels + 2))

    def _side(
        self,
        shown: dict[int, int],
        ladder: tuple[int, int],
        uniform: Iterator[float],
        normal: Iterator[float],
    ) -> list[tuple[int, int]]:
        """The changes of one side: what is quoted now, less what is shown, best first."""
        best, step = ladder
        taken = self._taken
        changes = []
        stays = set()
        for level in range(self._settings.levels):
            px = best + level * step
            if px <= 0:
                break
            stays.add(px)
            old = shown.get(px, 0)
            left = old - taken.get(px, 0)
            if left <= 0 or next(uniform) < 0.3 / (1 + 0.2 * level):
                size = self._base_lots * (0.4 + 0.15 * level)
                left = max(1, int(size * math.exp(_LEVEL_SPREAD * next(normal))))
            if left != old:
                changes.append((px, left))
        changes += [(px, 0) for px in shown if px not in stays]
        return changes

    # -- what comes of it
    # ----------------------------------------------------------------------------

    def _impact_px(self) -> tuple[float, float]:
        """The average prices at which the venue's impact notional would sell and buy now."""
        notional = IMPACT_NOTIONAL.get(self.instrument.coin, IMPACT_NOTIONAL_OTHER)
        book = self.builder
        bids, asks = sorted(book.bids.items(), reverse=True), sorted(book.asks.items())
        return self._average_px(bids, notional), self._average_px(asks, notional)

    def _average_px(self, levels: list[tuple[int, int]], notional: float) -> float:
        bought = spent = 0.0
        for px_ticks, lots in levels:
            px = self._grid.px(px_ticks)
            size = min(self._grid.sz(lots), (notional - spent) / px)
            bought += size
            spent += size * px
            if spent >= notional * (1 - 1e-12):
                break
        return spent / bought

    def trades(self, local_ns: Callable[[IntArray], IntArray]) -> Stream:
        """The trades, their local times by `local_ns` of venue times."""
        columns = {name: np.array(values, np.int64) for name, values in self._trades.items()}
        venue_ns = columns.pop("ts_ms") * 1_000_000
        columns["ts_venue_ns"] = venue_ns
        columns["ts_local_ns"] = local_ns(venue_ns)
        columns["trade_id"] = np.arange(1, len(venue_ns) + 1)
        return Stream.from_columns(StreamKind.TRADE, self.instrument, columns)


def _drawn(draw: Callable[[int], Any]) -> Iterator[float]:
    """Draws one at a time, made many at a time."""
    while True:
        yield from draw(_DRAWS).tolist()


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _poisson(mean: float, uniform: float) -> int:
    """A Poisson count from one uniform draw, at most `_ORDERS_MAX`."""
    count, chance = 0, math.exp(-mean)
    total = chance
    while uniform > total and count < _ORDERS_MAX:
        count += 1
        chance *= mean / count
        total += chance
    return count
