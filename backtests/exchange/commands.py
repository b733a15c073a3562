"""What the exchange does with each command: refuse it in the venue's words, or let it act.

Every placed order is answered by exactly one acceptance or refusal. A modify is cancel and replace
as one action. The venue knows an order by its client order id alone; a generation is only repeated
in the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from backtests.exchange import rules, words
from backtests.exchange.conditions import Conditions, fit_to_position
from backtests.exchange.ledger import Account, Position
from backtests.exchange.matching import Matcher
from backtests.exchange.orders import Desk, Order, Status
from backtests.exchange.outbox import Outbox
from engine.model.commands import CancelOrder, ModifyOrder, Place, UpdateLeverage
from engine.model.units import Tif

LEVERAGE_DEFAULT: Final = 20
_IOC: Final = Tif.IOC


def position_of(account: Account, desk: Desk) -> Position:
    """The account's position on the instrument; a flat one is made when there is none."""
    position = account.positions.get(desk.id)
    if position is None:
        leverage = min(LEVERAGE_DEFAULT, desk.instrument.leverage_max)
        position = Position(account, desk.id, desk.market, leverage)
        position.is_cross = desk.instrument.margin_mode == "cross"
        account.positions[desk.id] = desk.positions[account.name] = position
    return position


class Commands:
    """Carries out the commands of one exchange; `by_type` finds the rule of each."""

    def __init__(
        self,
        outbox: Outbox,
        matcher: Matcher,
        conditions: Conditions,
        counters: Counter[str],
    ) -> None:
        self._outbox = outbox
        self._matcher = matcher
        self._conditions = conditions
        self._counters = counters
        self._oid = 0
        self.by_type: dict[type, Callable[[Account, Desk, Any], None]] = {
            Place: self.place,
            CancelOrder: self.cancel,
            ModifyOrder: self.modify,
            UpdateLeverage: self.update_leverage,
        }

    def place(self, account: Account, desk: Desk, command: Place) -> None:
        """Refuse the order, or accept it and let it take, rest or wait."""
        order = Order(
            account,
            desk.positions.get(account.name) or position_of(account, desk),
            desk,
            command.cloid,
            0,
            self._oid + 1,
            command.side,
            command.px_ticks,
            command.sz_lots,
            command.tif,
            command.reduce_only,
            command.trigger,
            command.parent,
        )
        reason = rules.refusal(order)
        if reason == words.DUPLICATE_CLOID:
            self._counters["duplicate_cloid"] += 1
        if not reason and (command.parent or command.trigger is not None):
            reason = self._place_waiting(order)
            if not reason:
                return
        if reason:
            self._outbox.rejected(order, reason)
            return
        if order.reduce_only:
            fit_to_position(order)
        matcher = self._matcher
        offers = matcher.offers(order)
        if offers is not None or order.tif is _IOC:
            reason = matcher.refusal(order, offers)
            if reason:
                self._outbox.rejected(order, reason)
                return
        self._accept(order)
        matcher.enter(order, offers)

    def _accept(self, order: Order) -> None:
        self._oid = order.oid
        self._outbox.accepted(order)
        self._matcher.register(order)

    def _place_waiting(self, order: Order) -> str:
        """Let a trigger order wait for the mark, a child for its parent first; else say why not."""
        if not order.parent:
            self._accept(order)
            self._conditions.wait(order)
            return ""
        if not self._conditions.adopt(order):
            self._counters["child_without_parent"] += 1
            return words.NO_PARENT
        self._accept(order)
        if order.status is not Status.WAITS_FOR_PARENT:
            self._conditions.activate(order)
        return ""

    def cancel(self, account: Account, desk: Desk, command: CancelOrder) -> None:
        """Cancel by cloid, whatever generation lives: the venue knows no generations."""
        order = account.orders.get(command.cloid)
        if order is None or order.desk is not desk:
            self._outbox.cancel_rejected(account.name, command, words.GONE)
        else:
            self._matcher.cancel(order, words.CANCELED)

    def modify(self, account: Account, desk: Desk, command: ModifyOrder) -> None:
        """Cancel-replace as one action: refused, the earlier generation stays as it is.

        The queue position is kept only when nothing but the size changes, and not upwards.
        """
        old = account.orders.get(command.cloid)
        if old is None or old.desk is not desk:
            self._outbox.modify_rejected(account.name, command, words.CANNOT_MODIFY)
            return
        if old.status is not Status.RESTS:
            self._outbox.modify_rejected(account.name, command, words.MODIFY_TRIGGER)
            return
        new = Order(
            account,
            old.position,
            desk,
            command.cloid,
            command.generation,
            self._oid + 1,
            command.side,
            command.px_ticks,
            command.sz_lots,
            command.tif,
            command.reduce_only,
            None,
            old.parent,
        )
        matcher = self._matcher
        reason = rules.refusal(new, old)
        keeps_place = (
            (new.side, new.px_ticks, new.tif, new.reduce_only)
            == (old.side, old.px_ticks, old.tif, old.reduce_only)
        ) and new.left_lots <= old.left_lots
        if not reason and keeps_place:
            self._shrink(old, new)
            return
        offers = None
        if not reason:
            if new.reduce_only:
                fit_to_position(new)
                new.cut_lots = 0  # the answer says the size that fits
            offers = matcher.offers(new, old)
            reason = matcher.refusal(new, offers)
        if reason:
            self._outbox.modify_rejected(account.name, command, reason)
            return
        self._oid = new.oid
        family = account.families.get(old.parent)
        if family is not None and old in family:
            family[family.index(old)] = new
        matcher.remove(old)
        self._outbox.replaced(new)
        matcher.register(new)
        matcher.enter(new, offers)

    def _shrink(self, order: Order, to: Order) -> None:
        """The same order with less to fill, where it stands."""
        lots = order.left_lots - to.left_lots
        if not order.reduce_only:
            notional_e8 = lots * order.px_ticks * order.desk.market.money_per_unit
            order.position.reserve(order.side, -lots, -notional_e8)
        order.left_lots = to.left_lots
        order.cut_lots = 0
        order.generation = to.generation
        order.oid = self._oid = to.oid
        self._outbox.replaced(order)

    def update_leverage(self, account: Account, desk: Desk, command: UpdateLeverage) -> None:
        """Answer with what is in force after it; a refused one changes nothing and is counted."""
        position = position_of(account, desk)
        reason = rules.leverage_refusal(
            position, desk.instrument, command.leverage, is_cross=command.is_cross
        )
        if reason:
            self._counters[reason] += 1
        else:
            position.leverage = command.leverage
            position.is_cross = command.is_cross
            if not command.is_cross:
                self._counters["isolated_margin_taken_as_cross"] += 1
        self._outbox.leverage(account.name, desk.id, position.leverage, is_cross=position.is_cross)
