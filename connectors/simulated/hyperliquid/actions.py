"""What each signed action does, and the answer in the venue's words (protocol 2).

An answer is the JSON object of the response. A refusal of the whole action is `refused`; whatever
concerns one order or cancel of a batch stands in its place of `statuses`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from backtests.exchange import words
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.hyperliquid import account_actions
from connectors.simulated.hyperliquid.orders_in import (
    AssetId,
    Cloid,
    ModifyWire,
    OrderAction,
    OrderWire,
    PriorityWire,
    Understood,
    instrument_of,
    is_unprotective,
    understand,
)
from connectors.simulated.numbers import printed, printed_ratio
from connectors.simulated.orders import NewOrder, OrderRecord
from connectors.simulated.settings import VenueSettings
from engine.model.units import MONEY_SCALE, Tif

Json = dict[str, Any]

EMPTY: Final = "Batch is empty."
TRIGGERS: Final = "Unexpected number of trigger orders"
NO_BUILDER: Final = "Builder fee has not been approved"
SCHEDULE_VOLUME_E8: Final = 1_000_000 * MONEY_SCALE
SCHEDULE_LEAST_MS: Final = 5_000
SCHEDULES_A_DAY: Final = 10
DAY_MS: Final = 86_400_000


class CancelWire(msgspec.Struct, frozen=True):
    """One cancel by order id."""

    a: AssetId
    o: int


class CancelAction(msgspec.Struct, frozen=True):
    """A cancel action."""

    cancels: list[CancelWire]


class CloidCancelWire(msgspec.Struct, frozen=True):
    """One cancel by client order id."""

    asset: AssetId
    cloid: Cloid


class CloidCancelAction(msgspec.Struct, frozen=True):
    """A cancel action by client ids."""

    cancels: list[CloidCancelWire]


class ModifyAction(msgspec.Struct, frozen=True):
    """One modify."""

    oid: int | Cloid
    order: OrderWire


class BatchModifyAction(msgspec.Struct, frozen=True):
    """Several."""

    modifies: list[ModifyWire]


class LeverageAction(msgspec.Struct, frozen=True):
    """Leverage and margin mode of one asset."""

    asset: AssetId
    isCross: bool  # noqa: N815 - the wire's name
    leverage: Annotated[int, Meta(ge=0)]


class ScheduleAction(msgspec.Struct, frozen=True):
    """Cancel everything at a time; without one, do not."""

    time: int | None = None


def refused(text: str) -> Json:
    """The whole action is refused."""
    return {"status": "err", "response": text}


def done(kind: str = "default", data: Json | None = None) -> Json:
    """It was carried out."""
    response: Json = {"type": kind}
    if data is not None:
        response["data"] = data
    return {"status": "ok", "response": response}


def statuses(kind: str, rows: list[Any]) -> Json:
    """One answer for each order or cancel, in their order."""
    return done(kind, {"statuses": rows})


class Actions:
    """Carries out actions of one core. `find` gives what to do, and how many requests it is."""

    def __init__(self, core: VenueCore, settings: VenueSettings) -> None:
        self._core = core
        self._settings = settings
        self._by_type: dict[str, tuple[type[Any], Callable[[VenueAccount, Any], Json]]] = {
            "order": (OrderAction, self._order),
            "cancel": (CancelAction, self._cancel),
            "cancelByCloid": (CloidCancelAction, self._cancel_by_cloid),
            "modify": (ModifyAction, self._modify),
            "batchModify": (BatchModifyAction, self._batch_modify),
            "updateLeverage": (LeverageAction, self._update_leverage),
            "scheduleCancel": (ScheduleAction, self._schedule_cancel),
            "noop": (account_actions.Anything, lambda _account, _action: done()),
        }

    def decode(self, action: Json) -> Any:  # noqa: ANN401 - one of the action structs
        """The action as its struct.

        None for an action that this venue has not. Raises msgspec.ValidationError for one that is
        malformed.
        """
        kind = action["type"]
        if kind in self._by_type:
            return msgspec.convert(action, self._by_type[kind][0])
        if kind in account_actions.KINDS:
            return msgspec.convert(action, account_actions.KINDS[kind][0])
        return None

    @staticmethod
    def length(decoded_action: object) -> int:
        """How many requests an action counts as."""
        for name in ("orders", "cancels", "modifies"):
            rows = getattr(decoded_action, name, None)
            if rows is not None:
                return len(rows)
        return 1

    def carry_out(self, kind: str, account: VenueAccount, decoded_action: object) -> Json:
        """Do it now: one turn of the core."""
        core = self._core
        core.begin()
        try:
            if kind in self._by_type:
                return self._by_type[kind][1](account, decoded_action)
            reason = account_actions.KINDS[kind][1](core, account, decoded_action)
            return refused(reason) if reason else done()
        finally:
            core.end()

    # -- orders ------------------------------------------------------------------------------------

    def _order(self, account: VenueAccount, action: OrderAction) -> Json:
        reason = _form(account, action)
        if reason:
            return refused(reason)
        is_position = action.grouping == "positionTpsl"
        orders = [understand(self._core, o, is_position_tpsl=is_position) for o in action.orders]
        early = next((item for item in orders if item.is_prevalidated), None)
        if early is not None:
            if early.order is not None:
                self._core.refuse(account, early.order, early.error)
            return statuses("order", [_error(early.error, early.asset)])
        rows: list[Any] = []
        parent: OrderRecord | None = None
        is_family = action.grouping == "normalTpsl"
        for item in orders:
            assert item.order is not None
            record = self._core.place(account, item.order, parent)
            if is_family and parent is None:
                parent = record
            rows.append(self._status(record, item.asset))
        return statuses("order", rows)

    def _status(self, record: OrderRecord, asset: int) -> Any:  # noqa: ANN401 - a text or an object
        """What is said of one order that was sent."""
        if record.error:
            return _error(record.error, asset)
        if record.waits_for_parent:
            return "waitingForFill"
        if record.waits_for_trigger and self._settings.says_waiting_for_trigger:
            return "waitingForTrigger"
        row: Json = {"oid": record.oid}
        new = record.new
        if record.is_live:
            kind = "resting"
        elif record.filled_lots:
            kind = "filled"
            row = {
                "totalSz": printed(record.filled_lots, new.instrument.sz_decimals),
                "avgPx": _average(record),
                "oid": record.oid,
            }
        else:
            return _error(f"Order was canceled: {record.status}.", asset)
        if new.cloid is not None:
            row["cloid"] = new.cloid
        return {kind: row}

    # -- cancels -----------------------------------------------------------------------------------

    def _cancel(self, account: VenueAccount, action: CancelAction) -> Json:
        rows = [self._cancel_one(account, item.o, item.a) for item in action.cancels]
        return statuses("cancel", rows) if rows else refused(EMPTY)

    def _cancel_by_cloid(self, account: VenueAccount, action: CloidCancelAction) -> Json:
        rows = [
            self._cancel_one(account, item.cloid.lower(), item.asset) for item in action.cancels
        ]
        return statuses("cancel", rows) if rows else refused(EMPTY)

    def _cancel_one(
        self,
        account: VenueAccount,
        ident: int | str,
        asset: int,
    ) -> Any:  # noqa: ANN401 - a text or an object
        record = account.find(ident)
        if record is None or record.new.instrument != instrument_of(self._core, asset):
            return _error(words.GONE, asset)
        return "success" if self._core.cancel(account, record) else _error(words.GONE, asset)

    # -- modifies ----------------------------------------------------------------------------------

    def _modify(self, account: VenueAccount, action: ModifyAction) -> Json:
        record, error, _ = self._modify_one(account, action.oid, action.order)
        if record is not None and record.error:
            error = record.error
        return refused(error) if error else done()

    def _batch_modify(self, account: VenueAccount, action: BatchModifyAction) -> Json:
        rows: list[Any] = []
        for item in action.modifies:
            record, error, asset = self._modify_one(account, item.oid, item.order)
            if record is None:
                rows.append(_error(error, asset))
            else:
                rows.append(self._status(record, asset))
        return statuses("order", rows) if rows else refused(EMPTY)

    def _modify_one(
        self, account: VenueAccount, oid: int | str, wire: OrderWire
    ) -> tuple[OrderRecord | None, str, int]:
        item: Understood = understand(self._core, wire)
        if item.error or item.order is None:
            return None, item.error, wire.a
        record = account.find(oid if isinstance(oid, int) else oid.lower())
        if record is None:
            return None, words.CANNOT_MODIFY, wire.a
        order = item.order
        if order.cloid is None and record.new.cloid is not None and isinstance(oid, str):
            # Addressed by its client id, an order keeps it.
            order = msgspec.structs.replace(order, cloid=record.new.cloid)
        new, error = self._core.modify(account, record, order)
        return new, error, wire.a

    # -- the account -------------------------------------------------------------------------------

    def _update_leverage(self, account: VenueAccount, action: LeverageAction) -> Json:
        instrument = instrument_of(self._core, action.asset)
        if instrument is None:
            return refused("Order has invalid asset.")
        reason = self._core.update_leverage(
            account, instrument, action.leverage, is_cross=action.isCross
        )
        return refused(reason) if reason else done()

    def _schedule_cancel(self, account: VenueAccount, action: ScheduleAction) -> Json:
        if account.volume_e8 < SCHEDULE_VOLUME_E8:
            traded = printed(account.volume_e8 * 100 // MONEY_SCALE, 2)
            return refused(
                "Cannot set scheduled cancel time until enough volume traded. Required: $1000000."
                f" Traded: ${traded}."
            )
        if action.time is None:
            account.schedule_ms = 0
            return done()
        now_ms = self._core.clock.now_ms()
        if action.time < now_ms + SCHEDULE_LEAST_MS:
            return refused("Scheduled cancel time must be at least 5 seconds in the future.")
        day, count = account.scheduled
        count = count + 1 if day == now_ms // DAY_MS else 1
        if count > SCHEDULES_A_DAY:
            return refused("Too many scheduled cancels today.")
        account.scheduled = now_ms // DAY_MS, count
        account.schedule_ms = action.time
        return done()


def _form(account: VenueAccount, action: OrderAction) -> str:
    """What is wrong with an order action as a whole."""
    orders = action.orders
    if not orders:
        return EMPTY
    if any(is_unprotective(wire) for wire in orders):
        return words.UNPROTECTIVE
    if not _is_grouping_met(action):
        return TRIGGERS
    if isinstance(action.grouping, PriorityWire) and not _may_have_priority(orders):
        return "Priority fee is only for IOC orders, or for post-only orders that may add."
    if action.builder is not None and action.builder.b.lower() not in account.builders:
        return NO_BUILDER
    return ""


def _is_grouping_met(action: OrderAction) -> bool:
    """Whether there are as many stops and take profits as the grouping asks for."""
    orders = action.orders
    triggers = sum([wire.t.trigger is not None for wire in orders])
    if action.grouping == "normalTpsl":
        is_parent_plain = orders[0].t.trigger is None
        return len(orders) > 1 and triggers == len(orders) - 1 and is_parent_plain
    return action.grouping != "positionTpsl" or triggers == len(orders)


def _may_have_priority(orders: list[OrderWire]) -> bool:
    tifs = [wire.t.limit.tif if wire.t.limit is not None else "" for wire in orders]
    if all(tif == Tif.IOC for tif in tifs):
        return True
    return all(tif == Tif.ALO for tif in tifs) and not any(wire.r for wire in orders)


def _error(text: str, asset: int) -> Json:
    """A refusal as live texts end."""
    return {"error": f"{text} asset={asset}"}


def _average(record: OrderRecord) -> str:
    new: NewOrder = record.new
    unit = 10 ** (8 - new.instrument.sz_decimals)
    return printed_ratio(record.filled_e8 / (record.filled_lots * unit), new.instrument.px_decimals)
