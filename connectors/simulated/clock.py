"""The venue's clock: the machine's own, moved by a fixed offset.

So that a venue can start just before a full hour, when funding is settled, or anywhere else in
time. The offset never changes while the venue runs.
"""

from __future__ import annotations

from typing import Self

from engine.drive.seams import Clock
from engine.model.units import NS_PER_HOUR, NS_PER_MS, NS_PER_S


class VenueClock:
    """What time it is at the venue, in int nanoseconds UTC: the local clock plus `offset_ns`."""

    __slots__ = ("_clock", "offset_ns")

    def __init__(self, clock: Clock, offset_ns: int = 0) -> None:
        self._clock = clock
        self.offset_ns = offset_ns

    @classmethod
    def starting_at(cls, clock: Clock, start_ns: int) -> Self:
        """A clock that says `start_ns` now."""
        return cls(clock, start_ns - clock.now_ns())

    @classmethod
    def before_hour(cls, clock: Clock, seconds: float) -> Self:
        """A clock that says `seconds` before a full hour now: the next one to come locally."""
        hour_ns = (clock.now_ns() // NS_PER_HOUR + 1) * NS_PER_HOUR
        return cls.starting_at(clock, hour_ns - round(seconds * NS_PER_S))

    def now_ns(self) -> int:
        """Nanoseconds UTC at the venue."""
        return self._clock.now_ns() + self.offset_ns

    def now_ms(self) -> int:
        """Milliseconds UTC at the venue, as the wire has them."""
        return self.now_ns() // NS_PER_MS

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start, for durations: the local clock's own."""
        return self._clock.monotonic_ns()
