"""Decimal strings and scaled integers, held against Python's own Decimal."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hyperliquid.numbers import COUNT_MAX, decimal_text, nearest, scaled, wire_text
from engine.errors import ModelError, VenueError

VALUES = st.integers(min_value=-COUNT_MAX, max_value=COUNT_MAX)
DECIMALS = st.integers(min_value=0, max_value=12)


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("1670.1", 1, 16701),
        ("31795.0", 1, 317950),
        ("100", 8, 10_000_000_000),
        (" -3.625312", 8, -362_531_200),
        ("-0.05 ", 2, -5),
        ("-0.0", 3, 0),
        ("0.00076", 5, 76),
        ("007.10", 1, 71),
    ],
)
def test_a_decimal_string_becomes_an_integer_of_its_grid(
    text: str, decimals: int, expected: int
) -> None:
    assert expected == scaled(text, decimals)


NO_DECIMALS = (
    *("", " ", "-", ".", "1.", ".5", "1e5", "NaN", "inf", "0x10", "1_000", "1,5", "--1", "+1"),
    *("1.2.3", "\u0663", "1 000", "- 1", "1.-5", "-1.5-", "9" * 65, "0." + "0" * 65),
)


@pytest.mark.parametrize("text", NO_DECIMALS)
def test_what_is_no_plain_decimal_is_named_in_the_error(text: str) -> None:
    with pytest.raises(VenueError, match=r"markPx .* is no decimal number"):
        scaled(text, 8, "markPx")
    with pytest.raises(VenueError, match=r"markPx .* is no decimal number"):
        nearest(text, 8, "markPx")


def test_more_decimals_than_fit_are_refused_and_never_rounded() -> None:
    with pytest.raises(VenueError, match=r"px '1\.25' has 2 decimals, at most 1 fit"):
        scaled("1.25", 1, "px")


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("1.25", 1, 12),
        ("1.35", 1, 14),
        ("-1.25", 1, -12),
        ("-1.35", 1, -14),
        ("-0.06", 1, -1),
        ("-0.04", 1, 0),
        ("1.2500000001", 1, 13),
        ("37019438.0284740031", 8, 3_701_943_802_847_400),
    ],
)
def test_nearest_rounds_to_the_nearest_and_ties_to_even(
    text: str, decimals: int, expected: int
) -> None:
    assert expected == nearest(text, decimals)


@given(value=VALUES, places=DECIMALS, decimals=DECIMALS)
def test_nearest_is_decimals_own_rounding(value: int, places: int, decimals: int) -> None:
    number = Decimal(value).scaleb(-places)
    expected = int(number.scaleb(decimals).to_integral_value(ROUND_HALF_EVEN))

    if abs(expected) > COUNT_MAX:
        with pytest.raises(VenueError, match="beyond"):
            nearest(f"{number:f}", decimals)
    else:
        assert expected == nearest(f"{number:f}", decimals)


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (16701, 1, "1670.1"),
        (1000, 1, "100"),
        (100, 0, "100"),
        (-100, 0, "-100"),
        (76, 5, "0.00076"),
        (-5, 2, "-0.05"),
        (0, 8, "0"),
    ],
)
def test_an_integer_is_written_without_trailing_zeros_or_exponent(
    value: int, decimals: int, expected: str
) -> None:
    assert expected == decimal_text(value, decimals)


@given(value=VALUES, decimals=DECIMALS)
def test_there_and_back_gives_the_same_integer_and_decimals_own_value(
    value: int, decimals: int
) -> None:
    text = decimal_text(value, decimals)

    assert value == scaled(text, decimals)
    assert Decimal(value).scaleb(-decimals) == Decimal(text)
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1670.10"), "1670.1"),
        (Decimal("1E+2"), "100"),
        (Decimal("-0"), "0"),
        (Decimal("-0.00"), "0"),
        (Decimal("0.00000001"), "0.00000001"),
        ("2000.0", "2000"),
        (" 5.50", "5.5"),
    ],
)
def test_what_is_sent_has_the_form_that_is_signed(value: Decimal | str, expected: str) -> None:
    assert expected == wire_text(value)


@pytest.mark.parametrize(
    "value",
    [Decimal("0.000000001"), Decimal("NaN"), Decimal("Infinity"), "ten", "1E+99", "1E+999999999"],
)
def test_what_cannot_be_sent_is_refused(value: Decimal | str) -> None:
    with pytest.raises(ModelError, match="cannot be sent"):
        wire_text(value)


@pytest.mark.parametrize("read", [scaled, nearest])
@pytest.mark.parametrize(("text", "fits"), [("9223372036854775807", True), ("1" + "0" * 25, False)])
def test_what_is_beyond_63_bits_is_refused_before_anything_is_counted_with_it(
    read: Callable[[str, int], int],
    text: str,
    fits: bool,  # noqa: FBT001 - a case
) -> None:
    if fits:
        assert int(text) == read(text, 0)
        assert -int(text) == read("-" + text, 0)
    else:
        for sign in ("", "-"):
            with pytest.raises(VenueError, match="beyond all that can be counted"):
                read(sign + text, 0)
