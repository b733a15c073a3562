"""The four channels over real sockets: what is said first, what is said then, and to whom."""

from __future__ import annotations

import pytest

from connectors.simulated.perpex.settings import PerpexFaceSettings
from engine.drive.seams import SystemClock
from engine.model.units import Side
from tests.connectors.simulated.perpex.scene import (
    ALICE,
    BOB,
    START_NS,
    Channel,
    Json,
    limit,
    market,
    serving,
    until,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

START_MS = START_NS // 10**6


async def subscribed(client: Channel, ident: int, /, **topic: object) -> Json:
    """Subscribe; the acknowledgement."""
    ack = await client.ask(op="subscribe", id=ident, **topic)
    assert ("subscribed", ident) == (ack["op"], ack["id"]), ack
    return ack


# -- trades ----------------------------------------------------------------------------------------


async def test_trades_are_pushed_with_the_side_of_the_aggressor() -> None:
    async with serving() as scene, scene.channel() as channel:
        ack = await subscribed(channel, 1, channel="trades", symbol="BTC")
        scene.trade(100_000.0, 0.5, Side.SELL)
        await scene.ask("POST", "/orders", market(), token=scene.token())
        first, second = await channel.receive(), await channel.receive()

        assert {"op": "subscribed", "id": 1, "channel": "trades", "symbol": "BTC"} == ack
        assert {
            "channel": "trades",
            "symbol": "BTC",
            "type": "update",
            "seq": 1,
            "time": START_MS,
        } == {key: value for key, value in first.items() if key != "data"}
        assert ["100000.0", "0.5", "sell", START_MS] == [
            first["data"][0][name] for name in ("price", "size", "side", "time")
        ]
        assert (2, "buy", "0.01") == (
            second["seq"],
            second["data"][0]["side"],
            second["data"][0]["size"],
        )


# -- books -----------------------------------------------------------------------------------------


def applied(book: Json, update: Json) -> Json:
    """A book after an update, by the rules of the page."""
    sides: Json = {}
    for name in ("bids", "asks"):
        levels = dict(book[name])
        for px, sz in update[name]:
            if sz == "0":
                del levels[px]
            else:
                levels[px] = sz
        sides[name] = sorted(map(list, levels.items()), reverse=name == "bids")
    return sides


async def test_a_book_begins_whole_and_goes_on_in_numbered_changes() -> None:
    async with serving() as scene, scene.channel() as channel:
        await subscribed(channel, 1, channel="orderbook", symbol="BTC", depth=2)
        snapshot = await channel.receive()
        scene.book(100_000.0, 100_001.0, size=4.0)
        scene.book(99_999.0, 100_000.0)
        updates = [await channel.receive() for _ in range(2)]

        assert ("snapshot", "update", "update") == (
            snapshot["type"],
            *(one["type"] for one in updates),
        )
        assert [snapshot["seq"] + 1, snapshot["seq"] + 2] == [one["seq"] for one in updates]
        assert [["100000.0", "5.0"], ["99999.0", "5.0"]] == snapshot["data"]["bids"]
        assert [["100002.0", "0"], ["100000.0", "5.0"], ["100001.0", "5.0"]] == updates[1]["data"][
            "asks"
        ]
        book = snapshot["data"]
        for update in updates:
            book = applied(book, update["data"])
        shown = (await scene.ask("GET", "/orderbook/BTC?depth=2")).data
        assert {"bids": shown["bids"], "asks": shown["asks"]} == book


async def test_an_order_of_an_account_is_seen_in_the_book_of_everybody() -> None:
    async with serving() as scene, scene.channel() as channel:
        await subscribed(channel, 1, channel="orderbook", symbol="BTC", depth=1)
        await channel.receive()
        token = scene.token()
        order = await scene.ask("POST", "/orders", limit(price="100000"), token=token)
        await scene.ask("DELETE", f"/orders/{order.data['id']}", token=token)

        assert [[["100000.0", "5.01"]], [["100000.0", "5.0"]]] == [
            (await channel.receive())["data"]["bids"] for _ in range(2)
        ]


async def test_a_market_that_says_the_same_again_is_no_update() -> None:
    async with serving() as scene, scene.channel() as channel:
        await subscribed(channel, 1, channel="orderbook", symbol="BTC")
        snapshot = await channel.receive()
        scene.book()
        scene.book(size=1.0)
        update = await channel.receive()

        assert snapshot["seq"] + 1 == update["seq"]
        assert {"1.0"} == {sz for side in update["data"].values() for _, sz in side}


async def test_a_lost_frame_is_a_gap_in_the_numbers_and_a_new_subscription_heals_it() -> None:
    async with serving() as scene, scene.channel() as channel:
        await subscribed(channel, 1, channel="orderbook", symbol="BTC")
        snapshot = await channel.receive()
        scene.faults.ws.drop("orderbook", "ETH")
        scene.faults.ws.drop("orderbook", "BTC")
        scene.book(size=1.0)
        scene.book(size=2.0)
        after = await channel.receive()
        await channel.ask(op="unsubscribe", id=2, channel="orderbook", symbol="BTC")
        await subscribed(channel, 3, channel="orderbook", symbol="BTC")
        healed = await channel.receive()
        scene.book(size=3.0)

        assert snapshot["seq"] + 2 == after["seq"]
        assert ("snapshot", after["seq"], "2.0") == (
            healed["type"],
            healed["seq"],
            healed["data"]["bids"][0][1],
        )
        assert healed["seq"] + 1 == (await channel.receive())["seq"]


async def test_a_book_that_nobody_watched_does_not_count_from_the_start_again() -> None:
    async with serving() as scene, scene.channel() as channel:
        topic = {"channel": "orderbook", "symbol": "BTC"}
        await subscribed(channel, 1, **topic)
        first = await channel.receive()
        await channel.ask(op="unsubscribe", id=2, **topic)
        scene.book(size=1.0)
        await subscribed(channel, 3, **topic)
        second = await channel.receive()

        assert first["seq"] + 1 == second["seq"]
        assert "1.0" == second["data"]["bids"][0][1]


# -- candles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "minutes"),
    [("1m", 1), ("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240), ("1d", 1_440)],
)
async def test_a_candle_forms_with_every_trade_and_closes_once(interval: str, minutes: int) -> None:
    async with serving() as scene, scene.channel() as channel:
        length_ms = minutes * 60_000
        scene.trade(100_000.0, 1.0, Side.BUY)
        await subscribed(channel, 1, channel="candles", symbol="BTC", interval=interval)
        snapshot = await channel.receive()
        scene.trade(100_004.0, 0.5, Side.BUY, ms=1)
        scene.trade(99_990.0, 0.5, Side.SELL, ms=length_ms + 1)
        frames = [await channel.receive() for _ in range(3)]

        assert ("snapshot", False) == (snapshot["type"], snapshot["data"]["closed"])
        assert {
            "open_time": START_MS,
            "close_time": START_MS + length_ms - 1,
            "interval": interval,
            "open": "100000.0",
            "high": "100004.0",
            "low": "100000.0",
            "close": "100004.0",
            "volume": "1.5",
            "trades": 2,
            "closed": True,
        } == frames[1]["data"]
        assert [False, True, False] == [frame["data"]["closed"] for frame in frames]
        assert [START_MS, START_MS, START_MS + length_ms] == [
            frame["data"]["open_time"] for frame in frames
        ]


async def test_a_candle_closes_when_the_market_is_past_it_even_without_a_trade() -> None:
    async with serving() as scene, scene.channel() as channel:
        scene.trade(100_000.0, 1.0, Side.BUY)
        await subscribed(channel, 1, channel="candles", symbol="BTC", interval="1m")
        await channel.receive()
        scene.advance(60)
        scene.book()
        scene.book()

        frame = await channel.receive()
        assert (True, "1.0") == (frame["data"]["closed"], frame["data"]["volume"])
        assert "pong" == (await channel.ask(op="ping", id=9))["op"]


# -- positions -------------------------------------------------------------------------------------


async def test_positions_begin_whole_and_go_on_with_those_that_change() -> None:
    async with serving() as scene:
        token = scene.token()
        await scene.ask("POST", "/orders", market(), token=token)
        async with scene.channel(token) as channel:
            ack = await subscribed(channel, 1, channel="positions")
            snapshot = await channel.receive()
            await scene.ask("POST", "/orders", market(size="0.02"), token=token)
            await scene.ask("POST", "/orders", market(), token=scene.token(BOB))
            await scene.ask("POST", "/orders", market("sell", "0.03"), token=token)
            more, closed = await channel.receive(), await channel.receive()

            assert {"op": "subscribed", "id": 1, "channel": "positions"} == ack
            assert ("snapshot", "0.01") == (snapshot["type"], snapshot["data"][0]["size"])
            assert (None, "update", "0.03") == (
                more["symbol"],
                more["type"],
                more["data"][0]["size"],
            )
            assert ("BTC", "0") == (closed["data"][0]["symbol"], closed["data"][0]["size"])
            assert "-0.03" == closed["data"][0]["realized_pnl"]


async def test_a_position_near_its_end_is_warned_of_once_and_again_when_it_was_safe() -> None:
    async with serving(balance=1_000) as scene:
        token = scene.token()
        await scene.ask("POST", "/orders", market(size="0.15"), token=token)
        async with scene.channel(token) as channel:
            await subscribed(channel, 1, channel="positions")
            await channel.receive()
            for px in (94_600.0, 94_500.0, 99_000.0, 94_600.0):
                scene.book(px, px + 1)
            warnings = [await channel.receive() for _ in range(2)]

            # Bought 0.15 at 100001, fee 6.75: at a mark of 94600.5 equity is 183.1 and 177.4
            # of it is needed.
            assert ["liquidation_warning"] * 2 == [one["type"] for one in warnings]
            assert ("BTC", "0.15", "94600.5") == tuple(
                warnings[0]["data"][name] for name in ("symbol", "size", "mark_price")
            )
            assert 0.95 < float(warnings[0]["data"]["margin_ratio"]) < 0.98
            assert 94_000 < float(warnings[0]["data"]["liquidation_price"]) < 94_600
            assert "pong" == (await channel.ask(op="ping", id=9))["op"]


# -- subscriptions ---------------------------------------------------------------------------------


async def test_the_eleventh_subscription_is_refused_until_another_is_given_up() -> None:
    async with serving() as scene, scene.channel() as channel:
        for depth in range(1, 11):
            await subscribed(channel, depth, channel="orderbook", symbol="BTC", depth=depth)
            await channel.receive()
        topic = {"channel": "trades", "symbol": "BTC"}
        refused = await channel.ask(op="subscribe", id=11, **topic)
        again = await channel.ask(op="subscribe", id=12, channel="orderbook", symbol="BTC", depth=3)
        await channel.receive()
        left = await channel.ask(
            op="unsubscribe", id=13, channel="orderbook", symbol="BTC", depth=3
        )

        assert ("error", 11, "TOO_MANY_SUBSCRIPTIONS") == (
            refused["op"],
            refused["id"],
            refused["code"],
        )
        assert ("subscribed", "unsubscribed") == (again["op"], left["op"])
        await subscribed(channel, 14, **topic)


async def test_ten_subscriptions_are_each_connections_own() -> None:
    async with (
        serving(subscriptions_max=1) as scene,
        scene.channel() as first,
        scene.channel() as second,
    ):
        for channel in (first, second):
            await subscribed(channel, 1, channel="trades", symbol="BTC")
        refused = await first.ask(op="subscribe", id=2, channel="trades", symbol="ETH")

    assert "TOO_MANY_SUBSCRIPTIONS" == refused["code"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"op": "subscribe", "channel": "trades", "symbol": "NONE"}, "INVALID_SYMBOL"),
        ({"op": "subscribe", "channel": "trades"}, "INVALID_SYMBOL"),
        ({"op": "subscribe", "channel": "fills", "symbol": "BTC"}, "INVALID_REQUEST"),
        (
            {"op": "subscribe", "channel": "orderbook", "symbol": "BTC", "depth": 21},
            "INVALID_REQUEST",
        ),
        (
            {"op": "subscribe", "channel": "candles", "symbol": "BTC", "interval": "3m"},
            "INVALID_REQUEST",
        ),
        ({"op": "subscribe", "channel": "positions"}, "UNAUTHORIZED"),
        ({"op": "unsubscribe", "channel": "trades", "symbol": "BTC"}, "INVALID_REQUEST"),
        ({"op": "auth", "token": "short"}, "UNAUTHORIZED"),
        ({"op": "dance"}, "INVALID_REQUEST"),
    ],
)
async def test_a_message_that_makes_no_sense_is_answered_by_an_error(
    message: Json, code: str
) -> None:
    async with serving() as scene, scene.channel() as channel:
        answer = await channel.ask(id=5, **message)

        assert ("error", 5, code) == (answer["op"], answer["id"], answer["code"])
        assert answer["message"]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"op":1}', '{"id":3}', "[" * 50_000])
async def test_what_is_no_message_at_all_is_answered_too(text: str) -> None:
    async with serving() as scene, scene.channel() as channel:
        await channel.socket.send_str(text)
        answer = await channel.receive()

        assert ("error", None, "INVALID_REQUEST") == (answer["op"], answer["id"], answer["code"])


# -- who is asking ---------------------------------------------------------------------------------


async def test_a_token_may_come_in_the_header_or_in_a_message() -> None:
    async with serving() as scene:
        token = scene.token()
        async with scene.channel(token) as channel:
            await subscribed(channel, 1, channel="positions")
        async with scene.channel() as channel:
            answer = await channel.ask(op="auth", id=0, token=token)
            assert {"op": "authenticated", "id": 0} == answer
            await subscribed(channel, 1, channel="positions")


async def test_a_bad_token_is_refused_at_the_upgrade() -> None:
    async with serving(strict=True) as scene:
        answer = await scene.ask("GET", "/ws", token="no-such-token", prefix="")  # noqa: S106

        assert (401, "UNAUTHORIZED") == (answer.status, answer.code)


async def test_a_key_that_may_not_read_gets_no_positions() -> None:
    async with serving() as scene, scene.channel(scene.token(permissions=("trade",))) as channel:
        answer = await channel.ask(op="subscribe", id=1, channel="positions")

        assert "FORBIDDEN" == answer["code"]


async def test_a_plain_request_at_the_socket_is_refused() -> None:
    async with serving() as scene:
        answer = await scene.ask("GET", "/ws", prefix="")

        assert (400, "INVALID_REQUEST") == (answer.status, answer.code)


async def test_a_token_that_ends_in_mid_run_ends_its_connection_and_no_other() -> None:
    async with serving() as scene:
        token = scene.token()
        async with scene.channel(token) as channel, scene.channel() as public:
            await subscribed(channel, 1, channel="positions")
            await channel.receive()
            scene.face.expire_tokens()
            answer = await channel.receive()

            assert ("error", None, "UNAUTHORIZED") == (answer["op"], answer["id"], answer["code"])
            assert 1008 == await channel.closed()
            await subscribed(public, 1, channel="trades", symbol="BTC")


async def test_a_token_that_runs_out_ends_its_connection_by_itself() -> None:
    async with (
        serving(clock=SystemClock()) as scene,
        scene.channel(scene.token(ttl_s=0.05)) as channel,
    ):
        assert "UNAUTHORIZED" == (await channel.receive())["code"]
        assert 1008 == await channel.closed()


# -- signs of life ---------------------------------------------------------------------------------


async def test_a_silent_client_is_pinged_and_kept_when_it_answers() -> None:
    async with (
        serving(clock=SystemClock(), ping_after_s=0.02, pong_within_s=5.0) as scene,
        scene.channel(autoping=False) as channel,
    ):
        for _ in range(2):
            ping = await channel.socket.receive(timeout=5)
            assert "PING" == ping.type.name
            await channel.socket.pong(ping.data)


async def test_a_client_that_pings_is_answered() -> None:
    async with serving() as scene, scene.channel(autoping=False) as channel:
        await channel.socket.ping(b"mine")

        assert b"mine" == (await channel.socket.receive(timeout=5)).data


async def test_a_client_that_does_not_answer_a_ping_is_disconnected() -> None:
    async with (
        serving(clock=SystemClock(), ping_after_s=0.02, pong_within_s=0.02) as scene,
        scene.channel(autoping=False) as channel,
    ):
        assert "PING" == (await channel.socket.receive(timeout=5)).type.name
        assert 1001 == await channel.closed()


async def test_pings_can_be_withheld() -> None:
    async with serving(clock=SystemClock(), ping_after_s=0.01, pong_within_s=0.01) as scene:
        scene.face.withhold_pings()
        async with scene.channel(autoping=False) as channel:
            with pytest.raises(TimeoutError):
                await channel.socket.receive(timeout=0.1)


def test_a_ping_comes_after_thirty_seconds_unless_set_otherwise() -> None:
    settings = PerpexFaceSettings()

    assert (30.0, 10, 120, 60.0) == (
        settings.ping_after_s,
        settings.subscriptions_max,
        settings.requests_max,
        settings.requests_span_s,
    )


# -- faults ----------------------------------------------------------------------------------------


async def test_connections_can_be_closed_reset_and_frozen() -> None:
    async with serving() as scene:
        async with scene.channel() as channel:
            await channel.ask(op="ping", id=1)
            scene.faults.ws.close_all()
            assert 1001 == await channel.closed()
        async with scene.channel() as channel:
            await channel.ask(op="ping", id=1)
            scene.faults.ws.reset_all()
            assert await channel.closed() in {None, 1006}
        async with scene.channel() as channel:
            await channel.ask(op="ping", id=1)
            scene.faults.ws.freeze_all()
            await channel.send(op="ping", id=2)
            with pytest.raises(TimeoutError):
                await channel.socket.receive(timeout=0.05)


async def test_frames_can_be_held_and_sent_twice() -> None:
    async with serving() as scene, scene.channel() as channel:
        await subscribed(channel, 1, channel="trades", symbol="BTC")
        scene.faults.ws.hold("trades")
        scene.trade(100_000.0, 1.0, Side.BUY)
        assert "pong" == (await channel.ask(op="ping", id=2))["op"]
        scene.faults.ws.release()
        assert 1 == (await channel.receive())["seq"]
        scene.faults.ws.duplicate("trades")
        scene.trade(100_000.0, 1.0, Side.BUY)

        assert [2, 2] == [(await channel.receive())["seq"] for _ in range(2)]


async def test_a_client_that_does_not_read_is_disconnected() -> None:
    async with serving(frames_queued_max=2) as scene, scene.channel() as channel:
        await subscribed(channel, 1, channel="trades", symbol="BTC")
        for _ in range(3):
            scene.trade(100_000.0, 1.0, Side.BUY)

        code = await channel.closed()

    assert 1006 == code


async def test_the_socket_is_at_the_root_too() -> None:
    async with serving() as scene, scene.channel(path="/") as channel:
        assert "pong" == (await channel.ask(op="ping", id=1))["op"]


async def test_what_is_left_of_a_connection_is_forgotten() -> None:
    async with serving() as scene:
        hub, instrument = scene.face.hub, scene.core.instruments["BTC"]
        async with scene.channel(scene.token(ALICE)) as channel:
            await subscribed(channel, 1, channel="trades", symbol="BTC")
            await subscribed(channel, 2, channel="orderbook", symbol="BTC")
            await channel.receive()
            await subscribed(channel, 3, channel="candles", symbol="BTC", interval="1m")
            await subscribed(channel, 4, channel="positions")
        topics = (
            hub.trades(instrument),
            hub.book(instrument, 20),
            hub.candles(instrument, "1m"),
            hub.positions(scene.core.accounts[ALICE]),
        )

        await until(lambda: not scene.faults.ws.wires)
        assert [0, 0, 0, 0] == [len(topic.subscribers) for topic in topics]
