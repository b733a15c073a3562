"""`perpd replay`: a recorded run again, and whether it comes out the same."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.logs import configure_logging
from engine.drive.recorded import replay_run
from engine.errors import PerpdError


@click.command("replay")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def command(folder: Path) -> None:
    """Run a recorded run again and compare every effect.

    FOLDER is the journal of a live run or of a recorded backtest. Every event goes into a new
    engine; what comes out must be what was recorded.

    \b
    Example:
      perpd replay journal

    \b
    Exit codes:
      0  identical
      1  an effect differs (the first is shown), the run died of a fault, or the journal is damaged
      2  there is no such folder, or a strategy of the run cannot be loaded
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    configure_logging(is_verbose=False)
    try:
        outcome = replay_run(folder)
    except PerpdError:
        raise
    except Exception as error:
        notes = "; ".join(getattr(error, "__notes__", ()))
        raise PerpdError(f"the run died of {type(error).__name__}: {error}; {notes}") from error
    outcome.raise_if_different()
    for count, what in (
        (outcome.unrecorded, "effects of the last event were not recorded: the run died there"),
        (outcome.bytes_cut, "bytes at the journal's end were cut short"),
        (outcome.records_unknown, "records of kinds this version does not know were passed over"),
    ):
        if count:
            click.echo(f"note: {count} {what}", err=True)
    click.echo(
        f"identical: {outcome.runs} runs, {outcome.events} events, {outcome.effects} effects"
    )
