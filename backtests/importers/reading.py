"""Reading files of text, plain or gzip, line by line, and the exact times and numbers in them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from backtests.importers.raw import Source
from backtests.tape.header import Finding
from backtests.tape.schema import Array
from engine.errors import DataError
from engine.model.units import NS_PER_S

_GZIP_MAGIC: Final = b"\x1f\x8b"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK_BYTES: Final = 1 << 20
_LINE_CHARS_MAX: Final = 16 << 20

UNITS_NS: Final = {
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86400 * NS_PER_S,
}


def lines(source: Source) -> Iterator[str]:
    """The lines of a text file, gzip or not. Raises DataError when it cannot be read to its end."""
    path = Path(source.path)
    try:
        with path.open("rb") as probe:
            is_gzip = probe.read(2) == _GZIP_MAGIC
        with (
            gzip.open(path, "rb") if is_gzip else path.open("rb") as data,
            io.TextIOWrapper(data, encoding="utf-8") as file,
        ):
            while line := file.readline(_LINE_CHARS_MAX):
                yield line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}, expected a text file, plain or gzip") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file as it lies on disk, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def read_csv(
    source: Source,
    wanted: Sequence[str],
    convert: Callable[[list[str]], Iterable[float]],
    columns: Sequence[array[Any]],
) -> tuple[int, list[Finding]]:
    """Append each row of a CSV file to `columns`, `convert` making one value for each.

    `convert` receives the `wanted` fields, found by the header, as text. A row it cannot read
    (ValueError, or fields missing) is left out and counted. Returns how many rows there were and
    what was found. Raises DataError when the header lacks a wanted column.
    """
    table = csv_rows(source)
    _, header = next(table)
    at = columns_at(source, header, wanted)
    rows, unreadable, first = 0, 0, 0
    for line, row in table:
        rows += 1
        try:
            values = tuple(convert([row[i] for i in at]))
        except (ValueError, IndexError, OverflowError):
            unreadable += 1
            first = first or line
            continue
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return rows, unreadable_rows(source, unreadable, first)


def csv_rows(source: Source) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file with their line numbers, first its header (empty in an empty file)."""
    reader = csv.reader(lines(source))
    try:
        yield 1, next(reader, [])
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{source.path}: line {reader.line_num}: {error}, expected CSV") from None


def columns_at(source: Source, header: list[str], wanted: Sequence[str]) -> list[int]:
    """Where the wanted columns stand. Raises DataError when one is not there."""
    missing = [name for name in wanted if name not in header]
    if missing:
        raise DataError(f"{source.path}: no column {missing[0]}, expected {', '.join(wanted)}")
    return [header.index(name) for name in wanted]


def unreadable_rows(source: Source, count: int, first_line: int) -> list[Finding]:
    """The finding about rows that could not be read; none when there were none."""
    if not count:
        return []
    detail = f"dropped; the first is line {first_line}"
    return [Finding("unreadable rows", source.name, count, detail)]


def ints(values: array[Any]) -> Array:
    """A column of 64-bit integers."""
    return np.array(values, np.int64)


def floats(values: array[Any]) -> Array:
    """A column of floats."""
    return np.array(values, np.float64)


def seconds_ns(text: str) -> int:
    """Seconds since 1970 as a decimal text, in ns, exact to the last digit that a ns has."""
    whole, _, fraction = text.partition(".")
    return int(whole) * NS_PER_S + int(fraction[:9].ljust(9, "0"))


def millis_ns(text: str) -> int:
    """Milliseconds since 1970 as an integer text, in ns."""
    return int(text) * 1_000_000


def date_ns(text: str) -> int:
    """A date and time in UTC unless it states a zone, in ns."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def interval_of(text: str) -> int:
    """An interval such as 1m, 5m or 1h in ns. Raises DataError when it is none."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if not match or int(match[1]) == 0:
        raise DataError(f"interval {text!r}: expected a number and s, m, h or d, such as 5m")
    return int(match[1]) * UNITS_NS[match[2]]
