"""Fills, and nothing else that moves a position.

A taker walks what is displayed and our other resting orders together, price by price, displayed
size first. Meeting a resting order of its own account cancels that one; meeting another account's
fills both. Resting orders are filled at their own price by the queue rule of the instrument
(`backtests.models.queue`): by prints, or by the opposite best crossing them; by bars only when the
bar trades strictly through. What follows from a fill (children, siblings, reduce-only orders) is
noted, and done after.
"""

from __future__ import annotations

from collections.abc import Callable

from backtests.exchange import words
from backtests.exchange.ledger import Position
from backtests.exchange.margin import free_e8
from backtests.exchange.market import UNLIMITED_LOTS, Levels
from backtests.exchange.orders import Desk, Order, OwnSide, Status
from backtests.exchange.outbox import Outbox
from engine.model.events import Bar, Trade
from engine.model.units import Tif, fee_e8

_IOC, _ALO = Tif.IOC, Tif.ALO
_RESTS, _WAITS_FOR_TRIGGER = Status.RESTS, Status.WAITS_FOR_TRIGGER

RatePpb = Callable[[str, str, bool, int], int]


class Matcher:
    """Takes, rests, fills and removes orders.

    `ended` holds the orders that left and whether they were filled whole, kept only while their
    account has children; `reduced` the positions that shrank while reduce-only orders were live.
    Both are for `conditions` to empty.
    """

    __slots__ = ("_outbox", "_rate_ppb", "_trade_id", "ended", "reduced")

    def __init__(self, outbox: Outbox, rate_ppb: RatePpb) -> None:
        self._outbox = outbox
        self._rate_ppb = rate_ppb
        self._trade_id = 0
        self.ended: list[tuple[Order, bool]] = []
        self.reduced: list[Position] = []

    # -- arrival -----------------------------------------------------------------------------------

    def offers(self, order: Order, replaced: Order | None = None) -> Levels | None:
        """The displayed levels an order meets at its limit; None when it meets nothing at all.

        The levels are empty when it meets our own resting orders only. An order about to be
        replaced is not met.
        """
        desk = order.desk
        side = order.side
        px_ticks = order.px_ticks
        bid_ticks, ask_ticks = desk.market.bests()
        is_met = 0 < ask_ticks <= px_ticks if side > 0 else bid_ticks >= px_ticks
        levels = desk.market.levels(-side, px_ticks) if is_met else []
        if not levels:
            own = desk.asks if side > 0 else desk.bids
            if not own.keys or own.keys[0] > side * px_ticks:
                return None
            if replaced is not None and own.reached(side * px_ticks) == [replaced]:
                return None
        return levels

    def refusal(self, order: Order, offers: Levels | None) -> str:
        """Why time in force forbids the order to enter; "" when it does not."""
        if offers is None:
            return words.IOC if order.tif is _IOC else ""
        if order.tif is not _ALO:
            return ""
        desk = order.desk
        bid_ticks, ask_ticks = desk.market.bests()
        if desk.bids.keys:
            bid_ticks = max(bid_ticks, -desk.bids.keys[0])
        if desk.asks.keys:
            ask_ticks = min(ask_ticks or desk.asks.keys[0], desk.asks.keys[0])
        text = desk.market.prices.text
        return words.POST_ONLY.format(bid=text(bid_ticks), ask=text(ask_ticks))

    def register(self, order: Order) -> None:
        """An accepted order is live from now on."""
        desk = order.desk
        order.account.orders[order.cloid] = order
        desk.live += 1
        desk.changed()
        if not order.reduce_only:
            lots = order.left_lots
            notional_e8 = lots * order.px_ticks * desk.market.money_per_unit
            order.position.reserve(order.side, lots, notional_e8)

    def enter(self, order: Order, offers: Levels | None) -> None:
        """A live order takes what is offered, then rests or leaves."""
        if offers is not None:
            self._take(order, offers)
            if not order.left_lots:
                return
        if order.tif is _IOC:
            self.cancel(order, words.IOC_CANCELED)
            return
        order.desk.rest(order)
        if order.reduce_only:
            order.position.reducers.append(order)
            self._make_room(order)

    def _make_room(self, newest: Order) -> None:
        """Cancel older reduce-only orders that do not fit the position beside the newest."""
        position = newest.position
        resting = [order for order in position.reducers if order.status is _RESTS]
        excess = sum([order.left_lots for order in resting]) - abs(position.lots)
        for order in resting:
            if excess <= 0 or order is newest:
                return
            excess -= order.left_lots
            self.cancel(order, words.REDUCE_ONLY_CANCELED)

    def _take(self, taker: Order, levels: Levels) -> None:
        desk = taker.desk
        side = taker.side
        own = desk.asks if side > 0 else desk.bids
        for px_ticks, lots in levels:
            if own.keys and own.keys[0] < side * px_ticks:
                self._meet(taker, own, side * px_ticks - 1)
                if not taker.left_lots:
                    return
            part = min(lots, taker.left_lots)
            if lots < UNLIMITED_LOTS:
                desk.market.take(-side, px_ticks, part)
            self._trade_id += 1
            self.fill(taker, px_ticks, part, is_maker=False)
            if not taker.left_lots:
                return
        if own.keys and own.keys[0] <= side * taker.px_ticks:
            self._meet(taker, own, side * taker.px_ticks)

    def _meet(self, taker: Order, own: OwnSide, key: int) -> None:
        """A taker reaches our resting orders up to a key."""
        for maker in own.reached(key):
            if maker.account is taker.account:
                self.cancel(maker, words.SELF_TRADE_CANCELED)
                continue
            part = min(taker.left_lots, self._fillable_lots(maker))
            if part <= 0:
                continue
            self._trade_id += 1
            px_ticks = maker.px_ticks
            self.fill(maker, px_ticks, part, is_maker=True)
            self.fill(taker, px_ticks, part, is_maker=False)
            if not taker.left_lots:
                return

    # -- resting orders ----------------------------------------------------------------------------

    def on_print(self, desk: Desk, trade: Trade) -> None:
        """Let a public trade eat what stands ahead of our orders, then fill them.

        Its size is consumed once over all of them.
        """
        aggressor = trade.side
        own = desk.bids if aggressor < 0 else desk.asks
        if not own.keys:
            return
        key = aggressor * round(trade.px * desk.market.px_scale)
        if own.keys[0] > key:
            return
        self._outbox.at(trade.ts_venue_ns)
        lots = round(trade.sz * desk.market.sz_scale)
        eaten = 0
        for order in own.reached(key):
            ahead = order.ahead_lots
            if aggressor * order.px_ticks != key:
                if ahead != 0:
                    desk.advance(order, 0)
            elif ahead is None:
                continue
            elif ahead:
                gone = min(max(0, ahead - eaten), lots)
                lots -= gone
                eaten += gone
                desk.advance(order, max(0, ahead - eaten))
            if lots:
                lots -= self._fill_resting(order, lots)

    def on_display(self, desk: Desk) -> None:
        """Move orders forward where a row shows less than stands ahead, or shows it at last."""
        for order in tuple(desk.queued):
            shown = desk.market.shown_lots(order.side, order.px_ticks)
            ahead = order.ahead_lots
            if shown is not None and (ahead is None or shown < ahead):
                desk.advance(order, shown)

    def on_cross(self, desk: Desk, ts_ns: int) -> bool:
        """Fill orders that the opposite best reaches, up to what is displayed there in this row.

        False when it reaches none.
        """
        bid_ticks, ask_ticks = desk.market.bests()
        bids, asks = desk.bids.keys, desk.asks.keys
        is_bid_reached = bool(bids) and bids[0] <= -ask_ticks < 0
        if not is_bid_reached and not (asks and asks[0] <= bid_ticks):
            return False
        self._outbox.at(ts_ns)
        if is_bid_reached:
            self._cross(desk, 1, desk.bids, ask_ticks)
        if asks and asks[0] <= bid_ticks:
            self._cross(desk, -1, desk.asks, bid_ticks)
        return True

    def _cross(self, desk: Desk, side: int, own: OwnSide, best_ticks: int) -> None:
        """Fill own orders of one side, which the other side's best has reached."""
        market = desk.market
        lots = market.best_left_lots(-side, best_ticks)
        for order in own.reached(-side * best_ticks):
            if lots <= 0:
                break
            part = self._fill_resting(order, lots)
            if part and lots < UNLIMITED_LOTS:
                market.take(-side, best_ticks, part)
                lots -= part

    def on_bar(self, desk: Desk, bar: Bar) -> None:
        """Fill in full the orders a bar trades strictly through."""
        scale = desk.market.px_scale
        for order in desk.bids.reached(-round(bar.low * scale) - 1):
            self._fill_resting(order, UNLIMITED_LOTS)
        for order in desk.asks.reached(round(bar.high * scale) - 1):
            self._fill_resting(order, UNLIMITED_LOTS)

    def _fill_resting(self, order: Order, lots: int) -> int:
        """Fill a resting order at its own price with up to `lots`; how much it took."""
        part = min(lots, self._fillable_lots(order))
        if part > 0:
            self._trade_id += 1
            self.fill(order, order.px_ticks, part, is_maker=True)
        return part

    def _fillable_lots(self, maker: Order) -> int:
        """How much of a resting order can be filled now.

        A reduce-only order no more than the position; one that may add leaves when its account has
        no margin for it any more.
        """
        position = maker.position
        if maker.reduce_only:
            return min(maker.left_lots, position.reducible_lots(maker.side))
        adds = maker.left_lots > position.reducible_lots(maker.side)
        if adds and free_e8(maker.account) < 0:
            self.cancel(maker, words.MARGIN_CANCELED)
            return 0
        return maker.left_lots

    # -- fills and ends ----------------------------------------------------------------------------

    def fill(self, order: Order, px_ticks: int, lots: int, *, is_maker: bool) -> None:
        """One side of the trade numbered last."""
        outbox = self._outbox
        position = order.position
        account = order.account
        side = order.side
        unit_e8 = order.desk.market.money_per_unit
        notional_e8 = px_ticks * lots * unit_e8
        rate_ppb = self._rate_ppb(account.name, position.instrument, is_maker, outbox.ts_ns)
        cost_e8 = fee_e8(notional_e8, rate_ppb)
        if position.reducers and position.lots * side < 0:
            self.reduced.append(position)
        account.book_fill(position.fill(side, lots, notional_e8), cost_e8)
        order.left_lots -= lots
        if not order.reduce_only:
            position.reserve(side, -lots, -lots * order.px_ticks * unit_e8)
        outbox.filled(order, self._trade_id, px_ticks, lots, cost_e8, is_maker=is_maker)
        if not order.left_lots:
            self._complete(order)

    def cancel(self, order: Order, reason: str) -> None:
        """A live order leaves without being filled, or not in full."""
        self.remove(order)
        self._outbox.canceled(order, reason)
        if order.account.families:
            self.ended.append((order, False))

    def remove(self, order: Order) -> None:
        """Take an order out of everything, and say nothing."""
        desk = order.desk
        if order.reduce_only:
            if order.status is _RESTS or order.status is _WAITS_FOR_TRIGGER:
                order.position.reducers.remove(order)
        elif order.left_lots:
            lots = order.left_lots
            notional_e8 = lots * order.px_ticks * desk.market.money_per_unit
            order.position.reserve(order.side, -lots, -notional_e8)
        desk.withdraw(order)
        desk.live -= 1
        del order.account.orders[order.cloid]

    def _complete(self, order: Order) -> None:
        """Nothing is left to fill: the order leaves.

        What a smaller position cut off is told as canceled, so that all that was asked is accounted
        for.
        """
        account = order.account
        self.remove(order)
        if order.cut_lots:
            self._outbox.canceled(order, words.REDUCE_ONLY_CANCELED)
        account.remember_filled(order.cloid)
        if account.families:
            self.ended.append((order, True))
