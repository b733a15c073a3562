"""Who publishes what: the core's listener, which hands each thing on to the publishers it concerns.

Books, trades and candles are per instrument, positions per account. There are as many publishers as
there ever were different subscriptions: bounded by instruments, depths, intervals and accounts.
"""

from __future__ import annotations

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.listeners import LedgerChanged, LeverageChanged, OrderChanged, Report
from connectors.simulated.perpex.channels import (
    BookPublisher,
    CandlePublisher,
    PositionPublisher,
    Publisher,
    Subscriber,
    TradesPublisher,
)
from connectors.simulated.publicdata import PublicTrade
from engine.model.events import AssetContext, FundingRate, MarketEvent
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS


class Hub:
    """Every publisher; a `Listener` of the core."""

    def __init__(self, core: VenueCore, warning_ppb: int) -> None:
        self._core = core
        self._warning_ppb = warning_ppb
        self._market_ms = 0
        self._trades: dict[str, TradesPublisher] = {}
        self._books: dict[str, dict[int, BookPublisher]] = {}
        self._candles: dict[str, dict[str, CandlePublisher]] = {}
        self._positions: dict[str, PositionPublisher] = {}

    # -- who is asked ------------------------------------------------------------------------------

    def trades(self, instrument: Instrument) -> Publisher:
        """The public trades of an instrument."""
        found = self._trades.get(instrument.id)
        if found is None:
            found = self._trades[instrument.id] = TradesPublisher(self._core, instrument)
        return found

    def book(self, instrument: Instrument, depth: int) -> Publisher:
        """The best `depth` levels of an instrument."""
        of_depth = self._books.setdefault(instrument.id, {})
        found = of_depth.get(depth)
        if found is None:
            found = of_depth[depth] = BookPublisher(self._core, instrument, depth)
        return found

    def candles(self, instrument: Instrument, interval: str) -> Publisher:
        """The candles of an instrument and interval."""
        of_interval = self._candles.setdefault(instrument.id, {})
        found = of_interval.get(interval)
        if found is None:
            found = of_interval[interval] = CandlePublisher(self._core, instrument, interval)
        return found

    def positions(self, account: VenueAccount) -> Publisher:
        """The positions of an account."""
        found = self._positions.get(account.name)
        if found is None:
            found = PositionPublisher(self._core, account, self._warning_ppb)
            self._positions[account.name] = found
        return found

    # -- what is heard -----------------------------------------------------------------------------

    def on_market(self, event: MarketEvent) -> None:
        """A row of the market."""
        self._market_ms = max(self._market_ms, event.ts_venue_ns // NS_PER_MS)
        if isinstance(event, AssetContext):
            for positions in self._positions.values():
                positions.is_moved = True
        elif not isinstance(event, FundingRate):
            self._touch(event.instrument)

    def on_trade(self, trade: PublicTrade) -> None:
        """A public trade."""
        where = trade.instrument.id
        trades = self._trades.get(where)
        if trades is not None:
            trades.on_trade(trade)
        for candles in self._candles.get(where, {}).values():
            candles.on_trade()
        self._touch(where)

    def on_report(self, account: VenueAccount, report: Report) -> None:
        """Something happened to an account: a position may have changed, or a book."""
        if isinstance(report, OrderChanged):
            self._touch(report.record.new.instrument.id)
            return
        positions = self._positions.get(account.name)
        if positions is None or isinstance(report, LedgerChanged):
            return
        instrument = (
            report.instrument if isinstance(report, LeverageChanged) else report.row.instrument
        )
        positions.changed[instrument.id] = instrument

    def on_turn(self) -> None:
        """The turn is over: everybody says what there is to say."""
        for trades in self._trades.values():
            trades.flush()
        for of_depth in self._books.values():
            for book in of_depth.values():
                if book.subscribers:
                    book.flush()
        for of_interval in self._candles.values():
            for candles in of_interval.values():
                candles.flush()
                candles.on_time(self._market_ms)
        for positions in self._positions.values():
            positions.flush()

    def leave(self, subscriber: Subscriber) -> None:
        """A connection is gone."""
        everybody: list[Publisher] = [*self._trades.values(), *self._positions.values()]
        for of_depth in self._books.values():
            everybody += of_depth.values()
        for of_interval in self._candles.values():
            everybody += of_interval.values()
        for one in everybody:
            one.unsubscribe(subscriber)

    def _touch(self, where: str) -> None:
        for book in self._books.get(where, {}).values():
            book.is_dirty = True
