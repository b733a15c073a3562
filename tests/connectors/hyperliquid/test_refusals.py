"""Known error texts and status words have stable names; unknown ones stay what they are."""

from __future__ import annotations

import pytest

from connectors.hyperliquid.answers import TEXT_MAX
from connectors.hyperliquid.refusals import OrderPhase, order_phase, refusal_kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Price must be divisible by tick size. asset=4", "tick"),
        ("Order must have minimum value of $10. asset=4", "min_notional"),
        ("Order must have minimum value of 10 USDH.", "min_notional"),
        ("Insufficient margin to place order. asset=0", "margin"),
        (
            "Order would cause position to exceed margin tier limit at current leverage",
            "margin_tier",
        ),
        ("Reduce only order would increase position. asset=4", "reduce_only"),
        (
            "Post only order would have immediately matched, bbo was 1@2. asset=4",
            "post_only",
        ),
        ("Order could not immediately match against any resting orders. asset=78", "ioc_no_match"),
        ("No liquidity available for market order.", "no_liquidity"),
        ("Only post-only orders allowed immediately after network upgrade", "post_only_phase"),
        ("Invalid TP/SL price. asset=1", "trigger_price"),
        (
            "Order would increase open interest while open interest is capped",
            "open_interest_cap",
        ),
        (
            "Order rejected due to price more aggressive than oracle while at open interest cap",
            "open_interest_cap",
        ),
        ("Order would increase open interest too quickly", "open_interest_rate"),
        ("Order price too far from oracle", "price_distance"),
        (
            "Order price cannot be more than 80% away from the reference price",
            "price_distance",
        ),
        ("Order has invalid price.", "price"),
        ("Order has zero size.", "size"),
        ("Order was never placed, already canceled, or filled. asset=4", "unknown_order"),
        ("Cannot modify canceled or filled order", "unknown_order"),
        (
            (
                "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded"
                " $87457.46. Place taker orders to free up 1 request per USDC traded."
            ),
            "cumulative_requests",
        ),
        ("Signed action over weight limit of 200.", "action_weight"),
        ("Action already expired", "expired"),
        ("Invalid nonce: duplicate nonce 5", "duplicate_nonce"),
        ("Invalid nonce: nonce too low 4 < 5", "nonce_too_low"),
        ("Unable to recover signer.", "signature"),
        ("L1 error: User or API Wallet 0x12 does not exist.", "no_agent"),
        ("Must deposit before performing actions. User: 0x12", "no_agent"),
        ("Vault not registered: 0x12", "no_vault"),
        ("Cannot switch leverage type with open position.", "leverage_type"),
        ("Invalid leverage value", "leverage"),
        ("Action disabled when unified account is active", "account_mode"),
        ("Something nobody wrote down. asset=12", "Something nobody wrote down."),
        ("", "no reason given"),
    ],
)
def test_an_error_text_has_its_name(text: str, expected: str) -> None:
    assert expected == refusal_kind(text)


def test_an_unknown_text_is_kept_short() -> None:
    assert TEXT_MAX == len(refusal_kind("x" * 10_000))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("open", OrderPhase.LIVE),
        ("triggered", OrderPhase.LIVE),
        ("filled", OrderPhase.FILLED),
        ("canceled", OrderPhase.CANCELED),
        ("scheduledCancel", OrderPhase.CANCELED),
        ("internalCancel", OrderPhase.CANCELED),
        ("marginCanceled", OrderPhase.CANCELED),
        ("siblingFilledCanceled", OrderPhase.CANCELED),
        ("somethingNewCanceled", OrderPhase.CANCELED),
        ("rejected", OrderPhase.REJECTED),
        ("tickRejected", OrderPhase.REJECTED),
        ("somethingNewRejected", OrderPhase.REJECTED),
        ("expired", OrderPhase.UNKNOWN),
        ("", OrderPhase.UNKNOWN),
        ("Open", OrderPhase.UNKNOWN),
    ],
)
def test_a_status_word_says_where_an_order_is(status: str, expected: OrderPhase) -> None:
    assert expected is order_phase(status)
