"""Hyperliquid's decimal strings to scaled integers and back, exact, without a float on the way.

The venue prints every price, size, amount and rate as a decimal string (protocol 0.2), sometimes
with a space before it. What perpd counts with are integers: ticks, lots, 1e-8 of the collateral. A
number that does not fit its integer is an error, never rounded in silence: where rounding is meant
(an average price, an amount of ten decimals) `nearest` says so. What is sent has no trailing zeros
and no exponent (protocol 3.4).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.errors import ModelError, VenueError

WIRE_DECIMALS: Final = 8
DIGITS_MAX: Final = 64
COUNT_MAX: Final = 2**63 - 1


def scaled(text: str, decimals: int, place: str = "number") -> int:
    """A decimal string as an integer of 10^-decimals: "1670.1" at 1 decimal is 16701.

    Spaces around it and trailing zeros do not matter. Raises VenueError, naming `place` and the
    text, when it is no plain decimal, has more decimals than asked for, or is beyond 63 bits.
    """
    whole, part = _parts(text, place)
    part = part.rstrip("0")
    if len(part) > decimals:
        raise VenueError(f"{place} {text!r:.80} has {len(part)} decimals, at most {decimals} fit")
    return _counted(int(whole + part.ljust(decimals, "0")), text, place)


def nearest(text: str, decimals: int, place: str = "number") -> int:
    """A decimal string as an integer of 10^-decimals, rounded to the nearest, ties to even.

    For what the venue prints finer than we count: average prices, account values. Raises VenueError
    when it is no plain decimal or beyond 63 bits.
    """
    whole, part = _parts(text, place)
    kept = int(whole + part[:decimals].ljust(decimals, "0"))
    rest = part[decimals:].rstrip("0")
    if rest and (rest > "5" or (rest == "5" and kept % 2)):
        kept += -1 if whole.startswith("-") else 1
    return _counted(kept, text, place)


def decimal_text(value: int, decimals: int) -> str:
    """An integer of 10^-decimals as the venue wants it (protocol 3.4): no trailing zeros.

    16701 at 1 decimal is "1670.1", 1000 is "100", zero is "0".
    """
    digits = str(value)
    if decimals == 0:
        return digits
    if value < 0 or len(digits) <= decimals:
        digits = digits.zfill(decimals + (2 if value < 0 else 1))
    # Slices of the digits cost half of a division with a formatted remainder.
    text = f"{digits[:-decimals]}.{digits[-decimals:]}"
    return text if value % 10 else text.rstrip("0").rstrip(".")


def wire_text(value: Decimal | str) -> str:
    """A decimal in the form that is signed and sent: at most 8 decimals, no trailing zeros.

    Raises ModelError for what is no number or has more decimals.
    """
    try:
        number = Decimal(value)
        # Written out, a large exponent would fill the memory before anything refused it.
        text = f"{number:f}" if abs(number.adjusted()) < DIGITS_MAX else str(number)
        return decimal_text(scaled(text, WIRE_DECIMALS), WIRE_DECIMALS)
    except (ArithmeticError, ValueError, VenueError) as error:
        raise ModelError(
            f"{str(value)!r:.80} cannot be sent: expected a decimal of at most"
            f" {WIRE_DECIMALS} decimals"
        ) from error


def _counted(value: int, text: str, place: str) -> int:
    """The value, if it can be counted with: what is beyond 63 bits could not even be journaled."""
    if -COUNT_MAX <= value <= COUNT_MAX:
        return value
    raise VenueError(f"{place} {text!r:.80} is beyond all that can be counted")


def _parts(text: str, place: str) -> tuple[str, str]:
    """The signed whole part and the decimals of a plain decimal, each as digits."""
    whole, point, part = text.strip().partition(".")
    digits = whole.removeprefix("-") + part
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX
    if not is_number or not whole.removeprefix("-") or (point and not part):
        raise VenueError(f"{place} {text!r:.80} is no decimal number")
    return whole, part
