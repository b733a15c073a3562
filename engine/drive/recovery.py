"""What an earlier run left behind, read from its journal: positions, live orders, what was sent.

Only facts count: what was sent (SENT records) and what the venue said since (account events), put
through the same rules as in the run itself. No strategy runs, so a strategy may have changed since.
A run begins with events that say what it took over of each account, so the last run that did that
is an account's whole state: one that died before, or had not that account, changes nothing of it.
What must never come twice (nonces, fills, funding) is remembered over all of them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from engine.account_events import AccountBook
from engine.agreement import Agreement
from engine.budget import BudgetLimits
from engine.drive.filled import Filled, FilledLots
from engine.drive.recorded import RecordedSetup
from engine.errors import JournalError
from engine.journal import JournalReader, Kind
from engine.journal.codec import decode_event, decode_meta, decode_outgoing, segment_paths
from engine.model.commands import CancelOrder, ModifyOrder, OrderNote, Outgoing, Place
from engine.model.events import (
    AccountEvent,
    AccountOpened,
    AccountRead,
    AnyEvent,
    AssetContext,
    FundingPaid,
    InstrumentUpdated,
    LeverageSet,
    OrderCarried,
    OrderEvent,
    OrderFilled,
    PositionCarried,
    Transfer,
)
from engine.model.orders import OrderState
from engine.model.units import NS_PER_MS
from engine.state.accounts import EXTERNAL, Account
from engine.state.market import Market
from engine.state.orders import Order, Orders, new_order
from engine.submission import Planner

KEYS_REMEMBERED_MAX: Final = 20_000
ACTIONS_MAX: Final = 16
# Market events are most of a journal and say nothing here: known by their tag, not decoded.
_MARKET: Final = re.compile(
    rb".{1,3}\xa4type.(?:Quote|BookTop|BookSnapshot|BookDelta|Trade|Bar|FundingRate)", re.DOTALL
)
_SETTLED: Final = (OrderState.OPEN, OrderState.WAITING)
# The events that an account is opened with, one after another.
_OPENING: Final = (AccountOpened, LeverageSet, PositionCarried, OrderCarried)


Key = tuple[str, str, int, str, int]


def booking_key(event: AnyEvent) -> Key | None:
    """What tells one fill, funding or transfer from another; None for what moves no money."""
    ts_ms = event.ts_venue_ns // NS_PER_MS
    if isinstance(event, OrderFilled):
        return "fill", event.account, ts_ms, event.instrument, event.trade_id
    if isinstance(event, FundingPaid):
        return "funding", event.account, ts_ms, event.instrument, 0
    if isinstance(event, Transfer):
        return "transfer", event.account, ts_ms, event.kind, event.amount_e8
    return None


class Owned(msgspec.Struct, frozen=True):
    """A position of one strategy (or `external`) as the journal knows it.

    The `net_cost_e8` of an instrument's owners add up to what the account's position cost.
    """

    account: str
    instrument: str
    owner: str
    lots: int
    cost_e8: int
    net_cost_e8: int


class Left(msgspec.Struct):
    """What the last run of each account left; of everything nothing when there was none.

    `addresses` says whose accounts these names were; `cash_e8` is each account's ledger.
    `filled_lots` are what was booked of the live orders, by cloid and generation, in all runs.
    `unanswered` are the actions that orders of unknown outcome were sent with. `nonce_max`,
    the newest times (venue, ms, by account), when each account first opened, and what was `booked`
    (see `booking_key`) are over all runs.
    """

    addresses: dict[str, str] = {}
    cash_e8: dict[str, int] = {}
    positions: tuple[Owned, ...] = ()
    orders: tuple[Order, ...] = ()
    filled_lots: Filled = {}
    unanswered: tuple[Outgoing, ...] = ()
    nonce_max: int = 0
    fills_seen_ms: dict[str, int] = {}
    funding_seen_ms: dict[str, int] = {}
    transfers_seen_ms: dict[str, int] = {}
    opened_ms: dict[str, int] = {}
    booked: frozenset[Key] = frozenset()

    def of(self, addresses: Mapping[str, str]) -> Left:
        """What was left of the accounts that still are the same: by name and address."""
        mine = {name for name, address in addresses.items() if self.addresses.get(name) == address}
        return Left(
            addresses={name: self.addresses[name] for name in mine},
            cash_e8={name: cash for name, cash in self.cash_e8.items() if name in mine},
            positions=tuple(one for one in self.positions if one.account in mine),
            orders=tuple(one for one in self.orders if one.account in mine),
            filled_lots=self.filled_lots,
            unanswered=tuple(one for one in self.unanswered if one.account in mine),
            nonce_max=self.nonce_max,
            fills_seen_ms={name: ms for name, ms in self.fills_seen_ms.items() if name in mine},
            funding_seen_ms={name: ms for name, ms in self.funding_seen_ms.items() if name in mine},
            transfers_seen_ms={
                name: ms for name, ms in self.transfers_seen_ms.items() if name in mine
            },
            opened_ms={name: ms for name, ms in self.opened_ms.items() if name in mine},
            booked=frozenset(key for key in self.booked if key[1] in mine),
        )


def what_was_left(folder: Path) -> Left:
    """Read the journal in `folder`, which may not exist yet.

    Raises JournalError when it is damaged, or was made by a version that this one cannot read.
    """
    if not folder.is_dir() or not segment_paths(folder):
        return Left()
    story = _Story()
    for record in JournalReader(folder).raw():
        if record.kind == Kind.META:
            story.begin(_setup(decode_meta(record.payload).setup))
        elif record.kind == Kind.SENT:
            story.sent(decode_outgoing(record.payload))
        elif record.kind == Kind.EVENT and _MARKET.match(record.payload) is None:
            story.hear(decode_event(record.payload))
    return story.left()


def _setup(data: bytes) -> RecordedSetup:
    try:
        return msgspec.msgpack.decode(data, type=RecordedSetup)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the journal's META record: {error}") from error


class _Seen:
    """What must never come twice."""

    def __init__(self) -> None:
        self.nonce_max = 0
        self.fills_ms: dict[str, int] = {}
        self.funding_ms: dict[str, int] = {}
        self.transfers_ms: dict[str, int] = {}
        self.opened_ms: dict[str, int] = {}
        self.booked: deque[Key] = deque(maxlen=KEYS_REMEMBERED_MAX)
        self._newest: dict[type, dict[str, int]] = {
            OrderFilled: self.fills_ms,
            FundingPaid: self.funding_ms,
            Transfer: self.transfers_ms,
        }

    def open_anew(self, event: AccountOpened) -> None:
        """What happened before an account first opened is in what it opened with."""
        for times in (*self._newest.values(), self.opened_ms):
            times[event.account] = event.ts_venue_ns // NS_PER_MS

    def hear(self, event: AnyEvent) -> None:
        """Remember what moves money."""
        key = booking_key(event)
        if key is not None:
            self.booked.append(key)
            times = self._newest[type(event)]
            times[key[1]] = max(event.ts_venue_ns // NS_PER_MS, times.get(key[1], 0))


class _Story:
    """All runs of a journal, one after another.

    `taken` says for each account in which run it was last taken over as a whole. That is told by
    the first event after those that open it: a run that died while it opened an account has done
    nothing with it.
    """

    def __init__(self) -> None:
        self._seen = _Seen()
        self._run: _Fold | None = None
        self._taken: dict[str, _Fold] = {}
        self._opening = ""

    def begin(self, setup: RecordedSetup) -> None:
        """A run begins; what was of another address under a name is nothing to it."""
        self._opening = ""
        # Copies: what a run makes of them counts only if it takes their account over.
        actions = {
            cloid: [*outgoings]
            for name, run in self._taken.items()
            for cloid, outgoings in run.open_actions.items()
            if outgoings[0].account == name
        }
        filled: Filled = {}
        for name, run in self._taken.items():
            filled |= run.filled_of(name)
        self._run = _Fold(setup, actions, filled)
        for name, address in self._run.addresses.items():
            known = self._taken.get(name)
            if known is not None and known.addresses[name] != address:
                del self._taken[name]

    def sent(self, outgoing: Outgoing) -> None:
        """Something was about to be sent."""
        self._seen.nonce_max = max(self._seen.nonce_max, outgoing.nonce)
        if self._run is not None:
            self._opened()
            self._run.sent(outgoing)

    def hear(self, event: AnyEvent) -> None:
        """Something was heard."""
        if self._run is None:
            return
        if not isinstance(event, _OPENING) or event.account != self._opening:
            self._opened()
        if isinstance(event, AccountOpened):
            self._opening = event.account
            if event.account not in self._taken:
                self._seen.open_anew(event)
        self._seen.hear(event)
        self._run.hear(event)

    def _opened(self) -> None:
        if self._opening and self._run is not None:
            self._taken[self._opening] = self._run
            self._opening = ""

    def left(self) -> Left:
        """What is there at the end of the journal."""
        seen = self._seen
        left = Left(
            nonce_max=seen.nonce_max,
            fills_seen_ms=seen.fills_ms,
            funding_seen_ms=seen.funding_ms,
            transfers_seen_ms=seen.transfers_ms,
            opened_ms=seen.opened_ms,
            booked=frozenset(seen.booked),
        )
        for name, run in self._taken.items():
            run.leave(name, left)
        return left


class _Anyone:
    """Every owner the journal names keeps what was its own."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)


class _Fold:
    """One run's accounts and orders, moved by what its journal says.

    `open_actions` are, by cloid, the actions whose outcome for a live order is not known, of this
    run or an earlier; at most `ACTIONS_MAX` of one order, the oldest dropped. What was booked of
    its orders is counted apart, since one that is carried over tells only of the rest.
    """

    def __init__(
        self, setup: RecordedSetup, open_actions: dict[str, list[Outgoing]], filled: Filled
    ) -> None:
        self.open_actions = open_actions
        self._filled = FilledLots(filled)
        self.addresses = {item.name: item.address for item in setup.accounts}
        self._now_ns = 0
        self._markets = {one.id: Market(one) for one in setup.instruments}
        self._orders = Orders()
        self._accounts = {
            item.name: Account(item.name, item.venue, self._markets) for item in setup.accounts
        }
        self._agreement = Agreement(self._accounts, self._markets)
        self._book = AccountBook(
            self._accounts,
            self._markets,
            self._orders,
            Planner(BudgetLimits(), self._orders),
            self._agreement,
            _Anyone(),
        )

    def hear(self, event: AnyEvent) -> None:
        self._now_ns = event.ts_local_ns
        if isinstance(event, AssetContext):
            if event.instrument in self._markets:
                self._markets[event.instrument].context.last = event
            return
        if isinstance(event, InstrumentUpdated):
            # One that is known keeps its grid for the run; one listed since may be traded.
            self._markets.setdefault(event.instrument.id, Market(event.instrument))
            return
        if not isinstance(event, AccountEvent) or event.account not in self._accounts:
            return
        where = getattr(event, "instrument", "")
        if where and where not in self._markets and not isinstance(event, FundingPaid):
            return
        if isinstance(event, AccountRead):
            self._agreement.read(event)
            return
        self._book.apply(event)
        self._count_fills()
        known = self._orders.get(event.cloid) if isinstance(event, OrderEvent) else None
        if known is not None:
            self._told_of(known)
        self._orders.take_ended()
        self._orders.take_unsettled()

    def _told_of(self, order: Order) -> None:
        self._filled.follow(order)
        if order.state in _SETTLED or not order.is_live:
            self.open_actions.pop(order.cloid, None)

    def _count_fills(self) -> None:
        for fill, *_ in self._book.take_bookings():
            order = self._orders.get(fill.cloid)
            if order is not None:
                self._filled.count(order, fill)

    def filled_of(self, name: str) -> Filled:
        """What was booked of the live orders of an account."""
        return self._filled.of(one for one in self._orders.all_live() if one.account == name)

    def sent(self, outgoing: Outgoing) -> None:
        """Let the orders of an action be as they are once it is sent."""
        notes = {note.cloid: note for note in outgoing.notes}
        for command in outgoing.batch.commands:
            if isinstance(command, Place):
                self._placed(outgoing.account, command, notes.get(command.cloid))
            elif isinstance(command, ModifyOrder | CancelOrder):
                order = self._orders.get(command.cloid)
                if order is None or not order.is_live:
                    continue
                if isinstance(command, CancelOrder):
                    self._orders.send_cancel(order, self._now_ns)
                else:
                    px_ticks, sz_lots = command.px_ticks, command.sz_lots
                    self._orders.send_modify(order, px_ticks, sz_lots, self._now_ns)
            else:
                continue
            actions = self.open_actions.setdefault(command.cloid, [])
            actions.append(outgoing)
            del actions[:-ACTIONS_MAX]

    def _placed(self, account_name: str, place: Place, note: OrderNote | None) -> None:
        account = self._accounts.get(account_name)
        market = self._markets.get(place.instrument)
        if account is None or market is None or self._orders.get(place.cloid) is not None:
            return
        order = new_order(
            place,
            account=account.name,
            strategy=EXTERNAL if note is None else note.strategy,
            exposure=account.exposure(place.instrument),
            scales=market.scales,
            sent_ns=self._now_ns,
            quote="" if note is None else note.quote,
        )
        self._orders.add(order)

    def leave(self, name: str, left: Left) -> None:
        """Add what is there of one account."""
        account = self._accounts[name]
        left.addresses[name] = self.addresses[name]
        left.cash_e8[name] = account.cash_e8
        net_e8 = {where: position.cost_e8 for where, position in account.positions.items()}
        left.positions += tuple(
            # The first of an instrument's owners brings all of what the account's position cost.
            Owned(name, where, owner, position.lots, position.cost_e8, net_e8.pop(where, 0))
            for (owner, where), position in account.owned.items()
            if position.lots
        )
        live = [order for order in self._orders.all_live() if order.account == name]
        left.orders += tuple(live)
        left.filled_lots |= self.filled_of(name)
        unanswered = {
            id(outgoing): outgoing
            for order in live
            if order.state not in _SETTLED
            for outgoing in self.open_actions.get(order.cloid, ())
        }
        left.unanswered += tuple(unanswered.values())
