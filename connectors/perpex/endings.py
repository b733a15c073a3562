"""When an order that left the book is said to be gone: when the fills it had have been read.

How much it had filled the venue says, or not. Where it does not, the fills are waited for: some
seconds, and while the account shows a position on the order's side that the fills read so far do
not explain, as long as for an unclear order. An order of which the venue said that it is canceled
is told to be so at once; what waits for its fills then is only what protects them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connectors.perpex.mapping import names
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.standing import Standing
from connectors.perpex.telling import Teller
from connectors.perpex.tickets import Phase, Ticket, Tickets
from engine.drive.seams import Clock
from engine.model.units import NS_PER_S

POLLS_MAX: Final = 5
UNSTATED_POLLS_MIN: Final = 3
UNSTATED_WAIT_NS: Final = 10 * NS_PER_S


class Endings:
    """The ends of one account's orders. `on_end` hears of each of which nothing more is expected.

    `leave` is asked, before that, to spare the children of one whose fills nobody knows.
    """

    def __init__(  # noqa: PLR0913 - what telling of ends needs
        self,
        teller: Teller,
        tickets: Tickets,
        standing: Standing,
        settings: PerpexSettings,
        clock: Clock,
        *,
        leave: Callable[[Ticket], None],
        on_end: Callable[[Ticket], None],
    ) -> None:
        self._teller = teller
        self._tickets = tickets
        self._standing = standing
        self._settings = settings
        self._clock = clock
        self._leave = leave
        self._on_end = on_end

    @property
    def missing(self) -> list[Ticket]:
        """Orders called filled whose fills did not come in five readings."""
        return [
            ticket
            for ticket in self._tickets.alive()
            if ticket.phase is Phase.ENDING
            and ticket.polls >= POLLS_MAX
            and ticket.expected_lots >= ticket.sz_lots
        ]

    def polled(self, started_ns: int) -> None:
        """Fills were read that were asked for at `started_ns` (monotonic)."""
        for ticket in self._tickets.alive():
            if ticket.phase is Phase.ENDING and ticket.since_ns <= started_ns:
                ticket.polls += 1
                self.settle(ticket)

    def settle(self, ticket: Ticket) -> None:
        """Close an order that left the book, if everything about it has been read."""
        if ticket.phase is not Phase.ENDING:
            return
        is_read = ticket.booked_lots >= ticket.expected_lots >= 0
        if ticket.expected_lots < 0:
            is_given_up = self._is_waited_for(ticket)
            if is_given_up:
                self._leave(ticket)
        else:
            is_given_up = ticket.polls >= POLLS_MAX and ticket.expected_lots < ticket.sz_lots
        is_over = is_read or is_given_up or ticket.is_filled
        is_out = ticket.polls > 0 and ticket.expected_lots < 0 and not ticket.is_only_missed
        if (is_over or is_out) and not (ticket.is_filled or ticket.is_told):
            self._tell(ticket)
        if is_over:
            self.end(ticket)

    def end(self, ticket: Ticket) -> None:
        """Nothing more is expected of an order."""
        self._tickets.end(ticket, self._clock.monotonic_ns())
        self._on_end(ticket)

    def _is_waited_for(self, ticket: Ticket) -> bool:
        """Whether fills that the venue did not state would have come by now."""
        if ticket.polls < UNSTATED_POLLS_MIN:
            return False
        waited_ns = self._clock.monotonic_ns() - ticket.since_ns
        if waited_ns < UNSTATED_WAIT_NS:
            return False
        is_long = waited_ns >= self._settings.settle_s * NS_PER_S
        return is_long or not self._standing.may_hold(ticket.instrument, ticket.side)

    def _tell(self, ticket: Ticket) -> None:
        if ticket.instrument:  # one of an earlier run may have no market to be told on
            ticket.is_told = True
            self._teller.canceled(ticket, ticket.reason or names.OrderStatus.CANCELED)
