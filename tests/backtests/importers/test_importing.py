"""Whole imports: which files, which instruments, and what happens to those that cannot be read."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.importers import Stated, import_files, read_metadata
from backtests.importers.detect import FileKind, kind_of
from backtests.importers.precision import decimals_of
from backtests.importers.raw import Source
from backtests.importers.reading import date_ns, seconds_ns
from backtests.tape import Tape
from engine.errors import DataError
from engine.model.instruments import MarginTier
from tests.backtests.importers.conftest import Write
from tests.backtests.importers.imported import Imported

TRADES = "timestamp,price,size,side,trade_id,exchange_timestamp\n"
TRADE = "1757015216.5,{px},{sz},buy,{id},1757015216000\n"
CANDLES = "open_time_ms,open,high,low,close,volume_base\n60000,5,7,4,6,0\n120000,5,7,4,6,0.5\n"
FUNDING = "time_ms,funding_rate_hourly\n1700000000000,0.0000125\n"
META: dict[str, Any] = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
        {"name": "OLD", "szDecimals": 1, "maxLeverage": 3, "marginTableId": 3, "isDelisted": True},
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ]
    ],
}


def trades(*rows: tuple[str, str]) -> str:
    return TRADES + "".join(TRADE.format(px=px, sz=sz, id=i) for i, (px, sz) in enumerate(rows))


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.csv", TRADES, FileKind.HL_TRADE),
        ("a.csv", TRADES.replace("trade_id,", ""), FileKind.HL_QUOTE),
        ("a.csv.gz", CANDLES, FileKind.HL_CANDLE),
        ("a.csv", "timestamp,open,high,low,close,volume\n", FileKind.CANDLE),
        ("a.csv", FUNDING, FileKind.HL_FUNDING),
        ("a.csv", "Symbol,Date,Funding Rate\n", FileKind.FUNDING),
        ("a.json", '{\n "coin": "BTC",\n "source": "fundingHistory"\n', FileKind.HL_FUNDING_JSON),
        ("a.gz", '1723161255030314667 {"stream":"x"}\n', FileKind.BINANCE_WS),
        (
            "a.csv",
            "timestamp,sequence,exchange_timestamp,bid_price_0,bid_size_0,ask_price_0,ask_size_0\n",
            FileKind.HL_BOOK,
        ),
    ],
)
def test_a_file_is_known_by_how_it_starts(
    write: Write, name: str, text: str, kind: FileKind
) -> None:
    path = write(name, text)

    assert kind is kind_of(Source(str(path), path.name))


@pytest.mark.parametrize("text", ["", "a,b,c\n1,2,3\n", '{"coin": "BTC", "source": "interest"}'])
def test_a_file_of_no_known_kind_is_an_error(write: Write, text: str) -> None:
    with pytest.raises(DataError, match=r"a\.csv: starts with '.*', which no kind of file does"):
        import_files([write("a.csv", text)], "out.tape")


def test_files_in_a_folder_that_are_of_no_known_kind_are_passed_over(
    write: Write, tmp_path: Path
) -> None:
    folder = write("trades_BTC.csv", trades(("1.5", "1"))).parent
    write("notes.csv", "a,b\n")
    write("README.md", "not even looked at")

    report = import_files([folder], tmp_path / "out.tape")

    assert (("trade hl:BTC", 1),) == report.streams
    assert ["notes.csv"] == [f.where for f in report.findings if f.check == "unknown file"]


def test_a_tape_made_in_the_folder_of_its_files_is_not_read_as_one_of_them(write: Write) -> None:
    folder = write("BTC_1h_funding.csv", FUNDING).parent
    import_files([folder], folder / "out.tape")

    again = import_files([folder], folder / "out.tape", overwrite=True)

    assert ["BTC_1h_funding.csv"] == [source.name for source in again.provenance]
    assert not [f for f in again.findings if f.check == "unknown file"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["nowhere.csv"], "nowhere.csv: not there, expected a file or a folder"),
        ([], "no files to import, expected names ending in .csv"),
    ],
)
def test_nothing_to_import_is_an_error(tmp_path: Path, paths: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_files([tmp_path / path for path in paths], tmp_path / "out.tape")


def test_files_without_a_single_row_are_an_error(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows are left to write, expected some in 1 files"):
        import_files([write("trades_BTC.csv", TRADES)], tmp_path / "out.tape")
    assert not (tmp_path / "out.tape").exists()


def test_an_unknown_kind_is_an_error(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="kind 'ticks': expected one of hl-book, hl-quote"):
        import_files([write("trades_BTC.csv", TRADES)], tmp_path / "out.tape", kind="ticks")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-12],
        lambda data: data[:40] + bytes([data[40] ^ 0xFF]) + data[41:],
        lambda data: b"\xff\xfe" + data,
    ],
)
def test_a_damaged_file_is_named(
    write: Write, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = write("trades_BTC.csv.gz", trades(*[(f"{i}.5", "1") for i in range(1, 500)]))
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DataError, match=r"trades_BTC\.csv\.gz: .*expected a text file"):
        import_files([path], tmp_path / "out.tape", kind="hl-trade")


def test_where_rows_came_from_is_kept(write: Write) -> None:
    path = write("trades_BTC.csv.gz", trades(("1.5", "1"), ("0", "1")))

    (source,) = Imported(path).tape.provenance

    assert ("trades_BTC.csv.gz", 2, 1) == (source.name, source.rows_in, source.rows_out)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256


def test_every_step_is_told(write: Write) -> None:
    told: list[str] = []

    Imported(write("trades_BTC.csv", trades(("1.5", "1"))), progress=told.append)

    assert ["reading trades_BTC.csv", "cleaning trade hl:BTC"] == told[:2]
    assert told[-1].endswith("out.tape")


def test_the_metadata_of_the_venue_says_what_an_instrument_is(write: Write) -> None:
    path = write("meta.json", json.dumps(META))

    got = Imported(
        write("trades_BTC.csv", trades(("1.5", "1"))), stated=Stated(metadata=read_metadata(path))
    )

    btc = got.tape.instruments["hl:BTC"]
    assert (5, 1) == (btc.sz_decimals, btc.px_decimals)
    assert (MarginTier(0, 40), MarginTier(150_000_000 * 10**8, 20)) == btc.margin_tiers
    assert () == got.report.findings
    old = read_metadata(path)["OLD"]
    assert (True, 1, 3) == (old.is_delisted, old.asset, old.leverage_max)


def test_metadata_can_be_toml_or_come_with_contexts(write: Write) -> None:
    toml = '[[universe]]\nname = "BTC"\nszDecimals = 5\nmaxLeverage = 40\n'
    plain = read_metadata(write("meta.json", json.dumps({"universe": META["universe"]})))

    assert plain["BTC"] == read_metadata(write("meta.toml", toml))["BTC"]
    assert plain == read_metadata(
        write("both.json", json.dumps([{"universe": META["universe"]}, []]))
    )
    with pytest.raises(DataError, match=r"bad\.json: .*expected a meta answer"):
        read_metadata(write("bad.json", "{}"))
    with pytest.raises(DataError, match=r"gone\.json: .*expected a meta answer"):
        read_metadata(Path("gone.json"))


def test_a_stated_precision_rounds_sizes_and_drops_prices_off_the_grid(write: Write) -> None:
    path = write("trades_BTC.csv", trades(("1.5", "1"), ("1.2345", "1"), ("2.5", "1.26")))
    stated = Stated(sz_decimals={"BTC": 3}, leverage_max={"BTC": 7})

    got = Imported(path, stated=stated)

    assert [[1_500, 2_500], [1_000, 1_260]] == got.columns("trade hl:BTC", "px_ticks", "sz_lots")
    assert {"off-grid prices": 1} == got.findings()
    assert 7 == got.tape.instruments["hl:BTC"].leverage_max

    got = Imported(path, stated=Stated(sz_decimals={"BTC": 1}), overwrite=True)
    assert [[10, 10, 13]] == got.columns("trade hl:BTC", "sz_lots")
    assert {"off-grid sizes": 1} == got.findings()


def test_funding_alone_takes_a_known_precision_or_asks_for_one(write: Write) -> None:
    known = write("ETH_1h_funding.csv", FUNDING)
    unknown = write("PEPE_1h_funding.csv", FUNDING)

    assert 4 == Imported(known).tape.instruments["hl:ETH"].sz_decimals
    with pytest.raises(DataError, match="hl:PEPE: rows without a size, expected its sz_decimals"):
        Imported(unknown, overwrite=True)
    got = Imported(unknown, stated=Stated(sz_decimals={"PEPE": 0}), overwrite=True)
    assert 6 == got.tape.instruments["hl:PEPE"].px_decimals


def test_prices_leave_room_for_as_many_decimals_of_size_as_the_venue_has(write: Write) -> None:
    """A candle's volume is a sum of floats and may show decimals that no size has."""
    rows = "60000,0.2879,0.2879,0.2879,0.2879,1.1\n120000,0.2,0.2,0.2,0.2,0.30000000000000004\n"

    got = Imported(write("DOGE_1m.csv", CANDLES.split("\n", 1)[0] + "\n" + rows))

    assert 2 == got.tape.instruments["hl:DOGE"].sz_decimals
    assert [[110, 30]] == got.columns("bar hl:DOGE 60000000000 ns", "volume_lots")


@given(st.integers(0, 7), st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20))
def test_decimals_are_as_many_as_the_values_show(decimals: int, values: list[int]) -> None:
    shown = max(
        len(str(abs(value)).zfill(decimals + 1)[-decimals:].rstrip("0")) if decimals else 0
        for value in values
    )

    assert shown == decimals_of(np.array(values) / 10**decimals)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1757015216.8747032", 1_757_015_216_874_703_200),
        ("1757015216", 1_757_015_216_000_000_000),
        ("1757015216.", 1_757_015_216_000_000_000),
        ("1757015216.0000000019", 1_757_015_216_000_000_001),
    ],
)
def test_seconds_are_read_to_the_last_nanosecond(text: str, ns: int) -> None:
    assert ns == seconds_ns(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("2021-12-31 23:01:00.000001", 1_640_991_660_000_001_000),
        ("2022-01-01T02:01:00+03:00", 1_640_991_660_000_000_000),
    ],
)
def test_dates_are_utc_unless_they_state_a_zone(text: str, ns: int) -> None:
    assert ns == date_ns(text)


def test_a_line_that_is_no_csv_is_an_error(write: Write, tmp_path: Path) -> None:
    path = write("trades_BTC.csv", TRADES + '"' + "x" * 200_000 + "\n")

    with pytest.raises(DataError, match=r"trades_BTC\.csv: line \d: field larger.*, expected CSV"):
        import_files([path], tmp_path / "out.tape")


def test_an_import_never_leaves_half_a_tape(write: Write, tmp_path: Path) -> None:
    good = write("trades_BTC.csv", trades(("1.5", "1")))
    import_files([good], tmp_path / "out.tape")
    bad = write("trades_ETH.csv.gz", trades(("1.5", "1")))
    bad.write_bytes(gzip.compress(trades(("1.5", "1")).encode())[:-4])

    with pytest.raises(DataError):
        import_files([bad], tmp_path / "out.tape", overwrite=True)

    assert ["trade hl:BTC"] == [s.label for s in Tape.open(tmp_path / "out.tape").streams]
