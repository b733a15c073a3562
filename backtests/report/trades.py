"""Round trips, from flat to flat, per account, strategy and instrument, and their statistics.

A fill that takes a position through zero ends one trip and begins the next: its size and fee are
split by lots, the fee's rest going to the new trip. A trip's result is its gross closed P&L less
its fees; funding is booked on positions, not on trips, and so is not in it. A position still open
at the end is no trade yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from backtests.report.metrics import ratio, sharpe
from backtests.report.result import Decimals, FillRow, Floats
from engine.model.units import MONEY_SCALE, NS_PER_S

Key = tuple[str, str, str]


class RoundTrip(msgspec.Struct, kw_only=True):
    """One trip. Notionals are of the fills that made the position larger and smaller."""

    account: str
    strategy: str
    instrument: str
    is_long: bool
    open_ns: int
    close_ns: int
    lots_max: int
    entry_lots: int = 0
    exit_lots: int = 0
    entry_notional_e8: int = 0
    exit_notional_e8: int = 0
    gross_e8: int = 0
    fees_e8: int = 0
    fills: int = 0

    @property
    def net_e8(self) -> int:
        """Gross P&L less fees."""
        return self.gross_e8 - self.fees_e8


class TradeStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Of closed round trips, money net of fees in whole units of collateral, times in seconds.

    A trip that nets exactly 0 is neither win nor loss. `expectancy_ratio` is
    (1 + payoff_ratio) * win_rate - 1; `sqn` is the root of the count times mean over deviation.
    """

    trades: int
    wins: int
    losses: int
    net: float
    gross_profit: float
    gross_loss: float
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    expectancy_ratio: float | None
    payoff_ratio: float | None
    sqn: float | None
    win_average: float | None
    loss_average: float | None
    best: float | None
    worst: float | None
    hold_average_seconds: float | None
    hold_median_seconds: float | None
    win_streak_max: int
    loss_streak_max: int


def round_trips(
    fills: Sequence[FillRow], decimals: dict[str, Decimals]
) -> tuple[list[RoundTrip], list[RoundTrip]]:
    """The closed trips in order of closing, and those still open, from fills in order of time."""
    closed: list[RoundTrip] = []
    live: dict[Key, RoundTrip] = {}
    for fill in fills:
        key = (fill.account, fill.strategy, fill.instrument)
        notional = decimals[fill.instrument].grid.notional_e8
        after = fill.position_lots
        before = after - fill.side * fill.sz_lots
        trip = live.get(key)
        if trip is None:
            trip = live[key] = _opened(fill, is_long=(before or after) > 0, lots=abs(before))
        is_flip = before * after < 0
        lots = abs(before) if is_flip else fill.sz_lots
        fee_e8 = fill.fee_e8 * lots // fill.sz_lots
        _add(trip, fill, lots, notional(fill.px_ticks, lots), fee_e8)
        trip.gross_e8 += fill.realised_e8
        trip.lots_max = max(trip.lots_max, 0 if is_flip else abs(after))
        if after == 0 or is_flip:
            closed.append(live.pop(key))
        if is_flip:
            trip = live[key] = _opened(fill, is_long=after > 0, lots=abs(after))
            _add(trip, fill, abs(after), notional(fill.px_ticks, abs(after)), fill.fee_e8 - fee_e8)
    return closed, list(live.values())


def _opened(fill: FillRow, *, is_long: bool, lots: int) -> RoundTrip:
    return RoundTrip(
        account=fill.account,
        strategy=fill.strategy,
        instrument=fill.instrument,
        is_long=is_long,
        open_ns=fill.ts_local_ns,
        close_ns=fill.ts_local_ns,
        lots_max=lots,
    )


def _add(trip: RoundTrip, fill: FillRow, lots: int, notional_e8: int, fee_e8: int) -> None:
    """Put a fill, or the part of one that belongs to this trip, into it."""
    trip.close_ns = fill.ts_local_ns
    trip.fills += 1
    trip.fees_e8 += fee_e8
    if (fill.side > 0) is trip.is_long:
        trip.entry_lots += lots
        trip.entry_notional_e8 += notional_e8
    else:
        trip.exit_lots += lots
        trip.exit_notional_e8 += notional_e8


def trade_statistics(trips: Sequence[RoundTrip]) -> TradeStatistics:
    """What the results of closed trips, in order of closing, say."""
    net = np.array([trip.net_e8 for trip in trips], dtype=np.float64) / MONEY_SCALE
    hold = np.array([trip.close_ns - trip.open_ns for trip in trips], dtype=np.float64) / NS_PER_S
    won, lost = net[net > 0], net[net < 0]
    win_average, loss_average = _of(won, np.mean), _of(lost, np.mean)
    win_rate = ratio(won.size, net.size)
    payoff = ratio(win_average, None if loss_average is None else -loss_average)
    edge = None if payoff is None or win_rate is None else (1 + payoff) * win_rate - 1
    return TradeStatistics(
        trades=net.size,
        wins=won.size,
        losses=lost.size,
        net=float(net.sum()),
        gross_profit=float(won.sum()),
        gross_loss=float(lost.sum()),
        win_rate=win_rate,
        profit_factor=ratio(float(won.sum()), float(-lost.sum())),
        expectancy=_of(net, np.mean),
        expectancy_ratio=edge,
        payoff_ratio=payoff,
        sqn=_sqn(net),
        win_average=win_average,
        loss_average=loss_average,
        best=_of(net, np.max),
        worst=_of(net, np.min),
        hold_average_seconds=_of(hold, np.mean),
        hold_median_seconds=_of(hold, np.median),
        win_streak_max=_streak_max(net > 0),
        loss_streak_max=_streak_max(net < 0),
    )


def _of(values: Floats, what: Callable[[Floats], np.floating]) -> float | None:
    return float(what(values)) if values.size else None


def _sqn(net: Floats) -> float | None:
    scaled = sharpe(net)
    return None if scaled is None else float(np.sqrt(net.size)) * scaled


def _streak_max(flags: np.ndarray) -> int:
    """The longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
