"""The channels: subscribed to ten by ten and proven, watched, made anew, and read as events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from connectors.perpex.auth import Tokens
from connectors.perpex.feed import Feed, Private
from connectors.perpex.mapping.read import Quarantine
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.port import Wants
from engine.config.secret import Secret
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import ModelError
from engine.model.events import (
    AnyEvent,
    Bar,
    BookDelta,
    BookSnapshot,
    Quote,
    StreamChanged,
    Trade,
)
from engine.model.units import NS_PER_MS, NS_PER_S, Side
from tests.connectors.fakes import FakeSocket
from tests.connectors.perpex.fakes import (
    BTC,
    T0_MS,
    TOKEN,
    WsServer,
    book_frame,
    position,
    put,
    until,
)

MINUTE_NS = 60 * NS_PER_S
ALL = Wants(BTC, book=True, quotes=True, trades=True, bars_ns=(MINUTE_NS,))


class Rig:
    """A feed over a server in memory."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        self.server = WsServer()
        self.server.snapshots["orderbook"] = book_frame(1)
        self.heard: list[AnyEvent] = []
        self.positions: list[int] = []
        self.lost = 0
        self.quarantine = Quarantine()
        self.feed = Feed(
            "px",
            PerpexSettings(rest_prefix="/api/v1", **settings),
            self.server.network(),
            self.heard.append,
            self.quarantine,
            on_positions=lambda _, moved: self.positions.append(len(moved)),
            on_lost=self._count_lost,
        )

    def _count_lost(self) -> None:
        self.lost += 1

    def start(self, *wants: Wants, with_account: bool = False) -> None:
        tokens = Tokens(Secret(TOKEN), virtual_clock())
        accounts = {"main": Private(tokens, Quarantine(tokens.scrub))} if with_account else {}
        symbols = {want.instrument: want.instrument.partition(":")[2] for want in wants}
        self.feed.start(wants, symbols, accounts)

    def told(self, *kinds: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kinds)]

    def phases(self, stream: str) -> list[str]:
        return [str(e.phase) for e in self.told(StreamChanged) if e.stream == f"perpex {stream}"]

    @property
    def socket(self) -> FakeSocket:
        return self.server.dialer.sockets[-1]


def play(
    story: Callable[[Rig], Coroutine[Any, Any, Any]],
    *wants: Wants,
    with_account: bool = False,
    prepare: Callable[[Rig], None] = lambda _: None,
    **settings: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    async def run() -> object:
        rig = Rig(**settings)
        prepare(rig)
        rig.start(*(wants or (ALL,)), with_account=with_account)
        await rig.feed.wait_ready(5)
        try:
            return await story(rig)
        finally:
            await rig.feed.aclose()

    return run_virtual(run())


# -- subscribing -----------------------------------------------------------------------------------


def test_every_channel_is_asked_for_by_the_words_of_the_mapping() -> None:
    async def story(rig: Rig) -> list[dict[str, Any]]:
        return [{k: v for k, v in frame.items() if k != "id"} for frame in rig.server.asked]

    assert [
        {"op": "subscribe", "channel": "positions"},
        {"op": "subscribe", "channel": "orderbook", "symbol": "BTC", "depth": 20},
        {"op": "subscribe", "channel": "trades", "symbol": "BTC"},
        {"op": "subscribe", "channel": "candles", "symbol": "BTC", "interval": "1m"},
    ] == play(story, with_account=True)


def test_bars_of_a_length_that_the_venue_does_not_send_are_refused_and_not_left_out() -> None:
    async def story(rig: Rig) -> None:
        del rig

    with pytest.raises(ModelError, match="px:BTC: the venue sends no bars of 180000000000 ns"):
        play(story, Wants(BTC, bars_ns=(3 * MINUTE_NS,)))


def test_the_11th_subscription_opens_another_connection_and_positions_have_their_own() -> None:
    wants = [Wants(f"px:C{number}", trades=True) for number in range(21)]

    async def story(rig: Rig) -> list[int]:
        return sorted(len(socket.sent) for socket in rig.server.dialer.sockets)

    assert [1, 1, 10, 10] == play(story, *wants, with_account=True)


def test_the_token_goes_into_the_upgrade_of_the_private_connection_only() -> None:
    async def story(rig: Rig) -> list[Any]:
        return [headers for _, headers in rig.server.dialer.dials]

    assert [{"Authorization": f"Bearer {TOKEN}"}, None] == play(story, with_account=True)


def test_or_it_is_the_first_message_where_the_settings_say_so() -> None:
    async def story(rig: Rig) -> tuple[Any, list[Any]]:
        return rig.server.asked[:2], [headers for _, headers in rig.server.dialer.dials]

    wants = Wants(BTC)
    asked, headers = play(story, wants, with_account=True, auth="message")
    assert {"op": "auth", "id": 0, "token": TOKEN} == asked[0]
    assert ("subscribe", "positions") == (asked[1]["op"], asked[1]["channel"])
    assert [None] == headers


def test_a_stream_is_ready_when_acknowledged_and_a_book_s_when_its_snapshot_came() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        before = rig.phases("orderbook")
        put(rig.socket, book_frame(1))
        await asyncio.sleep(0.1)
        assert rig.feed.is_ready
        return before, rig.phases("orderbook")

    def no_snapshot(rig: Rig) -> None:
        rig.server.snapshots.clear()

    before, after = play(story, prepare=no_snapshot)
    assert ["down", "up"] == before
    assert ["down", "up", "ready"] == after


def test_a_connection_whose_subscriptions_are_not_acknowledged_is_dropped_after_10_s() -> None:
    async def story(rig: Rig) -> tuple[int, list[str]]:
        await asyncio.sleep(5.5)
        rig.server.is_mute = False
        await until(lambda: rig.feed.is_ready)
        return len(rig.server.dialer.dials), rig.phases("trades")

    def mute(rig: Rig) -> None:
        rig.server.is_mute = True

    assert (2, ["down", "ready"]) == play(story, prepare=mute)


def test_a_refused_subscription_is_down_and_does_not_take_the_others_with_it() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str], int]:
        await asyncio.sleep(30)
        return rig.phases("trades"), rig.phases("candles:1m"), len(rig.server.dialer.dials)

    def refuse(rig: Rig) -> None:
        rig.server.refuse["trades"] = "INVALID_SYMBOL"

    assert (["down"], ["down", "ready"], 1) == play(story, prepare=refuse)


# -- signs of life ---------------------------------------------------------------------------------


def test_a_json_ping_is_answered_with_a_pong() -> None:
    async def story(rig: Rig) -> list[Any]:
        put(rig.socket, {"op": "ping"})
        await asyncio.sleep(0.1)
        return rig.server.asked[-1:]

    assert [{"op": "pong"}] == play(story)


def test_45_s_without_anything_means_that_the_connection_is_lost() -> None:
    async def story(rig: Rig) -> tuple[int, int, list[str]]:
        for _ in range(3):
            put(rig.socket, {"op": "ping"})
            await asyncio.sleep(44)
        alive = len(rig.server.dialer.dials)
        await asyncio.sleep(2.5)
        await until(lambda: rig.feed.is_ready)
        return alive, len(rig.server.dialer.dials), rig.phases("trades")

    assert (1, 2, ["down", "ready", "down", "ready"]) == play(story)


def test_reconnects_wait_1_2_4_up_to_30_s_and_subscribe_to_everything_again() -> None:
    async def story(rig: Rig) -> tuple[list[float], int]:
        clock, stamps = virtual_clock(), []
        dialer = rig.server.dialer
        dialer.refuse = 7
        asked = len(rig.server.asked)
        rig.socket.lose()
        last_ns = clock.monotonic_ns()
        for _ in range(8):
            dialer.dialled.clear()
            await dialer.dialled.wait()
            stamps.append(round((clock.monotonic_ns() - last_ns) / NS_PER_S, 1))
            last_ns = clock.monotonic_ns()
        await until(lambda: rig.feed.is_ready)
        return stamps, len(rig.server.asked) - asked

    waits, subscriptions = play(story)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == waits
    assert 3 == subscriptions


def test_positions_that_are_lost_and_found_ask_for_account_and_fills_to_be_read() -> None:
    async def story(rig: Rig) -> tuple[int, int]:
        before = rig.lost
        rig.server.dialer.sockets[0].lose()
        await asyncio.sleep(5)
        return before, rig.lost

    assert (1, 3) == play(story, with_account=True)


def test_a_token_that_the_server_calls_over_is_replaced_at_the_next_connection() -> None:
    made = 0

    async def source() -> Secret:
        nonlocal made
        made += 1
        return Secret(f"token-{made}")

    async def run() -> list[Any]:
        rig = Rig()
        tokens = Tokens(source, virtual_clock())
        rig.feed.start([], {}, {"main": Private(tokens, rig.quarantine)})
        await rig.feed.wait_ready(5)
        await asyncio.sleep(6)
        over = {"op": "error", "id": None, "code": "UNAUTHORIZED", "message": "expired"}
        put(rig.socket, over)
        rig.socket.lose()
        await asyncio.sleep(5)
        await rig.feed.aclose()
        return [headers for _, headers in rig.server.dialer.dials]

    assert ["Bearer token-1", "Bearer token-2"] == [
        headers["Authorization"] for headers in run_virtual(run())
    ]


def test_what_each_account_s_channel_echoes_is_freed_of_that_account_s_token() -> None:
    async def run() -> list[str]:
        rig = Rig()
        accounts = {}
        for name in ("first", "second"):
            tokens = Tokens(Secret(f"opaque-{name}"), virtual_clock())
            accounts[name] = Private(tokens, Quarantine(tokens.scrub))
        rig.feed.start([], {}, accounts)
        await rig.feed.wait_ready(5)
        for name, socket in zip(accounts, rig.server.dialer.sockets, strict=True):
            put(socket, {"op": f"opaque-{name}", "id": None})
            put(socket, {"channel": "positions", "type": "update", "data": [f"opaque-{name}"]})
        await asyncio.sleep(1)
        await rig.feed.aclose()
        return [str((one.quarantine.kept, one.quarantine.counts)) for one in accounts.values()]

    for text in run_virtual(run()):
        assert 3 <= text.count("(hidden)")
        assert "opaque" not in text


# -- books -----------------------------------------------------------------------------------------


def test_books_are_told_as_they_come_and_quotes_when_the_best_changes() -> None:
    async def story(rig: Rig) -> tuple[list[Any], list[Any]]:
        put(rig.socket, book_frame(2, "update", bids=[["98", "5"]], asks=[]))
        put(rig.socket, book_frame(3, "update", bids=[["99.5", "5"]], asks=[]))
        await asyncio.sleep(0.1)
        quotes = [(e.bid_px, e.bid_sz, e.ask_px, e.ask_sz) for e in rig.told(Quote)]
        return [(type(e).__name__, e.seq) for e in rig.told(BookSnapshot, BookDelta)], quotes

    books, quotes = play(story)
    assert [("BookSnapshot", 1), ("BookDelta", 2), ("BookDelta", 3)] == books
    assert [(99.0, 1.0, 101.0, 2.0), (99.5, 5.0, 101.0, 2.0)] == quotes


def test_a_book_is_told_whole_again_as_its_changes_made_it_and_not_while_it_is_unknown() -> None:
    async def story(rig: Rig) -> tuple[list[BookSnapshot], int]:
        put(rig.socket, book_frame(2, "update", bids=[["99.5", "5"]], asks=[], time=T0_MS + 7))
        await asyncio.sleep(0.1)
        rig.heard.clear()
        rig.feed.tell_book(BTC)
        told = rig.told(BookSnapshot)
        rig.server.is_mute = True
        put(rig.socket, book_frame(9, "update"))
        await asyncio.sleep(0.1)
        rig.heard.clear()
        rig.feed.tell_book(BTC)
        return told, len(rig.told(BookSnapshot))

    told, unknown = play(story)
    assert [(2, (99.5, 99.0), (5.0, 1.0), (101.0,), (2.0,))] == [
        (book.seq, book.bid_px, book.bid_sz, book.ask_px, book.ask_sz) for book in told
    ]
    assert 0 == unknown


@pytest.mark.parametrize(
    "frame",
    [
        book_frame(3, "update"),
        book_frame(1, "update"),
        book_frame(2, "update", bids=[["101", "1"]]),
        book_frame(2, "update", bids=[["bad"]]),
        book_frame(1),
        book_frame(2, "rumour"),
        {**book_frame(2, "update"), "data": "nothing"},
    ],
)
def test_a_book_that_breaks_has_a_gap_until_it_was_subscribed_to_anew(
    frame: dict[str, Any],
) -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str], int]:
        asked = len(rig.server.asked)
        put(rig.socket, frame)
        await until(lambda: len(rig.server.asked) == asked + 2 and rig.feed.is_ready)
        operations = [item["op"] for item in rig.server.asked[asked:]]
        return rig.phases("orderbook"), operations, len(rig.told(BookDelta))

    phases, operations, deltas = play(story)
    assert ["ready", "gap", "ready"] == [phase for phase in phases[1:] if phase != "up"]
    assert ["unsubscribe", "subscribe"] == operations
    assert 0 == deltas


def test_a_book_that_breaks_again_and_again_is_asked_for_ever_more_slowly() -> None:
    async def story(rig: Rig) -> int:
        asked = len(rig.server.asked)
        for _ in range(600):
            put(rig.socket, book_frame(9, "update"))
            await asyncio.sleep(0.1)
        return (len(rig.server.asked) - asked) // 2

    assert 5 <= play(story) <= 8


def test_a_silent_book_is_stale_while_the_connection_lives() -> None:
    async def story(rig: Rig) -> list[str]:
        for _ in range(12):
            await asyncio.sleep(5)
            put(rig.socket, {"op": "ping"})
        put(rig.socket, book_frame(2, "update"))
        await asyncio.sleep(1)
        changes = [e for e in rig.told(StreamChanged) if e.stream == "perpex age of orderbook"]
        return [str(event.phase) for event in changes]

    assert ["stale", "ready"] == play(story)


# -- trades, candles, positions --------------------------------------------------------------------


def test_trades_are_told_once_by_their_id_with_the_aggressor_s_side() -> None:
    async def story(rig: Rig) -> list[Any]:
        row = {"id": 7, "price": "100", "size": "0.5", "side": "SELL", "time": T0_MS + 2}
        older = {**row, "id": "6", "side": "buy", "time": T0_MS + 1}
        frame = {"channel": "trades", "symbol": "BTC", "type": "update", "data": [row, older]}
        put(rig.socket, frame)
        put(rig.socket, {**frame, "data": {**row, "id": 8}})
        put(rig.socket, {**frame, "data": [row, {**row, "id": 9, "side": "?"}, {"id": 1}]})
        await asyncio.sleep(0.1)
        return [(e.trade_id, e.side, e.px, e.sz, e.ts_venue_ns) for e in rig.told(Trade)]

    assert [
        (6, Side.BUY, 100.0, 0.5, (T0_MS + 1) * NS_PER_MS),
        (7, Side.SELL, 100.0, 0.5, (T0_MS + 2) * NS_PER_MS),
        (8, Side.SELL, 100.0, 0.5, (T0_MS + 2) * NS_PER_MS),
    ] == play(story)


def candle(minute: int, close: str, *, closed: object = None) -> dict[str, Any]:
    data = {
        "open_time": T0_MS + minute * 60_000,
        "close_time": T0_MS + minute * 60_000 + 59_999,
        "interval": "1m",
        "open": "100",
        "high": "103",
        "low": "99",
        "close": close,
        "volume": "7",
        "closed": closed,
    }
    return {"channel": "candles", "symbol": "BTC", "type": "update", "data": data}


def test_a_candle_is_told_once_when_it_is_called_closed_or_when_a_later_one_begins() -> None:
    async def story(rig: Rig) -> list[Any]:
        for frame in (
            candle(0, "101", closed=False),
            candle(0, "102", closed=True),
            candle(0, "102", closed=True),
            candle(1, "100"),
            candle(1, "101"),
            candle(2, "100"),
            candle(1, "1"),
            candle(4, "100"),
        ):
            put(rig.socket, frame)
        other = candle(9, "5", closed=True)
        other["data"]["interval"] = "5m"
        put(rig.socket, other)
        await asyncio.sleep(0.1)
        return [((e.ts_venue_ns // NS_PER_MS - T0_MS) // 60_000, e.close) for e in rig.told(Bar)]

    assert [(1, 102.0), (2, 101.0), (3, 100.0)] == play(story)


def test_positions_and_liquidation_alerts_ask_for_an_early_reading() -> None:
    async def story(rig: Rig) -> tuple[list[int], int]:
        socket = rig.server.dialer.sockets[0]
        frame = {"channel": "positions", "symbol": None, "type": "update"}
        put(socket, {**frame, "data": [position(), position("ETH", "0")]})
        alert = {"symbol": "BTC", "margin_ratio": "0.9", "mark_price": "90", "size": "1"}
        put(socket, {**frame, "type": "liquidation_warning", "data": alert})
        put(socket, {**frame, "type": "liquidated", "data": alert})
        await asyncio.sleep(0.1)
        return rig.positions, rig.feed.alerts.count

    assert ([2, 0, 0], 2) == play(story, with_account=True)


def test_a_liquidation_alert_stops_new_risk_until_none_came_for_five_minutes() -> None:
    async def story(rig: Rig) -> list[tuple[str, str, int]]:
        frame = {"channel": "positions", "symbol": None, "type": "liquidation_warning"}
        begun_ns = virtual_clock().monotonic_ns()
        stream = "perpex liquidation alert"
        for wait_s in (200, 400, 10):
            for socket in rig.server.dialer.sockets:  # a silent one was made anew meanwhile
                put(socket, {**frame, "data": {"symbol": "BTC", "margin_ratio": "0.9"}})
            await asyncio.sleep(wait_s)
        began_ns = virtual_clock().now_ns() - virtual_clock().monotonic_ns() + begun_ns
        return [
            (event.phase, event.account, round((event.ts_local_ns - began_ns) / NS_PER_S))
            for event in rig.told(StreamChanged)
            if event.stream == stream
        ]

    told = [("gap", "main", 0), ("ready", "main", 500), ("gap", "main", 600)]
    assert told == play(story, with_account=True)


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        "{}",
        b"\xff\x00",
        json.dumps({"op": "surprise"}),
        json.dumps({"op": "error", "id": None, "code": "RATE_LIMITED", "message": ""}),
        json.dumps({"channel": "gossip", "data": []}),
        json.dumps({"channel": "trades", "symbol": "DOGE", "data": []}),
        json.dumps({"channel": "trades", "symbol": "BTC"}),
        json.dumps({"channel": "candles", "symbol": "BTC", "data": {"open": "1"}}),
        json.dumps({"channel": "trades", "symbol": "BTC", "data": [{"id": 1}]}),
    ],
)
def test_a_frame_that_means_nothing_is_kept_apart_and_changes_nothing(frame: str | bytes) -> None:
    async def story(rig: Rig) -> tuple[int, int, int]:
        heard = len(rig.heard)
        rig.socket.put(frame)
        await asyncio.sleep(0.1)
        kept = sum(rig.quarantine.counts.values())
        return len(rig.heard) - heard, kept, len(rig.server.dialer.dials)

    assert (0, 1, 1) == play(story)
