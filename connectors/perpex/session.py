"""One account on Perpex: its key, its budget, its orders, and the polls that stand in for pushes.

No push of fills or orders is documented, so /trades and /account are read again and again: every
2 s while orders may live, every 15 s else, and after an answer or a push about positions within a
second. When reading fails, or what is read cannot be understood, the account is said to be stale
and takes no new risk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from connectors.perpex.account import AccountReader, FundingWatch, Reading
from connectors.perpex.auth import Tokens
from connectors.perpex.budget import RequestBudget
from connectors.perpex.clocks import CLOCKS_APART_MS_MAX, is_ahead
from connectors.perpex.desk import Desk
from connectors.perpex.families import Families
from connectors.perpex.fills import FillBook
from connectors.perpex.leverage import LeverageWatch
from connectors.perpex.mapping.read import Quarantine
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.rest import PerpexRest
from connectors.perpex.settling import Settler
from connectors.perpex.telling import Teller
from connectors.perpex.tickets import Phase, Ticket, Tickets
from connectors.port import AccountState, Outgoing, Resumption, Sink
from connectors.stream import Network
from connectors.web import Http
from engine.errors import CredentialsError, TransportError, VenueError
from engine.model.commands import ModifyOrder, Place
from engine.model.effects import AskOrder
from engine.model.events import AnyEvent, StreamChanged, StreamPhase
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS, NS_PER_S

POLL_LEAST_S: Final = 1.0
FAILURES_MAX: Final = 2
RECONNECT_OVERLAP_MS: Final = 60_000
UNTOLD_S_MAX: Final = 60.0
STATE_TRIES_MAX: Final = 5
_PLAIN_ID_BELOW: Final = 1 << 62
_BACKOFF_MOST_S: Final = 30.0


class Session:
    """One account of the link. Nothing is told before `open` gave the sink."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an account needs
        self,
        venue: str,
        account: str,
        http: Http,
        settings: PerpexSettings,
        tokens: Tokens,
        network: Network,
        instruments: Mapping[str, Instrument],
    ) -> None:
        clock = network.clock
        self.account = account
        self.venue = venue
        self.tokens = tokens
        self.quarantine = Quarantine(tokens.scrub)
        self.budget = RequestBudget(
            settings.requests_max, settings.cancel_reserve, clock, read_share=settings.read_share
        )
        self.rest = PerpexRest(
            http, settings, self.budget, tokens, network.randomness, self.quarantine
        )
        self.tickets = Tickets(self._count)
        self._settings = settings
        self._clock = clock
        self._sink: Sink | None = None
        teller = Teller(account, clock, self.tell)
        common = teller, self.tickets, instruments, settings, clock
        self.fills = FillBook(
            *common,
            self.quarantine,
            venue=venue,
            on_end=self._ended,
            has_echo=lambda: self.has_echo,
        )
        self.leverage = LeverageWatch(account, settings, clock, self.tell)
        self.desk = Desk(
            teller,
            self.rest,
            self.tickets,
            instruments,
            clock,
            self.quarantine,
            wake=self.wake,
            on_ending=self.fills.endings.settle,
            on_end=self._ended,
            on_unclear=self._unclear,
            on_leverage=self.leverage.wish,
        )
        self.families = Families(
            self.tickets, self.fills.standing, clock, self.desk.cancel_quietly, self.desk.is_busy
        )
        came_back = self.families.came_back
        self.settler = Settler(*common, self.fills, on_end=self._ended, on_back=came_back)
        self._reader = AccountReader(
            account, venue, instruments, self.tickets, settings, clock, self.quarantine
        )
        self._funding = FundingWatch(account, clock)
        self._woken = asyncio.Event()
        self._is_account_due = True
        self._account_ns = 0
        self._told_ns = 0
        self._overlap_ms = 0
        self._failures = 0
        self._is_healthy = True
        self._line = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger().bind(account=account)

    @property
    def has_echo(self) -> bool:
        """Whether the venue has been seen to echo a client id anywhere, if only in an answer."""
        return self.desk.echo_seen or self.fills.echo_seen or self.settler.echo_seen

    def tell(self, event: AnyEvent) -> None:
        """Hand an event to the sink, once there is one."""
        if self._sink is not None:
            self._sink(event)

    # -- opening -----------------------------------------------------------------------------------

    async def open(self, resumption: Resumption, sink: Sink) -> AccountState:
        """The account's state; fills since an earlier run go to the sink before it."""
        self._resume(resumption)
        now_ms = self._clock.now_ns() // NS_PER_MS
        seen_ms = min(now_ms, resumption.fills_seen_ms.get(self.account, 0))
        before = self._reader.read(await self.rest.account())
        start_ms = (seen_ms or _time_ms(before)) - RECONNECT_OVERLAP_MS
        if not before.has_time and not seen_ms:
            start_ms -= CLOCKS_APART_MS_MAX
        start_ms = max(0, start_ms)
        for _ in range(STATE_TRIES_MAX):
            page = await self.rest.fills(start_ms=start_ms)
            reading = self._reader.read(await self.rest.account())
            if reading.state.positions == before.state.positions:
                break
            before = reading
        else:
            raise VenueError(f"perpex: account {self.account}: its positions do not stand still")
        self._sink = sink
        # What was filled up to now is in the state, whenever its row appears.
        opened_ms = last_ms = _time_ms(reading)
        if not reading.has_time:
            # Now by the venue's clock is not known: no earlier than the newest row, and what else
            # was filled in that ms is told from the page's rows by its id.
            known = [fill.time for fill in page.fills if not is_ahead(fill.time, self._clock)]
            opened_ms = max([start_ms, *map(int, known)])
            last_ms = opened_ms - 1
            state = msgspec.structs.replace(reading.state, ts_venue_ns=opened_ms * NS_PER_MS)
            reading = msgspec.structs.replace(reading, state=state)
        self.fills.newest_ms = opened_ms
        if seen_ms:
            if self.fills.take_up(page, self._clock.monotonic_ns()):
                self._tell_health(is_healthy=False, phase=StreamPhase.GAP)
        else:
            self.fills.skip(page)
        self.fills.opened_ms = last_ms
        self.fills.standing.open(_lots(reading), opened_ms)
        self._recognise(reading)
        self._funding.read(reading)
        self.leverage.read(reading)
        return reading.state

    def start(self) -> None:
        """Begin to poll."""
        self._told_ns = self._clock.monotonic_ns()
        self._task = asyncio.create_task(self._run(), name=f"perpex {self.account}")

    async def aclose(self) -> None:
        """Stop polling and sending; what is unanswered stays unanswered."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.desk.close()

    def _resume(self, resumption: Resumption) -> None:
        """Take over the orders of an earlier run, and what it booked of them.

        What was sent says more of an order than that it lives, so it comes first.
        """
        now_ns = self._clock.monotonic_ns()
        living = {cloid for cloid, _, _ in resumption.generations}
        for outgoing in resumption.unanswered:
            if (outgoing.venue, outgoing.account) == (self.venue, self.account):
                self._resume_batch(outgoing, living, now_ns)
        for cloid, generation, oid in resumption.generations:
            ticket = self.tickets.get(cloid, generation)
            if ticket is None:
                ticket = self._resume_ticket(Ticket("", cloid, generation, now_ns))
            if 0 < oid < _PLAIN_ID_BELOW:
                self.tickets.learn(ticket, str(oid))
        for ticket in self.tickets.alive():
            lots = resumption.filled_lots.get(ticket.cloid, {})
            ticket.booked_lots = lots.get(ticket.generation, 0)
            ticket.prior_lots = sum(
                some for generation, some in lots.items() if generation < ticket.generation
            )
        self.fills.booked = resumption.fills_seen

    def _resume_batch(self, outgoing: Outgoing, living: Container[str], now_ns: int) -> None:
        """What was sent of orders that may still live: of the others all is known."""
        for command in outgoing.batch.commands:
            if isinstance(command, Place | ModifyOrder) and command.cloid in living:
                self._resume_ticket(Ticket.of(command, now_ns))

    def _resume_ticket(self, ticket: Ticket) -> Ticket:
        ticket.phase = Phase.UNCLEAR
        self.tickets.inherit(ticket)
        self.tickets.add(ticket)
        return ticket

    def _recognise(self, reading: Reading) -> None:
        """Orders of an earlier run that rest are live; of the others nothing is known yet."""
        for order in reading.orders:
            ticket = self.tickets.find(order.id, order.client_order_id)
            if ticket is None:
                continue
            if self.tickets.get(ticket.cloid, ticket.generation) is not ticket:
                self.tickets.add(ticket)
            self._reader.describe(ticket, order)
            self.tickets.learn(ticket, order.id)
            ticket.move(Phase.LIVE, self._clock.monotonic_ns())
        for ticket in self.tickets.alive():
            if ticket.phase is Phase.UNCLEAR and ticket.instrument:
                self.settler.note_unclear(ticket)
        self.tickets.count()

    # -- polling -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Read fills and account soon."""
        self._woken.set()

    def hasten(self) -> None:
        """Something happened to positions, or to the connection that tells of them."""
        self._is_account_due = True
        self._overlap_ms = RECONNECT_OVERLAP_MS
        self._woken.set()

    def ask(self, ask: AskOrder) -> None:
        """Begin to settle an unclear order."""
        self.settler.ask(ask)
        self.hasten()

    async def poll(self, *, with_account: bool = False) -> None:
        """Read the fills, and the account when it is due; tell what is new.

        Raises TransportError, VenueError or CredentialsError; the account is stale then.
        """
        async with self._line:
            self._woken.clear()
            with_account |= self._account_is_due()
            overlap_ms, self._overlap_ms = self._overlap_ms, 0
            started_ns = self._clock.monotonic_ns()
            try:
                reading = None
                if with_account:
                    self._is_account_due = False
                    reading = self._reader.read(await self.rest.account())
                    self._account_ns = started_ns
                    as_of_ms = _time_ms(reading) if reading.has_time else 0
                    self.fills.standing.show(_lots(reading), as_of_ms)
                page = await self.rest.fills(start_ms=self.fills.start_ms(max(overlap_ms, 10_000)))
            except (TransportError, VenueError, CredentialsError) as error:
                self._is_account_due = True
                self._overlap_ms = RECONNECT_OVERLAP_MS
                self._failed(error)
                raise
            self._failures = 0
            told = self.fills.told
            shown_ns = None
            if reading is not None and reading.has_time and not reading.is_complete:
                shown_ns = reading.state.ts_venue_ns
            bad = self.fills.take(page, started_ns, shown_ns)
            if reading is not None:
                has_news = self.fills.told > told
                if not has_news and not bad:
                    self._accept()
                self._take(reading, started_ns, has_news=has_news)
            self.families.look()
            untold_s_max = max(UNTOLD_S_MAX, 3 * self._settings.account_poll_s)
            is_told = started_ns - self._told_ns < untold_s_max * NS_PER_S
            is_whole = not bad and not self.fills.endings.missing and is_told
            self._tell_health(is_healthy=is_whole, phase=StreamPhase.GAP)

    def _accept(self) -> None:
        """A reading, and no fill after it: what it shows stands, where ours cannot be the cause."""
        alive = self.tickets.alive()
        if all(ticket.instrument for ticket in alive):  # else one may be on any market
            unsettled = [one for one in alive if one.phase is not Phase.LIVE or not one.is_stated]
            markets = {one.instrument for one in unsettled}
            self.fills.standing.accept(markets, self._clock.monotonic_ns())

    def _take(self, reading: Reading, started_ns: int, *, has_news: bool) -> None:
        is_older = has_news
        if reading.has_time:
            is_older = self.fills.newest_ms > _time_ms(reading)
        is_older = is_older and not self.fills.standing.is_explained
        for event in self._funding.read(reading):
            self.tell(event)
        self.leverage.read(reading)
        if not is_older:
            # Else it is from before the fills just told, and would contradict them.
            self.tell(self._reader.event(reading))
            self._told_ns = started_ns
        self.settler.review(reading, started_ns)

    def _account_is_due(self) -> bool:
        age_ns = self._clock.monotonic_ns() - self._account_ns
        is_old = age_ns >= self._settings.account_poll_s * NS_PER_S
        return self._is_account_due or is_old or self.settler.is_busy

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_LEAST_S)
            with suppress(TimeoutError):  # nothing woke it: the pause is over
                async with asyncio.timeout(self._pause_s() - POLL_LEAST_S):
                    await self._woken.wait()
            try:
                await self.poll()
            except (TransportError, VenueError, CredentialsError):
                continue  # said and counted where it happened
            except Exception:  # noqa: BLE001 - polling must go on
                self._log.exception("perpex: reading the account failed")
                self._tell_health(is_healthy=False, phase=StreamPhase.STALE)

    def _pause_s(self) -> float:
        settings = self._settings
        if self._failures:
            return min(_BACKOFF_MOST_S, settings.orders_poll_s * 2.0 ** min(self._failures - 1, 6))
        return settings.orders_poll_s if self.tickets.alive() else settings.idle_poll_s

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._log.warning(
            "perpex: account not read", failures=self._failures, reason=self._scrub(str(error))
        )
        if self._failures >= FAILURES_MAX or not isinstance(error, TransportError):
            self._tell_health(is_healthy=False, phase=StreamPhase.STALE)

    def _tell_health(self, *, is_healthy: bool, phase: StreamPhase) -> None:
        if is_healthy is self._is_healthy:
            return
        self._is_healthy = is_healthy
        at_ns = self._clock.now_ns()
        phase = StreamPhase.READY if is_healthy else phase
        self.tell(StreamChanged(at_ns, at_ns, "perpex account", phase, account=self.account))

    # -- what the parts tell each other ------------------------------------------------------------

    def _count(self, orders: int) -> None:
        self.budget.open_orders = orders

    def _ended(self, ticket: Ticket) -> None:
        self.families.ended(ticket)

    def _unclear(self, ticket: Ticket) -> None:
        self.settler.note_unclear(ticket)
        self.hasten()

    def _scrub(self, text: str) -> str:
        return self.tokens.scrub(text)


def _lots(reading: Reading) -> dict[str, int]:
    return {held.instrument: held.lots for held in reading.state.positions}


def _time_ms(reading: Reading) -> int:
    return reading.state.ts_venue_ns // NS_PER_MS
