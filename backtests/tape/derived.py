"""Bars of a tape's trades, kept in its folder: computed once for every run and sweep.

A kept folder names the checksums of the trades it was folded from. One that is altered, of other
trades or unreadable is as good as none, and a tape that cannot be written to (another user's, a
full disk) is used without keeping anything.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from backtests.tape.columns import MappedColumn
from backtests.tape.header import (
    FORMAT_VERSION,
    ColumnHeader,
    Header,
    StreamHeader,
    check_file,
    read_record,
    write_record,
)
from backtests.tape.schema import COLUMNS, ColumnSpec, IntArray, StreamKind
from backtests.tape.stream import Stream
from backtests.tape.writing import blocks_of, write_column, write_folder
from engine.errors import DataError

_CLOSING_ROWS = ColumnSpec("closing_rows")


class _Bars(msgspec.Struct, frozen=True):
    """The header of a kept folder.

    `source` is the CRC-32 of the tape's header, which holds the trades' own.
    """

    version: int
    source: int
    bars: StreamHeader
    closing_rows: ColumnHeader


def read_bars(stream: Stream, interval_ns: int) -> tuple[Stream, IntArray] | None:
    """The kept bars of a whole trade stream and their closing rows; None without trusted ones."""
    tape, folder = _folders(stream, interval_ns)
    try:
        kept, _ = read_record(folder, _Bars)
        if kept.source != read_record(tape, Header)[1]:
            return None
        rows = MappedColumn(
            folder / kept.closing_rows.file, kept.closing_rows.dtype, kept.closing_rows.size
        )
        check_file(rows.path, kept.closing_rows.crc32)
        bars = Stream.from_folder(folder, kept.bars, stream.instrument, verify=True)
    except DataError:
        return None
    return bars, rows.window(0, rows.size)


def write_bars(stream: Stream, bars: Stream, closing_rows: IntArray) -> None:
    """Keep the bars of a whole trade stream, unless the folder cannot be written to."""
    tape, folder = _folders(stream, bars.interval_ns)

    def fill(inside: Path) -> None:
        columns = tuple(
            write_column(inside, spec, blocks_of(bars, spec.name))
            for spec in COLUMNS[StreamKind.BAR]
        )
        header = StreamHeader(
            kind=StreamKind.BAR,
            instrument=stream.instrument.id,
            interval_ns=bars.interval_ns,
            rows=bars.n,
            folder=".",
            columns=columns,
        )
        rows = write_column(inside, _CLOSING_ROWS, [np.asarray(closing_rows)])
        source = read_record(tape, Header)[1]
        write_record(inside, _Bars(FORMAT_VERSION, source, header, rows))

    try:
        write_folder(folder, fill)
    except OSError:
        return


def _folders(stream: Stream, interval_ns: int) -> tuple[Path, Path]:
    """The tape's folder, and the folder of these bars in it."""
    assert stream.folder is not None
    tape = stream.folder.parents[1]
    return tape, tape / "derived" / f"{stream.folder.name}-{interval_ns}"
