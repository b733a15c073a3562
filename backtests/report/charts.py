"""The figures of the page: plain plotly dictionaries, without colours of text or ground.

The page's script adds those. Times are milliseconds UTC. Long lines are thinned to `POINTS_MAX`
points that keep every extreme, and fills to `MARKERS_MAX` marks a chart, evenly spaced, which the
page says beside the chart.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

import numpy as np

from backtests.report.curve import DAY_NS
from backtests.report.decimate import MARKERS_MAX, extremes, spread
from backtests.report.result import FillRow, Floats, InstrumentSeries, Ints
from backtests.report.summary import Analysis
from engine.model.units import NS_PER_MS

Figure = dict[str, Any]
Trace = dict[str, Any]

BLUE: Final = "#3b82f6"
GREEN: Final = "#12a67c"
RED: Final = "#e5484d"
AMBER: Final = "#e09f1f"
VIOLET: Final = "#9b6bdf"
GREY: Final = "#8795a3"


def equity_figure(analysis: Analysis) -> Figure:
    """Equity over time, and how far it is under its peak."""
    curve = analysis.curve
    at, deep = extremes(curve.equity), extremes(curve.drawdown)
    traces = [
        _line("Equity", curve.ts_ns[at], curve.equity[at], BLUE, hover="%{y:,.2f}"),
        _line("Drawdown", curve.ts_ns[deep], 100 * curve.drawdown[deep], RED, hover="%{y:.2f} %")
        | {"yaxis": "y2", "fill": "tozeroy", "fillcolor": _faint(RED)},
    ]
    layout = _two_rows(analysis, "Equity", "Drawdown", suffix=" %")
    return {"data": traces, "layout": layout | {"showlegend": False}}


def price_figure(analysis: Analysis, series: InstrumentSeries) -> Figure:
    """One instrument: its price with our fills, and the net position."""
    fills = [f for f in analysis.result.fills if f.instrument == series.instrument]
    fills = [fills[at] for at in spread(len(fills), MARKERS_MAX)]
    size = 10 if len(fills) <= 100 else 8 if len(fills) <= 500 else 6
    at, held = extremes(series.px), _steps(series.position)
    traces = [_line("Price", series.ts_ns[at], series.px[at], GREY, hover="%{y:,}")]
    for name, side, colour, shape in (
        ("Buy", 1, GREEN, "triangle-up"),
        ("Sell", -1, RED, "triangle-down"),
    ):
        for kind, is_maker in (("maker", True), ("taker", False)):
            chosen = [
                f
                for f in fills
                if f.side == side and f.is_maker is is_maker and not f.is_liquidation
            ]
            mark = shape + ("-open" if is_maker else "")
            traces += _marks(f"{name}, {kind}", chosen, colour, mark, size=size)
    liquidated = [f for f in fills if f.is_liquidation]
    traces += _marks("Liquidation", liquidated, AMBER, "x", size=13)
    traces.append(
        _line("Position", series.ts_ns[held], series.position[held], VIOLET, hover="%{y:,}")
        | {"yaxis": "y2", "fill": "tozeroy", "fillcolor": _faint(VIOLET), "showlegend": False}
    )
    traces[-1]["line"]["shape"] = "hv"
    layout = _two_rows(analysis, "Price", "Position")
    layout["hovermode"] = "closest"
    return {"data": traces, "layout": layout}


def costs_figure(analysis: Analysis) -> Figure:
    """Running totals: gross P&L, what it cost, and what was left."""
    curve, fills = analysis.curve, analysis.fills
    at = extremes(curve.profit)
    ts_ns = curve.ts_ns[at]
    gross = curve.profit + curve.fees + curve.funding
    maker = _running(ts_ns, fills.ts_ns, np.where(fills.is_maker, fills.fee, 0.0))
    taker = _running(ts_ns, fills.ts_ns, np.where(fills.is_maker, 0.0, fills.fee))
    traces = [
        _line("Gross P&amp;L", ts_ns, gross[at], GREY),
        _line("Maker fees", ts_ns, -maker, AMBER, dash="dot"),
        _line("Taker fees", ts_ns, -taker, RED, dash="dot"),
        _line("Funding", ts_ns, -curve.funding[at], VIOLET, dash="dot"),
        _line("Net P&amp;L", ts_ns, curve.profit[at], BLUE, width=2.2),
    ]
    layout = _layout(analysis) | {"yaxis": _axis(title="Running total") | {"zeroline": True}}
    return {"data": traces, "layout": layout}


def days_figure(analysis: Analysis) -> Figure:
    """Profit of each UTC day."""
    profit = np.array([day.profit for day in analysis.days])
    bars = {
        "type": "bar",
        "name": "Day",
        "x": _ms(np.array([day.start_ns for day in analysis.days]) + DAY_NS // 2),
        "y": profit.tolist(),
        "marker": {"color": np.where(profit < 0, RED, GREEN).tolist()},
        "hovertemplate": "%{x|%Y-%m-%d}  %{y:,.2f}<extra></extra>",
    }
    layout = _layout(analysis) | {"yaxis": _axis(title="Net P&amp;L"), "bargap": 0.25}
    return {"data": [bars], "layout": layout | {"hovermode": "closest", "showlegend": False}}


def fills_shown(analysis: Analysis, series: InstrumentSeries) -> tuple[int, int]:
    """How many fills the chart of an instrument shows, and how many there are."""
    total = sum(f.instrument == series.instrument for f in analysis.result.fills)
    return min(total, MARKERS_MAX), total


def _steps(values: Floats) -> Ints:
    """Where a step line changes, both ends included, thinned like any other line."""
    changes = np.flatnonzero(np.diff(values)) + 1
    at = np.unique(np.concatenate(([0], changes, [values.size - 1]))) if values.size else changes
    kept: Ints = at[extremes(values[at])]
    return kept


def _running(at_ns: Ints, ts_ns: Ints, amounts: Floats) -> Floats:
    """The sum of `amounts`, which fell due at `ts_ns`, up to each moment of `at_ns`."""
    order = np.argsort(ts_ns, kind="stable")
    totals = np.concatenate(([0.0], np.cumsum(amounts[order])))
    found: Floats = totals[np.searchsorted(ts_ns[order], at_ns, side="right")]
    return found


def _marks(name: str, fills: list[FillRow], colour: str, symbol: str, *, size: int) -> list[Trace]:
    """Fills as marks with what they were in the hover text; nothing when there are none."""
    if not fills:
        return []
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": _ms(np.array([f.ts_local_ns for f in fills])),
        "y": [f.px for f in fills],
        "text": [f"{f.sz:g}, {escape(f.strategy)}" for f in fills],
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": size,
            "line": {"width": 1.2, "color": colour},
        },
        "hovertemplate": f"{name} %{{text}}<br>%{{y:,}}<br>%{{x|%Y-%m-%d %H:%M:%S}}<extra></extra>",
    }
    return [trace]


def _line(  # noqa: PLR0913 - a line is its name, its points and how it looks
    name: str,
    ts_ns: Ints,
    values: Floats,
    colour: str,
    *,
    width: float = 1.6,
    dash: str = "solid",
    hover: str = "%{y:,.2f}",
) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": _ms(ts_ns),
        "y": values.tolist(),
        "line": {"color": colour, "width": width, "dash": dash},
        "hovertemplate": hover,
    }


def _ms(ts_ns: Ints) -> list[int]:
    found: list[int] = (ts_ns // NS_PER_MS).tolist()
    return found


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _axis(*, title: str = "") -> dict[str, Any]:
    return {
        "zeroline": False,
        "nticks": 6,
        "tickformat": ",.8~f",
        "title": {"text": title, "standoff": 8},
    }


def _layout(analysis: Analysis) -> dict[str, Any]:
    """What all charts share, above all the span of time, so that they stand in line."""
    edges = analysis.curve.ts_ns[[0, -1]]
    return {
        "hovermode": "x unified",
        "legend": {"orientation": "h", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"},
        "xaxis": {
            "type": "date",
            "range": _ms(edges),
            "zeroline": False,
            "hoverformat": "%Y-%m-%d %H:%M:%S",
        },
        "dragmode": "zoom",
    }


def _two_rows(analysis: Analysis, upper: str, lower: str, *, suffix: str = "") -> dict[str, Any]:
    """A tall plot over a low one, with one time axis."""
    layout = _layout(analysis)
    layout["xaxis"] |= {"anchor": "y2", "domain": [0, 1]}
    layout["yaxis"] = _axis(title=upper) | {"domain": [0.36, 1]}
    layout["yaxis2"] = _axis(title=lower) | {"domain": [0, 0.29], "ticksuffix": suffix, "nticks": 4}
    return layout
