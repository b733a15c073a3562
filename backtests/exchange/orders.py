"""The orders we have at the simulated exchange, in price-time priority, and what to watch for.

A side is kept as a sorted list of keys
beside its orders. The key of a buy is -price, of a sell the price: smaller is better on both sides,
and orders of one key stand in the order they came.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from enum import IntEnum
from typing import Final

import msgspec

from backtests.exchange.ledger import Account, Position
from backtests.exchange.market import Market
from engine.model.commands import Trigger
from engine.model.instruments import Instrument
from engine.model.units import Side, Tif, TriggerKind

FAR_TICKS: Final = 2**62


class Status(IntEnum):
    """Where a live order is."""

    ARRIVED = 0
    WAITS_FOR_PARENT = 1
    WAITS_FOR_TRIGGER = 2
    RESTS = 3


_RESTS: Final = Status.RESTS
_WAITS_FOR_TRIGGER: Final = Status.WAITS_FOR_TRIGGER


class Order(msgspec.Struct, eq=False):
    """One of our orders at the exchange.

    `left_lots` is what it still asks for; `cut_lots` what a reduce-only order lost because the
    position is smaller. `ahead_lots` is the displayed size it stands behind; None while that is not
    known.
    """

    account: Account
    position: Position
    desk: Desk
    cloid: str
    generation: int
    oid: int
    side: Side
    px_ticks: int
    left_lots: int
    tif: Tif
    reduce_only: bool
    trigger: Trigger | None
    parent: str
    status: Status = Status.ARRIVED
    ahead_lots: int | None = 0
    cut_lots: int = 0

    @property
    def fires_low(self) -> bool:
        """Whether the trigger fires when the mark is at or below it (else at or above)."""
        is_stop = self.trigger is not None and self.trigger.kind is TriggerKind.STOP_LOSS
        return is_stop is (self.side < 0)


class Watch(msgspec.Struct, frozen=True, gc=False):
    """What of the market could touch the live orders of one instrument.

    Everything else may be skipped. `bid_ticks` is the highest own resting buy (0 if none),
    `ask_ticks` the lowest own resting sell (2**62 if none). A trigger fires when the mark is at or
    below `trigger_low_ticks` (0 if none) or at or above `trigger_high_ticks` (2**62 if none).
    `levels` are (side, price, size ahead or None while unknown) of the orders that do not yet stand
    first.
    """

    bid_ticks: int
    ask_ticks: int
    trigger_low_ticks: int
    trigger_high_ticks: int
    levels: tuple[tuple[int, int, int | None], ...]
    has_triggers: bool


class OwnSide:
    """Our resting orders on one side, best first."""

    __slots__ = ("keys", "orders")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.orders: list[Order] = []

    def add(self, order: Order) -> None:
        """Put an order behind those of its price."""
        keys = self.keys
        key = -order.px_ticks if order.side > 0 else order.px_ticks
        at = bisect_right(keys, key)
        keys.insert(at, key)
        self.orders.insert(at, order)

    def remove(self, order: Order) -> None:
        """Take an order out."""
        at = bisect_left(self.keys, -order.px_ticks if order.side > 0 else order.px_ticks)
        orders = self.orders
        while orders[at] is not order:
            at += 1
        del self.keys[at]
        del orders[at]

    def reached(self, key: int) -> list[Order]:
        """The orders at this key or better, in priority."""
        return self.orders[: bisect_right(self.keys, key)]


class Desk:
    """One instrument at the exchange: its market, our orders on it, and who holds a position."""

    __slots__ = (
        "_is_fresh",
        "_watch",
        "asks",
        "bids",
        "fills_on_cross",
        "id",
        "instrument",
        "live",
        "market",
        "positions",
        "queued",
        "triggers",
    )

    def __init__(self, instrument: Instrument, market: Market, *, fills_on_cross: bool) -> None:
        self.id = instrument.id
        self.instrument = instrument
        self.market = market
        self.fills_on_cross = fills_on_cross
        self.bids = OwnSide()
        self.asks = OwnSide()
        self.triggers: list[Order] = []
        self.queued: list[Order] = []
        self.positions: dict[str, Position] = {}
        self.live = 0
        self._watch: Watch | None = None
        self._is_fresh = True

    def changed(self) -> None:
        """Orders or their queue positions changed: the watch is out of date."""
        self._is_fresh = False

    def rest(self, order: Order) -> None:
        """Let an order rest, behind what is displayed at its price."""
        order.status = _RESTS
        (self.bids if order.side > 0 else self.asks).add(order)
        if not self.fills_on_cross:
            order.ahead_lots = self.market.shown_lots(order.side, order.px_ticks)
            if order.ahead_lots != 0:
                self.queued.append(order)
        self._is_fresh = False

    def wait(self, order: Order) -> None:
        """Let a trigger order wait for the mark."""
        order.status = Status.WAITS_FOR_TRIGGER
        self.triggers.append(order)
        self._is_fresh = False

    def withdraw(self, order: Order) -> None:
        """Take an order from wherever it stands."""
        if order.status is _RESTS:
            (self.bids if order.side > 0 else self.asks).remove(order)
            if order.ahead_lots != 0:
                self.queued.remove(order)
        elif order.status is _WAITS_FOR_TRIGGER:
            self.triggers.remove(order)
        self._is_fresh = False

    def advance(self, order: Order, ahead_lots: int) -> None:
        """An order moved forward in its queue."""
        if order.ahead_lots != 0 and ahead_lots == 0:
            self.queued.remove(order)
        order.ahead_lots = ahead_lots
        self._is_fresh = False

    def watch(self) -> Watch | None:
        """What could touch our live orders here; None when there are none."""
        if not self._is_fresh:
            self._watch = self._watched() if self.live else None
            self._is_fresh = True
        return self._watch

    def _watched(self) -> Watch:
        low_ticks, high_ticks = 0, FAR_TICKS
        for order in self.triggers:
            if order.trigger is not None:
                if order.fires_low:
                    low_ticks = max(low_ticks, order.trigger.px_ticks)
                else:
                    high_ticks = min(high_ticks, order.trigger.px_ticks)
        levels: tuple[tuple[int, int, int | None], ...] = ()
        if self.queued:
            levels = tuple(
                [(int(order.side), order.px_ticks, order.ahead_lots) for order in self.queued]
            )
        bids, asks = self.bids.keys, self.asks.keys
        return Watch(
            -bids[0] if bids else 0,
            asks[0] if asks else FAR_TICKS,
            low_ticks,
            high_ticks,
            levels,
            bool(self.triggers),
        )
