"""Public info requests: metadata, contexts, the market (protocol 1.2, 1.3)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from connectors.simulated.core import VenueCore
from connectors.simulated.hyperliquid import show_market as show
from connectors.simulated.hyperliquid.info_requests import (
    NoFields,
    OfBook,
    OfCandles,
    OfCoin,
    OfCoinSpan,
    OfDex,
    OfNamedDex,
    OfTable,
)
from connectors.simulated.hyperliquid.replies import NOTHING_THERE
from connectors.simulated.numbers import printed_money
from connectors.simulated.publicdata import PublicData

SPAN_ROWS: Final = 500
CANDLE_ROWS: Final = 5_000
TRADE_ROWS: Final = 100
AUCTION_S: Final = 111_600
CATEGORY: Final = "crypto"
_USDC: Final = {
    "name": "USDC",
    "szDecimals": 8,
    "weiDecimals": 8,
    "index": 0,
    "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical": True,
    "evmContract": None,
    "fullName": None,
}
# Highest notional of a market order in USD, by the largest leverage (protocol 4).
_MARKET_ORDER_USD: Final = ((25, 30_000_000), (20, 5_000_000), (10, 2_000_000), (0, 500_000))


class MarketInfo:
    """Answers them. `by_type` gives what each carries and its rule."""

    def __init__(self, core: VenueCore) -> None:
        self._core = core
        self.by_type: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
            "perpDexs": (NoFields, lambda _: [None]),
            "meta": (OfDex, lambda _: show.meta(core)),
            "metaAndAssetCtxs": (OfDex, lambda _: [show.meta(core), show.asset_ctxs(core)]),
            "allPerpMetas": (NoFields, lambda _: [show.meta(core)]),
            "perpsAtOpenInterestCap": (OfDex, lambda _: sorted(core.capped)),
            "perpDeployAuctionStatus": (NoFields, lambda _: self._auction()),
            "perpDexLimits": (OfNamedDex, lambda _: None),
            "perpDexStatus": (OfNamedDex, self._dex_status),
            "perpAnnotation": (OfCoin, self._annotation),
            "perpCategories": (NoFields, lambda _: [[o.coin, CATEGORY] for o in core.universe]),
            "perpConciseAnnotations": (
                NoFields,
                lambda _: [[one.coin, {"category": CATEGORY}] for one in core.universe],
            ),
            "fundingHistory": (OfCoinSpan, self._funding_history),
            "predictedFundings": (NoFields, lambda _: show.predicted_fundings(core)),
            "allMids": (OfDex, lambda _: show.all_mids(core)),
            "l2Book": (OfBook, self._book),
            "recentTrades": (OfCoin, self._trades),
            "candleSnapshot": (OfCandles, self._candles),
            "exchangeStatus": (
                NoFields,
                lambda _: {"time": core.clock.now_ms(), "specialStatuses": None},
            ),
            "marginTable": (OfTable, self._table),
            "maxMarketOrderNtls": (NoFields, lambda _: self._market_order_notionals()),
            "spotMeta": (NoFields, lambda _: {"tokens": [_USDC], "universe": []}),
            "spotMetaAndAssetCtxs": (
                NoFields,
                lambda _: [{"tokens": [_USDC], "universe": []}, []],
            ),
        }

    def _data(self, coin: str) -> PublicData:
        return self._core.public[self._core.instruments[coin].id]

    def _auction(self) -> show.Json:
        """One auction after the other; nobody bids."""
        start = self._core.clock.now_ms() // 1000 // AUCTION_S * AUCTION_S
        return {
            "startTimeSeconds": start,
            "durationSeconds": AUCTION_S,
            "startGas": "500.0",
            "currentGas": "500.0",
            "endGas": None,
        }

    def _dex_status(self, request: OfNamedDex) -> Any:  # noqa: ANN401 - an object or a reply
        if request.dex:
            return NOTHING_THERE
        accounts = [self._core.exchange.account(name) for name in self._core.accounts]
        total_e8 = sum([one.start_e8 + one.transfers_e8 for one in accounts])
        return {"totalNetDeposit": printed_money(total_e8)}

    def _annotation(self, request: OfCoin) -> show.Json | None:
        if request.coin not in self._core.instruments:
            return None
        return {"category": CATEGORY, "description": f"a simulated market of {request.coin}"}

    def _funding_history(self, request: OfCoinSpan) -> list[show.Json]:
        data = self._data(request.coin)
        end_ms = self._core.clock.now_ms() if request.endTime is None else request.endTime
        rows = (row for row in data.fundings if request.startTime <= row.time_ms <= end_ms)
        return [show.funding_row(data.instrument, row) for row in islice(rows, SPAN_ROWS)]

    def _book(self, request: OfBook) -> show.Json:
        data = self._data(request.coin)
        if request.nSigFigs is None:
            return show.l2_book(self._core, data)
        return show.grouped_book(self._core, data, request.nSigFigs, request.mantissa or 1)

    def _trades(self, request: OfCoin) -> list[show.Json]:
        newest = islice(reversed(self._data(request.coin).trades), TRADE_ROWS)
        return [show.trade(item) for item in newest]

    def _candles(self, request: OfCandles) -> list[show.Json]:
        span = request.req
        data = self._data(span.coin)
        end_ms = self._core.clock.now_ms() if span.endTime is None else span.endTime
        found = [
            show.candle(data.instrument, span.interval, item)
            for item in data.candles.by_interval[span.interval]
            if item.close_ms >= span.startTime and item.open_ms <= end_ms
        ]
        return found[-CANDLE_ROWS:]

    def _table(self, request: OfTable) -> Any:  # noqa: ANN401 - an object or a reply
        for one in self._core.universe:
            if show.table_id(one) == request.id:
                return show.margin_table(one)
        return NOTHING_THERE

    def _market_order_notionals(self) -> list[Any]:
        leverages = sorted({one.leverage_max for one in self._core.universe}, reverse=True)
        return [
            [most, f"{next(usd for least, usd in _MARKET_ORDER_USD if most >= least)}.0"]
            for most in leverages
        ]
