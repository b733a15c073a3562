"""Tables for people, the same on a terminal and in a pipe: plain text, as wide as their content."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

WIDTH_MAX = 200


def echo_table(title: str, headers: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout, with an empty line after it."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for header in headers:
        table.add_column(header, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # A cell is shown as it is: "[b]" and ":x:" in it are no markup and no emoji.
    console = Console(width=WIDTH_MAX, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    click.echo(title)
    for line in capture.get().splitlines():
        click.echo(f"  {line}".rstrip())
    click.echo()
