# mypy: ignore-errors
"""Runs inside the SDK's own venv: times it from orders to the body of a request.

Reads a number of orders a line, and answers each with the microseconds of one call. What is called
is its own `Exchange.bulk_orders`, unpatched up to the HTTP request, whose body is encoded as
its HTTP library does and not sent.
"""

from __future__ import annotations

import json
import sys
import time

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.utils.types import Cloid

CALLS = 40
META = {"universe": [{"name": "ETH", "szDecimals": 4}]}
EXCHANGE = Exchange(
    Account.from_key("0x" + "4f" * 32), meta=META, spot_meta={"tokens": [], "universe": []}
)
EXCHANGE.post = lambda _path, payload: json.dumps(payload, allow_nan=False).encode()
CLOID = Cloid.from_str("0x00000000000000000000000000000001")


def orders(count: int) -> list[dict[str, object]]:
    """So many orders, of different prices and sizes."""
    return [
        {
            "coin": "ETH",
            "is_buy": True,
            "sz": (147 + index) / 10_000,
            "limit_px": (16_701 + index) / 10,
            "order_type": {"limit": {"tif": "Gtc"}},
            "reduce_only": False,
            "cloid": CLOID,
        }
        for index in range(count)
    ]


for line in sys.stdin:
    asked = orders(int(line))
    start_ns = time.perf_counter_ns()
    for _ in range(CALLS):
        EXCHANGE.bulk_orders(asked)
    sys.stdout.write(f"{(time.perf_counter_ns() - start_ns) / CALLS / 1000}\n")
    sys.stdout.flush()
