"""A second exchange, written to be obviously right and slow.

Plain lists, everything worked out from scratch at every step. It knows matching and reduce-only
orders; no margin, no fees, no triggers. It tells what happens in the words of `scene.told`, so the
two can be compared line by line. It shares no code with the first one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

ENDLESS = 10**15


@dataclass
class Rest:
    """One order."""

    account: str
    cloid: str
    side: int
    px: int
    lots: int
    tif: str
    reduce_only: bool
    generation: int = 0
    age: int = 0
    ahead: int | None = 0
    cut: int = 0


class NaiveExchange:
    """`kind` is what the market consists of: "book", "quote", "trade" or "bar"."""

    def __init__(self, kind: str, queue: str) -> None:
        self.kind = kind
        self.queue = queue
        self.levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.last = 0
        self.orders: list[Rest] = []
        self.taken: Counter[tuple[int, int]] = Counter()
        self.position: Counter[str] = Counter()
        self.shrunk: list[str] = []
        self.log: list[str] = []
        self.clock = 0

    # -- what is shown -----------------------------------------------------------------------------

    def best(self, side: int) -> int:
        """The best price of the bids (1) or asks (-1); 0 if none."""
        if self.kind in {"trade", "bar"}:
            return self.last - side if self.last else 0
        prices = self.levels[side]
        return (max(prices) if side > 0 else min(prices)) if prices else 0

    def shown(self, side: int, px: int) -> int | None:
        if self.kind in {"trade", "bar"}:
            return None
        prices = self.levels[side]
        if px in prices:
            return prices[px]
        is_inside = not prices or any(px * side > shown * side for shown in prices)
        return 0 if is_inside else None

    def left(self, side: int, px: int) -> int:
        return self.levels[side][px] - self.taken[side, px]

    def resting(self, side: int) -> list[Rest]:
        """Our orders on one side, best price first, then oldest."""
        mine = [order for order in self.orders if order.side == side]
        return sorted(mine, key=lambda order: (-side * order.px, order.age))

    def offers(self, order: Rest) -> list[tuple[int, int, int, Rest | None]]:
        """What a taker meets: (rank of price, 0 displayed or 1 ours, lots, whose)."""
        side, opposite = order.side, -order.side
        best = self.best(opposite)
        found: list[tuple[int, int, int, Rest | None]] = []
        if self.kind in {"trade", "bar"}:
            found += [(side * best, 0, ENDLESS, None)] if best else []
        else:
            found += [(side * px, 0, self.left(opposite, px), None) for px in self.levels[opposite]]
            if self.kind == "quote" and best:
                found.append((side * best + 1, 0, ENDLESS, None))
        found += [(side * other.px, 1, other.lots, other) for other in self.resting(opposite)]
        within = [offer for offer in found if offer[0] <= side * order.px and offer[2] > 0]
        return sorted(within, key=lambda offer: offer[:2])

    # -- commands ----------------------------------------------------------------------------------

    def place(self, order: Rest) -> None:
        cloid = order.cloid
        reason = self.unreducing(order)
        if not reason and self.find(order.account, cloid):
            reason = "Client order id is already in use by an open order."
        if not reason:
            self.fit(order)
            reason = self.forbidden(order)
        if reason:
            self.log.append(f"{cloid} rejected: {reason}")
            return
        self.log.append(f"{cloid} accepted")
        self.enter(order)
        self.follow()

    def cancel(self, account: str, cloid: str) -> None:
        order = self.find(account, cloid)
        if order is None:
            gone = "Order was never placed, already canceled, or filled."
            self.log.append(f"{cloid} cancel rejected: {gone}")
        else:
            self.leave(order, "canceled")

    def modify(self, new: Rest) -> None:
        old = self.find(new.account, new.cloid)
        reason = "Cannot modify canceled or filled order" if old is None else self.unreducing(new)
        if old is None or reason:
            self.log.append(f"{new.cloid} modify rejected: {reason}")
            return
        replaced = f"{new.cloid} replaced by {new.generation}:"
        if new.lots <= old.lots and self.terms(old) == self.terms(new):
            old.lots, old.cut, old.generation = new.lots, 0, new.generation
            self.log.append(f"{replaced} {new.lots} at {new.px}")
            return
        self.fit(new)
        new.cut = 0
        self.orders.remove(old)
        reason = self.forbidden(new)
        if reason:
            self.orders.append(old)
            self.log.append(f"{new.cloid} modify rejected: {reason}")
            return
        self.log.append(f"{replaced} {new.lots} at {new.px}")
        self.enter(new)
        self.follow()

    def terms(self, order: Rest) -> tuple[int, int, str, bool]:
        return order.side, order.px, order.tif, order.reduce_only

    def unreducing(self, order: Rest) -> str:
        adds = order.reduce_only and self.position[order.account] * order.side >= 0
        return "Reduce only order would increase position." if adds else ""

    def find(self, account: str, cloid: str) -> Rest | None:
        for order in self.orders:
            if (order.account, order.cloid) == (account, cloid):
                return order
        return None

    def fit(self, order: Rest) -> None:
        if not order.reduce_only:
            return
        room = abs(self.position[order.account])
        if order.lots > room:
            order.cut += order.lots - room
            order.lots = room

    def forbidden(self, order: Rest) -> str:
        meets = bool(self.offers(order))
        if order.tif == "Alo" and meets:
            return "Post only order would have immediately matched"
        if order.tif == "Ioc" and not meets:
            return "Order could not immediately match against any resting orders."
        return ""

    def enter(self, order: Rest) -> None:
        for offer in self.offers(order):
            if order.lots:
                self.meet(order, *offer)
        if order.lots == 0:
            return
        if order.tif == "Ioc":
            self.log.append(f"{order.cloid} canceled: iocCanceled")
            return
        self.clock += 1
        order.age = self.clock
        order.ahead = 0 if self.queue == "cross" else self.shown(order.side, order.px)
        self.orders.append(order)
        if order.reduce_only:
            self.make_room(order)

    def meet(self, taker: Rest, rank: int, _: int, lots: int, other: Rest | None) -> None:
        px = taker.side * rank
        if other is None:
            part = min(lots, taker.lots)
            if lots < ENDLESS:
                self.taken[-taker.side, px] += part
            self.fill(taker, px, part, "taker")
        elif other.account == taker.account:
            self.leave(other, "selfTradeCanceled")
        else:
            part = min(taker.lots, self.fillable(other))
            if part:
                self.fill(other, px, part, "maker")
                self.fill(taker, px, part, "taker")

    def make_room(self, newest: Rest) -> None:
        mine = sorted(
            (o for o in self.orders if o.reduce_only and o.account == newest.account),
            key=lambda o: o.age,
        )
        while (
            sum(o.lots for o in mine) > abs(self.position[newest.account]) and mine[0] is not newest
        ):
            self.leave(mine.pop(0), "reduceOnlyCanceled")

    # -- fills -------------------------------------------------------------------------------------

    def fillable(self, order: Rest) -> int:
        if not order.reduce_only:
            return order.lots
        return min(order.lots, max(0, -order.side * self.position[order.account]))

    def fill(self, order: Rest, px: int, lots: int, role: str) -> None:
        sign = "+" if order.side > 0 else "-"
        self.log.append(f"{order.cloid} {sign}{lots} at {px} {role}")
        if self.position[order.account] * order.side < 0:
            self.shrunk.append(order.account)
        self.position[order.account] += order.side * lots
        order.lots -= lots
        if order.lots == 0:
            if order in self.orders:
                self.orders.remove(order)
            if order.cut:
                self.log.append(f"{order.cloid} canceled: reduceOnlyCanceled")

    def leave(self, order: Rest, reason: str) -> None:
        self.orders.remove(order)
        self.log.append(f"{order.cloid} canceled: {reason}")

    def follow(self) -> None:
        """Reduce-only orders fit the position again, the oldest giving way first."""
        while self.shrunk:
            account = self.shrunk.pop(0)
            mine = sorted(
                (o for o in self.orders if o.reduce_only and o.account == account),
                key=lambda o: o.age,
            )
            for order in list(mine):
                if order.side * self.position[account] >= 0:
                    mine.remove(order)
                    self.leave(order, "reduceOnlyCanceled")
            for order in mine:
                excess = sum(o.lots for o in mine if o in self.orders) - abs(self.position[account])
                if excess >= order.lots:
                    self.leave(order, "reduceOnlyCanceled")
                elif excess > 0:
                    order.lots -= excess
                    order.cut += excess

    # -- rows --------------------------------------------------------------------------------------

    def show(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """A new row of the book or quote: all its levels."""
        self.levels = {1: dict(bids), -1: dict(asks)}
        self.taken.clear()
        for order in self.orders:
            shown = self.shown(order.side, order.px)
            if shown is not None:
                order.ahead = shown if order.ahead is None else min(order.ahead, shown)
        if self.queue == "cross":
            self.cross()

    def cross(self) -> None:
        for side in (1, -1):
            best = self.best(-side)
            for order in self.resting(side):
                if not best or side * order.px < side * best:
                    continue
                there = ENDLESS if self.kind in {"trade", "bar"} else self.left(-side, best)
                part = min(there, self.fillable(order))
                if part > 0:
                    self.taken[-side, best] += part
                    self.fill(order, order.px, part, "maker")
        self.follow()

    def trade(self, px: int, lots: int, aggressor: int) -> None:
        self.last = px
        if self.queue == "cross":
            if self.kind == "trade":
                self.cross()
            return
        for order in self.resting(-aggressor):
            if order.px * aggressor < px * aggressor:
                order.ahead = 0
                lots -= self.part(order, lots)
        for kind, order, size in list(self.line(-aggressor, px)):
            if kind == "market":
                eaten = min(size, lots)
                lots -= eaten
                for later in self.resting(-aggressor):
                    if later.px == px and later.ahead is not None and later.age >= order.age:
                        later.ahead = max(0, later.ahead - eaten)
            elif order.ahead == 0:
                lots -= self.part(order, lots)
        self.follow()

    def line(self, side: int, px: int) -> Iterator[tuple[str, Rest, int]]:
        """The queue at one price: market size and our orders in turn.

        Orders of unknown place are left out.
        """
        before = 0
        for order in self.resting(side):
            if order.px == px and order.ahead is not None:
                yield "market", order, max(0, order.ahead - before)
                before = max(before, order.ahead)
                yield "ours", order, order.lots

    def part(self, order: Rest, lots: int) -> int:
        part = min(lots, self.fillable(order))
        if part > 0:
            self.fill(order, order.px, part, "maker")
        return max(0, part)

    def bar(self, high: int, low: int, close: int) -> None:
        self.last = close
        for order in self.resting(1):
            if low < order.px:
                self.part(order, ENDLESS)
        for order in self.resting(-1):
            if high > order.px:
                self.part(order, ENDLESS)
        self.follow()
