"""A venue whose market a test writes row by row, and a client of its own for the wire.

The clock stands still until the test moves it. BTC trades around 100,000 and ETH around 4,000.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiohttp
import msgspec
from coincurve import PrivateKey

from connectors.hyperliquid.sign import l1_digest, pack, public_address
from connectors.hyperliquid.user_actions import user_digest
from connectors.simulated.clock import VenueClock
from connectors.simulated.core import VenueCore
from connectors.simulated.market import Block, listed
from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import VenueSettings
from engine.drive.seams import ManualClock
from engine.model.events import AssetContext, BookSnapshot, FundingRate, MarketEvent, Trade
from engine.model.units import NS_PER_MS, NS_PER_S, Side

Json: TypeAlias = Any  # whatever a JSON text or a keyword may hold

NOW_NS = 1_798_761_585 * NS_PER_S  # 2026-12-31T23:59:45Z
NOW_MS = NOW_NS // NS_PER_MS
KEY = PrivateKey(bytes.fromhex("01" * 32))
OTHER_KEY = PrivateKey(bytes.fromhex("02" * 32))
AGENT_KEY = PrivateKey(bytes.fromhex("03" * 32))
PX = {"BTC": 100_000.0, "ETH": 4_000.0}


def address(key: PrivateKey) -> str:
    return public_address(key.public_key)


def book(coin: str, bid: float, ask: float, *, ts_ns: int = NOW_NS, seq: int = 1) -> BookSnapshot:
    """Three levels of 1, 2 and 3 on each side, 10 apart."""
    sizes = (1.0, 2.0, 3.0)
    return BookSnapshot(
        ts_ns,
        ts_ns,
        f"hl:{coin}",
        seq,
        tuple(bid - 10 * i for i in range(3)),
        sizes,
        tuple(ask + 10 * i for i in range(3)),
        sizes,
    )


def context(
    coin: str, mark: float, *, oracle: float = 0.0, ts_ns: int = NOW_NS, rate: float = 0.0000125
) -> AssetContext:
    return AssetContext(ts_ns, ts_ns, f"hl:{coin}", mark, oracle or mark, rate, 1234.5)


def trade(coin: str, px: float, sz: float, side: int, *, ts_ns: int = NOW_NS) -> Trade:
    return Trade(ts_ns, ts_ns, f"hl:{coin}", px, sz, Side(side), 0)


def funding(coin: str, rate: float, *, ts_ns: int = NOW_NS) -> FundingRate:
    return FundingRate(ts_ns, ts_ns, f"hl:{coin}", rate)


def opening() -> list[MarketEvent]:
    rows: list[MarketEvent] = []
    for coin, px in PX.items():
        rows += [context(coin, px), book(coin, px - 5, px + 5), trade(coin, px, 0.5, 1)]
    return rows


class Scripted:
    """The opening rows, and then nothing: a test plays what it wants through the core."""

    def __init__(self, rows: list[MarketEvent] | None = None) -> None:
        self.instruments = listed(("BTC", "ETH"))
        self.queue = dict.fromkeys([one.id for one in self.instruments], "trades")
        self._rows = opening() if rows is None else rows
        self._is_given = False
        self.end_ns = 0

    def segment(self) -> Iterator[Block] | None:
        if self._is_given:
            return None
        self._is_given = True
        return iter([self._rows])


def scripted_core(clock: ManualClock | None = None, **settings: Json) -> VenueCore:
    """A core without a server, its market opened."""
    clock = clock or ManualClock(NOW_NS)
    core = VenueCore(VenueSettings(**settings), VenueClock(clock), Scripted())  # type: ignore[arg-type]
    core.play(opening())
    return core


class Client:
    """Talks to one venue for one key, the way any client of the real one would."""

    def __init__(
        self, venue: LoopbackVenue, session: aiohttp.ClientSession, key: PrivateKey = KEY
    ) -> None:
        self.venue = venue
        self.session = session
        self.key = key
        self.user = address(key)
        self.nonce = NOW_MS

    def of(self, key: PrivateKey) -> Client:
        """Another signer at the same venue."""
        return Client(self.venue, self.session, key)

    async def post(self, path: str, body: Json) -> tuple[int, Json]:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        async with self.session.post(
            self.venue.http_url + path, data=data, headers=headers
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return answer.status, msgspec.json.decode(text) if is_json else text

    async def info(self, kind: str, **params: Json) -> Json:
        status, body = await self.post("/info", {"type": kind, **params})
        assert 200 == status, body
        return body

    def envelope(
        self,
        action: dict[str, Json],
        *,
        nonce: int | None = None,
        expires_ms: int | None = None,
        is_mainnet: bool = False,
    ) -> dict[str, Json]:
        """A signed action, with explicit nulls as the official SDK sends them."""
        self.nonce += 1
        nonce = self.nonce if nonce is None else nonce
        if "signatureChainId" in action:
            digest = user_digest(action)
        else:
            digest = l1_digest(
                pack(action), nonce, is_mainnet=is_mainnet, expires_after_ms=expires_ms
            )
        made = self.key.sign_recoverable(digest, hasher=None)
        signature = {
            "r": hex(int.from_bytes(made[:32], "big")),
            "s": hex(int.from_bytes(made[32:64], "big")),
            "v": made[64] + 27,
        }
        return {
            "action": action,
            "nonce": nonce,
            "signature": signature,
            "vaultAddress": None,
            "expiresAfter": expires_ms,
        }

    async def act(self, action: dict[str, Json], **how: Json) -> Json:
        status, body = await self.post("/exchange", self.envelope(action, **how))
        assert 200 == status, body
        return body

    async def statuses(self, action: dict[str, Json], **how: Json) -> list[Json]:
        answer = await self.act(action, **how)
        assert "ok" == answer["status"], answer
        rows: list[Json] = answer["response"]["data"]["statuses"]
        return rows


def order(  # noqa: PLR0913 - an order's fields
    coin: str,
    side: str,
    px: str,
    sz: str,
    tif: str = "Gtc",
    *,
    cloid: str | None = None,
    reduce_only: bool = False,
    trigger: tuple[str, str] | None = None,
) -> dict[str, Json]:
    """One order as it is sent; `trigger` is (price, tp or sl)."""
    kind: dict[str, Json] = {"limit": {"tif": tif}}
    if trigger is not None:
        kind = {"trigger": {"isMarket": True, "triggerPx": trigger[0], "tpsl": trigger[1]}}
    row = {
        "a": list(PX).index(coin),
        "b": side == "buy",
        "p": px,
        "s": sz,
        "r": reduce_only,
        "t": kind,
    }
    if cloid is not None:
        row["c"] = cloid
    return row


def orders(*rows: dict[str, Json], grouping: str = "na") -> dict[str, Json]:
    return {"type": "order", "orders": list(rows), "grouping": grouping}


async def until(condition: Callable[[], Json], within_s: float = 20.0) -> None:
    """Wait for what nobody tells of; a real venue runs beside the test."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    clock: ManualClock | None = None, **settings: Json
) -> AsyncIterator[tuple[LoopbackVenue, Client]]:
    """A scripted venue over real sockets, and its first client."""
    venue = LoopbackVenue(
        VenueSettings(**settings),
        clock or ManualClock(NOW_NS),
        Scripted(),  # type: ignore[arg-type]
    )
    async with venue, aiohttp.ClientSession() as session:
        yield venue, Client(venue, session)
