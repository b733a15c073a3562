"""The exponential moving average.

    y[0] = x[0]
    y[t] = y[t-1] + alpha * (x[t] - y[t-1]),   alpha = 2 / (span + 1)

This is the recursion that pandas documents as `ewm(span=span, adjust=False).mean()`. The first
value seeds it, so it leans on that value until a few spans have passed.
"""

from __future__ import annotations

import math

from engine.errors import ModelError


class Ema:
    """An exponential moving average of `span` observations; `value` is nan before the first."""

    __slots__ = ("alpha", "count", "value")

    def __init__(self, span: float) -> None:
        if not span >= 1:
            raise ModelError(f"the span of an Ema is {span}, expected 1 or more")
        self.alpha = 2.0 / (span + 1.0)
        self.value = math.nan
        self.count = 0

    def update(self, x: float) -> float:
        """Take in one observation; the new value."""
        if self.count:
            self.value += self.alpha * (x - self.value)
        else:
            self.value = x
        self.count += 1
        return self.value
