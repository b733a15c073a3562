"""What live orders could still do to a position: the sums that the gate reads."""

from __future__ import annotations


class Exposure:
    """What the live orders of one (account, instrument) could still do.

    `*_lots` are split by side and by whether an order may only reduce; `reserved_e8` is the
    notional at limit price of all that may add.
    """

    __slots__ = (
        "buy_lots",
        "count",
        "reduce_buy_lots",
        "reduce_sell_lots",
        "reserved_e8",
        "sell_lots",
    )

    def __init__(self) -> None:
        self.buy_lots = 0
        self.sell_lots = 0
        self.reduce_buy_lots = 0
        self.reduce_sell_lots = 0
        self.reserved_e8 = 0
        self.count = 0

    def plain_lots(self, side: int) -> int:
        """What may still trade on a side and may also open a position."""
        return self.buy_lots if side > 0 else self.sell_lots

    def reducing_lots(self, side: int) -> int:
        """What may still trade on a side and may only reduce."""
        return self.reduce_buy_lots if side > 0 else self.reduce_sell_lots

    def resting_lots(self, side: int) -> int:
        """Everything that may still trade on a side."""
        if side > 0:
            return self.buy_lots + self.reduce_buy_lots
        return self.sell_lots + self.reduce_sell_lots
