"""Every shape of an answer to an action, and what must not be concluded from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hyperliquid.answers import (
    TEXT_MAX,
    Filled,
    NotTaken,
    Outcome,
    Refused,
    Request,
    Resting,
    Success,
    Unclear,
    Waiting,
    outcomes,
    post_outcomes,
)

HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
TICK = "Price must be divisible by tick size. asset=4"
GONE = "Order was never placed, already canceled, or filled. asset=4"


def statuses(*each: Any, kind: str = "order") -> bytes:  # noqa: ANN401 - any JSON
    response = {"type": kind, "data": {"statuses": each}}
    return msgspec.json.encode({"status": "ok", "response": response})


def refusal(text: str) -> bytes:
    return msgspec.json.encode({"status": "err", "response": text})


PLAIN = b'{"status":"ok","response":{"type":"default"}}'
RESTING = {"resting": {"oid": 77738308, "cloid": "0x" + "0" * 32}}
FILLED = {"filled": {"totalSz": "0.02", "avgPx": "1891.4", "oid": 77747314}}


# -- told plainly ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_kind", "body", "expected"),
    [
        (Request.ORDER, statuses(RESTING), [Resting(77738308)]),
        (Request.ORDER, statuses(FILLED), [Filled(77747314, "0.02", "1891.4")]),
        (Request.ORDER, statuses({"error": TICK}), [Refused(TICK)]),
        (
            Request.ORDER,
            statuses(RESTING, "waitingForFill", "waitingForTrigger"),
            [Resting(77738308), Waiting(), Waiting()],
        ),
        (
            Request.ORDER,
            statuses({"error": TICK}, FILLED),
            [Refused(TICK), Filled(77747314, "0.02", "1891.4")],
        ),
        (Request.MODIFY, statuses(RESTING), [Resting(77738308)]),
        (Request.MODIFY, PLAIN, [Success()]),
        (Request.CANCEL, statuses("success", {"error": GONE}), [Success(), Refused(GONE)]),
        (Request.PLAIN, PLAIN, [Success()]),
        (Request.PLAIN, b'{"status":"ok","response":{"type":"default","data":null}}', [Success()]),
        (
            Request.ORDER,
            statuses({"resting": {"oid": 1, "new": []}, "later": {}}),
            [Resting(1)],
        ),
    ],
)
def test_each_command_gets_its_own_outcome(
    request_kind: Request, body: bytes, expected: list[Outcome]
) -> None:
    assert expected == list(outcomes(200, body, len(expected), request_kind))
    assert expected == list(post_outcomes("action", body, len(expected), request_kind))


def test_one_error_for_several_orders_is_the_error_of_each() -> None:
    body = statuses({"error": TICK})

    assert (Refused(TICK),) * 3 == outcomes(200, body, 3, Request.ORDER)


@pytest.mark.parametrize("request_kind", list(Request))
def test_a_refusal_of_the_whole_is_that_of_each(request_kind: Request) -> None:
    text = "L1 error: User or API Wallet 0x1234 does not exist."

    assert (Refused(text),) * 2 == outcomes(200, refusal(text), 2, request_kind)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, b"", "HTTP 429"),
        (429, b"null", "HTTP 429: null"),
        (
            422,
            b"Failed to deserialize the JSON body into the target type",
            "HTTP 422: Failed to deserialize the JSON body into the target type",
        ),
        (400, b'{"code":1,"msg":"no"}', 'HTTP 400: {"code":1,"msg":"no"}'),
        (403, b"\xff\xfe", "HTTP 403: \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_client_error_took_nothing(status: int, body: bytes, expected: str) -> None:
    assert (NotTaken(expected),) * 2 == outcomes(status, body, 2, Request.ORDER)


# -- not told --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [100, 202, 204, 302, 408, 499, 500, 502, 503, 504, 520])
@pytest.mark.parametrize("body", [b"", HTML, statuses(RESTING)])
def test_what_a_server_or_proxy_failed_at_is_unclear(status: int, body: bytes) -> None:
    found = outcomes(status, body, 2, Request.ORDER)

    assert [Unclear, Unclear] == [type(each) for each in found]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        HTML,
        b'{"status":"ok"}',
        b'{"status":"ok","response":null}',
        b'{"status":"ok","response":"text"}',
        b'{"status":"err","response":{"text":1}}',
        b'{"status":"maybe","response":"text"}',
        b'{"status":"ok","response":{"type":"order","data":{}}}',
        PLAIN,
        statuses()[:-3],
        statuses(),
        statuses(RESTING),
        statuses(RESTING, RESTING, RESTING),
        statuses({"error": TICK}, {"error": TICK}, {"error": TICK}),
        refusal("Invalid nonce: duplicate nonce 1700000000000"),
        b"[" * 100_000,
        b'{"status":"ok","response":' + b"[" * 100_000,
    ],
)
def test_an_answer_that_does_not_fit_leaves_every_order_unclear(body: bytes) -> None:
    found = outcomes(200, body, 2, Request.ORDER)

    assert [Unclear, Unclear] == [type(each) for each in found]


@pytest.mark.parametrize(
    ("request_kind", "status"),
    [
        (Request.ORDER, "success"),
        (Request.ORDER, "waitingForGodot"),
        (Request.ORDER, None),
        (Request.ORDER, 7),
        (Request.ORDER, []),
        (Request.ORDER, {}),
        (Request.ORDER, {"canceled": {}}),
        (Request.ORDER, {"error": None}),
        (Request.ORDER, {"error": 7}),
        (Request.ORDER, {**RESTING, "error": TICK}),
        (Request.ORDER, {**RESTING, **FILLED}),
        (Request.ORDER, {"resting": {}}),
        (Request.ORDER, {"resting": {"oid": "1"}}),
        (Request.ORDER, {"resting": {"oid": -1}}),
        (Request.ORDER, {"resting": {"oid": 2**63}}),
        (Request.ORDER, {"filled": {"oid": 1}}),
        (Request.ORDER, {"filled": {"oid": 1, "totalSz": "NaN", "avgPx": "1"}}),
        (Request.ORDER, {"filled": {"oid": 1, "totalSz": "-1", "avgPx": "1"}}),
        (Request.ORDER, {"filled": {"oid": 1, "totalSz": "1\n", "avgPx": "1"}}),
        (Request.CANCEL, RESTING),
        (Request.CANCEL, "waitingForFill"),
        (Request.MODIFY, "success"),
        (Request.PLAIN, "success"),
    ],
)
def test_a_status_that_makes_no_sense_is_unclear_and_spoils_no_other(
    request_kind: Request, status: object
) -> None:
    refused, found = outcomes(200, statuses({"error": TICK}, status), 2, request_kind)

    assert isinstance(found, Unclear)
    assert isinstance(refused, Unclear if request_kind is Request.PLAIN else Refused)


# -- over the socket -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'"429 Too Many Requests"', NotTaken),
        (b'"422 Unprocessable Entity"', NotTaken),
        (b'"502 Bad Gateway"', Unclear),
        (b'"200 OK"', Unclear),
        (b'"Internal error"', Unclear),
        (b'"4290 things"', Unclear),
        (b"429 Too Many Requests", NotTaken),
        (b"{}", Unclear),
        (b"", Unclear),
    ],
)
def test_a_posts_error_is_judged_by_the_status_it_begins_with(
    payload: bytes, expected: type[Outcome]
) -> None:
    found = post_outcomes("error", payload, 2, Request.ORDER)

    assert [expected, expected] == [type(each) for each in found]


def test_a_post_of_another_type_is_unclear() -> None:
    assert isinstance(post_outcomes("info", b'"429"', 1, Request.ORDER)[0], Unclear)


# -- whatever comes --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
ANSWERS = [
    statuses(RESTING, FILLED, {"error": TICK}, "waitingForFill"),
    statuses("success", {"error": GONE}, kind="cancel"),
    PLAIN,
    refusal("Too many cumulative requests sent (97460 > 97456)"),
    HTML,
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An answer with a few bytes changed, taken out or put in."""
    body = bytearray(draw(st.sampled_from(ANSWERS)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        stop = min(len(body), start + draw(st.integers(0, 6)))
        body[start:stop] = draw(st.binary(max_size=6))
    return bytes(body)


@given(
    status=st.sampled_from([200, 200, 200, 429, 500]),
    body=mutated() | st.binary(max_size=80) | JSON.map(msgspec.json.encode),
    count=st.integers(1, 5),
    request_kind=st.sampled_from(Request),
)
def test_any_bytes_give_one_short_outcome_a_command(
    status: int, body: bytes, count: int, request_kind: Request
) -> None:
    for found in (
        outcomes(status, body, count, request_kind),
        post_outcomes("action", body, count, request_kind),
        post_outcomes("error", body, count, request_kind),
    ):
        assert count == len(found)
        for outcome in found:
            if isinstance(outcome, Refused | NotTaken):
                assert len(outcome.text) <= TEXT_MAX
            if isinstance(outcome, Unclear):
                assert len(outcome.detail) <= TEXT_MAX


@given(inner=JSON)
def test_any_status_of_a_well_formed_answer_is_a_known_one_or_unclear(inner: object) -> None:
    (found,) = outcomes(200, statuses(inner), 1, Request.ORDER)

    is_told = inner in ("waitingForFill", "waitingForTrigger") or (
        isinstance(inner, dict) and {"resting", "filled", "error"} & inner.keys()
    )
    assert is_told or isinstance(found, Unclear)


def test_every_recorded_answer_is_read(shared_dir: Path) -> None:
    path = shared_dir / "data" / "hyperliquid_rest" / "captured_testnet_2026.jsonl"
    found: dict[str, list[type[Outcome]]] = {}
    for line in path.read_bytes().splitlines():
        told = msgspec.json.decode(line)
        if isinstance(told["response"], dict) and "status" in told["response"]:
            body = msgspec.json.encode(told["response"])
            is_cancel = "cancel" in told["what"]
            count = 3 if told["what"].startswith("batch cancel") else 1
            request = Request.CANCEL if is_cancel else Request.ORDER
            found[told["what"]] = [type(each) for each in outcomes(200, body, count, request)]

    assert [Success, Refused, Refused] == found["batch cancel by oid: live, filled, made-up"]
    assert [Filled] == found["IOC 200 where 136 rest"]
    assert [Resting] == found["reduce-only GTC of a whole 2.54 USD long"]
    assert not [what for what, each in found.items() if Unclear in each]
