"""What info requests carry, and when they are malformed (protocol 1).

Fields that a request does not need are passed over, and explicit nulls count as absent.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from connectors.simulated.candles import INTERVALS_MS

TimeMs = Annotated[int, Meta(ge=0)]
Address = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{40}$")]
Cloid = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{32}$")]


class NoFields(msgspec.Struct, frozen=True):
    """A request without parameters."""


class OfDex(msgspec.Struct, frozen=True):
    """About one dex; the empty one is the main one."""

    dex: str | None = None


class OfNamedDex(msgspec.Struct, frozen=True):
    """About a dex that has to be named."""

    dex: str


class OfCoin(msgspec.Struct, frozen=True):
    """About one coin."""

    coin: str


class OfUser(msgspec.Struct, frozen=True):
    """About one address, on one dex where that matters."""

    user: Address
    dex: str | None = None


class OfUserAndCoin(msgspec.Struct, frozen=True):
    """About one address and coin."""

    user: Address
    coin: str


class OfUserAndBuilder(msgspec.Struct, frozen=True):
    """About one address and builder."""

    user: Address
    builder: Address


class OfUserSpan(msgspec.Struct, frozen=True):
    """About one address between two moments, both inclusive."""

    user: Address
    startTime: TimeMs  # noqa: N815 - the wire's name
    endTime: TimeMs | None = None  # noqa: N815 - the wire's name


class OfUserLate(msgspec.Struct, frozen=True):
    """The same, from the beginning when no start is given."""

    user: Address
    startTime: TimeMs | None = None  # noqa: N815 - the wire's name
    endTime: TimeMs | None = None  # noqa: N815 - the wire's name


class OfCoinSpan(msgspec.Struct, frozen=True):
    """About one coin between two moments, both inclusive."""

    coin: str
    startTime: TimeMs  # noqa: N815 - the wire's name
    endTime: TimeMs | None = None  # noqa: N815 - the wire's name


class OfOrder(msgspec.Struct, frozen=True):
    """About one order of an address, by order id or client id."""

    user: Address
    oid: int | Cloid


class OfTable(msgspec.Struct, frozen=True):
    """About one margin table."""

    id: int


class OfBook(msgspec.Struct, frozen=True):
    """A book, its prices rounded to some figures when asked."""

    coin: str
    nSigFigs: Annotated[int, Meta(ge=2, le=5)] | None = None  # noqa: N815 - the wire's name
    mantissa: int | None = None

    def __post_init__(self) -> None:
        if self.mantissa is not None and (self.nSigFigs != 5 or self.mantissa not in {1, 2, 5}):
            raise ValueError("mantissa is 1, 2 or 5, and only with nSigFigs 5")


class CandleSpan(msgspec.Struct, frozen=True):
    """Which candles."""

    coin: str
    interval: str
    startTime: TimeMs  # noqa: N815 - the wire's name
    endTime: TimeMs | None = None  # noqa: N815 - the wire's name

    def __post_init__(self) -> None:
        if self.interval not in INTERVALS_MS:
            raise ValueError("no such interval")


class OfCandles(msgspec.Struct, frozen=True):
    """A request for candles."""

    req: CandleSpan
