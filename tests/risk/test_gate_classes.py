"""How an intent is judged by its class: CANCEL, REDUCE or ADD, and what the venue resizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.model.commands import CancelOrder, Place
from engine.model.events import (
    EngineStopping,
    InstrumentUpdated,
    OpenInterestCaps,
    StreamChanged,
    StreamPhase,
)
from engine.model.intents import (
    AnyIntent,
)
from engine.model.units import NS_PER_MS, Side
from risk.limits import Limits
from tests.engine.builders import (
    BTC,
    BUY,
    MAIN,
    SELL,
    House,
    Scripted,
    checks,
    instrument,
    live_house,
    only_command,
    refused,
)

TIGHT = Limits(
    order_notional_max_e8=1,
    position_notional_max_e8=1,
    leverage_max=1,
    open_orders_max=1,
    price_distance_max=0.001,
    data_age_ns_max=10 * NS_PER_MS,
)


def placed(effects: Any) -> Place:  # noqa: ANN401 - any effects
    command = only_command(effects)
    assert isinstance(command, Place)
    return command


def tighten(house: House) -> None:
    """Every obstacle an operator, a venue or a failing line can put in the way of new risk."""
    house.engine.gate.limits = TIGHT
    house.halt()
    house.step(StreamChanged, "book", StreamPhase.DOWN, instrument=BTC)
    house.step(StreamChanged, "fills", StreamPhase.STALE, account=MAIN)
    house.step(OpenInterestCaps, "hl", (BTC,))
    house.step(InstrumentUpdated, instrument(is_delisted=True))
    house.tick(ms=60_000)


# -- classes ---------------------------------------------------------------------------------------


def test_an_add_is_refused_by_what_a_cancel_and_a_reduce_pass() -> None:
    house = live_house()
    tighten(house)

    assert ["halted"] == checks(house.ask(house.limit(BUY, 100.0, 1.0)))


CANCELS: list[Callable[[House, str], AnyIntent]] = [
    lambda house, cloid: house.strategies[0].cancel(BTC, cloid),
    lambda house, _: house.strategies[0].cancel_all(BTC),
    lambda house, _: house.strategies[0].cancel_quote(BTC, "bid"),
]


@pytest.mark.parametrize("wish", CANCELS)
@pytest.mark.parametrize("state", ["SENT", "OPEN", "MODIFYING", "UNKNOWN"])
def test_a_cancel_is_never_refused(wish: Callable[[House, str], AnyIntent], state: str) -> None:
    """Neither by a halt, dead streams, caps or limits, nor in any state of the order."""
    house = live_house()
    strategy = house.strategies[0]
    quote = strategy.quote(BTC, "bid", BUY, 99.0, 1.0)
    house.ask(quote)
    if state != "SENT":
        house.accept(quote.cloid)
    if state == "MODIFYING":
        house.ask(strategy.modify(BTC, quote.cloid, 98.0, 1.0))
    if state == "UNKNOWN":
        house.unclear(quote.cloid)
    assert state == house.order(quote.cloid).state.name
    tighten(house)

    assert CancelOrder(BTC, quote.cloid, 0) == only_command(house.ask(wish(house, quote.cloid)))


def test_a_cancel_is_not_refused_when_the_run_ends() -> None:
    house = live_house()
    house.hold(2.0)
    stop = house.strategies[0].stop_loss(BTC, SELL, 2.0, 90.0)
    house.ask(stop)
    house.step(EngineStopping, "end")

    assert CancelOrder(BTC, stop.cloid, 0) == only_command(
        house.ask(house.strategies[0].cancel(BTC, stop.cloid))
    )


@pytest.mark.parametrize("wish", CANCELS)
def test_a_cancel_on_its_way_is_not_doubled(wish: Callable[[House, str], AnyIntent]) -> None:
    house = live_house()
    quote = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)
    house.ask(quote)
    house.accept(quote.cloid)
    house.ask(wish(house, quote.cloid))

    assert () == house.ask(wish(house, quote.cloid))


@pytest.mark.parametrize("wish", CANCELS)
def test_there_is_nothing_to_cancel_in_what_has_ended(
    wish: Callable[[House, str], AnyIntent],
) -> None:
    house = live_house()
    quote = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)
    house.ask(quote)
    house.canceled(quote.cloid)

    assert () == house.ask(wish(house, quote.cloid))


def test_a_strategy_cancels_and_modifies_only_its_own_orders() -> None:
    house = live_house(Scripted(), Scripted())
    cloid = house.rest(BUY, 99.0, 1.0, by=1)
    strategy = house.strategies[0]

    assert () == house.ask(strategy.cancel(BTC, cloid), strategy.cancel_all(BTC))
    assert [("modify", "a live order", "none")] == refused(
        house.ask(strategy.modify(BTC, cloid, 98.0, 1.0))
    )


def reduce_only_limit(house: House) -> AnyIntent:
    return house.limit(SELL, 130.0, 1.0, reduce_only=True)


def plain_limit(house: House) -> AnyIntent:
    return house.limit(SELL, 130.0, 2.0)


REDUCES: list[tuple[Callable[[House], AnyIntent], bool]] = [
    (reduce_only_limit, True),
    (plain_limit, False),
    (lambda house: house.strategies[0].market(BTC, SELL, 1.0), False),
    (lambda house: house.strategies[0].market(BTC, SELL, 9.0, reduce_only=True), True),
    (lambda house: house.strategies[0].stop_loss(BTC, SELL, 2.0, 70.0), True),
    (lambda house: house.strategies[0].take_profit(BTC, SELL, 2.0, 140.0, limit_px=139.0), True),
    (lambda house: house.strategies[0].close(BTC), True),
    (lambda house: house.strategies[0].target(BTC, 0.5), True),
    (lambda house: house.strategies[0].target(BTC, 0.0), True),
]


@pytest.mark.parametrize(("wish", "is_reduce_only"), REDUCES)
def test_a_reduce_passes_every_operator_limit_halt_and_stale_data(
    wish: Callable[[House], AnyIntent],
    is_reduce_only: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """It closes at most the two that are held, whatever it asks for."""
    house = live_house()
    house.hold(2.0)
    tighten(house)
    house.step(EngineStopping, "end")
    command = placed(house.ask(wish(house)))

    assert is_reduce_only is command.reduce_only
    assert SELL is command.side
    assert command.sz_lots <= 2000


@pytest.mark.parametrize(
    ("sz", "expected"), [(2.0, []), (2.001, ["halted"]), (1.0, [])], ids=["all", "more", "part"]
)
def test_a_plain_order_reduces_as_long_as_it_stays_within_the_position(
    sz: float, expected: list[str]
) -> None:
    house = live_house()
    house.hold(2.0)
    house.halt()

    assert expected == checks(house.ask(house.limit(SELL, 101.0, sz)))


def test_what_already_rests_on_the_side_leaves_less_to_reduce() -> None:
    house = live_house()
    house.hold(2.0)
    house.rest(SELL, 110.0, 0.5)
    house.ask(house.strategies[0].stop_loss(BTC, SELL, 0.5, 90.0))
    house.halt()

    assert ["halted"] == checks(house.ask(house.limit(SELL, 101.0, 1.001)))
    assert [] == checks(house.ask(house.limit(SELL, 101.0, 1.0)))
    assert ["halted"] == checks(house.ask(house.limit(SELL, 101.0, 0.001)))


@pytest.mark.parametrize("sz", [0.0, 1.0, -1.0])
def test_a_reduce_only_order_needs_a_position_to_reduce(sz: float) -> None:
    """None, or one on the same side, is none."""
    house = live_house()
    if sz:
        house.hold(sz)
    side = Side.SELL if sz < 0 else Side.BUY

    assert [("reduce_only", "a position to reduce", str(round(sz * 1000)))] == refused(
        house.ask(house.limit(side, 100.0, 1.0, reduce_only=True))
    )


def test_a_reduce_only_order_is_cut_to_the_position() -> None:
    house = live_house()
    house.hold(2.0)

    assert 2000 == placed(house.ask(house.limit(SELL, 101.0, 5.0, reduce_only=True))).sz_lots


# -- the venue's least value -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "asked", "is_reduce_only", "lots"),
    [
        (2.0, 0.05, True, 100),
        (2.0, 0.05, False, 100),
        (2.0, 0.1, True, 100),
        (2.0, 0.1, False, 100),
        (2.0, 0.101, True, 101),
        (2.0, 0.101, False, 101),
        (0.05, 0.02, True, 50),
        (0.05, 0.02, False, 50),
        (0.05, 0.05, True, 50),
        (0.05, 0.05, False, 50),
        (0.05, 3.0, True, 50),
    ],
)
def test_a_partial_close_grows_to_the_least_value_and_a_full_close_is_exempt(
    held: float,
    asked: float,
    is_reduce_only: bool,  # noqa: FBT001 - a column of the table
    lots: int,
) -> None:
    """The least value is 10; at a price of 100 that is 0.1."""
    house = live_house()
    house.hold(2.0)
    house.fill("0xmanual", 100.0, 2.0 - held, side=SELL)
    intent = house.limit(SELL, 100.0, asked, reduce_only=is_reduce_only)
    assert lots == placed(house.ask(intent)).sz_lots


def test_the_least_value_is_rounded_up_to_a_whole_lot() -> None:
    house = live_house()
    house.hold(2.0)

    assert 102 == placed(house.ask(house.limit(SELL, 98.5, 0.05))).sz_lots
