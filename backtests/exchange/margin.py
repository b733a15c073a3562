"""Cross margin of the simulated exchange, written from protocol 7.1 alone.

Initial margin of an instrument = (|position| at the mark + resting orders that may add, at their
limit price) / leverage, rounded up. Orders on the side that closes the position add only beyond it:
of their notional the share of lots above |position| counts. Free margin = cash + unrealised -
initial margin over all instruments. The tier of the position that could result caps leverage.
Maintenance margin and liquidation are not here.
"""

from __future__ import annotations

from backtests.exchange.ledger import Account, Position
from engine.model.instruments import Instrument
from engine.model.units import ceil_div


def equity_e8(account: Account) -> int:
    """Cash plus what open positions have gained at the mark."""
    total_e8 = account.cash_e8
    for position in account.positions.values():
        if position.lots:
            total_e8 += position.unrealised_e8()
    return total_e8


def initial_e8(position: Position) -> int:
    """Initial margin of one position and the orders that may add to it."""
    needed_e8 = _resting_e8(position)
    if position.lots:
        market = position.market
        needed_e8 += market.value_e8(abs(position.lots), market.mark_ticks2())
    return ceil_div(needed_e8, position.leverage)


def free_e8(account: Account, adding: Position | None = None, added_e8: int = 0) -> int:
    """Equity that no position and no order needs; may be negative.

    With an order more on one instrument, if it closes nothing: its notional asks for margin whole.
    """
    free = account.cash_e8
    for position in account.positions.values():
        lots = position.lots
        if lots:
            market = position.market
            ticks2 = market.mark_ticks2()
            if ticks2:
                free += market.value_e8(lots, ticks2) - position.cost_e8
            needed_e8 = _resting_e8(position) + market.value_e8(abs(lots), ticks2)
        else:
            needed_e8 = position.resting_buy_e8 + position.resting_sell_e8
        if position is adding:
            needed_e8 += added_e8
        if needed_e8:
            free -= ceil_div(needed_e8, position.leverage)
    return free


def has_margin_for(position: Position, side: int, lots: int, notional_e8: int) -> bool:
    """Whether the account can carry one more order; one that adds no margin always passes."""
    if position.lots * side >= 0:
        return free_e8(position.account, position, notional_e8) >= 0
    resting_lots = position.resting_buy_lots if side > 0 else position.resting_sell_lots
    if resting_lots + lots <= abs(position.lots):
        return True
    before_e8 = initial_e8(position)
    position.reserve(side, lots, notional_e8)
    try:
        return initial_e8(position) <= before_e8 or free_e8(position.account) >= 0
    finally:
        position.reserve(side, -lots, -notional_e8)


def tier_leverage_max(instrument: Instrument, notional_e8: int) -> int:
    """The highest leverage a position of this notional may have."""
    return max(
        (tier.lower_bound_e8, tier.leverage_max)
        for tier in instrument.margin_tiers
        if tier.lower_bound_e8 <= notional_e8
    )[1]


def is_within_tier(
    position: Position, instrument: Instrument, side: int, lots: int, px_ticks: int
) -> bool:
    """Whether the leverage in force is allowed for the position that could result.

    That is the position with this order and those that rest on its side filled, valued at the mark,
    else at the order's price. An order that only closes passes.
    """
    resting_lots = position.resting_buy_lots if side > 0 else position.resting_sell_lots
    result_lots = position.lots * side + resting_lots + lots
    if result_lots <= abs(position.lots):
        return True
    market = position.market
    notional_e8 = market.value_e8(result_lots, market.mark_ticks2() or 2 * px_ticks)
    return position.leverage <= tier_leverage_max(instrument, notional_e8)


def _resting_e8(position: Position) -> int:
    lots = position.lots
    buy_e8, sell_e8 = position.resting_buy_e8, position.resting_sell_e8
    if lots > 0 and sell_e8:
        sell_e8 = _beyond_e8(sell_e8, position.resting_sell_lots, lots)
    elif lots < 0 and buy_e8:
        buy_e8 = _beyond_e8(buy_e8, position.resting_buy_lots, -lots)
    return buy_e8 + sell_e8


def _beyond_e8(notional_e8: int, resting_lots: int, held_lots: int) -> int:
    """The share of resting orders that opens a new position, rounded up."""
    opening_lots = resting_lots - held_lots
    return ceil_div(notional_e8 * opening_lots, resting_lots) if opening_lots > 0 else 0
