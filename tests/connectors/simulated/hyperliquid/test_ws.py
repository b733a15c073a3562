"""`/ws` over real sockets: every channel, posts, errors and limits."""

from __future__ import annotations

import aiohttp
import pytest

from connectors.simulated.settings import Cadences, Limits
from engine.model.units import NS_PER_S
from tests.connectors.simulated.hyperliquid.sockets import Socket, connected
from tests.connectors.simulated.scripted import (
    KEY,
    NOW_MS,
    NOW_NS,
    Json,
    address,
    book,
    context,
    funding,
    order,
    orders,
    serving,
    trade,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

USER = address(KEY)
NEVER = 3600.0
STILL = Cadences(book_s=NEVER, fast_book_s=NEVER, context_s=NEVER, account_s=NEVER)
BUY_NOW = order("BTC", "buy", "101000", "0.5", "Ioc")
BUY = order("BTC", "buy", "99000", "0.5")


# -- public channels -------------------------------------------------------------------------------


async def test_a_subscription_is_acknowledged_then_begins_with_its_state() -> None:
    async with serving(cadences=STILL) as (venue, client), connected(venue, client.session) as ws:
        answer = await ws.subscribe("l2Book", coin="BTC")
        slow = await ws.data("l2Book")
        await ws.subscribe("l2Book", coin="BTC", fast=True)
        fast = await ws.data("l2Book")
        await ws.subscribe("bbo", coin="BTC")
        bbo = await ws.data("bbo")
        await ws.subscribe("activeAssetCtx", coin="ETH")
        ctx = await ws.data("activeAssetCtx")
        await ws.subscribe("allMids")
        mids = await ws.data("allMids")
        await ws.subscribe("candle", coin="BTC", interval="1h")
        candle = await ws.data("candle")

    assert {
        "method": "subscribe",
        "subscription": {"type": "l2Book", "coin": "BTC"},
    } == answer["data"]
    assert (False, True) == ("fast" in slow, fast["fast"])
    assert [{"px": "99995.0", "sz": "1.0", "n": 1}, {"px": "100005.0", "sz": "1.0", "n": 1}] == bbo[
        "bbo"
    ]
    assert ("ETH", "4000.0") == (ctx["coin"], ctx["ctx"]["markPx"])
    assert {"BTC": "100000.0", "ETH": "4000.0"} == mids["mids"]
    assert ("BTC", "1h", "100000.0", 1) == tuple(candle[name] for name in "sion")


async def test_a_book_has_20_levels_slowly_and_5_fast() -> None:
    deep = book("BTC", 99_995, 100_005, seq=2)
    many = tuple(99_995.0 - 10 * i for i in range(30))
    cadences = Cadences(book_s=0.02, fast_book_s=0.01, context_s=NEVER, account_s=NEVER)
    async with serving(cadences=cadences) as (venue, client):
        venue.core.play([type(deep)(*_levels(many))])
        async with connected(venue, client.session) as ws:
            await ws.subscribe("l2Book", coin="BTC")
            await ws.subscribe("l2Book", coin="BTC", fast=True)
            books = [await ws.data("l2Book") for _ in range(12)]

    assert {20, 5} == {len(one["levels"][0]) for one in books}
    assert all(("fast" in one) == (len(one["levels"][0]) == 5) for one in books)


def _levels(bids: tuple[float, ...]) -> tuple[Json, ...]:
    sizes = (1.0,) * len(bids)
    return (NOW_NS, NOW_NS, "hl:BTC", 2, bids, sizes, tuple(200_000 - px for px in bids), sizes)


async def test_the_best_bid_and_ask_are_told_when_they_change_and_only_then() -> None:
    async with serving(cadences=STILL) as (venue, client), connected(venue, client.session) as ws:
        await ws.subscribe("bbo", coin="BTC")
        await ws.next("bbo")
        venue.core.play([book("BTC", 99_995, 100_005, seq=2)])
        assert [] == await ws.quiet()
        venue.core.play([book("BTC", 99_996, 100_005, seq=3)])
        moved = await ws.data("bbo")
        await client.act(orders(order("BTC", "buy", "99999", "0.5")))
        own = await ws.data("bbo")

    assert ["99996.0", "99999.0"] == [one["bbo"][0]["px"] for one in (moved, own)]


async def test_trades_replay_the_last_thirty_then_go_on() -> None:
    async with serving(cadences=STILL) as (venue, client), connected(venue, client.session) as ws:
        venue.core.play([trade("BTC", 99_000 + i, 0.1, 1) for i in range(40)])
        await ws.subscribe("trades", coin="BTC")
        replayed = await ws.data("trades")
        venue.core.play([trade("BTC", 98_000, 0.1, -1), trade("BTC", 98_001, 0.1, 1)])
        fresh = await ws.data("trades")
        await ws.say({"method": "unsubscribe", "subscription": {"type": "trades", "coin": "BTC"}})
        await ws.next("subscriptionResponse")
        await ws.subscribe("trades", coin="BTC")
        again = await ws.data("trades")

    assert 30 == len(replayed) == len(again)
    assert "99039.0" == replayed[-1]["px"]
    assert [("98000.0", "A"), ("98001.0", "B")] == [(row["px"], row["side"]) for row in fresh]
    assert [row["tid"] for row in fresh] == [row["tid"] for row in again[-2:]]


async def test_a_candle_is_one_object_sent_again_as_trades_come() -> None:
    async with serving(cadences=STILL) as (venue, client), connected(venue, client.session) as ws:
        await ws.subscribe("candle", coin="BTC", interval="1m")
        await ws.next("candle")
        venue.core.play([trade("BTC", 101_000, 0.25, 1)])
        grown = await ws.data("candle")
        venue.core.play([trade("BTC", 102_000, 0.25, 1, ts_ns=NOW_NS + 60 * NS_PER_S)])
        following = await ws.data("candle")

    assert ("101000.0", "0.75", 2) == (grown["h"], grown["v"], grown["n"])
    assert 60_000 == following["t"] - grown["t"]


async def test_contexts_and_mids_come_by_the_clock() -> None:
    cadences = Cadences(book_s=NEVER, fast_book_s=NEVER, context_s=0.01, account_s=NEVER)
    async with (
        serving(cadences=cadences) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        await ws.subscribe("activeAssetCtx", coin="BTC")
        await ws.subscribe("allMids")
        first = await ws.data("activeAssetCtx")
        venue.core.play([context("BTC", 100_500)])
        marks = {first["ctx"]["markPx"]}
        while len(marks) < 2:
            marks.add((await ws.data("activeAssetCtx"))["ctx"]["markPx"])
        assert "BTC" in (await ws.data("allMids"))["mids"]

    assert {"100000.0", "100500.0"} == marks


# -- an account's channels -------------------------------------------------------------------------


async def test_what_happens_to_an_account_is_told_on_its_channels() -> None:
    async with serving(cadences=STILL) as (venue, client), connected(venue, client.session) as ws:
        for kind in ("orderUpdates", "userEvents", "userFundings"):
            await ws.subscribe(kind, user=USER)
        acknowledged = await ws.subscribe("userFills", user=USER.upper().replace("X", "x"))
        empty = await ws.data("userFills")
        no_fundings = await ws.data("userFundings")
        assert [] == await ws.quiet()  # orderUpdates and userEvents send nothing at first

        await client.act(orders(BUY_NOW))
        updates, fills, event = [
            await ws.data(channel) for channel in ("orderUpdates", "userFills", "user")
        ]
        venue.core.play([funding("BTC", 0.0001)])
        fundings, event_2 = await ws.data("userFundings"), await ws.data("user")
        await ws.say({"method": "unsubscribe", "subscription": {"type": "userFills", "user": USER}})
        await ws.next("subscriptionResponse")
        await ws.subscribe("userFills", user=USER)
        snapshot = await ws.data("userFills")

    assert acknowledged["data"]["subscription"]["aggregateByTime"] is False
    assert {"isSnapshot": True, "user": USER, "fills": []} == empty
    assert (True, []) == (no_fundings["isSnapshot"], no_fundings["fundings"])
    assert [("filled", "0.0", "0.5")] == [
        (row["status"], row["order"]["sz"], row["order"]["origSz"]) for row in updates
    ]
    assert (False, ["0.5"]) == (fills["isSnapshot"], [row["sz"] for row in fills["fills"]])
    assert {"fills": fills["fills"]} == event
    assert [("-5.0", "0.5", "0.0001")] == [
        (row["usdc"], row["szi"], row["fundingRate"]) for row in fundings["fundings"]
    ]
    assert {"funding": fundings["fundings"][0]} == event_2
    assert (True, fills["fills"]) == (snapshot["isSnapshot"], snapshot["fills"])


async def test_an_order_is_told_open_changed_and_canceled_and_a_modify_as_both() -> None:
    async with serving(cadences=STILL) as (venue, client), connected(venue, client.session) as ws:
        await ws.subscribe("orderUpdates", user=USER)
        (row,) = await client.statuses(orders(order("BTC", "buy", "99999", "0.5")))
        opened = await ws.data("orderUpdates")
        venue.core.play([trade("BTC", 99_999, 0.2, -1)])
        part = await ws.data("orderUpdates")
        oid = row["resting"]["oid"]
        await client.act({"type": "modify", "oid": oid, "order": BUY})
        modified = await ws.data("orderUpdates")

    assert [("open", "0.5")] == [(one["status"], one["order"]["sz"]) for one in opened]
    assert [("open", "0.3")] == [(one["status"], one["order"]["sz"]) for one in part]
    assert [("canceled", oid), ("open", modified[1]["order"]["oid"])] == [
        (one["status"], one["order"]["oid"]) for one in modified
    ]
    assert modified[1]["order"]["oid"] != oid


async def test_a_cancel_by_the_venue_is_an_event_and_one_of_ones_own_is_not() -> None:
    async with serving(cadences=STILL) as (venue, client), connected(venue, client.session) as ws:
        await client.act(orders(order("BTC", "sell", "100001", "0.1")))
        (row,) = await client.statuses(orders(BUY))
        await ws.subscribe("userEvents", user=USER)
        await client.act({"type": "cancel", "cancels": [{"a": 0, "o": row["resting"]["oid"]}]})
        assert [] == await ws.quiet()
        await client.act(orders(BUY_NOW))
        events = [await ws.data("user") for _ in range(2)]

    assert ["fills", "nonUserCancel"] == [next(iter(event)) for event in events]


async def test_states_of_an_account_come_at_once_and_by_the_clock() -> None:
    cadences = Cadences(book_s=NEVER, fast_book_s=NEVER, context_s=NEVER, account_s=0.01)
    async with (
        serving(cadences=cadences) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        await ws.subscribe("clearinghouseState", user=USER)
        await ws.subscribe("openOrders", user=USER)
        await ws.subscribe("activeAssetData", user=USER, coin="BTC")
        await ws.subscribe("webData3", user=USER)
        await ws.subscribe("notification", user=USER)
        await ws.subscribe("userNonFundingLedgerUpdates", user=USER)
        state = await ws.data("clearinghouseState")
        ledger = await ws.data("userNonFundingLedgerUpdates")
        await client.act(orders(BUY))
        while not (await ws.data("openOrders"))["orders"]:
            pass
        asset, web = await ws.data("activeAssetData"), await ws.data("webData3")

    assert ("", USER) == (state["dex"], state["user"])
    assert "100000.0" == state["clearinghouseState"]["marginSummary"]["accountValue"]
    assert ["deposit"] == [row["delta"]["type"] for row in ledger["nonFundingLedgerUpdates"]]
    assert ("BTC", USER) == (asset["coin"], asset["user"])
    assert (NOW_MS, USER) == (web["userState"]["serverTime"], web["userState"]["user"])


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "[]",
        '{"method":"subscribe"}',
        '{"method":"subscribe","subscription":{"type":"noSuchType","coin":"BTC"}}',
        '{"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"7m"}}',
        '{"method":"subscribe","subscription":{"type":"userFills","user":"0x1"}}',
        '{"method":"post","id":1}',
    ],
)
async def test_what_is_no_request_is_an_error_and_the_connection_lives_on(text: str) -> None:
    async with serving() as (venue, client), connected(venue, client.session) as ws:
        await ws.say(text)
        error = await ws.next("error")
        await ws.say({"method": "ping"})
        pong = await ws.next("pong")

    assert f"Error parsing JSON into valid websocket request: {text}" == error["data"]
    assert {"channel": "pong"} == pong


async def test_a_second_subscription_and_a_second_farewell_are_errors() -> None:
    subscription = {"type": "trades", "coin": "BTC"}
    async with serving() as (venue, client), connected(venue, client.session) as ws:
        await ws.subscribe("trades", coin="BTC")
        second = await ws.subscribe("trades", coin="BTC")
        for _ in range(2):
            await ws.say({"method": "unsubscribe", "subscription": subscription})
        first_end, second_end = [await ws.next("subscriptionResponse", "error") for _ in range(2)]
        venue.core.play([trade("BTC", 100_000, 0.1, 1)])
        rest = await ws.quiet()

    assert 'Already subscribed: {"type":"trades","coin":"BTC"}' == second["data"]
    assert "unsubscribe" == first_end["data"]["method"]
    assert 'Already unsubscribed: {"type":"trades","coin":"BTC"}' == second_end["data"]
    assert 1 == len(rest)  # the replay of the first subscription


async def test_a_coin_that_is_not_listed_closes_the_socket_without_a_word() -> None:
    async with serving() as (venue, client), connected(venue, client.session) as ws:
        await ws.say({"method": "subscribe", "subscription": {"type": "bbo", "coin": "NOSUCH"}})
        ended = await ws.end()

    assert aiohttp.WSMsgType.CLOSED == ended


async def test_a_connection_to_which_nothing_is_sent_is_closed() -> None:
    async with (
        serving(limits=Limits(ws_silence_s=0.02)) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        assert aiohttp.WSMsgType.CLOSE == await ws.end()


# -- limits ----------------------------------------------------------------------------------------


async def test_an_eleventh_connection_and_a_thirty_first_in_a_minute_are_refused() -> None:
    async def status(session: aiohttp.ClientSession, url: str) -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url)
        return caught.value.status

    async with serving() as (venue, client):
        session, url = client.session, venue.ws_url
        ten = [await session.ws_connect(url) for _ in range(10)]
        assert 429 == await status(session, url)
        for ws in ten:
            await ws.close()
    async with serving() as (venue, client):
        for _ in range(30):
            async with client.session.ws_connect(venue.ws_url):
                pass
        assert 429 == await status(client.session, venue.ws_url)


async def test_subscriptions_and_users_are_counted_over_all_connections() -> None:
    limits = Limits(ws_subscriptions=3, ws_users=2)
    async with (
        serving(limits=limits) as (venue, client),
        connected(venue, client.session) as one,
        connected(venue, client.session) as two,
    ):
        users = ["0x" + f"{i}" * 40 for i in range(3)]
        await one.subscribe("userFills", user=users[0])
        await two.subscribe("userFills", user=users[1])
        third_user = await two.subscribe("userFills", user=users[2])
        same_user = await two.subscribe("userFundings", user=users[0])
        fourth = await one.subscribe("bbo", coin="BTC")

    assert "Cannot track more than 2 total users." == third_user["data"]
    assert "subscriptionResponse" == same_user["channel"]
    assert "Cannot track more than 3 total subscriptions." == fourth["data"]


async def test_messages_of_a_minute_are_counted() -> None:
    async with (
        serving(limits=Limits(ws_messages_per_min=2)) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        for _ in range(3):
            await ws.say({"method": "ping"})
        answers = [await ws.next("pong", "error") for _ in range(3)]

    assert ["pong", "pong", "error"] == [answer["channel"] for answer in answers]


# -- posts -----------------------------------------------------------------------------------------


async def post(ws: Socket, number: int, kind: str, payload: Json) -> Json:
    request = {"type": kind, "payload": payload}
    await ws.say({"method": "post", "id": number, "request": request})
    return (await ws.next("post"))["data"]


async def test_requests_and_actions_are_posted_as_over_http() -> None:
    async with serving() as (venue, client), connected(venue, client.session) as ws:
        info = await post(ws, 1, "info", {"type": "exchangeStatus"})
        action = await post(ws, 2, "action", client.envelope(orders(BUY)))
        refused = await post(ws, 3, "action", {**client.envelope(orders(BUY)), "nonce": 1})
        malformed = await post(ws, 4, "info", {"type": "noSuchThing"})
        listed = await client.info("openOrders", user=client.user)

    exchange = {"time": NOW_MS, "specialStatuses": None}
    payload = {"type": "exchangeStatus", "data": exchange}
    assert {"id": 1, "response": {"type": "info", "payload": payload}} == info
    assert ("action", "ok") == (
        action["response"]["type"],
        action["response"]["payload"]["status"],
    )
    assert "err" == refused["response"]["payload"]["status"]
    assert {
        "type": "error",
        "payload": "Failed to deserialize the JSON body into the target type",
    } == malformed["response"]
    assert 1 == len(listed)


async def test_a_post_spends_the_same_weight_and_says_so_when_there_is_none() -> None:
    async with (
        serving(limits=Limits(ip_weight_per_min=21)) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        await post(ws, 1, "info", {"type": "meta"})
        refused = await post(ws, 2, "info", {"type": "meta"})

    assert {"type": "error", "payload": "429 Too Many Requests"} == refused["response"]


async def test_posts_in_flight_are_counted() -> None:
    limits = Limits(ws_posts_in_flight=1)
    async with (
        serving(limits=limits, order_delay_s=0.05) as (venue, client),
        connected(venue, client.session) as ws,
    ):
        for number in (1, 2):
            request = {"type": "action", "payload": client.envelope({"type": "noop"})}
            await ws.say({"method": "post", "id": number, "request": request})
        answers = [(await ws.next("post"))["data"] for _ in range(2)]

    assert {(1, "action"), (2, "error")} == {
        (answer["id"], answer["response"]["type"]) for answer in answers
    }
