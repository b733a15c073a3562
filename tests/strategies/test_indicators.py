"""The streaming indicators against plain recomputation from all the data."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.model.units import NS_PER_MS, NS_PER_S
from strategies.indicators import Ema, Volatility

prices = st.floats(min_value=0.01, max_value=1e6)
steps_ns = st.integers(min_value=NS_PER_MS, max_value=3600 * NS_PER_S)


# -- the moving average ----------------------------------------------------------------------------


@given(st.lists(prices, min_size=1, max_size=60), st.integers(min_value=1, max_value=100))
def test_an_ema_is_the_weighted_sum_of_all_it_has_seen(xs: list[float], span: int) -> None:
    """Written out: alpha (1-alpha)^k for the k-th newest value, and the rest on the first one."""
    alpha = 2 / (span + 1)
    ages = range(len(xs) - 1)
    newest_first = xs[::-1]
    expected = math.fsum(alpha * (1 - alpha) ** age * newest_first[age] for age in ages)
    expected += (1 - alpha) ** len(ages) * xs[0]

    ema = Ema(span)
    values = [ema.update(x) for x in xs]

    assert expected == pytest.approx(ema.value, rel=1e-9)
    assert values[-1] == ema.value
    assert xs[0] == values[0]
    assert len(xs) == ema.count


def test_an_ema_of_pandas_documented_example_comes_out_the_same() -> None:
    """`ewm(span=3, adjust=False)` of 1, 2, 3, 4: alpha is 1/2."""
    ema = Ema(3)

    assert [1.0, 1.5, 2.25, 3.125] == [ema.update(x) for x in (1.0, 2.0, 3.0, 4.0)]


def test_an_ema_has_no_value_before_the_first_observation() -> None:
    assert math.isnan(Ema(5).value)


@pytest.mark.parametrize("span", [0, -3, 0.5, math.nan])
def test_an_ema_of_less_than_one_observation_is_refused(span: float) -> None:
    with pytest.raises(ModelError):
        Ema(span)


# -- the volatility --------------------------------------------------------------------------------


def plain_volatility(ticks: list[tuple[float, int]], half_life_ns: int) -> float:
    """The formula of the module's docstring as one weighted sum over all returns."""
    returns = [
        (math.log(now / before) ** 2 * NS_PER_S / (now_ns - before_ns), now_ns - before_ns)
        for (before, before_ns), (now, now_ns) in pairwise(ticks)
    ]
    total, kept = 0.0, 1.0
    for rate, elapsed_ns in reversed(returns[1:]):
        weight = 2 ** (-elapsed_ns / half_life_ns)
        total += kept * (1 - weight) * rate
        kept *= weight
    return math.sqrt(total + kept * returns[0][0])


@given(
    st.lists(st.tuples(prices, steps_ns), min_size=2, max_size=40),
    st.integers(min_value=NS_PER_S, max_value=86_400 * NS_PER_S),
)
def test_a_volatility_is_the_root_of_the_weighted_mean_of_squared_returns(
    steps: list[tuple[float, int]], half_life_ns: int
) -> None:
    at_ns, ticks = 0, []
    for px, step_ns in steps:
        at_ns += step_ns
        ticks.append((px, at_ns))

    volatility = Volatility(half_life_ns)
    for px, ts_ns in ticks:
        volatility.update(px, ts_ns)

    assert plain_volatility(ticks, half_life_ns) == pytest.approx(
        volatility.value, rel=1e-6, abs=1e-12
    )


def test_a_steady_return_of_1_percent_a_minute_is_its_own_volatility_over_a_minute() -> None:
    volatility = Volatility(600 * NS_PER_S)
    for minute in range(50):
        volatility.update(100 * math.exp(0.01 * minute), minute * 60 * NS_PER_S)

    assert 0.01 == pytest.approx(volatility.over(60 * NS_PER_S))
    assert 0.02 == pytest.approx(volatility.over(240 * NS_PER_S))


def test_after_one_half_life_the_old_volatility_counts_half() -> None:
    volatility = Volatility(60 * NS_PER_S)
    volatility.update(100.0, 0)
    before = volatility.update(101.0, 60 * NS_PER_S)
    after = volatility.update(101.0, 120 * NS_PER_S)

    assert before**2 / 2 == pytest.approx(after**2)


def test_an_observation_that_is_not_later_changes_nothing() -> None:
    volatility = Volatility(60 * NS_PER_S)
    volatility.update(100.0, 0)
    before = volatility.update(101.0, NS_PER_S)

    assert before == volatility.update(50.0, NS_PER_S)
    assert before == volatility.update(50.0, 0)
    assert 2 == volatility.count


def test_one_price_has_no_volatility() -> None:
    volatility = Volatility(60 * NS_PER_S)

    assert math.isnan(volatility.value)
    assert math.isnan(volatility.update(100.0, 0))


def test_a_half_life_of_nothing_is_refused() -> None:
    with pytest.raises(ModelError):
        Volatility(0)
