"""Orders that wait: a trigger for the mark price, a child for its parent.

A trigger fires on the
mark; on an instrument that only has bars, on the bar's range, where a stop fills half a synthetic
spread beyond the worse of the bar's open and its trigger, and a take profit beyond its trigger.
Within a bar the order is the pessimist's: stops, resting orders, the stops of entries filled by
this bar, take profits that waited before it, then the mark at the close. Children wait until their
parent is filled whole and leave with it; when one of them fires or is filled the others leave.
Reduce-only orders shrink or leave as the position shrinks, the oldest first.
"""

from __future__ import annotations

from backtests.exchange import words
from backtests.exchange.ledger import Position
from backtests.exchange.market import UNLIMITED_LOTS, Levels
from backtests.exchange.matching import Matcher
from backtests.exchange.orders import Desk, Order, Status
from backtests.exchange.outbox import Outbox
from engine.model.events import Bar
from engine.model.units import Tif, TriggerKind


class Conditions:
    """Fires triggers, and carries out what follows from fills and cancels."""

    __slots__ = ("_matcher", "_outbox")

    def __init__(self, matcher: Matcher, outbox: Outbox) -> None:
        self._matcher = matcher
        self._outbox = outbox

    # -- triggers ----------------------------------------------------------------------------------

    def wait(self, order: Order) -> None:
        """Let a live trigger order wait for the mark."""
        order.desk.wait(order)
        order.position.reducers.append(order)

    def on_mark(self, desk: Desk) -> None:
        """Fire every trigger the mark has reached, in the order they came."""
        ticks2 = desk.market.mark_ticks2()
        while ticks2:
            reached = (order for order in desk.triggers if _is_reached(order, ticks2, ticks2))
            order = next(reached, None)
            if order is None:
                return
            self._fire(order)
            self.settle()

    def on_bar(self, desk: Desk, bar: Bar) -> None:
        """Take one bar of an instrument that only has bars, the pessimist's way."""
        waited = tuple(desk.triggers)
        self._fire_in_bar(desk, bar, desk.triggers, TriggerKind.STOP_LOSS)
        self._matcher.on_bar(desk, bar)
        self.settle()
        self._fire_in_bar(desk, bar, desk.triggers, TriggerKind.STOP_LOSS)
        self._fire_in_bar(desk, bar, waited, TriggerKind.TAKE_PROFIT)
        self.on_mark(desk)

    def _fire_in_bar(
        self, desk: Desk, bar: Bar, candidates: list[Order] | tuple[Order, ...], kind: TriggerKind
    ) -> None:
        scale = desk.market.px_scale
        low2, high2 = 2 * round(bar.low * scale), 2 * round(bar.high * scale)
        open_ticks = round(bar.open * scale)
        for order in tuple(candidates):
            trigger = order.trigger
            is_waiting = order.status is Status.WAITS_FOR_TRIGGER and order in desk.triggers
            if not is_waiting or trigger is None or trigger.kind is not kind:
                continue
            if not _is_reached(order, low2, high2):
                continue
            px_ticks = trigger.px_ticks
            if kind is TriggerKind.STOP_LOSS and (open_ticks - px_ticks) * order.side > 0:
                px_ticks = open_ticks
            px_ticks = desk.market.worsened_ticks(order.side, px_ticks)
            within = (order.px_ticks - px_ticks) * order.side >= 0
            self._fire(order, [(px_ticks, UNLIMITED_LOTS)] if within else None, in_bar=True)
            self.settle()

    def _fire(self, order: Order, offers: Levels | None = None, *, in_bar: bool = False) -> None:
        """Make a reached trigger a market or limit order; its siblings leave."""
        order.desk.withdraw(order)
        order.position.reducers.remove(order)
        order.status = Status.ARRIVED
        self._outbox.triggered(order)
        self._drop_siblings(order)
        if order.trigger is not None and order.trigger.is_market:
            order.tif = Tif.IOC
        fit_to_position(order)
        self._enter(order, offers if in_bar else self._matcher.offers(order))

    def _enter(self, order: Order, offers: Levels | None) -> None:
        """Let an order accepted earlier enter; where a new one would be refused it is canceled."""
        if self._matcher.refusal(order, offers):
            is_post_only = order.tif is Tif.ALO
            reason = words.POST_ONLY_CANCELED if is_post_only else words.IOC_CANCELED
            self._matcher.cancel(order, reason)
        else:
            self._matcher.enter(order, offers)

    # -- parents, children, siblings ---------------------------------------------------------------

    def adopt(self, child: Order) -> bool:
        """Bind a new child to its parent, live or filled; False when there is none.

        With a live parent it waits; with a filled one it is for the caller to activate.
        """
        account = child.account
        parent = account.orders.get(child.parent)
        if parent is not None and parent.desk is child.desk:
            child.status = Status.WAITS_FOR_PARENT
        elif child.parent not in account.filled:
            return False
        account.families.setdefault(child.parent, []).append(child)
        return True

    def activate(self, child: Order) -> None:
        """The parent is filled: the child guards the position from now on."""
        child.status = Status.ARRIVED
        if not child.position.reducible_lots(child.side):
            self._matcher.cancel(child, words.REDUCE_ONLY_CANCELED)
        elif child.trigger is not None:
            self.wait(child)
        else:
            fit_to_position(child)
            self._enter(child, self._matcher.offers(child))

    def _drop_siblings(self, order: Order) -> None:
        family = order.account.families.pop(order.parent, None) if order.parent else None
        for sibling in family or ():
            if sibling is not order:
                self._matcher.cancel(sibling, words.SIBLING_CANCELED)

    # -- what follows ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Carry out what the last fills and cancels ask for, until nothing more follows."""
        ended, reduced = self._matcher.ended, self._matcher.reduced
        while ended or reduced:
            if ended:
                self._follow(*ended.pop(0))
            else:
                self._trim(reduced.pop(0))

    def _follow(self, order: Order, is_filled: bool) -> None:  # noqa: FBT001 - how it ended
        families = order.account.families
        if is_filled:
            self._drop_siblings(order)
        elif order.parent in families:
            family = families[order.parent]
            family.remove(order)
            if not family:
                del families[order.parent]
        children = families.get(order.cloid)
        if not children:
            return
        if is_filled:
            for child in tuple(children):
                self.activate(child)
        else:
            del families[order.cloid]
            for child in children:
                self._matcher.cancel(child, words.CANCELED)

    def _trim(self, position: Position) -> None:
        """Make reduce-only orders fit; triggers leave only when there is nothing to close."""
        for order in tuple(position.reducers):
            if not position.reducible_lots(order.side):
                self._matcher.cancel(order, words.REDUCE_ONLY_CANCELED)
        resting = [order for order in position.reducers if order.status is Status.RESTS]
        excess = sum([order.left_lots for order in resting]) - abs(position.lots)
        for order in resting:
            if excess <= 0:
                return
            cut = min(order.left_lots, excess)
            excess -= cut
            if cut == order.left_lots:
                self._matcher.cancel(order, words.REDUCE_ONLY_CANCELED)
            else:
                order.left_lots -= cut
                order.cut_lots += cut


def fit_to_position(order: Order) -> None:
    """A reduce-only order asks for no more than there is to close."""
    excess = order.left_lots - order.position.reducible_lots(order.side)
    if excess > 0:
        order.left_lots -= excess
        order.cut_lots += excess


def _is_reached(order: Order, low_ticks2: int, high_ticks2: int) -> bool:
    if order.trigger is None:
        return False
    trigger2 = 2 * order.trigger.px_ticks
    return low_ticks2 <= trigger2 if order.fires_low else high_ticks2 >= trigger2
