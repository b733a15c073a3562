"""Sending: in order, once, and what each kind of failure means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import pytest

from connectors.hyperliquid.flights import Flights
from connectors.hyperliquid.settings import LinkSettings
from connectors.hyperliquid.submit import Submitter
from connectors.hyperliquid.verdicts import Verdicts
from connectors.web import HttpReply
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import NotSentError, TransportError
from engine.model.commands import Batch, CancelOrder, Outgoing, Place
from engine.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderUnclear,
    WeightSpent,
)
from engine.model.units import Side, Tif
from tests.connectors.fakes import virtually
from tests.connectors.hyperliquid.link_parts import Parts, cloid

RESTING = b'{"status":"ok","response":{"type":"order","data":{"statuses":[{"resting":{"oid":5}}]}}}'


class Wire:
    """An HTTP client whose requests take as long to be written and answered as a test says."""

    def __init__(self, answer: Callable[[int], Awaitable[HttpReply]]) -> None:
        self.written: list[bytes] = []
        self.write_s: list[float] = []
        self._answer = answer

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        on_written: Callable[[], None] | None = None,
    ) -> HttpReply:
        assert ("POST", "/exchange") == (method, path)
        assert headers == {"Content-Type": "application/json"}
        assert timeout_s > 0
        number = len(self.written)
        if self.write_s:
            await asyncio.sleep(self.write_s.pop(0))
        assert body is not None
        self.written.append(body)
        if on_written is not None:
            on_written()
        return await self._answer(number)

    async def aclose(self) -> None:
        return


class Rig:
    """A submitter over a scripted wire, in the running virtual loop."""

    def __init__(
        self, answer: Callable[[int], Awaitable[HttpReply]], settings: LinkSettings | None = None
    ) -> None:
        self.parts = Parts(virtual_clock(), settings)
        self.wire = Wire(answer)
        self.flights = Flights(self.parts.common.orders)
        verdicts = Verdicts(self.parts.common, self.parts.reports, lambda *_: None)
        self.submitter = Submitter(self.parts.common, self.wire, self.flights, verdicts)

    def send(self, number: int, account: str = "main") -> None:
        place = Place("hl:BTC", cloid(number), Side.BUY, 1_000, 5, Tif.GTC)
        batch = Batch(account, "order", (place,), 1, 1)
        self.submitter.send(Outgoing("hl", account, batch, number, str(number).encode()))


async def accepted(number: int) -> HttpReply:
    del number
    await asyncio.sleep(1)
    return HttpReply(200, {}, RESTING)


@virtually
async def test_an_accounts_actions_are_written_in_order_and_their_answers_awaited_together() -> (
    None
):
    rig = Rig(accepted)
    rig.wire.write_s = [0.5, 0.1, 0.0]
    for number in (1, 2, 3):
        rig.send(number)
    await asyncio.sleep(0.7)
    assert [b"1", b"2", b"3"] == rig.wire.written

    await asyncio.sleep(1.0)
    assert 3 == sum(isinstance(event, OrderAccepted) for event in rig.parts.events)
    assert 0 == rig.flights.count


@virtually
async def test_a_batch_of_several_actions_is_sent_action_by_action() -> None:
    async def answer(number: int) -> HttpReply:
        if number:
            raise TransportError("reset")
        body = b'{"status":"ok","response":{"type":"cancel","data":{"statuses":["success"]}}}'
        return HttpReply(200, {}, body)

    rig = Rig(answer)
    foreign, own = CancelOrder("hl:BTC", "oid:9", 0), CancelOrder("hl:BTC", cloid(1), 0)
    batch = Batch("main", "cancel", (foreign, own), 1, 2)
    rig.submitter.send(Outgoing("hl", "main", batch, 2, b"first\nsecond"))
    await asyncio.sleep(1)

    assert [b"first", b"second"] == rig.wire.written
    canceled, spent, unclear = rig.parts.events
    assert isinstance(spent, WeightSpent)
    assert isinstance(canceled, OrderCanceled)
    assert isinstance(unclear, OrderUnclear)
    assert (cloid(1), "oid:9") == (canceled.cloid, unclear.cloid)


@virtually
async def test_one_account_does_not_wait_for_another() -> None:
    rig = Rig(accepted)
    rig.wire.write_s = [5.0, 0.0]
    rig.send(1, "slow")
    rig.send(2, "quick")
    await asyncio.sleep(0.1)

    assert [b"2"] == rig.wire.written


@virtually
async def test_what_could_not_be_sent_is_refused_and_the_next_still_goes_out() -> None:
    async def answer(number: int) -> HttpReply:
        if number == 0:
            raise NotSentError("refused")
        return await accepted(number)

    rig = Rig(answer)
    rig.send(1)
    rig.send(2)
    await asyncio.sleep(2)

    first, second = rig.parts.events
    assert isinstance(first, OrderRejected)
    assert first.reason.startswith("notSent")
    assert isinstance(second, OrderAccepted)
    assert 0 == rig.flights.count


@pytest.mark.parametrize(
    "reply",
    [
        None,
        HttpReply(502, {}, b"<html>bad gateway</html>"),
        HttpReply(500, {}, b"null"),
        HttpReply(200, {}, b'{"status":"ok","resp'),
        HttpReply(200, {}, b""),
    ],
)
def test_without_a_readable_answer_the_outcome_is_unclear_and_stays_in_flight(
    reply: HttpReply | None,
) -> None:
    async def answer(number: int) -> HttpReply:
        del number
        if reply is None:
            raise TransportError("reset")
        return reply

    async def play() -> None:
        rig = Rig(answer)
        rig.send(1)
        await asyncio.sleep(1)
        (event,) = rig.parts.events
        assert isinstance(event, OrderUnclear)
        assert [b"1"] == rig.wire.written
        assert 1 == rig.flights.count
        assert rig.flights.makers("main", cloid(1))

    run_virtual(play())


@virtually
async def test_beyond_its_bound_it_refuses_and_queues_nothing() -> None:
    rig = Rig(accepted, msgspec.structs.replace(LinkSettings(), in_flight_max=2))
    for number in (1, 2, 3):
        rig.send(number)
    await asyncio.sleep(2)

    kinds = [type(event) for event in rig.parts.events]
    assert [OrderRejected, OrderAccepted, OrderAccepted] == kinds
    assert [b"1", b"2"] == rig.wire.written


@virtually
async def test_too_many_requests_let_readers_rest() -> None:
    async def answer(number: int) -> HttpReply:
        del number
        return HttpReply(429, {}, b"")

    rig = Rig(answer)
    rig.send(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert rig.parts.common.settings.crowded_pause_s == rig.parts.common.weight.wait_s(1)


@virtually
async def test_closing_leaves_what_is_unanswered_unanswered() -> None:
    rig = Rig(accepted)
    rig.send(1)
    await asyncio.sleep(0.1)
    await rig.submitter.aclose()

    assert [] == rig.parts.events
    assert 1 == len(asyncio.all_tasks())
