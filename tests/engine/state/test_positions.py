"""Positions against average-cost accounting done with fractions, and the identity they keep."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.units import MONEY_SCALE
from engine.state.positions import Position

SCALES = (1000, 1000, 100)
UNIT_E8 = 100

Fill = tuple[int, int, int, int]
fills = st.lists(
    st.tuples(
        st.sampled_from((1, -1)),
        st.integers(1, 10**6),
        st.integers(1, 1000),
        st.integers(-500, 5000),
    ),
    max_size=40,
)


class Naive:
    """Average cost with fractions: nothing is rounded."""

    def __init__(self) -> None:
        self.lots = 0
        self.entry = Fraction(0)
        self.realised = Fraction(0)

    def fill(self, side: int, px_ticks: int, sz_lots: int) -> None:
        held = abs(self.lots)
        closing = min(held, sz_lots) if self.lots * side < 0 else 0
        self.realised += (px_ticks - self.entry) * -side * closing
        self.lots += side * closing
        opening = sz_lots - closing
        if opening:
            self.entry = (self.entry * abs(self.lots) + px_ticks * opening) / (
                abs(self.lots) + opening
            )
            self.lots += side * opening
        elif not self.lots:
            self.entry = Fraction(0)


@given(fills)
def test_a_position_is_the_average_cost_recomputation(done: list[Fill]) -> None:
    """Each fill rounds by less than one unit of money, so all of them by less than their number."""
    position, naive = Position(*SCALES), Naive()
    for side, px_ticks, sz_lots, fee_e8 in done:
        position.fill(side, px_ticks, sz_lots, fee_e8)
        naive.fill(side, px_ticks, sz_lots)

    assert naive.lots == position.lots
    assert abs(naive.realised * UNIT_E8 - position.realised_e8) <= len(done)
    assert abs(naive.entry * naive.lots * UNIT_E8 - position.cost_e8) <= len(done)


@given(fills, st.integers(0, 2 * 10**6))
def test_cash_plus_value_less_cost_is_exact_over_any_fills_and_flips(
    done: list[Fill], mark_ticks2: int
) -> None:
    """What the fills paid out and what is held at the mark is what was realised and unrealised."""
    position = Position(*SCALES)
    paid_e8 = fees_e8 = realised_e8 = volume_e8 = 0
    for side, px_ticks, sz_lots, fee_e8 in done:
        realised_e8 += position.fill(side, px_ticks, sz_lots, fee_e8)
        paid_e8 += side * px_ticks * sz_lots * UNIT_E8
        fees_e8 += fee_e8
        volume_e8 += px_ticks * sz_lots * UNIT_E8
    value_e8 = position.lots * mark_ticks2 * UNIT_E8 // 2

    assert value_e8 - paid_e8 == realised_e8 + position.unrealised_e8(mark_ticks2)
    assert (realised_e8, fees_e8, volume_e8) == (
        position.realised_e8,
        position.fees_e8,
        position.volume_e8,
    )


@given(fills)
def test_a_flat_position_has_no_cost_left(done: list[Fill]) -> None:
    position = Position(*SCALES)
    for side, px_ticks, sz_lots, fee_e8 in done:
        position.fill(side, px_ticks, sz_lots, fee_e8)
    if position.lots:
        position.fill(-1 if position.lots > 0 else 1, 500, abs(position.lots), 0)

    assert (0, 0, 0.0) == (position.lots, position.cost_e8, position.entry_px)


@given(fills)
def test_a_mirrored_position_mirrors_every_amount(done: list[Fill]) -> None:
    """Shorts are accounted as longs are: amounts differ by the rounding of reducing fills alone."""
    long, short = Position(*SCALES), Position(*SCALES)
    for side, px_ticks, sz_lots, _ in done:
        long.fill(side, px_ticks, sz_lots, 0)
        short.fill(-side, px_ticks, sz_lots, 0)

    assert long.lots == -short.lots
    assert abs(long.realised_e8 + short.realised_e8) <= len(done)


@pytest.mark.parametrize(
    ("done", "sz", "entry_px", "realised"),
    [
        ([(1, 100_000, 1000)], 1.0, 100.0, 0.0),
        ([(1, 100_000, 1000), (1, 110_000, 1000)], 2.0, 105.0, 0.0),
        ([(1, 100_000, 1000), (1, 110_000, 1000), (-1, 120_000, 1000)], 1.0, 105.0, 15.0),
        ([(1, 100_000, 1000), (-1, 90_000, 1500)], -0.5, 90.0, -10.0),
        ([(-1, 100_000, 1000), (1, 90_000, 1000)], 0.0, 0.0, 10.0),
    ],
)
def test_what_a_person_reads(
    done: list[tuple[int, int, int]], sz: float, entry_px: float, realised: float
) -> None:
    position = Position(*SCALES)
    for side, px_ticks, sz_lots in done:
        position.fill(side, px_ticks, sz_lots, MONEY_SCALE // 2)

    assert (sz, entry_px, realised) == (position.sz, position.entry_px, position.realised)
    assert 0.5 * len(done) == position.fees
