"""Ids and hashes that look like the venue's and are the same for the same seed and count."""

from __future__ import annotations

import hashlib
from typing import Final

_TID_MASK: Final = (1 << 50) - 1
NO_HASH: Final = "0x" + "0" * 64


class Ids:
    """Makes them. An order id is a count above a base; the others are hashed."""

    __slots__ = ("_hashes", "_oid", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._hashes = 0
        self._oid = 70_000_000_000

    def next_oid(self) -> int:
        """An order id that was never given before."""
        self._oid += 1
        return self._oid

    def next_hash(self) -> str:
        """A transaction hash: 0x and 64 hex digits."""
        self._hashes += 1
        return "0x" + self._digest("hash", self._hashes).hex()

    def next_print(self) -> tuple[str, int]:
        """The transaction hash and the trade id of a trade of the market's own."""
        self._hashes += 1
        digest = self._digest("hash", self._hashes)
        return "0x" + digest.hex(), int.from_bytes(digest[:8], "big") & _TID_MASK

    def tid(self, kind: str, number: int) -> int:
        """A 50-bit trade id for the trade of this number among its kind."""
        return int.from_bytes(self._digest(kind, number)[:8], "big") & _TID_MASK

    def address(self, kind: str, number: int) -> str:
        """An address that belongs to nobody."""
        return "0x" + self._digest(kind, number)[:20].hex()

    def _digest(self, kind: str, number: int) -> bytes:
        return hashlib.blake2b(f"{self._seed}/{kind}/{number}".encode(), digest_size=32).digest()
