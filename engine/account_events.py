"""How the venue's answers change orders, positions and the ledger.

A fill is sufficient evidence that its order lived. Reports of an earlier generation move nothing,
except that a fill is always booked; news of the generation that a modify in flight would make
proves that the modify went through. A fill with an unknown cloid belongs to `external`: it moves
the account, and no strategy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from typing import Any, Final, NamedTuple

from engine.agreement import Agreement
from engine.carried import carry_order, carry_position
from engine.model.events import (
    AccountEvent,
    AccountOpened,
    BudgetRead,
    CancelRejected,
    FundingPaid,
    LeverageSet,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderCarried,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderUnclear,
    PositionCarried,
    Transfer,
)
from engine.model.orders import OrderState, Signal
from engine.state.accounts import EXTERNAL, Account
from engine.state.market import Market
from engine.state.orders import Order, Orders
from engine.state.positions import Position
from engine.submission import Planner

Applied = tuple[str, bool]
Rule = Callable[[Any, Account], Applied]
NOBODY: Applied = ("", False)
REASONS_MAX: Final = 1_000
NEWEST_FILLS_MAX: Final = 512
_ACCEPT, _WAIT = Signal.ACCEPT, Signal.WAIT


class Booking(NamedTuple):
    """A fill as it was booked: its owner, what it realised there, and that position after it.

    Realised is gross, in 1e-8.
    """

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
        agreement: Agreement,
        owners: Container[str],
    ) -> None:
        self._accounts = accounts
        self._markets = markets
        self._orders = orders
        self._planner = planner
        self._agreement = agreement
        self._owners = owners
        self.bookings: list[Booking] = []
        self._newest: deque[tuple[OrderFilled, str]] = deque(maxlen=NEWEST_FILLS_MAX)
        self.rejects: dict[tuple[str, str], int] = {}
        self.strays: dict[str, int] = {}
        # Each says whom the event concerns and whether it is a fill.
        self.rules: dict[type, Rule] = {
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
            PositionCarried: self._position_carried,
            OrderCarried: self._order_carried,
            BudgetRead: self._budget,
        }

    def apply(self, event: AccountEvent) -> Applied:
        """Apply one event: (the strategy it concerns or "", whether it is a fill)."""
        rule = self.rules.get(type(event))
        return NOBODY if rule is None else rule(event, self._accounts[event.account])

    def take_bookings(self) -> list[Booking]:
        """The fills booked since the last call, for the driver's record."""
        taken, self.bookings = self.bookings, []
        return taken

    # -- orders ------------------------------------------------------------------------------------

    def _stray(self, what: str) -> Applied:
        self.strays[what] = self.strays.get(what, 0) + 1
        return NOBODY

    def _alive(self, event: OrderEvent) -> Order | None:
        """The order an answer is about, if it is about its present generation.

        News of the next one proves a modify in flight: it is taken as done.
        """
        order = self._orders.get(event.cloid)
        if order is None:
            return None
        if order.pending_sz_lots and event.generation == order.generation + 1:
            self._orders.replace(
                order, order.pending_px_ticks, order.pending_sz_lots, event.ts_local_ns
            )
        return order if event.generation == order.generation else None

    def _signal(self, event: OrderEvent, signal: Signal) -> Applied:
        order = self._alive(event)
        if order is None:
            return self._stray(type(event).__name__)
        self._orders.signal(order, signal, event.ts_local_ns)
        return order.strategy, False

    def _accepted(self, event: OrderAccepted, account: Account) -> Applied:
        del account
        order = self._alive(event)
        if order is None:
            return self._stray("OrderAccepted")
        order.oid = event.oid or order.oid
        signal = _ACCEPT if order.trigger is None else _WAIT
        self._orders.signal(order, signal, event.ts_local_ns)
        return order.strategy, False

    def _rejected(self, event: OrderRejected, account: Account) -> Applied:
        del account
        order = self._orders.get(event.cloid)
        if order is None or event.generation != order.generation:
            return self._stray("OrderRejected")
        self._orders.signal(order, Signal.REJECT, event.ts_local_ns, event.reason)
        key = order.strategy, event.reason
        if key not in self.rejects and len(self.rejects) >= REASONS_MAX:
            key = order.strategy, "other"
        self.rejects[key] = self.rejects.get(key, 0) + 1
        return order.strategy, False

    def _canceled(self, event: OrderCanceled, account: Account) -> Applied:
        del account
        order = self._alive(event)
        if order is None:
            return self._stray("OrderCanceled")
        if not event.oid and not order.is_live:
            # "No such order" answers a question that earlier reports have settled meanwhile.
            return order.strategy, False
        self._orders.cancel_old(order, event.ts_local_ns, event.reason)
        return order.strategy, False

    def _triggered(self, event: OrderTriggered, account: Account) -> Applied:
        del account
        return self._signal(event, Signal.TRIGGER)

    def _cancel_rejected(self, event: CancelRejected, account: Account) -> Applied:
        """Whatever generation the cancel named: the order may have been replaced since."""
        del account
        order = self._orders.get(event.cloid)
        if order is None:
            return self._stray("CancelRejected")
        if order.is_live and (
            order.state is OrderState.CANCELING or event.generation == order.generation
        ):
            self._orders.signal(order, Signal.CANCEL_REJECT, event.ts_local_ns)
        return order.strategy, False

    def _modify_rejected(self, event: ModifyRejected, account: Account) -> Applied:
        """A refused modify names the generation it would have made."""
        del account
        order = self._orders.get(event.cloid)
        if order is None or event.generation != order.generation + 1:
            return self._stray("ModifyRejected")
        self._orders.reject_modify(order, event.ts_local_ns)
        return order.strategy, False

    def _replaced(self, event: OrderReplaced, account: Account) -> Applied:
        """News of the new generation may have come first: then only its venue id is still news."""
        del account
        order = self._orders.get(event.cloid)
        if order is None or event.generation not in (order.generation, order.generation + 1):
            return self._stray("OrderReplaced")
        if event.generation > order.generation:
            self._orders.replace(order, event.px_ticks, event.sz_lots, event.ts_local_ns)
        order.oid = event.oid or order.oid
        return order.strategy, False

    def _unclear(self, event: OrderUnclear, account: Account) -> Applied:
        """It names the order's generation, or the one that the modify in flight would make."""
        del account
        order = self._orders.get(event.cloid)
        is_modify = order is not None and order.pending_sz_lots > 0
        if order is None or not 0 <= event.generation - order.generation <= is_modify:
            return self._stray("OrderUnclear")
        self._orders.signal(order, Signal.UNCLEAR, event.ts_local_ns, event.detail)
        return order.strategy, False

    # -- money -------------------------------------------------------------------------------------

    def _filled(self, event: OrderFilled, account: Account) -> Applied:
        if not account.is_new_fill(event.instrument, event.trade_id, event.cloid):
            return self._stray("doubled fill")
        self._alive(event)
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
        account.filled_ns = max(account.filled_ns, event.ts_venue_ns)
        if order is not None:
            self._orders.fill(order, lots, event.generation, event.ts_local_ns)
        notional_e8 = px_ticks * lots * position.money_per_unit
        self._planner.address(account.name).earn(notional_e8)
        self.bookings.append(Booking(event, owner, own_realised_e8, own.lots))
        self._newest.append((event, owner))
        if account.blocked:
            self._agreement.filled(account)
        return (owner, True) if order is not None else NOBODY

    def _funding(self, event: FundingPaid, account: Account) -> Applied:
        """Cash moves by the account's payment.

        Each strategy bears its share by what it held at the settlement, which is what it holds less
        its fills since; the last of them bears what rounding leaves, and `external` what no
        strategy held.
        """
        amount_e8 = event.amount_e8
        account.cash_e8 -= amount_e8
        account.funding_e8 += amount_e8
        if event.instrument not in self._markets:
            return NOBODY
        account.position(event.instrument).funding_e8 += amount_e8
        holders = self._holders_at(event, account)
        left_e8 = amount_e8
        if event.sz_lots:
            for own, lots in holders:
                share_e8 = amount_e8 * lots // event.sz_lots
                own.funding_e8 += share_e8
                left_e8 -= share_e8
        if left_e8:
            is_rounding = holders and sum(lots for _, lots in holders) == event.sz_lots
            last = holders[-1][0] if is_rounding else None
            own = last or account.strategy_position(EXTERNAL, event.instrument)
            own.funding_e8 += left_e8
        return NOBODY

    def _holders_at(self, event: FundingPaid, account: Account) -> list[tuple[Position, int]]:
        """The strategies' positions and the lots each held when funding was settled."""
        since: dict[str, int] = {}
        for fill, owner in self._newest:
            if (
                fill.ts_venue_ns > event.ts_venue_ns
                and fill.account == event.account
                and fill.instrument == event.instrument
            ):
                since[owner] = since.get(owner, 0) + int(fill.side) * fill.sz_lots
        return [
            (own, lots)
            for (owner, instrument), own in account.owned.items()
            if instrument == event.instrument
            and owner != EXTERNAL
            and (lots := own.lots - since.get(owner, 0))
        ]

    def _transfer(self, event: Transfer, account: Account) -> Applied:
        account.cash_e8 += event.amount_e8
        account.transfers_e8 += event.amount_e8
        return NOBODY

    def _opened(self, event: AccountOpened, account: Account) -> Applied:
        if account.is_open:
            # A ledger has one beginning; a later one would wipe out what it booked since.
            return self._stray("AccountOpened")
        account.is_open = True
        account.start_e8 = event.balance_e8
        account.cash_e8 = event.balance_e8
        return NOBODY

    def _leverage(self, event: LeverageSet, account: Account) -> Applied:
        account.leverage[event.instrument] = event.leverage
        account.is_cross[event.instrument] = event.is_cross
        return NOBODY

    def _budget(self, event: BudgetRead, account: Account) -> Applied:
        """The venue's own count replaces ours."""
        self._planner.address(account.name).read(event.used, event.cap)
        return NOBODY

    # -- from before the run -----------------------------------------------------------------------

    def _position_carried(self, event: PositionCarried, account: Account) -> Applied:
        carry_position(event, account, self._owners)
        return NOBODY

    def _order_carried(self, event: OrderCarried, account: Account) -> Applied:
        market = self._markets[event.instrument]
        if not carry_order(event, account, market, self._orders, self._owners):
            return self._stray("OrderCarried")
        return NOBODY
