"""The words the venue answers with (protocol 1.4 and 2.3).

And the few that are ours because the venue's are not known.
"""

from __future__ import annotations

from typing import Final

# -- an order is refused ---------------------------------------------------------------------------

ZERO_SIZE: Final = "Order has zero size."
INVALID_SIZE: Final = "Order has invalid size."
INVALID_PRICE: Final = "Order has invalid price."
TICK: Final = "Price must be divisible by tick size."
FAR_PRICE: Final = "Order price cannot be more than 80% away from the reference price"
INVALID_TRIGGER: Final = "Invalid TP/SL price."
REDUCE_ONLY: Final = "Reduce only order would increase position."
POST_ONLY: Final = "Post only order would have immediately matched, bbo was {bid}@{ask}."
IOC: Final = "Order could not immediately match against any resting orders."
MARGIN: Final = "Insufficient margin to place order."
TIER: Final = "Order would cause position to exceed margin tier limit at current leverage"
INVALID_LEVERAGE: Final = "Invalid leverage value"
SWITCH_MODE: Final = "Cannot switch leverage type with open position."
GONE: Final = "Order was never placed, already canceled, or filled."
CANNOT_MODIFY: Final = "Cannot modify canceled or filled order"
UNKNOWN_OID: Final = "unknownOid"

# Ours: the venue's own words for these are not known.
NO_CROSS: Final = "Cross margin is not allowed for this asset."
DELISTED: Final = "Asset is delisted."
DUPLICATE_CLOID: Final = "Client order id is already in use by an open order."
TOO_MANY: Final = "Too many open orders."
UNPROTECTIVE: Final = "TP/SL orders must be reduce-only."
NO_PARENT: Final = "Parent order is not open."
MODIFY_TRIGGER: Final = "Cannot modify an order that waits for its trigger or parent"


def min_notional(least_e8: int) -> str:
    """The venue's words for an order under the least value."""
    return f"Order must have minimum value of ${least_e8 / 1e8:g}."


# -- an order leaves -------------------------------------------------------------------------------

CANCELED: Final = "canceled"
IOC_CANCELED: Final = "iocCanceled"
SELF_TRADE_CANCELED: Final = "selfTradeCanceled"
MARGIN_CANCELED: Final = "marginCanceled"
REDUCE_ONLY_CANCELED: Final = "reduceOnlyCanceled"
SIBLING_CANCELED: Final = "siblingFilledCanceled"
POST_ONLY_CANCELED: Final = "badAloPxRejected"
