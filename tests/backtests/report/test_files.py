"""The files: exact to the byte, whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from backtests.report import files, render_text, summarise, write_report
from backtests.report.result import RunResult
from engine.errors import ModelError, UsageError

FILLS = """\
time,ts_local_ns,ts_venue_ns,account,strategy,instrument,side,px,sz,notional,fee,liquidity,\
is_liquidation,realised,position,cloid,generation,oid,trade_id
2025-01-01T00:00:01.000000007Z,1735689601000000007,1735689601000000000,main,trend,hl:SOL,buy,\
150.0000,2.00,300.00000000,0.13500000,taker,false,0.00000000,2.00,\
0x00000000000000000000000000000001,1,101,201
2025-01-01T00:00:02.000000007Z,1735689602000000007,1735689602000000000,main,trend,hl:SOL,sell,\
151.0000,3.00,453.00000000,0.06795000,maker,false,2.00000000,-1.00,\
0x00000000000000000000000000000002,1,102,202
2025-01-01T00:00:04.000000007Z,1735689604000000007,1735689604000000000,main,trend,hl:SOL,buy,\
152.0000,1.00,152.00000000,0.06840000,taker,false,-1.00000000,0.00,\
0x00000000000000000000000000000004,1,104,204
"""
LAST_ORDER = """\
2025-01-01T00:00:05.000000000Z,1735689605000000000,,,main,trend,hl:SOL,buy,market,Gtc,,2.00,0.00,\
rejected,"Insufficient margin, ""BTC""\",0xff,1,0
"""
EQUITY = """\
time,ts_ns,equity,cash,unrealised,fees,funding,transfers,position_notional,net_notional
2025-01-01T00:00:01.000000000Z,1735689601000000000,999.86500000,999.86500000,0.00000000,\
0.13500000,0.00000000,0.00000000,300.00000000,300.00000000
2025-01-01T00:00:02.000000000Z,1735689602000000000,1001.79705000,1001.79705000,0.00000000,\
0.20295000,0.00000000,0.00000000,151.00000000,-151.00000000
2025-01-01T00:00:04.000000000Z,1735689604000000000,1000.72865000,1000.72865000,0.00000000,\
0.27135000,0.00000000,0.00000000,0.00000000,0.00000000
2025-01-01T00:00:05.000000000Z,1735689605000000000,1000.71865000,1000.71865000,0.00000000,\
0.27135000,0.01000000,0.00000000,0.00000000,0.00000000
"""


def test_fills_are_written_exactly(by_hand: RunResult, tmp_path: Path) -> None:
    assert FILLS.encode() == write_report(by_hand, tmp_path).fills.read_bytes()


def test_orders_are_written_exactly(by_hand: RunResult, tmp_path: Path) -> None:
    text = write_report(by_hand, tmp_path).orders.read_bytes().decode()

    assert text.endswith("\n" + LAST_ORDER)
    assert list(files.ORDER_COLUMNS) == text.split("\n")[0].split(",")
    assert 5 == text.count("\n")


def test_equity_is_written_exactly(by_hand: RunResult, tmp_path: Path) -> None:
    assert EQUITY.encode() == write_report(by_hand, tmp_path).equity.read_bytes()


def test_every_row_of_a_table_has_its_columns(long_run: RunResult, tmp_path: Path) -> None:
    paths = write_report(long_run, tmp_path)
    counts = []
    for path in (paths.fills, paths.orders, paths.equity):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        assert all(None not in row and None not in row.values() for row in rows)
        counts.append(len(rows))

    assert [len(long_run.fills), len(long_run.orders), len(long_run.equity)] == counts


def test_the_fills_of_a_table_add_up_to_the_summary(long_run: RunResult, tmp_path: Path) -> None:
    paths = write_report(long_run, tmp_path)
    with paths.fills.open(newline="") as file:
        rows = list(csv.DictReader(file))
    ledger = json.loads(paths.summary.read_text())["ledger"]

    assert float(sum(Decimal(row["fee"]) for row in rows)) == ledger["fees"]
    assert float(sum(Decimal(row["realised"]) for row in rows)) == ledger["realised"]


def test_the_summary_file_is_the_summary(by_hand: RunResult, tmp_path: Path) -> None:
    text = write_report(by_hand, tmp_path).summary.read_text()

    assert summarise(by_hand) == json.loads(text)
    assert text.endswith("}\n")


def test_the_folder_is_made_and_holds_nothing_but_the_files(
    by_hand: RunResult, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "one"
    write_report(by_hand, folder)

    assert ["equity.csv", "fills.csv", "orders.csv", "report.html", "summary.json"] == sorted(
        path.name for path in folder.iterdir()
    )


def test_files_of_an_earlier_run_are_replaced(
    by_hand: RunResult, untouched: RunResult, tmp_path: Path
) -> None:
    write_report(by_hand, tmp_path)
    paths = write_report(untouched, tmp_path)

    assert ",".join(files.FILL_COLUMNS) + "\n" == paths.fills.read_text()


def test_when_writing_fails_no_file_has_changed_and_none_is_left_behind(
    by_hand: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(by_hand, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write_text", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_report(msgspec.structs.replace(by_hand, fills=[], cancels=9), tmp_path)

    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_folder_that_is_a_file_is_one_clear_error(by_hand: RunResult, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")

    with pytest.raises(UsageError, match=r"report folder .*taken: .*expected a folder"):
        write_report(by_hand, taken)
    assert "mine" == taken.read_text()


def test_a_result_that_contradicts_itself_writes_nothing(
    by_hand: RunResult, tmp_path: Path
) -> None:
    with pytest.raises(ModelError):
        write_report(msgspec.structs.replace(by_hand, instruments=()), tmp_path / "out")

    assert not (tmp_path / "out").exists()


SCRIPT = """
import sys, importlib.util, pathlib
spec = importlib.util.spec_from_file_location("made", sys.argv[1])
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
from backtests.report import write_report
write_report(made.made_up(days=0.1), pathlib.Path(sys.argv[2]))
"""


def test_two_runs_with_other_hash_seeds_write_the_same_bytes(tmp_path: Path) -> None:
    conftest = Path(__file__).with_name("conftest.py")
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(conftest), str(folder)],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})

    assert 5 == len(written[0])
    assert written[0] == written[1]


def test_the_terminal_shows_what_was_written(by_hand: RunResult, tmp_path: Path) -> None:
    summary = json.loads(write_report(by_hand, tmp_path).summary.read_text())

    assert render_text(summarise(by_hand)) == render_text(summary)
