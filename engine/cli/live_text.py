"""What only a live run has to say, as text under the summary every run has."""

from __future__ import annotations

from typing import Any


def render_live(summary: dict[str, Any]) -> str:
    """Costs and sides of each strategy, what was sent, and how the venue's books agree."""
    live = summary["live"]
    lines = [
        "",
        f"{'strategy':<22}{'buys':>7}{'sells':>7}{'fees':>14}{'funding':>14}{'refused':>9}",
    ]
    for name, one in summary["per_strategy"].items():
        lines.append(
            f"{name[:21]:<22}{one['fills_buy']:>7}{one['fills_sell']:>7}"
            f"{one['fees']:>14,.4f}{one['funding']:>14,.6f}{sum(one['refusals'].values()):>9}"
        )
    lines += [
        "",
        f"sent                  {live['batches']:,} batches, IP weight {live['ip_weight']:,}",
    ]
    for name, account in live["accounts"].items():
        lines.append(f"account {name[:13]:<13} {_account(account)}")
        held = ", ".join(f"{sz:g} {where}" for where, sz in account["held"].items())
        if held or account["open_orders"]:
            lines.append(f"{'':<21} still open: {held or 'flat'}, orders {account['open_orders']}")
    if live["market_events_dropped"]:
        lines.append(f"market events dropped {live['market_events_dropped']:,}")
    if "report" in summary:
        lines.append(f"report                {summary['report']}")
    return "\n".join(lines) + "\n"


def _account(account: dict[str, Any]) -> str:
    agrees = {True: "positions agree", False: "POSITIONS DIFFER", None: "not compared"}
    cap = account["actions_cap"]
    used = f"actions {account['actions_used']:,}" + ("" if cap is None else f" of {cap:,}")
    parts = [used, agrees[account["positions_agree"]]]
    if account["cash_gap"] is not None:
        parts.append(f"cash gap {account['cash_gap']:.8f}".rstrip("0").rstrip("."))
    return ", ".join(parts)
