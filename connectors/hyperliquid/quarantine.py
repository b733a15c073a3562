"""What a venue said that we do not understand: counted, shown in part, and acted on by nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

RAW_MAX: Final = 512
WHY_MAX: Final = 200


class Why(StrEnum):
    """Why something was put away."""

    UNREADABLE = "unreadable"
    UNKNOWN_CHANNEL = "unknown channel"
    UNEXPECTED_SHAPE = "unexpected shape"
    UNKNOWN_COIN = "unknown coin"
    IMPLAUSIBLE = "implausible"
    """Readable, but no market can be so: a crossed book, a high below the low."""


class Quarantined(msgspec.Struct, frozen=True):
    """One thing put away: its first bytes, and what was wrong with it."""

    why: Why
    detail: str
    raw: bytes


class Quarantine:
    """Counts what was put away, by reason; `report` hears of each, to log it."""

    def __init__(self, report: Callable[[Quarantined], None] | None = None) -> None:
        self.counts: Counter[Why] = Counter()
        self._report = report

    @property
    def total(self) -> int:
        """How many things were put away."""
        return self.counts.total()

    def add(self, why: Why, detail: str, raw: bytes | str) -> None:
        """Put one thing away; keeps the first 512 bytes of it."""
        self.counts[why] += 1
        if self._report is not None:
            start = raw[:RAW_MAX]
            kept = start.encode("utf-8", "replace") if isinstance(start, str) else bytes(start)
            self._report(Quarantined(why, detail[:WHY_MAX], kept[:RAW_MAX]))
