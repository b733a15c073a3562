"""What the end of an order leaves of its family: it is canceled here, as the venue is not asked to.

An entry that ended without a fill leaves its children without a purpose, a child that was filled
its sibling. A child that was filled in part only leaves its sibling while there is a position to
close. What could not be canceled is tried again until it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connectors.perpex.standing import Standing
from connectors.perpex.tickets import Phase, Ticket, Tickets
from engine.drive.seams import Clock
from engine.model.units import NS_PER_S

AGAIN_NS: Final = 10 * NS_PER_S


class Families:
    """The entries and children of one account. `cancel` sends what nobody else asked for."""

    def __init__(
        self,
        tickets: Tickets,
        standing: Standing,
        clock: Clock,
        cancel: Callable[[Ticket], None],
    ) -> None:
        self._tickets = tickets
        self._standing = standing
        self._clock = clock
        self._cancel = cancel

    def ended(self, ticket: Ticket) -> None:
        """Nothing more is expected of an order: cancel what it leaves without a purpose."""
        if ticket.parent and not ticket.is_filled and self._is_open(ticket):
            return
        for other in self._tickets.family(ticket):
            if other.may_rest:
                self._drop(other)

    def drop_again(self) -> None:
        """Cancel once more what lost its purpose and rests all the same."""
        now_ns = self._clock.monotonic_ns()
        for ticket in self._tickets.alive():
            is_due = ticket.unwanted_ns and now_ns - ticket.unwanted_ns >= AGAIN_NS
            if is_due and ticket.phase is Phase.LIVE:
                self._drop(ticket)

    def _is_open(self, child: Ticket) -> bool:
        """Whether there is a position that a child of this side would close."""
        lots = self._standing.explained(child.instrument)
        return lots != 0 if child.side is None else lots * child.side < 0

    def _drop(self, ticket: Ticket) -> None:
        ticket.unwanted_ns = self._clock.monotonic_ns()
        self._cancel(ticket)
