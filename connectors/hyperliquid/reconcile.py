"""Brings what we know of one account up to what the venue knows, after anything may be missing.

Open orders and balances are read first, fills, funding and ledger after them, so that nothing the
balances hold is missing from the fills. What is booked already is not booked again. Orders of ours
that should rest and are not listed are asked about one by one; listed ones that were held to be
over are told to live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from connectors.hyperliquid.account_state import (
    account_read,
    account_state,
    open_order,
    time_ms,
    with_children,
)
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.fills import CashBook
from connectors.hyperliquid.info import ledger
from connectors.hyperliquid.info.account import ClearinghouseState
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.orders import Fill, FrontendOrder
from connectors.hyperliquid.orders_book import TrackedOrder
from connectors.hyperliquid.reports import Reports
from connectors.hyperliquid.settle import Settler
from connectors.hyperliquid.user_frames import UserFunding
from connectors.port import AccountState, OpenOrder, Resumption
from engine.errors import VenueError
from engine.model.effects import AskOrder

BEFORE_EVERYTHING_MS: Final = 1
STATE_TRIES: Final = 3


class Reading(NamedTuple):
    """What was read of an account: its state, what rests, and what happened, oldest first."""

    state: ClearinghouseState
    open_orders: list[FrontendOrder]
    fills: Sequence[Fill]
    fundings: Sequence[UserFunding]
    ledger: Sequence[ledger.LedgerUpdate]


class Reconciler:
    """Reads and merges the account whose cash book it is given."""

    def __init__(self, common: Common, info: InfoClient, cash: CashBook, reports: Reports) -> None:
        self.account = cash.account
        self.address = cash.address
        self.cash = cash
        self._common = common
        self._info = info
        self._reports = reports
        self._turn = asyncio.Lock()

    async def open(
        self,
        left: Resumption,
        leverage: dict[str, tuple[int, bool]],
        warnings: Iterable[str],
    ) -> AccountState:
        """The account as the run begins with it; what happened since an earlier run is booked.

        What is newer than the state comes over the stream, which is there already. Raises
        TransportError or VenueError.
        """
        cash = self.cash
        is_resumed = cash.resume(left)
        if not is_resumed:
            cash.begin_at(self._common.time.now_ms())
        reading = await self.read()
        state_ms = time_ms(reading.state, self._common.time.now_ms())
        if self._common.time.is_ahead(state_ms):
            raise VenueError(f"account {self.account}: its time {state_ms} is not yet")
        before = Reading(
            reading.state,
            reading.open_orders,
            [fill for fill in reading.fills if fill.time_ms <= state_ms],
            [row for row in reading.fundings if row.time_ms <= state_ms],
            [row for row in reading.ledger if row.time_ms <= state_ms],
        )
        orders = [self._order_of(row) for row in reading.open_orders]
        if is_resumed:
            self.book(before)
        else:
            cash.begin_at(state_ms)
            cash.pass_over(before.fills)
            cash.pass_over_fundings(before.fundings)
        cash.transfers_after_ms = max(cash.transfers_after_ms, state_ms)
        return account_state(self._common, self.account, reading.state, orders, leverage, warnings)

    async def read(self) -> Reading:
        """Read everything; raises TransportError or VenueError when anything cannot be read."""
        info, address, cash = self._info, self.address, self.cash
        overlap_ms = self._common.settings.overlap_ms
        open_orders, state = await asyncio.gather(
            info.frontend_open_orders(address), info.clearinghouse_state(address)
        )
        fills_from_ms = max(BEFORE_EVERYTHING_MS, cash.newest_fill_ms - overlap_ms)
        funding_from_ms = max(BEFORE_EVERYTHING_MS, cash.newest_funding_ms - overlap_ms)
        ledger_from_ms = max(BEFORE_EVERYTHING_MS, cash.transfers_after_ms + 1)
        fills, fundings, updates = await asyncio.gather(
            info.user_fills_by_time(address, fills_from_ms),
            info.user_funding(address, funding_from_ms),
            info.user_non_funding_ledger_updates(address, ledger_from_ms),
        )
        return Reading(
            state,
            [one for one in with_children(open_orders) if one.coin in self._common.by_coin],
            fills,
            [flat_funding(row) for row in fundings],
            updates,
        )

    def book(self, reading: Reading) -> None:
        """Book what is new of a reading."""
        fills = self.cash.book_fills(reading.fills)
        fundings = self.cash.book_fundings(reading.fundings)
        transfers = self.cash.book_transfers(reading.ledger)
        if fills or fundings or transfers:
            self._common.log.info(
                "caught up",
                account=self.account,
                fills=fills,
                fundings=fundings,
                transfers=transfers,
            )

    async def catch_up(self, settler: Settler) -> None:
        """Read, book, ask about what is missing, and tell the engine what the venue holds.

        One at a time for an account. Raises TransportError or VenueError.
        """
        async with self._turn:
            mark = self._common.orders.ends
            resting = [one for one in self._common.orders.live(self.account) if one.is_resting]
            reading = await self.read()
            self.book(reading)
            self._tell_listed(reading.open_orders, mark)
            missing = self._missing(resting, reading.open_orders)
            if missing:
                self._common.log.info(
                    "orders not listed any more", account=self.account, count=len(missing)
                )
                # Whoever cancels this wait must not end the asking, which others wait for too.
                await asyncio.gather(*[asyncio.shield(settler.begin(ask)) for ask in missing])
            await self._tell_state(reading.state, is_caught_up=True)

    async def compare(self) -> None:
        """Tell the engine what the venue holds, at a weight of 2; nothing else is read.

        Raises TransportError or VenueError.
        """
        state = await self._info.clearinghouse_state(self.address)
        await self._tell_state(state, is_caught_up=False)

    async def _tell_state(self, state: ClearinghouseState, *, is_caught_up: bool) -> None:
        """Tell the engine of a state that is not older than our last fill; else there is none.

        One that had to be read again is newer than the fills that were read.
        """
        for _ in range(STATE_TRIES):
            if time_ms(state, self._common.time.now_ms()) >= self.cash.newest_fill_ms:
                read = account_read(self._common, self.account, state, is_caught_up=is_caught_up)
                self._common.emit(read)
                return
            state = await self._info.clearinghouse_state(self.address)
            is_caught_up = False

    async def fetch_fills(self, info: InfoClient) -> None:
        """Fetch and book the fills that were missed."""
        start_ms = max(
            BEFORE_EVERYTHING_MS, self.cash.newest_fill_ms - self._common.settings.overlap_ms
        )
        self.cash.book_fills(await info.user_fills_by_time(self.address, start_ms))

    async def names_of_open_orders(self, info: InfoClient) -> frozenset[int | str]:
        """The cloids and oids of everything that rests."""
        rows = with_children(await info.frontend_open_orders(self.address))
        names: set[int | str] = {row.oid for row in rows}
        return frozenset(names | {row.cloid for row in rows if isinstance(row.cloid, str)})

    def _order_of(self, row: FrontendOrder) -> OpenOrder:
        """An open order in our terms, learnt by its oid."""
        leg = self._reports.leg_of(self.account, row)
        if leg is not None:
            leg.is_pending = False
            leg.told_oid = row.oid
        return open_order(self._common, row, leg)

    def _tell_listed(self, rows: Iterable[FrontendOrder], mark: int) -> None:
        """What rests is accepted; what ended before we asked has come back to life."""
        for row in rows:
            leg = self._reports.leg_of(self.account, row)
            if leg is None:
                continue
            if leg.is_ended and leg.ended_mark <= mark:
                self._common.log.warning(
                    "an order that was over is listed", account=self.account, oid=row.oid
                )
                self._common.orders.revive(leg)
                self._reports.found(leg)
            else:
                self._reports.accepted(leg, row.oid)

    def _missing(
        self, resting: Iterable[TrackedOrder], rows: Iterable[FrontendOrder]
    ) -> list[AskOrder]:
        listed: set[int | str] = set()
        for row in rows:
            listed.add(row.oid)
            if isinstance(row.cloid, str):
                listed.add(row.cloid)
        return [
            AskOrder(order.account, order.instrument, order.cloid, order.newest.generation)
            for order in resting
            if not order.is_ended
            and order.cloid not in listed
            and not any(leg.oid in listed for leg in order.legs.values() if not leg.is_ended)
        ]


def flat_funding(row: ledger.UserFundingRow) -> UserFunding:
    """A payment of the request in the form of the stream."""
    delta = row.delta
    return UserFunding(
        time_ms=row.time_ms,
        coin=delta.coin,
        usdc=delta.usdc,
        szi=delta.szi,
        funding_rate=delta.funding_rate,
    )
