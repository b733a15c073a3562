"""Bars built from trades, folded in integer ticks and lots.

The rule, shared with the tape: a bar [k*i, (k+1)*i) of venue time closes at the first trade stamped
at or after (k+1)*i; its `ts_venue_ns` is (k+1)*i and its `ts_local_ns` that trade's; an interval
without a trade gives no bar.
"""

from __future__ import annotations

from engine.model.events import Bar, Trade


class BarBuilder:
    """Folds the trades of one instrument into bars of one interval."""

    __slots__ = (
        "_close",
        "_end_ns",
        "_high",
        "_interval_ns",
        "_lots",
        "_low",
        "_open",
        "_px_scale",
        "_sz_scale",
    )

    def __init__(self, interval_ns: int, px_scale: int, sz_scale: int) -> None:
        self._interval_ns = interval_ns
        self._px_scale = px_scale
        self._sz_scale = sz_scale
        self._end_ns = 0
        self._open = self._high = self._low = self._close = self._lots = 0

    def fold(self, trade: Trade) -> Bar | None:
        """Take in a trade; the bar it closed, if it closed one."""
        px_ticks = round(trade.px * self._px_scale)
        lots = round(trade.sz * self._sz_scale)
        if trade.ts_venue_ns < self._end_ns:
            if px_ticks > self._high:
                self._high = px_ticks
            elif px_ticks < self._low:
                self._low = px_ticks
            self._close = px_ticks
            self._lots += lots
            return None
        closed = self._bar(trade) if self._end_ns else None
        self._end_ns = (trade.ts_venue_ns // self._interval_ns + 1) * self._interval_ns
        self._open = self._high = self._low = self._close = px_ticks
        self._lots = lots
        return closed

    def _bar(self, trade: Trade) -> Bar:
        scale = self._px_scale
        return Bar(
            self._end_ns,
            trade.ts_local_ns,
            trade.instrument,
            self._interval_ns,
            self._open / scale,
            self._high / scale,
            self._low / scale,
            self._close / scale,
            self._lots / self._sz_scale,
        )
