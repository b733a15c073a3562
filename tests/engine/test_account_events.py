"""What the venue's answers do to orders, in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.account_events import REASONS_MAX
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountOpened,
    FundingPaid,
    LeverageSet,
    OrderCanceled,
    OrderFilled,
    OrderTriggered,
    Transfer,
)
from engine.model.units import MONEY_SCALE
from engine.state.accounts import EXTERNAL
from risk.limits import Limits
from tests.engine.builders import (
    BTC,
    BUY,
    ETH,
    MAIN,
    SELL,
    House,
    Scripted,
    instrument,
    live_house,
    only_command,
)

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


def test_no_such_order_is_no_news_of_one_that_ended_and_its_real_end_is() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.canceled(cloid)
    house.step(OrderCanceled, MAIN, BTC, cloid, 0, 0, "unknownOid")
    assert "canceled" == house.order(cloid).reason

    house.step(OrderCanceled, MAIN, BTC, cloid, 0, 1, "marginCanceled")
    assert "marginCanceled" == house.order(cloid).reason


def test_a_modify_that_is_confirmed_without_an_id_leaves_the_one_that_is_known() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.ask(house.strategies[0].modify(BTC, cloid, 98.0, 1.0))
    house.replaced(cloid, 98_000, 1_000, oid=0)
    assert (1, 1) == (house.order(cloid).generation, house.order(cloid).oid)

    house.replaced(cloid, 98_000, 1_000, oid=5)
    assert 5 == house.order(cloid).oid


# -- fills -----------------------------------------------------------------------------------------


def test_a_fill_that_is_told_late_does_not_make_the_newest_older() -> None:
    house = live_house()
    house.tick(ms=10)
    cloid = house.rest(BUY, 99.0, 1.0)
    house.fill(cloid, 99.0, 0.5)
    newest_ns = house.now_ns
    house.now_ns -= 5
    house.fill(cloid, 99.0, 0.5)

    assert newest_ns == house.account.filled_ns


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


def test_a_booking_tells_what_its_owner_realised_and_not_the_account() -> None:
    house = live_house(Scripted(), Scripted())
    house.hold(1.0, px=100.0)
    house.engine.account_book.take_bookings()
    house.hold(-1.0, px=110.0, by=1)
    (booking,) = house.engine.account_book.take_bookings()

    assert (0, -1_000) == (booking.realised_e8, booking.position_lots)
    assert 10 * MONEY_SCALE == house.account.cash_e8 - house.account.start_e8


def test_margin_mode_and_leverage_are_those_the_venue_confirmed_last() -> None:
    house = live_house()
    house.step(LeverageSet, MAIN, BTC, 5, is_cross=False)
    assert (5, False) == (house.account.leverage[BTC], house.account.is_cross[BTC])

    wish = house.strategies[0].set_leverage(BTC, 5, is_cross=False)
    assert () == house.ask(wish)
    assert 1 == len(house.ask(house.strategies[0].set_leverage(BTC, 5)))


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


def funded(house: House, amount_e8: int, sz_lots: int, settled_ns: int) -> dict[str, int]:
    """What each owner bears of a payment on BTC."""
    times = settled_ns, house.now_ns
    house.engine.step(FundingPaid(*times, MAIN, BTC, amount_e8, sz_lots, rate=0.0001))
    owned = house.account.owned.items()
    return {owner: own.funding_e8 for (owner, where), own in owned if where == BTC}


def test_the_last_strategy_bears_what_rounding_leaves() -> None:
    house = live_house(Scripted(), Scripted())
    house.hold(1.0)
    house.hold(2.0, by=1)

    assert {"one": 33, "two": 67} == funded(house, 100, 3_000, house.now_ns)
    assert {"one": 33 - 34, "two": 67 - 66} == funded(house, -100, 3_000, house.now_ns)


def test_what_no_strategy_held_is_borne_by_external_whoever_came_first() -> None:
    house = live_house()
    house.fill(CLOID_UNKNOWN, 100.0, 2.0, side=BUY)
    house.hold(1.0)

    assert {EXTERNAL: 67, "one": 33} == funded(house, 100, 3_000, house.now_ns)


def test_funding_of_a_position_that_is_not_told_is_borne_by_external() -> None:
    house = live_house()
    house.hold(1.0)

    assert {"one": 0, EXTERNAL: 100} == funded(house, 100, 0, house.now_ns)


def test_all_fills_on_the_instrument_since_the_settlement_are_taken_off_and_no_others() -> None:
    house = live_house(instruments=(instrument(), instrument("ETH")))
    house.mark(where=ETH)
    house.hold(1.0)
    settled_ns = house.now_ns
    house.tick()
    house.hold(1.0)
    house.hold(2.0)
    other = house.strategies[0].limit(ETH, BUY, 100.0, 1.0)
    only_command(house.ask(other))
    fill = other.cloid, 0, 1, 99, BUY, 100_000, 1_000, 100.0, 1.0, 0
    house.step(OrderFilled, MAIN, ETH, *fill, is_maker=True)
    assert 4_000 == house.own()

    assert {"one": 700} == funded(house, 700, 1_000, settled_ns)
