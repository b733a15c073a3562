"""The `perpd` command: finds the sub-command, and turns every failure into a line and an exit code.

0  done
1  failed while running
2  wrong usage, config, strategy or data: one line on stderr, no traceback
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from engine.cli.startup import check_own_packages
from engine.errors import PerpdError, UsageError
from engine.version import own_version

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

# Name to (module, the line shown by `perpd --help`), in the order shown.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("engine.cli.run", "Run a config's strategies as a daemon until it is stopped."),
    "backtest": ("engine.cli.backtest", "Run a config's strategies over recorded market data."),
    "replay": ("engine.cli.replay", "Run a recorded run again and compare every effect."),
    "check": ("engine.cli.check", "Check a config and show the limits it will run under."),
    "info": ("engine.cli.info", "Ask Hyperliquid an info request and show the answer."),
    "strategies": ("engine.cli.strategies", "List the installed strategies and their parameters."),
    "venue": (
        "engine.cli.venue",
        "Serve the simulated exchange on 127.0.0.1, speaking Hyperliquid's protocol.",
    ),
    "data": ("engine.cli.data", "Import, inspect and generate market data."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command's name, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(own_version(), prog_name="perpd")
def perpd() -> None:
    """Trading bots for perpetual futures: one strategy, run live or in a backtest.

    \b
    A first look, from nothing:
      perpd run configs/demo.toml --for 30s
      perpd data generate --out build/demo/market.tape
      perpd check configs/demo.toml
      perpd backtest configs/demo.toml --out build/demo/out

    \b
    Exit codes:
      0  done
      1  failed while running
      2  wrong usage, config, strategy or data; one line on stderr says what
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped


def run(args: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    try:
        check_own_packages()
        # Outside of standalone mode click returns the code of `ctx.exit`, such as --help's.
        code = perpd.main(list(args), prog_name="perpd", standalone_mode=False)
    except click.ClickException as error:
        ctx = getattr(error, "ctx", None)
        where = f" (see: {ctx.command_path} --help)" if ctx is not None else ""
        return _tell(f"{error.format_message()}{where}", EXIT_USAGE)
    except UsageError as error:
        return _tell(str(error), EXIT_USAGE)
    except PerpdError as error:
        return _tell(str(error), EXIT_FAILED)
    except (KeyboardInterrupt, click.Abort):
        return _tell("interrupted", EXIT_FAILED)
    except BrokenPipeError:
        # The reader of our output left. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return code if isinstance(code, int) else EXIT_DONE


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _tell(message: str, code: int) -> int:
    click.echo(f"perpd: {message}", err=True)
    return code
