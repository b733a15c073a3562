"""What a file says before it is put on a grid: float prices and sizes, integer times.

A parser makes these and judges nothing but whether a row can be read; `cleaning` judges the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from backtests.tape.header import Finding
from backtests.tape.schema import Array, StreamKind


class Family(StrEnum):
    """Whose rules the grid of prices and sizes follows."""

    HYPERLIQUID = "hyperliquid"
    OTHER = "other"


class BookMode(StrEnum):
    """What one row of a raw book is."""

    CHANGES = "changes"
    WHOLE = "whole"
    WHOLE_AFTER_GAP = "whole after gap"


BOOK_MODES: Final = (BookMode.CHANGES, BookMode.WHOLE, BookMode.WHOLE_AFTER_GAP)

# The float columns of each kind: prices, then sizes.
PX: Final = {
    StreamKind.QUOTE: ("bid_px", "ask_px"),
    StreamKind.TRADE: ("px",),
    StreamKind.BOOK: ("chg_px",),
    StreamKind.BAR: ("open", "high", "low", "close"),
    StreamKind.FUNDING: (),
}
SZ: Final = {
    StreamKind.QUOTE: ("bid_sz", "ask_sz"),
    StreamKind.TRADE: ("sz",),
    StreamKind.BOOK: ("chg_sz",),
    StreamKind.BAR: ("volume",),
    StreamKind.FUNDING: (),
}


class Raw(msgspec.Struct, kw_only=True):
    """The rows of one kind about one coin in one file.

    `rows` has ts_venue_ns and ts_local_ns (int64), the kind's columns of `PX` and `SZ`, and
    - trade: side (1 or -1), trade_id;
    - book: seq, mode (of `BOOK_MODES`), off (one more), ask_off, and by change chg_px, chg_sz;
    - funding: rate.
    `is_live` says that ts_local_ns is the clock of whoever recorded it.
    """

    kind: StreamKind
    coin: str
    venue: str
    family: Family
    rows: dict[str, Array]
    interval_ns: int = 0
    is_live: bool = True
    file: str = ""

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.rows["ts_venue_ns"])


class Parsed(msgspec.Struct):
    """One file, read: its rows by kind, how many lines of data it had, and what the parser saw."""

    raws: list[Raw]
    rows_in: int
    findings: list[Finding]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may state because a file cannot.

    `coin` and `venue` override what the file or its name says. `volume_unit` "quote" divides a
    candle's volume by its close. `utc_offset_hours` is the zone of written dates (None: guessed).
    """

    coin: str = ""
    venue: str = ""
    volume_unit: str = "base"
    utc_offset_hours: float | None = None


Parser = Callable[["Source", Options], Parsed]


class Source(msgspec.Struct, frozen=True):
    """A file to read: its path as text, and its name without the folder."""

    path: str
    name: str
