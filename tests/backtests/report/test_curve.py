"""The equity curve: its baseline, its days and its drawdowns."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from backtests.report.curve import DAY_NS, Curve, daily, equity_curve, worst_drawdowns
from backtests.report.result import EquityPoint, RunResult
from engine.errors import ModelError
from engine.model.units import NS_PER_S

E8 = 10**8


def point(ts_ns: int, equity: float, transfers: float = 0.0) -> EquityPoint:
    return EquityPoint(
        ts_ns=ts_ns,
        equity_e8=round(equity * E8),
        cash_e8=round(equity * E8),
        unrealised_e8=0,
        fees_e8=0,
        funding_e8=0,
        position_notional_e8=0,
        net_notional_e8=0,
        transfers_e8=round(transfers * E8),
    )


def curve_of(
    base: RunResult, points: Sequence[EquityPoint], *, start_ns: int = 0, end_ns: int | None = None
) -> Curve:
    """The curve of an account that starts with 100."""
    final_e8 = points[-1].equity_e8 if points else 100 * E8
    last_ns = points[-1].ts_ns if points else start_ns
    return equity_curve(
        msgspec.structs.replace(
            base,
            start_ns=start_ns,
            end_ns=last_ns if end_ns is None else end_ns,
            starting_equity_e8=100 * E8,
            final_equity_e8=final_e8,
            equity=list(points),
        )
    )


def test_the_curve_begins_with_the_starting_equity(untouched: RunResult) -> None:
    curve = curve_of(untouched, [point(5, 110), point(9, 121)])

    assert [0, 5, 9] == curve.ts_ns.tolist()
    assert [100, 110, 121] == curve.equity.tolist()
    assert [0.1, 0.1] == pytest.approx(curve.returns.tolist())


def test_a_sample_at_the_start_that_is_the_starting_equity_is_not_doubled(
    untouched: RunResult,
) -> None:
    assert [0, 9] == curve_of(untouched, [point(0, 100), point(9, 121)]).ts_ns.tolist()


def test_a_cost_at_the_very_start_is_seen(untouched: RunResult) -> None:
    assert [0, 0, 9] == curve_of(untouched, [point(0, 99), point(9, 121)]).ts_ns.tolist()


def test_the_curve_ends_with_the_final_equity(untouched: RunResult) -> None:
    curve = curve_of(untouched, [point(5, 110)], end_ns=20)

    assert [0, 5, 20] == curve.ts_ns.tolist()
    assert [100, 110, 110] == curve.equity.tolist()


def test_a_run_without_samples_is_two_points(untouched: RunResult) -> None:
    curve = equity_curve(untouched)

    assert 2 == curve.ts_ns.size
    assert [0.0] == curve.returns.tolist()


def test_a_deposit_is_no_profit(untouched: RunResult) -> None:
    curve = curve_of(untouched, [point(5, 110), point(9, 1_110, 1_000), point(12, 1_221, 1_000)])

    assert [0, 10, 10, 121] == curve.profit.tolist()
    assert [0.1, 0.0, 0.1] == pytest.approx(curve.returns.tolist())


def test_after_ruin_nothing_is_returned(untouched: RunResult) -> None:
    curve = curve_of(untouched, [point(5, -10), point(9, 20)])

    assert [-1.1, 0.0] == pytest.approx(curve.returns.tolist())
    assert -1.1 == pytest.approx(curve.drawdown.min())


@pytest.mark.parametrize("times", [[5, 4], [-1, 5], [5, 21]])
def test_samples_out_of_order_or_outside_the_run_are_an_error(
    untouched: RunResult, times: list[int]
) -> None:
    with pytest.raises(ModelError, match="expected times that only rise"):
        curve_of(untouched, [point(ts_ns, 100) for ts_ns in times], end_ns=20)


def test_a_sample_at_midnight_closes_the_day_before(untouched: RunResult) -> None:
    points = [point(DAY_NS // 2, 105), point(DAY_NS, 110), point(2 * DAY_NS, 121)]
    days = daily(curve_of(untouched, points))

    assert [0, DAY_NS] == [day.start_ns for day in days]
    assert [10, 11] == pytest.approx([day.profit for day in days])
    assert [0.1, 0.1] == pytest.approx([day.fraction for day in days])


def test_a_day_without_samples_returned_nothing(untouched: RunResult) -> None:
    days = daily(curve_of(untouched, [point(DAY_NS, 110), point(3 * DAY_NS, 121)]))

    assert [0.1, 0.0, 0.1] == pytest.approx([day.fraction for day in days])


def test_partial_days_at_both_ends_count_as_days(untouched: RunResult) -> None:
    start_ns = DAY_NS // 2
    points = [point(DAY_NS, 110), point(DAY_NS + 1, 121)]
    days = daily(curve_of(untouched, points, start_ns=start_ns))

    assert [0, DAY_NS] == [day.start_ns for day in days]
    assert [0.1, 0.1] == pytest.approx([day.fraction for day in days])


def test_a_run_of_no_time_has_no_days(untouched: RunResult) -> None:
    assert [] == daily(curve_of(untouched, []))


def test_days_add_up_to_the_profit_of_the_run(long_run: RunResult) -> None:
    curve = equity_curve(long_run)
    days = daily(curve)

    assert 75 == len(days)
    assert curve.profit[-1] == pytest.approx(sum(day.profit for day in days))
    assert curve.equity[-1] / 100_000 == pytest.approx(np.prod([1 + day.fraction for day in days]))


def test_a_drawdown_runs_from_its_peak_over_its_valley_to_its_recovery(
    untouched: RunResult,
) -> None:
    values = [100, 120, 90, 60, 110, 120, 130]
    worst = worst_drawdowns(
        curve_of(untouched, [point(at * NS_PER_S, value) for at, value in enumerate(values)]), 5
    )

    assert 1 == len(worst)
    assert (-0.5, -60) == (worst[0].fraction, worst[0].money)
    assert (1, 3, 5) == (
        worst[0].start_ns // NS_PER_S,
        worst[0].valley_ns // NS_PER_S,
        (worst[0].recovery_ns or 0) // NS_PER_S,
    )
    assert 4 == worst[0].duration_ns // NS_PER_S


def test_a_drawdown_that_lasts_has_no_recovery(untouched: RunResult) -> None:
    (worst,) = worst_drawdowns(curve_of(untouched, [point(1, 90), point(9, 95)]), 5)

    assert worst.recovery_ns is None
    assert 9 == worst.duration_ns
    assert 0 == worst.start_ns


def test_the_deepest_drawdowns_come_first_and_no_more_than_asked(untouched: RunResult) -> None:
    values = [100, 99, 101, 91, 102, 97, 103, 102, 104]
    curve = curve_of(untouched, [point(at, value) for at, value in enumerate(values)])

    assert [3, 5] == [one.valley_ns for one in worst_drawdowns(curve, 2)]


def test_equity_that_only_rises_has_no_drawdown(untouched: RunResult) -> None:
    assert [] == worst_drawdowns(curve_of(untouched, [point(1, 101), point(2, 102)]), 5)
