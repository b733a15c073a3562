"""Whom a cancel is for that only makes room for a reduce-only order of its step (`risk.room`).

Its place tells: of what was approved it comes right before the order that is in need of it. Those
that were approved later on the same side were judged as if it went, so it is for them too; the
earlier ones need no room.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TypeGuard

from engine.model.commands import Approved, CancelOrder, Command, ModifyOrder, Place
from engine.model.effects import Effect, Submit
from engine.state.orders import Orders

# By the cloid of each order whose cancel only makes room: the reduce-only orders it is for.
Takers = Mapping[str, frozenset[str]]


def takers_of(approved: Sequence[Approved], room: Container[str], orders: Orders) -> Takers:
    """Whom the cancels of the orders in `room` are for."""
    found: dict[str, frozenset[str]] = {}
    later: dict[tuple[str, str, int], frozenset[str]] = {}
    for item in reversed(approved):
        command = item.command
        if type(command) is CancelOrder:
            order = orders.get(command.cloid)
            if order is not None and command.cloid in room:
                where = item.account, order.instrument, order.side
                found[command.cloid] = later.get(where, frozenset())
        elif _makes_room(command):
            where = item.account, command.instrument, command.side
            later[where] = later.get(where, frozenset()) | {command.cloid}
    return found


def _makes_room(command: Command) -> TypeGuard[Place | ModifyOrder]:
    """A bracket's protection does not: its entry answers for it."""
    if type(command) is Place:
        return command.reduce_only and not command.parent
    return type(command) is ModifyOrder and command.reduce_only


def is_due(item: Approved, takers: Takers, effects: Sequence[Effect]) -> bool:
    """Whether a cancel has somebody who wants it: who asked for it, or one it makes room for."""
    cloid = item.command.cloid  # type: ignore[union-attr]
    return cloid not in takers or first_taken(item, takers, effects) < len(effects)


def first_taken(item: Approved, takers: Takers, effects: Sequence[Effect]) -> int:
    """Where the first of those goes out that a cancel makes room for; after all if none does."""
    wanted = takers[item.command.cloid]  # type: ignore[union-attr]
    for at, effect in enumerate(effects):
        if type(effect) is Submit and any(_is_of(one, wanted) for one in effect.batch.commands):
            return at
    return len(effects)


def _is_of(command: Command, wanted: Container[str]) -> bool:
    return (type(command) is Place or type(command) is ModifyOrder) and command.cloid in wanted
