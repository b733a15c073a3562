"""Scripted faults over real sockets: each does what it says, and leaves the rest alone."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from connectors.simulated.faults import Fault, Kind
from connectors.simulated.settings import Cadences
from engine.errors import ModelError
from tests.connectors.simulated.hyperliquid.sockets import connected
from tests.connectors.simulated.scripted import Json, order, orders, serving, trade

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

BUY = order("BTC", "buy", "99000", "0.5")
NEVER = 3600.0
STILL = Cadences(book_s=NEVER, fast_book_s=NEVER, context_s=NEVER, account_s=NEVER)
LOST = (aiohttp.ClientError, ConnectionError)


async def placed(client: Json) -> int:
    return len(await client.info("openOrders", user=client.user))


@pytest.mark.parametrize(("kind", "orders_placed"), [("refuse", 0), ("drop_after", 1)])
async def test_a_connection_is_reset_before_or_after_the_action(
    kind: Kind, orders_placed: int
) -> None:
    async with serving() as (venue, client):
        venue.faults.http(Fault(kind, path="/exchange", action="order"))
        with pytest.raises(LOST):
            await client.act(orders(BUY))

        assert orders_placed == await placed(client)
        assert "ok" == (await client.act(orders(BUY)))["status"]


@pytest.mark.parametrize(("kind", "orders_placed"), [("hang_before", 0), ("hang_after", 1)])
async def test_an_answer_that_never_comes(kind: Kind, orders_placed: int) -> None:
    async with serving() as (venue, client):
        venue.faults.http(Fault(kind, path="/exchange"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.act(orders(BUY))

        assert orders_placed == await placed(client)


@pytest.mark.parametrize(
    ("kind", "status", "body", "orders_placed"),
    [
        ("status_429", 429, "429 Too Many Requests", 0),
        ("bad_gateway", 502, "<html>", 0),
        ("null_500", 500, None, 0),
        ("late_502", 502, "<html>", 1),
    ],
)
async def test_an_answer_that_is_none(
    kind: Kind, status: int, body: str | None, orders_placed: int
) -> None:
    async with serving() as (venue, client):
        venue.faults.http(Fault(kind, path="/exchange"))
        found, text = await client.post("/exchange", client.envelope(orders(BUY)))

        assert status == found
        assert (text is None) if body is None else text.startswith(body)
        assert orders_placed == await placed(client)


async def test_garbage_after_the_action_and_an_action_that_takes_its_time() -> None:
    async with serving() as (venue, client):
        venue.faults.http(Fault("garbage", action="order"))
        venue.faults.http(Fault("delay", action="order", delay_s=0.01))
        with pytest.raises(Exception, match="truncated"):
            await client.act(orders(BUY))
        late = await client.act(orders(BUY))

        assert ("ok", 2) == (late["status"], await placed(client))
        assert ["garbage", "delay"] == [fault.kind for fault in venue.faults.used]


async def test_a_fault_waits_for_its_request_and_lets_others_pass() -> None:
    async with serving() as (venue, client):
        venue.faults.http(Fault("bad_gateway", path="/info", action="meta", skip=1))
        first, _ = await client.post("/info", {"type": "meta"})
        other, _ = await client.post("/info", {"type": "allMids"})
        second, _ = await client.post("/info", {"type": "meta"})
        third, _ = await client.post("/info", {"type": "meta"})
        venue.faults.http(Fault("bad_gateway"))
        venue.faults.clear()
        fourth, _ = await client.post("/info", {"type": "meta"})

    assert [200, 200, 502, 200, 200] == [first, other, second, third, fourth]


def test_a_fault_that_is_none_of_the_kinds_is_a_mistake() -> None:
    with pytest.raises(ModelError, match="expected one of refuse"):
        Fault("explode")  # type: ignore[arg-type]


async def test_no_new_connection_is_had_while_the_port_is_closed() -> None:
    async with serving() as (venue, client):
        await client.info("meta")
        await venue.faults.refuse_connections()
        async with aiohttp.ClientSession() as fresh:
            with pytest.raises(aiohttp.ClientConnectorError):
                await fresh.post(venue.http_url + "/info", json={"type": "meta"})
        url = venue.http_url
        await venue.faults.accept_connections()
        async with aiohttp.ClientSession() as fresh:
            answer = await fresh.post(url + "/info", json={"type": "meta"})
            assert 200 == answer.status


# -- the WebSocket ---------------------------------------------------------------------------------


async def test_connections_are_closed_cleanly_or_broken_off() -> None:
    async with serving() as (venue, client):
        async with connected(venue, client.session) as ws:
            venue.faults.ws.close_all()
            assert aiohttp.WSMsgType.CLOSE == await ws.end()
        async with connected(venue, client.session) as ws:
            venue.faults.ws.reset_all()
            assert await ws.end() in {aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED}


async def test_a_half_open_connection_says_nothing_and_does_not_end() -> None:
    async with serving(cadences=STILL) as (venue, client):
        async with connected(venue, client.session) as ws:
            await ws.subscribe("trades", coin="BTC")
            await ws.next("trades")
            venue.faults.ws.freeze_all()
            venue.core.play([trade("BTC", 100_000, 0.1, 1)])
            await ws.say({"method": "ping"})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ws.ws.receive()
            assert not ws.ws.closed
        async with connected(venue, client.session) as other:
            await other.say({"method": "ping"})
            await other.next("pong")


async def test_frames_are_held_and_come_late_and_others_go_on() -> None:
    async with (
        serving(cadences=STILL) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        for coin in ("BTC", "ETH"):
            await ws.subscribe("trades", coin=coin)
            await ws.next("trades")
        venue.faults.ws.hold("trades", coin="BTC")
        venue.core.play([trade("BTC", 99_001, 0.1, 1)])
        venue.core.play([trade("BTC", 99_002, 0.1, 1)])
        venue.core.play([trade("ETH", 4_000, 0.1, 1)])
        seen = [(frame["data"][0]["coin"]) for frame in await ws.quiet()]
        venue.faults.ws.release()
        late = [frame["data"][0]["px"] for frame in await ws.quiet()]
        venue.core.play([trade("BTC", 99_003, 0.1, 1)])
        after = [frame["data"][0]["px"] for frame in await ws.quiet()]

    assert (["ETH"], ["99001.0", "99002.0"], ["99003.0"]) == (seen, late, after)


async def test_frames_are_stalled_lost_or_doubled() -> None:
    async with (
        serving(cadences=STILL) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        await ws.subscribe("trades", coin="BTC")
        await ws.next("trades")

        async def seen(px: int) -> list[str]:
            venue.core.play([trade("BTC", px, 0.1, 1)])
            return [frame["data"][0]["px"] for frame in await ws.quiet()]

        venue.faults.ws.drop("trades", frames=1)
        found = [await seen(99_001), await seen(99_002)]
        venue.faults.ws.duplicate("trades", coin="BTC", frames=1)
        found += [await seen(99_003), await seen(99_004)]
        venue.faults.ws.stall("trades")
        found += [await seen(99_005), await seen(99_006)]
        venue.faults.ws.release()
        found += [await seen(99_007)]

    assert [
        [],
        ["99002.0"],
        ["99003.0", "99003.0"],
        ["99004.0"],
        [],
        [],
        ["99007.0"],
    ] == found


async def test_a_post_can_be_lost_after_it_was_carried_out() -> None:
    async with (
        serving(cadences=STILL) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        venue.faults.http(Fault("hang_after", path="post", action="order"))
        request = {"type": "action", "payload": client.envelope(orders(BUY))}
        await ws.say({"method": "post", "id": 1, "request": request})

        assert [] == await ws.quiet()
        assert 1 == await placed(client)
