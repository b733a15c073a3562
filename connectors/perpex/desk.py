"""Sends one account's batches and says what became of each command, as honestly as is known.

Requests about one order go one after the other, in the order they were asked for; requests about
different orders do not wait for each other. An order is sent once: taken, refused, or unclear. A
modify is a cancel and a place: the new one is sent only when the venue has said that the old one is
canceled, and if it is then refused, both facts are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
import structlog

from connectors.perpex.answers import split_answer
from connectors.perpex.mapping import names
from connectors.perpex.mapping.names import OrderStatus, Verdict
from connectors.perpex.mapping.read import Fault, Payload, Quarantine, decode, is_code
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import CanceledWire, OrderWire
from connectors.perpex.numbers import lots_stated
from connectors.perpex.plan import POST, Step, decode_plan, encode_plan, make_plan
from connectors.perpex.rest import CANCEL_TRIES_MAX, Outcome, PerpexRest, Unclear
from connectors.perpex.telling import Entry, Teller
from connectors.perpex.tickets import NOT_FOUND, Phase, Ticket, Tickets
from engine.drive.seams import Clock
from engine.errors import ModelError, VenueError
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    UpdateLeverage,
)
from engine.model.instruments import Instrument

TASKS_MAX: Final = 512
OWN_BUDGET: Final = "RATE_LIMITED (own budget)"
_DETAIL_CHARS_MAX: Final = 200


class Desk:
    """The orders of one account. `wake` asks for an early reading of fills and account.

    `on_ending` hears of an order that left the book, `on_end` of one that never entered it,
    `on_unclear` of one of which nobody knows, `on_leverage` of a wish that no endpoint carries out.
    """

    def __init__(  # noqa: PLR0913 - what sending needs
        self,
        teller: Teller,
        rest: PerpexRest,
        tickets: Tickets,
        instruments: Mapping[str, Instrument],
        clock: Clock,
        quarantine: Quarantine,
        *,
        wake: Callable[[], None],
        on_ending: Callable[[Ticket], None],
        on_end: Callable[[Ticket], None],
        on_unclear: Callable[[Ticket], None],
        on_leverage: Callable[[UpdateLeverage], None],
    ) -> None:
        self.echo_seen = False
        self._rest = rest
        self._tickets = tickets
        self._instruments = instruments
        self._clock = clock
        self._teller = teller
        self._quarantine = quarantine
        self._wake = wake
        self._on_ending = on_ending
        self._on_end = on_end
        self._on_unclear = on_unclear
        self._on_leverage = on_leverage
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[str, asyncio.Task[None]] = {}
        self._log = structlog.get_logger().bind(account=teller.account)

    @property
    def settings(self) -> PerpexSettings:
        """How the venue is spoken to."""
        return self._rest.settings

    def prepare(self, batch: Batch) -> bytes:
        """The exact requests of a batch; sends nothing. Raises ModelError."""
        plan = make_plan(batch, self._instruments, self.settings, self._rest.prefix, self._order_id)
        return encode_plan(plan)

    def send(self, batch: Batch, body: bytes) -> None:
        """Begin to carry out a prepared batch; every command gets its answer through the sink."""
        deletes: list[Step] = []
        for step in decode_plan(body).steps:
            cloids = {_cloid(batch.commands[index]) for index in (*step.commands,)}
            if step.method != POST and isinstance(batch.commands[step.commands[0]], ModifyOrder):
                deletes.append(step)
            elif step.method == POST:
                entries = {index: batch.commands[index] for index in step.commands}
                self._begin(self._enter(entries, step, deletes), cloids, entries.values())
                deletes = []
            else:
                command = batch.commands[step.commands[0]]
                assert isinstance(command, CancelOrder)
                self._begin(self._cancel(command), cloids, (command,))
        for command in batch.commands:
            if isinstance(command, UpdateLeverage):
                self._on_leverage(command)

    async def close(self) -> None:
        """Leave what is still unanswered unanswered."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cancel_quietly(self, ticket: Ticket, is_due: Callable[[], bool]) -> None:
        """Cancel what nobody asked for, if it is still due in its turn, and by one try."""
        command = CancelOrder(ticket.instrument, ticket.cloid, ticket.generation)
        work = self._cancel(command, tries_max=1, is_due=is_due)
        self._begin(work, {ticket.cloid}, (command,))

    def is_busy(self, cloid: str) -> bool:
        """Whether something about an order is on its way."""
        return cloid in self._last

    # -- in line ---------------------------------------------------------------------------------

    def _begin(
        self,
        work: Coroutine[Any, Any, None],
        cloids: Iterable[str],
        commands: Iterable[Command],
    ) -> None:
        """Start work that waits for everything begun earlier about the same orders."""
        is_urgent = all(isinstance(command, CancelOrder) for command in commands)
        if len(self._tasks) >= TASKS_MAX and not is_urgent:
            work.close()
            for command in commands:
                if isinstance(command, Place | ModifyOrder):
                    self._teller.refused(command, "too many requests are waiting")
            return
        earlier = {self._last[cloid] for cloid in cloids if cloid in self._last}
        task = asyncio.create_task(self._after(earlier, work))
        self._tasks.add(task)
        for cloid in cloids:
            self._last[cloid] = task
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        for cloid in [cloid for cloid, last in self._last.items() if last is task]:
            del self._last[cloid]

    async def _after(
        self, earlier: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]
    ) -> None:
        try:
            if earlier:
                await asyncio.wait(earlier)
            await work
        except Exception:  # noqa: BLE001 - a mistake of ours must not go unseen in a task
            self._log.exception("perpex: sending failed")
        finally:
            work.close()

    # -- entering: places, and modifies after their cancel -----------------------------------------

    async def _enter(
        self, entries: Mapping[int, Command], step: Step, deletes: Sequence[Step]
    ) -> None:
        waiting: list[tuple[Entry, msgspec.Raw]] = [
            (command, order)
            for (_, command), order in zip(entries.items(), step.orders, strict=True)
            if isinstance(command, Place | ModifyOrder)
        ]
        places = sum(isinstance(command, Place) for command, _ in waiting)
        cost = len(deletes) + self.settings.batch_cost(len(waiting))
        only_reduces = all(command.reduce_only for command, _ in waiting)
        if not self._rest.budget.try_orders(cost, places, only_reduces=only_reduces):
            for command, _ in waiting:
                self._teller.refused(command, OWN_BUDGET)
            return
        sent: list[tuple[Ticket, Entry]] = []
        orders: list[msgspec.Raw] = []
        for command, order in waiting:
            if isinstance(command, ModifyOrder) and not await self._clear_way(command):
                continue
            ticket = Ticket.of(command, self._clock.monotonic_ns())
            self._tickets.inherit(ticket)
            self._tickets.add(ticket)
            sent.append((ticket, command))
            orders.append(order)
        if orders:
            outcome = await self._rest.post_orders(orders, sent[0][0].client_id)
            self._answer(sent, outcome)
            self._wake()

    async def _clear_way(self, command: ModifyOrder) -> bool:
        """Cancel the earlier generation; whether the venue said that this is done."""
        old = self._tickets.get(command.cloid, command.generation - 1)
        if old is None or not old.order_id or not old.may_rest:
            self._teller.refused(command, names.Code.ORDER_NOT_FOUND)
            return False
        old.is_replaced = True
        outcome = await self._rest.cancel(old.order_id, is_paid=True)
        if isinstance(outcome, Payload) and self._note_cancel(old, outcome):
            if not old.is_told:
                old.is_told = True
                self._teller.canceled(old, "replaced")
            return True
        # Nothing is put in its place, whatever became of it.
        old.is_replaced = False
        if _is_unclear(outcome):
            self._tickets.note_unsent(command.cloid, command.generation)
            self._tell_unclear(command, self._reason(outcome))
            return False
        if isinstance(outcome, Fault):
            self._note_gone(old, outcome)
        self._teller.refused(command, self._reason(outcome))
        return False

    def _answer(self, sent: Sequence[tuple[Ticket, Entry]], outcome: Outcome) -> None:
        """What a POST said of each order it carried."""
        if isinstance(outcome, Payload):
            answers = split_answer(outcome, len(sent), self._quarantine)
            for (ticket, command), answer in zip(sent, answers, strict=True):
                self._settle(ticket, command, answer)
            return
        for ticket, command in sent:
            self._settle(ticket, command, outcome)

    def _settle(self, ticket: Ticket, command: Entry, answer: OrderWire | Outcome) -> None:
        now_ns = self._clock.monotonic_ns()
        if isinstance(answer, OrderWire):
            self._take_order(ticket, command, answer)
            return
        is_unclear = isinstance(answer, Unclear | Payload) or (
            isinstance(answer, Fault) and answer.verdict in {Verdict.UNCLEAR, Verdict.DUPLICATE}
        )
        if is_unclear:
            ticket.move(Phase.UNCLEAR, now_ns)
            self._tell_unclear(command, self._reason(answer))
            self._on_unclear(ticket)
            return
        self._refused(ticket, command, self._reason(answer))

    def _refused(self, ticket: Ticket, command: Entry, reason: str) -> None:
        self._tickets.end(ticket, self._clock.monotonic_ns())
        self._teller.refused(command, reason)
        self._on_end(ticket)

    def _take_order(self, ticket: Ticket, command: Entry, order: OrderWire) -> None:
        """An order as the venue told it in answer to its POST."""
        now_ns = self._clock.monotonic_ns()
        if order.client_order_id is not None:
            if order.client_order_id.lower() != ticket.client_id:
                ticket.move(Phase.UNCLEAR, now_ns)
                self._tell_unclear(command, "the answer names another order")
                self._on_unclear(ticket)
                return
            self.echo_seen = True
        self._tickets.learn(ticket, order.id)
        ticket.state_filled(self._lots(ticket, order.filled_size))
        status = order.status.lower()
        if status == OrderStatus.REJECTED:
            # Whatever is no code may be anything, an echo of the token too, and is journaled.
            code = self._rest.scrub(order.reject_code or "")
            self._refused(ticket, command, code if is_code(code) else "REJECTED")
            return
        known = status in names.LIVE_STATUSES or status in names.OVER_STATUSES
        if not known:
            self._quarantine.keep("order status", order.status)
        self._teller.accepted(ticket, command)
        if status in names.OVER_STATUSES:
            ticket.leave_book(self._filled_lots(ticket, order, status), status, now_ns)
            self._on_ending(ticket)
        else:
            ticket.move(Phase.LIVE, now_ns)
        self._tickets.count()

    def _filled_lots(self, ticket: Ticket, order: OrderWire, status: str) -> int:
        lots = self._lots(ticket, order.filled_size)
        # A reduce-only order may be filled by less than its size: by what there was to close.
        return ticket.sz_lots if status == OrderStatus.FILLED and lots < 0 else lots

    def _lots(self, ticket: Ticket, size: Decimal | None) -> int:
        return lots_stated(size, self._instruments.get(ticket.instrument))

    # -- cancels ---------------------------------------------------------------------------------

    async def _cancel(
        self,
        command: CancelOrder,
        *,
        tries_max: int = CANCEL_TRIES_MAX,
        is_due: Callable[[], bool] = lambda: True,
    ) -> None:
        """Cancel what lives of an order: its newest generation, once that is known."""
        if not is_due():
            return
        ticket = self._to_cancel(command)
        if ticket is None:
            self._teller.cancel_refused(command, names.Code.ORDER_NOT_FOUND)
            return
        if not ticket.order_id:
            self._wake()
            self._teller.cancel_refused(command, "the venue's id of the order is not known")
            return
        if ticket.phase >= Phase.ENDING and ticket.reason != NOT_FOUND:
            # The venue has said so, and to ask again would cost what other cancels need.
            self._wake()
            self._teller.cancel_refused(command, ticket.reason or names.Code.ORDER_NOT_FOUND)
            return
        outcome = await self._rest.cancel(ticket.order_id, tries_max=tries_max)
        if isinstance(outcome, Payload) and self._note_cancel(ticket, outcome):
            self._wake()
        elif _is_unclear(outcome):
            detail = self._reason(outcome)
            self._teller.unclear(ticket.instrument, ticket.cloid, ticket.generation, detail)
        else:
            if isinstance(outcome, Fault):
                self._note_gone(ticket, outcome)
            self._teller.cancel_refused(command, self._reason(outcome))

    def _to_cancel(self, command: CancelOrder) -> Ticket | None:
        living = self._tickets.generations(command.cloid)
        resting = [ticket for ticket in living if ticket.may_rest]
        # The newest that can be named: of an unclear modify the older is what is known to rest.
        resting = [ticket for ticket in resting if ticket.order_id] or resting
        return resting[0] if resting else self._tickets.get(command.cloid, command.generation)

    def _note_cancel(self, ticket: Ticket, outcome: Payload) -> bool:
        """Whether the venue said that an order is canceled; what was filled of it may follow."""
        try:
            answer = decode(outcome.raw, CanceledWire)
        except VenueError:
            self._quarantine.keep("answer to a cancel", outcome.raw)
            return False
        if answer.status.lower() != OrderStatus.CANCELED:
            self._quarantine.keep("status of a cancel", outcome.raw)
            return False
        lots = self._lots(ticket, answer.filled_size)
        ticket.leave_book(lots, OrderStatus.CANCELED, self._clock.monotonic_ns())
        self._on_ending(ticket)
        self._tickets.count()
        return True

    def _note_gone(self, ticket: Ticket, fault: Fault) -> None:
        """The venue has no such open order; its fills will say whether it was filled."""
        is_open = ticket.phase < Phase.ENDING or ticket.reason == NOT_FOUND
        if fault.verdict is Verdict.GONE and is_open:
            ticket.leave_book(-1, names.Code.ORDER_NOT_FOUND, self._clock.monotonic_ns())
            self._tickets.count()
            self._wake()

    def _order_id(self, cloid: str, generation: int) -> str:
        ticket = self._tickets.get(cloid, generation)
        return "" if ticket is None else ticket.order_id

    def _tell_unclear(self, command: Entry, detail: str) -> None:
        generation = command.generation if isinstance(command, ModifyOrder) else 0
        self._teller.unclear(command.instrument, command.cloid, generation, detail)

    def _reason(self, outcome: Outcome) -> str:
        if isinstance(outcome, Fault):
            return self._rest.scrub(outcome.reason)
        if isinstance(outcome, Payload):
            return "the answer cannot be read"
        return self._rest.scrub(outcome.detail)[:_DETAIL_CHARS_MAX]


def _is_unclear(outcome: Outcome) -> bool:
    """Whether nobody knows what a cancel did; an answer that was not understood is such a one."""
    is_unclear = isinstance(outcome, Fault) and outcome.verdict is Verdict.UNCLEAR
    return is_unclear or isinstance(outcome, Payload | Unclear)


def _cloid(command: Command) -> str:
    if isinstance(command, UpdateLeverage):
        raise ModelError("a change of leverage is about no order")
    return command.cloid
