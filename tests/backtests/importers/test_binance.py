"""Raw frames of Binance USD-M futures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from engine.errors import DataError
from tests.backtests.importers.conftest import Write
from tests.backtests.importers.imported import Imported

BASE_MS = 1_723_161_255_000
Levels = Sequence[tuple[str, str]]


def line(local_ms: float, frame: dict[str, Any]) -> str:
    return f"{BASE_MS * 1_000_000 + round(local_ms * 1_000_000)} {json.dumps(frame)}\n"


def stream(local_ms: float, ms: int, event: str, **fields: object) -> str:
    data = {"e": event, "E": BASE_MS + ms + 1, "T": BASE_MS + ms, "s": "BTCUSDT", **fields}
    return line(local_ms, {"stream": f"btcusdt@{event}", "data": data})


def depth(ms: int, ids: tuple[int, int, int], bids: Levels, asks: Levels) -> str:
    first, last, previous = ids
    fields = {"U": first, "u": last, "pu": previous, "b": bids, "a": asks}
    return stream(ms + 40, ms, "depthUpdate", **fields)


def answer(ms: int, last_id: int, bids: Levels, asks: Levels) -> str:
    frame = {"lastUpdateId": last_id, "E": 1, "T": BASE_MS + ms, "bids": bids, "asks": asks}
    return line(ms + 40, frame)


def ticker(local_ms: float, ms: int, bid: str, ask: str) -> str:
    return stream(local_ms, ms, "bookTicker", u=1, b=bid, B="0.5", a=ask, A="1.25")


def test_quotes_and_trades_of_a_recording(write: Write) -> None:
    text = ticker(10, 0, "61800.10", "61800.20")
    text += stream(12, 1, "trade", t=77, p="61800.20", q="0.003", X="MARKET", m=False)
    text += stream(13, 2, "trade", t=78, p="61800.10", q="1", X="MARKET", m=True)
    text += stream(14, 3, "trade", t=79, p="0", q="1", X="NA", m=True)
    text += ticker(15, 4, "61800.00", "61800.20")

    got = Imported(write("btcusdt_20240808.gz", text))

    instrument = got.tape.instruments["binance:BTCUSDT"]
    assert (1, 3, 15) == (
        instrument.px_decimals,
        instrument.sz_decimals,
        instrument.significant_figures,
    )
    assert [[618_001, 618_000], [500, 500], [618_002, 618_002], [1_250, 1_250]] == got.columns(
        "quote binance:BTCUSDT", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"
    )
    assert [
        [(BASE_MS + 1) * 1_000_000, (BASE_MS + 2) * 1_000_000],
        [(BASE_MS + 12) * 1_000_000, (BASE_MS + 13) * 1_000_000],
        [618_002, 618_001],
        [3, 1_000],
        [1, -1],
        [77, 78],
    ] == got.columns(
        "trade binance:BTCUSDT",
        *("ts_venue_ns", "ts_local_ns", "px_ticks", "sz_lots", "side", "trade_id"),
    )
    assert {"prices of zero or less": 1} == got.findings()


def test_the_book_is_put_in_step_with_the_answer(write: Write) -> None:
    text = depth(0, (1, 4, 0), [("9.0", "9")], [])
    text += depth(1, (5, 12, 4), [("10.1", "2")], [("11.0", "0")])
    text += answer(2, 10, [("10.0", "1"), ("9.5", "2")], [("11.0", "3"), ("12.0", "4")])
    text += depth(3, (13, 15, 12), [("10.1", "0")], [("10.5", "1")])
    text += depth(4, (20, 22, 19), [("10.2", "7")], [])
    text += ticker(44, 4, "10.2", "10.5")

    got = Imported(write("btcusdt.gz", text))

    book = got.stream("book binance:BTCUSDT")
    assert [10, 12, 15, 22] == book.column("seq").tolist()
    assert [
        ({10.0: 1.0, 9.5: 2.0}, {11.0: 3.0, 12.0: 4.0}),
        ({10.1: 2.0, 10.0: 1.0, 9.5: 2.0}, {12.0: 4.0}),
        ({10.0: 1.0, 9.5: 2.0}, {10.5: 1.0, 12.0: 4.0}),
        ({10.2: 7.0, 10.0: 1.0, 9.5: 2.0}, {10.5: 1.0, 12.0: 4.0}),
    ] == [tuple(map(dict, book.depth(row))) for row in range(4)]
    # The update that had waited happened before the answer: it follows it in the book's order.
    assert [2, 2, 3, 4] == [ns // 1_000_000 - BASE_MS for ns in book.column("ts_venue_ns").tolist()]
    assert {
        "differences before the book": 1,
        "sequence gaps": 1,
        "ts_venue_ns going back": 1,
    } == got.findings()


def test_a_difference_that_ends_at_the_answer_follows_it(write: Write) -> None:
    text = answer(2, 10, [("10.0", "1")], [("11.0", "3")])
    text += depth(3, (8, 10, 7), [("10.0", "1")], []) + depth(4, (11, 12, 10), [("9.5", "1")], [])
    text += ticker(44, 4, "10.0", "11.0")

    got = Imported(write("btcusdt.gz", text))

    assert [[10, 10, 12]] == got.columns("book binance:BTCUSDT", "seq")
    assert {} == got.findings()


def test_differences_without_a_book_are_dropped(write: Write) -> None:
    text = depth(0, (1, 4, 0), [("9.0", "9")], []) + ticker(5, 0, "9.0", "9.5")

    got = Imported(write("btcusdt.gz", text))

    assert ["quote binance:BTCUSDT"] == [s.label for s in got.tape.streams]
    assert {"differences without a book": 1} == got.findings()


def test_a_clock_behind_the_venues_is_moved_by_one_amount(write: Write) -> None:
    """Otherwise a row would be known before it happened."""
    text = ticker(-1_270, 0, "10.0", "10.5") + ticker(-1_262.5, 10, "10.1", "10.5")
    text += stream(-1_200, 90, "trade", t=1, p="10.5", q="0.5", m=False)

    got = Imported(write("btcusdt.gz", text))

    latencies = [
        (stream.column("ts_local_ns") - stream.column("ts_venue_ns")).tolist()
        for stream in got.tape.streams
    ]
    assert [[0], [20 * 10**6, 17_500_000]] == latencies
    assert {"clock behind": 3} == got.findings()


def test_lines_that_are_no_frames_are_dropped_and_told(write: Write) -> None:
    text = ticker(1, 0, "10.0", "10.5") + "1723161255001000000 {\n" + "17231612550 {}\n"
    text += stream(2, 1, "forceOrder") + ticker(3, 2, "x", "10.5")

    got = Imported(write("btcusdt.gz", text))

    assert {"unreadable rows": 3, "other frames": 1} == got.findings()
    assert 1 == got.tape.rows


def test_two_symbols_in_one_recording_are_an_error(write: Write) -> None:
    other = ticker(1, 0, "10.0", "10.5").replace("BTCUSDT", "ETHUSDT")

    with pytest.raises(DataError, match=r"symbols .*'BTCUSDT', 'ETHUSDT'.*, expected exactly one"):
        Imported(write("both.gz", ticker(1, 0, "10.0", "10.5") + other))
