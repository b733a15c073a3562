"""When a generated market's rows happen, and how its fair price moves between them.

Volatility clusters twice: a regime (calm, usual, stormy) that lasts minutes, and a GARCH(1,1) on
top. Log prices are summed as integers of 1e-9, so that a path does not hang on the last bit of a
float.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from backtests.generator.settings import Settings
from backtests.tape.schema import Array, IntArray

LOG_SCALE: Final = 1_000_000_000
_YEAR_S: Final = 365 * 86_400

# How a regime multiplies volatility, how long it lasts on average, and how often it is chosen.
_REGIMES: Final = ((0.5, 600.0, 0.45), (1.0, 300.0, 0.4), (2.5, 90.0, 0.15))
_GARCH_NEWS: Final = 0.03
_GARCH_MEMORY: Final = 0.965
_JITTER: Final = 0.4


class Path(msgspec.Struct, frozen=True):
    """The rows of one instrument's book: their times, the moves of its log price, its volatility.

    `ts_ms` and `moves` (1e-9 of log price since the row before) have one value a row; `activity`
    is volatility over its usual level.
    """

    ts_ms: IntArray
    moves: IntArray
    activity: Array


class Factor(msgspec.Struct, frozen=True):
    """What all instruments share: standard shocks, and how volatile each moment is."""

    shocks: Array
    activity: Array


def row_count(duration_s: float, settings: Settings) -> int:
    """How many book rows a market of this length has."""
    return max(2, int(duration_s * settings.book_rate_hz))


def common_factor(rng: np.random.Generator, duration_s: float, settings: Settings) -> Factor:
    """The shared factor of a market, one value a row."""
    n = row_count(duration_s, settings)
    shocks, garch = _garch(rng.standard_normal(n))
    return Factor(shocks, garch * _regimes(rng, n, 1 / settings.book_rate_hz))


def path(rng: np.random.Generator, factor: Factor, start_ms: int, settings: Settings) -> Path:
    """The rows of one instrument."""
    n = len(factor.shocks)
    step_s = 1 / settings.book_rate_hz
    own, own_activity = _garch(rng.standard_normal(n))
    shared = settings.correlation
    shocks = np.sqrt(shared) * factor.shocks + np.sqrt(1 - shared) * own * own_activity
    scale = settings.volatility * np.sqrt(step_s / _YEAR_S) * LOG_SCALE
    moves = np.rint(scale * factor.activity * shocks).astype(np.int64)
    moves[0] = 0
    times = (np.arange(n) + _JITTER * rng.random(n)) * (step_s * 1000)
    return Path(start_ms + times.astype(np.int64), moves, factor.activity * own_activity)


def _garch(shocks: Array) -> tuple[Array, Array]:
    """Standard shocks, and the volatility around 1 that they leave behind them."""
    base = 1 - _GARCH_NEWS - _GARCH_MEMORY
    variance = 1.0
    variances = []
    for shock in shocks.tolist():
        variances.append(variance)
        variance = base + variance * (_GARCH_NEWS * shock * shock + _GARCH_MEMORY)
    return shocks, np.sqrt(np.array(variances))


def _regimes(rng: np.random.Generator, n: int, step_s: float) -> Array:
    """The multiplier of volatility at each row: one regime after another."""
    level, mean_s, weight = (np.array(column) for column in zip(*_REGIMES, strict=True))
    spells = int(n * step_s / mean_s.min()) + 2
    chosen = np.searchsorted(np.cumsum(weight), rng.random(spells)).clip(0, len(level) - 1)
    lengths = -np.log1p(-rng.random(spells)) * mean_s[chosen]
    rows = np.rint(lengths / step_s).astype(np.int64) + 1
    # More spells than can be needed on average; the last one fills what is left.
    rows[-1] += max(0, n - int(rows.sum()))
    usual = np.sqrt(np.average(level**2, weights=weight * mean_s))
    levels: Array = np.repeat(level[chosen], rows)[:n] / usual
    return levels
