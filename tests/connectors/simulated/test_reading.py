"""An account's money by the venue's formulas, checked by hand and against the recorded sample."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backtests.exchange import SimulatedExchange
from connectors.simulated.candles import span_ms
from connectors.simulated.market import listed
from connectors.simulated.numbers import printed, printed_money, printed_rate, printed_ratio
from connectors.simulated.orders import NewOrder
from connectors.simulated.reading import liquidation_px, maintenance_e8, read_account
from engine.model.instruments import MarginTier
from engine.model.units import Side, Tif
from tests.connectors.simulated.scripted import book, context, scripted_core

BTC, ETH = listed(("BTC", "ETH"))
USD = 10**8
ANN = "0x" + "a1" * 20


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (16701, 1, "1670.1"),
        (1000, 1, "100.0"),
        (0, 5, "0.0"),
        (-1, 8, "-0.00000001"),
        (7, 0, "7.0"),
        (-1_250_000, 5, "-12.5"),
    ],
)
def test_integers_are_printed_with_at_least_one_decimal(
    value: int, decimals: int, text: str
) -> None:
    assert text == printed(value, decimals)


@given(st.integers(-(10**20), 10**20), st.integers(0, 9))
def test_what_is_printed_is_the_number_to_the_digit(value: int, decimals: int) -> None:
    assert Decimal(value).scaleb(-decimals) == Decimal(printed(value, decimals))


def test_money_rates_and_ratios_have_their_own_decimals() -> None:
    assert ("1.5", "0.0000125", "0.33333", "-0.5") == (
        printed_money(150_000_000),
        printed_rate(12_500),
        printed_ratio(Fraction(1, 3), 5),
        printed_ratio(-0.5, 3),
    )


# -- candles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "first", "last"),
    [
        ("1m", 1_798_761_540_000, 1_798_761_599_999),
        ("1d", 1_798_675_200_000, 1_798_761_599_999),
        ("1w", 1_798_416_000_000, 1_799_020_799_999),  # Monday the 28th
        ("1M", 1_796_083_200_000, 1_798_761_599_999),  # all of December
    ],
)
def test_a_candle_spans_what_its_interval_says(interval: str, first: int, last: int) -> None:
    assert (first, last) == span_ms(interval, 1_798_761_585_000)


# -- margin ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notional_usd", "expected_usd"),
    [
        (0, 0),
        (1_000_000, 1_000_000 / 80),
        (150_000_000, 150_000_000 / 80),
        # The part beyond 150 million needs a fortieth: rate x notional less the deduction.
        (200_000_000, 200_000_000 / 40 - 150_000_000 * (1 / 40 - 1 / 80)),
    ],
)
def test_maintenance_margin_is_half_the_initial_of_each_tier(
    notional_usd: int, expected_usd: float
) -> None:
    assert round(expected_usd * USD) == maintenance_e8(BTC, notional_usd * USD)


def exchange_with(
    side: int, sz: float, *, is_cross: bool, leverage: int = 20, balance: int = 100_000
) -> SimulatedExchange:
    core = scripted_core(balance_e8=balance * USD)
    account = core.account(ANN)
    assert account is not None
    core.update_leverage(account, core.instruments["ETH"], leverage, is_cross=is_cross)
    order = NewOrder(
        instrument=core.instruments["ETH"],
        side=Side(side),
        px_ticks=ETH.grid.ticks(4_200.0 if side > 0 else 3_800.0),
        sz_lots=ETH.grid.lots(sz),
        tif=Tif.IOC,
    )
    assert "filled" == core.place(account, order).status
    return core.exchange


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("is_cross", [True, False])
def test_at_its_liquidation_price_an_account_has_just_its_maintenance(
    side: int, *, is_cross: bool
) -> None:
    exchange = exchange_with(side, 5.0, is_cross=is_cross, balance=1_100)
    (one,) = read_account(exchange, ANN).positions
    assert one.liquidation_px is not None

    # Move the mark there: equity (or the isolated margin) is what maintenance asks for.
    px = float(one.liquidation_px)
    exchange.on_market(context("ETH", round(px, 2)))
    after = read_account(exchange, ANN)
    held = after.equity_e8 if is_cross else after.positions[0].margin_e8
    assert abs(held - after.positions[0].maintenance_e8) < 0.1 * USD


def test_a_long_that_is_well_backed_has_no_liquidation_price() -> None:
    (one,) = read_account(exchange_with(1, 1.0, is_cross=True), ANN).positions

    assert one.liquidation_px is None


def test_the_owners_isolated_sample_is_met_within_what_its_inputs_allow() -> None:
    # Protocol 7.1: marginUsed 4.967826, value 100.02765, 0.0335 ETH long, 50x: 2866.26936529.
    eth = replace(ETH, margin_tiers=(MarginTier(0, 50),))
    lots = eth.grid.lots(0.0335)
    mark = Fraction("100.02765") / Fraction("0.0335")

    found = liquidation_px(eth, lots, mark, Fraction("4.967826"))

    assert found is not None
    assert abs(float(found) - 2866.26936529) < 1.6e-5


def test_equity_is_raw_usd_and_the_signed_value_of_positions() -> None:
    exchange = exchange_with(-1, 5.0, is_cross=True)
    exchange.on_market(book("ETH", 4_100, 4_110, seq=2))
    exchange.on_market(context("ETH", 4_105.0))

    reading = read_account(exchange, ANN)

    assert -5 * 4_105 * USD == reading.value_e8
    # Sold 1 at 3,995, 2 at 3,985 and 2 at 3,975.
    assert 19_915 * USD - 5 * 4_105 * USD == reading.positions[0].unrealised_e8
    assert reading.cash_e8 + reading.positions[0].unrealised_e8 == reading.equity_e8
    assert reading.margin_used_e8 == 5 * 4_105 * USD // 20
