"""Round trips and what their results say."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.report.activity import fill_arrays
from backtests.report.result import Decimals, FillRow, RunResult, decimals_by_instrument
from backtests.report.trades import RoundTrip, round_trips, trade_statistics
from engine.errors import ModelError
from engine.model.instruments import MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_S, Side

SOL = hyperliquid_instrument("hl", "SOL", sz_decimals=2, margin_tiers=(MarginTier(0, 20),))


def trips_of(result: RunResult) -> tuple[list[RoundTrip], list[RoundTrip]]:
    return round_trips(result.fills, decimals_by_instrument(result))


def trip(net_e8: int, *, hold_seconds: int = 1) -> RoundTrip:
    return RoundTrip(
        account="main",
        strategy="trend",
        instrument="hl:SOL",
        is_long=True,
        open_ns=0,
        close_ns=hold_seconds * NS_PER_S,
        lots_max=1,
        gross_e8=net_e8,
    )


def test_a_fill_through_zero_ends_one_trip_and_begins_the_next(by_hand: RunResult) -> None:
    closed, still_open = trips_of(by_hand)

    assert [] == still_open
    assert [(True, 200, 200), (False, 100, 100)] == [
        (one.is_long, one.entry_lots, one.exit_lots) for one in closed
    ]
    assert [200, 100] == [one.lots_max for one in closed]
    assert [181_970_000, -109_105_000] == [one.net_e8 for one in closed]
    assert [30_200_000_000, 15_200_000_000] == [one.exit_notional_e8 for one in closed]
    assert [1, 2] == [(one.close_ns - one.open_ns) // NS_PER_S for one in closed]


def test_a_position_still_held_is_an_open_trip(by_hand: RunResult) -> None:
    held = msgspec.structs.replace(by_hand, fills=by_hand.fills[:2])
    closed, still_open = trips_of(held)

    assert (1, 1) == (len(closed), len(still_open))
    assert (False, 100) == (still_open[0].is_long, still_open[0].entry_lots)


def test_strategies_and_accounts_on_one_instrument_have_trips_of_their_own(
    by_hand: RunResult,
) -> None:
    fills: list[FillRow] = []
    for fill in by_hand.fills:
        fills += [
            fill,
            msgspec.structs.replace(fill, strategy="other"),
            msgspec.structs.replace(fill, account="second"),
        ]
    closed, still_open = trips_of(msgspec.structs.replace(by_hand, fills=fills))

    assert [] == still_open
    assert [181_970_000] * 3 + [-109_105_000] * 3 == [one.net_e8 for one in closed]


def test_a_position_taken_over_from_before_is_a_trip_on_its_own_side(by_hand: RunResult) -> None:
    """The first fill sells 3.00 and leaves 1.00 of a long that no fill opened."""
    first = msgspec.structs.replace(by_hand.fills[1], position_lots=100)
    closed, still_open = trips_of(msgspec.structs.replace(by_hand, fills=[first]))

    assert [] == closed
    assert (True, 400, 300) == (
        still_open[0].is_long,
        still_open[0].lots_max,
        still_open[0].exit_lots,
    )


def test_turning_to_a_larger_position_does_not_make_the_trip_before_it_larger() -> None:
    closed, (short,) = round_trips(fills_of([1, -4], 0), {"hl:SOL": Decimals(4, 2, SOL.grid)})

    assert [1] == [one.lots_max for one in closed]
    assert (False, 3) == (short.is_long, short.lots_max)


def test_a_position_taken_over_and_turned_is_a_long_trip_and_a_short_one(
    by_hand: RunResult,
) -> None:
    turned = msgspec.structs.replace(by_hand, fills=by_hand.fills[1:2])
    (long,), (short,) = trips_of(turned)

    assert (True, False) == (long.is_long, short.is_long)


@given(st.lists(st.integers(-5, 5).filter(bool), max_size=40), st.integers(-3, 3))
def test_trips_add_up_to_the_fills_whatever_they_were(steps: list[int], fee: int) -> None:
    fills = fills_of(steps, fee)
    closed, still_open = round_trips(fills, {"hl:SOL": Decimals(4, 2, SOL.grid)})
    trips = closed + still_open

    assert sum(fill.fee_e8 for fill in fills) == sum(one.fees_e8 for one in trips)
    assert sum(fill.realised_e8 for fill in fills) == sum(one.gross_e8 for one in trips)
    assert sum(map(abs, steps)) == sum(one.entry_lots + one.exit_lots for one in trips)
    assert all(one.entry_lots == one.exit_lots for one in closed)
    assert sum(steps) == sum(
        (one.entry_lots - one.exit_lots) * (1 if one.is_long else -1) for one in still_open
    )


def fills_of(steps: list[int], fee: int) -> list[FillRow]:
    """Fills of these signed sizes; what each realised is made up, as trips only pass it on."""
    fills, position = [], 0
    for at, step in enumerate(steps):
        position += step
        fills.append(
            FillRow(
                ts_venue_ns=at,
                ts_local_ns=at,
                account="main",
                strategy="trend",
                instrument="hl:SOL",
                cloid=str(at),
                generation=0,
                oid=at,
                trade_id=at,
                side=Side.BUY if step > 0 else Side.SELL,
                px_ticks=1_500_000 + at,
                sz_lots=abs(step),
                px=150.0,
                sz=abs(step) / 100,
                fee_e8=fee,
                is_maker=False,
                is_liquidation=False,
                realised_e8=at * step,
                position_lots=position,
            )
        )
    return fills


def test_the_statistics_of_trips_are_those_of_a_pencil() -> None:
    results = [3, -1, 2, -2, -1, 0, 4, 1]
    found = trade_statistics([trip(one * 10**8, hold_seconds=at) for at, one in enumerate(results)])

    assert (8, 4, 3) == (found.trades, found.wins, found.losses)
    assert (6.0, 10.0, -4.0) == (found.net, found.gross_profit, found.gross_loss)
    assert (0.5, 2.5, 0.75) == (found.win_rate, found.profit_factor, found.expectancy)
    assert 2.5 == found.win_average
    assert -4 / 3 == pytest.approx(found.loss_average)
    assert 1.875 == pytest.approx(found.payoff_ratio)
    assert 2.875 * 0.5 - 1 == pytest.approx(found.expectancy_ratio)
    assert 8**0.5 * 0.75 / 2.1213203435596424 == pytest.approx(found.sqn)
    assert (4.0, -2.0) == (found.best, found.worst)
    assert (3.5, 3.5) == (found.hold_average_seconds, found.hold_median_seconds)
    assert (2, 2) == (found.win_streak_max, found.loss_streak_max)


@pytest.mark.parametrize("results", [[], [1], [-1], [0], [2, 2, 2], [-2, -2], [0, 0]])
def test_statistics_of_few_or_equal_trips_are_finite_or_none(results: list[int]) -> None:
    found = msgspec.to_builtins(trade_statistics([trip(one) for one in results]))

    assert json.dumps(found, allow_nan=False)
    assert found["sqn"] is None
    assert found["profit_factor"] is None or min(results) < 0


def test_an_instrument_without_a_grid_is_an_error_that_names_it(by_hand: RunResult) -> None:
    with pytest.raises(ModelError, match="a fill names 'hl:SOL'"):
        trips_of(msgspec.structs.replace(by_hand, instruments=()))


def test_a_venue_with_a_clock_of_its_own_does_not_move_fills_out_of_the_picture(
    short_run: RunResult,
) -> None:
    # Samples of equity are taken by our clock, so what is drawn beside them is too.
    ahead_ns = 3_600_000_000_000
    moved = msgspec.structs.replace(
        short_run,
        fills=[
            msgspec.structs.replace(fill, ts_venue_ns=fill.ts_venue_ns + ahead_ns)
            for fill in short_run.fills
        ],
    )
    decimals = decimals_by_instrument(short_run)

    assert [fill.ts_local_ns for fill in moved.fills] == fill_arrays(
        moved.fills, decimals
    ).ts_ns.tolist()
    assert round_trips(short_run.fills, decimals) == round_trips(moved.fills, decimals)
