"""ASSUMED, and switchable: each guess about Perpex that may turn out wrong, as one setting.

The numbers that the page states (protocol 9.1) are in `names`; here is what we make of them.
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from connectors.perpex.mapping.names import REQUESTS_MAX, REST_URL, WS_URL
from engine.errors import ModelError

_OWN_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class PerpexSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one Perpex venue is spoken to.

    `rest_prefix` empty: the candidates are probed once, without a token. `auth` says how the
    private channel is opened: a header of the upgrade request, or a first message. `batch_counts`
    says what a batch of n orders costs of the request budget. `symbols` are venue symbols by coin
    where the two differ. Of `requests_max` in a minute `cancel_reserve` is kept for cancels, and
    `read_share` of the rest for reads.
    `leverage` "refuse" stops new risk where the leverage asked for cannot be verified; "assume"
    trusts that the operator has set it. An unclear order is taken as gone no sooner than
    `settle_s` after it was sent. Raises ModelError for numbers that leave nothing to trade with,
    and for a remote address without encryption.
    """

    rest_url: str = REST_URL
    rest_prefix: str = ""
    ws_url: str = WS_URL
    auth: Literal["header", "message"] = "header"
    batch_counts: Literal["n", "one"] = "n"
    symbols: dict[str, str] = {}
    sends_idempotency_key: bool = True
    requests_max: int = REQUESTS_MAX - 10
    cancel_reserve: int = 20
    read_share: int = 40
    book_depth: int = 20
    orders_poll_s: float = 2.0
    idle_poll_s: float = 15.0
    account_poll_s: float = 10.0
    contexts_poll_s: float = 10.0
    request_timeout_s: float = 10.0
    renew_before_s: float = 60.0
    settle_s: float = 30.0
    silent_s_max: float = 45.0
    leverage: Literal["refuse", "assume"] = "refuse"

    def __post_init__(self) -> None:
        kept = self.cancel_reserve + self.read_share
        is_within = self.requests_max <= REQUESTS_MAX and kept < self.requests_max
        if self.cancel_reserve < 1 or self.read_share < 0 or not is_within:
            raise ModelError(
                f"perpex: cancel_reserve {self.cancel_reserve} and read_share {self.read_share},"
                f" expected to leave something of requests_max {self.requests_max}, and that to be"
                f" at most {REQUESTS_MAX}"
            )
        for url, safe in ((self.rest_url, "https"), (self.ws_url, "wss")):
            parts = urlsplit(url)
            if parts.scheme != safe and parts.hostname not in _OWN_MACHINE:
                raise ModelError(
                    f"perpex: {url!r} would carry the token in the clear, expected {safe}://"
                )
        if min(self.orders_poll_s, self.idle_poll_s, self.account_poll_s) < 1:
            raise ModelError("perpex: polls less than 1 s apart, expected 1 s or more")

    def batch_cost(self, orders: int) -> int:
        """What a request with so many orders costs of the request budget."""
        return orders if self.batch_counts == "n" else 1

    def symbol(self, coin: str) -> str:
        """The venue's symbol of a coin."""
        return self.symbols.get(coin, coin)

    def coin(self, symbol: str) -> str:
        """The coin of a venue's symbol."""
        for coin, known in self.symbols.items():
            if known == symbol:
                return coin
        return symbol
