"""What the venue remembers of an order, and the status words it goes by (protocol 1.4).

The exchange knows an order by a key of the venue's own; client ids and order ids are the wire's
matter and live here. A modify gives an order a new record under the same key.
"""

from __future__ import annotations

from typing import Final

import msgspec

from backtests.exchange import words
from backtests.exchange.orders import Order, Status
from engine.model.commands import Trigger
from engine.model.instruments import Instrument
from engine.model.units import Side, Tif

OPEN: Final = "open"
FILLED: Final = "filled"
CANCELED: Final = "canceled"
TRIGGERED: Final = "triggered"

OI_CAPPED: Final = "Order would increase open interest while open interest is capped"

# What became of an order the exchange refused, by how its words begin.
_REJECTED: Final = (
    (words.TICK, "tickRejected"),
    ("Order must have minimum value", "minTradeNtlRejected"),
    (words.MARGIN, "perpMarginRejected"),
    (words.REDUCE_ONLY, "reduceOnlyRejected"),
    ("Post only order", "badAloPxRejected"),
    (words.IOC, "iocCancelRejected"),
    (words.INVALID_TRIGGER, "badTriggerPxRejected"),
    (words.TIER, "perpMaxPositionRejected"),
    (words.TOO_MANY, "tooManyOpenOrdersRejected"),
    (words.FAR_PRICE, "oracleRejected"),
    (OI_CAPPED, "positionIncreaseAtOpenInterestCapRejected"),
)


def rejected_status(reason: str) -> str:
    """The status word of an order that was refused with these words."""
    for text, status in _REJECTED:
        if reason.startswith(text):
            return status
    return "rejected"


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a face understood it, on the grid of its instrument.

    `is_market` says only how it is shown. `is_position_tpsl` marks a stop or take profit that goes
    with the position: its size is the position's.
    """

    instrument: Instrument
    side: Side
    px_ticks: int
    sz_lots: int
    tif: Tif = Tif.GTC
    reduce_only: bool = False
    cloid: str | None = None
    trigger: Trigger | None = None
    is_market: bool = False
    is_position_tpsl: bool = False


class OrderRecord(msgspec.Struct, kw_only=True, eq=False):
    """One order, from its arrival to long after its end. Times are venue milliseconds.

    `size_lots` is what it asked for. `error` is why it was refused, else empty. `filled_e8` is the
    notional of its fills. `parent` is the key of the order it waits for or waited for. `live` is
    the exchange's own order while there is one.
    """

    key: str
    account: str
    oid: int
    new: NewOrder
    size_lots: int
    parent: str = ""
    status: str = OPEN
    placed_ms: int = 0
    status_ms: int = 0
    filled_lots: int = 0
    filled_e8: int = 0
    error: str = ""
    live: Order | None = None
    left_at_end: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether the exchange still holds it."""
        return self.left_at_end is None

    @property
    def waits_for_parent(self) -> bool:
        """Whether it is held back until its parent is filled."""
        return self.live is not None and self.live.status is Status.WAITS_FOR_PARENT

    @property
    def waits_for_trigger(self) -> bool:
        """Whether it is held back until the mark reaches its trigger."""
        return self.live is not None and self.live.status is Status.WAITS_FOR_TRIGGER

    @property
    def left_lots(self) -> int:
        """What it still asks for, or asked for when it ended."""
        if self.left_at_end is not None:
            return self.left_at_end
        if self.live is not None:
            return self.live.left_lots
        return self.size_lots - self.filled_lots

    def end(self, status: str, ms: int) -> None:
        """It is over; what was left of it stays to be read."""
        self.left_at_end = 0 if status == FILLED else self.left_lots
        self.live = None
        self.status = status
        self.status_ms = ms
