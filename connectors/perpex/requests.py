"""Order requests, checked before anything is sent: what a type needs is there, and nothing else.

An unknown type, or more than ten orders in one request, never leaves the machine.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from connectors.perpex.mapping import names
from connectors.perpex.mapping.wire import BatchRequest, OrderRequest
from engine.errors import ModelError


def order_request(orders: list[msgspec.Raw]) -> tuple[str, bytes]:
    """Path and body that send these orders. Raises ModelError for none or more than 10."""
    if not 1 <= len(orders) <= names.BATCH_MAX:
        raise ModelError(
            f"perpex: {len(orders)} orders in one request, expected 1 to {names.BATCH_MAX}"
        )
    if len(orders) == 1:
        return names.ORDERS, bytes(orders[0])
    return names.ORDERS_BATCH, msgspec.json.encode(BatchRequest(orders=orders))


def check_order(order: OrderRequest) -> msgspec.Raw:
    """An order's exact bytes, if everything its type needs is there.

    Raises ModelError for an unknown type, side or time in force, a decimal that is none, and a
    price or trigger that is missing or has no meaning for the type.
    """
    kinds = set(names.OrderType)
    if order.type not in kinds:
        raise ModelError(f"perpex: order type {order.type!r}, expected one of {sorted(kinds)}")
    if order.side not in names.SIDES:
        raise ModelError(f"perpex: side {order.side!r}, expected one of {sorted(names.SIDES)}")
    if order.time_in_force and order.time_in_force not in names.TIFS:
        raise ModelError(
            f"perpex: time in force {order.time_in_force!r}, expected one of {sorted(names.TIFS)}"
        )
    is_trigger = order.type in names.TRIGGER_TYPES
    if is_trigger is not bool(order.trigger_price):
        raise ModelError(f"perpex: {order.type} with trigger price {order.trigger_price!r}")
    if order.type in names.LIMIT_TYPES and not order.price:
        raise ModelError(f"perpex: {order.type} without a price")
    for text in (order.size, order.price or "1", order.trigger_price or "1"):
        if not _is_positive(text):
            raise ModelError(f"perpex: {text!r} is no positive plain decimal")
    return msgspec.Raw(msgspec.json.encode(order))


def _is_positive(text: str) -> bool:
    is_plain = text.isascii() and text.replace(".", "", 1).isdecimal()
    return is_plain and Decimal(text) > 0
