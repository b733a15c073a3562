"""The ledger of an account closes, to the last unit, over whatever happens to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.events import FundingPaid, LeverageSet, OrderFilled, Transfer
from engine.model.units import MONEY_SCALE
from engine.state import accounts as accounts_module
from engine.state.accounts import EXTERNAL, Account
from engine.state.market import Market
from tests.engine.builders import BTC, BUY, ETH, MAIN, SELL, House, Scripted, instrument, live_house

UNIT_E8 = 100

happenings = st.lists(
    st.one_of(
        st.tuples(
            st.just("fill"),
            st.sampled_from(["one", "two", "nobody"]),
            st.sampled_from([BTC, ETH]),
            st.sampled_from([BUY, SELL]),
            st.integers(1, 200_000),
            st.integers(1, 5_000),
            st.integers(-10_000, 100_000),
        ),
        st.tuples(st.just("funding"), st.sampled_from([BTC, ETH]), st.integers(-(10**7), 10**7)),
        st.tuples(st.just("transfer"), st.integers(-(10**9), 10**9)),
    ),
    max_size=30,
)


def two_strategies() -> tuple[House, dict[tuple[str, str], str]]:
    """A house with an order of each strategy on each instrument, large enough for any fill."""
    house = House(Scripted(), Scripted(), instruments=(instrument(), instrument("ETH")))
    cloids = {}
    for by, name in enumerate(("one", "two")):
        for where in (BTC, ETH):
            house.quote(where=where)
            intent = house.strategies[by].limit(where, BUY, 100.0, 1.0)
            house.ask(intent, by=by)
            cloids[name, where] = intent.cloid
    return house, cloids


@given(happenings, st.integers(1, 400_000))
def test_the_ledger_closes_over_random_fills_fees_funding_and_transfers(
    what: list[Any], mark_ticks2: int
) -> None:
    """Equity = start + transfers + realised - fees - funding + unrealised, all of it exact."""
    house, cloids = two_strategies()
    account = house.account
    paid_e8, lots = 0, {BTC: 0, ETH: 0}
    fees_e8 = funding_e8 = transfers_e8 = 0
    for number, item in enumerate(what):
        if item[0] == "fill":
            _, who, where, side, px_ticks, sz_lots, fee_e8 = item
            px, sz = px_ticks / 1000, sz_lots / 1000
            cloid = cloids.get((who, where), "0xmanual")
            house.step(
                OrderFilled,
                MAIN,
                where,
                cloid,
                0,
                1,
                number,
                side,
                px_ticks,
                sz_lots,
                px,
                sz,
                fee_e8,
                is_maker=False,
            )
            paid_e8 += side * px_ticks * sz_lots * UNIT_E8
            lots[where] += side * sz_lots
            fees_e8 += fee_e8
        elif item[0] == "funding":
            house.step(FundingPaid, MAIN, item[1], item[2], lots[item[1]], 0.0001)
            funding_e8 += item[2]
        else:
            house.step(Transfer, MAIN, item[1], "deposit")
            transfers_e8 += item[1]
    for where in (BTC, ETH):
        house.mark(mark_ticks2 / 2000, where)
    value_e8 = sum(
        held * house.engine.markets[where].mark_ticks2() * UNIT_E8 // 2
        for where, held in lots.items()
    )
    start_e8 = 1_000_000 * MONEY_SCALE

    assert start_e8 + transfers_e8 - paid_e8 - fees_e8 - funding_e8 + value_e8 == (
        account.equity_e8()
    )
    assert account.equity_e8() - account.margin_used_e8() == account.free_margin_e8()
    assert (fees_e8, funding_e8, transfers_e8) == (
        account.fees_e8,
        account.funding_e8,
        account.transfers_e8,
    )
    assert account.cash_e8 == start_e8 + transfers_e8 - fees_e8 - funding_e8 + sum(
        position.realised_e8 for position in account.positions.values()
    )
    for where, held in lots.items():
        owned = [own for (_, place), own in account.owned.items() if place == where]
        net = account.position(where)
        assert held == net.lots == sum(own.lots for own in owned)
        assert net.fees_e8 == sum(own.fees_e8 for own in owned)
        assert net.funding_e8 == sum(own.funding_e8 for own in owned)


def test_funding_is_borne_by_who_holds_the_position() -> None:
    house = live_house(Scripted(), Scripted())
    house.hold(3.0, by=0)
    house.hold(-1.0, by=1)
    house.step(FundingPaid, MAIN, BTC, 200, 2000, 0.0001)

    shares = [house.account.strategy_position(who, BTC).funding_e8 for who in ("one", "two")]
    assert [300, -100] == shares


def test_funding_of_a_position_nobody_here_holds_belongs_to_external() -> None:
    house = live_house()
    house.fill("0xmanual", 100.0, 1.0, side=BUY)
    house.step(FundingPaid, MAIN, BTC, 7, 1000, 0.0001)

    assert 7 == house.account.strategy_position(EXTERNAL, BTC).funding_e8
    assert 0 == house.account.strategy_position("one", BTC).funding_e8


def test_a_fill_is_booked_once_and_only_so_many_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounts_module, "FILLS_REMEMBERED_MAX", 2)
    account = Account("main", "hl", {})
    asked = [(BTC, 1, "a"), (BTC, 1, "a"), (ETH, 1, "a"), (BTC, 1, "b"), (BTC, 1, "a")]

    assert [True, False, True, True, True] == [account.is_new_fill(*fill) for fill in asked]


def test_a_position_without_any_price_counts_at_its_cost() -> None:
    """Before the first price after a start, equity is not the cost of the positions less."""
    house = House()
    house.fill("0xmanual", 100.0, 1.0, side=BUY)
    before = house.account.equity_e8()
    house.mark(90.0)

    assert 1_000_000 * MONEY_SCALE == before
    assert before - 10 * MONEY_SCALE == house.account.equity_e8()


def test_margin_is_for_positions_at_the_mark_and_adding_orders_at_their_limit() -> None:
    house = live_house(leverage={BTC: 5})
    house.hold(2.0)
    house.rest(BUY, 90.0, 1.0)
    house.rest(SELL, 120.0, 1.0, reduce_only=True)
    house.mark(110.0)

    assert (220 + 90) // 5 * MONEY_SCALE == house.account.margin_used_e8()
    assert house.account.equity_e8() - 62 * MONEY_SCALE == house.account.free_margin_e8()


def test_margin_is_rounded_up_per_instrument() -> None:
    house = live_house(leverage={BTC: 3})
    house.hold(0.2)

    assert 666_666_667 == house.account.margin_used_e8()


@pytest.mark.parametrize(("most", "expected"), [(20, 10), (10, 10), (3, 3)])
def test_leverage_is_the_default_within_the_instruments_own_maximum(
    most: int, expected: int
) -> None:
    markets = {BTC: Market(instrument(leverage_max=most))}

    assert expected == Account("main", "hl", markets).leverage_of(BTC)


def test_leverage_is_what_the_venue_confirmed() -> None:
    house = House()
    house.step(LeverageSet, MAIN, BTC, 7, is_cross=True)

    assert 7 == house.account.leverage_of(BTC)
