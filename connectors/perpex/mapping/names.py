"""ASSUMED, except what a comment marks STATED: the words of Perpex's wire, and what they mean.

STATED is what the owner's page says (protocol 9.1); the rest is protocol 9.4, made up by us. A word
that is not listed here is kept as it came and counted, never guessed at.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from engine.model.commands import Place
from engine.model.units import NS_PER_S, Side, Tif, TriggerKind

# -- where -----------------------------------------------------------------------------------------

# STATED: the host, and paths that begin with /api/v1; the printed base ends in /v1, and the two do
# not agree. The scheme is ASSUMED.
REST_URL: Final = "https://api.perpex.io"
REST_PREFIXES: Final = ("/api/v1", "/v1", "/v1/api/v1")
WS_URL: Final = "wss://ws.perpex.io"  # STATED

# STATED, all six and the batch.
MARKETS: Final = "/markets"
ORDERBOOK: Final = "/orderbook"
ACCOUNT: Final = "/account"
ORDERS: Final = "/orders"
ORDERS_BATCH: Final = "/orders/batch"
TRADES: Final = "/trades"

# -- limits ----------------------------------------------------------------------------------------

REQUESTS_MAX: Final = 120  # STATED: per API key, in a minute
REQUESTS_SPAN_S: Final = 60.0
BATCH_MAX: Final = 10  # STATED
SUBSCRIPTIONS_MAX: Final = 10  # STATED: per connection
PING_AFTER_S: Final = 30.0  # STATED: of silence; whose silence is ambiguous
RECONNECT_FIRST_S: Final = 1.0  # STATED
RECONNECT_MOST_S: Final = 30.0  # STATED
DEPTH_MAX: Final = 20
TRADES_PAGE_MAX: Final = 500

# -- headers ---------------------------------------------------------------------------------------

AUTH_HEADER: Final = "Authorization"  # STATED, with the scheme Bearer
AUTH_SCHEME: Final = "Bearer"
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
RETRY_AFTER_HEADER: Final = "Retry-After"

# -- channels and frames ---------------------------------------------------------------------------


class Channel(StrEnum):
    """STATED, the four names."""

    TRADES = "trades"
    ORDERBOOK = "orderbook"
    POSITIONS = "positions"
    CANDLES = "candles"


class Op(StrEnum):
    """The control words of a frame."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    AUTH = "auth"
    PONG = "pong"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    AUTHENTICATED = "authenticated"
    ERROR = "error"
    PING = "ping"


class FrameType(StrEnum):
    """What the data of a frame is; the last two are the liquidation alerts the page speaks of."""

    SNAPSHOT = "snapshot"
    UPDATE = "update"
    LIQUIDATION_WARNING = "liquidation_warning"
    LIQUIDATED = "liquidated"


_MINUTE_NS: Final = 60 * NS_PER_S
INTERVALS_NS: Final[dict[str, int]] = {
    "1m": _MINUTE_NS,
    "5m": 5 * _MINUTE_NS,
    "15m": 15 * _MINUTE_NS,
    "1h": 60 * _MINUTE_NS,
    "4h": 240 * _MINUTE_NS,
    "1d": 1440 * _MINUTE_NS,
}
INTERVAL_WORDS: Final = {length_ns: word for word, length_ns in INTERVALS_NS.items()}

# -- markets ---------------------------------------------------------------------------------------


class MarketStatus(StrEnum):
    """Whether a market can be traded."""

    ACTIVE = "active"
    HALTED = "halted"
    DELISTED = "delisted"


CROSS: Final = "cross"
ISOLATED: Final = "isolated"

# -- orders ----------------------------------------------------------------------------------------

SIDES: Final[dict[str, Side]] = {"buy": Side.BUY, "sell": Side.SELL}
SIDE_WORDS: Final = {side: word for word, side in SIDES.items()}
TIFS: Final[dict[str, Tif]] = {"gtc": Tif.GTC, "ioc": Tif.IOC, "alo": Tif.ALO}
TIF_WORDS: Final = {tif: word for word, tif in TIFS.items()}
MAKER: Final = "maker"
COLLATERAL: Final = "USDC"
TAKER: Final = "taker"


class OrderType(StrEnum):
    """STATED: limit, market, stop, "etc."; the spelling of all but the first two is ASSUMED."""

    LIMIT = "limit"
    MARKET = "market"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT_MARKET = "take_profit_market"
    TAKE_PROFIT_LIMIT = "take_profit_limit"


LIMIT_TYPES: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
TRIGGER_TYPES: Final = frozenset(OrderType) - {OrderType.LIMIT, OrderType.MARKET}


def order_type(place: Place) -> OrderType:
    """The type of an order; a market wish reaches the link as an IOC limit at its bound."""
    trigger = place.trigger
    if trigger is None:
        return OrderType.LIMIT
    if trigger.kind is TriggerKind.STOP_LOSS:
        return OrderType.STOP_MARKET if trigger.is_market else OrderType.STOP_LIMIT
    return OrderType.TAKE_PROFIT_MARKET if trigger.is_market else OrderType.TAKE_PROFIT_LIMIT


class OrderStatus(StrEnum):
    """The life of an order by the venue's words."""

    PENDING = "pending"
    OPEN = "open"
    TRIGGERED = "triggered"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


LIVE_STATUSES: Final = frozenset({OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.TRIGGERED})
OVER_STATUSES: Final = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED})

# -- errors ----------------------------------------------------------------------------------------


class Code(StrEnum):
    """Error codes; STATED are the three so marked, and none of the HTTP numbers but 429."""

    INSUFFICIENT_MARGIN = "INSUFFICIENT_MARGIN"  # STATED
    INVALID_SYMBOL = "INVALID_SYMBOL"  # STATED
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"  # STATED
    INVALID_REQUEST = "INVALID_REQUEST"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    DUPLICATE_CLIENT_ORDER_ID = "DUPLICATE_CLIENT_ORDER_ID"
    INVALID_PRICE = "INVALID_PRICE"
    INVALID_SIZE = "INVALID_SIZE"
    REDUCE_ONLY_REJECTED = "REDUCE_ONLY_REJECTED"
    POST_ONLY_WOULD_CROSS = "POST_ONLY_WOULD_CROSS"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_SUBSCRIPTIONS = "TOO_MANY_SUBSCRIPTIONS"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"


class Verdict(StrEnum):
    """What follows from an error."""

    REFUSED = "refused"
    """The request was not carried out, and the same one would not be."""
    UNAUTHORIZED = "unauthorized"
    """The token was not accepted: nothing was carried out."""
    FORBIDDEN = "forbidden"
    """The key lacks the permission: nothing was carried out."""
    GONE = "gone"
    """There is no such open order: it may be filled, canceled, or never have been."""
    DUPLICATE = "duplicate"
    """An order with this client id was taken before: to be reconciled."""
    THROTTLED = "throttled"
    """Too many requests: nothing was carried out."""
    UNCLEAR = "unclear"
    """Nobody knows whether it was carried out."""


VERDICTS: Final[dict[str, Verdict]] = {
    Code.INSUFFICIENT_MARGIN: Verdict.REFUSED,
    Code.INVALID_SYMBOL: Verdict.REFUSED,
    Code.ORDER_NOT_FOUND: Verdict.GONE,
    Code.INVALID_REQUEST: Verdict.REFUSED,
    Code.UNAUTHORIZED: Verdict.UNAUTHORIZED,
    Code.FORBIDDEN: Verdict.FORBIDDEN,
    Code.DUPLICATE_CLIENT_ORDER_ID: Verdict.DUPLICATE,
    Code.INVALID_PRICE: Verdict.REFUSED,
    Code.INVALID_SIZE: Verdict.REFUSED,
    Code.REDUCE_ONLY_REJECTED: Verdict.REFUSED,
    Code.POST_ONLY_WOULD_CROSS: Verdict.REFUSED,
    Code.RATE_LIMITED: Verdict.THROTTLED,
    Code.TOO_MANY_SUBSCRIPTIONS: Verdict.REFUSED,
    Code.INTERNAL: Verdict.UNCLEAR,
    Code.UNAVAILABLE: Verdict.UNCLEAR,
}

_BY_STATUS: Final[dict[int, Verdict]] = {
    401: Verdict.UNAUTHORIZED,
    403: Verdict.FORBIDDEN,
    408: Verdict.UNCLEAR,
    409: Verdict.UNCLEAR,
    429: Verdict.THROTTLED,  # STATED
}


def verdict(status: int, code: str) -> Verdict:
    """What an error means: by its code first, else by the HTTP status it came with.

    A 429 is always a throttle. An unknown code with another 4xx status means that the request was
    refused; with any other status nobody knows.
    """
    if status == 429:
        return Verdict.THROTTLED
    known = VERDICTS.get(code)
    if known is not None:
        return known
    return _BY_STATUS.get(status, Verdict.REFUSED if 400 <= status < 500 else Verdict.UNCLEAR)
