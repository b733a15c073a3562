"""One column of one stream: in memory, or mapped from its file.

Reading never makes a big file resident.

A mapped column hands out plain read-only arrays that look into the mapping, and gives back
(`MADV_DONTNEED`) the pages that lie far enough behind the window last asked for. An array that is
still held stays valid: its pages are read again.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from backtests.tape.schema import Array
from engine.errors import DataError

# What stays mapped behind the last window, so that a second reader a little behind keeps its pages,
# and the least that is given back at once. Both are far below what one column of a long tape takes.
_KEPT_BYTES: Final = 2 << 20
_RELEASED_BYTES_MIN: Final = 2 << 20


class Column(Protocol):
    """`size` values of one type."""

    @property
    def size(self) -> int:
        """How many values there are."""

    def window(self, start: int, stop: int) -> Array:
        """Values start..stop as a plain read-only array, without copying."""


class MemoryColumn:
    """A column held in memory."""

    def __init__(self, values: Array) -> None:
        self._values = values.view()
        self._values.flags.writeable = False

    @property
    def size(self) -> int:
        """How many values there are."""
        return self._values.size

    def window(self, start: int, stop: int) -> Array:
        """Values start..stop as a plain read-only array, without copying."""
        return self._values[start:stop]


class MappedColumn:
    """A column in a file of raw values, mapped when it is first read.

    Raises DataError when the file is missing or has not exactly `size` values.
    """

    def __init__(self, path: Path, dtype: str, size: int) -> None:
        self.path = path
        self._dtype = np.dtype(dtype)
        self._size = size
        self._map: mmap.mmap | None = None
        self._values: Array | None = None
        _check_length(path, size * self._dtype.itemsize)
        # Pages before `_low` are given back. A window that starts in low..high changes nothing,
        # which is all that most windows ask.
        self._low = 0
        self._high = self._span = (_KEPT_BYTES + _RELEASED_BYTES_MIN) // self._dtype.itemsize

    @property
    def size(self) -> int:
        """How many values there are."""
        return self._size

    def window(self, start: int, stop: int) -> Array:
        """Values start..stop as a plain read-only array, without copying."""
        values = self._values
        if values is None:
            values = self._mapped()
        if not self._low <= start < self._high:
            self._release(start)
        return values[start:stop]

    def _mapped(self) -> Array:
        if self._size == 0:
            values: Array = np.empty(0, self._dtype)
        else:
            with self.path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            values = np.frombuffer(self._map, self._dtype, self._size)
        values.flags.writeable = False
        self._values = values
        return values

    def _release(self, start: int) -> None:
        """Give back what lies far enough before `start`; a step back starts anew from there."""
        itemsize = self._dtype.itemsize
        page = max(0, start * itemsize - _KEPT_BYTES) // mmap.PAGESIZE
        low_byte = self._low * itemsize
        behind = page * mmap.PAGESIZE
        if behind > low_byte and self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, low_byte, behind - low_byte)
        self._low = behind // itemsize
        self._high = self._low + self._span


def _check_length(path: Path, expected: int) -> None:
    try:
        length = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}, expected a column file") from None
    if length != expected:
        raise DataError(f"{path}: {length} bytes, expected {expected}")
