"""Closed candles without gaps: history first, and after a lost connection what closed meanwhile.

A candle of the stream is known to be closed only when a later one comes, and what closed while the
connection was down never comes. So on every connection closed candles are asked for from the last
one told; those of the stream wait until the answer is in. None is told twice or out of order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from connectors.hyperliquid.common import Common
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.market import Candle
from connectors.hyperliquid.market_events import INTERVALS_MS
from connectors.port import Wants
from engine.errors import ModelError, PerpdError
from engine.model.events import Bar
from engine.model.units import NS_PER_MS

HISTORY_MAX: Final = 5_000
HELD_MAX: Final = 10_000
# Longer ones begin where nobody says, and the engine's own begin at multiples of their length.
_NAMES: Final = {
    length_ms * NS_PER_MS: name
    for name, length_ms in INTERVALS_MS.items()
    if 0 < length_ms <= INTERVALS_MS["1d"]
}
BARS_NS: Final = frozenset(_NAMES)


class BarHistory:
    """The closed candles of what is wanted, in order."""

    def __init__(self, common: Common, info: InfoClient, wants: Sequence[Wants]) -> None:
        self._common = common
        self._info = info
        self._wants = [want for want in wants if want.bars_ns]
        self._newest_ns: dict[tuple[str, int], int] = {}
        self._held: list[Bar] | None = None

    def hold(self) -> None:
        """Bars of the stream wait from now on for `catch_up`."""
        if self._wants and self._held is None:
            self._held = []

    def hear(self, bar: Bar) -> None:
        """A candle of the stream has closed."""
        if self._held is None:
            self._tell(bar)
        elif len(self._held) < HELD_MAX:
            self._held.append(bar)

    async def catch_up(self) -> None:
        """Tell what closed before, then what was held; what cannot be read is logged and left out.

        The first time the newest `history_bars` are told, and afterwards what closed since the last
        one.
        """
        for want in self._wants:
            for interval in intervals(want):
                try:
                    for bar in await self._closed(want, interval):
                        self._tell(bar)
                except PerpdError as error:
                    self._common.log.warning(
                        "candles not read",
                        instrument=want.instrument,
                        interval=interval,
                        reason=str(error),
                    )
        held, self._held = self._held, None
        for bar in held or ():
            self._tell(bar)

    async def _closed(self, want: Wants, interval: str) -> Iterable[Bar]:
        length_ms = INTERVALS_MS[interval]
        now_ms = self._common.time.now_ms()
        newest_ns = self._newest_ns.get((want.instrument, length_ms * NS_PER_MS))
        if newest_ns is None:
            count = min(want.history_bars, HISTORY_MAX)
            start_ms = now_ms - (count + 1) * length_ms
        else:
            count = HISTORY_MAX
            start_ms = newest_ns // NS_PER_MS
        if not count or now_ms - start_ms < length_ms:
            return ()
        coin = self._common.instruments[want.instrument].coin
        candles = await self._info.candle_snapshot(coin, interval, start_ms, now_ms)
        bars = [*closed_bars(candles, want.instrument, now_ms, self._common.clock.now_ns())]
        return bars[-count:]

    def _tell(self, bar: Bar) -> None:
        key = bar.instrument, bar.interval_ns
        if bar.ts_venue_ns > self._newest_ns.get(key, 0):
            self._newest_ns[key] = bar.ts_venue_ns
            self._common.emit(bar)


def closed_bars(
    candles: Iterable[Candle], instrument: str, now_ms: int, ts_local_ns: int
) -> Iterator[Bar]:
    """The candles that had closed by `now_ms`, oldest first."""
    for candle in sorted(candles, key=lambda candle: candle.open_ms):
        close_ms = candle.close_ms + 1
        if close_ms <= now_ms:
            yield Bar(
                close_ms * NS_PER_MS,
                ts_local_ns,
                instrument,
                (close_ms - candle.open_ms) * NS_PER_MS,
                float(candle.open_px),
                float(candle.high_px),
                float(candle.low_px),
                float(candle.close_px),
                float(candle.volume),
            )


def intervals(want: Wants) -> list[str]:
    """The venue's names of the candle intervals that are wanted.

    Raises ModelError for one that the venue does not send.
    """
    for length_ns in want.bars_ns:
        if length_ns not in _NAMES:
            raise ModelError(f"{want.instrument}: the venue sends no bars of {length_ns} ns")
    return [_NAMES[length_ns] for length_ns in want.bars_ns]
