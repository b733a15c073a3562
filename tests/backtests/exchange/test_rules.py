"""What the venue refuses, in its words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.exchange.prices import PriceRule
from engine.model.commands import Place, Trigger
from engine.model.instruments import Instrument, MarginTier
from engine.model.units import Side, Tif, TriggerKind
from tests.backtests.exchange.scene import BUY, COIN, SELL, Scene

STOP, PROFIT = TriggerKind.STOP_LOSS, TriggerKind.TAKE_PROFIT
TICK = "Price must be divisible by tick size."
FAR = "Order price cannot be more than 80% away from the reference price"
SMALL = "Order must have minimum value of $10."
REDUCE_ONLY = "Reduce only order would increase position."
BAD_TRIGGER = "Invalid TP/SL price."


def at(last: int, instrument: Instrument = COIN) -> Scene:
    scene = Scene(instrument=instrument)
    scene.trade(last, 1, BUY)
    return scene


@pytest.mark.parametrize(
    ("px", "lots", "reason"),
    [
        (10000, 0, "Order has zero size."),
        (10000, -1, "Order has invalid size."),
        (0, 1, "Order has invalid price."),
        (-10000, 1, "Order has invalid price."),
        (18001, 1, FAR),
        (1999, 1, FAR),
    ],
)
def test_an_order_malformed_by_itself_is_refused(px: int, lots: int, reason: str) -> None:
    assert [f"o rejected: {reason}"] == at(10000).place("o", BUY, px, lots)


@pytest.mark.parametrize("px", [2000, 18000])
def test_a_price_exactly_80_percent_away_is_accepted(px: int) -> None:
    scene = at(10000)

    assert ["o accepted"] == scene.place("o", BUY if px < 10000 else SELL, px, 1)


def test_without_any_price_nothing_is_too_far() -> None:
    assert ["o accepted"] == Scene().place("o", BUY, 1, 1000)


@pytest.mark.parametrize(
    ("last", "px", "told"),
    [
        (99_999, 99_999, "o accepted"),
        (100_000, 100_010, "o accepted"),
        (100_000, 100_005, f"o rejected: {TICK}"),
        (1_234_500, 1_234_500, "o accepted"),
        (1_234_500, 1_234_550, f"o rejected: {TICK}"),
        (12_345_600, 12_345_600, "o accepted"),
        (12_345_600, 12_345_610, f"o rejected: {TICK}"),
    ],
    ids=[
        "5 figures",
        "6 digits, 5 figures",
        "6 figures",
        "whole number",
        "6 figures with decimals",
        "whole number of 6 figures",
        "7 figures with decimals",
    ],
)
def test_a_price_has_five_significant_figures_or_is_whole(last: int, px: int, told: str) -> None:
    assert [told] == at(last).place("o", SELL, px, 1, Tif.ALO)[:1]


@given(px_decimals=st.integers(0, 6), px_ticks=st.integers(1, 10**9))
def test_the_exchange_and_the_quantiser_agree_on_the_grid(px_decimals: int, px_ticks: int) -> None:
    """The rule is written twice; a difference is a mistake in one of them."""
    instrument = msgspec.structs.replace(COIN, px_decimals=px_decimals)
    grid, rule = instrument.grid, PriceRule(instrument)

    assert grid.is_valid_px(px_ticks) is rule.is_allowed(px_ticks)
    for rounded in (rule.up(px_ticks), rule.down(px_ticks)):
        assert rule.is_allowed(rounded)
        assert grid.is_valid_px(rounded)
    assert rule.down(px_ticks) <= px_ticks <= rule.up(px_ticks)
    assert rule.is_allowed(px_ticks) is (rule.down(px_ticks) == rule.up(px_ticks))
    step = grid.step_ticks(px_ticks)
    assert rule.up(px_ticks) - rule.down(px_ticks) in {0, step}


@pytest.mark.parametrize(
    ("decimals", "ticks", "text"),
    [
        (2, 10010, "100.1"),
        (2, 10000, "100"),
        (2, 12345, "123.45"),
        (0, 500, "500"),
        (6, 7, "0.000007"),
    ],
)
def test_a_price_is_printed_without_trailing_zeros(decimals: int, ticks: int, text: str) -> None:
    rule = PriceRule(msgspec.structs.replace(COIN, px_decimals=decimals))

    assert text == rule.text(ticks)


# -- least value -----------------------------------------------------------------------------------


def holding(lots: int, px: int = 500) -> Scene:
    """Long so many lots at 5.00."""
    scene = Scene(half_spread_ppb=1)
    scene.trade(px - 1, 1, BUY)
    assert scene.place("entry", BUY, px, lots, Tif.IOC)[0] == "entry accepted"
    return scene


@pytest.mark.parametrize(
    ("lots", "told"), [(1, f"o rejected: {SMALL}"), (2, "o accepted"), (3, "o accepted")]
)
def test_an_order_is_worth_at_least_ten_dollars(lots: int, told: str) -> None:
    assert [told] == at(500).place("o", BUY, 500, lots)


@pytest.mark.parametrize(
    ("side", "lots", "reduce_only", "told"),
    [
        (SELL, 3, False, "o accepted"),
        (SELL, 3, True, "o accepted"),
        (SELL, 5, True, "o accepted"),
        (SELL, 4, False, f"o rejected: {SMALL}"),
        (SELL, 2, False, f"o rejected: {SMALL}"),
        (SELL, 2, True, f"o rejected: {SMALL}"),
        (BUY, 3, False, f"o rejected: {SMALL}"),
    ],
    ids=[
        "closes all",
        "closes all, reduce-only",
        "shrinks to all",
        "flips",
        "closes a part",
        "closes a part, reduce-only",
        "adds",
    ],
)
def test_the_least_value_does_not_hold_for_closing_everything(
    side: Side,
    lots: int,
    reduce_only: bool,  # noqa: FBT001 - a case
    told: str,
) -> None:
    scene = holding(3)
    scene.trade(200, 1, BUY)

    assert [told] == scene.place("o", side, 200, lots, reduce_only=reduce_only)


def test_the_words_of_the_least_value_follow_the_instrument() -> None:
    scene = Scene(instrument=msgspec.structs.replace(COIN, min_notional_e8=1250 * 10**6))

    assert ["o rejected: Order must have minimum value of $12.5."] == scene.place("o", BUY, 1200, 1)


# -- listing, ids, number --------------------------------------------------------------------------


def test_a_delisted_asset_takes_no_order() -> None:
    scene = Scene(instrument=msgspec.structs.replace(COIN, is_delisted=True))

    assert ["o rejected: Asset is delisted."] == scene.place("o", BUY, 10000, 1)


def test_a_client_order_id_can_be_live_once() -> None:
    scene = at(10000)
    scene.place("o", BUY, 9990, 1)

    assert ["o rejected: Client order id is already in use by an open order."] == (
        scene.place("o", BUY, 9980, 1)
    )
    assert {"duplicate_cloid": 1} == scene.exchange.counters

    scene.cancel("o")

    assert ["o accepted"] == scene.place("o", BUY, 9980, 1)


def test_two_accounts_may_use_the_same_client_order_id() -> None:
    scene = Scene(accounts=("main", "other"))
    scene.place("o", BUY, 9990, 1)

    assert ["o accepted"] == scene.place("o", BUY, 9990, 1, account="other")
    assert ["o canceled: canceled"] == scene.cancel("o", account="other")
    assert ["o canceled: canceled"] == scene.cancel("o")


def test_an_account_has_at_most_a_thousand_open_orders() -> None:
    scene = Scene(leverage=50)
    orders = [scene.order(str(i), BUY, 1000 + i, 1) for i in range(1001)]
    told = scene.send(*orders)

    assert ["999 accepted", "1000 rejected: Too many open orders."] == told[-2:]

    scene.cancel("0")

    assert ["again accepted"] == scene.place("again", BUY, 1000, 1)


# -- reduce-only -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "told"),
    [(BUY, f"o rejected: {REDUCE_ONLY}"), (SELL, "o accepted")],
)
def test_a_reduce_only_order_needs_a_position_on_the_other_side(side: Side, told: str) -> None:
    scene = holding(5)

    assert [told] == scene.place("o", side, 500, 3, reduce_only=True)[:1]


def test_a_reduce_only_order_without_a_position_is_refused() -> None:
    assert [f"o rejected: {REDUCE_ONLY}"] == at(500).place("o", SELL, 500, 3, reduce_only=True)


# -- triggers and children -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "px", "told"),
    [
        (SELL, STOP, 480, 470, "o accepted"),
        (SELL, STOP, 480, 480, "o accepted"),
        (SELL, STOP, 480, 481, f"o rejected: {BAD_TRIGGER}"),
        (SELL, STOP, 0, 470, f"o rejected: {BAD_TRIGGER}"),
        (SELL, PROFIT, 520, 530, "o accepted"),
        (SELL, PROFIT, 520, 510, "o accepted"),
        (BUY, STOP, 520, 530, f"o rejected: {REDUCE_ONLY}"),
        (BUY, STOP, 520, 510, f"o rejected: {BAD_TRIGGER}"),
    ],
)
def test_a_trigger_order_must_be_able_to_protect(
    side: Side, kind: TriggerKind, trigger: int, px: int, told: str
) -> None:
    scene = holding(5)
    order = Place(
        scene.id,
        "o",
        side,
        px,
        5,
        Tif.GTC,
        reduce_only=True,
        trigger=Trigger(trigger, kind, is_market=False),
    )

    assert [told] == scene.send(order)


def test_a_trigger_price_is_on_the_grid_too() -> None:
    scene = at(100_000)
    scene.place("entry", BUY, 110_000, 1, Tif.IOC)

    assert [f"o rejected: {TICK}"] == scene.send(
        scene.stop("o", SELL, 99_995 + 10_010, 1, px=90_000)
    )


@pytest.mark.parametrize("is_child", [False, True])
def test_a_stop_that_is_not_reduce_only_is_refused(is_child: bool) -> None:  # noqa: FBT001 - a case
    scene = holding(5)
    scene.place("parent", BUY, 400, 5)
    order = Place(
        scene.id,
        "o",
        SELL,
        480,
        5,
        Tif.GTC,
        trigger=None if is_child else Trigger(490, STOP, is_market=False),
        parent="parent" if is_child else "",
    )

    assert ["o rejected: TP/SL orders must be reduce-only."] == scene.send(order)


def test_a_cancel_that_finds_nothing_is_refused() -> None:
    scene = at(10000)
    gone = "Order was never placed, already canceled, or filled."
    scene.place("filled", BUY, 11000, 1, Tif.IOC)

    assert [f"never cancel rejected: {gone}"] == scene.cancel("never")
    assert [f"filled cancel rejected: {gone}"] == scene.cancel("filled")


def test_a_cancel_finds_the_order_whatever_generation_it_names() -> None:
    scene = at(10000)
    scene.place("o", BUY, 9990, 1)
    scene.modify("o", BUY, 9980, 1)

    assert ["o canceled: canceled"] == scene.cancel("o", 0)


def test_tiers_are_part_of_an_instrument() -> None:
    tiers = (MarginTier(0, 50), MarginTier(2000 * 10**8, 10))
    scene = Scene(instrument=msgspec.structs.replace(COIN, margin_tiers=tiers), leverage=20)
    scene.trade(10000, 1, BUY)
    over = "Order would cause position to exceed margin tier limit at current leverage"

    assert ["a accepted"] == scene.place("a", BUY, 9900, 19)
    assert [f"b rejected: {over}"] == scene.place("b", BUY, 9900, 1), "20 lots at the mark of 100"
    assert ["c accepted"] == scene.place("c", SELL, 10100, 19)
    assert ["leverage 10 cross"] == scene.leverage(10)
    assert ["d accepted"] == scene.place("d", BUY, 9900, 1)
