"""Realised volatility: an exponentially weighted mean of squared log returns, per unit of time.

    r[t] = ln(px[t] / px[t-1])          dt[t] = seconds between the two
    w[t] = 2 ** (-dt[t] / half_life)
    v[1] = r[1]**2 / dt[1]
    v[t] = w[t] * v[t-1] + (1 - w[t]) * r[t]**2 / dt[t]
    value = sqrt(v)

On evenly spaced bars w is constant and this is the estimator of the RiskMetrics Technical Document
(J.P. Morgan/Reuters, 4th ed. 1996, section 5.2, zero mean) with lambda = w; weighting by elapsed
time extends it to observations at any times.
"""

from __future__ import annotations

import math

from engine.errors import ModelError
from engine.model.units import NS_PER_S


class Volatility:
    """The standard deviation of log returns per root second; nan before two observations."""

    __slots__ = ("_decay_per_ns", "_last_ns", "_last_px", "_variance", "count")

    def __init__(self, half_life_ns: int) -> None:
        if half_life_ns <= 0:
            raise ModelError(
                f"the half-life of a Volatility is {half_life_ns} ns, expected above 0"
            )
        self._decay_per_ns = math.log(2.0) / half_life_ns
        self._last_px = math.nan
        self._last_ns = 0
        self._variance = math.nan
        self.count = 0

    def update(self, px: float, ts_ns: int) -> float:
        """Take in a positive price; the new value. One not later than the last is ignored."""
        if not self.count:
            self._last_px, self._last_ns, self.count = px, ts_ns, 1
            return math.nan
        elapsed_ns = ts_ns - self._last_ns
        if elapsed_ns <= 0:
            return self.value
        log_return = math.log(px / self._last_px)
        rate = log_return * log_return * NS_PER_S / elapsed_ns
        if self.count == 1:
            self._variance = rate
        else:
            self._variance += -math.expm1(-elapsed_ns * self._decay_per_ns) * (
                rate - self._variance
            )
        self._last_px, self._last_ns = px, ts_ns
        self.count += 1
        return self.value

    @property
    def value(self) -> float:
        """The volatility per square root of a second."""
        return math.sqrt(self._variance)

    def over(self, span_ns: int) -> float:
        """The volatility over a span: `value` times the square root of its seconds."""
        return math.sqrt(self._variance * span_ns / NS_PER_S)
