"""Which of our orders an answer is about: from the venue's order ids to (cloid, generation).

The venue knows an order by its oid, and a modify makes a new one under the same cloid, with news of
old and new in either order (protocol 5.3). We know it by (cloid, generation). An oid that is new is
given to the oldest generation that has none and could be it, by price and size where they are
known. What ended is forgotten after a while. A quote that is modified all day has thousands of
generations: an order keeps its newest ended ones, and older ones are known by their oid alone.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from engine.model.commands import Batch, CancelOrder, ModifyOrder, Place, UpdateLeverage
from engine.model.units import Side, Tif

ENDED_REMEMBERED_MAX: Final = 50_000
LEGS_KEPT: Final = 32


class Leg:
    """One generation of one order, which the venue holds as an order of its own.

    `oid` is 0 until the venue named it. `told_oid` is the one its acceptance was told with, -1
    before that. `ends_at_lots` is what an IOC filled in all, where the venue said so, else 0;
    `ended_mark` is `OrdersBook.ends` when it ended.
    """

    __slots__ = (
        "ended_mark",
        "ends_at_lots",
        "filled_lots",
        "generation",
        "is_ended",
        "is_pending",
        "oid",
        "order",
        "px_ticks",
        "sz_lots",
        "tif",
        "told_oid",
    )

    def __init__(
        self, order: TrackedOrder, generation: int, px_ticks: int, sz_lots: int, tif: Tif
    ) -> None:
        self.order = order
        self.generation = generation
        self.px_ticks = px_ticks
        self.sz_lots = sz_lots
        self.tif = tif
        self.oid = 0
        self.told_oid = -1
        self.filled_lots = 0
        self.ends_at_lots = 0
        self.is_pending = True
        self.is_ended = False
        self.ended_mark = 0


class TrackedOrder:
    """One order of ours, in all its generations. `is_carried` says that an earlier run left it."""

    __slots__ = ("account", "cloid", "instrument", "is_carried", "legs", "side")

    def __init__(self, account: str, instrument: str, cloid: str, side: Side | None) -> None:
        self.account = account
        self.instrument = instrument
        self.cloid = cloid
        self.side = side
        self.legs: dict[int, Leg] = {}
        self.is_carried = False

    @property
    def newest(self) -> Leg:
        """The newest generation, which may be no more than asked for."""
        return self.legs[max(self.legs)]

    @property
    def is_ended(self) -> bool:
        """Whether no generation of it can still do something."""
        return all(leg.is_ended for leg in self.legs.values())

    @property
    def is_resting(self) -> bool:
        """Whether the venue holds it for certain and nothing sent about it waits for an answer."""
        legs = self.legs.values()
        return any(not leg.is_ended for leg in legs) and not any(
            leg.is_pending and not leg.is_ended for leg in legs
        )


class OrdersBook:
    """Every order that we sent, or that an earlier run sent, until it ended and a while longer.

    `ends` counts every end of a generation.
    """

    def __init__(self) -> None:
        self.ends = 0
        self._orders: dict[tuple[str, str], TrackedOrder] = {}
        self._live: dict[str, dict[str, TrackedOrder]] = {}
        self._by_oid: dict[tuple[str, int], Leg] = {}
        self._ended: deque[tuple[str, str]] = deque()
        self._bygone: deque[Leg] = deque()
        self._left: dict[str, list[tuple[int, int]]] = {}

    def sent(self, batch: Batch) -> None:
        """Remember what a batch asks for."""
        for command in batch.commands:
            if isinstance(command, Place):
                order = self._order(batch.account, command.instrument, command.cloid, command.side)
                self._leg(order, 0, command)
            elif isinstance(command, ModifyOrder):
                order = self._order(batch.account, command.instrument, command.cloid, command.side)
                self._leg(order, command.generation, command)

    def carried(self, account: str, instrument: str, cloid: str, generation: int, oid: int) -> None:
        """Take over an order of an earlier run; 0 for an oid that is not known."""
        order = self._order(account, instrument, cloid, None)
        order.is_carried = True
        leg = order.legs.get(generation)
        if leg is None:
            leg = order.legs[generation] = Leg(order, generation, 0, 0, Tif.GTC)
        leg.is_pending = not oid
        if oid:
            self.name(leg, oid)

    def expect(self, cloid: str, generation: int, oid: int) -> None:
        """An earlier run left this order; whose it is shows with the first news of it."""
        self._left.setdefault(cloid, []).append((generation, oid))

    def adopt(self, account: str, instrument: str, cloid: str | None) -> None:
        """There is news of a cloid: if it was expected, it is an order of this account."""
        if cloid is not None and self._left:
            for generation, oid in self._left.pop(cloid, ()):
                self.carried(account, instrument, cloid, generation, oid)

    def get(self, account: str, cloid: str) -> TrackedOrder | None:
        """An order by its cloid."""
        return self._orders.get((account, cloid))

    def leg(self, account: str, cloid: str, generation: int) -> Leg | None:
        """One generation of an order."""
        order = self._orders.get((account, cloid))
        return None if order is None else order.legs.get(generation)

    def by_oid(self, account: str, oid: int) -> Leg | None:
        """The generation that the venue knows by this oid."""
        return self._by_oid.get((account, oid))

    def find(
        self, account: str, oid: int, cloid: str | None, px_ticks: int = 0, sz_lots: int = 0
    ) -> Leg | None:
        """The generation that news of (oid, cloid) is about; None when it is not ours.

        `px_ticks` and `sz_lots` of the order, where the news tell them, decide between several that
        have no oid yet.
        """
        known = self._by_oid.get((account, oid))
        if known is not None or not cloid:
            return known
        order = self._orders.get((account, cloid))
        if order is None:
            return None
        nameless = [leg for _, leg in sorted(order.legs.items()) if not leg.oid]
        if not nameless:
            return None
        same = [leg for leg in nameless if (leg.px_ticks, leg.sz_lots) == (px_ticks, sz_lots)]
        leg = (same or nameless)[0]
        self.name(leg, oid)
        return leg

    def name(self, leg: Leg, oid: int) -> None:
        """The venue knows this generation by `oid`."""
        leg.oid = oid
        self._by_oid[leg.order.account, oid] = leg

    def end(self, leg: Leg) -> None:
        """This generation can do nothing more, and with it every earlier one."""
        self.ends += 1
        for each in leg.order.legs.values():
            if each.generation <= leg.generation and not each.is_ended:
                each.is_ended = True
                each.is_pending = False
                each.ended_mark = self.ends
        self._shorten(leg.order)
        self._settle(leg.order)

    def _shorten(self, order: TrackedOrder) -> None:
        """Keep the newest generations with the order; fills of older ones still find it by oid."""
        while len(order.legs) > LEGS_KEPT:
            oldest = order.legs[min(order.legs)]
            if not oldest.is_ended:
                return
            del order.legs[oldest.generation]
            self._bygone.append(oldest)
            if len(self._bygone) > ENDED_REMEMBERED_MAX:
                self._forget_leg(self._bygone.popleft())

    def never(self, leg: Leg) -> None:
        """This generation was never made; what there was before it may live on."""
        self.ends += 1
        leg.is_ended = True
        leg.is_pending = False
        leg.ended_mark = self.ends
        if len(leg.order.legs) > 1:
            # Its number is used again by the next modify.
            leg.order.legs.pop(leg.generation, None)
        self._settle(leg.order)

    def _settle(self, order: TrackedOrder) -> None:
        if order.is_ended and self._live.get(order.account, {}).pop(order.cloid, None) is not None:
            self._ended.append((order.account, order.cloid))
            if len(self._ended) > ENDED_REMEMBERED_MAX:
                self._forget(self._ended.popleft())

    def revive(self, leg: Leg) -> None:
        """The venue shows life in what was held to have ended."""
        leg.is_ended = False
        leg.order.legs.setdefault(leg.generation, leg)
        self._live.setdefault(leg.order.account, {})[leg.order.cloid] = leg.order

    def live(self, account: str) -> list[TrackedOrder]:
        """The account's orders that have not ended, oldest first."""
        return [*self._live.get(account, {}).values()]

    def _order(self, account: str, instrument: str, cloid: str, side: Side | None) -> TrackedOrder:
        order = self._orders.get((account, cloid))
        if order is None:
            order = TrackedOrder(account, instrument, cloid, side)
            self._orders[account, cloid] = order
        elif side is not None:
            order.side = side
        self._live.setdefault(account, {})[cloid] = order
        return order

    def _leg(self, order: TrackedOrder, generation: int, command: Place | ModifyOrder) -> None:
        known = order.legs.get(generation)
        if known is None or known.is_ended:
            order.legs[generation] = Leg(
                order, generation, command.px_ticks, command.sz_lots, command.tif
            )

    def _forget(self, key: tuple[str, str]) -> None:
        order = self._orders.get(key)
        if order is None or not order.is_ended:
            return
        del self._orders[key]
        for leg in order.legs.values():
            self._forget_leg(leg)

    def _forget_leg(self, leg: Leg) -> None:
        key = leg.order.account, leg.oid
        if self._by_oid.get(key) is leg and leg.is_ended:
            del self._by_oid[key]


def cloids_of(batch: Batch) -> list[tuple[str, int]]:
    """(cloid, generation) of every order a batch is about."""
    found: list[tuple[str, int]] = []
    for command in batch.commands:
        if isinstance(command, Place):
            found.append((command.cloid, 0))
        elif isinstance(command, ModifyOrder | CancelOrder):
            found.append((command.cloid, command.generation))
        else:
            assert isinstance(command, UpdateLeverage)
    return found
