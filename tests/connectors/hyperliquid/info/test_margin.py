"""The venue's account arithmetic, held against the owner's example and the recorded accounts."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.hyperliquid.info.account import ClearinghouseState, MarginSummary, Position
from connectors.hyperliquid.info.margin import (
    Totals,
    cross_totals,
    isolated_margin,
    liquidation_price,
    maintenance_margin,
    totals,
)
from connectors.hyperliquid.info.requests import CLEARINGHOUSE_STATE
from tests.connectors.hyperliquid.info.examples import PAGE, page_examples

# The isolated ETH long of the perpetuals page, by its figures.
ETH_SZI, ETH_VALUE, ETH_MARGIN = Decimal("0.0335"), Decimal("100.02765"), Decimal("4.967826")
ETH_TIERS = [(Decimal(0), 50)]
ETH_LIQUIDATION_PX = Decimal("2866.26936529")
ROUNDED_INPUTS_ALLOW = Decimal("1.6e-5")


def said(summary: MarginSummary) -> Totals:
    return Totals(
        Decimal(summary.account_value),
        Decimal(summary.total_ntl_pos),
        Decimal(summary.total_margin_used),
    )


def near(expected: Decimal, found: Fraction | None, within: Decimal) -> bool:
    return found is not None and abs(Fraction(expected) - found) <= Fraction(within)


# -- totals ----------------------------------------------------------------------------------------


@pytest.fixture
def owners_state(shared_dir: Path) -> ClearinghouseState:
    page = (shared_dir / "seeds" / PAGE).read_text(encoding="utf-8")
    (answer,) = [answer for name, answer in page_examples(page) if name == "clearinghouseState"]
    return CLEARINGHOUSE_STATE.decode(json.dumps(answer).encode())


@pytest.fixture
def recorded_state(shared_dir: Path) -> ClearinghouseState:
    path = shared_dir / "data" / "hyperliquid_rest" / "get_user_state.json"
    answer = json.loads(path.read_text(encoding="utf-8"))["response"]
    return CLEARINGHOUSE_STATE.decode(json.dumps(answer).encode())


def test_the_owners_account_adds_up_to_the_digit(owners_state: ClearinghouseState) -> None:
    (position,) = [held.position for held in owners_state.asset_positions]

    assert said(owners_state.margin_summary) == totals(owners_state)
    assert said(owners_state.cross_margin_summary) == cross_totals(owners_state)
    assert Decimal(position.margin_used) == isolated_margin(position)
    assert Decimal(owners_state.withdrawable) == cross_totals(owners_state).account_value


def test_the_recorded_account_adds_up_to_the_digit(recorded_state: ClearinghouseState) -> None:
    assert len(recorded_state.asset_positions) > 10
    assert said(recorded_state.margin_summary) == totals(recorded_state)
    assert said(recorded_state.cross_margin_summary) == cross_totals(recorded_state)


def test_cash_longs_and_shorts_make_the_account_value() -> None:
    state = CLEARINGHOUSE_STATE.decode(
        json.dumps(
            {
                "marginSummary": _summary("7.5"),
                "crossMarginSummary": _summary("57.5"),
                "withdrawable": "0.0",
                "assetPositions": [
                    _held("A", "1.0", "100.0", {"type": "cross", "value": 10}, "10.0"),
                    _held("B", "-2.0", "40.0", {"type": "cross", "value": 4}, "10.0"),
                    _held(
                        "C",
                        "1.0",
                        "60.5",
                        {"type": "isolated", "value": 5, "rawUsd": "-50.0"},
                        "10.5",
                    ),
                ],
            }
        ).encode()
    )

    assert Totals(Decimal("128.0"), Decimal("200.5"), Decimal("30.5")) == totals(state)
    assert Totals(Decimal("117.5"), Decimal("140.0"), Decimal("20.0")) == cross_totals(state)
    assert [Decimal(0), Decimal(0), Decimal("10.5")] == [
        isolated_margin(held.position) for held in state.asset_positions
    ]


def _summary(raw_usd: str) -> dict[str, str]:
    return {
        "accountValue": "0.0",
        "totalNtlPos": "0.0",
        "totalRawUsd": raw_usd,
        "totalMarginUsed": "0.0",
    }


def _held(
    coin: str, szi: str, value: str, leverage: dict[str, object], margin_used: str
) -> dict[str, object]:
    position = {
        "coin": coin,
        "szi": szi,
        "leverage": leverage,
        "entryPx": "1.0",
        "positionValue": value,
        "unrealizedPnl": "0.0",
        "returnOnEquity": "0.0",
        "liquidationPx": None,
        "marginUsed": margin_used,
    }
    return {"type": "oneWay", "position": position}


# -- liquidation -----------------------------------------------------------------------------------


def test_the_owners_isolated_eth_is_liquidated_where_the_venue_says() -> None:
    found = liquidation_price(ETH_SZI, ETH_VALUE / ETH_SZI, ETH_MARGIN, ETH_TIERS)

    assert near(ETH_LIQUIDATION_PX, found, ROUNDED_INPUTS_ALLOW)


def test_a_liquidation_price_off_by_a_cent_would_be_noticed() -> None:
    found = liquidation_price(ETH_SZI, ETH_VALUE / ETH_SZI, ETH_MARGIN, [(Decimal(0), 49)])

    assert not near(ETH_LIQUIDATION_PX, found, Decimal("0.01"))


def test_a_cross_account_of_2023_follows_the_rule_of_its_time(
    recorded_state: ClearinghouseState,
) -> None:
    """As today, without the division by 1 - rate * side."""
    positions = [held.position for held in recorded_state.asset_positions]
    (btc,) = [position for position in positions if position.coin == "BTC"]
    tiers = [(Decimal(0), 50)]
    size, side = abs(Decimal(btc.szi)), -1
    mark = Fraction(Decimal(btc.position_value)) / Fraction(size)
    account_value = totals(recorded_state).account_value
    needed = {p.coin: maintenance_margin(Decimal(p.position_value), tiers) for p in positions}

    then = mark - side * (Fraction(account_value) - sum(needed.values())) / Fraction(size)
    now = _cross_price(btc, mark, account_value, sum(needed.values()) - needed["BTC"])

    assert btc.liquidation_px is not None
    assert near(Decimal(btc.liquidation_px), then, Decimal("0.01"))
    assert near(Decimal("171750.80"), now, Decimal("0.01"))


def _cross_price(
    position: Position, mark: Fraction, account_value: Decimal, elsewhere: Fraction
) -> Fraction | None:
    exact = Decimal(mark.numerator) / Decimal(mark.denominator)
    return liquidation_price(
        Decimal(position.szi),
        exact,
        account_value,
        [(Decimal(0), 50)],
        maintenance_elsewhere=elsewhere,
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", Fraction(0)),
        ("1000000", Fraction(50_000)),
        ("3000000", Fraction(150_000)),
        ("4000000", Fraction(250_000)),
    ],
)
def test_maintenance_is_half_the_initial_margin_and_continuous_at_a_bound(
    value: str, expected: Fraction
) -> None:
    tiers = [(Decimal(0), 10), (Decimal(3_000_000), 5)]

    assert expected == maintenance_margin(Decimal(value), tiers)


def test_a_long_with_more_margin_than_it_can_lose_is_never_liquidated() -> None:
    assert liquidation_price(Decimal(1), Decimal(100), Decimal(150), [(Decimal(0), 10)]) is None


TIERS = [(Decimal(0), 20), (Decimal(50_000), 10), (Decimal(200_000), 5)]


@given(
    lots=st.integers(min_value=1, max_value=100_000),
    side=st.sampled_from([1, -1]),
    mark_ticks=st.integers(min_value=10, max_value=1_000_000),
    share=st.integers(min_value=1, max_value=2_000),
)
def test_at_the_liquidation_price_margin_is_exactly_the_maintenance_margin(
    lots: int, side: int, mark_ticks: int, share: int
) -> None:
    szi, mark = Decimal(side * lots).scaleb(-3), Decimal(mark_ticks).scaleb(-1)
    margin = abs(szi) * mark * share / 1000

    found = liquidation_price(szi, mark, margin, TIERS)

    assume(found is not None)
    assert found is not None
    left = Fraction(margin) + Fraction(szi) * (found - Fraction(mark))
    value = abs(Fraction(szi)) * found
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    assert abs(left - maintenance_margin(exact, TIERS)) < Fraction(1, 10**12)
