"""Walks an answer of limited rows to its end: every row once, oldest first, however it is cut.

A span includes both its ends, and many rows may share one millisecond (funding of all coins), so a
page can be cut in the middle of a time. The next page therefore begins at the time of the last row,
not after it, and what it says of that time replaces what was known of it. A walk ends when a page
brings nothing new: the venue's limits are not told in its answers and have changed before
(protocol 1.1). A page that is newest first is walked backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from connectors.hyperliquid.info.requests import Paging
from engine.errors import VenueError

R = TypeVar("R")

PAGES_MAX: Final = 200


class Walk(Generic[R]):
    """The rows found so far, and the span (ms, both ends included) to ask for next."""

    def __init__(self, name: str, paging: Paging, start_ms: int, end_ms: int | None) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.rows: list[R] = []
        self._name = name
        self._paging = paging
        self._pages = 0
        self._is_backward = False
        self._reached_ms: int | None = None

    def take(self, page: Sequence[R]) -> bool:
        """Add a page; whether another must be asked for.

        Raises VenueError when more rows share one millisecond than a page can hold, so that the
        walk cannot pass it, or when it is longer than `PAGES_MAX` pages.
        """
        if not page:
            return False
        rows = self._oldest_first(page)
        before, reached_before = len(self.rows), self._reached_ms
        self._merge(rows)
        self._reached_ms = self._time(self.rows[0 if self._is_backward else -1])
        if len(self.rows) == before and self._reached_ms == reached_before:
            self._check_passable(rows)
            return False
        self._pages += 1
        if self._pages >= PAGES_MAX:
            raise VenueError(
                f"info {self._name}: still not at the end after {PAGES_MAX} pages and"
                f" {len(self.rows)} rows: ask for a shorter span"
            )
        if self._is_backward:
            self.end_ms = self._reached_ms
        else:
            self.start_ms = self._reached_ms
        return True

    def _time(self, row: R) -> int:
        time_ms = getattr(row, self._paging.time_field)
        assert isinstance(time_ms, int)
        return time_ms

    def _oldest_first(self, page: Sequence[R]) -> list[R]:
        first_ms, last_ms = self._time(page[0]), self._time(page[-1])
        is_newest_first = first_ms > last_ms or (first_ms == last_ms and self._is_backward)
        if not self.rows:
            self._is_backward = is_newest_first
        # A stable sort keeps the order within one time as it was meant.
        return sorted(reversed(page) if is_newest_first else page, key=self._time)

    def _merge(self, rows: list[R]) -> None:
        reached_ms = self._reached_ms
        if reached_ms is None:
            self.rows = rows
            return
        known = [row for row in self.rows if self._time(row) == reached_ms]
        again = [row for row in rows if self._time(row) == reached_ms]
        edge = again if len(again) >= len(known) else known
        if self._is_backward:
            older = [row for row in rows if self._time(row) < reached_ms]
            self.rows = [*older, *edge, *self.rows[len(known) :]]
        else:
            newer = [row for row in rows if self._time(row) > reached_ms]
            self.rows = [*self.rows[: len(self.rows) - len(known)], *edge, *newer]

    def _check_passable(self, rows: list[R]) -> None:
        if len(rows) >= self._paging.rows_max and self._time(rows[0]) == self._time(rows[-1]):
            raise VenueError(
                f"info {self._name}: {len(rows)} rows or more at the one time"
                f" {self._time(rows[0])} ms: no page reaches past it"
            )
