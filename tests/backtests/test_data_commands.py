"""What the data commands say, in text and as data."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from backtests.data_commands import generate_command, import_command, inspect_command
from backtests.tape import Tape
from engine.errors import DataError

TRADES = """timestamp,price,size,side,trade_id,exchange_timestamp
1757015216.5,100.5,1.25,buy,1,1757015216000
1757015216.6,100.5,1.25,buy,1,1757015216000
1757015217.6,101.5,2,sell,2,1757015217000
"""


@pytest.fixture
def trades_path(tmp_path: Path) -> Path:
    path = tmp_path / "trades_BTC.csv"
    path.write_text(TRADES)
    return path


def test_an_import_shows_its_files_streams_and_findings(trades_path: Path, tmp_path: Path) -> None:
    result = import_command([trades_path], tmp_path / "a.tape", max_leverage={"BTC": 3})

    assert [
        "file            rows in  rows kept",
        "--------------  -------  ---------",
        "trades_BTC.csv  3        2",
    ] == result.text.splitlines()[:3]
    assert "trade   hl:BTC      -    2     2025-09-04 19:46:56  2025-09-04 19:46:57" in result.text
    assert "repeated trade ids  trade hl:BTC  1      dropped" in result.text
    assert result.data == inspect_command(tmp_path / "a.tape").data
    assert 3 == Tape.open(tmp_path / "a.tape").instruments["hl:BTC"].leverage_max


def test_an_import_takes_what_is_stated(trades_path: Path, tmp_path: Path) -> None:
    import_command(
        [trades_path], tmp_path / "a.tape", venue="x", coin="ETH", sz_decimals={"ETH": 4}
    )

    instrument = Tape.open(tmp_path / "a.tape").instruments["x:ETH"]
    assert (4, 2) == (instrument.sz_decimals, instrument.px_decimals)
    with pytest.raises(DataError, match="volume unit 'usd': expected base or quote"):
        import_command([trades_path], tmp_path / "b.tape", volume_unit="usd")


def test_a_generated_tape_is_the_same_for_the_same_arguments(tmp_path: Path) -> None:
    first = generate_command(tmp_path / "a.tape", seed=4, coins=["SOL"], minutes=2)
    generate_command(tmp_path / "b.tape", seed=4, coins=["SOL"], minutes=2)

    assert "generated from seed 4" in first.text
    assert (tmp_path / "a.tape" / "header.crc32").read_text() == (
        tmp_path / "b.tape" / "header.crc32"
    ).read_text()
    assert ["hl:SOL"] == [one["id"] for one in first.data["instruments"]]
    assert "seed 4" in first.data["provenance"][0]["detail"]


def test_a_generated_tape_starts_when_told(tmp_path: Path) -> None:
    generate_command(tmp_path / "a.tape", coins=["BTC"], minutes=1, start="2025-05-01T12:00:00")

    assert 1_746_100_800 == Tape.open(tmp_path / "a.tape").start_ns // 10**9
    with pytest.raises(DataError, match="start 'noon': expected a date such as 2026-01-01"):
        generate_command(tmp_path / "b.tape", start="noon")


def test_an_inspection_is_text_or_json(tmp_path: Path) -> None:
    generate_command(tmp_path / "a.tape", coins=["BTC"], minutes=1)

    shown = inspect_command(tmp_path / "a.tape", verify=True)
    as_json = inspect_command(tmp_path / "a.tape", as_json=True)

    assert ", verified\n" in shown.text
    assert "hl:BTC      1            5            40x" in shown.text
    assert "findings: none" in shown.text
    assert as_json.data == msgspec.json.decode(as_json.text)
    assert {"book", "quote", "trade", "bar", "context", "funding"} == {
        one["kind"] for one in as_json.data["streams"]
    }
    book = next(one for one in as_json.data["streams"] if one["kind"] == "book")
    assert (300, 0) == (book["rows"], book["gaps"])
    assert 150_000_000 < book["median_step_ns"] < 250_000_000


def test_gaps_and_missing_bars_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"{ms},5,7,4,6,0.5\n" for ms in (60_000, 120_000, 300_000, 360_000))
    path = tmp_path / "DOGE_1m.csv"
    path.write_text("open_time_ms,open,high,low,close,volume_base\n" + rows)
    import_command([path], tmp_path / "a.tape")

    (bars,) = inspect_command(tmp_path / "a.tape").data["streams"]

    assert (60 * 10**9, 1, 2, 180 * 10**9) == (
        bars["median_step_ns"],
        bars["gaps"],
        bars["missing"],
        bars["longest_gap_ns"],
    )


def test_an_unsound_tape_is_not_inspected(tmp_path: Path) -> None:
    generate_command(tmp_path / "a.tape", coins=["BTC"], minutes=1)
    file = next((tmp_path / "a.tape").rglob("px_ticks.i64"))
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])

    with pytest.raises(DataError, match=r"px_ticks\.i64: CRC-32"):
        inspect_command(tmp_path / "a.tape", verify=True)
