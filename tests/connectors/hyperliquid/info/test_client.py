"""The client: what each method sends, how it walks, waits and pays, and what its errors say."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.metadata import PerpMeta
from connectors.hyperliquid.info.requests import REQUESTS
from connectors.web import HttpReply
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import ModelError, NotSentError, PerpdError, TransportError, VenueError
from engine.model.units import NS_PER_S
from tests.connectors.fakes import FakeHttp
from tests.connectors.hyperliquid.info.answers import ANSWERS, CLOID, USER, body
from tests.connectors.hyperliquid.info.examples import Json

Ask = Callable[[InfoClient], Awaitable[object]]

MIXED_CASE = "0x" + "Ab" * 20

# Every method: how it is called, and the JSON it sends.
CALLS: list[tuple[Ask, dict[str, Any]]] = [
    (lambda info: info.perp_dexs(), {"type": "perpDexs"}),
    (lambda info: info.meta(), {"type": "meta"}),
    (lambda info: info.meta("xyz"), {"type": "meta", "dex": "xyz"}),
    (lambda info: info.meta_and_asset_ctxs("xyz"), {"type": "metaAndAssetCtxs", "dex": "xyz"}),
    (lambda info: info.all_perp_metas(), {"type": "allPerpMetas"}),
    (lambda info: info.perp_dex_limits("xyz"), {"type": "perpDexLimits", "dex": "xyz"}),
    (lambda info: info.perp_dex_status(), {"type": "perpDexStatus", "dex": ""}),
    (lambda info: info.perps_at_open_interest_cap(), {"type": "perpsAtOpenInterestCap"}),
    (lambda info: info.perp_deploy_auction_status(), {"type": "perpDeployAuctionStatus"}),
    (lambda info: info.perp_annotation("BTC"), {"type": "perpAnnotation", "coin": "BTC"}),
    (lambda info: info.perp_categories(), {"type": "perpCategories"}),
    (lambda info: info.perp_concise_annotations(), {"type": "perpConciseAnnotations"}),
    (lambda info: info.exchange_status(), {"type": "exchangeStatus"}),
    (lambda info: info.spot_meta(), {"type": "spotMeta"}),
    (lambda info: info.all_mids(), {"type": "allMids"}),
    (lambda info: info.l2_book("BTC"), {"type": "l2Book", "coin": "BTC"}),
    (
        lambda info: info.l2_book("BTC", significant_figures=5, mantissa=2),
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 2},
    ),
    (lambda info: info.recent_trades("BTC"), {"type": "recentTrades", "coin": "BTC"}),
    (
        lambda info: info.candle_snapshot("BTC", "1m", 1, 9),
        {
            "type": "candleSnapshot",
            "req": {"coin": "BTC", "interval": "1m", "startTime": 1, "endTime": 9},
        },
    ),
    (
        lambda info: info.funding_history("BTC", 1),
        {"type": "fundingHistory", "coin": "BTC", "startTime": 1},
    ),
    (lambda info: info.predicted_fundings(), {"type": "predictedFundings"}),
    (
        lambda info: info.clearinghouse_state(MIXED_CASE),
        {"type": "clearinghouseState", "user": USER},
    ),
    (
        lambda info: info.active_asset_data(USER, "BTC"),
        {"type": "activeAssetData", "user": USER, "coin": "BTC"},
    ),
    (
        lambda info: info.spot_clearinghouse_state(USER),
        {"type": "spotClearinghouseState", "user": USER},
    ),
    (lambda info: info.user_abstraction(USER), {"type": "userAbstraction", "user": USER}),
    (lambda info: info.user_role(USER), {"type": "userRole", "user": USER}),
    (lambda info: info.extra_agents(USER), {"type": "extraAgents", "user": USER}),
    (
        lambda info: info.user_funding(USER, 1, 9),
        {"type": "userFunding", "user": USER, "startTime": 1, "endTime": 9},
    ),
    (
        lambda info: info.user_non_funding_ledger_updates(USER, 1),
        {"type": "userNonFundingLedgerUpdates", "user": USER, "startTime": 1},
    ),
    (lambda info: info.user_rate_limit(USER), {"type": "userRateLimit", "user": USER}),
    (lambda info: info.user_fees(USER), {"type": "userFees", "user": USER}),
    (lambda info: info.open_orders(USER), {"type": "openOrders", "user": USER}),
    (
        lambda info: info.frontend_open_orders(USER, "xyz"),
        {"type": "frontendOpenOrders", "user": USER, "dex": "xyz"},
    ),
    (lambda info: info.order_status(USER, 7), {"type": "orderStatus", "user": USER, "oid": 7}),
    (
        lambda info: info.order_status(USER, CLOID),
        {"type": "orderStatus", "user": USER, "oid": CLOID},
    ),
    (lambda info: info.user_fills(USER), {"type": "userFills", "user": USER}),
    (
        lambda info: info.user_fills_by_time(USER, 1, aggregate_by_time=True),
        {"type": "userFillsByTime", "user": USER, "startTime": 1, "aggregateByTime": True},
    ),
]


class Budget:
    """Keeps what was spent, and lets everything pass."""

    def __init__(self) -> None:
        self.spent: list[int] = []

    async def spend(self, weight: int) -> None:
        self.spent.append(weight)


def serving(*replies: tuple[int, bytes] | HttpReply | Exception) -> FakeHttp:
    """An HTTP that gives these replies in turn, the last one for ever."""
    left = list(replies)

    async def answer(path: str, _: bytes) -> HttpReply:
        assert path == "/info"
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, HttpReply) else HttpReply(reply[0], {}, reply[1])

    return FakeHttp(answer)


def asked(http: FakeHttp) -> list[Any]:
    return [json.loads(sent) for _, sent in http.requests]


def failure_of(http: FakeHttp, ask: Ask, **settings: Json) -> PerpdError:
    """The error that a request ends with."""

    async def main() -> PerpdError:
        with pytest.raises(PerpdError) as caught:
            await ask(InfoClient(http, **settings))
        return caught.value

    return run_virtual(main())


# -- what is sent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ask", "sent"), CALLS, ids=[str(sent["type"]) for _, sent in CALLS])
def test_a_method_sends_its_request_and_gives_the_typed_answer(
    ask: Ask, sent: dict[str, Any]
) -> None:
    request = REQUESTS[str(sent["type"])]
    http = serving((200, body(request.name)), (200, b"[]"))

    async def main() -> object:
        return await ask(InfoClient(http))

    answer = run_virtual(main())

    assert sent == asked(http)[0]
    expected = request.decode(body(request.name))
    if request.name == "allPerpMetas":
        expected = (expected[0], expected[1][0])
    assert expected == answer


def test_every_request_has_a_method_and_every_method_says_its_weight() -> None:
    methods = [
        method
        for name, method in inspect.getmembers(InfoClient, inspect.isfunction)
        if not name.startswith("_") and name != "fetch"
    ]

    assert set(REQUESTS) == {sent["type"] for _, sent in CALLS}
    assert len(REQUESTS) == len(methods)
    assert [] == [method.__name__ for method in methods if "eight" not in (method.__doc__ or "")]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda info: info.user_role("0x12"), "'0x12' is no address"),
        (lambda info: info.user_role("0x" + "g" * 40), "is no address"),
        (lambda info: info.order_status(USER, "0x1"), "'0x1' is no cloid"),
        (lambda info: info.perp_dex_limits(""), "dex is empty"),
    ],
)
def test_what_cannot_be_asked_is_not_sent(ask: Ask, said: str) -> None:
    http = serving((200, b"null"))

    error = failure_of(http, ask)

    assert isinstance(error, ModelError)
    assert said in str(error)
    assert [] == http.requests


# -- pages and weight ------------------------------------------------------------------------------


def funding_rows(times_ms: list[int]) -> bytes:
    row = ANSWERS["fundingHistory"][0]
    return json.dumps([row | {"time": time_ms} for time_ms in times_ms]).encode()


def test_a_history_is_walked_page_by_page_without_doubles() -> None:
    pages = [[10, 20, 30], [30, 40], [40]]
    http = serving(*[(200, funding_rows(page)) for page in pages])

    async def main() -> list[int]:
        rows = await InfoClient(http).funding_history("BTC", 5, 99)
        return [row.time_ms for row in rows]

    assert [10, 20, 30, 40] == run_virtual(main())
    assert [(5, 99), (30, 99), (40, 99)] == [
        (request["startTime"], request["endTime"]) for request in asked(http)
    ]


def test_every_request_and_its_rows_are_paid() -> None:
    budget = Budget()
    http = serving(
        (200, funding_rows(list(range(45)))), (200, funding_rows([44])), (429, b""), (200, b"[]")
    )

    async def main() -> None:
        info = InfoClient(http, budget.spend)
        await info.funding_history("BTC", 0)
        await info.perp_categories()

    run_virtual(main())

    assert [20, 2, 20, 20, 20] == budget.spent


def test_a_request_waits_for_the_budget() -> None:
    http = serving((200, body("meta")))

    async def slow(_: int) -> None:
        assert [] == http.requests
        await asyncio.sleep(3)

    async def main() -> int:
        await InfoClient(http, slow).meta()
        return virtual_clock().monotonic_ns()

    assert 3 * NS_PER_S == run_virtual(main()) - run_virtual(_now())


async def _now() -> int:
    return virtual_clock().monotonic_ns()


# -- waits and errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "waited_s"),
    [
        ([HttpReply(429, {}, b"")], 1),
        ([HttpReply(429, {}, b""), HttpReply(502, {}, b"<html>"), HttpReply(503, {}, b"")], 7),
        ([HttpReply(429, {"Retry-After": "12"}, b"")], 12),
        ([HttpReply(429, {"Retry-After": "86400"}, b"")], 30),
        ([HttpReply(429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, b"")], 1),
        ([HttpReply(429, {"Retry-After": "-5"}, b"")], 1),
    ],
)
def test_what_is_turned_away_for_now_is_asked_again_after_a_wait(
    replies: list[HttpReply], waited_s: int
) -> None:
    http = serving(*replies, (200, body("meta")))

    async def main() -> float:
        start_ns = virtual_clock().monotonic_ns()
        assert isinstance(await InfoClient(http).meta(), PerpMeta)
        return (virtual_clock().monotonic_ns() - start_ns) / NS_PER_S

    assert waited_s == run_virtual(main())


@pytest.mark.parametrize(
    ("reply", "kind", "said", "attempts"),
    [
        (
            (422, b"Failed to deserialize the JSON body into the target type"),
            VenueError,
            "info meta: refused: status 422 'Failed to deserialize the JSON body",
            1,
        ),
        ((429, b"Too Many"), TransportError, "over the rate limit, 4 times: status 429 'Too M", 4),
        ((500, b"null"), VenueError, "info meta: status 500 'null': it knows no such dex", 1),
        ((500, b"oops\n\x1b[2J"), TransportError, r"fails: status 500 'oops\n\x1b[2J'", 1),
        ((502, b"<html>" + b"x" * 500), TransportError, "status 502 '<html>xxx", 4),
        ((301, b""), VenueError, "info meta: refused: status 301 ''", 1),
        ((200, b"<html>hello"), VenueError, "makes no sense", 1),
        (NotSentError("refused"), NotSentError, "info meta: refused", 1),
        (TransportError("reset"), TransportError, "info meta: reset", 1),
    ],
)
def test_an_error_names_the_request_the_status_and_the_first_of_the_body(
    reply: tuple[int, bytes] | Exception, kind: type[PerpdError], said: str, attempts: int
) -> None:
    http = serving(reply)

    error = failure_of(http, lambda info: info.meta())

    assert kind is type(error)
    assert said in str(error)
    assert len(str(error)) < 300
    assert attempts == len(http.requests)


def test_the_attempts_can_be_bounded_to_one() -> None:
    http = serving((429, b""))

    failure_of(http, lambda info: info.meta(), attempts_max=1)

    assert 1 == len(http.requests)


def test_a_server_that_never_answers_is_a_transport_error() -> None:
    async def never(_: str, __: bytes) -> HttpReply:
        await asyncio.sleep(3600)
        raise AssertionError

    error = failure_of(FakeHttp(never), lambda info: info.meta(), timeout_s=2.0)

    assert isinstance(error, TransportError)
