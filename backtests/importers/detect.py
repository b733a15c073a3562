"""Which kind of file one is, by how it starts, and who reads that kind."""

from __future__ import annotations

import csv
import re
from enum import StrEnum
from itertools import islice
from typing import Final

from backtests.importers import binance, candles, funding, hyperliquid
from backtests.importers.raw import Parser, Source
from backtests.importers.reading import lines
from engine.errors import DataError


class FileKind(StrEnum):
    """The kinds of file that can be imported, by the names `--kind` takes."""

    HL_BOOK = "hl-book"
    HL_QUOTE = "hl-quote"
    HL_TRADE = "hl-trade"
    HL_CANDLE = "hl-candle"
    HL_FUNDING = "hl-funding"
    HL_FUNDING_JSON = "hl-funding-json"
    CANDLE = "candle"
    FUNDING = "funding"
    BINANCE_WS = "binance-ws"


PARSERS: Final[dict[FileKind, Parser]] = {
    FileKind.HL_BOOK: hyperliquid.parse_book,
    FileKind.HL_QUOTE: hyperliquid.parse_quotes,
    FileKind.HL_TRADE: hyperliquid.parse_trades,
    FileKind.HL_CANDLE: candles.parse_hl_candles,
    FileKind.HL_FUNDING: funding.parse_hl_csv,
    FileKind.HL_FUNDING_JSON: funding.parse_hl_json,
    FileKind.CANDLE: candles.parse_other_candles,
    FileKind.FUNDING: funding.parse_other,
    FileKind.BINANCE_WS: binance.parse,
}

# Columns that name a kind of CSV file; the first kind whose columns are all there.
_CSV_KINDS: Final = (
    (FileKind.HL_BOOK, hyperliquid.BOOK_COLUMNS),
    (FileKind.HL_TRADE, hyperliquid.TRADE_COLUMNS),
    (FileKind.HL_QUOTE, hyperliquid.QUOTE_COLUMNS),
    (FileKind.HL_CANDLE, candles.HL_COLUMNS),
    (FileKind.CANDLE, candles.OTHER_COLUMNS),
    (FileKind.HL_FUNDING, funding.HL_COLUMNS),
    (FileKind.FUNDING, funding.OTHER_COLUMNS),
)
_BINANCE_LINE: Final = re.compile(r"\d{16,19} \{")
_LOOKED_AT_LINES: Final = 8
_LOOKED_AT_CHARS: Final = 400
_SHOWN_CHARS: Final = 60


def kind_of(source: Source) -> FileKind:
    """The kind of a file by how it starts. Raises DataError when it is of none."""
    start = list(islice(lines(source), _LOOKED_AT_LINES))
    line = start[0] if start else ""
    if _BINANCE_LINE.match(line):
        return FileKind.BINANCE_WS
    if line.startswith("{") and "funding" in "".join(start)[:_LOOKED_AT_CHARS].lower():
        return FileKind.HL_FUNDING_JSON
    header = set(next(csv.reader([line]), []))
    for kind, columns in _CSV_KINDS:
        if header.issuperset(columns):
            return kind
    raise DataError(
        f"{source.path}: starts with {line[:_SHOWN_CHARS].strip()!r}, which no kind of file does;"
        f" expected one of {', '.join(FileKind)}"
    )
