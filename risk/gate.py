"""The one door: an intent goes in, an `Approved` command or a `Refused` comes out.

Nothing else makes an `Approved`. CANCEL is never refused. REDUCE (its worst case, after what
already rests on that side, stays within the account's live position) meets no operator limit, halt,
budget share or stale data; the venue's rules may only resize it. A reduce-only order takes away
what it would leave without a position (`risk.room`). ADD meets every check of `risk.checks`. What
is approved counts at once, so the next intent of the same step sees it.
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
from engine.model.orders import OrderState
from engine.model.units import Side, Tif
from engine.state.accounts import Account
from engine.state.market import Market
from engine.state.orders import FINAL_FROM, Order, Orders, new_order
from engine.state.withdrawn import take_back
from risk.asking import Asking
from risk.checks import AddChecks
from risk.limits import Limits
from risk.room import left_over
from risk.shaping import (
    NUMBERED,
    ill_formed,
    limit_place,
    no_number,
    off_grid,
    reducing,
    reducing_lots,
    resized,
    taker_place,
    trigger_place,
)

Verdict = Approved | Refused
_CANCEL, _REDUCE, _ADD = RiskClass.CANCEL, RiskClass.REDUCE, RiskClass.ADD
_CANCELING, _OPEN = OrderState.CANCELING, OrderState.OPEN


class Gate:
    """Judges the intents of every strategy of one engine against its state."""

    def __init__(self, limits: Limits, markets: dict[str, Market], orders: Orders) -> None:
        self.limits = limits
        self.halted = ""
        self.is_stopping = False
        self._markets = markets
        self._orders = orders
        self._making_room: list[Verdict] = []
        self._judges: dict[type, Callable[[Any, Asking], list[Verdict]]] = {
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

    @property
    def limits(self) -> Limits:
        """The operator's limits; new ones hold from the next intent on."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        self._checks = AddChecks(limits)
        self._askings: dict[tuple[str, str], Asking] = {}

    def judge(
        self, intent: AnyIntent, strategy: str, account: Account, now_ns: int
    ) -> list[Verdict]:
        """The verdicts on one intent: none when there is nothing to do, several for some."""
        where = intent.instrument
        asking = self._askings.get((strategy, where))
        if asking is None or asking.account is not account:
            market = self._markets.get(where)
            if market is None:
                cloid = getattr(intent, "cloid", "")
                limit = "an instrument of this run"
                return [Refused(strategy, where, cloid, "instrument", limit, where)]
            asking = Asking(strategy, account, market, self._limits)
            self._askings[strategy, where] = asking
        asking.now_ns = now_ns
        kind = type(intent)
        if kind in NUMBERED:
            bad = no_number(intent)
            if bad:
                return [self._refuse_number(getattr(intent, "cloid", ""), asking, bad)]
        verdicts = self._judges[kind](intent, asking)
        if self._making_room:
            verdicts = [*self._making_room, *verdicts]
            self._making_room = []
        return verdicts

    # -- orders ------------------------------------------------------------------------------------

    def _limit(self, intent: PlaceLimit, asking: Asking) -> list[Verdict]:
        place = limit_place(intent, asking.market)
        if place.px_ticks <= 0 or place.sz_lots <= 0:
            # What is no number is not on the grid either: nothing is looked at twice.
            bad = no_number(intent)
            if bad:
                return [self._refuse_number(intent.cloid, asking, bad)]
        if intent.quote:
            order = self._orders.quote(asking.strategy, intent.instrument, intent.quote)
            if order is not None:
                return self._move_quote(order, place, asking)
        return [self._place(place, asking, intent.quote)]

    def _market(self, intent: PlaceMarket, asking: Asking) -> list[Verdict]:
        market = asking.market
        sz_lots = market.grid.quantise_sz(intent.sz)
        place = taker_place(
            market, intent.cloid, intent.side, sz_lots, intent.slippage, asking.oldest_ns
        )
        if intent.reduce_only:
            place = reducing(place)
        return [self._place(place, asking)]

    def _trigger(self, intent: PlaceTrigger, asking: Asking) -> list[Verdict]:
        return [self._place(trigger_place(intent, asking.market), asking)]

    def _bracket(self, intent: PlaceBracket, asking: Asking) -> list[Verdict]:
        """An entry and its protection are approved together or not at all."""
        entry = intent.entry
        children = [child for child in (intent.stop_loss, intent.take_profit) if child is not None]
        bad = ill_formed(entry, children, intent.instrument)
        if bad is not None:
            return [self._refuse(entry.cloid, asking, "bracket", *bad)]
        verdicts = self._judges[type(entry)](entry, asking)
        first = verdicts[0] if verdicts else None
        if not isinstance(first, Approved) or not isinstance(first.command, Place):
            return verdicts
        for child in children:
            place = trigger_place(child, asking.market, parent=entry.cloid)
            place = resized(place, min(place.sz_lots, first.command.sz_lots))
            verdict = self._place(place, asking)
            if isinstance(verdict, Refused):
                for taken in (*self._making_room, *verdicts):
                    if isinstance(taken, Approved):
                        take_back(self._orders, taken.command)
                self._making_room = []
                limit, cause = "protection that can be placed", verdict.check
                return [verdict, self._refuse(entry.cloid, asking, "bracket", limit, cause)]
            verdicts.append(verdict)
        return verdicts

    def _target(self, intent: TargetPosition, asking: Asking) -> list[Verdict]:
        held = asking.account.strategy_position(asking.strategy, intent.instrument).lots
        wanted = asking.market.grid.quantise_sz(abs(intent.sz))
        if intent.sz < 0:
            wanted = -wanted
        gap = wanted - held
        for order in self._orders.live(asking.strategy, intent.instrument).values():
            if order.trigger is None:
                gap -= order.side * order.remaining_lots
        if gap == 0:
            return []
        side = Side.BUY if gap > 0 else Side.SELL
        return self._toward(intent.cloid, side, abs(gap), intent.slippage, held, asking)

    def _close(self, intent: ClosePosition, asking: Asking) -> list[Verdict]:
        held = asking.account.strategy_position(asking.strategy, intent.instrument).lots
        side = Side.SELL if held > 0 else Side.BUY
        lots = abs(held)
        for order in self._orders.live(asking.strategy, intent.instrument).values():
            if order.trigger is None and order.tif is Tif.IOC and order.side == side:
                lots -= order.remaining_lots
        if lots <= 0:
            return []
        return self._toward(intent.cloid, side, lots, intent.slippage, held, asking)

    def _toward(
        self, cloid: str, side: Side, lots: int, slippage: float, held: int, asking: Asking
    ) -> list[Verdict]:
        """A market order, reduce-only where all of it reduces the strategy and the account.

        Where it also adds risk and that is refused, the part that only reduces still goes through.
        """
        net = asking.account.position(asking.instrument).lots
        reducible = min(lots, max(0, -side * held), max(0, -side * net))
        is_reduce = reducible == lots
        place = taker_place(asking.market, cloid, side, lots, slippage, asking.oldest_ns)
        verdict = self._place(reducing(place) if is_reduce else place, asking)
        if is_reduce or not reducible or isinstance(verdict, Approved):
            return [verdict]
        part = self._place(reducing(resized(place, reducible)), asking)
        return [verdict, part] if isinstance(part, Approved) else [verdict]

    def _place(self, place: Place, asking: Asking, quote: str = "") -> Verdict:
        """Classify, check, and on approval let the order count."""
        cloid = place.cloid
        side, sz_lots, px_ticks = place.side, place.sz_lots, place.px_ticks
        if sz_lots <= 0 or px_ticks <= 0 or place.trigger is not None:
            bad = off_grid(place)
            if bad:
                return self._refuse(cloid, asking, f"zero_{bad}", f"a {bad} on the grid", "0")
        if self._orders.get(cloid) is not None:
            return self._refuse(cloid, asking, "cloid", "never used before", cloid)
        market, exposure = asking.market, asking.proposal.exposure
        position_lots = asking.proposal.position.lots
        closable = -position_lots if side > 0 else position_lots
        risk_class = _REDUCE
        if place.parent:
            pass
        elif place.reduce_only:
            if closable <= 0:
                limit = "a position to reduce"
                return self._refuse(cloid, asking, "reduce_only", limit, str(position_lots))
            sz_lots = min(sz_lots, closable)
            place = resized(place, reducing_lots(sz_lots, px_ticks, closable, market))
            self._make_room(place.side, px_ticks, place.sz_lots, asking)
        elif sz_lots <= closable and sz_lots <= (
            most_lots := closable - exposure.resting_lots(side)
        ):
            place = resized(place, reducing_lots(sz_lots, px_ticks, most_lots, market))
        else:
            risk_class = _ADD
            refused = self._check_add(cloid, side, px_ticks, sz_lots, None, asking)
            if refused is not None:
                return refused
        account, strategy = asking.account.name, asking.strategy
        order = new_order(place, account, strategy, exposure, market.scales, asking.now_ns, quote)
        self._orders.add(order)
        return Approved(account, strategy, risk_class, place)

    def _check_add(
        self,
        cloid: str,
        side: Side,
        px_ticks: int,
        sz_lots: int,
        replaced: Order | None,
        asking: Asking,
    ) -> Refused | None:
        proposal = asking.proposal
        halted = self._halt_reason() if self.halted or self.is_stopping else ""
        proposal.ask(side, px_ticks, sz_lots, replaced, asking.now_ns, halted)
        failure = self._checks.first_failure(proposal)
        return None if failure is None else self._refuse(cloid, asking, *failure)

    def _make_room(self, side: Side, px_ticks: int, sz_lots: int, asking: Asking) -> None:
        """Take away what this reduce-only order might leave without a position (`risk.room`)."""
        reduce = side, px_ticks, sz_lots
        for order in left_over(self._orders, self._checks, asking, reduce, self._halt_reason()):
            self._making_room += self._cancel_order(order, asking)
            self._orders.making_room.add(order.cloid)
            order.room_ns = asking.now_ns

    # -- cancels and modifies ----------------------------------------------------------------------

    def _cancel(self, intent: Cancel, asking: Asking) -> list[Verdict]:
        order = self._orders.get(intent.cloid)
        if order is None or order.strategy != asking.strategy:
            return []
        return self._cancel_order(order, asking)

    def _cancel_all(self, intent: CancelAll, asking: Asking) -> list[Verdict]:
        live = list(self._orders.live(asking.strategy, intent.instrument).values())
        return [verdict for order in live for verdict in self._cancel_order(order, asking)]

    def _cancel_quote(self, intent: CancelQuote, asking: Asking) -> list[Verdict]:
        order = self._orders.quote(asking.strategy, intent.instrument, intent.quote)
        return [] if order is None else self._cancel_order(order, asking)

    def _cancel_order(self, order: Order, asking: Asking) -> list[Verdict]:
        """A cancel, unless the order is gone or a cancel is already on its way."""
        if order.cloid in self._orders.making_room:
            # Its cancel is among what this step sends, and goes now whoever it made room for.
            self._orders.making_room.remove(order.cloid)
            return []
        state = order.state
        if state >= FINAL_FROM or state is _CANCELING:
            return []
        self._orders.send_cancel(order, asking.now_ns)
        command = CancelOrder(order.instrument, order.cloid, order.generation)
        return [Approved(order.account, order.strategy, _CANCEL, command)]

    def _modify(self, intent: Modify, asking: Asking) -> list[Verdict]:
        order = self._orders.get(intent.cloid)
        if order is None or order.strategy != asking.strategy or not order.is_live:
            return [self._refuse(intent.cloid, asking, "modify", "a live order", "none")]
        if order.instrument != intent.instrument:
            limit = f"an order on {intent.instrument}"
            return [self._refuse(intent.cloid, asking, "modify", limit, order.instrument)]
        grid = asking.market.grid
        px_ticks = grid.quantise_px(intent.px, order.side, is_aggressive=order.tif is Tif.IOC)
        return [self._move(order, px_ticks, grid.quantise_sz(intent.sz), asking)]

    def _move_quote(self, order: Order, wish: Place, asking: Asking) -> list[Verdict]:
        """The one order of a quote follows the newest wish.

        One that already is as wished is left alone; one in motion is not moved twice; one of
        another side or kind is taken away, and a later wish opens the new one.
        """
        present = order.side, order.tif, order.reduce_only
        if present != (wish.side, wish.tif, wish.reduce_only):
            return self._cancel_order(order, asking)
        if order.state is not _OPEN:
            return []
        if order.px_ticks == wish.px_ticks and order.remaining_lots == wish.sz_lots:
            return []
        return [self._move(order, wish.px_ticks, wish.sz_lots, asking)]

    def _move(self, order: Order, px_ticks: int, sz_lots: int, asking: Asking) -> Verdict:
        cloid = order.cloid
        if order.state is not _OPEN:
            return self._refuse(cloid, asking, "modify", "an open order", order.state.name)
        if sz_lots <= 0 or px_ticks <= 0:
            what = "size" if sz_lots <= 0 else "price"
            return self._refuse(cloid, asking, f"zero_{what}", f"a {what} on the grid", "0")
        side = order.side
        position_lots = asking.account.position(order.instrument).lots
        closable = max(0, -side * position_lots)
        risk_class = _REDUCE
        if order.reduce_only:
            if not closable:
                limit = "a position to reduce"
                return self._refuse(cloid, asking, "reduce_only", limit, str(position_lots))
            sz_lots = reducing_lots(min(sz_lots, closable), px_ticks, closable, asking.market)
            self._make_room(side, px_ticks, max(0, sz_lots - order.counted_lots), asking)
        else:
            others = order.exposure.resting_lots(side) - order.counted_lots
            if max(sz_lots, order.counted_lots) <= closable - others:
                sz_lots = reducing_lots(sz_lots, px_ticks, closable - others, asking.market)
            else:
                risk_class = _ADD
                refused = self._check_add(cloid, side, px_ticks, sz_lots, order, asking)
                if refused is not None:
                    return refused
        self._orders.send_modify(order, px_ticks, sz_lots, asking.now_ns)
        command = ModifyOrder(
            order.instrument,
            cloid,
            order.generation + 1,
            side,
            px_ticks,
            sz_lots,
            order.tif,
            order.reduce_only,
        )
        return Approved(order.account, order.strategy, risk_class, command)

    # -- the rest ----------------------------------------------------------------------------------

    def _leverage(self, intent: SetLeverage, asking: Asking) -> list[Verdict]:
        venue_max = asking.market.instrument.leverage_max
        allowed = min(venue_max, self.limits.leverage_max or venue_max)
        if not 1 <= intent.leverage <= allowed or intent.leverage % 1:
            return [self._refuse("", asking, "leverage", f"1..{allowed}", str(intent.leverage))]
        if self._halt_reason():
            return [self._refuse("", asking, "halted", "not halted", self._halt_reason())]
        account = asking.account
        is_cross = account.is_cross.get(intent.instrument, intent.is_cross)
        in_force = account.leverage_of(intent.instrument), is_cross
        if in_force == (intent.leverage, intent.is_cross):
            return []
        command = UpdateLeverage(intent.instrument, intent.leverage, intent.is_cross)
        return [Approved(account.name, asking.strategy, _ADD, command)]

    def _halt_reason(self) -> str:
        return self.halted or ("stopping" if self.is_stopping else "")

    def _refuse_number(self, cloid: str, asking: Asking, bad: str) -> Refused:
        return self._refuse(cloid, asking, "number", "a finite number below 1e15", bad)

    def _refuse(self, cloid: str, asking: Asking, check: str, limit: str, measured: str) -> Refused:
        return Refused(asking.strategy, asking.instrument, cloid, check, limit, measured)
