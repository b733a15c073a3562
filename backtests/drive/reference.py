"""The reference driver: every row, one event at a time. The truth the other is held to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from backtests.drive.rows import PLAIN, merged
from backtests.drive.session import MARKET_AT_ENGINE, Session
from backtests.tape import Stream
from engine.model.events import MarketEvent

_NEVER: Final = 1 << 63


def run_reference(
    session: Session,
    *,
    exchange_streams: list[Stream],
    feed_streams: list[Stream],
    feed_ns: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Run every row through the exchange and the engine, in the order of the house.

    `progress` is called with the newest local stamp after each block.
    """
    rows: Iterator[MarketEvent]
    if len(feed_streams) == 1 and exchange_streams == feed_streams:
        blocks, copies = _twice(merged(feed_streams, PLAIN, "ts_local_ns", feed_ns))
        rows = chain.from_iterable(copies)
    else:
        blocks = merged(feed_streams, PLAIN, "ts_local_ns", feed_ns)
        rows = chain.from_iterable(merged(exchange_streams, PLAIN, "ts_venue_ns", 0))
    exchange = session.exchange
    on_market = exchange.on_market
    reports = exchange.reports
    agenda = session.agenda
    step = session.step
    row = next(rows, None)
    row_ns = _NEVER if row is None else row.ts_venue_ns
    for block in blocks:
        for event in block:
            ts_ns = event.ts_local_ns
            while row_ns <= ts_ns:
                if agenda and agenda[0][0] < row_ns:
                    session.advance(row_ns, 0)
                on_market(row)  # type: ignore[arg-type]
                if reports:
                    session.collect()
                row = next(rows, None)
                row_ns = _NEVER if row is None else row.ts_venue_ns
            if agenda and agenda[0][0] <= ts_ns:
                session.advance(ts_ns, MARKET_AT_ENGINE)
            effects = step(event)
            if effects:
                session.perform(effects, ts_ns)
        session.events += len(block)
        if progress is not None and block:
            progress(block[-1].ts_local_ns)


def _twice(blocks: Iterator[list[MarketEvent]]) -> tuple[Iterator[list[MarketEvent]], ...]:
    """Two iterators over one, keeping only what one of them has not had (`tee` keeps up to 57)."""
    waiting: tuple[deque[list[MarketEvent]], ...] = (deque(), deque())

    def take(own: deque[list[MarketEvent]]) -> Iterator[list[MarketEvent]]:
        while True:
            if not own:
                block = next(blocks, None)
                if block is None:
                    return
                for queue in waiting:
                    queue.append(block)
            yield own.popleft()

    return take(waiting[0]), take(waiting[1])
