"""120 requests a minute for a key (protocol 9.1), as a sliding window with room for what matters.

Four rules. A reserve is touched by cancels, and by orders that only reduce. Other orders leave a
share to reads, for fills are known by reading alone. What is neither is let through only if
afterwards every open order could still be canceled within 30 s, one request each, since there is no
cancel-all. After a 429 the limit is halved for a minute. Reads wait; orders are told no; cancels
wait for the window alone.
"""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import Final

from connectors.perpex.mapping.names import REQUESTS_SPAN_S
from connectors.windows import Window
from engine.drive.seams import Clock
from engine.model.units import NS_PER_S

CANCEL_ALL_S: Final = 30.0
HALVED_S: Final = 60.0
RETRY_AFTER_S_MAX: Final = 300.0
THROTTLE_MOST_S: Final = 30.0
# The venue counts arrivals, we departures: a little more than its minute keeps the two apart.
_SPAN_MARGIN_S: Final = 1.0


class RequestBudget:
    """The requests of one key. `open_orders` is kept by the desk; `throttles` counts 429s."""

    def __init__(
        self, requests_max: int, cancel_reserve: int, clock: Clock, *, read_share: int = 0
    ) -> None:
        self.open_orders = 0
        self.throttles = 0
        self._clock = clock
        self._requests_max = requests_max
        self._reserve = cancel_reserve
        self._minute = Window(requests_max, REQUESTS_SPAN_S + _SPAN_MARGIN_S, clock)
        self._soon = Window(requests_max, CANCEL_ALL_S, clock)
        usable = requests_max - cancel_reserve
        self._order_part = (usable - read_share) / usable
        self._orders = Window(max(1, usable - read_share), REQUESTS_SPAN_S + _SPAN_MARGIN_S, clock)
        self._halved_until_ns = 0
        self._in_a_row = 0
        self._line = asyncio.Lock()

    @property
    def used(self) -> int:
        """Requests of the last minute."""
        return self._minute.used

    @property
    def most(self) -> int:
        """Requests allowed in a minute now."""
        self._settle()
        return self._minute.most

    def try_orders(self, requests: int, orders: int, *, only_reduces: bool = False) -> bool:
        """Whether so many requests that leave so many orders more may be sent; if so they count.

        Those that only reduce are let through as long as the venue's own window has room.
        """
        if only_reduces:
            self._settle()
            if self._minute.wait_s(requests) > 0:
                return False
            self._spend(requests)
            return True
        if self._wait_s(requests, self.open_orders + orders) > 0:
            return False
        if self._orders.used + requests > self._orders.most:
            return False
        self._spend(requests)
        self._orders.spend(requests)
        return True

    async def take_read(self) -> None:
        """Wait until a read fits, and count it."""
        async with self._line:
            while (wait_s := self._wait_read_s()) > 0:  # noqa: ASYNC110 - time only
                await asyncio.sleep(wait_s)
            self._spend(1)

    async def take_cancel(self) -> None:
        """Wait until a cancel fits, reserve included, and count it."""
        while True:
            self._settle()
            wait_s = self._minute.wait_s(1)
            if wait_s <= 0:
                break
            await asyncio.sleep(wait_s)
        self._spend(1)

    def throttle(self, retry_after: str | None) -> float:
        """The venue said 429: nothing goes out for so many seconds, and half as much afterwards.

        `retry_after` is the header: seconds or a date, at most 5 minutes are believed. Without it
        the waits are 1, 2, 4 .. 30 s.
        """
        self.throttles += 1
        wait_s = retry_after_s(retry_after, self._clock)
        if wait_s is None:
            wait_s = min(THROTTLE_MOST_S, 2.0 ** min(self._in_a_row, 10))
        self._in_a_row += 1
        self._minute.shut(wait_s)
        self._halved_until_ns = self._clock.monotonic_ns() + round(HALVED_S * NS_PER_S)
        self._settle()
        return wait_s

    def passed(self) -> None:
        """The venue answered something else than 429."""
        self._in_a_row = 0

    def _settle(self) -> None:
        is_halved = self._clock.monotonic_ns() < self._halved_until_ns
        most = max(1, self._requests_max // 2) if is_halved else self._requests_max
        self._minute.most = self._soon.most = most
        self._orders.most = max(1, int((most - min(self._reserve, most - 1)) * self._order_part))

    def _wait_s(self, requests: int, open_orders: int) -> float:
        """Seconds until so many requests fit beside the reserve and the cancels they may need."""
        self._settle()
        reserve = min(self._reserve, self._minute.most - 1)
        wait_s = self._minute.wait_s(requests, reserve)
        if requests + open_orders > self._soon.most:
            return max(1.0, wait_s)  # not while so many orders are open
        return max(wait_s, self._soon.wait_s(requests, open_orders))

    def _wait_read_s(self) -> float:
        """As for an order; but where no cancel-all fits any more, not reading helps nobody."""
        self._settle()
        can_fit = self.open_orders < self._soon.most
        return self._wait_s(1, self.open_orders if can_fit else 0)

    def _spend(self, requests: int) -> None:
        self._minute.spend(requests)
        self._soon.spend(requests)


def retry_after_s(header: str | None, clock: Clock) -> float | None:
    """Seconds to wait by a Retry-After header, within 0 and 300; None when it says nothing."""
    if header is None:
        return None
    text = header.strip()
    try:
        wait_s = float(text)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(text).timestamp() - clock.now_ns() / NS_PER_S
        except (ValueError, OverflowError, IndexError, TypeError):
            return None
    return min(max(wait_s, 0.0), RETRY_AFTER_S_MAX) if wait_s == wait_s else None  # noqa: PLR0124
