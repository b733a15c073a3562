"""Strategies that try everything: quotes, market orders, brackets, moves, cancels, closes.

They decide by what they counted, so that a replay repeats them.
"""

from __future__ import annotations

from engine.model.events import BookTop, OrderEvent, OrderFilled
from engine.model.units import Side
from strategies.api import Books, Intents, Params, Strategy, Subscription, Timer


class Restless(Strategy):
    """Another kind of order at every turn."""

    class Params(Params, frozen=True):
        """`every` is the time between two turns; `sz` the size of an order."""

        every: str = "1s"
        sz: float = 0.002

    params: Params

    def subscriptions(self) -> list[Subscription]:
        return [Books(), Timer("turn", self.params.every)]

    def on_start(self) -> Intents:
        self.turns = 0
        self.kept = ""
        return None

    def on_book(self, top: BookTop) -> Intents:
        del top
        return None

    def on_order(self, event: OrderEvent) -> Intents:
        del event
        return None

    def on_fill(self, fill: OrderFilled) -> Intents:
        del fill
        return None

    def on_timer(self, name: str) -> Intents:
        del name
        (where,) = self.instruments
        top = self.view.top(where)
        if top is None or not top.bid_px or not top.ask_px:
            return None
        self.turns += 1
        bid, ask, sz = top.bid_px, top.ask_px, self.params.sz
        side = Side.BUY if self.turns % 2 else Side.SELL
        away = bid * 0.999 if side > 0 else ask * 1.001
        away = float(round(away)) if away > 10_000 else round(away, 1)
        match self.turns % 9:
            case 0 | 3:
                return [
                    self.quote(where, "bid", Side.BUY, bid, sz),
                    self.quote(where, "ask", Side.SELL, ask, 2 * sz),
                ]
            case 1:
                return [self.market(where, side, sz)]
            case 2:
                entry = self.market(where, side, sz)
                stop_px, take_px = (0.998, 1.002) if side > 0 else (1.002, 0.998)
                return [
                    self.bracket(
                        entry,
                        stop_px=float(round(bid * stop_px)) if bid > 10_000 else round(bid * stop_px, 1),
                        take_profit_px=float(round(bid * take_px)) if bid > 10_000 else round(bid * take_px, 1),
                    )
                ]
            case 4:
                kept = self.limit(where, side, away, 3 * sz)
                self.kept = kept.cloid
                return [kept]
            case 5 if self.kept:
                return [self.modify(where, self.kept, away, 2 * sz)]
            case 6 if self.kept:
                return [self.cancel(where, self.kept)]
            case 7:
                return [self.cancel_quote(where, "bid")]
            case _:
                return [self.target(where, 0.0)]
