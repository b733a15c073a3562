"""A whole link to a venue in memory, in virtual time: what it answers is the test's to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.link import HyperliquidLink, Outside
from connectors.hyperliquid.settings import LinkSettings, Place
from connectors.port import Resumption, Wants
from connectors.stream import Backoff
from connectors.web import HttpReply
from engine.config.secret import Secret
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import TransportError
from engine.model.events import AnyEvent, StreamChanged
from engine.model.units import NS_PER_MS
from tests.connectors.fakes import FakeDialer, FakeHttp, FakeSocket, ScriptedRandomness
from tests.connectors.hyperliquid.link_parts import cloid

SIGNER = Signer(Secret("22" * 32))
SETTINGS = LinkSettings(stream_backoff=Backoff(1.0, 8.0, 1.0), ack_timeout_s=5.0)
UNIVERSE = [
    {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 40},
    {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "marginTableId": 25},
]
CONTEXT = {
    "funding": "0.0000125",
    "openInterest": "1.0",
    "prevDayPx": "1.0",
    "dayNtlVlm": "1.0",
    "oraclePx": "100.0",
    "markPx": "100.0",
    "midPx": None,
}
SUMMARY = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "1000.0")


class Venue:
    """A venue in memory: answers requests, and acknowledges subscriptions unless told not to."""

    def __init__(self) -> None:
        self.clock = virtual_clock()
        self.dialer = FakeDialer()
        self.dialer.on_socket = self._take_over
        self.http = FakeHttp(self._answer)
        self.acks = True
        self.snapshots = True
        self.fails: set[str] = set()
        self.breaks: set[str] = set()
        self.slow_s: dict[str, float] = {}
        self.asked: list[str] = []
        self.actions: list[dict[str, Any]] = []
        self.universe = UNIVERSE
        self.capped: list[str] = []
        self.fundings: list[dict[str, Any]] = []

    def now_ms(self) -> int:
        return self.clock.now_ns() // NS_PER_MS

    def answers(self, asked: dict[str, Any]) -> Any:  # noqa: ANN401
        """What each request gets."""
        kind = asked["type"]
        if kind == "exchangeStatus":
            return {"time": self.now_ms() + 2_000}
        if kind == "clearinghouseState":
            return {
                "marginSummary": SUMMARY,
                "crossMarginSummary": SUMMARY,
                "withdrawable": "1.0",
                "assetPositions": [],
                "time": self.now_ms(),
            }
        if kind == "candleSnapshot":
            return self._candles(asked["req"]["startTime"], asked["req"]["endTime"])
        meta = {"universe": self.universe, "marginTables": [], "collateralToken": 0}
        table: dict[str, Any] = {
            "meta": meta,
            "metaAndAssetCtxs": [meta, [CONTEXT] * len(self.universe)],
            "perpsAtOpenInterestCap": self.capped,
            "userAbstraction": "default",
            "userRole": {"role": "user"},
            "userRateLimit": {"cumVlm": "5.0", "nRequestsUsed": 3, "nRequestsCap": 10_005},
            "activeAssetData": {
                "user": SIGNER.address,
                "coin": "BTC",
                "leverage": {"type": "cross", "value": 7},
                "maxTradeSzs": ["1.0", "1.0"],
                "availableToTrade": ["1.0", "1.0"],
                "markPx": "100.0",
            },
            "fundingHistory": self.fundings,
            "orderStatus": {"status": "unknownOid"},
        }
        return table.get(kind, [])

    def _candles(self, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        first = -(-start_ms // 60_000) * 60_000
        return [candle(open_ms, self) for open_ms in range(first, end_ms + 1, 60_000)]

    async def _answer(self, path: str, body: bytes) -> HttpReply:
        asked = msgspec.json.decode(body)
        if path == "/exchange":
            self.actions.append(asked)
            return HttpReply(200, {}, b'{"status":"ok","response":{"type":"default"}}')
        self.asked.append(asked["type"])
        if asked["type"] in self.slow_s:
            await asyncio.sleep(self.slow_s[asked["type"]])
        if asked["type"] in self.fails:
            raise TransportError("scripted")
        if asked["type"] in self.breaks:
            raise KeyError("a mistake of ours")
        return HttpReply(200, {}, msgspec.json.encode(self.answers(asked)))

    def _take_over(self, socket: FakeSocket) -> None:
        plain = socket.send

        async def send(text: str) -> None:
            await plain(text)
            message = msgspec.json.decode(text)
            if message["method"] != "subscribe" or not self.acks:
                return
            wanted = message["subscription"]
            put(socket, "subscriptionResponse", message | {"subscription": wanted | {"x": 1}})
            if wanted["type"] == "userFills" and self.snapshots:
                put(socket, "userFills", {"isSnapshot": True, "user": SIGNER.address, "fills": []})

        socket.send = send  # type: ignore[method-assign]


def candle(open_ms: int, venue: Venue) -> dict[str, Any]:
    del venue
    return {
        "t": open_ms,
        "T": open_ms + 59_999,
        "s": "BTC",
        "i": "1m",
        "o": "1.0",
        "c": "1.0",
        "h": "1.0",
        "l": "1.0",
        "v": "1.0",
        "n": 1,
    }


def put(socket: FakeSocket, channel: str, data: Any) -> None:  # noqa: ANN401
    socket.put(msgspec.json.encode({"channel": channel, "data": data}))


def book(socket: FakeSocket, venue: Venue) -> None:
    levels = [[{"px": "99.0", "sz": "1.0", "n": 1}], [{"px": "101.0", "sz": "1.0", "n": 1}]]
    put(socket, "l2Book", {"coin": "BTC", "time": venue.now_ms() + 2_000, "levels": levels})


def context(socket: FakeSocket) -> None:
    put(socket, "activeAssetCtx", {"coin": "BTC", "ctx": CONTEXT})


class Rig:
    """A link to a venue in memory."""

    def __init__(self, settings: LinkSettings = SETTINGS) -> None:
        self.venue = Venue()
        self.events: list[AnyEvent] = []
        self.chokes_on: type[AnyEvent] | None = None
        outside = Outside(
            self.venue.clock,
            ScriptedRandomness(1.0),
            self.venue.http,  # type: ignore[arg-type]
            self.venue.dialer,
        )
        place = Place("http://venue", "ws://venue/ws")
        accounts = {"main": (SIGNER.address, SIGNER)}
        self.link = HyperliquidLink("hl", place, accounts, outside, settings)

    async def open(self, resumption: Resumption | None = None, **wants: Any) -> Any:  # noqa: ANN401
        await self.link.load()
        want = Wants("hl:BTC", **({"book": True} | wants))
        states = await self.link.open([want], resumption or Resumption(), self._hear)
        await asyncio.sleep(0.01)
        return states[0]

    def _hear(self, event: AnyEvent) -> None:
        """Keep an event; the first of a kind that is choked on raises."""
        if type(event) is self.chokes_on:
            self.chokes_on = None
            raise KeyError("a mistake of ours")
        self.events.append(event)

    @property
    def market(self) -> FakeSocket:
        """The newest market connection: the one that was asked for the book."""
        return next(
            one for one in reversed(self.venue.dialer.sockets) if '"coin"' in "".join(one.sent)
        )

    @property
    def user(self) -> FakeSocket:
        """The newest account connection."""
        return next(
            one for one in reversed(self.venue.dialer.sockets) if '"user"' in "".join(one.sent)
        )

    def phases(self, stream: str) -> list[str]:
        return [
            event.phase.value
            for event in self.events
            if isinstance(event, StreamChanged) and event.stream == stream
        ]


def virtually(test: Callable[[Rig], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Let a test run with a rig of its own in virtual time."""

    async def play() -> None:
        rig = Rig()
        try:
            await test(rig)
        finally:
            await rig.link.close()
        assert len(asyncio.all_tasks()) == 1

    def run() -> None:
        run_virtual(play())

    run.__name__ = test.__name__
    return run


def update(rig: Rig, oid: int, status: str, px: str = "100.0", number: int = 1) -> None:
    """News of an order over the account's stream."""
    order: dict[str, Any] = {
        "coin": "BTC",
        "side": "B",
        "limitPx": px,
        "sz": "1.0",
        "oid": oid,
        "timestamp": rig.venue.now_ms(),
        "origSz": "1.0",
        "cloid": cloid(number),
    }
    row = {"order": order, "status": status, "statusTimestamp": rig.venue.now_ms()}
    put(rig.user, "orderUpdates", [row])
