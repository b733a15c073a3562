# mypy: ignore-errors
"""Runs inside the SDK's own venv: what the official SDK, unpatched, would send.

Reads one JSON request a line and answers with one JSON body a line. Nothing is sent anywhere: the
SDK's last step, the HTTP request, is where its body is taken. A request names a method of its
`Exchange`, the arguments, and what is signed with: key, nonce, network, vault, expiry.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import eth_account
import hyperliquid.exchange as sdk
from hyperliquid.utils.types import Cloid

COINS = 300
META = {"universe": [{"name": f"C{index}", "szDecimals": 4} for index in range(COINS)]}
SPOT_META = {"tokens": [], "universe": []}
TESTNET = "https://testnet.invalid"


def with_cloids(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The arguments with their cloids as the SDK's own type."""
    if isinstance(value, list):
        return [with_cloids(item) for item in value]
    if isinstance(value, dict):
        return {key: with_cloids(item) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("0x") and len(value) == 34:
        return Cloid.from_str(value)
    return value


def body(request: dict[str, Any]) -> dict[str, Any]:
    """The body the SDK would send for one request."""
    exchange = sdk.Exchange(
        eth_account.Account.from_key(request["key"]),
        sdk.MAINNET_API_URL if request["is_mainnet"] else TESTNET,
        meta=META,
        spot_meta=SPOT_META,
        vault_address=request["vault"],
    )
    exchange.set_expires_after(request["expires"])
    exchange.post = lambda _path, payload: payload
    sdk.get_timestamp_ms = lambda: request["nonce"]
    return getattr(exchange, request["method"])(**with_cloids(request["arguments"]))


for line in sys.stdin:
    sys.stdout.write(json.dumps(body(json.loads(line))) + "\n")
    sys.stdout.flush()
