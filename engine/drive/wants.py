"""What strategies together need of each market, and which bars the engine makes itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from connectors.port import Wants
from engine.model.units import NS_PER_S
from engine.setup import StrategySetup
from strategies.api import Bars, Books, Quotes, Trades

BARS_OF_VENUE_NS: Final = frozenset(
    minutes * 60 * NS_PER_S for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 480, 720, 1440)
)


def wants_of(strategies: Sequence[StrategySetup]) -> list[Wants]:
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
                elif isinstance(item, Bars):
                    bars = max(item.history, entry.strategy.warmup().bars)
                    want = _with_bars(want, item.interval_ns, bars)
            found[where] = want
    return list(found.values())


def _with_bars(want: Wants, interval_ns: int, history_bars: int) -> Wants:
    if interval_ns not in BARS_OF_VENUE_NS:
        return msgspec.structs.replace(want, trades=True)
    bars_ns = tuple(sorted({*want.bars_ns, interval_ns}))
    history_bars = max(want.history_bars, history_bars)
    return msgspec.structs.replace(want, bars_ns=bars_ns, history_bars=history_bars)


def bars_to_build(strategies: Sequence[StrategySetup]) -> set[tuple[str, int]]:
    """The bars that no venue sends, and the engine makes from trades."""
    return {
        (where, item.interval_ns)
        for entry in strategies
        for where in entry.instruments
        for item in entry.strategy.subscriptions()
        if isinstance(item, Bars) and item.interval_ns not in BARS_OF_VENUE_NS
    }
