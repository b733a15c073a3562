"""Every endpoint of the page over real sockets, with its envelope, its errors and its limits."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from connectors.simulated.faults import Fault, Kind
from connectors.simulated.perpex.tokens import READ, TRADE
from engine.model.units import Side
from tests.connectors.simulated.perpex.scene import (
    ALICE,
    BOB,
    START_NS,
    Json,
    Scene,
    cloid,
    limit,
    market,
    serving,
    until,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


# -- markets and books -----------------------------------------------------------------------------


async def test_markets_are_listed_without_a_token() -> None:
    async with serving() as scene:
        answer = await scene.ask("GET", "/markets")

        assert (200, ["BTC", "ETH"]) == (answer.status, [row["symbol"] for row in answer.data])
        assert answer.body["next_cursor"] is None
        assert {
            "symbol": "BTC",
            "base": "BTC",
            "quote": "USDC",
            "status": "active",
            "price_tick": None,
            "size_step": "0.00001",
            "sz_decimals": 5,
            "min_notional": "10.0",
            "max_leverage": 40,
            "only_isolated": False,
            "mark_price": "100000.5",
            "oracle_price": "100000.5",
            "mid_price": "100000.5",
            "funding_rate": "0.0000125",
            "next_funding_time": START_NS // 10**6 + 3_600_000,
            "open_interest": "1000.0",
            "volume_24h": "0.0",
        } == answer.data[0]


async def test_a_price_between_two_ticks_is_shown_whole() -> None:
    async with serving() as scene:
        scene.book(4_000.0, 4_000.01, coin="ETH", levels=1)
        row = (await scene.ask("GET", "/markets")).data[1]

        assert ("4000.005", "4000.005") == (row["mid_price"], row["mark_price"])


async def test_the_book_is_shown_to_the_depth_that_was_asked_for() -> None:
    async with serving() as scene:
        answer = await scene.ask("GET", "/orderbook/BTC?depth=2")

        assert {
            "symbol": "BTC",
            "time": START_NS // 10**6,
            "bids": [["100000.0", "5.0"], ["99999.0", "5.0"]],
            "asks": [["100001.0", "5.0"], ["100002.0", "5.0"]],
        } == answer.data
        assert 3 == len((await scene.ask("GET", "/orderbook/BTC")).data["bids"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/orderbook/NONE", 400, "INVALID_SYMBOL"),
        ("/orderbook/xyz%3ATSLA", 400, "INVALID_SYMBOL"),
        ("/orderbook/BTC?depth=0", 400, "INVALID_REQUEST"),
        ("/orderbook/BTC?depth=21", 400, "INVALID_REQUEST"),
        ("/orderbook/BTC?depth=two", 400, "INVALID_REQUEST"),
        ("/candles", 404, "NOT_FOUND"),
        ("/trades", 401, "UNAUTHORIZED"),
        ("/account", 401, "UNAUTHORIZED"),
    ],
)
async def test_a_read_that_cannot_be_answered_is_an_error_in_the_envelope(
    path: str, status: int, code: str
) -> None:
    async with serving() as scene:
        answer = await scene.ask("GET", path)

        assert (status, code) == (answer.status, answer.code)
        assert answer.body["error"]["message"]


async def test_a_method_that_a_path_does_not_have_says_which_it_has() -> None:
    async with serving() as scene:
        answer = await scene.ask("PUT", "/orders")

        assert (405, "METHOD_NOT_ALLOWED") == (answer.status, answer.code)
        assert "POST" == answer.headers["Allow"]


@pytest.mark.parametrize("prefix", ["/api/v1", "/v1", "/v1/api/v1"])
async def test_the_base_path_can_be_any_of_the_candidates_and_is_then_the_only_one(
    prefix: str,
) -> None:
    async with serving(prefixes=(prefix,)) as scene:
        found = {
            tried: (await scene.ask("GET", "/markets", prefix=tried)).status
            for tried in ("/api/v1", "/v1", "/v1/api/v1")
        }

        assert {tried: 200 if tried == prefix else 404 for tried in found} == found


# -- the account -----------------------------------------------------------------------------------


async def test_an_account_opens_at_first_sight_of_its_token_with_the_usual_balance() -> None:
    async with serving() as scene:
        answer = await scene.ask("GET", "/account", token=scene.token())

        assert {
            "time": START_NS // 10**6,
            "equity": "100000.0",
            "available": "100000.0",
            "margin_used": "0.0",
            "maintenance_margin": "0.0",
            "balances": [{"asset": "USDC", "total": "100000.0", "available": "100000.0"}],
            "positions": [],
            "open_orders": [],
        } == answer.data


async def test_a_position_is_shown_with_its_money() -> None:
    async with serving() as scene:
        token = scene.token()
        await scene.ask("POST", "/orders", market("sell", "0.1"), token=token)
        scene.book(99_900.0, 99_901.0)

        account = (await scene.ask("GET", "/account", token=token)).data

        # Sold 0.1 at 100000, fee 4.5; the mark fell to 99900.5.
        assert {
            "symbol": "BTC",
            "size": "-0.1",
            "entry_price": "100000.0",
            "mark_price": "99900.5",
            "leverage": "20",
            "margin_mode": "cross",
            "margin_used": "499.5025",
            "unrealized_pnl": "9.95",
            "realized_pnl": "0.0",
            "funding_paid": "0.0",
            "updated_at": START_NS // 10**6,
        } == {k: v for k, v in account["positions"][0].items() if k != "liquidation_price"}
        assert "100005.45" == account["equity"]
        assert "99995.5" == account["balances"][0]["total"]
        assert 1_000_000 < float(account["positions"][0]["liquidation_price"]) < 1_100_000


async def test_open_orders_are_left_out_where_the_setting_says_so() -> None:
    async with serving(lists_orders=False) as scene:
        answer = await scene.ask("GET", "/account", token=scene.token())

        assert "open_orders" not in answer.data


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_is_placed_read_and_canceled() -> None:
    async with serving() as scene:
        token = scene.token()
        placed = await scene.ask("POST", "/orders", limit(client_order_id=cloid(1)), token=token)
        expected = {
            "id": placed.data["id"],
            "client_order_id": cloid(1),
            "symbol": "BTC",
            "side": "buy",
            "type": "limit",
            "size": "0.01",
            "filled_size": "0.0",
            "average_price": None,
            "price": "99999.0",
            "trigger_price": None,
            "time_in_force": "gtc",
            "reduce_only": False,
            "status": "open",
            "reject_code": None,
            "created_at": START_NS // 10**6,
            "updated_at": START_NS // 10**6,
        }
        listed = (await scene.ask("GET", "/account", token=token)).data["open_orders"]
        canceled = await scene.ask("DELETE", f"/orders/{placed.data['id']}", token=token)
        again = await scene.ask("DELETE", f"/orders/{placed.data['id']}", token=token)

        assert (200, expected, [expected]) == (placed.status, placed.data, listed)
        assert {"id": placed.data["id"], "status": "canceled", "filled_size": "0.0"} == (
            canceled.data
        )
        assert (404, "ORDER_NOT_FOUND") == (again.status, again.code)


async def test_a_market_order_is_filled_at_once_and_its_answer_says_at_what() -> None:
    async with serving() as scene:
        answer = await scene.ask("POST", "/orders", market(size="6"), token=scene.token(key="k"))

        assert ("market", "filled", "6.0", "6.0", "100001.16666667", "ioc") == tuple(
            answer.data[name]
            for name in (
                "type",
                "status",
                "size",
                "filled_size",
                "average_price",
                "time_in_force",
            )
        )


async def test_a_market_order_does_not_go_beyond_the_price_it_was_given() -> None:
    async with serving() as scene:
        order = market(size="6", price="100001")
        answer = await scene.ask("POST", "/orders", order, token=scene.token())

        assert ("expired", "5.0") == (answer.data["status"], answer.data["filled_size"])


async def test_an_ioc_order_that_meets_nothing_has_expired() -> None:
    async with serving() as scene:
        order = limit(time_in_force="ioc")
        answer = await scene.ask("POST", "/orders", order, token=scene.token())

        assert (200, "expired", None) == (
            answer.status,
            answer.data["status"],
            answer.data["reject_code"],
        )


@pytest.mark.parametrize(
    ("kind", "trigger", "mark", "px"),
    [
        ("stop_market", "99000", 98_900.0, None),
        ("stop_limit", "99000", 98_900.0, "98000"),
        ("take_profit_market", "101000", 101_100.0, None),
        ("take_profit_limit", "101000", 101_100.0, "100900"),
    ],
)
async def test_each_kind_of_stop_waits_for_its_mark_and_closes_the_position(
    kind: str, trigger: str, mark: float, px: str | None
) -> None:
    async with serving() as scene:
        token = scene.token()
        await scene.ask("POST", "/orders", market(), token=token)
        order: Json = {
            "symbol": "BTC",
            "side": "sell",
            "type": kind,
            "size": "0.01",
            "trigger_price": trigger,
            "reduce_only": True,
        }
        if px is not None:
            order["price"] = px

        placed = await scene.ask("POST", "/orders", order, token=token)
        scene.book(mark, mark + 1)
        account = (await scene.ask("GET", "/account", token=token)).data
        fills = (await scene.ask("GET", "/trades", token=token)).data

        assert (kind, "open", f"{trigger}.0") == (
            placed.data["type"],
            placed.data["status"],
            placed.data["trigger_price"],
        )
        assert ([], []) == (account["positions"], account["open_orders"])
        assert (placed.data["id"], f"{mark}") == (fills[0]["order_id"], fills[0]["price"])


REFUSED: list[tuple[str, Json, int, str]] = [
    ("no such market", limit() | {"symbol": "NONE"}, 400, "INVALID_SYMBOL"),
    ("too large for the margin", limit(size="300"), 422, "INSUFFICIENT_MARGIN"),
    ("a price between ticks", limit(price="99999.55"), 422, "INVALID_PRICE"),
    ("a price of six figures", limit(price="99999.5"), 422, "INVALID_PRICE"),
    ("a price far away", limit(price="1000"), 422, "INVALID_PRICE"),
    ("less than a lot", limit(size="0.000001"), 422, "INVALID_SIZE"),
    ("no size", limit(size="0.0"), 400, "INVALID_REQUEST"),
    ("less than 10 USD", limit(size="0.00001"), 422, "INVALID_SIZE"),
    ("nothing to reduce", limit(reduce_only=True), 422, "REDUCE_ONLY_REJECTED"),
    (
        "post-only that would cross",
        limit(price="100001", time_in_force="alo"),
        422,
        "POST_ONLY_WOULD_CROSS",
    ),
    (
        "a stop that would open",
        market() | {"type": "stop_market", "trigger_price": "101000"},
        400,
        "INVALID_REQUEST",
    ),
    ("an unknown type", limit() | {"type": "iceberg"}, 400, "INVALID_REQUEST"),
    ("a limit without a price", market() | {"type": "limit"}, 400, "INVALID_REQUEST"),
    ("a stop without a trigger", market() | {"type": "stop_market"}, 400, "INVALID_REQUEST"),
    ("a limit with a trigger", limit(trigger_price="1"), 400, "INVALID_REQUEST"),
    ("a number for a size", limit() | {"size": 0.01}, 400, "INVALID_REQUEST"),
    ("a null", limit(client_order_id=None), 400, "INVALID_REQUEST"),
    ("an exponent", limit(size="1e-2"), 400, "INVALID_REQUEST"),
    ("a negative price", limit(price="-1"), 400, "INVALID_REQUEST"),
    ("a side that is none", limit(side="long"), 400, "INVALID_REQUEST"),
    ("a client id in upper case", limit(client_order_id="0x" + "AB" * 16), 400, "INVALID_REQUEST"),
    ("a short client id", limit(client_order_id="0x12"), 400, "INVALID_REQUEST"),
    ("an unknown field", limit(leverage=5), 400, "INVALID_REQUEST"),
    ("no object", [], 400, "INVALID_REQUEST"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(
    ("order", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_an_order_is_refused_by_its_code(order: Any, status: int, code: str) -> None:  # noqa: ANN401 - any JSON
    async with serving() as scene:
        token = scene.token()
        answer = await scene.ask("POST", "/orders", order, token=token)
        account = (await scene.ask("GET", "/account", token=token)).data

        assert (status, code, []) == (answer.status, answer.code, account["open_orders"])


async def test_an_unknown_order_and_somebody_elses_are_not_found() -> None:
    async with serving() as scene:
        order = await scene.ask("POST", "/orders", limit(), token=scene.token(BOB))
        for ident in (order.data["id"], "1", "x", "-1", "9" * 40):
            answer = await scene.ask("DELETE", f"/orders/{ident}", token=scene.token())

            assert (404, "ORDER_NOT_FOUND") == (answer.status, answer.code)


# -- client ids and keys ---------------------------------------------------------------------------


@pytest.mark.parametrize("first", [limit(), market()], ids=["resting", "filled"])
async def test_a_client_id_is_taken_once_whatever_became_of_its_order(first: Json) -> None:
    async with serving() as scene:
        token = scene.token()
        await scene.ask("POST", "/orders", first | {"client_order_id": cloid(1)}, token=token)

        answer = await scene.ask(
            "POST",
            "/orders",
            limit(client_order_id=cloid(1)),
            token=token,
        )

        assert (409, "DUPLICATE_CLIENT_ORDER_ID") == (answer.status, answer.code)


async def test_the_client_id_of_a_refused_order_may_be_used_again() -> None:
    async with serving() as scene:
        token = scene.token()
        refused = limit(size="300", client_order_id=cloid(1))
        assert 422 == (await scene.ask("POST", "/orders", refused, token=token)).status

        answer = await scene.ask("POST", "/orders", limit(client_order_id=cloid(1)), token=token)

        assert 200 == answer.status


async def test_an_idempotency_key_brings_the_same_answer_and_no_second_order() -> None:
    async with serving() as scene:
        token = scene.token()
        headers = {"Idempotency-Key": "one"}
        first = await scene.ask("POST", "/orders", limit(), token=token, headers=headers)
        again = await scene.ask("POST", "/orders", limit(), token=token, headers=headers)
        other = await scene.ask("POST", "/orders", market(), token=token, headers=headers)
        account = (await scene.ask("GET", "/account", token=token)).data

        assert (200, first.body) == (again.status, again.body)
        assert (400, "INVALID_REQUEST") == (other.status, other.code)
        assert [first.data["id"]] == [order["id"] for order in account["open_orders"]]


# -- batches ---------------------------------------------------------------------------------------


async def test_a_batch_of_ten_has_ten_results_in_its_order_and_may_fail_in_part() -> None:
    async with serving() as scene:
        orders = [limit(client_order_id=cloid(n)) for n in range(10)]
        orders[3] = limit(size="300")
        orders[7] = limit(client_order_id=cloid(1))
        answer = await scene.ask("POST", "/orders/batch", {"orders": orders}, token=scene.token())

        results = answer.data["results"]
        assert (200, list(range(10))) == (answer.status, [row["index"] for row in results])
        assert {3: "INSUFFICIENT_MARGIN", 7: "DUPLICATE_CLIENT_ORDER_ID"} == {
            row["index"]: row["error"]["code"] for row in results if "error" in row
        }
        assert [cloid(n) for n in (0, 1, 2, 4, 5, 6, 8, 9)] == [
            row["order"]["client_order_id"] for row in results if "order" in row
        ]


@pytest.mark.parametrize("count", [0, 11])
async def test_a_batch_of_none_or_eleven_is_refused_as_a_whole(count: int) -> None:
    async with serving() as scene:
        token = scene.token()
        batch = {"orders": [limit()] * count}
        answer = await scene.ask("POST", "/orders/batch", batch, token=token)
        account = (await scene.ask("GET", "/account", token=token)).data

        assert (400, "INVALID_REQUEST", []) == (
            answer.status,
            answer.code,
            account["open_orders"],
        )


# -- trades ----------------------------------------------------------------------------------------


async def _fills(scene: Scene, count: int) -> str:
    """Make so many fills of BTC, a second apart, and one of ETH."""
    token = scene.token()
    scene.book(4_000.0, 4_000.1, coin="ETH", levels=1)
    for _ in range(count):
        await scene.ask("POST", "/orders", market(), token=token)
        scene.advance(1)
    order = market(size="0.1") | {"symbol": "ETH"}
    await scene.ask("POST", "/orders", order, token=token)
    return token


async def test_fills_are_paged_newest_first_until_there_are_no_more() -> None:
    async with serving() as scene:
        token = await _fills(scene, 4)
        pages: list[list[str]] = []
        cursor: str | None = ""
        while cursor is not None:
            tail = f"&cursor={cursor}" if cursor else ""
            answer = await scene.ask("GET", f"/trades?limit=2{tail}", token=token)
            pages.append([row["id"] for row in answer.data])
            cursor = answer.body["next_cursor"]
        whole = (await scene.ask("GET", "/trades", token=token)).data

        assert [2, 2, 1] == [len(page) for page in pages]
        assert [row["id"] for row in whole] == [one for page in pages for one in page]
        assert whole == sorted(whole, key=lambda row: -int(row["time"]))
        assert 5 == len({row["id"] for row in whole})


async def test_fills_are_filtered_by_symbol_and_by_a_span_that_includes_its_ends() -> None:
    async with serving() as scene:
        token = await _fills(scene, 4)
        start = START_NS // 10**6
        found = [
            [
                (row["symbol"], row["time"] - start)
                for row in (await scene.ask("GET", f"/trades?{query}", token=token)).data
            ]
            for query in (
                "symbol=ETH",
                f"symbol=BTC&start={start + 1_000}&end={start + 2_000}",
                f"start={start + 9_000}",
            )
        ]

        assert [[("ETH", 4_000)], [("BTC", 2_000), ("BTC", 1_000)], []] == found


async def test_a_fill_says_what_it_cost_and_what_it_realised() -> None:
    async with serving() as scene:
        token = scene.token()
        await scene.ask("POST", "/orders", limit("sell", "0.01", "100001"), token=token)
        scene.trade(100_001.0, 9.0, Side.BUY)
        await scene.ask("POST", "/orders", market(client_order_id=cloid(5)), token=token)
        newest, oldest = (await scene.ask("GET", "/trades", token=token)).data

        assert ("maker", "sell", "0.1500015", "0.0", None) == tuple(
            oldest[name] for name in ("liquidity", "side", "fee", "realized_pnl", "client_order_id")
        )
        assert ("taker", "buy", "0.4500045", "0.0", cloid(5), "USDC") == tuple(
            newest[name]
            for name in ("liquidity", "side", "fee", "realized_pnl", "client_order_id", "fee_asset")
        )


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "INVALID_REQUEST"),
        ("limit=501", "INVALID_REQUEST"),
        ("start=-1", "INVALID_REQUEST"),
        ("end=soon", "INVALID_REQUEST"),
        ("cursor=elsewhere", "INVALID_REQUEST"),
        ("symbol=NONE", "INVALID_SYMBOL"),
    ],
)
async def test_a_question_about_trades_that_makes_no_sense_is_refused(
    query: str, code: str
) -> None:
    async with serving() as scene:
        answer = await scene.ask("GET", f"/trades?{query}", token=scene.token())

        assert (400, code) == (answer.status, answer.code)


# -- who may ask -----------------------------------------------------------------------------------


async def test_a_token_that_is_none_of_ours_is_refused() -> None:
    async with serving(strict=True) as scene:
        good = scene.token()
        head, _, tail = good.partition(".")
        for token in ("x" * 20, ALICE, f"{head[::-1]}.{tail}", good[:-4] + "AAAA"):
            answer = await scene.ask("GET", "/account", token=token)

            assert (401, "UNAUTHORIZED") == (answer.status, answer.code)
        other = await scene.ask("GET", "/account", headers={"Authorization": f"Basic {good}"})
        assert (401, 200) == (
            other.status,
            (await scene.ask("GET", "/account", token=good)).status,
        )


async def test_a_token_ends_at_its_time_and_a_new_one_goes_on() -> None:
    async with serving() as scene:
        token = scene.token(ttl_s=60)
        before = await scene.ask("GET", "/account", token=token)
        scene.advance(60)
        after = await scene.ask("POST", "/orders", limit(), token=token)
        renewed = await scene.ask("POST", "/orders", limit(), token=scene.token())

        assert [200, 401, 200] == [one.status for one in (before, after, renewed)]


async def test_tokens_can_be_made_to_expire_in_mid_run() -> None:
    async with serving() as scene:
        token = scene.token()
        scene.face.expire_tokens()

        assert 401 == (await scene.ask("GET", "/account", token=token)).status
        assert 200 == (await scene.ask("GET", "/account", token=scene.token())).status


@pytest.mark.parametrize(
    ("permission", "method", "path", "body"),
    [
        (TRADE, "GET", "/account", None),
        (TRADE, "GET", "/trades", None),
        (READ, "POST", "/orders", limit()),
        (READ, "POST", "/orders/batch", {"orders": []}),
        (READ, "DELETE", "/orders/1", None),
    ],
)
async def test_a_key_that_lacks_the_permission_is_forbidden(
    permission: str, method: str, path: str, body: Json | None
) -> None:
    async with serving() as scene:
        token = scene.token(permissions=(permission,))
        answer = await scene.ask(method, path, body, token=token)

        assert (403, "FORBIDDEN") == (answer.status, answer.code)


async def test_a_token_of_another_kind_becomes_an_account_unless_the_venue_is_strict() -> None:
    async with serving() as scene:
        await scene.ask("POST", "/orders", market(), token=ALICE)
        anything = await scene.ask("GET", "/account", token="any-token-at-all")  # noqa: S106

        assert (ALICE, 200) == (list(scene.core.accounts)[-2], anything.status)
        assert (
            "0.01"
            == (await scene.ask("GET", "/account", token=scene.token())).data["positions"][0][
                "size"
            ]
        )


# -- the limit -------------------------------------------------------------------------------------


async def test_the_121st_request_of_a_minute_is_throttled_and_says_how_long_to_wait() -> None:
    async with serving() as scene:
        token = scene.token()
        for _ in range(60):
            await scene.ask("GET", "/account", token=token)
        scene.advance(20)
        for _ in range(60):
            await scene.ask("GET", "/markets", token=token)

        refused = await scene.ask("POST", "/orders", limit(), token=token)
        others = await scene.ask("GET", "/account", token=scene.token(BOB))
        scene.advance(int(refused.headers["Retry-After"]) - 1)
        still = await scene.ask("GET", "/account", token=token)
        scene.advance(1)
        passed = await scene.ask("GET", "/account", token=token)

        assert (429, "RATE_LIMITED", "40") == (
            refused.status,
            refused.code,
            refused.headers["Retry-After"],
        )
        assert [200, 429, 200] == [one.status for one in (others, still, passed)]
        assert [] == scene.core.accounts[ALICE].live()


async def test_a_key_is_counted_by_itself_whatever_its_token_is() -> None:
    async with serving(requests_max=2) as scene:
        found = [
            (await scene.ask("GET", "/account", token=scene.token(key=key))).status
            for key in ("one", "one", "one", "two")
        ]

        assert [200, 200, 429, 200] == found


async def test_requests_without_a_token_are_counted_too() -> None:
    async with serving(requests_max=2) as scene:
        found = [
            (await scene.ask("GET", path, token=token)).status
            for path, token in (("/account", None), ("/account", "short"), ("/markets", None))
        ]

        assert [401, 401, 429] == found


@pytest.mark.parametrize(("counts", "passed"), [("one", 3), ("n", 1)])
async def test_a_batch_counts_as_the_setting_says(counts: str, passed: int) -> None:
    async with serving(requests_max=3, batch_counts=counts) as scene:
        token = scene.token()
        batch = {"orders": [limit(), limit()]}
        found = [
            (await scene.ask("POST", "/orders/batch", batch, token=token)).status for _ in range(3)
        ]

        assert passed == found.count(200)


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "orders"),
    [
        ("status_429", 429, 0),
        ("bad_gateway", 502, 0),
        ("null_500", 500, 0),
        ("late_502", 502, 1),
        ("garbage", 200, 1),
        ("delay", 200, 1),
    ],
)
async def test_a_fault_answers_as_it_says_and_carries_out_or_not(
    kind: Kind, status: int, orders: int
) -> None:
    async with serving() as scene:
        token = scene.token()
        scene.faults.http(Fault(kind, action="POST orders"))
        assert 200 == (await scene.ask("GET", "/account", token=token)).status

        answer = await scene.ask("POST", "/orders", limit(), token=token)

        assert (status, orders) == (answer.status, len(scene.core.accounts[ALICE].live()))
        assert 200 == (await scene.ask("POST", "/orders", limit(), token=token)).status


@pytest.mark.parametrize(("kind", "orders"), [("refuse", 0), ("drop_after", 1)])
async def test_a_connection_is_lost_before_an_order_is_carried_out_or_after(
    kind: Kind, orders: int
) -> None:
    async with serving() as scene:
        token = scene.token()
        scene.faults.http(Fault(kind, action="POST orders"))

        with pytest.raises(aiohttp.ServerDisconnectedError):
            await scene.ask("POST", "/orders", limit(), token=token)

        assert orders == len(scene.core.accounts[ALICE].live())


@pytest.mark.parametrize(("kind", "orders"), [("hang_before", 0), ("hang_after", 1)])
async def test_an_order_is_never_answered_and_was_carried_out_or_not(
    kind: Kind, orders: int
) -> None:
    async with serving() as scene:
        scene.faults.http(Fault(kind, action="POST orders"))
        asking = asyncio.create_task(scene.ask("POST", "/orders", limit(), token=scene.token()))

        live = scene.core.accounts[ALICE].live
        await until(lambda: bool(scene.faults.used) and len(live()) == orders)

        assert not asking.done()
        scene.faults.release_hung()
        await asking


async def test_an_action_takes_as_long_to_arrive_as_the_venue_is_set_to() -> None:
    async with serving(order_delay_s=0.05) as scene:
        token = scene.token()
        scene.faults.http(Fault("delay", action="POST orders"))
        placing = asyncio.create_task(scene.ask("POST", "/orders", limit(), token=token))
        await until(lambda: bool(scene.faults.used))
        before = await scene.ask("GET", "/account", token=token)
        order = await placing

        assert ([], "open") == (before.data["open_orders"], order.data["status"])


async def test_a_cancel_can_go_wrong_too() -> None:
    async with serving() as scene:
        token = scene.token()
        order = await scene.ask("POST", "/orders", limit(), token=token)
        scene.faults.http(Fault("late_502", action="DELETE orders"))

        answer = await scene.ask("DELETE", f"/orders/{order.data['id']}", token=token)

        assert (502, []) == (answer.status, scene.core.accounts[ALICE].live())


async def test_an_error_of_the_servers_own_is_answered_in_the_envelope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as scene:
        monkeypatch.setattr(scene.core, "reading", None)

        answer = await scene.ask("GET", "/account", token=scene.token())

        assert (500, "INTERNAL") == (answer.status, answer.code)


async def test_a_body_of_no_bound_is_not_read() -> None:
    async with serving() as scene:
        answer = await scene.ask("POST", "/orders", b" " * 2**19, token=scene.token())

        assert (400, "INVALID_REQUEST") == (answer.status, answer.code)


async def test_the_port_can_be_closed_and_opened_again() -> None:
    async with serving() as scene:
        await scene.faults.refuse_connections()
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(scene.face.url)
        await scene.faults.accept_connections()

        assert 200 == (await scene.ask("GET", "/markets")).status
