"""What readings of account and fills prove of an order, and what they say nothing of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.perpex.account import Reading
from connectors.perpex.fills import FillBook
from connectors.perpex.mapping.read import Quarantine, decode
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import FillWire, OrderWire
from connectors.perpex.rest import FillsPage
from connectors.perpex.settling import Settler
from connectors.perpex.telling import Teller
from connectors.perpex.tickets import Phase, Ticket, Tickets
from connectors.port import AccountState
from engine.drive.seams import ManualClock
from engine.model.effects import AskOrder
from engine.model.events import AnyEvent, OrderFilled
from engine.model.units import NS_PER_S
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    OTHER,
    T0_MS,
    VENUE,
    fill,
    instrument,
    order,
    place,
)  # fmt: skip


class Parts:
    def __init__(self) -> None:
        self.clock = ManualClock(T0_MS * 10**6)
        self.clock.advance(1_000 * NS_PER_S)
        self.heard: list[AnyEvent] = []
        self.tickets = Tickets(lambda _: None)
        teller = Teller(ACCOUNT, self.clock, self.heard.append)
        known = {BTC: instrument("BTC")}
        settings = PerpexSettings(rest_prefix="/api/v1")
        self.fills = FillBook(
            teller, self.tickets, known, settings, self.clock, Quarantine(), venue=VENUE,
            on_end=lambda _: None, has_echo=lambda: False,
        )  # fmt: skip
        self.settler = Settler(
            teller, self.tickets, known, settings, self.clock, self.fills,
            on_end=lambda _: None, on_back=lambda _: None,
        )  # fmt: skip

    def ticket(self, cloid: str, phase: Phase) -> Ticket:
        ticket = Ticket.of(place(cloid), self.clock.monotonic_ns())
        ticket.move(phase, self.clock.monotonic_ns())
        self.tickets.add(ticket)
        return ticket

    def review(self, *orders: dict[str, Any], started_ns: int | None = None) -> None:
        state = AccountState(ACCOUNT, 0, 0, 0, (), (), {})
        rows = tuple(decode(msgspec.json.encode(one), OrderWire) for one in orders)
        now_ns = self.clock.monotonic_ns()
        reading = Reading(state, {}, rows, is_complete=True, has_time=True)
        self.settler.review(reading, started_ns or now_ns)

    def take(self, *rows: dict[str, Any], started_ns: int | None = None) -> list[OrderFilled]:
        fills = tuple(decode(msgspec.json.encode(one), FillWire) for one in rows)
        self.fills.take(FillsPage(fills), started_ns or self.clock.monotonic_ns())
        return [one for one in self.heard if isinstance(one, OrderFilled)]


def test_of_two_unclear_orders_with_the_same_facts_a_listed_one_proves_neither() -> None:
    parts = Parts()
    tickets = [parts.ticket(cloid, Phase.UNCLEAR) for cloid in (CLOID, OTHER)]
    parts.review(order(client_order_id=None))

    assert [Phase.UNCLEAR, Phase.UNCLEAR] == [one.phase for one in tickets]


def test_a_reading_that_began_before_an_order_says_nothing_of_it() -> None:
    parts = Parts()
    started_ns = parts.clock.monotonic_ns()
    parts.clock.advance(1)
    ticket = parts.ticket(CLOID, Phase.LIVE)
    for _ in range(3):
        parts.review(started_ns=started_ns)

    assert (Phase.LIVE, 0) == (ticket.phase, ticket.missed)


def test_a_question_is_not_answered_by_a_reading_that_began_before_it() -> None:
    parts = Parts()
    parts.ticket(CLOID, Phase.LIVE)
    started_ns = parts.clock.monotonic_ns()
    parts.clock.advance(1)
    parts.settler.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
    parts.review(order(), started_ns=started_ns)
    assert [CLOID] == [*parts.settler.asked]

    parts.review(order())
    assert [] == [*parts.settler.asked]


def test_fills_that_were_asked_for_before_an_order_ended_do_not_end_it() -> None:
    parts = Parts()
    started_ns = parts.clock.monotonic_ns()
    parts.clock.advance(1)
    ticket = parts.ticket(CLOID, Phase.ENDING)
    phases = []
    for asked_ns in (started_ns, started_ns, started_ns, None, None, None):
        parts.clock.advance(20 * NS_PER_S)
        parts.take(started_ns=asked_ns)
        phases.append(ticket.phase)

    assert [*5 * [Phase.ENDING], Phase.ENDED] == phases


@pytest.mark.parametrize(("later_ms", "count"), [(0, 0), (1, 1)])
def test_a_fill_of_the_very_moment_of_the_opening_is_in_what_it_opened_with(
    later_ms: int, count: int
) -> None:
    parts = Parts()
    parts.fills.opened_ms = T0_MS

    assert count == len(parts.take(fill(time=T0_MS + later_ms)))


def test_a_fill_with_another_client_id_is_not_taken_for_the_unclear_order() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.UNCLEAR)
    for _ in range(2):
        parts.take(fill(client_order_id="somebody-else", order_id="9"))
        parts.clock.advance(3_600 * NS_PER_S)

    assert ("", 0) == (ticket.order_id, ticket.booked_lots)
    assert [True] == [CLOID != one.cloid for one in parts.heard if isinstance(one, OrderFilled)]


def test_a_child_that_ends_without_a_fill_leaves_its_sibling() -> None:
    parts = Parts()
    first, second = (parts.ticket(cloid, Phase.LIVE) for cloid in (CLOID, OTHER))
    first.parent = second.parent = "0xparent"
    assert [] == parts.tickets.family(first)

    first.booked_lots = 1
    assert [second] == parts.tickets.family(first)


def test_a_fill_of_another_generation_s_id_is_an_echo_and_one_without_is_none() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.LIVE)
    parts.tickets.learn(ticket, "1")
    parts.take(fill(client_order_id=None, size="0.1"))
    assert not parts.fills.echo_seen
    parts.take(fill("f2", size="0.1"))
    assert parts.fills.echo_seen


def test_a_fill_of_nobody_s_that_an_earlier_run_booked_is_left_to_the_sink_to_pass_over() -> None:
    parts = Parts()
    parts.fills.booked = frozenset({(ACCOUNT, T0_MS, BTC, 7)})

    assert 1 == len(parts.take(fill("7", time=T0_MS, order_id="9", client_order_id=None)))


def test_an_order_that_was_filled_before_it_was_answered_is_not_told_canceled() -> None:
    parts = Parts()
    ticket = parts.ticket(CLOID, Phase.SENT)
    parts.take(fill())
    ticket.leave_book(-1, "canceled", parts.clock.monotonic_ns())
    parts.take()

    assert (Phase.ENDED, False) == (ticket.phase, ticket.is_told)
    assert ["OrderFilled"] == [type(event).__name__ for event in parts.heard]
