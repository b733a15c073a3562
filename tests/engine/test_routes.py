"""A route run on an iterator is the same as a step for every event of it."""

from __future__ import annotations

from collections.abc import Callable
from operator import length_hint
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import Engine
from engine.model.events import (
    AccountOpened,
    AssetContext,
    Bar,
    BookDelta,
    BookSnapshot,
    BookTop,
    EngineStarted,
    FundingRate,
    Quote,
    Trade,
)
from engine.model.units import MONEY_SCALE, NS_PER_S, Side
from strategies.api import Bars, Books, Funding, Intents, Quotes, Subscription, Trades, Warmup
from tests.engine.builders import BTC, BUY, EPOCH, MAIN, START_NS, Scripted, engine_with

SECOND_NS = NS_PER_S
Made = Callable[[int, int, int], Any]

MAKERS: dict[str, tuple[type, Made]] = {
    "quote": (Quote, lambda _, at, px: Quote(at, at, BTC, px / 10, 1.0, px / 10 + 0.1, 1.0)),
    "top": (BookTop, lambda n, at, px: BookTop(at, at, BTC, n, px / 10, 1.0, px / 10 + 1, 1.0)),
    "snapshot": (
        BookSnapshot,
        lambda n, at, px: BookSnapshot(at, at, BTC, n, (px / 10,), (1.0,), (px / 10 + 1,), (1.0,)),
    ),
    "delta": (
        BookDelta,
        lambda n, at, px: BookDelta(at, at, BTC, n, (px / 10,), (n % 3 * 1.0,), (), ()),
    ),
    "trade": (Trade, lambda n, at, px: Trade(at, at, BTC, px / 10, 0.5, Side.BUY, n)),
    "bar": (Bar, lambda _, at, px: Bar(at, at, BTC, SECOND_NS, px, px, px, px, 1.0)),
    "funding": (FundingRate, lambda _, at, px: FundingRate(at, at, BTC, px / 1e9)),
    "context": (
        AssetContext,
        lambda _, at, px: AssetContext(at, at, BTC, px / 10, px / 10, 0.0, 0.0),
    ),
}

# Long runs of one stamp, some time between others, and bars that close on the way.
steps = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, SECOND_NS // 3, 3 * SECOND_NS]), st.integers(950, 1050)),
    max_size=40,
)


def trading(strategy: Scripted, handler: str, what: Any) -> Intents:  # noqa: ANN401 - any event
    """Sometimes an order, sometimes a timer, sometimes a wish that comes to nothing."""
    if handler == "on_start":
        return [strategy.wake_at("started", 1)] if what % 2 else None
    number = len(strategy.saw)
    if number % 7 == 0:
        return [strategy.limit(BTC, BUY, 99.0, 0.2)]
    if number % 7 == 3:
        return [strategy.cancel_quote(BTC, "none"), strategy.cancel(BTC, "none")]
    return [strategy.wake_at("soon", 1)] if number % 11 == 5 else None


def built(subscriptions: list[Subscription], warmup: Warmup, strategies: int) -> Engine:
    """An engine on which so many strategies trade; bars of a second are built from trades."""
    engine = engine_with(
        *(Scripted(*subscriptions, warmup=warmup, script=trading) for _ in range(strategies)),
        bars_from_trades=frozenset({(BTC, SECOND_NS)}),
    )
    engine.step(AccountOpened(START_NS, START_NS, MAIN, "hl", 10**6 * MONEY_SCALE))
    engine.step(EngineStarted(START_NS, START_NS, EPOCH))
    return engine


def state(engine: Engine) -> tuple[Any, ...]:
    runners = engine.runners.values()
    return (
        [runner.strategy.saw for runner in runners if isinstance(runner.strategy, Scripted)],
        [runner.is_started for runner in runners],
        engine.refusals,
        engine.now_ns,
        list(engine.bar_history(BTC, SECOND_NS)),
        engine.markets[BTC].mark_ticks2(),
        engine.planner.ip("hl").left(engine.now_ns, is_urgent=True),
    )


SUBSCRIPTIONS: dict[str, list[Subscription]] = {
    "all": [Quotes(), Books(), Trades(), Bars("1s", history=3), Funding()],
    "bars": [Bars("1s")],
    "none": [],
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("wanted", SUBSCRIPTIONS)
@pytest.mark.parametrize("strategies", [1, 2])
@settings(max_examples=35)
@given(moves=steps, bars=st.integers(0, 3))
def test_running_a_route_is_stepping_every_event(
    kind: str, wanted: str, strategies: int, moves: list[tuple[int, int]], bars: int
) -> None:
    """It stops at the first effects, leaves the iterator at the next event, and sees the same."""
    event_type, make = MAKERS[kind]
    now_ns, events = START_NS, list[Any]()
    for number, (step_ns, px) in enumerate(moves):
        now_ns += step_ns
        events.append(make(number, now_ns, px))
    stepped, run = (built(SUBSCRIPTIONS[wanted], Warmup(bars=bars), strategies) for _ in range(2))
    expected = []
    for number, event in enumerate(events):
        effects = stepped.step(event)
        if effects:
            expected.append((number, effects))

    if kind == "bar" and wanted == "none":
        return  # an interval nobody takes has no route
    route = run.route(event_type, BTC, SECOND_NS)
    rest = iter(events)
    actual = []
    while effects := route.run(rest):
        actual.append((len(events) - length_hint(rest) - 1, effects))

    assert expected == actual
    assert 0 == length_hint(rest)
    if events:
        assert state(stepped) == state(run)


def test_nothing_happening_is_one_shared_empty_tuple() -> None:
    engine = built([], Warmup(), 1)
    quote = Quote(START_NS, START_NS, BTC, 99.0, 1.0, 101.0, 1.0)

    assert engine.step(quote) is engine.step(quote)
    assert () == engine.step(quote)
