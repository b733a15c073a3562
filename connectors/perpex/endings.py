"""When an order that left the book is said to be gone: when the fills it had have been read.

How much it had filled the venue says, or not. Where it does not, the fills are waited for: until
three readings in a row, over some seconds, prove that none is on its way, or as long as for an
unclear order; then it may have been filled for all that is known. A reading proves that if every
row of it could be read, if the account read before it does not list the order (where it lists none:
is not older than the end) and shows no position that is not explained, and, where the account does
not say as of when, if none was news of that market and side. An order of which the venue said that
it is canceled is told to be so at once; what waits for its fills then is only what protects them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from connectors.perpex.clocks import CLOCKS_APART_NS
from connectors.perpex.mapping import names
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.standing import Standing
from connectors.perpex.telling import Teller
from connectors.perpex.tickets import Phase, Ticket, Tickets
from engine.drive.seams import Clock
from engine.model.units import NS_PER_S, Side

POLLS_MAX: Final = 5
PROOFS_MIN: Final = 3
UNSTATED_WAIT_NS: Final = 10 * NS_PER_S
# Where the account says as of when, its position alone tells what was filled, read or not.
SHOWN_WAIT_NS: Final = 5 * NS_PER_S


class Proof(NamedTuple):
    """What a reading of the fills, and of the account before it, is worth.

    `is_clean` says that every row could be read, `news` on which market and side there were fills
    of which it is not known whether the account showed them, `shown_ns` when (venue time) the
    account was as it was read; None where it is no matter.
    """

    is_clean: bool = True
    news: frozenset[tuple[str, Side]] = frozenset()
    shown_ns: int | None = None


class Endings:
    """The ends of one account's orders; `on_end` hears when nothing more is expected of one."""

    def __init__(
        self,
        teller: Teller,
        tickets: Tickets,
        standing: Standing,
        settings: PerpexSettings,
        clock: Clock,
        *,
        on_end: Callable[[Ticket], None],
    ) -> None:
        self._teller = teller
        self._tickets = tickets
        self._standing = standing
        self._settings = settings
        self._clock = clock
        self._on_end = on_end

    @property
    def missing(self) -> list[Ticket]:
        """Orders called filled whose fills did not come in five readings."""
        return [
            ticket
            for ticket in self._tickets.alive()
            if ticket.phase is Phase.ENDING
            and ticket.polls >= POLLS_MAX
            and ticket.expected_lots >= ticket.sz_lots > 0
        ]

    def polled(self, started_ns: int, proof: Proof) -> None:
        """Fills were read that were asked for at `started_ns` (monotonic)."""
        for ticket in self._tickets.alive():
            if ticket.phase is Phase.ENDING and ticket.since_ns <= started_ns:
                ticket.polls += 1
                ticket.proofs = ticket.proofs + 1 if self._proves(ticket, proof) else 0
                self.settle(ticket)

    def settle(self, ticket: Ticket) -> None:
        """Close an order that left the book, if everything about it has been read."""
        if ticket.phase is not Phase.ENDING:
            return
        is_read = ticket.booked_lots >= ticket.expected_lots >= 0
        if ticket.expected_lots < 0:
            is_given_up = self._is_waited_for(ticket)
        else:
            is_all = 0 < ticket.sz_lots <= ticket.expected_lots
            is_given_up = ticket.polls >= POLLS_MAX and not is_all
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
        """Whether fills that the venue did not state would have come by now.

        Of one that is given up without a proof, what may have been filled keeps its protection.
        """
        waited_ns = self._clock.monotonic_ns() - ticket.since_ns
        is_proven = ticket.proofs >= PROOFS_MIN and ticket.booked_lots >= ticket.stated_lots
        wait_ns = SHOWN_WAIT_NS if self._standing.knows_when else UNSTATED_WAIT_NS
        if is_proven and waited_ns >= wait_ns:
            return True
        long_ns = max(self._settings.settle_s * NS_PER_S, 2 * UNSTATED_WAIT_NS)
        is_long = waited_ns >= long_ns and ticket.polls >= PROOFS_MIN
        if is_long:
            self._tickets.spare(ticket)
        return is_long

    def _proves(self, ticket: Ticket, proof: Proof) -> bool:
        """Whether a reading shows that nothing of an order is filled and not read."""
        sides = (Side.BUY, Side.SELL) if ticket.side is None else (ticket.side,)
        if not proof.is_clean or any((ticket.instrument, side) in proof.news for side in sides):
            return False
        if proof.shown_ns is not None:
            ended_ns = self._clock.now_ns() - (self._clock.monotonic_ns() - ticket.since_ns)
            if proof.shown_ns < ended_ns - CLOCKS_APART_NS:
                return False
        return not self._standing.may_hold(ticket.instrument, ticket.side)

    def _tell(self, ticket: Ticket) -> None:
        if ticket.instrument:  # one of an earlier run may have no market to be told on
            ticket.is_told = True
            self._teller.canceled(ticket, ticket.reason or names.OrderStatus.CANCELED)
