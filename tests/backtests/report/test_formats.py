"""Numbers as people read them."""

from __future__ import annotations

import pytest

from backtests.report import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        (0.0, "0.00"),
        (1234.567, "1,234.57"),
        (-0.01, "-0.01"),
        (0.005, "0.01"),
        (0.004, "0.0040"),
        (-0.00012345, "-0.00012"),
        (0.000012, "0.000012"),
        (0.0000006, "0.000001"),
        (1e-8, "0.00"),
    ],
)
def test_money_has_two_decimals_until_that_would_hide_it(value: float | None, text: str) -> None:
    assert text == formats.amount(value)


@pytest.mark.parametrize(
    ("value", "text"), [(1.5, "+1.50"), (-1.5, "-1.50"), (0.0, "0.00"), (-0.0, "0.00")]
)
def test_a_sign_is_shown_except_for_nothing(value: float, text: str) -> None:
    assert text == formats.amount(value, signed=True)


def test_a_fraction_that_rounds_to_nothing_has_no_sign() -> None:
    assert "0.00 %" == formats.percent(-0.00001, signed=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "n/a"),
        (0.0, "0ms"),
        (0.0351, "35ms"),
        (1.0, "1.00s"),
        (90, "1m 30s"),
        (59.999, "60.00s"),
        (3_600, "1h 00m"),
        (86_399.9, "1d 00h"),
        (86_400 * 3 + 3_600 * 4, "3d 04h"),
    ],
)
def test_a_length_of_time_is_told_in_two_units(seconds: float | None, text: str) -> None:
    assert text == formats.duration(seconds)


def test_a_multiple_has_its_sign_unless_it_is_not_defined() -> None:
    assert ("0.50\u00d7", "n/a") == (formats.multiple(0.5), formats.multiple(None))
