"""What the end of an order leaves of its family: it is canceled here, as no venue would do it.

An entry that ended without a fill leaves its children without a purpose, and a child its sibling
when it closed as much as the entry had opened. An order that was told to be gone and is listed
again is made to be gone. But what protects stays while the entry may still be filled, and while
there is a position to close that the other child left. Each is looked at again with every reading
until it is gone, or turns out to have a purpose: a fill may be late, a cancel may fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connectors.perpex.standing import Standing
from connectors.perpex.tickets import Phase, Ticket, Tickets
from engine.drive.seams import Clock
from engine.model.units import NS_PER_S

AGAIN_FIRST_NS: Final = 10 * NS_PER_S
AGAIN_MOST_NS: Final = 160 * NS_PER_S


class _Wish:
    """An order that is to go; `cause` is the one that ended, itself if it was told to be gone."""

    __slots__ = ("cause", "due_ns", "wait_ns")

    def __init__(self, cause: Ticket) -> None:
        self.cause = cause
        self.due_ns = 0
        self.wait_ns = AGAIN_FIRST_NS


class Families:
    """The entries and children of one account.

    `cancel` sends what nobody else asked for, if it is still due when its turn comes. `is_busy`
    says whether something about an order is still on its way.
    """

    def __init__(
        self,
        tickets: Tickets,
        standing: Standing,
        clock: Clock,
        cancel: Callable[[Ticket, Callable[[], bool]], None],
        is_busy: Callable[[str], bool],
    ) -> None:
        self._tickets = tickets
        self._standing = standing
        self._clock = clock
        self._cancel = cancel
        self._is_busy = is_busy
        self._wishes: dict[str, _Wish] = {}

    def ended(self, ticket: Ticket) -> None:
        """Nothing more is expected of an order: what it leaves without a purpose is to go."""
        for other in self._tickets.family(ticket):
            self._wish(other.cloid, ticket)

    def came_back(self, tickets: list[Ticket]) -> None:
        """These were told to be gone and are listed again."""
        for ticket in tickets:
            self._wish(ticket.cloid, ticket)

    def look(self) -> None:
        """Cancel what is to go and rests all the same."""
        for cloid in list(self._wishes):
            self._act(cloid)

    def _wish(self, cloid: str, cause: Ticket) -> None:
        self._wishes[cloid] = _Wish(cause)
        self._act(cloid)

    def _act(self, cloid: str) -> None:
        wish = self._wishes[cloid]
        living = self._tickets.generations(cloid)
        if not living or not self._is_still_to_go(cloid, wish.cause):
            del self._wishes[cloid]
            return
        now_ns = self._clock.monotonic_ns()
        if now_ns < wish.due_ns or self._is_needed(wish.cause, cloid):
            return
        resting = [ticket for ticket in living if ticket.may_rest]
        if wish.due_ns:
            # The first stands in line behind what is on its way; more of them would pile up.
            resting = [ticket for ticket in resting if ticket.order_id and not self._is_busy(cloid)]
        if resting:
            wish.due_ns = now_ns + wish.wait_ns
            wish.wait_ns = min(2 * wish.wait_ns, AGAIN_MOST_NS)
            self._cancel(resting[0], lambda: self._is_due(cloid, wish))

    def _is_due(self, cloid: str, wish: _Wish) -> bool:
        is_current = self._wishes.get(cloid) is wish and self._is_still_to_go(cloid, wish.cause)
        return is_current and not self._is_needed(wish.cause, cloid)

    def _is_still_to_go(self, cloid: str, cause: Ticket) -> bool:
        if cause.cloid == cloid:
            return True
        is_over = cause.phase is Phase.ENDED
        return is_over and any(one.cloid == cloid for one in self._tickets.family(cause))

    def _is_needed(self, cause: Ticket, cloid: str) -> bool:
        """Whether it protects what may still come, or what is open and nobody else closes."""
        if cause.cloid == cloid and not cause.reduce_only and cause.side is not None:
            return False
        if cause.cloid != cloid and not cause.parent:
            return False
        if cause.parent and self._tickets.may_open(cause.parent):
            return True
        is_closed = cause.cloid != cloid and self._has_closed(cause)
        return not is_closed and self._standing.is_open(cause.instrument, cause.side)

    def _has_closed(self, child: Ticket) -> bool:
        """Whether a child was filled by as much as its entry; whole, where that is not known."""
        opened_lots = self._tickets.filled_lots(child.parent)
        if opened_lots is None:
            return child.is_filled
        closed_lots = self._tickets.filled_lots(child.cloid) or 0
        return closed_lots >= opened_lots
