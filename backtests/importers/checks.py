"""The arithmetic that cleaning shares: the grid, order, and what counts as a gap."""

from __future__ import annotations

from typing import Final

import numpy as np

from backtests.tape.schema import Array, IntArray, StreamKind
from engine.model.units import NS_PER_S

_GAP_STEPS: Final = 10
_GAP_NS_MIN: Final = 5 * NS_PER_S
_LATE_STEPS: Final = 1.5


def scaled(values: Array, scale: int) -> tuple[IntArray, Array]:
    """Values on the grid of 1/scale, to the nearest, and which of them lay on it exactly."""
    nearest = np.rint(values * scale)
    exact: Array = nearest / scale == values
    return nearest.astype(np.int64), exact


def running_max(values: IntArray) -> IntArray:
    """For each value the largest up to it."""
    raised: IntArray = np.maximum.accumulate(values)
    return raised


def gap_steps(steps: IntArray, kind: StreamKind) -> Array:
    """Which steps of venue time are gaps: over 10 times the median of those above 0, and over 5 s.

    A settlement is late after 1.5 times the median.
    """
    positive = steps[steps > 0]
    if not positive.size:
        return np.zeros(len(steps), bool)
    median = float(np.median(positive))
    if kind is StreamKind.FUNDING:
        return steps > _LATE_STEPS * median
    return steps > max(_GAP_STEPS * median, _GAP_NS_MIN)
