"""Files of candles: one row a bar, stamped with its opening time.

A tape's bar is stamped with its close.

Hyperliquid: `COIN_1m.csv`, open_time_ms, volume in base units. Others: `timestamp` as a date in
UTC; such a file names neither its venue nor the unit of its volume, so both are said as findings.
"""

from __future__ import annotations

from array import array
from typing import Any, Final

import numpy as np

from backtests.importers.raw import Family, Options, Parsed, Raw, Source
from backtests.importers.reading import date_ns, floats, interval_of, ints, millis_ns, read_csv
from backtests.tape.header import Finding
from backtests.tape.schema import IntArray, StreamKind
from engine.errors import DataError

HL_COLUMNS: Final = ("open_time_ms", "open", "high", "low", "close", "volume_base")
OTHER_COLUMNS: Final = ("timestamp", "open", "high", "low", "close", "volume")
OTHER_VENUE: Final = "file"


def parse_hl_candles(source: Source, options: Options) -> Parsed:
    """Candles of Hyperliquid, as its own answers write them out."""
    stem, _, rest = source.name.partition(".")[0].partition("_")
    raw, rows, findings = _parse(source, options, HL_COLUMNS, coin=stem, interval=rest)
    raw.venue = options.venue or "hl"
    raw.family = Family.HYPERLIQUID
    return Parsed([raw], rows, findings)


def parse_other_candles(source: Source, options: Options) -> Parsed:
    """Candles of a venue that the file does not name."""
    stem, _, rest = source.name.partition(".")[0].partition("_")
    coin = stem.split("-")[0].upper()
    raw, rows, findings = _parse(source, options, OTHER_COLUMNS, coin=coin, interval=rest)
    findings += [
        Finding("assumed times", source.name, raw.n, "timestamp is taken as a bar's opening"),
        Finding(
            "assumed volume unit",
            source.name,
            raw.n,
            f"volume is in {options.volume_unit} units; the file does not say",
        ),
    ]
    return Parsed([raw], rows, findings)


def _parse(
    source: Source, options: Options, wanted: tuple[str, ...], *, coin: str, interval: str
) -> tuple[Raw, int, list[Finding]]:
    columns: list[array[Any]] = [array(code) for code in "qddddd"]
    stamp = millis_ns if wanted is HL_COLUMNS else date_ns

    def convert(row: list[str]) -> tuple[float, ...]:
        opened, *rest = row
        return stamp(opened), *map(float, rest)

    rows, findings = read_csv(source, wanted, convert, columns)
    names = ("open", "high", "low", "close", "volume")
    arrays = {name: floats(column) for name, column in zip(names, columns[1:], strict=True)}
    opened_ns = ints(columns[0])
    interval_ns = _interval_ns(source, opened_ns, interval)
    if options.volume_unit == "quote":
        with np.errstate(divide="ignore", invalid="ignore"):
            arrays["volume"] = np.nan_to_num(arrays["volume"] / arrays["close"], posinf=0.0)
    arrays["ts_venue_ns"] = opened_ns + interval_ns
    arrays["ts_local_ns"] = arrays["ts_venue_ns"].copy()
    coin = options.coin or coin
    if not coin:
        raise DataError(
            f"{source.path}: no coin in the name, expected COIN_1m.csv, or name the coin"
        )
    raw = Raw(
        kind=StreamKind.BAR,
        coin=coin,
        venue=options.venue or OTHER_VENUE,
        family=Family.OTHER,
        rows=arrays,
        interval_ns=interval_ns,
        is_live=False,
        file=source.name,
    )
    return raw, rows, findings


def _interval_ns(source: Source, opened_ns: IntArray, interval: str) -> int:
    """The commonest step between bars; of a file with fewer than two, what its name says."""
    steps = np.diff(np.unique(opened_ns))
    if not steps.size:
        return interval_of(interval.rpartition("_")[2])
    values, counts = np.unique(steps, return_counts=True)
    common = int(values[counts.argmax()])
    if common <= 0:
        raise DataError(f"{source.path}: bars do not advance, expected a step of time between them")
    return common
