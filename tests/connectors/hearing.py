"""Everything that a link under test said, and a way to wait for more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from engine.model.events import AnyEvent

WAIT_S = 20.0
_Event = TypeVar("_Event")


class Hearing:
    """The end of a link; `events` is everything the link said, in order."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self._changed = asyncio.Event()

    def hear(self, event: AnyEvent) -> None:
        """Keep an event, and wake who waits."""
        self.events.append(event)
        self._changed.set()

    def heard(self, kind: type[_Event], cloid: str = "") -> list[_Event]:
        """The events of one kind, in order."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (not cloid or getattr(event, "cloid", "") == cloid)
        ]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds after an event, at once, or at the venue."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()
                except TimeoutError:
                    continue
