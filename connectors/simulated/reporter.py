"""From the exchange's reports to what accounts remember and listeners hear.

The exchange says each thing once, in order; nothing here decides anything. Positions are kept a
second time from the fills, and must equal the exchange's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from backtests.exchange import SimulatedExchange, words
from backtests.exchange.orders import Order
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.history import FillRow, FundingRow
from connectors.simulated.ids import Ids
from connectors.simulated.listeners import (
    Filled,
    Funded,
    LeverageChanged,
    Listener,
    OrderChanged,
    Report,
)
from connectors.simulated.orders import (
    CANCELED,
    FILLED,
    TRIGGERED,
    OrderRecord,
    rejected_status,
)
from connectors.simulated.publicdata import PublicData, PublicTrade
from engine.model.events import (
    AccountEvent,
    FundingPaid,
    LeverageSet,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
)
from engine.model.units import NS_PER_MS, Tif, rate_ppb

_CANCELED: Final = {words.CANCELED: CANCELED, words.IOC_CANCELED: CANCELED}


class Reporter:
    """Takes reports; `hash` marks what one action or one market row caused.

    `cancel_status` is the word for cancels that are being asked for, and `replacing` the record
    that a modify in hand would make.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        accounts: dict[str, VenueAccount],
        public: dict[str, PublicData],
        ids: Ids,
    ) -> None:
        self.listeners: list[Listener] = []
        self.hash = ids.next_hash()
        self.cancel_status = ""
        self.replacing: OrderRecord | None = None
        self.modify_error = ""
        self._exchange = exchange
        self._accounts = accounts
        self._public = public
        self._ids = ids
        self._nobody = ids.address("nobody", 0)
        self._maker = (0, "")
        self._rules: dict[type, Callable[[VenueAccount, Any], None]] = {
            OrderAccepted: self._accepted,
            OrderRejected: self._rejected,
            OrderCanceled: self._canceled,
            OrderTriggered: self._triggered,
            OrderFilled: self._filled,
            OrderReplaced: self._replaced,
            ModifyRejected: self._modify_rejected,
            FundingPaid: self._funded,
            LeverageSet: self._leverage,
        }

    def drain(self, reports: list[AccountEvent]) -> None:
        """Take everything the exchange has said."""
        taken = tuple(reports)
        reports.clear()
        for report in taken:
            rule = self._rules.get(type(report))
            if rule is not None:
                rule(self._accounts[report.account], report)
        for report in taken:
            if type(report) is OrderFilled:
                holding = self._accounts[report.account].history.holding(report.instrument)
                held = self._exchange.position(report.account, report.instrument)
                assert held == (holding.lots, holding.cost_e8)

    def tell(self, account: VenueAccount, report: Report) -> None:
        """Tell everybody."""
        for listener in self.listeners:
            listener.on_report(account, report)

    def publish(self, trade: PublicTrade) -> None:
        """Publish one trade."""
        self._public[trade.instrument.id].add_trade(trade)
        for listener in self.listeners:
            listener.on_trade(trade)

    # -- orders ------------------------------------------------------------------------------------

    def _accepted(self, account: VenueAccount, event: OrderAccepted) -> None:
        record = account.by_key[event.cloid]
        record.live = self._live(account, event)
        if record.live is not None:
            self._changed(account, record, event)

    def _rejected(self, account: VenueAccount, event: OrderRejected) -> None:
        record = account.by_key.pop(event.cloid)
        record.error = event.reason
        record.end(rejected_status(event.reason), event.ts_venue_ns // NS_PER_MS)
        self._changed(account, record, event)

    def _canceled(self, account: VenueAccount, event: OrderCanceled) -> None:
        record = account.by_key.pop(event.cloid, None)
        if record is None:
            return
        is_asked = bool(self.cancel_status) and event.reason == words.CANCELED
        status = self.cancel_status if is_asked else _CANCELED.get(event.reason, event.reason)
        if event.reason == words.REDUCE_ONLY_CANCELED and _is_complete(record):
            status = FILLED
        is_untouched_ioc = record.new.tif is Tif.IOC and not record.filled_lots
        if event.reason == words.IOC_CANCELED and is_untouched_ioc and record.new.trigger is None:
            record.error = words.IOC
            status = rejected_status(words.IOC)
        record.end(status, event.ts_venue_ns // NS_PER_MS)
        self._changed(account, record, event, is_venues_doing=not is_asked)

    def _triggered(self, account: VenueAccount, event: OrderTriggered) -> None:
        record = account.by_key[event.cloid]
        record.status = TRIGGERED
        record.live = self._live(account, event) or record.live
        self._changed(account, record, event)

    def _replaced(self, account: VenueAccount, event: OrderReplaced) -> None:
        """The record a modify made takes the old one's place."""
        old, new = account.by_key[event.cloid], self.replacing
        assert new is not None
        ms = event.ts_venue_ns // NS_PER_MS
        old.end(CANCELED, ms)
        self._changed(account, old, event)
        account.by_key[event.cloid] = new
        account.add(new)
        new.size_lots = event.sz_lots
        new.live = self._live(account, event)
        if new.live is not None:
            self._changed(account, new, event)

    def _modify_rejected(self, _account: VenueAccount, event: ModifyRejected) -> None:
        self.modify_error = event.reason

    def _changed(
        self,
        account: VenueAccount,
        record: OrderRecord,
        event: OrderEvent,
        *,
        is_venues_doing: bool = False,
    ) -> None:
        record.status_ms = event.ts_venue_ns // NS_PER_MS
        change = OrderChanged(
            record, record.status, record.left_lots, record.status_ms, is_venues_doing
        )
        self.tell(account, change)

    def _live(self, account: VenueAccount, event: OrderEvent) -> Order | None:
        return self._exchange.account(account.name).orders.get(event.cloid)

    # -- fills and money ---------------------------------------------------------------------------

    def _filled(self, account: VenueAccount, event: OrderFilled) -> None:
        record = account.by_key[event.cloid]
        public = self._public[event.instrument]
        holding = account.history.holding(event.instrument)
        notional_e8 = event.px_ticks * event.sz_lots * public.desk.market.money_per_unit
        start_lots = holding.lots
        realised_e8 = holding.fill(event.side, event.sz_lots, notional_e8)
        row = FillRow(
            instrument=public.instrument,
            time_ms=event.ts_venue_ns // NS_PER_MS,
            oid=record.oid,
            tid=self._ids.tid("fill", event.trade_id),
            hash=self.hash,
            cloid=record.new.cloid,
            side=event.side,
            px_ticks=event.px_ticks,
            sz_lots=event.sz_lots,
            start_lots=start_lots,
            realised_e8=realised_e8,
            fee_e8=event.fee_e8,
            is_maker=event.is_maker,
        )
        account.history.fills.append(row)
        account.volume_e8 += notional_e8
        record.filled_lots += event.sz_lots
        record.filled_e8 += notional_e8
        self.tell(account, Filled(row))
        if event.is_maker:
            self._maker = event.trade_id, account.name
        else:
            other = self._maker[1] if self._maker[0] == event.trade_id else self._nobody
            self.publish(_print(account.name, other, row))
        if record.filled_lots >= record.size_lots:
            del account.by_key[record.key]
            record.end(FILLED, row.time_ms)
            self._changed(account, record, event)
        elif record.live is not None:
            self._changed(account, record, event)

    def _funded(self, account: VenueAccount, event: FundingPaid) -> None:
        row = FundingRow(
            instrument=self._public[event.instrument].instrument,
            time_ms=event.ts_venue_ns // NS_PER_MS,
            amount_e8=event.amount_e8,
            lots=event.sz_lots,
            rate_ppb=rate_ppb(event.rate),
        )
        account.history.fundings.append(row)
        account.history.holding(event.instrument).fund(event.amount_e8)
        self.tell(account, Funded(row))

    def _leverage(self, account: VenueAccount, event: LeverageSet) -> None:
        instrument = self._public[event.instrument].instrument
        self.tell(account, LeverageChanged(instrument, event.leverage, event.is_cross))


def _is_complete(record: OrderRecord) -> bool:
    """Whether a reduce-only order filled all that its position left of it."""
    return bool(record.filled_lots) and (record.live is None or not record.live.left_lots)


def _print(taker: str, maker: str, row: FillRow) -> PublicTrade:
    return PublicTrade(
        instrument=row.instrument,
        time_ms=row.time_ms,
        side=row.side,
        px_ticks=row.px_ticks,
        sz_lots=row.sz_lots,
        tid=row.tid,
        hash=row.hash,
        buyer=taker if row.side > 0 else maker,
        seller=maker if row.side > 0 else taker,
    )
