"""Fills from GET /trades: the one word that moves a position, since no push of them is documented.

Each is told once, by its id, to the order it belongs to. One that belongs to no order we know while
an order on its market is in flight or unclear is held back: it may be that order's. After a while
it is taken for the one unclear order that it fits in every fact, if the venue was never seen to
echo a client id; while it is not known whose it is, it stays held, and one that can be of none of
them is somebody else's. What was held while opening is let go of after that while, whosever it is,
if it is taken for none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from connectors.perpex.clocks import CLOCKS_APART_NS, is_ahead
from connectors.perpex.endings import Endings, Proof
from connectors.perpex.mapping import names
from connectors.perpex.mapping.read import Quarantine
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import FillWire
from connectors.perpex.numbers import id_number, money_e8, scaled
from connectors.perpex.rest import FillsPage
from connectors.perpex.standing import Standing
from connectors.perpex.telling import Teller
from connectors.perpex.tickets import Phase, Ticket, Tickets
from connectors.port import FillKey
from engine.drive.seams import Clock
from engine.errors import VenueError
from engine.model.events import OrderFilled
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS, NS_PER_S, Side

SEEN_REMEMBERED_MAX: Final = 100_000
HELD_MAX: Final = 1_000
OVERLAP_MS: Final = 10_000


class FillBook:
    """The fills of one account, and the `endings` of the orders that they are of.

    Fills up to `opened_ms` (venue time, never ours) belong to the state that the account was opened
    with, unless its ledger `goes_on`: then only what an earlier run has `booked` does.
    """

    def __init__(  # noqa: PLR0913 - what booking needs
        self,
        teller: Teller,
        tickets: Tickets,
        instruments: Mapping[str, Instrument],
        settings: PerpexSettings,
        clock: Clock,
        quarantine: Quarantine,
        *,
        venue: str,
        on_end: Callable[[Ticket], None],
        has_echo: Callable[[], bool],
    ) -> None:
        self.newest_ms = 0
        self.told = 0
        self.opened_ms = 0
        self.goes_on = False
        self._held_at_opening: frozenset[str] = frozenset()
        self.booked: frozenset[FillKey] = frozenset()
        self._stuck_ms = 0
        self._news: set[tuple[str, Side]] = set()
        self.echo_seen = False
        self.standing = Standing(round(settings.settle_s * NS_PER_S))
        self.held: dict[str, tuple[FillWire, int]] = {}
        self._teller = teller
        self._tickets = tickets
        self._instruments = instruments
        self._settings = settings
        self._clock = clock
        self._quarantine = quarantine
        self._venue = venue
        self.endings = Endings(teller, tickets, self.standing, settings, clock, on_end=on_end)
        self._has_echo = has_echo
        self._seen: dict[str, None] = {}
        self._others: dict[str, None] = {}
        self._log = structlog.get_logger().bind(account=teller.account)

    def start_ms(self, overlap_ms: int = OVERLAP_MS) -> int:
        """From when on fills are to be read, venue time: a little before the newest seen."""
        newest_ms = min(self.newest_ms, self._stuck_ms) if self._stuck_ms else self.newest_ms
        return max(0, newest_ms - overlap_ms)

    def skip(self, page: FillsPage) -> None:
        """Take fills as booked before."""
        for fill in page.fills:
            if not is_ahead(fill.time, self._clock):
                self._remember(fill)

    def take_up(self, page: FillsPage, started_ns: int) -> int:
        """Go on with a ledger from an earlier run: tell what came since. Gives what `take` does."""
        self.goes_on = True
        bad = self.take(page, started_ns)
        self._held_at_opening = frozenset(self.held)
        return bad

    def take(self, page: FillsPage, started_ns: int, shown_ns: int | None = None) -> int:
        """Tell what is new in a page that was asked for at `started_ns` (monotonic).

        `shown_ns` is the venue's time of the account read before it, where that matters. Gives
        how many rows could not be booked: the position is not known until they can be.
        """
        bad = page.unreadable
        untrue = 0
        self._news.clear()
        before_ms = self.newest_ms
        # What is held is looked at each time, though pages do not reach back to it any more.
        held = {fill.id: fill for fill, _ in self.held.values()}
        for fill in {**held, **{fill.id: fill for fill in page.fills}}.values():
            if fill.id in self._seen:
                continue
            if is_ahead(fill.time, self._clock):
                untrue += 1
                self._quarantine.keep("fill from the future", f"{fill.id} {fill.time}")
                continue
            try:
                self._consider(fill)
            except VenueError as error:
                bad += 1
                self._quarantine.keep("fill", str(error))
        # What cannot be booked is read again and again, however far the others have come.
        self._stuck_ms = (self._stuck_ms or before_ms) if bad else 0
        bad += untrue
        self.endings.polled(started_ns, Proof(not bad, frozenset(self._news), shown_ns))
        return bad

    def strangers(self, instrument: str) -> list[FillWire]:
        """Fills held back on a market, because they may be of an order in flight."""
        return [fill for fill, _ in self.held.values() if self._id_of(fill.symbol) == instrument]

    def leave(self, ticket: Ticket) -> None:
        """An order is about to be gone: what may have been filled of it spares its children.

        That is a held fill that may be its own, or a position on its side that nothing explains.
        """
        if self.standing.may_hold(ticket.instrument, ticket.side):
            self._tickets.spare(ticket)
        for fill in self.strangers(ticket.instrument):
            try:
                is_owner = ticket in self._owners(fill, self._instruments[ticket.instrument])
            except VenueError:
                is_owner = True  # of a fill that cannot be read nobody knows
            if is_owner:
                self._tickets.spare(ticket)

    # -- one fill --------------------------------------------------------------------------------

    def _consider(self, fill: FillWire) -> None:
        where = self._id_of(fill.symbol)
        instrument = self._instruments.get(where)
        is_of_opening = int(fill.time) <= self.opened_ms
        if is_of_opening and not self.goes_on:
            self._remember(fill)
            return
        if instrument is None:
            self._remember(fill)
            self._quarantine.keep("fill on a market without an instrument", fill.symbol)
            return
        ticket = self._tickets.find(fill.order_id or "", fill.client_order_id)
        if ticket is None:
            self._consider_stranger(fill, instrument, is_of_opening=is_of_opening)
            return
        self.echo_seen |= (fill.client_order_id or "").lower() == ticket.client_id
        self._book(fill, instrument, ticket)

    def _consider_stranger(
        self, fill: FillWire, instrument: Instrument, *, is_of_opening: bool
    ) -> None:
        """A fill of no order that we know: held back, taken for an unclear one, or told."""
        if self._is_held(fill, instrument.id):
            return
        owners = self._owners(fill, instrument)
        if is_of_opening:
            self._release(fill, instrument, owners)
            return
        ticket = self._adopt(fill, instrument, owners)
        if ticket is None and owners and fill.id in self.held:
            # While it is held every poll reads the account before the trades: what was there
            # when the account was opened is in a later reading by now, whatever its time.
            if fill.id in self._held_at_opening:
                self._release(fill, instrument, owners)
            return
        if ticket is None and not (fill.order_id or fill.client_order_id):
            self._spare_ending(fill, instrument)
        self._book(fill, instrument, ticket)

    def _spare_ending(self, fill: FillWire, instrument: Instrument) -> None:
        """A fill that names no order may be of one that ended, where that one's are not stated."""
        side = names.SIDES.get(fill.side.lower())
        for ticket in self._tickets.alive():
            is_open = ticket.phase is Phase.ENDING and ticket.expected_lots < 0
            if is_open and ticket.instrument == instrument.id and ticket.side in {side, None}:
                self._tickets.spare(ticket)

    def _book(self, fill: FillWire, instrument: Instrument, ticket: Ticket | None) -> None:
        """Tell a fill, of this order or of somebody else's. Raises VenueError as `_event`."""
        key = self._teller.account, int(fill.time), instrument.id, id_number(fill.id)
        if ticket is not None and key in self.booked:
            self._learn(ticket, fill)
            self.held.pop(fill.id, None)
            self._remember(fill)
            return
        event = self._event(fill, instrument, ticket)
        self._remember(fill)
        self.held.pop(fill.id, None)
        if ticket is None:
            if fill.order_id:
                _keep(self._others, fill.order_id)
        else:
            self._learn(ticket, fill)
            self._tickets.book(ticket, event.sz_lots)
        self._teller.sink(event)
        self.told += 1
        if not self.standing.knows_when:
            self._news.add((event.instrument, event.side))
        self.standing.count(event.instrument, event.side, event.sz_lots, int(fill.time))
        if ticket is not None and ticket.is_filled and ticket.phase is not Phase.SENT:
            self.endings.end(ticket)

    def _learn(self, ticket: Ticket, fill: FillWire) -> None:
        if fill.order_id and not ticket.order_id:
            self._tickets.learn(ticket, fill.order_id)

    def _event(self, fill: FillWire, instrument: Instrument, ticket: Ticket | None) -> OrderFilled:
        """Raises VenueError for a fill that does not fit the grid or has no side."""
        side = names.SIDES.get(fill.side.lower())
        if side is None:
            raise VenueError(f"perpex: a fill of side {self._quarantine.scrub(fill.side)[:16]!r}")
        px_ticks = scaled(fill.price, instrument.px_decimals, "fill price")
        sz_lots = scaled(fill.size, instrument.sz_decimals, "fill size")
        if px_ticks <= 0 or sz_lots <= 0:
            raise VenueError("perpex: a fill without a price or a size")
        oid = id_number(fill.order_id) if fill.order_id else 0
        grid = instrument.grid
        cloid = self._quarantine.scrub(fill.client_order_id or "") or f"oid:{oid}"
        return OrderFilled(
            fill.time.ns,
            self._clock.now_ns(),
            self._teller.account,
            instrument.id,
            cloid if ticket is None else ticket.cloid,
            0 if ticket is None else ticket.generation,
            oid,
            id_number(fill.id),
            side,
            px_ticks,
            sz_lots,
            grid.px(px_ticks),
            grid.sz(sz_lots),
            self._fee_e8(fill),
            (fill.liquidity or "").lower() == names.MAKER,
        )

    def _fee_e8(self, fill: FillWire) -> int:
        """The fee; 0, said aloud, where the venue gives none or one in another asset."""
        is_money = fill.fee_asset is None or fill.fee_asset.upper() == names.COLLATERAL
        if fill.fee is not None and is_money:
            return money_e8(fill.fee)
        self._quarantine.keep("fee of a fill", f"{fill.fee} {fill.fee_asset}")
        return 0

    def _is_held(self, fill: FillWire, instrument: str) -> bool:
        """Whether a fill of nobody's may yet turn out to be of an order in flight or unclear."""
        now_ns = self._clock.monotonic_ns()
        fill_, since_ns = self.held.get(fill.id, (fill, now_ns))
        is_open = any(
            ticket.instrument == instrument and ticket.phase in {Phase.SENT, Phase.UNCLEAR}
            for ticket in self._tickets.alive()
        )
        if not is_open or now_ns - since_ns > self._settings.settle_s * NS_PER_S:
            return False
        if fill.id not in self.held and len(self.held) >= HELD_MAX:
            return False
        self.held[fill.id] = fill_, since_ns
        return True

    def _owners(self, fill: FillWire, instrument: Instrument) -> list[Ticket]:
        """The orders in flight or unclear that a fill of nobody's may be of.

        What is held under the same id of the venue's is of the same order. Raises VenueError for a
        fill that does not fit the grid.
        """
        if fill.client_order_id or fill.order_id in self._others:
            return []
        side = names.SIDES.get(fill.side.lower())
        px_ticks = scaled(fill.price, instrument.px_decimals, "fill price")
        others = [
            other.size
            for other, _ in self.held.values()
            if other.id != fill.id and fill.order_id and other.order_id == fill.order_id
        ]
        sz_lots = scaled(sum(others, fill.size), instrument.sz_decimals, "fill size")
        return [
            ticket
            for ticket in self._tickets.alive()
            if ticket.instrument == instrument.id
            and ticket.phase in {Phase.SENT, Phase.UNCLEAR}
            and not ticket.order_id
            and self._tickets.may_be(ticket, fill.order_id or "")
            and (ticket.side is None or _may_be_of(ticket, side, px_ticks, sz_lots))
        ]

    def _adopt(
        self, fill: FillWire, instrument: Instrument, owners: Sequence[Ticket]
    ) -> Ticket | None:
        """The unclear order that a fill of nobody's is taken for, where nothing speaks against it.

        A trigger's fill has no limit to be held against, and an order that was only asked about has
        no facts: of those it is not known.
        """
        if len(owners) != 1 or not fill.order_id or self._has_echo():
            return None
        ticket = owners[0]
        if ticket.phase is not Phase.UNCLEAR or ticket.side is None or ticket.is_trigger:
            return None
        age_ns = self._clock.monotonic_ns() - ticket.sent_ns
        if fill.time.ns < self._clock.now_ns() - age_ns - CLOCKS_APART_NS:
            return None
        self._log.warning(
            "perpex: fill taken for the unclear order",
            cloid=ticket.cloid,
            instrument=instrument.id,
        )
        return ticket

    def _release(self, fill: FillWire, instrument: Instrument, owners: Sequence[Ticket]) -> None:
        """Let go of a fill from before the opening: nothing will tell whose it is.

        The position that the account was read with includes it. But fills are held only where a
        ledger goes on, and such a ledger opens with the position of its journal: that includes the
        fill only if an earlier run booked it. So it is told, and the sink passes over what is in
        the journal: it is booked once. It proves nothing of an order sent before that reading, and
        keeps none unclear; but an entry that it may be of keeps its protection.
        """
        lots = scaled(fill.size, instrument.sz_decimals, "fill size")
        self._book(fill, instrument, None)
        for ticket in owners:
            self._tickets.spare(ticket, lots)

    def _id_of(self, symbol: str) -> str:
        return f"{self._venue}:{self._settings.coin(symbol)}"

    def _remember(self, fill: FillWire) -> None:
        # No later than now, or what is filled until then would not be read.
        now_ms = self._clock.now_ns() // NS_PER_MS
        self.newest_ms = max(self.newest_ms, min(now_ms, int(fill.time)))
        _keep(self._seen, fill.id)


def _keep(ids: dict[str, None], number: str) -> None:
    ids[number] = None
    if len(ids) > SEEN_REMEMBERED_MAX:
        del ids[next(iter(ids))]


def _may_be_of(ticket: Ticket, side: Side | None, px_ticks: int, sz_lots: int) -> bool:
    """Whether a fill has the side of an order, a price within its limit, and no more than it."""
    if side is not ticket.side or ticket.booked_lots + sz_lots > ticket.sz_lots:
        return False
    if ticket.is_trigger:
        return True
    if side is Side.BUY:
        return px_ticks <= ticket.px_ticks
    return px_ticks >= ticket.px_ticks
