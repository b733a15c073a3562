"""Quotes on one venue and hedges on another: an example of a strategy on two accounts.

The first symbol is quoted around the mid of the second, which is the deeper market; every fill of a
quote is hedged there at once, and what a hedge left open is asked for again at the next book.
"""

from __future__ import annotations

from engine.model.events import BookTop, OrderFilled
from engine.model.intents import AnyIntent
from engine.model.units import NS_PER_MS, Side
from strategies.api import Books, Intents, Params, Strategy, Subscription


class QuoteAndHedgeParams(Params, frozen=True):
    """`notional` of a quote, at most `max_position`, in money; quotes move each interval."""

    notional: float = 500.0
    max_position: float = 2_000.0
    half_spread_bps: float = 1.0
    interval_ms: int = 3_000


class QuoteAndHedge(Strategy):
    """Makes on its first instrument, takes on its second."""

    Params = QuoteAndHedgeParams
    params: QuoteAndHedgeParams

    def subscriptions(self) -> list[Subscription]:
        """The books of both."""
        return [Books()]

    def on_start(self) -> Intents:
        """The first symbol of the config is quoted, the second hedges it."""
        self.quoted, self.hedge = self.instruments
        self.due_ns = 0
        return None

    def on_book(self, top: BookTop) -> Intents:
        """Hedge what is open; move the quotes when they are due."""
        hedge = self._hedge()
        if hedge or top.instrument != self.quoted or top.ts_local_ns < self.due_ns:
            return hedge
        reference = self.view.top(self.hedge)
        if reference is None or not reference.bid_px or not reference.ask_px:
            return None
        self.due_ns = top.ts_local_ns + self.params.interval_ms * NS_PER_MS
        mid = (reference.bid_px + reference.ask_px) / 2
        half_spread = mid * self.params.half_spread_bps / 10_000
        held = self.view.position(self.quoted).sz * mid
        return [
            self._quote("bid", Side.BUY, mid - half_spread, self.params.max_position - held),
            self._quote("ask", Side.SELL, mid + half_spread, self.params.max_position + held),
        ]

    def on_fill(self, fill: OrderFilled) -> Intents:
        """A quote was filled: hedge it."""
        return self._hedge() if fill.instrument == self.quoted else None

    def _hedge(self) -> Intents:
        """A target that makes both positions add up to nothing; none below the least order."""
        wanted_sz = -self.view.position(self.quoted).sz
        gap = abs(wanted_sz - self.view.position(self.hedge).sz)
        mark_px = self.view.mark_px(self.hedge)
        least_e8 = self.view.instrument(self.hedge).min_notional_e8
        if mark_px is None or gap * mark_px * 1e8 < least_e8:
            return None
        return [self.target(self.hedge, wanted_sz)]

    def _quote(self, name: str, side: Side, px: float, room: float) -> AnyIntent:
        notional = min(self.params.notional, room)
        if notional < 20.0:
            return self.cancel_quote(self.quoted, name)
        return self.quote(self.quoted, name, side, px, notional / px)
