"""The statistics of a series of simple returns, each `float | None`: None where it is not defined.

Risk-free rate 0, sample deviation (ddof 1), no annualising unless `periods_per_year` is given.
Losses are negative: so are drawdown, value at risk and its tail mean. A statistic that would
divide by nothing (no losses, no variance, too few returns) is None; nothing here warns or returns
NaN or infinity.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from backtests.report.result import Floats

DAYS_PER_YEAR: Final = 365
RETURNS_MIN: Final = 30
TAIL: Final = 0.05

# Rounding leaves a constant series with a deviation of about 1e-16 of its values: that is none.
_NOISE: Final = 1e-12


class ReturnStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said about `returns` many returns; everything else is None under `RETURNS_MIN`.

    `volatility`, `sharpe`, `sortino` and `cagr` are annualised. `max_drawdown` and what is built on
    it (`calmar`, `ulcer_index`, `recovery_factor`) see the ends of the periods only.
    """

    returns: int
    cagr: float | None = None
    volatility: float | None = None
    sharpe: float | None = None
    sortino: float | None = None
    max_drawdown: float | None = None
    calmar: float | None = None
    omega: float | None = None
    tail_ratio: float | None = None
    var_95: float | None = None
    cvar_95: float | None = None
    ulcer_index: float | None = None
    recovery_factor: float | None = None
    probabilistic_sharpe: float | None = None
    skew: float | None = None
    kurtosis: float | None = None
    stability: float | None = None
    win_rate: float | None = None
    best: float | None = None
    worst: float | None = None


def return_statistics(
    returns: Floats, *, periods_per_year: float = DAYS_PER_YEAR, years: float | None = None
) -> ReturnStatistics:
    """Every statistic of a series of at least `RETURNS_MIN` returns, all above -1.

    `years` is the time it took, for the annual growth; by default the number of periods says it.
    """
    if returns.size < RETURNS_MIN or float(returns.min()) <= -1.0:
        return ReturnStatistics(returns=returns.size)
    if years is None:
        years = returns.size / periods_per_year
    growth = annual_growth(total_return(returns), years)
    drawdown = max_drawdown(returns)
    return ReturnStatistics(
        returns=returns.size,
        cagr=growth,
        volatility=volatility(returns, periods_per_year),
        sharpe=sharpe(returns, periods_per_year),
        sortino=sortino(returns, periods_per_year),
        max_drawdown=drawdown,
        calmar=ratio(growth, abs(drawdown)),
        omega=omega(returns),
        tail_ratio=tail_ratio(returns),
        var_95=value_at_risk(returns),
        cvar_95=conditional_value_at_risk(returns),
        ulcer_index=ulcer_index(returns),
        recovery_factor=ratio(float(returns.sum()), abs(drawdown)),
        probabilistic_sharpe=probabilistic_sharpe(returns),
        skew=skew(returns),
        kurtosis=kurtosis(returns),
        stability=stability(returns),
        win_rate=float(np.mean(returns > 0)),
        best=float(returns.max()),
        worst=float(returns.min()),
    )


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """A quotient, or None when a part is missing, the divisor is 0 or the result is not finite."""
    if numerator is None or denominator is None or denominator == 0:
        return None
    quotient = numerator / denominator
    return quotient if math.isfinite(quotient) else None


def growth_index(returns: Floats) -> Floats:
    """Growth of 1 after each return, with the 1 itself in front: `returns.size + 1` values."""
    return np.concatenate(([1.0], np.cumprod(1.0 + returns)))


def total_return(returns: Floats) -> float:
    """The compounded return of the whole series; 0 when it is empty."""
    return float(np.prod(1.0 + returns)) - 1.0


def annual_growth(total: float, years: float) -> float | None:
    """The yearly return that compounds to `total` in `years`; None for no time or ruin."""
    if years <= 0 or total <= -1.0:
        return None
    exponent = math.log1p(total) / years
    return math.expm1(exponent) if exponent < 700 else None


def volatility(returns: Floats, periods_per_year: float = 1.0) -> float | None:
    """The deviation of returns, times the root of `periods_per_year`."""
    if returns.size < 2:
        return None
    return float(returns.std(ddof=1)) * math.sqrt(periods_per_year)


def sharpe(returns: Floats, periods_per_year: float = 1.0) -> float | None:
    """Mean over deviation, times the root of `periods_per_year`."""
    spread = _deviation(returns)
    if spread is None:
        return None
    return float(returns.mean()) / spread * math.sqrt(periods_per_year)


def sortino(returns: Floats, periods_per_year: float = 1.0) -> float | None:
    """Mean over downside deviation (root mean square of losses, over all returns), likewise."""
    if returns.size < 2:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    scaled = ratio(float(returns.mean()), downside)
    return None if scaled is None else scaled * math.sqrt(periods_per_year)


def max_drawdown(returns: Floats) -> float:
    """The deepest fall from a peak, as a negative fraction; the start counts as a peak."""
    return float(drawdown_series(growth_index(returns)).min())


def drawdown_series(index: Floats) -> Floats:
    """How far each value of a growth index (starting above 0) is under its highest so far: <= 0."""
    drawdown: Floats = index / np.maximum.accumulate(index) - 1.0
    return drawdown


def omega(returns: Floats) -> float | None:
    """The sum of gains over the sum of losses."""
    return ratio(float(returns[returns > 0].sum()), float(-returns[returns < 0].sum()))


def tail_ratio(returns: Floats) -> float | None:
    """The 95th percentile over the 5th, both as absolute values."""
    if returns.size == 0:
        return None
    low, high = np.percentile(returns, [100 * TAIL, 100 * (1 - TAIL)])
    return ratio(abs(float(high)), abs(float(low)))


def value_at_risk(returns: Floats) -> float | None:
    """The 5th percentile of returns."""
    return float(np.percentile(returns, 100 * TAIL)) if returns.size else None


def conditional_value_at_risk(returns: Floats) -> float | None:
    """The mean of the worst 5 % of returns, of at least one."""
    if returns.size == 0:
        return None
    count = int((returns.size - 1) * TAIL) + 1
    return float(np.partition(returns, count - 1)[:count].mean())


def ulcer_index(returns: Floats) -> float | None:
    """The root mean square of drawdowns at the end of each period (over n - 1)."""
    if returns.size < 2:
        return None
    drawdown = drawdown_series(growth_index(returns))[1:]
    return math.sqrt(float((drawdown**2).sum()) / (returns.size - 1))


def probabilistic_sharpe(returns: Floats) -> float | None:
    """The probability that the true Sharpe ratio is above 0 (Bailey and Lopez de Prado 2012).

    Their gamma 4 is the plain kurtosis, 3 for a normal distribution.
    """
    per_period, gamma_3, excess = sharpe(returns), skew(returns), kurtosis(returns)
    if per_period is None or gamma_3 is None or excess is None:
        return None
    variance = 1.0 - gamma_3 * per_period + (excess + 2.0) / 4.0 * per_period**2
    if variance <= 0:
        return None
    score = per_period * math.sqrt((returns.size - 1) / variance)
    return 0.5 * math.erfc(-score / math.sqrt(2.0))


def skew(returns: Floats) -> float | None:
    """Skewness, corrected for bias."""
    n = returns.size
    if n < 3 or _deviation(returns) is None:
        return None
    off = returns - returns.mean()
    biased = float((off**3).mean()) / math.pow(float((off**2).mean()), 1.5)
    return biased * math.sqrt(n * (n - 1)) / (n - 2)


def kurtosis(returns: Floats) -> float | None:
    """Excess kurtosis (0 for a normal distribution), corrected for bias."""
    n = returns.size
    if n < 4 or _deviation(returns) is None:
        return None
    off = returns - returns.mean()
    biased = float((off**4).mean()) / float((off**2).mean()) ** 2 - 3.0
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * biased + 6.0)


def stability(returns: Floats) -> float | None:
    """R squared of the cumulative log return on time: 1 is a straight line."""
    if returns.size < 3 or float(returns.min()) <= -1.0:
        return None
    cumulative = np.cumsum(np.log1p(returns))
    if _deviation(cumulative) is None:
        return None
    time = np.arange(returns.size, dtype=np.float64)
    return float(np.corrcoef(time, cumulative)[0, 1]) ** 2


def _deviation(values: Floats) -> float | None:
    """The sample deviation, or None when there is none to speak of."""
    if values.size < 2:
        return None
    spread = float(values.std(ddof=1))
    return spread if spread > _NOISE * float(np.abs(values).max()) else None
