"""How a daemon is doing: one line that changes in place on a terminal, elsewhere now and then one.

On stderr, so that stdout is the summary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from engine.core import Engine
from engine.drive.daemon import Daemon
from engine.model.units import NS_PER_S, money

Show = Callable[[Daemon], None]
LINE_EVERY_NS: Final = 5 * NS_PER_S


@contextmanager
def status(stream: TextIO, *, is_quiet: bool) -> Iterator[Show]:
    """Yield what to show a daemon with; `is_quiet` leaves the lines out, not the terminal's."""
    if stream.isatty():
        console = Console(file=stream)
        with Live(console=console, auto_refresh=False, transient=True) as live:

            def show(daemon: Daemon) -> None:
                line = Text(status_line(daemon), no_wrap=True, overflow="ellipsis")
                live.update(line, refresh=True)

            yield show
    elif is_quiet:
        yield lambda _: None
    else:
        yield _Lines(stream).show


class _Lines:
    """A line at most every five seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._due_ns = 0

    def show(self, daemon: Daemon) -> None:
        now_ns = daemon.clock.monotonic_ns()
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + LINE_EVERY_NS
            click.echo(status_line(daemon), file=self._stream)


def status_line(daemon: Daemon) -> str:
    """Equity, result, position, live orders, fills, refusals, and what blocks new risk."""
    driver = daemon.driver
    if driver is None:
        return "opening"
    engine = driver.engine
    equity = sum(account.equity_e8() for account in engine.accounts.values())
    start = sum(
        account.start_e8 + account.carried_e8 + account.transfers_e8
        for account in engine.accounts.values()
    )
    gross = sum(
        abs(position.lots) * engine.markets[where].mark_ticks2() * position.money_per_unit // 2
        for account in engine.accounts.values()
        for where, position in account.positions.items()
    )
    live = sum(1 for _ in engine.orders.all_live())
    blocked = _blocked(engine)
    parts = [
        _time(engine.now_ns),
        *([f"NO NEW RISK: {blocked}"] if blocked else []),
        f"equity {money(equity):,.2f} ({money(equity - start):+,.2f})",
        f"held {money(gross):,.0f}",
        f"orders {live}",
        f"fills {len(daemon.recorder.bookings)}",
        f"refused {sum(engine.refusals.values())}",
        f"batches {engine.planner.batches}",
    ]
    return "  ".join(parts)


def _time(now_ns: int) -> str:
    seconds = now_ns // NS_PER_S
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _blocked(engine: Engine) -> str:
    """What keeps the strategies of this run from new risk, in a few words."""
    if engine.gate.halted:
        return f"halted ({engine.gate.halted})"
    found: set[str] = set()
    for runner in engine.runners.values():
        for account in runner.accounts:
            found |= engine.accounts[account].blocked
        for where in runner.instruments:
            found |= {f"{where} {item}" for item in engine.markets[where].blocked}
    return ", ".join(sorted(found)[:3])
