"""A run as one dictionary ready for JSON: what summary.json holds, the page and the terminal show.

Money is in whole units of the collateral token, fractions are fractions (0.01 is 1 %), times ISO
UTC, durations in seconds. Fees and funding are costs: `net_pnl = gross_pnl - fees - funding`,
gross with unrealised P&L at the end. Losses and drawdowns are negative. What is not defined is
null: `sharpe`, `sortino` and the rest of `metrics.daily` need 30 daily returns (UTC day ends, 365
a year, risk-free rate 0); `metrics.per_sample` says the same per equity sample, and is not
annualised. `ledger.difference` is what the ledger fails to explain, from fills;
`ledger.difference_by_strategy` the same from the totals of the strategies. Both must be 0.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np

from backtests.report.activity import (
    Costs,
    Execution,
    Exposure,
    FillArrays,
    costs,
    execution,
    exposure,
    fill_arrays,
)
from backtests.report.curve import (
    DAY_NS,
    Curve,
    Day,
    Drawdown,
    daily,
    equity_curve,
    worst_drawdowns,
)
from backtests.report.exact import iso_short
from backtests.report.metrics import (
    DAYS_PER_YEAR,
    RETURNS_MIN,
    ReturnStatistics,
    ratio,
    return_statistics,
    sharpe,
    sortino,
    volatility,
)
from backtests.report.result import (
    Decimals,
    RunResult,
    StrategyTotals,
    decimals_by_instrument,
)
from backtests.report.trades import RoundTrip, TradeStatistics, round_trips, trade_statistics
from engine.model.units import MONEY_DECIMALS, NS_PER_S, money

DRAWDOWNS_SHOWN: Final = 5
REJECT_RATIO_NOTED: Final = 0.05

Summary = dict[str, Any]


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """A result with everything that is worked out from it once."""

    result: RunResult
    decimals: dict[str, Decimals]
    curve: Curve
    days: list[Day]
    fills: FillArrays
    trips: list[RoundTrip]
    open_trips: list[RoundTrip]
    drawdowns: list[Drawdown]
    statistics: ReturnStatistics
    costs: Costs
    execution: Execution
    exposure: Exposure


def summarise(result: RunResult) -> Summary:
    """The summary of a run; see the head of this module for its units.

    Raises ModelError when the result contradicts itself (times out of order, unknown instrument).
    """
    return summary_of(analyse(result))


def analyse(result: RunResult) -> Analysis:
    """Work out everything once. Raises ModelError likewise."""
    decimals = decimals_by_instrument(result)
    curve = equity_curve(result)
    days = daily(curve)
    fills = fill_arrays(result.fills, decimals)
    trips, open_trips = round_trips(result.fills, decimals)
    volume = float(fills.notional.sum())
    years = (result.end_ns - result.start_ns) / DAY_NS / DAYS_PER_YEAR
    fractions = np.array([day.fraction for day in days], dtype=np.float64)
    return Analysis(
        result=result,
        decimals=decimals,
        curve=curve,
        days=days,
        fills=fills,
        trips=trips,
        open_trips=open_trips,
        drawdowns=worst_drawdowns(curve, DRAWDOWNS_SHOWN),
        statistics=return_statistics(fractions, years=years),
        costs=costs(result, curve, volume),
        execution=execution(result, fills, decimals),
        exposure=exposure(curve, volume),
    )


def summary_of(analysis: Analysis) -> Summary:
    """The dictionary of `summarise`, from what was worked out already."""
    result, statistics = analysis.result, analysis.statistics
    worst = analysis.drawdowns[0] if analysis.drawdowns else None
    ledger = _ledger(result)
    return {
        "name": result.name,
        "mode": result.mode,
        "driver": result.driver,
        "start": iso_short(result.start_ns),
        "end": iso_short(result.end_ns),
        "duration_seconds": (result.end_ns - result.start_ns) / NS_PER_S,
        "collateral": result.collateral,
        "starting_equity": money(result.starting_equity_e8),
        "final_equity": money(result.final_equity_e8),
        "gross_pnl": analysis.costs.gross_pnl,
        "fees": analysis.costs.fees,
        "funding": analysis.costs.funding,
        "net_pnl": analysis.costs.net_pnl,
        "total_return": float(analysis.curve.index[-1]) - 1.0,
        "max_drawdown": worst.fraction if worst else 0.0,
        "sharpe": statistics.sharpe,
        "sortino": statistics.sortino,
        "turnover": analysis.exposure.turnover,
        "events": result.events,
        "orders": len(result.orders),
        "fills": len(result.fills),
        "cancels": result.cancels,
        "liquidations": result.liquidations,
        "refusals": dict(sorted(result.refusals.items())),
        "rejects": dict(sorted(result.rejects.items())),
        "wall_seconds": result.wall_seconds,
        "events_per_second": ratio(result.events, result.wall_seconds),
        "warnings": _warnings(analysis, ledger),
        "ledger": ledger,
        "per_strategy": {
            one.name: _strategy(one, analysis.trips)
            for one in sorted(result.strategies, key=lambda one: one.name)
        },
        "metrics": _metrics(analysis),
        "assumptions": list(result.assumptions),
    }


def _ledger(result: RunResult) -> Summary:
    """Start to final equity, exact, and what is left unexplained in two independent ways."""
    realised_e8 = sum(fill.realised_e8 for fill in result.fills)
    fees_e8 = sum(fill.fee_e8 for fill in result.fills)
    unrealised_e8 = sum(one.unrealised_e8 for one in result.strategies)
    funding_e8 = sum(one.funding_e8 for one in result.strategies)
    gained_e8 = result.final_equity_e8 - result.starting_equity_e8 - result.transfers_e8
    net_e8 = realised_e8 + unrealised_e8 - fees_e8 - funding_e8
    return {
        "start": money(result.starting_equity_e8),
        "realised": money(realised_e8),
        "unrealised": money(unrealised_e8),
        "fees": money(fees_e8),
        "funding": money(funding_e8),
        "transfers": money(result.transfers_e8),
        "final": money(result.final_equity_e8),
        "difference": money(gained_e8 - net_e8),
        "difference_by_strategy": money(gained_e8 - sum(one.net_e8 for one in result.strategies)),
    }


def _warnings(analysis: Analysis, ledger: Summary) -> list[str]:
    """What a reader must know before any number, as sentences."""
    result = analysis.result
    found = list(result.warnings)
    for key, source in (
        ("difference", "the fills"),
        ("difference_by_strategy", "the totals of the strategies"),
    ):
        if ledger[key]:
            found.append(
                f"The ledger does not close: final equity differs by {ledger[key]:.8f}"
                f" {result.collateral} from what {source} explain. Trust no number below."
            )
    if result.liquidations:
        times = "once" if result.liquidations == 1 else f"{result.liquidations} times"
        found.append(f"The account was liquidated {times}.")
    if not result.fills:
        found.append("No order was filled.")
    if analysis.costs.gross_pnl > 0 > analysis.costs.net_pnl:
        found.append("Fees and funding took more than the whole gross profit.")
    rejects, orders = analysis.execution.rejects, analysis.execution.orders
    if rejects > REJECT_RATIO_NOTED * orders:
        found.append(
            f"Requests that the venue rejected: {rejects:,}, against {orders:,} orders sent."
        )
    return found


def _strategy(one: StrategyTotals, trips: list[RoundTrip]) -> Summary:
    fills = one.fills_buy + one.fills_sell
    own = trade_statistics([trip for trip in trips if trip.strategy == one.name])
    return {
        "orders": one.orders,
        "fills": fills,
        "fills_buy": one.fills_buy,
        "fills_sell": one.fills_sell,
        "maker_fills": one.maker_fills,
        "maker_share_of_fills": ratio(one.maker_fills, fills),
        "cancels": one.cancels,
        "refusals": dict(sorted(one.refusals.items())),
        "rejects": dict(sorted(one.rejects.items())),
        "volume": money(one.volume_e8),
        "gross_pnl": money(one.realised_e8 + one.unrealised_e8),
        "realised": money(one.realised_e8),
        "unrealised": money(one.unrealised_e8),
        "fees": money(one.fees_e8),
        "funding": money(one.funding_e8),
        "net_pnl": money(one.net_e8),
        "trades": own.trades,
        "win_rate": own.win_rate,
        "profit_factor": own.profit_factor,
    }


def _metrics(analysis: Analysis) -> Summary:
    trips = analysis.trips
    instruments = sorted({trip.instrument for trip in trips})
    return {
        "daily": msgspec.to_builtins(analysis.statistics)
        | {
            "convention": f"UTC day ends, {DAYS_PER_YEAR} days a year, risk-free rate 0,"
            f" sample deviation; null under {RETURNS_MIN} returns",
        },
        "per_sample": _per_sample(analysis.curve),
        "drawdowns": [_drawdown(one) for one in analysis.drawdowns],
        "months": _months(analysis.days),
        "exposure": msgspec.to_builtins(analysis.exposure),
        "costs": msgspec.to_builtins(analysis.costs),
        "execution": msgspec.to_builtins(analysis.execution),
        "trades": {
            "open": len(analysis.open_trips),
            "all": _trades(trips),
            "long": _trades([trip for trip in trips if trip.is_long]),
            "short": _trades([trip for trip in trips if not trip.is_long]),
            "by_instrument": {
                name: _trades([trip for trip in trips if trip.instrument == name])
                for name in instruments
            },
        },
    }


def _trades(trips: list[RoundTrip]) -> Summary:
    statistics: TradeStatistics = trade_statistics(trips)
    found: Summary = msgspec.to_builtins(statistics)
    return found


def _per_sample(curve: Curve) -> Summary:
    """Statistics of the equity samples as they came, not annualised; null under 30 of them."""
    returns = curve.returns
    is_enough = returns.size >= RETURNS_MIN
    return {
        "returns": int(returns.size),
        "spacing_median_seconds": float(np.median(np.diff(curve.ts_ns))) / NS_PER_S,
        "mean": float(returns.mean()) if is_enough else None,
        "deviation": volatility(returns) if is_enough else None,
        "sharpe": sharpe(returns) if is_enough else None,
        "sortino": sortino(returns) if is_enough else None,
    }


def _drawdown(one: Drawdown) -> Summary:
    return {
        "fraction": one.fraction,
        "money": round(one.money, MONEY_DECIMALS),
        "start": iso_short(one.start_ns),
        "valley": iso_short(one.valley_ns),
        "recovery": None if one.recovery_ns is None else iso_short(one.recovery_ns),
        "duration_seconds": one.duration_ns / NS_PER_S,
    }


def _months(days: list[Day]) -> list[Summary]:
    """The profit and compounded return of every calendar month that the run touches."""
    months = groupby(days, key=lambda day: iso_short(day.start_ns)[:7])
    found = []
    for month, members in months:
        held = list(members)
        growth = float(np.prod([1.0 + day.fraction for day in held]))
        profit = round(sum(day.profit for day in held), MONEY_DECIMALS)
        found.append({"month": month, "return": growth - 1.0, "profit": profit})
    return found
