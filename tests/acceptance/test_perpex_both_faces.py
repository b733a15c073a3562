"""One account through two gateways: what is done by Hyperliquid's wire is seen by Perpex's.

And the other way round, over real sockets on both sides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from connectors.simulated.server import LoopbackVenue
from tests.connectors.simulated.scripted import Client, Json, address, order, orders, serving, trade

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

CLOID = "0x" + "ab" * 16


class BothFaces:
    """One trader with a key for the one face and a token for the other."""

    def __init__(self, venue: LoopbackVenue, client: Client) -> None:
        self.venue = venue
        self.native = client
        self.token = venue.perpex.issue_token(address(client.key))

    async def ask(self, method: str, path: str, body: Json = None) -> Any:  # noqa: ANN401 - any JSON
        """Ask the Perpex face; the data of its answer."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.venue.perpex.url}/api/v1{path}"
        async with self.native.session.request(method, url, data=data, headers=headers) as answer:
            text = msgspec.json.decode(await answer.read())
            assert 200 == answer.status, text
            return text["data"]

    async def place(self, side: str, size: str, **more: object) -> Any:  # noqa: ANN401 - any JSON
        body = {"symbol": "BTC", "side": side, "size": size, "type": "market", **more}
        return await self.ask("POST", "/orders", body)

    async def views(self) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        """The account's facts by the native face, and the same ones by Perpex's."""
        state = await self.native.info("clearinghouseState", user=self.native.user)
        native: list[tuple[str, ...]] = [
            (
                one["position"]["coin"],
                one["position"]["szi"],
                one["position"]["entryPx"],
                one["position"]["unrealizedPnl"],
                one["position"]["marginUsed"],
                one["position"]["liquidationPx"],
                str(one["position"]["leverage"]["value"]),
                one["position"]["leverage"]["type"],
            )
            for one in state["assetPositions"]
        ]
        native.append((state["marginSummary"]["accountValue"],))
        account = await self.ask("GET", "/account")
        perpex: list[tuple[str, ...]] = [
            (
                one["symbol"],
                one["size"],
                one["entry_price"],
                one["unrealized_pnl"],
                one["margin_used"],
                one["liquidation_price"],
                one["leverage"],
                one["margin_mode"],
            )
            for one in account["positions"]
        ]
        perpex.append((account["equity"],))
        return native, perpex


@asynccontextmanager
async def trading() -> AsyncIterator[BothFaces]:
    async with serving(perpex_port=0) as (venue, client):
        yield BothFaces(venue, client)


async def test_positions_are_the_same_through_both_faces_wherever_they_were_made() -> None:
    async with trading() as both:
        await both.place("buy", "0.5")
        first = await both.views()
        await both.native.statuses(orders(order("BTC", "sell", "99000", "1.5", "Ioc")))
        await both.native.statuses(orders(order("ETH", "buy", "4100", "2", "Ioc")))
        await both.place("sell", "0.123")
        second = await both.views()

        assert first[0] == first[1]
        assert second[0] == second[1]
        assert [["0.5"], ["-1.123", "2.0"]] == [
            [row[1] for row in rows[:-1]] for rows in (first[0], second[0])
        ]


async def test_an_order_of_either_face_is_listed_and_canceled_by_the_other() -> None:
    async with trading() as both:
        mine = await both.place("buy", "0.1", type="limit", price="99000", client_order_id=CLOID)
        (native,) = await both.native.statuses(orders(order("BTC", "sell", "101000", "0.2")))
        native_id = str(native["resting"]["oid"])

        listed = (await both.ask("GET", "/account"))["open_orders"]
        shown = await both.native.info("openOrders", user=both.native.user)
        assert [mine["id"], native_id] == [one["id"] for one in listed]
        assert {mine["id"], native_id} == {str(one["oid"]) for one in shown}
        assert CLOID in {one.get("cloid") for one in shown}

        await both.ask("DELETE", f"/orders/{native_id}")
        cancel = {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": CLOID}]}
        assert ["success"] == await both.native.statuses(cancel)
        assert [] == (await both.ask("GET", "/account"))["open_orders"]
        assert [] == await both.native.info("openOrders", user=both.native.user)


async def test_fills_have_the_same_ids_prices_and_fees_through_both_faces() -> None:
    async with trading() as both:
        await both.place("sell", "0.1", type="limit", price="100002", client_order_id=CLOID)
        both.venue.core.play([trade("BTC", 100_002, 1.0, 1)])
        await both.place("buy", "1.5")
        await both.native.statuses(orders(order("BTC", "sell", "99000", "0.7", "Ioc")))

        native = await both.native.info("userFills", user=both.native.user)
        perpex = await both.ask("GET", "/trades")

        assert [
            (str(one["tid"]), str(one["oid"]), one["px"], one["sz"], one["fee"], one["time"])
            for one in sorted(native, key=lambda one: one["tid"])
        ] == [
            tuple(one[name] for name in ("id", "order_id", "price", "size", "fee", "time"))
            for one in sorted(perpex, key=lambda one: int(one["id"]))
        ]
        assert {"maker", "taker"} == {one["liquidity"] for one in perpex}
        assert 4 == len(perpex)


async def test_leverage_set_by_the_native_face_is_shown_by_the_other() -> None:
    async with trading() as both:
        leverage = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 7}
        await both.native.act(leverage)
        await both.place("buy", "0.1")

        native, perpex = await both.views()

        assert native == perpex
        assert "7" == perpex[0][6]


async def test_the_first_line_says_where_both_faces_are_and_its_tokens_trade() -> None:
    async with serving(perpex_port=0) as (venue, client):
        found = venue.addresses()
        tokens = found["perpex_tokens"]

        assert venue.perpex.url == found["perpex"]
        assert venue.perpex.ws_url == found["perpex_ws"]
        assert isinstance(tokens, dict)
        assert 2 == len(tokens)
        for user, token in tokens.items():
            both = BothFaces(venue, client)
            both.token = token
            await both.place("buy", "0.01")
            state = await client.info("clearinghouseState", user=user)
            assert "0.01" == state["assetPositions"][0]["position"]["szi"]


async def test_a_venue_without_a_perpex_port_has_no_such_face() -> None:
    async with serving() as (venue, _):
        assert venue.addresses()["perpex"] is None
