"""A Hyperliquid recorder's books, quotes and trades."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.errors import DataError
from tests.backtests.importers.conftest import Write
from tests.backtests.importers.imported import Imported

TRADES = "timestamp,price,size,side,trade_id,exchange_timestamp\n"
QUOTES = "timestamp,price,size,side,exchange_timestamp\n"
BASE_MS = 1_757_015_216_000


def trade(ms: int, local: str, px: str, sz: str, side: str, trade_id: int) -> str:
    return f"{local},{px},{sz},{side},{trade_id},{BASE_MS + ms}\n"


def quote(ms: int, px: str, sz: str, side: str, local: str = "1757015217.5") -> str:
    return f"{local},{px},{sz},{side},{BASE_MS + ms}\n"


def book(
    rows: Sequence[tuple[int, Sequence[tuple[str, str]], Sequence[tuple[str, str]]]], depth: int = 2
) -> str:
    """Whole books: (ms, bids, asks), as a recorder of `depth` levels writes them."""
    names = [
        f"{side}_{what}_{level}"
        for level in range(depth)
        for side in ("bid", "ask")
        for what in ("price", "size")
    ]
    lines = ["timestamp,sequence,exchange_timestamp," + ",".join(names)]
    for ms, bids, asks in rows:
        levels = [
            (bids[i] if i < len(bids) else ("", "")) + (asks[i] if i < len(asks) else ("", ""))
            for i in range(depth)
        ]
        fields = [field for level in levels for field in level]
        stamp = BASE_MS + ms
        lines.append(f"{stamp / 1000 + 0.5:.3f},{stamp},{stamp}," + ",".join(fields))
    return "\n".join(lines) + "\n"


def test_trades_come_onto_the_grid_with_both_times_exact(write: Write) -> None:
    text = TRADES
    text += trade(0, "1757015216.6738780", "109741.0", "0.91116", "buy", 833120162794147)
    text += trade(1, "1757015216.8747032", "109742.5", "1e-05", "sell", 5)

    got = Imported(write("trades_BTC.csv.gz", text))

    assert [(5, 1)] == [(i.sz_decimals, i.px_decimals) for i in got.tape.instruments.values()]
    assert [
        [1_757_015_216_000_000_000, 1_757_015_216_001_000_000],
        [1_757_015_216_673_878_000, 1_757_015_216_874_703_200],
        [1_097_410, 1_097_425],
        [91_116, 1],
        [1, -1],
        [833120162794147, 5],
    ] == got.columns(
        "trade hl:BTC", "ts_venue_ns", "ts_local_ns", "px_ticks", "sz_lots", "side", "trade_id"
    )
    assert {} == got.findings()


def test_trades_that_came_twice_or_late_or_cannot_be_are_dropped_or_sorted(write: Write) -> None:
    text = TRADES
    text += trade(10, "1757015217.1", "100", "1.5", "buy", 1)
    text += trade(30, "1757015217.2", "101", "2", "buy", 2)
    text += trade(10, "1757015217.3", "100", "1.5", "buy", 1)
    text += trade(20, "1757015217.4", "102", "3", "sell", 3)
    text += trade(40, "1757015217.5", "0", "3", "sell", 4)
    text += trade(40, "1757015217.5", "103", "0", "sell", 5)
    text += trade(40, "1757015217.5", "103", "-1", "sell", 6)
    text += trade(40, "1757015217.5", "nan", "1", "sell", 7)
    text += "1757015217.5,103,1,short,8,1757015216040\n"
    text += "1757015217.5,10"

    got = Imported(write("trades_BTC.csv", text))

    assert [
        [1, 3, 2],
        [1_757_015_217_100_000_000, 1_757_015_217_400_000_000, 1_757_015_217_400_000_000],
    ] == got.columns("trade hl:BTC", "trade_id", "ts_local_ns")
    assert {
        "unreadable rows": 2,
        "rows that are no numbers": 1,
        "prices of zero or less": 1,
        "sizes of zero or less": 2,
        "repeated trade ids": 1,
        "out-of-order rows": 1,
        "local times going back": 1,
    } == got.findings()
    assert [(10, 3)] == [(p.rows_in, p.rows_out) for p in got.report.provenance]


def test_trades_of_several_files_are_one_stream_without_repetitions(write: Write) -> None:
    first = write("trades_BTC.csv", TRADES + trade(10, "1757015217.1", "100", "1", "buy", 1))
    text = TRADES + trade(10, "1757015217.2", "100", "1", "buy", 1)
    second = write("trades_BTC_2.csv", text + trade(20, "1757015217.3", "101", "1", "buy", 2))
    second = second.rename(second.with_name("later.trades_BTC.csv"))
    third = write("trades_ETH.csv", TRADES + trade(5, "1757015217.1", "10", "1", "buy", 1))

    with pytest.raises(DataError, match=r"later\.trades_BTC\.csv: no coin in the name"):
        Imported(first, second)
    second = second.rename(second.with_name("trades_BTC.2.csv"))
    got = Imported(first, second, third)

    assert [[1, 2]] == got.columns("trade hl:BTC", "trade_id")
    assert [[1]] == got.columns("trade hl:ETH", "trade_id")
    assert [1, 1, 1] == [source.rows_out for source in got.report.provenance]


def test_the_two_sides_of_one_time_are_one_quote(write: Write) -> None:
    text = QUOTES
    text += quote(0, "100.0", "1.5", "bid") + quote(0, "101.0", "2.5", "ask")
    text += quote(50, "102.0", "3", "ask") + quote(50, "100.5", "4", "bid")
    text += quote(60, "101.5", "5", "ask")
    text += quote(60, "100.0", "6", "bid", local="1757015217.6")

    got = Imported(write("prices_BTC.csv.gz", text))

    (times,) = got.columns("quote hl:BTC", "ts_venue_ns")
    assert [0, 50, 60, 60] == [ns // 1_000_000 - BASE_MS for ns in times]
    assert [
        [10_000_000, 10_050_000, 10_050_000, 10_000_000],
        [15, 40, 40, 60],
        [10_100_000, 10_200_000, 10_150_000, 10_150_000],
        [25, 30, 50, 50],
    ] == got.columns("quote hl:BTC", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


def test_a_side_without_a_recent_other_is_no_quote(write: Write) -> None:
    text = QUOTES + quote(0, "100", "1", "bid")
    text += quote(10, "100", "1", "bid") + quote(10, "101", "1", "ask")
    text += quote(60_000, "105", "1", "ask", local="1757015277")
    text += quote(60_010, "104", "1", "bid", local="1757015277")

    got = Imported(write("prices_BTC.csv", text))

    scale = got.tape.instruments["hl:BTC"].grid.px_scale
    assert [[100 * scale, 104 * scale], [101 * scale, 105 * scale]] == got.columns(
        "quote hl:BTC", "bid_ticks", "ask_ticks"
    )
    assert {"half quotes": 2} == got.findings()


def test_crossed_and_locked_quotes_are_dropped(write: Write) -> None:
    text = QUOTES
    for ms, bid, ask in ((0, "100", "101"), (1, "101", "101"), (2, "102", "101"), (3, "99", "101")):
        text += quote(ms, bid, "1.5", "bid") + quote(ms, ask, "1", "ask")

    got = Imported(write("prices_BTC.csv", text))

    assert {"crossed or locked quotes": 2} == got.findings()
    assert 2 == got.tape.rows


def test_whole_books_become_differences_that_give_the_books_back(write: Write) -> None:
    books = [
        (0, [("100.5", "1"), ("100", "2.25")], [("101", "3"), ("102", "4")]),
        (500, [("100.5", "1"), ("99", "2")], [("101", "3"), ("102", "4.5")]),
        (1_000, [("99", "2")], [("101", "3"), ("102", "4.5")]),
    ]
    got = Imported(write("orderbooks_ETH.csv.gz", book(books)))

    stream = got.stream("book hl:ETH")
    assert [1, 0, 0] == stream.column("is_snapshot").tolist()
    assert [0, 4, 7, 8] == stream.column("off").tolist()
    for row, (_, bids, asks) in enumerate(books):
        expected = tuple({float(px): float(sz) for px, sz in side} for side in (bids, asks))
        assert expected == stream.depth(row)
    assert [BASE_MS, BASE_MS + 500, BASE_MS + 1_000] == stream.column("seq").tolist()
    assert {} == got.findings()


def test_books_that_repeat_cross_or_follow_a_gap_are_told(write: Write) -> None:
    bids, asks = [("100.1", "1")], [("101", "1")]
    rows = [(ms, bids, asks) for ms in (0, 500, 500, 1_000, 1_500, 2_000)]
    rows += [(2_500, [("102", "1")], asks), (30_000, bids, asks), (30_500, bids, asks)]

    got = Imported(write("orderbooks_BTC.csv", book(rows)))

    assert {"repeated books": 1, "crossed or locked books": 1, "gaps": 1} == got.findings()
    assert [1, 0, 0, 0, 0, 1, 0] == got.stream("book hl:BTC").column("is_snapshot").tolist()
    assert [(9, 7)] == [(p.rows_in, p.rows_out) for p in got.report.provenance]


def test_a_second_file_of_a_book_begins_anew(write: Write) -> None:
    first = write("orderbooks_BTC.csv", book([(1_000, [("90.1", "1")], [("101", "1")])]))
    second = write("orderbooks_BTC.0.csv", book([(0, [("80.1", "1")], [("103", "1")])]))

    got = Imported(first, second)

    stream = got.stream("book hl:BTC")
    assert [1, 1] == stream.column("is_snapshot").tolist()
    assert ({90.1: 1.0}, {101.0: 1.0}) == stream.depth(1)


def test_a_header_without_a_column_is_named(write: Write) -> None:
    path = write("trades_BTC.csv", "timestamp,price,size,side,exchange_timestamp\n")

    with pytest.raises(DataError, match=r"trades_BTC\.csv: no column trade_id, expected timestamp"):
        Imported(path, kind="hl-trade")
