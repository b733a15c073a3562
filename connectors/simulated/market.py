"""The venue's market, played in venue time: generated piece by piece, or a tape.

A source makes segments of rows; the player hands each row over at its own time, in small batches.
Generation happens in a thread, well before its rows are due. A row that is handed over late is
counted, and said when it is much too late: a market never falls behind in silence.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from backtests.drive.rows import PLAIN, merged
from backtests.generator import Settings, generate_market, instrument
from backtests.models.queue import QueueRule, queue_rule_for
from backtests.tape import Stream, StreamKind, Tape
from connectors.simulated.clock import VenueClock
from engine.errors import DataError
from engine.model.events import MarketEvent
from engine.model.instruments import Instrument, MarginTier
from engine.model.units import MONEY_SCALE, NS_PER_HOUR, NS_PER_MS, NS_PER_S

FIRST_S: Final = 60.0
SEGMENT_S: Final = 120.0
AHEAD_NS: Final = 30 * NS_PER_S
LATE_MS_SAID: Final = 250.0

# Coins whose margin falls with size: (notional in USD from which, leverage) (protocol 7.1).
_TIERS: Final = {
    "BTC": ((0, 40), (150_000_000, 20)),
    "ETH": ((0, 25), (100_000_000, 15)),
    "SOL": ((0, 20), (70_000_000, 10)),
    "XRP": ((0, 20), (40_000_000, 10)),
}

Block = list[MarketEvent]
InThread = Callable[[Callable[[], "Iterator[Block] | None"]], Awaitable["Iterator[Block] | None"]]


class Source(Protocol):
    """Where a market's rows come from, in the order of venue time."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """What is listed, in the order of asset ids."""
        ...

    @property
    def queue(self) -> Mapping[str, QueueRule]:
        """How resting orders are filled on each instrument."""
        ...

    @property
    def end_ns(self) -> int:
        """Where in venue time the segments made so far end."""
        ...

    def segment(self) -> Iterator[Block] | None:
        """The next rows as blocks; None when there are no more. May take a while."""
        ...


def listed(coins: Sequence[str]) -> tuple[Instrument, ...]:
    """The instruments of a generated market, with the venue's margin tiers where known."""
    found = []
    for asset, coin in enumerate(coins):
        one = replace(instrument(coin), asset=asset)
        if coin in _TIERS:
            tiers = tuple(MarginTier(usd * MONEY_SCALE, most) for usd, most in _TIERS[coin])
            one = replace(one, margin_tiers=tiers)
        found.append(one)
    return tuple(found)


class GeneratedSource:
    """A seeded market without an end: each segment goes on where the one before it stopped.

    The first begins `history_s` before `start_ns` (a full millisecond).
    """

    def __init__(
        self,
        seed: int,
        instruments: Sequence[Instrument],
        start_ns: int,
        *,
        history_s: float = 0.0,
        settings: Settings | None = None,
    ) -> None:
        self.instruments = tuple(instruments)
        self.queue: dict[str, QueueRule] = dict.fromkeys([one.id for one in instruments], "trades")
        self._seed = seed
        self._settings = settings
        self._made = 0
        self._next_ns = start_ns - int(history_s) * NS_PER_S
        self._first_s = int(history_s) + FIRST_S
        self._px: dict[str, float] = {}

    @property
    def end_ns(self) -> int:
        """Where the next segment will begin."""
        return self._next_ns

    def segment(self) -> Iterator[Block]:
        """The next minute or two."""
        duration_s = SEGMENT_S if self._made else self._first_s
        start_ns = self._next_ns
        streams = generate_market(
            (self._seed << 20) + self._made,
            self.instruments,
            duration_s,
            start_ns=start_ns,
            start_px=self._px,
            settings=self._settings,
        )
        kept = [stream for stream in streams if _is_played(stream, has_book=True)]
        for stream in kept:
            if stream.kind is StreamKind.BOOK:
                self._px[stream.instrument.coin] = _last_mid(stream)
        self._next_ns = start_ns + round(duration_s * NS_PER_S)
        self._made += 1
        rows = merged(list(Tape.in_memory(kept).streams), PLAIN, "ts_venue_ns", 0)
        return iter(list(rows))  # built here, off the event loop


class TapeSource:
    """A tape, its times moved by whole hours so that it begins within the hour before `now_ns`.

    `start_ns` is where its first row then lies. Raises DataError when the folder is no tape or the
    tape is empty.
    """

    def __init__(self, path: Path, now_ns: int) -> None:
        tape = Tape.open(path)
        books = {s.instrument.id for s in tape.streams if s.kind is StreamKind.BOOK and s.n}
        self._streams = [
            stream
            for stream in tape.streams
            if stream.n and _is_played(stream, has_book=stream.instrument.id in books)
        ]
        if not self._streams:
            raise DataError(f"{path}: no rows, expected a market to play")
        first_ns = min(int(s.window("ts_venue_ns", 0, 1)[0]) for s in self._streams)
        self._shift_ns = (now_ns - first_ns) // NS_PER_HOUR * NS_PER_HOUR
        self.start_ns = first_ns + self._shift_ns
        ids = sorted({stream.instrument.id for stream in self._streams})
        self.instruments = tuple(
            replace(tape.instruments[where], asset=asset) for asset, where in enumerate(ids)
        )
        traded = {s.instrument.id for s in self._streams if s.kind is StreamKind.TRADE}
        self.queue = {where: queue_rule_for(has_trades=where in traded) for where in ids}
        self._is_played = False

    @property
    def end_ns(self) -> int:
        """Nowhere yet: the one segment there is says by itself that it is over."""
        return 0

    def segment(self) -> Iterator[Block] | None:
        """The whole tape, once."""
        if self._is_played:
            return None
        self._is_played = True
        return self._shifted()

    def _shifted(self) -> Iterator[Block]:
        shift_ns = self._shift_ns
        for block in merged(self._streams, PLAIN, "ts_venue_ns", 0):
            yield [
                replace(
                    event,
                    ts_venue_ns=event.ts_venue_ns + shift_ns,
                    ts_local_ns=event.ts_local_ns + shift_ns,
                )
                for event in block
            ]


class MarketPlayer:
    """Hands a source's rows to `play` when the venue's clock says so.

    `late_ms_max` is the longest a row was handed over after its time; `is_over` says that the
    source has no more rows. `in_thread` runs a slow function elsewhere; tests in virtual time give
    one that does not.
    """

    def __init__(
        self,
        source: Source,
        clock: VenueClock,
        play: Callable[[Block], None],
        *,
        tick_s: float,
        in_thread: InThread = asyncio.to_thread,
    ) -> None:
        self.late_ms_max = 0.0
        self.is_over = False
        self._source = source
        self._clock = clock
        self._play = play
        self._tick_s = tick_s
        self._in_thread = in_thread
        self._blocks: Iterator[Block] = iter(())
        self._rows: deque[MarketEvent] = deque()
        self._is_exhausted = False
        self._loading: asyncio.Task[Iterator[Block] | None] | None = None
        self._log = structlog.get_logger("venue.market")

    async def start(self) -> None:
        """Make the first segment, and play what of it has happened already."""
        self._take(await self._in_thread(self._source.segment))
        while due := self._due(self._clock.now_ns()):
            self._play(due)

    def catch_up(self) -> None:
        """Play what is due now, without waiting for the next tick."""
        due = self._due(self._clock.now_ns())
        if due:
            self._play(due)

    async def run(self) -> None:
        """Play until cancelled, or until a tape is over."""
        try:
            while not self.is_over:
                await asyncio.sleep(self._tick_s)
                now_ns = self._clock.now_ns()
                due = self._due(now_ns)
                if due:
                    self._note_lateness(now_ns - due[0].ts_venue_ns)
                    self._play(due)
                await self._look_ahead(now_ns)
        finally:
            if self._loading is not None:
                self._loading.cancel()
                await asyncio.gather(self._loading, return_exceptions=True)

    def _due(self, now_ns: int) -> Block:
        rows, due = self._rows, []
        while True:
            while rows and rows[0].ts_venue_ns <= now_ns:
                due.append(rows.popleft())
            block = None if rows else next(self._blocks, None)
            if block is None:
                return due
            rows.extend(block)

    async def _look_ahead(self, now_ns: int) -> None:
        """Begin the next segment in time; wait for it only when nothing is left to play."""
        if self._is_exhausted:
            if not self._rows:
                self.is_over = True
                self._log.warning("the tape is over: prices stay as they are")
            return
        if self._loading is None and self._source.end_ns - now_ns < AHEAD_NS:
            self._loading = asyncio.ensure_future(self._in_thread(self._source.segment))
        if self._loading is not None and (self._loading.done() or not self._rows):
            blocks = await self._loading
            self._loading = None
            self._take(blocks)

    def _take(self, blocks: Iterator[Block] | None) -> None:
        if blocks is None:
            self._is_exhausted = True
        else:
            # What is left of the old segment comes before the new one's rows.
            self._blocks = _chained(self._blocks, blocks)

    def _note_lateness(self, late_ns: int) -> None:
        late_ms = late_ns / NS_PER_MS
        if late_ms > max(LATE_MS_SAID, 2 * self.late_ms_max):
            self._log.warning("the market is played late", late_ms=round(late_ms))
        self.late_ms_max = max(self.late_ms_max, late_ms)


def _chained(first: Iterator[Block], then: Iterator[Block]) -> Iterator[Block]:
    yield from first
    yield from then


def _is_played(stream: Stream, *, has_book: bool) -> bool:
    """Whether the exchange needs a stream: trades, contexts, funding and the best source."""
    return stream.kind not in {StreamKind.QUOTE, StreamKind.BAR} or not has_book


def _last_mid(book: Stream) -> float:
    row = book.n - 1
    bid, ask = (int(book.window(name, row, row + 1)[0]) for name in ("bid_ticks", "ask_ticks"))
    return (bid + ask) / 2 / book.instrument.grid.px_scale
