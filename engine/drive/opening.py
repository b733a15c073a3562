"""How a live run begins: what the journal left and what the venue says become the first events.

The journal knows who owns what; the venue knows what is. Where the journal has an account, its
ledger and positions go on, and what happened since comes as ordinary fills and funding. Where it
has not, the account opens with what the venue holds, and nobody's strategy owns it. An order the
journal takes for live and the venue does not list is carried as unknown, and asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from connectors.port import AccountState, OpenOrder, Resumption, Sink
from engine.drive.recovery import Left, Owned, booking_key
from engine.model.events import (
    AccountOpened,
    AccountRead,
    AnyEvent,
    LeverageSet,
    OrderCarried,
    PositionCarried,
)
from engine.model.orders import OrderState
from engine.state.accounts import EXTERNAL, Account
from engine.state.orders import Order


def resumption(left: Left, accounts: Sequence[str]) -> Resumption:
    """What the link of these accounts must know of earlier runs.

    An account whose ledger goes on has a time in `fills_seen_ms` and `funding_seen_ms`: of the
    newest that was booked, or of its first opening; one that opens anew has none.
    """
    mine = [name for name in accounts if name in left.cash_e8]
    return Resumption(
        nonce_max=left.nonce_max,
        unanswered=tuple(one for one in left.unanswered if one.account in mine),
        fills_seen_ms={name: left.fills_seen_ms.get(name, 0) for name in mine},
        funding_seen_ms={name: left.funding_seen_ms.get(name, 0) for name in mine},
        transfers_seen_ms={name: left.transfers_seen_ms.get(name, 0) for name in mine},
        fills_seen=frozenset(key[1:] for key in left.booked if key[0] == "fill" and key[1] in mine),
        fundings_seen=frozenset(
            key[1:4] for key in left.booked if key[0] == "funding" and key[1] in mine
        ),
        generations=tuple(
            (order.cloid, order.generation, order.oid)
            for order in left.orders
            if order.account in mine
        ),
        filled_lots={
            order.cloid: dict(left.filled_lots[order.cloid])
            for order in left.orders
            if order.account in mine and order.cloid in left.filled_lots
        },
    )


def heard_once(sink: Sink, left: Left) -> Sink:
    """A sink that passes over what an earlier run has booked, and what the account opened with."""

    def hear(event: AnyEvent) -> None:
        key = booking_key(event)
        if key is None or (key not in left.booked and key[2] > left.opened_ms.get(key[1], 0)):
            sink(event)

    return hear


def opening_events(state: AccountState, venue: str, left: Left, now_ns: int) -> Iterator[AnyEvent]:
    """The events that begin an account, in order."""
    account = state.account
    times = state.ts_venue_ns, now_ns
    is_known = account in left.cash_e8
    cash_e8 = left.cash_e8[account] if is_known else state.cash_e8
    yield AccountOpened(*times, account, venue, cash_e8)
    for instrument, (leverage, is_cross) in sorted(state.leverage.items()):
        yield LeverageSet(*times, account, instrument, leverage, is_cross)
    for held in _positions(state, left, is_known=is_known):
        where, owner = held.instrument, held.owner
        costs = held.cost_e8, held.net_cost_e8
        yield PositionCarried(*times, account, where, owner, held.lots, *costs)
    mine = {order.cloid: order for order in left.orders if order.account == account}
    listed = {order.cloid: order for order in state.orders}
    for cloid, order in mine.items():
        yield _own(order, listed.get(cloid), times)
    for cloid, found in listed.items():
        if cloid not in mine:
            yield _foreign(account, found, times)


def opening_read(state: AccountState, now_ns: int) -> AccountRead:
    """The state as the read of the account that it is: what it shows may differ from the journal's.

    It comes after what was missed since the journal's end, and nothing was read after it.
    """
    positions = tuple((held.instrument, held.lots) for held in state.positions)
    times = state.ts_venue_ns, now_ns
    return AccountRead(
        *times, state.account, state.equity_e8, state.cash_e8, positions, is_caught_up=False
    )


def _positions(state: AccountState, left: Left, *, is_known: bool) -> list[Owned]:
    if is_known:
        return [held for held in left.positions if held.account == state.account]
    return [
        Owned(state.account, held.instrument, EXTERNAL, held.lots, held.cost_e8, held.cost_e8)
        for held in state.positions
    ]


def _own(order: Order, found: OpenOrder | None, times: tuple[int, int]) -> OrderCarried:
    """An order of an earlier run: with what the journal knows to be left of it.

    Fills since then are still to come, and take their share then. Of a modify in flight another
    order id at the venue shows that it went through; the same id proves nothing, since what was
    sent may still arrive: then both count, and the order is asked about.
    """
    generation, px_ticks, lots = order.generation, order.px_ticks, order.remaining_lots
    pending = order.pending_px_ticks, order.pending_sz_lots
    state, oid = OrderState.UNKNOWN, order.oid
    if found is not None:
        if order.pending_sz_lots and oid and found.oid != oid:
            generation += 1
            lots = order.pending_sz_lots
            pending = 0, 0
        if not pending[1]:
            state, px_ticks, oid = found.state, found.px_ticks, found.oid
    return OrderCarried(
        *times,
        order.account,
        order.instrument,
        order.cloid,
        generation,
        oid,
        order.strategy,
        order.quote,
        order.side,
        px_ticks,
        max(lots, 1),
        order.tif,
        order.reduce_only,
        state,
        order.trigger,
        order.parent,
        *pending,
    )


def _foreign(account: str, found: OpenOrder, times: tuple[int, int]) -> OrderCarried:
    """An order that no journal of ours tells of: it counts, and belongs to `external`."""
    return OrderCarried(
        *times,
        account,
        found.instrument,
        found.cloid,
        0,
        found.oid,
        EXTERNAL,
        "",
        found.side,
        found.px_ticks,
        found.sz_lots,
        found.tif,
        found.reduce_only,
        found.state,
    )


def missing_leverage(
    wanted: Mapping[str, tuple[int, bool]], account: Account
) -> dict[str, tuple[int, bool]]:
    """What of the leverage and margin mode asked for the venue has not confirmed.

    An account's `leverage` alone proves nothing: it holds assumed values too. Only what the venue
    said comes with a margin mode.
    """
    return {
        where: (leverage, is_cross)
        for where, (leverage, is_cross) in wanted.items()
        if (account.leverage.get(where), account.is_cross.get(where)) != (leverage, is_cross)
    }
