"""From raw rows to a stream: onto the grid, in order of venue time, without the impossible.

Dropped and counted: rows that are not numbers, prices of 0 or less or off the grid, sizes of 0 or
less, repeated rows (a trade's by its id, a bar's or a rate's by its time), crossed or locked quotes
and books. Sizes off the grid are rounded. Rows out of order are sorted; a local time that then goes
back is raised to the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from backtests.importers.books import clean_book
from backtests.importers.checks import running_max, scaled
from backtests.importers.raw import PX, Raw
from backtests.tape.gaps import find_gaps
from backtests.tape.header import Finding
from backtests.tape.schema import COLUMNS, Array, StreamKind
from backtests.tape.stream import Stream
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_S, PPB

Rows = dict[str, Array]


class Cleaned:
    """A stream, how many rows of each raw it kept, and what was found."""

    def __init__(self, stream: Stream, kept: list[int], findings: list[Finding]) -> None:
        self.stream = stream
        self.kept = kept
        self.findings = findings


class _Cleaner:
    """Rows on their way into a stream; every method that drops or mends says so."""

    def __init__(self, label: str, rows: Rows) -> None:
        self.label = label
        self.rows = rows
        self.findings: list[Finding] = []

    def tell(self, check: str, count: int, detail: str) -> None:
        """Note what was found, when it was found at all."""
        if count:
            self.findings.append(Finding(check, self.label, int(count), detail))

    def keep(self, ok: Array, check: str, detail: str = "dropped") -> None:
        """Drop the rows that are not ok."""
        dropped = len(ok) - int(ok.sum())
        if dropped:
            self.rows = {name: values[ok] for name, values in self.rows.items()}
            self.tell(check, dropped, detail)

    def to_ticks(self, name: str, ticks: str, scale: int) -> None:
        """Replace a column of prices by ticks, dropping rows whose price is not on the grid."""
        values, exact = scaled(self.rows.pop(name), scale)
        self.rows[ticks] = values
        self.keep(exact, "off-grid prices")

    def to_lots(self, name: str, lots: str, scale: int, *, is_told: bool = True) -> None:
        """Replace a column of sizes by lots, rounding to the nearest."""
        values, exact = scaled(self.rows.pop(name), scale)
        self.rows[lots] = values
        if is_told:
            self.tell("off-grid sizes", len(exact) - int(exact.sum()), "rounded to the nearest lot")

    def keep_first(self, keys: Sequence[str], check: str) -> None:
        """Drop rows whose keys another row had before, in the order of the input."""
        values = [self.rows[key] for key in keys]
        _, first = np.unique(np.stack(values, axis=1), axis=0, return_index=True)
        ok = np.zeros(len(values[0]), bool)
        ok[first] = True
        self.keep(ok, check)

    def sort(self) -> None:
        """Order rows by venue time, rows of one time as they came."""
        venue = self.rows["ts_venue_ns"]
        late = int((venue < running_max(venue)).sum())
        if late:
            order = np.argsort(venue, kind="stable")
            self.rows = {name: values[order] for name, values in self.rows.items()}
            self.tell("out-of-order rows", late, "sorted by venue time")

    def raise_local(self) -> None:
        """Make local time never go back."""
        local = self.rows["ts_local_ns"]
        raised = running_max(local)
        self.tell("local times going back", int((raised > local).sum()), "raised to the row before")
        self.rows["ts_local_ns"] = raised


def clean(raws: Sequence[Raw], instrument: Instrument) -> Cleaned:
    """One stream from raws of one kind, coin and interval, and what was found on the way."""
    kind, interval_ns = raws[0].kind, raws[0].interval_ns
    label = f"{kind} {instrument.id}" + (f" {interval_ns // NS_PER_S}s" if interval_ns else "")
    if kind is StreamKind.BOOK:
        stream, kept, findings = clean_book(raws, instrument, label)
        return Cleaned(stream, kept, findings)
    names = list(raws[0].rows)
    rows = {name: np.concatenate([raw.rows[name] for raw in raws]) for name in names}
    rows["file"] = np.repeat(np.arange(len(raws)), [raw.n for raw in raws])
    cleaner = _Cleaner(label, rows)
    _drop_unreal(cleaner, kind)
    _RULES[kind](cleaner, instrument)
    cleaner.sort()
    cleaner.raise_local()
    kept = np.bincount(cleaner.rows["file"], minlength=len(raws)).tolist()
    columns = {spec.name: cleaner.rows[spec.name] for spec in COLUMNS[kind]}
    stream = Stream.from_columns(kind, instrument, columns, interval_ns)
    _tell_gaps(cleaner, stream)
    return Cleaned(stream, kept, cleaner.findings)


def _drop_unreal(cleaner: _Cleaner, kind: StreamKind) -> None:
    floats = [values for values in cleaner.rows.values() if values.dtype.kind == "f"]
    cleaner.keep(
        np.logical_and.reduce([np.isfinite(v) for v in floats]), "rows that are no numbers"
    )
    prices = [cleaner.rows[name] > 0 for name in PX[kind]]
    if prices:
        cleaner.keep(np.logical_and.reduce(prices), "prices of zero or less")


def _quotes(cleaner: _Cleaner, instrument: Instrument) -> None:
    grid = instrument.grid
    for side in ("bid", "ask"):
        cleaner.to_ticks(f"{side}_px", f"{side}_ticks", grid.px_scale)
        cleaner.to_lots(f"{side}_sz", f"{side}_lots", grid.sz_scale)
        cleaner.keep(cleaner.rows[f"{side}_lots"] > 0, "sizes of zero or less")
    bid, ask = cleaner.rows["bid_ticks"], cleaner.rows["ask_ticks"]
    cleaner.keep(bid < ask, "crossed or locked quotes")


def _trades(cleaner: _Cleaner, instrument: Instrument) -> None:
    grid = instrument.grid
    cleaner.to_ticks("px", "px_ticks", grid.px_scale)
    cleaner.to_lots("sz", "sz_lots", grid.sz_scale)
    cleaner.keep(cleaner.rows["sz_lots"] > 0, "sizes of zero or less")
    cleaner.keep_first(["trade_id"], "repeated trade ids")


def _bars(cleaner: _Cleaner, instrument: Instrument) -> None:
    grid = instrument.grid
    for name in PX[StreamKind.BAR]:
        cleaner.to_ticks(name, f"{name}_ticks", grid.px_scale)
    cleaner.to_lots("volume", "volume_lots", grid.sz_scale, is_told=False)
    cleaner.keep(cleaner.rows["volume_lots"] >= 0, "negative volumes")
    rows = cleaner.rows
    low, high = rows["low_ticks"], rows["high_ticks"]
    body = (rows["open_ticks"], rows["close_ticks"])
    inside = [(low <= px) & (px <= high) for px in body]
    cleaner.keep(inside[0] & inside[1], "bars that do not enclose their open and close")
    cleaner.keep_first(["ts_venue_ns"], "repeated bars")


def _fundings(cleaner: _Cleaner, instrument: Instrument) -> None:
    del instrument  # rates need no grid
    rates = cleaner.rows.pop("rate")
    cleaner.rows["rate_ppb"] = np.rint(rates * PPB).astype(np.int64)
    cleaner.keep(np.abs(rates) <= 1, "rates above 1")
    cleaner.keep_first(["ts_venue_ns", "rate_ppb"], "repeated rates")
    cleaner.keep_first(["ts_venue_ns"], "contradicting rates")


_RULES: Final[dict[StreamKind, Callable[[_Cleaner, Instrument], None]]] = {
    StreamKind.QUOTE: _quotes,
    StreamKind.TRADE: _trades,
    StreamKind.BAR: _bars,
    StreamKind.FUNDING: _fundings,
}


def _tell_gaps(cleaner: _Cleaner, stream: Stream) -> None:
    gaps = find_gaps(stream)
    longest = f"the longest is {gaps.longest_ns / NS_PER_S:.3f} s"
    if stream.kind is StreamKind.BAR:
        cleaner.tell("missing bars", gaps.missing, f"left out; {longest}")
    elif stream.kind is StreamKind.FUNDING:
        cleaner.tell("late or missing settlements", gaps.count, f"left as they are; {longest}")
    else:
        cleaner.tell("gaps", gaps.count, f"left open; {longest}")
