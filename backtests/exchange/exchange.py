"""The simulated exchange: market rows and command batches in, reports out.

Single-threaded, synchronous, deterministic. It knows the venue's rules and nothing of ours. At one
instant the caller sends market rows first, then batches. A row of an instrument without live orders
is stored and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from backtests.exchange import margin, rules, words
from backtests.exchange.commands import Commands, position_of
from backtests.exchange.conditions import Conditions
from backtests.exchange.ledger import Account, Position
from backtests.exchange.market import DepthSource, Market
from backtests.exchange.matching import Matcher
from backtests.exchange.orders import Desk, Watch
from backtests.exchange.outbox import Outbox
from backtests.models.fees import FeeModel
from backtests.models.queue import QueueRule, queue_rule
from engine.errors import ModelError
from engine.model.commands import Batch, Command
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountEvent,
    AssetContext,
    Bar,
    BookDelta,
    BookSnapshot,
    BookTop,
    FundingRate,
    MarketEvent,
    Quote,
    Trade,
)
from engine.model.instruments import Instrument
from engine.model.units import funding_e8, rate_ppb

HALF_SPREAD_PPB_DEFAULT: Final = 50_000


class SimAccount(msgspec.Struct):
    """An account the exchange starts with.

    `leverage` by instrument id; where it says nothing it is 20, or the instrument's maximum if that
    is less.
    """

    name: str
    balance_e8: int
    leverage: dict[str, int] = {}


class SimulatedExchange:
    """Matching, ledger and margin of one venue for a few accounts.

    `report_ns` says when a report made at a venue time reaches us. `queue` names the queue rule of
    each instrument ("trades" where it says nothing). `counters` counts what should not happen.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        accounts: Sequence[SimAccount],
        *,
        fees: FeeModel,
        queue: Mapping[str, QueueRule],
        report_ns: Callable[[int], int],
        synthetic_half_spread_ppb: int = HALF_SPREAD_PPB_DEFAULT,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._desks: dict[str, Desk] = {}
        for instrument in instruments:
            rule = queue_rule(queue.get(instrument.id, "trades"))
            market = Market(instrument, synthetic_half_spread_ppb)
            self._desks[instrument.id] = Desk(instrument, market, fills_on_cross=rule == "cross")
        self._accounts = {spec.name: Account(spec.name, spec.balance_e8) for spec in accounts}
        self._outbox = Outbox(report_ns)
        self._matcher = Matcher(self._outbox, fees.rate_ppb)
        self._conditions = Conditions(self._matcher, self._outbox)
        for spec in accounts:
            for name, leverage in spec.leverage.items():
                desk = self._desk(name)
                if not 1 <= leverage <= desk.instrument.leverage_max:
                    raise ModelError(
                        f"account {spec.name}: leverage {leverage} on {name},"
                        f" expected 1 to {desk.instrument.leverage_max}"
                    )
                position_of(self._accounts[spec.name], desk).leverage = leverage
        self._rows: dict[type, Callable[[Desk, Any], None]] = {
            Quote: self._on_quote,
            BookTop: self._on_top,
            BookSnapshot: self._on_snapshot,
            BookDelta: self._on_delta,
            Trade: self._on_trade,
            Bar: self._on_bar,
            AssetContext: self._on_context,
            FundingRate: self._on_funding,
        }
        self._commands = Commands(
            self._outbox, self._matcher, self._conditions, self.counters
        ).by_type

    # -- in and out --------------------------------------------------------------------------------

    @property
    def reports(self) -> list[AccountEvent]:
        """What has happened and was not taken yet, in order.

        Always the same list: the driver takes its items and clears it.
        """
        return self._outbox.reports

    def on_market(self, event: MarketEvent) -> None:
        """Take in one row.

        Raises ModelError for an instrument or kind of event this exchange does not have.
        """
        try:
            desk = self._desks[event.instrument]
            rule = self._rows[type(event)]
        except KeyError:
            raise ModelError(
                f"simulated exchange: {type(event).__name__} of {event.instrument},"
                f" expected a market event of {', '.join(self._desks)}"
            ) from None
        rule(desk, event)

    def on_batch(self, ts_ns: int, batch: Batch) -> None:
        """Carry out commands in the order given, as of venue time `ts_ns`.

        Raises ModelError for an unknown name.
        """
        self.on_commands(ts_ns, batch.account, batch.commands)

    def on_commands(self, ts_ns: int, account_name: str, commands: Sequence[Command]) -> None:
        """Carry out commands that somebody sent by the venue's own wire, as `on_batch` does."""
        account = self._accounts.get(account_name) or self._account(account_name)
        matcher = self._matcher
        self._outbox.at(ts_ns)
        desks, by_type = self._desks, self._commands
        for command in commands:
            desk = desks.get(command.instrument) or self._desk(command.instrument)
            by_type[type(command)](account, desk, command)
            if matcher.ended or matcher.reduced:
                self._conditions.settle()
            if desk.triggers:
                self._conditions.on_mark(desk)

    def on_ask(self, ts_ns: int, ask: AskOrder) -> None:
        """Say what became of an order, as of venue time `ts_ns`.

        A live one is acknowledged again. Of one that is not live every fill was reported before, so
        it is answered as canceled.
        """
        account = self._account(ask.account)
        self._outbox.at(ts_ns)
        order = account.orders.get(ask.cloid)
        if order is not None and order.desk.id == ask.instrument:
            self._outbox.accepted(order)
        else:
            self._outbox.gone(ask, words.UNKNOWN_OID)

    def transfer(self, ts_ns: int, account: str, amount_e8: int, kind: str) -> None:
        """Move money into (negative: out of) an account."""
        self._account(account).book_transfer(amount_e8)
        self._outbox.at(ts_ns)
        self._outbox.transfer(account, amount_e8, kind)

    def open_account(self, name: str, balance_e8: int) -> None:
        """Take in one more account. Raises ModelError when there is one of this name."""
        if name in self._accounts:
            raise ModelError(f"simulated exchange: there is an account {name!r} already")
        self._accounts[name] = Account(name, balance_e8)

    def attach_depth(self, instrument: str, source: DepthSource) -> None:
        """Say where the depth behind this instrument's `BookTop` rows is found."""
        self._desk(instrument).market.depth = source

    def watch(self, instrument: str) -> Watch | None:
        """What of the market could touch live orders there; None when there are none."""
        return self._desks[instrument].watch()

    # -- accounts ----------------------------------------------------------------------------------

    def equity_e8(self, account: str) -> int:
        """Cash plus unrealised profit at the mark."""
        return margin.equity_e8(self._account(account))

    def free_margin_e8(self, account: str) -> int:
        """Equity that no position and no order needs as initial margin."""
        return margin.free_e8(self._account(account))

    def cash_e8(self, account: str) -> int:
        """Start + transfers + realised - fees - funding."""
        return self._account(account).cash_e8

    def realised_e8(self, account: str) -> int:
        """Realised profit, gross of fees."""
        return self._account(account).realised_e8

    def fees_e8(self, account: str) -> int:
        """Fees paid."""
        return self._account(account).fees_e8

    def funding_e8(self, account: str) -> int:
        """Funding paid; negative when received."""
        return self._account(account).funding_e8

    def position(self, account: str, instrument: str) -> tuple[int, int]:
        """Signed lots and their cost in 1e-8."""
        position = self._account(account).positions.get(instrument)
        return (0, 0) if position is None else (position.lots, position.cost_e8)

    def mark_ticks2(self, instrument: str) -> int:
        """Twice the mark price in ticks; 0 when there is no price."""
        return self._desk(instrument).market.mark_ticks2()

    def account(self, name: str) -> Account:
        """The account's ledger and live orders as they stand: to be read, never changed."""
        return self._account(name)

    def desk(self, instrument: str) -> Desk:
        """The instrument's market and live orders as they stand: to be read, never changed."""
        return self._desk(instrument)

    def position_on(self, account: str, instrument: str) -> Position:
        """The account's position; a flat one, with its leverage, when there was none: read only."""
        return position_of(self._account(account), self._desk(instrument))

    def leverage_refusal(
        self, account: str, instrument: str, leverage: int, *, is_cross: bool
    ) -> str:
        """Why an `UpdateLeverage` would be refused now, in the venue's words; "" when it is not."""
        desk = self._desk(instrument)
        position = position_of(self._account(account), desk)
        return rules.leverage_refusal(position, desk.instrument, leverage, is_cross=is_cross)

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            raise ModelError(
                f"simulated exchange: account {name!r}, expected one of {', '.join(self._accounts)}"
            )
        return account

    def _desk(self, instrument: str) -> Desk:
        desk = self._desks.get(instrument)
        if desk is None:
            raise ModelError(
                f"simulated exchange: instrument {instrument!r},"
                f" expected one of {', '.join(self._desks)}"
            )
        return desk

    # -- market rows -------------------------------------------------------------------------------

    def _on_top(self, desk: Desk, event: BookTop) -> None:
        desk.market.top = event
        if desk.live:
            self._react(desk, event.ts_venue_ns)

    def _on_quote(self, desk: Desk, event: Quote) -> None:
        market = desk.market
        if type(market.top) is not BookTop:
            market.top = event
            if desk.live:
                self._react(desk, event.ts_venue_ns)

    def _on_snapshot(self, desk: Desk, event: BookSnapshot) -> None:
        desk.market.set_book(event)
        if desk.live:
            self._react(desk, event.ts_venue_ns)

    def _on_delta(self, desk: Desk, event: BookDelta) -> None:
        if not desk.market.change_book(event):
            self.counters["delta_before_snapshot"] += 1
        if desk.live:
            self._react(desk, event.ts_venue_ns)

    def _on_trade(self, desk: Desk, event: Trade) -> None:
        market = desk.market
        market.trade = event
        if not desk.live:
            return
        if not desk.fills_on_cross:
            self._matcher.on_print(desk, event)
            self._follow(desk, event.ts_venue_ns)
        elif market.top is None and market.bids is None:
            self._react(desk, event.ts_venue_ns)
        elif desk.triggers:
            self._outbox.at(event.ts_venue_ns)
            self._conditions.on_mark(desk)

    def _on_bar(self, desk: Desk, event: Bar) -> None:
        market = desk.market
        market.bar = event
        if not desk.live or not market.is_bars_only:
            return
        self._outbox.at(event.ts_venue_ns)
        if market.context is None:
            self._conditions.on_bar(desk, event)
        else:
            self._matcher.on_bar(desk, event)
            self._follow(desk, event.ts_venue_ns)

    def _on_context(self, desk: Desk, event: AssetContext) -> None:
        desk.market.context = event
        if desk.triggers:
            self._outbox.at(event.ts_venue_ns)
            self._conditions.on_mark(desk)

    def _on_funding(self, desk: Desk, event: FundingRate) -> None:
        """Every position pays rate x value at the oracle price, else at the mark, rounded up."""
        self._outbox.at(event.ts_venue_ns)
        market = desk.market
        ticks2 = market.oracle_ticks2()
        ppb = rate_ppb(event.rate)
        for position in desk.positions.values():
            if not position.lots:
                continue
            if not ticks2:
                self.counters["funding_without_price"] += 1
                continue
            amount_e8 = funding_e8(market.value_e8(position.lots, ticks2), ppb)
            account = position.account
            account.book_funding(amount_e8)
            self._outbox.funding(account.name, desk.id, amount_e8, position.lots, event.rate)

    def _react(self, desk: Desk, ts_ns: int) -> None:
        """A row of the book or quote reached live orders."""
        if desk.fills_on_cross:
            if not self._matcher.on_cross(desk, ts_ns) and not desk.triggers:
                return
            self._follow(desk, ts_ns)
            return
        if desk.queued:
            self._matcher.on_display(desk)
        if desk.triggers:
            self._outbox.at(ts_ns)
            self._conditions.on_mark(desk)

    def _follow(self, desk: Desk, ts_ns: int) -> None:
        """Carry out what resting fills ask for, then look at the mark."""
        if self._matcher.ended or self._matcher.reduced:
            self._conditions.settle()
        if desk.triggers:
            self._outbox.at(ts_ns)
            self._conditions.on_mark(desk)
