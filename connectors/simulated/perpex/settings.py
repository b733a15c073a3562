"""What the Perpex face is like. The defaults are what the owner's page states, where it says so.

Numbers of the page: 120 requests a minute for each key, 10 subscriptions on a connection, a ping
after 30 s of silence (protocol 9.1). The rest is assumed (9.4), and switchable to try others.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.errors import ModelError


class PerpexFaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the Perpex face behaves. Times in seconds.

    `prefixes` are the base paths that answer: the three candidates of the page differ in them.
    `batch_counts` says what a batch of n orders costs of the limit, `lists_orders` whether the
    account shows its open orders. A client that was pinged has `pong_within_s` to show any life. A
    market order without a price of its own may move `slippage_ppb` from the mid, a triggered one
    `trigger_slippage_ppb` from its trigger. An account whose maintenance margin is `warning_ppb` of
    its equity is warned of liquidation. `tokens_ttl_s` is the life of the tokens in the first line
    of `perpd venue`, one for each of `accounts` addresses. At most `frames_queued_max` frames wait
    for a slow reader before it is disconnected.
    """

    prefixes: tuple[str, ...] = ("/api/v1",)
    ws_paths: tuple[str, ...] = ("/ws", "/")
    requests_max: int = 120
    requests_span_s: float = 60.0
    batch_counts: Literal["one", "n"] = "one"
    subscriptions_max: int = 10
    ping_after_s: float = 30.0
    pong_within_s: float = 15.0
    lists_orders: bool = True
    slippage_ppb: int = 50_000_000
    trigger_slippage_ppb: int = 100_000_000
    warning_ppb: int = 800_000_000
    tokens_ttl_s: float = 86_400.0
    accounts: int = 2
    frames_queued_max: int = 10_000

    def __post_init__(self) -> None:
        if not self.prefixes or not all(one.startswith("/") for one in self.prefixes):
            raise ModelError(f"prefixes are {self.prefixes}, expected paths that begin with /")
        for name in ("requests_max", "subscriptions_max", "frames_queued_max"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} is {getattr(self, name)}, expected 1 or more")
        for name in ("requests_span_s", "ping_after_s", "pong_within_s", "tokens_ttl_s"):
            if not getattr(self, name) > 0:
                raise ModelError(f"{name} is {getattr(self, name)}, expected more than 0")
