"""`perpd data`: market data in, looked at, or made up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from backtests.data_commands import (
    CommandResult,
    generate_command,
    import_command,
    inspect_command,
)
from backtests.importers import FileKind

_F = TypeVar("_F", bound=Callable[..., Any])
_KINDS: Final = click.Choice([kind.value for kind in FileKind])

_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_overwrite = click.option("--overwrite", is_flag=True, help="Replace the tape if it is there.")
_out = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The tape's folder."
)


def _by_coin(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, int]:
    """COIN=NUMBER, as often as given, as a mapping."""
    pairs = {}
    for value in values:
        coin, _, number = value.rpartition("=")
        if not coin or not number.isascii() or not number.isdigit():
            raise click.BadParameter(f"{value!r}: expected COIN=NUMBER, such as BTC=5")
        pairs[coin] = int(number)
    return pairs


def _per_coin(name: str, text: str) -> Callable[[_F], _F]:
    help_text = f"{text} May be repeated."
    return click.option(
        name, multiple=True, callback=_by_coin, metavar="COIN=NUMBER", help=help_text
    )


@click.group("data", no_args_is_help=True)
def command() -> None:
    """Import, inspect and generate market data.

    perpd reads market data from a tape: a folder of checked columns, made once and run as often
    as you like. A config names tapes in [backtest] data.

    \b
    Examples:
      perpd data generate --out build/demo/market.tape
      perpd data import BTC_1m.csv.gz --out build/tapes/candles.tape
      perpd data inspect build/demo/market.tape

    \b
    Exit codes:
      0  done
      1  failed while running
      2  wrong usage or data; one line on stderr says what
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped


@command.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@_out
@click.option("--kind", type=_KINDS, help="What the files are, if not seen.")
@click.option("--venue", default="", help="The venue's name in the config, if not the files' own.")
@click.option("--coin", default="", help="The coin, where file names do not say it.")
@_per_coin("--sz-decimals", "Decimals of a coin's sizes, where no metadata says them.")
@_per_coin("--px-decimals", "Decimals of a coin's prices, where no metadata says them.")
@_per_coin("--max-leverage", "A coin's highest leverage, where no metadata says it.")
@click.option("--instruments", type=click.Path(path_type=Path), help="The venue's metadata, saved.")
@click.option("--volume-unit", type=click.Choice(["base", "quote"]), default="base")
@click.option("--utc-offset-hours", type=float, help="The zone of dates written without one.")
@_overwrite
@_json
def import_(
    paths: tuple[Path, ...],
    out: Path,
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's, handed on by name
) -> None:
    """Import files of candles, trades, books or funding into a tape.

    Paths are files or folders of files; what each is, is seen from its content.

    \b
    Examples:
      perpd data import BTC_1m.csv.gz --coin BTC --out build/tapes/candles.tape
      perpd data import recordings/ --sz-decimals BTC=5 --out build/tapes/l2.tape

    \b
    Exit codes:
      0  done
      2  a file cannot be read, or nothing is left to write
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    tell = None if as_json and not sys.stderr.isatty() else _tell
    _echo(import_command(paths, out, progress=tell, **options), as_json=as_json)


@command.command("inspect")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Read everything; check every checksum and rule.")
@_json
def inspect(path: Path, *, verify: bool, as_json: bool) -> None:
    """Show what a tape holds and what its import saw.

    \b
    Example:
      perpd data inspect build/demo/market.tape --verify

    \b
    Exit codes:
      0  done
      2  this is no tape, or it is damaged
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    _echo(inspect_command(path, verify=verify), as_json=as_json)


@command.command("generate")
@_out
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same market.")
@click.option("--coin", "coins", multiple=True, default=("BTC", "ETH"), show_default=True)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True
)
@click.option("--venue", default="hl", show_default=True, help="The venue in the config.")
@click.option("--start", default="", help="UTC date and time of the first row.")
@_overwrite
@_json
def generate(
    out: Path,
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's, handed on by name
) -> None:
    """Generate a market: books, trades and mark prices of coins that move together.

    \b
    Example:
      perpd data generate --out build/demo/market.tape --coin BTC --minutes 30 --seed 7

    \b
    Exit codes:
      0  done
      2  wrong usage, or the folder is there already (see --overwrite)
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    _echo(generate_command(out, **options), as_json=as_json)


def _echo(result: CommandResult, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result.data), indent=2))
    else:
        click.echo(result.text)


def _tell(line: str) -> None:
    click.echo(line, err=True)
