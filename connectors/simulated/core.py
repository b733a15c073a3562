"""The venue itself, behind every face: one exchange, its accounts, and what it publishes.

Single-threaded and synchronous. A face reads from here, acts through here, and hears of everything
as a `Listener`; it keeps no state of the market or of accounts of its own. Whatever acts first
plays the market rows that are due, so that an action meets the market of its own instant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from backtests.exchange import SimulatedExchange, words
from backtests.exchange.commands import LEVERAGE_DEFAULT
from connectors.simulated.accounts import NAMED_AGENTS_MAX, Agent, VenueAccount
from connectors.simulated.clock import VenueClock
from connectors.simulated.history import LedgerRow
from connectors.simulated.ids import Ids
from connectors.simulated.listeners import LedgerChanged, Listener, OrderChanged
from connectors.simulated.market import Block, Source
from connectors.simulated.numbers import printed_money
from connectors.simulated.orders import (
    CANCELED,
    OI_CAPPED,
    NewOrder,
    OrderRecord,
    rejected_status,
)
from connectors.simulated.publicdata import PublicData, PublicTrade
from connectors.simulated.reading import AccountReading, read_account
from connectors.simulated.reporter import Reporter
from connectors.simulated.settings import VenueSettings
from engine.model.commands import CancelOrder, Command, ModifyOrder, Place, UpdateLeverage
from engine.model.events import AssetContext, FundingRate, Trade
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS, rate_ppb

DUPLICATE_CLOID: Final = words.DUPLICATE_CLOID
SCHEDULED: Final = "scheduledCancel"
_TRADERS: Final = 64


class VenueCore:
    """The exchange with accounts that open themselves, and a memory.

    `universe` is what is listed, its place in it being its asset id; `instruments` the same by
    coin. `capped` are the coins at their open-interest cap. `catch_up` plays market rows that are
    due; the server sets it.
    """

    def __init__(self, settings: VenueSettings, clock: VenueClock, source: Source) -> None:
        self.settings = settings
        self.clock = clock
        self.universe: tuple[Instrument, ...] = source.instruments
        self.instruments = {one.coin: one for one in self.universe}
        self.exchange = SimulatedExchange(
            self.universe,
            (),
            fees=settings.fees,
            queue=source.queue,
            report_ns=lambda ts_ns: ts_ns,
        )
        self.ids = Ids(settings.seed)
        self.accounts: dict[str, VenueAccount] = {}
        self.agents: dict[str, str] = {}
        self.capped: set[str] = set()
        self.public = {one.id: PublicData(self.exchange.desk(one.id)) for one in self.universe}
        self.catch_up: Callable[[], None] = _nothing
        self._reporter = Reporter(self.exchange, self.accounts, self.public, self.ids)
        self._keys = 0
        self._prints = 0
        self._traders = [self.ids.address("trader", number) for number in range(2 * _TRADERS)]

    @property
    def listeners(self) -> list[Listener]:
        """Who hears of everything; a face appends itself."""
        return self._reporter.listeners

    # -- the market --------------------------------------------------------------------------------

    def play(self, rows: Block) -> None:
        """Take in market rows in the order of venue time: one turn."""
        if not rows:
            return
        exchange, reporter = self.exchange, self._reporter
        reports, listeners = exchange.reports, reporter.listeners
        for event in rows:
            exchange.on_market(event)
            if reports:
                reporter.hash = self.ids.next_hash()
                reporter.drain(reports)
            if isinstance(event, Trade):
                reporter.publish(self._public_trade(event))
            elif isinstance(event, AssetContext):
                self.public[event.instrument].add_context(event)
            elif isinstance(event, FundingRate):
                self.public[event.instrument].add_funding(event.ts_venue_ns, rate_ppb(event.rate))
            for listener in listeners:
                listener.on_market(event)
        self._cancel_scheduled()
        self._end_turn()

    def _public_trade(self, event: Trade) -> PublicTrade:
        self._prints += 1
        market = self.public[event.instrument]
        number = self._prints
        made_hash, tid = self.ids.next_print()
        return PublicTrade(
            instrument=market.instrument,
            time_ms=event.ts_venue_ns // NS_PER_MS,
            side=int(event.side),
            px_ticks=round(event.px * market.desk.market.px_scale),
            sz_lots=round(event.sz * market.desk.market.sz_scale),
            tid=tid,
            hash=made_hash,
            buyer=self._traders[number * 7 % _TRADERS],
            seller=self._traders[number * 11 % _TRADERS + _TRADERS],
        )

    # -- accounts ----------------------------------------------------------------------------------

    def account(self, address: str) -> VenueAccount | None:
        """The account of an address (any case), opened with the usual balance at first sight.

        None for an agent's address, in strict mode for an unknown one, and when the venue is full.
        """
        name = address.lower()
        if name in self.agents:
            return None
        account = self.accounts.get(name)
        if account is not None or self.settings.strict:
            return account
        if len(self.accounts) >= self.settings.accounts_max:
            return None
        return self.open_account(name)

    def open_account(self, address: str, balance_e8: int | None = None) -> VenueAccount:
        """Open an account. Raises ModelError when it is there already."""
        name = address.lower()
        balance_e8 = self.settings.balance_e8 if balance_e8 is None else balance_e8
        self.exchange.open_account(name, balance_e8)
        now_ms = self.clock.now_ms()
        account = self.accounts[name] = VenueAccount(name, self.settings.volume_e8, now_ms)
        delta = {"type": "deposit", "usdc": printed_money(balance_e8)}
        row = LedgerRow(time_ms=now_ms, hash=self.ids.next_hash(), delta=delta)
        account.history.ledger.append(row)
        self._reporter.tell(account, LedgerChanged(row))
        return account

    def reading(self, account: VenueAccount | None) -> AccountReading:
        """The account's money now; that of an empty account for None."""
        if account is None:
            return AccountReading(
                **dict.fromkeys(AccountReading.__struct_fields__[:-1], 0), positions=()
            )
        return read_account(self.exchange, account.name)

    def leverage(self, account: VenueAccount | None, instrument: Instrument) -> tuple[int, bool]:
        """The leverage in force and whether it is cross, as the venue's default until it is set."""
        if account is None:
            most = min(LEVERAGE_DEFAULT, instrument.leverage_max)
            return most, instrument.margin_mode == "cross"
        position = self.exchange.position_on(account.name, instrument.id)
        return position.leverage, position.is_cross

    def approve_agent(self, account: VenueAccount, agent: Agent) -> str:
        """Let an agent act for an account; why not in the venue's words, "" when it may.

        An approved name is given to the new agent; the agent's old address acts for nobody.
        """
        known = self.accounts.get(agent.address)
        if agent.address in self.agents or (known is not None and known.orders):
            return "Extra agent already used."
        named = [name for name in account.agents if name]
        is_new = agent.name not in account.agents
        if agent.name and is_new and len(named) >= NAMED_AGENTS_MAX:
            return (
                "Too many extra agents for cumulative volume traded. Current limit is"
                f" {NAMED_AGENTS_MAX}"
            )
        self.revoke_agent(account, agent.name)
        account.agents[agent.name] = agent
        self.agents[agent.address] = account.name
        return ""

    def revoke_agent(self, account: VenueAccount, name: str) -> None:
        """Let the agent of this name act no more; there may be none."""
        agent = account.agents.pop(name, None)
        if agent is not None:
            self.agents.pop(agent.address, None)

    # -- actions -----------------------------------------------------------------------------------

    def begin(self) -> str:
        """An action arrives: bring the market up to now; its transaction hash."""
        self.catch_up()
        self._reporter.hash = self.ids.next_hash()
        return self._reporter.hash

    def place(
        self,
        account: VenueAccount,
        order: NewOrder,
        parent: OrderRecord | None = None,
        *,
        replaces: OrderRecord | None = None,
    ) -> OrderRecord:
        """Place one order; its record says what became of it, `error` why it was refused.

        It may have the client id of an order it is about to replace.
        """
        reason = self._refusal(account, order, replaces)
        if reason:
            return self.refuse(account, order, reason)
        record = self._record(account, order, self._next_key())
        record.parent = parent.key if parent is not None else ""
        account.by_key[record.key] = record
        account.add(record)
        self._carry_out(
            account,
            Place(
                order.instrument.id,
                record.key,
                order.side,
                order.px_ticks,
                order.sz_lots,
                order.tif,
                order.reduce_only,
                order.trigger,
                record.parent,
            ),
        )
        return record

    def refuse(self, account: VenueAccount, order: NewOrder, reason: str) -> OrderRecord:
        """Remember an order that never reached the exchange."""
        record = self._record(account, order, self._next_key())
        record.error = reason
        record.end(rejected_status(reason), record.placed_ms)
        account.add(record)
        change = OrderChanged(record, record.status, record.left_lots, record.status_ms)
        self._reporter.tell(account, change)
        return record

    def cancel(self, account: VenueAccount, record: OrderRecord, status: str = CANCELED) -> bool:
        """Cancel an order; False when it is not live any more."""
        if not record.is_live or account.by_key.get(record.key) is not record:
            return False
        self._reporter.cancel_status = status
        self._carry_out(account, CancelOrder(record.new.instrument.id, record.key, 0))
        self._reporter.cancel_status = ""
        return not record.is_live

    def modify(
        self, account: VenueAccount, record: OrderRecord, order: NewOrder
    ) -> tuple[OrderRecord | None, str]:
        """Replace an order by another as one action: the new record, or why not.

        Refused, the old one stays. An order that waits is replaced by placing the new one first.
        """
        if not record.is_live or record.new.instrument != order.instrument:
            return None, words.CANNOT_MODIFY
        if order.trigger is not None or record.waits_for_trigger or record.waits_for_parent:
            return self._modify_waiting(account, record, order)
        clash = self._cloid_clash(account, order, record)
        if clash:
            return None, clash
        reporter = self._reporter
        reporter.replacing = new = self._record(account, order, record.key)
        new.parent = record.parent
        reporter.modify_error = ""
        self._carry_out(
            account,
            ModifyOrder(
                order.instrument.id,
                record.key,
                1,
                order.side,
                order.px_ticks,
                order.sz_lots,
                order.tif,
                order.reduce_only,
            ),
        )
        reporter.replacing = None
        return (None, reporter.modify_error) if reporter.modify_error else (new, "")

    def update_leverage(
        self, account: VenueAccount, instrument: Instrument, leverage: int, *, is_cross: bool
    ) -> str:
        """Set leverage and margin mode; why not in the venue's words, "" when it is done."""
        reason = self.exchange.leverage_refusal(
            account.name, instrument.id, leverage, is_cross=is_cross
        )
        if not reason:
            self._carry_out(account, UpdateLeverage(instrument.id, leverage, is_cross))
        return reason

    def end(self) -> None:
        """The action is over: a turn."""
        self._end_turn()

    # -- inside ------------------------------------------------------------------------------------

    def _carry_out(self, account: VenueAccount, command: Command) -> None:
        self.exchange.on_commands(self.clock.now_ns(), account.name, (command,))
        self._reporter.drain(self.exchange.reports)

    def _record(self, account: VenueAccount, order: NewOrder, key: str) -> OrderRecord:
        now_ms = self.clock.now_ms()
        return OrderRecord(
            key=key,
            account=account.name,
            oid=self.ids.next_oid(),
            new=order,
            size_lots=order.sz_lots,
            placed_ms=now_ms,
            status_ms=now_ms,
        )

    def _next_key(self) -> str:
        self._keys += 1
        return f"order {self._keys}"

    def _refusal(self, account: VenueAccount, order: NewOrder, replaces: OrderRecord | None) -> str:
        """What the exchange does not know of: client ids, and open-interest caps."""
        if order.instrument.coin in self.capped and not order.reduce_only:
            lots, _ = self.exchange.position(account.name, order.instrument.id)
            if lots * order.side >= 0 or order.sz_lots > abs(lots):
                return OI_CAPPED
        return self._cloid_clash(account, order, replaces)

    @staticmethod
    def _cloid_clash(account: VenueAccount, order: NewOrder, beside: OrderRecord | None) -> str:
        if order.cloid is None:
            return ""
        known = account.find(order.cloid)
        is_taken = known is not None and known.is_live and known is not beside
        return DUPLICATE_CLOID if is_taken else ""

    def _modify_waiting(
        self, account: VenueAccount, record: OrderRecord, order: NewOrder
    ) -> tuple[OrderRecord | None, str]:
        parent = account.by_key.get(record.parent)
        new = self.place(account, order, parent, replaces=record)
        if new.error:
            return None, new.error
        self.cancel(account, record)
        return new, ""

    def _cancel_scheduled(self) -> None:
        now_ms = self.clock.now_ms()
        for account in self.accounts.values():
            if account.schedule_ms and account.schedule_ms <= now_ms:
                account.schedule_ms = 0
                for record in account.live():
                    self.cancel(account, record, SCHEDULED)

    def _end_turn(self) -> None:
        for listener in self._reporter.listeners:
            listener.on_turn()


def _nothing() -> None:
    """No market rows are due."""
