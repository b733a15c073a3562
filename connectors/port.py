"""What a venue has for a live run: a link that turns bytes into events and batches into bytes.

A link never decides. What it hears it hands to a `Sink` as events, answers to what it sent among
them; what it sends was approved and planned by the engine. Its life: `load` (metadata), `open`
(preflight, account state, streams), then `prepare`, `send` and `ask` as the engine wishes,
`close`. Nothing here is journaled or timed by the link itself: the driver hands it its clock and
randomness, and journals what `prepare` returns before it calls `send`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.model.commands import Batch, OrderNote, Outgoing
from engine.model.effects import AskOrder
from engine.model.events import AnyEvent
from engine.model.instruments import Instrument
from engine.model.orders import OrderState
from engine.model.units import Side, Tif

__all__ = [
    "AccountState",
    "FillKey",
    "FundingKey",
    "HeldPosition",
    "OpenOrder",
    "OrderNote",
    "Outgoing",
    "Resumption",
    "Sink",
    "VenueLink",
    "Wants",
]

Sink = Callable[[AnyEvent], None]
"""Takes one event, at once and without waiting, in the order of hearing.

`ts_local_ns` is set by the link from the driver's clock when the bytes arrived.
"""


FillKey = tuple[str, int, str, int]
"""(account, venue time in ms, instrument, trade id): what tells one fill from another."""
FundingKey = tuple[str, int, str]
"""(account, venue time in ms, instrument)."""


class Wants(msgspec.Struct, frozen=True):
    """What strategies need of one instrument's market. Mark and funding always come.

    `bars_ns` are of `VenueLink.bars_ns`; others are built from trades by the engine. Of
    those the newest `history_bars` closed ones come first, so that a warm-up is not waited for.
    """

    instrument: str
    book: bool = False
    quotes: bool = False
    trades: bool = False
    bars_ns: tuple[int, ...] = ()
    history_bars: int = 0


class HeldPosition(msgspec.Struct, frozen=True):
    """A position as the venue holds it: signed lots and their signed cost in 1e-8."""

    instrument: str
    lots: int
    cost_e8: int


class OpenOrder(msgspec.Struct, frozen=True):
    """An order as the venue holds it. One without a cloid is known as `oid:N`.

    `sz_lots` is what remains. `state` is OPEN, or WAITING for a trigger.
    """

    instrument: str
    cloid: str
    oid: int
    side: Side
    px_ticks: int
    sz_lots: int
    tif: Tif
    reduce_only: bool
    state: OrderState
    is_trigger: bool = False


class AccountState(msgspec.Struct, frozen=True):
    """An account as the venue holds it, as of `ts_venue_ns`.

    `cash_e8` is equity less unrealised profit. `leverage` is (leverage, is_cross) by instrument.
    `has_orders` is False where the venue cannot list open orders: then none are given, and nothing
    may be concluded from that.
    """

    account: str
    ts_venue_ns: int
    equity_e8: int
    cash_e8: int
    positions: tuple[HeldPosition, ...]
    orders: tuple[OpenOrder, ...]
    leverage: dict[str, tuple[int, bool]]
    has_orders: bool = True
    warnings: tuple[str, ...] = ()


class Resumption(msgspec.Struct, frozen=True):
    """What an earlier run left for the link: from the journal.

    `nonce_max` is the highest nonce ever used by signer; `unanswered` what was journaled to be sent
    whose outcome is not known; `fills_seen_ms`, `funding_seen_ms` and `transfers_seen_ms` the venue
    times of the newest booked, by account; `fills_seen` and `fundings_seen` what was booked around
    then, which must not come again. `generations` are (cloid, generation, oid) of every order that
    may still live, and `filled_lots` what was booked of each generation of it, by cloid.
    """

    nonce_max: int = 0
    unanswered: tuple[Outgoing, ...] = ()
    fills_seen_ms: dict[str, int] = {}
    funding_seen_ms: dict[str, int] = {}
    transfers_seen_ms: dict[str, int] = {}
    fills_seen: frozenset[FillKey] = frozenset()
    fundings_seen: frozenset[FundingKey] = frozenset()
    generations: tuple[tuple[str, int, int], ...] = ()
    filled_lots: dict[str, dict[int, int]] = {}


class VenueLink(Protocol):
    """One venue, with the accounts of this run on it."""

    @property
    def venue(self) -> str:
        """The venue's name in the config."""
        ...

    @property
    def findings(self) -> tuple[str, ...]:
        """What was found out or assumed of the venue in `load`, in words: goes into the journal."""
        ...

    @property
    def bars_ns(self) -> frozenset[int]:
        """The lengths of the bars that the venue itself sends; may be asked before `load`."""
        ...

    async def load(self) -> tuple[Instrument, ...]:
        """Every instrument of the venue, from its metadata.

        Raises TransportError when the venue cannot be reached, VenueError when its answer makes no
        sense.
        """
        ...

    async def open(
        self, wants: Sequence[Wants], resumption: Resumption, sink: Sink
    ) -> tuple[AccountState, ...]:
        """Check the credentials, connect, subscribe, and give every account's state.

        From its return on the sink hears everything newer than the state, and before that nothing
        that the state does not hold; fills and funding since `resumption` come through the sink
        too. Raises CredentialsError when an account cannot be traded with its key, ModelError for
        bars or instruments that the venue does not have.
        """
        ...

    def prepare(self, batch: Batch, notes: tuple[OrderNote, ...]) -> Outgoing:
        """Make a batch into the exact bytes to be sent; allocates a nonce, does nothing else."""
        ...

    def send(self, outgoing: Outgoing) -> None:
        """Begin to send, at once; the answers, or that the outcome is unclear, go to the sink.

        Batches of one account are put on the wire in the order of these calls.
        """
        ...

    def ask(self, ask: AskOrder) -> None:
        """Begin to settle an unclear order; goes on until the venue's own word is in the sink."""
        ...

    def dismiss_unclear(self, account: str, cloid: str) -> bool:
        """Take the operator's word that nothing of an unclear order lives; False if it has none.

        Only a venue that cannot be asked needs it.
        """
        ...

    def tell_book(self, instrument: str) -> None:
        """Tell the sink the whole book again: a change of it was lost after it had been told.

        Nothing where every book comes whole anyway, or while it is not known.
        """
        ...

    async def refresh(self, job: str) -> None:
        """Read again what a schedule asks for, and tell the sink of it.

        `job` is metadata, contexts, account (positions and cash, cheaply), orders (everything that
        may be missing) or budget; one that a venue has no use for does nothing. Raises
        TransportError when it failed; the next turn tries again.
        """
        ...

    async def close(self) -> None:
        """Close every connection; what is still unanswered stays unanswered. Repeatable."""
        ...
