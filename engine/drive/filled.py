"""What was booked of orders, by their generations: of the live ones, and of the newest that ended.

An order that ended may turn out to live (a modify went through after all, a reject was none). What
was filled of it counts on then, and so does what was filled while it was taken for gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.model.events import OrderFilled
from engine.state.orders import FINALS_REMEMBERED_MAX, Order

Filled = dict[str, Counter[int]]


class FilledLots:
    """Lots by cloid and generation, beginning with those of earlier runs.

    Of the orders that ended as many are kept as `Orders` remembers, the oldest dropped.
    """

    def __init__(self, carried: Filled, ended_max: int = FINALS_REMEMBERED_MAX) -> None:
        self._live = carried
        self._ended: Filled = {}
        self._ended_max = ended_max

    def count(self, order: Order, fill: OrderFilled) -> None:
        """Count one fill."""
        self.follow(order)
        among = self._live if order.is_live else self._ended
        among.setdefault(order.cloid, Counter())[fill.generation] += fill.sz_lots
        self._bound()

    def follow(self, order: Order) -> None:
        """Take note of whether the order lives."""
        here, there = self._ended, self._live
        if not order.is_live:
            here, there = there, here
        moved = here.pop(order.cloid, None)
        if moved is not None:
            there[order.cloid] = moved
            self._bound()

    def of(self, live: Iterable[Order]) -> Filled:
        """Copies of what was filled of these orders."""
        return {
            one.cloid: Counter(self._live[one.cloid]) for one in live if one.cloid in self._live
        }

    def _bound(self) -> None:
        while len(self._ended) > self._ended_max:
            del self._ended[next(iter(self._ended))]
