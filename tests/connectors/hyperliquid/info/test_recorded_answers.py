"""Every example of the owner's page and every recorded answer is read as types and given back.

What comes back must be the same facts to the last field: nothing of these answers is unknown to us.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from connectors.hyperliquid.info.requests import REQUESTS, encode
from tests.connectors.hyperliquid.info.examples import (
    PAGE,
    Json,
    captured_examples,
    facts,
    page_examples,
    recorded_examples,
    tolerant_json,
)

# Requests of later issues, recorded too.
LATER = {
    "delegatorHistory",
    "portfolio",
    "userTwapSliceFills",
    "userVaultEquities",
}
# How many examples the owner's page shows of each request.
PAGE_COUNTS = {
    "perpDexs": 1,
    "meta": 1,
    "metaAndAssetCtxs": 2,
    "clearinghouseState": 1,
    "userFunding": 2,
    "userNonFundingLedgerUpdates": 2,
    "fundingHistory": 2,
    "predictedFundings": 1,
    "perpsAtOpenInterestCap": 1,
    "perpDeployAuctionStatus": 1,
    "activeAssetData": 2,
    "perpDexLimits": 1,
    "perpDexStatus": 1,
    "allPerpMetas": 1,
    "perpAnnotation": 1,
    "perpCategories": 1,
    "perpConciseAnnotations": 1,
}


def given_back(request: str, answer: Json) -> Json:
    """An answer decoded to its types and encoded again."""
    typed = REQUESTS[request].decode(json.dumps(answer).encode())
    return json.loads(encode(typed))


def test_every_example_of_the_owners_page_is_read_and_given_back(shared_dir: Path) -> None:
    page = (shared_dir / "seeds" / PAGE).read_text(encoding="utf-8")
    examples = list(page_examples(page))

    assert PAGE_COUNTS == Counter(request for request, _ in examples)
    for request, answer in examples:
        assert facts(answer) == facts(given_back(request, answer)), request


def test_the_table_of_requests_begins_with_the_owners_page_in_its_order() -> None:
    assert list(PAGE_COUNTS) == list(REQUESTS)[: len(PAGE_COUNTS)]


def test_every_recorded_answer_is_read_and_given_back(shared_dir: Path) -> None:
    examples = list(recorded_examples(shared_dir / "data" / "hyperliquid_rest"))
    known = [example for example in examples if example[1] in REQUESTS]

    assert LATER == {request for _, request, _ in examples} - set(REQUESTS)
    assert len(known) >= 25
    for name, request, answer in known:
        assert facts(answer) == facts(given_back(request, answer)), name


def test_every_captured_testnet_answer_is_read_and_given_back(shared_dir: Path) -> None:
    path = shared_dir / "data" / "hyperliquid_rest" / "captured_testnet_2026.jsonl"
    examples = list(captured_examples(path))

    assert 5 == len(examples)
    for name, request, answer in examples:
        assert facts(answer) == facts(given_back(request, answer)), name


# -- the reader of the page ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2,]", [1, 2]),
        ('{"a": 1, // why\n}', {"a": 1}),
        ('[ // first\n "http://x", "a,]", "..." ]', ["http://x", "a,]", "..."]),
        ('[{"a": 1},\n ...\n]', [{"a": 1}]),
        ("[1,...]", [1]),
        ('"a\\"//b"', 'a"//b'),
    ],
)
def test_comments_trailing_commas_and_dots_are_read_past(text: str, expected: Json) -> None:
    assert expected == tolerant_json(text)


def test_what_is_wrong_otherwise_is_not_read() -> None:
    with pytest.raises(json.JSONDecodeError):
        tolerant_json('{"a" 1}')
