"""Trades of somebody else are said, and close a strategy's position only when that is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.account_events import Booking
from engine.drive.external import settle_external, tell_external
from engine.drive.recovery import Left, Owned
from engine.model.events import OrderFilled
from engine.model.units import Side
from engine.state.accounts import EXTERNAL
from tests.engine.builders import BTC, MAIN


def booking(owner: str) -> Booking:
    fill = OrderFilled(
        1, 1, MAIN, BTC, "oid:7", 0, 7, 1, Side.SELL, 100_000, 500, 100.0, 0.5, 0, is_maker=False
    )
    return Booking(fill, owner, 0, 0)


def test_a_fill_of_somebody_else_is_said_once() -> None:
    bookings = [booking("one"), booking(EXTERNAL)]
    with capture_logs() as logs:
        seen = tell_external(bookings, 0)
        seen = tell_external(bookings, seen)

    (line,) = logs
    assert 2 == seen
    assert ("a fill of somebody else", "warning", BTC, "SELL", 0.5) == tuple(
        line[key] for key in ("event", "log_level", "instrument", "side", "sz")
    )


def held(owner: str, lots: int, cost_e8: int, net_cost_e8: int = 0) -> Owned:
    return Owned(MAIN, BTC, owner, lots, cost_e8, net_cost_e8)


CASES: list[tuple[list[Owned], list[tuple[str, int, int]]]] = [
    # closed by hand, wholly, in part, beyond, and with two strategies
    ([held("one", 10, 1000), held(EXTERNAL, -10, -1100)], [("one", 0, 0), (EXTERNAL, 0, 0)]),
    ([held("one", 10, 1000), held(EXTERNAL, -4, -440)], [("one", 6, 600), (EXTERNAL, 0, 0)]),
    ([held("one", 10, 1000), held(EXTERNAL, -15, -1500)], [("one", 0, 0), (EXTERNAL, -5, -500)]),
    (
        [held("one", 10, 1000), held("two", 10, 900), held(EXTERNAL, -15, -1500)],
        [("one", 0, 0), ("two", 5, 450), (EXTERNAL, 0, 0)],
    ),
    # a hedge of two strategies against each other, and an addition by hand, are left alone
    ([held("one", 10, 1000), held("two", -10, -900)], [("one", 10, 1000), ("two", -10, -900)]),
    ([held("one", 10, 1000), held(EXTERNAL, 5, 500)], [("one", 10, 1000), (EXTERNAL, 5, 500)]),
]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_external_positions_close_the_strategies_opposite_ones(
    before: list[Owned], after: list[tuple[str, int, int]]
) -> None:
    left = settle_external(Left(positions=tuple(before)))

    assert after == [(one.owner, one.lots, one.cost_e8) for one in left.positions]


def test_what_the_accounts_position_cost_stays_as_it_is() -> None:
    before = (held("one", 10, 1000, 900), held(EXTERNAL, -4, -440, -360))
    left = settle_external(Left(positions=before))

    assert sum(one.net_cost_e8 for one in before) == sum(one.net_cost_e8 for one in left.positions)
    assert 6 == sum(one.lots for one in left.positions)


def test_instruments_and_accounts_are_kept_apart() -> None:
    others: list[Any] = [
        held("one", 10, 1000),
        Owned(MAIN, "hl:ETH", EXTERNAL, -10, -1, 0),
        Owned("other", BTC, EXTERNAL, -10, -1, 0),
    ]

    assert tuple(others) == settle_external(Left(positions=tuple(others))).positions
