"""The arithmetic that cleaning shares: the grid, and order."""

from __future__ import annotations

import numpy as np

from backtests.tape.schema import Array, IntArray


def scaled(values: Array, scale: int) -> tuple[IntArray, Array]:
    """Values on the grid of 1/scale, to the nearest, and which of them lay on it exactly."""
    nearest = np.rint(values * scale)
    exact: Array = nearest / scale == values
    return nearest.astype(np.int64), exact


def running_max(values: IntArray) -> IntArray:
    """For each value the largest up to it."""
    raised: IntArray = np.maximum.accumulate(values)
    return raised
