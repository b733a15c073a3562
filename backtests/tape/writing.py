"""Writing a tape: all of it into a temporary folder, which is renamed when it is complete.

A reader therefore never meets half a tape. A slice of a book is written so that it stands alone:
its first row becomes a snapshot of the whole depth, and its offsets start at 0.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from backtests.tape.header import (
    FORMAT_VERSION,
    HEADER_NAME,
    ColumnHeader,
    Finding,
    Header,
    Provenance,
    StreamHeader,
    write_record,
)
from backtests.tape.schema import COLUMNS, FILE_SUFFIX, Array, ColumnSpec, Span, StreamKind
from backtests.tape.stream import Stream
from backtests.tape.tape import Tape
from engine.errors import DataError

_BLOCK_VALUES: Final = 1 << 18


def write_tape(
    path: Path | str,
    streams: Iterable[Stream],
    *,
    provenance: Sequence[Provenance] = (),
    findings: Sequence[Finding] = (),
    overwrite: bool = False,
) -> None:
    """Write a tape folder. Raises DataError when `path` is there already and may not be replaced.

    With `overwrite` only a tape is ever replaced, never another folder or file.
    """
    target = Path(path)
    _check_target(target, overwrite=overwrite)
    tape = Tape.in_memory(streams)

    def fill(folder: Path) -> None:
        headers = tuple(_write_stream(folder, i, s) for i, s in enumerate(tape.streams))
        header = Header(
            format="perpd-tape",
            version=FORMAT_VERSION,
            instruments=tuple(tape.instruments.values()),
            streams=headers,
            provenance=tuple(provenance),
            findings=tuple(findings),
        )
        write_record(folder, header)

    write_folder(target, fill)


def write_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Make `target` hold what `fill` writes, all or nothing; replaces what was there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new-{os.getpid()}")
    retired = target.with_name(f".{target.name}.old-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        fill(temporary)
        if target.exists():
            target.rename(retired)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def write_column(folder: Path, spec: ColumnSpec, blocks: Iterable[Array]) -> ColumnHeader:
    """Write the blocks of one column to its file, and return what the header says of it."""
    name = spec.name + FILE_SUFFIX[spec.dtype]
    size, crc32 = 0, 0
    with (folder / name).open("wb") as file:
        for block in blocks:
            data = np.ascontiguousarray(block, spec.dtype).tobytes()
            file.write(data)
            crc32 = zlib.crc32(data, crc32)
            size += len(block)
    return ColumnHeader(name=spec.name, file=name, dtype=spec.dtype, size=size, crc32=crc32)


def blocks_of(stream: Stream, name: str, start: int = 0) -> Iterator[Array]:
    """A column from value `start` on, in blocks."""
    size = stream.size(name)
    for first in range(start, size, _BLOCK_VALUES):
        yield stream.window(name, first, min(size, first + _BLOCK_VALUES))


def _check_target(target: Path, *, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise DataError(f"{target}: exists, expected a new path (or leave to overwrite the tape)")
    if not (target / HEADER_NAME).is_file():
        raise DataError(f"{target}: exists and is no tape, expected a new path or a tape")


def _write_stream(folder: Path, index: int, stream: Stream) -> StreamHeader:
    name = f"{index:03d}-{stream.kind}-{_plain(stream.instrument.id)}"
    inside = folder / "streams" / name
    inside.mkdir(parents=True)
    cut = _CutBook(stream) if stream.kind is StreamKind.BOOK and not stream.is_whole else None
    columns = tuple(
        write_column(inside, spec, cut.blocks(spec) if cut else blocks_of(stream, spec.name))
        for spec in COLUMNS[stream.kind]
    )
    return StreamHeader(
        kind=stream.kind,
        instrument=stream.instrument.id,
        interval_ns=stream.interval_ns,
        rows=stream.n,
        folder=f"streams/{name}",
        columns=columns,
    )


def _plain(name: str) -> str:
    """A name for the file system: everything but letters and digits becomes an underscore."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)


class _CutBook:
    """The columns of a book's slice, made to stand alone."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._bids, self._asks = _levels(stream) if stream.n else ([], [])
        # Changes of the rows after the first: where they are, and how far their offsets move.
        first, last = stream.column("off")[[min(1, stream.n), stream.n]].tolist()
        self._changes = first, last
        self._shift = len(self._bids) + len(self._asks) - first

    def blocks(self, spec: ColumnSpec) -> Iterator[Array]:
        """One column of the slice, in blocks."""
        name = spec.name
        if spec.span is Span.CHANGE:
            levels = self._bids + self._asks
            yield np.array([level[name == "chg_lots"] for level in levels], np.int64)
            start, stop = self._changes
            for first in range(start, stop, _BLOCK_VALUES):
                yield self._stream.window(name, first, min(stop, first + _BLOCK_VALUES))
            return
        heads = {"off": 0, "ask_off": len(self._bids), "is_snapshot": 1}
        if name not in heads:
            yield from blocks_of(self._stream, name)
        elif self._stream.n or spec.span is Span.OFFSET:
            yield np.array([heads[name]])
            shift = 0 if name == "is_snapshot" else self._shift
            for block in blocks_of(self._stream, name, 1):
                yield block + shift


def _levels(stream: Stream) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The book after the first row as (ticks, lots), best first."""
    grid = stream.instrument.grid
    bids, asks = (
        [(round(px * grid.px_scale), round(sz * grid.sz_scale)) for px, sz in side.items()]
        for side in stream.depth_reader().at(0)
    )
    return sorted(bids, reverse=True), sorted(asks)
