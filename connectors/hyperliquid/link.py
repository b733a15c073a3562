"""`HyperliquidLink`: the venue as a driver sees it (`connectors.port.VenueLink`).

Only puts its parts together: preflight, streams, signing, sending, settling, reconciling. One
connection carries the market, one more the news of each account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from connectors.hyperliquid.bars import BARS_NS, BarHistory, intervals
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.fills import CashBook
from connectors.hyperliquid.flights import Flights
from connectors.hyperliquid.info.account import CrossLeverage
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.orders import OrderStatus
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.market_events import MarketEvents
from connectors.hyperliquid.market_session import MarketSession
from connectors.hyperliquid.preflight import Credential, Preflight
from connectors.hyperliquid.reconcile import Reconciler
from connectors.hyperliquid.refresh import Refresher
from connectors.hyperliquid.reports import Reports
from connectors.hyperliquid.settings import LinkSettings, Place
from connectors.hyperliquid.settle import Asks, Settler
from connectors.hyperliquid.signing_desk import SigningDesk
from connectors.hyperliquid.submit import Submitter
from connectors.hyperliquid.user_session import UserSession
from connectors.hyperliquid.verdicts import Verdicts
from connectors.port import AccountState, Resumption, Sink, Wants
from connectors.stream import Network
from connectors.web import AiohttpDialer, AiohttpHttp, Dialer, OrderedHttp
from connectors.windows import Window
from engine.drive.seams import Clock, Randomness
from engine.errors import ModelError, PerpdError
from engine.model.commands import Batch, OrderNote, Outgoing, UpdateLeverage
from engine.model.effects import AskOrder
from engine.model.events import LeverageSet
from engine.model.instruments import Instrument

RELEASE_S: Final = 0.005
LEVERAGES_READ_MAX: Final = 20


class Outside(NamedTuple):
    """What a link reaches the world with; `over_network` makes the real one."""

    clock: Clock
    randomness: Randomness
    http: OrderedHttp
    dialer: Dialer


def over_network(place: Place, clock: Clock, randomness: Randomness) -> Outside:
    """Real connections to a place."""
    return Outside(clock, randomness, AiohttpHttp(place.http_url), AiohttpDialer())


class HyperliquidLink:
    """One Hyperliquid venue with the accounts of a run: {name: (address, signer or None)}.

    An account without a signer is watched and cannot trade.
    """

    def __init__(
        self,
        venue: str,
        place: Place,
        accounts: Mapping[str, tuple[str, Signer | None]],
        outside: Outside,
        settings: LinkSettings | None = None,
    ) -> None:
        settings = settings or LinkSettings()
        self._place = place
        self._accounts = dict(accounts)
        self._outside = outside
        common = self._common = Common(venue, outside.clock, outside.randomness, settings)
        timeout_s = settings.info_timeout_s
        self._info = InfoClient(outside.http, common.spend, timeout_s=timeout_s)
        self._urgent = InfoClient(
            outside.http, common.spend_first, attempts_max=1, timeout_s=timeout_s
        )
        self._market = MarketEvents((), common.frames)
        self._refresher = Refresher(common, self._info, self._market)
        self._reports = Reports(common)
        self._flights = Flights(common.orders)
        self._verdicts = Verdicts(common, self._reports, self._doubt_leverage)
        self._submitter = Submitter(common, outside.http, self._flights, self._verdicts)
        self._desk = SigningDesk(common, outside.http, is_mainnet=place.is_mainnet)
        self._settler = Settler(common, self._flights, self._reports, self._asks())
        self._network = Network(
            outside.dialer,
            outside.clock,
            outside.randomness,
            Window(settings.dials_per_minute, 60, outside.clock),
            Window(settings.messages_per_minute, 60, outside.clock),
        )
        self._credentials: dict[str, Credential] = {}
        self._reconcilers: dict[str, Reconciler] = {}
        self._users: list[UserSession] = []
        self._markets: MarketSession | None = None
        self._wanted: tuple[str, ...] = ()
        self._release: asyncio.TimerHandle | None = None
        self._errands: set[asyncio.Task[Any]] = set()

    @property
    def venue(self) -> str:
        """The venue's name in the config."""
        return self._common.venue

    @property
    def quarantined(self) -> Mapping[str, int]:
        """How often the venue said something that was put away, by what it was."""
        return self._common.quarantine

    @property
    def findings(self) -> tuple[str, ...]:
        """Nothing is assumed of this venue."""
        return ()

    @property
    def bars_ns(self) -> frozenset[int]:
        """The lengths of its candles; see `VenueLink.bars_ns`."""
        return BARS_NS

    # -- beginning and ending ----------------------------------------------------------------------

    async def load(self) -> tuple[Instrument, ...]:
        """Measure the venue's time, and read its instruments; see `VenueLink.load`."""
        await self._refresher.clock()
        instruments = await self._refresher.load()
        self._common.know(instruments)
        self._market.learn(instruments)
        return instruments

    async def open(
        self, wants: Sequence[Wants], resumption: Resumption, sink: Sink
    ) -> tuple[AccountState, ...]:
        """Check, connect, and give every account's state; see `VenueLink.open`.

        What the streams bring that is newer than the states is passed on 5 ms after the return.
        """
        common = self._common
        for want in wants:
            intervals(want)  # raises for bars that the venue does not send
        common.emit = sink
        self._wanted = tuple(want.instrument for want in wants)
        self._remember(resumption)
        preflight = Preflight(
            common, self._info, is_mainnet=self._place.is_mainnet, noop=self._desk.noop
        )
        for account, (address, signer) in self._accounts.items():
            credential = await preflight.check(account, address, signer)
            self._credentials[account] = credential
            self._desk.admit(credential)
        self._connect(wants)
        await self._refresher.contexts(self._wanted)
        await self._refresher.budgets([*self._credentials.values()])
        timeout_s = 2 * common.settings.ack_timeout_s + common.settings.info_timeout_s
        assert self._markets is not None
        await asyncio.gather(
            self._markets.connected(timeout_s),
            *[user.connected(timeout_s) for user in self._users],
        )
        states = [
            await self._open_account(credential, resumption)
            for credential in self._credentials.values()
        ]
        self._release = asyncio.get_running_loop().call_later(RELEASE_S, self._let_go)
        return tuple(states)

    async def close(self) -> None:
        """Close every connection; see `VenueLink.close`."""
        if self._release is not None:
            self._release.cancel()
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        for user in self._users:
            await user.aclose()
        if self._markets is not None:
            await self._markets.aclose()
        await self._settler.aclose()
        await self._submitter.aclose()
        await self._outside.http.aclose()
        dialer = self._outside.dialer
        if isinstance(dialer, AiohttpDialer):
            await dialer.aclose()

    def _remember(self, resumption: Resumption) -> None:
        """Take over orders and nonces of an earlier run."""
        self._desk.begin_above(resumption.nonce_max)
        orders = self._common.orders
        for cloid, generation, oid in resumption.generations:
            orders.expect(cloid, generation, oid)
        for outgoing in resumption.unanswered:
            orders.sent(outgoing.batch)
            self._flights.depart(outgoing, is_unclear=True)

    def _connect(self, wants: Sequence[Wants]) -> None:
        common, network, ws_url = self._common, self._network, self._place.ws_url
        bars = BarHistory(common, self._info, wants)
        self._markets = MarketSession(common, network, ws_url, self._market, wants, bars)
        self._markets.start()
        for account, credential in self._credentials.items():
            cash = CashBook(common, self._reports, account, credential.address)
            reconciler = Reconciler(common, self._info, cash, self._reports)
            self._reconcilers[account] = reconciler
            user = UserSession(common, network, ws_url, reconciler, self._reports, self._settler)
            self._users.append(user)
            user.start()

    async def _open_account(self, credential: Credential, resumption: Resumption) -> AccountState:
        leverage = await self._leverages(credential)
        reconciler = self._reconcilers[credential.account]
        return await reconciler.open(resumption, leverage, credential.warnings)

    async def _leverages(self, credential: Credential) -> dict[str, tuple[int, bool]]:
        """The leverage in force of what is wanted, so that none is set that is set already."""
        found: dict[str, tuple[int, bool]] = {}
        for where in self._wanted[:LEVERAGES_READ_MAX]:
            coin = self._common.instruments[where].coin
            data = await self._info.active_asset_data(credential.address, coin)
            found[where] = data.leverage.value, isinstance(data.leverage, CrossLeverage)
        return found

    def _let_go(self) -> None:
        for user in self._users:
            user.release()

    # -- orders ------------------------------------------------------------------------------------

    def prepare(self, batch: Batch, notes: tuple[OrderNote, ...]) -> Outgoing:
        """A batch as exact signed bytes; see `VenueLink.prepare`."""
        return self._desk.prepare(batch, notes)

    def send(self, outgoing: Outgoing) -> None:
        """Begin to send; see `VenueLink.send`."""
        self._submitter.send(outgoing)

    def ask(self, ask: AskOrder) -> None:
        """Begin to settle an unclear order; see `VenueLink.ask`."""
        self._settler.begin(ask)

    def dismiss_unclear(self, account: str, cloid: str) -> bool:
        """No: this venue can be asked, and its own word is waited for."""
        del account, cloid
        return False

    def tell_book(self, instrument: str) -> None:
        """Nothing: every book of this venue's comes whole, twice a second."""
        del instrument

    def _asks(self) -> Asks:
        async def status(account: str, name: int | str) -> OrderStatus:
            return await self._urgent.order_status(self._reconcilers[account].address, name)

        async def book_fills(account: str) -> None:
            await self._reconcilers[account].fetch_fills(self._urgent)

        async def open_orders(account: str) -> frozenset[int | str]:
            return await self._reconcilers[account].names_of_open_orders(self._urgent)

        return Asks(status, book_fills, open_orders, self._desk.burn)

    def _doubt_leverage(self, account: str, command: UpdateLeverage) -> None:
        errand = asyncio.get_running_loop().create_task(self._read_leverage(account, command))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def _read_leverage(self, account: str, command: UpdateLeverage) -> None:
        """What leverage is in force after all; a failure is logged, the driver's wait runs out."""
        common = self._common
        coin = common.instruments[command.instrument].coin
        try:
            data = await self._info.active_asset_data(self._credentials[account].address, coin)
        except PerpdError as error:
            common.log.warning("leverage not read", account=account, reason=str(error))
            return
        times = common.time.now_ns(), common.clock.now_ns()
        is_cross = isinstance(data.leverage, CrossLeverage)
        value = data.leverage.value
        common.emit(LeverageSet(*times, account, command.instrument, value, is_cross))

    # -- schedules ---------------------------------------------------------------------------------

    async def refresh(self, job: str) -> None:
        """Read again; see `VenueLink.refresh`."""
        if job == "metadata":
            await self._refresher.metadata()
        elif job == "contexts":
            await self._refresher.contexts(self._wanted)
        elif job == "account":
            for reconciler in self._reconcilers.values():
                await reconciler.compare()
        elif job == "orders":
            for reconciler in self._reconcilers.values():
                await reconciler.catch_up(self._settler)
        elif job == "budget":
            await self._refresher.clock()
            await self._refresher.budgets([*self._credentials.values()])
        else:
            raise ModelError(
                f"job {job!r}, expected one of metadata, contexts, account, orders, budget"
            )
