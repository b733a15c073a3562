"""A client id for every generation of an order: Perpex knows no modify, and takes an id once.

A cloid of ours is 0x, 16 hex digits of the run's epoch and 16 of a counter. The upper 24 bits of
that counter are never reached by counting, so they carry the generation; 0 is the cloid itself.
Only ids whose cloid is known to be ours are taken apart; any other is somebody's, and stays whole.
"""

from __future__ import annotations

import re
from typing import Final

from engine.errors import ModelError

GENERATIONS_MAX: Final = 1 << 24
_SHIFT: Final = 40
_MASK: Final = (GENERATIONS_MAX - 1) << _SHIFT
_FORM: Final = re.compile(r"0x[0-9a-f]{32}")


def client_id(cloid: str, generation: int) -> str:
    """The client id of one generation of a cloid.

    Raises ModelError for a generation above 2^24, or a cloid whose reserved bits are in use.
    """
    if generation == 0:
        return cloid
    if not 0 < generation < GENERATIONS_MAX or not _FORM.fullmatch(cloid):
        raise ModelError(f"generation {generation} of {cloid[:40]!r} has no client id")
    number = int(cloid, 16)
    if number & _MASK:
        raise ModelError(f"cloid {cloid}: its reserved bits are in use")
    return f"0x{number | generation << _SHIFT:032x}"


def split(text: str) -> tuple[str, int]:
    """(cloid, generation) that a client id would stand for, were it ours."""
    text = text.lower()
    if not _FORM.fullmatch(text):
        return text, 0
    number = int(text, 16)
    return f"0x{number & ~_MASK:032x}", (number & _MASK) >> _SHIFT
