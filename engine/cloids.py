"""Client order ids of 128 bits: the run's epoch and a counter; never reused."""

from __future__ import annotations

from typing import Final

_EPOCHS: Final = 1 << 64
# The last three digits, made once: an id is asked for with every order that is wished for.
_LOW: Final = tuple([f"{low:03x}" for low in range(4096)])


class Cloids:
    """The ids of one run."""

    def __init__(self) -> None:
        self._count = 0
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Number from now on under this epoch (64 bits)."""
        self._prefix = f"0x{epoch % _EPOCHS:016x}"
        self._high = f"{self._prefix}{self._count // 4096:013x}"

    def next(self) -> str:
        """An id that no order had before."""
        count = self._count = self._count + 1
        low = count % 4096
        if not low:
            self._high = f"{self._prefix}{count // 4096:013x}"
        return self._high + _LOW[low]
