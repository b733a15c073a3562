"""The trend follower: when it acts, how large, and that it sees its wish through."""

from __future__ import annotations

import pytest

from engine.model.intents import TargetPosition
from strategies.api import Bars, Intents, Warmup
from strategies.ema_cross import RETRIES_MAX, EmaCross
from tests.strategies.fakes import FakeView, bar, seat

BTC, ETH = "hl:BTC", "hl:ETH"
PARAMS: dict[str, object] = {"fast": 2, "slow": 4, "notional": 1000.0}
FALLING = [110.0, 108.0, 106.0, 104.0, 102.0, 100.0]


def started(closes: list[float], **params: object) -> tuple[EmaCross, FakeView]:
    """A strategy on BTC and ETH whose warm-up saw these closes on both."""
    strategy, view = seat(EmaCross, PARAMS | params, [BTC, ETH])
    for instrument in (BTC, ETH):
        view.history[instrument] = [bar(instrument, n, px) for n, px in enumerate(closes)]
    assert strategy.on_start() is None
    return strategy, view


def sizes(intents: Intents) -> list[float]:
    assert intents is not None
    assert all(isinstance(intent, TargetPosition) for intent in intents)
    return [intent.sz for intent in intents if isinstance(intent, TargetPosition)]


def test_it_asks_for_bars_and_for_as_many_to_warm_up_as_the_slow_average_spans() -> None:
    strategy, _ = seat(EmaCross, {"interval": "5m", "slow": 30}, [BTC])

    assert [Bars("5m")] == strategy.subscriptions()
    assert Warmup(bars=30) == strategy.warmup()


def test_a_crossing_upwards_asks_for_the_notional_in_base_units() -> None:
    strategy, _ = started(FALLING)

    intents = strategy.on_bar(bar(BTC, 6, 125.0))

    assert [TargetPosition(BTC, "c1", 8.0)] == intents


def test_a_crossing_downwards_turns_the_position_round() -> None:
    strategy, _ = started(FALLING)
    strategy.on_bar(bar(BTC, 6, 125.0))

    assert [-12.5] == sizes(strategy.on_bar(bar(BTC, 7, 80.0)))


def test_a_crossing_downwards_closes_the_position_where_shorts_are_not_allowed() -> None:
    strategy, _ = started(FALLING, allow_short=False)
    strategy.on_bar(bar(BTC, 6, 125.0))

    assert [0.0] == sizes(strategy.on_bar(bar(BTC, 7, 80.0)))


def test_a_trend_that_began_before_the_start_is_not_entered() -> None:
    strategy, _ = started(FALLING)

    assert strategy.on_bar(bar(BTC, 6, 98.0)) is None
    assert strategy.on_bar(bar(BTC, 7, 96.0)) is None


@pytest.mark.parametrize("close", [80.0, 100.0, 125.0])
def test_the_first_direction_after_a_flat_market_is_no_crossing(close: float) -> None:
    strategy, _ = started([100.0] * 6)

    assert strategy.on_bar(bar(BTC, 6, close)) is None


def test_a_touch_is_no_crossing() -> None:
    """The slow average (alpha 1/2) stands at 99; so does the fast one, for one bar."""
    strategy, _ = started([100.0, 98.0], fast=1, slow=3)

    assert strategy.on_bar(bar(BTC, 2, 99.0)) is None
    assert strategy.on_bar(bar(BTC, 3, 98.0)) is None
    assert strategy.on_bar(bar(BTC, 4, 103.0))


def test_instruments_are_followed_apart() -> None:
    strategy, _ = started(FALLING)

    strategy.on_bar(bar(BTC, 6, 125.0))

    assert strategy.on_bar(bar(ETH, 6, 98.0)) is None
    assert [8.0] == sizes(strategy.on_bar(bar(ETH, 7, 125.0)))


def test_a_position_that_was_reached_to_the_lot_is_left_alone() -> None:
    strategy, view = started(FALLING)
    strategy.on_bar(bar(BTC, 6, 123.0))
    view.positions[BTC] = 8.1300  # 1000 / 123 is 8.13008..., on a grid of 0.0001

    assert strategy.on_bar(bar(BTC, 7, 124.0)) is None
    view.positions[BTC] = 0.0
    assert strategy.on_bar(bar(BTC, 8, 125.0)) is None


def test_a_position_that_was_not_reached_is_asked_for_again_but_not_for_ever() -> None:
    strategy, view = started(FALLING)
    strategy.on_bar(bar(BTC, 6, 125.0))
    view.positions[BTC] = 3.0

    asked = [strategy.on_bar(bar(BTC, 7 + n, 126.0 + n)) for n in range(RETRIES_MAX + 2)]

    assert [[8.0]] * RETRIES_MAX == [sizes(intents) for intents in asked[:RETRIES_MAX]]
    assert [None, None] == asked[RETRIES_MAX:]


@pytest.mark.parametrize(
    "params", [{"fast": 0}, {"fast": 4}, {"notional": 0.0}, {"interval": "x"}, {"notional": -1.0}]
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(Exception, match=r"expected"):
        seat(EmaCross, PARAMS | params, [BTC])
