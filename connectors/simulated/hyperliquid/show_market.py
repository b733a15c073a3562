"""Public facts in the venue's JSON: metadata, contexts, books, trades, candles (protocol 1.2, 1.3).

Made from the core's integers and nothing else, as plain dicts.
"""

from __future__ import annotations

from typing import Any, Final

from connectors.simulated.candles import Candle
from connectors.simulated.core import VenueCore
from connectors.simulated.numbers import printed, printed_money, printed_rate, printed_ratio
from connectors.simulated.publicdata import Level, PublicData, PublicFunding, PublicTrade
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_HOUR, NS_PER_MS

Json = dict[str, Any]

COLLATERAL: Final = 0
RATE_DECIMALS: Final = 10
TABLES_LISTED_FROM: Final = 50
_SIDES: Final = {1: "B", -1: "A"}


def side_text(side: int) -> str:
    """B or A."""
    return _SIDES[1 if side > 0 else -1]


def px_text(instrument: Instrument, px_ticks: int) -> str:
    """A price."""
    return printed(px_ticks, instrument.px_decimals)


def half_px_text(instrument: Instrument, px_ticks2: int) -> str:
    """A price given as twice its ticks."""
    return printed(px_ticks2 * 5, instrument.px_decimals + 1)


def sz_text(instrument: Instrument, sz_lots: int) -> str:
    """A size."""
    return printed(sz_lots, instrument.sz_decimals)


# -- metadata --------------------------------------------------------------------------------------


def meta(core: VenueCore) -> Json:
    """The perpetuals and their margin tables; flags that are false are absent."""
    universe, tables = [], {}
    for one in core.universe:
        table = table_id(one)
        row: Json = {
            "szDecimals": one.sz_decimals,
            "name": one.coin,
            "maxLeverage": one.leverage_max,
            "marginTableId": table,
        }
        if one.margin_mode != "cross":
            row |= {"onlyIsolated": True, "marginMode": one.margin_mode}
        if one.is_delisted:
            row["isDelisted"] = True
        universe.append(row)
        if table >= TABLES_LISTED_FROM:
            tables[table] = margin_table(one)
    return {
        "universe": universe,
        "marginTables": [[number, table] for number, table in sorted(tables.items())],
        "collateralToken": COLLATERAL,
    }


def table_id(one: Instrument) -> int:
    """A table of one tier has its leverage as id and is not listed; others count from 51."""
    return one.leverage_max if len(one.margin_tiers) == 1 else TABLES_LISTED_FROM + 1 + one.asset


def margin_table(one: Instrument) -> Json:
    """The margin tiers; bounds are notional in USD."""
    tiers = [
        {"lowerBound": printed_money(tier.lower_bound_e8), "maxLeverage": tier.leverage_max}
        for tier in one.margin_tiers
    ]
    return {
        "description": f"tiered {one.leverage_max}x" if len(tiers) > 1 else "",
        "marginTiers": tiers,
    }


def asset_ctx(core: VenueCore, data: PublicData) -> Json:
    """One context. Mid, impact prices and premium are null while a side of the book is empty."""
    market, one = data.desk.market, data.instrument
    notional_e8, lots = data.day_volume(core.clock.now_ms())
    mid, premium, impact = data.mid_ticks2(), data.premium(), data.impact_px()
    context = market.context
    mark = market.mark_ticks2()
    return {
        "funding": printed_ratio(context.funding_rate if context else 0, RATE_DECIMALS),
        "openInterest": printed_ratio(context.open_interest if context else 0, one.sz_decimals),
        "prevDayPx": half_px_text(one, data.first_px_ticks2 or mark),
        "dayNtlVlm": printed_money(notional_e8),
        "premium": None if premium is None else printed_ratio(premium, RATE_DECIMALS),
        "oraclePx": half_px_text(one, market.oracle_ticks2()),
        "markPx": half_px_text(one, mark),
        "midPx": half_px_text(one, mid) if mid else None,
        "impactPxs": None
        if impact is None
        else [printed_ratio(px, one.px_decimals) for px in impact],
        "dayBaseVlm": sz_text(one, lots),
    }


def asset_ctxs(core: VenueCore) -> list[Json]:
    """Every context, in the order of the universe."""
    return [asset_ctx(core, core.public[one.id]) for one in core.universe]


def predicted_fundings(core: VenueCore) -> list[Any]:
    """The next settlement of each coin: here known, elsewhere null."""
    next_ms = (core.clock.now_ns() // NS_PER_HOUR + 1) * NS_PER_HOUR // NS_PER_MS
    rows = []
    for one in core.universe:
        context = core.public[one.id].desk.market.context
        rate = printed_ratio(context.funding_rate if context else 0, RATE_DECIMALS)
        here = {"fundingRate": rate, "nextFundingTime": next_ms, "fundingIntervalHours": 1}
        rows.append([one.coin, [["BinPerp", None], ["HlPerp", here], ["BybitPerp", None]]])
    return rows


def funding_row(one: Instrument, row: PublicFunding) -> Json:
    """One settlement."""
    return {
        "coin": one.coin,
        "fundingRate": printed_rate(row.rate_ppb),
        "premium": printed_ratio(row.premium, RATE_DECIMALS),
        "time": row.time_ms,
    }


# -- the market ------------------------------------------------------------------------------------


def all_mids(core: VenueCore) -> dict[str, str]:
    """Every mid; where a side is empty the last price."""
    mids = {}
    for one in core.universe:
        data = core.public[one.id]
        mids[one.coin] = half_px_text(
            one, data.mid_ticks2() or 2 * data.desk.market.last_ticks() or 1
        )
    return mids


def level(one: Instrument, item: Level) -> Json:
    """One level of a book."""
    return {
        "px": px_text(one, item.px_ticks),
        "sz": sz_text(one, item.sz_lots),
        "n": item.orders,
    }


def l2_book(core: VenueCore, data: PublicData, depth: int = 20) -> Json:
    """The book: bids, then asks, best first."""
    one = data.instrument
    levels = [[level(one, item) for item in side] for side in data.book(depth)]
    return {"coin": one.coin, "time": core.clock.now_ms(), "levels": levels}


def grouped_book(core: VenueCore, data: PublicData, figures: int, mantissa: int) -> Json:
    """The book with prices rounded to some significant figures, away from the mid.

    With 5 figures the last may be a multiple of `mantissa`.
    """
    one = data.instrument
    sides = []
    for sign, side in zip((1, -1), data.book(), strict=True):
        merged: dict[int, Level] = {}
        for item in side:
            step = 10 ** max(0, len(str(item.px_ticks)) - figures) * mantissa
            px = item.px_ticks // step * step if sign > 0 else -(-item.px_ticks // step) * step
            old = merged.get(px, Level(px, 0, 0))
            merged[px] = Level(px, old.sz_lots + item.sz_lots, old.orders + item.orders)
        sides.append([level(one, item) for item in merged.values()])
    book = {"coin": one.coin, "time": core.clock.now_ms(), "levels": sides}
    if sides[0] and sides[1]:
        bids, asks = data.book(1)
        spread = asks[0].px_ticks - bids[0].px_ticks
        book["spread"] = px_text(one, spread)
    return book


def bbo(core: VenueCore, data: PublicData) -> Json:
    """The best bid and ask; null for an empty side."""
    one = data.instrument
    best = [level(one, side[0]) if side else None for side in data.book(1)]
    return {"coin": one.coin, "time": core.clock.now_ms(), "bbo": best}


def trade(item: PublicTrade) -> Json:
    """One public trade; `side` is the aggressor's."""
    return {
        "coin": item.instrument.coin,
        "side": side_text(item.side),
        "px": px_text(item.instrument, item.px_ticks),
        "sz": sz_text(item.instrument, item.sz_lots),
        "time": item.time_ms,
        "hash": item.hash,
        "tid": item.tid,
        "users": [item.buyer, item.seller],
    }


def candle(one: Instrument, interval: str, item: Candle) -> Json:
    """One candle; `T` is its last millisecond."""
    return {
        "t": item.open_ms,
        "T": item.close_ms,
        "s": one.coin,
        "i": interval,
        "o": px_text(one, item.open),
        "c": px_text(one, item.close),
        "h": px_text(one, item.high),
        "l": px_text(one, item.low),
        "v": sz_text(one, item.lots),
        "n": item.trades,
    }
