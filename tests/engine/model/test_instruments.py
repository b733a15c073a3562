"""The quantiser against a checker that is written from the venue's rule alone."""

# ruff: noqa: FBT001, FBT003 - hypothesis hands over what it draws

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.model.instruments import Grid, Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import Side
from tests.engine.builders import instrument

SIDES = (Side.BUY, Side.SELL)
NOT_NUMBERS = [math.nan, math.inf, -math.inf, 1e300, -1e300, 10**400, -(10**400)]


def grid_of(sz_decimals: int) -> Grid:
    return instrument(sz_decimals=sz_decimals).grid


def as_read(value: float) -> Decimal:
    """The decimal of 15 significant digits that a float stands for."""
    return Decimal(f"{value:.15g}")


def is_allowed(px: Decimal, sz_decimals: int) -> bool:
    """The venue's rule for a price, word for word."""
    if px <= 0:
        return False
    if px == px.to_integral_value():
        return True
    digits = px.normalize().as_tuple()
    assert isinstance(digits.exponent, int)
    return len(digits.digits) <= 5 and -digits.exponent <= 6 - sz_decimals


def nearest_allowed(px: Decimal, sz_decimals: int, *, up: bool) -> Decimal:
    """The nearest allowed price at or above (`up`), or at or below; 0 when there is none."""
    if is_allowed(px, sz_decimals):
        return px
    # Not an integer: so many decimals that five figures and the decimal limit both hold. Below one
    # of these steps lies either the next step or, in a lower decade, a finer one that is no nearer.
    decimals = min(6 - sz_decimals, max(0, 4 - px.adjusted()))
    with localcontext() as context:
        context.prec = 40
        step = Decimal(1).scaleb(-decimals)
        return px.quantize(step, ROUND_CEILING if up else ROUND_FLOOR)


def asked_prices() -> st.SearchStrategy[float]:
    """Prices of every decade from 1e-6 to 1e7: rounded, on steps, between them, and noisy."""
    mantissas = st.one_of(
        st.floats(1, 10, exclude_max=True),
        st.integers(10_000, 99_999).map(lambda n: n / 10_000),
        st.integers(100_000, 999_999).map(lambda n: n / 100_000),
        st.sampled_from([1.0, 9.9999, 9.99995, 9.99999, 1.00001, 1.5]),
    )
    return st.builds(lambda m, e: float(f"{m}e{e}"), mantissas, st.integers(-6, 6))


@given(asked_prices(), st.integers(0, 5), st.sampled_from(SIDES), st.booleans())
@example(0.1 + 0.2, 0, Side.BUY, False)
@example(99999.5, 5, Side.BUY, True)
@example(100000.4, 2, Side.SELL, False)
@example(1e-7, 0, Side.SELL, False)
def test_a_price_becomes_the_nearest_allowed_one_not_past_the_asked_side(
    asked: float, sz_decimals: int, side: Side, is_aggressive: bool
) -> None:
    """Passive: a buy goes down and a sell up; aggressive: the other way."""
    grid = grid_of(sz_decimals)
    px_ticks = grid.quantise_px(asked, side, is_aggressive=is_aggressive)
    up = (side is Side.SELL) is not is_aggressive

    assert nearest_allowed(as_read(asked), sz_decimals, up=up) == Decimal(px_ticks) / grid.px_scale


@given(asked_prices(), st.integers(0, 5), st.sampled_from(SIDES), st.booleans())
def test_an_allowed_price_comes_back_unchanged(
    asked: float, sz_decimals: int, side: Side, is_aggressive: bool
) -> None:
    grid = grid_of(sz_decimals)
    px_ticks = grid.quantise_px(asked, side, is_aggressive=is_aggressive)
    if not px_ticks:
        return

    assert grid.is_valid_px(px_ticks)
    assert is_allowed(Decimal(px_ticks) / grid.px_scale, sz_decimals)
    for again in SIDES:
        for way in (True, False):
            assert px_ticks == grid.quantise_px(grid.px(px_ticks), again, is_aggressive=way)


@given(st.integers(1, 10**8), st.integers(0, 5))
def test_a_price_in_ticks_is_valid_exactly_when_the_rule_allows_it(
    px_ticks: int, sz_decimals: int
) -> None:
    grid = grid_of(sz_decimals)
    expected = is_allowed(Decimal(px_ticks) / grid.px_scale, sz_decimals)

    assert expected == grid.is_valid_px(px_ticks)


@pytest.mark.parametrize("px_ticks", [0, -1, -100_000])
def test_no_price_below_one_tick_is_valid(px_ticks: int) -> None:
    assert not grid_of(0).is_valid_px(px_ticks)


@pytest.mark.parametrize(
    ("asked", "sz_decimals", "passive_buy", "passive_sell"),
    [
        (0.1 + 0.2, 0, "0.3", "0.3"),
        (1e-7, 0, "0", "0.000001"),
        (99999.5, 0, "99999", "100000"),
        (100000.4, 0, "100000", "100001"),
        (123456.0, 0, "123456", "123456"),
        (12345.6, 0, "12345", "12346"),
        (1234.56, 0, "1234.5", "1234.6"),
        (0.001234, 0, "0.001234", "0.001234"),
        (0.012345, 0, "0.012345", "0.012345"),
        (0.012345, 1, "0.01234", "0.01235"),
        (1.23456, 0, "1.2345", "1.2346"),
        (1001.0, 5, "1001", "1001"),
        (1000.15, 5, "1000.1", "1000.2"),
    ],
)
def test_prices_of_the_venues_rule(
    asked: float, sz_decimals: int, passive_buy: str, passive_sell: str
) -> None:
    grid = grid_of(sz_decimals)

    for side, expected in ((Side.BUY, passive_buy), (Side.SELL, passive_sell)):
        passive = grid.quantise_px(asked, side, is_aggressive=False)
        aggressive = grid.quantise_px(asked, Side(-side), is_aggressive=True)
        assert Decimal(expected) == Decimal(passive) / grid.px_scale
        assert passive == aggressive


@pytest.mark.parametrize("asked", [*NOT_NUMBERS, 0.0, -0.0, -1.0, 1e15])
def test_what_is_no_price_has_none_on_the_grid(asked: float) -> None:
    for side in SIDES:
        for is_aggressive in (True, False):
            assert 0 == grid_of(3).quantise_px(asked, side, is_aggressive=is_aggressive)


@pytest.mark.parametrize("asked", [*NOT_NUMBERS, 0.0, -0.0, -1.0, 0.000_999])
def test_what_is_no_size_has_none_on_the_grid(asked: float) -> None:
    assert 0 == grid_of(3).quantise_sz(asked)


@given(st.floats(1e-9, 1e9), st.integers(0, 5))
@example(0.1 + 0.2, 1)
@example(0.3, 1)
@example(1.1, 5)
def test_a_size_is_the_largest_on_the_grid_that_is_not_above_the_asked(
    asked: float, sz_decimals: int
) -> None:
    """Asked is the decimal of 15 digits that the float stands for."""
    scale = grid_of(sz_decimals).sz_scale
    lots = grid_of(sz_decimals).quantise_sz(asked)

    assert lots <= as_read(asked) * scale < lots + 1


@given(st.integers(0, 10**12), st.integers(0, 5))
def test_a_size_on_the_grid_comes_back_unchanged(lots: int, sz_decimals: int) -> None:
    grid = grid_of(sz_decimals)

    assert lots == grid.quantise_sz(grid.sz(lots))
    assert lots == grid.lots(grid.sz(lots))


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0.00001, 100.0005])
def test_a_venues_number_off_the_grid_is_an_error_that_names_it(value: float) -> None:
    grid = grid_of(3)

    with pytest.raises(ModelError, match="is not on the grid of 1/1000"):
        grid.ticks(value)
    with pytest.raises(ModelError, match="is not on the grid of 1/1000"):
        grid.lots(value)


def test_a_venues_number_on_the_grid_is_taken_exactly() -> None:
    assert 100_123 == grid_of(3).ticks(100.123)
    assert 42 == grid_of(3).lots(0.042)


def test_notional_is_exact() -> None:
    assert 123_456_789 * 1_000 * 100 == grid_of(3).notional_e8(123_456_789, 1_000)


def test_a_grid_finer_than_money_is_refused() -> None:
    with pytest.raises(ModelError, match=r"px_decimals \+ sz_decimals is 9, expected at most 8"):
        Instrument(
            id="x:A",
            venue="x",
            coin="A",
            px_decimals=5,
            sz_decimals=4,
            margin_tiers=(MarginTier(0, 5),),
        )


@pytest.mark.parametrize("tiers", [(), (MarginTier(1, 5),)])
def test_margin_tiers_that_do_not_start_at_zero_are_refused(tiers: tuple[MarginTier, ...]) -> None:
    with pytest.raises(ModelError, match="x:A: margin_tiers must start at a lower bound of 0"):
        hyperliquid_instrument("x", "A", sz_decimals=0, margin_tiers=tiers)


def test_a_coin_of_a_builder_dex_names_its_dex() -> None:
    tiers = (MarginTier(0, 5),)

    assert "xyz" == hyperliquid_instrument("hl", "xyz:T", sz_decimals=0, margin_tiers=tiers).dex
    assert "" == hyperliquid_instrument("hl", "BTC", sz_decimals=0, margin_tiers=tiers).dex
