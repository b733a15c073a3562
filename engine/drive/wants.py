"""What strategies together need of each market, and which bars the engine makes itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from connectors.port import Wants
from engine.setup import StrategySetup
from strategies.api import Bars, Books, Quotes, Trades

BarsByVenue = Mapping[str, AbstractSet[int]]
"""The lengths of the bars that each venue sends, in ns (`VenueLink.bars_ns`)."""


def wants_of(strategies: Sequence[StrategySetup], sent: BarsByVenue) -> list[Wants]:
    """What the strategies together need of each instrument's market."""
    found: dict[str, Wants] = {}
    for entry in strategies:
        for where in entry.instruments:
            want = found.get(where, Wants(where))
            for item in entry.strategy.subscriptions():
                if isinstance(item, Books):
                    want = msgspec.structs.replace(want, book=True)
                elif isinstance(item, Quotes):
                    want = msgspec.structs.replace(want, quotes=True)
                elif isinstance(item, Trades):
                    want = msgspec.structs.replace(want, trades=True)
                elif not isinstance(item, Bars):
                    continue
                elif _is_sent(where, item.interval_ns, sent):
                    bars = max(item.history, entry.strategy.warmup().bars)
                    want = _with_bars(want, item.interval_ns, bars)
                else:
                    want = msgspec.structs.replace(want, trades=True)
            found[where] = want
    return list(found.values())


def bars_to_build(strategies: Sequence[StrategySetup], sent: BarsByVenue) -> set[tuple[str, int]]:
    """The bars that their venue does not send, and the engine makes from trades."""
    return {
        (where, item.interval_ns)
        for entry in strategies
        for where in entry.instruments
        for item in entry.strategy.subscriptions()
        if isinstance(item, Bars) and not _is_sent(where, item.interval_ns, sent)
    }


def _with_bars(want: Wants, interval_ns: int, history_bars: int) -> Wants:
    bars_ns = tuple(sorted({*want.bars_ns, interval_ns}))
    history_bars = max(want.history_bars, history_bars)
    return msgspec.structs.replace(want, bars_ns=bars_ns, history_bars=history_bars)


def _is_sent(where: str, interval_ns: int, sent: BarsByVenue) -> bool:
    return interval_ns in sent[where.partition(":")[0]]
