"""The rules every stream keeps, checked in blocks so that a mapped one stays on disk.

- Both times never go back within a stream.
- Sizes are positive; a missing side of a quote or of a book's top has price and size 0; bid below
  ask.
- Offsets of a book's changes never go back, and its first row is a snapshot.
- A bar's low and high enclose its open and close.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from backtests.tape.schema import COLUMNS, Array, Span, StreamKind
from engine.errors import DataError

_BLOCK_ROWS: Final = 1 << 18


class Columns(Protocol):
    """What is checked: the columns of one whole stream."""

    @property
    def kind(self) -> StreamKind:
        """The kind of stream."""

    @property
    def interval_ns(self) -> int:
        """The interval of its bars, else 0."""

    @property
    def n(self) -> int:
        """How many rows it has."""

    @property
    def label(self) -> str:
        """How an error names it."""

    def window(self, name: str, start: int, stop: int) -> Array:
        """Values start..stop of a column."""

    def size(self, name: str) -> int:
        """How many values a column has."""


def check_stream(columns: Columns) -> None:
    """Raise DataError naming stream, row, value and rule, unless every rule holds."""
    _check_interval(columns)
    check_sizes(columns)
    for start in range(0, columns.n, _BLOCK_ROWS):
        block = _Block(columns, start, min(columns.n, start + _BLOCK_ROWS))
        block.never_goes_back("ts_venue_ns")
        block.never_goes_back("ts_local_ns")
        _RULES[columns.kind](block)


def check_sizes(columns: Columns) -> None:
    """Raise DataError unless every column has as many values as the rows and changes ask for."""
    n = columns.n
    expected = {Span.ROW: n, Span.OFFSET: n + 1, Span.CHANGE: 0}
    if columns.kind is StreamKind.BOOK:
        _check_ends(columns)
        expected[Span.CHANGE] = int(columns.window("off", n, n + 1)[0])
    for spec in COLUMNS[columns.kind]:
        size = columns.size(spec.name)
        if size != expected[spec.span]:
            raise DataError(
                f"{columns.label}: column {spec.name} has {size} values,"
                f" expected {expected[spec.span]}"
            )


class _Block:
    """Rows start..stop of a stream, and what to say when one breaks a rule."""

    def __init__(self, columns: Columns, start: int, stop: int) -> None:
        self.columns = columns
        self.start = start
        self.stop = stop

    def __getitem__(self, name: str) -> Array:
        return self.columns.window(name, self.start, self.stop)

    def expect(self, name: str, ok: Array, expected: str) -> None:
        """Raise DataError at the first row where `ok` does not hold."""
        if ok.all():
            return
        at = int(ok.argmin())
        raise DataError(
            f"{self.columns.label}: row {self.start + at}: {name} is {self[name][at]},"
            f" expected {expected}"
        )

    def never_goes_back(self, name: str) -> None:
        """Each value is at least the one before it, across blocks too."""
        first = max(0, self.start - 1)
        values = self.columns.window(name, first, self.stop)
        ok = np.ones(self.stop - self.start, bool)
        ok[1 - (self.start - first) :] = values[1:] >= values[:-1]
        self.expect(name, ok, "at least the row before it")


def _check_interval(columns: Columns) -> None:
    is_bar = columns.kind is StreamKind.BAR
    if is_bar != (columns.interval_ns > 0):
        expected = "a positive interval" if is_bar else "0, as only bars have one"
        raise DataError(
            f"{columns.label}: interval_ns is {columns.interval_ns}, expected {expected}"
        )


def _check_ends(columns: Columns) -> None:
    if columns.size("off") != columns.n + 1:
        raise DataError(
            f"{columns.label}: column off has {columns.size('off')} values,"
            f" expected {columns.n + 1}"
        )
    first = int(columns.window("off", 0, 1)[0])
    if first != 0:
        raise DataError(f"{columns.label}: off starts at {first}, expected 0")


def _quote_rule(block: _Block) -> None:
    bid, ask = block["bid_ticks"], block["ask_ticks"]
    for side in ("bid", "ask"):
        lots = block[f"{side}_lots"]
        block.expect(f"{side}_lots", lots >= 0, "a size of 0 or more")
        block.expect(
            f"{side}_ticks",
            (block[f"{side}_ticks"] > 0) == (lots > 0),
            "a positive price with a positive size, or both 0",
        )
    block.expect("bid_ticks", (bid < ask) | (ask == 0), "less than ask_ticks")


def _trade_rule(block: _Block) -> None:
    block.expect("px_ticks", block["px_ticks"] > 0, "a positive price")
    block.expect("sz_lots", block["sz_lots"] > 0, "a positive size")
    side = block["side"]
    block.expect("side", (side == 1) | (side == -1), "1 (buy) or -1 (sell)")


def _book_rule(block: _Block) -> None:
    _quote_rule(block)
    flag = block["is_snapshot"]
    block.expect("is_snapshot", (flag == 0) | (flag == 1), "0 or 1")
    if block.start == 0:
        block.expect(
            "is_snapshot", np.concatenate((flag[:1] == 1, flag[1:] >= 0)), "1, being first"
        )
    off = block.columns.window("off", block.start, block.stop + 1)
    ask_off = block["ask_off"]
    block.expect("off", off[1:] >= off[:-1], "at most the next row's")
    block.expect(
        "ask_off", (off[:-1] <= ask_off) & (ask_off <= off[1:]), "between this off and the next"
    )
    low, high = int(off[0]), int(off[-1])
    ticks = block.columns.window("chg_ticks", low, high)
    lots = block.columns.window("chg_lots", low, high)
    if (ticks <= 0).any() or (lots < 0).any():
        at = int(((ticks <= 0) | (lots < 0)).argmax())
        raise DataError(
            f"{block.columns.label}: change {low + at} is {lots[at]} lots at {ticks[at]} ticks,"
            " expected a positive price and a size of 0 or more"
        )


def _bar_rule(block: _Block) -> None:
    low, high = block["low_ticks"], block["high_ticks"]
    block.expect("low_ticks", low > 0, "a positive price")
    for name in ("open_ticks", "close_ticks"):
        px = block[name]
        block.expect(name, (low <= px) & (px <= high), "between low_ticks and high_ticks")
    block.expect("volume_lots", block["volume_lots"] >= 0, "0 or more")


def _context_rule(block: _Block) -> None:
    for name in ("mark_px", "oracle_px"):
        px = block[name]
        block.expect(name, np.isfinite(px) & (px > 0), "a positive price")
    block.expect("funding_rate", np.isfinite(block["funding_rate"]), "a finite rate")
    interest = block["open_interest"]
    block.expect("open_interest", np.isfinite(interest) & (interest >= 0), "0 or more")


def _funding_rule(block: _Block) -> None:
    rate = block["rate_ppb"]
    block.expect("rate_ppb", np.abs(rate) <= 10**9, "a rate of at most 1 (1000000000)")


_RULES: Final = {
    StreamKind.QUOTE: _quote_rule,
    StreamKind.TRADE: _trade_rule,
    StreamKind.BOOK: _book_rule,
    StreamKind.BAR: _bar_rule,
    StreamKind.CONTEXT: _context_rule,
    StreamKind.FUNDING: _funding_rule,
}
