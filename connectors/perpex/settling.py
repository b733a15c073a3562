"""Settles what is not known of an order, from readings of the account and of its fills.

An order that the account lists is live, unless the venue has said that it canceled it. One that two
readings in a row lack has left the book, and is gone when its fills have been waited for. One whose
POST was unclear may still
be on its way: it is taken as gone no sooner than `settle_s` after it was sent. Until the account
has been seen to show a client id of ours, an absence proves less: then account and fills must also
hold nothing on that market that belongs to nobody, and nothing new may be opened there meanwhile.
That the answer to a POST echoes the id says nothing of the account. Whatever was seen, an order or
a fill there that shows no client id may be the one looked for, unless the account listed that order
before the one looked for was sent. How its facts look proves less: they are shown as is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from connectors.perpex.account import Reading
from connectors.perpex.fills import FillBook
from connectors.perpex.mapping import names
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import OrderWire
from connectors.perpex.numbers import lots_stated, scaled
from connectors.perpex.telling import Teller
from connectors.perpex.tickets import DISMISSED, NOT_FOUND, Phase, Ticket, Tickets
from engine.drive.seams import Clock
from engine.errors import VenueError
from engine.model.effects import AskOrder
from engine.model.events import StreamChanged, StreamPhase
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_S

MISSED_MAX: Final = 2
UNCLEAR_STREAM: Final = "unclear-order"


class Settler:
    """The unsettled orders of one account. `on_end` hears of each that turned out to be gone.

    `on_back` hears of those that were told to be gone and are listed again.
    """

    def __init__(  # noqa: PLR0913 - what settling needs
        self,
        teller: Teller,
        tickets: Tickets,
        instruments: Mapping[str, Instrument],
        settings: PerpexSettings,
        clock: Clock,
        fills: FillBook,
        *,
        on_end: Callable[[Ticket], None],
        on_back: Callable[[list[Ticket]], None],
    ) -> None:
        self.asked: dict[str, tuple[AskOrder, int]] = {}
        self.blocked: set[str] = set()
        self.echo_seen = False
        self._teller = teller
        self._tickets = tickets
        self._fills = fills
        self._instruments = instruments
        self._settings = settings
        self._clock = clock
        self._on_end = on_end
        self._on_back = on_back
        self._log = structlog.get_logger().bind(account=teller.account)

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to settle."""
        return bool(self.asked) or any(
            ticket.phase is Phase.UNCLEAR or ticket.phase is Phase.ENDING
            for ticket in self._tickets.alive()
        )

    def ask(self, ask: AskOrder) -> None:
        """Settle an order; the answer is told when it is known."""
        self.asked[ask.cloid] = ask, self._clock.monotonic_ns()
        for ticket in self._tickets.generations(ask.cloid):
            ticket.instrument = ticket.instrument or ask.instrument
        is_known = self._tickets.get(ask.cloid, ask.generation) is not None
        if not is_known and not self._tickets.is_unsent(ask.cloid, ask.generation):
            ticket = Ticket(ask.instrument, ask.cloid, ask.generation, self._clock.monotonic_ns())
            ticket.phase = Phase.UNCLEAR
            self._tickets.inherit(ticket)
            self._tickets.add(ticket)
            self.note_unclear(ticket)

    def note_unclear(self, ticket: Ticket) -> None:
        """Nobody knows whether an order was taken: its market is blocked until an echo was seen."""
        if not self.echo_seen and ticket.instrument not in self.blocked:
            self.blocked.add(ticket.instrument)
            self._tell_block(ticket.instrument, StreamPhase.GAP)
            self._log.error("perpex: unclear order, no new risk", instrument=ticket.instrument)

    def dismiss(self, cloid: str) -> bool:
        """The operator's word that nothing of an order rests; whether there was one to settle."""
        self.asked.pop(cloid, None)
        found = self._tickets.generations(cloid)
        for ticket in found:
            self._gone(ticket, DISMISSED)
        self._unblock()
        return bool(found)

    def review(self, reading: Reading, started_ns: int) -> None:
        """Conclude what a reading of the account, and the fills read after it, allow.

        `started_ns` is when the reading was asked for (monotonic): of what changed later it says
        nothing.
        """
        listed = self._match(reading)
        self._revive(listed.values(), started_ns)
        for ticket in self._tickets.alive():
            if ticket.since_ns > started_ns or ticket.phase is Phase.SENT:
                continue
            order = listed.get(ticket.client_id)
            if order is not None:
                self._alive(ticket, order)
            elif ticket.phase in {Phase.LIVE, Phase.UNCLEAR} and reading.is_complete:
                ticket.missed += 1
        strangers = self._strangers(reading, listed)
        for ticket in self._tickets.alive():
            if not self._is_missed(ticket):
                continue
            if ticket.phase is Phase.LIVE:
                ticket.leave_book(-1, NOT_FOUND, self._clock.monotonic_ns())
                self._tickets.count()
            elif not self._may_show(ticket, strangers):
                self._gone(ticket, ticket.reason or NOT_FOUND)
        self._answer(started_ns)
        self._unblock()

    # -- what is listed --------------------------------------------------------------------------

    def _match(self, reading: Reading) -> dict[str, OrderWire]:
        """The listed orders that are ours, by client id; an unclear one may show by its facts."""
        listed: dict[str, OrderWire] = {}
        strangers: list[OrderWire] = []
        for order in reading.orders:
            ticket = self._tickets.find(order.id, order.client_order_id)
            if ticket is None:
                strangers.append(order)
                continue
            if self._tickets.get(ticket.cloid, ticket.generation) is None:
                # A generation from before this run still rests.
                ticket.move(Phase.LIVE, 0)
                self._tickets.add(ticket)
            self.echo_seen |= (order.client_order_id or "").lower() == ticket.client_id
            listed[ticket.client_id] = order
        for ticket in self._tickets.alive():
            if ticket.phase is Phase.UNCLEAR and not ticket.order_id and ticket.side is not None:
                fitting = [
                    order
                    for order in strangers
                    if self._fits(ticket, order) and self._tickets.may_be(ticket, order.id)
                ]
                twins = [other for other in self._tickets.alive() if _is_twin(ticket, other)]
                if len(fitting) == 1 and not twins:
                    listed[ticket.client_id] = fitting[0]
                    self._log.warning("perpex: unclear order found", cloid=ticket.cloid)
        return listed

    def _revive(self, listed: Iterable[OrderWire], started_ns: int) -> None:
        """Take up again what ended because nothing was seen of it, and does rest."""
        back = []
        for order in listed:
            ticket = self._tickets.find(order.id, order.client_order_id)
            is_over = ticket is not None and ticket.phase is Phase.ENDED
            if ticket is None or not is_over or ticket.since_ns > started_ns:
                continue
            if ticket.is_only_missed and not ticket.is_filled:
                self._log.error("perpex: an order taken for gone does rest", cloid=ticket.cloid)
                self._tickets.revive(ticket, self._clock.monotonic_ns())
                back.append(ticket)
        self._on_back(back)

    def _fits(self, ticket: Ticket, order: OrderWire) -> bool:
        """Whether an order of nobody's has every fact of one that we sent, and no other client."""
        instrument = self._instruments.get(ticket.instrument)
        if instrument is None or order.client_order_id or order.size is None:
            return False
        px = order.price if order.price is not None else order.trigger_price
        if px is None or self._settings.symbol(instrument.coin) != order.symbol:
            return False
        try:
            px_ticks = scaled(px, instrument.px_decimals, "order price")
            sz_lots = scaled(order.size, instrument.sz_decimals, "order size")
        except VenueError:
            return False
        side = names.SIDES.get((order.side or "").lower())
        return (side, px_ticks, sz_lots) == (ticket.side, ticket.px_ticks, ticket.sz_lots)

    def _alive(self, ticket: Ticket, order: OrderWire) -> None:
        ticket.missed = 0
        self._tickets.learn(ticket, order.id)
        where = self._instruments.get(ticket.instrument)
        ticket.state_filled(lots_stated(order.filled_size, where))
        if ticket.phase is Phase.UNCLEAR:
            ticket.move(Phase.LIVE, self._clock.monotonic_ns())
            if ticket.cloid not in self.asked:
                self._teller.accepted(ticket)
        elif ticket.phase is Phase.ENDING and ticket.is_only_missed and not ticket.is_told:
            # It was not listed, or not found by a cancel, and does rest.
            ticket.move(Phase.LIVE, self._clock.monotonic_ns())
            self._tickets.count()
        is_triggered = order.status.lower() == names.OrderStatus.TRIGGERED
        if ticket.is_trigger and is_triggered and not ticket.is_triggered:
            ticket.is_triggered = True
            self._teller.triggered(ticket)

    # -- what is not -----------------------------------------------------------------------------

    def _strangers(self, reading: Reading, listed: Mapping[str, OrderWire]) -> list[OrderWire]:
        """The listed orders of nobody's that may be ours.

        Once an echo was seen, what shows a client id that is not ours is known to be another's.
        """
        ours = {order.id for order in listed.values()}
        now_ns = self._clock.monotonic_ns()
        strangers = [order for order in reading.orders if order.id not in ours]
        for order in strangers:
            self._tickets.sight(order.id, now_ns)
        return [order for order in strangers if not (self.echo_seen and order.client_order_id)]

    def _may_show(self, ticket: Ticket, strangers: Sequence[OrderWire]) -> bool:
        """Whether something of nobody's that may be an unclear order rests, or was filled."""
        if ticket.phase is not Phase.UNCLEAR:
            return False
        known = self._instruments.get(ticket.instrument)
        symbol = "" if known is None else self._settings.symbol(known.coin)
        rest = [order.id for order in strangers if order.symbol == symbol]
        filled = [
            fill.order_id or ""
            for fill in self._fills.strangers(ticket.instrument)
            if not (self.echo_seen and (fill.client_order_id or self._fills.echo_seen))
        ]
        return any(self._tickets.may_be(ticket, number) for number in (*rest, *filled))

    def _is_missed(self, ticket: Ticket) -> bool:
        """Whether an order was looked for as often, and as long, as an absence must last."""
        if ticket.phase not in {Phase.LIVE, Phase.UNCLEAR} or ticket.missed < MISSED_MAX:
            return False
        age_ns = self._clock.monotonic_ns() - ticket.sent_ns
        return ticket.phase is Phase.LIVE or age_ns >= self._settings.settle_s * NS_PER_S

    def _gone(self, ticket: Ticket, reason: str) -> None:
        self._fills.leave(ticket)
        self._tickets.end(ticket, self._clock.monotonic_ns())
        # One of an earlier run that nobody asked about has no market to be told on.
        is_due = bool(ticket.instrument) and ticket.cloid not in self.asked
        if is_due and not ticket.is_filled and not ticket.is_told:
            ticket.is_told = True
            self._teller.canceled(ticket, reason)
        ticket.reason = reason
        self._on_end(ticket)

    # -- answering -------------------------------------------------------------------------------

    def _answer(self, started_ns: int) -> None:
        """Answer every question whose order is settled by what was read after it was asked."""
        for cloid, (ask, asked_ns) in list(self.asked.items()):
            alive = self._tickets.generations(cloid)
            is_open = any(ticket.phase is not Phase.LIVE or ticket.missed for ticket in alive)
            if is_open or asked_ns > started_ns:
                continue
            del self.asked[cloid]
            newest = alive[0] if alive else self._tickets.newest(cloid)
            if newest is None:
                self._teller.none_left(ask.instrument, cloid, ask.generation, NOT_FOUND)
            elif alive:
                self._teller.accepted(newest)
            elif newest.generation < ask.generation or not (
                newest.is_filled or (newest.is_told and newest.generation == ask.generation)
            ):
                reason = newest.reason or NOT_FOUND
                where = ask.instrument, cloid, ask.generation
                self._teller.none_left(*where, reason, newest.oid)

    def _unblock(self) -> None:
        unclear = {
            ticket.instrument for ticket in self._tickets.alive() if ticket.phase is Phase.UNCLEAR
        }
        for instrument in sorted(self.blocked - unclear):
            self.blocked.discard(instrument)
            self._tell_block(instrument, StreamPhase.READY)

    def _tell_block(self, instrument: str, phase: StreamPhase) -> None:
        at_ns = self._clock.now_ns()
        stream = f"{UNCLEAR_STREAM} {self._teller.account}"
        self._teller.sink(StreamChanged(at_ns, at_ns, stream, phase, instrument))


def _is_twin(ticket: Ticket, other: Ticket) -> bool:
    """Whether two unclear orders cannot be told apart by their facts."""
    return (
        other is not ticket
        and other.phase is Phase.UNCLEAR
        and not other.order_id
        and (other.instrument, other.side, other.px_ticks, other.sz_lots)
        == (ticket.instrument, ticket.side, ticket.px_ticks, ticket.sz_lots)
    )
