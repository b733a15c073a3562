"""The nonces a signer may still use (protocol 3.5).

The 100 highest are kept for each signer. A new one must be unused, exceed the smallest kept, and
lie within two days before and one day after the venue's time.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

KEPT: Final = 100
SIGNERS_MAX: Final = 10_000
DAY_MS: Final = 86_400_000


class NonceBook:
    """The nonces of every signer."""

    def __init__(self) -> None:
        self._kept: dict[str, list[int]] = {}

    def use(self, signer: str, nonce: int, now_ms: int) -> str:
        """Burn a nonce; the venue's refusal when it cannot be used, or ""."""
        kept = self._kept.setdefault(signer, [])
        if len(self._kept) > SIGNERS_MAX:
            del self._kept[next(iter(self._kept))]
        at = bisect_left(kept, nonce)
        if at < len(kept) and kept[at] == nonce:
            return f"Invalid nonce: duplicate nonce {nonce}"
        least = max(now_ms - 2 * DAY_MS, kept[0] if len(kept) >= KEPT else 0)
        if nonce <= least:
            return f"Invalid nonce: nonce too low {nonce} < {least}"
        if nonce >= now_ms + DAY_MS:
            return f"Invalid nonce: nonce too high {nonce} > {now_ms + DAY_MS}"
        kept.insert(at, nonce)
        if len(kept) > KEPT:
            del kept[0]
        return ""
