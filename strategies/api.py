"""What a strategy is: handlers in, intents out, a read-only view between them.

A strategy subclasses `Strategy`, declares its parameters as a `Params` struct and what wakes it in `subscriptions()`, and
overrides the handlers it needs. A handler returns None or a list of intents and must be deterministic: the time is
`self.view.now_ns`, there is no clock, randomness or I/O. Own orders and fills always arrive where `on_order` or `on_fill` is
overridden. The same class runs live, on paper and in a backtest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from engine.errors import StrategyError
from engine.model.events import (
    AssetContext,
    Bar,
    BookTop,
    FundingRate,
    OrderEvent,
    OrderFilled,
    Quote,
    Trade,
)
from engine.model.instruments import Instrument
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
from engine.model.orders import OrderState
from engine.model.units import NS_PER_S, Side, Tif, TriggerKind

Intents = list[AnyIntent] | None

_SPANS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span_ns(text: str) -> int:
    """A span such as "1s", "5m", "4h" or "1d" in nanoseconds. Raises StrategyError when it is not one."""
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or int(number) == 0 or unit not in _SPANS_S:
        raise StrategyError(
            f"span {text!r}: expected a whole number and s, m, h or d, such as '1m'"
        )
    return int(number) * _SPANS_S[unit] * NS_PER_S


# -- what wakes a strategy -----------------------------------------------------------------------------


class Books(msgspec.Struct, frozen=True):
    """Wake at every order-book update: `on_book`."""


class Quotes(msgspec.Struct, frozen=True):
    """Wake at every change of the best bid or ask: `on_quote`."""


class Trades(msgspec.Struct, frozen=True):
    """Wake at every public trade: `on_trade`."""


class Bars(msgspec.Struct, frozen=True):
    """Wake at every closed bar: `on_bar`. Taken from the venue where it has them, else built from trades.

    `history` bars are kept for `view.bars`.
    """

    interval: str
    history: int = 0

    @property
    def interval_ns(self) -> int:
        """The interval in nanoseconds."""
        return span_ns(self.interval)


class Funding(msgspec.Struct, frozen=True):
    """Wake at every funding settlement: `on_funding`."""


class Timer(msgspec.Struct, frozen=True):
    """Wake every `every` of engine time, on its whole multiples: `on_timer(name)`."""

    name: str
    every: str

    @property
    def every_ns(self) -> int:
        """The period in nanoseconds."""
        return span_ns(self.every)


Subscription = Books | Quotes | Trades | Bars | Funding | Timer


class Warmup(msgspec.Struct, frozen=True):
    """What must have been seen before `on_start`: so many bars of every subscribed interval, or so much time.

    No handler runs and no order leaves before.
    """

    bars: int = 0
    span: str = ""

    @property
    def span_ns(self) -> int:
        """The span in nanoseconds; 0 when none is asked."""
        return span_ns(self.span) if self.span else 0


# -- what a strategy may read ---------------------------------------------------------------------------


class PositionView(Protocol):
    """A position: signed size, average entry price (0 when flat), money in the collateral token."""

    @property
    def sz(self) -> float: ...  # noqa: D102 - named by the class
    @property
    def entry_px(self) -> float: ...  # noqa: D102
    @property
    def realised(self) -> float: ...  # noqa: D102
    @property
    def fees(self) -> float: ...  # noqa: D102
    @property
    def funding(self) -> float: ...  # noqa: D102


class OrderView(Protocol):
    """An order of this strategy as the engine knows it."""

    @property
    def cloid(self) -> str: ...  # noqa: D102
    @property
    def side(self) -> Side: ...  # noqa: D102
    @property
    def state(self) -> OrderState: ...  # noqa: D102
    @property
    def px(self) -> float: ...  # noqa: D102
    @property
    def sz(self) -> float: ...  # noqa: D102
    @property
    def filled_sz(self) -> float: ...  # noqa: D102
    @property
    def quote(self) -> str: ...  # noqa: D102
    @property
    def is_live(self) -> bool: ...  # noqa: D102


class BookView(Protocol):
    """A whole book, best levels first, as (price, size) pairs."""

    def bids(self, depth: int = 20) -> list[tuple[float, float]]: ...  # noqa: D102
    def asks(self, depth: int = 20) -> list[tuple[float, float]]: ...  # noqa: D102


class AccountView(Protocol):
    """The strategy's account: equity, margin used and free margin in the collateral token."""

    @property
    def equity(self) -> float: ...  # noqa: D102
    @property
    def margin_used(self) -> float: ...  # noqa: D102
    @property
    def free_margin(self) -> float: ...  # noqa: D102


class View(Protocol):
    """Everything a strategy may read, computed when it is asked for."""

    @property
    def now_ns(self) -> int:
        """The engine's time: the local stamp of the event being handled."""
        ...

    @property
    def account(self) -> AccountView:
        """The account this strategy trades."""
        ...

    def instrument(self, instrument: str) -> Instrument:
        """The instrument's metadata."""
        ...

    def quote(self, instrument: str) -> Quote | None:
        """The last quote."""
        ...

    def top(self, instrument: str) -> BookTop | None:
        """The last top of book."""
        ...

    def book(self, instrument: str) -> BookView:
        """The whole book."""
        ...

    def trade(self, instrument: str) -> Trade | None:
        """The last trade."""
        ...

    def context(self, instrument: str) -> AssetContext | None:
        """The last mark, oracle, funding rate and open interest."""
        ...

    def bars(self, instrument: str, interval: str) -> Sequence[Bar]:
        """The last closed bars, oldest first, as many as the subscription's history keeps."""
        ...

    def mark_px(self, instrument: str) -> float | None:
        """The mark price; where the venue sends none, the mid, the last trade or the last close."""
        ...

    def position(self, instrument: str) -> PositionView:
        """This strategy's own position."""
        ...

    def net_position(self, instrument: str) -> PositionView:
        """The account's position: all strategies and `external` together."""
        ...

    def order(self, cloid: str) -> OrderView | None:
        """One order by its client order id."""
        ...

    def orders(self, instrument: str) -> list[OrderView]:
        """This strategy's live orders (in flight and unknown ones too) on an instrument, oldest first."""
        ...

    def quote_order(self, instrument: str, quote: str) -> OrderView | None:
        """The live order of one named quote."""
        ...


# -- the strategy ------------------------------------------------------------------------------------------


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of a strategy's parameters: typed fields with defaults; unknown keys in a config are an error."""


class Strategy:
    """The base of every strategy. `on_start` is the place to set up state; there is no need for `__init__`."""

    Params: ClassVar[type[Params]] = Params

    params: Params
    name: str
    instruments: tuple[str, ...]
    view: View
    _next_cloid: Callable[[], str]

    def __init__(self, params: Params) -> None:
        self.params = params

    def bind(
        self, *, name: str, instruments: tuple[str, ...], view: View, next_cloid: Callable[[], str]
    ) -> None:
        """Give the strategy its place in an engine. Called once by the engine, before any handler."""
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

    def limit(  # noqa: PLR0913 - an order has this many words
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
        """A reduce-only stop that fires when the mark price reaches `trigger_px`; `side` is the order's own."""
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
        """An entry with its protection; the children live and die with it, and one cancels the other."""
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
    """Whether the strategy's class overrides a handler, so that it need not be called where it does not."""
    return getattr(type(strategy), handler) is not getattr(Strategy, handler)


def make_params(cls: type[Strategy], values: Mapping[str, object]) -> Params:
    """A strategy's parameters from plain values.

    Raises StrategyError naming the parameter and what was expected.
    """
    try:
        return msgspec.convert(dict(values), cls.Params, strict=True)
    except msgspec.ValidationError as error:
        raise StrategyError(f"{cls.__name__}: {error}") from error
