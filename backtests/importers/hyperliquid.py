"""Files of a Hyperliquid recorder: books of 20 levels, changes of the best prices, trades.

Names are `orderbooks_COIN`, `prices_COIN` and `trades_COIN`, with `.csv` or `.csv.gz`. `timestamp`
is the recorder's clock in seconds, `exchange_timestamp` the venue's in ms.
"""

from __future__ import annotations

from array import array
from typing import Any, Final

import numpy as np

from backtests.importers.raw import BOOK_MODES, BookMode, Family, Options, Parsed, Raw, Source
from backtests.importers.reading import (
    columns_at,
    csv_rows,
    floats,
    ints,
    millis_ns,
    read_csv,
    seconds_ns,
    unreadable_rows,
)
from backtests.tape.header import Finding
from backtests.tape.schema import Array, StreamKind
from engine.errors import DataError
from engine.model.units import NS_PER_S

VENUE: Final = "hl"
BOOK_COLUMNS: Final = ("timestamp", "sequence", "exchange_timestamp", "bid_price_0", "ask_price_0")
QUOTE_COLUMNS: Final = ("timestamp", "price", "size", "side", "exchange_timestamp")
TRADE_COLUMNS: Final = (*QUOTE_COLUMNS, "trade_id")

# How long the other side of the last quote still stands beside a row that tells only one.
_OTHER_SIDE_NS_MAX: Final = 10 * NS_PER_S
_SIDES: Final = {"bid": 0, "ask": 1}
_AGGRESSORS: Final = {"buy": 1, "sell": -1}


def parse_trades(source: Source, options: Options) -> Parsed:
    """Trades: `side` is the aggressor's."""
    columns: list[array[Any]] = [array(code) for code in "qqddqq"]

    def convert(row: list[str]) -> tuple[float, ...]:
        local, px, sz, side, venue, trade_id = row
        stamps = millis_ns(venue), seconds_ns(local)
        if side not in _AGGRESSORS:
            raise ValueError(side)
        return (*stamps, float(px), float(sz), _AGGRESSORS[side], int(trade_id))

    rows, findings = read_csv(source, TRADE_COLUMNS, convert, columns)
    names = ("ts_venue_ns", "ts_local_ns", "px", "sz", "side", "trade_id")
    return _parsed(source, options, StreamKind.TRADE, _arrays(names, columns), (rows, findings))


def parse_quotes(source: Source, options: Options) -> Parsed:
    """Changes of the best bid and ask, folded to quotes: rows of both equal times are one."""
    columns: list[array[Any]] = [array(code) for code in "qqddq"]

    def convert(row: list[str]) -> tuple[float, ...]:
        local, px, sz, side, venue = row
        if side not in _SIDES:
            raise ValueError(side)
        return millis_ns(venue), seconds_ns(local), float(px), float(sz), _SIDES[side]

    rows, findings = read_csv(source, QUOTE_COLUMNS, convert, columns)
    folded, halves = _folded(*columns)
    if halves:
        detail = "dropped: one side came without the other, and no recent quote has it"
        findings.append(Finding("half quotes", source.name, halves, detail))
    return _parsed(source, options, StreamKind.QUOTE, folded, (rows, findings))


def _folded(
    venue: array[int], local: array[int], px: array[float], sz: array[float], side: array[int]
) -> tuple[dict[str, Array], int]:
    """Quotes from one-sided rows, and how many stayed without their other side."""
    names = ("ts_venue_ns", "ts_local_ns", "bid_px", "bid_sz", "ask_px", "ask_sz")
    out: list[array[Any]] = [array(code) for code in "qqdddd"]
    best: list[tuple[int, float, float]] = [(0, 0.0, 0.0), (0, 0.0, 0.0)]
    halves, n = 0, len(venue)
    for i in range(n):
        ts_ns = venue[i]
        best[side[i]] = (ts_ns, px[i], sz[i])
        if i + 1 < n and venue[i + 1] == ts_ns and local[i + 1] == local[i]:
            continue
        (bid_ns, bid_px, bid_sz), (ask_ns, ask_px, ask_sz) = best
        if ts_ns - min(bid_ns, ask_ns) > _OTHER_SIDE_NS_MAX:
            halves += 1
            continue
        row = (ts_ns, local[i], bid_px, bid_sz, ask_px, ask_sz)
        for column, value in zip(out, row, strict=True):
            column.append(value)
    return _arrays(names, out), halves


def parse_book(source: Source, options: Options) -> Parsed:
    """Whole order books; a level without price or size is not there."""
    table = csv_rows(source)
    _, header = next(table)
    columns_at(source, header, BOOK_COLUMNS)
    depth = sum(name.startswith("bid_price_") for name in header)
    at = [
        [header.index(f"{side}_{what}_{level}") for level in range(depth)]
        for side in ("bid", "ask")
        for what in ("price", "size")
    ]
    stamps = [header.index(name) for name in ("exchange_timestamp", "timestamp", "sequence")]
    columns: list[array[Any]] = [array(code) for code in "qqqqqdd"]
    venue, local, seq, off, ask_off, chg_px, chg_sz = columns
    off.append(0)
    rows, unreadable, first = 0, 0, 0
    for line, row in table:
        rows += 1
        try:
            times = millis_ns(row[stamps[0]]), seconds_ns(row[stamps[1]]), int(row[stamps[2]])
            levels = [[float(row[i] or 0) for i in where] for where in at]
        except (ValueError, IndexError):
            unreadable += 1
            first = first or line
            continue
        for column, value in zip((venue, local, seq), times, strict=True):
            column.append(value)
        for px, sz in (levels[:2], levels[2:]):
            kept = [(p, s) for p, s in zip(px, sz, strict=True) if p > 0 and s > 0]
            chg_px.extend([p for p, _ in kept])
            chg_sz.extend([s for _, s in kept])
            ask_off.append(len(chg_px))
        off.append(ask_off.pop())
    names = ("ts_venue_ns", "ts_local_ns", "seq", "off", "ask_off", "chg_px", "chg_sz")
    arrays = _arrays(names, columns)
    arrays["mode"] = np.full(len(venue), BOOK_MODES.index(BookMode.WHOLE))
    findings = unreadable_rows(source, unreadable, first)
    return _parsed(source, options, StreamKind.BOOK, arrays, (rows, findings))


def _arrays(names: tuple[str, ...], columns: list[array[Any]]) -> dict[str, Array]:
    return {
        name: ints(column) if column.typecode == "q" else floats(column)
        for name, column in zip(names, columns, strict=True)
    }


def _parsed(
    source: Source,
    options: Options,
    kind: StreamKind,
    arrays: dict[str, Array],
    read: tuple[int, list[Finding]],
) -> Parsed:
    raw = Raw(
        kind=kind,
        coin=options.coin or coin_after_prefix(source),
        venue=options.venue or VENUE,
        family=Family.HYPERLIQUID,
        rows=arrays,
        file=source.name,
    )
    return Parsed([raw], *read)


def coin_after_prefix(source: Source) -> str:
    """COIN of `trades_COIN.csv.gz`. Raises DataError when the name has no such part."""
    coin = source.name.partition(".")[0].partition("_")[2]
    if not coin:
        raise DataError(
            f"{source.path}: no coin in the name, expected KIND_COIN.csv or a stated coin"
        )
    return coin
