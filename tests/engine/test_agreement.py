"""Positions are compared with the venue's at every read, and differences are never traded on."""

from __future__ import annotations

import pytest

from engine.model.effects import Effect, Notify
from engine.model.events import AccountRead, BudgetRead, WeightSpent
from engine.state.accounts import EXTERNAL
from tests.engine.builders import BTC, BUY, MAIN, House, checks, live_house


def read(
    house: House, lots: int, *, cash_e8: int | None = None, is_caught_up: bool = True
) -> tuple[Effect, ...]:
    """The venue's own word on the account, with so many lots of BTC."""
    house.tick()
    cash_e8 = house.account.cash_e8 if cash_e8 is None else cash_e8
    positions = ((BTC, lots),) if lots else ()
    equity_e8 = house.account.equity_e8()
    return house.step(AccountRead, MAIN, equity_e8, cash_e8, positions, is_caught_up)


def test_a_read_that_agrees_blocks_nothing_and_measures_the_cash_gap() -> None:
    house = live_house()
    house.hold(1.0)

    assert () == read(house, 1000, cash_e8=house.account.cash_e8 + 7)
    assert frozenset() == house.account.blocked
    assert 7 == house.engine.agreement.readings[MAIN].cash_gap_e8


def test_a_difference_stops_new_risk_at_once_and_a_reduce_still_goes_out() -> None:
    house = live_house()
    house.hold(1.0)
    read(house, 2000)

    assert ["stream_ready"] == checks(house.ask(house.limit(BUY, 99.0, 1.0)))
    assert [] == checks(house.ask(house.strategies[0].close(BTC)))


def test_a_late_fill_that_explains_a_difference_ends_it() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    read(house, 1000)
    assert frozenset() != house.account.blocked

    house.fill(cloid, 99.0, 1.0)

    assert frozenset() == house.account.blocked
    assert 0 == house.engine.agreement.declared


def test_two_reads_that_agree_declare_a_difference_and_book_it_to_external() -> None:
    house = live_house()
    house.hold(1.0)
    read(house, 3000)
    effects = read(house, 3000)

    (note,) = effects
    assert isinstance(note, Notify)
    assert "the venue holds 3, our fills make 1" in note.text
    assert 3000 == house.net()
    assert 1000 == house.own()
    assert 2000 == house.own(EXTERNAL)
    assert frozenset() == house.account.blocked


def test_once_a_difference_is_declared_none_is_left_and_the_cash_gap_is_that_of_its_read() -> None:
    house = live_house()
    read(house, 3000, cash_e8=house.account.cash_e8 + 5)
    read(house, 3000, cash_e8=house.account.cash_e8 + 7)

    reading = house.engine.agreement.readings[MAIN]
    assert ((), 7) == (reading.difference, reading.cash_gap_e8)
    assert () == read(house, 3000)
    assert 1 == house.engine.agreement.declared


def test_no_number_of_reads_declares_a_difference_before_fills_were_asked_for() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    for _ in range(9):
        assert () == read(house, 1000, is_caught_up=False)
    assert frozenset() != house.account.blocked

    house.fill(cloid, 99.0, 1.0)

    assert (1000, 1000, 0) == (house.net(), house.own(), house.own(EXTERNAL))
    assert frozenset() == house.account.blocked


def test_a_difference_that_is_left_once_fills_were_asked_for_is_declared() -> None:
    house = live_house()
    read(house, 3000, is_caught_up=False)
    effects = read(house, 3000)

    assert 1 == len(effects)
    assert 3000 == house.own(EXTERNAL)


@pytest.mark.parametrize("between", ["another read", "a fill"])
def test_a_difference_is_not_declared_while_news_is_under_way(between: str) -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    read(house, 3000)
    if between == "a fill":
        # It happened after the first read, which therefore says nothing of now.
        house.tick()
        house.fill(cloid, 99.0, 0.5)
        assert () == read(house, 3000)
    else:
        assert () == read(house, 2000)

    assert frozenset() != house.account.blocked
    assert 0 == house.engine.agreement.declared


def test_a_position_the_venue_no_longer_holds_is_a_difference_too() -> None:
    house = live_house()
    house.hold(1.0)
    read(house, 0)

    assert ((BTC, 0, 1000),) == house.engine.agreement.readings[MAIN].difference


def test_positions_on_markets_outside_the_run_are_no_difference() -> None:
    house = live_house()
    house.step(AccountRead, MAIN, 0, 0, (("hl:DOGE", 5),))

    assert frozenset() == house.account.blocked


def test_the_venues_own_count_of_actions_replaces_ours() -> None:
    house = live_house()
    house.rest(BUY, 99.0, 1.0)
    house.step(BudgetRead, MAIN, 12_345, 20_000)
    address = house.engine.planner.address(MAIN)

    assert (12_345, 20_000) == (address.used, address.cap)


def test_weight_that_others_spend_is_not_there_for_orders() -> None:
    house = live_house()
    before = house.engine.planner.ip("hl").left(house.now_ns, is_urgent=True)
    house.step(WeightSpent, "hl", 100)

    assert before - 100 == house.engine.planner.ip("hl").left(house.now_ns, is_urgent=True)


def test_a_read_of_an_account_that_is_not_in_the_run_is_counted_and_changes_nothing() -> None:
    house = live_house()
    house.step(AccountRead, "other", 0, 0, ((BTC, 1),))

    assert {"AccountRead": 1} == house.engine.unknown
    assert 0 == house.net()


@pytest.mark.parametrize("filled_at", ["first read", "second read"])
def test_a_read_of_the_very_moment_of_our_last_fill_declares_nothing(filled_at: str) -> None:
    """Whether the fill is in it cannot be told: both reads must be newer."""
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.fill(cloid, 99.0, 0.5)
    filled_ns = house.account.filled_ns
    times = (filled_ns, filled_ns + 1) if filled_at == "first read" else (filled_ns + 1, filled_ns)
    agreement = house.engine.agreement
    for ts_ns in times:
        assert () == agreement.read(AccountRead(ts_ns, ts_ns, MAIN, 0, 0, ((BTC, 3000),)))

    assert 0 == agreement.declared
