"""Money is rounded by the rules that its functions name."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from engine.model.units import MONEY_SCALE, PPB, ceil_div, fee_e8, funding_e8, money, money_e8
from engine.model.units import rate_ppb as ppb

amounts = st.integers(-(10**20), 10**20)
rates = st.integers(-(10**9), 10**9)


@given(amounts, st.integers(1, 10**12))
def test_ceil_div_is_the_least_integer_not_below_the_quotient(value: int, by: int) -> None:
    result = ceil_div(value, by)

    assert result - 1 < Fraction(value, by) <= result


@given(amounts, rates)
def test_a_fee_and_a_funding_payment_are_never_understated_and_off_by_less_than_one_unit(
    notional_e8: int, rate_ppb: int
) -> None:
    exact = Fraction(notional_e8 * rate_ppb, PPB)

    assert 0 <= fee_e8(notional_e8, rate_ppb) - exact < 1
    assert 0 <= funding_e8(notional_e8, rate_ppb) - exact < 1


def test_rates_and_amounts_become_the_nearest_integer() -> None:
    assert 450_000 == ppb(0.00045)
    assert -12_500 == ppb(-0.0000125)
    assert 30_000_000 == money_e8(0.1 + 0.2)
    assert 1.5 == money(3 * MONEY_SCALE // 2)
