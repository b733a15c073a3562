"""The equity curve as arrays, its UTC day ends, and its drawdowns.

Money that was moved in or out is no return: profit is equity less transfers, and a period's return
is its profit over the equity it began with. A sample taken exactly at midnight belongs to the day
that it closes. A day without a sample keeps the value before.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from backtests.report.metrics import drawdown_series, growth_index
from backtests.report.result import Floats, Ints, RunResult
from engine.errors import ModelError
from engine.model.units import MONEY_SCALE, NS_PER_HOUR

DAY_NS: Final = 24 * NS_PER_HOUR
_COLUMNS: Final = (
    "equity_e8",
    "transfers_e8",
    "fees_e8",
    "funding_e8",
    "position_notional_e8",
    "net_notional_e8",
)


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one account, at least two; arrays of one length, in order of time.

    Money in whole units of collateral. `profit` is equity less transfers less starting equity;
    `index` is the growth of 1; `drawdown` is how far it is under its peak (<= 0). The costs are
    running totals; `notional` is gross, `net_notional` signed.
    """

    ts_ns: Ints
    equity: Floats
    profit: Floats
    index: Floats
    drawdown: Floats
    fees: Floats
    funding: Floats
    notional: Floats
    net_notional: Floats

    @property
    def returns(self) -> Floats:
        """The return from each sample to the next: one fewer than there are samples."""
        return returns_of(self.equity, self.profit)


class Day(msgspec.Struct, frozen=True):
    """One UTC day: its start, and its profit in money and as a return."""

    start_ns: int
    profit: float
    fraction: float


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """A fall from a peak: from the last moment at the peak, over the valley, until it is regained.

    `fraction` and `money` are negative; `recovery_ns` is None while it lasts.
    """

    fraction: float
    money: float
    start_ns: int
    valley_ns: int
    recovery_ns: int | None
    duration_ns: int


def equity_curve(result: RunResult) -> Curve:
    """The curve from the start of a run to its end, its first and last sample included.

    Raises ModelError when the equity points are not in order of time within the run.
    """
    points = result.equity
    columns = np.array(
        [[getattr(point, column) for column in _COLUMNS] for point in points],
        dtype=np.float64,
    ).reshape(len(points), len(_COLUMNS))
    ts_ns = np.array([p.ts_ns for p in points], dtype=np.int64)
    _check_order(result, ts_ns)
    if not points or (points[0].ts_ns, points[0].equity_e8) != (
        result.start_ns,
        result.starting_equity_e8,
    ):
        first = [result.starting_equity_e8, 0, 0, 0, 0, 0]
        columns = np.vstack([np.array([first], dtype=np.float64), columns])
        ts_ns = np.concatenate(([result.start_ns], ts_ns))
    if len(ts_ns) < 2 or (ts_ns[-1], columns[-1, 0]) != (result.end_ns, result.final_equity_e8):
        last = columns[-1:].copy()
        last[0, 0] = result.final_equity_e8
        columns = np.vstack([columns, last])
        ts_ns = np.concatenate((ts_ns, [result.end_ns]))
    equity, transfers, fees, funding, notional, net = columns.T / MONEY_SCALE
    profit = equity - transfers - result.starting_equity_e8 / MONEY_SCALE
    index = growth_index(returns_of(equity, profit))
    return Curve(
        ts_ns=ts_ns,
        equity=equity,
        profit=profit,
        index=index,
        drawdown=drawdown_series(index),
        fees=fees,
        funding=funding,
        notional=notional,
        net_notional=net,
    )


def _check_order(result: RunResult, ts_ns: Ints) -> None:
    edges = np.concatenate(([result.start_ns], ts_ns, [result.end_ns]))
    late = np.flatnonzero(np.diff(edges) < 0)
    if late.size:
        at = int(late[0])
        raise ModelError(
            f"result {result.name!r}: equity point {at} is at {edges[at + 1]} ns after one at"
            f" {edges[at]} ns, expected times that only rise from start_ns to end_ns"
        )


def returns_of(equity: Floats, profit: Floats) -> Floats:
    """Profit of each step over the equity it began with; 0 where that equity was not positive."""
    before = equity[:-1]
    returns = np.zeros(before.size)
    return np.divide(np.diff(profit), before, out=returns, where=before > 0)


def daily(curve: Curve) -> list[Day]:
    """Every UTC day that the curve touches, in order; the first and last may be partial."""
    day = (curve.ts_ns - 1) // DAY_NS
    first, last = int(curve.ts_ns[0]) // DAY_NS, int(day[-1])
    ends = np.arange(first, last + 1)
    if not ends.size:
        return []
    at = np.concatenate(([0], np.searchsorted(day, ends, side="right") - 1))
    profit = curve.profit[at]
    fractions = returns_of(curve.equity[at], profit)
    return [
        Day(int(end) * DAY_NS, float(gain), float(fraction))
        for end, gain, fraction in zip(ends, np.diff(profit), fractions, strict=True)
    ]


def worst_drawdowns(curve: Curve, count: int) -> list[Drawdown]:
    """The deepest `count` drawdowns, the worst first."""
    under = np.concatenate(([False], curve.drawdown < 0, [False]))
    edges = np.flatnonzero(np.diff(under.astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    if not begins.size:
        return []
    depth = np.minimum.reduceat(curve.drawdown, begins)
    worst = np.argsort(depth, kind="stable")[:count]
    return [_drawdown(curve, int(begins[at]), int(ends[at])) for at in worst]


def _drawdown(curve: Curve, begin: int, end: int) -> Drawdown:
    """The drawdown whose samples under water are begin..end (end excluded)."""
    start, valley = begin - 1, begin + int(curve.drawdown[begin:end].argmin())
    is_over = end < curve.ts_ns.size
    start_ns = int(curve.ts_ns[start])
    end_ns = int(curve.ts_ns[end if is_over else -1])
    return Drawdown(
        fraction=float(curve.drawdown[valley]),
        money=float(curve.profit[valley] - curve.profit[start]),
        start_ns=start_ns,
        valley_ns=int(curve.ts_ns[valley]),
        recovery_ns=end_ns if is_over else None,
        duration_ns=end_ns - start_ns,
    )
