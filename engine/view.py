"""The read-only view of one strategy: state, read on demand, under the names a strategy uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from engine.errors import ModelError
from engine.model.events import AssetContext, Bar, BookTop, Quote, Trade
from engine.model.instruments import Instrument
from engine.model.units import MONEY_SCALE
from engine.state.accounts import Account
from engine.state.books import Book
from engine.state.market import Market
from engine.state.orders import Order
from engine.state.positions import Position
from strategies.api import OrderView, span_ns

if TYPE_CHECKING:
    from engine.core import Engine
    from engine.runner import StrategyRunner


class AccountReading:
    """An account's money as floats."""

    __slots__ = ("_account",)

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def equity(self) -> float:
        """Cash plus unrealised profit at the mark."""
        return self._account.equity_e8() / MONEY_SCALE

    @property
    def margin_used(self) -> float:
        """Initial margin of positions and resting orders."""
        return self._account.margin_used_e8() / MONEY_SCALE

    @property
    def free_margin(self) -> float:
        """Equity that nothing needs."""
        return self._account.free_margin_e8() / MONEY_SCALE


class EngineView:
    """Implements `strategies.api.View` over an engine's state."""

    __slots__ = ("_account", "_elsewhere", "_engine", "_strategy")

    def __init__(self, engine: Engine, runner: StrategyRunner) -> None:
        self._engine = engine
        self._strategy = runner.name
        self._account = engine.accounts[runner.account]
        self._elsewhere = {
            where: engine.accounts[account] for where, account in runner.elsewhere.items()
        }

    @property
    def now_ns(self) -> int:
        """The engine's time: the local stamp of the event being handled."""
        return self._engine.now_ns

    @property
    def account(self) -> AccountReading:
        """The account this strategy trades; of several, the first."""
        return AccountReading(self._account)

    def account_at(self, instrument: str) -> AccountReading:
        """The account this strategy trades an instrument on."""
        self._market(instrument)
        return AccountReading(self._elsewhere.get(instrument, self._account))

    def _market(self, instrument: str) -> Market:
        market = self._engine.markets.get(instrument)
        if market is None:
            known = ", ".join(sorted(self._engine.markets))
            raise ModelError(f"instrument {instrument!r}: expected one of {known}")
        return market

    def instrument(self, instrument: str) -> Instrument:
        """The instrument's metadata."""
        return self._market(instrument).instrument

    def quote(self, instrument: str) -> Quote | None:
        """The last quote."""
        return cast("Quote | None", self._market(instrument).quote.last)

    def top(self, instrument: str) -> BookTop | None:
        """The last top of book."""
        return cast("BookTop | None", self._market(instrument).top.last)

    def book(self, instrument: str) -> Book:
        """The whole book."""
        market = self._market(instrument)
        if market.top.last is not None:
            market.book.seq = market.top.last.seq
        return market.book

    def trade(self, instrument: str) -> Trade | None:
        """The last trade."""
        return cast("Trade | None", self._market(instrument).trade.last)

    def context(self, instrument: str) -> AssetContext | None:
        """The last mark, oracle, funding rate and open interest."""
        return cast("AssetContext | None", self._market(instrument).context.last)

    def bars(self, instrument: str, interval: str) -> Sequence[Bar]:
        """The last closed bars, oldest first."""
        return tuple(self._engine.bar_history(instrument, span_ns(interval)))

    def mark_px(self, instrument: str) -> float | None:
        """The mark price, or what stands in for it."""
        return self._market(instrument).mark_px()

    def position(self, instrument: str) -> Position:
        """This strategy's own position."""
        self._market(instrument)
        account = self._elsewhere.get(instrument, self._account)
        return account.strategy_position(self._strategy, instrument)

    def net_position(self, instrument: str) -> Position:
        """The account's position."""
        self._market(instrument)
        return self._elsewhere.get(instrument, self._account).position(instrument)

    def order(self, cloid: str) -> Order | None:
        """One order of this strategy."""
        order = self._engine.orders.get(cloid)
        return order if order is not None and order.strategy == self._strategy else None

    def orders(self, instrument: str) -> list[OrderView]:
        """This strategy's live orders, oldest first."""
        return list(self._engine.orders.live(self._strategy, instrument).values())

    def quote_order(self, instrument: str, quote: str) -> Order | None:
        """The live order of a named quote."""
        return self._engine.orders.quote(self._strategy, instrument, quote)
