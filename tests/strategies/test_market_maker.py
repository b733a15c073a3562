"""The market maker: where it quotes, how it leans, when it moves, and what it never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import StrategyError
from engine.model.events import (
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
)
from engine.model.intents import CancelQuote, PlaceLimit
from engine.model.units import Side, Tif
from strategies.api import Books, Intents
from strategies.market_maker import MarketMaker
from tests.strategies.fakes import FakeView, seat, top

BTC, ETH = "hl:BTC", "hl:ETH"
PARAMS: dict[str, object] = {
    "notional": 1000.0,
    "half_spread_bps": 10.0,
    "skew_bps": 20.0,
    "max_position": 5000.0,
    "requote_bps": 5.0,
    "interval_ms": 100,
}


def started(**params: object) -> tuple[MarketMaker, FakeView]:
    strategy, view = seat(MarketMaker, PARAMS | params, [BTC, ETH])
    assert strategy.on_start() is None
    return strategy, view


def quotes(intents: Intents) -> dict[str, PlaceLimit]:
    """The placed quotes by name; a quote that is taken away is left out."""
    found = [intent for intent in intents or [] if isinstance(intent, PlaceLimit)]
    assert all(intent.tif is Tif.ALO and not intent.reduce_only for intent in found)
    return {intent.quote: intent for intent in found}


def fill(instrument: str, side: Side, sz: float) -> OrderFilled:
    return OrderFilled(
        0, 0, "main", instrument, "c1", 0, 1, 1, side, 0, 0, 1000.0, sz, 0, is_maker=True
    )


def test_it_is_woken_by_the_book() -> None:
    assert [Books()] == started()[0].subscriptions()


def test_without_inventory_it_quotes_evenly_around_the_mid() -> None:
    strategy, _ = started()

    placed = quotes(strategy.on_book(top(BTC, 1, 999.0, 1001.0)))

    assert (Side.BUY, Side.SELL) == (placed["bid"].side, placed["ask"].side)
    assert [999.0, 1001.0] == pytest.approx([placed["bid"].px, placed["ask"].px])
    assert (1.001, 0.999) == (placed["bid"].sz, placed["ask"].sz)


@pytest.mark.parametrize(("position_sz", "reservation"), [(2.5, 999.0), (-2.5, 1001.0)])
def test_half_an_inventory_shifts_both_quotes_by_half_the_skew(
    position_sz: float, reservation: float
) -> None:
    strategy, view = started(half_spread_bps=30.0)
    view.positions[BTC] = position_sz

    placed = quotes(strategy.on_book(top(BTC, 1, 999.0, 1001.0)))

    assert reservation - 3.0 == pytest.approx(placed["bid"].px)
    assert reservation + 3.0 == pytest.approx(placed["ask"].px)


@pytest.mark.parametrize(
    ("position_sz", "name", "px"), [(10.0, "ask", 1001.0), (-10.0, "bid", 999.0)]
)
def test_beyond_the_limit_it_leans_no_further_than_the_whole_skew(
    position_sz: float, name: str, px: float
) -> None:
    strategy, view = started(half_spread_bps=30.0)
    view.positions[BTC] = position_sz

    placed = quotes(strategy.on_book(top(BTC, 1, 999.0, 1001.0)))

    assert px == pytest.approx(placed[name].px)


def test_near_the_limit_a_quote_is_only_as_large_as_the_room_that_is_left() -> None:
    strategy, view = started()
    view.positions[BTC] = 4.5

    placed = quotes(strategy.on_book(top(BTC, 1, 999.0, 1001.0)))

    assert 0.5 == placed["bid"].sz
    assert 1000.0 == pytest.approx(placed["ask"].px * placed["ask"].sz, rel=1e-3)


@pytest.mark.parametrize(("position_sz", "gone"), [(5.0, "bid"), (4.995, "bid"), (-6.0, "ask")])
def test_at_the_limit_the_side_that_would_pass_it_is_taken_away(
    position_sz: float, gone: str
) -> None:
    """4.995 leaves 5 USD of room, less than the venue's least order."""
    strategy, view = started()
    view.positions[BTC] = position_sz

    intents = strategy.on_book(top(BTC, 1, 999.0, 1001.0))

    assert CancelQuote(BTC, gone) in (intents or [])
    assert {"bid", "ask"} - {gone} == set(quotes(intents))


@given(
    bid_px=st.floats(min_value=0.5, max_value=1e5),
    spread_bps=st.floats(min_value=0.01, max_value=100),
    inventory=st.floats(min_value=-2, max_value=2),
    skew_bps=st.floats(min_value=0, max_value=500),
)
def test_no_quote_crosses_the_book_or_passes_the_largest_position(
    bid_px: float, spread_bps: float, inventory: float, skew_bps: float
) -> None:
    strategy, view = started(skew_bps=skew_bps)
    ask_px = bid_px * (1 + spread_bps / 10_000)
    mid = (bid_px + ask_px) / 2
    max_sz = 5000.0 / mid
    view.positions[BTC] = inventory * max_sz

    placed = quotes(strategy.on_book(top(BTC, 1, bid_px, ask_px)))

    assert all(quote.px < ask_px for name, quote in placed.items() if name == "bid")
    assert all(quote.px > bid_px for name, quote in placed.items() if name == "ask")
    for quote in placed.values():
        after_sz = view.positions[BTC] + quote.side * quote.sz
        assert abs(after_sz) <= max(max_sz, abs(view.positions[BTC])) * (1 + 1e-12)


# -- when it moves ---------------------------------------------------------------------------------


def test_quotes_stay_until_the_mid_has_moved_far_enough() -> None:
    strategy, _ = started()
    strategy.on_book(top(BTC, 1, 999.0, 1001.0))

    assert strategy.on_book(top(BTC, 1_000, 999.4, 1001.4)) is None
    assert quotes(strategy.on_book(top(BTC, 1_001, 999.6, 1001.6)))


def test_without_a_threshold_quotes_follow_at_every_interval() -> None:
    strategy, _ = started(requote_bps=0.0)
    strategy.on_book(top(BTC, 1, 999.0, 1001.0))

    assert quotes(strategy.on_book(top(BTC, 101, 999.0, 1001.0)))


def test_quotes_stay_for_the_least_interval_whatever_the_mid_does() -> None:
    strategy, _ = started()
    strategy.on_book(top(BTC, 1, 999.0, 1001.0))

    assert strategy.on_book(top(BTC, 100, 1099.0, 1101.0)) is None
    assert quotes(strategy.on_book(top(BTC, 101, 1099.0, 1101.0)))


@pytest.mark.parametrize(
    "event",
    [
        fill(BTC, Side.BUY, 0.5),
        OrderRejected(0, 0, "main", BTC, "c1", 0, "badAloPx"),
        ModifyRejected(0, 0, "main", BTC, "c1", 1, "badAloPx"),
        OrderCanceled(0, 0, "main", BTC, "c1", 0, 1, "liquidatedCanceled"),
    ],
)
def test_a_fill_a_reject_or_a_cancel_makes_the_quotes_due_at_the_next_book(event: object) -> None:
    strategy, _ = started()
    strategy.on_book(top(BTC, 1, 999.0, 1001.0))

    if isinstance(event, OrderFilled):
        assert strategy.on_fill(event) is None
    else:
        assert isinstance(event, OrderEvent)
        assert strategy.on_order(event) is None

    assert quotes(strategy.on_book(top(BTC, 200, 999.0, 1001.0)))


def test_an_accepted_quote_changes_nothing() -> None:
    strategy, _ = started()
    strategy.on_book(top(BTC, 1, 999.0, 1001.0))
    strategy.on_order(OrderAccepted(0, 0, "main", BTC, "c1", 0, 7))

    assert strategy.on_book(top(BTC, 200, 999.0, 1001.0)) is None


def test_instruments_are_quoted_apart() -> None:
    strategy, _ = started()
    strategy.on_book(top(BTC, 1, 999.0, 1001.0))

    intents = strategy.on_book(top(ETH, 2, 99.0, 101.0))

    assert {ETH} == {intent.instrument for intent in intents or []}
    assert 10.0 == pytest.approx(quotes(intents)["bid"].sz, rel=1e-2)


@pytest.mark.parametrize(("bid_px", "ask_px"), [(0.0, 1001.0), (999.0, 0.0), (0.0, 0.0)])
def test_a_book_without_a_side_takes_the_live_quotes_away_once(
    bid_px: float, ask_px: float
) -> None:
    strategy, view = started()
    strategy.on_book(top(BTC, 1, 999.0, 1001.0))
    view.live_quotes = {(BTC, "ask")}

    assert [CancelQuote(BTC, "ask")] == strategy.on_book(top(BTC, 200, bid_px, ask_px))
    view.live_quotes = set()
    assert strategy.on_book(top(BTC, 300, bid_px, ask_px)) is None
    assert quotes(strategy.on_book(top(BTC, 301, 999.0, 1001.0)))


def test_stopping_takes_every_quote_away() -> None:
    strategy, _ = started()

    expected = [CancelQuote(where, quote) for where in (BTC, ETH) for quote in ("bid", "ask")]
    assert expected == strategy.on_stop()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notional", 0.0),
        ("half_spread_bps", 0.0),
        ("max_position", -1.0),
        ("skew_bps", -1.0),
        ("requote_bps", -0.1),
        ("interval_ms", -1),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(StrategyError, match=f"{name} = {value}: expected"):
        started(**{name: value})
