"""What a schedule reads again: metadata, contexts, caps, settled funding, budgets, the clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final

from connectors.hyperliquid.common import Common
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.metadata import AssetCtx
from connectors.hyperliquid.instruments import instruments_of
from connectors.hyperliquid.market_events import MarketEvents
from connectors.hyperliquid.preflight import Credential
from engine.errors import ModelError, VenueError
from engine.model.events import (
    AssetContext,
    BudgetRead,
    FundingRate,
    InstrumentUpdated,
    OpenInterestCaps,
)
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_MS

HOUR_MS: Final = 3_600_000
FUNDINGS_READ_MAX: Final = 20


class Refresher:
    """Reads again what changes slowly. Every method raises TransportError or VenueError."""

    def __init__(self, common: Common, info: InfoClient, market: MarketEvents) -> None:
        self._common = common
        self._info = info
        self._market = market
        self._capped: tuple[str, ...] | None = None
        self._settled_ms: dict[str, int] = {}

    async def clock(self) -> None:
        """Measure the venue's time."""

        async def ask_ms() -> int:
            return (await self._info.exchange_status()).time_ms

        await self._common.time.measure(ask_ms)
        self._market.venue_offset_ns = self._common.time.now_ns() - self._common.clock.now_ns()
        self._common.log.info(
            "venue time",
            offset_ms=self._common.time.offset_ms,
            round_trip_ms=self._common.time.round_trip_ns // 1_000_000,
        )

    async def load(self) -> tuple[Instrument, ...]:
        """The venue's instruments; a row that makes no sense is left out and counted."""
        meta = await self._info.meta()
        common = self._common
        found = instruments_of(meta, venue=common.venue, quarantine=common.distrust)
        for instrument in found:
            if meta.universe[instrument.asset].name != instrument.coin:
                raise ModelError(
                    f"asset {instrument.asset} is {meta.universe[instrument.asset].name},"
                    f" expected {instrument.coin}"
                )
        return found

    async def metadata(self) -> None:
        """Tell what is new or changed."""
        common = self._common
        now_ns = common.clock.now_ns()
        for instrument in await self.load():
            known = common.instruments.get(instrument.id)
            if known is not None and known.asset != instrument.asset:
                raise VenueError(
                    f"{instrument.id} was asset {known.asset}, and is {instrument.asset} now"
                )
            if instrument != known:
                common.know([instrument])
                self._market.learn([instrument])
                common.emit(InstrumentUpdated(common.time.now_ns(), now_ns, instrument))

    async def contexts(self, wanted: Iterable[str]) -> None:
        """Tell contexts and settled funding of these instruments, and what is at its cap."""
        common = self._common
        meta, contexts = await self._info.meta_and_asset_ctxs()
        wanted = tuple(wanted)
        now_ns = common.clock.now_ns()
        for row, context in zip(meta.universe, contexts, strict=False):
            instrument = common.by_coin.get(row.name)
            if instrument is not None and instrument.id in wanted:
                event = _context(context, instrument.id, common.time.now_ns(), now_ns)
                if event is not None:
                    common.emit(event)
        coins = await self._info.perps_at_open_interest_cap()
        capped = tuple(common.by_coin[coin].id for coin in coins if coin in common.by_coin)
        if capped != self._capped:
            self._capped = capped
            times = common.time.now_ns(), common.clock.now_ns()
            common.emit(OpenInterestCaps(*times, common.venue, capped))
        for where in wanted[:FUNDINGS_READ_MAX]:
            await self._funding(where)

    async def _funding(self, where: str) -> None:
        """Tell the funding that was settled since the last look; asked once for each hour.

        The venue's row comes some seconds to minutes after the hour (protocol 1.2), so the hour is
        asked for until it is there.
        """
        common = self._common
        now_ms = common.time.now_ms()
        settled_ms = self._settled_ms.setdefault(where, now_ms)
        if settled_ms // HOUR_MS == now_ms // HOUR_MS:
            return
        coin = common.instruments[where].coin
        for row in await self._info.funding_history(coin, settled_ms + 1):
            rate = float(row.funding_rate)
            if isfinite(rate) and row.time_ms > self._settled_ms[where]:
                self._settled_ms[where] = row.time_ms
                times = row.time_ms * NS_PER_MS, common.clock.now_ns()
                common.emit(FundingRate(*times, where, rate))

    async def budgets(self, credentials: Sequence[Credential]) -> None:
        """Tell how many actions each account has used and has in all."""
        for one in credentials:
            limit = await self._info.user_rate_limit(one.address)
            times = self._common.time.now_ns(), self._common.clock.now_ns()
            used, cap = limit.n_requests_used, limit.n_requests_cap
            self._common.emit(BudgetRead(*times, one.account, used, cap))


def _context(context: AssetCtx, instrument: str, ts_ns: int, now_ns: int) -> AssetContext | None:
    """A context as an event; None when its rate is no number."""
    rate = float(context.funding)
    if not isfinite(rate):
        return None
    return AssetContext(
        ts_ns,
        now_ns,
        instrument,
        float(context.mark_px),
        float(context.oracle_px),
        rate,
        float(context.open_interest),
    )
