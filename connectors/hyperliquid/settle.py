"""Settles orders of unclear outcome: asks until the venue's own word is in, and guesses nothing.

The order of it: ask for the order; an answer about the newest generation asked for decides.
"Unknown order", or news of an older generation, proves nothing while an action that would make the
newer one may still be carried out: its nonce is burnt by a `noop` with the same nonce, or is seen
to be used, or the action has expired on venue time. Then ask again, look at fills and open orders,
and only then is it said that nothing is left. What was sent is never sent again, nor signed anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from connectors.hyperliquid.answers import (
    DUPLICATE_NONCE,
    Outcome,
    Refused,
    Success,
    Unclear,
)
from connectors.hyperliquid.batches import oid_of
from connectors.hyperliquid.common import Common
from connectors.hyperliquid.flights import Flight, Flights
from connectors.hyperliquid.info.orders import OrderFound, OrderRecord, OrderStatus
from connectors.hyperliquid.orders_book import Leg, TrackedOrder
from connectors.hyperliquid.refusals import OrderPhase, order_phase
from connectors.hyperliquid.reports import NEVER_PLACED, Reports
from engine.errors import PerpdError, TransportError
from engine.model.commands import Outgoing
from engine.model.effects import AskOrder

NONCE_TOO_LOW: Final = "nonce too low"
UNKNOWN: Final = "unknownOid"


class Asks(msgspec.Struct, frozen=True):
    """What settling asks of the venue, each for one account by name.

    `status` by cloid or oid; `book_fills` fetches and books what was missed; `open_orders` gives
    the cloids and oids of what rests; `burn` sends a noop with the action's own nonce.
    """

    status: Callable[[str, int | str], Awaitable[OrderStatus]]
    book_fills: Callable[[str], Awaitable[None]]
    open_orders: Callable[[str], Awaitable[frozenset[int | str]]]
    burn: Callable[[Outgoing], Awaitable[Outcome]]


class Settler:
    """Settles any number of orders, `settling_max` at a time, each asked for once at a time."""

    def __init__(self, common: Common, flights: Flights, reports: Reports, asks: Asks) -> None:
        self._common = common
        self._flights = flights
        self._reports = reports
        self._asks = asks
        self._slots = asyncio.Semaphore(common.settings.settling_max)
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._wanted: dict[tuple[str, str], int] = {}
        self._burns: dict[tuple[str, int], asyncio.Task[bool]] = {}
        self._opened_ms = common.time.now_ms()

    def begin(self, ask: AskOrder) -> asyncio.Task[None]:
        """Begin to settle an order, or go on with it; the task ends when the word is in."""
        key = ask.account, ask.cloid
        self._wanted[key] = max(ask.generation, self._wanted.get(key, 0))
        task = self._tasks.get(key)
        if task is None:
            self._track(ask)
            self._common.log.info("settling", account=ask.account, cloid=ask.cloid)
            task = self._tasks[key] = asyncio.create_task(self._settle(key))
        return task

    async def aclose(self) -> None:
        """Stop asking."""
        tasks = [*self._tasks.values(), *self._burns.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _track(self, ask: AskOrder) -> None:
        """An order that is not in the book is of an earlier run, or somebody else's."""
        orders = self._common.orders
        orders.adopt(ask.account, ask.instrument, ask.cloid)
        if orders.leg(ask.account, ask.cloid, ask.generation) is None:
            oid = oid_of(ask.cloid) or 0
            orders.carried(ask.account, ask.instrument, ask.cloid, ask.generation, oid)

    async def _settle(self, key: tuple[str, str]) -> None:
        settings = self._common.settings
        tries = 0
        try:
            while True:
                async with self._slots:
                    try:
                        if await self._round(key):
                            break
                    except PerpdError as error:
                        self._common.log.info("still unclear", cloid=key[1], reason=str(error))
                    except Exception:  # what is unclear is asked for until it is clear
                        self._common.log.exception("asking failed", cloid=key[1])
                tries += 1
                wait_s = settings.settle_backoff.wait_s(tries, self._common.randomness)
                await asyncio.sleep(wait_s)
        finally:
            del self._tasks[key]
        del self._wanted[key]
        for flight in self._flights.makers(*key):
            if self._flights.is_judged(flight):
                self._flights.seal(flight)

    # -- one round ---------------------------------------------------------------------------------

    async def _round(self, key: tuple[str, str]) -> bool:
        """Ask once, seal what must be sealed, ask again; whether the order is settled."""
        account, cloid = key
        await self._await_answers(account, cloid)
        order = self._common.orders.get(account, cloid)
        if order is None:
            return True
        ends = self._common.orders.ends
        record = await self._look(order)
        if record is not None and self._is_newest(order, record):
            return await self._say(order, record, ends)
        for flight in self._flights.makers(account, cloid):
            if not await self._seal(flight):
                return False
        if not self._may_conclude(order):
            return False
        ends = self._common.orders.ends
        record = await self._look(order)
        if record is not None:
            return await self._say(order, record, ends)
        return await self._say_none(order)

    async def _await_answers(self, account: str, cloid: str) -> None:
        """An action that is still on its way will be answered, or become unclear, by itself."""
        for flight in self._flights.makers(account, cloid):
            await flight.landed.wait()

    async def _look(self, order: TrackedOrder) -> OrderRecord | None:
        """What the venue knows of an order: by its cloid, else by the newest of its oids."""
        names: list[int | str] = [] if oid_of(order.cloid) is not None else [order.cloid]
        names += [leg.oid for _, leg in sorted(order.legs.items(), reverse=True) if leg.oid][:1]
        for name in names:
            status = await self._asks.status(order.account, name)
            if isinstance(status, OrderFound):
                return status.order
        return None

    def _is_newest(self, order: TrackedOrder, record: OrderRecord) -> bool:
        """Whether what was found is the newest generation: then nothing newer can come.

        A modify that was refused leaves a record of its own, which says nothing of the rest.
        """
        leg = self._reports.leg_of(order.account, record.order)
        if leg is None:
            return False
        if leg.generation and order_phase(record.status) is OrderPhase.REJECTED:
            return False
        newest = max(self._wanted.get((order.account, order.cloid), 0), order.newest.generation)
        return leg.generation >= newest

    def _may_conclude(self, order: TrackedOrder) -> bool:
        """The action of an order from an earlier run may not be known: wait until it expired."""
        if not order.is_carried:
            return True
        settings = self._common.settings
        safe_ms = self._opened_ms + settings.expires_after_ms + settings.expired_margin_ms
        return self._common.time.now_ms() > safe_ms

    # -- sealing -----------------------------------------------------------------------------------

    async def _seal(self, flight: Flight) -> bool:
        """Make sure that an unclear action can change nothing any more."""
        outgoing = flight.outgoing
        if self._flights.is_judged(flight) or self._is_expired(outgoing):
            self._flights.seal(flight)
            return True
        # By account too: keys that sign in the same millisecond give the same nonce.
        key = outgoing.account, outgoing.nonce
        burn = self._burns.get(key)
        if burn is None:
            burn = self._burns[key] = asyncio.create_task(self._burn(outgoing))
        is_burnt = await asyncio.shield(burn)
        if is_burnt:
            self._flights.seal(flight)
        return is_burnt

    def _is_expired(self, outgoing: Outgoing) -> bool:
        margin_ms = self._common.settings.expired_margin_ms
        return 0 < outgoing.expires_ms < self._common.time.now_ms() - margin_ms

    async def _burn(self, outgoing: Outgoing) -> bool:
        try:
            outcome = await self._asks.burn(outgoing)
        except TransportError as error:
            self._common.log.info("nonce not burnt yet", nonce=outgoing.nonce, reason=str(error))
            return False
        finally:
            self._burns.pop((outgoing.account, outgoing.nonce), None)
        text = ""
        if isinstance(outcome, Unclear):
            text = outcome.detail
        elif isinstance(outcome, Refused):
            text = outcome.text
        is_burnt = isinstance(outcome, Success) or DUPLICATE_NONCE in text or NONCE_TOO_LOW in text
        self._common.log.info(
            "nonce burnt" if is_burnt else "nonce not burnt yet",
            account=outgoing.account,
            nonce=outgoing.nonce,
            outcome=text or type(outcome).__name__,
        )
        return is_burnt

    # -- saying ------------------------------------------------------------------------------------

    async def _say(self, order: TrackedOrder, record: OrderRecord, ends: int) -> bool:
        """Tell what was found; False when it is no last word.

        `ends` is the book's count when it was asked: what ended since then is no longer live.
        """
        leg = self._reports.leg_of(order.account, record.order)
        phase = order_phase(record.status)
        ts_ms = record.status_timestamp_ms
        if leg is None or phase is OrderPhase.UNKNOWN:
            self._common.distrust("order status", record.status)
            return False
        if phase is OrderPhase.REJECTED and leg.generation:
            return await self._say_without(leg)
        if phase is OrderPhase.LIVE and leg.is_ended and leg.ended_mark > ends:
            return False
        if phase is OrderPhase.LIVE:
            self._hold(leg, record)
        elif phase is OrderPhase.REJECTED:
            self._common.orders.revive(leg)
            self._reports.rejected(leg, record.status, ts_ms)
        else:
            await self._asks.book_fills(order.account)
            self._finish(order, record.status, ts_ms)
        self._common.log.info(
            "settled", account=order.account, cloid=order.cloid, status=record.status
        )
        return True

    def _hold(self, leg: Leg, record: OrderRecord) -> None:
        """It lives: whatever would have come after it was never made."""
        for later in [*leg.order.legs.values()]:
            if later.generation > leg.generation:
                self._common.orders.never(later)
        self._common.orders.revive(leg)
        if record.status == "triggered":
            self._reports.triggered(leg, record.status_timestamp_ms)
        else:
            self._reports.found(leg)

    async def _say_without(self, refused: Leg) -> bool:
        """A modify was refused: what it would have replaced is asked about by its own id."""
        order = refused.order
        self._common.orders.never(refused)
        before = order.legs.get(refused.generation - 1)
        if before is not None and before.oid:
            ends = self._common.orders.ends
            status = await self._asks.status(order.account, before.oid)
            if isinstance(status, OrderFound):
                return await self._say(order, status.order, ends)
        return await self._say_none(order)

    async def _say_none(self, order: TrackedOrder) -> bool:
        """The venue does not know it, and nothing can make it any more."""
        await self._asks.book_fills(order.account)
        resting = await self._asks.open_orders(order.account)
        names = {order.cloid, *(leg.oid for leg in order.legs.values() if leg.oid)}
        if resting & names:
            return False
        has_lived = any(leg.oid or leg.filled_lots for leg in order.legs.values())
        reason = UNKNOWN if has_lived else NEVER_PLACED
        self._finish(order, reason, 0)
        self._common.log.info("settled", account=order.account, cloid=order.cloid, status=reason)
        return True

    def _finish(self, order: TrackedOrder, reason: str, ts_ms: int) -> None:
        """Nothing is left of it: said with the newest generation asked about, and no oid."""
        newest = order.newest
        generation = self._wanted.get((order.account, order.cloid), newest.generation)
        self._common.orders.end(newest)
        leg = order.legs.get(generation, newest)
        self._reports.gone(order.account, leg, 0, reason, ts_ms)
