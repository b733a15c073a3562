"""Orders as clients send them, onto the instrument's grid (protocol 2.1, 3.4, 4).

What is not of the documented form is malformed, and the whole request with it. What is, but off the
grid, is for the venue to refuse in its words: a size or price that has no place on the grid becomes
one that the exchange refuses for just that.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from backtests.exchange import words
from backtests.exchange.prices import PriceRule
from connectors.simulated.core import VenueCore
from connectors.simulated.orders import NewOrder
from engine.model.commands import Trigger
from engine.model.instruments import Instrument
from engine.model.units import Side, Tif, TriggerKind

Number = Annotated[str, Meta(pattern=r"^[0-9]{1,20}(\.[0-9]{1,20})?$")]
Cloid = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{32}$")]
AssetId = Annotated[int, Meta(ge=0)]
MARKET_TIF: Final = "FrontendMarket"


class LimitWire(msgspec.Struct, frozen=True):
    """A limit order's time in force."""

    tif: Literal["Gtc", "Ioc", "Alo", "FrontendMarket"]


class TriggerWire(msgspec.Struct, frozen=True):
    """A stop's or take profit's condition."""

    isMarket: bool  # noqa: N815 - the wire's name
    triggerPx: Number  # noqa: N815 - the wire's name
    tpsl: Literal["tp", "sl"]


class TypeWire(msgspec.Struct, frozen=True):
    """One of the two."""

    limit: LimitWire | None = None
    trigger: TriggerWire | None = None

    def __post_init__(self) -> None:
        if (self.limit is None) == (self.trigger is None):
            raise ValueError("an order is a limit or a trigger")


class OrderWire(msgspec.Struct, frozen=True):
    """One order: asset, buy or sell, price, size, reduce-only, type, client id."""

    a: AssetId
    b: bool
    p: Number
    s: Number
    r: bool
    t: TypeWire
    c: Cloid | None = None


class BuilderWire(msgspec.Struct, frozen=True):
    """Who routed the order, and its fee in tenths of a basis point."""

    b: str
    f: int


class PriorityWire(msgspec.Struct, frozen=True):
    """A priority fee as grouping."""

    p: int


class OrderAction(msgspec.Struct, frozen=True):
    """An order action."""

    orders: list[OrderWire]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | PriorityWire = "na"
    builder: BuilderWire | None = None


class ModifyWire(msgspec.Struct, frozen=True):
    """One modify: which order, and what it shall be."""

    oid: int | Cloid
    order: OrderWire


class Understood(msgspec.Struct, frozen=True):
    """An order on its grid, or why it has none; `asset` is echoed in refusals."""

    asset: int
    order: NewOrder | None
    error: str = ""
    is_prevalidated: bool = False
    """The refusal follows from the payload alone, and is for the whole batch."""


def instrument_of(core: VenueCore, asset: int) -> Instrument | None:
    """The instrument of an asset id, None when nothing is listed there."""
    return core.universe[asset] if 0 <= asset < len(core.universe) else None


def understand(core: VenueCore, wire: OrderWire, *, is_position_tpsl: bool = False) -> Understood:
    """Put one order on its instrument's grid."""
    instrument = instrument_of(core, wire.a)
    if instrument is None:
        return Understood(wire.a, None, "Order has invalid asset.", is_prevalidated=True)
    lots = on_grid(wire.s, instrument.sz_decimals)
    px_ticks = on_grid(wire.p, instrument.px_decimals)
    if lots is None:
        return Understood(wire.a, None, words.INVALID_SIZE, is_prevalidated=True)
    if px_ticks is None:
        return Understood(wire.a, None, words.TICK, is_prevalidated=True)
    trigger, tif = None, Tif.GTC
    if wire.t.trigger is not None:
        trigger_ticks = on_grid(wire.t.trigger.triggerPx, instrument.px_decimals)
        if trigger_ticks is None:
            return Understood(wire.a, None, words.TICK, is_prevalidated=True)
        kind = TriggerKind(wire.t.trigger.tpsl)
        trigger = Trigger(trigger_ticks, kind, wire.t.trigger.isMarket)
    is_market = wire.t.limit is not None and wire.t.limit.tif == MARKET_TIF
    if wire.t.limit is not None:
        tif = Tif.IOC if is_market else Tif(wire.t.limit.tif)
    order = NewOrder(
        instrument=instrument,
        side=Side.BUY if wire.b else Side.SELL,
        px_ticks=px_ticks,
        sz_lots=lots,
        tif=tif,
        reduce_only=wire.r,
        cloid=None if wire.c is None else wire.c.lower(),
        trigger=trigger,
        is_market=is_market,
        is_position_tpsl=is_position_tpsl,
    )
    reason = _prevalidated(core, order)
    return Understood(wire.a, order, reason, is_prevalidated=bool(reason))


def on_grid(text: str, decimals: int) -> int | None:
    """A decimal as an integer of 10^-decimals; None when it has more decimals than that."""
    try:
        scaled = Decimal(text).scaleb(decimals)
    except InvalidOperation:
        return None
    whole = int(scaled)
    return whole if whole == scaled else None


def _prevalidated(core: VenueCore, order: NewOrder) -> str:
    """What the payload alone forbids: the tick, and a price too far from the reference price."""
    rule = PriceRule(order.instrument)
    if order.px_ticks > 0 and not rule.is_allowed(order.px_ticks):
        return words.TICK
    mark2 = core.exchange.mark_ticks2(order.instrument.id)
    if mark2 and order.px_ticks > 0 and not mark2 <= 10 * order.px_ticks <= 9 * mark2:
        return words.FAR_PRICE
    return ""


def is_unprotective(wire: OrderWire) -> bool:
    """Whether a stop or take profit could open a position, which is refused at once."""
    return wire.t.trigger is not None and not wire.r
