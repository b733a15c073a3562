"""What the sink is told of one account's orders: each answer as the event that the engine knows.

The venue's own time of an answer is not known, so both stamps are ours. Words of the mapping become
plain text here, so that a journal gives back exactly what was told.
"""

from __future__ import annotations

from connectors.perpex.tickets import Ticket
from connectors.port import Sink
from engine.drive.seams import Clock
from engine.model.commands import CancelOrder, ModifyOrder, Place
from engine.model.events import (
    CancelRejected,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderUnclear,
)

Entry = Place | ModifyOrder


class Teller:
    """Tells of the orders of one account."""

    def __init__(self, account: str, clock: Clock, sink: Sink) -> None:
        self.account = account
        self.sink = sink
        self._clock = clock

    def accepted(self, ticket: Ticket, command: Entry | None = None) -> None:
        """The venue holds the order; a modify has gone through."""
        at_ns = self._clock.now_ns()
        key = self.account, ticket.instrument, ticket.cloid, ticket.generation
        if isinstance(command, ModifyOrder):
            px_ticks, sz_lots = command.px_ticks, command.sz_lots
            self.sink(OrderReplaced(at_ns, at_ns, *key, ticket.oid, px_ticks, sz_lots))
        else:
            self.sink(OrderAccepted(at_ns, at_ns, *key, ticket.oid))

    def triggered(self, ticket: Ticket) -> None:
        """A trigger became an order in the book."""
        at_ns = self._clock.now_ns()
        key = self.account, ticket.instrument, ticket.cloid, ticket.generation
        self.sink(OrderTriggered(at_ns, at_ns, *key, ticket.oid))

    def canceled(self, ticket: Ticket, reason: str) -> None:
        """The order left the book."""
        self.none_left(ticket.instrument, ticket.cloid, ticket.generation, reason, ticket.oid)

    def none_left(
        self, instrument: str, cloid: str, generation: int, reason: str, oid: int = 0
    ) -> None:
        """Up to this generation nothing of an order rests."""
        at_ns = self._clock.now_ns()
        key = self.account, instrument, cloid, generation
        self.sink(OrderCanceled(at_ns, at_ns, *key, oid, str(reason)))

    def refused(self, command: Entry, reason: str) -> None:
        """The venue, or the budget, refused a place or a modify."""
        at_ns = self._clock.now_ns()
        key = self.account, command.instrument, command.cloid
        if isinstance(command, ModifyOrder):
            self.sink(ModifyRejected(at_ns, at_ns, *key, command.generation, str(reason)))
        else:
            self.sink(OrderRejected(at_ns, at_ns, *key, 0, str(reason)))

    def cancel_refused(self, command: CancelOrder, reason: str) -> None:
        """A cancel was not carried out."""
        at_ns = self._clock.now_ns()
        key = self.account, command.instrument, command.cloid, command.generation
        self.sink(CancelRejected(at_ns, at_ns, *key, str(reason)))

    def unclear(self, instrument: str, cloid: str, generation: int, detail: str) -> None:
        """Nobody knows what became of an order."""
        at_ns = self._clock.now_ns()
        key = self.account, instrument, cloid, generation
        self.sink(OrderUnclear(at_ns, at_ns, *key, detail))
