"""From raw books to a book stream: levels onto the grid, rows in the order of their updates.

A book's rows are never sorted, as each builds on the one before: a time that goes back is raised to
the one before it. Levels off the grid and whole books that are crossed or come twice are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backtests.importers.checks import running_max, scaled
from backtests.importers.raw import BOOK_MODES, BookMode, Raw
from backtests.tape.building import BookBuilder, Update
from backtests.tape.gaps import gap_threshold_ns, median_step_ns
from backtests.tape.header import Finding
from backtests.tape.schema import Array, StreamKind
from backtests.tape.stream import Stream
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_S


def clean_book(
    raws: Sequence[Raw], instrument: Instrument, label: str
) -> tuple[Stream, list[int], list[Finding]]:
    """One book from the books of several files, how many rows of each it kept, and what was found.

    Files follow each other by their first row, and each begins with a snapshot.
    """
    cleaner = _BookCleaner(instrument)
    kept = [0] * len(raws)
    for at in sorted(range(len(raws)), key=lambda i: int(raws[i].rows["ts_venue_ns"][0])):
        kept[at] = cleaner.take(raws[at])
    return cleaner.builder.stream(), kept, cleaner.findings(label)


class _BookCleaner:
    """Takes one raw book after the other."""

    def __init__(self, instrument: Instrument) -> None:
        self.builder = BookBuilder(instrument)
        self.grid = instrument.grid
        self.counts: dict[str, int] = {}
        self.longest_ns = 0
        self._stamps = (0, 0)
        self._seq = -1

    def take(self, raw: Raw) -> int:
        """Add the rows of one file, and return how many were kept."""
        venue, local = self._raised(raw)
        steps = np.diff(venue)
        gaps = steps > gap_threshold_ns(StreamKind.BOOK, 0, median_step_ns(steps))
        self._count("gaps", int(gaps.sum()))
        self.longest_ns = max(self.longest_ns, int(steps[gaps].max(initial=0)))
        is_gap = np.concatenate(([True], gaps))
        kept = 0
        is_begun = False
        for i, (mode, (bids, asks)) in enumerate(zip(_modes(raw), self._levels(raw), strict=True)):
            update = Update(int(venue[i]), int(local[i]), int(raw.rows["seq"][i]), bids, asks)
            is_kept = self._add(update, mode, is_begun=is_begun, is_gap=bool(is_gap[i]))
            is_begun |= is_kept
            kept += is_kept
            if is_kept:
                self._seq = update.seq
        if raw.n:
            self._stamps = int(venue[-1]), int(local[-1])
        return kept

    def _add(self, update: Update, mode: BookMode, *, is_begun: bool, is_gap: bool) -> bool:
        if mode is BookMode.CHANGES:
            if is_begun:
                self.builder.add_changes(update)
            else:
                self._count("changes before a book", 1)
            return is_begun
        if update.seq == self._seq:
            self._count("repeated books", 1)
            return False
        is_new = not is_begun or is_gap or mode is BookMode.WHOLE_AFTER_GAP
        is_kept = self.builder.add_book(update, is_after_gap=is_new)
        self._count("crossed or locked books", not is_kept)
        return is_kept

    def _raised(self, raw: Raw) -> tuple[Array, Array]:
        """Both times, never going back; also not behind the file before."""
        times = []
        for name, least in zip(("ts_venue_ns", "ts_local_ns"), self._stamps, strict=True):
            values = raw.rows[name]
            raised = running_max(np.maximum(values, least))
            self._count(f"{name} going back", int((raised > values).sum()))
            times.append(raised)
        return times[0], times[1]

    def _levels(self, raw: Raw) -> Iterator[tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
        """For each row its bids and asks as (ticks, lots)."""
        px, sz = raw.rows["chg_px"], raw.rows["chg_sz"]
        is_real = np.isfinite(px) & np.isfinite(sz) & (px > 0) & (sz >= 0)
        self._count("levels that are no levels", len(px) - int(is_real.sum()))
        ticks, is_on_grid = scaled(np.where(is_real, px, 0.0), self.grid.px_scale)
        self._count("off-grid prices", int((is_real & ~is_on_grid).sum()))
        lots, is_exact = scaled(np.where(is_real, sz, 0.0), self.grid.sz_scale)
        self._count("off-grid sizes", int((is_real & ~is_exact).sum()))
        keep = is_real & is_on_grid
        before = np.concatenate(([0], np.cumsum(keep)))
        levels = list(zip(ticks[keep].tolist(), lots[keep].tolist(), strict=True))
        offs = before[raw.rows["off"]].tolist()
        ask_offs = before[raw.rows["ask_off"]].tolist()
        for i, ask_off in enumerate(ask_offs):
            yield levels[offs[i] : ask_off], levels[ask_off : offs[i + 1]]

    def _count(self, check: str, n: int) -> None:
        self.counts[check] = self.counts.get(check, 0) + n

    def findings(self, label: str) -> list[Finding]:
        """What was found in all files."""
        details = {
            "gaps": f"left open; the longest is {self.longest_ns / NS_PER_S:.3f} s",
            "ts_venue_ns going back": "raised to the row before",
            "ts_local_ns going back": "raised to the row before",
            "off-grid sizes": "rounded to the nearest lot",
        }
        self._count("levels crossed by an update", self.builder.removed)
        return [
            Finding(check, label, n, details.get(check, "dropped"))
            for check, n in self.counts.items()
            if n
        ]


def _modes(raw: Raw) -> list[BookMode]:
    return [BOOK_MODES[mode] for mode in raw.rows["mode"].tolist()]
