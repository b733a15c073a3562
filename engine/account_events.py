"""How the venue's answers change orders, positions and the ledger.

A fill is sufficient evidence that its order lived. Reports of an earlier generation move nothing, except that a fill is always
booked. A fill with an unknown cloid belongs to `external`: it moves the account, and no strategy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.model.events import (
    AccountEvent,
    AccountOpened,
    CancelRejected,
    FundingPaid,
    LeverageSet,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderUnclear,
    Transfer,
)
from engine.model.orders import Signal
from engine.state.accounts import EXTERNAL, Account
from engine.state.market import Market
from engine.state.orders import Order, Orders
from engine.submission import Planner

Applied = tuple[str, bool]
NOBODY: Applied = ("", False)


class Booking(NamedTuple):
    """A fill as it was booked: who owns it, what it realised there (gross, 1e-8), and that owner's position after it."""

    fill: OrderFilled
    owner: str
    realised_e8: int
    position_lots: int


class AccountBook:
    """Applies account events to the engine's state and says whose handler they concern."""

    def __init__(
        self,
        accounts: dict[str, Account],
        markets: dict[str, Market],
        orders: Orders,
        planner: Planner,
    ) -> None:
        self._accounts = accounts
        self._markets = markets
        self._orders = orders
        self._planner = planner
        self.bookings: list[Booking] = []
        self.rejects: dict[tuple[str, str], int] = {}
        self.strays: dict[str, int] = {}
        self._rules: dict[type, Callable[[Any, Account], Applied]] = {
            OrderFilled: self._filled,
            OrderAccepted: self._accepted,
            OrderRejected: self._rejected,
            OrderCanceled: self._canceled,
            OrderReplaced: self._replaced,
            OrderTriggered: self._triggered,
            CancelRejected: self._cancel_rejected,
            ModifyRejected: self._modify_rejected,
            OrderUnclear: self._unclear,
            FundingPaid: self._funding,
            Transfer: self._transfer,
            LeverageSet: self._leverage,
            AccountOpened: self._opened,
        }

    def apply(self, event: AccountEvent) -> Applied:
        """Apply one event: (the strategy it concerns or "", whether it is a fill)."""
        rule = self._rules.get(type(event))
        return NOBODY if rule is None else rule(event, self._accounts[event.account])

    def take_bookings(self) -> list[Booking]:
        """The fills booked since the last call, for the driver's record."""
        taken, self.bookings = self.bookings, []
        return taken

    # -- orders -----------------------------------------------------------------------------------------

    def _current(self, event: OrderEvent) -> Order | None:
        """The order an answer is about, if it is about its present generation."""
        order = self._orders.get(event.cloid)
        if order is None or order.generation != event.generation:
            kind = type(event).__name__
            self.strays[kind] = self.strays.get(kind, 0) + 1
            return None
        return order

    def _signal(self, event: OrderEvent, signal: Signal, reason: str = "") -> Applied:
        order = self._current(event)
        if order is None:
            return NOBODY
        self._orders.signal(order, signal, event.ts_local_ns, reason)
        return order.strategy, False

    def _accepted(self, event: OrderAccepted, account: Account) -> Applied:
        del account
        order = self._current(event)
        if order is None:
            return NOBODY
        order.oid = event.oid or order.oid
        waits = order.trigger is not None
        self._orders.signal(order, Signal.WAIT if waits else Signal.ACCEPT, event.ts_local_ns)
        return order.strategy, False

    def _rejected(self, event: OrderRejected, account: Account) -> Applied:
        del account
        applied = self._signal(event, Signal.REJECT, event.reason)
        key = applied[0], event.reason
        self.rejects[key] = self.rejects.get(key, 0) + 1
        return applied

    def _canceled(self, event: OrderCanceled, account: Account) -> Applied:
        del account
        return self._signal(event, Signal.CANCELED, event.reason)

    def _triggered(self, event: OrderTriggered, account: Account) -> Applied:
        del account
        return self._signal(event, Signal.TRIGGER)

    def _cancel_rejected(self, event: CancelRejected, account: Account) -> Applied:
        del account
        order = self._orders.get(event.cloid)
        if order is not None and not order.is_live:
            return order.strategy, False
        return self._signal(event, Signal.CANCEL_REJECT)

    def _modify_rejected(self, event: ModifyRejected, account: Account) -> Applied:
        """A refused modify names the generation it would have made."""
        del account
        order = self._orders.get(event.cloid)
        if order is None:
            return NOBODY
        self._orders.signal(order, Signal.MODIFY_REJECT, event.ts_local_ns)
        if order.is_live:
            order.count_lots(max(order.counted_lots, order.remaining_lots))
        return order.strategy, False

    def _replaced(self, event: OrderReplaced, account: Account) -> Applied:
        del account
        order = self._orders.get(event.cloid)
        if order is None or event.generation != order.generation + 1:
            self.strays["OrderReplaced"] = self.strays.get("OrderReplaced", 0) + 1
            return NOBODY
        self._orders.signal(order, Signal.REPLACED, event.ts_local_ns)
        self._orders.replace(order, event.px_ticks, event.sz_lots)
        order.oid = event.oid
        return order.strategy, False

    def _unclear(self, event: OrderUnclear, account: Account) -> Applied:
        del account
        return self._signal(event, Signal.UNCLEAR, event.detail)

    # -- money ------------------------------------------------------------------------------------------

    def _filled(self, event: OrderFilled, account: Account) -> Applied:
        if not account.is_new_fill(event.instrument, event.trade_id, event.cloid):
            self.strays["doubled fill"] = self.strays.get("doubled fill", 0) + 1
            return NOBODY
        order = self._orders.get(event.cloid)
        owner = EXTERNAL if order is None or event.is_liquidation else order.strategy
        lots, px_ticks, fee_e8 = event.sz_lots, event.px_ticks, event.fee_e8
        side = int(event.side)
        position = account.position(event.instrument)
        realised_e8 = position.fill(side, px_ticks, lots, fee_e8)
        account.cash_e8 += realised_e8 - fee_e8
        account.fees_e8 += fee_e8
        own = account.strategy_position(owner, event.instrument)
        own_realised_e8 = own.fill(side, px_ticks, lots, fee_e8)
        if order is not None:
            self._orders.fill(order, lots, event.ts_local_ns)
        notional_e8 = px_ticks * lots * position.money_per_unit
        self._planner.address(account.name).earn(notional_e8)
        self.bookings.append(Booking(event, owner, own_realised_e8, own.lots))
        return (owner, True) if order is not None else NOBODY

    def _funding(self, event: FundingPaid, account: Account) -> Applied:
        """Cash moves by the account's payment; each strategy bears its share by its own position, `external` the rest."""
        amount_e8 = event.amount_e8
        account.cash_e8 -= amount_e8
        account.funding_e8 += amount_e8
        account.position(event.instrument).funding_e8 += amount_e8
        left_e8 = amount_e8
        if event.sz_lots:
            for (owner, instrument), own in account.owned.items():
                if instrument == event.instrument and owner != EXTERNAL and own.lots:
                    share_e8 = amount_e8 * own.lots // event.sz_lots
                    own.funding_e8 += share_e8
                    left_e8 -= share_e8
        if left_e8:
            account.strategy_position(EXTERNAL, event.instrument).funding_e8 += left_e8
        return NOBODY

    def _transfer(self, event: Transfer, account: Account) -> Applied:
        account.cash_e8 += event.amount_e8
        account.transfers_e8 += event.amount_e8
        return NOBODY

    def _opened(self, event: AccountOpened, account: Account) -> Applied:
        account.start_e8 = event.balance_e8
        account.cash_e8 = event.balance_e8
        return NOBODY

    def _leverage(self, event: LeverageSet, account: Account) -> Applied:
        account.leverage[event.instrument] = event.leverage
        return NOBODY
