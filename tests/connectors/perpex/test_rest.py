"""What is asked of Perpex, how often it is tried, and that an order is never sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from connectors.perpex.auth import Tokens
from connectors.perpex.mapping.names import Verdict
from connectors.perpex.mapping.read import Fault, Payload
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import OrderRequest
from connectors.perpex.preflight import check_permissions
from connectors.perpex.requests import check_order, order_request
from connectors.perpex.rest import NotSent, PerpexRest, Unclear
from connectors.web import HttpReply
from engine.config.secret import Secret
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import (
    CredentialsError,
    ModelError,
    NotSentError,
    TransportError,
    VenueError,
)
from engine.model.units import NS_PER_S
from tests.connectors.perpex.fakes import (
    T0_MS,
    TOKEN,
    FakeHttp,
    account,
    bare,
    error,
    fill,
    market,
    order,
    reply,
    rest_over,
)

Story = Callable[[FakeHttp, PerpexRest], Coroutine[Any, Any, Any]]
RAW = msgspec.Raw(b'{"symbol":"BTC"}')


def play(on: dict[str, list[Any]], story: Story, **fields: Any) -> Any:  # noqa: ANN401
    async def run() -> object:
        http = FakeHttp(virtual_clock(), on)
        return await story(http, rest_over(http, **fields))

    return run_virtual(run())


def now_s() -> float:
    return virtual_clock().monotonic_ns() / NS_PER_S


# -- the base path ---------------------------------------------------------------------------------


def test_the_first_candidate_that_lists_markets_as_json_wins_and_no_token_is_sent() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> tuple[str, list[str], bool]:
        rest.prefix = ""
        found = await rest.probe()
        tokenless = all("Authorization" not in call.headers for call in http.requests)
        return found, [call.path for call in http.requests], tokenless

    on = {
        "GET /api/v1/markets": [bare(b"<html>a landing page</html>")],
        "GET /v1/markets": [reply([market()])],
    }
    assert ("/v1", ["/api/v1/markets", "/v1/markets"], True) == play(on, story)


@pytest.mark.parametrize(
    "answer",
    [bare({"status": "ok"}), error(404, "NOT_FOUND"), bare(b"[]", 500), bare(b'"ok"'), bare(b"x")],
)
def test_a_host_that_lists_no_markets_anywhere_is_said_with_what_was_tried(
    answer: HttpReply,
) -> None:
    async def story(_: FakeHttp, rest: PerpexRest) -> None:
        rest.prefix = ""
        with pytest.raises(VenueError, match="/v1/api/v1"):
            await rest.probe()

    play({"GET *": [answer]}, story)


def test_a_host_that_cannot_be_reached_is_a_transport_error() -> None:
    async def story(_: FakeHttp, rest: PerpexRest) -> None:
        rest.prefix = ""
        with pytest.raises(TransportError):
            await rest.probe()

    play({"GET *": [NotSentError("refused")]}, story)


def test_a_base_path_of_the_settings_is_not_probed() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> tuple[str, int]:
        return await rest.probe(), len(http.requests)

    settings = PerpexSettings(rest_prefix="/api/v1")
    assert ("/api/v1", 0) == play({}, story, settings=settings)


# -- reads -----------------------------------------------------------------------------------------


def test_every_read_goes_to_the_endpoint_of_the_page_with_the_bearer_token() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> list[tuple[str, str, str | None]]:
        await rest.markets()
        await rest.orderbook("xyz:TSLA", 5)
        await rest.account()
        await rest.fills(symbol="BTC", start_ms=T0_MS, end_ms=T0_MS + 1)
        return [(r.path, r.query, r.headers.get("Authorization")) for r in http.requests]

    bearer = f"Bearer {TOKEN}"
    book = {"symbol": "xyz:TSLA", "time": T0_MS, "bids": [["9", "1"]], "asks": []}
    on = {
        "GET /api/v1/markets": [reply([market()])],
        "GET /api/v1/orderbook/xyz%3ATSLA": [reply(book)],
        "GET /api/v1/account": [reply(account())],
        "GET /api/v1/trades": [reply([])],
    }
    assert [
        ("/api/v1/markets", "", bearer),
        ("/api/v1/orderbook/xyz%3ATSLA", "depth=5", bearer),
        ("/api/v1/account", "", bearer),
        ("/api/v1/trades", f"limit=500&symbol=BTC&start={T0_MS}&end={T0_MS + 1}", bearer),
    ] == play(on, story)


@pytest.mark.parametrize("failure", [error(503, "UNAVAILABLE"), bare(b"<html>", 502), 99.0])
def test_a_read_is_tried_again_after_a_failure_of_the_server(failure: object) -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> int:
        await rest.account()
        return len(http.requests)

    assert 3 == play({"GET *": [failure, failure, reply(account())]}, story)


def test_a_read_that_never_succeeds_is_given_up_after_five_tries() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> int:
        with pytest.raises(TransportError, match="5 tries"):
            await rest.account()
        return len(http.requests)

    assert 5 == play({"GET *": [error(500, "INTERNAL")]}, story)


def test_a_429_is_waited_out_as_long_as_the_header_says() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> list[float]:
        await rest.account()
        return [call.at_s for call in http.requests]

    throttled = error(429, "RATE_LIMITED", {"Retry-After": "12"})
    assert [0.0, 12.0] == play({"GET *": [throttled, reply(account())]}, story)


def test_a_401_renews_the_token_once_and_a_second_one_is_the_end() -> None:
    async def story() -> tuple[list[str | None], int]:
        clock = virtual_clock()
        made = 0

        async def source() -> Secret:
            nonlocal made
            made += 1
            return Secret(f"token-{made}")

        http = FakeHttp(clock, {"GET *": [error(401, "UNAUTHORIZED"), reply(account())]})
        tokens = Tokens(source, clock)
        rest = rest_over(http, tokens=tokens)
        await tokens.get()
        await asyncio.sleep(6)
        await rest.account()
        first = [call.headers.get("Authorization") for call in http.requests]
        http.on["GET *"] = [error(401, "UNAUTHORIZED")]
        await asyncio.sleep(6)
        before = len(http.requests)
        with pytest.raises(CredentialsError, match="not accepted"):
            await rest.account()
        return first, len(http.requests) - before

    assert (["Bearer token-1", "Bearer token-2"], 2) == run_virtual(story())


def test_a_403_names_the_endpoint_and_says_that_the_permission_is_missing() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> int:
        with pytest.raises(CredentialsError, match=r"/account: HTTP 403 .*lacks the permission"):
            await rest.account()
        return len(http.requests)

    assert 1 == play({"GET *": [error(403, "FORBIDDEN")]}, story)


def test_trades_are_read_page_by_page_each_once_and_oldest_first() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> tuple[list[str], list[str]]:
        page = await rest.fills()
        return [item.id for item in page.fills], [call.query for call in http.requests]

    newest, older = fill("f3", time=T0_MS + 3), fill("f2", time=T0_MS + 2)
    on = {
        "GET *": [
            reply([newest, older], next_cursor="p2"),
            reply([older, fill("f1", time=T0_MS + 1)], next_cursor=None),
        ]
    }
    assert (["f1", "f2", "f3"], ["limit=500", "limit=500&cursor=p2"]) == play(on, story)


def test_a_page_that_brings_nothing_new_while_a_cursor_remains_stops_and_raises() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> int:
        with pytest.raises(VenueError, match="nothing new"):
            await rest.fills()
        return len(http.requests)

    assert 2 == play({"GET *": [reply([fill()], next_cursor="again")]}, story)


def test_unreadable_rows_of_trades_are_counted_and_the_others_are_given() -> None:
    async def story(_: FakeHttp, rest: PerpexRest) -> tuple[int, int]:
        page = await rest.fills()
        return len(page.fills), page.unreadable

    assert (1, 1) == play({"GET *": [reply([fill(), fill("f2", price="NaN")])]}, story)


@pytest.mark.parametrize("depth", [0, 21])
def test_a_depth_that_the_venue_does_not_have_is_refused_before_sending(depth: int) -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> int:
        with pytest.raises(ModelError):
            await rest.orderbook("BTC", depth)
        return len(http.requests)

    assert 0 == play({}, story)


# -- orders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(order()), Payload),
        (error(422, "INSUFFICIENT_MARGIN"), Fault),
        (error(401, "UNAUTHORIZED"), Fault),
        (error(429, "RATE_LIMITED"), Fault),
        (error(500, "INTERNAL"), Fault),
        (bare(b"<html>", 502), Fault),
        (bare(b"<html>", 200), Unclear),
        (bare(b'{"id":', 200), Unclear),
        (TransportError("reset"), Unclear),
        (NotSentError("refused"), NotSent),
        (99.0, Unclear),
    ],
)
def test_an_order_is_sent_once_whatever_comes_back(answer: object, expected: type) -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> tuple[type, int]:
        outcome = await rest.post_orders([RAW], "0xabc")
        await asyncio.sleep(100)
        return type(outcome), len(http.requests)

    assert (expected, 1) == play({"POST *": [answer]}, story)


def test_two_orders_go_to_the_batch_endpoint_and_one_to_its_own() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> list[tuple[str, Any, str | None]]:
        await rest.post_orders([RAW], "0xabc")
        await rest.post_orders([RAW, RAW])
        return [(r.path, r.body, r.headers.get("Idempotency-Key")) for r in http.requests]

    one = {"symbol": "BTC"}
    assert [
        ("/api/v1/orders", one, "0xabc"),
        ("/api/v1/orders/batch", {"orders": [one, one]}, None),
    ] == play({"POST *": [reply({})]}, story)


@pytest.mark.parametrize("count", [0, 11])
def test_no_order_and_an_eleventh_are_refused_before_sending(count: int) -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> int:
        with pytest.raises(ModelError, match="1 to 10"):
            await rest.post_orders([RAW] * count)
        return len(http.requests)

    assert 0 == play({}, story)
    assert "/orders/batch" == order_request([RAW] * 10)[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "iceberg"},
        {"side": "long"},
        {"time_in_force": "fok"},
        {"type": "limit", "price": ""},
        {"type": "stop_market"},
        {"type": "limit", "trigger_price": "5"},
        {"size": "0"},
        {"size": "-1"},
        {"size": "1e3"},
        {"price": "nan"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused_before_it_is_sent(fields: dict[str, str]) -> None:
    good = {"symbol": "BTC", "side": "buy", "type": "limit", "size": "1", "price": "5"}

    check_order(OrderRequest(**good))  # type: ignore[arg-type]
    with pytest.raises(ModelError):
        check_order(OrderRequest(**{**good, **fields}))  # type: ignore[arg-type]


# -- cancels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        ([reply({"id": "1", "status": "canceled"})], 1),
        ([TransportError("reset"), reply({"id": "1", "status": "canceled"})], 2),
        ([error(503, "UNAVAILABLE"), error(404, "ORDER_NOT_FOUND")], 2),
        ([error(429, "RATE_LIMITED"), reply({"status": "canceled"})], 2),
        ([error(404, "ORDER_NOT_FOUND")], 1),
        ([error(403, "FORBIDDEN")], 1),
        ([99.0], 3),
    ],
)
def test_a_cancel_is_tried_again_where_that_does_no_harm(answers: list[Any], requests: int) -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> int:
        await rest.cancel("a/b")
        return len(http.calls("DELETE", "/api/v1/orders/a%2Fb"))

    assert requests == play({"DELETE *": answers}, story)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([NotSentError("refused")], "NotSent refused"),
        ([error(429, "RATE_LIMITED")], "Fault RATE_LIMITED"),
        ([TransportError("reset"), NotSentError("refused")], "Unclear reset"),
        ([TransportError("reset"), error(429, "RATE_LIMITED")], "Unclear reset"),
        ([TransportError("reset"), error(403, "FORBIDDEN")], "Unclear reset"),
        ([error(503, "UNAVAILABLE"), NotSentError("refused")], "Fault UNAVAILABLE"),
        ([NotSentError("refused"), TransportError("reset"), NotSentError("x")], "Unclear reset"),
        ([TransportError("reset"), error(404, "ORDER_NOT_FOUND")], "Fault ORDER_NOT_FOUND"),
        ([TransportError("reset"), reply({"status": "canceled"})], "Payload"),
    ],
)
def test_an_unclear_try_of_a_cancel_is_remembered_until_the_venue_says_what_became_of_it(
    answers: list[Any], expected: str
) -> None:
    async def story(_: FakeHttp, rest: PerpexRest) -> str:
        outcome = await rest.cancel("1")
        what = getattr(outcome, "reason", getattr(outcome, "detail", ""))
        return f"{type(outcome).__name__} {what}".strip()

    assert expected == play({"DELETE *": answers}, story)


def test_a_cancel_renews_the_token_once_after_a_401() -> None:
    async def story() -> tuple[bool, int]:
        clock = virtual_clock()
        answers = [error(401, "UNAUTHORIZED"), reply({"status": "canceled"})]
        http = FakeHttp(clock, {"DELETE *": list(answers)})
        made = iter("abcdefgh")

        async def source() -> Secret:
            return Secret("token-" + next(made))

        tokens = Tokens(source, clock)
        rest = rest_over(http, tokens=tokens)
        await tokens.get()
        await asyncio.sleep(6)
        return isinstance(await rest.cancel("1"), Payload), len(http.requests)

    assert (True, 2) == run_virtual(story())


# -- what a key may do -----------------------------------------------------------------------------


def test_a_key_that_may_do_everything_passes_and_nothing_was_placed() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> list[Any]:
        await check_permissions(rest, "main", T0_MS)
        return [call.body for call in http.calls("POST")]

    on = {
        "GET /api/v1/account": [reply(account())],
        "GET /api/v1/trades": [reply([])],
        "POST *": [error(400, "INVALID_REQUEST")],
        "DELETE *": [error(404, "ORDER_NOT_FOUND")],
    }
    assert [{"orders": []}] == play(on, story)


def test_every_missing_permission_is_named_at_once() -> None:
    async def story(_: FakeHttp, rest: PerpexRest) -> str:
        with pytest.raises(CredentialsError) as caught:
            await check_permissions(rest, "main", T0_MS)
        return str(caught.value)

    on = {
        "GET /api/v1/account": [reply(account())],
        "GET /api/v1/trades": [error(403, "FORBIDDEN")],
        "POST *": [error(403, "FORBIDDEN")],
        "DELETE *": [error(403, "SCOPE")],
    }
    text = play(on, story)
    for what in ("account main", "read trades", "place orders", "cancel orders"):
        assert what in text
    assert "read the account" not in text


# -- secrecy ---------------------------------------------------------------------------------------


def test_a_server_that_echoes_the_token_gets_it_into_no_error_log_or_reason() -> None:
    async def story(http: FakeHttp, rest: PerpexRest) -> str:
        texts = []
        echo = {"error": {"code": TOKEN, "message": f"bad {TOKEN}"}}
        http.on = {"GET *": [bare(echo, 400)], "POST *": [bare(echo, 400)]}
        with pytest.raises(VenueError) as caught:
            await rest.account()
        texts.append(str(caught.value))
        outcome = await rest.post_orders([RAW])
        assert isinstance(outcome, Fault)
        assert Verdict.REFUSED is outcome.verdict
        texts.append(rest.scrub(outcome.reason))
        http.on = {"POST *": [TransportError(f"headers: {TOKEN}")]}
        unclear = await rest.post_orders([RAW])
        texts.append(repr(unclear))
        return "".join(texts)

    with capture_logs() as logs:
        text = play({}, story)
    assert TOKEN not in text
    assert TOKEN not in repr(logs)


def test_no_part_of_a_token_is_left_where_a_message_of_the_venue_s_was_cut() -> None:
    token = "opaque" * 150

    async def story() -> str:
        http = FakeHttp(virtual_clock())
        rest = rest_over(http, tokens=Tokens(Secret(token), virtual_clock()))
        texts = ""
        for count in range(1, 12):
            echo = {"error": {"code": "INVALID_REQUEST", "message": f"{token} " * count}}
            http.on = {"GET *": [bare(echo, 400)]}
            with pytest.raises(VenueError) as caught:
                await rest.account()
            texts += str(caught.value)
        return texts

    text = run_virtual(story())
    assert 11 * len("GET /account") < len(text)
    assert "opaq" not in text
