"""What the venue publishes about each instrument: trades, candles, funding, volume, its book.

Trades are the market's own and what accounts took from the book or from each other. Every list has
a bound.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from backtests.exchange.market import Market
from backtests.exchange.orders import Desk, OwnSide
from backtests.generator.settings import IMPACT_NOTIONAL, IMPACT_NOTIONAL_OTHER
from connectors.simulated.candles import Candles
from engine.model.events import AssetContext
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_HOUR, NS_PER_MS

TRADES_MAX: Final = 1_000
FUNDINGS_MAX: Final = 5_000
LEVELS_MAX: Final = 20
_DAY_MINUTES: Final = 1_440


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One public trade; `side` is the aggressor's."""

    instrument: Instrument
    time_ms: int
    side: int
    px_ticks: int
    sz_lots: int
    tid: int
    hash: str
    buyer: str
    seller: str


class PublicFunding(msgspec.Struct, frozen=True):
    """One settlement: the rate in 1e-9, the hour's average premium, and when (ms)."""

    time_ms: int
    rate_ppb: int
    premium: float


class Level(msgspec.Struct, frozen=True):
    """One level of a book: ticks, lots, and how many orders."""

    px_ticks: int
    sz_lots: int
    orders: int


class PublicData:
    """One instrument's public record."""

    __slots__ = (
        "_day",
        "_hour",
        "_premium_n",
        "_premium_sum",
        "candles",
        "desk",
        "first_px_ticks2",
        "fundings",
        "instrument",
        "trades",
    )

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.instrument = desk.instrument
        self.trades: deque[PublicTrade] = deque(maxlen=TRADES_MAX)
        self.candles = Candles()
        self.fundings: deque[PublicFunding] = deque(maxlen=FUNDINGS_MAX)
        self.first_px_ticks2 = 0
        self._day: deque[list[int]] = deque(maxlen=_DAY_MINUTES)
        self._hour = 0
        self._premium_sum = 0.0
        self._premium_n = 0

    # -- what happened -----------------------------------------------------------------------------

    def add_trade(self, trade: PublicTrade) -> None:
        """Take in one trade."""
        self.trades.append(trade)
        self.candles.add(trade.time_ms, trade.px_ticks, trade.sz_lots)
        minute = trade.time_ms // 60_000
        if not self._day or self._day[-1][0] != minute:
            self._day.append([minute, 0, 0])
        notional = trade.px_ticks * trade.sz_lots * self.desk.market.money_per_unit
        self._day[-1][1] += notional
        self._day[-1][2] += trade.sz_lots
        self.first_px_ticks2 = self.first_px_ticks2 or 2 * trade.px_ticks

    def add_context(self, event: AssetContext) -> None:
        """Sample the premium for the hour's average."""
        hour = event.ts_venue_ns // NS_PER_HOUR
        if hour != self._hour and event.ts_venue_ns % NS_PER_HOUR:
            self._hour, self._premium_sum, self._premium_n = hour, 0.0, 0
        premium = self.premium()
        if premium is not None:
            self._premium_sum += premium
            self._premium_n += 1

    def add_funding(self, ts_ns: int, rate_ppb: int) -> None:
        """Take in a settlement."""
        mean = self._premium_sum / self._premium_n if self._premium_n else 0.0
        self.fundings.append(PublicFunding(ts_ns // NS_PER_MS, rate_ppb, mean))

    # -- what is shown -----------------------------------------------------------------------------

    def day_volume(self, now_ms: int) -> tuple[int, int]:
        """The last 24 hours' notional in 1e-8, and lots."""
        since = now_ms // 60_000 - _DAY_MINUTES
        recent = [row for row in self._day if row[0] > since]
        return sum([row[1] for row in recent]), sum([row[2] for row in recent])

    def mid_ticks2(self) -> int:
        """Twice the mid in ticks; 0 while a side is empty."""
        bids, asks = self.book(1)
        return bids[0].px_ticks + asks[0].px_ticks if bids and asks else 0

    def premium(self) -> float | None:
        """How far impact prices are from the oracle now (protocol 7.3); None without a price."""
        impact = self.impact_px()
        oracle = self.desk.market.oracle_ticks2() / 2 / self.desk.market.px_scale
        if impact is None or not oracle:
            return None
        return (max(impact[0] - oracle, 0.0) - max(oracle - impact[1], 0.0)) / oracle

    def impact_px(self) -> tuple[float, float] | None:
        """The average prices the impact notional would sell and buy at; None on an empty side."""
        notional = IMPACT_NOTIONAL.get(self.instrument.coin, IMPACT_NOTIONAL_OTHER)
        market = self.desk.market
        found = []
        for levels in self.book(LEVELS_MAX):
            bought = spent = 0.0
            for level in levels:
                px = level.px_ticks / market.px_scale
                size = min(level.sz_lots / market.sz_scale, (notional - spent) / px)
                bought += size
                spent += size * px
                if spent >= notional * (1 - 1e-12):
                    break
            if not bought:
                return None
            found.append(spent / bought)
        return found[0], found[1]

    def book(self, depth: int = LEVELS_MAX) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first, the accounts' resting orders among them.

        An own order that the market has moved through, and that no trade has reached yet, is not
        shown: a book is never crossed.
        """
        market, desk = self.desk.market, self.desk
        best_bid, best_ask = market.best_ticks(1), market.best_ticks(-1)
        bids = _side(_shown(market, 1), desk.bids, 1, best_ask)
        asks = _side(_shown(market, -1), desk.asks, -1, best_bid)
        return bids[:depth], asks[:depth]


def _shown(market: Market, side: int) -> dict[int, int]:
    """What the market itself displays, ticks to lots, less what was taken from this row."""
    held = market.bids if side > 0 else market.asks
    if held is not None:
        worst = 0 if side > 0 else 1 << 62
        return dict(market.levels(side, worst))
    best_ticks = market.best_ticks(side)
    if not best_ticks or market.top is None:
        return {}
    return {best_ticks: market.best_left_lots(side, best_ticks)}


def _side(shown: dict[int, int], own: OwnSide, side: int, opposite_ticks: int) -> list[Level]:
    levels = {px: [lots, 1] for px, lots in shown.items() if lots > 0}
    for order in own.orders:
        is_crossed = opposite_ticks and (order.px_ticks - opposite_ticks) * side >= 0
        if not is_crossed and order.left_lots > 0:
            level = levels.setdefault(order.px_ticks, [0, 0])
            level[0] += order.left_lots
            level[1] += 1
    return [Level(px, *levels[px]) for px in sorted(levels, reverse=side > 0)]
