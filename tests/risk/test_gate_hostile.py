"""Whatever a strategy writes, the worst that comes of it is a refusal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from engine.model.commands import Place
from engine.model.intents import (
    AnyIntent,
    ClosePosition,
    PlaceBracket,
    PlaceLimit,
    PlaceMarket,
    PlaceTrigger,
    TargetPosition,
)
from engine.model.orders import OrderState
from engine.model.units import TriggerKind
from tests.engine.builders import (
    ALO,
    BTC,
    BUY,
    SELL,
    Scripted,
    checks,
    commands,
    live_house,
    only_command,
    refused,
)


def placed(effects: Any) -> Place:  # noqa: ANN401 - any effects
    command = only_command(effects)
    assert isinstance(command, Place)
    return command


NOT_NUMBERS = [math.nan, math.inf, -math.inf, 1e15, 1e300, 10**400]
SIDE, STOP = BUY, TriggerKind.STOP_LOSS


@pytest.mark.parametrize("bad", NOT_NUMBERS)
@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (lambda bad: PlaceLimit(BTC, "c", SIDE, bad, 1.0), "px"),
        (lambda bad: PlaceLimit(BTC, "c", SIDE, 100.0, bad), "sz"),
        (lambda bad: PlaceLimit(BTC, "c", SIDE, bad, 1.0, ALO, quote="bid"), "px"),
        (lambda bad: PlaceMarket(BTC, "c", SIDE, bad), "sz"),
        (lambda bad: PlaceMarket(BTC, "c", SIDE, 1.0, slippage=bad), "slippage"),
        (lambda bad: PlaceTrigger(BTC, "c", SIDE, 1.0, bad, STOP), "trigger_px"),
        (lambda bad: PlaceTrigger(BTC, "c", SIDE, 1.0, 90.0, STOP, limit_px=bad), "limit_px"),
        (lambda bad: TargetPosition(BTC, "c", bad), "sz"),
        (lambda bad: ClosePosition(BTC, "c", slippage=bad), "slippage"),
        (
            lambda bad: PlaceBracket(
                BTC,
                PlaceLimit(BTC, "c", SIDE, 100.0, 1.0),
                PlaceTrigger(BTC, "s", SELL, 1.0, bad, STOP),
            ),
            "trigger_px",
        ),
    ],
)
def test_what_is_no_number_is_a_refusal_that_names_it(
    wish: Callable[[float], AnyIntent], field: str, bad: float
) -> None:
    """It is not even taken as a wish to be flat."""
    house = live_house()
    house.hold(2.0)
    effects = house.ask(wish(bad))

    assert [] == commands(effects)
    ((check, limit, measured),) = refused(effects)
    assert ("number", "a finite number below 1e15") == (check, limit)
    assert f"{field}={str(bad)[:20]}" == measured


@pytest.mark.parametrize(
    ("wish", "check"),
    [
        (lambda s: s.limit(BTC, BUY, 100.0, 0.0), "zero_size"),
        (lambda s: s.limit(BTC, BUY, 100.0, -1.0), "zero_size"),
        (lambda s: s.limit(BTC, BUY, 100.0, 0.0009), "zero_size"),
        (lambda s: s.limit(BTC, BUY, 0.0, 1.0), "zero_price"),
        (lambda s: s.limit(BTC, BUY, -5.0, 1.0), "zero_price"),
        (lambda s: s.limit(BTC, BUY, 0.0009, 1.0), "zero_price"),
        (lambda s: s.quote(BTC, "bid", BUY, 0.0, 1.0), "zero_price"),
        (lambda s: s.market(BTC, SELL, 1.0, slippage=1.0), "zero_price"),
        (lambda s: s.market(BTC, SELL, 1.0, slippage=7.0), "zero_price"),
        (lambda s: s.market(BTC, BUY, -1.0), "zero_size"),
        (lambda s: s.stop_loss(BTC, SELL, -1.0, 90.0), "zero_size"),
        (lambda s: s.stop_loss(BTC, SELL, 1.0, 0.0), "zero_price"),
        (lambda s: s.stop_loss(BTC, SELL, 1.0, 0.0, limit_px=90.0), "zero_trigger"),
        (lambda s: s.stop_loss(BTC, SELL, 1.0, 90.0, limit_px=-1.0), "zero_price"),
        (lambda s: s.close(BTC, slippage=1.0), "zero_price"),
    ],
)
def test_what_cannot_be_on_the_grid_is_refused(
    wish: Callable[[Scripted], AnyIntent], check: str
) -> None:
    house = live_house()
    house.hold(2.0)
    effects = house.ask(wish(house.strategies[0]))

    what = check.removeprefix("zero_")
    assert [(check, f"a {what} on the grid", "0")] == refused(effects)


@pytest.mark.parametrize(("px", "sz"), [(0.0, 1.0), (-1.0, 1.0), (98.0, 0.0), (98.0, -1.0)])
def test_an_order_is_not_moved_off_the_grid(px: float, sz: float) -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    effects = house.ask(house.strategies[0].modify(BTC, cloid, px, sz))

    assert ["zero_price" if sz > 0 else "zero_size"] == checks(effects)
    assert OrderState.OPEN is house.order(cloid).state


def test_an_instrument_nobody_knows_is_refused() -> None:
    house = live_house()
    strategy = house.strategies[0]
    where = "hl:DOGE"
    intents: list[AnyIntent] = [
        strategy.limit(where, BUY, 1.0, 1.0),
        strategy.cancel_all(where),
        strategy.close(where),
        strategy.set_leverage(where, 3),
    ]

    assert [("instrument", "an instrument of this run", where)] * 4 == refused(house.ask(*intents))


@pytest.mark.parametrize("ending", ["none", "canceled", "filled"])
def test_a_cloid_is_never_used_twice(ending: str) -> None:
    house = live_house()
    intent = house.limit(BUY, 99.0, 1.0)
    house.ask(intent)
    if ending == "canceled":
        house.canceled(intent.cloid)
    if ending == "filled":
        house.fill(intent.cloid, 99.0, 1.0)

    assert [("cloid", "never used before", intent.cloid)] == refused(house.ask(intent))


def test_a_cloid_of_a_refused_order_was_not_used() -> None:
    house = live_house()
    intent = house.limit(BUY, 99.0, 1.0)
    house.halt()
    house.ask(intent)
    house.engine.gate.halted = ""

    assert intent.cloid == placed(house.ask(intent)).cloid
