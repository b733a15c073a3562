"""The venue's time, from one measurement and the clock that never jumps.

The offset is taken from the answer that came back quickest: the venue's stamp is held to be from
the middle of that round trip. Between measurements time passes by the monotonic clock, so setting
the machine's clock moves neither a nonce nor an expiry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.drive.seams import Clock
from engine.model.units import NS_PER_MS

TRIES = 3
AHEAD_MS_MAX = 3_600_000


class VenueTime:
    """A `Clock` that shows the venue's time; before the first measurement, the machine's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mono_ns = clock.monotonic_ns()
        self._venue_ns = clock.now_ns()
        self.round_trip_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds UTC by the venue's clock."""
        return self._venue_ns + self._clock.monotonic_ns() - self._mono_ns

    def now_ms(self) -> int:
        """Milliseconds UTC by the venue's clock."""
        return self.now_ns() // NS_PER_MS

    def is_ahead(self, ts_ms: int) -> bool:
        """Whether a venue's time cannot have come yet; the machine's clock goes on in its sleep."""
        return ts_ms > max(self.now_ms(), self._clock.now_ns() // NS_PER_MS) + AHEAD_MS_MAX

    def monotonic_ns(self) -> int:
        """As the machine's clock."""
        return self._clock.monotonic_ns()

    @property
    def offset_ms(self) -> int:
        """The venue's clock less the machine's, now."""
        return (self.now_ns() - self._clock.now_ns()) // NS_PER_MS

    async def measure(self, ask_ms: Callable[[], Awaitable[int]], tries: int = TRIES) -> None:
        """Ask for the venue's stamp a few times and keep the best; what `ask_ms` raises is raised.

        A measurement with a longer round trip than an earlier one still replaces it: clocks drift.
        """
        best: tuple[int, int, int] | None = None
        for _ in range(tries):
            sent_ns = self._clock.monotonic_ns()
            stamp_ms = await ask_ms()
            trip_ns = self._clock.monotonic_ns() - sent_ns
            if best is None or trip_ns < best[0]:
                best = trip_ns, sent_ns + trip_ns // 2, stamp_ms * NS_PER_MS
        if best is not None:
            self.round_trip_ns, self._mono_ns, self._venue_ns = best
