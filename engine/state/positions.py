"""Positions in integers: signed lots and what they cost.

Average-cost accounting: an increase adds to the cost, a decrease realises its share of it. The
share is rounded down and the rest stays in the position, so cash + value - cost is exact whatever
the order of fills.
"""

from __future__ import annotations

from engine.model.units import MONEY_SCALE


class Position:
    """Signed lots, their cost, and what was realised, paid in fees and paid in funding (1e-8)."""

    __slots__ = (
        "cost_e8",
        "fees_e8",
        "funding_e8",
        "lots",
        "money_per_unit",
        "px_scale",
        "realised_e8",
        "sz_scale",
        "volume_e8",
    )

    def __init__(self, px_scale: int, sz_scale: int, money_per_unit: int) -> None:
        self.px_scale = px_scale
        self.sz_scale = sz_scale
        self.money_per_unit = money_per_unit
        self.lots = 0
        self.cost_e8 = 0
        self.realised_e8 = 0
        self.fees_e8 = 0
        self.funding_e8 = 0
        self.volume_e8 = 0

    def fill(self, side: int, px_ticks: int, sz_lots: int, fee_e8: int) -> int:
        """Book a fill and return what it realised (gross of the fee), in 1e-8."""
        unit_e8 = px_ticks * self.money_per_unit
        lots = self.lots
        self.fees_e8 += fee_e8
        self.volume_e8 += unit_e8 * sz_lots
        if lots == 0 or (lots > 0) is (side > 0):
            self.lots = lots + side * sz_lots
            self.cost_e8 += side * sz_lots * unit_e8
            return 0
        held = abs(lots)
        closing = min(held, sz_lots)
        share_e8 = self.cost_e8 * closing // held
        realised_e8 = -side * closing * unit_e8 - share_e8
        opening = sz_lots - closing
        self.lots = lots + side * sz_lots
        self.cost_e8 += side * opening * unit_e8 - share_e8
        self.realised_e8 += realised_e8
        return realised_e8

    def unrealised_e8(self, mark_ticks2: int) -> int:
        """Value at the mark less cost; `mark_ticks2` is twice the mark, so that a mid is exact."""
        return self.lots * mark_ticks2 * self.money_per_unit // 2 - self.cost_e8

    @property
    def sz(self) -> float:
        """The signed size in base units."""
        return self.lots / self.sz_scale

    @property
    def entry_px(self) -> float:
        """The average entry price; 0 when flat."""
        if self.lots == 0:
            return 0.0
        return self.cost_e8 / (self.lots * self.money_per_unit * self.px_scale)

    @property
    def realised(self) -> float:
        """Realised profit, gross of fees."""
        return self.realised_e8 / MONEY_SCALE

    @property
    def fees(self) -> float:
        """Fees paid."""
        return self.fees_e8 / MONEY_SCALE

    @property
    def funding(self) -> float:
        """Funding paid; negative when received."""
        return self.funding_e8 / MONEY_SCALE
