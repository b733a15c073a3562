"""Perpex as a `VenueLink`: the same port as every venue, over what the gateway has and lacks.

What it lacks is made up for or said: a modify is a cancel and a place, fills are polled, leverage
is found and never set, margin tables come from Hyperliquid's public metadata. What of it was ever
proven is in docs/venues/perpex.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from connectors.perpex.auth import Source, Tokens
from connectors.perpex.contexts import Contexts
from connectors.perpex.feed import Feed, Private
from connectors.perpex.mapping import names
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import PositionWire
from connectors.perpex.metadata import Metadata, PublicReference, build_metadata
from connectors.perpex.preflight import check_permissions
from connectors.perpex.session import Session
from connectors.port import AccountState, OrderNote, Outgoing, Resumption, Sink, Wants
from connectors.stream import Network
from connectors.web import Http
from engine.errors import CredentialsError, ModelError, TransportError, VenueError
from engine.model.commands import Batch
from engine.model.effects import AskOrder
from engine.model.events import AnyEvent, InstrumentUpdated, StreamChanged, StreamPhase
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS

READY_TIMEOUT_S: Final = 15.0


class PerpexLink:
    """One Perpex venue. `accounts` are tokens, or what fetches them, by account name.

    `reference` tells what is publicly known of the same coins on Hyperliquid; without it, only
    markets that say everything themselves can be traded. `http` speaks to `settings.rest_url`.
    """

    def __init__(
        self,
        venue: str,
        settings: PerpexSettings,
        accounts: Mapping[str, Source],
        http: Http,
        network: Network,
        *,
        reference: PublicReference | None = None,
    ) -> None:
        if not accounts:
            raise ModelError(f"venue {venue}: a Perpex link needs an account")
        self._venue = venue
        self._settings = settings
        self._http = http
        self._network = network
        self._clock = network.clock
        self._reference = reference
        self._instruments: dict[str, Instrument] = {}
        self._assumed: dict[str, Instrument] = {}
        self._metadata: Metadata | None = None
        self._sessions = {
            name: Session(
                venue,
                name,
                http,
                settings,
                Tokens(source, network.clock, renew_before_s=settings.renew_before_s),
                network,
                self._instruments,
            )
            for name, source in accounts.items()
        }
        self._first = next(iter(self._sessions.values()))
        self._feed: Feed | None = None
        self._contexts: Contexts | None = None
        self._sink: Sink | None = None
        self._log = structlog.get_logger().bind(venue=venue)

    @property
    def venue(self) -> str:
        """The venue's name in the config."""
        return self._venue

    @property
    def findings(self) -> tuple[str, ...]:
        """What `load` found out and assumed, one line each: for the run's record."""
        metadata = self._metadata
        if metadata is None:
            return ()
        base = f"base path {self._first.rest.prefix} of {self._settings.rest_url}"
        blocked = [f"{where}: no new risk: {why}" for where, why in metadata.blocked.items()]
        left_out = [f"{symbol[:32]} left out: {why}" for symbol, why in metadata.left_out.items()]
        return (base, *metadata.notes, *blocked, *left_out)

    @property
    def bars_ns(self) -> frozenset[int]:
        """The lengths of its candles; see `VenueLink.bars_ns`."""
        return frozenset(names.INTERVAL_WORDS)

    # -- life --------------------------------------------------------------------------------------

    async def load(self) -> tuple[Instrument, ...]:
        """Every instrument that /markets, completed by the reference, can be made into."""
        prefix = await self._first.rest.probe()
        for session in self._sessions.values():
            session.rest.prefix = prefix
        self._metadata = metadata = await self._read_metadata()
        for note in metadata.notes:
            self._log.warning("perpex: assumed", note=note)
        for symbol, reason in metadata.left_out.items():
            self._log.warning("perpex: market left out", symbol=symbol[:32], reason=reason)
        self._instruments.clear()
        self._instruments.update({item.id: item for item in metadata.instruments})
        return metadata.instruments

    async def open(
        self, wants: Sequence[Wants], resumption: Resumption, sink: Sink
    ) -> tuple[AccountState, ...]:
        """Check the keys, read the accounts, connect; see `VenueLink.open`."""
        if self._metadata is None:
            await self.load()
        self._sink = sink
        states = []
        for session in self._sessions.values():
            now_ms = self._clock.now_ns() // NS_PER_MS
            await check_permissions(session.rest, session.account, now_ms)
            states.append(await session.open(resumption, self.tell))
        self._open_contexts(wants)
        symbols = self._symbols(wants)
        self._feed = feed = Feed(
            self._venue,
            self._settings,
            self._network,
            self.tell,
            self._first.quarantine,
            on_positions=self._positions_moved,
            on_lost=self._hasten,
        )
        accounts = {
            name: Private(session.tokens, session.quarantine)
            for name, session in self._sessions.items()
        }
        feed.start(wants, symbols, accounts)
        if not await feed.wait_ready(READY_TIMEOUT_S):
            self._log.error("perpex: not every stream is ready", timeout_s=READY_TIMEOUT_S)
        for session in self._sessions.values():
            session.start()
        return tuple(states)

    async def close(self) -> None:
        """Close every connection; what is still unanswered stays unanswered. Repeatable."""
        if self._contexts is not None:
            await self._contexts.aclose()
        await asyncio.gather(*(session.aclose() for session in self._sessions.values()))
        if self._feed is not None:
            await self._feed.aclose()
        await self._http.aclose()

    # -- orders ------------------------------------------------------------------------------------

    def prepare(self, batch: Batch, notes: tuple[OrderNote, ...]) -> Outgoing:
        """Make a batch into the exact requests. Raises ModelError for what cannot be sent."""
        body = self._session(batch.account).desk.prepare(batch)
        return Outgoing(self._venue, batch.account, batch, 0, body, 0, notes)

    def send(self, outgoing: Outgoing) -> None:
        """Begin to send, at once."""
        self._session(outgoing.account).desk.send(outgoing.batch, outgoing.body)

    def ask(self, ask: AskOrder) -> None:
        """Begin to settle an unclear order."""
        self._session(ask.account).ask(ask)

    def dismiss_unclear(self, account: str, cloid: str) -> bool:
        """The operator's word that nothing of an unclear order rests at the venue.

        False when there is nothing to settle about it.
        """
        return self._session(account).settler.dismiss(cloid)

    def tell_book(self, instrument: str) -> None:
        """Tell a whole book; see `VenueLink.tell_book`."""
        if self._feed is not None:
            self._feed.tell_book(instrument)

    # -- refreshing --------------------------------------------------------------------------------

    async def refresh(self, job: str) -> None:
        """Read again: metadata, contexts or account; a budget is nothing that Perpex tells.

        Raises TransportError when it failed.
        """
        try:
            if job == "metadata":
                await self._refresh_metadata()
            elif job == "contexts" and self._contexts is not None:
                await self._contexts.refresh()
            elif job == "account":
                for session in self._sessions.values():
                    await session.poll(with_account=True)
        except (VenueError, CredentialsError) as error:
            raise TransportError(f"perpex: {job} not read: {error}") from error

    async def _refresh_metadata(self) -> None:
        metadata = await self._read_metadata()
        at_ns = self._clock.now_ns()
        for instrument in metadata.instruments:
            if self._instruments.get(instrument.id) == instrument:
                continue
            known = self._instruments.setdefault(instrument.id, instrument)
            if known.grid == instrument.grid:
                self._instruments[instrument.id] = instrument
            self.tell(InstrumentUpdated(at_ns, at_ns, instrument))

    async def _read_metadata(self) -> Metadata:
        """Raises TransportError or VenueError."""
        marks: Mapping[str, float] = {}
        if self._reference is not None:
            self._assumed.clear()
            self._assumed.update(await self._reference.instruments())
            marks = await self._reference.marks()
        markets = await self._first.rest.markets()
        return build_metadata(self._venue, markets, self._assumed, marks, self._settings)

    # -- what the parts tell each other ------------------------------------------------------------

    def tell(self, event: AnyEvent) -> None:
        """Hand an event to the sink."""
        if self._sink is not None:
            self._sink(event)

    def _open_contexts(self, wants: Sequence[Wants]) -> None:
        self._contexts = contexts = Contexts(
            self._venue,
            self._first.rest,
            self._settings,
            self._clock,
            self.tell,
            self._assumed,
            self._reference,
        )
        contexts.wanted = tuple(dict.fromkeys(want.instrument for want in wants))
        assert self._metadata is not None
        at_ns = self._clock.now_ns()
        for where, reason in self._metadata.blocked.items():
            if where in contexts.wanted:
                contexts.block(where, reason)
        for where in contexts.wanted:
            # Until the first marks have come.
            self.tell(StreamChanged(at_ns, at_ns, "perpex contexts", StreamPhase.DOWN, where))
        contexts.start()

    def _symbols(self, wants: Sequence[Wants]) -> dict[str, str]:
        """The venue's symbols. Raises ModelError for an instrument that is not here."""
        symbols = {}
        for want in wants:
            instrument = self._instruments.get(want.instrument)
            if instrument is None:
                raise ModelError(f"perpex: no instrument {want.instrument!r}")
            symbols[want.instrument] = self._settings.symbol(instrument.coin)
        return symbols

    def _positions_moved(self, account: str, moved: list[PositionWire]) -> None:
        del moved
        self._session(account).hasten()

    def _hasten(self) -> None:
        for session in self._sessions.values():
            session.hasten()

    def _session(self, account: str) -> Session:
        found = self._sessions.get(account)
        if found is None:
            raise ModelError(f"venue {self._venue}: no account {account!r}")
        return found
