"""The engine's orders, and running sums of what they could do at worst.

Sums are kept by increments, per (account, instrument), so that the gate never loops over orders. An
order counts with all that is left of it from the moment it is approved until the venue's own word
ends it, unknown outcomes included. While a modify is in flight the larger of old and new counts, in
size and in price; a fill of the old leaves the new whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from engine.model.commands import Place, Trigger
from engine.model.orders import IS_ANOMALY, STEPS, OrderState, Signal
from engine.model.units import Side, Tif, TriggerKind
from engine.state.exposure import Exposure

FINAL_FROM: Final = OrderState.FILLED
FINALS_REMEMBERED_MAX: Final = 100_000
_CANCELING, _MODIFYING = OrderState.CANCELING, OrderState.MODIFYING
_SENT, _UNKNOWN = OrderState.SENT, OrderState.UNKNOWN
_CANCELED, _CANCEL_SENT = Signal.CANCELED, Signal.CANCEL_SENT
_CANCEL_LOST = Signal.CANCEL_REJECT, Signal.UNCLEAR


class Order(msgspec.Struct, eq=False, gc=False):
    """One order of ours: what was asked, and what is known of it. `new_order` makes one.

    Nothing it refers to refers to orders, so there is no cycle for the garbage collector to find;
    a run keeps so many of them that going over them would cost more than making them.

    `pending_*` is the modify in flight (size 0: none). `is_replaced` says that the present
    generation left the book while a modify is in flight: only its successor can do something.
    `cancels_out` counts the cancels that were sent and may still arrive; `room_ns` says when it was
    last canceled to make room.
    """

    account: str
    strategy: str
    exposure: Exposure
    px_scale: int
    sz_scale: int
    money_per_unit: int
    instrument: str
    cloid: str
    side: Side
    px_ticks: int
    sz_lots: int
    tif: Tif
    reduce_only: bool
    trigger: Trigger | None
    parent: str
    sent_ns: int
    quote: str
    generation: int = 0
    oid: int = 0
    filled_lots: int = 0
    counted_lots: int = 0
    counted_px_ticks: int = 0
    pending_px_ticks: int = 0
    pending_sz_lots: int = 0
    is_replaced: bool = False
    cancels_out: int = 0
    room_ns: int = 0
    state: OrderState = _SENT
    prior_state: OrderState = _SENT
    reason: str = ""
    ended_ns: int = 0

    @property
    def remaining_lots(self) -> int:
        """What is left to fill."""
        return self.sz_lots - self.filled_lots

    @property
    def newest_generation(self) -> int:
        """The newest generation that may live: one more than the present while a modify is out."""
        return self.generation + (self.pending_sz_lots > 0)

    @property
    def is_live(self) -> bool:
        """Whether the order may still do something: anything but a final state."""
        return self.state < FINAL_FROM

    @property
    def px(self) -> float:
        """The limit price."""
        return self.px_ticks / self.px_scale

    @property
    def trigger_px(self) -> float | None:
        """The mark price it waits for; None for an order without a trigger."""
        return None if self.trigger is None else self.trigger.px_ticks / self.px_scale

    @property
    def trigger_kind(self) -> TriggerKind | None:
        """Stop loss or take profit; None for an order without a trigger."""
        return None if self.trigger is None else self.trigger.kind

    @property
    def sz(self) -> float:
        """The size asked for, in base units."""
        return self.sz_lots / self.sz_scale

    @property
    def filled_sz(self) -> float:
        """The size filled so far, in base units."""
        return self.filled_lots / self.sz_scale

    def recount(self) -> None:
        """Let the exposure count the worst that this order can still do."""
        lots = px_ticks = 0
        if self.state < FINAL_FROM:
            px_ticks = self.px_ticks
            if not self.is_replaced and self.sz_lots > self.filled_lots:
                lots = self.sz_lots - self.filled_lots
            if self.pending_sz_lots:
                lots = max(lots, self.pending_sz_lots)
                px_ticks = max(px_ticks, self.pending_px_ticks)
        self.count(lots, px_ticks)

    def count(self, lots: int, px_ticks: int) -> None:
        """Let the exposure count so many lots at this price, and no more what it counted so far."""
        more_lots = lots - self.counted_lots
        more_ticks = lots * px_ticks - self.counted_lots * self.counted_px_ticks
        self.counted_lots = lots
        self.counted_px_ticks = px_ticks
        exposure = self.exposure
        if self.reduce_only:
            if self.side > 0:
                exposure.reduce_buy_lots += more_lots
            else:
                exposure.reduce_sell_lots += more_lots
            return
        if self.side > 0:
            exposure.buy_lots += more_lots
        else:
            exposure.sell_lots += more_lots
        exposure.reserved_e8 += more_ticks * self.money_per_unit

    def forget_pending(self) -> None:
        """No modify is in flight."""
        self.pending_px_ticks = self.pending_sz_lots = 0
        self.is_replaced = False


def new_order(  # noqa: PLR0913, PLR0917 - an order has this many facts
    place: Place,
    account: str,
    strategy: str,
    exposure: Exposure,
    scales: tuple[int, int, int],
    sent_ns: int,
    quote: str,
) -> Order:
    """An order that was just approved. By position: names cost more than all the rest of it."""
    px_scale, sz_scale, money_per_unit = scales
    return Order(
        account,
        strategy,
        exposure,
        px_scale,
        sz_scale,
        money_per_unit,
        place.instrument,
        place.cloid,
        place.side,
        place.px_ticks,
        place.sz_lots,
        place.tif,
        place.reduce_only,
        place.trigger,
        place.parent,
        sent_ns,
        quote,
    )


class Orders:
    """All orders of an engine: every live one, and the newest 100,000 that ended.

    An order is known by (cloid, generation): it is found by its cloid, and an answer that names
    another generation than its present one is not about what rests now. `ended` collects the orders
    that ended, for the driver to take away; `unsettled` those to be asked about. `making_room` are
    those whose cancel, of the step that is being decided, nobody asked for: it goes only with the
    reduce-only order it is for.
    """

    def __init__(self) -> None:
        self._by_cloid: dict[str, Order] = {}
        # The order with this cloid, in its latest generation; asked too often for a detour.
        self.get: Callable[[str], Order | None] = self._by_cloid.get
        self._live: dict[tuple[str, str], dict[str, Order]] = {}
        self._quotes: dict[tuple[str, str, str], Order] = {}
        self._finals: deque[str] = deque()
        self.anomalies: dict[tuple[str, str], int] = {}
        self.ended: list[Order] = []
        self.unsettled: list[Order] = []
        self.making_room: set[str] = set()

    def add(self, order: Order) -> None:
        """Take in an approved order: it counts from now on."""
        self._by_cloid[order.cloid] = order
        self.live(order.strategy, order.instrument)[order.cloid] = order
        order.exposure.count += 1
        order.count(order.sz_lots - order.filled_lots, order.px_ticks)
        if order.quote:
            self._quotes[order.strategy, order.instrument, order.quote] = order

    def live(self, strategy: str, instrument: str) -> dict[str, Order]:
        """The live orders of a strategy on an instrument, by cloid, oldest first."""
        key = strategy, instrument
        found = self._live.get(key)
        if found is None:
            found = self._live[key] = {}
        return found

    def quote(self, strategy: str, instrument: str, quote: str) -> Order | None:
        """The live order of a named quote."""
        order = self._quotes.get((strategy, instrument, quote))
        return order if order is not None and order.state < FINAL_FROM else None

    def all_live(self) -> Iterator[Order]:
        """Every live order."""
        for orders in self._live.values():
            yield from orders.values()

    def take_ended(self) -> list[Order]:
        """The orders that ended since the last call."""
        taken, self.ended = self.ended, []
        return taken

    def take_unsettled(self) -> list[Order]:
        """The orders whose outcome became unclear since the last call: the venue must be asked."""
        taken, self.unsettled = self.unsettled, []
        return taken

    def take_making_room(self) -> set[str]:
        """The orders of this step that are canceled to make room."""
        taken = self.making_room
        if taken:
            self.making_room = set()
        return taken

    def signal(self, order: Order, signal: Signal, ts_ns: int, reason: str = "") -> None:
        """Move an order along its life, and let it count for what it can still do.

        Pairs that should not happen are counted in `anomalies`.
        """
        before = order.state
        after, is_end, is_odd = STEPS[before][signal]
        order.state = after
        if reason:
            order.reason = reason
        if is_odd and self._is_over(order, before, signal):
            return
        if is_end:
            self._end(order, ts_ns)
        elif (
            order.counted_lots != order.sz_lots - order.filled_lots
            or order.counted_px_ticks != order.px_ticks
            or order.pending_sz_lots
            or order.is_replaced
        ):
            order.recount()

    def _is_over(self, order: Order, before: OrderState, signal: Signal) -> bool:
        """The rarer steps: what is odd about one; True when the order had ended and still has."""
        after = order.state
        if IS_ANOMALY[before][signal]:
            self._count_anomaly(before.name, signal.name)
        if before >= FINAL_FROM:
            if after >= FINAL_FROM:
                return True
            self._revive(order)
        elif signal in _CANCEL_LOST or (before is _UNKNOWN and after is not _UNKNOWN):
            order.cancels_out = 0
        if after is _UNKNOWN and before is not _UNKNOWN:
            self.unsettled.append(order)
        if after < FINAL_FROM and (
            signal is Signal.MODIFY_REJECT or (before is _UNKNOWN and after is not _UNKNOWN)
        ):
            # A refused modify never was; one of unknown outcome was settled by asking.
            order.forget_pending()
        return False

    def fill(self, order: Order, sz_lots: int, generation: int, ts_ns: int) -> None:
        """Count a fill; one of an earlier generation takes nothing from what rests now."""
        order.filled_lots += sz_lots
        if generation < order.generation:
            order.sz_lots += sz_lots
            return
        if order.filled_lots > order.sz_lots:
            self._count_anomaly("OVERFILL", "")
        if order.filled_lots >= order.sz_lots:
            self.signal(order, Signal.FILL_ALL, ts_ns)
        elif order.pending_sz_lots and order.state is _UNKNOWN:
            # It proves that the order lived, and says nothing of the modify nobody knows about.
            order.recount()
        else:
            self.signal(order, Signal.FILL_PART, ts_ns)

    def send_cancel(self, order: Order, ts_ns: int) -> None:
        """A cancel was approved."""
        if order.state is not _MODIFYING and order.state is not _CANCELING:
            order.prior_state = order.state
        order.cancels_out += 1
        self.signal(order, _CANCEL_SENT, ts_ns)

    def send_modify(self, order: Order, px_ticks: int, sz_lots: int, ts_ns: int) -> None:
        """A modify was approved; `sz_lots` is what shall remain."""
        if order.state is not _MODIFYING and order.state is not _CANCELING:
            order.prior_state = order.state
        order.pending_px_ticks = px_ticks
        order.pending_sz_lots = sz_lots
        self.signal(order, Signal.MODIFY_SENT, ts_ns)

    def cancel_old(self, order: Order, ts_ns: int, reason: str) -> None:
        """The present generation left the book; with a modify in flight its successor may live."""
        if not order.pending_sz_lots:
            self.signal(order, _CANCELED, ts_ns, reason)
            return
        order.is_replaced = True
        order.reason = reason
        order.recount()

    def reject_modify(self, order: Order, ts_ns: int) -> None:
        """The modify in flight was refused: what had left the book meanwhile is gone for good."""
        is_gone = order.is_replaced
        self.signal(order, Signal.CANCELED if is_gone else Signal.MODIFY_REJECT, ts_ns)

    def replace(self, order: Order, px_ticks: int, sz_lots: int, ts_ns: int) -> None:
        """A modify went through: the next generation, with `sz_lots` left, is what counts."""
        order.generation += 1
        order.px_ticks = px_ticks
        order.sz_lots = order.filled_lots + sz_lots
        order.forget_pending()
        self.signal(order, Signal.REPLACED, ts_ns)

    def discard(self, order: Order) -> None:
        """Forget an order that was approved but never sent."""
        order.state = OrderState.REJECTED
        self._leave(order)
        del self._by_cloid[order.cloid]

    def undo_cancel(self, order: Order) -> None:
        """Take back a cancel that was approved but never sent."""
        order.cancels_out -= 1
        order.room_ns = 0
        self.making_room.discard(order.cloid)
        if order.state is OrderState.CANCELING:
            order.state = OrderState.MODIFYING if order.pending_sz_lots else order.prior_state

    def undo_modify(self, order: Order) -> None:
        """Take back a modify that was approved but never sent."""
        if order.state is OrderState.MODIFYING:
            order.state = order.prior_state
        order.forget_pending()
        order.recount()

    def _count_anomaly(self, before: str, signal: str) -> None:
        key = before, signal
        self.anomalies[key] = self.anomalies.get(key, 0) + 1

    def _leave(self, order: Order) -> None:
        if order.pending_sz_lots or order.is_replaced:
            order.forget_pending()
        order.count(0, 0)
        order.exposure.count -= 1
        self._live[order.strategy, order.instrument].pop(order.cloid, None)
        if order.quote:
            key = order.strategy, order.instrument, order.quote
            if self._quotes.get(key) is order:
                del self._quotes[key]

    def _end(self, order: Order, ts_ns: int) -> None:
        order.ended_ns = ts_ns
        self._leave(order)
        self.ended.append(order)
        self._finals.append(order.cloid)
        if len(self._finals) > FINALS_REMEMBERED_MAX:
            self._forget(self._finals.popleft())

    def _forget(self, cloid: str) -> None:
        order = self._by_cloid.get(cloid)
        if order is not None and order.state >= FINAL_FROM:
            del self._by_cloid[cloid]

    def _revive(self, order: Order) -> None:
        """A final order showed life: it counts again at its worst until it is settled."""
        order.cancels_out = 0
        self.live(order.strategy, order.instrument)[order.cloid] = order
        order.exposure.count += 1
        if order.quote:
            self._quotes.setdefault((order.strategy, order.instrument, order.quote), order)
