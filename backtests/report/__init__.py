"""What a run leaves for people: statistics, files, a page and a text, all from one `RunResult`."""

from __future__ import annotations

from backtests.report.files import Paths, write_report
from backtests.report.result import (
    EquityPoint,
    FillRow,
    InstrumentSeries,
    OrderRow,
    RunResult,
    StrategyTotals,
)
from backtests.report.summary import Summary, summarise
from backtests.report.text import render_text

__all__ = [
    "EquityPoint",
    "FillRow",
    "InstrumentSeries",
    "OrderRow",
    "Paths",
    "RunResult",
    "StrategyTotals",
    "Summary",
    "render_text",
    "summarise",
    "write_report",
]
