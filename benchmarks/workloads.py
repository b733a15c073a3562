"""The workloads: strategies of the same rule as the peer's, what they run on, and what is expected.

The rules are those of the shared `bench/peers/nautilus_v2.py`. A strategy counts nothing but what
its rule needs; orders and fills are counted by the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Final

import msgspec

from engine.model.events import Bar, BookTop, OrderFilled, Quote, Trade
from engine.model.instruments import Instrument, MarginTier
from engine.model.intents import AnyIntent
from engine.model.units import Side, Tif
from strategies.api import Bars, Books, Intents, Params, Quotes, Strategy, Subscription, Trades

ETH: Final = Instrument(
    id="hl:ETH",
    venue="hl",
    coin="ETH",
    px_decimals=1,
    sz_decimals=4,
    margin_tiers=(MarginTier(0, 25),),
)
TICKS_PER_UNIT: Final = ETH.grid.px_scale
# A mid of half ticks is exact in floats up to this.
NEAR: Final = 1e-6


class EmaParams(Params, frozen=True):
    """Spans of the two averages in events; nothing is done before `slow` events."""

    fast: int = 1000
    slow: int = 5000


class Ema(Strategy):
    """Holds +1 while the fast average is above the slow, else -1; reverses with one order."""

    Params = EmaParams
    params: EmaParams

    def on_start(self) -> Intents:
        """No average, no position."""
        self._seen = 0
        self._is_up: bool | None = None
        self._fast = self._slow = 0.0
        self._fast_share = 2 / (self.params.fast + 1)
        self._slow_share = 2 / (self.params.slow + 1)
        self._slow_span = self.params.slow
        self._position = 0.0
        return None

    def on_fill(self, fill: OrderFilled) -> Intents:
        """The position follows the fills."""
        self._position += fill.side * fill.sz
        return None

    def _update(self, px: float) -> Intents:
        if not self._seen:
            self._fast = self._slow = px
        self._seen += 1
        self._fast += self._fast_share * (px - self._fast)
        self._slow += self._slow_share * (px - self._slow)
        is_up = self._fast > self._slow
        if is_up is self._is_up or self._seen < self._slow_span:
            return None
        self._is_up = is_up
        side = Side.BUY if is_up else Side.SELL
        return [self.market(ETH.id, side, 2.0 if self._position else 1.0)]


class QuoteEma(Ema):
    """The rule on the bid of every quote."""

    def subscriptions(self) -> list[Subscription]:
        """Every quote."""
        return [Quotes()]

    def on_quote(self, quote: Quote) -> Intents:
        """One step."""
        return self._update(quote.bid_px)


class TradeEma(Ema):
    """The rule on the price of every trade."""

    def subscriptions(self) -> list[Subscription]:
        """Every trade."""
        return [Trades()]

    def on_trade(self, trade: Trade) -> Intents:
        """One step."""
        return self._update(trade.px)


class BarEma(Ema):
    """The rule on the close of every bar."""

    def subscriptions(self) -> list[Subscription]:
        """Every bar."""
        return [Bars("1m")]

    def on_bar(self, bar: Bar) -> Intents:
        """One step."""
        return self._update(bar.close)


class QuoteNoop(Strategy):
    """Is woken by every quote and counts it."""

    def subscriptions(self) -> list[Subscription]:
        """Every quote."""
        return [Quotes()]

    def on_start(self) -> Intents:
        """Nothing seen yet."""
        self._seen = 0
        return None

    def on_quote(self, quote: Quote) -> Intents:  # noqa: ARG002 - the least a handler can do
        """Count."""
        self._seen += 1
        return None


class MakerParams(Params, frozen=True):
    """Distance of the quotes and move of the mid that replaces them, in ticks; the most to hold."""

    distance_ticks: float = 3.0
    move_ticks: float = 3.0
    position_max: float = 20.0


class Maker(Strategy):
    """One bid and one ask around the mid, both replaced when it moved far enough or one filled.

    As in the peer a fill, even of a part, makes its side forget the order it holds: what is left of
    an order filled in part is not canceled and may be filled later.
    """

    Params = MakerParams
    params: MakerParams

    def subscriptions(self) -> list[Subscription]:
        """Every book update."""
        return [Books()]

    def on_start(self) -> Intents:
        """Nothing quoted yet."""
        self.requotes = 0
        self._least_move = self.params.move_ticks - NEAR
        self._mid_ticks: float | None = None
        self._bid = self._ask = ""
        self._position = 0.0
        return None

    def on_book(self, top: BookTop) -> Intents:
        """Replace both quotes when they are due."""
        mid_ticks = (top.bid_px + top.ask_px) * (TICKS_PER_UNIT / 2)
        last_ticks = self._mid_ticks
        if last_ticks is not None and abs(mid_ticks - last_ticks) < self._least_move:
            return None
        self._mid_ticks = mid_ticks
        self.requotes += 1
        distance_ticks, most = self.params.distance_ticks, self.params.position_max
        intents: list[AnyIntent] = []
        if self._bid:
            intents.append(self.cancel(ETH.id, self._bid))
        if self._ask:
            intents.append(self.cancel(ETH.id, self._ask))
        self._bid = self._ask = ""
        if self._position < most:
            px = floor(mid_ticks - distance_ticks + NEAR) / TICKS_PER_UNIT
            bid = self.limit(ETH.id, Side.BUY, px, 1.0, tif=Tif.ALO)
            self._bid = bid.cloid
            intents.append(bid)
        if self._position > -most:
            px = ceil(mid_ticks + distance_ticks - NEAR) / TICKS_PER_UNIT
            ask = self.limit(ETH.id, Side.SELL, px, 1.0, tif=Tif.ALO)
            self._ask = ask.cloid
            intents.append(ask)
        return intents

    def on_fill(self, fill: OrderFilled) -> Intents:
        """Both quotes are due at the next update."""
        self._position += fill.side * fill.sz
        if fill.side is Side.BUY:
            self._bid = ""
        else:
            self._ask = ""
        self._mid_ticks = None
        return None


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy on one tape. `*_ratio_min` are the goals against the peer's rate.

    `orders_expected` is the peer's count; ours may differ by `orders_slack` (a fraction), and `why`
    says for what reason.
    """

    name: str
    title: str
    tape: str
    make: Callable[[], Strategy]
    orders_expected: int
    reference_ratio_min: float
    chunked_ratio_min: float
    orders_slack: float = 0.0
    why: str = ""
    smoke_rows: int = 20_000


def _quote_ema() -> Strategy:
    return QuoteEma(EmaParams())


def _trade_ema() -> Strategy:
    return TradeEma(EmaParams())


def _bar_ema() -> Strategy:
    return BarEma(EmaParams(fast=200, slow=1000))


WORKLOADS: Final = (
    Workload(
        name="quotes_noop",
        title="1 M quotes, no-op",
        tape="quotes",
        make=lambda: QuoteNoop(Params()),
        orders_expected=0,
        reference_ratio_min=0.9,
        chunked_ratio_min=2.5,
    ),
    Workload(
        name="quotes_ema_py",
        title="1 M quotes, EMA",
        tape="quotes",
        make=_quote_ema,
        orders_expected=218,
        reference_ratio_min=0.9,
        chunked_ratio_min=2.5,
    ),
    Workload(
        name="trades_ema_py",
        title="1 M trades, EMA",
        tape="trades",
        make=_trade_ema,
        orders_expected=228,
        reference_ratio_min=0.9,
        chunked_ratio_min=2.5,
    ),
    Workload(
        name="bars_ema_py",
        title="500 k bars, EMA",
        tape="bars",
        make=_bar_ema,
        orders_expected=408,
        reference_ratio_min=1.4,
        chunked_ratio_min=3.5,
    ),
    Workload(
        name="deltas_mm",
        title="200 k L2 updates, maker",
        tape="book_deltas",
        make=lambda: Maker(MakerParams()),
        orders_expected=17_513,
        reference_ratio_min=1.3,
        chunked_ratio_min=3.0,
        orders_slack=0.005,
        why="the venues fill parts of an order by different rules",
        smoke_rows=4_000,
    ),
)
BY_NAME: Final = {workload.name: workload for workload in WORKLOADS}
