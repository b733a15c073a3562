"""Follows the trend: long while a fast average of closes is above a slow one, else short or flat.

It acts on crossings only. Before the first one after start-up it holds nothing, so that a restart
in the middle of a trend does not enter late.
"""

from __future__ import annotations

from typing import Final

from engine.model.events import Bar
from strategies.api import Bars, Intents, Params, Strategy, Subscription, Warmup, span_ns
from strategies.indicators import Ema

# A target that was refused or only partly filled is asked for again at so many further bars.
RETRIES_MAX: Final = 3


class EmaCrossParams(Params, frozen=True):
    """The bars' `interval`, `fast` and `slow` in bars, a position's `notional` in money."""

    interval: str = "1m"
    fast: int = 20
    slow: int = 50
    notional: float = 1_000.0
    allow_short: bool = True

    def __post_init__(self) -> None:
        span_ns(self.interval)
        if not 1 <= self.fast < self.slow:
            raise ValueError(f"fast = {self.fast}, slow = {self.slow}: expected 1 <= fast < slow")
        if not self.notional > 0:
            raise ValueError(f"notional = {self.notional}: expected more than 0")


class _Trend:
    """The two averages of one instrument, and what was last asked for."""

    __slots__ = ("direction", "fast", "retries", "slow", "target_sz")

    def __init__(self, params: EmaCrossParams) -> None:
        self.fast = Ema(params.fast)
        self.slow = Ema(params.slow)
        self.direction = 0
        self.target_sz = 0.0
        self.retries = 0

    def update(self, close: float) -> bool:
        """Take in a bar's close; whether the averages crossed at it."""
        distance = self.fast.update(close) - self.slow.update(close)
        direction = (distance > 0) - (distance < 0)
        # Touching is no crossing, and neither is the first direction there is.
        if direction in (0, self.direction):
            return False
        was, self.direction = self.direction, direction
        return was != 0


class EmaCross(Strategy):
    """Holds a position in the direction of two crossing moving averages."""

    Params = EmaCrossParams
    params: EmaCrossParams

    def subscriptions(self) -> list[Subscription]:
        """Bars; those of the warm-up are kept for `on_start`."""
        return [Bars(self.params.interval)]

    def warmup(self) -> Warmup:
        """As many bars as the slow average spans."""
        return Warmup(bars=self.params.slow)

    def on_start(self) -> Intents:
        """Seed the averages with the bars of the warm-up."""
        self._trends = {instrument: _Trend(self.params) for instrument in self.instruments}
        for instrument, trend in self._trends.items():
            for bar in self.view.bars(instrument, self.params.interval):
                trend.update(bar.close)
        return None

    def on_bar(self, bar: Bar) -> Intents:
        """At a crossing, ask for the new position; after it, see that it was reached."""
        trend = self._trends[bar.instrument]
        if trend.update(bar.close):
            holds = trend.direction > 0 or self.params.allow_short
            sz = self.params.notional / bar.close
            trend.target_sz = trend.direction * sz if holds else 0.0
            trend.retries = RETRIES_MAX
        elif not trend.retries:
            return None
        elif self._is_reached(bar.instrument, trend.target_sz):
            trend.retries = 0
            return None
        else:
            trend.retries -= 1
        return [self.target(bar.instrument, trend.target_sz)]

    def _is_reached(self, instrument: str, target_sz: float) -> bool:
        lot = self.view.instrument(instrument).grid.sz(1)
        return abs(self.view.position(instrument).sz - target_sz) < lot
