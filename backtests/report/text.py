"""The summary of a run for the terminal: plain text of at most 80 columns."""

from __future__ import annotations

import textwrap
from typing import Final

from backtests.report.formats import amount, count, duration, multiple, number, percent, when
from backtests.report.summary import Summary

WIDTH: Final = 80
_LABEL, _VALUE, _GAP = 17, 20, 4

Cell = tuple[str, str]


def render_text(summary: Summary) -> str:
    """A summary as text, lines of at most 80 columns, ending in a newline."""
    lines = [
        *_head(summary),
        "",
        *_warnings(summary),
        *_columns(_money_cells(summary), _risk_cells(summary)),
        "",
        *_columns(_order_cells(summary), _trade_cells(summary)),
        *_strategies(summary),
        *_counts("refused by our gate", summary["refusals"]),
        *_counts("rejected by the venue", summary["rejects"]),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(summary: Summary) -> list[str]:
    title = f"{_clip(summary['name'], 48)} ({summary['mode']}, {summary['driver']} driver)"
    period = f"{when(summary['start'])} to {when(summary['end'])} UTC"
    speed = f"{count(summary['events'])} events in {duration(summary['wall_seconds'])}"
    per_second = summary["events_per_second"]
    if per_second is not None:
        speed += f", {count(per_second)} a second"
    return [
        _clip(title, WIDTH),
        "=" * WIDTH,
        f"{period}  ({duration(summary['duration_seconds'])})",
        speed,
    ]


def _warnings(summary: Summary) -> list[str]:
    lines = []
    for warning in summary["warnings"]:
        lines += textwrap.wrap(
            _plain(warning), WIDTH, initial_indent="!  ", subsequent_indent="   "
        )
    return [*lines, ""] if lines else []


def _money_cells(summary: Summary) -> list[Cell]:
    return [
        ("gross P&L", _money(summary["gross_pnl"], _VALUE, signed=True)),
        ("- fees", _money(summary["fees"], _VALUE)),
        ("- funding", _money(summary["funding"], _VALUE)),
        ("= net P&L", _money(summary["net_pnl"], _VALUE, signed=True)),
        ("return", percent(summary["total_return"], signed=True)),
        (
            "final equity",
            f"{_money(summary['final_equity'], 13)} {_clip(summary['collateral'], 6)}",
        ),
    ]


def _risk_cells(summary: Summary) -> list[Cell]:
    metrics = summary["metrics"]
    return [
        ("max drawdown", percent(summary["max_drawdown"])),
        ("Sharpe (daily)", number(summary["sharpe"])),
        ("Sortino (daily)", number(summary["sortino"])),
        ("Calmar", number(metrics["daily"]["calmar"])),
        ("leverage max", multiple(metrics["exposure"]["leverage_max"], unit=" x")),
        ("liquidations", count(summary["liquidations"])),
    ]


def _order_cells(summary: Summary) -> list[Cell]:
    execution = summary["metrics"]["execution"]
    return [
        ("orders", count(summary["orders"])),
        ("fills", count(summary["fills"])),
        ("cancels", count(summary["cancels"])),
        ("refused", count(execution["refusals"])),
        ("rejected", count(execution["rejects"])),
        ("maker share", percent(execution["maker_share"], decimals=1)),
    ]


def _trade_cells(summary: Summary) -> list[Cell]:
    metrics = summary["metrics"]
    trades = metrics["trades"]["all"]
    return [
        ("round trips", count(trades["trades"])),
        ("win rate", percent(trades["win_rate"], decimals=1)),
        ("profit factor", number(trades["profit_factor"])),
        ("median hold", duration(trades["hold_median_seconds"])),
        ("volume", _money(metrics["costs"]["volume"], _VALUE)),
        ("turnover", multiple(summary["turnover"], unit=" x")),
    ]


def _columns(left: list[Cell], right: list[Cell]) -> list[str]:
    gap = " " * _GAP
    return [
        f"{a:<{_LABEL}}{b:>{_VALUE}}{gap}{c:<{_LABEL}}{d:>{_VALUE}}"
        for (a, b), (c, d) in zip(left, right, strict=True)
    ]


def _strategies(summary: Summary) -> list[str]:
    strategies = summary["per_strategy"]
    if not strategies:
        return []
    lines = ["", f"{'strategy':<22}{'fills':>9}{'maker':>8}{'gross':>14}{'costs':>13}{'net':>14}"]
    for name, one in strategies.items():
        lines.append(
            f"{_clip(name, 21):<22}{count(one['fills']):>9}"
            f"{percent(one['maker_share_of_fills'], decimals=0):>8}"
            f"{_money(one['gross_pnl'], 13, signed=True):>14}"
            f"{_money(one['fees'] + one['funding'], 12):>13}"
            f"{_money(one['net_pnl'], 13, signed=True):>14}"
        )
    return lines


def _counts(title: str, counts: dict[str, int]) -> list[str]:
    if not counts:
        return []
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ["", title, *(f"  {count(times):>9}  {_clip(name, 66)}" for name, times in rows)]


def _money(value: float, width: int, *, signed: bool = False) -> str:
    """An amount, in scientific notation where it would not fit."""
    text = amount(value, signed=signed)
    return text if len(text) <= width else f"{value:.4e}"


def _clip(text: str, width: int) -> str:
    """A name cut to fit."""
    plain = _plain(text)
    return plain if len(plain) <= width else plain[: width - 3] + "..."


def _plain(text: str) -> str:
    """Text that came from outside, without anything that could move the cursor."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
