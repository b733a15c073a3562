"""Which price stands for the market, from the feeds there are."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.model.events import AssetContext, Bar, BookTop, Quote, Trade
from engine.model.units import Side
from engine.state.market import Feed, Market
from tests.engine.builders import BTC, instrument

MINUTE_NS = 60_000_000_000


def context(mark_px: float, oracle_px: float = 0.0, at_ns: int = 5) -> AssetContext:
    return AssetContext(at_ns, at_ns, BTC, mark_px, oracle_px, 0.0, 0.0)


def top(bid_px: float, ask_px: float, at_ns: int = 5) -> BookTop:
    return BookTop(at_ns, at_ns, BTC, 1, bid_px, 1.0, ask_px, 1.0)


def quote(bid_px: float, ask_px: float, at_ns: int = 5) -> Quote:
    return Quote(at_ns, at_ns, BTC, bid_px, 1.0, ask_px, 1.0)


def trade(px: float, at_ns: int = 5) -> Trade:
    return Trade(at_ns, at_ns, BTC, px, 1.0, Side.BUY, 1)


def bar(close: float, at_ns: int = 5, interval_ns: int = MINUTE_NS) -> Bar:
    return Bar(at_ns, at_ns, BTC, interval_ns, close, close, close, close, 1.0)


def market(*heard: Any) -> Market:  # noqa: ANN401 - any market event
    made = Market(instrument())
    feeds: dict[type, Feed] = {
        BookTop: made.top,
        Quote: made.quote,
        Trade: made.trade,
        AssetContext: made.context,
    }
    for event in heard:
        if isinstance(event, Bar):
            made.bars.setdefault(event.interval_ns, Feed()).last = event
        else:
            feeds[type(event)].last = event
    return made


@pytest.mark.parametrize(
    ("heard", "mark_px"),
    [
        ([context(101.0), top(99.0, 100.0), trade(98.0)], 101.0),
        ([top(99.0, 100.0), quote(90.0, 91.0), trade(98.0)], 99.5),
        ([top(99.001, 99.002)], 99.0015),
        ([quote(90.0, 91.0), trade(98.0)], 90.5),
        ([top(99.0, 0.0), trade(98.0)], 98.0),
        ([top(99.0, 0.0), bar(97.0)], 97.0),
        ([top(99.0, 0.0)], 99.0),
        ([top(0.0, 100.0)], 100.0),
        ([top(0.0, 0.0)], None),
        ([trade(98.0), bar(97.0, at_ns=9)], 98.0),
        ([bar(97.0, at_ns=5), bar(96.0, at_ns=7, interval_ns=5 * MINUTE_NS)], 96.0),
        ([], None),
        # what a venue may send instead of a price
        ([context(math.nan), top(99.0, 100.0)], 99.5),
        ([context(math.inf), trade(98.0)], 98.0),
        ([context(0.0), top(99.0, 100.0)], 99.5),
        ([context(-1.0)], None),
        ([top(math.nan, 100.0), trade(math.inf), bar(97.0)], 97.0),
    ],
)
def test_the_mark_is_the_venues_else_the_mid_else_the_last_price_else_one_side(
    heard: list[Any], mark_px: float | None
) -> None:
    assert mark_px == market(*heard).mark_px()


@pytest.mark.parametrize(
    ("heard", "buy_px", "sell_px"),
    [
        ([top(99.0, 100.0), quote(90.0, 91.0, at_ns=9), context(101.0, at_ns=9)], 100.0, 99.0),
        ([quote(90.0, 91.0), trade(98.0, at_ns=9)], 91.0, 90.0),
        ([top(99.0, 0.0), trade(98.0, at_ns=3)], 98.0, 99.0),
        ([trade(98.0, at_ns=9), bar(97.0)], 98.0, 98.0),
        ([trade(98.0), bar(97.0, at_ns=9)], 97.0, 97.0),
        ([context(101.0)], 101.0, 101.0),
        ([context(math.nan, 102.0)], 102.0, 102.0),
        ([], 0.0, 0.0),
    ],
)
def test_a_taker_meets_the_opposite_best_else_the_newest_price(
    heard: list[Any], buy_px: float, sell_px: float
) -> None:
    made = market(*heard)

    assert (buy_px, sell_px) == (made.take_px(Side.BUY), made.take_px(Side.SELL))


@pytest.mark.parametrize(
    ("heard", "buy_px"),
    [
        ([top(99.0, 100.0, at_ns=4), context(110.0, at_ns=9)], 110.0),
        ([top(99.0, 100.0, at_ns=5), context(110.0, at_ns=9)], 100.0),
        ([top(99.0, 100.0, at_ns=4), quote(104.0, 105.0, at_ns=5)], 105.0),
        ([top(99.0, 100.0, at_ns=4), context(110.0, at_ns=3)], 100.0),
        ([top(99.0, 100.0, at_ns=2), quote(104.0, 105.0, at_ns=4), trade(97.0, at_ns=3)], 105.0),
        ([top(99.0, 100.0, at_ns=2), trade(97.0, at_ns=3), context(110.0, at_ns=4)], 110.0),
    ],
)
def test_a_best_that_is_too_old_gives_way_to_whatever_is_newer(
    heard: list[Any], buy_px: float
) -> None:
    """Too old is before 5 here. A book that stopped does not price an order while others go on."""
    assert buy_px == market(*heard).take_px(Side.BUY, oldest_ns=5)


@pytest.mark.parametrize(
    ("heard", "at_ns"),
    [
        ([], 0),
        ([top(1.0, 2.0, 5), quote(1.0, 2.0, 7), trade(1.0, 9), context(1.0, at_ns=8)], 9),
        ([trade(1.0, 9), bar(1.0, 5)], MINUTE_NS + 5),
        ([trade(1.0, MINUTE_NS + 9), bar(1.0, 5)], MINUTE_NS + 9),
    ],
)
def test_a_price_is_heard_when_its_event_arrives_and_a_bar_stays_fresh_for_one_more(
    heard: list[Any], at_ns: int
) -> None:
    assert at_ns == market(*heard).heard_ns()
