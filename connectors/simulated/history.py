"""What happened to one account, newest last, each list with a bound (protocol 1.1).

Realised profit of each fill and funding since a position was opened are worked out here beside the
exchange's own ledger, and the two must agree.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from engine.model.instruments import Instrument

FILLS_MAX: Final = 10_000
ROWS_MAX: Final = 10_000


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fill. `start_lots` is the signed position before it, `realised_e8` gross of fees."""

    instrument: Instrument
    time_ms: int
    oid: int
    tid: int
    hash: str
    cloid: str | None
    side: int
    px_ticks: int
    sz_lots: int
    start_lots: int
    realised_e8: int
    fee_e8: int
    is_maker: bool

    @property
    def direction(self) -> str:
        """The venue's display text, such as "Open Long" or "Long > Short"."""
        after = self.start_lots + self.side * self.sz_lots
        if self.start_lots * after < 0:
            return "Long > Short" if self.start_lots > 0 else "Short > Long"
        if self.start_lots * self.side >= 0:
            return "Open Long" if self.side > 0 else "Open Short"
        return "Close Long" if self.start_lots > 0 else "Close Short"


class FundingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One funding payment: `amount_e8` was paid (negative: received) on `lots` held."""

    instrument: Instrument
    time_ms: int
    amount_e8: int
    lots: int
    rate_ppb: int


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One other change of the account's money; `delta` is as the wire has it."""

    time_ms: int
    hash: str
    delta: dict[str, Any]


class Holding(msgspec.Struct):
    """One position as its fills made it, and the funding paid on it, all in integers.

    `funding_open_e8` is since it was opened, `funding_change_e8` since its size last changed.
    """

    lots: int = 0
    cost_e8: int = 0
    funding_all_e8: int = 0
    funding_open_e8: int = 0
    funding_change_e8: int = 0

    def fill(self, side: int, lots: int, notional_e8: int) -> int:
        """Move the position; what it realised, gross of fees, the share of cost rounded down."""
        before, signed_e8 = self.lots, side * notional_e8
        self.lots += side * lots
        self.funding_change_e8 = 0
        if before * side >= 0:
            self.cost_e8 += signed_e8
            if not before:
                self.funding_open_e8 = 0
            return 0
        if abs(before) >= lots:
            share_e8 = self.cost_e8 * lots // abs(before)
            self.cost_e8 -= share_e8
            return -signed_e8 - share_e8
        closing_e8 = signed_e8 // lots * abs(before)
        realised_e8 = -closing_e8 - self.cost_e8
        self.cost_e8 = signed_e8 - closing_e8
        self.funding_open_e8 = 0
        return realised_e8

    def fund(self, amount_e8: int) -> None:
        """Count a payment."""
        self.funding_all_e8 += amount_e8
        self.funding_open_e8 += amount_e8
        self.funding_change_e8 += amount_e8


class History:
    """The rows of one account."""

    __slots__ = ("fills", "fundings", "holdings", "ledger")

    def __init__(self) -> None:
        self.fills: deque[FillRow] = deque(maxlen=FILLS_MAX)
        self.fundings: deque[FundingRow] = deque(maxlen=ROWS_MAX)
        self.ledger: deque[LedgerRow] = deque(maxlen=ROWS_MAX)
        self.holdings: dict[str, Holding] = {}

    def holding(self, instrument: str) -> Holding:
        """The position on an instrument; a flat one is made when there is none."""
        return self.holdings.setdefault(instrument, Holding())
