"""Errors as the face answers them: a code, its HTTP number, and a message (protocol 9.4).

The exchange refuses in Hyperliquid's words; here they become codes. What has no code of its own is
ORDER_REJECTED, one that a client cannot know, as the real gateway may have some too.
"""

from __future__ import annotations

from typing import Any, Final

from backtests.exchange import words
from connectors.simulated.orders import OI_CAPPED

INVALID_REQUEST: Final = "INVALID_REQUEST"
INVALID_SYMBOL: Final = "INVALID_SYMBOL"
UNAUTHORIZED: Final = "UNAUTHORIZED"
FORBIDDEN: Final = "FORBIDDEN"
ORDER_NOT_FOUND: Final = "ORDER_NOT_FOUND"
DUPLICATE_CLIENT_ORDER_ID: Final = "DUPLICATE_CLIENT_ORDER_ID"
INSUFFICIENT_MARGIN: Final = "INSUFFICIENT_MARGIN"
INVALID_PRICE: Final = "INVALID_PRICE"
INVALID_SIZE: Final = "INVALID_SIZE"
REDUCE_ONLY_REJECTED: Final = "REDUCE_ONLY_REJECTED"
POST_ONLY_WOULD_CROSS: Final = "POST_ONLY_WOULD_CROSS"
ORDER_REJECTED: Final = "ORDER_REJECTED"
RATE_LIMITED: Final = "RATE_LIMITED"
TOO_MANY_SUBSCRIPTIONS: Final = "TOO_MANY_SUBSCRIPTIONS"
NOT_FOUND: Final = "NOT_FOUND"
METHOD_NOT_ALLOWED: Final = "METHOD_NOT_ALLOWED"
INTERNAL: Final = "INTERNAL"
UNAVAILABLE: Final = "UNAVAILABLE"

HTTP_STATUS: Final = {
    INVALID_REQUEST: 400,
    INVALID_SYMBOL: 400,
    UNAUTHORIZED: 401,
    FORBIDDEN: 403,
    ORDER_NOT_FOUND: 404,
    NOT_FOUND: 404,
    METHOD_NOT_ALLOWED: 405,
    DUPLICATE_CLIENT_ORDER_ID: 409,
    INSUFFICIENT_MARGIN: 422,
    INVALID_PRICE: 422,
    INVALID_SIZE: 422,
    REDUCE_ONLY_REJECTED: 422,
    POST_ONLY_WOULD_CROSS: 422,
    ORDER_REJECTED: 422,
    RATE_LIMITED: 429,
    INTERNAL: 500,
    UNAVAILABLE: 503,
}

# By how the exchange's words begin.
_CODES: Final = (
    (words.MARGIN, INSUFFICIENT_MARGIN),
    (words.TIER, INSUFFICIENT_MARGIN),
    (words.ZERO_SIZE, INVALID_SIZE),
    (words.INVALID_SIZE, INVALID_SIZE),
    ("Order must have minimum value", INVALID_SIZE),
    (words.INVALID_PRICE, INVALID_PRICE),
    (words.TICK, INVALID_PRICE),
    (words.FAR_PRICE, INVALID_PRICE),
    (words.INVALID_TRIGGER, INVALID_PRICE),
    (words.REDUCE_ONLY, REDUCE_ONLY_REJECTED),
    ("Post only order", POST_ONLY_WOULD_CROSS),
    (words.DUPLICATE_CLOID, DUPLICATE_CLIENT_ORDER_ID),
    (words.DELISTED, INVALID_SYMBOL),
    (words.UNPROTECTIVE, INVALID_REQUEST),
    (OI_CAPPED, ORDER_REJECTED),
)


class Refusal(Exception):
    """A request that is answered by an error."""

    def __init__(self, code: str, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP number of its code."""
        return HTTP_STATUS[self.code]

    def view(self) -> dict[str, Any]:
        """The error object of the wire."""
        return {"code": self.code, "message": self.message}


def code_of(reason: str) -> str:
    """The code of what the exchange said of an order it refused."""
    for text, code in _CODES:
        if reason.startswith(text):
            return code
    return ORDER_REJECTED
