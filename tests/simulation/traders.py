"""Strategies that try everything: quotes, market orders, brackets, moves, cancels, closes.

They decide by what they counted, so that a replay repeats them.
"""

from __future__ import annotations

from engine.model.events import BookTop, OrderEvent, OrderFilled
from engine.model.units import Side
from strategies.api import Books, Intents, Params, Strategy, Subscription, Timer


class RestlessParams(Params, frozen=True):
    """`sz` is the size of an order."""

    sz: float = 0.002


class Restless(Strategy):
    """Another kind of order every second, on one instrument."""

    Params = RestlessParams
    params: RestlessParams

    def subscriptions(self) -> list[Subscription]:
        return [Books(), Timer("turn", "1s")]

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
        side = Side.BUY if self.turns % 2 else Side.SELL
        turn = (self._quote, self._take, self._protected, self._quote, self._rest, self._move)
        wishes = (*turn, self._give_up, self._withdraw, self._flat)
        return wishes[self.turns % len(wishes)](where, side, top)

    def _quote(self, where: str, side: Side, top: BookTop) -> Intents:
        del side
        sz = self.params.sz
        return [
            self.quote(where, "bid", Side.BUY, top.bid_px, sz),
            self.quote(where, "ask", Side.SELL, top.ask_px, 2 * sz),
        ]

    def _take(self, where: str, side: Side, top: BookTop) -> Intents:
        del top
        return [self.market(where, side, self.params.sz)]

    def _protected(self, where: str, side: Side, top: BookTop) -> Intents:
        """An entry with a stop and a target so near that one of them fires soon."""
        entry = self.market(where, side, self.params.sz)
        stop_px, take_px = (_away(top.bid_px, far * side) for far in (-0.0008, 0.0008))
        return [self.bracket(entry, stop_px=stop_px, take_profit_px=take_px)]

    def _rest(self, where: str, side: Side, top: BookTop) -> Intents:
        kept = self.limit(where, side, _away(top.bid_px, -0.001 * side), 3 * self.params.sz)
        self.kept = kept.cloid
        return [kept]

    def _move(self, where: str, side: Side, top: BookTop) -> Intents:
        order = self.view.order(self.kept) if self.kept else None
        if order is None:
            return None
        del side
        px = _away(top.bid_px, -0.0005 * order.side)
        return [self.modify(where, self.kept, px, 2 * self.params.sz)]

    def _give_up(self, where: str, side: Side, top: BookTop) -> Intents:
        del side, top
        return [self.cancel(where, self.kept)] if self.kept else None

    def _withdraw(self, where: str, side: Side, top: BookTop) -> Intents:
        del side, top
        return [self.cancel_quote(where, "bid")]

    def _flat(self, where: str, side: Side, top: BookTop) -> Intents:
        del side, top
        return [self.target(where, 0.0)]


def _away(px: float, part: float) -> float:
    """A whole price so far from another."""
    return float(round(px * (1 + part)))
