"""What the venue says of our orders, as events: each fact once, whichever way it comes first.

An answer to a request, an order update and an answer to a question tell the same things in any
order. The first is passed on; what is known already, or was overtaken by the order's end, is not.
An order's fills are told by the fills alone: `filled` as a status only ends our watch over it.
"""

from __future__ import annotations

from typing import Final

from connectors.hyperliquid.batches import OID_PREFIX
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.info.orders import FrontendOrder, OpenOrder
from connectors.hyperliquid.numbers import scaled
from connectors.hyperliquid.orders_book import Leg
from connectors.hyperliquid.refusals import OrderPhase, order_phase
from engine.model.events import (
    CancelRejected,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderUnclear,
)
from engine.model.units import NS_PER_MS, Tif

NEVER_PLACED: Final = "neverPlaced"
IOC_REST: Final = "iocRest"


class Reports:
    """Turns the venue's news of orders into events, with the orders' book as its memory."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._orders = common.orders

    # -- facts -------------------------------------------------------------------------------------

    def accepted(self, leg: Leg, oid: int, ts_ms: int = 0) -> None:
        """The venue holds the order; 0 for an oid that was not told."""
        if oid and not leg.oid:
            self._orders.name(leg, oid)
        is_known = leg.told_oid == oid or (leg.told_oid > 0 and not oid)
        if leg.is_ended or is_known:
            return
        order = leg.order
        if leg.generation and leg.px_ticks and leg.told_oid < 0:
            head = *self._times(ts_ms), order.account, order.instrument, order.cloid
            left_lots = leg.sz_lots - leg.filled_lots
            self._held(leg)
            self._common.emit(
                OrderReplaced(*head, leg.generation, leg.oid, leg.px_ticks, left_lots)
            )
        else:
            self.found(leg, ts_ms)

    def found(self, leg: Leg, ts_ms: int = 0) -> None:
        """Say, even if it was said before, that the venue holds this generation of an order."""
        order = leg.order
        self._held(leg)
        head = *self._times(ts_ms), order.account, order.instrument, order.cloid
        self._common.emit(OrderAccepted(*head, leg.generation, leg.oid))

    def _held(self, leg: Leg) -> None:
        leg.is_pending = False
        leg.told_oid = leg.oid
        before = leg.order.legs.get(leg.generation - 1)
        if before is not None:
            self._orders.end(before)

    def triggered(self, leg: Leg, ts_ms: int) -> None:
        """The trigger fired."""
        if leg.is_ended:
            return
        order = leg.order
        leg.is_pending = False
        self._common.emit(
            OrderTriggered(
                *self._times(ts_ms),
                order.account,
                order.instrument,
                order.cloid,
                leg.generation,
                leg.oid,
            )
        )

    def canceled(self, leg: Leg, reason: str, ts_ms: int = 0) -> None:
        """It left the book."""
        if not leg.is_ended:
            self._orders.end(leg)
            self.gone(leg.order.account, leg, leg.oid, reason, ts_ms)

    def end_ioc(self, leg: Leg, ts_ms: int = 0) -> None:
        """An IOC that filled in part says nothing of its rest: it is over with its last fill."""
        is_over = 0 < leg.ends_at_lots <= leg.filled_lots
        if is_over and leg.filled_lots < leg.sz_lots and leg.tif is Tif.IOC:
            self.canceled(leg, IOC_REST, ts_ms)

    def gone(self, account: str, leg: Leg, oid: int, reason: str, ts_ms: int = 0) -> None:
        """Say, even if it was said before, that this generation is gone; oid 0: none is left."""
        order = leg.order
        self._common.emit(
            OrderCanceled(
                *self._times(ts_ms),
                account,
                order.instrument,
                order.cloid,
                leg.generation,
                oid,
                reason,
            )
        )

    def rejected(self, leg: Leg, reason: str, ts_ms: int = 0) -> None:
        """The venue refused it: an order never rested, a modify was not made."""
        if leg.is_ended:
            return
        order = leg.order
        head = *self._times(ts_ms), order.account, order.instrument, order.cloid, leg.generation
        if leg.generation:
            self._orders.never(leg)
            self._common.emit(ModifyRejected(*head, reason))
        else:
            self._orders.end(leg)
            self._common.emit(OrderRejected(*head, reason))

    def cancel_rejected(
        self, account: str, instrument: str, cloid: str, generation: int, reason: str
    ) -> None:
        """A cancel was refused: nothing is concluded of the order."""
        head = *self._times(0), account, instrument, cloid, generation
        self._common.emit(CancelRejected(*head, reason))

    def unclear(
        self, account: str, instrument: str, cloid: str, generation: int, detail: str
    ) -> None:
        """Nobody knows what became of something that was sent about the order."""
        head = *self._times(0), account, instrument, cloid, generation
        self._common.emit(OrderUnclear(*head, detail))

    def _times(self, ts_ms: int) -> tuple[int, int]:
        now_ns = self._common.clock.now_ns()
        return (ts_ms * NS_PER_MS if ts_ms else self._common.time.now_ns()), now_ns

    # -- order updates -----------------------------------------------------------------------------

    def update(
        self, account: str, order: OpenOrder | FrontendOrder, status: str, ts_ms: int
    ) -> None:
        """One order update; of an order that is not ours nothing is said.

        Raises VenueError for numbers that are off the grid.
        """
        leg = self.leg_of(account, order)
        if leg is None:
            return
        phase = order_phase(status)
        if status == "triggered":
            self.triggered(leg, ts_ms)
        elif phase is OrderPhase.LIVE:
            self.accepted(leg, order.oid, ts_ms)
        elif phase is OrderPhase.CANCELED:
            self.canceled(leg, status, ts_ms)
        elif phase is OrderPhase.REJECTED:
            self.rejected(leg, status, ts_ms)
        elif phase is OrderPhase.FILLED:
            self.filled(leg)
        else:
            self._common.distrust(f"order status {status[:40]}", status)
            tracked = leg.order
            self.unclear(account, tracked.instrument, tracked.cloid, leg.generation, status[:40])

    def filled(self, leg: Leg) -> None:
        """Nothing is left to fill: what was filled the fills tell."""
        if leg.generation:
            self.accepted(leg, leg.oid)
        self._orders.end(leg)

    def leg_of(self, account: str, order: OpenOrder | FrontendOrder) -> Leg | None:
        """The generation of ours that the venue's order is, or None. Raises VenueError."""
        cloid = order.cloid if isinstance(order.cloid, str) else None
        instrument = self._common.by_coin.get(order.coin)
        if instrument is None:
            return None
        self._orders.adopt(account, instrument.id, cloid)
        known = self._orders.by_oid(account, order.oid)
        if known is not None or not cloid or self._orders.get(account, cloid) is None:
            return known
        px_ticks = scaled(order.limit_px, instrument.px_decimals, "limitPx")
        size = order.orig_sz if isinstance(order.orig_sz, str) else order.sz
        sz_lots = scaled(size, instrument.sz_decimals, "origSz")
        leg = self._orders.find(account, order.oid, cloid, px_ticks, sz_lots)
        if leg is not None and not leg.px_ticks:
            leg.px_ticks, leg.sz_lots = px_ticks, sz_lots
        return leg


def foreign_cloid(oid: int) -> str:
    """What an order that is not ours is called."""
    return f"{OID_PREFIX}{oid}"
