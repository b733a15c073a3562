"""The equity curve of a live run: sampled by the clock, thinned so that it never outgrows a page.

Sampling reads the engine between turns and changes nothing, so it is no part of what a replay must
repeat.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from backtests.report.result import EquityPoint, InstrumentSeries
from engine.core import Engine

POINTS_MAX: Final = 4_000


class EquitySampler:
    """Samples every `step_ns`; twice as seldom whenever `POINTS_MAX` samples are kept."""

    def __init__(self, engine: Engine, step_ns: int) -> None:
        self._engine = engine
        self._step_ns = step_ns
        self._due_ns = 0
        self.points: list[EquityPoint] = []
        self._marks: dict[str, list[tuple[int, float, float]]] = {}

    def tick(self, now_ns: int) -> None:
        """Sample if it is time."""
        if now_ns >= self._due_ns:
            self.sample(now_ns)
            self._due_ns = (now_ns // self._step_ns + 1) * self._step_ns

    def sample(self, now_ns: int) -> None:
        """Sample now."""
        cash = unrealised = fees = funding = transfers = gross = net = 0
        for account in self._engine.accounts.values():
            cash += account.cash_e8
            fees += account.fees_e8
            funding += account.funding_e8
            transfers += account.transfers_e8
            unrealised += account.equity_e8() - account.cash_e8
            for where, position in account.positions.items():
                market = self._engine.markets[where]
                mark2 = market.mark_ticks2()
                value = position.lots * mark2 * market.money_per_unit // 2
                gross += abs(value)
                net += value
                if mark2:
                    mark = now_ns, mark2 / (2 * market.px_scale), position.sz
                    self._marks.setdefault(where, []).append(mark)
        self.points.append(
            EquityPoint(
                ts_ns=now_ns,
                equity_e8=cash + unrealised,
                cash_e8=cash,
                unrealised_e8=unrealised,
                fees_e8=fees,
                funding_e8=funding,
                position_notional_e8=gross,
                net_notional_e8=net,
                transfers_e8=transfers,
            )
        )
        if len(self.points) > POINTS_MAX:
            del self.points[1:-1:2]
            for marks in self._marks.values():
                del marks[1:-1:2]
            self._step_ns *= 2

    def series(self) -> list[InstrumentSeries]:
        """The price and position of every instrument that was traded or held."""
        return [
            InstrumentSeries(
                instrument=where,
                ts_ns=np.array([ts_ns for ts_ns, _, _ in marks], dtype=np.int64),
                px=np.array([px for _, px, _ in marks], dtype=np.float64),
                position=np.array([sz for _, _, sz in marks], dtype=np.float64),
            )
            for where, marks in self._marks.items()
        ]
