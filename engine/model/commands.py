"""What goes to a venue: integers on the grid, approved by the gate, batched by the planner.

Only `risk.gate` makes an `Approved` (a project rule kept by a test), and only an `Approved` can be
put into a `Batch`.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from engine.model.units import Side, Tif, TriggerKind


class RiskClass(IntEnum):
    """How a command is judged.

    CANCEL is never refused; REDUCE by no operator limit; ADD gets every check.
    """

    CANCEL = 0
    REDUCE = 1
    ADD = 2


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """The condition of a trigger order: fires on the mark price."""

    px_ticks: int
    kind: TriggerKind
    is_market: bool


class Place(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Open an order. `px_ticks` is the limit, after the trigger if there is one.

    `parent` names the entry this protective child waits for; empty for an order of its own.
    """

    instrument: str
    cloid: str
    side: Side
    px_ticks: int
    sz_lots: int
    tif: Tif
    reduce_only: bool = False
    trigger: Trigger | None = None
    parent: str = ""


class CancelOrder(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Cancel one order by (cloid, generation)."""

    instrument: str
    cloid: str
    generation: int


class ModifyOrder(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Replace generation `generation - 1` of an order by `generation`; `sz_lots` shall remain."""

    instrument: str
    cloid: str
    generation: int
    side: Side
    px_ticks: int
    sz_lots: int
    tif: Tif
    reduce_only: bool = False


class UpdateLeverage(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Set the leverage of one instrument."""

    instrument: str
    leverage: int
    is_cross: bool


Command = Place | CancelOrder | ModifyOrder | UpdateLeverage


class Approved(msgspec.Struct, frozen=True, gc=False):
    """A command that passed the gate, with the class it passed under."""

    account: str
    strategy: str
    risk_class: RiskClass
    command: Command


class Refused(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An intent that gate or planner turned down: the check, its limit, and what it measured."""

    strategy: str
    instrument: str
    cloid: str
    check: str
    limit: str
    measured: str


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Commands of one kind for one account, sent as one action.

    The kind is cancel, modify, leverage, order, alo (orders that only make) or bracket (an entry
    and, after it, the children that wait for it). `ip_weight` and `address_weight` are what the
    action costs of the venue's two budgets (protocol 6).
    """

    account: str
    kind: str
    commands: tuple[Command, ...]
    ip_weight: int
    address_weight: int


class OrderNote(msgspec.Struct, frozen=True):
    """Who owns an order of an outgoing batch; `quote` is the named quote it is, or empty."""

    cloid: str
    generation: int
    strategy: str
    quote: str = ""


class Outgoing(msgspec.Struct, frozen=True):
    """A batch as exact bytes: journaled, then sent once, never signed again.

    `nonce` is unique for its signer (0 where the venue has none); `expires_ms` is the venue time
    after which the venue itself refuses it (0: never); `notes` are for the restart after a crash.
    """

    venue: str
    account: str
    batch: Batch
    nonce: int
    body: bytes
    expires_ms: int = 0
    notes: tuple[OrderNote, ...] = ()
