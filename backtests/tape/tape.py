"""A tape: streams of some instruments, from a folder or in memory, in the order of ties.

At equal stamps funding comes first, then contexts, trades, books, quotes and bars (`TIE_ORDER`),
and within a kind instruments by id. Time of selection is `ts_local_ns`, because that is when the
engine sees a row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final, Self

from backtests.tape.header import Finding, Header, Provenance, read_record
from backtests.tape.schema import TIE_ORDER, StreamKind
from backtests.tape.stream import Stream
from engine.errors import DataError
from engine.model.instruments import Instrument

# Checksums of a tape up to this size are checked whenever it is opened: well under a second.
VERIFIED_BYTES_MAX: Final = 64 << 20


class Tape:
    """Market data: `instruments` by id, and `streams` in tie order.

    `findings` and `provenance` are what its import said. `path` is the folder it was opened from,
    else None; `is_verified` says that every checksum and rule was checked when it was.
    """

    def __init__(
        self,
        streams: Iterable[Stream],
        *,
        findings: tuple[Finding, ...] = (),
        provenance: tuple[Provenance, ...] = (),
        path: Path | None = None,
        is_verified: bool = False,
    ) -> None:
        self.streams: tuple[Stream, ...] = tuple(sorted(streams, key=_tie_key))
        self.instruments: dict[str, Instrument] = {}
        self.findings = findings
        self.provenance = provenance
        self.path = path
        self.is_verified = is_verified
        self._check()

    def _check(self) -> None:
        seen: set[tuple[int, str, int]] = set()
        for stream in self.streams:
            key = _tie_key(stream)
            if key in seen:
                raise DataError(f"{stream.label}: given twice, expected one stream of its kind")
            seen.add(key)
            instrument = stream.instrument
            if self.instruments.setdefault(instrument.id, instrument) != instrument:
                raise DataError(f"{instrument.id}: two different instruments have this id")

    @classmethod
    def open(cls, path: Path | str, *, verify: bool = False) -> Self:
        """The tape in folder `path`, its columns mapped when they are first read.

        Checksums and the rules of the format are checked when the tape is small or with `verify`.
        Raises DataError naming the file and what was expected.
        """
        folder = Path(path)
        header, _ = read_record(folder, Header)
        instruments = {instrument.id: instrument for instrument in header.instruments}
        size = 8 * sum(column.size for stream in header.streams for column in stream.columns)
        is_checked = verify or size <= VERIFIED_BYTES_MAX
        streams = []
        for stream in header.streams:
            instrument = instruments.get(stream.instrument)
            if instrument is None:
                raise DataError(
                    f"{folder}: stream {stream.folder} is of {stream.instrument},"
                    f" expected one of {', '.join(instruments) or 'no instrument'}"
                )
            streams.append(Stream.from_folder(folder, stream, instrument, verify=is_checked))
        return cls(
            streams,
            findings=header.findings,
            provenance=header.provenance,
            path=folder,
            is_verified=is_checked,
        )

    @classmethod
    def in_memory(cls, streams: Iterable[Stream]) -> Self:
        """A tape of streams that need no folder."""
        return cls(streams)

    def select(
        self,
        *,
        kinds: Collection[StreamKind | str] | None = None,
        instruments: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Tape:
        """The rows start_ns <= ts_local_ns < end_ns of these kinds and instrument ids (None: all).

        Copies no rows. A stream whose rows all lie outside stays, with none. Raises DataError for
        an instrument that the tape has not.
        """
        unknown = sorted(set(instruments or ()) - self.instruments.keys())
        if unknown:
            raise DataError(
                f"{self.path or 'tape'}: no instrument {unknown[0]},"
                f" expected one of {', '.join(self.instruments) or 'none'}"
            )
        wanted = set(StreamKind) if kinds is None else {StreamKind(kind) for kind in kinds}
        chosen = [
            _between(stream, start_ns, end_ns)
            for stream in self.streams
            if stream.kind in wanted
            and (instruments is None or stream.instrument.id in instruments)
        ]
        return Tape(
            chosen,
            findings=self.findings,
            provenance=self.provenance,
            path=self.path,
            is_verified=self.is_verified,
        )

    @property
    def start_ns(self) -> int:
        """The first ts_local_ns of all rows; 0 without rows."""
        return min((int(s.window("ts_local_ns", 0, 1)[0]) for s in self.streams if s.n), default=0)

    @property
    def end_ns(self) -> int:
        """The first instant after the last ts_local_ns of all rows; 0 without rows."""
        return max(
            (int(s.window("ts_local_ns", s.n - 1, s.n)[0]) + 1 for s in self.streams if s.n),
            default=0,
        )

    @property
    def rows(self) -> int:
        """How many rows all streams have."""
        return sum(stream.n for stream in self.streams)

    def __repr__(self) -> str:
        return f"<Tape {self.path or 'in memory'}: {len(self.streams)} streams, {self.rows} rows>"


def _tie_key(stream: Stream) -> tuple[int, str, int]:
    return TIE_ORDER.index(stream.kind), stream.instrument.id, stream.interval_ns


def _between(stream: Stream, start_ns: int | None, end_ns: int | None) -> Stream:
    """The rows from the first at or after `start_ns` to before the first at or after `end_ns`.

    A bisection reads about thirty values, each on a page of its own at most; the next window gives
    those pages back.
    """
    if start_ns is None and end_ns is None:
        return stream
    times = stream.column("ts_local_ns")
    start = 0 if start_ns is None else bisect_left(times, start_ns)
    stop = stream.n if end_ns is None else bisect_left(times, end_ns)
    return stream.slice(start, max(start, stop))
