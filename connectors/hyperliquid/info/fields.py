"""The field types of Hyperliquid's answers: each fact is kept as the venue wrote it.

Decimals stay text, checked to be decimals and read with `connectors.hyperliquid.numbers` or
Decimal. A null is a value (None); a field that was not there is UNSET and is not written back, so
encoding an answer gives the same facts. Fields the venue adds later are passed over.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

__all__ = ["UNSET", "Address", "Amount", "Answer", "Count", "Flag", "Rate", "SideText", "TimeMs"]

_DECIMAL: Final = r"^ *-?[0-9]+(\.[0-9]+)? *$"
# The last millisecond that a calendar can show: a later one is no time.
_YEAR_10000_MS: Final = 253_402_300_799_999
_INT64_MAX: Final = 2**63 - 1
_RATE: Final = r"^ *(-?[0-9]+(\.[0-9]+)?|NaN) *$"

Amount = Annotated[str, Meta(pattern=_DECIMAL, max_length=64)]
"""A price, size or amount: a decimal string, perhaps with spaces around it."""

Rate = Annotated[str, Meta(pattern=_RATE, max_length=64)]
"""A rate or premium as a fraction (0.0000125); the venue has printed "NaN" in these."""

TimeMs = Annotated[int, Meta(ge=0, le=_YEAR_10000_MS)]
"""Milliseconds UTC since 1970."""

Count = Annotated[int, Meta(ge=0, le=_INT64_MAX)]
"""An id, an index or a number of things."""

Address = Annotated[str, Meta(max_length=66)]
"""An account, as the venue echoes it: 0x and 40 lower-case hex digits."""

SideText = Literal["B", "A"]
"""B buys (bid), A sells (ask)."""

Flag = bool | None | UnsetType
"""A flag that is mostly not there at all; absent, null and false are told apart."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The base of what the venue says: camelCase on the wire, our names here."""
