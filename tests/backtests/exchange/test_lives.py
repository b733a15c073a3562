"""Random lives of orders with triggers, brackets and margin.

Whatever happens, everything adds up in the end.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.model.commands import CancelOrder, ModifyOrder, Place
from engine.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
)
from engine.model.units import Side, Tif
from tests.backtests.exchange.scene import BUY, SELL, TICK_E8, Scene

SIDES = st.sampled_from([BUY, SELL])
PRICES = st.integers(9_990, 10_010)
LOTS = st.integers(1, 8)
IDS = st.integers(0, 40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), SIDES, PRICES, LOTS, st.sampled_from(Tif), st.booleans()),
        st.tuples(st.just("trigger"), SIDES, PRICES, LOTS, st.booleans(), st.booleans()),
        st.tuples(st.just("bracket"), SIDES, PRICES, LOTS, PRICES, PRICES),
        st.tuples(st.just("cancel"), IDS),
        st.tuples(st.just("modify"), IDS, PRICES, LOTS),
        st.tuples(st.just("row"), PRICES, LOTS, st.integers(1, 6), LOTS),
        st.tuples(st.just("trade"), PRICES, LOTS, SIDES),
        st.tuples(st.just("mark"), PRICES),
        st.tuples(st.just("bar"), PRICES, PRICES, PRICES),
    ),
    max_size=60,
)


class Life:
    """Feeds one scene with random steps; every placed order has its number as cloid."""

    def __init__(self, queue: str, balance: int) -> None:
        self.scene = Scene(
            queue="trades" if queue == "trades" else "cross", balance=balance, leverage=10
        )
        self.placed: dict[str, Place] = {}
        self.generation = 0

    def add(self, place: Place) -> Place:
        self.placed[place.cloid] = place
        return place

    def next_id(self) -> str:
        return str(len(self.placed))

    def order(self, side: Side, px: int, lots: int, tif: Tif, reduce_only: bool) -> None:  # noqa: FBT001
        scene = self.scene
        scene.send(
            self.add(scene.order(self.next_id(), side, px, lots, tif, reduce_only=reduce_only))
        )

    def trigger(self, side: Side, px: int, lots: int, is_stop: bool, is_market: bool) -> None:  # noqa: FBT001
        scene = self.scene
        if not is_stop:
            scene.send(self.add(scene.profit(self.next_id(), side, px, lots)))
        else:
            limit = None if is_market else px + 2 * side
            scene.send(self.add(scene.stop(self.next_id(), side, px, lots, px=limit)))

    def bracket(self, side: Side, px: int, lots: int, stop: int, profit: int) -> None:
        scene = self.scene
        parent = self.next_id()
        commands = [self.add(scene.order(parent, side, px, lots))]
        for make, trigger in ((scene.stop, stop), (scene.profit, profit)):
            child = make(self.next_id(), Side(-side), trigger, lots, parent=parent)
            commands.append(self.add(child))
        scene.send(*commands)

    def cancel(self, number: int) -> None:
        if self.placed:
            self.scene.send(CancelOrder(self.scene.id, str(number % len(self.placed)), 0))

    def modify(self, number: int, px: int, lots: int) -> None:
        if self.placed:
            old = self.placed[str(number % len(self.placed))]
            self.generation += 1
            command = ModifyOrder(
                old.instrument,
                old.cloid,
                self.generation,
                old.side,
                px,
                lots,
                old.tif,
                old.reduce_only,
            )
            self.scene.send(command)

    def row(self, bid: int, bid_lots: int, spread: int, ask_lots: int) -> None:
        self.scene.book([(bid, bid_lots)], [(bid + spread, ask_lots)])

    def trade(self, px: int, lots: int, side: Side) -> None:
        self.scene.trade(px, lots, side)

    def mark(self, px: int) -> None:
        self.scene.mark(px)

    def bar(self, *prices: int) -> None:
        low, close, high = sorted(prices)
        self.scene.bar(prices[0], high, low, close)

    def end(self) -> None:
        self.scene.send(*(CancelOrder(self.scene.id, cloid, 0) for cloid in self.placed))


@given(
    steps=STEPS,
    queue=st.sampled_from(["trades", "cross"]),
    balance=st.sampled_from([50, 200, 100_000]),
)
def test_every_order_comes_to_one_end_and_nothing_is_left_behind(
    steps: list[tuple[Any, ...]], queue: str, balance: int
) -> None:
    life = Life(queue, balance)
    for name, *arguments in steps:
        getattr(life, name)(*arguments)
    life.end()
    scene, exchange = life.scene, life.scene.exchange
    orders = [event for event in scene.history if isinstance(event, OrderEvent)]

    for cloid, place in life.placed.items():
        assert_one_life([event for event in orders if event.cloid == cloid], place)
    assert exchange.watch(scene.id) is None
    lots, _ = exchange.position("main", scene.id)
    assert lots == sum(e.side * e.sz_lots for e in orders if isinstance(e, OrderFilled))
    notional_e8 = abs(lots) * exchange.mark_ticks2(scene.id) * TICK_E8 // 2
    needed_e8 = -(-notional_e8 // 10)
    assert exchange.equity_e8("main") - needed_e8 == exchange.free_margin_e8("main")


def assert_one_life(events: list[OrderEvent], place: Place) -> None:
    """One acceptance or refusal first; then fills and one end that add up to the size asked for."""
    kinds = Counter(type(event) for event in events)
    assert 1 == kinds[OrderAccepted] + kinds[OrderRejected]
    assert isinstance(events[0], OrderAccepted | OrderRejected)
    if isinstance(events[0], OrderRejected):
        assert 0 == kinds[OrderFilled] + kinds[OrderCanceled] + kinds[OrderReplaced]
        return
    asked = place.sz_lots
    for event in events:
        if isinstance(event, OrderFilled):
            assert event.side == place.side
            assert 0 < event.sz_lots <= asked
            asked -= event.sz_lots
        elif isinstance(event, OrderReplaced):
            asked = event.sz_lots
        elif isinstance(event, OrderCanceled):
            assert 0 < asked
            asked = 0
    assert 0 == asked
    assert kinds[OrderCanceled] <= 1


@given(steps=STEPS)
def test_reduce_only_orders_never_open_or_turn_a_position(steps: list[tuple[Any, ...]]) -> None:
    life = Life("trades", 100_000)
    for name, *arguments in steps:
        getattr(life, name)(*arguments)
    lots = 0
    for event in life.scene.history:
        if isinstance(event, OrderFilled):
            after = lots + event.side * event.sz_lots
            if life.placed[event.cloid].reduce_only:
                assert abs(after) < abs(lots)
                assert after * lots >= 0
            lots = after
