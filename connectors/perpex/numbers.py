"""Perpex's decimals to perpd's integers and back, and its ids to whole numbers; all exact.

What does not fit the grid is a VenueError, never rounded in silence; money alone is finer at the
venue than we count, and is rounded to the nearest 1e-8.
"""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

from connectors.perpex.mapping.wire import DIGITS_MAX, EXPONENT_MAX
from engine.errors import VenueError
from engine.model.instruments import Instrument
from engine.model.units import MONEY_DECIMALS

_PRECISION: Final = 2 * (DIGITS_MAX + EXPONENT_MAX)
_INTEGER_MAX: Final = 10**18
_HASHED_FROM: Final = 1 << 62


def scaled(value: Decimal, decimals: int, what: str) -> int:
    """A decimal as an integer of 10^-decimals.

    Raises VenueError when it has more decimals than that, or is above 1e18.
    """
    with localcontext(prec=_PRECISION):
        number = value.scaleb(decimals)
        whole = number.to_integral_value()
    if whole != number or abs(whole) > _INTEGER_MAX:
        raise VenueError(f"perpex: {what} {value} does not fit {decimals} decimals")
    return int(whole)


def lots_stated(size: Decimal | None, instrument: Instrument | None) -> int:
    """A filled size in lots; -1 where the venue gave none that fits, or its market is not known."""
    if size is None or instrument is None:
        return -1
    try:
        return scaled(size, instrument.sz_decimals, "filled_size")
    except VenueError:
        return -1


def money_e8(value: Decimal) -> int:
    """An amount of money in 1e-8, rounded to the nearest. Raises VenueError above 1e18 of them."""
    with localcontext(prec=_PRECISION):
        number = value.scaleb(MONEY_DECIMALS).to_integral_value(ROUND_HALF_EVEN)
    if abs(number) > _INTEGER_MAX:
        raise VenueError(f"perpex: an amount of {value} is no money")
    return int(number)


def text_of(value: int, decimals: int) -> str:
    """An integer of 10^-decimals as a plain decimal: no exponent, no trailing zeros."""
    with localcontext(prec=_PRECISION):
        number = Decimal(value).scaleb(-decimals)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def id_number(text: str) -> int:
    """A venue's id as a whole number, the same one every time.

    Digits are taken as they are; any other text by a hash, from 2^62 upwards.
    """
    is_plain = text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")
    if is_plain and len(text) < 19:
        return int(text)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return _HASHED_FROM + int.from_bytes(digest[:8], "big") % _HASHED_FROM
