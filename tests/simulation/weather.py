"""What goes wrong between a daemon and its venue, and when the daemon dies: all by a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import msgspec


class Killed(BaseException):
    """The process died here, as by SIGKILL: nothing of it runs any more."""


class Climate(msgspec.Struct, frozen=True):
    """How bad the weather is: chances from 0 to 1, and delays in seconds.

    `before` and `after` are requests of `/exchange` that get lost on the way there and back;
    `slow` is one that takes up to `slow_s` to arrive, after its sender gave up, perhaps. `reads` is
    the chance that an `/info` request fails; `frames` that a frame comes twice, `lag_s` how late
    frames are at most; `breaks_s` how long a stream lives on average (0: for ever).
    """

    before: float = 0.0
    after: float = 0.0
    slow: float = 0.0
    slow_s: float = 14.0
    reads: float = 0.0
    frames: float = 0.0
    lag_s: float = 0.05
    breaks_s: float = 0.0


FAIR = Climate()
STORM = Climate(
    before=0.04, after=0.06, slow=0.05, reads=0.03, frames=0.05, lag_s=1.5, breaks_s=15.0
)

# Everything arrives, but late, and after a restart perhaps.
MUD = Climate(slow=0.5, slow_s=4.0, lag_s=3.0, frames=0.05)


class Weather:
    """One seed's dice; `counts` says what was done."""

    def __init__(self, seed: int, climate: Climate = FAIR) -> None:
        self.climate = climate
        self.counts: Counter[str] = Counter()
        self.dice = random.Random(seed)  # noqa: S311 - repeatable, and no secret

    def happens(self, what: str, chance: float) -> bool:
        """Whether it happens this time."""
        does = chance > 0 and self.dice.random() < chance
        self.counts[what] += does
        return does

    def seconds(self, most_s: float) -> float:
        """A wait of up to so long."""
        return self.dice.uniform(0.0, most_s)


class Fate:
    """Counts a process's steps, and ends it at one of them; 0: it lives."""

    def __init__(self, dies_at: int = 0) -> None:
        self.steps = 0
        self.is_dead = False
        self.died_at = ""
        self.on_death: Callable[[], object] = lambda: None
        self._dies_at = dies_at

    def step(self, what: str) -> None:
        """The process does something that others can see. Raises Killed when it is its last."""
        if self.is_dead or self.is_last(what):
            raise Killed

    def is_last(self, what: str) -> bool:
        """Count a step, and whether the process dies at it."""
        self.steps += 1
        if self.steps == self._dies_at:
            self.is_dead = True
            self.died_at = what
            self.on_death()
        return self.is_dead

    def spare(self) -> None:
        """It shall live from now on."""
        self._dies_at = 0
