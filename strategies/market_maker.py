"""Quotes both sides of the book around a price that leans against its own inventory.

    q           = position / max_position, between -1 and 1
    reservation = mid * (1 - skew_bps / 10_000 * q)
    bid, ask    = reservation -/+ mid * half_spread_bps / 10_000

The reservation price has the shape of Avellaneda and Stoikov, "High-frequency trading in a limit
order book" (Quantitative Finance 8:3, 2008), r = s - q * gamma * sigma^2 * (T - t), with their risk
term taken as one constant: `skew_bps` is the shift at full inventory. Quotes are post-only and
never cross the mid, so they never cross the book; a side whose fill would take the position beyond
`max_position` is made smaller, or taken away.
"""

from __future__ import annotations

from engine.model.events import (
    BookTop,
    ModifyRejected,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
)
from engine.model.intents import AnyIntent
from engine.model.units import NS_PER_MS, Side, money
from strategies.api import Books, Intents, Params, Strategy, Subscription

BID = "bid"
ASK = "ask"


class MarketMakerParams(Params, frozen=True):
    """Amounts in the collateral token; distances in basis points of the mid.

    `notional` is the size of one quote, `max_position` the largest position. Quotes move when the
    mid has moved by `requote_bps` or something happened to them, but not within `interval_ms` of
    the last move.
    """

    notional: float = 1_000.0
    half_spread_bps: float = 2.0
    skew_bps: float = 2.0
    max_position: float = 5_000.0
    requote_bps: float = 2.0
    interval_ms: int = 500

    def __post_init__(self) -> None:
        for name in ("notional", "half_spread_bps", "max_position"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name} = {value}: expected more than 0")
        for name in ("skew_bps", "requote_bps", "interval_ms"):
            value = getattr(self, name)
            if not value >= 0:
                raise ValueError(f"{name} = {value}: expected 0 or more")


class _Quotes:
    """What was last quoted on one instrument.

    `high` and `low` bound the mids at which the quotes may stay.
    """

    __slots__ = ("due_ns", "high", "low")

    def __init__(self) -> None:
        self.due_ns = 0
        self.forget()

    def forget(self) -> None:
        """Quote again at the next occasion, wherever the mid is."""
        self.low, self.high = 1.0, -1.0


class MarketMaker(Strategy):
    """Quotes both sides around the mid, leaning against its inventory."""

    Params = MarketMakerParams
    params: MarketMakerParams

    def subscriptions(self) -> list[Subscription]:
        """Every book update."""
        return [Books()]

    def on_start(self) -> Intents:
        """Nothing is quoted yet."""
        self._quotes = {instrument: _Quotes() for instrument in self.instruments}
        return None

    def on_book(self, top: BookTop) -> Intents:
        """Move the quotes when they are due."""
        quotes = self._quotes[top.instrument]
        bid_px, ask_px = top.bid_px, top.ask_px
        if not bid_px or not ask_px:
            quotes.forget()
            return self._pull(top.instrument)
        mid = (bid_px + ask_px) / 2
        if quotes.low < mid < quotes.high or top.ts_local_ns < quotes.due_ns:
            return None
        quotes.due_ns = top.ts_local_ns + self.params.interval_ms * NS_PER_MS
        reach = mid * self.params.requote_bps / 10_000
        quotes.low, quotes.high = mid - reach, mid + reach
        return self._requote(top.instrument, mid)

    def on_fill(self, fill: OrderFilled) -> Intents:
        """Inventory changed: both quotes are due."""
        self._quotes[fill.instrument].forget()
        return None

    def on_order(self, event: OrderEvent) -> Intents:
        """A quote that the venue refused or took away is due."""
        if isinstance(event, OrderRejected | ModifyRejected | OrderCanceled):
            self._quotes[event.instrument].forget()
        return None

    def on_stop(self) -> Intents:
        """Take the quotes away."""
        return [
            self.cancel_quote(instrument, quote)
            for instrument in self.instruments
            for quote in (BID, ASK)
        ]

    def _requote(self, instrument: str, mid: float) -> list[AnyIntent]:
        params = self.params
        position_sz = self.view.position(instrument).sz
        max_sz = params.max_position / mid
        inventory = min(1.0, max(-1.0, position_sz / max_sz))
        reservation = mid * (1 - params.skew_bps / 10_000 * inventory)
        half_spread = mid * params.half_spread_bps / 10_000
        bid_px = min(mid, reservation - half_spread)
        ask_px = max(mid, reservation + half_spread)
        return [
            self._side(instrument, BID, Side.BUY, bid_px, max_sz - position_sz),
            self._side(instrument, ASK, Side.SELL, ask_px, max_sz + position_sz),
        ]

    def _side(
        self, instrument: str, quote: str, side: Side, px: float, room_sz: float
    ) -> AnyIntent:
        """One quote within the room left, or none where that is below the least order."""
        where = self.view.instrument(instrument)
        sz = where.grid.sz(where.grid.quantise_sz(min(self.params.notional / px, room_sz)))
        if sz * px < money(where.min_notional_e8):
            return self.cancel_quote(instrument, quote)
        return self.quote(instrument, quote, side, px, sz)

    def _pull(self, instrument: str) -> Intents:
        """Cancel the quotes that are there."""
        return [
            self.cancel_quote(instrument, quote)
            for quote in (BID, ASK)
            if self.view.quote_order(instrument, quote) is not None
        ] or None
