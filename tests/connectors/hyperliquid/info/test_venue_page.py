"""`docs/venues/hyperliquid.md` lists every info request with its method and its true weight."""

from __future__ import annotations

import re
from pathlib import Path

from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.requests import REQUESTS
from connectors.hyperliquid.weights import ROWS_PER_WEIGHT, info_weight

PAGE = Path(__file__).resolve().parents[4] / "docs" / "venues" / "hyperliquid.md"
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \| ([^|]*)\|", re.MULTILINE)


def weight_text(name: str) -> str:
    per = ROWS_PER_WEIGHT.get(name)
    return f"{info_weight(name)}" + (f" + 1 per {per} rows" if per else "")


def rows_text(name: str) -> str:
    paging = REQUESTS[name].paging
    return f"{paging.rows_max}, walked" if paging else ""


def test_the_venue_page_lists_every_request_its_method_and_its_weight() -> None:
    # Only the part about /info: actions and channels have tables of their own.
    reading = PAGE.read_text(encoding="utf-8").split("\n## Streaming", 1)[0]
    rows = ROW.findall(reading)

    assert list(REQUESTS) == [name for name, _, _, _ in rows]
    for name, method, weight, page_rows in rows:
        assert callable(getattr(InfoClient, method))
        assert (weight_text(name), rows_text(name)) == (weight, page_rows.strip())
