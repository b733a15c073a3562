"""The interface a strategy is written against: spans, parameters, and its words for intents."""

from __future__ import annotations

from itertools import count
from typing import cast

import pytest

from engine.errors import StrategyError
from engine.model.intents import (
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
    WakeAt,
)
from engine.model.units import NS_PER_S, Side, Tif, TriggerKind
from strategies.api import (
    Bars,
    Intents,
    Params,
    Strategy,
    Timer,
    View,
    Warmup,
    make_params,
    overrides,
    span_ns,
)

BTC = "hl:BTC"
BUY, SELL = Side.BUY, Side.SELL
STOP, TAKE = TriggerKind.STOP_LOSS, TriggerKind.TAKE_PROFIT


class WidthParams(Params, frozen=True):
    width: float = 1.5
    levels: int = 3


class Quoter(Strategy):
    Params = WidthParams

    def on_timer(self, name: str) -> Intents:
        del name
        return None


@pytest.fixture
def strategy() -> Quoter:
    made, numbers = Quoter(WidthParams()), count(1)
    made.bind(
        name="q",
        instruments=(BTC,),
        view=cast("View", None),
        next_cloid=lambda: f"c{next(numbers)}",
    )
    return made


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("15s", 15), ("5m", 300), ("4h", 14_400), ("1d", 86_400)]
)
def test_a_span_is_a_whole_number_and_a_unit(text: str, seconds: int) -> None:
    assert seconds * NS_PER_S == span_ns(text)
    assert seconds * NS_PER_S == Bars(text).interval_ns == Timer("t", text).every_ns
    assert seconds * NS_PER_S == Warmup(span=text).span_ns


@pytest.mark.parametrize("text", ["", "m", "5", "0m", "-1m", "1.5m", "5 m", "5w", "5M", "m5", "²s"])
def test_anything_else_is_an_error_that_says_what_was_expected(text: str) -> None:
    with pytest.raises(StrategyError, match="expected a whole number and s, m, h or d") as error:
        span_ns(text)

    assert f"span {text!r}" in str(error.value)


def test_no_warm_up_is_no_span() -> None:
    assert 0 == Warmup().span_ns


def test_parameters_are_typed_and_have_defaults() -> None:
    assert WidthParams(2.5, 3) == make_params(Quoter, {"width": 2.5})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": "wide"}, "Quoter: Expected `float`, got `str` - at `$.width`"),
        ({"levels": 1.5}, "Quoter: Expected `int`, got `float` - at `$.levels`"),
        ({"wdith": 1.0}, "Quoter: Object contains unknown field `wdith`"),
    ],
)
def test_a_wrong_parameter_is_an_error_that_names_it(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(StrategyError) as error:
        make_params(Quoter, values)

    assert message == str(error.value)


def test_a_handler_is_called_only_where_it_is_overridden(strategy: Quoter) -> None:
    assert overrides(strategy, "on_timer")
    assert not overrides(strategy, "on_fill")


def test_the_words_of_a_strategy_make_the_intents_they_name(strategy: Quoter) -> None:
    """Each that opens an order takes a new client order id."""
    assert PlaceLimit(BTC, "c1", BUY, 9.0, 1.0, Tif.ALO, reduce_only=True) == strategy.limit(
        BTC, BUY, 9.0, 1.0, tif=Tif.ALO, reduce_only=True
    )
    assert PlaceLimit(BTC, "c2", BUY, 9.0, 1.0, Tif.ALO, quote="bid") == strategy.quote(
        BTC, "bid", BUY, 9.0, 1.0
    )
    assert PlaceMarket(BTC, "c3", SELL, 1.0, slippage=0.02) == strategy.market(
        BTC, SELL, 1.0, slippage=0.02
    )
    assert PlaceTrigger(BTC, "c4", SELL, 1.0, 8.0, STOP, 7.5) == strategy.stop_loss(
        BTC, SELL, 1.0, 8.0, limit_px=7.5
    )
    assert PlaceTrigger(BTC, "c5", SELL, 1.0, 12.0, TAKE) == strategy.take_profit(
        BTC, SELL, 1.0, 12.0
    )
    assert TargetPosition(BTC, "c6", -1.0) == strategy.target(BTC, -1.0)
    assert ClosePosition(BTC, "c7", 0.1) == strategy.close(BTC, slippage=0.1)
    assert Cancel(BTC, "c1") == strategy.cancel(BTC, "c1")
    assert Modify(BTC, "c1", 9.5, 2.0) == strategy.modify(BTC, "c1", 9.5, 2.0)
    assert CancelAll(BTC) == strategy.cancel_all(BTC)
    assert CancelQuote(BTC, "bid") == strategy.cancel_quote(BTC, "bid")
    assert SetLeverage(BTC, 3, is_cross=False) == strategy.set_leverage(BTC, 3, is_cross=False)
    assert WakeAt("", "soon", 5) == strategy.wake_at("soon", 5)


@pytest.mark.parametrize("side", Side)
def test_a_bracket_protects_its_entry_on_the_other_side_for_its_size(
    strategy: Quoter, side: Side
) -> None:
    entry = strategy.limit(BTC, side, 10.0, 2.0)
    out = Side(-side)

    assert PlaceBracket(
        BTC,
        entry,
        PlaceTrigger(BTC, "c2", out, 2.0, 9.0, STOP),
        PlaceTrigger(BTC, "c3", out, 2.0, 11.0, TAKE),
    ) == strategy.bracket(entry, stop_px=9.0, take_profit_px=11.0)
    assert PlaceBracket(BTC, entry) == strategy.bracket(entry)
