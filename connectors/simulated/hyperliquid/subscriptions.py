"""What can be subscribed to (protocol 5.2, 5.3): each kind's parameters and its topic.

A topic is what listeners are kept under: the kind, then what tells it from others of the kind.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from connectors.simulated.candles import INTERVALS_MS
from connectors.simulated.hyperliquid.info_requests import Address

Topic = tuple[object, ...]


class Follow(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as understood. Fields a kind does not have keep their defaults."""

    type: str
    coin: str = ""
    user: str = ""
    interval: str = ""
    dex: str = ""
    figures: int | None = None
    mantissa: int | None = None
    fast: bool = False

    @property
    def topic(self) -> Topic:
        """What it is kept under."""
        if self.type == "l2Book":
            return (self.type, self.coin, self.fast, self.figures, self.mantissa)
        return tuple(
            part for part in (self.type, self.coin, self.user, self.interval) if part != ""
        )


class _Nothing(msgspec.Struct, frozen=True):
    type: str
    dex: str | None = None


class _Coin(msgspec.Struct, frozen=True):
    type: str
    coin: str


class _Book(msgspec.Struct, frozen=True):
    type: str
    coin: str
    nSigFigs: Annotated[int, Meta(ge=2, le=5)] | None = None  # noqa: N815 - the wire's name
    mantissa: int | None = None
    fast: bool | None = None


class _Candle(msgspec.Struct, frozen=True):
    type: str
    coin: str
    interval: str


class _User(msgspec.Struct, frozen=True):
    type: str
    user: Address
    dex: str | None = None
    aggregateByTime: bool | None = None  # noqa: N815 - the wire's name


class _UserCoin(msgspec.Struct, frozen=True):
    type: str
    user: Address
    coin: str


KINDS: Final[dict[str, type[Any]]] = {
    "allMids": _Nothing,
    "l2Book": _Book,
    "bbo": _Coin,
    "trades": _Coin,
    "candle": _Candle,
    "activeAssetCtx": _Coin,
    "orderUpdates": _User,
    "userEvents": _User,
    "userFills": _User,
    "userFundings": _User,
    "userNonFundingLedgerUpdates": _User,
    "activeAssetData": _UserCoin,
    "clearinghouseState": _User,
    "openOrders": _User,
    "notification": _User,
    "webData3": _User,
}
USER_KINDS: Final = frozenset(
    kind for kind, form in KINDS.items() if "user" in form.__struct_fields__
)


def understood(subscription: object) -> Follow | None:
    """A subscription as sent; None when it is of no known kind or form."""
    if not isinstance(subscription, dict):
        return None
    kind = subscription.get("type")
    form = KINDS.get(kind) if isinstance(kind, str) else None
    if form is None or not isinstance(kind, str):
        return None
    try:
        read = msgspec.convert(subscription, form)
    except msgspec.MsgspecError:
        return None
    follow = Follow(
        type=kind,
        coin=getattr(read, "coin", ""),
        user=getattr(read, "user", "").lower(),
        interval=getattr(read, "interval", ""),
        dex=getattr(read, "dex", None) or "",
        figures=getattr(read, "nSigFigs", None),
        mantissa=getattr(read, "mantissa", None),
        fast=bool(getattr(read, "fast", None)),
    )
    if kind == "candle" and follow.interval not in INTERVALS_MS:
        return None
    return follow


def echoed(subscription: dict[str, Any]) -> dict[str, Any]:
    """The subscription as the venue acknowledges it: a default is filled in."""
    if subscription["type"] == "userFills" and "aggregateByTime" not in subscription:
        return {**subscription, "aggregateByTime": False}
    return subscription
