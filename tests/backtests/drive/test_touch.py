"""The search for the next touch: what it looks at, and how much at once."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import pytest

from backtests.drive.blocks import NEVER_HIGH, PART_ROWS
from backtests.drive.touch import Touch
from backtests.tape import StreamKind

ROWS = 20 * PART_ROWS
QUIET = SimpleNamespace(bid_ticks=90, ask_ticks=110, levels=(), has_triggers=False)


def source(touched: int = -1) -> Any:  # noqa: ANN401 - stands for a source
    """Trades at 100, a row each ns, in one block; but one at 90 where an own buy is touched."""
    prices = array("q", [100] * ROWS)
    if touched >= 0:
        prices[touched] = 90
    ahead = [min(prices[row : row + PART_ROWS]) for row in range(ROWS)]
    searched = SimpleNamespace(low=prices, high=prices, low_ahead=ahead, high_ahead=[100] * ROWS)
    block = SimpleNamespace(
        start=0, stop=ROWS, count=ROWS, venue_ns=[*range(ROWS)], searched=searched
    )
    return SimpleNamespace(
        seen=-1,
        n=ROWS,
        kind=StreamKind.TRADE,
        block=lambda _: block,
        venue_ns=block.venue_ns.__getitem__,
    )


def test_how_far_a_search_reaches_at_once_stays_near_the_size_of_a_block() -> None:
    """A run of millions of searches with the same orders would count in ever larger numbers."""
    touch = Touch(source(), lambda: QUIET)  # type: ignore[arg-type, return-value]
    for limit_ns in range(0, ROWS, PART_ROWS):
        touch.find(limit_ns)

    assert touch._reach < 2 * ROWS  # noqa: SLF001 - it shows in nothing else


@pytest.mark.parametrize("touched", [0, 15, 16, 47, 48, 100, ROWS - 1])
def test_what_a_longer_reach_passes_over_holds_no_touch(touched: int) -> None:
    touch = Touch(source(touched), lambda: QUIET)  # type: ignore[arg-type, return-value]
    found = touch.find(ROWS)
    while found[0] < 0 and found[1] < NEVER_HIGH:
        found = touch.find(ROWS)

    assert (touched, touched) == found
