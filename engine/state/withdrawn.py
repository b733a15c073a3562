"""A command that was approved and is never sent is as if it had never been."""

from __future__ import annotations

from engine.model.commands import CancelOrder, Command, ModifyOrder, Place
from engine.state.orders import Orders


def take_back(orders: Orders, command: Command) -> None:
    """Let the order be as it was before the command; one that it would have placed is gone."""
    if isinstance(command, Place | ModifyOrder | CancelOrder):
        order = orders.get(command.cloid)
        if order is None:
            return
        if isinstance(command, Place):
            orders.discard(order)
        elif isinstance(command, ModifyOrder):
            orders.undo_modify(order)
        else:
            orders.undo_cancel(order)
