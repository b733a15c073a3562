"""Reads examples of answers: the owner's page with its comments and commas, and recorded files."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

PAGE = "002_44f1f2d409286e29.txt"
OWNERS_PAGE = (
    "perpDexs",
    "meta",
    "metaAndAssetCtxs",
    "clearinghouseState",
    "userFunding",
    "userNonFundingLedgerUpdates",
    "fundingHistory",
    "predictedFundings",
    "perpsAtOpenInterestCap",
    "perpDeployAuctionStatus",
    "activeAssetData",
    "perpDexLimits",
    "perpDexStatus",
    "allPerpMetas",
    "perpAnnotation",
    "perpCategories",
    "perpConciseAnnotations",
)
"""The requests of the owner's page, in its order."""

Json: TypeAlias = Any

_BLOCK = re.compile(r'```json\n(.*?)```|<code class="lang-json">(.*?)</code>', re.DOTALL)
_TYPE = re.compile(r"^\| type<.*?\| String \| (.*?) *\|$", re.MULTILINE)
# A string is matched first, so that what looks like a comment or a comma inside one stays.
_TOLERATED = re.compile(
    r'("(?:[^"\\]|\\.)*") | //[^\n]* | ,(?=\s*[\]}]) | \.\.\.',
    re.VERBOSE,
)


def tolerant_json(text: str) -> Json:
    """JSON with comments, commas before a closing bracket, and dots for what is left out."""
    last = None
    while text != last:
        last, text = text, _TOLERATED.sub(lambda match: match.group(1) or "", text)
    return json.loads(text)


def page_examples(page: str) -> Iterator[tuple[str, Json]]:
    """(request type, answer) of every example of a page; one of two types counts for each."""
    for section in page.split("\n## ")[1:]:
        found = _TYPE.search(section)
        assert found is not None, section[:80]
        types = re.findall(r'"(\w+)"', found.group(1))
        for block in _BLOCK.finditer(section):
            text = block.group(1) or html.unescape(re.sub(r"<[^>]+>", "", block.group(2)))
            for request in types:
                yield request, tolerant_json(text)


def recorded_examples(folder: Path) -> Iterator[tuple[str, str, Json]]:
    """(file, request type, answer) of every recorded answer of a request's own file."""
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.name.startswith("nautilus_"):
            yield path.name, _type_in_name(path.stem), content
        else:
            yield path.name, content["request"]["type"], content["response"]


def captured_examples(path: Path) -> Iterator[tuple[str, str, Json]]:
    """(what, request type, answer) of the captured lines that answer an info request."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        request = row["what"].split()[0]
        if request in {"clearinghouseState", "openOrders", "meta"}:
            yield row["what"], request, row["response"]


def facts(value: Json) -> Json:
    """An answer as facts: spaces around a number in a string do not count."""
    if isinstance(value, dict):
        return {key: facts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [facts(item) for item in value]
    return value.strip() if isinstance(value, str) else value


def _type_in_name(stem: str) -> str:
    """The request of a file such as nautilus_http_l2_book_btc: the longest name it begins with."""
    words = stem.removeprefix("nautilus_http_").split("_")
    names = {
        "funding_history": "fundingHistory",
        "l2_book": "l2Book",
        "meta": "meta",
        "recent_trades": "recentTrades",
        "spot_clearinghouse_state": "spotClearinghouseState",
        "spot_meta": "spotMeta",
        "user_fills": "userFills",
    }
    starts = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    return next(names[start] for start in starts if start in names)
