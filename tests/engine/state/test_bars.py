"""Bars built trade by trade against bars built by grouping the trades."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.model.events import Bar, Trade
from engine.model.units import Side
from engine.state.bars import BarBuilder

INTERVAL_NS = 60
steps = st.lists(
    st.tuples(
        # Many trades of one stamp, some beside it, and gaps of several bars.
        st.sampled_from([0, 0, 0, 1, 7, 59, 60, 61, 300]),
        st.integers(1, 50),
        st.integers(1, 9),
    ),
    max_size=60,
)


def trades(of: list[tuple[int, int, int]]) -> list[Trade]:
    made: list[Trade] = []
    now_ns = 1_000
    for gap_ns, px_ticks, sz_lots in of:
        now_ns += gap_ns
        made.append(
            Trade(now_ns, now_ns + 5, "x", px_ticks / 10, sz_lots / 1000, Side.BUY, len(made))
        )
    return made


def grouped(of: list[Trade]) -> list[Bar]:
    """One bar per interval that has trades, closed by the first trade of the next such one."""
    groups = [list(group) for _, group in groupby(of, lambda t: t.ts_venue_ns // INTERVAL_NS)]
    return [
        Bar(
            (group[0].ts_venue_ns // INTERVAL_NS + 1) * INTERVAL_NS,
            after[0].ts_local_ns,
            "x",
            INTERVAL_NS,
            group[0].px,
            max(trade.px for trade in group),
            min(trade.px for trade in group),
            group[-1].px,
            sum(round(trade.sz * 1000) for trade in group) / 1000,
        )
        for group, after in pairwise(groups)
    ]


@given(steps)
def test_a_bar_holds_the_trades_of_its_interval_and_closes_with_the_next_trade(
    of: list[tuple[int, int, int]],
) -> None:
    builder = BarBuilder(INTERVAL_NS, 10, 1000)
    built = [bar for trade in trades(of) if (bar := builder.fold(trade)) is not None]

    assert grouped(trades(of)) == built


def test_a_trade_at_the_very_end_of_a_bar_belongs_to_the_next_one() -> None:
    builder = BarBuilder(INTERVAL_NS, 10, 1000)
    first = [builder.fold(Trade(59, 59, "x", 1.0, 1.0, Side.BUY, 1))]
    at_end = [builder.fold(Trade(60, 61, "x", 2.0, 1.0, Side.BUY, n)) for n in range(1_500)]
    (later,) = [builder.fold(Trade(120, 120, "x", 3.0, 1.0, Side.BUY, 2_000))]

    assert [None] == first
    assert Bar(60, 61, "x", INTERVAL_NS, 1.0, 1.0, 1.0, 1.0, 1.0) == at_end[0]
    assert {None} == set(at_end[1:])
    assert Bar(120, 120, "x", INTERVAL_NS, 2.0, 2.0, 2.0, 2.0, 1500.0) == later
