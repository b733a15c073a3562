"""Files of settled funding rates: Hyperliquid's (CSV, JSON) and those of other venues.

Each rate is kept as it was settled: what a row says is what a position paid then, whatever the
interval was. Hyperliquid settled every 8 hours before 2023-06-08T01:00Z and hourly since.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np

from backtests.importers.raw import Family, Options, Parsed, Raw, Source
from backtests.importers.reading import date_ns, floats, ints, lines, millis_ns, read_csv
from backtests.tape.header import Finding
from backtests.tape.schema import Array, IntArray, StreamKind
from engine.errors import DataError
from engine.model.units import NS_PER_HOUR, NS_PER_S

HL_COLUMNS: Final = ("time_ms", "funding_rate_hourly")
OTHER_COLUMNS: Final = ("Symbol", "Date", "Funding Rate")

_HOURLY_SINCE_NS: Final = int(datetime(2023, 6, 8, 1, tzinfo=UTC).timestamp()) * NS_PER_S
_EIGHT_HOURLY: Final = ("binance", "bybit")


class _History(msgspec.Struct):
    coin: str
    source: str
    rows: list[tuple[int, float]]


def parse_hl_csv(source: Source, options: Options) -> Parsed:
    """`COIN_1h_funding.csv`: time_ms and the rate."""
    columns: list[array[Any]] = [array("q"), array("d")]

    def convert(row: list[str]) -> tuple[float, ...]:
        return millis_ns(row[0]), float(row[1])

    rows, findings = read_csv(source, HL_COLUMNS, convert, columns)
    coin = options.coin or source.name.partition(".")[0].partition("_")[0]
    return _hyperliquid(
        source, options, coin, (ints(columns[0]), floats(columns[1])), findings, rows
    )


def parse_hl_json(source: Source, options: Options) -> Parsed:
    """One object with `coin`, `source` and `rows` of [time in ms, rate]."""
    try:
        history = msgspec.json.decode("".join(lines(source)), type=_History)
    except msgspec.MsgspecError as error:
        raise DataError(f"{source.path}: {error}, expected coin, source and rows") from None
    if "funding" not in history.source.lower():
        raise DataError(
            f"{source.path}: rows are of {history.source!r}, expected funding rates"
            " (open interest alone makes no stream)"
        )
    times = np.array([ms for ms, _ in history.rows], np.int64) * 1_000_000
    rates = np.array([rate for _, rate in history.rows], np.float64)
    coin = options.coin or history.coin
    return _hyperliquid(source, options, coin, (times, rates), [], len(history.rows))


def _hyperliquid(
    source: Source,
    options: Options,
    coin: str,
    columns: tuple[IntArray, Array],
    findings: list[Finding],
    rows: int,
) -> Parsed:
    early = int((columns[0] < _HOURLY_SINCE_NS).sum())
    if early:
        detail = "settled before 2023-06-08T01:00Z at rates for 8 hours; kept as settled"
        findings.append(Finding("8-hour rates", source.name, early, detail))
    return Parsed(
        [_raw(source, coin, options.venue or "hl", Family.HYPERLIQUID, columns)], rows, findings
    )


def parse_other(source: Source, options: Options) -> Parsed:
    """`SYMBOL_VENUE_....csv`: Symbol, Date, Funding Rate; the zone of the dates is not stated."""
    columns: list[array[Any]] = [array("q"), array("d")]
    symbols: set[str] = set()

    def convert(row: list[str]) -> tuple[float, ...]:
        symbols.add(row[0])
        return date_ns(row[1]), float(row[2])

    rows, findings = read_csv(source, OTHER_COLUMNS, convert, columns)
    if len(symbols) != 1:
        raise DataError(f"{source.path}: symbols {sorted(symbols)[:3]}, expected exactly one")
    venue = [*source.name.split("_"), ""][1] or "file"
    times, finding = _in_utc(source, ints(columns[0]), venue, options.utc_offset_hours)
    findings += finding
    coin = options.coin or symbols.pop().split("-")[0]
    raw = _raw(source, coin, options.venue or venue, Family.OTHER, (times, floats(columns[1])))
    return Parsed([raw], rows, findings)


def _in_utc(
    source: Source, times: IntArray, venue: str, offset_hours: float | None
) -> tuple[IntArray, list[Finding]]:
    """Times moved to UTC by the stated zone, else by the hours at which the venue settles."""
    how = "as stated"
    if offset_hours is None:
        if venue not in _EIGHT_HOURLY or not times.size:
            detail = "dates are in UTC; the file does not say"
            return times, [Finding("assumed zone", source.name, len(times), detail)]
        hours = times // NS_PER_HOUR % 8
        rest = int(np.bincount(hours).argmax())
        offset_hours = rest if rest <= 4 else rest - 8
        how = f"as {venue} settles at 0, 8 and 16 h UTC"
    if not offset_hours:
        return times, []
    moved = times - round(offset_hours * NS_PER_HOUR)
    detail = f"dates are in UTC{offset_hours:+g}, {how}: moved to UTC"
    return moved, [Finding("zone", source.name, len(times), detail)]


def _raw(
    source: Source, coin: str, venue: str, family: Family, columns: tuple[IntArray, Array]
) -> Raw:
    if not coin:
        raise DataError(f"{source.path}: no coin in the name, expected COIN_..., or name the coin")
    times, rates = columns
    return Raw(
        kind=StreamKind.FUNDING,
        coin=coin,
        venue=venue,
        family=family,
        rows={"ts_venue_ns": times, "ts_local_ns": times.copy(), "rate": rates},
        is_live=False,
        file=source.name,
    )
