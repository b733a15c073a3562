"""What both drivers share: the agenda of what is under way, and the rules for carrying it out.

At one instant the order is: market at the exchange, commands at the exchange, reports at the
engine, market at the engine, timers; then the order they were asked for. Commands and reports of
one link never overtake each other.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Protocol

from backtests.exchange import SimulatedExchange
from engine.core import Engine
from engine.model.commands import Batch
from engine.model.effects import AskOrder, Notify, SetTimer, Submit
from engine.model.events import AccountEvent, TimerFired
from engine.routes import Effects

MARKET_AT_EXCHANGE: Final = 0
COMMAND: Final = 1
REPORT: Final = 2
MARKET_AT_ENGINE: Final = 3
TIMER: Final = 4

Due = tuple[int, int, int, Any]


class OrderLatency(Protocol):
    """When a command sent now reaches the exchange."""

    def order_ns(self, ts_ns: int) -> int: ...  # noqa: D102 - named by the class


class Watcher(Protocol):
    """Sees what passes between the engine and the exchange; for records and journals."""

    def sent(self, ts_ns: int, effects: Effects) -> None:
        """The engine asked for these effects."""
        ...

    def reported(self, event: AccountEvent) -> None:
        """A report reached the engine."""
        ...


class Session:
    """One engine and one exchange, with everything under way between them.

    `step` stands before the engine's own where every event is journaled; the chunked driver goes
    past it.
    """

    def __init__(
        self,
        engine: Engine,
        exchange: SimulatedExchange,
        latency: OrderLatency,
        watcher: Watcher | None = None,
        step: Callable[[Any], Effects] | None = None,
    ) -> None:
        self.engine = engine
        self.step = step or engine.step
        self.exchange = exchange
        self._reports = exchange.reports
        self.agenda: list[Due] = []
        self.notes: list[Notify] = []
        self.events = 0
        self._latency = latency
        self._watcher = watcher
        self._asked = 0
        self._command_ns = 0
        self._report_ns = 0

    def perform(self, effects: Effects, ts_ns: int) -> None:
        """Carry out what the engine asked for at `ts_ns`."""
        if self._watcher is not None:
            self._watcher.sent(ts_ns, effects)
        sent: list[Batch | AskOrder] = []
        for effect in effects:
            if type(effect) is Submit:
                sent.append(effect.batch)
            elif type(effect) is AskOrder:
                sent.append(effect)
            elif type(effect) is SetTimer:
                self._put(max(ts_ns, effect.at_ns), TIMER, effect)
            elif type(effect) is Notify:
                self.notes.append(effect)
        if sent:
            self._put(self._order_arrival_ns(ts_ns), COMMAND, sent)

    def collect(self) -> None:
        """Put the exchange's new reports on their way; those of one arrival go together."""
        reports = self._reports
        arrival_ns = self._report_ns
        together: list[AccountEvent] = []
        for event in reports:
            if event.ts_local_ns > arrival_ns:
                if together:
                    self._put(arrival_ns, REPORT, together)
                    together = []
                arrival_ns = event.ts_local_ns
            together.append(event)
        self._put(arrival_ns, REPORT, together)
        self._report_ns = arrival_ns
        reports.clear()

    def carry_out(self, due: Due) -> None:
        """Do one thing of the agenda."""
        ts_ns, rank, _, what = due
        if rank == COMMAND:
            self.command(ts_ns, what)
        elif rank == REPORT:
            self._report(due)
        else:
            effects = self.step(TimerFired(ts_ns, ts_ns, what.strategy, what.name))
            if effects:
                self.perform(effects, ts_ns)

    def _report(self, due: Due) -> None:
        """Let reports reach the engine. What one of them sets off may come before the next."""
        ts_ns, _, asked, events = due
        step, watcher = self.step, self._watcher
        coming = iter(events)
        for event in coming:
            if watcher is not None:
                watcher.reported(event)
            effects = step(event)
            if effects:
                rest = list(coming)
                if rest:
                    heappush(self.agenda, (ts_ns, REPORT, asked, rest))
                self.perform(effects, ts_ns)
                return

    def command(self, ts_ns: int, sent: list[Batch | AskOrder]) -> None:
        """Let batches and questions that were sent together reach the exchange."""
        exchange = self.exchange
        for what in sent:
            if type(what) is AskOrder:
                exchange.on_ask(ts_ns, what)
            else:
                exchange.on_batch(ts_ns, what)  # type: ignore[arg-type]
        if self._reports:
            self.collect()

    def advance(self, ts_ns: int, rank: int) -> None:
        """Carry out everything that comes before (ts_ns, rank)."""
        agenda = self.agenda
        bound = (ts_ns, rank)
        while agenda and agenda[0] < bound:
            self.carry_out(heappop(agenda))

    def drain(self) -> int:
        """Carry out what is still under way, except timers; the time of the last."""
        agenda = self.agenda
        last_ns = 0
        while agenda:
            due = heappop(agenda)
            if due[1] != TIMER:
                last_ns = due[0]
                self.carry_out(due)
        return last_ns

    def _order_arrival_ns(self, ts_ns: int) -> int:
        arrival_ns = self._latency.order_ns(ts_ns)
        if arrival_ns > self._command_ns:  # noqa: PLR1730 - a call of max costs more
            self._command_ns = arrival_ns
        return self._command_ns

    def _put(
        self, ts_ns: int, rank: int, what: list[Batch | AskOrder] | list[AccountEvent] | SetTimer
    ) -> None:
        self._asked += 1
        heappush(self.agenda, (ts_ns, rank, self._asked, what))
