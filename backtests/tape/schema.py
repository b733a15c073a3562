"""What a tape may hold: the kinds of stream and, for each, its typed columns.

Nothing else of the format lives here.

All columns are little-endian. Prices are ticks and sizes lots of the stream's instrument; a missing
side of a quote has price and size 0. A column has one value for each row, for each row and one more
(`off`), or for each change of a book.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
IntArray = NDArray[np.int64]


class StreamKind(StrEnum):
    """What one stream tells about its instrument."""

    QUOTE = "quote"
    TRADE = "trade"
    BOOK = "book"
    BAR = "bar"
    CONTEXT = "context"
    FUNDING = "funding"


class Span(StrEnum):
    """What a column has one value for."""

    ROW = "row"
    OFFSET = "offset"
    CHANGE = "change"


class ColumnSpec(msgspec.Struct, frozen=True):
    """One column: its name, its numpy type, and what it has one value for."""

    name: str
    dtype: str = "<i8"
    span: Span = Span.ROW


def _ints(*names: str) -> tuple[ColumnSpec, ...]:
    return tuple(ColumnSpec(name) for name in names)


def _floats(*names: str) -> tuple[ColumnSpec, ...]:
    return tuple(ColumnSpec(name, "<f8") for name in names)


TIMES: Final = _ints("ts_venue_ns", "ts_local_ns")
TOP: Final = _ints("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")

COLUMNS: Final[dict[StreamKind, tuple[ColumnSpec, ...]]] = {
    StreamKind.QUOTE: (*TIMES, *TOP),
    StreamKind.TRADE: (
        *TIMES,
        *_ints("px_ticks", "sz_lots"),
        ColumnSpec("side", "|i1"),
        *_ints("trade_id"),
    ),
    StreamKind.BOOK: (
        *TIMES,
        *_ints("seq"),
        ColumnSpec("is_snapshot", "|i1"),
        ColumnSpec("off", span=Span.OFFSET),
        *_ints("ask_off"),
        *TOP,
        ColumnSpec("chg_ticks", span=Span.CHANGE),
        ColumnSpec("chg_lots", span=Span.CHANGE),
    ),
    StreamKind.BAR: (
        *TIMES,
        *_ints("open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume_lots"),
    ),
    StreamKind.CONTEXT: (*TIMES, *_floats("mark_px", "oracle_px", "funding_rate", "open_interest")),
    StreamKind.FUNDING: (*TIMES, *_ints("rate_ppb")),
}

# The order of streams in a tape, which is the order of their events at equal stamps.
TIE_ORDER: Final = (
    StreamKind.FUNDING,
    StreamKind.CONTEXT,
    StreamKind.TRADE,
    StreamKind.BOOK,
    StreamKind.QUOTE,
    StreamKind.BAR,
)

FILE_SUFFIX: Final = {"<i8": ".i64", "|i1": ".i8", "<f8": ".f64"}


def specs_by_name(kind: StreamKind) -> dict[str, ColumnSpec]:
    """The columns of a kind, by name, in the order of the format."""
    return {spec.name: spec for spec in COLUMNS[kind]}
