"""Cash, cost, fees and funding, exact to the last 1e-8, whatever the order of fills."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backtests.exchange.ledger import FILLED_REMEMBERED_MAX, Account, Position
from backtests.exchange.market import Market
from engine.model.events import FundingPaid, OrderFilled, Transfer
from engine.model.units import Tif
from tests.backtests.exchange.scene import BUY, COIN, DOLLAR_E8, SELL, TICK_E8, Scene

IOC = Tif.IOC
START_E8 = 1_000_000 * DOLLAR_E8


def at_10000(**settings: int) -> Scene:
    """Trades only: buys at 10001, sells at 9999, any size."""
    scene = Scene(**settings)  # type: ignore[arg-type]
    scene.trade(10000, 1, BUY)
    return scene


def test_a_buy_and_a_sell_realise_the_difference() -> None:
    scene = at_10000()
    scene.place("a", BUY, 11000, 10, IOC)
    assert (10, 10 * 10001 * TICK_E8) == scene.exchange.position("main", scene.id)

    scene.place("b", SELL, 9000, 4, IOC)

    assert (6, 6 * 10001 * TICK_E8) == scene.exchange.position("main", scene.id)
    assert -8 * TICK_E8 == scene.exchange.realised_e8("main")
    assert START_E8 - 8 * TICK_E8 == scene.exchange.cash_e8("main")
    assert START_E8 - 8 * TICK_E8 - 6 * TICK_E8 == scene.exchange.equity_e8("main")


def test_a_flip_closes_the_old_position_and_opens_the_new_one_at_the_trade_price() -> None:
    scene = at_10000()
    scene.place("a", BUY, 11000, 10, IOC)
    scene.place("b", SELL, 9000, 25, IOC)

    assert (-15, -15 * 9999 * TICK_E8) == scene.exchange.position("main", scene.id)
    assert -20 * TICK_E8 == scene.exchange.realised_e8("main")


def test_the_share_of_the_cost_is_rounded_down_and_the_remainder_stays_in_the_position() -> None:
    """10, 10 and 11 ticks cost 31; a third of that is 10 and a bit."""
    position = Position(Account("main", 0), COIN.id, Market(COIN, 0), 1)
    for notional_e8 in (10, 10, 11):
        position.fill(1, 1, notional_e8)

    assert 12 - 10 == position.fill(-1, 1, 12)
    assert (2, 21) == (position.lots, position.cost_e8)
    assert 12 - 10 == position.fill(-1, 1, 12)
    assert 12 - 11 == position.fill(-1, 1, 12)
    assert (0, 0) == (position.lots, position.cost_e8)


def test_fees_are_charged_by_role_and_rounded_up() -> None:
    scene = at_10000(taker_ppb=450_001, maker_ppb=-10_001)
    scene.place("a", BUY, 11000, 1, IOC)
    assert -(-10001 * TICK_E8 * 450_001 // 10**9) == scene.exchange.fees_e8("main")

    scene.place("b", SELL, 10500, 1)
    scene.trade(10501, 1, BUY)
    fees_e8 = 4_500_461 + -105_010

    assert fees_e8 == scene.exchange.fees_e8("main")
    assert START_E8 + 499 * TICK_E8 - fees_e8 == scene.exchange.cash_e8("main")


def test_funding_is_paid_at_the_oracle_price_by_longs_and_received_by_shorts() -> None:
    scene = Scene(accounts=("main", "other", "flat"))
    scene.trade(10000, 1, BUY)
    scene.mark(10000, oracle=10100)
    scene.place("a", BUY, 11000, 3, IOC)
    scene.place("b", SELL, 9000, 3, IOC, account="other")

    paid_e8 = 3 * 10100 * TICK_E8 // 80_000

    assert [
        f"main funding {paid_e8 + (3 * 10100 * TICK_E8 % 80_000 > 0)} on 3",
        f"other funding {-paid_e8} on -3",
    ] == scene.funding(0.0000125)
    assert START_E8 - scene.exchange.funding_e8("main") == scene.exchange.cash_e8("main")


def test_funding_without_an_oracle_is_paid_at_the_mark() -> None:
    scene = at_10000()
    scene.place("a", BUY, 11000, 3, IOC)

    assert [f"main funding {300 * 10**8 // 1000} on 3"] == scene.funding(0.001)


def test_funding_moves_nothing_for_a_flat_account() -> None:
    assert [] == at_10000().funding(0.001)


def test_a_transfer_moves_cash_and_is_told() -> None:
    scene = at_10000()
    scene.exchange.transfer(5, "main", -2 * DOLLAR_E8, "withdraw")

    assert [f"main withdraw {-2 * DOLLAR_E8}"] == scene.take()
    assert START_E8 - 2 * DOLLAR_E8 == scene.exchange.cash_e8("main")


def test_only_the_newest_filled_parents_are_remembered() -> None:
    account = Account("main", 0)
    for i in range(FILLED_REMEMBERED_MAX + 5):
        account.remember_filled(str(i))

    assert FILLED_REMEMBERED_MAX == len(account.filled)
    assert "4" not in account.filled
    assert "5" in account.filled


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("price"), st.integers(8_000, 12_500)),
        st.tuples(st.just("order"), st.integers(-40, 40).filter(bool)),
        st.tuples(st.just("rest"), st.integers(-40, 40).filter(bool)),
        st.tuples(st.just("funding"), st.integers(-(10**6), 10**6)),
        st.tuples(st.just("transfer"), st.integers(-(10**11), 10**11)),
    ),
    max_size=40,
)


@given(steps=STEPS, maker_ppb=st.integers(-30_000, 200_000), taker_ppb=st.integers(0, 10**6))
def test_the_ledger_closes_over_fills_flips_fees_funding_and_transfers(
    steps: list[tuple[str, int]], maker_ppb: int, taker_ppb: int
) -> None:
    """Equity is what came in, less what was paid for what is held, plus its value.

    Exact integers.
    """
    scene = Scene(maker_ppb=maker_ppb, taker_ppb=taker_ppb)
    exchange = scene.exchange
    scene.trade(10_000, 1, BUY)
    for i, (what, amount) in enumerate(steps):
        side = BUY if amount > 0 else SELL
        last = exchange.mark_ticks2(scene.id) // 2
        if what == "price":
            scene.trade(amount, 30, BUY)
            scene.trade(amount, 30, SELL)
        elif what == "order":
            scene.place(str(i), side, last + 10 * side, abs(amount), IOC)
        elif what == "rest":
            scene.place(str(i), side, last - 50 * side, abs(amount), Tif.ALO)
        elif what == "funding":
            scene.funding(amount / 10**9)
        else:
            exchange.transfer(scene.ts_ns, "main", amount, "deposit")
    scene.take()
    fills = [event for event in scene.history if isinstance(event, OrderFilled)]
    lots = sum(fill.side * fill.sz_lots for fill in fills)
    spent_e8 = sum(fill.side * fill.sz_lots * fill.px_ticks * TICK_E8 for fill in fills)
    fees_e8 = sum(fill.fee_e8 for fill in fills)
    funding_e8 = sum(e.amount_e8 for e in scene.history if isinstance(e, FundingPaid))
    transfers_e8 = sum(e.amount_e8 for e in scene.history if isinstance(e, Transfer))
    value_e8 = lots * exchange.mark_ticks2(scene.id) * TICK_E8 // 2
    came_e8 = START_E8 + transfers_e8 - fees_e8 - funding_e8
    realised_e8 = exchange.realised_e8("main")

    assert came_e8 - spent_e8 + value_e8 == exchange.equity_e8("main")
    assert came_e8 + realised_e8 == exchange.cash_e8("main")
    assert (lots, spent_e8 + realised_e8) == exchange.position("main", scene.id)
    assert (fees_e8, funding_e8) == (exchange.fees_e8("main"), exchange.funding_e8("main"))
