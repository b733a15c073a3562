"""What a strategy is: handlers in, intents out, a read-only view between them.

A strategy subclasses `Strategy`, declares its parameters as a `Params` struct and what wakes it in
`subscriptions()`, and overrides the handlers it needs. A handler returns None or a list of intents
and must be deterministic: the time is `self.view.now_ns`, there is no clock, randomness or I/O. Own
orders and fills always arrive where `on_order` or `on_fill` is overridden. The same class runs
live and in a backtest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import msgspec

from engine.errors import StrategyError
from engine.model.events import Bar, BookTop, FundingRate, OrderEvent, OrderFilled, Quote, Trade
from engine.model.intents import (
    AnyIntent,
    Cancel,
    CancelAll,
    CancelQuote,
    ClosePosition,
    Modify,
    PlaceBracket,
    PlaceLimit,
    PlaceMarket,
    PlaceTrigger,
    SetLeverage,
    TargetPosition,
    WakeAt,
)
from engine.model.units import Side, Tif, TriggerKind
from strategies.subscriptions import (
    Bars,
    Books,
    Funding,
    Quotes,
    Subscription,
    Timer,
    Trades,
    Warmup,
    span_ns,
)
from strategies.views import AccountView, BookView, OrderView, PositionView, View

__all__ = [
    "AccountView",
    "Bars",
    "BookView",
    "Books",
    "Funding",
    "Intents",
    "OrderView",
    "Params",
    "PositionView",
    "Quotes",
    "Strategy",
    "Subscription",
    "Timer",
    "Trades",
    "View",
    "Warmup",
    "make_params",
    "overrides",
    "span_ns",
]

Intents = list[AnyIntent] | None


# -- the strategy
# ------------------------------------------------------------------------------------------


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of a strategy's parameters: typed fields with defaults, no unknown keys."""


_BaseParams = Params


class Strategy:
    """The base of every strategy. `on_start` is the place to set up state, not `__init__`."""

    Params: ClassVar[type[_BaseParams]] = _BaseParams

    params: _BaseParams
    name: str
    instruments: tuple[str, ...]
    view: View
    _next_cloid: Callable[[], str]

    def __init__(self, params: _BaseParams) -> None:
        self.params = params

    def bind(
        self, *, name: str, instruments: tuple[str, ...], view: View, next_cloid: Callable[[], str]
    ) -> None:
        """Give the strategy its place in an engine: called once, before any handler."""
        self.name = name
        self.instruments = instruments
        self.view = view
        self._next_cloid = next_cloid

    # what it wants

    def subscriptions(self) -> Sequence[Subscription]:
        """What wakes this strategy, on each of its instruments."""
        return ()

    def warmup(self) -> Warmup:
        """What must have been seen before `on_start`."""
        return Warmup()

    # handlers

    def on_start(self) -> Intents:
        """Warm-up is done: set up state; orders may leave from now on."""

    def on_book(self, top: BookTop) -> Intents:
        """The order book changed; deeper levels are in `self.view.book`."""

    def on_quote(self, quote: Quote) -> Intents:
        """The best bid or ask changed."""

    def on_trade(self, trade: Trade) -> Intents:
        """Someone traded."""

    def on_bar(self, bar: Bar) -> Intents:
        """A bar closed."""

    def on_funding(self, funding: FundingRate) -> Intents:
        """Funding was settled."""

    def on_timer(self, name: str) -> Intents:
        """A timer of this strategy came due."""

    def on_order(self, event: OrderEvent) -> Intents:
        """One of this strategy's orders changed (other than by a fill)."""

    def on_fill(self, fill: OrderFilled) -> Intents:
        """One of this strategy's orders was filled, in whole or in part."""

    def on_stop(self) -> Intents:
        """The run ends; what is returned may only cancel and reduce."""

    # intents

    def limit(
        self,
        instrument: str,
        side: Side,
        px: float,
        sz: float,
        *,
        tif: Tif = Tif.GTC,
        reduce_only: bool = False,
    ) -> PlaceLimit:
        """A limit order; keep the returned intent's `cloid` to cancel or modify it."""
        return PlaceLimit(instrument, self._next_cloid(), side, px, sz, tif, reduce_only)

    def quote(
        self, instrument: str, quote: str, side: Side, px: float, sz: float, *, tif: Tif = Tif.ALO
    ) -> PlaceLimit:
        """A wish for one named quote: placed, moved, or left alone if it already is there."""
        return PlaceLimit(instrument, self._next_cloid(), side, px, sz, tif, quote=quote)

    def cancel_quote(self, instrument: str, quote: str) -> CancelQuote:
        """Take a named quote away."""
        return CancelQuote(instrument, quote)

    def market(
        self,
        instrument: str,
        side: Side,
        sz: float,
        *,
        reduce_only: bool = False,
        slippage: float = 0.01,
    ) -> PlaceMarket:
        """Take now, at worst `slippage` (a fraction) away from the opposite best price."""
        return PlaceMarket(instrument, self._next_cloid(), side, sz, reduce_only, slippage)

    def stop_loss(
        self,
        instrument: str,
        side: Side,
        sz: float,
        trigger_px: float,
        *,
        limit_px: float | None = None,
    ) -> PlaceTrigger:
        """A reduce-only stop that fires when the mark reaches `trigger_px`; `side` is its own."""
        kind = TriggerKind.STOP_LOSS
        return PlaceTrigger(
            instrument, self._next_cloid(), side, sz, trigger_px, kind, limit_px=limit_px
        )

    def take_profit(
        self,
        instrument: str,
        side: Side,
        sz: float,
        trigger_px: float,
        *,
        limit_px: float | None = None,
    ) -> PlaceTrigger:
        """A reduce-only take-profit that fires when the mark price reaches `trigger_px`."""
        kind = TriggerKind.TAKE_PROFIT
        return PlaceTrigger(
            instrument, self._next_cloid(), side, sz, trigger_px, kind, limit_px=limit_px
        )

    def bracket(
        self,
        entry: PlaceLimit | PlaceMarket,
        *,
        stop_px: float | None = None,
        take_profit_px: float | None = None,
    ) -> PlaceBracket:
        """An entry with its protection; the children live with it, and one cancels the other."""
        exit_side = Side(-entry.side)
        where = entry.instrument
        stop = None if stop_px is None else self.stop_loss(where, exit_side, entry.sz, stop_px)
        take = (
            None
            if take_profit_px is None
            else self.take_profit(where, exit_side, entry.sz, take_profit_px)
        )
        return PlaceBracket(where, entry, stop, take)

    def cancel(self, instrument: str, cloid: str) -> Cancel:
        """Cancel one order."""
        return Cancel(instrument, cloid)

    def modify(self, instrument: str, cloid: str, px: float, sz: float) -> Modify:
        """Move a resting order; `sz` is the size that shall remain."""
        return Modify(instrument, cloid, px, sz)

    def cancel_all(self, instrument: str) -> CancelAll:
        """Cancel every order of this strategy on the instrument."""
        return CancelAll(instrument)

    def target(self, instrument: str, sz: float, *, slippage: float = 0.01) -> TargetPosition:
        """Bring this strategy's position to `sz` (signed)."""
        return TargetPosition(instrument, self._next_cloid(), sz, slippage)

    def close(self, instrument: str, *, slippage: float = 0.05) -> ClosePosition:
        """Close this strategy's position."""
        return ClosePosition(instrument, self._next_cloid(), slippage)

    def set_leverage(self, instrument: str, leverage: int, *, is_cross: bool = True) -> SetLeverage:
        """Set the account's leverage on the instrument."""
        return SetLeverage(instrument, leverage, is_cross)

    def wake_at(self, name: str, at_ns: int) -> WakeAt:
        """Ask for `on_timer(name)` at `at_ns`."""
        return WakeAt("", name, at_ns)


def overrides(strategy: Strategy, handler: str) -> bool:
    """Whether the strategy's class overrides a handler, so that no other need be called."""
    return getattr(type(strategy), handler) is not getattr(Strategy, handler)


def make_params(cls: type[Strategy], values: Mapping[str, object]) -> Params:
    """A strategy's parameters from plain values.

    Raises StrategyError naming the parameter and what was expected.
    """
    try:
        return msgspec.convert(dict(values), cls.Params, strict=True)
    except msgspec.ValidationError as error:
        raise StrategyError(f"{cls.__name__}: {error}") from error
