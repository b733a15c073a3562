"""Whatever strategies ask for and the venue answers, limits hold at the worst case, when approved.

The worst case is recomputed here from the orders and the position alone. A reduce is never refused,
so it may make a later worst case larger (it frees room that a pending flip then fills); hence the
limit is held at the approval of every add, on its own side, at the mark of that moment.
"""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.budget import BudgetLimits
from engine.model.commands import Approved, ModifyOrder, Place, Refused, RiskClass
from engine.model.effects import Record, Submit
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
from engine.model.units import MONEY_SCALE, Side, Tif, TriggerKind
from engine.state.orders import Order
from risk.gate import Gate
from risk.limits import Limits
from tests.engine.builders import BTC, House, Scripted

LIMIT_E8 = 1_000 * MONEY_SCALE
LIMITS = Limits(position_notional_max_e8=LIMIT_E8, open_orders_max=12, price_distance_max=0.5)

numbers = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, 10**30]),
    st.floats(0.0001, 20.0),
)
prices = st.one_of(st.sampled_from([math.nan, -math.inf, 0.0]), st.floats(60.0, 140.0))
sides = st.sampled_from(Side)
quotes = st.sampled_from(["", "", "bid", "ask"])
cloids = st.integers(0, 15).map(lambda n: f"c{n}")
stops = st.builds(PlaceTrigger, st.just(BTC), cloids, sides, numbers, prices,
                  st.sampled_from(TriggerKind), st.one_of(st.none(), prices))  # fmt: skip
entries = st.builds(
    PlaceLimit, st.just(BTC), cloids, sides, prices, numbers, st.sampled_from(Tif), st.booleans(),
    quotes,
)  # fmt: skip
markets = st.builds(PlaceMarket, st.just(BTC), cloids, sides, numbers, st.booleans(),
                    st.sampled_from([0.01, 0.3, 2.0, math.nan]))  # fmt: skip
intents: st.SearchStrategy[AnyIntent] = st.one_of(
    entries,
    entries,
    markets,
    stops,
    st.builds(PlaceBracket, st.sampled_from([BTC, "hl:NONE"]), st.one_of(entries, markets),
              st.one_of(st.none(), stops), st.one_of(st.none(), stops)),
    st.builds(Cancel, st.just(BTC), cloids),
    st.builds(Modify, st.just(BTC), cloids, prices, numbers),
    st.builds(CancelAll, st.just(BTC)),
    st.builds(CancelQuote, st.just(BTC), quotes),
    st.builds(TargetPosition, st.just(BTC), cloids, numbers | st.floats(-15.0, 15.0)),
    st.builds(ClosePosition, st.just(BTC), cloids),
    st.builds(SetLeverage, st.sampled_from([BTC, "hl:NONE"]), st.integers(-1, 25)),
)  # fmt: skip
answers = st.sampled_from(
    ["accept", "reject", "cancel", "fill", "fill all", "unclear", "replace", "refuse"]
)
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 1), st.lists(intents, min_size=1, max_size=4)),
        st.tuples(st.just("answer"), answers, st.integers(0, 30)),
        st.tuples(st.just("mark"), st.floats(80.0, 120.0)),
        st.tuples(st.just("halt"), st.booleans()),
    ),
    max_size=25,
)


def worst_lots(house: House, side: int) -> int:
    """The position on a side if every order that may make it larger is filled, and no other.

    Where the position is on the other side, orders that may only reduce are filled first.
    """
    lots = side * house.net()
    adding = reducing = 0
    for order in house.engine.orders.all_live():
        if order.side == side:
            left = max(0, 0 if order.is_replaced else order.remaining_lots)
            left = max(left, order.pending_sz_lots)
            if order.reduce_only:
                reducing += left
            else:
                adding += left
    if lots < 0:
        lots = min(0, lots + reducing)
    return lots + adding


class Witness(Gate):
    """The gate itself, watched: what it approves as an add is within the limit as it does."""

    house: House
    adds = 0

    def judge(self, *args: Any) -> list[Approved | Refused]:  # noqa: ANN401 - passed on
        verdicts = super().judge(*args)
        for verdict in verdicts:
            if isinstance(verdict, Approved) and verdict.risk_class is RiskClass.ADD:
                command = verdict.command
                if isinstance(command, Place | ModifyOrder):
                    self.adds += 1
                    market = self.house.engine.markets[BTC]
                    worst = worst_lots(self.house, command.side)
                    worst_e8 = worst * market.mark_ticks2() * market.money_per_unit // 2
                    assert worst_e8 <= LIMIT_E8
                    assert not self.halted
                    assert market.grid.is_valid_px(command.px_ticks)
                    assert command.sz_lots * command.px_ticks * 100 >= 10 * MONEY_SCALE
                    assert sum(1 for _ in self.house.engine.orders.all_live()) <= 12 + 2
        return verdicts


def answer(house: House, what: str, order: Order) -> None:
    cloid, pending = order.cloid, order.pending_sz_lots
    if what == "accept":
        house.accept(cloid, order.generation)
    elif what == "reject":
        house.reject(cloid)
    elif what == "cancel":
        house.canceled(cloid, order.generation)
    elif what == "unclear":
        house.unclear(cloid, order.newest_generation)
    elif what == "replace" and pending:
        house.replaced(cloid, order.pending_px_ticks, pending, order.generation + 1)
    elif what == "refuse" and pending:
        house.modify_rejected(cloid, order.generation + 1)
    elif what.startswith("fill"):
        lots = order.remaining_lots
        if order.reduce_only:
            lots = min(lots, max(0, -order.side * house.net()))
        lots = lots if what == "fill all" else (lots + 1) // 2
        if lots > 0:
            house.fill(cloid, order.px, lots / 1000)


@settings(max_examples=150)
@given(happenings)
def test_no_add_is_approved_whose_worst_case_is_beyond_the_limit(what: list[Any]) -> None:
    """And nothing a strategy can write is more than a refusal."""
    house = House(Scripted(), Scripted(), limits=LIMITS, budget=BudgetLimits(ip_weight_max=10**6))
    engine = house.engine
    gate = Witness(LIMITS, engine.markets, engine.orders)
    gate.house = house
    engine.gate = gate
    house.quote(99.0, 101.0)
    house.mark(100.0)
    for item in what:
        house.tick()
        if item[0] == "ask":
            effects = house.ask(*item[2], by=item[1])
            assert all(isinstance(effect, Submit | Record) for effect in effects)
        elif item[0] == "mark":
            house.mark(item[1])
        elif item[0] == "halt":
            gate.halted = "by hand" if item[1] else ""
        else:
            live = sorted(engine.orders.all_live(), key=lambda order: order.cloid)
            if live:
                answer(house, item[1], live[item[2] % len(live)])


def test_the_random_wishes_do_get_adds_approved() -> None:
    """The property above would hold of a gate that refused everything."""
    house = House(Scripted(), limits=LIMITS)
    gate = Witness(LIMITS, house.engine.markets, house.engine.orders)
    gate.house = house
    house.engine.gate = gate
    house.mark(100.0)
    house.ask(*(house.limit(Side.BUY, 100.0, 3.0) for _ in range(5)))

    assert 3 == gate.adds
