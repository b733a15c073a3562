"""The command line from outside: what it prints where, and the code it ends with."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import structlog

from engine.budget import BudgetLimits
from engine.cli.app import COMMANDS, run
from engine.cli.check import budget_rows
from engine.cli.logs import configure_logging
from engine.cli.progress import lines, progress
from engine.drive.replay import Difference, ReplayOutcome
from engine.errors import JournalError, PerpdError
from engine.model.events import BlockTime

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

    # After an interrupt click first ends the line that shows ^C.
    assert expected == capsys.readouterr().err.removeprefix("\n")


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


# -- data, and what runs on it ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated tape of three minutes of BTC."""
    path = tmp_path_factory.mktemp("cli") / "market.tape"
    assert 0 == run(["data", "generate", "--out", str(path), "--coin", "BTC", "--minutes", "3"])
    return path


@pytest.fixture
def runnable(config: Path, market: Path) -> Path:
    """A config that can be run on that tape."""
    quotes = CONFIG[CONFIG.index("[[strategies]]") :].replace("trend", "quotes")
    quotes = quotes.replace("ema_cross", "market_maker")
    config.write_text(
        f'{CONFIG}{quotes}[symbols.BTC]\nleverage = 4\n[backtest]\ndata = "{market}"\n'
    )
    return config


def test_data_inspect_shows_what_data_generate_wrote(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["data", "inspect", str(market), "--verify"])
    assert "hl:BTC" in capsys.readouterr().out

    assert 0 == run(["data", "inspect", str(market), "--json"])
    assert ["hl:BTC"] == [one["id"] for one in json.loads(capsys.readouterr().out)["instruments"]]


def test_data_generate_does_not_replace_a_tape_unasked(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["data", "generate", "--out", str(market)])

    assert capsys.readouterr().err.startswith(f"perpd: {market}: exists")


def test_data_import_takes_what_files_do_not_say_as_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candles = tmp_path / "candles.csv"
    rows = [f"{60_000 * n},100,101,99,100.5,2" for n in range(1, 5)]
    candles.write_text("\n".join(["open_time_ms,open,high,low,close,volume_base", *rows]) + "\n")
    out = tmp_path / "out.tape"
    options = ["--coin", "ABC", "--venue", "hyper", "--sz-decimals", "ABC=2"]

    assert 0 == run(["data", "import", str(candles), "--out", str(out), *options, "--json"])

    (one,) = json.loads(capsys.readouterr().out)["instruments"]
    assert ("hyper:ABC", 2) == (one["id"], one["sz_decimals"])


@pytest.mark.parametrize("value", ["BTC", "=5", "BTC=", "BTC=-1", "BTC=5.0"])
def test_a_number_per_coin_is_written_coin_equals_number(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["data", "import", "x.csv", "--out", "y.tape", "--sz-decimals", value])

    assert f"{value!r}: expected COIN=NUMBER, such as BTC=5" in capsys.readouterr().err


def test_check_shows_the_limits_of_each_instrument_in_use(
    runnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["check", str(runnable)])

    shown = capsys.readouterr().out
    (row,) = [line for line in shown.splitlines() if line.startswith("  hl:BTC")]
    assert "4x cross, at most 40x" in row
    assert "10 to any" in row
    assert "0.00001" in row
    assert "Rate budget" in shown


def test_check_shows_the_leverage_in_force_and_the_lower_of_both_limits(
    runnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = runnable.read_text().replace("[symbols.BTC]\nleverage = 4", "[risk]\nleverage_max = 7")
    runnable.write_text(text)

    assert 0 == run(["check", str(runnable)])

    assert "7x cross, at most 7x" in capsys.readouterr().out


def test_check_finds_a_symbol_the_data_does_not_have(
    runnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runnable.write_text(runnable.read_text().replace('["BTC"]', '["BTCC"]', 1))

    assert 2 == run(["check", str(runnable)])

    expected = (
        f'perpd: {runnable}: strategies[0].symbols[0] = "BTCC" (strategy "trend"): venue "hl" has'
        ' no such symbol here; did you mean "BTC"?\n'
    )
    assert expected == capsys.readouterr().err


def test_backtest_prints_a_summary_and_writes_the_report(
    runnable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    assert 0 == run(["backtest", str(runnable), "--out", str(out)])

    assert capsys.readouterr().out.startswith("bot ")
    written = {path.name for path in out.iterdir()}
    assert {"summary.json", "fills.csv", "orders.csv", "equity.csv", "report.html"} <= written


def test_backtest_prints_json_and_nothing_else_for_programs(
    runnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["backtest", str(runnable), "--json", "--driver", "reference"])

    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    assert ("bot", "backtest", "reference") == tuple(
        summary[key] for key in ("name", "mode", "driver")
    )
    assert summary["orders"] > 0
    assert "" == captured.err


def test_backtest_of_a_config_without_data_says_what_is_missing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["backtest", str(config)])

    assert capsys.readouterr().err.startswith(f"perpd: {config}: backtest: missing")


# -- replay ----------------------------------------------------------------------------------------


def replayed(monkeypatch: pytest.MonkeyPatch, folder: Path, found: ReplayOutcome) -> int:
    importlib.import_module("engine.cli.replay")
    monkeypatch.setattr("engine.cli.replay.replay_run", lambda _: found)
    return run(["replay", str(folder)])


def test_replay_says_identical_and_notes_what_was_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == replayed(monkeypatch, tmp_path, ReplayOutcome(1, 20, 5, 0, 7, 0, None))

    captured = capsys.readouterr()
    assert "identical: 1 runs, 20 events, 5 effects\n" == captured.out
    assert "note: 7 bytes at the journal's end were cut short\n" == captured.err


def test_replay_ends_with_code_1_at_the_first_difference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    difference = Difference(9, 1, 30, BlockTime(1, 1), None, None)
    found = ReplayOutcome(1, 9, 2, 0, 0, 0, difference)

    assert 1 == replayed(monkeypatch, tmp_path, found)

    captured = capsys.readouterr()
    assert "" == captured.out
    assert "perpd: event 9 (record 30) came out differently" in captured.err


def test_replay_of_no_folder_is_a_mistake_of_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["replay", str(tmp_path / "nowhere")])

    assert "does not exist" in capsys.readouterr().err


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
