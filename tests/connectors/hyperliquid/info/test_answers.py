"""What an info answer may look like: every request by an example, nulls, and hostile bodies."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hyperliquid.info.ledger import Deposit, UnknownDelta
from connectors.hyperliquid.info.market import L2Book
from connectors.hyperliquid.info.metadata import PerpMeta
from connectors.hyperliquid.info.orders import OrderUnknown
from connectors.hyperliquid.info.requests import (
    L2_BOOK,
    META,
    ORDER_STATUS,
    REQUESTS,
    USER_NON_FUNDING_LEDGER_UPDATES,
    encode,
)
from engine.errors import VenueError
from tests.connectors.hyperliquid.info.answers import ANSWERS, CTX, FILL, HASH, ORDER, body
from tests.connectors.hyperliquid.info.examples import Json

# -- the same facts --------------------------------------------------------------------------------


def test_there_is_an_example_of_every_request() -> None:
    assert set(REQUESTS) == set(ANSWERS)


@pytest.mark.parametrize("request_name", sorted(REQUESTS))
def test_an_answer_encodes_to_the_facts_it_was_decoded_from(request_name: str) -> None:
    typed = REQUESTS[request_name].decode(body(request_name))

    assert ANSWERS[request_name] == json.loads(encode(typed))


# Every key of allMids is a coin, and userFees keeps a part of no settled form as it is.
@pytest.mark.parametrize("request_name", sorted(set(REQUESTS) - {"allMids", "userFees"}))
def test_fields_of_tomorrow_are_passed_over(request_name: str) -> None:
    grown = _with_more_fields(ANSWERS[request_name])

    typed = REQUESTS[request_name].decode(json.dumps(grown).encode())

    assert ANSWERS[request_name] == json.loads(encode(typed))


def _with_more_fields(value: Json) -> Json:
    if isinstance(value, dict):
        grown = {key: _with_more_fields(item) for key, item in value.items()}
        return grown | {"brandNew": {"x": 1}} if "evm_extra_wei_decimals" not in value else grown
    if isinstance(value, list):
        return [_with_more_fields(item) for item in value]
    return value


@pytest.mark.parametrize("request_name", ["perpDexLimits", "perpAnnotation"])
def test_null_is_an_answer_where_the_venue_gives_it(request_name: str) -> None:
    typed = REQUESTS[request_name].decode(b"null")

    assert typed is None
    assert b"null" == encode(typed)


@pytest.mark.parametrize("flag", [{}, {"isDelisted": None}, {"isDelisted": False}])
def test_a_flag_that_is_absent_null_or_false_stays_so(flag: dict[str, Any]) -> None:
    row = {"name": "BTC", "szDecimals": 5, "maxLeverage": 40} | flag
    answer = {"universe": [row]}

    assert answer == json.loads(encode(META.decode(json.dumps(answer).encode())))


def test_decimals_keep_every_digit_and_a_stray_space() -> None:
    answer = ANSWERS["perpDexStatus"] | {"totalNetDeposit": " 4103492112.4478230476"}

    typed = REQUESTS["perpDexStatus"].decode(json.dumps(answer).encode())

    assert " 4103492112.4478230476" == typed.total_net_deposit
    assert Decimal("4103492112.4478230476") == Decimal(typed.total_net_deposit)


def test_an_unknown_order_is_an_answer() -> None:
    assert OrderUnknown() == ORDER_STATUS.decode(b'{"status":"unknownOid"}')


def test_a_book_has_bids_and_asks() -> None:
    book = L2_BOOK.decode(body("l2Book"))

    assert isinstance(book, L2Book)
    assert (["100.5"], []) == ([level.px for level in book.bids], list(book.asks))


# -- the ledger ------------------------------------------------------------------------------------

LEDGER_DELTAS = [
    {"type": "airdropOfTomorrow", "amount": 7, "why": ["x", None]},
    {"type": "deposit", "amount": "100.0"},
    {"type": "withdraw", "usdc": 5, "nonce": 1, "fee": "1.0"},
]


@pytest.mark.parametrize("delta", LEDGER_DELTAS)
def test_a_ledger_row_of_another_form_is_kept_word_for_word(delta: dict[str, Any]) -> None:
    rows = [
        {"time": 1, "hash": HASH, "delta": delta},
        *ANSWERS["userNonFundingLedgerUpdates"],
    ]

    typed = USER_NON_FUNDING_LEDGER_UPDATES.decode(json.dumps(rows).encode())

    assert UnknownDelta(delta["type"], json.dumps(delta).encode()) == typed[0].delta
    assert Deposit(usdc="100.0") == typed[1].delta
    assert rows == json.loads(encode(typed))


KNOWN_DELTAS: list[dict[str, Any]] = [
    {"type": "withdraw", "usdc": "5.0", "nonce": 1, "fee": "1.0"},
    {"type": "internalTransfer", "usdc": "5.0", "user": "0x1", "destination": "0x2", "fee": "1.0"},
    {"type": "subAccountTransfer", "usdc": "5.0", "user": "0x1", "destination": "0x2"},
    {"type": "accountClassTransfer", "usdc": "5.0", "toPerp": True},
    {
        "type": "liquidation",
        "liquidatedNtlPos": "50.0",
        "accountValue": "1.0",
        "leverageType": "Cross",
        "liquidatedPositions": [{"coin": "BTC", "szi": "-0.1"}],
    },
    {"type": "vaultDeposit", "vault": "0x1", "usdc": "5.0"},
    {"type": "vaultLeaderCommission", "user": "0x1", "usdc": "5.0"},
    {"type": "rewardsClaim", "amount": "5.0", "token": "USDC"},
    {"type": "spotGenesis", "token": "HYPE", "amount": "5.0"},
]


@pytest.mark.parametrize("delta", KNOWN_DELTAS, ids=lambda delta: str(delta["type"]))
def test_a_known_ledger_type_is_typed(delta: dict[str, Any]) -> None:
    rows = [{"time": 1, "hash": HASH, "delta": delta}]

    typed = USER_NON_FUNDING_LEDGER_UPDATES.decode(json.dumps(rows).encode())

    assert not isinstance(typed[0].delta, UnknownDelta)
    assert rows == json.loads(encode(typed))


# -- hostile bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"<html><head><title>502 Bad Gateway</title></head></html>",
        b"Failed to deserialize the JSON body into the target type",
        b'{"universe":[{"name":"BTC","szDec',
        b"\xff\xfe\x00",
        b'{"universe":[{"name":"\xff","szDecimals":1,"maxLeverage":1}]}',
        b"[]",
        b"null",
        b"0",
        b'{"universe":"BTC"}',
        b'{"universe":[null]}',
        b'{"universe":[{"name":"BTC","szDecimals":"5","maxLeverage":40}]}',
        b'{"universe":[{"name":"BTC","szDecimals":-1,"maxLeverage":40}]}',
        b'{"universe":[{"name":"BTC","szDecimals":1e400,"maxLeverage":40}]}',
        b'{"universe":[{"name":"BTC","szDecimals":' + b"9" * 5000 + b',"maxLeverage":40}]}',
        b"[" * 100_000,
        b'{"universe":' + b'{"a":' * 100_000,
    ],
    ids=lambda hostile: repr(hostile[:24]),
)
def test_a_body_that_makes_no_sense_is_a_venue_error_that_shows_its_start(hostile: bytes) -> None:
    with pytest.raises(VenueError) as caught:
        META.decode(hostile)

    said = str(caught.value)
    assert said.startswith("info meta: an answer that makes no sense: ")
    assert said.isascii()
    assert "\n" not in said
    assert len(said) < 600


@pytest.mark.parametrize(
    ("request_name", "answer", "place"),
    [
        ("metaAndAssetCtxs", [{"universe": []}, [CTX | {"markPx": 14.3}]], "$[1][0].markPx"),
        ("metaAndAssetCtxs", [{"universe": []}, [CTX | {"markPx": "1e5"}]], "$[1][0].markPx"),
        ("metaAndAssetCtxs", [{"universe": []}, [CTX | {"markPx": "9" * 65}]], "$[1][0].markPx"),
        ("userFills", [FILL | {"side": "S"}], "$[0].side"),
        ("userFills", [FILL | {"time": -1}], "$[0].time"),
        ("userFills", [FILL | {"time": 10**18}], "$[0].time"),
        ("userFills", [FILL | {"oid": 2**63}], "$[0].oid"),
        ("frontendOpenOrders", [ORDER | {"children": [{}]}], "$[0].children[0]"),
        ("orderStatus", {"status": "perhaps"}, "$.status"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(request_name: str, answer: Json, place: str) -> None:
    with pytest.raises(VenueError, match=re.escape(f"`{place}`")):
        REQUESTS[request_name].decode(json.dumps(answer).encode())


@pytest.fixture
def usual_recursion_limit() -> Iterator[None]:
    """Python's own: test tools raise it, beyond what a thread's stack holds."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("usual_recursion_limit")
def test_orders_nested_without_end_are_refused() -> None:
    with pytest.raises(VenueError, match="recursion"):
        REQUESTS["frontendOpenOrders"].decode(b'[{"children":' * 50_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["universe", "name", "szDecimals", "time", "delta", "type", "status"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(answer=JSON, request_name=st.sampled_from(sorted(REQUESTS)))
def test_any_json_is_decoded_or_refused_with_a_venue_error(answer: Json, request_name: str) -> None:
    try:
        typed = REQUESTS[request_name].decode(json.dumps(answer).encode())
    except VenueError:
        return
    assert typed == REQUESTS[request_name].decode(encode(typed))


@given(cut=st.integers(min_value=0), request_name=st.sampled_from(sorted(REQUESTS)))
def test_a_truncated_answer_is_refused(cut: int, request_name: str) -> None:
    whole = body(request_name)

    with pytest.raises(VenueError):
        REQUESTS[request_name].decode(whole[: cut % len(whole)])


def test_a_book_without_two_sides_is_refused() -> None:
    with pytest.raises(VenueError, match="length 2"):
        L2_BOOK.decode(b'{"coin":"BTC","time":1,"levels":[[]]}')


def test_only_answers_are_encoded() -> None:
    assert b'{"universe":[]}' == encode(PerpMeta(universe=()))
    with pytest.raises(NotImplementedError, match="object is no answer"):
        encode(object())
