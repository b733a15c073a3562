"""Client order ids of 128 bits: the run's epoch and a counter; never reused."""

from __future__ import annotations

from typing import Final

_EPOCHS: Final = 1 << 64


class Cloids:
    """The ids of one run."""

    def __init__(self) -> None:
        self._prefix = f"0x{0:016x}"
        self._count = 0

    def begin(self, epoch: int) -> None:
        """Number from now on under this epoch (64 bits)."""
        self._prefix = f"0x{epoch % _EPOCHS:016x}"

    def next(self) -> str:
        """An id that no order had before."""
        count = self._count = self._count + 1
        return self._prefix + "%016x" % count  # noqa: UP031 - sooner done than an f-string
