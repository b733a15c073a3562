"""Which orders a reduce-only order would leave without a position to close.

An order that is not reduce-only passes as a reduce while the position can take it up. A reduce-only
order that is approved later may be filled first; then the other one opens a position. That is new
risk: while any is barred (`AddChecks.bar`), the orders go before the reduce-only one is sent. A
stop loss never goes: what it protects may be there for as long as the reduce-only order is not
filled.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.units import TriggerKind
from engine.state.orders import Order, Orders
from risk.asking import Asking
from risk.checks import AddChecks


def left_over(
    orders: Orders, checks: AddChecks, asking: Asking, reduce: tuple[int, int, int], halted: str
) -> Iterator[Order]:
    """The orders to take away, newest first, before `reduce` (side, price, lots) is sent.

    None while the position is enough for all of them, or while new risk of that size is allowed.
    An order whose cancel was sent already is not named again before it is known to live all the
    same: each cancel costs budget, and one that is unclear is asked about.
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
    excess_lots -= sum(order.counted_lots for order in resting if order.is_cancel_out)
    for order in reversed(resting):
        if order.trigger_kind is TriggerKind.STOP_LOSS:
            continue
        if excess_lots > 0 and not order.is_cancel_out:
            excess_lots -= order.counted_lots
            yield order
