"""What a run did and what that cost: costs, execution and exposure.

Fees and funding are costs (positive is paid); a rebate is a negative fee and counted apart. Ratios
to volume are in basis points. A position is held from one equity sample to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from backtests.report.curve import DAY_NS, Curve
from backtests.report.metrics import DAYS_PER_YEAR, RETURNS_MIN, ratio
from backtests.report.result import Decimals, FillRow, Floats, Ints, RunResult
from engine.model.units import MONEY_SCALE, NS_PER_S, money

BPS = 10_000


class FillArrays(msgspec.Struct, frozen=True, kw_only=True):
    """Fills as columns of one length; money in whole units of collateral."""

    ts_ns: Ints
    notional: Floats
    fee: Floats
    is_maker: np.ndarray
    is_buy: np.ndarray


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """From gross P&L to net, in whole units of collateral.

    `maker_fees` and `taker_fees` are without rebates, which are negative;
    `funding_paid` and `funding_received` (negative) are seen between equity samples.
    """

    gross_pnl: float
    maker_fees: float
    taker_fees: float
    rebates: float
    fees: float
    funding: float
    funding_paid: float
    funding_received: float
    net_pnl: float
    volume: float
    gross_bps: float | None
    fees_bps: float | None
    funding_bps: float | None
    net_bps: float | None
    costs_to_gross: float | None


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """How orders fared; a modified order is one order.

    `fill_ratio` is filled over sent notional at the order's own price, of orders that have one;
    `orders_filled_ratio` counts orders with any fill; `maker_share` is of notional. Time to fill
    runs from the first sending to the first fill seen.
    """

    orders: int
    orders_filled: int
    fills: int
    fills_buy: int
    fills_sell: int
    cancels: int
    rejects: int
    refusals: int
    maker_share: float | None
    maker_share_of_fills: float | None
    orders_filled_ratio: float | None
    fill_ratio: float | None
    cancel_ratio: float | None
    reject_ratio: float | None
    fill_average: float | None
    time_to_fill_median_seconds: float | None


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """How much was held and traded. Leverage is gross notional over equity, weighted by time.

    `turnover` is volume over mean equity for the whole run; per day and per year it is divided by
    the time the run took, which must be at least one day and `RETURNS_MIN` days.
    """

    time_in_market: float | None
    leverage_average: float | None
    leverage_max: float | None
    notional_max: float
    net_notional_average: float | None
    equity_average: float
    turnover: float | None
    turnover_per_day: float | None
    turnover_per_year: float | None


def fill_arrays(fills: Sequence[FillRow], decimals: dict[str, Decimals]) -> FillArrays:
    """Columns of what the numbers below need."""
    count = len(fills)
    notional = (decimals[f.instrument].grid.notional_e8(f.px_ticks, f.sz_lots) for f in fills)
    return FillArrays(
        ts_ns=np.fromiter((f.ts_local_ns for f in fills), np.int64, count),
        notional=np.fromiter(notional, np.float64, count) / MONEY_SCALE,
        fee=np.fromiter((f.fee_e8 for f in fills), np.float64, count) / MONEY_SCALE,
        is_maker=np.fromiter((f.is_maker for f in fills), np.bool_, count),
        is_buy=np.fromiter((f.side > 0 for f in fills), np.bool_, count),
    )


def costs(result: RunResult, curve: Curve, volume: float) -> Costs:
    """The costs of a run, sums taken in integers."""
    fees = [(f.fee_e8, f.is_maker) for f in result.fills]
    fees_e8 = sum(fee for fee, _ in fees)
    rebates_e8 = sum(fee for fee, _ in fees if fee < 0)
    maker_e8 = sum(fee for fee, is_maker in fees if fee > 0 and is_maker)
    funding_e8 = sum(one.funding_e8 for one in result.strategies)
    gross_e8 = sum(f.realised_e8 for f in result.fills)
    gross_e8 += sum(one.unrealised_e8 for one in result.strategies)
    net_e8 = gross_e8 - fees_e8 - funding_e8
    steps = np.diff(curve.funding)
    costs_to_gross = ratio(fees_e8 + funding_e8, gross_e8) if gross_e8 > 0 else None
    return Costs(
        gross_pnl=money(gross_e8),
        maker_fees=money(maker_e8),
        taker_fees=money(fees_e8 - rebates_e8 - maker_e8),
        rebates=money(rebates_e8),
        fees=money(fees_e8),
        funding=money(funding_e8),
        funding_paid=float(steps[steps > 0].sum()),
        funding_received=float(steps[steps < 0].sum()),
        net_pnl=money(net_e8),
        volume=volume,
        gross_bps=ratio(BPS * money(gross_e8), volume),
        fees_bps=ratio(BPS * money(fees_e8), volume),
        funding_bps=ratio(BPS * money(funding_e8), volume),
        net_bps=ratio(BPS * money(net_e8), volume),
        costs_to_gross=costs_to_gross,
    )


def execution(result: RunResult, fills: FillArrays, decimals: dict[str, Decimals]) -> Execution:
    """How the orders of a run fared."""
    orders, rejects = len(result.orders), sum(result.rejects.values())
    sent_e8 = filled_e8 = orders_filled = 0
    for order in result.orders:
        tick_e8 = decimals[order.instrument].grid.notional_e8(order.px_ticks, 1)
        sent_e8 += order.sz_lots * tick_e8
        filled_e8 += order.filled_lots * tick_e8
        orders_filled += order.filled_lots > 0
    count, volume = fills.notional.size, float(fills.notional.sum())
    return Execution(
        orders=orders,
        orders_filled=orders_filled,
        fills=count,
        fills_buy=int(fills.is_buy.sum()),
        fills_sell=int(count - fills.is_buy.sum()),
        cancels=result.cancels,
        rejects=rejects,
        refusals=sum(result.refusals.values()),
        maker_share=ratio(float(fills.notional[fills.is_maker].sum()), volume),
        maker_share_of_fills=ratio(int(fills.is_maker.sum()), count),
        orders_filled_ratio=ratio(orders_filled, orders),
        fill_ratio=ratio(filled_e8, sent_e8),
        cancel_ratio=ratio(result.cancels, orders),
        reject_ratio=ratio(rejects, orders),
        fill_average=ratio(volume, count),
        time_to_fill_median_seconds=_time_to_fill(result),
    )


def _time_to_fill(result: RunResult) -> float | None:
    """The median of seconds from sending an order to its first fill; None without any."""
    sent: dict[tuple[str, str], int] = {}
    for order in result.orders:
        sent.setdefault((order.account, order.cloid), order.ts_sent_ns)
    first: dict[tuple[str, str], int] = {}
    for fill in result.fills:
        first.setdefault((fill.account, fill.cloid), fill.ts_local_ns)
    waits = [first[key] - sent[key] for key in first.keys() & sent.keys()]
    return float(np.median(waits)) / NS_PER_S if waits else None


def exposure(curve: Curve, volume: float) -> Exposure:
    """How much was held and traded."""
    held_ns = np.diff(curve.ts_ns).astype(np.float64)
    weights = held_ns if held_ns.sum() > 0 else np.ones(held_ns.size)
    equity = float(np.average(curve.equity[:-1], weights=weights))
    turnover = ratio(volume, equity) if equity > 0 else None
    days = float(curve.ts_ns[-1] - curve.ts_ns[0]) / DAY_NS
    leverage = np.divide(
        curve.notional, curve.equity, out=np.zeros(curve.equity.size), where=curve.equity > 0
    )
    return Exposure(
        time_in_market=float(np.average(curve.notional[:-1] > 0, weights=weights)),
        leverage_average=float(np.average(leverage[:-1], weights=weights)),
        leverage_max=float(leverage.max()),
        notional_max=float(curve.notional.max()),
        net_notional_average=float(np.average(curve.net_notional[:-1], weights=weights)),
        equity_average=equity,
        turnover=turnover,
        turnover_per_day=ratio(turnover, days) if days >= 1 else None,
        turnover_per_year=ratio(turnover, days / DAYS_PER_YEAR) if days >= RETURNS_MIN else None,
    )
