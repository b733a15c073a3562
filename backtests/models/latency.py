"""How long a command takes to the matching engine and a report back.

Pure functions from one instant to another. A driver keeps each direction in order (what left later
never arrives earlier); a model only says how long one message takes. `SimulatedExchange` takes a
model's `report_ns`.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from engine.errors import ModelError

_MASK: Final = (1 << 64) - 1


class LatencyModel(Protocol):
    """When things arrive. All times are int nanoseconds UTC."""

    def order_ns(self, ts_ns: int) -> int:
        """When a command sent at `ts_ns` (local) reaches the matching engine."""
        ...

    def report_ns(self, ts_ns: int) -> int:
        """When a report made at `ts_ns` (venue) reaches us."""
        ...


class FixedLatency(msgspec.Struct, frozen=True):
    """The same delay always, one for each direction."""

    order_delay_ns: int = 0
    report_delay_ns: int = 0

    def __post_init__(self) -> None:
        _require_delays(self.order_delay_ns, self.report_delay_ns)

    def order_ns(self, ts_ns: int) -> int:
        """When a command sent at `ts_ns` (local) reaches the matching engine."""
        return ts_ns + self.order_delay_ns

    def report_ns(self, ts_ns: int) -> int:
        """When a report made at `ts_ns` (venue) reaches us."""
        return ts_ns + self.report_delay_ns


class JitteredLatency(msgspec.Struct, frozen=True):
    """A least delay plus up to `jitter_ns` more.

    Uniform, decided by the seed and the instant alone.
    """

    order_delay_ns: int
    report_delay_ns: int
    jitter_ns: int
    seed: int

    def __post_init__(self) -> None:
        _require_delays(self.order_delay_ns, self.report_delay_ns, self.jitter_ns)

    def order_ns(self, ts_ns: int) -> int:
        """When a command sent at `ts_ns` (local) reaches the matching engine."""
        return ts_ns + self.order_delay_ns + _mix(ts_ns ^ self.seed) % (self.jitter_ns + 1)

    def report_ns(self, ts_ns: int) -> int:
        """When a report made at `ts_ns` (venue) reaches us."""
        return ts_ns + self.report_delay_ns + _mix(~ts_ns ^ self.seed) % (self.jitter_ns + 1)


def _mix(value: int) -> int:
    """The splitmix64 finaliser: 64 well-mixed bits of an integer."""
    z = (value + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def _require_delays(*delays_ns: int) -> None:
    for delay_ns in delays_ns:
        if delay_ns < 0:
            raise ModelError(f"latency: a delay is {delay_ns} ns, expected 0 or more")
