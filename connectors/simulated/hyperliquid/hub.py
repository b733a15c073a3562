"""Sends what happens to whom it concerns: one listener of the core for all WebSocket connections.

What a turn brought is sent when the turn is over, in one frame a channel; books, contexts and
account states have a clock of their own (protocol 5.2).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.hyperliquid import show_account, show_market
from connectors.simulated.hyperliquid.connection import Connection
from connectors.simulated.hyperliquid.snapshots import Snapshots
from connectors.simulated.hyperliquid.subscriptions import Follow, Topic
from connectors.simulated.listeners import (
    Filled,
    Funded,
    LedgerChanged,
    OrderChanged,
    Report,
)
from connectors.simulated.publicdata import PublicTrade
from connectors.simulated.settings import Cadences
from engine.model.events import AssetContext, FundingRate, MarketEvent, Trade

_SILENT: Final = (Trade, AssetContext, FundingRate)
Frame = dict[str, Any]


class Hub:
    """Who follows what, and what they have not been told yet."""

    def __init__(self, core: VenueCore, cadences: Cadences) -> None:
        self._core = core
        self._cadences = cadences
        self._snapshots = Snapshots(core)
        self._followers: dict[Topic, dict[Connection, Follow]] = {}
        self._trades: dict[str, list[Frame]] = defaultdict(list)
        self._moved: set[str] = set()
        self._best: dict[str, list[Any]] = {}
        self._reports: dict[str, dict[str, list[Frame]]] = defaultdict(lambda: defaultdict(list))
        self._tasks: list[asyncio.Task[None]] = []
        core.listeners.append(self)

    # -- who listens -------------------------------------------------------------------------------

    def follow(self, connection: Connection, follow: Follow) -> None:
        """Begin to send a topic, its snapshot first."""
        self._followers.setdefault(follow.topic, {})[connection] = follow
        for frame in self._snapshots.first(follow):
            connection.send(frame)
        if follow.type == "bbo":
            self._best[follow.coin] = self._bbo(follow.coin)["bbo"]

    def leave(self, connection: Connection, topic: Topic) -> None:
        """End one subscription."""
        followers = self._followers.get(topic)
        if followers is not None:
            followers.pop(connection, None)
            if not followers:
                del self._followers[topic]

    def start(self) -> None:
        """Start the clocks."""
        cadences = self._cadences
        self._tasks = [
            asyncio.ensure_future(self._every(cadences.fast_book_s, self._send_fast_books)),
            asyncio.ensure_future(self._every(cadences.book_s, self._send_books)),
            asyncio.ensure_future(self._every(cadences.context_s, self._send_contexts)),
            asyncio.ensure_future(self._every(cadences.account_s, self._send_accounts)),
        ]

    async def stop(self) -> None:
        """Stop them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what happens ------------------------------------------------------------------------------

    def on_market(self, event: MarketEvent) -> None:
        """A row may have moved the best bid or ask."""
        if not isinstance(event, _SILENT):
            self._moved.add(self._core.public[event.instrument].instrument.coin)

    def on_trade(self, trade: PublicTrade) -> None:
        """A trade takes from the book, too."""
        coin = trade.instrument.coin
        self._trades[coin].append(show_market.trade(trade))
        self._moved.add(coin)

    def on_report(self, account: VenueAccount, report: Report) -> None:
        """Something concerns one account."""
        told = self._reports[account.name]
        if isinstance(report, OrderChanged):
            record = report.record
            self._moved.add(record.new.instrument.coin)
            told["orders"].append(
                {
                    "order": show_account.short_order(record, report.left_lots),
                    "status": report.status,
                    "statusTimestamp": report.time_ms,
                }
            )
            if report.is_venues_doing and report.status != "reduceOnlyCanceled":
                told["gone"].append({"coin": record.new.instrument.coin, "oid": record.oid})
        elif isinstance(report, Filled):
            told["fills"].append(show_account.fill(report.row))
        elif isinstance(report, Funded):
            told["fundings"].append(show_account.flat_funding(report.row))
        elif isinstance(report, LedgerChanged):
            told["ledger"].append(show_account.ledger(report.row))

    def on_turn(self) -> None:
        """Send what the turn brought."""
        if self._trades:
            for coin, rows in self._trades.items():
                self._send(("trades", coin), {"channel": "trades", "data": rows})
                self._send_candles(coin)
            self._trades.clear()
        if self._moved:
            for coin in self._moved:
                self._send_bbo(coin)
            self._moved.clear()
        if self._reports:
            for user, told in self._reports.items():
                self._send_reports(user, told)
            self._reports.clear()

    # -- sending -----------------------------------------------------------------------------------

    def _send(self, topic: Topic, frame: Frame) -> None:
        for connection in tuple(self._followers.get(topic, ())):
            connection.send(frame)

    def _send_candles(self, coin: str) -> None:
        data = self._core.public[self._core.instruments[coin].id]
        for interval, candles in data.candles.by_interval.items():
            topic = ("candle", coin, interval)
            if topic in self._followers and candles:
                shown = show_market.candle(data.instrument, interval, candles[-1])
                self._send(topic, {"channel": "candle", "data": shown})

    def _bbo(self, coin: str) -> Frame:
        return show_market.bbo(self._core, self._core.public[self._core.instruments[coin].id])

    def _send_bbo(self, coin: str) -> None:
        topic = ("bbo", coin)
        if topic not in self._followers:
            return
        data = self._bbo(coin)
        if data["bbo"] != self._best.get(coin):
            self._best[coin] = data["bbo"]
            self._send(topic, {"channel": "bbo", "data": data})

    def _send_reports(self, user: str, told: dict[str, list[Frame]]) -> None:
        if told["orders"]:
            self._send(("orderUpdates", user), {"channel": "orderUpdates", "data": told["orders"]})
        for name, channel, key in (
            ("fills", "userFills", "fills"),
            ("fundings", "userFundings", "fundings"),
            ("ledger", "userNonFundingLedgerUpdates", "nonFundingLedgerUpdates"),
        ):
            if told[name]:
                data = {"isSnapshot": False, "user": user, key: told[name]}
                self._send((channel, user), {"channel": channel, "data": data})
        for event in _user_events(told):
            self._send(("userEvents", user), {"channel": "user", "data": event})

    async def _every(self, seconds: float, send: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            send()

    def _send_fast_books(self) -> None:
        self._send_kind("l2Book", is_fast=True)

    def _send_books(self) -> None:
        self._send_kind("l2Book", is_fast=False)

    def _send_contexts(self) -> None:
        self._send_kind("activeAssetCtx")
        self._send_kind("allMids")

    def _send_accounts(self) -> None:
        for kind in ("activeAssetData", "clearinghouseState", "openOrders", "webData3"):
            self._send_kind(kind)

    def _send_kind(self, kind: str, *, is_fast: bool = False) -> None:
        """Send the present state of every topic of a kind."""
        for topic, followers in tuple(self._followers.items()):
            if topic[0] != kind:
                continue
            follow = next(iter(followers.values()))
            if follow.fast is not is_fast:
                continue
            for frame in self._snapshots.state(follow):
                self._send(topic, frame)


def _user_events(told: dict[str, list[Frame]]) -> list[Frame]:
    """What `userEvents` says: one thing a message."""
    events: list[Frame] = []
    if told["fills"]:
        events.append({"fills": told["fills"]})
    events += [{"funding": row} for row in told["fundings"]]
    if told["gone"]:
        events.append({"nonUserCancel": told["gone"]})
    return events
