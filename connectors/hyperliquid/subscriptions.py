"""What one connection is subscribed to, and whether the venue has confirmed all of it.

An echo may carry defaults that were not asked for, so it is matched as a superset of what was
(protocol 5.1). A subscription that is refused as a double is as good as confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from connectors.hyperliquid.frames import ErrorFrame, SubscriptionFrame
from connectors.stream import Stream
from engine.errors import TransportError

ALREADY: Final = "Already subscribed"

Subscription = dict[str, Any]


class Subscriptions:
    """The subscriptions of one stream, made anew on each of its connections."""

    def __init__(self, wanted: Sequence[Subscription]) -> None:
        self.wanted = [*wanted]
        self.refused: list[str] = []
        self._open: list[Subscription] = []
        self._all = asyncio.Event()

    async def make(self, stream: Stream) -> None:
        """Subscribe to everything. Raises TransportError when the connection is lost meanwhile."""
        self._open = [*self.wanted]
        self.refused.clear()
        self._all.clear()
        if not self._open:
            self._all.set()
        for subscription in self.wanted:
            message = {"method": "subscribe", "subscription": subscription}
            await stream.send(msgspec.json.encode(message).decode())

    async def confirmed(self, timeout_s: float) -> None:
        """Wait until every one is confirmed. Raises TransportError when they are not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._all.wait()
        except TimeoutError:
            raise TransportError(
                f"{len(self._open)} of {len(self.wanted)} subscriptions not confirmed within"
                f" {timeout_s:g} s, first {self._open[:1]}"
            ) from None

    def hear(self, frame: SubscriptionFrame | ErrorFrame) -> None:
        """Take an acknowledgement or a refusal."""
        if isinstance(frame, ErrorFrame):
            self._hear_refusal(frame.data)
            return
        echo = frame.data
        if echo.method == "subscribe":
            self._open = [one for one in self._open if not echo.confirms(one)]
        if not self._open:
            self._all.set()

    def _hear_refusal(self, text: str) -> None:
        """Errors name no subscription for certain: a double that we can recognise is confirmed."""
        self.refused.append(text[:200])
        if text.startswith(ALREADY):
            self._open = [one for one in self._open if not _names(text, one)]
            if not self._open:
                self._all.set()


def _names(text: str, subscription: Subscription) -> bool:
    """Whether an error text quotes every value of a subscription."""
    return all(str(value) in text for value in subscription.values())
