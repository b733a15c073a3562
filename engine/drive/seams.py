"""The seams to the outside world: clock, randomness, transport. No other module has a raw one.

A driver is handed one of each: the real ones in a live run, those for tests here or in
`engine.drive.virtual_time`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from engine.errors import ModelError, TransportError
from engine.model.commands import Batch
from engine.model.events import AnyEvent

_T = TypeVar("_T")


# -- clock -----------------------------------------------------------------------------------------


class Clock(Protocol):
    """What time it is: `now_ns` jumps when somebody sets the clock, `monotonic_ns` never does."""

    def now_ns(self) -> int:
        """Nanoseconds UTC since 1970."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start: for deadlines and durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Nanoseconds UTC since 1970."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds since the machine started, or so."""
        return time.monotonic_ns()


class SteadyClock:
    """Another clock, never going back: when that one is set back, time stands still until then.

    Events carry its time, so that what happened later never seems to have happened before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds UTC since 1970."""
        self._newest_ns = max(self._newest_ns, self._clock.now_ns())
        return self._newest_ns

    def monotonic_ns(self) -> int:
        """As the other clock."""
        return self._clock.monotonic_ns()


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds UTC since 1970."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """Nanoseconds advanced since the clock was made."""
        return self._monotonic_ns

    def advance(self, duration_ns: int) -> None:
        """Let time pass. Raises ModelError for a negative duration."""
        if duration_ns < 0:
            raise ModelError(f"advance by {duration_ns} ns, expected 0 or more")
        self._now_ns += duration_ns
        self._monotonic_ns += duration_ns

    def set_now(self, now_ns: int) -> None:
        """Set the wall clock, forwards or backwards, as an operator or NTP does; no time passes."""
        self._now_ns = now_ns


def wall_seconds() -> float:
    """Seconds of real time since an arbitrary start: for progress and run times shown to people."""
    return time.perf_counter()


# -- randomness ------------------------------------------------------------------------------------


class Randomness(Protocol):
    """Where random numbers come from."""

    def u64(self) -> int:
        """An integer from 0 to 2^64 - 1."""
        ...

    def uniform(self) -> float:
        """A float from 0 up to but without 1."""
        ...


class SystemRandomness:
    """The operating system's randomness: fit for secrets and for ids that must never repeat."""

    def u64(self) -> int:
        """An integer from 0 to 2^64 - 1."""
        return int.from_bytes(os.urandom(8), "little")

    def uniform(self) -> float:
        """A float from 0 up to but without 1, of 53 random bits."""
        return (self.u64() >> 11) / (1 << 53)


class SeededRandomness:
    """The same numbers for the same seed, on every machine: for backtests and simulation."""

    def __init__(self, seed: int) -> None:
        self._generator = random.Random(seed)  # noqa: S311 - repeatable, and no secret

    def u64(self) -> int:
        """An integer from 0 to 2^64 - 1."""
        return self._generator.getrandbits(64)

    def uniform(self) -> float:
        """A float from 0 up to but without 1."""
        return self._generator.random()


# -- transport -------------------------------------------------------------------------------------


class Transport(Protocol):
    """A driver's link to a venue: batches go out, and events, answers among them, come in."""

    async def send(self, batch: Batch) -> None:
        """Send one batch. Raises TransportError when the link is closed, lost or overfull."""
        ...

    def events(self) -> AsyncIterator[AnyEvent]:
        """What the venue says, in order, until the link is closed. For one consumer."""
        ...

    async def aclose(self) -> None:
        """Close the link; closing again does nothing."""
        ...


class Overflow(StrEnum):
    """What a full queue does with one item more."""

    WAIT = "wait"
    """The sender waits for room."""
    DROP_OLDEST = "drop_oldest"
    """The oldest item is dropped and counted: for data of which only the newest matters."""
    FAIL = "fail"
    """TransportError: for what must neither wait nor be lost."""


class MemoryTransport:
    """A transport inside the process: a test, or a simulated venue, sits at its other end.

    Two bounded queues. `batches_max` and `on_batch_overflow` bound what was sent and not yet
    received by the venue, `events_max` and `on_event_overflow` what the venue said and the driver
    has not yet read. Closing either end closes both: what is queued can still be read.
    """

    def __init__(
        self,
        *,
        batches_max: int = 1024,
        events_max: int = 65536,
        on_batch_overflow: Overflow = Overflow.FAIL,
        on_event_overflow: Overflow = Overflow.WAIT,
    ) -> None:
        self._batches: _Channel[Batch] = _Channel("batches", batches_max, on_batch_overflow)
        self._events: _Channel[AnyEvent] = _Channel("events", events_max, on_event_overflow)

    async def send(self, batch: Batch) -> None:
        """Queue one batch for the venue."""
        await self._batches.put(batch)

    def events(self) -> AsyncIterator[AnyEvent]:
        """What the venue emitted, in order, until the link is closed and the queue is empty."""
        return self._events.items()

    def batches(self) -> AsyncIterator[Batch]:
        """The venue's end: what the driver sent, in order, as `events` for the driver."""
        return self._batches.items()

    async def emit(self, event: AnyEvent) -> None:
        """The venue's end: say something to the driver.

        Raises TransportError when the link is closed or overfull.
        """
        await self._events.put(event)

    async def aclose(self) -> None:
        """Close both directions; closing again does nothing."""
        await self._batches.close()
        await self._events.close()

    @property
    def batches_dropped(self) -> int:
        """How many batches `Overflow.DROP_OLDEST` dropped."""
        return self._batches.dropped

    @property
    def events_dropped(self) -> int:
        """How many events `Overflow.DROP_OLDEST` dropped."""
        return self._events.dropped


class _Channel(Generic[_T]):
    """A bounded queue that can be closed (asyncio's own cannot before Python 3.13)."""

    def __init__(self, name: str, items_max: int, overflow: Overflow) -> None:
        if items_max < 1:
            raise ModelError(f"{name}_max is {items_max}, expected at least 1")
        self.dropped = 0
        self._name = name
        self._items: deque[_T] = deque()
        self._items_max = items_max
        self._overflow = overflow
        self._is_closed = False
        self._changed = asyncio.Condition()

    async def put(self, item: _T) -> None:
        async with self._changed:
            if len(self._items) >= self._items_max and not self._is_closed:
                await self._make_room()
            if self._is_closed:
                raise TransportError(f"{self._name}: the link is closed")
            self._items.append(item)
            self._changed.notify_all()

    async def items(self) -> AsyncIterator[_T]:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._items) or self._is_closed)
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    async def close(self) -> None:
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def _make_room(self) -> None:
        match self._overflow:
            case Overflow.WAIT:
                await self._changed.wait_for(
                    lambda: len(self._items) < self._items_max or self._is_closed
                )
            case Overflow.DROP_OLDEST:
                self._items.popleft()
                self.dropped += 1
            case Overflow.FAIL:
                raise TransportError(
                    f"{self._name}: {len(self._items)} are waiting, expected fewer than"
                    f" {self._items_max}"
                )
