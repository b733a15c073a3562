"""Reports to the accounts, in the order of happening, with the time each reaches us.

All reports of one instant at the venue share one time: the latency model is asked once for it, and
only when there is something to say.
"""

from __future__ import annotations

from collections.abc import Callable

from backtests.exchange.orders import Order
from engine.model.commands import CancelOrder, ModifyOrder
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountEvent,
    CancelRejected,
    FundingPaid,
    LeverageSet,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    Transfer,
)

_UNASKED = -1


class Outbox:
    """Collects the reports of one exchange."""

    __slots__ = ("_local_ns", "_report_ns", "reports", "ts_ns")

    def __init__(self, report_ns: Callable[[int], int]) -> None:
        self._report_ns = report_ns
        self._local_ns = _UNASKED
        self.ts_ns = 0
        self.reports: list[AccountEvent] = []

    def at(self, ts_ns: int) -> None:
        """What follows happens at this venue time."""
        if ts_ns != self.ts_ns:
            self.ts_ns = ts_ns
            self._local_ns = _UNASKED

    def local_ns(self) -> int:
        """When a report made now reaches us."""
        if self._local_ns == _UNASKED:
            self._local_ns = self._report_ns(self.ts_ns)
        return self._local_ns

    def accepted(self, order: Order) -> None:
        """The exchange holds the order."""
        local_ns = self._local_ns
        self.reports.append(
            OrderAccepted(
                self.ts_ns,
                self.local_ns() if local_ns == _UNASKED else local_ns,
                order.account.name,
                order.desk.id,
                order.cloid,
                order.generation,
                order.oid,
            )
        )

    def gone(self, ask: AskOrder, reason: str) -> None:
        """The exchange holds no such order."""
        self.reports.append(
            OrderCanceled(
                self.ts_ns,
                self.local_ns(),
                ask.account,
                ask.instrument,
                ask.cloid,
                ask.generation,
                0,
                reason,
            )
        )

    def rejected(self, order: Order, reason: str) -> None:
        """The exchange refused the order."""
        self.reports.append(
            OrderRejected(
                self.ts_ns,
                self.local_ns(),
                order.account.name,
                order.desk.id,
                order.cloid,
                order.generation,
                reason,
            )
        )

    def canceled(self, order: Order, reason: str) -> None:
        """The order left without being filled, or not in full."""
        local_ns = self._local_ns
        self.reports.append(
            OrderCanceled(
                self.ts_ns,
                self.local_ns() if local_ns == _UNASKED else local_ns,
                order.account.name,
                order.desk.id,
                order.cloid,
                order.generation,
                order.oid,
                reason,
            )
        )

    def triggered(self, order: Order) -> None:
        """The mark reached the trigger."""
        self.reports.append(
            OrderTriggered(
                self.ts_ns,
                self.local_ns(),
                order.account.name,
                order.desk.id,
                order.cloid,
                order.generation,
                order.oid,
            )
        )

    def replaced(self, order: Order) -> None:
        """The order is a new generation."""
        self.reports.append(
            OrderReplaced(
                self.ts_ns,
                self.local_ns(),
                order.account.name,
                order.desk.id,
                order.cloid,
                order.generation,
                order.oid,
                order.px_ticks,
                order.left_lots,
            )
        )

    def filled(
        self, order: Order, trade_id: int, px_ticks: int, lots: int, fee_e8: int, *, is_maker: bool
    ) -> None:
        """The order was filled, in whole or in part."""
        market = order.desk.market
        self.reports.append(
            OrderFilled(
                self.ts_ns,
                self.local_ns(),
                order.account.name,
                order.desk.id,
                order.cloid,
                order.generation,
                order.oid,
                trade_id,
                order.side,
                px_ticks,
                lots,
                px_ticks / market.px_scale,
                lots / market.sz_scale,
                fee_e8,
                is_maker,
            )
        )

    def cancel_rejected(self, account: str, command: CancelOrder, reason: str) -> None:
        """A cancel met no live order."""
        self.reports.append(
            CancelRejected(
                self.ts_ns,
                self.local_ns(),
                account,
                command.instrument,
                command.cloid,
                command.generation,
                reason,
            )
        )

    def modify_rejected(self, account: str, command: ModifyOrder, reason: str) -> None:
        """A modify was refused."""
        self.reports.append(
            ModifyRejected(
                self.ts_ns,
                self.local_ns(),
                account,
                command.instrument,
                command.cloid,
                command.generation,
                reason,
            )
        )

    def funding(
        self, account: str, instrument: str, amount_e8: int, lots: int, rate: float
    ) -> None:
        """Funding was paid (negative: received)."""
        self.reports.append(
            FundingPaid(self.ts_ns, self.local_ns(), account, instrument, amount_e8, lots, rate)
        )

    def transfer(self, account: str, amount_e8: int, kind: str) -> None:
        """Money came in (negative: went out)."""
        self.reports.append(Transfer(self.ts_ns, self.local_ns(), account, amount_e8, kind))

    def leverage(self, account: str, instrument: str, leverage: int, *, is_cross: bool) -> None:
        """The leverage in force."""
        self.reports.append(
            LeverageSet(self.ts_ns, self.local_ns(), account, instrument, leverage, is_cross)
        )
