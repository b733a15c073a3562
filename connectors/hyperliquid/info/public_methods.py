"""The info requests about the venue and its markets, one typed method each.

Every method raises as `InfoCaller.fetch` says. Weights are of the IP budget (protocol 6). `dex` is
a perp dex's name; "" is the venue's own. Decimals are text (see `info.fields`).
"""

from __future__ import annotations

from connectors.hyperliquid.info import market, metadata, requests
from connectors.hyperliquid.info.caller import InfoCaller
from connectors.hyperliquid.info.requests import Params
from engine.errors import ModelError


class PublicMethods(InfoCaller):
    """What anyone may ask."""

    async def perp_dexs(self) -> tuple[metadata.PerpDex | None, ...]:
        """Every perp dex. Weight 20; protocol 1.2.

        A dex's place is its index in asset ids; place 0, the venue's own dex, is None.
        """
        return await self.fetch(requests.PERP_DEXS, {})

    async def meta(self, dex: str = "") -> metadata.PerpMeta:
        """The universe of a dex and its margin tables. Weight 20; protocol 1.2.

        A coin's place is its index in asset ids, delisted ones keep theirs. Names of a builder dex
        carry its prefix (`xyz:TSLA`). Tables below id 50 have one tier and need not be listed. An
        unknown dex is a VenueError (the venue says 500 and `null`).
        """
        return await self.fetch(requests.META, {"dex": dex})

    async def meta_and_asset_ctxs(self, dex: str = "") -> metadata.MetaAndAssetCtxs:
        """The universe of a dex, and each perpetual's context in that order. Weight 20; 1.2.

        Funding is the current hourly rate, open interest in base units, one side. Premium, mid and
        impact prices are None when a side of the book is empty.
        """
        return await self.fetch(requests.META_AND_ASSET_CTXS, {"dex": dex})

    async def all_perp_metas(self) -> tuple[metadata.PerpMeta, ...]:
        """The universe of every dex, by dex index. Weight 20; protocol 1.2.

        The venue's page shows (meta, contexts) pairs, the live venue sends metas alone: both are
        read. `fetch(requests.ALL_PERP_METAS, {})` keeps the contexts.
        """
        answer = await self.fetch(requests.ALL_PERP_METAS, {})
        return tuple(one if isinstance(one, metadata.PerpMeta) else one[0] for one in answer)

    async def perp_dex_limits(self, dex: str) -> metadata.PerpDexLimits | None:
        """Open-interest and transfer caps of a builder dex. Weight 20; protocol 1.2.

        Caps in USD; the one by size in base units. None for a dex the venue does not know. Raises
        ModelError for the empty name, which the request does not allow.
        """
        if not dex:
            raise ModelError("perpDexLimits: dex is empty, expected a builder dex's name")
        return await self.fetch(requests.PERP_DEX_LIMITS, {"dex": dex})

    async def perp_dex_status(self, dex: str = "") -> metadata.PerpDexStatus:
        """Net deposits of a dex in its collateral; "" is allowed. Weight 20; protocol 1.2."""
        return await self.fetch(requests.PERP_DEX_STATUS, {"dex": dex})

    async def perps_at_open_interest_cap(self, dex: str = "") -> tuple[str, ...]:
        """The coins at their open-interest cap: no new positions there. Weight 20; 1.2, 7.5."""
        return await self.fetch(requests.PERPS_AT_OPEN_INTEREST_CAP, {"dex": dex})

    async def perp_deploy_auction_status(self) -> metadata.PerpDeployAuctionStatus:
        """The auction of the next perpetual. Weight 20; protocol 1.2.

        Times are in seconds, gas in HYPE. `current_gas` and `end_gas` may be None.
        """
        return await self.fetch(requests.PERP_DEPLOY_AUCTION_STATUS, {})

    async def perp_annotation(self, coin: str) -> metadata.PerpAnnotation | None:
        """What a deployer says of a perpetual; None when nothing. Weight 20; protocol 1.2."""
        return await self.fetch(requests.PERP_ANNOTATION, {"coin": coin})

    async def perp_categories(self) -> tuple[tuple[str, str], ...]:
        """(coin, category) of every perpetual that has one. Weight 20; protocol 1.2."""
        return await self.fetch(requests.PERP_CATEGORIES, {})

    async def perp_concise_annotations(
        self,
    ) -> tuple[tuple[str, metadata.PerpConciseAnnotation], ...]:
        """(coin, annotation without its text) of every annotated one. Weight 20; protocol 1.2."""
        return await self.fetch(requests.PERP_CONCISE_ANNOTATIONS, {})

    async def exchange_status(self) -> metadata.ExchangeStatus:
        """The venue's clock (ms) and its notices, None when there are none. Weight 2; 1.3."""
        return await self.fetch(requests.EXCHANGE_STATUS, {})

    async def spot_meta(self) -> metadata.SpotMeta:
        """Every spot token and pair; indexes are not places in the lists. Weight 20; 1.3."""
        return await self.fetch(requests.SPOT_META, {})

    # -- the market --------------------------------------------------------------------------------

    async def all_mids(self, dex: str = "") -> dict[str, str]:
        """The mid price of every coin of a dex. Weight 2; protocol 1.3.

        Spot mids (`@107`) come only with the venue's own dex. An empty book gives the last trade's
        price. A mid is not a mark.
        """
        return await self.fetch(requests.ALL_MIDS, {"dex": dex})

    async def l2_book(
        self, coin: str, *, significant_figures: int | None = None, mantissa: int | None = None
    ) -> market.L2Book:
        """The book of a coin: at most 20 levels a side, best first. Weight 2; protocol 1.3.

        Prices can be grouped to 2..5 significant figures; with 5, `mantissa` 2 or 5 groups more.
        """
        params: Params = {"coin": coin, "nSigFigs": significant_figures, "mantissa": mantissa}
        return await self.fetch(requests.L2_BOOK, params)

    async def recent_trades(self, coin: str) -> tuple[market.TradeRow, ...]:
        """The last trades of a coin, newest first. Weight 20 + 1 per 20 rows; protocol 1.3.

        The key of a trade is (time, coin, tid). How many come is not documented.
        """
        return await self.fetch(requests.RECENT_TRADES, {"coin": coin})

    async def candle_snapshot(
        self, coin: str, interval: str, start_ms: int, end_ms: int
    ) -> tuple[market.Candle, ...]:
        """Candles of a coin, oldest first. Weight 20 + 1 per 60 rows a page; protocol 1.3.

        Interval 1m 3m 5m 15m 30m 1h 2h 4h 8h 12h 1d 3d 1w 1M. Both ends count, and the candle in
        which the span begins comes too. Only the 5000 newest of an interval exist. The last one is
        the open one when the span reaches now.
        """
        params: Params = {
            "coin": coin,
            "interval": interval,
            "startTime": start_ms,
            "endTime": end_ms,
        }
        return await self.fetch(requests.CANDLE_SNAPSHOT, params)

    async def funding_history(
        self, coin: str, start_ms: int, end_ms: int | None = None
    ) -> tuple[market.FundingRow, ...]:
        """Settled funding rates of a coin, oldest first. Weight 20 + 1 per 20 rows a page; 1.2.

        Both ends count; the end is now unless given. A page has 500 rows; all are walked. Rows
        before 2023-06-08T01:00Z are 8-hour rates, a premium may be the text "NaN", times are not
        on the hour, hours are missing.
        """
        params: Params = {"coin": coin, "startTime": start_ms, "endTime": end_ms}
        return await self.fetch(requests.FUNDING_HISTORY, params)

    async def predicted_fundings(self) -> tuple[tuple[str, market.VenueFundings], ...]:
        """(coin, ((venue, its next funding or None), ...)). Weight 20; protocol 1.2.

        Coins of the venue's own dex only. Each rate is of that venue's own interval.
        """
        return await self.fetch(requests.PREDICTED_FUNDINGS, {})
