"""An id is the epoch and a counter, both in 16 hex digits, and none is given twice."""

from __future__ import annotations

import pytest

from engine.cloids import Cloids

COUNT = 10_000


@pytest.mark.parametrize("epoch", [0, 1, 0x0123_4567_89AB_CDEF, 2**64 - 1])
def test_ids_count_on_under_the_epoch_of_the_run(epoch: int) -> None:
    cloids = Cloids()
    cloids.begin(epoch)
    made = [cloids.next() for _ in range(COUNT)]

    assert [f"0x{epoch:016x}{number:016x}" for number in range(1, COUNT + 1)] == made
    assert COUNT == len(set(made))


@pytest.mark.parametrize("before", [0, 1, 4_095, 4_096, 9_000])
def test_an_epoch_that_begins_later_goes_on_with_the_count(before: int) -> None:
    cloids = Cloids()
    for _ in range(before):
        cloids.next()
    cloids.begin(7)

    assert f"0x{7:016x}{before + 1:016x}" == cloids.next()
