"""Cross margin: what orders and positions need, what is refused, and what leaves at the match."""

from __future__ import annotations

import msgspec
import pytest

from backtests.exchange import SimAccount, SimulatedExchange
from backtests.models.fees import StaticFees
from engine.model.commands import Batch, Place
from engine.model.events import OrderRejected
from engine.model.instruments import MarginTier
from engine.model.units import Tif
from tests.backtests.exchange.scene import BUY, COIN, DOLLAR_E8, SELL, TICK_E8, Scene

SHORT = "Insufficient margin to place order."
IOC = Tif.IOC


def at(balance: int, leverage: int, mark: int = 10000) -> Scene:
    """A wide and deep book around the mark."""
    scene = Scene(balance=balance, leverage=leverage)
    scene.mark(mark)
    scene.book([(mark - 1000, 10_000)], [(mark + 1000, 10_000)])
    return scene


def test_resting_orders_reserve_margin_at_their_limit_price_over_leverage() -> None:
    scene = at(100, 10)

    assert ["a accepted"] == scene.place("a", BUY, 9500, 10)
    assert 5 * DOLLAR_E8 == scene.exchange.free_margin_e8("main"), "100 - 950 / 10"
    assert [f"b rejected: {SHORT}"] == scene.place("b", BUY, 9500, 1)
    assert ["c accepted"] == scene.place("c", BUY, 5000, 1)
    assert 0 == scene.exchange.free_margin_e8("main")

    scene.cancel("a")

    assert 95 * DOLLAR_E8 == scene.exchange.free_margin_e8("main")


def test_initial_margin_is_rounded_up() -> None:
    scene = at(1000, 3)
    scene.place("a", BUY, 10000, 1)

    assert 1000 * DOLLAR_E8 - 3_333_333_334 == scene.exchange.free_margin_e8("main")


def test_each_side_of_a_flat_account_reserves_margin() -> None:
    scene = at(100, 10)
    scene.place("sell", SELL, 10500, 8)

    assert 16 * DOLLAR_E8 == scene.exchange.free_margin_e8("main")

    scene.cancel("sell")
    scene.place("a", BUY, 9500, 5)
    scene.place("b", SELL, 10500, 5)

    assert 0 == scene.exchange.free_margin_e8("main")


def test_a_position_needs_margin_at_the_mark_and_its_loss_is_gone() -> None:
    scene = at(1000, 10)
    scene.place("a", BUY, 11000, 10, IOC)

    assert (10, 10 * 11000 * TICK_E8) == scene.exchange.position("main", scene.id)
    assert 900 * DOLLAR_E8 == scene.exchange.equity_e8("main")
    assert (900 - 100) * DOLLAR_E8 == scene.exchange.free_margin_e8("main")

    scene.mark(12000)

    assert 1100 * DOLLAR_E8 == scene.exchange.equity_e8("main")
    assert (1100 - 120) * DOLLAR_E8 == scene.exchange.free_margin_e8("main")


def test_an_account_without_free_margin_may_still_reduce_and_close() -> None:
    scene = at(1000, 10)
    scene.place("a", BUY, 11000, 80, IOC)
    scene.mark(10200)
    assert scene.exchange.free_margin_e8("main") < 0

    assert [f"b rejected: {SHORT}"] == scene.place("b", BUY, 9500, 1)
    assert ["c accepted"] == scene.place("c", SELL, 10500, 50)
    assert ["d accepted"] == scene.place("d", SELL, 10500, 30)
    assert [f"e rejected: {SHORT}"] == scene.place("e", SELL, 10500, 1), "beyond the position"
    assert ["f accepted"] == scene.place("f", SELL, 10600, 80, reduce_only=True)


def test_an_order_through_the_position_needs_margin_for_what_it_opens() -> None:
    scene = at(1000, 10)
    scene.place("a", BUY, 11000, 10, IOC)
    scene.place("b", SELL, 10000, 30)

    assert (900 - 100 - 200) * DOLLAR_E8 == scene.exchange.free_margin_e8("main")


def test_reduce_only_and_trigger_orders_reserve_nothing() -> None:
    scene = at(1000, 10)
    scene.place("a", BUY, 11000, 10, IOC)
    free_e8 = scene.exchange.free_margin_e8("main")
    scene.place("b", SELL, 12000, 10, reduce_only=True)
    scene.send(scene.stop("c", SELL, 9500, 10))

    assert free_e8 == scene.exchange.free_margin_e8("main")


def test_a_resting_order_leaves_at_the_match_when_its_margin_is_gone() -> None:
    scene = at(1000, 10)
    scene.place("long", BUY, 11000, 80, IOC)
    scene.mark(11000)
    scene.place("rest", BUY, 9500, 10)
    scene.mark(10200)

    assert ["rest canceled: marginCanceled"] == scene.trade(9499, 10, SELL)


def test_a_resting_order_that_closes_is_filled_without_margin() -> None:
    scene = at(1000, 10)
    scene.place("long", BUY, 11000, 80, IOC)
    scene.place("rest", SELL, 10500, 80)
    scene.mark(10200)

    assert ["rest -80 at 10500 maker"] == scene.trade(10501, 80, BUY)


def test_the_margin_of_one_instrument_is_shared_with_the_others() -> None:
    other = msgspec.structs.replace(COIN, id="sim:OTHER", coin="OTHER")
    exchange = SimulatedExchange(
        [COIN, other],
        [SimAccount("main", 100 * DOLLAR_E8, {COIN.id: 10, other.id: 5})],
        fees=StaticFees(),
        queue={},
        report_ns=lambda ts_ns: ts_ns,
    )
    orders = (
        Place(COIN.id, "a", BUY, 10000, 5, Tif.GTC),
        Place(other.id, "b", BUY, 10000, 2, Tif.GTC),
        Place(other.id, "c", BUY, 10000, 1, Tif.GTC),
    )
    exchange.on_batch(1, Batch("main", "order", orders, 1, 3))

    assert 10 * DOLLAR_E8 == exchange.free_margin_e8("main")
    assert ["c"] == [e.cloid for e in exchange.reports if isinstance(e, OrderRejected)]


# -- leverage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leverage_max", "default"), [(50, 20), (10, 10)])
def test_the_default_leverage_is_20_or_the_maximum(leverage_max: int, default: int) -> None:
    tiers = (MarginTier(0, leverage_max),)
    scene = Scene(instrument=msgspec.structs.replace(COIN, margin_tiers=tiers), balance=1000)
    scene.place("a", BUY, 10000, 10)

    assert (1000 - 1000 // default) * DOLLAR_E8 == scene.exchange.free_margin_e8("main")


def test_leverage_is_set_and_answered() -> None:
    scene = at(100, 10)

    assert ["leverage 25 cross"] == scene.leverage(25)
    scene.place("a", BUY, 10000, 25)
    assert 0 == scene.exchange.free_margin_e8("main")


@pytest.mark.parametrize("leverage", [0, -1, 51])
def test_an_invalid_leverage_changes_nothing_and_is_counted(leverage: int) -> None:
    scene = at(100, 10)

    assert ["leverage 10 cross"] == scene.leverage(leverage)
    assert {"Invalid leverage value": 1} == scene.exchange.counters


def test_leverage_is_not_lowered_below_what_the_margin_allows() -> None:
    scene = at(100, 10)
    scene.place("a", BUY, 10000, 9)

    assert ["leverage 10 cross"] == scene.leverage(8)
    assert {SHORT: 1} == scene.exchange.counters
    assert ["leverage 9 cross"] == scene.leverage(9)


def test_leverage_may_be_raised_when_the_margin_is_short() -> None:
    scene = at(1000, 10)
    scene.place("a", BUY, 11000, 80, IOC)
    scene.mark(10200)
    assert scene.exchange.free_margin_e8("main") < 0

    assert ["leverage 20 cross"] == scene.leverage(20)


def test_leverage_is_limited_by_the_tier_of_the_position_held() -> None:
    tiers = (MarginTier(0, 50), MarginTier(1000 * DOLLAR_E8, 10))
    scene = Scene(instrument=msgspec.structs.replace(COIN, margin_tiers=tiers), leverage=10)
    scene.mark(10000)
    scene.book([(9990, 10)], [(10010, 10)])
    scene.place("a", BUY, 10010, 10, IOC)

    assert ["leverage 10 cross"] == scene.leverage(11)
    scene.place("b", SELL, 9990, 1, IOC)
    assert ["leverage 11 cross"] == scene.leverage(11)


def test_the_margin_mode_is_not_switched_with_an_open_position() -> None:
    scene = at(1000, 10)

    assert ["leverage 10 isolated"] == scene.leverage(10, is_cross=False)
    assert ["leverage 10 cross"] == scene.leverage(10)
    scene.place("a", BUY, 11000, 1, IOC)
    assert ["leverage 10 cross"] == scene.leverage(10, is_cross=False)
    assert {
        "isolated_margin_taken_as_cross": 1,
        "Cannot switch leverage type with open position.": 1,
    } == scene.exchange.counters


def test_an_asset_without_cross_margin_refuses_it() -> None:
    scene = Scene(instrument=msgspec.structs.replace(COIN, margin_mode="noCross"), leverage=3)

    assert ["leverage 3 isolated"] == scene.leverage(5)
    assert ["leverage 5 isolated"] == scene.leverage(5, is_cross=False)
