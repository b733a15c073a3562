"""One stream of market data: typed columns of rows in the order of time.

It is read-only, and slicing it copies nothing.

A slice of a book keeps the whole book's changes: the values of its `off` and `ask_off` still point
into `chg_ticks` and `chg_lots` as `column` and `window` return them, and its depth is rebuilt from
the rows before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from backtests.tape.columns import Column, MappedColumn, MemoryColumn
from backtests.tape.depth import Depth, DepthReader
from backtests.tape.header import StreamHeader, check_file
from backtests.tape.schema import COLUMNS, Array, ColumnSpec, Span, StreamKind, specs_by_name
from backtests.tape.validation import check_sizes, check_stream
from engine.errors import DataError
from engine.model.instruments import Instrument


class Stream:
    """`n` rows of one kind about one instrument; `interval_ns` is 0 unless they are bars.

    `folder` is where a stream that was opened from a tape lies, else None.
    """

    __slots__ = (
        "_columns",
        "_depth",
        "_first",
        "_starts",
        "folder",
        "instrument",
        "interval_ns",
        "kind",
        "n",
    )

    def __init__(
        self,
        kind: StreamKind,
        instrument: Instrument,
        columns: Mapping[str, Column],
        *,
        interval_ns: int = 0,
        rows: tuple[int, int] | None = None,
        folder: Path | None = None,
    ) -> None:
        start, stop = rows if rows is not None else (0, columns["ts_venue_ns"].size)
        self.kind = kind
        self.instrument = instrument
        self.interval_ns = interval_ns
        self.n = stop - start
        self.folder = folder
        self._first = start
        self._columns = columns
        self._starts = {
            spec.name: 0 if spec.span is Span.CHANGE else start for spec in COLUMNS[kind]
        }
        self._depth: DepthReader | None = None

    @classmethod
    def from_columns(
        cls,
        kind: StreamKind,
        instrument: Instrument,
        columns: Mapping[str, Any],
        interval_ns: int = 0,
    ) -> Self:
        """A stream in memory, from one array for each column of its kind.

        Raises DataError when a column is missing, unknown or of another type, or when the rows
        break a rule of `backtests.tape.validation`.
        """
        label = f"{kind} {instrument.id}"
        specs = specs_by_name(kind)
        if columns.keys() != specs.keys():
            raise DataError(
                f"{label}: columns are {', '.join(columns) or 'none'}, expected {', '.join(specs)}"
            )
        held = {
            name: MemoryColumn(_converted(f"{label}: column {name}", columns[name], spec))
            for name, spec in specs.items()
        }
        stream = cls(kind, instrument, held, interval_ns=interval_ns)
        check_stream(stream)
        return stream

    @classmethod
    def from_folder(
        cls, tape: Path, header: StreamHeader, instrument: Instrument, *, verify: bool
    ) -> Self:
        """A stream mapped from its column files.

        Raises DataError when a file is missing or truncated or its columns are not those of its
        kind; with `verify` also when a checksum or a rule of the format does not hold.
        """
        folder = tape / header.folder
        specs = specs_by_name(header.kind)
        stated = [(column.name, column.dtype) for column in header.columns]
        expected = [(spec.name, spec.dtype) for spec in specs.values()]
        if stated != expected:
            raise DataError(f"{folder}: columns are {stated}, expected {expected}")
        if header.columns[0].size != header.rows:
            raise DataError(f"{folder}: {header.rows} rows, expected {header.columns[0].size}")
        columns = {
            column.name: MappedColumn(folder / column.file, column.dtype, column.size)
            for column in header.columns
        }
        stream = cls(
            header.kind,
            instrument,
            columns,
            interval_ns=header.interval_ns,
            rows=(0, header.rows),
            folder=folder,
        )
        if verify:
            for column in header.columns:
                check_file(folder / column.file, column.crc32)
            check_stream(stream)
        else:
            check_sizes(stream)
        return stream

    @property
    def label(self) -> str:
        """The stream as people and errors name it."""
        interval = f" {self.interval_ns} ns" if self.interval_ns else ""
        return f"{self.kind} {self.instrument.id}{interval}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, in the order of the format."""
        return tuple(self._starts)

    @property
    def first(self) -> int:
        """The row of the whole stream that is row 0 of this slice."""
        return self._first

    @property
    def is_whole(self) -> bool:
        """Whether this is no slice."""
        return self._first == 0 and self.n == self._columns["ts_venue_ns"].size

    def __repr__(self) -> str:
        return f"<Stream {self.label}: {self.n} rows>"

    def column(self, name: str) -> Array:
        """A whole column, read-only: n values, n + 1 of `off`, or all of a book's changes."""
        return self.window(name, 0, self.size(name))

    def window(self, name: str, start: int, stop: int) -> Array:
        """Values start..stop of a column, read-only; pages far behind are given back."""
        first = self._starts.get(name)
        if first is None:
            raise DataError(f"{self.label}: no column {name!r}, expected {', '.join(self._starts)}")
        return self._columns[name].window(first + start, first + stop)

    def size(self, name: str) -> int:
        """How many values `column(name)` has."""
        span = specs_by_name(self.kind)[name].span
        if span is Span.CHANGE or self.is_whole:
            return self._columns[name].size
        return self.n + (span is Span.OFFSET)

    def slice(self, start: int, stop: int) -> Stream:
        """Rows start..stop, without copying."""
        return Stream(
            self.kind,
            self.instrument,
            self._columns,
            interval_ns=self.interval_ns,
            rows=(self._first + start, self._first + stop),
            folder=self.folder,
        )

    def whole(self) -> Stream:
        """The stream this is a slice of."""
        return (
            self
            if self.is_whole
            else self.slice(-self._first, self._columns["ts_venue_ns"].size - self._first)
        )

    def depth(self, row: int) -> Depth:
        """The book after `row` as (bids, asks), each price -> size.

        Cheap when rows are asked in order.

        The two dicts are the stream's own: read them before the next call, and do not change them.
        Two readers at different rows take a `depth_reader` each.
        """
        if self._depth is None:
            self._depth = self.depth_reader()
        return self._depth.at(row)

    def depth_reader(self) -> DepthReader:
        """A reader of this book's depth with a place of its own."""
        if self.kind is not StreamKind.BOOK:
            raise DataError(f"{self.label}: has no depth, expected a book")
        return DepthReader(self._columns, self.instrument.grid, self._first, self.n)


def _converted(label: str, values: object, spec: ColumnSpec) -> Array:
    """The values in the column's type; never by a conversion that could change one."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"{label}: {array.ndim} dimensions, expected 1")
    if array.size and not np.can_cast(array.dtype, spec.dtype, casting="same_kind"):
        raise DataError(f"{label}: type {array.dtype}, expected {np.dtype(spec.dtype)}")
    converted = np.ascontiguousarray(array, spec.dtype)
    if converted.dtype != array.dtype and not np.array_equal(converted, array):
        raise DataError(f"{label}: a value does not fit {np.dtype(spec.dtype)}")
    return converted
