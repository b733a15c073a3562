"""Whether market data is fresh: an age limit for each stream, from the cadence it has itself.

A *cadenced* stream (a book sent twice a second, a context sent every second) is stale when it has
been silent for three times its own usual gap. A *change-driven* one (quotes, trades) may rightly be
silent in a quiet market: it is fresh while a cadenced stream of the same instrument is. Ages are
measured on the monotonic clock, and from when the data was made where the venue says that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from engine.drive.seams import Clock
from engine.model.events import StreamChanged, StreamPhase
from engine.model.units import NS_PER_S

GAPS_KEPT_MAX: Final = 32
_GAPS_PER_MEASURE: Final = 8


class FreshnessSettings(msgspec.Struct, frozen=True):
    """The limit is `gaps` times the median gap, within [`least_s`, `most_s`].

    `unmeasured_s` holds until eight gaps were measured.
    """

    gaps: float = 3.0
    least_s: float = 2.0
    most_s: float = 30.0
    unmeasured_s: float = 10.0


class _Line:
    """One stream of one instrument. `made_ns` is when its newest data was made."""

    __slots__ = (
        "channel",
        "gaps",
        "heard_ns",
        "instrument",
        "is_cadenced",
        "is_stale",
        "limit_ns",
        "made_ns",
        "unmeasured",
    )

    def __init__(self, channel: str, instrument: str, limit_ns: int, *, is_cadenced: bool) -> None:
        self.channel = channel
        self.instrument = instrument
        self.is_cadenced = is_cadenced
        self.is_stale = False
        self.heard_ns = 0
        self.made_ns = 0
        self.limit_ns = limit_ns
        self.unmeasured = 0
        self.gaps: deque[int] = deque(maxlen=GAPS_KEPT_MAX)


class Freshness:
    """Watches the streams of one connection and tells `emit` of every change, and only of changes.

    A stream is named `prefix channel` in its events. Nothing is stale while paused: a connection
    that is down says so itself.
    """

    def __init__(
        self,
        clock: Clock,
        emit: Callable[[StreamChanged], None],
        prefix: str,
        settings: FreshnessSettings | None = None,
    ) -> None:
        self._clock = clock
        self._emit = emit
        self._prefix = prefix
        self._settings = settings or FreshnessSettings()
        self._lines: dict[tuple[str, str], _Line] = {}
        self._lines_of: dict[str, list[_Line]] = {}
        self._is_paused = True
        self._stale = 0

    def watch(self, channel: str, instrument: str, *, is_cadenced: bool) -> None:
        """Watch one more stream; its age runs from now."""
        limit_ns = round(self._settings.unmeasured_s * NS_PER_S)
        line = _Line(channel, instrument, limit_ns, is_cadenced=is_cadenced)
        line.heard_ns = line.made_ns = self._clock.monotonic_ns()
        self._lines[channel, instrument] = line
        self._lines_of.setdefault(instrument, []).append(line)

    def heard(self, channel: str, instrument: str, late_ns: int = 0) -> None:
        """Data came that was made `late_ns` ago; of what is not watched it says nothing.

        What is older than its limit is told to be stale before its owner passes it on.
        """
        line = self._lines.get((channel, instrument))
        if line is None:
            return
        now_ns = self._clock.monotonic_ns()
        line.gaps.append(now_ns - line.heard_ns)
        line.heard_ns = now_ns
        line.made_ns = now_ns - late_ns if late_ns > 0 else now_ns
        line.unmeasured += 1
        if line.unmeasured >= _GAPS_PER_MEASURE:
            self._measure(line)
        if self._stale or (late_ns > line.limit_ns and not self._is_paused):
            self._judge(instrument, now_ns)

    def limit_s(self, channel: str, instrument: str) -> float:
        """The age limit in force for one stream."""
        return self._lines[channel, instrument].limit_ns / NS_PER_S

    def is_fresh(self, channel: str, instrument: str) -> bool:
        """Whether a watched stream is fresh, as far as was said."""
        return not self._lines[channel, instrument].is_stale

    def pause(self) -> None:
        """The connection is down, and says so itself: find nothing stale until `resume`."""
        self._is_paused = True

    def resume(self) -> None:
        """The connection is up: every age runs from now. What was stale is told to be ready."""
        now_ns = self._clock.monotonic_ns()
        self._is_paused = False
        for line in self._lines.values():
            line.heard_ns = line.made_ns = now_ns
        for instrument in self._lines_of:
            self._judge(instrument, now_ns)

    async def run(self) -> None:
        """Find out what becomes stale, at the moment it does; for ever."""
        least_ns = round(self._settings.least_s * NS_PER_S)
        while True:
            now_ns = self._clock.monotonic_ns()
            wake_ns = now_ns + least_ns
            if not self._is_paused:
                for instrument in self._lines_of:
                    self._judge(instrument, now_ns)
                for line in self._lines.values():
                    if not line.is_stale and line.made_ns + line.limit_ns >= now_ns:
                        wake_ns = min(wake_ns, line.made_ns + line.limit_ns + 1)
            await asyncio.sleep((wake_ns - now_ns) / NS_PER_S)

    def _measure(self, line: _Line) -> None:
        settings = self._settings
        line.unmeasured = 0
        usual_ns = sorted(line.gaps)[len(line.gaps) // 2]
        usual_s = usual_ns * settings.gaps / NS_PER_S
        line.limit_ns = round(max(settings.least_s, min(settings.most_s, usual_s)) * NS_PER_S)

    def _judge(self, instrument: str, now_ns: int) -> None:
        """Say what changed for the streams of one instrument."""
        lines = self._lines_of[instrument]
        is_alive = False
        for line in lines:
            if line.is_cadenced:
                is_old = now_ns - line.made_ns > line.limit_ns
                is_alive |= not is_old
                self._say(line, is_stale=is_old)
        for line in lines:
            if not line.is_cadenced:
                is_old = now_ns - line.made_ns > line.limit_ns
                self._say(line, is_stale=is_old and not is_alive)

    def _say(self, line: _Line, *, is_stale: bool) -> None:
        if line.is_stale is is_stale:
            return
        line.is_stale = is_stale
        self._stale += 1 if is_stale else -1
        now_ns = self._clock.now_ns()
        phase = StreamPhase.STALE if is_stale else StreamPhase.READY
        name = f"{self._prefix} {line.channel}"
        self._emit(StreamChanged(now_ns, now_ns, name, phase, line.instrument))
