"""What the venue's answers do to orders, in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.account_events import REASONS_MAX
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountOpened,
    FundingPaid,
    OrderFilled,
    OrderTriggered,
    Transfer,
)
from risk.limits import Limits
from tests.engine.builders import BTC, BUY, MAIN, SELL, House, Scripted, live_house, only_command

CLOID_UNKNOWN = "0xmanual"


def sent(house: House, px: float = 99.0, sz: float = 1.0) -> str:
    """An order that the venue has not answered yet; its cloid."""
    intent = house.limit(BUY, px, sz)
    only_command(house.ask(intent))
    return intent.cloid


def state(house: House, cloid: str) -> str:
    return house.order(cloid).state.name


def strays(house: House) -> dict[str, int]:
    return house.engine.account_book.strays


def asked(cloid: str, generation: int = 0) -> tuple[AskOrder]:
    return (AskOrder(MAIN, BTC, cloid, generation),)


# -- one answer ------------------------------------------------------------------------------------


ANSWERS: list[tuple[Callable[[House, str], object], str]] = [
    (lambda house, cloid: house.accept(cloid), "OPEN"),
    (lambda house, cloid: house.reject(cloid), "REJECTED"),
    (lambda house, cloid: house.canceled(cloid), "CANCELED"),
    (lambda house, cloid: house.fill(cloid, 99.0, 0.5), "OPEN"),
    (lambda house, cloid: house.fill(cloid, 99.0, 1.0), "FILLED"),
    (lambda house, cloid: house.unclear(cloid), "UNKNOWN"),
    (lambda house, cloid: house.cancel_rejected(cloid), "UNKNOWN"),
]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
def test_the_first_answer_settles_an_order_in_flight(
    answer: Callable[[House, str], object], expected: str
) -> None:
    house = live_house()
    cloid = sent(house)
    answer(house, cloid)

    assert expected == state(house, cloid)
    assert {} == strays(house)


def test_a_protective_order_waits_and_is_open_when_it_triggers() -> None:
    house = live_house()
    house.hold(1.0)
    stop = house.strategies[0].stop_loss(BTC, SELL, 1.0, 90.0)
    house.ask(stop)
    house.accept(stop.cloid, oid=0)
    waiting = state(house, stop.cloid)
    house.step(OrderTriggered, MAIN, BTC, stop.cloid, 0, 77)

    assert ("WAITING", "OPEN") == (waiting, state(house, stop.cloid))


def test_the_venues_id_and_its_reason_are_kept() -> None:
    house = live_house()
    accepted, rejected = sent(house), sent(house)
    house.accept(accepted, oid=77)
    house.accept(accepted, oid=0)
    house.reject(rejected, "too far")

    assert (77, "too far") == (house.order(accepted).oid, house.order(rejected).reason)
    assert {("one", "too far"): 1} == house.engine.account_book.rejects


def test_reasons_that_differ_every_time_do_not_fill_the_memory() -> None:
    """A venue writes prices into its reasons."""
    house = live_house(limits=Limits(data_age_ns_max=0))
    for number in range(REASONS_MAX + 5):
        house.tick(ms=100)
        house.reject(sent(house), f"bbo was {number}")
    rejects = house.engine.account_book.rejects

    assert REASONS_MAX + 1 == len(rejects)
    assert 5 == rejects["one", "other"]


def test_answers_about_orders_nobody_here_sent_are_strays() -> None:
    house = live_house()
    for answer, _ in ANSWERS[:3]:
        answer(house, CLOID_UNKNOWN)
    house.replaced(CLOID_UNKNOWN, 1, 1)
    house.modify_rejected(CLOID_UNKNOWN)
    house.cancel_rejected(CLOID_UNKNOWN)

    assert 6 == sum(strays(house).values())


# -- unclear outcomes ------------------------------------------------------------------------------


def test_an_unclear_outcome_is_asked_about_and_ends_nothing() -> None:
    house = live_house()
    cloid = sent(house)

    assert asked(cloid) == house.unclear(cloid)
    assert "UNKNOWN" == state(house, cloid)
    assert 1000 == house.account.exposure(BTC).buy_lots
    assert () == house.unclear(cloid)


@pytest.mark.parametrize(("answer", "expected"), ANSWERS[:5])
def test_asking_settles_it(answer: Callable[[House, str], object], expected: str) -> None:
    house = live_house()
    cloid = sent(house)
    house.unclear(cloid)
    answer(house, cloid)

    assert expected == state(house, cloid)


def test_a_refused_cancel_concludes_nothing_and_asks() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.ask(house.strategies[0].cancel(BTC, cloid))

    assert asked(cloid) == house.cancel_rejected(cloid)
    assert "UNKNOWN" == state(house, cloid)


def test_a_refused_cancel_of_an_order_that_ended_is_no_contradiction() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.ask(house.strategies[0].cancel(BTC, cloid))
    house.fill(cloid, 99.0, 1.0)

    assert () == house.cancel_rejected(cloid)
    assert "FILLED" == state(house, cloid)
    assert {} == house.engine.orders.anomalies


# -- fills -----------------------------------------------------------------------------------------


def test_a_fill_is_booked_once() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    for _ in range(2):
        house.fill(cloid, 99.0, 0.5, trade_id=42)

    assert (500, 500) == (house.net(), house.own())
    assert {"doubled fill": 1} == strays(house)


def test_one_trade_may_fill_two_orders() -> None:
    house = live_house()
    cloids = [house.rest(BUY, 99.0, 1.0) for _ in range(2)]
    for cloid in cloids:
        house.fill(cloid, 99.0, 1.0, trade_id=42)

    assert 2000 == house.net()


@pytest.mark.parametrize("is_liquidation", [False, True])
def test_a_fill_nobody_here_asked_for_is_external(
    is_liquidation: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """By hand, by another program, or a liquidation."""
    strategy = Scripted()
    house = live_house(strategy)
    house.fill(CLOID_UNKNOWN, 99.0, 1.0, side=SELL, is_liquidation=is_liquidation)

    assert (-1000, 0, -1000) == (house.net(), house.own(), house.own("external"))
    assert "on_fill" not in strategy.handlers


def test_a_liquidation_of_a_strategys_order_is_external_too() -> None:
    strategy = Scripted()
    house = live_house(strategy)
    cloid = house.rest(SELL, 101.0, 1.0)
    house.fill(cloid, 101.0, 1.0, is_liquidation=True)

    assert (-1000, 0, -1000) == (house.net(), house.own(), house.own("external"))
    assert "on_fill" not in strategy.handlers


def test_a_fill_of_an_order_that_had_ended_is_booked_all_the_same() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.canceled(cloid)
    house.fill(cloid, 99.0, 0.4)

    assert (400, "CANCELED", 0) == (
        house.own(),
        state(house, cloid),
        house.account.exposure(BTC).buy_lots,
    )


def test_a_booking_tells_whose_fill_it_was_what_it_realised_and_where_that_led() -> None:
    house = live_house()
    house.hold(1.0, px=100.0)
    cloid = house.rest(SELL, 110.0, 3.0)
    house.engine.account_book.take_bookings()
    house.fill(cloid, 110.0, 3.0)
    (booking,) = house.engine.account_book.take_bookings()

    assert ("one", 10 * 10**8, -2000) == (
        booking.owner,
        booking.realised_e8,
        booking.position_lots,
    )
    assert [] == house.engine.account_book.take_bookings()


def test_traded_volume_earns_address_budget() -> None:
    house = live_house()
    before = house.engine.planner.address(MAIN).cap
    house.fill(CLOID_UNKNOWN, 99.0, 1.0, side=BUY)

    assert 99 == house.engine.planner.address(MAIN).cap - before


def test_an_account_is_opened_once() -> None:
    """A second opening would wipe out what was booked since."""
    house = live_house()
    house.step(Transfer, MAIN, 7, "deposit")
    before = house.account.cash_e8
    house.step(AccountOpened, MAIN, "hl", 5)

    assert (before, 1) == (house.account.cash_e8, strays(house)["AccountOpened"])


# -- markets that are none of ours -----------------------------------------------------------------


def test_a_fill_on_a_market_that_is_none_of_ours_is_counted_and_breaks_nothing() -> None:
    house = live_house()
    house.step(OrderFilled, MAIN, "hl:DOGE", "", 0, 1, 1, BUY, 1, 1, 1.0, 1.0, 0, is_maker=False)

    assert {"OrderFilled hl:DOGE": 1} == house.engine.unknown


def test_funding_of_a_market_that_is_none_of_ours_is_still_money() -> None:
    house = live_house()
    before = house.account.cash_e8
    house.step(FundingPaid, MAIN, "hl:DOGE", 250, 1, 0.1)

    assert (250, 250) == (before - house.account.cash_e8, house.account.funding_e8)
    assert {"FundingPaid hl:DOGE": 1} == house.engine.unknown


def test_a_strategy_bears_the_funding_of_what_it_held_at_the_settlement() -> None:
    house = live_house(Scripted(), Scripted())
    house.hold(1.0)
    settled_ns = house.now_ns
    house.tick()
    # News of the fills overtakes that of the funding.
    house.hold(-1.0)
    house.hold(3.0, by=1)
    house.engine.step(
        FundingPaid(settled_ns, house.now_ns, MAIN, BTC, 700, sz_lots=1_000, rate=0.0001)
    )
    funding = {owner: own.funding_e8 for (owner, _), own in house.account.owned.items()}

    assert {"one": 700, "two": 0} == funding
