"""How often a stream tells something, and where it was silent for longer than that explains.

A gap is a step of venue time over 10 times the median step (of those above 0) and over 5 s; between
bars, over their interval; between settlements, over 1.5 times the median.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from backtests.tape.schema import IntArray, StreamKind
from backtests.tape.stream import Stream
from engine.model.units import NS_PER_S

_GAP_STEPS: Final = 10
_GAP_NS_MIN: Final = 5 * NS_PER_S
_LATE_STEPS: Final = 1.5
_BLOCK_ROWS: Final = 1 << 18
_SAMPLES: Final = 64


class Gaps(msgspec.Struct, frozen=True):
    """The median step between rows (0 without one), the number of gaps, and the longest, in ns.

    `missing` is how many bars or settlements the gaps left out; 0 for other kinds.
    """

    median_step_ns: int
    count: int
    longest_ns: int
    missing: int


def gap_threshold_ns(kind: StreamKind, interval_ns: int, median_step_ns: float) -> float:
    """The longest step that is no gap."""
    if kind is StreamKind.BAR:
        return interval_ns
    if kind is StreamKind.FUNDING:
        return _LATE_STEPS * median_step_ns
    return max(_GAP_STEPS * median_step_ns, _GAP_NS_MIN)


def median_step_ns(steps: IntArray) -> float:
    """The median of the steps above 0; 0 when there is none."""
    positive = steps[steps > 0]
    return float(np.median(positive)) if positive.size else 0.0


def find_gaps(stream: Stream) -> Gaps:
    """The gaps of a stream, found in blocks; a long one's median is of evenly spread samples."""
    if stream.n < 2:
        return Gaps(0, 0, 0, 0)
    median = median_step_ns(_sampled_steps(stream))
    threshold = gap_threshold_ns(stream.kind, stream.interval_ns, median)
    count = longest = missing = 0
    for start in range(0, stream.n - 1, _BLOCK_ROWS):
        stop = min(stream.n, start + _BLOCK_ROWS + 1)
        steps = np.diff(stream.window("ts_venue_ns", start, stop))
        gaps = steps[steps > threshold]
        count += gaps.size
        longest = max(longest, int(gaps.max(initial=0)))
        if stream.kind in {StreamKind.BAR, StreamKind.FUNDING} and median:
            usual = stream.interval_ns or median
            missing += int((np.rint(gaps / usual) - 1).sum())
    return Gaps(round(median), count, longest, missing)


def _sampled_steps(stream: Stream) -> IntArray:
    rows = stream.n
    if rows <= _BLOCK_ROWS:
        return np.diff(stream.column("ts_venue_ns"))
    size = _BLOCK_ROWS // _SAMPLES
    starts = np.linspace(0, rows - size, _SAMPLES).astype(np.int64).tolist()
    return np.concatenate(
        [np.diff(stream.window("ts_venue_ns", start, start + size)) for start in starts]
    )
