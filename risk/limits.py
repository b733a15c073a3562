"""The operator's own limits. The venue's own come from its metadata and hold beside these."""

from __future__ import annotations

import msgspec

from engine.model.units import NS_PER_S


class Limits(msgspec.Struct, frozen=True):
    """Limits of one run; a maximum of 0 means that the operator sets none.

    Notionals are 1e-8 of the collateral; `price_distance_max` is a fraction of the mark.
    """

    order_notional_max_e8: int = 0
    position_notional_max_e8: int = 0
    leverage_max: int = 0
    open_orders_max: int = 1000
    price_distance_max: float = 0.2
    data_age_ns_max: int = 15 * NS_PER_S
