"""Integers as text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.report.exact import decimal_text, iso_ns, iso_short, money_text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0, 0, "0"),
        (-7, 0, "-7"),
        (0, 2, "0.00"),
        (-5, 2, "-0.05"),
        (5, 1, "0.5"),
        (12_345, 2, "123.45"),
        (-12_345, 5, "-0.12345"),
        (10**20, 8, "1000000000000.00000000"),
    ],
)
def test_an_integer_is_written_with_its_decimals(value: int, decimals: int, text: str) -> None:
    assert text == decimal_text(value, decimals)


@given(st.integers(-(10**27), 10**27), st.integers(0, 12))
def test_what_is_written_reads_back_as_the_same_number(value: int, decimals: int) -> None:
    text = decimal_text(value, decimals)

    assert Decimal(value).scaleb(-decimals) == Decimal(text)
    assert decimals == len(text.partition(".")[2])


def test_money_has_eight_decimals() -> None:
    assert "-0.00000001" == money_text(-1)


@pytest.mark.parametrize(
    ("ts_ns", "full", "short"),
    [
        (0, "1970-01-01T00:00:00.000000000Z", "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000001Z"),
        (
            1_756_944_000_123_456_789,
            "2025-09-04T00:00:00.123456789Z",
            "2025-09-04T00:00:00.123456789Z",
        ),
        (1_756_944_000_000_000_000, "2025-09-04T00:00:00.000000000Z", "2025-09-04T00:00:00Z"),
    ],
)
def test_a_time_keeps_its_nanoseconds(ts_ns: int, full: str, short: str) -> None:
    assert (full, short) == (iso_ns(ts_ns), iso_short(ts_ns))
