"""Fewer points that look the same: the lowest and highest of every bucket, so no spike is lost."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from backtests.report.result import Floats, Ints

POINTS_MAX: Final = 4_000
MARKERS_MAX: Final = 1_500


def extremes(values: Floats, points_max: int = POINTS_MAX) -> Ints:
    """Which of `values` to draw, in order: all if they fit, else at most `points_max` (4 or more).

    Buckets of equal count give their lowest and highest; the first and last value always stay.
    """
    if values.size <= points_max:
        return np.arange(values.size)
    edges = np.linspace(0, values.size, (points_max - 2) // 2 + 1).astype(np.int64)
    kept = [np.array([0, values.size - 1], dtype=np.int64)]
    for start, stop in pairwise(edges.tolist()):
        bucket = values[start:stop]
        kept.append(start + np.array([bucket.argmin(), bucket.argmax()], dtype=np.int64))
    return np.unique(np.concatenate(kept))


def spread(size: int, count_max: int) -> Ints:
    """Which of `size` things to show: all if they fit, else `count_max` of them evenly spaced."""
    if size <= count_max:
        return np.arange(size)
    return np.linspace(0, size - 1, count_max).round().astype(np.int64)
