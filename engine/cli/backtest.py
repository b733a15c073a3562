"""`perpd backtest`: a config's strategies over recorded market data."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import click
import msgspec

from backtests.report import render_text, summarise, write_report
from backtests.runner import run_backtest
from engine.cli.logs import configure_logging
from engine.cli.progress import progress
from engine.config import load_config
from engine.errors import PerpdError


@click.command("backtest")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write the report to this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option(
    "--driver",
    type=click.Choice(["auto", "reference", "chunked"]),
    help="How the tape is driven; all give the same result. Overrides the config.",
)
@click.option(
    "--journal",
    "journal_dir",
    type=click.Path(path_type=Path),
    help="Record every event and effect in this folder, for `perpd replay`.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more, to stderr.")
def command(
    config: Path,
    out: Path | None,
    driver: str | None,
    journal_dir: Path | None,
    *,
    as_json: bool,
    verbose: bool,
) -> None:
    """Run a config's strategies over recorded market data.

    Prints a summary. With --out also writes summary.json, fills.csv, orders.csv, equity.csv and
    report.html.

    \b
    Examples:
      perpd data generate --out build/demo/market.tape
      perpd backtest configs/demo.toml
      perpd backtest configs/demo.toml --out build/demo/out
      perpd backtest configs/demo.toml --json > summary.json
      perpd backtest configs/demo.toml --journal build/journal

    \b
    Exit codes:
      0  done
      1  failed while running
      2  wrong usage, config, strategy or data
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    configure_logging(is_verbose=verbose)
    loaded = load_config(config)
    with progress("backtest", sys.stderr, is_quiet=as_json) as tell:
        try:
            result = run_backtest(loaded, driver=driver, progress=tell, journal_dir=journal_dir)
        except PerpdError:
            raise
        except Exception as error:
            if verbose:
                raise
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{frame.filename}:{frame.lineno}, in {frame.name}"
            raise PerpdError(
                f"a strategy raised {type(error).__name__}: {error} ({where}; -v shows all of it)"
            ) from error
    summary = summarise(result)
    if out is not None:
        write_report(result, out)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(summary), indent=2))
    else:
        click.echo(render_text(summary), nl=False)
