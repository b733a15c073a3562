"""A sliding window: at most so much in any span of time, waiting in line when it is used up.

Venues count connections, messages and request weight this way (protocol 6). What was spent is
counted even above the limit, since the venue counts it too.
"""

from __future__ import annotations

import asyncio
from collections import deque

from engine.drive.seams import Clock
from engine.errors import ModelError
from engine.model.units import NS_PER_S


class Window:
    """At most `most` within any `span_s` seconds. For one event loop."""

    def __init__(self, most: int, span_s: float, clock: Clock) -> None:
        if most < 1:
            raise ModelError(f"a window of at most {most}, expected at least 1")
        self.most = most
        self._span_ns = round(span_s * NS_PER_S)
        self._clock = clock
        self._spent: deque[tuple[int, int]] = deque()
        self._used = 0
        self._closed_until_ns = 0
        self._line = asyncio.Lock()

    @property
    def used(self) -> int:
        """What was spent within the span that ends now."""
        self._forget(self._clock.monotonic_ns())
        return self._used

    def spend(self, amount: int = 1) -> None:
        """Count `amount` as spent now, whatever is left."""
        now_ns = self._clock.monotonic_ns()
        self._forget(now_ns)
        if self._spent and self._spent[-1][0] == now_ns:
            self._spent[-1] = now_ns, self._spent[-1][1] + amount
        else:
            self._spent.append((now_ns, amount))
        self._used += amount

    def shut(self, for_s: float) -> None:
        """Let nothing through for so long: the venue said that the limit was reached."""
        until_ns = self._clock.monotonic_ns() + round(for_s * NS_PER_S)
        self._closed_until_ns = max(self._closed_until_ns, until_ns)

    def wait_s(self, amount: int = 1, reserve: int = 0) -> float:
        """Seconds until `amount` fits and leaves `reserve`; 0 when it fits now.

        An amount that never fits waits until the window is empty.
        """
        now_ns = self._clock.monotonic_ns()
        self._forget(now_ns)
        wait_ns = max(0, self._closed_until_ns - now_ns)
        over = self._used + amount - max(self.most - reserve, 0)
        for spent_ns, spent in self._spent:
            if over <= 0:
                break
            over -= spent
            wait_ns = max(wait_ns, spent_ns + self._span_ns - now_ns)
        return wait_ns / NS_PER_S

    async def take(self, amount: int = 1, reserve: int = 0) -> None:
        """Wait in line until `amount` fits and leaves `reserve`, and spend it."""
        async with self._line:
            await self.take_first(amount, reserve)

    async def take_first(self, amount: int = 1, reserve: int = 0) -> None:
        """The same past everybody who waits in line."""
        # Others may spend meanwhile, so what was free can be gone again.
        while (wait_s := self.wait_s(amount, reserve)) > 0:  # noqa: ASYNC110 - time, no event
            await asyncio.sleep(wait_s)
        self.spend(amount)

    def _forget(self, now_ns: int) -> None:
        spent = self._spent
        while spent and spent[0][0] + self._span_ns <= now_ns:
            self._used -= spent.popleft()[1]
