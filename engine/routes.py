"""A route is the way of one event type of one instrument: last event, state rule, handlers.

Routes are built at start. `Route.run(events)` consumes an iterator and returns at the first
effects; `Engine.step(e)` is that route run on `(e,)`. There is no second core: a driver that wants
speed hands over a long iterator. A shared empty tuple is returned when nothing happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from engine.model.effects import Effect
from engine.model.events import Bar, BookDelta, BookSnapshot, BookTop, MarketEvent, Trade
from engine.state.bars import BarBuilder
from engine.state.market import Feed

if TYPE_CHECKING:
    from engine.core import Engine
    from engine.runner import StrategyRunner

Effects = tuple[Effect, ...]
NOTHING: Final[Effects] = ()
Handler = Callable[[Any], Any]
Wishes = list[tuple["StrategyRunner", Any]]


class Route(Feed):
    """Keeps the last event and wakes the handlers; the base of the routes with a state rule."""

    __slots__ = ("_handlers", "_owner", "_sole", "engine")

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self._handlers: tuple[tuple[StrategyRunner, Handler], ...] = ()
        self._sole: Handler | None = None
        self._owner: StrategyRunner | None = None

    def attach(self, owner: StrategyRunner, handler: Handler) -> None:
        """Wake `handler` at every event from the next one on."""
        self._handlers = (*self._handlers, (owner, handler))
        is_sole = len(self._handlers) == 1
        self._sole = handler if is_sole else None
        self._owner = owner if is_sole else None

    def detach(self) -> None:
        """Wake nobody from the next event on."""
        self._handlers, self._sole, self._owner = (), None, None

    def run(self, events: Iterable[Any]) -> Effects:
        """Take in events until one of them has effects, and return those."""
        engine = self.engine
        engine.active = self
        handler = self._sole
        if handler is not None:
            for event in events:
                self.last = event
                intents = handler(event)
                if intents:
                    effects = engine.decide(((self._owner, intents),))
                    if effects:
                        return effects
            return NOTHING
        if not self._handlers:
            newest = deque(events, maxlen=1)
            if newest:
                self.last = newest[0]
            return NOTHING
        for event in events:
            self.last = event
            effects = engine.decide(self.wake(event))
            if effects:
                return effects
        return NOTHING

    def wake(self, event: MarketEvent) -> Wishes:
        """What every handler wishes at this event."""
        wishes: Wishes = []
        for owner, handler in self._handlers:
            intents = handler(event)
            if intents:
                wishes.append((owner, intents))
        return wishes


class BookRoute(Feed):
    """Applies book updates of one type, and lets the top of book after each go its own route."""

    __slots__ = ("_apply", "_top")

    def __init__(self, apply: Callable[[Any], BookTop], top: Route) -> None:
        super().__init__()
        self._apply = apply
        self._top = top

    def run(self, events: Iterable[BookSnapshot | BookDelta]) -> Effects:
        """Take in updates until one of them has effects, and return those.

        The top's route takes one top at a time, so no update is applied before the one ahead of it
        has had its effects.
        """
        return self._top.run(map(self._apply, events))


class TradeRoute(Route):
    """Folds trades into bars; the bars a trade closes are delivered before the trade."""

    __slots__ = ("_builders",)

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._builders: list[tuple[BarBuilder, BarRoute]] = []

    def build(self, builder: BarBuilder, route: BarRoute) -> None:
        """Deliver the bars of `builder` along `route`."""
        self._builders.append((builder, route))

    def run(self, events: Iterable[Trade]) -> Effects:
        """Take in trades until one of them has effects, and return those."""
        builders = self._builders
        if not builders:
            return super().run(events)
        engine = self.engine
        for event in events:
            engine.active = self
            self.last = event
            wishes: Wishes = []
            started: Effects = NOTHING
            for builder, route in builders:
                bar = builder.fold(event)
                if bar is not None:
                    wishes += route.keep(bar)
                    started += route.finish_warmup()
            wishes += self.wake(event)
            if wishes or started:
                effects = started + engine.decide(wishes)
                if effects:
                    return effects
        return NOTHING


class BarRoute(Route):
    """Keeps as many bars as strategies asked for, and counts them for their warm-up."""

    __slots__ = ("_history_bars", "count", "history", "is_warming")

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.history: deque[Bar] = deque(maxlen=0)
        self._history_bars = 0
        self.count = 0
        self.is_warming = False

    def remember(self, history_bars: int, warmup_bars: int) -> None:
        """Keep at least `history_bars`, and while strategies warm up at least `warmup_bars`."""
        self.is_warming = True
        self._history_bars = max(self._history_bars, history_bars)
        bars = max(history_bars, warmup_bars)
        if bars > (self.history.maxlen or 0):
            self.history = deque(self.history, maxlen=bars)

    def settle(self) -> None:
        """Everybody has started: keep no more than strategies asked for."""
        if self.is_warming:
            self.is_warming = False
            self.history = deque(self.history, maxlen=self._history_bars)

    def keep(self, bar: Bar) -> Wishes:
        """Take in one bar and wake the handlers; also the way of a bar built from trades."""
        self.last = bar
        self.count += 1
        self.history.append(bar)
        return self.wake(bar)

    def finish_warmup(self) -> Effects:
        """Start the strategies whose warm-up the last bar completed."""
        return self.engine.start_warm() if self.is_warming else NOTHING

    def run(self, events: Iterable[Bar]) -> Effects:
        """Take in bars until one of them has effects, and return those."""
        engine = self.engine
        engine.active = self
        stream: Iterator[Bar] = iter(events)
        if not self.is_warming and not self.history.maxlen:
            return super().run(stream)
        for bar in stream:
            wishes = self.keep(bar)
            effects = self.finish_warmup()
            if wishes:
                effects += engine.decide(wishes)
            if effects:
                return effects
            if not self.is_warming and not self.history.maxlen:
                return super().run(stream)
        return NOTHING


def detach_all(*routes: Mapping[Any, Any]) -> None:
    """Let the market wake nobody any more."""
    for by_key in routes:
        for route in by_key.values():
            if isinstance(route, Route):
                route.detach()
