"""Limits count what rests, what is in flight and what is unknown as if it were filled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.model.units import MONEY_SCALE, Side
from risk.limits import Limits
from tests.engine.builders import (
    BTC,
    BUY,
    ETH,
    IOC,
    House,
    Scripted,
    commands,
    instrument,
    live_house,
    refused,
)


def usd(amount: float) -> int:
    return round(amount * MONEY_SCALE)


def room_for(house: House, side: Side) -> float:
    """The largest order that the limit of 1,000 on the position still lets through, in base."""
    for lots in range(10_000, 0, -1_000):
        intent = house.limit(side, 100.0, lots / 1000)
        if not refused(house.ask(intent)):
            return lots / 1000
    return 0.0


def limited_house(*strategies: Scripted) -> House:
    return live_house(*strategies, limits=Limits(position_notional_max_e8=usd(1000)))


def in_flight(house: House) -> None:
    house.ask(house.limit(BUY, 100.0, 4.0))


def resting(house: House) -> None:
    house.rest(BUY, 100.0, 4.0)


def unknown(house: House) -> None:
    house.unclear(house.rest(BUY, 100.0, 4.0))


def being_canceled(house: House) -> None:
    cloid = house.rest(BUY, 100.0, 4.0)
    house.ask(house.strategies[0].cancel(BTC, cloid))


def partly_filled(house: House) -> None:
    house.fill(house.rest(BUY, 100.0, 4.0), 100.0, 3.0)


def growing(house: House) -> None:
    cloid = house.rest(BUY, 100.0, 1.0)
    house.ask(house.strategies[0].modify(BTC, cloid, 100.0, 4.0))


def shrinking(house: House) -> None:
    cloid = house.rest(BUY, 100.0, 4.0)
    house.ask(house.strategies[0].modify(BTC, cloid, 100.0, 1.0))


def held(house: House) -> None:
    house.hold(4.0)


def of_another_strategy(house: House) -> None:
    house.rest(BUY, 100.0, 4.0, by=1)


@pytest.mark.parametrize(
    "burden",
    [
        in_flight,
        resting,
        unknown,
        being_canceled,
        partly_filled,
        growing,
        shrinking,
        held,
        of_another_strategy,
    ],
)
def test_everything_that_may_add_to_a_position_counts_as_if_it_had(
    burden: Callable[[House], None],
) -> None:
    """Four of ten are taken; an order of the other side may add ten, and four more to flip."""
    house = limited_house(Scripted(), Scripted())
    burden(house)

    assert 6.0 == room_for(house, BUY)


def test_orders_of_one_step_see_each_other() -> None:
    house = limited_house()
    effects = house.ask(*(house.limit(BUY, 100.0, 4.0) for _ in range(3)))

    assert [("position_notional", "1000.00", "1200.00")] == refused(effects)
    assert 2 == len(commands(effects))


def test_what_ended_no_longer_counts() -> None:
    house = limited_house()
    house.canceled(house.rest(BUY, 100.0, 4.0))
    sent = house.limit(BUY, 100.0, 4.0)
    house.ask(sent)
    house.reject(sent.cloid)

    assert 10.0 == room_for(house, BUY)


def test_a_reject_of_an_order_that_was_accepted_is_a_contradiction_and_still_counts() -> None:
    house = limited_house()
    house.reject(house.rest(BUY, 100.0, 4.0))

    assert 6.0 == room_for(house, BUY)


def test_a_flip_is_counted_beyond_the_position_it_closes() -> None:
    house = limited_house()
    house.hold(-4.0)
    effects = house.ask(house.limit(BUY, 100.0, 14.001))

    assert [("position_notional", "1000.00", "1000.10")] == refused(effects)
    assert [] == refused(house.ask(house.limit(BUY, 100.0, 14.0)))


def test_a_stop_that_may_close_the_position_first_is_counted_against_a_flip() -> None:
    """Short 4 with a stop for 4: the stop fires, then a buy of 14 makes 14 and not 10."""
    house = limited_house()
    house.hold(-4.0)
    house.ask(house.strategies[0].stop_loss(BTC, BUY, 4.0, 105.0))
    effects = house.ask(house.limit(BUY, 100.0, 14.0))

    assert [("position_notional", "1000.00", "1400.00")] == refused(effects)


def test_what_only_reduces_never_counts_beyond_flat() -> None:
    """Short 4 with stops for 8: at worst the position is flat, so a buy may make 10."""
    house = limited_house()
    house.hold(-4.0)
    for _ in range(2):
        house.ask(house.strategies[0].stop_loss(BTC, BUY, 4.0, 105.0))

    assert [] == refused(house.ask(house.limit(BUY, 100.0, 10.0)))


def test_a_flip_needs_margin_only_for_what_it_opens() -> None:
    house = live_house(balance=200.0, leverage={BTC: 10})
    house.hold(-9.0)

    assert [("free_margin", "110.00", "110.01")] == refused(
        house.ask(house.limit(BUY, 100.0, 20.001))
    )
    assert [] == refused(house.ask(house.limit(BUY, 100.0, 20.0)))


def test_a_modify_needs_margin_only_for_what_it_adds() -> None:
    house = live_house(balance=100.0, leverage={BTC: 10})
    cloid = house.rest(BUY, 95.0, 10.0)
    strategy = house.strategies[0]

    assert [("free_margin", "5.00", "5.01")] == refused(
        house.ask(strategy.modify(BTC, cloid, 100.01, 10.0))
    )
    assert [] == refused(house.ask(strategy.modify(BTC, cloid, 100.0, 10.0)))
    assert 0 == house.account.free_margin_e8()


def test_a_modify_counts_only_for_what_it_adds_to_its_own_order() -> None:
    house = limited_house()
    cloid = house.rest(BUY, 100.0, 9.0)
    strategy = house.strategies[0]

    assert [("position_notional", "1000.00", "1000.10")] == refused(
        house.ask(strategy.modify(BTC, cloid, 99.0, 10.001))
    )
    assert [] == refused(house.ask(strategy.modify(BTC, cloid, 99.0, 10.0)))


def test_a_modify_is_no_further_open_order() -> None:
    house = live_house(limits=Limits(open_orders_max=1))
    cloid = house.rest(BUY, 95.0, 1.0)

    assert [] == refused(house.ask(house.strategies[0].modify(BTC, cloid, 96.0, 1.0)))


def test_open_orders_count_over_all_instruments_of_the_account() -> None:
    house = live_house(
        limits=Limits(open_orders_max=1), instruments=(instrument(), instrument("ETH"))
    )
    house.quote(where=ETH)
    house.ask(house.strategies[0].limit(ETH, BUY, 100.0, 1.0, tif=IOC))

    assert [("open_orders", "1", "2")] == refused(house.ask(house.limit(BUY, 100.0, 1.0)))
