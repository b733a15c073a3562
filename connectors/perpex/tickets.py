"""What the link knows of each order it sent: one ticket per (cloid, generation).

Ids are learned from answers, from the account and from fills. Every ticket that may still live
counts as an open order; the newest 10,000 that ended are remembered, so that late fills find them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from connectors.perpex.client_ids import client_id, split
from connectors.perpex.mapping import names
from connectors.perpex.numbers import id_number
from engine.model.commands import ModifyOrder, Place
from engine.model.units import Side, Tif

ENDED_REMEMBERED_MAX: Final = 10_000
SIGHTED_REMEMBERED_MAX: Final = 10_000
NOT_FOUND: Final = "not found at the venue"
DISMISSED: Final = "dismissed by the operator"


class Phase(IntEnum):
    """Where a ticket is. Up to UNCLEAR the order may rest at the venue."""

    SENT = 0
    LIVE = 1
    UNCLEAR = 2
    ENDING = 3
    """It left the book; fills of it may not have been read yet."""
    ENDED = 4


class Ticket:
    """One generation of one order. `sent_ns` and `since_ns` (of its phase) are monotonic.

    `expected_lots` is what the venue says was filled of it in all, -1 where it did not say;
    `stated_lots` what it said while it was listed. `missed` is how many readings of the account in
    a row did not list it, `proofs` how many in a row proved that its fills are read. `is_told` says
    that the sink knows of its end, `is_replaced` that a modify is to put another in its place;
    `prior_lots` is what was filled of earlier generations, or may have been of any. `is_stated`
    says that listings tell what was filled of it.
    """

    __slots__ = (
        "booked_lots",
        "client_id",
        "cloid",
        "expected_lots",
        "generation",
        "instrument",
        "is_replaced",
        "is_stated",
        "is_told",
        "is_trigger",
        "is_triggered",
        "missed",
        "order_id",
        "parent",
        "phase",
        "polls",
        "prior_lots",
        "proofs",
        "px_ticks",
        "reason",
        "reduce_only",
        "sent_ns",
        "side",
        "since_ns",
        "stated_lots",
        "sz_lots",
        "tif",
    )

    def __init__(self, instrument: str, cloid: str, generation: int, sent_ns: int) -> None:
        self.instrument = instrument
        self.cloid = cloid
        self.generation = generation
        self.client_id = client_id(cloid, generation)
        self.order_id = ""
        self.side: Side | None = None
        self.px_ticks = 0
        self.sz_lots = 0
        self.tif = Tif.GTC
        self.reduce_only = False
        self.is_trigger = False
        self.is_triggered = False
        self.parent = ""
        self.sent_ns = sent_ns
        self.since_ns = sent_ns
        self.phase = Phase.SENT
        self.booked_lots = 0
        self.expected_lots = -1
        self.missed = 0
        self.polls = 0
        self.proofs = 0
        self.stated_lots = 0
        self.is_stated = False
        self.is_told = False
        self.is_replaced = False
        self.prior_lots = 0
        self.reason = ""

    @classmethod
    def of(cls, command: Place | ModifyOrder, sent_ns: int) -> Ticket:
        """The ticket of what a command sends."""
        generation = 0 if isinstance(command, Place) else command.generation
        ticket = cls(command.instrument, command.cloid, generation, sent_ns)
        ticket.side = command.side
        ticket.px_ticks = command.px_ticks
        ticket.sz_lots = command.sz_lots
        ticket.tif = command.tif
        ticket.reduce_only = command.reduce_only
        if isinstance(command, Place):
            ticket.is_trigger = command.trigger is not None
            ticket.parent = command.parent
        return ticket

    @property
    def oid(self) -> int:
        """The venue's id as a number, 0 while it is not known."""
        return id_number(self.order_id) if self.order_id else 0

    @property
    def may_rest(self) -> bool:
        """Whether the order may be in the venue's book."""
        return self.phase <= Phase.UNCLEAR

    @property
    def is_filled(self) -> bool:
        """Whether all of it was filled."""
        return 0 < self.sz_lots <= self.booked_lots

    def move(self, phase: Phase, now_ns: int) -> None:
        """Enter a phase."""
        self.phase = phase
        self.since_ns = now_ns
        self.missed = self.polls = self.proofs = 0

    @property
    def is_only_missed(self) -> bool:
        """Whether nothing but its absence says that it left the book."""
        return self.reason in {NOT_FOUND, DISMISSED, names.Code.ORDER_NOT_FOUND}

    def state_filled(self, lots: int) -> None:
        """A listing or an answer says what was filled so far; -1 where it does not."""
        self.is_stated = lots >= 0
        self.stated_lots = max(self.stated_lots, lots)

    def leave_book(self, expected_lots: int, reason: str, now_ns: int) -> None:
        """It rests no more; of it `expected_lots` were filled, -1 where the venue did not say."""
        self.expected_lots = expected_lots
        self.reason = reason
        if self.phase < Phase.ENDING:
            self.move(Phase.ENDING, now_ns)


class Tickets:
    """The tickets of one account; `on_count` hears how many may rest whenever that may change."""

    def __init__(self, on_count: Callable[[int], None]) -> None:
        self._by_key: dict[tuple[str, int], Ticket] = {}
        self._by_order: dict[str, Ticket] = {}
        self._by_client: dict[str, Ticket] = {}
        self._newest: dict[str, Ticket] = {}
        self._alive: dict[tuple[str, int], Ticket] = {}
        self._ended: deque[Ticket] = deque()
        self._sighted: dict[str, int] = {}
        self._unsent: dict[tuple[str, int], None] = {}
        self._on_count = on_count

    def add(self, ticket: Ticket) -> None:
        """Take in a ticket that is about to be sent."""
        key = ticket.cloid, ticket.generation
        self._by_key[key] = self._alive[key] = ticket
        self._unsent.pop(key, None)
        self._by_client[ticket.client_id] = ticket
        newest = self._newest.get(ticket.cloid)
        if newest is None or newest.generation <= ticket.generation:
            self._newest[ticket.cloid] = ticket
        if ticket.order_id:
            self._by_order[ticket.order_id] = ticket
        self.count()

    def inherit(self, ticket: Ticket) -> None:
        """A next generation belongs where the one before it belonged, and what was filled stays."""
        old = self._by_key.get((ticket.cloid, ticket.generation - 1))
        if old is not None:
            old.is_replaced = False
            ticket.parent = old.parent
            ticket.prior_lots = old.prior_lots + old.booked_lots

    def book(self, ticket: Ticket, lots: int) -> None:
        """Some of an order was filled, which its later generations have behind them."""
        ticket.booked_lots += lots
        for later in self.generations(ticket.cloid):
            if later.generation > ticket.generation:
                later.prior_lots += lots

    def spare(self, entry: Ticket, lots: int = 1) -> None:
        """So much of an entry may have been filled: its children stay."""
        if not entry.parent:
            entry.prior_lots += lots

    def learn(self, ticket: Ticket, order_id: str) -> None:
        """The venue's id of an order became known."""
        if order_id:
            ticket.order_id = order_id
            # A row may name any generation of ours: only what was sent or listed is remembered.
            if self._by_key.get((ticket.cloid, ticket.generation)) is ticket:
                self._by_order[order_id] = ticket

    def end(self, ticket: Ticket, now_ns: int) -> None:
        """Nothing more is expected of an order."""
        if self._alive.pop((ticket.cloid, ticket.generation), None) is None:
            return
        ticket.move(Phase.ENDED, now_ns)
        self._ended.append(ticket)
        if len(self._ended) > ENDED_REMEMBERED_MAX:
            self._forget(self._ended.popleft())
        self.count()

    def revive(self, ticket: Ticket, now_ns: int) -> None:
        """One that ended because nothing was seen of it is listed after all."""
        if ticket in self._ended:
            self._ended.remove(ticket)
        ticket.expected_lots = -1
        ticket.move(Phase.LIVE, now_ns)
        self.add(ticket)

    def count(self) -> None:
        """Tell how many may rest."""
        self._on_count(sum(ticket.may_rest for ticket in self._alive.values()))

    def get(self, cloid: str, generation: int) -> Ticket | None:
        """The ticket of one generation."""
        return self._by_key.get((cloid, generation))

    def newest(self, cloid: str) -> Ticket | None:
        """The newest generation that was sent."""
        return self._newest.get(cloid)

    def alive(self) -> list[Ticket]:
        """Every ticket of which something is expected, oldest first."""
        return list(self._alive.values())

    def generations(self, cloid: str) -> list[Ticket]:
        """The generations of an order of which something is expected, newest first."""
        found = [ticket for ticket in self._alive.values() if ticket.cloid == cloid]
        return sorted(found, key=_generation, reverse=True)

    def family(self, ticket: Ticket) -> list[Ticket]:
        """What an order that ended leaves without a purpose: its siblings, or its children.

        None while another generation of it may rest, whether older or newer (a modify whose cancel
        was unclear leaves the older), or waits for fills that the venue did not state: then that
        one's end decides.
        """
        siblings, children = [], []
        for other in self.alive():
            if other.cloid == ticket.cloid and other is not ticket:
                if other.may_rest or other.expected_lots < 0:
                    return []
                continue
            if other.parent == ticket.cloid:
                children.append(other)
            elif ticket.parent and other.parent == ticket.parent and other is not ticket:
                siblings.append(other)
        if (ticket.is_replaced and not ticket.is_filled) or not (siblings or children):
            return []
        return siblings if self._has_filled(ticket) else children

    def _has_filled(self, ticket: Ticket) -> bool:
        """Whether any of an order was filled, in any generation: booked, or only stated so far."""
        return any(
            one.booked_lots + one.prior_lots > 0 or max(one.expected_lots, one.stated_lots) > 0
            for one in (ticket, *self._known(ticket.cloid))
        )

    def filled_lots(self, cloid: str) -> int | None:
        """What was booked of an order in all; None for one that is not known."""
        known = self._known(cloid)
        return known[0].prior_lots + sum(one.booked_lots for one in known) if known else None

    def may_open(self, cloid: str) -> bool:
        """Whether more of an order may be filled than was booked: it rests, or it is not read."""
        living = self.generations(cloid)
        if any(one.may_rest or one.expected_lots < 0 for one in living):
            return True
        known = self._known(cloid)
        return any(max(one.expected_lots, one.stated_lots) > one.booked_lots for one in known)

    def note_unsent(self, cloid: str, generation: int) -> None:
        """A modify was given up before this generation of it was sent."""
        self._unsent[cloid, generation] = None
        if len(self._unsent) > ENDED_REMEMBERED_MAX:
            del self._unsent[next(iter(self._unsent))]

    def is_unsent(self, cloid: str, generation: int) -> bool:
        """Whether a generation that was asked for was certainly never sent."""
        return (cloid, generation) in self._unsent

    def _known(self, cloid: str) -> list[Ticket]:
        newest = self._newest.get(cloid)
        if newest is None:
            return []
        found = (self._by_key.get((cloid, number)) for number in range(newest.generation + 1))
        return [one for one in found if one is not None]

    def find(self, order_id: str, client: str | None) -> Ticket | None:
        """The ticket an order of the venue's belongs to, by its id or by its client id."""
        found = self._by_order.get(order_id)
        if found is None and client:
            found = self._by_client.get(client.lower())
            if found is None and self.is_ours(client):
                cloid, generation = split(client)
                found = Ticket(self._newest[cloid].instrument, cloid, generation, 0)
        return found

    def is_ours(self, client: str) -> bool:
        """Whether a client id is of an order that this link knows."""
        return split(client)[0] in self._newest

    def sight(self, order_id: str, now_ns: int) -> None:
        """An order of nobody's is listed; when it first was is remembered."""
        self._sighted.setdefault(order_id, now_ns)
        if len(self._sighted) > SIGHTED_REMEMBERED_MAX:
            del self._sighted[next(iter(self._sighted))]

    def may_be(self, ticket: Ticket, order_id: str) -> bool:
        """Whether an order of nobody's may be this one: not if it was listed before this was sent.

        What was only asked about has no facts, and was sent nobody knows when.
        """
        seen_ns = self._sighted.get(order_id)
        return seen_ns is None or ticket.side is None or seen_ns >= ticket.sent_ns

    def _forget(self, ticket: Ticket) -> None:
        key = ticket.cloid, ticket.generation
        if self._by_key.get(key) is ticket:
            del self._by_key[key]
        if self._by_order.get(ticket.order_id) is ticket:
            del self._by_order[ticket.order_id]
        if self._by_client.get(ticket.client_id) is ticket:
            del self._by_client[ticket.client_id]
        if self._newest.get(ticket.cloid) is ticket:
            del self._newest[ticket.cloid]


def _generation(ticket: Ticket) -> int:
    return ticket.generation
