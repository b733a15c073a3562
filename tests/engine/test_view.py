"""What a strategy reads is what the engine knows, under its own name only."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.errors import ModelError
from engine.model.events import AssetContext, BookSnapshot, BookTop, Quote, Trade
from engine.model.orders import OrderState
from strategies.api import View
from tests.engine.builders import BTC, BUY, SELL, House, Scripted, instrument, live_house


def test_before_anything_was_heard_there_is_nothing_to_read() -> None:
    strategy = Scripted()
    House(strategy)
    view = strategy.view

    assert (None, None, None, None, None) == (
        view.quote(BTC),
        view.top(BTC),
        view.trade(BTC),
        view.context(BTC),
        view.mark_px(BTC),
    )
    assert ([], []) == (view.book(BTC).bids(), view.book(BTC).asks())
    assert (0.0, 0.0) == (view.position(BTC).sz, view.net_position(BTC).entry_px)
    assert ([], None, None) == (
        view.orders(BTC),
        view.order("none"),
        view.quote_order(BTC, "bid"),
    )


def test_the_last_event_of_every_feed_is_read() -> None:
    strategy = Scripted()
    house = House(strategy)
    view, now = strategy.view, house.now_ns
    house.quote(99.0, 101.0)
    house.step(BookSnapshot, BTC, 3, (99.0, 98.0), (1.0, 2.0), (101.0,), (3.0,))
    house.step(Trade, BTC, 100.0, 1.0, SELL, 7)
    house.mark(100.5)

    assert Quote(now, now, BTC, 99.0, 1.0, 101.0, 1.0) == view.quote(BTC)
    assert BookTop(now, now, BTC, 3, 99.0, 1.0, 101.0, 3.0) == view.top(BTC)
    assert Trade(now, now, BTC, 100.0, 1.0, SELL, 7) == view.trade(BTC)
    assert AssetContext(now, now, BTC, 100.5, 100.5, 0.0, 0.0) == view.context(BTC)
    assert [(99.0, 1.0), (98.0, 2.0)] == view.book(BTC).bids()
    assert (100.5, now) == (view.mark_px(BTC), view.now_ns)
    assert instrument() == view.instrument(BTC)


def test_a_strategy_reads_its_own_orders_only() -> None:
    one, two = Scripted(), Scripted()
    house = live_house(one, two)
    mine = house.rest(BUY, 99.0, 1.5)
    house.fill(mine, 99.0, 0.5)
    quote = two.quote(BTC, "bid", BUY, 98.0, 1.0)
    house.ask(quote, by=1)
    order = one.view.order(mine)
    assert order is not None

    assert [mine] == [item.cloid for item in one.view.orders(BTC)]
    assert (99.0, 1.5, 0.5, BUY, OrderState.OPEN, "", True) == (
        order.px,
        order.sz,
        order.filled_sz,
        order.side,
        order.state,
        order.quote,
        order.is_live,
    )
    assert (None, None) == (one.view.order(quote.cloid), one.view.quote_order(BTC, "bid"))
    in_flight = two.view.quote_order(BTC, "bid")
    assert in_flight is not None
    assert (quote.cloid, OrderState.SENT) == (in_flight.cloid, in_flight.state)


def test_an_order_that_ended_is_no_longer_among_the_live_ones_and_can_still_be_read() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.canceled(cloid)
    view = house.strategies[0].view
    order = view.order(cloid)
    assert order is not None

    assert [] == view.orders(BTC)
    assert (False, OrderState.CANCELED) == (order.is_live, order.state)


def test_money_is_read_as_floats() -> None:
    house = live_house(balance=1000.0, leverage={BTC: 5})
    house.hold(2.0)
    house.mark(105.0)
    view = house.strategies[0].view
    account, position = view.account, view.position(BTC)

    assert (1010.0, 42.0, 968.0) == (account.equity, account.margin_used, account.free_margin)
    assert (2.0, 100.0, 0.0, 0.0, 0.0) == (
        position.sz,
        position.entry_px,
        position.realised,
        position.fees,
        position.funding,
    )


@pytest.mark.parametrize(
    "read",
    [
        lambda view: view.quote("hl:DOGE"),
        lambda view: view.book("hl:DOGE"),
        lambda view: view.mark_px("hl:DOGE"),
        lambda view: view.position("hl:DOGE"),
        lambda view: view.net_position("hl:DOGE"),
        lambda view: view.instrument("hl:DOGE"),
    ],
)
def test_an_instrument_nobody_knows_is_an_error_that_names_those_there_are(
    read: Callable[[View], object],
) -> None:
    house = House()

    with pytest.raises(ModelError, match="instrument 'hl:DOGE': expected one of hl:BTC"):
        read(house.strategies[0].view)
