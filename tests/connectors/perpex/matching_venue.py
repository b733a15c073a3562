"""A Perpex that keeps its own book: orders rest, are filled when a test says so, and end by it.

Unlike the answers of `fakes`, what it says of account, trades and cancels never contradicts itself.
A reduce-only order fills no more than the position, and its rest is gone when the position is.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs

import pytest

from connectors.perpex.client_ids import split
from connectors.port import Outgoing, Resumption
from connectors.web import HttpReply
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.model.commands import Batch, ModifyOrder
from engine.model.events import (
    AccountRead,
    AnyEvent,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnclear,
)
from engine.model.units import Side, Tif
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    OTHER,
    T0_MS,
    VENUE,
    account,
    error,
    fill,
    now_ms,
    order,
    position,
    reply,
)
from tests.connectors.perpex.test_orders import THIRD, Rig
from tests.connectors.perpex.test_resuming import BRACKET

LAGS: Final = pytest.mark.parametrize("lag_s", [0.0, 1.5, 6.0, 12.0])
LOTS: Final = 1000
BRACKET_LOTS: Final = 500
_TRIP_S: Final = 0.05
_AGE_MS_MAX: Final = 20_000


def now_s() -> float:
    return virtual_clock().now_ns() / 1e9


@dataclass
class VenueOrder:
    """One order as the venue holds it; `sent` is the body that placed it."""

    number: str
    sent: dict[str, Any]
    status: str
    filled: Decimal = Decimal(0)

    @property
    def client_id(self) -> str:
        return str(self.sent["client_order_id"])

    @property
    def cloid(self) -> str:
        return split(self.client_id)[0]

    @property
    def sign(self) -> int:
        return 1 if self.sent["side"] == "buy" else -1

    @property
    def left(self) -> Decimal:
        return Decimal(self.sent["size"]) - self.filled

    @property
    def is_reduce_only(self) -> bool:
        return bool(self.sent.get("reduce_only"))

    @property
    def rests(self) -> bool:
        return self.status in {"open", "pending", "triggered"}

    def row(self) -> dict[str, Any]:
        return order(self.number, self.status, **{**self.sent, "filled_size": str(self.filled)})


class MatchingVenue:
    """One account there, on one market. Its orders are numbered from 1 on.

    A fill is in /trades `lag_s` late. By "METHOD path": `failures` are answered first, and change
    nothing; `delays_s` is how long a request is on its way. `refused` are client ids that a batch
    refuses; `hidden_until_s` says until when the account does not list an order; `on_cancel` hears
    of every order that a cancel ended.
    """

    def __init__(self, lag_s: float = 0.0) -> None:
        self.lag_s = lag_s
        self.orders: dict[str, VenueOrder] = {}
        self.position = Decimal(0)
        self.failures: dict[str, list[HttpReply]] = {}
        self.delays_s: dict[str, float] = {}
        self.refused: set[str] = set()
        self.hidden_until_s: dict[str, float] = {}
        self.on_cancel: Callable[[VenueOrder], None] = lambda _: None
        self._rows: list[tuple[float, dict[str, Any]]] = []

    def serve(self, rig: Rig) -> None:
        """Answer what this rig asks, from now on."""
        rig.http.request = self._request  # type: ignore[method-assign]

    # -- what a test reads and does ----------------------------------------------------------------

    @property
    def resting(self) -> list[str]:
        """The numbers of the orders in the book."""
        return sorted(one.number for one in self.orders.values() if one.rests)

    def of(self, cloid: str) -> list[VenueOrder]:
        """Every generation of an order."""
        return [one for one in self.orders.values() if one.cloid == cloid]

    def filled_lots(self, cloid: str) -> int:
        return int(LOTS * sum(one.filled for one in self.of(cloid)))

    def fill(self, number: str, size: str, *, keeps_rest: bool = False) -> None:
        """Fill so much of an order that rests, or what can be."""
        one = self.orders[number]
        if not one.rests:
            return
        filled = min(Decimal(size), one.left)
        if one.is_reduce_only:
            filled = min(filled, max(Decimal(0), -one.sign * self.position))
        if filled > 0:
            one.filled += filled
            ids = {"order_id": number, "client_order_id": one.client_id}
            self._book(one.sign * filled, ids)
        if one.left <= 0:
            one.status = "filled"
        elif one.is_reduce_only and self.position == 0 and not keeps_rest:
            one.status = "canceled"

    def trade_by_hand(self, size: str) -> None:
        """Somebody trades so much, signed, by an order that is not ours and rests nowhere."""
        self._book(Decimal(size), {"order_id": "9000", "client_order_id": None})

    def end(self, number: str) -> None:
        """Cancel an order without being asked."""
        self.orders[number].status = "canceled"

    def hide(self, number: str, for_s: float) -> None:
        """Leave an order out of the account for so long."""
        self.hidden_until_s[number] = now_s() + for_s

    def _book(self, signed: Decimal, ids: Mapping[str, str | None]) -> None:
        self.position += signed
        facts = {"side": "buy" if signed > 0 else "sell", "size": str(abs(signed))}
        row = fill(str(1001 + len(self._rows)), **facts, **ids, time=now_ms())
        self._rows.append((now_s() + self.lag_s, row))

    # -- what it answers ---------------------------------------------------------------------------

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> HttpReply:
        del headers, timeout_s
        bare, _, query = path.removeprefix("/api/v1/").partition("?")
        what = f"{method} {bare}"
        await asyncio.sleep(self.delays_s.get(what, 0.0) + _TRIP_S)
        if self.failures.get(what):
            return self.failures[what].pop(0)
        answer = self._answer(what, query, None if body is None else json.loads(body))
        await asyncio.sleep(_TRIP_S)
        return answer

    def _answer(self, what: str, query: str, sent: Any) -> HttpReply:  # noqa: ANN401 - any JSON
        match what.split("/", 1):
            case ["GET account"]:
                return self._account()
            case ["GET trades"]:
                start_ms = int(parse_qs(query).get("start", ["0"])[0])
                shown = [row for shown_s, row in self._rows if shown_s <= now_s()]
                return reply([row for row in shown if row["time"] >= start_ms])
            case ["POST orders", "batch"]:
                places = enumerate(sent["orders"])
                return reply({"results": [{"index": at, **self._take(one)} for at, one in places]})
            case ["POST orders"]:
                return reply(self._place(sent))
            case ["DELETE orders", number]:
                return self._cancel(number)
        raise AssertionError(f"{what}: no such endpoint")

    def _account(self) -> HttpReply:
        hidden = {number for number, until_s in self.hidden_until_s.items() if now_s() < until_s}
        listed = [self.orders[number].row() for number in self.resting if number not in hidden]
        held = [position(size=str(self.position))] if self.position else []
        return reply(account(time=now_ms(), open_orders=listed, positions=held))

    def _take(self, sent: dict[str, Any]) -> dict[str, Any]:
        """One order of a batch."""
        if sent["client_order_id"] in self.refused:
            return {"error": {"code": "INSUFFICIENT_MARGIN", "message": ""}}
        return {"order": self._place(sent)}

    def _place(self, sent: dict[str, Any]) -> dict[str, Any]:
        number = str(len(self.orders) + 1)
        status = "pending" if sent.get("trigger_price") else "open"
        self.orders[number] = VenueOrder(number, sent, status)
        return self.orders[number].row()

    def _cancel(self, number: str) -> HttpReply:
        one = self.orders.get(number)
        if one is None or not one.rests:
            return error(404, "ORDER_NOT_FOUND")
        one.status = "canceled"
        self.on_cancel(one)
        return reply(one.row())


# -- stories on it ---------------------------------------------------------------------------------


def simulate(
    story: Callable[[Rig, MatchingVenue], Coroutine[Any, Any, Any]], lag_s: float = 0.0
) -> Any:  # noqa: ANN401 - what the story returns
    """Play a story of one session on a venue whose fills are so late."""

    async def run() -> object:
        rig, venue = Rig(), MatchingVenue(lag_s)
        venue.serve(rig)
        await rig.open()
        try:
            return await story(rig, venue)
        finally:
            await rig.session.aclose()

    return run_virtual(run())


async def enter(rig: Rig) -> None:
    """A bracket of 0.5 that rests: the entry is "1", its stop "2", its take profit "3"."""
    rig.session.desk.send(BRACKET, rig.session.desk.prepare(BRACKET))
    await asyncio.sleep(3)


def move_entry(generation: int, lots: int, px_ticks: int = 99_000) -> ModifyOrder:
    return ModifyOrder(BTC, CLOID, generation, Side.BUY, px_ticks, lots, Tif.GTC)


def move_child(cloid: str, generation: int, lots: int, px_ticks: int) -> ModifyOrder:
    side = Side.SELL
    return ModifyOrder(BTC, cloid, generation, side, px_ticks, lots, Tif.GTC, reduce_only=True)


def contradictions(rig: Rig, venue: MatchingVenue) -> list[str]:
    """What was told, or is believed, and is not so, when all had time to be read."""
    found: list[str] = []
    alive = sorted(ticket.order_id for ticket in rig.session.tickets.alive())
    if alive != venue.resting:
        found.append(f"{alive} are believed to live, {venue.resting} rest")
    streams = ("perpex account", "unclear-order")
    late = [one for one in streams if rig.phases(one)[-1:] not in ([], ["ready"])]
    found += [f"{one} is not ready" for one in late]
    newest = rig.told(AccountRead)[-1]
    if dict(newest.positions).get(BTC, 0) != int(venue.position * LOTS):
        found.append(f"{newest.positions} was read, {venue.position} is held")
    if now_ms() - newest.ts_venue_ns // 10**6 > _AGE_MS_MAX:
        found.append("the account was not told for long")
    told: Counter[int] = Counter()
    for event in rig.told(OrderFilled):
        told[event.oid] += event.sz_lots
    found += [
        f"{told[int(one.number)]} lots were told of {one}"
        for one in venue.orders.values()
        if told[int(one.number)] != int(one.filled * LOTS)
    ]
    ends = Counter((event.cloid, event.generation) for event in rig.told(OrderCanceled))
    found += [
        f"the end of {which} was told {count} times" for which, count in ends.items() if count > 1
    ]
    return found


def settled(rig: Rig, venue: MatchingVenue) -> list[str]:
    """What rests when nothing that was told is untrue."""
    assert [] == contradictions(rig, venue)
    return venue.resting


# -- what a strategy and a journal know ------------------------------------------------------------


@dataclass
class Belief:
    """What was told of one order; `moving` is the generation that a modify in flight would make."""

    generation: int = 0
    moving: int = 0
    is_replaced: bool = False
    is_unclear: bool = False
    is_over: bool = False
    filled_lots: int = 0

    def hear(self, event: AnyEvent) -> None:
        match event:
            case OrderReplaced():
                self.generation, self.moving, self.is_replaced = event.generation, 0, False
            case ModifyRejected():
                self.moving = 0
                self.is_over |= self.is_replaced
            case OrderFilled():
                self.filled_lots += event.sz_lots
            case OrderCanceled() if event.generation < self.moving:
                self.is_replaced = True
            case OrderCanceled() if event.generation >= self.generation:
                self.is_over, self.moving = True, 0
            case OrderRejected():
                self.is_over = True
            case OrderUnclear():
                self.is_unclear = True
            case OrderAccepted():
                self.generation = max(self.generation, event.generation)
                if self.is_unclear or event.generation >= self.moving:
                    self.is_unclear, self.moving = False, 0


def resumption(rig: Rig, unanswered: Batch | None) -> Resumption:
    """What the journal of a run hands to the next one."""
    generations = {CLOID: 0, OTHER: 0, THIRD: 0}
    lots: dict[str, dict[int, int]] = {}
    seen = set()
    for event in rig.told(OrderFilled):
        by_generation = lots.setdefault(event.cloid, {})
        booked = by_generation.get(event.generation, 0) + event.sz_lots
        by_generation[event.generation] = booked
        seen.add((ACCOUNT, event.ts_venue_ns // 10**6, BTC, event.trade_id))
    is_modify = unanswered is not None and unanswered.kind == "modify"
    generations[CLOID] = int(is_modify)
    over = {cloid for cloid, some in lots.items() if sum(some.values()) == BRACKET_LOTS}
    oids = {event.cloid: event.oid for event in rig.told(OrderAccepted)}
    return Resumption(
        unanswered=() if unanswered is None else (Outgoing(VENUE, ACCOUNT, unanswered, 0, b"{}"),),
        fills_seen_ms={ACCOUNT: T0_MS - 1000},
        fills_seen=frozenset(seen),
        generations=tuple(
            (cloid, generation, 0 if generation else oids.get(cloid, 0))
            for cloid, generation in generations.items()
            if cloid not in over
        ),
        filled_lots=lots,
    )
