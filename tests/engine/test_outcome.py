"""What is said at the end of a live run of what is left: nothing that matters is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from backtests.record import Recorder
from engine.config import load_config
from engine.drive.outcome import WARNINGS_MAX, Span, live_result, what_is_left
from engine.drive.sampling import EquitySampler
from engine.model.units import TriggerKind
from tests.engine.builders import BTC, BUY, SELL, House, live_house

CONFIG = Path(__file__).parents[2] / "configs" / "demo.toml"


def protect(
    house: House, sz: float, kind: TriggerKind = TriggerKind.STOP_LOSS, *, is_held: bool = True
) -> str:
    """A reduce-only trigger that sells; its cloid."""
    strategy = house.strategies[0]
    if kind is TriggerKind.STOP_LOSS:
        intent = strategy.stop_loss(BTC, SELL, sz, 90.0)
    else:
        intent = strategy.take_profit(BTC, SELL, sz, 110.0)
    house.ask(intent)
    if is_held:
        house.accept(intent.cloid)
    return intent.cloid


def stopped(house: House) -> None:
    protect(house, 2.0)


def stopped_twice(house: House) -> None:
    protect(house, 1.5)
    protect(house, 0.5)


def stopped_in_part(house: House) -> None:
    protect(house, 0.5)


def only_a_target(house: House) -> None:
    protect(house, 2.0, TriggerKind.TAKE_PROFIT)


def unanswered(house: House) -> None:
    protect(house, 2.0, is_held=False)


def not_reduce_only(house: House) -> None:
    intent = house.strategies[0].stop_loss(BTC, SELL, 2.0, 90.0)
    house.ask(msgspec.structs.replace(intent, reduce_only=False))
    house.accept(intent.cloid)


def being_canceled(house: House) -> None:
    cloid = protect(house, 2.0)
    house.ask(house.strategies[0].cancel(BTC, cloid))


@pytest.mark.parametrize(
    ("prepare", "without"),
    [
        (lambda _: None, "a position of 2 on hl:BTC is left without a stop"),
        (stopped, ""),
        (stopped_twice, ""),
        (stopped_in_part, "1.5 of a position of 2 on hl:BTC is left without a stop"),
        (only_a_target, "a position of 2 on hl:BTC is left without a stop"),
        (unanswered, "a position of 2 on hl:BTC is left without a stop"),
        (not_reduce_only, "a position of 2 on hl:BTC is left without a stop"),
        (being_canceled, "a position of 2 on hl:BTC is left without a stop"),
    ],
)
def test_a_position_is_named_unless_stops_that_the_venue_holds_cover_it(
    prepare: Callable[[House], None], without: str
) -> None:
    house = live_house()
    house.hold(2.0)
    prepare(house)

    said = [text for text in what_is_left(house.engine) if "without a stop" in text]
    assert [f"main: {without}."] * bool(without) == said


def test_a_stop_of_the_other_side_covers_nothing() -> None:
    house = live_house()
    house.hold(2.0)
    protect(house, 2.0)
    house.hold(-3.0)

    assert ["main: a position of -1 on hl:BTC is left without a stop."] == [
        text for text in what_is_left(house.engine) if "without a stop" in text
    ]


def test_of_too_many_warnings_the_first_are_kept_and_the_rest_are_counted() -> None:
    house = live_house()
    told = [f"warning {number}" for number in range(WARNINGS_MAX + 5)]
    span = Span("live", 0, 1, 0, 0.0)
    sampler = EquitySampler(house.engine, 1)
    sampler.sample(house.now_ns)
    loaded = load_config(CONFIG)

    result = live_result(loaded, house.engine, Recorder(), sampler, span, told)
    assert told[: WARNINGS_MAX - 1] == [*result.warnings[:-1]]
    assert "and 6 more warnings; the log has them" == result.warnings[-1]

    whole = live_result(loaded, house.engine, Recorder(), sampler, span, told[:WARNINGS_MAX])
    assert told[:WARNINGS_MAX] == [*whole.warnings]


def test_a_short_position_is_covered_by_a_stop_that_buys() -> None:
    house = live_house()
    house.hold(-2.0)
    intent = house.strategies[0].stop_loss(BTC, BUY, 2.0, 110.0)
    house.ask(intent)
    house.accept(intent.cloid)

    assert [] == [text for text in what_is_left(house.engine) if "without a stop" in text]
