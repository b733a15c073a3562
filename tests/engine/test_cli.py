"""The command line from outside: what it prints where, and the code it ends with."""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import structlog

from engine.cli.app import COMMANDS, run
from engine.cli.check import budget_rows
from engine.cli.logs import configure_logging
from engine.cli.progress import lines, progress
from engine.budget import BudgetLimits
from engine.errors import JournalError, PerpdError

ROOT = Path(__file__).resolve().parents[2]
KEY = "0x" + "4c" * 32

CONFIG = """\
[venues.hl]
kind = "hyperliquid"
network = "local"

[accounts.main]
venue = "hl"

[[strategies]]
name = "trend"
use = "ema_cross"
account = "main"
symbols = ["BTC"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "bot.toml"
    path.write_text(CONFIG)
    return path


# -- help ------------------------------------------------------------------------------------------


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["--help"])

    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)
    assert "Exit codes:" in shown


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "data"])
def test_each_command_teaches_itself_by_an_example_and_its_exit_codes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run([name, "--help"])

    shown = capsys.readouterr().out
    assert f"  perpd {name}" in shown
    assert "Exit codes:" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_the_commands_own_first_line(name: str) -> None:
    module, line = COMMANDS[name]
    command = importlib.import_module(module).command

    assert isinstance(command, click.Command)
    assert (name, line.rstrip(".")) == (command.name, command.get_short_help_str(200).rstrip("."))


def test_help_imports_nothing_heavy() -> None:
    heavy = ("numpy", "plotly", "rich", "structlog", "msgspec", "asyncio")
    code = (
        "import sys; from engine.cli.app import run; run(['--help']);"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "[]" == done.stderr.strip()


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["bactest"], "perpd: No such command 'bactest'. (see: perpd --help)"),
        (["check"], "perpd: Missing argument 'CONFIG'. (see: perpd check --help)"),
        (
            ["backtest", "x.toml", "--driver", "fast"],
            (
                "perpd: Invalid value for '--driver': 'fast' is not one of 'auto', 'reference',"
                " 'chunked'. (see: perpd backtest --help)"
            ),
        ),
        (
            ["check", "nowhere.toml"],
            "perpd: nowhere.toml: no such file; expected a TOML config file",
        ),
        (
            ["backtest", "nowhere.toml"],
            "perpd: nowhere.toml: no such file; expected a TOML config file",
        ),
    ],
)
def test_a_mistake_of_the_user_is_one_line_on_stderr_and_code_2(
    args: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(args)

    captured = capsys.readouterr()
    assert ("", f"{expected}\n") == (captured.out, captured.err)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """The code of `perpd strategies` where that raises `error`."""

    def fail() -> None:
        raise error

    monkeypatch.setattr("engine.cli.strategies.installed_strategies", fail)
    return run(["strategies"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (JournalError("run 3: cut short"), "perpd: run 3: cut short\n"),
        (PerpdError("odd"), "perpd: odd\n"),
        (KeyboardInterrupt(), "perpd: interrupted\n"),
    ],
)
def test_a_failure_while_running_is_one_line_on_stderr_and_code_1(
    error: BaseException,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert 1 == failing(monkeypatch, error)

    assert expected == capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        failing(monkeypatch, ZeroDivisionError())


def perpd(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run perpd from a folder, which python then puts first on its path."""
    return subprocess.run(
        [sys.executable, "-c", "from engine.cli import main; main()", *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["strategies", "risk", "backtests"])
def test_a_package_of_the_users_own_in_place_of_perpds_is_told_at_once(
    name: str, tmp_path: Path
) -> None:
    theirs = tmp_path / name / "__init__.py"
    theirs.parent.mkdir()
    theirs.write_text("raise SystemExit('theirs ran')\n")

    done = perpd(tmp_path, "strategies")

    expected = (
        f"perpd: the package '{name}' is {theirs}, expected {ROOT / name / '__init__.py'}:"
        " start perpd from another folder, or unset PYTHONPATH\n"
    )
    assert (2, "", expected) == (done.returncode, done.stdout, done.stderr)


def test_a_plain_folder_called_strategies_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "mine.py").write_text("x = 1\n")

    assert 0 == perpd(tmp_path, "strategies").returncode


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    command = f"{sys.executable} -c 'from engine.cli import main; main()' strategies | true"

    done = subprocess.run(  # noqa: S602 - a pipe is the point
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert "" == done.stderr


# -- strategies and check --------------------------------------------------------------------------


def test_strategies_lists_what_is_installed_with_parameters_and_defaults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert 0 == run(["strategies"])

    shown = capsys.readouterr().out
    assert "ema_cross  (strategies.ema_cross:EmaCross)\n" in shown
    assert '      interval    = "1m"  (str)\n' in shown


def test_check_of_a_config_without_data_checks_the_strategies(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["check", str(config)])

    shown = capsys.readouterr().out
    assert f"{config}: right" in shown
    assert "strategies.ema_cross:EmaCross" in shown
    assert "No [backtest] data" in shown


def test_check_ends_with_code_2_where_a_parameter_is_wrong(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(CONFIG + "params = { fst = 1 }\n")

    assert 2 == run(["check", str(config)])

    expected = (
        f'perpd: {config}: strategies[0].params.fst (strategy "trend"): unknown parameter;'
        ' did you mean "fast"?\n'
    )
    assert expected == capsys.readouterr().err


def test_the_rate_budget_lasts_for_its_spendable_actions() -> None:
    """9,500 actions at one a second are 2 h 38 min; 3,600 USDC an hour earn as much back."""
    rows = {row[0]: row[1:] for row in budget_rows(BudgetLimits())}

    assert ("2 h 38 min", "3,600", "60 of 1000") == rows["1"]
    assert ("26 h 23 min", "360", "6 of 1000") == rows["0.1"]
    assert ("15 min", "36,000", "600 of 1000") == rows["10"]
    tight = budget_rows(BudgetLimits(ip_weight_max=700))
    assert "600 of 500 TOO MUCH" == tight[-1][-1]


# -- progress and logs -----------------------------------------------------------------------------


def test_progress_is_a_line_every_five_seconds() -> None:
    times = iter([0.0, 1.0, 4.9, 5.0, 9.0, 10.5])
    stream = io.StringIO()
    tell = lines("backtest", stream, lambda: next(times))

    for step in range(5):
        tell(step / 10, f"{step} events")

    assert "backtest: 20% 2 events\nbacktest: 40% 4 events\n" == stream.getvalue()


def test_there_is_no_progress_where_nobody_would_see_it() -> None:
    with progress("backtest", io.StringIO(), is_quiet=True) as tell:
        assert tell is None
    with progress("backtest", io.StringIO(), is_quiet=False) as tell:
        assert tell is not None


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_even_where_stdout_is_json() -> None:
    stream = Terminal()

    with progress("backtest", stream, is_quiet=True) as tell:
        assert tell is not None
        tell(0.5, "half way")

    assert "half way" in stream.getvalue()


@pytest.fixture
def _logging() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logging")
def test_logs_go_to_stderr_without_keys(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(is_verbose=False)
    log = structlog.get_logger()

    log.info("quiet")
    log.warning("connected", key=KEY, headers={"auth": KEY}, attempt=3)

    captured = capsys.readouterr()
    assert "" == captured.out
    assert "connected" in captured.err
    assert "attempt" in captured.err
    assert "quiet" not in captured.err
    assert "4c4c" not in captured.err
