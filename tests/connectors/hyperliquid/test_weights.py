"""The IP weight of every request, against the figures of protocol 6 written out."""

from __future__ import annotations

import pytest

from connectors.hyperliquid.weights import exchange_weight, info_weight, rows_weight
from engine.errors import ModelError

LIGHT = (
    *("l2Book", "allMids", "clearinghouseState"),
    *("orderStatus", "spotClearinghouseState", "exchangeStatus"),
)


@pytest.mark.parametrize("request_name", LIGHT)
def test_a_light_request_costs_2(request_name: str) -> None:
    assert 2 == info_weight(request_name)


@pytest.mark.parametrize(
    ("request_name", "expected"),
    [("userRole", 60), ("meta", 20), ("userFills", 20), ("openOrders", 20), ("tomorrow's", 20)],
)
def test_every_other_request_costs_20_and_a_role_60(request_name: str, expected: int) -> None:
    assert expected == info_weight(request_name)


@pytest.mark.parametrize(
    ("request_name", "rows", "expected"),
    [
        ("fundingHistory", 0, 0),
        ("fundingHistory", 19, 0),
        ("fundingHistory", 20, 1),
        ("fundingHistory", 500, 25),
        ("userFunding", 500, 25),
        ("userNonFundingLedgerUpdates", 41, 2),
        ("userFills", 2000, 100),
        ("userFillsByTime", 2000, 100),
        ("recentTrades", 30, 1),
        ("candleSnapshot", 59, 0),
        ("candleSnapshot", 5000, 83),
        ("openOrders", 1000, 0),
        ("meta", 300, 0),
    ],
)
def test_rows_cost_extra_where_the_venue_says_so(
    request_name: str, rows: int, expected: int
) -> None:
    assert expected == rows_weight(request_name, rows)


@pytest.mark.parametrize(
    ("batch_length", "expected"), [(0, 1), (1, 1), (39, 1), (40, 2), (79, 2), (80, 3), (200, 6)]
)
def test_a_batch_costs_1_and_1_more_for_every_40(batch_length: int, expected: int) -> None:
    assert expected == exchange_weight(batch_length)


def test_a_batch_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match="a batch of -1 actions"):
        exchange_weight(-1)
