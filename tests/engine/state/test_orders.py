"""Orders and the sums of what they could do at worst, driven at random and step by step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from engine.model.commands import Place
from engine.model.orders import FINAL, OrderState, Signal
from engine.model.units import Side, Tif
from engine.state import orders as orders_module
from engine.state.exposure import Exposure
from engine.state.orders import Order, Orders, new_order

SCALES = (1000, 1000, 100)
BTC = "hl:BTC"
SIGNALS_OF_THE_VENUE = [
    Signal.ACCEPT,
    Signal.WAIT,
    Signal.REJECT,
    Signal.TRIGGER,
    Signal.CANCEL_REJECT,
    Signal.UNCLEAR,
]


def place(
    cloid: str,
    side: Side = Side.BUY,
    px_ticks: int = 100,
    sz_lots: int = 10,
    *,
    reduce_only: bool = False,
) -> Place:
    return Place(BTC, cloid, side, px_ticks, sz_lots, Tif.GTC, reduce_only)


def add(orders: Orders, exposure: Exposure, what: Place, quote: str = "") -> Order:
    order = new_order(
        what,
        account="main",
        strategy="one",
        exposure=exposure,
        scales=SCALES,
        sent_ns=1,
        quote=quote,
    )
    orders.add(order)
    return order


@dataclass
class Facts:
    """What the test itself knows of an order: enough to say what it could still do at worst."""

    side: Side
    px_ticks: int
    left_lots: int
    reduce_only: bool
    is_live: bool = True
    is_old_gone: bool = False
    pending: tuple[int, int] | None = None

    def worst(self) -> tuple[int, int]:
        """(lots, highest price) of the present generation and of the one in flight."""
        lots, px_ticks = (0 if self.is_old_gone else max(0, self.left_lots)), self.px_ticks
        if self.pending is not None:
            px_ticks, lots = max(px_ticks, self.pending[0]), max(lots, self.pending[1])
        return (lots, px_ticks) if self.is_live else (0, 0)


class OrdersAtRandom(RuleBasedStateMachine):
    """Any sequence of approvals, answers and second thoughts keeps the sums what they should be."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.orders = Orders()
        self.exposure = Exposure()
        self.facts: dict[str, Facts] = {}
        self.numbers = count(1)

    @rule(
        target=known,
        side=st.sampled_from(Side),
        px_ticks=st.integers(1, 1000),
        sz_lots=st.integers(1, 50),
        reduce_only=st.booleans(),
        is_open=st.booleans(),
    )
    def add(
        self, side: Side, px_ticks: int, sz_lots: int, *, reduce_only: bool, is_open: bool
    ) -> Order:
        what = place(f"c{next(self.numbers)}", side, px_ticks, sz_lots, reduce_only=reduce_only)
        self.facts[what.cloid] = Facts(side, px_ticks, sz_lots, reduce_only)
        order = add(self.orders, self.exposure, what)
        if is_open:
            self.orders.signal(order, Signal.ACCEPT, 2)
        return order

    def settle(self, order: Order, before: OrderState) -> None:
        """What a change of state says about the modify in flight, by the house's rules."""
        facts = self.facts[order.cloid]
        facts.is_live = order.state not in FINAL
        is_settled = before is OrderState.UNKNOWN and order.state is not OrderState.UNKNOWN
        if not facts.is_live or is_settled:
            facts.pending, facts.is_old_gone = None, False

    @rule(order=known, signal=st.sampled_from(SIGNALS_OF_THE_VENUE))
    def hear(self, order: Order, signal: Signal) -> None:
        before = order.state
        self.orders.signal(order, signal, 2)
        self.settle(order, before)

    @rule(order=known, sz_lots=st.integers(1, 30), is_old=st.booleans())
    def fill(self, order: Order, sz_lots: int, *, is_old: bool) -> None:
        before, facts = order.state, self.facts[order.cloid]
        generation = order.generation
        if is_old and generation:
            self.orders.fill(order, sz_lots, generation - 1, 3)
            return
        facts.left_lots -= sz_lots
        self.orders.fill(order, sz_lots, generation, 3)
        if not (before is OrderState.UNKNOWN and facts.pending is not None and order.is_live):
            self.settle(order, before)

    @rule(order=known)
    def venue_cancels(self, order: Order) -> None:
        before, facts = order.state, self.facts[order.cloid]
        self.orders.cancel_old(order, 4, "canceled")
        if facts.pending is not None:
            facts.is_old_gone = True
        else:
            self.settle(order, before)

    @rule(order=known)
    def send_cancel(self, order: Order) -> None:
        if order.is_live and order.state is not OrderState.CANCELING:
            self.orders.send_cancel(order, 5)

    @rule(order=known, px_ticks=st.integers(1, 1000), sz_lots=st.integers(1, 50))
    def send_modify(self, order: Order, px_ticks: int, sz_lots: int) -> None:
        if order.state is OrderState.OPEN:
            self.orders.send_modify(order, px_ticks, sz_lots, 6)
            self.facts[order.cloid].pending = px_ticks, sz_lots

    @rule(order=known)
    def undo_cancel_at_once(self, order: Order) -> None:
        if order.is_live and order.state is not OrderState.CANCELING:
            before = order.state
            self.orders.send_cancel(order, 5)
            self.orders.undo_cancel(order)
            assert before is order.state

    @rule(order=known, is_canceled_too=st.booleans())
    def undo_modify_at_once(self, order: Order, *, is_canceled_too: bool) -> None:
        if order.state is OrderState.OPEN:
            self.orders.send_modify(order, 1000, 50, 6)
            if is_canceled_too:
                self.orders.send_cancel(order, 6)
                self.orders.undo_cancel(order)
            self.orders.undo_modify(order)
            assert OrderState.OPEN is order.state

    @rule(order=known, px_ticks=st.integers(1, 1000), sz_lots=st.integers(1, 50))
    def venue_replaces(self, order: Order, px_ticks: int, sz_lots: int) -> None:
        facts = self.facts[order.cloid]
        self.orders.replace(order, px_ticks, sz_lots, 7)
        facts.px_ticks, facts.left_lots = px_ticks, sz_lots
        facts.pending, facts.is_old_gone = None, False
        facts.is_live = True
        assert order.is_live

    @rule(order=known)
    def venue_refuses_modify(self, order: Order) -> None:
        facts = self.facts[order.cloid]
        self.orders.reject_modify(order, 8)
        if facts.is_old_gone:
            assert OrderState.CANCELED is order.state
        facts.pending, facts.is_old_gone = None, False
        facts.is_live = order.state not in FINAL

    @rule(sz_lots=st.integers(1, 50), is_canceled_too=st.booleans())
    def add_and_discard(self, sz_lots: int, *, is_canceled_too: bool) -> None:
        order = add(self.orders, self.exposure, place(f"c{next(self.numbers)}", sz_lots=sz_lots))
        if is_canceled_too:
            self.orders.send_cancel(order, 9)
        self.orders.discard(order)
        assert self.orders.get(order.cloid) is None
        assert not order.is_live

    @invariant()
    def the_sums_are_what_the_live_orders_add_up_to(self) -> None:
        expected = Exposure()
        for facts in self.facts.values():
            lots, px_ticks = facts.worst()
            expected.count += facts.is_live
            side = "buy_lots" if facts.side > 0 else "sell_lots"
            name = f"reduce_{side}" if facts.reduce_only else side
            setattr(expected, name, getattr(expected, name) + lots)
            if not facts.reduce_only:
                expected.reserved_e8 += lots * px_ticks * 100
        for name in Exposure.__slots__:
            assert getattr(expected, name) == getattr(self.exposure, name), name
            assert getattr(self.exposure, name) >= 0, name

    @invariant()
    def the_live_orders_are_those_that_are_not_final(self) -> None:
        expected = {cloid for cloid, facts in self.facts.items() if facts.is_live}

        assert expected == {order.cloid for order in self.orders.all_live()}
        assert expected == set(self.orders.live("one", BTC))


OrdersAtRandom.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
TestOrdersAtRandom = OrdersAtRandom.TestCase


@pytest.fixture
def exposure() -> Exposure:
    return Exposure()


def test_an_order_counts_from_approval_to_the_venues_word(exposure: Exposure) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a", Side.SELL, 100, 10))
    counted = [exposure.sell_lots]
    for signal in (Signal.UNCLEAR, Signal.ACCEPT, Signal.CANCEL_SENT, Signal.CANCELED):
        orders.signal(order, signal, 2)
        counted.append(exposure.sell_lots)

    assert [10, 10, 10, 10, 0] == counted


def test_a_partial_fill_counts_for_what_is_left(exposure: Exposure) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a", px_ticks=100, sz_lots=10))
    orders.fill(order, 4, 0, 2)

    assert (6, 6 * 100 * 100, OrderState.OPEN) == (
        exposure.buy_lots,
        exposure.reserved_e8,
        order.state,
    )


@pytest.mark.parametrize(
    ("px_ticks", "sz_lots", "lots", "ticks"),
    [(120, 4, 10, 120), (80, 30, 30, 100), (80, 4, 10, 100), (120, 30, 30, 120)],
)
def test_while_a_modify_is_in_flight_the_larger_size_and_price_count(
    exposure: Exposure, px_ticks: int, sz_lots: int, lots: int, ticks: int
) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a", px_ticks=100, sz_lots=10))
    orders.signal(order, Signal.ACCEPT, 2)
    orders.send_modify(order, px_ticks, sz_lots, 3)

    assert (lots, lots * ticks * 100) == (exposure.buy_lots, exposure.reserved_e8)


def test_a_fill_of_the_old_leaves_the_new_whole_while_a_modify_is_in_flight(
    exposure: Exposure,
) -> None:
    """The venue places the new size whatever the old one filled meanwhile."""
    orders = Orders()
    order = add(orders, exposure, place("a", sz_lots=10))
    orders.signal(order, Signal.ACCEPT, 2)
    orders.send_modify(order, 90, 10, 3)
    orders.fill(order, 4, 0, 4)
    in_flight = exposure.buy_lots
    orders.replace(order, 90, 10, 5)

    assert (10, 10) == (in_flight, exposure.buy_lots)
    assert (4, 10) == (order.filled_lots, order.remaining_lots)


def test_a_late_fill_of_an_earlier_generation_takes_nothing_from_the_present_one(
    exposure: Exposure,
) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a", sz_lots=10))
    orders.signal(order, Signal.ACCEPT, 2)
    orders.send_modify(order, 90, 10, 3)
    orders.replace(order, 90, 10, 4)
    orders.fill(order, 9, 0, 5)

    assert (OrderState.OPEN, 10, 9) == (order.state, exposure.buy_lots, order.filled_lots)


def test_a_final_order_that_shows_life_counts_again(exposure: Exposure) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a", sz_lots=10), quote="bid")
    orders.signal(order, Signal.REJECT, 2)
    assert (0, 0, None) == (exposure.buy_lots, exposure.count, orders.quote("one", BTC, "bid"))

    orders.fill(order, 4, 0, 3)

    assert (6, 1, OrderState.UNKNOWN) == (exposure.buy_lots, exposure.count, order.state)
    assert order is orders.quote("one", BTC, "bid")


def test_a_revived_quote_does_not_take_the_place_of_a_newer_one(exposure: Exposure) -> None:
    orders = Orders()
    old = add(orders, exposure, place("a"), quote="bid")
    orders.signal(old, Signal.REJECT, 2)
    new = add(orders, exposure, place("b"), quote="bid")
    orders.fill(old, 1, 0, 3)

    assert new is orders.quote("one", BTC, "bid")


def test_an_overfill_is_counted_and_never_makes_a_sum_negative(exposure: Exposure) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a", sz_lots=10))
    orders.fill(order, 11, 0, 2)

    assert (0, 0) == (exposure.buy_lots, exposure.reserved_e8)
    assert {("OVERFILL", ""): 1} == orders.anomalies


def test_contradictions_are_counted(exposure: Exposure) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a"))
    for signal in (Signal.ACCEPT, Signal.REJECT, Signal.CANCELED, Signal.ACCEPT, Signal.ACCEPT):
        orders.signal(order, signal, 2)

    assert {("OPEN", "REJECT"): 1, ("CANCELED", "ACCEPT"): 2} == orders.anomalies


def test_ended_orders_are_handed_over_once(exposure: Exposure) -> None:
    orders = Orders()
    order = add(orders, exposure, place("a"))
    orders.signal(order, Signal.CANCELED, 7, "by the venue")

    assert [order] == orders.take_ended()
    assert [] == orders.take_ended()
    assert (7, "by the venue") == (order.ended_ns, order.reason)


def test_only_so_many_ended_orders_are_remembered_and_no_live_one_is_forgotten(
    exposure: Exposure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_module, "FINALS_REMEMBERED_MAX", 3)
    orders = Orders()
    live = add(orders, exposure, place("live"))
    revived = add(orders, exposure, place("revived"))
    orders.signal(revived, Signal.REJECT, 2)
    orders.signal(revived, Signal.ACCEPT, 2)
    for number in range(5):
        orders.signal(add(orders, exposure, place(f"c{number}")), Signal.CANCELED, 3)

    assert live is orders.get("live")
    assert revived is orders.get("revived")
    remembered = [f"c{n}" for n in range(5) if orders.get(f"c{n}") is not None]
    assert ["c2", "c3", "c4"] == remembered
