"""A small Perpex in memory: REST by a function of the test, a WebSocket server that acknowledges.

Nothing here decides like a venue: a test says what each request is answered, and reads what came.
"""

# ruff: noqa: ANN401 - a builder passes on whatever a test wants to set

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from connectors.perpex.auth import Tokens
from connectors.perpex.budget import RequestBudget
from connectors.perpex.mapping.read import Quarantine
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.rest import PerpexRest
from connectors.stream import Network
from connectors.web import HttpReply
from engine.config.secret import Secret
from engine.drive.seams import Clock
from engine.drive.virtual_time import virtual_clock
from engine.errors import TransportError
from engine.model.commands import Batch, Command, Place
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import Side, Tif
from tests.connectors.fakes import FakeDialer, FakeSocket, ScriptedRandomness

VENUE, ACCOUNT = "px", "main"
BTC, ETH = "px:BTC", "px:ETH"
TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0In0.c2lnbmF0dXJl"  # noqa: S105 - of nobody
CLOID = "0x" + "00000000000000ab" + "0000000000000001"
OTHER = "0x" + "00000000000000ab" + "0000000000000002"
FOURTH = "0x" + "00000000000000ab" + "0000000000000004"
T0_MS = 1_767_225_600_000

AT_READING = "at the time of reading"

Answer = HttpReply | Exception | float


class Request(NamedTuple):
    """One request as it came: path without its query, and the query as text."""

    method: str
    path: str
    query: str
    body: Any
    headers: dict[str, str]
    at_s: float


class FakeHttp:
    """Answers by `script`: a reply, an error to raise, or seconds after which a timeout is raised.

    `on` maps "METHOD /path" to a list of answers, used up one by one, the last for ever.
    """

    def __init__(self, clock: Clock, on: Mapping[str, list[Answer]] | None = None) -> None:
        self.requests: list[Request] = []
        self.on: dict[str, list[Answer]] = dict(on or {})
        self.is_closed = False
        self.delay_s = 0.0
        self._clock = clock

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> HttpReply:
        bare, _, query = path.partition("?")
        at_s = self._clock.monotonic_ns() / 1e9
        sent = None if body is None else json.loads(body)
        self.requests.append(Request(method, bare, query, sent, dict(headers or {}), at_s))
        await asyncio.sleep(self.delay_s)
        answers = self.on.get(f"{method} {bare}") or self.on.get(f"{method} *")
        if not answers:
            return error(404, "ORDER_NOT_FOUND" if method == "DELETE" else "INVALID_REQUEST")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, HttpReply):
            return self._as_of_now(answer)
        if isinstance(answer, Exception):
            raise answer
        await asyncio.sleep(min(answer, timeout_s))
        raise TransportError("no answer in time")

    def _as_of_now(self, answer: HttpReply) -> HttpReply:
        """An account that says `AT_READING` is as of the time it is read."""
        now_ms = str(self._clock.now_ns() // 10**6).encode()
        return answer._replace(body=answer.body.replace(f'"{AT_READING}"'.encode(), now_ms))

    async def aclose(self) -> None:
        self.is_closed = True

    def calls(self, method: str, path: str = "") -> list[Request]:
        return [r for r in self.requests if r.method == method and r.path.endswith(path)]


def reply(data: Any, status: int = 200, **envelope: Any) -> HttpReply:
    return HttpReply(status, {}, json.dumps({"data": data, **envelope}).encode())


def bare(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, headers or {}, raw)


def error(status: int, code: str, headers: Mapping[str, str] | None = None) -> HttpReply:
    return bare({"error": {"code": code, "message": "no"}}, status, headers)


def now_ms() -> int:
    """The virtual loop's time, in ms UTC."""
    return virtual_clock().now_ns() // 10**6


def slow_delete(http: FakeHttp, seconds: float, path_end: str = "") -> None:
    """Let every DELETE, or those of one order, take so long to reach the venue."""
    request = http.request

    async def slow(method: str, path: str, **fields: Any) -> HttpReply:
        if method == "DELETE" and path.endswith(path_end):
            await asyncio.sleep(seconds)
        return await request(method, path, **fields)

    http.request = slow  # type: ignore[method-assign]


DONE = reply({"status": "canceled", "filled_size": "0"})
NOT_FOUND = error(404, "ORDER_NOT_FOUND")


def instrument(coin: str = "BTC", sz_decimals: int = 3) -> Instrument:
    tiers = (MarginTier(0, 40), MarginTier(10**15, 20))
    return hyperliquid_instrument(VENUE, coin, sz_decimals=sz_decimals, margin_tiers=tiers)


def market(symbol: str = "BTC", **fields: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "base": symbol,
        "quote": "USDC",
        "status": "active",
        "price_tick": None,
        "size_step": "0.001",
        "sz_decimals": 3,
        "min_notional": "10",
        "max_leverage": 40,
        "only_isolated": False,
        "mark_price": "100",
        "oracle_price": "100.1",
        "mid_price": "100",
        "funding_rate": "0.0000125",
        "next_funding_time": T0_MS + 3_600_000,
        "open_interest": "5",
        "volume_24h": "1000",
        **fields,
    }


def account(**fields: Any) -> dict[str, Any]:
    return {
        "time": AT_READING,
        "equity": "1000",
        "available": "1000",
        "margin_used": "0",
        "maintenance_margin": "0",
        "balances": [{"asset": "USDC", "total": "1000", "available": "1000"}],
        "positions": [],
        "open_orders": [],
        **fields,
    }


def position(symbol: str = "BTC", size: object = "1.5", **fields: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "size": size,
        "entry_price": "100",
        "mark_price": "110",
        "leverage": "10",
        "margin_mode": "cross",
        "margin_used": "15",
        "unrealized_pnl": "15",
        "realized_pnl": "0",
        "liquidation_price": None,
        "funding_paid": None,
        "updated_at": T0_MS,
        **fields,
    }


def order(number: str = "1", status: str = "open", **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "client_order_id": CLOID,
        "symbol": "BTC",
        "side": "buy",
        "type": "limit",
        "size": "0.5",
        "filled_size": "0",
        "average_price": None,
        "price": "100",
        "trigger_price": None,
        "time_in_force": "gtc",
        "reduce_only": False,
        "status": status,
        "reject_code": None,
        "created_at": T0_MS,
        "updated_at": T0_MS,
        **fields,
    }


def fill(number: str = "f1", **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "order_id": "1",
        "client_order_id": CLOID,
        "symbol": "BTC",
        "side": "buy",
        "price": "100",
        "size": "0.5",
        "fee": "0.02",
        "fee_asset": "USDC",
        "liquidity": "maker",
        "realized_pnl": "0",
        "time": T0_MS + 5_000,
        **fields,
    }


def place(cloid: str = CLOID, px_ticks: int = 100_000, **fields: Any) -> Place:
    facts: dict[str, Any] = {"sz_lots": 500, "tif": Tif.GTC, "side": Side.BUY, **fields}
    return Place(instrument=facts.pop("instrument", BTC), cloid=cloid, px_ticks=px_ticks, **facts)


def batch(*commands: Command, kind: str = "order") -> Batch:
    return Batch(ACCOUNT, kind, commands, 1, len(commands))


def rest_over(
    http: FakeHttp,
    settings: PerpexSettings | None = None,
    tokens: Tokens | None = None,
) -> PerpexRest:
    """A client in the running virtual loop, its base path already known."""
    settings = settings or PerpexSettings(rest_prefix="/api/v1")
    clock = virtual_clock()
    budget = RequestBudget(settings.requests_max, settings.cancel_reserve, clock)
    tokens = tokens or Tokens(Secret(TOKEN), clock)
    return PerpexRest(http, settings, budget, tokens, ScriptedRandomness(), Quarantine())


class WsServer:
    """The other end of every socket of a dialer: acknowledges what is asked, if not told else.

    `refuse` maps a channel to the code its subscriptions are refused with; `mute` ignores them.
    """

    def __init__(self) -> None:
        self.dialer = FakeDialer()
        self.asked: list[dict[str, Any]] = []
        self.refuse: dict[str, str] = {}
        self.is_mute = False
        self.snapshots: dict[str, dict[str, Any]] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self.dialer.on_socket = self._serve

    def network(self) -> Network:
        return Network(self.dialer, virtual_clock(), ScriptedRandomness(1.0))

    def _serve(self, socket: FakeSocket) -> None:
        read = socket.send

        async def send(text: str) -> None:
            await read(text)
            self._hear(socket, json.loads(text))

        socket.send = send  # type: ignore[method-assign]

    def _hear(self, socket: FakeSocket, frame: dict[str, Any]) -> None:
        self.asked.append(frame)
        if self.is_mute or frame.get("op") == "pong":
            return
        number, channel = frame.get("id"), frame.get("channel", "")
        if frame["op"] == "auth":
            put(socket, {"op": "authenticated", "id": number})
        elif channel in self.refuse and frame["op"] == "subscribe":
            put(socket, {"op": "error", "id": number, "code": self.refuse[channel], "message": ""})
        else:
            put(socket, {"op": f"{frame['op']}d", "id": number, "channel": channel})
            if frame["op"] == "subscribe" and channel in self.snapshots:
                put(socket, {**self.snapshots[channel], "symbol": frame.get("symbol")})


def put(socket: FakeSocket, frame: dict[str, Any]) -> None:
    socket.put(json.dumps(frame))


def book_frame(seq: int, kind: str = "snapshot", **data: Any) -> dict[str, Any]:
    sides = {"bids": [["99", "1"]], "asks": [["101", "2"]], **data}
    return {
        "channel": "orderbook",
        "symbol": "BTC",
        "type": kind,
        "seq": seq,
        "time": T0_MS,
        "data": sides,
    }


Check = Callable[[], bool]


async def until(check: Check, within_s: float = 120.0) -> None:
    """Wait, in virtual time, until something holds."""
    async with asyncio.timeout(within_s):
        while not check():  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.05)
