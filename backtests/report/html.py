"""One self-contained page about a run: opens offline, loads nothing, reads on a phone and at night.

Charts need plotly (the optional extra `report`), whose script is then inlined once; without it the
page has its tables and says how to get the charts. The page's own policy forbids loading anything
from anywhere.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

from backtests.report import charts, sections, tables
from backtests.report.elements import Html, chart, html, join, note, notice, section
from backtests.report.formats import count
from backtests.report.summary import Analysis, Summary

CHARTS_MAX: Final = 8
DAYS_DRAWN_MIN: Final = 5
_NO_CHARTS: Final = (
    "This page was made without plotly. Install the extra (pip install 'perpd[report]') and run the"
    " backtest again; every number is below."
)
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def render_html(analysis: Analysis, summary: Summary) -> str:
    """The whole page; `summary` is `summary_of(analysis)`."""
    script = plotly_script()
    is_drawn = script is not None
    missing = Html("") if is_drawn else notice("No charts.", [_NO_CHARTS])
    body = join(
        [
            sections.header(summary),
            sections.notices(summary),
            missing,
            sections.cards(summary),
            _equity(analysis, is_drawn=is_drawn),
            sections.results(summary),
            _costs(analysis, is_drawn=is_drawn),
            *(_instruments(analysis) if is_drawn else ()),
            tables.trading(summary),
            tables.strategies(summary),
            _returns(analysis, summary, is_drawn=is_drawn),
            tables.drawdowns(summary),
            tables.background(summary, analysis.result.config),
        ]
    )
    return _document(html(summary["name"]), body, script)


def plotly_script() -> str | None:
    """The text of plotly's script, or None when plotly is not installed."""
    try:
        from plotly.offline import get_plotlyjs  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None
    script: str = get_plotlyjs()
    return script


def _document(title: Html, body: Html, script: str | None) -> str:
    folder = resources.files("backtests.report")
    style = (folder / "report.css").read_text(encoding="utf-8")
    drawing = ""
    if script is not None:
        own = (folder / "report.js").read_text(encoding="utf-8")
        drawing = f"<script>{script}</script>\n<script>{own}</script>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title} \u00b7 backtest report</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n{drawing}</body>\n</html>\n"
    )


def _equity(analysis: Analysis, *, is_drawn: bool) -> Html:
    if not is_drawn:
        return Html("")
    figure = charts.equity_figure(analysis)
    return section(
        "Equity and drawdown",
        chart("chart-equity", "Equity and drawdown over time", figure),
        anchor="equity",
    )


def _costs(analysis: Analysis, *, is_drawn: bool) -> Html:
    if not is_drawn or not analysis.result.fills:
        return Html("")
    figure = charts.costs_figure(analysis)
    return section(
        "From gross to net over time",
        chart("chart-costs", "Running totals of gross P&L, costs and net P&L", figure, is_low=True),
        anchor="costs",
    )


def _instruments(analysis: Analysis) -> list[Html]:
    """A chart of every instrument, those with the most fills first, up to a bound that is said."""
    ranked = sorted(
        (one for one in analysis.result.series if one.ts_ns.size),
        key=lambda one: (-charts.fills_shown(analysis, one)[1], one.instrument),
    )
    boxes = []
    for at, series in enumerate(ranked[:CHARTS_MAX]):
        shown, total = charts.fills_shown(analysis, series)
        thinned = (
            f"{count(shown)} of {count(total)} fills are marked, evenly spaced; all are in"
            " fills.csv. "
            if shown < total
            else ""
        )
        hidden = len(ranked) - CHARTS_MAX
        others = (
            f"{hidden} more instruments, with fewer fills, have no chart."
            if hidden > 0 and at == CHARTS_MAX - 1
            else ""
        )
        figure = charts.price_figure(analysis, series)
        label = f"Price of {series.instrument} with fills, and position"
        boxes.append(
            section(
                f"{series.instrument}: price, fills and position",
                chart(f"chart-price-{at}", label, figure),
                note(thinned + others) if thinned or others else "",
                anchor=f"price-{at}",
            )
        )
    return boxes


def _returns(analysis: Analysis, summary: Summary, *, is_drawn: bool) -> Html:
    """Returns by month and day, when the run is long enough to have several."""
    months = tables.months(summary)
    days = Html("")
    if is_drawn and len(analysis.days) >= DAYS_DRAWN_MIN:
        figure = charts.days_figure(analysis)
        days = chart("chart-days", "Net P&L of each UTC day", figure, is_low=True)
    return section("Returns by month and day (UTC)", months, days, anchor="returns")
