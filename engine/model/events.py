"""Everything that can happen, as frozen structs: the only input of `Engine.step`.

Every event carries two times, int nanoseconds UTC: `ts_venue_ns` (when it happened at the venue)
and `ts_local_ns` (when it reached us, which is the engine's *now*). Market events hold float64
prices and sizes; account events hold ticks, lots and 1e-8 money, because positions and the ledger
are built from them. `instrument` is an `Instrument.id`. Field order is part of the journal's
format.
"""

from __future__ import annotations

from enum import StrEnum

from engine.model.commands import Trigger
from engine.model.intents import AnyIntent
from engine.model.market_events import (
    AssetContext,
    Bar,
    BookDelta,
    BookSnapshot,
    BookTop,
    Event,
    FundingRate,
    InstrumentUpdated,
    MarketEvent,
    OpenInterestCaps,
    Quote,
    Trade,
)
from engine.model.orders import OrderState
from engine.model.units import Side, Tif

__all__ = [
    "AccountEvent",
    "AccountOpened",
    "AccountRead",
    "AnyEvent",
    "AssetContext",
    "Bar",
    "BlockTime",
    "BookDelta",
    "BookSnapshot",
    "BookTop",
    "BudgetRead",
    "CancelRejected",
    "EngineStarted",
    "EngineStopping",
    "Event",
    "FundingPaid",
    "FundingRate",
    "Halted",
    "InstrumentUpdated",
    "LeverageSet",
    "MarketEvent",
    "ModifyRejected",
    "OpenInterestCaps",
    "OrderAccepted",
    "OrderCanceled",
    "OrderCarried",
    "OrderEvent",
    "OrderFilled",
    "OrderRejected",
    "OrderReplaced",
    "OrderTriggered",
    "OrderUnclear",
    "PositionCarried",
    "Quote",
    "Resumed",
    "StreamChanged",
    "StreamPhase",
    "TimerFired",
    "Trade",
    "Transfer",
    "WeightSpent",
    "Wished",
]

# -- account ---------------------------------------------------------------------------------------


class AccountEvent(Event, frozen=True, gc=False):
    """The base of everything a venue says about one account."""

    account: str


class AccountOpened(AccountEvent, frozen=True, gc=False, tag=True):
    """The account's starting equity on one venue."""

    venue: str
    balance_e8: int


class OrderEvent(AccountEvent, frozen=True, gc=False):
    """The base of every answer about one order, keyed by (cloid, generation)."""

    instrument: str
    cloid: str
    generation: int


class OrderAccepted(OrderEvent, frozen=True, gc=False, tag=True):
    """The venue holds the order. A waiting trigger has no `oid` yet on some venues: then 0."""

    oid: int


class OrderRejected(OrderEvent, frozen=True, gc=False, tag=True):
    """The venue refused the order, and it never rested."""

    reason: str


class OrderCanceled(OrderEvent, frozen=True, gc=False, tag=True):
    """The order left the book without being (fully) filled; `reason` is the venue's status word.

    While a modify is in flight it says only that the earlier generation is gone.
    """

    oid: int
    reason: str


class CancelRejected(OrderEvent, frozen=True, gc=False, tag=True):
    """A cancel was refused: the order may be filled or canceled; nothing is concluded from it."""

    reason: str


class OrderReplaced(OrderEvent, frozen=True, gc=False, tag=True):
    """A modify went through: `generation` is the new one; the earlier generation is gone."""

    oid: int
    px_ticks: int
    sz_lots: int


class ModifyRejected(OrderEvent, frozen=True, gc=False, tag=True):
    """A modify was refused; whether the earlier generation still rests is not said by it."""

    reason: str


class OrderTriggered(OrderEvent, frozen=True, gc=False, tag=True):
    """The mark price reached the trigger, and the order is live."""

    oid: int


class OrderUnclear(OrderEvent, frozen=True, gc=False, tag=True):
    """The outcome is not known (timeout, 5xx, unreadable answer): to be settled by asking.

    `generation` is the order's, or the one that a modify in flight would make. An unclear modify is
    settled by `OrderReplaced` or `ModifyRejected`, by `OrderAccepted` of the generation that was
    found, or by `OrderCanceled` of the one it would have made.
    """

    detail: str


class OrderFilled(OrderEvent, frozen=True, gc=False, tag=True):
    """One fill of an order, in whole or in part; sufficient evidence that the order lived.

    `fee_e8` positive is a cost. `px` and `sz` are `px_ticks` and `sz_lots` as floats, for
    strategies. An `is_liquidation` fill or one with an unknown cloid belongs to the owner
    `external`.
    """

    oid: int
    trade_id: int
    side: Side
    px_ticks: int
    sz_lots: int
    px: float
    sz: float
    fee_e8: int
    is_maker: bool
    is_liquidation: bool = False


class FundingPaid(AccountEvent, frozen=True, gc=False, tag=True):
    """The account paid (positive) or received (negative) funding on a position of `sz_lots`."""

    instrument: str
    amount_e8: int
    sz_lots: int
    rate: float


class Transfer(AccountEvent, frozen=True, gc=False, tag=True):
    """Money in (positive) or out (negative) that is no trade, fee or funding."""

    amount_e8: int
    kind: str


class LeverageSet(AccountEvent, frozen=True, gc=False, tag=True):
    """The venue confirmed the leverage of one instrument."""

    instrument: str
    leverage: int
    is_cross: bool


class PositionCarried(AccountEvent, frozen=True, gc=False, tag=True):
    """A position from before this run: signed lots, their signed cost, and who built it.

    Comes after `AccountOpened` and before any fill. Strategies that hold against each other have
    realised nothing between them, the account has: `net_cost_e8` is what it adds to the account's
    own cost, where that is another.
    """

    instrument: str
    owner: str
    lots: int
    cost_e8: int
    net_cost_e8: int | None = None


class OrderCarried(OrderEvent, frozen=True, gc=False, tag=True):
    """An order from before this run that may still live; `sz_lots` is what remains of it.

    `state` is OPEN or WAITING where the venue says so, else UNKNOWN: then it is asked about.
    `pending_*` is a modify of it that may still be carried out, size 0: none.
    """

    oid: int
    owner: str
    quote: str
    side: Side
    px_ticks: int
    sz_lots: int
    tif: Tif
    reduce_only: bool
    state: OrderState
    trigger: Trigger | None = None
    parent: str = ""
    pending_px_ticks: int = 0
    pending_sz_lots: int = 0


class AccountRead(AccountEvent, frozen=True, gc=False, tag=True):
    """The account as the venue holds it at `ts_venue_ns`: every open position, as (id, lots).

    `cash_e8` is equity less unrealised profit. `is_caught_up` says that fills were read after it,
    and booked before it was told: then no late or lost report explains a difference.
    """

    equity_e8: int
    cash_e8: int
    positions: tuple[tuple[str, int], ...]
    is_caught_up: bool = True


class BudgetRead(AccountEvent, frozen=True, gc=False, tag=True):
    """The account's action budget as the venue counts it."""

    used: int
    cap: int


# -- the connection, the clock and the operator ----------------------------------------------------


class StreamPhase(StrEnum):
    """The life of one data stream. Only `ready` streams may price new risk."""

    UP = "up"
    DOWN = "down"
    STALE = "stale"
    GAP = "gap"
    READY = "ready"


class StreamChanged(Event, frozen=True, gc=False, tag=True):
    """A stream changed phase. `instrument` or `account` names what it feeds; the other is empty."""

    stream: str
    phase: StreamPhase
    instrument: str = ""
    account: str = ""


class EngineStarted(Event, frozen=True, gc=False, tag=True):
    """The run begins. `epoch` (64 random bits) makes this run's client order ids unique."""

    epoch: int


class EngineStopping(Event, frozen=True, gc=False, tag=True):
    """The run ends: strategies are asked for their last intents, no new risk is taken.

    After a fault (`is_fault`) no strategy is asked; what `on_fault` says is done.
    """

    reason: str
    is_fault: bool = False


class Wished(AccountEvent, frozen=True, gc=False, tag=True):
    """The operator, or the daemon at its start, wishes this on an account: it meets the gate."""

    intents: tuple[AnyIntent, ...]


class TimerFired(Event, frozen=True, gc=False, tag=True):
    """A timer asked for by a `SetTimer` effect came due."""

    strategy: str
    name: str


class Halted(Event, frozen=True, gc=False, tag=True):
    """No ADD from now on, for every account."""

    reason: str


class Resumed(Event, frozen=True, gc=False, tag=True):
    """The halt is over."""

    reason: str


class WeightSpent(Event, frozen=True, gc=False, tag=True):
    """Requests that are no orders cost so much of a venue's shared (IP or key) budget."""

    venue: str
    weight: int


class BlockTime(Event, frozen=True, gc=False, tag=True):
    """Time passed with nothing else to say: keeps ages and windows honest in a quiet market."""


AnyEvent = (
    Quote
    | BookTop
    | BookSnapshot
    | BookDelta
    | Trade
    | Bar
    | AssetContext
    | FundingRate
    | OpenInterestCaps
    | InstrumentUpdated
    | AccountOpened
    | OrderAccepted
    | OrderRejected
    | OrderCanceled
    | CancelRejected
    | OrderReplaced
    | ModifyRejected
    | OrderTriggered
    | OrderUnclear
    | OrderFilled
    | FundingPaid
    | Transfer
    | LeverageSet
    | PositionCarried
    | OrderCarried
    | AccountRead
    | BudgetRead
    | StreamChanged
    | EngineStarted
    | EngineStopping
    | TimerFired
    | Halted
    | Resumed
    | Wished
    | WeightSpent
    | BlockTime
)
