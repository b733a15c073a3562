"""Which orders a reduce-only order would leave without a position to close.

An order that is not reduce-only passes as a reduce while the position can take it up. A reduce-only
order that is approved later may be filled first; then the other one opens a position. That is new
risk: while any is barred (`AddChecks.bar`), the orders go before the reduce-only one is sent. A
stop loss never goes: what it protects may be there for as long as the reduce-only order is not
filled.

An order whose cancel is on its way counts as leaving. One whose cancel was refused or has an
unclear outcome may stay: it is canceled again, but while nobody knows whether it lives only every
few seconds, since each cancel costs budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.model.orders import OrderState
from engine.model.units import NS_PER_S, TriggerKind
from engine.state.orders import Order, Orders
from risk.asking import Asking
from risk.checks import AddChecks

AGAIN_NS: Final = 5 * NS_PER_S


def left_over(
    orders: Orders, checks: AddChecks, asking: Asking, reduce: tuple[int, int, int], halted: str
) -> Iterator[Order]:
    """The orders to take away, newest first, before `reduce` (side, price, lots) is sent.

    None while the position is enough for all of them, or while new risk of that size is allowed.
    """
    side, px_ticks, sz_lots = reduce
    proposal = asking.proposal
    exposure = proposal.exposure
    plain_lots = exposure.plain_lots(side)
    left_lots = max(0, -side * proposal.position.lots - exposure.reducing_lots(side))
    taken_lots = min(sz_lots, left_lots)
    excess_lots = plain_lots - (left_lots - taken_lots)
    if not plain_lots or not taken_lots or excess_lots <= 0:
        return
    proposal.ask(side, px_ticks, taken_lots, None, asking.now_ns, halted)
    if not checks.bar(proposal):
        return
    resting = [
        order
        for order in orders.all_live()
        if order.exposure is exposure and order.side == side and not order.reduce_only
    ]
    excess_lots -= sum(order.counted_lots for order in resting if order.cancels_out)
    for order in reversed(resting):
        if order.trigger_kind is TriggerKind.STOP_LOSS or order.cancels_out:
            continue
        since_ns = asking.now_ns - order.room_ns
        if excess_lots > 0 and (order.state is not OrderState.UNKNOWN or since_ns >= AGAIN_NS):
            excess_lots -= order.counted_lots
            yield order
