"""The venue's error texts and order statuses as stable names (protocol 1.4, 2.3).

Texts change without notice and mostly end with ` asset=N`, so they are told apart by what they
contain, and one that is not known stays a text. Nothing but counting, logging and what a person
reads may hang on a name; that a command was refused is known without it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from connectors.hyperliquid.answers import clip

_ASSET: Final = re.compile(r"\s+asset=\d+\s*$", re.ASCII)

# The first that is contained decides, so what contains another stands before it.
_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("must be divisible by tick size", "tick"),
    ("must have minimum value", "min_notional"),
    ("insufficient margin", "margin"),
    ("exceed margin tier", "margin_tier"),
    ("reduce only order would increase", "reduce_only"),
    ("reduce-only twap order would increase", "reduce_only"),
    ("post only order would have immediately matched", "post_only"),
    ("could not immediately match", "ioc_no_match"),
    ("no liquidity available", "no_liquidity"),
    ("only post-only orders allowed", "post_only_phase"),
    ("invalid tp/sl price", "trigger_price"),
    ("more aggressive than oracle", "open_interest_cap"),
    ("open interest is capped", "open_interest_cap"),
    ("increase open interest", "open_interest_rate"),
    ("price too far from oracle", "price_distance"),
    ("away from the reference price", "price_distance"),
    ("order has invalid price", "price"),
    ("order has invalid size", "size"),
    ("order has zero size", "size"),
    ("insufficient spot balance", "balance"),
    ("insufficient balance", "balance"),
    ("never placed, already canceled, or filled", "unknown_order"),
    ("cannot modify canceled or filled", "unknown_order"),
    ("too many cumulative requests", "cumulative_requests"),
    ("over weight limit", "action_weight"),
    ("action already expired", "expired"),
    ("duplicate nonce", "duplicate_nonce"),
    ("nonce too low", "nonce_too_low"),
    ("invalid nonce", "nonce"),
    ("unable to recover signer", "signature"),
    ("user or api wallet", "no_agent"),
    ("must deposit before", "no_agent"),
    ("pending agent removal", "no_agent"),
    ("vault not registered", "no_vault"),
    ("cannot switch leverage type", "leverage_type"),
    ("invalid leverage", "leverage"),
    ("does not use isolated margin", "margin_mode"),
    ("cannot set scheduled cancel", "scheduled_cancel"),
    ("builder fee has not been approved", "builder_fee"),
    ("unified account is active", "account_mode"),
    ("too many open orders", "open_orders"),
)


def refusal_kind(text: str) -> str:
    """A short name for an error text of the venue, or the text itself when it is not known."""
    lowered = text.lower()
    for part, kind in _KINDS:
        if part in lowered:
            return kind
    return clip(_ASSET.sub("", text).strip()) or "no reason given"


class OrderPhase(StrEnum):
    """Where an order is, by the venue's status word."""

    LIVE = "live"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    """A word that is not known: nothing is concluded, the order is asked about."""


_PHASES: Final = {
    "open": OrderPhase.LIVE,
    "triggered": OrderPhase.LIVE,
    "filled": OrderPhase.FILLED,
    "canceled": OrderPhase.CANCELED,
    "scheduledCancel": OrderPhase.CANCELED,
    "internalCancel": OrderPhase.CANCELED,
    "rejected": OrderPhase.REJECTED,
}


def order_phase(status: str) -> OrderPhase:
    """What a status word of orderStatus or orderUpdates means (protocol 1.4: the list grows)."""
    known = _PHASES.get(status)
    if known is not None:
        return known
    if status.endswith("Rejected"):
        return OrderPhase.REJECTED
    return OrderPhase.CANCELED if status.endswith("Canceled") else OrderPhase.UNKNOWN
