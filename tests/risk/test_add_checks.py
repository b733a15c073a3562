"""Every check of an order that adds risk: what it refuses, in which words, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.model.events import (
    EngineStopping,
    InstrumentUpdated,
    OpenInterestCaps,
    Resumed,
    StreamChanged,
    StreamPhase,
)
from engine.model.units import MONEY_SCALE, NS_PER_MS, Side
from risk.checks import ADD_CHECKS
from risk.limits import Limits
from tests.engine.builders import (
    BTC,
    BUY,
    ETH,
    IOC,
    MAIN,
    SELL,
    House,
    Scripted,
    commands,
    instrument,
    live_house,
    refused,
)

Refusal = tuple[str, str, str]


def usd(amount: float) -> int:
    return round(amount * MONEY_SCALE)


def no_house(**how: Any) -> House:  # noqa: ANN401 - passed on
    """A house whose market has no price yet."""
    return House(**how)


def halted() -> tuple[House, float, float]:
    house = live_house()
    house.halt()
    return house, 100.0, 1.0


def stopping() -> tuple[House, float, float]:
    house = live_house()
    house.step(EngineStopping, "end")
    return house, 100.0, 1.0


def market_down() -> tuple[House, float, float]:
    house = live_house()
    house.step(StreamChanged, "book", StreamPhase.DOWN, instrument=BTC)
    house.step(StreamChanged, "a book", StreamPhase.GAP, instrument=BTC)
    return house, 100.0, 1.0


def account_stale() -> tuple[House, float, float]:
    house = live_house()
    house.step(StreamChanged, "fills", StreamPhase.STALE, account=MAIN)
    return house, 100.0, 1.0


def stale() -> tuple[House, float, float]:
    house = live_house(limits=Limits(data_age_ns_max=500 * NS_PER_MS))
    house.tick(ms=501)
    return house, 100.0, 1.0


def delisted() -> tuple[House, float, float]:
    house = live_house()
    house.step(InstrumentUpdated, instrument(is_delisted=True))
    return house, 100.0, 1.0


def capped() -> tuple[House, float, float]:
    house = live_house()
    house.step(OpenInterestCaps, "hl", (BTC,))
    return house, 100.0, 1.0


def limited(px: float, sz: float, **limits: Any) -> tuple[House, float, float]:  # noqa: ANN401
    return live_house(limits=Limits(**limits)), px, sz


def full(count: int) -> tuple[House, float, float]:
    house = live_house(limits=Limits(open_orders_max=count))
    for _ in range(count):
        house.rest(SELL, 110.0, 1.0)
    return house, 100.0, 1.0


def tiered(sz: float, **leverage: int) -> tuple[House, float, float]:
    tiers = ((0.0, 20), (1000.0, 5))
    house = live_house(instruments=(instrument(tiers=tiers),), leverage={BTC: leverage["used"]})
    return house, 100.0, sz


def with_balance(balance: float, sz: float) -> tuple[House, float, float]:
    return live_house(balance=balance, leverage={BTC: 10}), 100.0, sz


CASES: list[tuple[Callable[[], tuple[House, float, float]], Refusal]] = [
    (halted, ("halted", "not halted", "by hand")),
    (stopping, ("halted", "not halted", "stopping")),
    (market_down, ("stream_ready", "every stream ready", "a book gap, book down")),
    (account_stale, ("stream_ready", "every stream ready", "fills stale")),
    (lambda: (no_house(), 100.0, 1.0), ("no_price", "a mark price", "none")),
    (stale, ("stale_data", "500 ms", "501 ms")),
    (delisted, ("delisted", "listed", "delisted")),
    (lambda: limited(99.0, 0.1), ("min_notional", "10.00", "9.90")),
    (capped, ("open_interest_cap", "below the open-interest cap", "at the cap")),
    (lambda: limited(79.0, 1.0), ("price_distance", "20.00% from mark", "21.00%")),
    (lambda: limited(120.1, 1.0), ("price_distance", "20.00% from mark", "20.10%")),
    (
        lambda: limited(100.0, 1.001, order_notional_max_e8=usd(100)),
        ("order_notional", "100.00", "100.10"),
    ),
    (
        lambda: limited(90.0, 1.001, position_notional_max_e8=usd(100)),
        ("position_notional", "100.00", "100.10"),
    ),
    (lambda: full(3), ("open_orders", "3", "4")),
    (lambda: limited(100.0, 1.0, leverage_max=9), ("leverage", "9", "10")),
    (lambda: tiered(10.0, used=6), ("leverage", "5 at this size", "6")),
    (lambda: with_balance(100.0, 10.001), ("free_margin", "100.00", "100.01")),
]


@pytest.mark.parametrize(("case", "expected"), CASES)
def test_a_check_refuses_an_add_in_its_own_words(
    case: Callable[[], tuple[House, float, float]], expected: Refusal
) -> None:
    house, px, sz = case()
    effects = house.ask(house.limit(BUY, px, sz))

    assert [expected] == refused(effects)
    assert [] == commands(effects)
    assert {("one", expected[0]): 1} == house.engine.refusals


def test_every_check_has_its_case() -> None:
    assert {name for name, _ in ADD_CHECKS} == {expected[0] for _, expected in CASES}


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize(
    "case",
    [
        lambda: limited(100.0, 0.1),
        lambda: limited(80.0, 1.0),
        lambda: limited(120.0, 1.0),
        lambda: limited(50.0, 1.0, price_distance_max=0.0),
        lambda: limited(100.0, 1.0, order_notional_max_e8=usd(100)),
        lambda: limited(110.0, 1.0, position_notional_max_e8=usd(100)),
        lambda: limited(100.0, 1.0, leverage_max=10),
        lambda: limited(100.0, 5000.0),
        lambda: tiered(9.999, used=6),
        lambda: tiered(10.0, used=5),
        lambda: with_balance(100.0, 10.0),
    ],
)
def test_an_order_exactly_at_its_limit_passes(
    case: Callable[[], tuple[House, float, float]], side: Side
) -> None:
    """A limit of 0 is no limit."""
    house, px, sz = case()
    effects = house.ask(house.limit(side, px, sz))

    assert [] == refused(effects)
    assert 1 == len(commands(effects))


@pytest.mark.parametrize("age_ms", [500, 0])
def test_data_exactly_as_old_as_the_limit_is_fresh_and_0_is_no_limit(age_ms: int) -> None:
    house = live_house(limits=Limits(data_age_ns_max=age_ms * NS_PER_MS))
    house.tick(ms=age_ms or 10**6)

    assert [] == refused(house.ask(house.limit(BUY, 100.0, 1.0)))


def test_a_check_that_no_longer_applies_lets_orders_through_again() -> None:
    house = live_house()
    house.halt()
    house.step(Resumed, "by hand")
    house.step(StreamChanged, "book", StreamPhase.DOWN, instrument=BTC)
    house.step(StreamChanged, "book", StreamPhase.READY, instrument=BTC)
    house.step(OpenInterestCaps, "hl", (BTC,))
    house.step(OpenInterestCaps, "hl", ())

    assert [] == refused(house.ask(house.limit(BUY, 100.0, 1.0)))


@pytest.mark.parametrize("phase", [phase for phase in StreamPhase if phase != "ready"])
def test_every_phase_but_ready_blocks_an_add(phase: StreamPhase) -> None:
    house = live_house()
    house.step(StreamChanged, "book", phase, instrument=BTC)

    assert [("stream_ready", "every stream ready", f"book {phase}")] == refused(
        house.ask(house.limit(BUY, 100.0, 1.0))
    )


def test_a_stream_that_is_ready_says_nothing_of_one_whose_name_begins_alike() -> None:
    house = live_house()
    house.step(StreamChanged, "book BTC", StreamPhase.DOWN, instrument=BTC)
    house.step(StreamChanged, "book", StreamPhase.READY, instrument=BTC)

    assert ["book BTC down"] == [
        measured for _, _, measured in refused(house.ask(house.limit(BUY, 100.0, 1.0)))
    ]


def test_a_cap_is_of_one_venue_and_the_newest_list_counts() -> None:
    house = live_house()
    house.step(OpenInterestCaps, "hl", (BTC,))
    house.step(OpenInterestCaps, "px", ())
    blocked = refused(house.ask(house.limit(BUY, 100.0, 1.0)))
    house.step(OpenInterestCaps, "hl", ("hl:ETH",))

    assert ["open_interest_cap"] == [check for check, _, _ in blocked]
    assert [] == refused(house.ask(house.limit(BUY, 100.0, 1.0)))


# -- worst cases -----------------------------------------------------------------------------------


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


def test_the_tier_is_that_of_the_worst_case_position_and_not_of_the_order() -> None:
    house, px, _ = tiered(1.0, used=6)
    house.rest(BUY, px, 9.0)

    assert [("leverage", "5 at this size", "6")] == refused(house.ask(house.limit(BUY, px, 1.0)))
    assert [] == refused(house.ask(house.limit(BUY, px, 0.999)))
