"""Raw websocket frames of Binance USD-M futures: depth, trades and best prices of a symbol.

Each line is the local time of receipt in ns, a space and the JSON frame; an answer to a depth
request (`lastUpdateId`) stands between them. Venue time is T, the transaction's. The book is
synchronised as the venue prescribes: differences that end before the answer are dropped, and each
must follow on from the one before it.
"""

from __future__ import annotations

from array import array
from typing import Any, Final

import msgspec

from backtests.importers.raw import BOOK_MODES, BookMode, Family, Options, Parsed, Raw, Source
from backtests.importers.reading import floats, ints, lines, unreadable_rows
from backtests.tape.header import Finding
from backtests.tape.schema import Array, StreamKind
from engine.errors import DataError

VENUE: Final = "binance"

_Levels = list[tuple[str, str]]
_NO_LEVELS: Final[tuple[tuple[str, str], ...]] = ()


class _Data(msgspec.Struct):
    """One event; `b` and `a` are levels in a depth update and prices in a best-price update."""

    event: str = msgspec.field(name="e", default="")
    ms: int = msgspec.field(name="T", default=0)
    symbol: str = msgspec.field(name="s", default="")
    px: str = msgspec.field(name="p", default="")
    sz: str = msgspec.field(name="q", default="")
    trade_id: int = msgspec.field(name="t", default=0)
    is_buyer_maker: bool = msgspec.field(name="m", default=False)
    first_id: int = msgspec.field(name="U", default=0)
    last_id: int = msgspec.field(name="u", default=0)
    previous_id: int = msgspec.field(name="pu", default=0)
    bids: str | _Levels = msgspec.field(name="b", default="")
    asks: str | _Levels = msgspec.field(name="a", default="")
    bid_sz: str = msgspec.field(name="B", default="")
    ask_sz: str = msgspec.field(name="A", default="")


class _Frame(msgspec.Struct):
    """A frame of the stream, or the answer to a depth request when `answer_id` is not 0."""

    data: _Data | None = None
    answer_id: int = msgspec.field(name="lastUpdateId", default=0)
    ms: int = msgspec.field(name="T", default=0)
    bids: _Levels = msgspec.field(default_factory=list)
    asks: _Levels = msgspec.field(default_factory=list)


class _Columns:
    """Growing columns of one kind."""

    def __init__(self, **codes: str) -> None:
        self.columns: dict[str, array[Any]] = {name: array(code) for name, code in codes.items()}

    def append(self, *values: float) -> None:
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)

    def arrays(self) -> dict[str, Array]:
        return {
            name: ints(column) if column.typecode == "q" else floats(column)
            for name, column in self.columns.items()
        }


class _Book:
    """Depth differences put in step with the answers to depth requests."""

    def __init__(self) -> None:
        self.rows = _Columns(
            ts_venue_ns="q", ts_local_ns="q", seq="q", mode="q", ask_off="q", off="q"
        )
        self.changes = _Columns(chg_px="d", chg_sz="d")
        self.before_answer = 0
        self.jumps = 0
        self._last_id = 0
        self._waiting: list[tuple[int, _Data]] = []

    def on_answer(self, local_ns: int, frame: _Frame) -> None:
        """A whole book; differences that waited for it follow."""
        self._last_id = frame.answer_id
        times = frame.ms * 1_000_000, local_ns, frame.answer_id
        self._store(times, BookMode.WHOLE_AFTER_GAP, frame.bids, frame.asks)
        waiting, self._waiting = self._waiting, []
        for ts_ns, data in waiting:
            self._follow(max(ts_ns, local_ns), data)

    def on_difference(self, local_ns: int, data: _Data) -> None:
        """A difference; without a book yet it waits."""
        if self._last_id:
            self._follow(local_ns, data)
        else:
            self._waiting.append((local_ns, data))

    def _follow(self, local_ns: int, data: _Data) -> None:
        if data.last_id < self._last_id:
            self.before_answer += 1
            return
        # The first one after an answer spans it; every other names its predecessor.
        self.jumps += not (
            data.previous_id == self._last_id or data.first_id <= self._last_id <= data.last_id
        )
        self._last_id = data.last_id
        assert not isinstance(data.bids, str)
        assert not isinstance(data.asks, str)
        times = data.ms * 1_000_000, local_ns, data.last_id
        self._store(times, BookMode.CHANGES, data.bids, data.asks)

    def _store(
        self, times: tuple[int, int, int], mode: BookMode, bids: _Levels, asks: _Levels
    ) -> None:
        changes = self.changes.columns
        middle = 0
        for levels in (bids, asks):
            middle = len(changes["chg_px"])
            changes["chg_px"].extend([float(px) for px, _ in levels])
            changes["chg_sz"].extend([float(sz) for _, sz in levels])
        self.rows.append(*times, BOOK_MODES.index(mode), middle, len(changes["chg_px"]))

    def findings(self, source: Source) -> list[Finding]:
        """What synchronising the book had to do."""
        told = [
            ("differences before the book", self.before_answer, "dropped"),
            (
                "differences without a book",
                len(self._waiting),
                "dropped: the file has no book",
            ),
            (
                "sequence gaps",
                self.jumps,
                "updates are missing: the book is uncertain after",
            ),
        ]
        return [Finding(check, source.name, n, detail) for check, n, detail in told if n]


class _Recording:
    """All rows of one file, by kind."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.symbols: set[str] = set()
        self.others = 0
        self.book = _Book()
        self.quotes = _Columns(
            ts_venue_ns="q", ts_local_ns="q", bid_px="d", bid_sz="d", ask_px="d", ask_sz="d"
        )
        self.trades = _Columns(
            ts_venue_ns="q", ts_local_ns="q", px="d", sz="d", side="q", trade_id="q"
        )

    def take(self, local_ns: int, frame: _Frame) -> None:
        """One line of the file."""
        data = frame.data
        if data is None:
            if not frame.answer_id:
                raise ValueError("neither data nor lastUpdateId")
            self.book.on_answer(local_ns, frame)
            return
        self.symbols.add(data.symbol)
        venue_ns = data.ms * 1_000_000
        if data.event == "depthUpdate" and isinstance(data.bids, list):
            self.book.on_difference(local_ns, data)
        elif data.event == "bookTicker" and isinstance(data.bids, str):
            best = (data.bids, data.bid_sz, data.asks, data.ask_sz)
            self.quotes.append(venue_ns, local_ns, *(float(str(value)) for value in best))
        elif data.event == "trade":
            side = -1 if data.is_buyer_maker else 1
            sizes = float(data.px), float(data.sz)
            self.trades.append(venue_ns, local_ns, *sizes, side, data.trade_id)
        else:
            self.others += 1


def parse(source: Source, options: Options) -> Parsed:
    """Quotes, trades and the book of the one symbol that the file is about."""
    recording = _Recording(source)
    decoder = msgspec.json.Decoder(_Frame)
    rows, unreadable, first = 0, 0, 0
    for line in lines(source):
        rows += 1
        local, _, text = line.partition(" ")
        try:
            recording.take(int(local), decoder.decode(text))
        except (ValueError, msgspec.MsgspecError):
            unreadable += 1
            first = first or rows
    findings = unreadable_rows(source, unreadable, first) + recording.book.findings(source)
    if recording.others:
        detail = "dropped: no depth, trade or best price"
        findings.append(Finding("other frames", source.name, recording.others, detail))
    if len(recording.symbols) != 1:
        raise DataError(
            f"{source.path}: symbols {sorted(recording.symbols)[:3]}, expected exactly one"
        )
    return Parsed(_raws(recording, options), rows, findings)


def _raws(recording: _Recording, options: Options) -> list[Raw]:
    book = recording.book.rows.arrays() | recording.book.changes.arrays()
    book["off"] = ints(array("q", [0, *book["off"].tolist()]))
    by_kind = {
        StreamKind.QUOTE: recording.quotes.arrays(),
        StreamKind.TRADE: recording.trades.arrays(),
        StreamKind.BOOK: book,
    }
    return [
        Raw(
            kind=kind,
            coin=options.coin or next(iter(recording.symbols)),
            venue=options.venue or VENUE,
            family=Family.OTHER,
            rows=rows,
            file=recording.source.name,
        )
        for kind, rows in by_kind.items()
        if len(rows["ts_venue_ns"])
    ]
