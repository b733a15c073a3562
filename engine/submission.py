"""From approved commands of one step to batches under the rate budget.

Order: cancels, then reduces, then the rest, and last the cancels of orders that this very step
places. Post-only orders go apart from IOC and GTC, because the venue takes them in another phase of
its block (protocol 7.6). Reduce-only orders go apart from those that may add: they never expire,
and nothing that is wrong with an order beside them shall keep them from the venue. A batch weighs 1
up to 39 commands. An entry and its protection are one batch of their own, whole or not at all. What
the budget does not cover is refused, adds first: cancels and reduces may use the whole of it. A
cancel that only makes room for a reduce-only order (`engine.room_cancels`) goes right before it, if
that one goes and the budget covers both: whatever reduces has the first claim.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from engine.budget import AddressBudget, BudgetLimits, IpBudget
from engine.model.commands import (
    Approved,
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    Refused,
    RiskClass,
    UpdateLeverage,
)
from engine.model.effects import Effect, Record, Submit
from engine.model.intents import AnyIntent, CancelQuote, PlaceLimit
from engine.model.units import Tif
from engine.room_cancels import Takers, first_taken, is_due, takers_of
from engine.state.orders import Orders
from engine.state.withdrawn import take_back

_ADD: Final = RiskClass.ADD
_ALO: Final = Tif.ALO


def coalesce(intents: Sequence[AnyIntent]) -> Sequence[AnyIntent]:
    """Of several wishes for one quote (a withdrawal is one) only the newest; the rest as is."""
    for intent in intents:
        if (type(intent) is PlaceLimit or type(intent) is CancelQuote) and intent.quote:
            break
    else:
        return intents
    newest: dict[tuple[str, str], AnyIntent] = {}
    for intent in intents:
        if (type(intent) is PlaceLimit or type(intent) is CancelQuote) and intent.quote:
            newest[intent.instrument, intent.quote] = intent
    return [
        intent
        for intent in intents
        if not ((type(intent) is PlaceLimit or type(intent) is CancelQuote) and intent.quote)
        or newest[intent.instrument, intent.quote] is intent
    ]


def _kind(command: Command) -> str:
    """The kind of batch a command goes into."""
    if type(command) is CancelOrder:
        return "cancel"
    if type(command) is Place:
        return "alo" if command.tif is _ALO and command.trigger is None else "order"
    return "modify" if type(command) is ModifyOrder else "leverage"


_Key = tuple[object, ...]


class _Group(msgspec.Struct, gc=False):
    """What may go out together: commands of one kind and account, or one bracket.

    `rank` says how early it goes. `adds` are those of its items that add risk; `urgent`, which go
    before them, the others.
    """

    kind: str
    account: str
    rank: int
    urgent: list[Approved]
    adds: list[Approved]


_rank: Final = attrgetter("rank")


def _grouped(approved: Sequence[Approved]) -> list[_Group]:
    """The groups of one step, in the order they go out.

    Within a kind reduces go first; a kind with a reduce in it goes before one without. A cancel of
    an order that this step places comes last, else it would reach the venue before the order.
    """
    parents: set[str] = set()
    for item in approved:
        command = item.command
        if type(command) is Place and command.parent:
            parents.add(command.parent)
    placed: set[str] = set()
    groups: dict[_Key, _Group] = {}
    for item in approved:
        command = item.command
        rank: int = item.risk_class
        if type(command) is Place and not parents:
            placed.add(command.cloid)
            kind = "alo" if command.tif is _ALO and command.trigger is None else "order"
            key: _Key = (kind, item.account, command.reduce_only)
        elif type(command) is CancelOrder and command.cloid not in placed:
            kind, key = "cancel", ("cancel", item.account)
        else:
            if type(command) is Place:
                placed.add(command.cloid)
            kind, key, rank = _berth(item, placed, parents)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(kind, item.account, rank, [], [])
        elif rank < group.rank:
            group.rank = rank
        (group.adds if rank is _ADD else group.urgent).append(item)
    return sorted(groups.values(), key=_rank)


def _berth(item: Approved, placed: set[str], parents: set[str]) -> tuple[str, _Key, int]:
    """The kind of batch a command goes in, which one of that kind, and how early it goes."""
    command = item.command
    if type(command) is CancelOrder:
        if command.cloid in placed:
            return "cancel", ("late", item.account), _ADD + 1
        return "cancel", ("cancel", item.account), item.risk_class
    if type(command) is Place and (command.parent or command.cloid in parents):
        return "bracket", ("bracket", command.parent or command.cloid), _ADD
    kind = _kind(command)
    if type(command) is ModifyOrder:
        return kind, (kind, item.account, command.tif, command.reduce_only), item.risk_class
    if type(command) is Place:
        return kind, (kind, item.account, command.reduce_only), item.risk_class
    return kind, (kind, item.account), item.risk_class


def _held_back(groups: Sequence[_Group], room: Container[str]) -> list[Approved]:
    """Take the cancels that only make room out of those that go first."""
    held: list[Approved] = []
    for group in groups:
        if group.rank == RiskClass.CANCEL:
            making = [item for item in group.urgent if item.command.cloid in room]  # type: ignore[union-attr]
            group.urgent = [item for item in group.urgent if item not in making]
            held += making
    return held


class _Till:
    """What one account pays from: its own budget, and the one it shares with its venue's others."""

    __slots__ = ("address", "ip", "limits", "weighs_batches")

    def __init__(self, limits: BudgetLimits, ip: IpBudget) -> None:
        self.limits = limits
        self.ip = ip
        self.address = AddressBudget(limits)
        weights = limits.order_weight, limits.modify_weight, limits.cancel_weight
        self.weighs_batches = not any(weights)

    def weight(self, kind: str, count: int) -> int:
        """What so many commands of this kind weigh as one batch."""
        return 1 if self.weighs_batches else self.limits.weight_each(kind) * count or 1


class Planner:
    """Turns approvals into `Submit` effects, and keeps the budgets.

    `venues` says for each account which venue it is at; `by_venue` holds the limits of those that
    have others than `limits`.
    """

    def __init__(
        self,
        limits: BudgetLimits,
        orders: Orders,
        venues: Mapping[str, str] | None = None,
        by_venue: Mapping[str, BudgetLimits] | None = None,
    ) -> None:
        self.batches = 0
        self.weight = 0
        self._limits = limits
        self._orders = orders
        self._venues = venues or {}
        self._by_venue = by_venue or {}
        self._ips: dict[str, IpBudget] = {}
        self._tills: dict[str, _Till] = {}

    def ip(self, venue: str) -> IpBudget:
        """The budget of one venue that all requests share."""
        found = self._ips.get(venue)
        if found is None:
            limits = self._by_venue.get(venue, self._limits)
            found = self._ips[venue] = IpBudget(limits)
        return found

    def address(self, account: str) -> AddressBudget:
        """The action budget of one account."""
        return self._till(account).address

    def _till(self, account: str) -> _Till:
        found = self._tills.get(account)
        if found is None:
            venue = self._venues.get(account, "")
            limits = self._by_venue.get(venue, self._limits)
            found = self._tills[account] = _Till(limits, self.ip(venue))
        return found

    def plan(self, approved: Sequence[Approved], now_ns: int) -> list[Effect]:
        """The effects that send what was approved, and a record of what the budget turned down."""
        groups = _grouped(approved)
        room = self._orders.take_making_room()
        at_once = self._at_once(groups, len(approved), now_ns)
        if at_once is not None:
            return at_once
        effects: list[Effect] = []
        takers = takers_of(approved, room, self._orders) if room else {}
        held = _held_back(groups, takers) if takers else []
        for number, group in enumerate(groups, 1):
            if group.rank > _ADD:
                # What the budget has just turned down is gone, and needs no cancel.
                known = [item for item in group.urgent if self._is_known(item)]
                group.urgent = [item for item in known if is_due(item, takers, effects)]
                held += [item for item in known if item not in group.urgent]
            if group.kind == "bracket":
                self._send_whole(group, now_ns, effects)
            else:
                self._send_all(group, now_ns, effects)
            if held and all(later.rank >= _ADD for later in groups[number:]):
                held = self._send_room(held, takers, now_ns, effects)
        for item in held:
            take_back(self._orders, item.command)
        return effects

    def _at_once(self, groups: list[_Group], count: int, now_ns: int) -> list[Effect] | None:
        """All of it where even the least urgent may spend so much: most steps by far.

        None where something may have to be chosen or parted.
        """
        account = groups[0].account
        till = self._till(account)
        if count > till.limits.batch_max:
            return None
        for group in groups:
            if group.account != account:
                return None
        weight = len(groups)
        if not till.weighs_batches:
            weight = sum(
                [till.weight(group.kind, len(group.urgent) + len(group.adds)) for group in groups]
            )
        left = till.address.left(is_cancel=False, is_urgent=False)
        if left < count or till.ip.left(now_ns, is_urgent=False) < weight:
            return None
        effects: list[Effect] = []
        for group in groups:
            items = group.urgent + group.adds if group.adds else group.urgent
            effects.append(self._sent(group, items, till, now_ns))
        return effects

    def _is_known(self, item: Approved) -> bool:
        command = item.command
        return type(command) is CancelOrder and self._orders.get(command.cloid) is not None

    def _send_room(
        self, held: list[Approved], takers: Takers, now_ns: int, effects: list[Effect]
    ) -> list[Approved]:
        """Send what makes room for orders among the effects, before them; the rest is left."""
        due: dict[str, list[Approved]] = {}
        for item in held:
            if is_due(item, takers, effects):
                due.setdefault(item.account, []).append(item)
        for account, items in due.items():
            before: list[Effect] = []
            group = _Group("cancel", account, RiskClass.CANCEL, items, [])
            self._in_batches(group, items, True, now_ns, before)  # noqa: FBT003
            start = min(first_taken(item, takers, effects) for item in items)
            effects[start:start] = before
        return [item for item in held if item not in due.get(item.account, ())]

    def _send_all(self, group: _Group, now_ns: int, effects: list[Effect]) -> None:
        """Everything of one kind, in batches; the budget is kept for what is urgent."""
        self._in_batches(group, group.urgent, True, now_ns, effects)  # noqa: FBT003
        self._in_batches(group, group.adds, False, now_ns, effects)  # noqa: FBT003

    def _send_whole(self, group: _Group, now_ns: int, effects: list[Effect]) -> None:
        """A bracket as one batch: an entry must not leave without its protection, nor it alone."""
        items = group.urgent + group.adds
        is_urgent = items[0].risk_class is not RiskClass.ADD
        till = self._till(group.account)
        ip_left = till.ip.left(now_ns, is_urgent=is_urgent)
        left = till.address.left(is_cancel=False, is_urgent=is_urgent)
        count = len(items)
        weight = till.weight(group.kind, count)
        if ip_left < weight:
            limit = f"{weight} weight left"
            self._refuse(items, "ip_budget", limit, str(ip_left), effects)
        elif left < count:
            limit = f"{count} actions left"
            self._refuse(items, "address_budget", limit, str(left), effects)
        else:
            effects.append(self._sent(group, items, till, now_ns))

    def _in_batches(
        self,
        group: _Group,
        items: list[Approved],
        is_urgent: bool,  # noqa: FBT001 - a fact of the items
        now_ns: int,
        effects: list[Effect],
    ) -> None:
        till = self._till(group.account)
        each = till.limits.weight_each(group.kind)
        most = till.limits.batch_max
        for start in range(0, len(items), most):
            batch = items[start : start + most]
            ip_left = till.ip.left(now_ns, is_urgent=is_urgent)
            fits = max(0, ip_left) // each if each else len(batch) * (ip_left >= 1)
            if fits < len(batch):
                limit = f"{each or 1} weight left"
                self._refuse(batch[fits:], "ip_budget", limit, str(ip_left), effects)
                batch = batch[:fits]
            left = till.address.left(is_cancel=group.kind == "cancel", is_urgent=is_urgent)
            if len(batch) > left:
                kept = max(0, left)
                limit = "1 action left"
                self._refuse(batch[kept:], "address_budget", limit, str(kept), effects)
                batch = batch[:kept]
            if batch:
                effects.append(self._sent(group, batch, till, now_ns))

    def _sent(self, group: _Group, items: list[Approved], till: _Till, now_ns: int) -> Submit:
        """The effect that sends these, paid for out of both budgets."""
        count = len(items)
        weight = 1 if till.weighs_batches else till.weight(group.kind, count)
        till.ip.spend(now_ns, weight)
        till.address.spend(count)
        self.batches += 1
        self.weight += weight
        commands: tuple[Command, ...] = tuple([item.command for item in items])
        return Submit(Batch(group.account, group.kind, commands, weight, count))

    def _refuse(
        self,
        items: Sequence[Approved],
        check: str,
        limit: str,
        measured: str,
        effects: list[Effect],
    ) -> None:
        """Record what is not sent, and take back that it counts."""
        for item in items:
            command = item.command
            cloid = "" if isinstance(command, UpdateLeverage) else command.cloid
            take_back(self._orders, command)
            refusal = Refused(item.strategy, command.instrument, cloid, check, limit, measured)
            effects.append(Record(refusal))
