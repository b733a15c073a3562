from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.models.latency import FixedLatency, JitteredLatency, LatencyModel
from engine.errors import ModelError

NOW = 1_700_000_000_000_000_000


def test_a_fixed_latency_adds_its_delay_in_each_direction() -> None:
    latency: LatencyModel = FixedLatency(order_delay_ns=3, report_delay_ns=5)

    assert (NOW + 3, NOW + 5) == (latency.order_ns(NOW), latency.report_ns(NOW))


@given(ts_ns=st.integers(0, 2**63), jitter_ns=st.integers(0, 10**9), seed=st.integers())
def test_a_jittered_latency_stays_within_its_bounds_and_is_decided_by_seed_and_instant(
    ts_ns: int, jitter_ns: int, seed: int
) -> None:
    latency: LatencyModel = JitteredLatency(3, 5, jitter_ns, seed)

    assert 3 <= latency.order_ns(ts_ns) - ts_ns <= 3 + jitter_ns
    assert 5 <= latency.report_ns(ts_ns) - ts_ns <= 5 + jitter_ns
    again = JitteredLatency(3, 5, jitter_ns, seed)
    assert latency.order_ns(ts_ns) == again.order_ns(ts_ns)


def test_jitter_differs_between_instants_directions_and_seeds_and_is_spread_evenly() -> None:
    latency = JitteredLatency(0, 0, 999, seed=1)
    drawn = [latency.order_ns(NOW + i) - NOW - i for i in range(10_000)]
    reports = [latency.report_ns(NOW + i) - NOW - i for i in range(10_000)]
    other = [JitteredLatency(0, 0, 999, seed=2).order_ns(NOW + i) - NOW - i for i in range(100)]

    assert 490 < sum(drawn) / len(drawn) < 510
    assert len(set(drawn)) > 990
    assert drawn != reports
    assert drawn[:100] != other


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedLatency(order_delay_ns=-1),
        lambda: FixedLatency(report_delay_ns=-1),
        lambda: JitteredLatency(-1, 0, 0, 0),
        lambda: JitteredLatency(0, -1, 0, 0),
        lambda: JitteredLatency(0, 0, -1, 0),
    ],
)
def test_nothing_arrives_before_it_was_sent(make: Callable[[], object]) -> None:
    with pytest.raises(ModelError, match="a delay is -1 ns, expected 0 or more"):
        make()
