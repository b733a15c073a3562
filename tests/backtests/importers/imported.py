"""Importing files into a tape and looking at what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backtests.importers import ImportReport, import_files
from backtests.tape import Stream, Tape


class Imported:
    """The report of an import, and its tape opened again."""

    def __init__(self, *paths: Path, **options: Any) -> None:  # noqa: ANN401 - import_files' own
        out = paths[0].parent.parent / "out.tape"
        self.report: ImportReport = import_files(paths, out, **options)
        self.tape = Tape.open(out, verify=True)

    def stream(self, label: str) -> Stream:
        """The stream of this label."""
        return next(stream for stream in self.tape.streams if stream.label == label)

    def columns(self, label: str, *names: str) -> list[list[Any]]:
        """Columns of a stream as lists."""
        stream = self.stream(label)
        return [stream.column(name).tolist() for name in names]

    def findings(self) -> dict[str, int]:
        """How often each check found something, without what was assumed or inferred."""
        return {
            finding.check: finding.count
            for finding in self.report.findings
            if not finding.check.startswith(("assumed", "inferred"))
        }
