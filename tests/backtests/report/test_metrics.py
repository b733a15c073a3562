"""The statistics against numbers that two known libraries agree on, and where there are none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.report import metrics
from backtests.report.metrics import (
    RETURNS_MIN,
    ReturnStatistics,
    annual_growth,
    return_statistics,
    total_return,
)
from backtests.report.result import Floats

# quantstats 0.0.86 and empyrical-reloaded 0.7.1 on the same series, 365 periods a year, 10 digits.
# quantstats gives the recovery factor without its sign.
GOLDEN = {
    "cagr": -0.1775959117,
    "volatility": 0.3755795392,
    "sharpe": -0.3328830982,
    "sortino": -0.4664569523,
    "max_drawdown": -0.4714612079,
    "calmar": -0.3766925226,
    "omega": 0.9572733925,
    "tail_ratio": 1.0021797877,
    "var_95": -0.0326873447,
    "cvar_95": -0.0401625087,
    "ulcer_index": 0.2008972664,
    "recovery_factor": -0.5303684738,
    "probabilistic_sharpe": 0.3191002282,
    "skew": 0.0474041880,
    "kurtosis": -0.0522696700,
    "stability": 0.0441115761,
    "win_rate": 0.4917808219,
}


def two_years() -> Floats:
    return np.random.default_rng(42).normal(0.0006, 0.02, 730)


@pytest.mark.parametrize(("name", "value"), GOLDEN.items())
def test_a_statistic_of_two_years_is_what_the_known_libraries_say(name: str, value: float) -> None:
    assert value == pytest.approx(getattr(return_statistics(two_years()), name), abs=5.1e-11)


def test_the_compounded_return_of_two_years_is_what_the_known_libraries_say() -> None:
    assert -0.3236515155 == pytest.approx(total_return(two_years()), abs=5.1e-11)


def test_every_statistic_is_checked_against_a_golden_number_or_read_off_the_series() -> None:
    read_off = {"returns", "best", "worst"}

    assert set(ReturnStatistics.__struct_fields__) == GOLDEN.keys() | read_off


def test_the_best_and_the_worst_period_are_the_extremes() -> None:
    found = return_statistics(two_years())

    assert (two_years().max(), two_years().min()) == (found.best, found.worst)


def test_annual_growth_uses_the_time_it_took_when_told() -> None:
    returns = np.full(40, 0.001)

    assert (1.001**40) ** (1 / 0.1) - 1 == pytest.approx(
        return_statistics(returns + np.linspace(0, 1e-9, 40), years=0.1).cagr, rel=1e-6
    )


@pytest.mark.parametrize("count", [0, 1, 2, RETURNS_MIN - 1])
def test_under_thirty_returns_nothing_is_said_but_how_many_there_are(count: int) -> None:
    assert ReturnStatistics(returns=count) == return_statistics(two_years()[:count])


def test_thirty_returns_are_enough() -> None:
    assert None not in msgspec.structs.astuple(return_statistics(two_years()[:RETURNS_MIN]))


def test_a_series_that_loses_everything_has_no_statistics() -> None:
    returns = two_years()
    returns[100] = -1.0

    assert ReturnStatistics(returns=730) == return_statistics(returns)


@pytest.mark.parametrize("value", [0.0, 0.001, -0.001, 1e-13])
@pytest.mark.parametrize("name", ["sharpe", "probabilistic_sharpe", "skew", "kurtosis"])
def test_a_series_without_variance_has_no_ratio_to_it(name: str, value: float) -> None:
    assert getattr(return_statistics(np.full(365, value)), name) is None


@pytest.mark.parametrize("name", ["sortino", "calmar", "omega", "recovery_factor"])
def test_a_series_without_losses_has_no_ratio_to_them(name: str) -> None:
    assert getattr(return_statistics(np.abs(two_years())), name) is None


def test_a_series_without_losses_has_a_drawdown_of_zero() -> None:
    assert 0.0 == return_statistics(np.abs(two_years())).max_drawdown


def test_tiny_returns_that_vary_still_have_a_sharpe_ratio() -> None:
    returns = two_years()

    assert metrics.sharpe(returns) == pytest.approx(metrics.sharpe(returns * 1e-12), rel=1e-6)


@pytest.mark.parametrize(
    "statistic",
    [
        metrics.volatility,
        metrics.sharpe,
        metrics.sortino,
        metrics.omega,
        metrics.tail_ratio,
        metrics.value_at_risk,
        metrics.conditional_value_at_risk,
        metrics.ulcer_index,
        metrics.probabilistic_sharpe,
        metrics.skew,
        metrics.kurtosis,
        metrics.stability,
    ],
)
def test_an_empty_series_has_no_statistic(statistic: Callable[[Floats], float | None]) -> None:
    assert statistic(np.array([])) is None


def test_the_first_return_can_be_the_drawdown() -> None:
    assert -0.5 == metrics.max_drawdown(np.array([-0.5, 0.2]))


@pytest.mark.parametrize(("total", "years"), [(-1.0, 1.0), (-2.0, 1.0), (0.1, 0.0), (1e9, 1e-9)])
def test_growth_that_cannot_be_annualised_is_none(total: float, years: float) -> None:
    assert annual_growth(total, years) is None


@given(
    st.lists(
        st.floats(-2.0, 10.0) | st.sampled_from([0.0, 1e-300, -1e-300, 1e-16]),
        max_size=80,
    ),
    st.integers(1, 3),
)
def test_whatever_the_returns_every_statistic_is_finite_or_none(
    values: list[float], times: int
) -> None:
    found = msgspec.structs.asdict(return_statistics(np.array(values * times)))

    assert json.dumps(found, allow_nan=False)
    assert all(value is None or math.isfinite(value) for value in found.values())
