"""How far a long command is: a bar on a terminal, elsewhere a line now and then; on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from engine.drive.seams import wall_seconds

Tell = Callable[[float, str], None]
LINE_EVERY_S: Final = 5.0


@contextmanager
def progress(what: str, stream: TextIO, *, is_quiet: bool) -> Iterator[Tell | None]:
    """Yield what to tell progress to, as (fraction done, text), or None when nobody would see it.

    `is_quiet` leaves the lines out, not the bar.
    """
    if stream.isatty():
        with _bar(stream) as bar:
            task = bar.add_task(what, total=1.0, text="")
            yield lambda fraction, text: bar.update(task, completed=fraction, text=text)
    elif is_quiet:
        yield None
    else:
        yield lines(what, stream, wall_seconds)


def lines(what: str, stream: TextIO, seconds: Callable[[], float]) -> Tell:
    """A teller that writes a line at most every `LINE_EVERY_S` of `seconds`."""
    last_s = seconds()

    def tell(fraction: float, text: str) -> None:
        nonlocal last_s
        now_s = seconds()
        if now_s - last_s >= LINE_EVERY_S:
            last_s = now_s
            click.echo(f"{what}: {fraction:.0%} {text}".rstrip(), file=stream)

    return tell


def _bar(stream: TextIO) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
        console=Console(file=stream),
        transient=True,
    )
