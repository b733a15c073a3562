"""From a strategy's floats to an order on the instrument's grid, before anything is judged.

A market order is an IOC limited to its slippage beyond the price a taker would meet; a trigger that
becomes a market order likewise, beyond its trigger price. What cannot be put on the grid comes out
as 0 ticks or 0 lots, and the gate refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.model.commands import Place, Trigger
from engine.model.intents import (
    AnyIntent,
    ClosePosition,
    Modify,
    PlaceBracket,
    PlaceLimit,
    PlaceMarket,
    PlaceTrigger,
    TargetPosition,
)
from engine.model.units import Side, Tif, TriggerKind, ceil_div
from engine.state.market import Market

_NUMBER_MAX: Final = 1e15
_IOC: Final = Tif.IOC
_NUMBERS: Final[dict[type, tuple[str, ...]]] = {
    PlaceLimit: ("px", "sz"),
    PlaceMarket: ("sz", "slippage"),
    PlaceTrigger: ("sz", "trigger_px", "limit_px", "slippage"),
    Modify: ("px", "sz"),
    TargetPosition: ("sz", "slippage"),
    ClosePosition: ("slippage",),
}
# Limits are not among them: putting one on the grid tells what is no number without a look more.
NUMBERED: Final = frozenset({*_NUMBERS, PlaceBracket} - {PlaceLimit})


def no_number(intent: AnyIntent) -> str:
    """The first field that is nan, infinite or 1e15 and more, as `px=nan`; "" when none is."""
    if type(intent) is PlaceBracket:
        parts = (intent.entry, intent.stop_loss, intent.take_profit)
        return next((bad for part in parts if part is not None and (bad := no_number(part))), "")
    for name in _NUMBERS.get(type(intent), ()):
        value = getattr(intent, name)
        if value is not None and not -_NUMBER_MAX < value < _NUMBER_MAX:
            return f"{name}={str(value)[:20]}"
    return ""


def limit_place(intent: PlaceLimit, market: Market) -> Place:
    """A limit order on the grid: passive, unless it may only take."""
    grid, side, tif = market.grid, intent.side, intent.tif
    return Place(
        intent.instrument,
        intent.cloid,
        side,
        grid.quantise_px(intent.px, side, is_aggressive=tif is _IOC),
        grid.quantise_sz(intent.sz),
        tif,
        intent.reduce_only,
    )


def taker_place(
    market: Market, cloid: str, side: Side, sz_lots: int, slippage: float, oldest_ns: int
) -> Place:
    """An IOC at most `slippage` beyond the price a taker would meet now.

    A best older than `oldest_ns` gives way to whatever price is newer, so that an order is never
    priced from a book that stopped while the mark went on.
    """
    px = market.take_px(side, oldest_ns) * (1 + side * slippage)
    px_ticks = market.grid.quantise_px(px, side, is_aggressive=True)
    return Place(market.instrument.id, cloid, side, px_ticks, sz_lots, Tif.IOC)


def trigger_place(intent: PlaceTrigger, market: Market, parent: str = "") -> Place:
    """A trigger order on the grid.

    A stop fires on the way through, so it goes where it fires no later than asked; a take profit
    likewise, on its own side.
    """
    grid = market.grid
    side = intent.side
    is_stop = intent.kind is TriggerKind.STOP_LOSS
    trigger_ticks = grid.quantise_px(intent.trigger_px, side, is_aggressive=not is_stop)
    is_market = intent.limit_px is None
    limit_px = (
        grid.px(trigger_ticks) * (1 + side * intent.slippage)
        if intent.limit_px is None
        else intent.limit_px
    )
    return Place(
        intent.instrument,
        intent.cloid,
        side,
        grid.quantise_px(limit_px, side, is_aggressive=is_market),
        grid.quantise_sz(intent.sz),
        Tif.IOC if is_market else Tif.GTC,
        intent.reduce_only,
        Trigger(trigger_ticks, intent.kind, is_market),
        parent,
    )


def off_grid(place: Place) -> str:
    """What of the order cannot be on the grid: "size", "price", "trigger", or "" when all is."""
    if place.sz_lots <= 0:
        return "size"
    if place.px_ticks <= 0:
        return "price"
    return "trigger" if place.trigger is not None and place.trigger.px_ticks <= 0 else ""


def ill_formed(
    entry: PlaceLimit | PlaceMarket, children: Sequence[PlaceTrigger], instrument: str
) -> tuple[str, str] | None:
    """What is wrong with a bracket by itself, as (limit, measured); None when nothing is."""
    for child in children:
        if child.side == entry.side or not child.reduce_only:
            return "reduce-only children on the other side", child.cloid
    for part in (entry, *children):
        if part.instrument != instrument:
            return f"all of it on {instrument}", part.instrument
    return None


def reducing(place: Place) -> Place:
    """The same order, reduce-only."""
    return msgspec.structs.replace(place, reduce_only=True)


def resized(place: Place, sz_lots: int) -> Place:
    """The same order of another size."""
    if sz_lots == place.sz_lots:
        return place
    return msgspec.structs.replace(place, sz_lots=sz_lots)


def reducing_lots(sz_lots: int, px_ticks: int, most_lots: int, market: Market) -> int:
    """The size of a reducing order as the venue takes it: its least value, or all there is.

    The venue refuses a partial close under its minimum (protocol 4), and a reduce is never refused
    here, so it grows to the least size that passes, or to `most_lots`.
    """
    least_e8 = market.instrument.min_notional_e8
    unit_e8 = px_ticks * market.money_per_unit
    if sz_lots < most_lots and sz_lots * unit_e8 < least_e8:
        return min(most_lots, ceil_div(least_e8, unit_e8))
    return sz_lots
