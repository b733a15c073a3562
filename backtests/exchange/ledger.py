"""Accounts and positions of the simulated exchange, in integers that must close.

A position is signed lots and their cost (the signed sum of price x size of what is open). A fill on
the other side realises the closed share of the cost; the share is rounded down and the remainder
stays in the position. Two identities are asserted at every change: cost = traded + realised for a
position, and start + transfers + realised - fees - funding = cash for an account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backtests.exchange.market import Market

if TYPE_CHECKING:
    from backtests.exchange.orders import Order

FILLED_REMEMBERED_MAX: Final = 1024


class Position:
    """One account's position on one instrument, and what its resting orders could add to it.

    `resting_*` sum the live orders that are not reduce-only, at their limit price; `reducers` are
    the live reduce-only ones (waiting triggers included, children of an unfilled parent not),
    oldest first.
    """

    __slots__ = (
        "account",
        "cost_e8",
        "instrument",
        "is_cross",
        "leverage",
        "lots",
        "market",
        "realised_e8",
        "reducers",
        "resting_buy_e8",
        "resting_buy_lots",
        "resting_sell_e8",
        "resting_sell_lots",
        "traded_e8",
    )

    def __init__(self, account: Account, instrument: str, market: Market, leverage: int) -> None:
        self.account = account
        self.instrument = instrument
        self.market = market
        self.leverage = leverage
        self.is_cross = True
        self.lots = 0
        self.cost_e8 = 0
        self.realised_e8 = 0
        self.traded_e8 = 0
        self.resting_buy_lots = 0
        self.resting_buy_e8 = 0
        self.resting_sell_lots = 0
        self.resting_sell_e8 = 0
        self.reducers: list[Order] = []

    def reserve(self, side: int, lots: int, notional_e8: int) -> None:
        """Count a resting order (or, negative, a part that is gone)."""
        if side > 0:
            self.resting_buy_lots += lots
            self.resting_buy_e8 += notional_e8
        else:
            self.resting_sell_lots += lots
            self.resting_sell_e8 += notional_e8

    def reducible_lots(self, side: int) -> int:
        """How much an order of this side may close."""
        return max(0, -side * self.lots)

    def unrealised_e8(self) -> int:
        """Value at the mark less cost; 0 while there is no price at all."""
        ticks2 = self.market.mark_ticks2()
        return self.market.value_e8(self.lots, ticks2) - self.cost_e8 if ticks2 else 0

    def fill(self, side: int, lots: int, notional_e8: int) -> int:
        """Move the position and return what it realised, gross of fees."""
        held = self.lots
        signed_e8 = side * notional_e8
        self.lots = held + side * lots
        self.traded_e8 += signed_e8
        if held * side >= 0:
            self.cost_e8 += signed_e8
            return 0
        held = abs(held)
        if lots <= held:
            share_e8 = self.cost_e8 * lots // held
            realised_e8 = -signed_e8 - share_e8
            self.cost_e8 -= share_e8
        else:
            # The price of a fill is one: its closing part is exactly lots-proportional.
            closing_e8 = signed_e8 // lots * held
            realised_e8 = -closing_e8 - self.cost_e8
            self.cost_e8 = signed_e8 - closing_e8
        self.realised_e8 += realised_e8
        assert self.cost_e8 == self.traded_e8 + self.realised_e8
        return realised_e8


class Account:
    """One account: cash in 1e-8, where it came from and went, and what is live.

    `orders` are all live orders by cloid. `families` are the live children of one parent, by the
    parent's cloid. `filled` remembers the newest parents that were filled whole, for children that
    arrive after.
    """

    __slots__ = (
        "cash_e8",
        "families",
        "fees_e8",
        "filled",
        "funding_e8",
        "name",
        "orders",
        "positions",
        "realised_e8",
        "start_e8",
        "transfers_e8",
    )

    def __init__(self, name: str, balance_e8: int) -> None:
        self.name = name
        self.start_e8 = balance_e8
        self.cash_e8 = balance_e8
        self.realised_e8 = 0
        self.fees_e8 = 0
        self.funding_e8 = 0
        self.transfers_e8 = 0
        self.positions: dict[str, Position] = {}
        self.orders: dict[str, Order] = {}
        self.families: dict[str, list[Order]] = {}
        self.filled: dict[str, None] = {}

    def book_fill(self, realised_e8: int, fee_e8: int) -> None:
        """Book what a fill realised and cost."""
        self.realised_e8 += realised_e8
        self.fees_e8 += fee_e8
        self.cash_e8 += realised_e8 - fee_e8
        self._assert_closes()

    def book_funding(self, amount_e8: int) -> None:
        """Book a funding payment (negative: received)."""
        self.funding_e8 += amount_e8
        self.cash_e8 -= amount_e8
        self._assert_closes()

    def book_transfer(self, amount_e8: int) -> None:
        """Book money in (negative: out)."""
        self.transfers_e8 += amount_e8
        self.cash_e8 += amount_e8
        self._assert_closes()

    def remember_filled(self, cloid: str) -> None:
        """Remember an order that was filled whole; the newest 1,024 are kept."""
        filled = self.filled
        filled[cloid] = None
        if len(filled) > FILLED_REMEMBERED_MAX:
            del filled[next(iter(filled))]

    def _assert_closes(self) -> None:
        came_e8 = self.start_e8 + self.transfers_e8 + self.realised_e8
        assert came_e8 - self.fees_e8 - self.funding_e8 == self.cash_e8
