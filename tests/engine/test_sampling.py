"""The equity curve of a live run: what a sample says, when one is taken, and how many are kept."""

from __future__ import annotations

from engine.drive import sampling
from engine.drive.sampling import POINTS_MAX, EquitySampler
from engine.model.events import AssetContext, FundingPaid, Transfer
from engine.model.units import NS_PER_S
from tests.engine.builders import BTC, BUY, MAIN, live_house


def test_a_sample_is_the_accounts_money_at_the_mark() -> None:
    house = live_house()
    house.fill(house.rest(BUY, 99.0, 1.0), 99.0, 1.0)
    house.step(FundingPaid, MAIN, BTC, 300, 1000, 0.1)
    house.step(Transfer, MAIN, 500, "deposit")
    house.step(AssetContext, BTC, 101.0, 101.0, 0.0, 0.0)
    sampler = EquitySampler(house.engine, NS_PER_S)
    sampler.sample(7)
    (point,) = sampler.points
    account = house.account

    assert (7, account.equity_e8(), account.cash_e8) == (
        point.ts_ns,
        point.equity_e8,
        point.cash_e8,
    )
    assert (2 * 10**8, 300, 500) == (point.unrealised_e8, point.funding_e8, point.transfers_e8)
    assert (101 * 10**8, 101 * 10**8) == (point.position_notional_e8, point.net_notional_e8)


def test_samples_are_taken_on_the_step_and_not_between() -> None:
    sampler = EquitySampler(live_house().engine, NS_PER_S)
    for now_ns in (0, NS_PER_S // 2, NS_PER_S, NS_PER_S + 1, 3 * NS_PER_S):
        sampler.tick(now_ns)

    assert [0, NS_PER_S, 3 * NS_PER_S] == [point.ts_ns for point in sampler.points]


def test_a_run_without_an_end_keeps_its_first_and_last_sample_and_never_too_many() -> None:
    house = live_house()
    house.hold(1.0)
    sampler = EquitySampler(house.engine, NS_PER_S)
    last_ns = 5 * POINTS_MAX * NS_PER_S
    for now_ns in range(0, last_ns + 1, NS_PER_S):
        sampler.tick(now_ns)
    times = [point.ts_ns for point in sampler.points]
    (series,) = sampler.series()

    assert 0 == times[0]
    assert last_ns - 8 * NS_PER_S <= times[-1] <= last_ns
    assert sampling.POINTS_MAX // 4 < len(times) <= POINTS_MAX
    assert times == sorted(set(times))
    assert len(series.ts_ns) <= POINTS_MAX


def test_a_series_holds_the_mark_and_the_position_of_what_was_held() -> None:
    house = live_house()
    house.hold(2.0)
    house.step(AssetContext, BTC, 102.0, 102.0, 0.0, 0.0)
    sampler = EquitySampler(house.engine, NS_PER_S)
    sampler.sample(1)
    (series,) = sampler.series()

    assert (BTC, [1], [102.0], [2.0]) == (
        series.instrument,
        [*series.ts_ns],
        [*series.px],
        [*series.position],
    )
