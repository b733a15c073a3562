"""The live driver: what links hear goes into the journal and the engine, what it decides goes out.

    link -> hear() -> inbox -> [journal event, step, journal effects] -> [prepare, journal SENT]
         -> one sync for all of the turn -> send

Every event is journaled before `step`, every effect after it, and exact bytes are on disk before
they are sent. All of it runs on one event loop; a turn takes what waits, at most `TURN_EVENTS_MAX`
events, so that sockets are served between turns. The inbox is bounded: over its bound market events
are dropped and counted, and their instrument is blocked until the inbox is empty again, and where
news of its book was among them, until the book comes whole: what follows would be applied to
another book than it was made for. What accounts say is never dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Final

import structlog

from connectors.port import OrderNote, Outgoing, VenueLink
from engine.core import Engine
from engine.drive.replay import fault_reason, journaled_step
from engine.drive.seams import Clock
from engine.errors import JournalError
from engine.journal import JournalWriter
from engine.model.commands import Batch, UpdateLeverage
from engine.model.effects import AskOrder, Effect, Notify, Record, SetTimer, Submit
from engine.model.events import (
    AnyEvent,
    BookDelta,
    BookSnapshot,
    EngineStopping,
    MarketEvent,
    OrderUnclear,
    StreamChanged,
    StreamPhase,
    TimerFired,
)
from engine.model.orders import OrderState
from engine.model.units import NS_PER_S

TURN_EVENTS_MAX: Final = 128
INBOX_MAX: Final = 50_000
STOP_TURNS_MAX: Final = 5
OVERLOAD: Final = "inbox"
_IN_MOTION: Final = (
    OrderState.SENT,
    OrderState.CANCELING,
    OrderState.MODIFYING,
    OrderState.UNKNOWN,
)

log = structlog.get_logger("perpd.live")


class LiveDriver:
    """Drives one engine from its links, by account, until it is stopped.

    `watch` is told of every event after its step, for records; it must not raise. `counts` are for
    the summary: events, batches, asks, notes, dropped market events.
    """

    def __init__(
        self,
        engine: Engine,
        writer: JournalWriter,
        links: Mapping[str, VenueLink],
        clock: Clock,
        watch: Callable[[AnyEvent], None] = lambda _: None,
    ) -> None:
        self.engine = engine
        self.writer = writer
        self.events = 0
        self.dropped = 0
        self.notes: list[Notify] = []
        self.fault: BaseException | None = None
        self._links = links
        self._venues = {link.venue: link for link in links.values()}
        self._clock = clock
        self._watch = watch
        self._inbox: deque[AnyEvent] = deque()
        self._overloaded: set[str] = set()
        self._torn: set[str] = set()
        self._wake = asyncio.Event()
        self._timers: list[tuple[int, int, SetTimer]] = []
        self._timers_made = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._outgoing: list[Outgoing] = []

    # -- in ----------------------------------------------------------------------------------------

    def hear(self, event: AnyEvent) -> None:
        """Take one event in, to be stepped in the order of hearing; for links and the daemon."""
        if len(self._inbox) >= INBOX_MAX and isinstance(event, MarketEvent):
            self._drop(event)
            return
        if self._torn and not self._is_whole(event):
            self.dropped += 1
            return
        self._inbox.append(event)
        self._wake.set()

    def hear_first(self, events: list[AnyEvent]) -> None:
        """Put what must come before everything heard so far in front of it."""
        self._inbox.extendleft(reversed(events))
        self._wake.set()

    def _is_whole(self, event: AnyEvent) -> bool:
        """Whether an event is no change of a book that lost one; a whole book mends it."""
        if isinstance(event, BookSnapshot):
            self._torn.discard(event.instrument)
        return not isinstance(event, BookDelta) or event.instrument not in self._torn

    def _drop(self, event: MarketEvent) -> None:
        self.dropped += 1
        if isinstance(event, BookDelta | BookSnapshot):
            self._torn.add(event.instrument)
        if event.instrument not in self._overloaded:
            self._overloaded.add(event.instrument)
            self._inbox.append(self._overload(event.instrument, StreamPhase.GAP))
            log.warning("inbox full, market events are dropped", instrument=event.instrument)

    def _overload(self, instrument: str, phase: StreamPhase) -> StreamChanged:
        now_ns = self._clock.now_ns()
        return StreamChanged(now_ns, now_ns, OVERLOAD, phase, instrument)

    # -- the loop ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take turns until cancelled.

        Raises JournalError when the journal cannot be written, since nothing may be sent then. A
        fault of a strategy does not end it, whatever it raises: the engine is told to stop, and
        `fault` is set to the first.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._inbox:
                self._turn()
                await asyncio.sleep(0)
            for instrument in sorted(self._torn):
                self._venues[instrument.partition(":")[0]].tell_book(instrument)
            for instrument in sorted(self._overloaded - self._torn):
                self.hear(self._overload(instrument, StreamPhase.READY))
            self._overloaded &= self._torn

    def _turn(self) -> None:
        inbox = self._inbox
        for _ in range(min(len(inbox), TURN_EVENTS_MAX)):
            self._step(inbox.popleft())
        if self._outgoing:
            self.writer.sync()
            sending, self._outgoing = self._outgoing, []
            for outgoing in sending:
                self._links[outgoing.account].send(outgoing)
        else:
            self.writer.flush()
        self.look()

    def _step(self, event: AnyEvent) -> None:
        try:
            effects = journaled_step(self.engine, self.writer, event)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything
            self._fail(error, event)
            return
        self.events += 1
        for effect in effects:
            self._perform(effect)
        self._watch(event)

    def _fail(self, error: Exception, event: AnyEvent) -> None:
        """A strategy raised: stop at once, before another event can make it raise again.

        It may go on to raise at what is told of its orders: the account has taken that in. Whatever
        else the step had decided is lost, the sending of what another strategy wished among it. So
        nobody knows of any order in motion whether its news is still to come: each is asked about.
        """
        name = type(event).__name__
        if self.fault is not None:
            log.error("fault while stopping", event_type=name, error=fault_reason(error))
            self._ask_unknown()
            return
        self.fault = error
        log.error("fault, stopping", event_type=name, exc_info=error)
        now_ns = self._clock.now_ns()
        stopping = EngineStopping(now_ns, now_ns, fault_reason(error), is_fault=True)
        unclear = [
            OrderUnclear(
                now_ns,
                now_ns,
                order.account,
                order.instrument,
                order.cloid,
                order.newest_generation,
                "a fault",
            )
            for order in self.engine.orders.all_live()
            if order.state in _IN_MOTION
        ]
        self._inbox.extendleft([*reversed(unclear), stopping])
        self._ask_unknown()

    def _ask_unknown(self) -> None:
        """To ask again about an order that is asked about already does nothing."""
        for order in self.engine.orders.all_live():
            if order.state is OrderState.UNKNOWN:
                what = order.instrument, order.cloid, order.newest_generation
                self._links[order.account].ask(AskOrder(order.account, *what))

    def _perform(self, effect: Effect) -> None:
        kind = type(effect)
        if kind is Submit:
            self._submit(effect.batch)  # type: ignore[union-attr]
        elif kind is SetTimer:
            self._set_timer(effect)  # type: ignore[arg-type]
        elif kind is AskOrder:
            log.info("order unclear, asking", cloid=effect.cloid, instrument=effect.instrument)  # type: ignore[union-attr]
            self._links[effect.account].ask(effect)  # type: ignore[union-attr, arg-type]
        elif kind is Notify:
            self.notes.append(effect)  # type: ignore[arg-type]
            log.warning("note", text=effect.text, level=effect.level)  # type: ignore[union-attr]
        elif kind is Record:
            refusal = effect.refusal  # type: ignore[union-attr]
            log.info(
                "refused",
                strategy=refusal.strategy,
                instrument=refusal.instrument,
                check=refusal.check,
                limit=refusal.limit,
                measured=refusal.measured,
            )

    def _submit(self, batch: Batch) -> None:
        notes = []
        for command in batch.commands:
            if isinstance(command, UpdateLeverage):
                continue
            order = self.engine.orders.get(command.cloid)
            if order is not None:
                generation = order.newest_generation
                notes.append(OrderNote(order.cloid, generation, order.strategy, order.quote))
        outgoing = self._links[batch.account].prepare(batch, tuple(notes))
        self.writer.append_sent(outgoing)
        self._outgoing.append(outgoing)

    # -- timers ------------------------------------------------------------------------------------

    def _set_timer(self, timer: SetTimer) -> None:
        self._timers_made += 1
        heappush(self._timers, (timer.at_ns, self._timers_made, timer))
        self._arm()

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._timers:
            wait_ns = max(0, self._timers[0][0] - self._clock.now_ns())
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(wait_ns / NS_PER_S, self._ring)

    def _ring(self) -> None:
        now_ns = self._clock.now_ns()
        while self._timers and self._timers[0][0] <= now_ns:
            timer = heappop(self._timers)[2]
            self.hear(TimerFired(now_ns, now_ns, timer.strategy, timer.name))
        self._arm()

    # -- waiting and stopping ----------------------------------------------------------------------

    def look(self) -> None:
        """Let whoever waits (`until`) see what has changed: after a turn, or from outside."""
        for predicate, future in self._waiting:
            if not future.done() and predicate():
                future.set_result(None)

    async def until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something holds at a look; False when it does not within the time."""
        if predicate():
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((predicate, future))
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.remove((predicate, future))
        return True

    def is_quiet(self) -> bool:
        """Whether nothing waits to be stepped and no order's fate is in motion."""
        return not self._inbox and not any(
            order.state in _IN_MOTION for order in self.engine.orders.all_live()
        )

    async def stop(self, reason: str, *, timeout_s: float) -> bool:
        """Let strategies say their last, and wait for the venue's word on it.

        What the policies ask for is repeated while something of it is left: a flattening may have
        met a fill on its way, a cancel may have overtaken its order on the wire. False when orders
        are still in motion at the end of the time: they keep their state, and the next run settles
        them.
        """
        end_ns = self._clock.monotonic_ns() + round(timeout_s * NS_PER_S)
        is_fault = self.fault is not None
        for turn in range(STOP_TURNS_MAX):
            if turn or not is_fault:
                now_ns = self._clock.now_ns()
                self.hear(EngineStopping(now_ns, now_ns, reason, is_fault))
            left_s = (end_ns - self._clock.monotonic_ns()) / NS_PER_S
            is_quiet = left_s > 0 and await self.until(self.is_quiet, left_s)
            is_fault = is_fault or self.fault is not None
            if not is_quiet or not self._is_something_left(is_fault=is_fault):
                break
        if self._alarm is not None:
            self._alarm.cancel()
        return is_quiet

    def _is_something_left(self, *, is_fault: bool) -> bool:
        """Whether a strategy still has what its policy ends, and it can be ended.

        A position that another strategy's offsets is left: to close it would be new risk.
        """
        for runner in self.engine.runners.values():
            policy = runner.on_fault_policy if is_fault else runner.on_stop_policy
            for where in runner.instruments:
                live = self.engine.orders.live(runner.name, where).values()
                if any(policy != "keep_protection" or not order.reduce_only for order in live):
                    return True
                account = self.engine.accounts[runner.account_at(where)]
                own_lots = account.strategy_position(runner.name, where).lots
                if policy == "flatten" and own_lots * account.position(where).lots > 0:
                    return True
        return False
