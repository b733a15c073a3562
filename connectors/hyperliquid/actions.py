"""The actions we send, as structs whose field order is the signing key order (protocol 2.1).

A struct packs and encodes to exactly the keys and the order that the venue hashes, so one object
gives both the signed bytes and the JSON. A key that may be absent is left out, never null. Prices
and sizes are strings without trailing zeros. The names here are ours; those of the wire stand
beside them.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from engine.model.units import Tif, TriggerKind


class _Wire(msgspec.Struct, frozen=True, gc=False):
    """The base of a part of an action."""


class _Action(msgspec.Struct, frozen=True, gc=False, tag_field="type", rename="camel"):
    """The base of an action: its `type` comes first."""


# -- orders ----------------------------------------------------------------------------------------


class Limit(_Wire, frozen=True, gc=False):
    """A limit order's time in force. There is no fill-or-kill and no good-till-date."""

    tif: str


class TriggerTerms(_Wire, frozen=True, gc=False, rename="camel"):
    """When a trigger order fires, on the mark price, and as what: `tpsl` is "sl" or "tp"."""

    is_market: bool
    trigger_px: str
    tpsl: str


class OrderType(_Wire, frozen=True, gc=False):
    """Exactly one of the two."""

    limit: Limit | UnsetType = UNSET
    trigger: TriggerTerms | UnsetType = UNSET


class OrderWire(
    _Wire,
    frozen=True,
    gc=False,
    rename={
        "asset": "a",
        "is_buy": "b",
        "px": "p",
        "sz": "s",
        "reduce_only": "r",
        "type": "t",
        "cloid": "c",
    },
):
    """One order: `a, b, p, s, r, t, c`. With a trigger, `px` is the limit after it fired.

    `cloid` is 0x and 32 hex digits; any other form is refused with the whole action.
    """

    asset: int
    is_buy: bool
    px: str
    sz: str
    reduce_only: bool
    type: OrderType
    cloid: str | UnsetType = UNSET


class OrderAction(_Action, frozen=True, gc=False, tag="order"):
    """Place orders. `grouping`: "na", "normalTpsl" (an entry, then its children), "positionTpsl".

    One more form, {"p": n}, buys priority: it is kept as received.
    """

    orders: tuple[OrderWire, ...]
    grouping: str | dict[str, int] = "na"


class ModifyWire(_Wire, frozen=True, gc=False):
    """Which order, by the venue's id or by cloid, and what shall be there instead."""

    oid: int | str
    order: OrderWire


class ModifyAction(_Action, frozen=True, gc=False, tag="modify"):
    """Replace one order. Its answer has no statuses; `BatchModifyAction` says more."""

    oid: int | str
    order: OrderWire


class BatchModifyAction(_Action, frozen=True, gc=False, tag="batchModify"):
    """Replace orders; each gets a new id and keeps its cloid."""

    modifies: tuple[ModifyWire, ...]


# -- cancels ---------------------------------------------------------------------------------------


class CancelWire(_Wire, frozen=True, gc=False, rename={"asset": "a", "oid": "o"}):
    """One order by the venue's id: `a, o`."""

    asset: int
    oid: int


class CancelAction(_Action, frozen=True, gc=False, tag="cancel"):
    """Cancel by the venue's ids: at most 200 in one action."""

    cancels: tuple[CancelWire, ...]


class CloidWire(_Wire, frozen=True, gc=False):
    """One order by cloid."""

    asset: int
    cloid: str


class CancelByCloidAction(_Action, frozen=True, gc=False, tag="cancelByCloid"):
    """Cancel by cloid, which works only while the order is open: at most 200 in one action."""

    cancels: tuple[CloidWire, ...]


class ScheduleCancelAction(_Action, frozen=True, gc=False, tag="scheduleCancel"):
    """Cancel everything, stops too, at `time` (venue ms, at least 5 s ahead); without it, not."""

    time: int | UnsetType = UNSET


# -- the rest --------------------------------------------------------------------------------------


class UpdateLeverageAction(_Action, frozen=True, gc=False, tag="updateLeverage"):
    """Set the leverage of one instrument; cross to isolated and back only without a position."""

    asset: int
    is_cross: bool
    leverage: int


class NoopAction(_Action, frozen=True, gc=False, tag="noop"):
    """Burns its nonce: an action in flight with the same nonce can then never be taken."""


Action = (
    OrderAction
    | ModifyAction
    | BatchModifyAction
    | CancelAction
    | CancelByCloidAction
    | ScheduleCancelAction
    | UpdateLeverageAction
    | NoopAction
)

LIMITS: Final = {tif: OrderType(limit=Limit(tif.value)) for tif in Tif}
"""The order types of limit orders, made once."""


def trigger_type(px: str, kind: TriggerKind, *, is_market: bool) -> OrderType:
    """The order type of a trigger order."""
    return OrderType(trigger=TriggerTerms(is_market, px, kind.value))
