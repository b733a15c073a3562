"""An account as the venue printed it, in integers: pure, and exact to what was printed.

Cash is the account value less unrealised profit. The cost of a position is taken from its value and
unrealised profit, because the printed entry price is rounded (protocol 1.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from connectors.hyperliquid.common import Common
from connectors.hyperliquid.info.account import ClearinghouseState, CrossLeverage, Position
from connectors.hyperliquid.info.orders import FrontendOrder
from connectors.hyperliquid.numbers import nearest, scaled
from connectors.hyperliquid.orders_book import Leg
from connectors.hyperliquid.reports import foreign_cloid
from connectors.port import AccountState, HeldPosition, OpenOrder
from engine.errors import VenueError
from engine.model.events import AccountRead
from engine.model.orders import OrderState
from engine.model.units import MONEY_DECIMALS, NS_PER_MS, Side, Tif

_TIFS: Final = {tif.value: tif for tif in Tif}
_NO_TRIGGER: Final = "N/A"


def time_ms(state: ClearinghouseState, now_ms: int) -> int:
    """When the state was true; answers without a stamp are taken as of now."""
    return state.time_ms if isinstance(state.time_ms, int) else now_ms


def cash_e8(state: ClearinghouseState) -> int:
    """Account value less unrealised profit."""
    unrealised = sum(_e8(item.position.unrealized_pnl) for item in state.asset_positions)
    return _e8(state.margin_summary.account_value) - unrealised


def held(common: Common, state: ClearinghouseState) -> Iterator[HeldPosition]:
    """Every open position. Raises VenueError for one that is off its instrument's grid."""
    for item in state.asset_positions:
        position = item.position
        instrument = common.instrument(position.coin)
        lots = scaled(position.szi, instrument.sz_decimals, "szi")
        if lots:
            yield HeldPosition(instrument.id, lots, _cost_e8(position, lots))


def leverages(common: Common, state: ClearinghouseState) -> dict[str, tuple[int, bool]]:
    """Leverage and whether it is cross, of the instruments with a position."""
    found: dict[str, tuple[int, bool]] = {}
    for item in state.asset_positions:
        leverage = item.position.leverage
        is_cross = isinstance(leverage, CrossLeverage)
        found[common.instrument(item.position.coin).id] = leverage.value, is_cross
    return found


def account_read(
    common: Common, account: str, state: ClearinghouseState, *, is_caught_up: bool
) -> AccountRead:
    """The state as an event for the engine to compare with."""
    return AccountRead(
        time_ms(state, common.time.now_ms()) * NS_PER_MS,
        common.clock.now_ns(),
        account,
        _e8(state.margin_summary.account_value),
        cash_e8(state),
        tuple((one.instrument, one.lots) for one in held(common, state)),
        is_caught_up,
    )


def account_state(
    common: Common,
    account: str,
    state: ClearinghouseState,
    orders: Iterable[OpenOrder],
    leverage: dict[str, tuple[int, bool]],
    warnings: Iterable[str],
) -> AccountState:
    """The state as the driver begins with it."""
    return AccountState(
        account=account,
        ts_venue_ns=time_ms(state, common.time.now_ms()) * NS_PER_MS,
        equity_e8=_e8(state.margin_summary.account_value),
        cash_e8=cash_e8(state),
        positions=tuple(held(common, state)),
        orders=tuple(orders),
        leverage=leverage | leverages(common, state),
        warnings=tuple(warnings),
    )


def with_children(orders: Iterable[FrontendOrder]) -> list[FrontendOrder]:
    """Open orders with the children that wait inside them, each once."""
    found: dict[int, FrontendOrder] = {}
    for order in orders:
        found[order.oid] = order
        for child in order.children:
            found.setdefault(child.oid, child)
    return [*found.values()]


def open_order(common: Common, order: FrontendOrder, leg: Leg | None) -> OpenOrder:
    """An open order; one that is not ours goes by its oid. Raises VenueError off the grid."""
    instrument = common.instrument(order.coin)
    is_waiting = order.is_trigger and order.trigger_condition != _NO_TRIGGER
    return OpenOrder(
        instrument=instrument.id,
        cloid=foreign_cloid(order.oid) if leg is None else leg.order.cloid,
        oid=order.oid,
        side=Side.BUY if order.side == "B" else Side.SELL,
        px_ticks=scaled(order.limit_px, instrument.px_decimals, "limitPx"),
        sz_lots=scaled(order.sz, instrument.sz_decimals, "sz"),
        tif=_TIFS.get(order.tif or "", Tif.GTC),
        reduce_only=order.reduce_only,
        state=OrderState.WAITING if is_waiting else OrderState.OPEN,
        is_trigger=order.is_trigger,
    )


def _cost_e8(position: Position, lots: int) -> int:
    value_e8 = _e8(position.position_value)
    if value_e8 < 0:
        raise VenueError(f"position value {position.position_value} of {position.coin}")
    return (value_e8 if lots > 0 else -value_e8) - _e8(position.unrealized_pnl)


def _e8(text: str) -> int:
    return nearest(text, MONEY_DECIMALS, "amount")
