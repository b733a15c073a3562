"""Every kind of file in the shared market data imports, and gives what is known about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtests.importers import ImportReport, import_files
from backtests.tape import Tape, bars_from_trades


class Market:
    """Imports folders of the shared market data, each once."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder = folder
        self.out = out
        self._made: dict[tuple[str, ...], tuple[ImportReport, Tape]] = {}

    def tape(self, *names: str) -> tuple[ImportReport, Tape]:
        if names not in self._made:
            out = self.out / f"{len(self._made)}.tape"
            report = import_files([self.folder / name for name in names], out)
            self._made[names] = report, Tape.open(out, verify=True)
        return self._made[names]


@pytest.fixture(scope="module")
def market(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = shared_dir / "data" / "market"
    if not folder.is_dir():
        pytest.skip(f"no market data at {folder}")
    return Market(folder, tmp_path_factory.mktemp("shared"))


def found(report: ImportReport, check: str) -> dict[str, int]:
    return {f.where: f.count for f in report.findings if f.check == check}


def test_books_quotes_and_trades_of_35_minutes(market: Market) -> None:
    report, tape = market.tape("hl_l2_trades_20250904")

    assert {"hl:BTC": 5, "hl:ETH": 4, "hl:SOL": 2, "hl:WLFI": 0} == {
        name: instrument.sz_decimals for name, instrument in tape.instruments.items()
    }
    rows = {stream.label: stream.n for stream in tape.streams}
    assert 13_896 == rows["quote hl:BTC"]
    assert 6_675 == rows["trade hl:BTC"]
    assert {3_782} == {n for label, n in rows.items() if label.startswith("book")}
    assert {"trade hl:ETH": 17, "trade hl:SOL": 10, "trade hl:WLFI": 8} == found(
        report, "repeated trade ids"
    )
    assert {1} == {n for label, n in found(report, "gaps").items() if label.startswith("book")}


def test_a_recorded_book_shows_twenty_levels_and_agrees_with_its_quotes(market: Market) -> None:
    _, tape = market.tape("hl_l2_trades_20250904")
    book = next(s for s in tape.streams if s.label == "book hl:BTC")
    quotes = next(s for s in tape.streams if s.label == "quote hl:BTC")

    for row in (0, 1_500, 999, 3_781):
        bids, asks = book.depth(row)
        assert (20, 20) == (len(bids), len(asks))
    by_time = dict(
        zip(
            quotes.column("ts_venue_ns").tolist(),
            zip(quotes.column("bid_ticks"), quotes.column("ask_ticks"), strict=True),
            strict=True,
        )
    )
    both = [
        (by_time[ns], (bid, ask))
        for ns, bid, ask in zip(
            *(book.column(name).tolist() for name in ("ts_venue_ns", "bid_ticks", "ask_ticks")),
            strict=True,
        )
        if ns in by_time
    ]
    assert len(both) > 1_000
    assert all(quote == top for quote, top in both)


def test_trades_of_seven_segments(market: Market) -> None:
    report, tape = market.tape("hl_btc_trades_20250901_07")

    assert {"quote hl:BTC": 27_556, "trade hl:BTC": 12_251} == {
        stream.label: stream.n for stream in tape.streams
    }
    assert {"trade hl:BTC": 10} == found(report, "repeated trade ids")
    bars, closing_rows = bars_from_trades(tape.streams[0], 60 * 10**9)
    assert bars.n == len(closing_rows) > 50


def test_candles_have_no_missing_bar(market: Market) -> None:
    report, tape = market.tape("hl_candles")

    assert 18 == len(tape.streams)
    assert {} == found(report, "missing bars")
    hours = next(s for s in tape.streams if s.label == "bar hl:BTC 3600000000000 ns")
    assert 7_793 == hours.n
    assert 1_233_580 == hours.column("high_ticks").max()


def test_funding_of_all_coins(market: Market) -> None:
    report, tape = market.tape("hl_funding")

    btc = next(s for s in tape.streams if s.label == "funding hl:BTC")
    assert 27_142 == btc.n
    assert {"funding hl:BTC": 18_778} == found(report, "repeated rates")
    assert {} == found(report, "contradicting rates")
    assert {"BTC_open_interest_1h_2026.json.gz": 1} == found(report, "unknown file")
    assert 3 == found(report, "late or missing settlements")["funding hl:XRP"]


def test_other_candles_and_funding(market: Market) -> None:
    _, candles = market.tape("candles_1m")
    _, funding = market.tape("funding_other_venues")

    assert 45_031 == candles.rows
    assert 6 == len(funding.streams)
    binance = next(s for s in funding.streams if s.label == "funding binance:BTC")
    assert {0, 8, 16} == set((binance.column("ts_venue_ns") // (3_600 * 10**9) % 24).tolist())


def test_a_binance_recording(market: Market) -> None:
    report, tape = market.tape("binance_usdm_20240808/btcusdt_20240808.gz")

    assert {
        "trade binance:BTCUSDT": 21_313,
        "book binance:BTCUSDT": 6_548,
        "quote binance:BTCUSDT": 66_089,
    } == {stream.label: stream.n for stream in tape.streams}
    assert {"binance": 93_950} == found(report, "clock behind")
    assert {} == found(report, "sequence gaps")
    for stream in tape.streams:
        assert (stream.column("ts_local_ns") >= stream.column("ts_venue_ns")).all()
