"""ASSUMED as a whole (protocol 9.4): Perpex's payloads as structs, one per thing.

Reading is tolerant: a decimal may be a string or a number, a time ms, s or ISO 8601, an id a string
or a number; unknown fields are ignored, and only what nothing can be done without is required.
Sending is strict: decimals as strings. A number that is not finite, or too large or too fine to be
a price, a size or money, makes its whole payload undecodable.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from engine.model.units import NS_PER_MS

DIGITS_MAX: Final = 40
EXPONENT_MAX: Final = 24
TEXT_MAX: Final = 256
_SECONDS_FROM: Final = 10**8
_MILLIS_FROM: Final = 10**11
_MILLIS_TO: Final = 10**14
NO_RAW: Final = msgspec.Raw()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Millis(int):
    """A time in ms UTC, however it was written."""

    __slots__ = ()

    @property
    def ns(self) -> int:
        """The time in ns UTC."""
        return int(self) * NS_PER_MS


class Id(str):
    """An id of the venue's: opaque text, even where it was written as a number."""

    __slots__ = ()


def read_millis(value: object) -> Millis:
    """Milliseconds from ms, s (1973 or later) or ISO 8601 (without an offset: UTC).

    Raises ValueError for anything else, microseconds among it.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.replace(".", "", 1).isdecimal() and len(text) <= DIGITS_MAX:
            value = Decimal(text)
        else:
            return _read_iso(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"expected a time, got {type(value).__name__}")  # noqa: TRY004
    if not _SECONDS_FROM <= value < _MILLIS_TO:  # also false for nan
        raise ValueError("expected a time in ms or s since 1970")
    return Millis(value if value >= _MILLIS_FROM else Decimal(str(value)) * 1_000)


def _read_iso(text: str) -> Millis:
    if len(text) > TEXT_MAX:
        raise ValueError("expected a time, got a long text")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # Its own words repeat the text, which may hold a token.
        raise ValueError("expected a time, got another text") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    millis = (moment - _EPOCH).total_seconds() * 1_000
    return read_millis(round(millis))


def read_id(value: object) -> Id:
    """An id from text or a whole number. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"expected an id, got {type(value).__name__}")  # noqa: TRY004
    text = str(value)
    if not 0 < len(text) <= TEXT_MAX or not text.isprintable():
        raise ValueError("expected an id of at most 256 printable characters")
    return Id(text)


def dec_hook(kind: type, value: object) -> Any:  # noqa: ANN401 - as msgspec asks
    """How msgspec reads the types of this module."""
    if kind is Millis:
        return read_millis(value)
    if kind is Id:
        return read_id(value)
    raise NotImplementedError(kind)


def is_sane(number: Decimal) -> bool:
    """Whether a decimal can be a price, a size or money: cheap to compute with, and finite."""
    if not number.is_finite():
        return False
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    is_fine = -EXPONENT_MAX <= exponent <= EXPONENT_MAX
    return is_fine and len(digits) <= DIGITS_MAX and number.adjusted() <= EXPONENT_MAX


def is_given(raw: msgspec.Raw) -> bool:
    """Whether a field whose form is not read yet is there, and not null."""
    return bytes(raw) not in {b"", b"null"}


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """The base of what is read: every decimal in it can be computed with."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal) and not is_sane(value):
                raise ValueError(f"{name}: a number out of bounds")


# -- what is read ----------------------------------------------------------------------------------


class MarketWire(Wire, frozen=True, kw_only=True):
    """One row of GET /markets. `funding_rate` is per hour, `open_interest` in base units."""

    symbol: str
    base: str | None = None
    quote: str | None = None
    status: str = "active"
    price_tick: Decimal | None = None
    size_step: Decimal | None = None
    sz_decimals: int | None = None
    min_notional: Decimal | None = None
    max_leverage: Decimal | None = None
    only_isolated: bool | None = None
    mark_price: Decimal | None = None
    oracle_price: Decimal | None = None
    mid_price: Decimal | None = None
    funding_rate: Decimal | None = None
    next_funding_time: Millis | None = None
    open_interest: Decimal | None = None
    volume_24h: Decimal | None = None


class OrderBookWire(Wire, frozen=True, kw_only=True):
    """GET /orderbook/{symbol}: levels of (price, size), best first."""

    symbol: str | None = None
    time: Millis | None = None
    bids: list[msgspec.Raw]
    asks: list[msgspec.Raw]


class BalanceWire(Wire, frozen=True, kw_only=True):
    """What the account holds of one asset."""

    asset: str
    total: Decimal
    available: Decimal | None = None


class PositionWire(Wire, frozen=True, kw_only=True):
    """A position: `size` signed, `funding_paid` since it was opened."""

    symbol: str
    size: Decimal
    entry_price: Decimal | None = None
    mark_price: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: str | None = None
    margin_used: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    liquidation_price: Decimal | None = None
    funding_paid: Decimal | None = None
    updated_at: Millis | None = None


class OrderWire(Wire, frozen=True, kw_only=True):
    """An order as the venue tells it; `size` is the original one."""

    id: Id
    status: str
    client_order_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    type: str | None = None
    size: Decimal | None = None
    filled_size: Decimal | None = None
    average_price: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    time_in_force: str | None = None
    reduce_only: bool = False
    reject_code: str | None = None
    created_at: Millis | None = None
    updated_at: Millis | None = None


class AccountWire(Wire, frozen=True, kw_only=True):
    """GET /account. Without `open_orders` the venue cannot list them: not the same as none."""

    time: Millis | None = None
    equity: Decimal
    available: Decimal | None = None
    margin_used: Decimal | None = None
    maintenance_margin: Decimal | None = None
    balances: list[msgspec.Raw] = []
    positions: list[msgspec.Raw]
    open_orders: list[msgspec.Raw] | None = None


class FillWire(Wire, frozen=True, kw_only=True):
    """One row of GET /trades: a fill of the user's."""

    id: Id
    order_id: Id | None = None
    client_order_id: str | None = None
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal | None = None
    fee_asset: str | None = None
    liquidity: str | None = None
    realized_pnl: Decimal | None = None
    time: Millis


class CanceledWire(Wire, frozen=True, kw_only=True):
    """The answer to DELETE /orders/{id}."""

    id: Id | None = None
    status: str = "canceled"
    filled_size: Decimal | None = None


class ErrorWire(Wire, frozen=True, kw_only=True):
    """What went wrong, in an error answer or for one order of a batch."""

    code: str = ""
    message: str = ""
    details: msgspec.Raw = NO_RAW


class BatchResultWire(Wire, frozen=True, kw_only=True):
    """One result of POST /orders/batch: an order or an error."""

    index: int | None = None
    order: msgspec.Raw = NO_RAW
    error: msgspec.Raw = NO_RAW


class BatchWire(Wire, frozen=True, kw_only=True):
    """The answer to POST /orders/batch: as many results as there were orders, in their order."""

    results: list[msgspec.Raw]


# -- what is sent ----------------------------------------------------------------------------------


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of POST /orders; decimals are plain decimal strings."""

    symbol: str
    side: str
    type: str
    size: str
    price: str = ""
    trigger_price: str = ""
    time_in_force: str = ""
    reduce_only: bool = False
    client_order_id: str = ""


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /orders/batch."""

    orders: list[msgspec.Raw]


class ControlFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frame to the venue."""

    op: str
    id: int = -1
    channel: str = ""
    symbol: str = ""
    depth: int = 0
    interval: str = ""
    token: str = ""


# -- frames ----------------------------------------------------------------------------------------


class FrameWire(Wire, frozen=True, kw_only=True):
    """Any frame from the venue: a control frame has an `op`, a data frame a `channel`."""

    op: str | None = None
    id: int | None = None
    channel: str | None = None
    symbol: str | None = None
    type: str | None = None
    seq: int | None = None
    time: Millis | None = None
    data: msgspec.Raw = NO_RAW
    code: str = ""
    message: str = ""


class PrintWire(Wire, frozen=True, kw_only=True):
    """A public trade on the channel `trades`; `side` is the aggressor's."""

    id: Id
    price: Decimal
    size: Decimal
    side: str
    time: Millis


class LevelsWire(Wire, frozen=True, kw_only=True):
    """The data of an orderbook frame: a whole book, or levels of which size 0 removes one."""

    bids: list[msgspec.Raw] = []
    asks: list[msgspec.Raw] = []


class CandleWire(Wire, frozen=True, kw_only=True):
    """The data of a candles frame; `volume` in base units."""

    open_time: Millis
    close_time: Millis | None = None
    interval: str | None = None
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int | None = None
    closed: bool | None = None


class LiquidationWire(Wire, frozen=True, kw_only=True):
    """The data of a liquidation alert on the channel `positions`."""

    symbol: str
    margin_ratio: Decimal | None = None
    liquidation_price: Decimal | None = None
    mark_price: Decimal | None = None
    size: Decimal | None = None
