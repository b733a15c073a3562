"""Candles and settled funding rates of several origins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backtests.importers import Options
from engine.errors import DataError
from tests.backtests.importers.conftest import Write
from tests.backtests.importers.imported import Imported

HL_CANDLES = "open_time_ms,open,high,low,close,volume_base\n"
CANDLES = "timestamp,open,high,low,close,volume\n"
HL_FUNDING = "time_ms,funding_rate_hourly\n"
FUNDING = "Symbol,Date,Funding Rate\n"
NS_PER_MS = 1_000_000
NS_PER_HOUR = 3_600 * 10**9


def test_a_candle_is_stamped_with_its_close(write: Write) -> None:
    text = HL_CANDLES
    text += "1753097280000,118712.0,118727.0,118654.0,118675.0,2.63688\n"
    text += "1753097340000,118677.0,118738.0,118677.0,118713.0,7.19912\n"

    got = Imported(write("BTC_1m.csv.gz", text))

    closes = [1_753_097_340_000 * NS_PER_MS, 1_753_097_400_000 * NS_PER_MS]
    assert [
        closes,
        closes,
        [1_187_120, 1_186_770],
        [1_187_270, 1_187_380],
        [1_186_540, 1_186_770],
        [1_186_750, 1_187_130],
        [263_688, 719_912],
    ] == got.columns(
        "bar hl:BTC 60000000000 ns",
        *("ts_venue_ns", "ts_local_ns", "open_ticks", "high_ticks", "low_ticks"),
        *("close_ticks", "volume_lots"),
    )
    assert {} == got.findings()


def test_missing_repeated_and_impossible_bars_are_told(write: Write) -> None:
    rows = [0, 60, 120, 120, 300, 360, 420, 480]
    text = HL_CANDLES + "".join(f"{1_000 * s},5,7,4,6,0\n" for s in rows)
    text += "540000,5,7,5.5,6,0\n" + "600000,5,7,4,6,-1\n" + "660000,5,7,4,6,1.5\n"

    got = Imported(write("DOGE_1m.csv", text))

    assert {
        "repeated bars": 1,
        "bars that do not enclose their open and close": 1,
        "negative volumes": 1,
        "missing bars": 4,
    } == got.findings()
    assert 8 == got.tape.rows


@pytest.mark.parametrize(
    ("name", "seconds"), [("BTC_5m.csv", 300), ("BTC_1h.csv", 3_600), ("BTC_1d.csv", 86_400)]
)
def test_one_candle_has_the_interval_of_its_file_name(
    write: Write, name: str, seconds: int
) -> None:
    got = Imported(write(name, HL_CANDLES + "1753097280000,1.5,1.5,1.5,1.5,0.1\n"))

    assert [seconds * 10**9] == [stream.interval_ns for stream in got.tape.streams]


def test_one_candle_of_an_unknown_interval_is_an_error(write: Write) -> None:
    path = write("BTC_weekly.csv", HL_CANDLES + "1753097280000,1.5,1.5,1.5,1.5,0.1\n")

    with pytest.raises(DataError, match="interval 'weekly': expected a number and s, m, h or d"):
        Imported(path)


def test_candles_of_an_unnamed_venue_say_what_was_assumed(write: Write) -> None:
    text = CANDLES
    text += "2021-12-31 23:01:00.000000,46319.0,46385.0,46319.0,46377.5,2300413.7295\n"
    text += "2021-12-31 23:02:00.000000,46377.0,46411.0,46377.0,46411.0,1829623.25\n"

    got = Imported(write("btc-perp-20211231-20220201_1m.csv.gz", text))

    label = "bar file:BTC 60000000000 ns"
    assert [[1_640_991_720 * 10**9, 1_640_991_780 * 10**9]] == got.columns(label, "ts_venue_ns")
    instrument = got.tape.instruments["file:BTC"]
    assert (1, 4, 15) == (
        instrument.px_decimals,
        instrument.sz_decimals,
        instrument.significant_figures,
    )
    assert [[463_775, 464_110], [23_004_137_295, 18_296_232_500]] == got.columns(
        label, "close_ticks", "volume_lots"
    )
    checks = {finding.check for finding in got.report.findings}
    assert {"assumed times", "assumed volume unit", "assumed leverage"} < checks


def test_volume_in_quote_units_is_divided_by_the_close(write: Write) -> None:
    text = CANDLES + "2022-01-01 00:00:00,50.5,50.5,40,40,100\n2022-01-01 00:01:00,40,40,40,40,20\n"

    got = Imported(write("eth-perp_1m.csv", text), options=Options(volume_unit="quote", venue="x"))

    assert [[25, 5]] == got.columns("bar x:ETH 60000000000 ns", "volume_lots")


def test_rates_are_kept_as_settled_and_early_ones_are_told(write: Write) -> None:
    text = HL_FUNDING + "1683849600048,-0.0006133368\n1683878400388,-0.000745027\n"
    text += "1686186000000,0.0000125\n1686189600000,7.82041e-05\n"

    got = Imported(write("BTC_1h_funding.csv.gz", text))

    assert [
        [ms * NS_PER_MS for ms in (1683849600048, 1683878400388, 1686186000000, 1686189600000)],
        [-613_337, -745_027, 12_500, 78_204],
    ] == got.columns("funding hl:BTC", "ts_venue_ns", "rate_ppb")
    assert 2 == got.findings()["8-hour rates"]


def test_the_same_rate_from_two_files_is_one_and_a_missing_hour_is_told(write: Write) -> None:
    start = 1_700_000_000_000 // 3_600_000 * 3_600_000
    hours = [start + 3_600_000 * h for h in (0, 1, 2, 4, 5, 6)]
    text = HL_FUNDING + "".join(f"{ms},0.0000125\n" for ms in hours[:4])
    history: dict[str, Any] = {"coin": "SOL", "source": "hyperliquid fundingHistory", "rows": []}
    history["rows"] = [[ms, 0.0000125] for ms in hours[1:]]

    got = Imported(write("SOL_1h_funding.csv", text), write("SOL.json.gz", json.dumps(history)))

    assert 6 == got.tape.rows
    assert {"repeated rates": 3, "late or missing settlements": 1} == got.findings()


def test_rates_that_contradict_each_other_keep_the_first(write: Write) -> None:
    text = HL_FUNDING + "1700000000000,0.001\n1700000000000,0.002\n1700003600000,1.5\n"

    got = Imported(write("ETH_1h_funding.csv", text))

    assert [[1_000_000]] == got.columns("funding hl:ETH", "rate_ppb")
    assert {"contradicting rates": 1, "rates above 1": 1} == got.findings()


@pytest.mark.parametrize(
    ("hours", "offset", "expected"),
    [
        ((3, 11, 19), None, (0, 8, 16)),
        ((0, 8, 16), None, (0, 8, 16)),
        ((5, 13, 21), None, (8, 16, 24)),
        ((3, 11, 19), 0.0, (3, 11, 19)),
        ((3, 11, 19), 5.5, (-2.5, 5.5, 13.5)),
    ],
)
def test_dates_of_an_eight_hour_venue_are_moved_to_its_hours(
    write: Write, hours: tuple[int, ...], offset: float | None, expected: tuple[float, ...]
) -> None:
    text = FUNDING + "".join(f"BTC-USDT,2020-01-01 {h:02d}:00:00.002,0.0001\n" for h in hours)

    got = Imported(
        write("BTC-USDT_binance_2020.csv.gz", text), options=Options(utc_offset_hours=offset)
    )

    day_ns = 1_577_836_800 * 10**9
    (times,) = got.columns("funding binance:BTC", "ts_venue_ns")
    assert list(expected) == [(ns - day_ns - 2 * NS_PER_MS) / NS_PER_HOUR for ns in times]
    assert got.findings().get("zone", 0) == (3 if hours != expected else 0)


def test_dates_of_an_hourly_venue_are_taken_as_utc_and_said_so(write: Write) -> None:
    text = FUNDING + "ETH-USDT,2022-01-01 05:00:00,0.0000252879\n"

    got = Imported(write("ETH-USDT_dydx_2022.csv", text))

    assert [[1_641_013_200 * 10**9], [25_288]] == got.columns(
        "funding dydx:ETH", "ts_venue_ns", "rate_ppb"
    )
    assert "assumed zone" in {finding.check for finding in got.report.findings}


def test_two_symbols_in_one_file_are_an_error(write: Write) -> None:
    text = FUNDING + "BTC-USDT,2022-01-01,0.1\nETH-USDT,2022-01-01,0.1\n"

    with pytest.raises(
        DataError, match=r"symbols .*'BTC-USDT', 'ETH-USDT'.*, expected exactly one"
    ):
        Imported(write("BTC-USDT_dydx.csv", text))
