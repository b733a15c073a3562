"""How far the venue's clock may be from ours: what is said of a time beyond that is not true."""

from __future__ import annotations

from typing import Final

from connectors.perpex.mapping.wire import Millis
from engine.drive.seams import Clock
from engine.model.units import NS_PER_MS, NS_PER_S

CLOCKS_APART_MS_MAX: Final = 3_600_000
CLOCKS_APART_NS: Final = 5 * NS_PER_S
"""How far it may be behind ours: a fill is no earlier than its order, less this."""


def is_ahead(time: Millis, clock: Clock) -> bool:
    """Whether a venue's time is one that cannot have come yet."""
    return time.ns > clock.now_ns() + CLOCKS_APART_MS_MAX * NS_PER_MS
