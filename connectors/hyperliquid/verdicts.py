"""From the outcome of each command of an action to events.

Fills are never taken from an answer: only the fills themselves say what was filled, so `filled` is
no more than an acceptance (and, for an IOC, says at which size it is over). What was turned away
before the venue looked at it, or never left, is a refusal; what is unclear is asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from connectors.hyperliquid.answers import (
    Filled,
    NotTaken,
    Outcome,
    Outcomes,
    Refused,
    Request,
    Resting,
    Success,
    Unclear,
)
from connectors.hyperliquid.batches import oid_of
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.numbers import scaled
from connectors.hyperliquid.orders_book import Leg
from connectors.hyperliquid.reports import Reports
from engine.errors import VenueError
from engine.model.commands import (
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    UpdateLeverage,
)
from engine.model.events import LeverageSet, OrderCanceled

REQUESTS: Final = {
    "order": Request.ORDER,
    "alo": Request.ORDER,
    "bracket": Request.ORDER,
    "modify": Request.MODIFY,
    "cancel": Request.CANCEL,
    "leverage": Request.PLAIN,
}
CANCELED: Final = "canceled"

LeverageDoubt = Callable[[str, UpdateLeverage], None]
"""Told (account, command) of a leverage that was not confirmed: what is in force must be read."""


class Verdicts:
    """Tells the engine what became of the commands of an action."""

    def __init__(self, common: Common, reports: Reports, on_leverage_doubt: LeverageDoubt) -> None:
        self._common = common
        self._reports = reports
        self._on_leverage_doubt = on_leverage_doubt

    def tell(self, account: str, commands: Sequence[Command], outcomes: Outcomes) -> None:
        """Events for every command, in order."""
        for command, outcome in zip(commands, outcomes, strict=True):
            try:
                self._tell_one(account, command, outcome)
            except VenueError as error:
                self._common.distrust("answer", error)

    def _tell_one(self, account: str, command: Command, outcome: Outcome) -> None:
        if isinstance(command, UpdateLeverage):
            self._leverage(account, command, outcome)
        elif isinstance(command, CancelOrder):
            self._cancel(account, command, outcome)
        else:
            self._order(account, command, outcome)

    def _order(self, account: str, command: Place | ModifyOrder, outcome: Outcome) -> None:
        generation = command.generation if isinstance(command, ModifyOrder) else 0
        leg = self._common.orders.leg(account, command.cloid, generation)
        if leg is None:
            self._common.distrust("answer about an order that was forgotten", command.cloid)
        elif isinstance(outcome, Unclear):
            if leg.is_pending:
                where = account, command.instrument, command.cloid, generation
                self._reports.unclear(*where, outcome.detail)
        elif isinstance(outcome, Refused | NotTaken):
            self._reports.rejected(leg, outcome.text)
        elif isinstance(outcome, Filled):
            self._filled(leg, outcome)
        else:
            self._reports.accepted(leg, outcome.oid if isinstance(outcome, Resting) else 0)

    def _filled(self, leg: Leg, outcome: Filled) -> None:
        self._reports.accepted(leg, outcome.oid)
        instrument = self._common.instruments[leg.order.instrument]
        leg.ends_at_lots = scaled(outcome.total_sz, instrument.sz_decimals, "totalSz")
        self._reports.end_ioc(leg)

    def _cancel(self, account: str, command: CancelOrder, outcome: Outcome) -> None:
        leg = self._present_leg(account, command)
        generation = command.generation if leg is None else leg.generation
        where = account, command.instrument, command.cloid, generation
        if isinstance(outcome, Unclear):
            self._reports.unclear(*where, outcome.detail)
        elif isinstance(outcome, Refused | NotTaken):
            self._reports.cancel_rejected(*where, outcome.text)
        elif leg is not None:
            self._reports.canceled(leg, CANCELED)
        else:
            head = self._common.time.now_ns(), self._common.clock.now_ns(), *where
            self._common.emit(OrderCanceled(*head, oid_of(command.cloid) or 0, CANCELED))

    def _present_leg(self, account: str, command: CancelOrder) -> Leg | None:
        """The generation a cancel is about: the newest that the venue is known to hold."""
        order = self._common.orders.get(account, command.cloid)
        if order is None:
            return None
        held = [leg for leg in order.legs.values() if not leg.is_pending]
        named = order.legs.get(command.generation)
        newest = max(held, key=lambda leg: leg.generation, default=named)
        if named is not None and newest is not None and named.generation > newest.generation:
            return named
        return newest

    def _leverage(self, account: str, command: UpdateLeverage, outcome: Outcome) -> None:
        if not isinstance(outcome, Success):
            self._common.log.warning(
                "leverage not confirmed",
                account=account,
                instrument=command.instrument,
                outcome=str(outcome)[:200],
            )
            self._on_leverage_doubt(account, command)
            return
        times = self._common.time.now_ns(), self._common.clock.now_ns()
        where = account, command.instrument
        self._common.emit(LeverageSet(*times, *where, command.leverage, command.is_cross))
