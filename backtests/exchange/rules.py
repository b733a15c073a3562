"""What the venue refuses before it looks at the book.

Written from protocol 2.1, 2.3, 4 and 7 and from nothing of ours. In order: listing, size, price,
TP/SL form, distance from the reference price, least value, reduce-only, client order id, number of
open orders, margin tier, margin.
"""

from __future__ import annotations

from typing import Final

from backtests.exchange import margin, words
from backtests.exchange.ledger import Position
from backtests.exchange.orders import Order
from engine.model.instruments import Instrument
from engine.model.units import TriggerKind

OPEN_ORDERS_MAX: Final = 1000


def refusal(  # noqa: PLR0911 - one return for each reason
    order: Order, replaced: Order | None = None
) -> str:
    """Why the venue refuses this order, in its words; "" when it does not.

    An order being modified (`replaced`) does not count beside its successor.
    """
    reason = _form(order)
    if reason:
        return reason
    position = order.position
    is_child = bool(order.parent) and replaced is None
    if order.reduce_only and not is_child and not position.reducible_lots(order.side):
        return words.REDUCE_ONLY
    notional_e8 = order.px_ticks * order.left_lots * position.market.money_per_unit
    least_e8 = order.desk.instrument.min_notional_e8
    # A child protects an entry that is not there yet.
    if notional_e8 < least_e8 and not is_child and not _closes_whole(order):
        return words.min_notional(least_e8)
    if replaced is None:
        orders = order.account.orders
        if order.cloid in orders:
            return words.DUPLICATE_CLOID
        if len(orders) >= OPEN_ORDERS_MAX:
            return words.TOO_MANY
    if order.reduce_only:
        return ""
    if replaced is None or replaced.reduce_only:
        return _backing(order, notional_e8)
    lots = replaced.left_lots
    given_back_e8 = lots * replaced.px_ticks * position.market.money_per_unit
    position.reserve(replaced.side, -lots, -given_back_e8)
    try:
        return _backing(order, notional_e8)
    finally:
        position.reserve(replaced.side, lots, given_back_e8)


def _form(order: Order) -> str:  # noqa: PLR0911 - one return for each reason
    """What is wrong with the order by itself, or against the reference price."""
    desk = order.desk
    if desk.instrument.is_delisted:
        return words.DELISTED
    if order.left_lots <= 0:
        return words.INVALID_SIZE if order.left_lots else words.ZERO_SIZE
    px_ticks = order.px_ticks
    if px_ticks <= 0:
        return words.INVALID_PRICE
    market = desk.market
    if not market.prices.is_allowed(px_ticks):
        return words.TICK
    if order.trigger is not None or order.parent:
        reason = _protective_form(order)
        if reason:
            return reason
    mark_ticks2 = market.mark_ticks2()
    if mark_ticks2 and not mark_ticks2 <= 10 * px_ticks <= 9 * mark_ticks2:
        return words.FAR_PRICE
    return ""


def _protective_form(order: Order) -> str:
    """What is wrong with a stop, a take profit or a child by itself."""
    trigger = order.trigger
    if trigger is not None:
        if trigger.px_ticks <= 0:
            return words.INVALID_TRIGGER
        if not order.desk.market.prices.is_allowed(trigger.px_ticks):
            return words.TICK
        is_stop = trigger.kind is TriggerKind.STOP_LOSS
        if is_stop and (order.px_ticks - trigger.px_ticks) * order.side < 0:
            return words.INVALID_TRIGGER
    return "" if order.reduce_only else words.UNPROTECTIVE


def _closes_whole(order: Order) -> bool:
    """Whether the order closes all there is, to which the least value does not apply."""
    reducible_lots = order.position.reducible_lots(order.side)
    if order.reduce_only:
        return order.left_lots >= reducible_lots
    return order.left_lots == reducible_lots


def _backing(order: Order, notional_e8: int) -> str:
    """Whether leverage and margin allow what the order could add."""
    position = order.position
    instrument = order.desk.instrument
    if len(instrument.margin_tiers) > 1 and not margin.is_within_tier(
        position, instrument, order.side, order.left_lots, order.px_ticks
    ):
        return words.TIER
    if not margin.has_margin_for(position, order.side, order.left_lots, notional_e8):
        return words.MARGIN
    return ""


def leverage_refusal(
    position: Position, instrument: Instrument, leverage: int, *, is_cross: bool
) -> str:
    """Why the venue refuses to set this leverage; "" when it does not."""
    market = position.market
    held_e8 = market.value_e8(abs(position.lots), market.mark_ticks2())
    if not 1 <= leverage <= margin.tier_leverage_max(instrument, held_e8):
        return words.INVALID_LEVERAGE
    if is_cross is not position.is_cross and position.lots:
        return words.SWITCH_MODE
    if is_cross and instrument.margin_mode != "cross":
        return words.NO_CROSS
    before = position.leverage
    position.leverage = leverage
    try:
        is_short = leverage < before and margin.free_e8(position.account) < 0
    finally:
        position.leverage = before
    return words.MARGIN if is_short else ""
