"""A trader without a strategy: the engine's own order table and account rules over a real link.

It applies what the link says as the engine does, and asks about what is unclear as the engine does,
so that a test can compare the end with the venue's own state.
"""

from __future__ import annotations

from typing import Self

from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.link import HyperliquidLink, over_network
from connectors.hyperliquid.settings import LinkSettings, place_of
from connectors.port import AccountState, Resumption, Wants
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.server import LoopbackVenue
from connectors.stream import Backoff
from engine.account_events import AccountBook
from engine.agreement import Agreement
from engine.budget import BudgetLimits
from engine.config.secret import Secret
from engine.drive.seams import SeededRandomness, SystemClock
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    OrderNote,
    Outgoing,
    Place,
)
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountEvent,
    AccountOpened,
    AccountRead,
    AnyEvent,
    AssetContext,
    OrderCarried,
    OrderFilled,
    PositionCarried,
    StreamChanged,
    StreamPhase,
)
from engine.model.instruments import Instrument
from engine.model.orders import OrderState
from engine.model.units import Side, Tif
from engine.state.accounts import Account
from engine.state.market import Market
from engine.state.orders import Order, Orders, new_order
from engine.submission import Planner
from tests.connectors.hearing import Hearing

ACCOUNT = "main"
KEY = Secret("0x" + "11" * 32)

SETTINGS = LinkSettings(
    action_timeout_s=0.6,
    info_timeout_s=0.5,
    expires_after_ms=3_000,
    stream_backoff=Backoff(0.05, 0.2),
    settle_backoff=Backoff(0.05, 0.3, 0.5),
    silent_s_max=2.0,
    ping_every_s=0.5,
    dials_per_minute=1_000,
    weight_max=1_000_000,
    crowded_pause_s=0.1,
)
"""Times short enough for a test."""


class Anyone:
    """Every owner is known."""

    def __contains__(self, name: object) -> bool:
        return True


class Trader(Hearing):
    """One account on one loopback venue; `events` is everything the link said."""

    def __init__(
        self, venue: LoopbackVenue, settings: LinkSettings = SETTINGS, coin: str = "BTC"
    ) -> None:
        super().__init__()
        self.venue = venue
        self.coin = coin
        self.where = f"hl:{coin}"
        self.signer = Signer(KEY)
        place = place_of("local", venue.http_url, venue.ws_url)
        outside = over_network(place, SystemClock(), SeededRandomness(7))
        accounts = {ACCOUNT: (self.signer.address, self.signer)}
        self.link = HyperliquidLink("hl", place, accounts, outside, settings)
        self.sent: list[Outgoing] = []
        self.orders = Orders()
        self.mark_px = 0.0
        self.state: AccountState | None = None
        self._cloids = 0
        self._is_deaf = False

    async def open(self, resumption: Resumption | None = None, wants: Wants | None = None) -> Self:
        """Open the link and take over the account's state."""
        instruments = await self.link.load()
        self.instrument = next(one for one in instruments if one.id == self.where)
        markets = {one.id: Market(one) for one in instruments}
        self.account = Account(ACCOUNT, "hl", markets)
        accounts = {ACCOUNT: self.account}
        planner = Planner(BudgetLimits(), self.orders)
        self.agreement = Agreement(accounts, markets)
        self.book = AccountBook(accounts, markets, self.orders, planner, self.agreement, Anyone())
        held: list[AnyEvent] = []
        self._take = held.append
        want = wants or Wants(self.where, book=True, quotes=True, trades=True)
        (self.state,) = await self.link.open([want], resumption or Resumption(), self.hear)
        self._take = self._apply
        self._begin(resumption is not None)
        for event in held:
            self._apply(event)
        return self

    def _begin(self, is_resumed: bool) -> None:  # noqa: FBT001 - one fact
        assert self.state is not None
        state = self.state
        times = state.ts_venue_ns, state.ts_venue_ns
        if not is_resumed:
            self._apply(AccountOpened(*times, ACCOUNT, "hl", state.cash_e8))
            for one in state.positions:
                self._apply(
                    PositionCarried(*times, ACCOUNT, one.instrument, "me", one.lots, one.cost_e8)
                )

    def carry(self, order: OrderCarried) -> None:
        """Take over an order of an earlier run."""
        self._apply(order)

    async def close(self) -> None:
        await self.link.close()

    def die(self) -> None:
        """Hear nothing more, as a process that was killed."""
        self._is_deaf = True

    # -- hearing -----------------------------------------------------------------------------------

    def hear(self, event: AnyEvent) -> None:
        if not self._is_deaf:
            super().hear(event)
            self._take(event)

    def _apply(self, event: AnyEvent) -> None:
        if isinstance(event, AssetContext) and event.instrument == self.where:
            self.mark_px = event.mark_px
        if isinstance(event, AccountRead):
            self.agreement.read(event)
        elif isinstance(event, AccountEvent):
            self.book.apply(event)
        for order in self.orders.take_unsettled():
            self.link.ask(AskOrder(ACCOUNT, order.instrument, order.cloid, order.newest_generation))

    def phases(self, stream: str) -> list[StreamPhase]:
        """The phases one stream went through."""
        return [event.phase for event in self.heard(StreamChanged) if event.stream == stream]

    def is_ready(self) -> bool:
        """Whether market and account stream are ready now."""
        return all(
            self.phases(stream)[-1:] == [StreamPhase.READY]
            for stream in ("hl market", "hl account")
        )

    # -- acting ------------------------------------------------------------------------------------

    def px(self, factor: float, side: Side) -> int:
        """A price near so much of the mark."""
        return self.instrument.grid.quantise_px(self.mark_px * factor, side, is_aggressive=False)

    def place(
        self,
        side: Side = Side.BUY,
        factor: float = 0.9,
        lots: int = 1_000,
        tif: Tif = Tif.GTC,
        *,
        reduce_only: bool = False,
        is_sent: bool = True,
    ) -> str:
        """Send an order; gives its cloid. 0.9 of the mark rests for a buy, 1.05 takes."""
        self._cloids += 1
        cloid = f"0x{self._cloids:032x}"
        place = Place(
            self.where, cloid, side, self.px(factor, side), lots, tif, reduce_only=reduce_only
        )
        self.orders.add(
            new_order(
                place,
                account=ACCOUNT,
                strategy="me",
                exposure=self.account.exposure(self.where),
                scales=(10**self.instrument.px_decimals, 10**self.instrument.sz_decimals, 1),
                sent_ns=0,
                quote="",
            )
        )
        self.submit("order", place, is_sent=is_sent)
        return cloid

    def cancel(self, cloid: str) -> None:
        """Cancel an order."""
        order = self.order(cloid)
        self.orders.send_cancel(order, 0)
        self.submit("cancel", CancelOrder(self.where, cloid, order.generation))

    def modify(self, cloid: str, factor: float, lots: int) -> None:
        """Replace an order."""
        order = self.order(cloid)
        px_ticks = self.px(factor, order.side)
        self.orders.send_modify(order, px_ticks, lots, 0)
        generation = order.generation + 1
        self.submit(
            "modify",
            ModifyOrder(self.where, cloid, generation, order.side, px_ticks, lots, Tif.GTC),
        )

    def submit(self, kind: str, command: Command, *, is_sent: bool = True) -> None:
        """Prepare and send one command."""
        cloid = getattr(command, "cloid", "")
        notes = (OrderNote(cloid, getattr(command, "generation", 0), "me"),)
        outgoing = self.link.prepare(Batch(ACCOUNT, kind, (command,), 1, 1), notes)
        self.sent.append(outgoing)
        if is_sent:
            self.link.send(outgoing)

    # -- comparing ---------------------------------------------------------------------------------

    def order(self, cloid: str) -> Order:
        """An order as the engine knows it."""
        found = self.orders.get(cloid)
        assert found is not None
        return found

    def state_of(self, cloid: str) -> OrderState:
        """Where an order is, as the engine knows it."""
        return self.order(cloid).state

    @property
    def at_venue(self) -> VenueAccount:
        """The account as the venue has it."""
        found = self.venue.core.account(self.signer.address)
        assert found is not None
        return found

    def venue_lots(self) -> int:
        """The position the venue holds."""
        reading = self.venue.core.reading(self.at_venue)
        return sum(one.lots for one in reading.positions if one.instrument.id.endswith(self.coin))

    def our_lots(self) -> int:
        """The position our fills make."""
        return self.account.position(self.where).lots

    def is_at_rest(self) -> bool:
        """Whether nothing is in motion here."""
        settled = (OrderState.OPEN, OrderState.WAITING)
        return all(order.state in settled for order in self.orders.all_live())

    def assert_agrees(self) -> None:
        """Our orders, fills and position are the venue's, and nothing came twice."""
        ours = {order.cloid for order in self.orders.all_live()}
        theirs = {record.new.cloid for record in self.at_venue.live()}
        assert theirs == ours
        fills = [(one.ts_venue_ns // 1_000_000, one.trade_id) for one in self.heard(OrderFilled)]
        venue_fills = [(row.time_ms, row.tid) for row in self.at_venue.history.fills]
        assert sorted(venue_fills) == sorted(fills)
        assert self.venue_lots() == self.our_lots()

    def orders_made(self, cloid: str) -> int:
        """How many orders the venue ever made under a cloid."""
        return sum(record.new.cloid == cloid for record in self.at_venue.orders.values())


def lots_of(instrument: Instrument, size: float) -> int:
    """A size in lots."""
    return instrument.grid.quantise_sz(size)
