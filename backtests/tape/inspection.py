"""What a tape holds, for people and programs: streams, spans, sizes, cadence, gaps and findings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backtests.tape.gaps import find_gaps
from backtests.tape.header import Finding, Provenance
from backtests.tape.schema import COLUMNS
from backtests.tape.stream import Stream
from backtests.tape.tape import Tape
from engine.model.instruments import Instrument


class StreamReport(msgspec.Struct, frozen=True):
    """One stream.

    Times are the venue's, in ns; `end_ns` is the last row's. Without rows both are 0.
    """

    kind: str
    instrument: str
    interval_ns: int
    rows: int
    start_ns: int
    end_ns: int
    size_bytes: int
    median_step_ns: int
    gaps: int
    longest_gap_ns: int
    missing: int


class Inspection(msgspec.Struct, frozen=True):
    """A whole tape. `is_verified` says that every checksum and rule was checked now."""

    path: str
    size_bytes: int
    is_verified: bool
    instruments: tuple[Instrument, ...]
    streams: tuple[StreamReport, ...]
    provenance: tuple[Provenance, ...]
    findings: tuple[Finding, ...]


def inspect(path: Path | str, *, verify: bool = False) -> Inspection:
    """What the tape at `path` holds. Raises DataError where it is not what its header states."""
    tape = Tape.open(path, verify=verify)
    streams = tuple(_report(stream) for stream in tape.streams)
    return Inspection(
        path=str(path),
        size_bytes=sum(stream.size_bytes for stream in streams),
        is_verified=tape.is_verified,
        instruments=tuple(tape.instruments.values()),
        streams=streams,
        provenance=tape.provenance,
        findings=tape.findings,
    )


def _report(stream: Stream) -> StreamReport:
    gaps = find_gaps(stream)
    ends = [
        int(stream.window("ts_venue_ns", row, row + 1)[0])
        for row in ((0, stream.n - 1) if stream.n else ())
    ]
    return StreamReport(
        kind=stream.kind,
        instrument=stream.instrument.id,
        interval_ns=stream.interval_ns,
        rows=stream.n,
        start_ns=ends[0] if ends else 0,
        end_ns=ends[-1] if ends else 0,
        size_bytes=sum(
            stream.size(spec.name) * int(spec.dtype[-1]) for spec in COLUMNS[stream.kind]
        ),
        median_step_ns=gaps.median_step_ns,
        gaps=gaps.count,
        longest_gap_ns=gaps.longest_ns,
        missing=gaps.missing,
    )
