"""From approved commands of one step to batches under the rate budget.

Order: cancels, then reduces, then the rest; post-only orders apart from IOC and GTC, because the venue takes them in another
phase of its block (protocol 7.6). A batch weighs 1 up to 39 commands. What the budget does not cover is refused, adds first:
cancels and reduces may use the whole of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
)
from engine.model.effects import Effect, Record, Submit
from engine.model.intents import AnyIntent, PlaceLimit
from engine.model.units import Tif
from engine.state.orders import Orders

BATCH_MAX: Final = 39
_CANCEL, _REDUCE = RiskClass.CANCEL, RiskClass.REDUCE


def coalesce(intents: Sequence[AnyIntent]) -> Sequence[AnyIntent]:
    """Of several wishes for one quote only the newest; everything else as it came."""
    if len(intents) < 2:  # noqa: PLR2004 - one wish has no rival
        return intents
    newest: dict[tuple[str, str], AnyIntent] = {}
    for intent in intents:
        if type(intent) is PlaceLimit and intent.quote:
            newest[intent.instrument, intent.quote] = intent
    if not newest:
        return intents
    return [
        intent
        for intent in intents
        if not (type(intent) is PlaceLimit and intent.quote)
        or newest[intent.instrument, intent.quote] is intent
    ]


def _kind(approved: Approved) -> tuple[int, str]:
    """The place of a command in the step's order, and the kind of batch it goes into."""
    command = approved.command
    if type(command) is CancelOrder:
        return 0, "cancel"
    is_reduce = approved.risk_class is _REDUCE
    if type(command) is Place:
        is_post_only = command.tif is Tif.ALO and command.trigger is None
        return (1 if is_reduce else 4), ("alo" if is_post_only else "order")
    if type(command) is ModifyOrder:
        return (2 if is_reduce else 5), "modify"
    return 3, "leverage"


class Planner:
    """Turns approvals into `Submit` effects, and keeps the budgets."""

    def __init__(self, limits: BudgetLimits, orders: Orders) -> None:
        self.limits = limits
        self.ip = IpBudget(limits)
        self.addresses: dict[str, AddressBudget] = {}
        self.batches = 0
        self.weight = 0
        self._orders = orders

    def address(self, account: str) -> AddressBudget:
        """The action budget of one account."""
        found = self.addresses.get(account)
        if found is None:
            found = self.addresses[account] = AddressBudget(self.limits)
        return found

    def plan(self, approved: Sequence[Approved], now_ns: int) -> list[Effect]:
        """The effects that send what was approved, and a record of what the budget turned down."""
        groups: dict[tuple[int, str, str, bool], list[Approved]] = {}
        for item in approved:
            rank, kind = _kind(item)
            is_urgent = item.risk_class is not RiskClass.ADD
            groups.setdefault((rank, kind, item.account, is_urgent), []).append(item)
        effects: list[Effect] = []
        for key in sorted(groups) if len(groups) > 1 else groups:
            _, kind, account, is_urgent = key
            items = groups[key]
            for start in range(0, len(items), BATCH_MAX):
                self._send(items[start : start + BATCH_MAX], kind, account, is_urgent, now_ns, effects)
        return effects

    def _send(  # noqa: PLR0913 - one batch and where it goes
        self,
        items: list[Approved],
        kind: str,
        account: str,
        is_urgent: bool,  # noqa: FBT001 - a key of the group
        now_ns: int,
        effects: list[Effect],
    ) -> None:
        address = self.address(account)
        left = address.left(is_cancel=kind == "cancel", is_urgent=is_urgent)
        ip_left = self.ip.left(now_ns, is_urgent=is_urgent)
        if ip_left < 1:
            self._refuse(items, "ip_budget", "1 weight left", str(ip_left), effects)
            return
        if len(items) > left:
            kept = max(0, left)
            turned_down = items[kept:]
            items = items[:kept]
            self._refuse(turned_down, "address_budget", "1 action left", str(left), effects)
            if not items:
                return
        commands: tuple[Command, ...] = tuple([item.command for item in items])
        self.ip.spend(now_ns, 1)
        address.spend(len(items))
        self.batches += 1
        self.weight += 1
        effects.append(Submit(Batch(account, kind, commands, 1, len(items))))

    def _refuse(  # noqa: PLR0913 - the words of a refusal
        self,
        items: Sequence[Approved],
        check: str,
        limit: str,
        measured: str,
        effects: list[Effect],
    ) -> None:
        for item in items:
            command = item.command
            cloid = ""
            if isinstance(command, Place | CancelOrder | ModifyOrder):
                cloid = command.cloid
                order = self._orders.get(cloid)
                if order is not None:
                    if isinstance(command, Place):
                        self._orders.discard(order)
                    else:
                        self._orders.undo(order)
            effects.append(
                Record(
                    Refused(item.strategy, command.instrument, cloid, check, limit, measured)
                )
            )
