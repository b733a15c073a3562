"""The gate's judgement by class, and how intents become orders."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from engine.model.commands import CancelOrder, ModifyOrder, Place, Trigger, UpdateLeverage
from engine.model.events import (
    EngineStopping,
    InstrumentUpdated,
    LeverageSet,
    OpenInterestCaps,
    StreamChanged,
    StreamPhase,
)
from engine.model.intents import (
    AnyIntent,
    ClosePosition,
    PlaceBracket,
    PlaceLimit,
    PlaceMarket,
    PlaceTrigger,
    SetLeverage,
    TargetPosition,
)
from engine.model.orders import OrderState
from engine.model.units import MONEY_SCALE, NS_PER_MS, Side, Tif, TriggerKind
from risk.limits import Limits
from tests.engine.builders import (
    ALO,
    BTC,
    BUY,
    GTC,
    IOC,
    MAIN,
    SELL,
    House,
    Scripted,
    checks,
    commands,
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
    house.ask(house.strategies[0].target(BTC, 3.0))

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


# -- quotes ----------------------------------------------------------------------------------------


def quoting_house() -> tuple[House, str]:
    """A house with a live quote "bid": 1 at 99."""
    house = live_house()
    quote = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)
    house.ask(quote)
    house.accept(quote.cloid)
    return house, quote.cloid


def test_a_quote_that_already_is_as_wished_is_left_alone() -> None:
    house, _ = quoting_house()

    assert () == house.ask(house.strategies[0].quote(BTC, "bid", BUY, 99.0004, 1.0004))


def test_a_quote_is_moved_by_one_modify() -> None:
    house, cloid = quoting_house()
    command = only_command(house.ask(house.strategies[0].quote(BTC, "bid", BUY, 98.5, 2.0)))

    assert ModifyOrder(BTC, cloid, 1, BUY, 98_500, 2000, ALO) == command


def test_a_partly_filled_quote_is_wished_back_to_its_size() -> None:
    house, cloid = quoting_house()
    house.fill(cloid, 99.0, 0.4)
    command = only_command(house.ask(house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)))

    assert ModifyOrder(BTC, cloid, 1, BUY, 99_000, 1000, ALO) == command


def test_a_quote_in_motion_is_not_moved_twice() -> None:
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    house.ask(strategy.quote(BTC, "bid", BUY, 98.0, 1.0))
    moving = house.ask(strategy.quote(BTC, "bid", BUY, 97.0, 1.0))
    house.replaced(cloid, 98_000, 1000)
    after = only_command(house.ask(strategy.quote(BTC, "bid", BUY, 97.0, 1.0)))

    assert () == moving
    assert ModifyOrder(BTC, cloid, 2, BUY, 97_000, 1000, ALO) == after


def test_of_several_wishes_for_one_quote_the_newest_wins() -> None:
    house = live_house()
    strategy = house.strategies[0]
    wishes = [strategy.quote(BTC, "bid", BUY, px, 1.0) for px in (99.0, 98.0, 97.0)]
    command = placed(house.ask(*wishes))

    assert (wishes[-1].cloid, 97_000) == (command.cloid, command.px_ticks)


def test_a_withdrawal_is_a_wish_too() -> None:
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    moved = strategy.quote(BTC, "bid", BUY, 98.0, 1.0)
    away = strategy.cancel_quote(BTC, "bid")
    other = strategy.quote(BTC, "ask", SELL, 101.0, 1.0)

    assert [CancelOrder, Place] == [type(c) for c in commands(house.ask(moved, other, away))]
    assert OrderState.CANCELING is house.order(cloid).state


def test_a_wish_after_a_withdrawal_moves_the_quote() -> None:
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    effects = house.ask(
        strategy.cancel_quote(BTC, "bid"), strategy.quote(BTC, "bid", BUY, 98.0, 1.0)
    )

    assert ModifyOrder(BTC, cloid, 1, BUY, 98_000, 1000, ALO) == only_command(effects)


@pytest.mark.parametrize(
    "wish",
    [
        lambda s: s.quote(BTC, "bid", SELL, 101.0, 1.0),
        lambda s: s.quote(BTC, "bid", BUY, 99.0, 1.0, tif=GTC),
    ],
)
def test_a_quote_of_another_side_or_kind_is_taken_away_first(
    wish: Callable[[Scripted], PlaceLimit],
) -> None:
    """A modify changes neither, so moving it would leave an order nobody wished for."""
    house, cloid = quoting_house()
    strategy = house.strategies[0]
    first = only_command(house.ask(wish(strategy)))
    house.canceled(cloid)
    second = wish(strategy)

    assert CancelOrder(BTC, cloid, 0) == first
    assert second.cloid == placed(house.ask(second)).cloid


def test_a_quote_that_ended_opens_anew() -> None:
    house, cloid = quoting_house()
    house.canceled(cloid)
    wish = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)

    assert wish.cloid == placed(house.ask(wish)).cloid


def test_quotes_of_one_name_are_separate_per_strategy() -> None:
    house = live_house(Scripted(), Scripted())
    for by in (0, 1):
        wish = house.strategies[by].quote(BTC, "bid", BUY, 99.0, 1.0)
        assert wish.cloid == placed(house.ask(wish, by=by)).cloid


# -- modifies --------------------------------------------------------------------------------------


def test_a_modify_names_the_next_generation_and_the_size_that_remains() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.fill(cloid, 99.0, 0.4)
    command = only_command(house.ask(house.strategies[0].modify(BTC, cloid, 98.0, 0.5)))

    assert ModifyOrder(BTC, cloid, 1, BUY, 98_000, 500, GTC) == command


@pytest.mark.parametrize("state", ["SENT", "CANCELING", "MODIFYING", "UNKNOWN"])
def test_only_an_open_order_is_modified(state: str) -> None:
    house = live_house()
    strategy = house.strategies[0]
    if state == "SENT":
        intent = house.limit(BUY, 99.0, 1.0)
        house.ask(intent)
        cloid = intent.cloid
    else:
        cloid = house.rest(BUY, 99.0, 1.0)
    if state == "CANCELING":
        house.ask(strategy.cancel(BTC, cloid))
    if state == "MODIFYING":
        house.ask(strategy.modify(BTC, cloid, 98.0, 1.0))
    if state == "UNKNOWN":
        house.unclear(cloid)

    assert [("modify", "an open order", state)] == refused(
        house.ask(strategy.modify(BTC, cloid, 97.0, 1.0))
    )


def test_a_reducing_order_is_moved_whatever_stands_in_the_way_of_new_risk() -> None:
    house = live_house()
    house.hold(2.0)
    cloids = [
        house.rest(SELL, 110.0, 1.0),
        house.rest(SELL, 110.0, 1.0, reduce_only=True),
    ]
    house.halt()
    moves = [house.strategies[0].modify(BTC, cloid, 109.0, 1.0) for cloid in cloids]

    assert [] == checks(house.ask(*moves))


def test_a_reducing_order_that_grows_beyond_the_position_is_an_add() -> None:
    house = live_house()
    house.hold(2.0)
    cloid = house.rest(SELL, 110.0, 1.0)
    house.halt()
    strategy = house.strategies[0]

    assert ["halted"] == checks(house.ask(strategy.modify(BTC, cloid, 110.0, 2.001)))
    assert [] == checks(house.ask(strategy.modify(BTC, cloid, 110.0, 2.0)))


def test_a_reduce_only_order_is_moved_to_no_more_than_the_position() -> None:
    house = live_house()
    house.hold(2.0)
    cloid = house.rest(SELL, 110.0, 1.0, reduce_only=True)
    command = only_command(house.ask(house.strategies[0].modify(BTC, cloid, 110.0, 7.0)))

    assert ModifyOrder(BTC, cloid, 1, SELL, 110_000, 2000, GTC, reduce_only=True) == command


def test_a_reduce_only_order_without_a_position_is_not_moved() -> None:
    house = live_house()
    house.hold(2.0)
    cloid = house.rest(SELL, 110.0, 1.0, reduce_only=True)
    house.fill("0xmanual", 100.0, 2.0, side=SELL)

    assert [("reduce_only", "a position to reduce", "0")] == refused(
        house.ask(house.strategies[0].modify(BTC, cloid, 109.0, 1.0))
    )


def test_a_modify_meets_the_checks_of_an_add() -> None:
    house = live_house(limits=Limits(order_notional_max_e8=150 * MONEY_SCALE))
    cloid = house.rest(BUY, 99.0, 1.0)

    assert [("order_notional", "150.00", "198.00")] == refused(
        house.ask(house.strategies[0].modify(BTC, cloid, 99.0, 2.0))
    )
    assert OrderState.OPEN is house.order(cloid).state


# -- brackets --------------------------------------------------------------------------------------


def bracket(house: House, **how: Any) -> PlaceBracket:  # noqa: ANN401 - passed on
    entry = house.limit(BUY, 99.0, 2.0)
    return house.strategies[0].bracket(entry, **({"stop_px": 95.0, "take_profit_px": 110.0} | how))


def test_a_bracket_is_an_entry_with_children_that_wait_for_it() -> None:
    house = live_house()
    intent = bracket(house)
    places = commands(house.ask(intent))
    assert intent.stop_loss is not None
    assert intent.take_profit is not None

    stop = Trigger(95_000, TriggerKind.STOP_LOSS, is_market=True)
    take = Trigger(110_000, TriggerKind.TAKE_PROFIT, is_market=True)
    parent = intent.entry.cloid
    assert places == [
        Place(BTC, parent, BUY, 99_000, 2000, GTC),
        Place(
            BTC,
            intent.stop_loss.cloid,
            SELL,
            85_500,
            2000,
            IOC,
            reduce_only=True,
            trigger=stop,
            parent=parent,
        ),
        Place(
            BTC,
            intent.take_profit.cloid,
            SELL,
            99_000,
            2000,
            IOC,
            reduce_only=True,
            trigger=take,
            parent=parent,
        ),
    ]


def test_a_bracket_may_have_one_child_or_none() -> None:
    house = live_house()

    assert 2 == len(commands(house.ask(bracket(house, stop_px=None))))
    assert 1 == len(commands(house.ask(bracket(house, stop_px=None, take_profit_px=None))))


def test_the_children_of_a_refused_entry_are_not_sent() -> None:
    house = live_house()
    house.halt()
    effects = house.ask(bracket(house))

    assert ["halted"] == checks(effects)
    assert [] == commands(effects)


def test_an_entry_whose_protection_cannot_be_placed_is_not_sent() -> None:
    house = live_house()
    intent = bracket(house, stop_px=1e-9)
    effects = house.ask(intent)

    # A stop to sell goes up to the first tick, but what it would then sell at is below it.
    assert [
        ("zero_price", "a price on the grid", "0"),
        ("bracket", "protection that can be placed", "zero_price"),
    ] == refused(effects)
    assert [] == commands(effects)
    assert 0 == house.account.exposure(BTC).count
    assert house.engine.orders.get(intent.entry.cloid) is None


def test_a_child_is_never_larger_than_its_entry() -> None:
    house = live_house()
    strategy = house.strategies[0]
    entry = house.limit(BUY, 99.0, 2.0)
    stop = strategy.stop_loss(BTC, SELL, 10**9, 95.0)
    places = commands(house.ask(PlaceBracket(BTC, entry, stop)))

    assert [2000, 2000] == [place.sz_lots for place in places if isinstance(place, Place)]


@pytest.mark.parametrize(
    ("stop", "limit"),
    [
        (
            PlaceTrigger(BTC, "s", BUY, 1.0, 95.0, TriggerKind.STOP_LOSS),
            "reduce-only children on the other side",
        ),
        (
            PlaceTrigger(BTC, "s", SELL, 1.0, 95.0, TriggerKind.STOP_LOSS, reduce_only=False),
            "reduce-only children on the other side",
        ),
        (
            PlaceTrigger("hl:ETH", "s", SELL, 1.0, 95.0, TriggerKind.STOP_LOSS),
            f"all of it on {BTC}",
        ),
    ],
)
def test_an_ill_formed_bracket_is_refused(stop: PlaceTrigger, limit: str) -> None:
    house = live_house()
    effects = house.ask(PlaceBracket(BTC, house.limit(BUY, 99.0, 1.0), stop))

    assert [("bracket", limit)] == [(check, said) for check, said, _ in refused(effects)]
    assert [] == commands(effects)


def test_a_bracket_around_a_quote_that_already_is_there_is_nothing() -> None:
    house, _ = quoting_house()
    entry = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)

    assert () == house.ask(house.strategies[0].bracket(entry, stop_px=95.0))


# -- leverage --------------------------------------------------------------------------------------


def test_leverage_is_set_once() -> None:
    house = live_house()
    intent = house.strategies[0].set_leverage(BTC, 5, is_cross=False)
    command = only_command(house.ask(intent))
    house.step(LeverageSet, MAIN, BTC, 5, is_cross=False)

    assert UpdateLeverage(BTC, 5, is_cross=False) == command
    assert () == house.ask(intent)


@pytest.mark.parametrize("leverage", [0, -1, 16, 21, 2.5, math.nan, math.inf])
def test_leverage_beyond_the_operators_or_the_venues_limit_is_refused(leverage: float) -> None:
    house = live_house(limits=Limits(leverage_max=15), leverage={BTC: 3})
    intent = SetLeverage(BTC, leverage)  # type: ignore[arg-type]

    assert [("leverage", "1..15", str(leverage))] == refused(house.ask(intent))


# -- what cannot be --------------------------------------------------------------------------------


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
