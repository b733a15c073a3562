"""`perpd run`: a config's strategies as a daemon, on a venue or on the embedded exchange."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from backtests.report import render_text, summarise, write_report
from engine.cli.app import EXIT_FAILED
from engine.cli.live_text import render_live
from engine.cli.logs import configure_logging
from engine.cli.status import status
from engine.config import LoadedConfig, load_config, resolve_strategies
from engine.drive.daemon import Daemon, Finished
from engine.drive.seams import SystemClock, SystemRandomness
from engine.drive.venues import open_venues
from engine.errors import PerpdError, StoppedEarly, UsageError

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Span(click.ParamType[float]):
    """A length of time such as 30s, 5m, 2h or 1d, in seconds."""

    name = "SPAN"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it; a usage error when it is none."""
        match = _SPAN.fullmatch(str(value))
        if match is None or not float(match[1]):
            self.fail(f"{value!r}: expected a length of time such as 30s, 5m, 2h or 1d", param, ctx)
        return float(match[1]) * _UNITS_S[match[2]]


@click.command("run")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--for", "for_s", type=Span(), help="Stop by itself after so long of trading: 30s.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report to this folder.")
@click.option(
    "--journal",
    "journal_dir",
    type=click.Path(path_type=Path),
    help="Journal to this folder instead of the config's.",
)
@click.option(
    "--dismiss",
    multiple=True,
    metavar="CLOID",
    help="An unclear order of an earlier run that you know is gone, on a venue that cannot say.",
)
@click.option(
    "--settle-external",
    "settles_external",
    is_flag=True,
    help="Let positions that somebody else closed by hand be closed for their strategies too.",
)
@click.option("--seed", type=click.IntRange(min=0), help="The embedded exchange's market.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Log more, to stderr.")
def command(  # noqa: PLR0913 - the command's own options
    config: Path,
    for_s: float | None,
    out: Path | None,
    journal_dir: Path | None,
    dismiss: tuple[str, ...],
    seed: int | None,
    *,
    settles_external: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Run a config's strategies as a daemon until it is stopped.

    With network = "local" the venue is the embedded simulated exchange: no account, key or network
    is needed. SIGINT (Ctrl-C) and SIGTERM stop it under each strategy's on_stop; the last thing
    printed is a summary, unless it had not opened yet. A run that was killed is taken up where its
    journal ends: what was sent is settled with the venue before anything new is.

    \b
    Examples:
      perpd run configs/demo.toml --for 30s
      perpd run configs/demo.toml --for 30s --json > summary.json
      perpd replay build/demo/journal

    \b
    Exit codes:
      0  stopped as asked
      1  failed while running, a strategy raised, or a second signal ended it at once
      2  wrong usage, config, strategy, key, or another perpd runs on it
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    configure_logging(is_verbose=verbose)
    loaded = load_config(config)
    resolve_strategies(loaded)
    folder = out or _report_folder(loaded)
    if folder is not None:
        _check_writable(folder)
    options = {
        "journal_dir": journal_dir,
        "dismiss": dismiss,
        "settles_external": settles_external,
    }
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        try:
            finished = runner.run(_run(loaded, for_s, seed, options, is_quiet=as_json))
        except StoppedEarly as error:
            click.echo(f"perpd: {error}", err=True)
            return
    summary = summarise(finished.result)
    summary["live"] = finished.live
    failure = ""
    if folder is not None:
        try:
            paths = write_report(finished.result, folder, {"live": finished.live})
            summary["report"] = str(paths.html)
        except PerpdError as error:
            failure = str(error)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(summary), indent=2))
    else:
        click.echo(render_text(summary) + render_live(summary), nl=False)
    if failure:
        raise PerpdError(failure)
    if finished.fault is not None:
        fault = finished.fault
        raise PerpdError(f"ended by a fault: {type(fault).__name__}: {fault}")


def _check_writable(folder: Path) -> None:
    """Raise UsageError, before anything is traded, where no report could be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"report folder {folder}: {error.strerror or error}, expected a folder to write into"
        ) from None


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop of the extra `fast`, where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return uvloop.new_event_loop


def _report_folder(loaded: LoadedConfig) -> Path | None:
    """Where the config wants the report, as short as it can be said from here."""
    text = loaded.config.daemon.report
    return Path(os.path.relpath(loaded.resolve(text))) if text else None


async def _run(
    loaded: LoadedConfig,
    for_s: float | None,
    seed: int | None,
    options: dict[str, Any],
    *,
    is_quiet: bool,
) -> Finished:
    clock, randomness = SystemClock(), SystemRandomness()
    async with open_venues(loaded, clock, randomness, seed=seed) as venues:
        daemon = Daemon(loaded, venues, randomness=randomness, **options)
        _stop_on_signals(daemon.stop)
        with status(sys.stderr, is_quiet=is_quiet) as show:
            return await daemon.run(for_s=for_s, tick=show)


def _stop_on_signals(stop: Callable[[str], None]) -> None:
    """The first signal asks for an orderly stop, a second one ends the process at once.

    At once means without waiting for anything: what was sent is in the journal, and the next run
    settles it.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def on_signal(number: signal.Signals) -> None:
        nonlocal asked
        if asked:
            text = f"perpd: {number.name} came twice: ended at once; the next run settles the rest"
            click.echo(text, err=True)
            sys.stderr.flush()
            os._exit(EXIT_FAILED)
        asked = True
        click.echo(f"perpd: {number.name}: stopping (once more ends at once)", err=True)
        stop(number.name)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
