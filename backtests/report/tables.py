"""The lower parts of the page: trades, execution, strategies, months, and what lies behind them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backtests.report.elements import Html, Row, html, join, note, pair, section, table, tinted
from backtests.report.formats import amount, count, duration, number, percent, when
from backtests.report.summary import Summary

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def trading(summary: Summary) -> Html:
    """Round trips beside how the orders fared."""
    return pair(section("Round trips", _trades(summary)), section("Execution", _execution(summary)))


def _trades(summary: Summary) -> Html:
    trades = summary["metrics"]["trades"]
    sides = [trades[side] for side in ("all", "long", "short")]
    if not trades["all"]["trades"]:
        still = f" {trades['open']} still open at the end." if trades["open"] else ""
        return note("No position was opened and closed again." + still)
    columns = [
        ("Round trips", "trades", count),
        ("Net after fees", "net", lambda v: tinted(amount(v, signed=True), v)),
        ("Win rate", "win_rate", lambda v: percent(v, decimals=1)),
        ("Profit factor", "profit_factor", number),
        ("Expectancy", "expectancy", lambda v: amount(v, signed=True)),
        ("Payoff ratio", "payoff_ratio", number),
        ("SQN", "sqn", number),
        ("Average win", "win_average", amount),
        ("Average loss", "loss_average", amount),
        ("Best", "best", amount),
        ("Worst", "worst", amount),
        ("Median hold", "hold_median_seconds", duration),
        ("Average hold", "hold_average_seconds", duration),
        ("Longest winning streak", "win_streak_max", count),
        ("Longest losing streak", "loss_streak_max", count),
    ]
    rows = [Row(label, [show(side[key]) for side in sides]) for label, key, show in columns]
    by_name = trades["by_instrument"] if len(trades["by_instrument"]) > 1 else {}
    split = [
        Row(
            name,
            [
                count(one["trades"]),
                percent(one["win_rate"], decimals=1),
                tinted(amount(one["net"], signed=True), one["net"]),
            ],
        )
        for name, one in by_name.items()
    ]
    still = f"; {trades['open']} still open at the end and not counted" if trades["open"] else ""
    return join(
        [
            table(["", "All", "Long", "Short"], rows),
            Html("<h3>By instrument</h3>") if split else Html(""),
            table(["", "Round trips", "Win rate", "Net after fees"], split),
            note(f"From flat to flat, per strategy and instrument, without funding{still}."),
        ]
    )


def _execution(summary: Summary) -> Html:
    one = summary["metrics"]["execution"]
    rows = [
        Row("Orders sent", [count(one["orders"])]),
        Row(
            "Orders with a fill",
            [f"{count(one['orders_filled'])} ({percent(one['orders_filled_ratio'])})"],
        ),
        Row("Fill ratio", [percent(one["fill_ratio"])], "filled of sent notional"),
        Row("Fills, buy / sell", [f"{count(one['fills_buy'])} / {count(one['fills_sell'])}"]),
        Row("Maker share", [percent(one["maker_share"])], "of volume"),
        Row("Average fill", [amount(one["fill_average"])]),
        Row("Time to first fill", [duration(one["time_to_fill_median_seconds"])], "median"),
        Row("Cancels", [f"{count(one['cancels'])} ({percent(one['cancel_ratio'])} of orders)"]),
    ]
    return join(
        [
            table([], rows),
            Html("<h3>Refused before sending</h3>"),
            _counted(summary["refusals"], "by check", "Our own gate refused nothing."),
            Html("<h3>Rejected by the venue</h3>"),
            _counted(summary["rejects"], "by reason", "The venue rejected nothing."),
        ]
    )


def _counted(counts: dict[str, int], head: str, none: str) -> Html:
    if not counts:
        return note(none)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return table([head, "Times"], [Row(name, [count(times)]) for name, times in ranked])


def strategies(summary: Summary) -> Html:
    """One row per strategy, and their sum."""
    if not summary["per_strategy"]:
        return Html("")
    keys = ("gross_pnl", "fees", "funding", "net_pnl", "volume", "orders", "fills")
    named = list(summary["per_strategy"].items())
    rows = [_strategy(name, one) for name, one in named]
    if len(rows) > 1:
        total: Summary = {key: sum(one[key] for _, one in named) for key in keys}
        makers = sum(one["maker_fills"] for _, one in named)
        total["maker_share_of_fills"] = makers / total["fills"] if total["fills"] else None
        total |= {"trades": sum(one["trades"] for _, one in named)}
        rows.append(_strategy("All", total | {"win_rate": None, "profit_factor": None}, total=True))
    columns = ["", "Net", "Gross", "Fees", "Funding", "Volume", "Orders", "Fills", "Maker"]
    columns += ["Round trips", "Win rate", "Profit factor"]
    return section("Strategies", table(columns, rows), anchor="strategies")


def _strategy(name: str, one: Summary, *, total: bool = False) -> Row:
    return Row(
        name,
        [
            tinted(amount(one["net_pnl"], signed=True), one["net_pnl"]),
            amount(one["gross_pnl"], signed=True),
            amount(-one["fees"], signed=True),
            amount(-one["funding"], signed=True),
            amount(one["volume"]),
            count(one["orders"]),
            count(one["fills"]),
            percent(one["maker_share_of_fills"], decimals=0),
            count(one["trades"]),
            "" if total else percent(one["win_rate"], decimals=1),
            "" if total else number(one["profit_factor"]),
        ],
        is_total=total,
    )


def months(summary: Summary) -> Html:
    """A table of years by months, when the run touches more than one month."""
    found = {one["month"]: one["return"] for one in summary["metrics"]["months"]}
    if len(found) < 2:
        return Html("")
    scale = max(abs(fraction) for fraction in found.values()) or 1.0
    years = sorted({month[:4] for month in found})
    names = sorted({month[5:] for month in found})
    head = "".join(
        f'<th scope="col">{one}</th>'
        for one in ("", "Year", *(MONTHS[int(at) - 1] for at in names))
    )
    rows = [_year(year, [found.get(f"{year}-{at}") for at in names], scale) for year in years]
    return Html(
        '<div class="scroll"><table class="heat">'
        f"<thead><tr>{head}</tr></thead><tbody>{join(rows)}</tbody></table></div>"
    )


def _year(year: str, held: list[float | None], scale: float) -> Html:
    """One row of the table of months: the deeper the colour, the larger the return."""
    whole, cells = 1.0, []
    for fraction in held:
        if fraction is None:
            cells.append("<td></td>")
            continue
        whole *= 1.0 + fraction
        colour = "var(--good)" if fraction >= 0 else "var(--bad)"
        depth = round(8 + 40 * min(1.0, abs(fraction) / scale))
        ground = f"background:color-mix(in srgb, {colour} {depth}%, transparent)"
        cells.append(f'<td style="{ground}">{percent(fraction, signed=True)}</td>')
    total = tinted(percent(whole - 1.0, signed=True), whole - 1.0)
    return Html(f'<tr><th scope="row">{year}</th><td>{total}</td>{"".join(cells)}</tr>')


def drawdowns(summary: Summary) -> Html:
    """The deepest falls from a peak."""
    rows = [
        Row(
            str(rank),
            [
                percent(one["fraction"]),
                amount(one["money"]),
                duration(one["duration_seconds"]),
                when(one["start"]),
                when(one["valley"]),
                when(one["recovery"]) if one["recovery"] else "not yet",
            ],
        )
        for rank, one in enumerate(summary["metrics"]["drawdowns"], 1)
    ]
    columns = ["", "Depth", "Money", "Lasted", "Peak", "Valley", "Recovered"]
    return section("Deepest drawdowns", table(columns, rows))


def background(summary: Summary, config: dict[str, Any]) -> Html:
    """What the simulation assumed, whether the ledger closes, and the config."""
    items = join(Html(f"<li>{html(one)}</li>") for one in summary["assumptions"])
    words = (
        "What this simulation took for granted. A live run can differ wherever one does not hold."
    )
    listed = (
        join([note(words), Html(f"<ul>{items}</ul>")]) if items else note("The run stated none.")
    )
    text = msgspec.json.format(msgspec.json.encode(config), indent=2).decode()
    shown = Html(f"<details><summary>Show</summary><pre>{html(text)}</pre></details>")
    return join(
        [
            pair(
                section("Assumptions and limits", listed, anchor="assumptions"),
                section(f"Ledger, in {summary['collateral']}", _ledger(summary)),
            ),
            section("Config of this run", shown) if config else Html(""),
        ]
    )


def _ledger(summary: Summary) -> Html:
    ledger = summary["ledger"]
    parts = [
        ("Starting equity", ledger["start"]),
        ("Realised P&L", ledger["realised"]),
        ("Unrealised P&L", ledger["unrealised"]),
        ("Fees", -ledger["fees"]),
        ("Funding", -ledger["funding"]),
        ("Transfers", ledger["transfers"]),
    ]
    rows = [Row(label, [number(value, 8)]) for label, value in parts]
    rows.append(Row("Final equity", [number(ledger["final"], 8)], is_total=True))
    difference = tinted(number(ledger["difference"], 8), -abs(ledger["difference"]))
    rows.append(Row("Unexplained", [difference], "must be zero"))
    return table([], rows)
