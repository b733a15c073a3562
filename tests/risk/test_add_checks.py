"""Every check of an order that adds risk: what it refuses, in which words, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.model.events import (
    EngineStopping,
    Halted,
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
    MAIN,
    SELL,
    House,
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


def test_of_one_stream_only_its_newest_phase_is_told_and_it_is_known() -> None:
    house = live_house()
    house.step(StreamChanged, "book", StreamPhase.STALE, instrument=BTC)
    house.step(StreamChanged, "book", StreamPhase.DOWN, instrument=BTC)

    assert [("stream_ready", "every stream ready", "book down")] == refused(
        house.ask(house.limit(BUY, 100.0, 1.0))
    )
    assert {} == house.engine.unknown


def test_a_halt_without_a_reason_is_a_halt() -> None:
    house = live_house()
    house.step(Halted, "")

    assert [("halted", "not halted", "halted")] == refused(house.ask(house.limit(BUY, 100.0, 1.0)))


def test_a_cap_is_of_one_venue_and_the_newest_list_counts() -> None:
    house = live_house()
    house.step(OpenInterestCaps, "hl", (BTC,))
    house.step(OpenInterestCaps, "px", ())
    blocked = refused(house.ask(house.limit(BUY, 100.0, 1.0)))
    house.step(OpenInterestCaps, "hl", ("hl:ETH",))

    assert ["open_interest_cap"] == [check for check, _, _ in blocked]
    assert [] == refused(house.ask(house.limit(BUY, 100.0, 1.0)))


def test_the_tier_is_that_of_the_worst_case_position_and_not_of_the_order() -> None:
    house, px, _ = tiered(1.0, used=6)
    house.rest(BUY, px, 9.0)

    assert [("leverage", "5 at this size", "6")] == refused(house.ask(house.limit(BUY, px, 1.0)))
    assert [] == refused(house.ask(house.limit(BUY, px, 0.999)))
