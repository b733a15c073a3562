"""The upper parts of the page: what was run, its eight numbers, its costs, its return and risk."""

from __future__ import annotations

from backtests.report.elements import (
    Html,
    Row,
    card,
    html,
    join,
    note,
    notice,
    pair,
    section,
    table,
    tinted,
)
from backtests.report.formats import NONE, amount, count, duration, multiple, number, percent, when
from backtests.report.metrics import RETURNS_MIN
from backtests.report.summary import Summary


def header(summary: Summary) -> Html:
    """What was run, when, and over how much data."""
    speed = summary["events_per_second"]
    pace = "" if speed is None else f" ({count(speed)} a second)"
    return Html(
        f"<header><h1>{html(summary['name'])}</h1>"
        f'<span class="tag">{html(summary["mode"])}</span>'
        f'<span class="tag">{html(summary["driver"])} driver</span>'
        f'<p class="meta">{when(summary["start"])} to {when(summary["end"])} UTC'
        f" \u00b7 {duration(summary['duration_seconds'])}"
        f" \u00b7 {count(summary['events'])} events in {duration(summary['wall_seconds'])}{pace}"
        "</p></header>"
    )


def notices(summary: Summary) -> Html:
    """What a reader must know before any number."""
    return notice("Warning.", summary["warnings"], is_bad=True)


def cards(summary: Summary) -> Html:
    """The eight numbers a trader asks for first."""
    metrics = summary["metrics"]
    daily, trades, exposure = metrics["daily"], metrics["trades"]["all"], metrics["exposure"]
    costs, execution = metrics["costs"], metrics["execution"]
    unit = Html(f' <span class="unit">{html(summary["collateral"])}</span>')
    worst = metrics["drawdowns"][0] if metrics["drawdowns"] else None
    net = summary["net_pnl"]
    short = f"needs {RETURNS_MIN} daily returns, has {daily['returns']}"
    share = costs["costs_to_gross"]
    eaten = "" if share is None else f" \u00b7 {percent(share, decimals=0)} of gross"
    loss = (
        f"{amount(worst['money'])} \u00b7 over {duration(worst['duration_seconds'])}"
        if worst
        else "equity was never under its peak"
    )
    parts = [
        card(
            "Net P&L",
            join([tinted(amount(net, signed=True), net), unit], ""),
            f"{percent(summary['total_return'], signed=True)} on"
            f" {amount(summary['starting_equity'])}",
        ),
        card("Max drawdown", percent(summary["max_drawdown"]), loss),
        card(
            "Sharpe, annualised",
            number(summary["sharpe"]),
            short if summary["sharpe"] is None else f"Sortino {number(summary['sortino'])}",
        ),
        card(
            "Fees and funding",
            amount(costs["fees"] + costs["funding"]),
            f"{number(costs['fees_bps'])} bps of volume in fees{eaten}",
        ),
        card(
            "Win rate",
            percent(trades["win_rate"], decimals=1),
            f"{count(trades['trades'])} round trips \u00b7"
            f" profit factor {number(trades['profit_factor'])}",
        ),
        card(
            "Volume",
            amount(costs["volume"]),
            f"{multiple(summary['turnover'], 1)} equity \u00b7 {count(summary['fills'])} fills"
            f" \u00b7 {percent(execution['maker_share'], decimals=0)} maker",
        ),
        card(
            "Leverage, highest",
            multiple(exposure["leverage_max"]),
            f"average {multiple(exposure['leverage_average'])} \u00b7"
            f" in the market {percent(exposure['time_in_market'], decimals=0)}",
        ),
        card(
            "Liquidations",
            count(summary["liquidations"]),
            f"final equity {amount(summary['final_equity'])}",
        ),
    ]
    return Html(f'<div class="cards">\n{join(parts)}\n</div>')


def results(summary: Summary) -> Html:
    """Where the money came from and went, beside the risk that was taken."""
    costs = summary["metrics"]["costs"]
    money = [
        ("Gross P&L", costs["gross_pnl"], "realised and unrealised"),
        ("Maker fees", -costs["maker_fees"], ""),
        ("Taker fees", -costs["taker_fees"], ""),
        ("Maker rebates", -costs["rebates"], ""),
        ("Funding", -costs["funding"], "paid less received"),
        ("Net P&L", costs["net_pnl"], ""),
    ]
    rows = [
        Row(
            label,
            [tinted(amount(value, signed=True), value), _bps(value, costs["volume"])],
            hint,
            is_total=label == "Net P&L",
        )
        for label, value, hint in money
    ]
    left = section(
        f"Costs, in {summary['collateral']}",
        table(["", "Amount", "bps of volume"], rows),
        note(
            "Minus takes from the account. Slippage is inside gross P&L: fills are at their price."
        ),
    )
    return pair(left, section("Return and risk", _risk(summary)))


def _bps(value: float, volume: float) -> str:
    return number(10_000 * value / volume, signed=True) if volume else NONE


def _risk(summary: Summary) -> Html:
    metrics = summary["metrics"]
    daily, sample, exposure = metrics["daily"], metrics["per_sample"], metrics["exposure"]
    is_short = daily["sharpe"] is None
    rows = [] if is_short else _daily_rows(daily)
    rows += [
        Row(
            "Sharpe / Sortino per sample",
            [f"{number(sample['sharpe'], 4)} / {number(sample['sortino'], 4)}"],
            f"every {duration(sample['spacing_median_seconds'])}, not annualised",
        ),
        Row("Deviation per sample", [percent(sample["deviation"], decimals=4)]),
        Row("Time in the market", [percent(exposure["time_in_market"], decimals=1)]),
        Row("Net exposure", [amount(exposure["net_notional_average"], signed=True)], "average"),
        Row("Largest gross position", [amount(exposure["notional_max"])]),
        Row("Turnover", [multiple(exposure["turnover_per_day"])], "of equity a day"),
    ]
    words = (
        f"Statistics of daily returns need {RETURNS_MIN} of them; this run has {daily['returns']}."
        if is_short
        else f"From {daily['returns']} daily returns: UTC day ends, 365 days a year, risk-free rate"
        " 0, sample deviation."
    )
    every = duration(sample["spacing_median_seconds"])
    seen = f" Equity was sampled every {every}; what passed in between is in no drawdown here."
    return join([table([], rows), note(words + seen)])


def _daily_rows(daily: Summary) -> list[Row]:
    pairs = {
        "Sharpe / Sortino": f"{number(daily['sharpe'])} / {number(daily['sortino'])}",
        "Omega / tail ratio": f"{number(daily['omega'])} / {number(daily['tail_ratio'])}",
        "VaR / CVaR 95 %": f"{percent(daily['var_95'])} / {percent(daily['cvar_95'])}",
        "Skew / excess kurtosis": f"{number(daily['skew'])} / {number(daily['kurtosis'])}",
        "Best / worst day": f"{percent(daily['best'])} / {percent(daily['worst'])}",
    }
    return [
        Row("CAGR", [percent(daily["cagr"], signed=True)]),
        Row("Volatility", [percent(daily["volatility"])], "annualised"),
        Row("Probability that Sharpe > 0", [percent(daily["probabilistic_sharpe"], decimals=1)]),
        Row("Calmar", [number(daily["calmar"])]),
        Row("Ulcer index", [percent(daily["ulcer_index"])]),
        Row("Recovery factor", [number(daily["recovery_factor"])]),
        *(Row(label, [text], "1 day" if "VaR" in label else "") for label, text in pairs.items()),
    ]
