"""How wishes become orders: prices, targets, closes, leverage."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.model.commands import Place, Trigger, UpdateLeverage
from engine.model.events import (
    LeverageSet,
)
from engine.model.intents import (
    PlaceTrigger,
    SetLeverage,
)
from engine.model.units import Side, Tif, TriggerKind
from risk.limits import Limits
from tests.engine.builders import (
    ALO,
    BTC,
    BUY,
    GTC,
    IOC,
    MAIN,
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


# -- prices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "tif", "px_ticks"),
    [
        (BUY, GTC, 100_120),
        (BUY, ALO, 100_120),
        (BUY, IOC, 100_130),
        (SELL, GTC, 100_130),
        (SELL, IOC, 100_120),
    ],
)
def test_a_limit_goes_to_the_grid_passively_and_an_ioc_aggressively(
    side: Side, tif: Tif, px_ticks: int
) -> None:
    house = live_house()

    assert px_ticks == placed(house.ask(house.limit(side, 100.1234, 1.0, tif=tif))).px_ticks


@pytest.mark.parametrize(("side", "px_ticks"), [(BUY, 101_020), (SELL, 98_990)])
def test_a_market_order_is_an_ioc_at_its_slippage_beyond_the_opposite_best(
    side: Side, px_ticks: int
) -> None:
    house = live_house()
    command = placed(house.ask(house.strategies[0].market(BTC, side, 1.0)))

    assert Place(BTC, command.cloid, side, px_ticks, 1000, IOC) == command


def test_a_market_order_is_priced_from_the_mark_when_the_book_stopped() -> None:
    """Also a close, which nothing may keep waiting."""
    house = live_house()
    house.hold(1.0)
    house.tick(ms=15_001)
    house.mark(80.0)

    assert 76_000 == placed(house.ask(house.strategies[0].close(BTC))).px_ticks


@pytest.mark.parametrize(
    ("side", "kind", "trigger_px", "trigger_ticks", "px_ticks"),
    [
        (SELL, TriggerKind.STOP_LOSS, 95.1234, 95_124, 85_611),
        (BUY, TriggerKind.STOP_LOSS, 105.1234, 105_120, 115_640),
        (SELL, TriggerKind.TAKE_PROFIT, 105.1234, 105_120, 94_608),
        (BUY, TriggerKind.TAKE_PROFIT, 95.1234, 95_124, 104_640),
    ],
)
def test_a_trigger_fires_no_later_than_asked_and_then_takes_within_its_slippage(
    side: Side, kind: TriggerKind, trigger_px: float, trigger_ticks: int, px_ticks: int
) -> None:
    house = live_house()
    house.hold(-side * 1.0)
    intent = PlaceTrigger(BTC, "t", side, 1.0, trigger_px, kind)
    command = placed(house.ask(intent))

    assert (Trigger(trigger_ticks, kind, is_market=True), IOC) == (command.trigger, command.tif)
    assert px_ticks == command.px_ticks


def test_a_trigger_with_a_limit_rests_at_it() -> None:
    house = live_house()
    house.hold(1.0)
    intent = house.strategies[0].stop_loss(BTC, SELL, 1.0, 95.0, limit_px=94.0)
    command = placed(house.ask(intent))

    assert (Trigger(95_000, TriggerKind.STOP_LOSS, is_market=False), GTC, 94_000) == (
        command.trigger,
        command.tif,
        command.px_ticks,
    )


# -- targets and closes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "wanted", "side", "lots", "is_reduce_only"),
    [
        (0.0, 1.0, BUY, 1000, False),
        (1.0, 3.0, BUY, 2000, False),
        (3.0, 1.0, SELL, 2000, True),
        (-3.0, -1.0, BUY, 2000, True),
        (2.0, 0.0, SELL, 2000, True),
        (2.0, -1.0, SELL, 3000, False),
        (0.0, 1.0009, BUY, 1000, False),
    ],
)
def test_a_target_is_reached_by_one_order_for_the_difference(
    held: float,
    wanted: float,
    side: Side,
    lots: int,
    is_reduce_only: bool,  # noqa: FBT001 - a column of the table
) -> None:
    house = live_house()
    if held:
        house.hold(held)
    command = placed(house.ask(house.strategies[0].target(BTC, wanted)))

    assert (side, lots, is_reduce_only) == (command.side, command.sz_lots, command.reduce_only)


def test_what_is_pending_counts_towards_a_target_and_protection_does_not() -> None:
    house = live_house()
    house.hold(1.0)
    house.ask(house.strategies[0].stop_loss(BTC, SELL, 1.0, 90.0))

    assert 2000 == placed(house.ask(house.strategies[0].target(BTC, 3.0))).sz_lots
    assert () == house.ask(house.strategies[0].target(BTC, 3.0))
    assert 1000 == placed(house.ask(house.strategies[0].target(BTC, 4.0))).sz_lots


def test_a_flip_under_a_halt_lets_the_reducing_part_through() -> None:
    house = live_house()
    house.hold(2.0)
    house.halt()
    effects = house.ask(house.strategies[0].target(BTC, -2.0))

    assert ["halted"] == checks(effects)
    (command,) = commands(effects)
    assert isinstance(command, Place)
    assert (SELL, 2000, True) == (command.side, command.sz_lots, command.reduce_only)


def test_a_stop_that_rests_keeps_no_close_from_going_through() -> None:
    """The stop counts as a reduce for all of the position; the close is reduce-only beside it."""
    house = live_house()
    house.hold(2.0)
    house.ask(house.strategies[0].stop_loss(BTC, SELL, 2.0, 90.0))
    house.halt()
    command = placed(house.ask(house.strategies[0].close(BTC)))

    assert (SELL, 2000, True) == (command.side, command.sz_lots, command.reduce_only)


def test_a_close_is_of_the_strategys_own_position() -> None:
    house = live_house(Scripted(), Scripted())
    house.hold(2.0, by=0)
    house.hold(3.0, by=1)

    assert 2000 == placed(house.ask(house.strategies[0].close(BTC))).sz_lots


def test_a_close_that_opens_the_account_the_other_way_is_an_add_beyond_the_net() -> None:
    """One is long 3, two short 2: closing 3 makes the account short, so a halt leaves the net."""
    house = live_house(Scripted(), Scripted())
    house.hold(3.0, by=0)
    house.hold(-2.0, by=1)
    plain = placed(house.ask(house.strategies[0].close(BTC)))
    house.canceled(plain.cloid)
    house.halt()
    effects = house.ask(house.strategies[0].close(BTC))

    assert (3000, False) == (plain.sz_lots, plain.reduce_only)
    assert ["halted"] == checks(effects)
    (command,) = commands(effects)
    assert isinstance(command, Place)
    assert (1000, True) == (command.sz_lots, command.reduce_only)


def test_a_close_with_nothing_to_close_is_nothing() -> None:
    house = live_house()

    assert () == house.ask(house.strategies[0].close(BTC))


def test_a_close_is_not_doubled_while_one_is_in_flight() -> None:
    house = live_house()
    house.hold(2.0)
    house.ask(house.strategies[0].close(BTC))

    assert () == house.ask(house.strategies[0].close(BTC))


def test_an_entry_in_flight_does_not_make_a_close_larger() -> None:
    house = live_house()
    house.hold(2.0)
    house.ask(house.strategies[0].market(BTC, BUY, 1.0))

    assert 2000 == placed(house.ask(house.strategies[0].close(BTC))).sz_lots


# -- leverage --------------------------------------------------------------------------------------


def test_leverage_is_set_once() -> None:
    house = live_house()
    intent = house.strategies[0].set_leverage(BTC, 5, is_cross=False)
    command = only_command(house.ask(intent))
    house.step(LeverageSet, MAIN, BTC, 5, is_cross=False)

    assert UpdateLeverage(BTC, 5, is_cross=False) == command
    assert () == house.ask(intent)


def test_leverage_stays_as_it_is_under_a_halt() -> None:
    house = live_house()
    house.halt()

    assert [("halted", "not halted", "by hand")] == refused(
        house.ask(house.strategies[0].set_leverage(BTC, 5))
    )


@pytest.mark.parametrize("leverage", [0, -1, 16, 21, 2.5, math.nan, math.inf])
def test_leverage_beyond_the_operators_or_the_venues_limit_is_refused(leverage: float) -> None:
    house = live_house(limits=Limits(leverage_max=15), leverage={BTC: 3})
    intent = SetLeverage(BTC, leverage)  # type: ignore[arg-type]

    assert [("leverage", "1..15", str(leverage))] == refused(house.ask(intent))
