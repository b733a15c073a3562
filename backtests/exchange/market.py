"""What one instrument's market shows: the last event of each feed, and what can be read from them.

The market of an instrument is the best of what its feeds ever gave: an order book (whole updates,
or its top with a source for the depth), else a quote, else the last trade, else the last bar's
close. Nothing is worked out when an event is stored.

What can be taken:
- book: the displayed levels, and nothing more;
- quote: the displayed size at the best price, and any remainder one allowed price step worse;
- trade or bar: any size at the last price plus or minus half a synthetic spread, rounded outward to
  an allowed price.

What we took from a displayed level is not there again until the next row of the book or quote. A
row is known by its `seq`, a quote by its whole content: the same row sent again is not a new one.
"""

from __future__ import annotations

from typing import Final, Protocol

from backtests.exchange.prices import PriceRule
from engine.model.events import (
    AssetContext,
    Bar,
    BookDelta,
    BookSnapshot,
    BookTop,
    Quote,
    Trade,
)
from engine.model.instruments import Instrument
from engine.model.units import PPB

UNLIMITED_LOTS: Final = 1 << 62
Levels = list[tuple[int, int]]
Depth = tuple[dict[float, float], dict[float, float]]
_NOTHING: Final[Levels] = []


class DepthSource(Protocol):
    """The whole book behind a `BookTop`."""

    def levels(self, seq: int) -> Depth:
        """The book after update `seq` as (bids, asks): price -> size, until the next call."""
        ...


class Market:
    """What is displayed of one instrument, in ticks and lots on request."""

    __slots__ = (
        "_ask_px",
        "_best_ask",
        "_best_bid",
        "_bid_px",
        "_half_spread_ppb",
        "_of_top",
        "_seq",
        "_taken",
        "_taken_row",
        "asks",
        "bar",
        "bids",
        "context",
        "depth",
        "money_per_unit",
        "prices",
        "px_scale",
        "sz_scale",
        "top",
        "trade",
    )

    def __init__(self, instrument: Instrument, half_spread_ppb: int) -> None:
        self.prices = PriceRule(instrument)
        self.px_scale: int = 10**instrument.px_decimals
        self.sz_scale: int = 10**instrument.sz_decimals
        self.money_per_unit: int = 10 ** (8 - instrument.px_decimals - instrument.sz_decimals)
        self.top: BookTop | Quote | None = None
        self.bids: dict[float, float] | None = None
        self.asks: dict[float, float] | None = None
        self.depth: DepthSource | None = None
        self.trade: Trade | None = None
        self.bar: Bar | None = None
        self.context: AssetContext | None = None
        self._half_spread_ppb = half_spread_ppb
        self._best_bid = self._best_ask = 0
        self._bid_px = self._ask_px = 0.0
        self._of_top: BookTop | Quote | None = None
        self._seq = 0
        self._taken: dict[int, int] = {}
        self._taken_row: object = None

    # -- storing -----------------------------------------------------------------------------------

    def set_book(self, event: BookSnapshot) -> None:
        """Take in a whole book."""
        self.bids = dict(zip(event.bid_px, event.bid_sz, strict=True))
        self.asks = dict(zip(event.ask_px, event.ask_sz, strict=True))
        self._bid_px = max(self.bids, default=0.0)
        self._ask_px = min(self.asks, default=0.0)
        self._best_bid = round(self._bid_px * self.px_scale)
        self._best_ask = round(self._ask_px * self.px_scale)
        self._seq = event.seq

    def change_book(self, event: BookDelta) -> bool:  # noqa: C901, PLR0912 - both sides written out
        """Change some levels; False when there was no book, which then starts from nothing."""
        is_ready = self.bids is not None
        if self.bids is None or self.asks is None:
            self.bids, self.asks = {}, {}
            self._best_bid = self._best_ask = 0
        # Counting along costs half of what a zip of so few levels does.
        bids, best = self.bids, self._bid_px
        sizes, at = event.bid_sz, 0
        for px in event.bid_px:
            sz = sizes[at]
            at += 1  # noqa: SIM113
            if sz:
                bids[px] = sz
                if px > best:  # noqa: PLR1730 - a call of max costs more
                    best = px
            else:
                bids.pop(px, None)
        if best and best not in bids:
            best = max(bids) if bids else 0.0
        if best != self._bid_px:
            self._bid_px = best
            self._best_bid = round(best * self.px_scale)
        asks, best = self.asks, self._ask_px
        sizes, at = event.ask_sz, 0
        for px in event.ask_px:
            sz = sizes[at]
            at += 1  # noqa: SIM113
            if sz:
                asks[px] = sz
                if px < best or not best:
                    best = px
            else:
                asks.pop(px, None)
        if best and best not in asks:
            best = min(asks) if asks else 0.0
        if best != self._ask_px:
            self._ask_px = best
            self._best_ask = round(best * self.px_scale)
        self._seq = event.seq
        return is_ready

    # -- prices ------------------------------------------------------------------------------------

    @property
    def is_bars_only(self) -> bool:
        """Whether bars are all this market ever showed."""
        return self.trade is None and self.top is None and self.bids is None

    def bests(self) -> tuple[int, int]:
        """The best displayed or synthetic bid and ask; 0 where there is none."""
        if self.bids is None:
            top = self.top
            if top is None:
                return self._synthetic_ticks(1), self._synthetic_ticks(-1)
            if top is not self._of_top:
                self._read(top)
        return self._best_bid, self._best_ask

    def best_ticks(self, side: int) -> int:
        """The best displayed or synthetic price of the bids (side 1) or asks (-1); 0 if none."""
        return self.bests()[0 if side > 0 else 1]

    def _read(self, top: BookTop | Quote) -> None:
        """Work out the best prices of a top, once."""
        scale = self.px_scale
        self._of_top = top
        self._best_bid = round(top.bid_px * scale)
        self._best_ask = round(top.ask_px * scale)

    def mark_ticks2(self) -> int:
        """Twice the mark price in ticks.

        The venue's mark if it ever sent one, else the mid, else the last price; 0 if none.
        """
        if self.context is not None:
            return round(2 * self.context.mark_px * self.px_scale)
        if self.bids is None:
            top = self.top
            if top is None:
                return 2 * self.last_ticks()
            if top is not self._of_top:
                self._read(top)
        bid_ticks, ask_ticks = self._best_bid, self._best_ask
        if bid_ticks and ask_ticks:
            return bid_ticks + ask_ticks
        return 2 * (self.last_ticks() or bid_ticks or ask_ticks)

    def oracle_ticks2(self) -> int:
        """Twice the oracle price in ticks, else of the mark."""
        context = self.context
        if context is not None and context.oracle_px > 0:
            return round(2 * context.oracle_px * self.px_scale)
        return self.mark_ticks2()

    def last_ticks(self) -> int:
        """The last trade's price, else the last bar's close; 0 if none."""
        if self.trade is not None:
            return round(self.trade.px * self.px_scale)
        return 0 if self.bar is None else round(self.bar.close * self.px_scale)

    def value_e8(self, lots: int, ticks2: int) -> int:
        """Signed lots at half of `ticks2`, in 1e-8, rounded down."""
        return lots * ticks2 * self.money_per_unit // 2

    def worsened_ticks(self, side: int, px_ticks: int) -> int:
        """A price moved half a synthetic spread to the disadvantage of a taker of `side`."""
        if side > 0:
            return self.prices.up(-(-px_ticks * (PPB + self._half_spread_ppb) // PPB))
        return self.prices.down(px_ticks * (PPB - self._half_spread_ppb) // PPB)

    def _synthetic_ticks(self, side: int) -> int:
        last_ticks = self.last_ticks()
        return self.worsened_ticks(-side, last_ticks) if last_ticks else 0

    # -- what rests ahead of an order --------------------------------------------------------------

    def shown_lots(self, side: int, px_ticks: int) -> int | None:
        """The size displayed at a price of the bids (side 1) or asks (-1).

        None when the price lies outside what is displayed. A price between or better than displayed
        levels shows 0.
        """
        if self.bids is not None:
            return self._shown_in(self._side_of((self.bids, self.asks), side), side, px_ticks)
        top = self.top
        if top is None:
            return None
        best_px, best_sz = (top.bid_px, top.bid_sz) if side > 0 else (top.ask_px, top.ask_sz)
        best_ticks = round(best_px * self.px_scale)
        if best_ticks == px_ticks:
            return round(best_sz * self.sz_scale)
        if best_ticks == 0 or (px_ticks - best_ticks) * side > 0:
            return 0
        if self.depth is None or type(top) is not BookTop:
            return None
        return self._shown_in(self._side_of(self.depth.levels(top.seq), side), side, px_ticks)

    def _shown_in(self, levels: dict[float, float], side: int, px_ticks: int) -> int | None:
        sz = levels.get(px_ticks / self.px_scale)
        if sz is not None:
            return round(sz * self.sz_scale)
        if not levels:
            return 0
        worst_px = min(levels) if side > 0 else max(levels)
        return 0 if (px_ticks - round(worst_px * self.px_scale)) * side > 0 else None

    @staticmethod
    def _side_of(
        depth: tuple[dict[float, float] | None, dict[float, float] | None], side: int
    ) -> dict[float, float]:
        return (depth[0] if side > 0 else depth[1]) or {}

    # -- what can be taken -------------------------------------------------------------------------

    def levels(self, side: int, limit_ticks: int) -> Levels:
        """What a taker may take from the bids (side 1) or asks (-1) up to its limit.

        (ticks, lots) best first, less what was already taken from this row.
        """
        best_ticks = self.best_ticks(side)
        if not best_ticks or (best_ticks - limit_ticks) * side < 0:
            return _NOTHING
        if self.bids is not None:
            displayed = self._walk(self._side_of((self.bids, self.asks), side), side, limit_ticks)
        elif self.top is None:
            return [(best_ticks, UNLIMITED_LOTS)]
        elif type(self.top) is BookTop and self.depth is not None:
            depth = self.depth.levels(self.top.seq)
            displayed = self._walk(self._side_of(depth, side), side, limit_ticks)
        else:
            displayed = [(best_ticks, self._best_lots(side))]
        taken = self._taken_now()
        if taken:
            displayed = [(px, sz - taken.get(side * px, 0)) for px, sz in displayed]
        found = [level for level in displayed if level[1] > 0]
        if self.bids is None and type(self.top) is Quote:
            prices = self.prices
            worse = prices.down(best_ticks - 1) if side > 0 else prices.up(best_ticks + 1)
            if worse > 0 and (worse - limit_ticks) * side >= 0:
                found.append((worse, UNLIMITED_LOTS))
        return found

    def best_left_lots(self, side: int, best_ticks: int) -> int:
        """The size displayed at the best price, less what was taken from this row."""
        if self.bids is not None:
            levels = self._side_of((self.bids, self.asks), side)
            lots = round(levels[best_ticks / self.px_scale] * self.sz_scale)
        elif self.top is None:
            return UNLIMITED_LOTS
        else:
            lots = self._best_lots(side)
        return lots - self._taken_now().get(side * best_ticks, 0)

    def take(self, side: int, px_ticks: int, lots: int) -> None:
        """Remember that `lots` of the bids (side 1) or asks (-1) are gone from this row."""
        taken = self._taken_now()
        key = side * px_ticks
        taken[key] = taken.get(key, 0) + lots

    def _taken_now(self) -> dict[int, int]:
        """What was taken from the present row, by signed price."""
        row: object
        if self.bids is not None:
            row = self._seq
        else:
            row = self.top.seq if type(self.top) is BookTop else self.top
        if row != self._taken_row:
            self._taken = {}
            self._taken_row = row
        return self._taken

    def _best_lots(self, side: int) -> int:
        top = self.top
        if top is None:
            return 0
        return round((top.bid_sz if side > 0 else top.ask_sz) * self.sz_scale)

    def _walk(self, levels: dict[float, float], side: int, limit_ticks: int) -> Levels:
        scale, sz_scale = self.px_scale, self.sz_scale
        found: Levels = []
        for px in sorted(levels, reverse=side > 0):
            px_ticks = round(px * scale)
            if (px_ticks - limit_ticks) * side < 0:
                break
            found.append((px_ticks, round(levels[px] * sz_scale)))
        return found
