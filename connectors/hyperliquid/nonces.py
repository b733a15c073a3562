"""Nonces: one allocator a signer, always rising, never given twice (protocol 3.5).

The venue keeps the 100 highest of each signer and takes only unused ones within two days before and
one day after its own time. So a nonce is the venue's time in ms, or one more than the last where
the clock stood still or went back; and after a restart it starts above the highest that was ever
journaled.
"""

from __future__ import annotations

from engine.drive.seams import Clock
from engine.model.units import NS_PER_MS


class Nonces:
    """The nonces of one signer. `offset_ms` is the venue's clock less ours, as measured."""

    def __init__(self, clock: Clock, *, high_water: int = 0, offset_ms: int = 0) -> None:
        self._clock = clock
        self._last = high_water
        self.offset_ms = offset_ms

    @property
    def high_water(self) -> int:
        """The highest nonce ever given or seen."""
        return self._last

    def raise_to(self, nonce: int) -> None:
        """Give only higher ones from now on; a lower mark changes nothing."""
        self._last = max(self._last, nonce)

    def next(self) -> int:
        """A nonce that was not given before."""
        now_ms = self._clock.now_ns() // NS_PER_MS + self.offset_ms
        self._last = max(now_ms, self._last + 1)
        return self._last
