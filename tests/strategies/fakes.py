"""A view that says what a test put into it, and a strategy bound to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from types import SimpleNamespace
from typing import TypeVar, cast

from engine.model.events import Bar, BookTop
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_S
from strategies.api import Strategy, View, make_params

S = TypeVar("S", bound=Strategy)
MINUTE_NS = 60 * NS_PER_S


class FakeView:
    """Positions, bars and live quotes by instrument."""

    def __init__(self) -> None:
        self.positions: dict[str, float] = {}
        self.history: dict[str, list[Bar]] = {}
        self.live_quotes: set[tuple[str, str]] = set()

    def instrument(self, instrument: str) -> Instrument:
        venue, _, coin = instrument.partition(":")
        tier = MarginTier(lower_bound_e8=0, leverage_max=20)
        return hyperliquid_instrument(venue, coin, sz_decimals=4, margin_tiers=(tier,))

    def position(self, instrument: str) -> SimpleNamespace:
        return SimpleNamespace(sz=self.positions.get(instrument, 0.0))

    def bars(self, instrument: str, interval: str) -> Sequence[Bar]:
        assert interval
        return self.history.get(instrument, [])

    def quote_order(self, instrument: str, quote: str) -> object | None:
        return object() if (instrument, quote) in self.live_quotes else None


def seat(cls: type[S], params: dict[str, object], instruments: Sequence[str]) -> tuple[S, FakeView]:
    """A strategy in its place, before `on_start`."""
    view, numbers = FakeView(), count(1)
    strategy = cls(make_params(cls, params))
    strategy.bind(
        name="test",
        instruments=tuple(instruments),
        view=cast("View", view),
        next_cloid=lambda: f"c{next(numbers)}",
    )
    return strategy, view


def bar(instrument: str, number: int, close: float) -> Bar:
    """Bar `number` of one minute, closing at `close`."""
    at_ns = (number + 1) * MINUTE_NS
    return Bar(at_ns, at_ns, instrument, MINUTE_NS, close, close, close, close, 1.0)


def top(instrument: str, at_ms: int, bid_px: float, ask_px: float) -> BookTop:
    """The top of a book at a time; a price of 0 is a missing side."""
    at_ns = at_ms * 1_000_000
    bid_sz, ask_sz = (1.0 if px else 0.0 for px in (bid_px, ask_px))
    return BookTop(at_ns, at_ns, instrument, at_ms, bid_px, bid_sz, ask_px, ask_sz)
