"""Settling: what is asked, in which order, and what is concluded from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from connectors.hyperliquid.answers import NotTaken, Outcome, Refused, Success, Unclear
from connectors.hyperliquid.flights import Flights
from connectors.hyperliquid.info.orders import (
    OrderFound,
    OrderRecord,
    OrderStatus,
    OrderUnknown,
)
from connectors.hyperliquid.settings import LinkSettings
from connectors.hyperliquid.settle import Asks, Settler
from connectors.stream import Backoff
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import TransportError
from engine.model.commands import Batch, CancelOrder, Command, ModifyOrder, Outgoing, Place
from engine.model.effects import AskOrder
from engine.model.events import OrderAccepted, OrderCanceled, OrderRejected, OrderTriggered
from engine.model.units import Side, Tif
from tests.connectors.fakes import virtually
from tests.connectors.hyperliquid.link_parts import NOW_MS, Parts, cloid, frontend_order

LOTS = 100_000
PLACE = Place("hl:BTC", cloid(1), Side.BUY, 1_000, LOTS, Tif.GTC)
MODIFY = ModifyOrder("hl:BTC", cloid(1), 1, Side.BUY, 900, LOTS, Tif.GTC)
UNKNOWN = OrderUnknown()
SETTINGS = LinkSettings(settle_backoff=Backoff(1.0, 8.0, 1.0))


def found(oid: int, status: str, **fields: Any) -> OrderFound:  # noqa: ANN401
    """An answer to orderStatus."""
    order = frontend_order(oid, 1, **fields)
    return OrderFound(order=OrderRecord(order=order, status=status, status_timestamp_ms=NOW_MS))


class Rig:
    """A settler whose venue answers from a script; the last answer repeats."""

    def __init__(
        self,
        statuses: Sequence[OrderStatus | Exception],
        burns: Sequence[Outcome | Exception] = (Success(),),
        resting: frozenset[int | str] = frozenset(),
    ) -> None:
        self.parts = Parts(virtual_clock(), SETTINGS)
        self.log: list[str] = []
        self.flights = Flights(self.parts.common.orders)
        self._statuses = [*statuses]
        self._burns = [*burns]
        self._resting = resting
        self.asks = Asks(self._status, self._fills, self._open_orders, self._burn)
        self.settler = Settler(self.parts.common, self.flights, self.parts.reports, self.asks)

    async def _status(self, account: str, name: int | str) -> OrderStatus:
        assert account == "main"
        self.log.append(f"status {name if isinstance(name, int) else 'cloid'}")
        answer: OrderStatus = _next(self._statuses)
        return answer

    async def _fills(self, account: str) -> None:
        del account
        self.log.append("fills")

    async def _open_orders(self, account: str) -> frozenset[int | str]:
        del account
        self.log.append("open orders")
        return self._resting

    async def _burn(self, outgoing: Outgoing) -> Outcome:
        self.log.append(f"burn {outgoing.nonce}")
        outcome: Outcome = _next(self._burns)
        return outcome

    def unclear(
        self, kind: str, command: Command, nonce: int = 1, expires_in_ms: int = 0
    ) -> Outgoing:
        """An action of unknown fate."""
        batch = Batch("main", kind, (command,), 1, 1)
        self.parts.common.orders.sent(batch)
        expires_ms = self.parts.common.time.now_ms() + expires_in_ms if expires_in_ms else 0
        outgoing = Outgoing("hl", "main", batch, nonce, b"", expires_ms)
        self.flights.depart(outgoing, is_unclear=True)
        return outgoing

    async def settle(self, generation: int = 0) -> list[Any]:
        """Settle, and give what was told."""
        await self.settler.begin(AskOrder("main", "hl:BTC", cloid(1), generation))
        return self.parts.take()


def _next(script: list[Any]) -> Any:  # noqa: ANN401 - of whichever script
    answer = script.pop(0) if len(script) > 1 else script[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("open", OrderAccepted),
        ("triggered", OrderTriggered),
        ("filled", OrderCanceled),
        ("canceled", OrderCanceled),
        ("perpMarginRejected", OrderRejected),
    ],
)
def test_an_order_that_is_found_needs_no_burning(status: str, expected: type) -> None:
    async def play() -> tuple[list[Any], Rig]:
        rig = Rig([found(5, status)])
        rig.unclear("order", PLACE)
        return await rig.settle(), rig

    (event,), rig = run_virtual(play())

    assert type(event) is expected
    assert "burn 1" not in rig.log
    assert 0 == rig.flights.count


@virtually
async def test_whatever_asking_raises_it_is_asked_again() -> None:
    rig = Rig([TransportError("reset"), KeyError("hl:X"), found(5, "open")])
    rig.unclear("order", PLACE)
    (event,) = await rig.settle()

    assert OrderAccepted is type(event)


@virtually
async def test_the_fills_are_booked_before_an_order_is_said_to_be_over() -> None:
    rig = Rig([found(5, "canceled")])
    rig.unclear("order", PLACE)
    (event,) = await rig.settle()

    assert ["status cloid", "fills"] == rig.log
    assert (0, 0, "canceled") == (event.generation, event.oid, event.reason)


@virtually
async def test_unknown_proves_nothing_until_the_nonce_is_burnt() -> None:
    rig = Rig([UNKNOWN])
    rig.unclear("order", PLACE, nonce=77)
    (event,) = await rig.settle()

    assert [
        "status cloid",
        "burn 77",
        "status cloid",
        "fills",
        "open orders",
    ] == rig.log
    assert ("neverPlaced", 0) == (event.reason, event.oid)
    assert 0 == rig.flights.count


@virtually
async def test_a_used_nonce_means_asking_again() -> None:
    used = Unclear("Invalid nonce: duplicate nonce 77")
    rig = Rig([UNKNOWN, found(5, "open")], [used])
    rig.unclear("order", PLACE, nonce=77)
    (event,) = await rig.settle()

    assert isinstance(event, OrderAccepted)
    assert 5 == event.oid


@pytest.mark.parametrize(
    "failure",
    [
        TransportError("reset"),
        Unclear("HTTP 502"),
        NotTaken("HTTP 429"),
        Refused("Too many cumulative requests"),
        Refused("User or API Wallet does not exist"),
    ],
)
def test_a_nonce_that_was_not_burnt_is_burnt_again(failure: Any) -> None:  # noqa: ANN401
    async def play() -> list[str]:
        rig = Rig([UNKNOWN], [failure, failure, Success()])
        rig.unclear("order", PLACE, nonce=7)
        await rig.settle()
        return rig.log

    log = run_virtual(play())

    assert 3 == log.count("burn 7")
    assert log.index("fills") > len(log) - 3


@virtually
async def test_an_action_that_expired_on_venue_time_needs_no_burning() -> None:
    rig = Rig([UNKNOWN], [TransportError("down")])
    rig.unclear("order", PLACE, nonce=7, expires_in_ms=5_000)
    (event,) = await rig.settle()

    seconds = rig.parts.common.clock.monotonic_ns() / 1e9
    assert "neverPlaced" == event.reason
    assert seconds > 5 + SETTINGS.expired_margin_ms / 1000


@virtually
async def test_asking_goes_on_with_growing_waits_until_the_word_is_in() -> None:
    rig = Rig([TransportError("down")] * 6 + [found(5, "open")])
    rig.unclear("order", PLACE)
    (event,) = await rig.settle()

    assert isinstance(event, OrderAccepted)
    assert 1 + 2 + 4 + 8 + 8 + 8 == rig.parts.common.clock.monotonic_ns() / 1e9


@virtually
async def test_an_unknown_status_word_is_no_last_word() -> None:
    rig = Rig([found(5, "somethingNew"), found(5, "open")])
    rig.unclear("order", PLACE)
    (event,) = await rig.settle()

    assert isinstance(event, OrderAccepted)


@virtually
async def test_while_it_is_listed_nothing_is_concluded_from_an_unknown_order() -> None:
    rig = Rig([UNKNOWN, UNKNOWN, found(5, "open")], resting=frozenset({cloid(1)}))
    rig.unclear("order", PLACE)
    (event,) = await rig.settle()

    assert isinstance(event, OrderAccepted)


@virtually
async def test_an_order_asked_about_twice_is_settled_once() -> None:
    rig = Rig([found(5, "open")])
    rig.unclear("order", PLACE)
    ask = AskOrder("main", "hl:BTC", cloid(1), 0)
    first, second = rig.settler.begin(ask), rig.settler.begin(ask)
    await first

    assert first is second
    assert 1 == len(rig.parts.take())


@virtually
async def test_orders_of_one_action_burn_its_nonce_once() -> None:
    rig = Rig([UNKNOWN])
    places = tuple(msgspec.structs.replace(PLACE, cloid=cloid(number)) for number in range(1, 4))
    batch = Batch("main", "order", places, 1, 3)
    rig.parts.common.orders.sent(batch)
    rig.flights.depart(Outgoing("hl", "main", batch, 9, b""), is_unclear=True)
    await asyncio.gather(
        *[rig.settler.begin(AskOrder("main", "hl:BTC", cloid(number), 0)) for number in range(1, 4)]
    )

    assert 1 == rig.log.count("burn 9")
    assert 3 == sum(isinstance(event, OrderCanceled) for event in rig.parts.take())


@virtually
async def test_an_action_still_on_its_way_is_waited_for() -> None:
    rig = Rig([UNKNOWN])
    batch = Batch("main", "order", (PLACE,), 1, 1)
    rig.parts.common.orders.sent(batch)
    flight = rig.flights.depart(Outgoing("hl", "main", batch, 9, b""))
    task = rig.settler.begin(AskOrder("main", "hl:BTC", cloid(1), 0))
    await asyncio.sleep(5)
    assert [] == rig.log

    rig.flights.land(flight, is_unclear=False)
    await task
    assert "status cloid" == rig.log[0]


# -- modifies --------------------------------------------------------------------------------------


def with_rested_order(rig: Rig) -> None:
    """The order rests as oid 5; a modify of it is of unknown fate."""
    rig.parts.sent("order", PLACE)
    leg = rig.parts.common.orders.leg("main", cloid(1), 0)
    assert leg is not None
    rig.parts.reports.accepted(leg, 5)
    rig.unclear("modify", MODIFY, nonce=8)
    rig.parts.take()


@virtually
async def test_a_modify_that_went_through_is_found_by_its_new_order() -> None:
    rig = Rig([found(6, "open", px="90.0")])
    with_rested_order(rig)
    (event,) = await rig.settle(1)

    assert isinstance(event, OrderAccepted)
    assert (1, 6) == (event.generation, event.oid)
    assert ["status cloid"] == rig.log


@virtually
async def test_the_old_order_resting_proves_nothing_until_the_modify_cannot_land() -> None:
    rig = Rig([found(5, "open")])
    with_rested_order(rig)
    (event,) = await rig.settle(1)

    assert ["status cloid", "burn 8", "status cloid"] == rig.log
    assert isinstance(event, OrderAccepted)
    assert (0, 5) == (event.generation, event.oid)


@virtually
async def test_a_modify_refused_after_all_leaves_the_old_order_as_its_own_id_says() -> None:
    rig = Rig(
        [
            found(6, "perpMarginRejected", px="90.0"),
            found(6, "perpMarginRejected", px="90.0"),
            found(5, "open"),
        ]
    )
    with_rested_order(rig)
    (event,) = await rig.settle(1)

    assert ["status cloid", "burn 8", "status cloid", "status 5"] == rig.log
    assert (0, 5) == (event.generation, event.oid)


@virtually
async def test_old_and_new_gone_is_told_of_the_newest_generation() -> None:
    rig = Rig([found(5, "canceled")])
    with_rested_order(rig)
    (event,) = await rig.settle(1)

    assert isinstance(event, OrderCanceled)
    assert (1, 0) == (event.generation, event.oid)


@virtually
async def test_an_unclear_cancel_burns_nothing() -> None:
    rig = Rig([found(5, "open")])
    rig.parts.sent("order", PLACE)
    leg = rig.parts.common.orders.leg("main", cloid(1), 0)
    assert leg is not None
    rig.parts.reports.accepted(leg, 5)
    rig.parts.take()
    rig.unclear("cancel", CancelOrder("hl:BTC", cloid(1), 0))
    (event,) = await rig.settle()

    assert isinstance(event, OrderAccepted)
    assert ["status cloid"] == rig.log


# -- what an earlier run left ----------------------------------------------------------------------


@virtually
async def test_of_an_order_from_an_earlier_run_nothing_is_concluded_before_it_expired() -> None:
    rig = Rig([UNKNOWN])
    (event,) = await rig.settle()

    waited_ms = rig.parts.common.clock.monotonic_ns() / 1e6
    assert waited_ms > SETTINGS.expires_after_ms + SETTINGS.expired_margin_ms
    assert "neverPlaced" == event.reason


@virtually
async def test_an_order_that_is_not_ours_is_asked_about_by_its_oid() -> None:
    rig = Rig([found(77, "open")])
    await rig.settler.begin(AskOrder("main", "hl:BTC", "oid:77", 0))

    assert ["status 77"] == rig.log
    (event,) = rig.parts.take()
    assert isinstance(event, OrderAccepted)
    assert "oid:77" == event.cloid


@virtually
async def test_an_end_that_came_by_stream_meanwhile_is_not_undone() -> None:
    rig = Rig([found(5, "open"), found(5, "canceled")])
    rig.unclear("order", PLACE)
    plain = rig.settler._asks.status  # noqa: SLF001 - an end between question and answer

    async def late(account: str, name: int | str) -> OrderStatus:
        answer = await plain(account, name)
        leg = rig.parts.reports.leg_of("main", frontend_order(5, 1))
        assert leg is not None
        rig.parts.reports.canceled(leg, "canceled")
        return answer

    asks = rig.settler._asks  # noqa: SLF001
    rig.settler._asks = msgspec.structs.replace(asks, status=late)  # noqa: SLF001
    events = await rig.settle()

    assert not any(isinstance(event, OrderAccepted) for event in events)
    assert isinstance(events[0], OrderCanceled)


@pytest.mark.parametrize(("margins", "burns"), [(0.5, 1), (1.5, 0)])
def test_an_action_is_burnt_until_the_margin_after_its_expiry_is_over(
    margins: float, burns: int
) -> None:
    async def play() -> list[str]:
        rig = Rig([UNKNOWN], [Success()])
        rig.unclear("order", PLACE, nonce=7, expires_in_ms=5_000)
        await asyncio.sleep(5 + margins * SETTINGS.expired_margin_ms / 1000)
        await rig.settle()
        return rig.log

    assert burns == run_virtual(play()).count("burn 7")


@virtually
async def test_two_accounts_whose_signers_gave_the_same_nonce_each_burn_their_own() -> None:
    """A nonce is of its signer: two keys that sign in the same millisecond give the same one."""
    rig = Rig([UNKNOWN])
    burnt: list[str] = []
    asks = msgspec.structs.replace(
        rig.asks, status=_never_heard_of, burn=lambda outgoing: _slow_burn(outgoing, burnt)
    )
    settler = Settler(rig.parts.common, rig.flights, rig.parts.reports, asks)
    other = msgspec.structs.replace(PLACE, cloid=cloid(2))
    for account, place in (("main", PLACE), ("other", other)):
        batch = Batch(account, "order", (place,), 1, 1)
        rig.parts.common.orders.sent(batch)
        rig.flights.depart(Outgoing("hl", account, batch, 77, b""), is_unclear=True)
    await asyncio.gather(
        settler.begin(AskOrder("main", "hl:BTC", cloid(1), 0)),
        settler.begin(AskOrder("other", "hl:BTC", cloid(2), 0)),
    )

    assert ["main", "other"] == sorted(burnt)
    events: list[Any] = rig.parts.take()
    assert ["main", "other"] == sorted(event.account for event in events)


async def _never_heard_of(account: str, name: int | str) -> OrderStatus:
    del account, name
    return UNKNOWN


async def _slow_burn(outgoing: Outgoing, burnt: list[str]) -> Outcome:
    """The venue takes its time, so that both are on their way at once."""
    await asyncio.sleep(1)
    burnt.append(outgoing.account)
    return Success()
