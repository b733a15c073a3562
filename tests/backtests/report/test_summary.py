"""The summary: its fields, its arithmetic, and what it warns of."""

from __future__ import annotations

import json

import msgspec
import pytest

from backtests.report import summarise
from backtests.report.result import RunResult
from engine.model.units import NS_PER_S

replace = msgspec.structs.replace


def test_the_summary_has_every_field_that_was_promised(by_hand: RunResult) -> None:
    promised = (
        "name mode start end events orders fills cancels refusals rejects gross_pnl fees funding"
        " net_pnl final_equity max_drawdown sharpe sortino turnover liquidations wall_seconds"
        " events_per_second driver per_strategy"
    )

    assert set() == set(promised.split()) - summarise(by_hand).keys()


def test_the_summary_of_three_fills_is_that_of_a_pencil(by_hand: RunResult) -> None:
    expected = {
        "name": "by hand",
        "mode": "backtest",
        "driver": "reference",
        "start": "2025-01-01T00:00:00Z",
        "end": "2025-01-01T00:00:05Z",
        "duration_seconds": 5.0,
        "collateral": "USDC",
        "starting_equity": 1000.0,
        "final_equity": 1000.71865,
        "gross_pnl": 1.0,
        "fees": 0.27135,
        "funding": 0.01,
        "net_pnl": 0.71865,
        "sharpe": None,
        "sortino": None,
        "events": 500,
        "orders": 4,
        "fills": 3,
        "cancels": 2,
        "liquidations": 0,
        "refusals": {"position limit": 2, "stale book": 1},
        "rejects": {"Insufficient margin": 1},
        "wall_seconds": 0.25,
        "events_per_second": 2000.0,
    }
    found = summarise(by_hand)

    assert expected == {key: found[key] for key in expected}
    assert 0.00071865 == pytest.approx(found["total_return"])
    assert (1000.72865 - 1.07840 - 1000.72865) / 1001.79705 == pytest.approx(
        found["max_drawdown"], rel=1e-4
    )


def test_the_ledger_of_three_fills_closes(by_hand: RunResult) -> None:
    expected = {
        "start": 1000.0,
        "realised": 1.0,
        "unrealised": 0.0,
        "fees": 0.27135,
        "funding": 0.01,
        "transfers": 0.0,
        "final": 1000.71865,
        "difference": 0.0,
        "difference_by_strategy": 0.0,
    }

    assert expected == summarise(by_hand)["ledger"]


def test_a_deposit_is_in_the_ledger_and_not_in_the_profit(by_hand: RunResult) -> None:
    last = replace(by_hand.equity[-1], equity_e8=150_071_865_000, transfers_e8=50_000_000_000)
    moved = replace(by_hand, equity=[*by_hand.equity[:-1], last], final_equity_e8=150_071_865_000)
    found = summarise(moved)

    assert (500.0, 0.0) == (found["ledger"]["transfers"], found["ledger"]["difference"])
    assert 0.71865 == found["net_pnl"]
    assert 0.00071865 == pytest.approx(found["total_return"])


def test_a_ledger_that_does_not_close_is_told_to_the_last_unit(by_hand: RunResult) -> None:
    found = summarise(replace(by_hand, final_equity_e8=by_hand.final_equity_e8 + 1))

    assert (1e-8, 1e-8) == (
        found["ledger"]["difference"],
        found["ledger"]["difference_by_strategy"],
    )
    assert "differs by 0.00000001 USDC from what the fills explain" in found["warnings"][0]
    assert "the totals of the strategies" in found["warnings"][1]


def test_strategies_that_do_not_add_up_are_told_apart_from_fills(by_hand: RunResult) -> None:
    (trend,) = by_hand.strategies
    found = summarise(replace(by_hand, strategies=[replace(trend, net_e8=trend.net_e8 - 5)]))

    assert (0.0, 5e-8) == (
        found["ledger"]["difference"],
        found["ledger"]["difference_by_strategy"],
    )
    assert 1 == len(found["warnings"]) - 1


def test_costs_run_from_gross_to_net(by_hand: RunResult) -> None:
    found = summarise(by_hand)["metrics"]["costs"]

    assert (0.06795, 0.2034, 0.0) == (found["maker_fees"], found["taker_fees"], found["rebates"])
    assert (0.01, 0.0) == pytest.approx((found["funding_paid"], found["funding_received"]))
    assert 905.0 == found["volume"]
    assert 10_000 / 905 == pytest.approx(found["gross_bps"])
    assert 7_186.5 / 905 == pytest.approx(found["net_bps"])
    assert 0.28135 == pytest.approx(found["costs_to_gross"])


def test_a_rebate_is_counted_apart_from_the_fees_it_lowers(by_hand: RunResult) -> None:
    fills = [*by_hand.fills]
    fills[1] = replace(fills[1], fee_e8=-1_000_000)
    found = summarise(replace(by_hand, fills=fills))["metrics"]["costs"]

    assert (0.0, 0.2034, -0.01) == (found["maker_fees"], found["taker_fees"], found["rebates"])
    assert 0.1934 == found["fees"]


def test_execution_counts_what_became_of_orders(by_hand: RunResult) -> None:
    found = summarise(by_hand)["metrics"]["execution"]

    assert {
        "orders": 4,
        "orders_filled": 3,
        "fills": 3,
        "fills_buy": 2,
        "fills_sell": 1,
        "cancels": 2,
        "rejects": 1,
        "refusals": 3,
        "maker_share": pytest.approx(453 / 905),
        "maker_share_of_fills": pytest.approx(1 / 3),
        "orders_filled_ratio": 0.75,
        "fill_ratio": 1.0,
        "cancel_ratio": 0.5,
        "reject_ratio": 0.25,
        "fill_average": pytest.approx(905 / 3),
        "time_to_fill_median_seconds": 0.5,
    } == found


def test_a_partly_filled_order_lowers_the_fill_ratio(by_hand: RunResult) -> None:
    orders = [*by_hand.orders]
    orders[0] = replace(orders[0], filled_lots=100)
    found = summarise(replace(by_hand, orders=orders))["metrics"]["execution"]

    assert (905 - 150) / 905 == pytest.approx(found["fill_ratio"])


def test_time_to_fill_is_from_the_first_sending_to_the_first_fill(by_hand: RunResult) -> None:
    """The fill of generation 1 of an order whose last generation, 4, is the one in the table."""
    first = by_hand.orders[0]
    moved = replace(first, generation=4, ts_sent_ns=first.ts_sent_ns - 9 * NS_PER_S)
    run = replace(by_hand, orders=[moved], fills=[*by_hand.fills, by_hand.fills[0]])

    assert 9.5 == summarise(run)["metrics"]["execution"]["time_to_fill_median_seconds"]


def test_exposure_is_weighted_by_the_time_it_was_held(by_hand: RunResult) -> None:
    """Flat for 1 s, 300 for 1 s, 151 short for 2 s, flat for 1 s."""
    found = summarise(by_hand)["metrics"]["exposure"]
    mean = (1000 + 999.865 + 2 * 1001.79705 + 1000.72865) / 5

    assert 0.6 == pytest.approx(found["time_in_market"])
    assert (300 / 999.865 + 2 * 151 / 1001.79705) / 5 == pytest.approx(found["leverage_average"])
    assert 300 / 999.865 == pytest.approx(found["leverage_max"])
    assert (300.0, pytest.approx(-2 / 5)) == (
        found["notional_max"],
        found["net_notional_average"],
    )
    assert 905 / mean == pytest.approx(found["turnover"])
    assert (None, None) == (found["turnover_per_day"], found["turnover_per_year"])


def test_turnover_is_given_by_day_from_one_day_and_by_year_from_thirty(
    short_run: RunResult, long_run: RunResult
) -> None:
    day = replace(short_run, end_ns=short_run.start_ns + 86_400 * NS_PER_S)
    of_day, of_long = (summarise(run)["metrics"]["exposure"] for run in (day, long_run))

    assert of_day["turnover"] == pytest.approx(of_day["turnover_per_day"])
    assert of_day["turnover_per_year"] is None
    assert of_long["turnover"] / 75 * 365 == pytest.approx(of_long["turnover_per_year"])


def test_a_run_of_seventy_five_days_has_annualised_statistics(long_run: RunResult) -> None:
    found = summarise(long_run)

    assert 75 == found["metrics"]["daily"]["returns"]
    assert found["sharpe"] == found["metrics"]["daily"]["sharpe"] is not None
    assert found["sortino"] == found["metrics"]["daily"]["sortino"] is not None
    assert ["2025-01", "2025-02", "2025-03"] == [one["month"] for one in found["metrics"]["months"]]


def test_annual_growth_is_over_the_time_the_run_took(long_run: RunResult) -> None:
    doubled = replace(long_run, end_ns=long_run.start_ns + 150 * 86_400 * NS_PER_S)
    found = summarise(doubled)

    assert (1 + found["total_return"]) ** (365 / 150) - 1 == pytest.approx(
        found["metrics"]["daily"]["cagr"]
    )


def test_counts_are_in_order_of_name(by_hand: RunResult) -> None:
    assert ["position limit", "stale book"] == list(summarise(by_hand)["refusals"])


def test_months_compound_to_the_whole_and_add_up_to_its_profit(long_run: RunResult) -> None:
    found = summarise(long_run)
    growth, profit = 1.0, 0.0
    for month in found["metrics"]["months"]:
        growth *= 1 + month["return"]
        profit += month["profit"]

    assert found["total_return"] == pytest.approx(growth - 1)
    assert found["net_pnl"] == pytest.approx(profit)


def test_a_short_run_has_a_sharpe_ratio_per_sample_only(short_run: RunResult) -> None:
    found = summarise(short_run)

    assert (None, 1) == (found["sharpe"], found["metrics"]["daily"]["returns"])
    assert (360, 60.0) == (
        found["metrics"]["per_sample"]["returns"],
        found["metrics"]["per_sample"]["spacing_median_seconds"],
    )
    assert found["metrics"]["per_sample"]["sharpe"] is not None


def test_samples_under_thirty_say_nothing(by_hand: RunResult) -> None:
    found = summarise(by_hand)["metrics"]["per_sample"]

    assert {None} == {found[key] for key in ("mean", "deviation", "sharpe", "sortino")}


def test_each_strategy_has_its_own_totals_in_order_of_name(long_run: RunResult) -> None:
    found = summarise(long_run)

    assert ["carry", "trend"] == list(found["per_strategy"])
    for key in ("gross_pnl", "fees", "funding", "net_pnl"):
        assert found[key] == pytest.approx(sum(one[key] for one in found["per_strategy"].values()))
    assert found["metrics"]["trades"]["all"]["trades"] == sum(
        one["trades"] for one in found["per_strategy"].values()
    )


def test_trades_are_split_by_side_and_instrument(long_run: RunResult) -> None:
    trades = summarise(long_run)["metrics"]["trades"]

    assert ["hl:BTC", "hl:ETH"] == list(trades["by_instrument"])
    assert trades["all"]["trades"] == trades["long"]["trades"] + trades["short"]["trades"]
    assert trades["all"]["net"] == pytest.approx(
        sum(one["net"] for one in trades["by_instrument"].values())
    )


def test_a_run_in_which_nothing_happened_has_no_numbers_to_divide(untouched: RunResult) -> None:
    found = summarise(untouched)

    assert json.dumps(found, allow_nan=False)
    assert ["No order was filled."] == found["warnings"]
    assert (0, 0.0, 0.0) == (found["fills"], found["net_pnl"], found["max_drawdown"])
    assert (None, 0.0) == (found["events_per_second"], found["turnover"])


def test_a_run_that_took_no_time_is_summarised(untouched: RunResult) -> None:
    assert json.dumps(summarise(replace(untouched, end_ns=untouched.start_ns)), allow_nan=False)


def test_a_ruined_account_has_a_loss_and_no_ratios(long_run: RunResult) -> None:
    ruined = replace(long_run, final_equity_e8=-1, liquidations=2)
    found = summarise(ruined)

    assert json.dumps(found, allow_nan=False)
    assert -1.0 == pytest.approx(found["total_return"])
    assert (None, None) == (found["sharpe"], found["metrics"]["daily"]["cagr"])
    assert "The account was liquidated 2 times." in found["warnings"]


def test_costs_that_eat_the_profit_are_told(by_hand: RunResult) -> None:
    fills = [replace(fill, fee_e8=100_000_000) for fill in by_hand.fills]

    assert any(
        "more than the whole gross profit" in text
        for text in summarise(replace(by_hand, fills=fills))["warnings"]
    )


def test_many_rejects_are_told(by_hand: RunResult) -> None:
    assert (
        "Requests that the venue rejected: 1, against 4 orders sent."
        in summarise(by_hand)["warnings"]
    )


def test_the_summary_goes_through_json_unchanged(long_run: RunResult) -> None:
    found = summarise(long_run)

    assert found == json.loads(json.dumps(found, allow_nan=False))
