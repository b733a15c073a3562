"""From files to a tape: read each, say what each coin's instrument is, clean, write.

Rows of one kind about one coin become one stream, from however many files. Files recorded live are
taken to share one clock for each venue; where it ran behind the venue's, so that rows would arrive
before they happened, all its local times are moved by the same amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from backtests.importers.cleaning import clean
from backtests.importers.detect import PARSERS, FileKind, kind_of
from backtests.importers.precision import Stated, instrument_of
from backtests.importers.raw import Options, Raw, Source
from backtests.importers.reading import sha256
from backtests.tape.header import CHECKSUM_NAME, HEADER_NAME, Finding, Provenance
from backtests.tape.stream import Stream
from backtests.tape.tape import Tape
from backtests.tape.writing import write_tape
from engine.errors import DataError
from engine.model.units import NS_PER_S

SUFFIXES: Final = (".csv", ".csv.gz", ".json", ".json.gz", ".gz")

Progress = Callable[[str], None]


class ImportReport(msgspec.Struct, frozen=True):
    """What an import made: the tape's path, its streams as (name, rows), sources and findings."""

    path: Path
    streams: tuple[tuple[str, int], ...]
    provenance: tuple[Provenance, ...]
    findings: tuple[Finding, ...]


def import_files(  # noqa: PLR0913 - what a person may state about files
    paths: Iterable[Path | str],
    out: Path | str,
    *,
    kind: FileKind | str | None = None,
    options: Options | None = None,
    stated: Stated | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> ImportReport:
    """Import files, and the files in folders, into the tape `out`.

    `kind` says what every file is (None: each is looked at). `progress` is called with a line
    before each step. Raises DataError when a file is of no known kind or cannot be read, or when
    nothing is left to write.
    """
    tell = progress or (lambda _: None)
    findings: list[Finding] = []
    files = _files(paths, None if kind is None else _kind(kind), findings)
    raws: list[Raw] = []
    rows_in: dict[str, int] = {}
    for path, file_kind in files.items():
        source = Source(str(path), path.name)
        tell(f"reading {path.name}")
        parsed = PARSERS[file_kind](source, options or Options())
        for raw in parsed.raws:
            raw.file = str(path)
        raws += [raw for raw in parsed.raws if raw.n]
        rows_in[str(path)] = parsed.rows_in
        findings += parsed.findings
    findings += _set_clocks(raws)
    streams, rows_out, found = _streams(raws, stated or Stated(), tell)
    findings += found
    if not any(stream.n for stream in streams):
        raise DataError(f"{out}: no rows are left to write, expected some in {len(files)} files")
    provenance = tuple(
        Provenance(path.name, sha256(path), rows_in[str(path)], rows_out.get(str(path), 0))
        for path in files
    )
    tell(f"writing {out}")
    write_tape(out, streams, provenance=provenance, findings=findings, overwrite=overwrite)
    written = tuple((stream.label, stream.n) for stream in Tape.in_memory(streams).streams)
    return ImportReport(Path(out), written, provenance, tuple(findings))


def _kind(kind: FileKind | str) -> FileKind:
    try:
        return FileKind(kind)
    except ValueError:
        raise DataError(f"kind {kind!r}: expected one of {', '.join(FileKind)}") from None


def _files(
    paths: Iterable[Path | str], kind: FileKind | None, findings: list[Finding]
) -> dict[Path, FileKind]:
    """The files named and those in the folders named, each once, with its kind.

    A folder's come in order of name; one of no known kind is passed over there, as a finding.
    """
    files: dict[Path, FileKind] = {}
    for path in map(Path, paths):
        if path.is_file():
            files[path] = kind or kind_of(Source(str(path), path.name))
        elif path.is_dir():
            for inside in sorted(filter(_is_wanted, path.rglob("*"))):
                try:
                    files[inside] = kind or kind_of(Source(str(inside), inside.name))
                except DataError:
                    detail = "passed over: of no known kind"
                    findings.append(Finding("unknown file", inside.name, 1, detail))
        else:
            raise DataError(f"{path}: not there, expected a file or a folder of files")
    if not files:
        raise DataError(f"no files to import, expected names ending in {', '.join(SUFFIXES)}")
    return files


def _is_wanted(path: Path) -> bool:
    """Whether a file in a folder is looked at: by its suffix, and not as the header of a tape."""
    is_header = path.name == HEADER_NAME and path.with_name(CHECKSUM_NAME).exists()
    return path.name.endswith(SUFFIXES) and path.is_file() and not is_header


def _set_clocks(raws: Sequence[Raw]) -> list[Finding]:
    """Move a recorder's clock forward where it ran behind the venue's."""
    behind: dict[str, int] = {}
    for raw in raws:
        if raw.is_live:
            early = int((raw.rows["ts_venue_ns"] - raw.rows["ts_local_ns"]).max())
            behind[raw.venue] = max(behind.get(raw.venue, 0), early)
    findings = []
    for venue, by_ns in behind.items():
        moved = [raw for raw in raws if raw.is_live and raw.venue == venue] if by_ns else []
        for raw in moved:
            raw.rows["ts_local_ns"] = raw.rows["ts_local_ns"] + by_ns
        if moved:
            detail = f"rows came before they happened: local times moved {by_ns / NS_PER_S:.6f} s"
            findings.append(Finding("clock behind", venue, sum(raw.n for raw in moved), detail))
    return findings


def _streams(
    raws: Sequence[Raw], stated: Stated, tell: Progress
) -> tuple[list[Stream], dict[str, int], list[Finding]]:
    """The streams of all raws, how many rows of each file they kept, and what was found."""
    streams: list[Stream] = []
    rows_out: dict[str, int] = {}
    findings: list[Finding] = []
    for coin_raws in _grouped(raws, lambda raw: (raw.venue, raw.coin)).values():
        instrument, guessed = instrument_of(coin_raws, stated)
        findings += guessed
        for group in _grouped(coin_raws, lambda raw: (raw.kind, raw.interval_ns)).values():
            tell(f"cleaning {group[0].kind} {instrument.id}")
            cleaned = clean(group, instrument)
            streams.append(cleaned.stream)
            findings += cleaned.findings
            for raw, kept in zip(group, cleaned.kept, strict=True):
                rows_out[raw.file] = rows_out.get(raw.file, 0) + kept
    return streams, rows_out, findings


def _grouped(
    raws: Sequence[Raw], key: Callable[[Raw], tuple[object, ...]]
) -> Mapping[tuple[object, ...], list[Raw]]:
    groups: dict[tuple[object, ...], list[Raw]] = {}
    for raw in raws:
        groups.setdefault(key(raw), []).append(raw)
    return groups
