"""The one door: an intent goes in, an `Approved` command or a `Refused` comes out. Nothing else makes an `Approved`.

CANCEL is never refused. REDUCE (its worst case, after what already rests on that side, stays within the account's live position)
meets no operator limit, halt, budget share or stale data; the venue's rules may only resize it. ADD meets every check of
`risk.checks`. What is approved counts at once, so the next intent of the same step sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.model.commands import (
    Approved,
    CancelOrder,
    ModifyOrder,
    Place,
    Refused,
    RiskClass,
    Trigger,
    UpdateLeverage,
)
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
)
from engine.model.orders import OrderState, Signal
from engine.model.units import Side, Tif, TriggerKind, ceil_div
from engine.state.accounts import Account
from engine.state.market import Market
from engine.state.orders import Order, Orders
from risk.checks import ADD_CHECKS, Proposal
from risk.limits import Limits

Verdict = Approved | Refused
_CANCEL, _REDUCE, _ADD = RiskClass.CANCEL, RiskClass.REDUCE, RiskClass.ADD


class Gate:
    """Judges the intents of every strategy of one engine against its state."""

    def __init__(self, limits: Limits, markets: dict[str, Market], orders: Orders) -> None:
        self.limits = limits
        self.halted = ""
        self.is_stopping = False
        self._markets = markets
        self._orders = orders
        self._judges: dict[type, Callable[[Any, str, Account, int], list[Verdict]]] = {
            PlaceLimit: self._limit,
            PlaceMarket: self._market,
            PlaceTrigger: self._trigger,
            PlaceBracket: self._bracket,
            Cancel: self._cancel,
            CancelAll: self._cancel_all,
            CancelQuote: self._cancel_quote,
            Modify: self._modify,
            TargetPosition: self._target,
            ClosePosition: self._close,
            SetLeverage: self._leverage,
        }

    def judge(
        self, intent: AnyIntent, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        """The verdicts on one intent: none when there is nothing to do, several for a bracket or a cancel-all."""
        if intent.instrument not in self._markets:
            return [
                Refused(
                    strategy,
                    intent.instrument,
                    getattr(intent, "cloid", ""),
                    "instrument",
                    "an instrument of this run",
                    intent.instrument,
                )
            ]
        return self._judges[type(intent)](intent, strategy, account, now_ns)

    # -- orders --------------------------------------------------------------------------------------

    def _limit(
        self, intent: PlaceLimit, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        market = self._markets[intent.instrument]
        grid = market.grid
        tif = intent.tif
        px_ticks = grid.quantise_px(intent.px, intent.side, is_aggressive=tif is Tif.IOC)
        sz_lots = grid.quantise_sz(intent.sz)
        if intent.quote:
            order = self._orders.quote(strategy, intent.instrument, intent.quote)
            if order is not None:
                return self._move_quote(order, px_ticks, sz_lots, account, now_ns)
        place = Place(
            intent.instrument,
            intent.cloid,
            intent.side,
            px_ticks,
            sz_lots,
            tif,
            intent.reduce_only,
        )
        return [self._place(place, strategy, account, now_ns, market, intent.quote)]

    def _market(
        self, intent: PlaceMarket, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        market = self._markets[intent.instrument]
        sz_lots = market.grid.quantise_sz(intent.sz)
        place = self._taker(
            market, intent.cloid, intent.side, sz_lots, intent.slippage, intent.reduce_only
        )
        return [self._place(place, strategy, account, now_ns, market)]

    def _trigger(
        self, intent: PlaceTrigger, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        market = self._markets[intent.instrument]
        place = self._trigger_place(intent, market)
        return [self._place(place, strategy, account, now_ns, market)]

    def _bracket(
        self, intent: PlaceBracket, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        entry = intent.entry
        judge = self._limit if isinstance(entry, PlaceLimit) else self._market
        verdicts = judge(entry, strategy, account, now_ns)  # type: ignore[operator]
        first = verdicts[0]
        if not isinstance(first, Approved) or not isinstance(first.command, Place):
            return verdicts
        market = self._markets[intent.instrument]
        for child in (intent.stop_loss, intent.take_profit):
            if child is not None:
                place = self._trigger_place(child, market, parent=entry.cloid)
                verdicts.append(self._place(place, strategy, account, now_ns, market))
        return verdicts

    def _target(
        self, intent: TargetPosition, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        market = self._markets[intent.instrument]
        held = account.strategy_position(strategy, intent.instrument).lots
        wanted = market.grid.quantise_sz(abs(intent.sz))
        if intent.sz < 0:
            wanted = -wanted
        gap = wanted - held - self._pending_lots(strategy, intent.instrument)
        if gap == 0:
            return []
        side = Side.BUY if gap > 0 else Side.SELL
        place = self._taker(market, intent.cloid, side, abs(gap), intent.slippage)
        verdict = self._place(place, strategy, account, now_ns, market)
        net = account.position(intent.instrument).lots
        if isinstance(verdict, Refused) and held * gap < 0 and net * gap < 0:
            # New risk is refused, but the part that only reduces must still go through.
            lots = min(abs(gap), abs(held), abs(net))
            place = self._taker(market, intent.cloid, side, lots, intent.slippage)
            return [verdict, self._place(place, strategy, account, now_ns, market)]
        return [verdict]

    def _close(
        self, intent: ClosePosition, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        market = self._markets[intent.instrument]
        held = account.strategy_position(strategy, intent.instrument).lots
        gap = -held - self._pending_lots(strategy, intent.instrument, takers_only=True)
        if gap == 0 or (gap > 0) is (held > 0):
            return []
        side = Side.BUY if gap > 0 else Side.SELL
        place = self._taker(market, intent.cloid, side, abs(gap), intent.slippage)
        return [self._place(place, strategy, account, now_ns, market)]

    def _place(  # noqa: PLR0913 - one order and what it is judged against
        self,
        place: Place,
        strategy: str,
        account: Account,
        now_ns: int,
        market: Market,
        quote: str = "",
    ) -> Verdict:
        """Classify, check, and on approval let the order count."""
        sz_lots = place.sz_lots
        if sz_lots <= 0 or place.px_ticks <= 0:
            what = "size" if sz_lots <= 0 else "price"
            return self._refuse(place, strategy, f"zero_{what}", f"a {what} on the grid", "0")
        position_lots = account.position(place.instrument).lots
        exposure = account.exposure(place.instrument)
        side = place.side
        is_opposite = position_lots * side < 0
        held = abs(position_lots)
        resting = (
            exposure.buy_lots + exposure.reduce_buy_lots
            if side > 0
            else exposure.sell_lots + exposure.reduce_sell_lots
        )
        if place.reduce_only:
            if not place.parent:
                if not is_opposite:
                    return self._refuse(
                        place, strategy, "reduce_only", "a position to reduce", str(position_lots)
                    )
                place = _resized(place, min(sz_lots, held), market, held)
            risk_class = _REDUCE
        elif is_opposite and sz_lots + resting <= held:
            risk_class = _REDUCE
            place = _resized(place, sz_lots, market, held - resting)
        else:
            risk_class = _ADD
            proposal = Proposal(
                market,
                account,
                self.limits,
                side,
                place.px_ticks,
                sz_lots,
                sz_lots,
                now_ns,
                self._halt_reason(),
            )
            for name, check in ADD_CHECKS:
                failure = check(proposal)
                if failure is not None:
                    return self._refuse(place, strategy, name, *failure)
        if self._orders.get(place.cloid) is not None:
            return self._refuse(place, strategy, "cloid", "never used before", place.cloid)
        self._orders.add(
            Order(
                place,
                account=account.name,
                strategy=strategy,
                exposure=exposure,
                scales=market.scales,
                sent_ns=now_ns,
                quote=quote,
            )
        )
        return Approved(account.name, strategy, risk_class, place)

    def _halt_reason(self) -> str:
        return self.halted or ("stopping" if self.is_stopping else "")

    def _taker(  # noqa: PLR0913 - the fields of one order
        self,
        market: Market,
        cloid: str,
        side: Side,
        sz_lots: int,
        slippage: float,
        reduce_only: bool = False,  # noqa: FBT001, FBT002 - a field of the order
    ) -> Place:
        px = market.take_px(side) * (1 + side * slippage)
        px_ticks = market.grid.quantise_px(px, side, is_aggressive=True)
        return Place(market.instrument.id, cloid, side, px_ticks, sz_lots, Tif.IOC, reduce_only)

    def _trigger_place(self, intent: PlaceTrigger, market: Market, parent: str = "") -> Place:
        grid = market.grid
        side = intent.side
        # A stop fires on the way through, so it is put on the grid where it fires no later than asked.
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

    def _pending_lots(
        self, strategy: str, instrument: str, *, takers_only: bool = False
    ) -> int:
        """What this strategy's live orders would still add to its position, stops and children left out."""
        total = 0
        for order in self._orders.live(strategy, instrument).values():
            if order.trigger is None and (order.tif is Tif.IOC or not takers_only):
                total += order.side * order.remaining_lots
        return total

    # -- cancels and modifies ------------------------------------------------------------------------

    def _cancel(
        self, intent: Cancel, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        order = self._orders.get(intent.cloid)
        if order is None or order.strategy != strategy:
            return []
        return self._cancel_order(order, account, now_ns)

    def _cancel_all(
        self, intent: CancelAll, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for order in list(self._orders.live(strategy, intent.instrument).values()):
            verdicts += self._cancel_order(order, account, now_ns)
        return verdicts

    def _cancel_quote(
        self, intent: CancelQuote, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        order = self._orders.quote(strategy, intent.instrument, intent.quote)
        return [] if order is None else self._cancel_order(order, account, now_ns)

    def _cancel_order(self, order: Order, account: Account, now_ns: int) -> list[Verdict]:
        """A cancel, unless the order is gone or a cancel is already on its way."""
        if not order.is_live or order.state is OrderState.CANCELING:
            return []
        self._orders.signal(order, Signal.CANCEL_SENT, now_ns)
        command = CancelOrder(order.instrument, order.cloid, order.generation)
        return [Approved(account.name, order.strategy, _CANCEL, command)]

    def _modify(
        self, intent: Modify, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        order = self._orders.get(intent.cloid)
        if order is None or order.strategy != strategy or not order.is_live:
            return [
                Refused(
                    strategy, intent.instrument, intent.cloid, "modify", "a live order", "none"
                )
            ]
        grid = self._markets[order.instrument].grid
        px_ticks = grid.quantise_px(intent.px, order.side, is_aggressive=order.tif is Tif.IOC)
        return self._move(order, px_ticks, grid.quantise_sz(intent.sz), account, now_ns)

    def _move_quote(
        self, order: Order, px_ticks: int, sz_lots: int, account: Account, now_ns: int
    ) -> list[Verdict]:
        """A quote that already is as wished is left alone; one in motion is not moved twice."""
        if order.state is not OrderState.OPEN:
            return []
        if order.px_ticks == px_ticks and order.remaining_lots == sz_lots:
            return []
        return self._move(order, px_ticks, sz_lots, account, now_ns)

    def _move(
        self, order: Order, px_ticks: int, sz_lots: int, account: Account, now_ns: int
    ) -> list[Verdict]:
        command = ModifyOrder(
            order.instrument,
            order.cloid,
            order.generation + 1,
            order.side,
            px_ticks,
            sz_lots,
            order.tif,
            order.reduce_only,
        )
        strategy = order.strategy
        if order.state is not OrderState.OPEN:
            refused = Refused(
                strategy, order.instrument, order.cloid, "modify", "an open order", order.state.name
            )
            return [refused]
        if sz_lots <= 0 or px_ticks <= 0:
            return [
                Refused(strategy, order.instrument, order.cloid, "modify", "on the grid", "0")
            ]
        risk_class = _REDUCE if order.reduce_only else _ADD
        if not order.reduce_only:
            proposal = Proposal(
                self._markets[order.instrument],
                account,
                self.limits,
                order.side,
                px_ticks,
                sz_lots,
                max(0, sz_lots - order.counted_lots),
                now_ns,
                self._halt_reason(),
            )
            for name, check in ADD_CHECKS:
                failure = check(proposal)
                if failure is not None:
                    return [Refused(strategy, order.instrument, order.cloid, name, *failure)]
        order.pending_px_ticks = px_ticks
        order.pending_sz_lots = sz_lots
        order.count_lots(max(order.counted_lots, sz_lots))
        self._orders.signal(order, Signal.MODIFY_SENT, now_ns)
        return [Approved(account.name, strategy, risk_class, command)]

    # -- the rest --------------------------------------------------------------------------------------

    def _leverage(
        self, intent: SetLeverage, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        del now_ns
        venue_max = self._markets[intent.instrument].instrument.leverage_max
        allowed = min(venue_max, self.limits.leverage_max or venue_max)
        if not 1 <= intent.leverage <= allowed:
            return [
                Refused(
                    strategy, intent.instrument, "", "leverage", f"1..{allowed}", str(intent.leverage)
                )
            ]
        if account.leverage_of(intent.instrument) == intent.leverage:
            return []
        command = UpdateLeverage(intent.instrument, intent.leverage, intent.is_cross)
        return [Approved(account.name, strategy, _ADD, command)]

    def _refuse(
        self, place: Place, strategy: str, check: str, limit: str, measured: str
    ) -> Refused:
        return Refused(strategy, place.instrument, place.cloid, check, limit, measured)


def _resized(place: Place, sz_lots: int, market: Market, most_lots: int) -> Place:
    """A reducing order as the venue takes it: at least the minimum notional, unless it closes everything.

    The venue refuses a partial close under its minimum (protocol 4), and a reduce is never refused here, so it grows to the least
    size that passes, or to all there is to close.
    """
    least_e8 = market.instrument.min_notional_e8
    unit_e8 = place.px_ticks * market.money_per_unit
    if sz_lots < most_lots and sz_lots * unit_e8 < least_e8:
        sz_lots = min(most_lots, ceil_div(least_e8, unit_e8))
    if sz_lots == place.sz_lots:
        return place
    return Place(
        place.instrument,
        place.cloid,
        place.side,
        place.px_ticks,
        sz_lots,
        place.tif,
        place.reduce_only,
        place.trigger,
        place.parent,
    )
