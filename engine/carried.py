"""What was there before the run began: positions and orders taken into the engine's state.

A live run starts on an account that may already hold positions and have orders in the book: of an
earlier run, whose journal says who owns them, or of somebody else (`external`). They count from the
start. An order whose outcome nobody knows is asked about before anything is concluded of it.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from engine.model.commands import Place
from engine.model.events import OrderCarried, PositionCarried
from engine.model.orders import OrderState, Signal
from engine.state.accounts import EXTERNAL, Account
from engine.state.market import Market
from engine.state.orders import Orders, new_order

_FIRST_SIGNAL: Final = {OrderState.OPEN: Signal.ACCEPT, OrderState.WAITING: Signal.WAIT}


def carry_position(event: PositionCarried, account: Account, owners: Container[str]) -> str:
    """Let the account, and the strategy that built it, hold the position; returns the owner.

    The position of a strategy that is not in this run is held by `external`.
    """
    owner = event.owner if event.owner in owners else EXTERNAL
    net = account.position(event.instrument)
    net.lots += event.lots
    net_cost_e8 = event.cost_e8 if event.net_cost_e8 is None else event.net_cost_e8
    net.cost_e8 += net_cost_e8
    account.carried_e8 += event.cost_e8 - net_cost_e8
    own = account.strategy_position(owner, event.instrument)
    own.lots += event.lots
    own.cost_e8 += event.cost_e8
    return owner


def carry_order(
    event: OrderCarried, account: Account, market: Market, orders: Orders, owners: Container[str]
) -> str:
    """Let the order count for what remains of it; returns the owner, "" when it is known already.

    An order of a strategy that is not in this run is `external`, and no quote of anybody's.
    """
    if orders.get(event.cloid) is not None:
        return ""
    is_owned = event.owner in owners
    owner = event.owner if is_owned else EXTERNAL
    place = Place(
        event.instrument,
        event.cloid,
        event.side,
        event.px_ticks,
        event.sz_lots,
        event.tif,
        event.reduce_only,
        event.trigger,
        event.parent,
    )
    order = new_order(
        place,
        account=account.name,
        strategy=owner,
        exposure=account.exposure(event.instrument),
        scales=market.scales,
        sent_ns=event.ts_local_ns,
        quote=event.quote if is_owned else "",
    )
    order.generation = event.generation
    order.oid = event.oid
    orders.add(order)
    if event.pending_sz_lots:
        orders.send_modify(order, event.pending_px_ticks, event.pending_sz_lots, event.ts_local_ns)
    orders.signal(order, _FIRST_SIGNAL.get(event.state, Signal.UNCLEAR), event.ts_local_ns)
    return owner
