"""Fewer points that look the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.report.decimate import extremes, spread


@pytest.mark.parametrize("size", [0, 1, 4, 10])
def test_points_that_fit_are_all_kept(size: int) -> None:
    assert list(range(size)) == extremes(np.zeros(size), 10).tolist()


@given(st.integers(0, 2**32 - 1), st.integers(11, 500), st.integers(4, 10))
def test_thinning_keeps_both_ends_and_both_extremes_within_its_bound(
    seed: int, size: int, points_max: int
) -> None:
    values = np.random.default_rng(seed).normal(size=size)
    at = extremes(values, points_max)

    assert at.size <= points_max
    assert (np.diff(at) > 0).all()
    assert {0, size - 1, int(values.argmin()), int(values.argmax())} <= set(at.tolist())


def test_a_single_spike_in_a_million_points_is_kept() -> None:
    values = np.zeros(1_000_000)
    values[123_457] = -1.0

    assert 123_457 in extremes(values)


@pytest.mark.parametrize(
    ("size", "count_max", "kept"),
    [(0, 3, []), (3, 3, [0, 1, 2]), (5, 3, [0, 2, 4]), (100, 2, [0, 99])],
)
def test_things_are_shown_evenly_spaced(size: int, count_max: int, kept: list[int]) -> None:
    assert kept == spread(size, count_max).tolist()
