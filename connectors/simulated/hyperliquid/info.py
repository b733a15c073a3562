"""`POST /info`: every request this venue answers, from its own state (protocol 1).

An unknown type, or a parameter of a wrong form, is 422 in plain text; a dex that is not there gives
500 and null. A page has as many rows as the venue allows, oldest first where a span is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connectors.simulated.core import VenueCore
from connectors.simulated.hyperliquid import info_account, info_market
from connectors.simulated.hyperliquid.info_requests import OfNamedDex
from connectors.simulated.hyperliquid.limits import (
    TOO_MANY,
    AddressBudget,
    IpWeights,
    info_weight,
    rows_weight,
)
from connectors.simulated.hyperliquid.replies import NOTHING_THERE, UNREADABLE, Reply


class InfoHandler:
    """Answers info requests; `types` are those it knows."""

    def __init__(self, core: VenueCore, weights: IpWeights, budget: AddressBudget) -> None:
        self._weights = weights
        market = info_market.MarketInfo(core)
        account = info_account.AccountInfo(core, budget)
        self._by_type: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
            **market.by_type,
            **account.by_type,
        }
        self._core = core

    @property
    def types(self) -> tuple[str, ...]:
        """The request types, as the wire names them."""
        return tuple(self._by_type)

    def answer(self, payload: object, ip: str) -> Reply:
        """The answer to one request, given as decoded JSON."""
        read = self._read(payload)
        if read is None:
            return UNREADABLE
        kind, request = read
        window = self._weights.of(ip)
        if not window.spend(info_weight(kind)):
            return Reply(429, TOO_MANY)
        self._core.catch_up()
        if not self._is_there(kind, request):
            return NOTHING_THERE
        body = self._by_type[kind][1](request)
        if isinstance(body, Reply):
            return body
        if isinstance(body, list):
            window.add(rows_weight(kind, len(body)))
        return Reply(200, body)

    def _read(self, payload: object) -> tuple[str, object] | None:
        """The type and what it carries; None when it has not the documented form."""
        kind = payload.get("type") if isinstance(payload, dict) else None
        known = self._by_type.get(kind) if isinstance(kind, str) else None
        if known is None or not isinstance(kind, str) or not isinstance(payload, dict):
            return None
        try:
            return kind, msgspec.convert(payload, known[0])
        except (msgspec.MsgspecError, ValueError):
            return None

    def _is_there(self, kind: str, request: object) -> bool:
        """Whether the dex and the coin asked about exist; the main dex is the only one."""
        if getattr(request, "dex", None) and not isinstance(request, OfNamedDex):
            return False
        coin = getattr(getattr(request, "req", request), "coin", None)
        return coin is None or coin in self._core.instruments or kind == "perpAnnotation"
