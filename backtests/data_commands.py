"""What `perpd data import`, `inspect` and `generate` do, as functions: text and data out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from backtests.generator import START_NS, Settings, generate_market, instrument
from backtests.importers import FileKind, Options, Stated, import_files, read_metadata
from backtests.importers.importing import Progress
from backtests.importers.reading import date_ns
from backtests.tape.header import Finding, Provenance
from backtests.tape.inspection import Inspection, StreamReport, inspect
from backtests.tape.writing import write_tape
from engine.errors import DataError
from engine.model.units import NS_PER_MS, NS_PER_S

_UNITS: Final = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


class CommandResult(NamedTuple):
    """What a command has to say: text for people, and the same as data for `--json`."""

    text: str
    data: dict[str, Any]


def import_command(  # noqa: PLR0913 - the command's own options
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    kind: FileKind | str | None = None,
    venue: str = "",
    coin: str = "",
    sz_decimals: Mapping[str, int] | None = None,
    px_decimals: Mapping[str, int] | None = None,
    max_leverage: Mapping[str, int] | None = None,
    instruments: Path | str | None = None,
    volume_unit: str = "base",
    utc_offset_hours: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> CommandResult:
    """Import files and folders of files into a new tape. Raises DataError for what it cannot read.

    The mappings are by coin; `instruments` is a file with the venue's `meta` answer (JSON or TOML).
    """
    if volume_unit not in {"base", "quote"}:
        raise DataError(f"volume unit {volume_unit!r}: expected base or quote")
    stated = Stated(
        sz_decimals=sz_decimals or {},
        px_decimals=px_decimals or {},
        leverage_max=max_leverage or {},
        metadata=read_metadata(Path(instruments)) if instruments else {},
    )
    options = Options(
        coin=coin, venue=venue, volume_unit=volume_unit, utc_offset_hours=utc_offset_hours
    )
    report = import_files(
        paths,
        out,
        kind=kind,
        options=options,
        stated=stated,
        progress=progress,
        overwrite=overwrite,
    )
    rows = [
        (source.name, f"{source.rows_in:,}", f"{source.rows_out:,}") for source in report.provenance
    ]
    sources = _table(("file", "rows in", "rows kept"), rows)
    shown = inspect(report.path)
    text = "\n\n".join((sources, _streams_text(shown), _findings_text(report.findings)))
    return CommandResult(text, _data(shown))


def inspect_command(
    path: Path | str, *, verify: bool = False, as_json: bool = False
) -> CommandResult:
    """What a tape holds; with `verify` after checking every checksum and rule.

    The text is the data as JSON with `as_json`. Raises DataError where the tape is not sound.
    """
    shown = inspect(path, verify=verify)
    data = _data(shown)
    if as_json:
        return CommandResult(msgspec.json.format(msgspec.json.encode(data)).decode(), data)
    state = "verified" if shown.is_verified else "checksums not read (--verify reads them)"
    head = f"{shown.path}: {_size(shown.size_bytes)}, {state}"
    coins = [
        (
            one.id,
            str(one.px_decimals),
            str(one.sz_decimals),
            f"{one.leverage_max}x",
        )
        for one in shown.instruments
    ]
    grid = _table(("instrument", "px decimals", "sz decimals", "leverage"), coins)
    text = "\n\n".join((head, grid, _streams_text(shown), _findings_text(shown.findings)))
    return CommandResult(text, data)


def generate_command(  # noqa: PLR0913 - the command's own options
    out: Path | str,
    *,
    seed: int = 1,
    coins: Sequence[str] = ("BTC", "ETH"),
    minutes: float = 60.0,
    venue: str = "hl",
    start: str = "",
    settings: Settings | None = None,
    overwrite: bool = False,
) -> CommandResult:
    """Write a generated market as a tape: the same arguments give the same rows.

    `start` is a date and time (UTC unless it states a zone); empty is 2026-01-01.
    """
    try:
        start_ns = date_ns(start) if start else START_NS
    except ValueError:
        raise DataError(f"start {start!r}: expected a date such as 2026-01-01T00:00:00") from None
    chosen = settings or Settings()
    streams = generate_market(
        seed,
        [instrument(coin, venue) for coin in coins],
        minutes * 60,
        start_ns=start_ns,
        settings=chosen,
    )
    rows = sum(stream.n for stream in streams)
    made = f"seed {seed}, {minutes:g} minutes, {msgspec.json.encode(chosen).decode()}"
    source = Provenance("generated market", "", rows, rows, made)
    write_tape(out, streams, provenance=[source], overwrite=overwrite)
    shown = inspect(out)
    head = f"{out}: generated from seed {seed}, {_size(shown.size_bytes)}"
    return CommandResult(f"{head}\n\n{_streams_text(shown)}", _data(shown))


def _data(shown: Inspection) -> dict[str, Any]:
    """An inspection as JSON holds it."""
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
    return data


# -- text ------------------------------------------------------------------------------------------


def _streams_text(shown: Inspection) -> str:
    rows = [
        (
            one.kind,
            one.instrument,
            _duration(one.interval_ns),
            f"{one.rows:,}",
            _moment(one.start_ns, one),
            _moment(one.end_ns, one),
            _duration(one.median_step_ns),
            _gaps(one),
            _size(one.size_bytes),
        )
        for one in shown.streams
    ]
    return _table(
        ("stream", "instrument", "bar", "rows", "first", "last", "step", "gaps", "size"), rows
    )


def _gaps(one: StreamReport) -> str:
    if not one.gaps:
        return "0"
    return f"{one.gaps:,} (longest {_duration(one.longest_gap_ns)})"


def _findings_text(findings: Sequence[Finding]) -> str:
    if not findings:
        return "findings: none"
    rows = [(one.check, one.where, f"{one.count:,}", one.detail) for one in findings]
    return _table(("finding", "where", "count", "what was done"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _moment(ts_ns: int, one: StreamReport) -> str:
    if not one.rows:
        return "-"
    return datetime.fromtimestamp(ts_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _duration(ns: int) -> str:
    if not ns:
        return "-"
    if ns < NS_PER_S:
        return f"{ns / NS_PER_MS:.3g} ms"
    seconds = ns / NS_PER_S
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _size(size_bytes: int) -> str:
    for size, unit in _UNITS:
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes} B"
