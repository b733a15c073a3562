"""Which instrument a coin's rows are about: stated by a person or metadata, else inferred.

What is inferred or assumed is said as a finding. Hyperliquid's prices have 6 - szDecimals decimals,
so one number gives both; another venue's decimals of price and size are each as many as its rows
show.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from backtests.importers.raw import PX, SZ, Family, Raw
from backtests.tape.header import Finding
from backtests.tape.schema import Array
from engine.errors import DataError
from engine.model.instruments import (
    PX_DECIMALS_TOTAL_HL,
    Instrument,
    MarginTier,
    hyperliquid_instrument,
)
from engine.model.units import MONEY_DECIMALS, money_e8

# Assumed when nobody says: the first tier of the venue's large coins, and a modest one for others.
LEVERAGE_MAX: Final = {"BTC": 40, "ETH": 25, "SOL": 20}
LEVERAGE_MAX_OTHER: Final = 10
# For files without a price or size (funding alone).
SZ_DECIMALS_HL: Final = {"BTC": 5, "ETH": 4, "SOL": 2, "HYPE": 2, "DOGE": 0, "XRP": 0}

# No limit by significant figures: as many as a float keeps.
_SIGNIFICANT_FIGURES_OTHER: Final = 15


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """What a person stated about coins, by coin; and the venue's metadata, by coin."""

    sz_decimals: Mapping[str, int] = {}
    px_decimals: Mapping[str, int] = {}
    leverage_max: Mapping[str, int] = {}
    metadata: Mapping[str, Instrument] = {}


class _Universe(msgspec.Struct):
    name: str
    sz_decimals: int = msgspec.field(name="szDecimals")
    leverage_max: int = msgspec.field(name="maxLeverage", default=LEVERAGE_MAX_OTHER)
    table_id: int = msgspec.field(name="marginTableId", default=0)
    is_delisted: bool = msgspec.field(name="isDelisted", default=False)


class _Tier(msgspec.Struct):
    lower_bound: str = msgspec.field(name="lowerBound")
    leverage_max: int = msgspec.field(name="maxLeverage")


class _Table(msgspec.Struct):
    tiers: list[_Tier] = msgspec.field(name="marginTiers")


class _Meta(msgspec.Struct):
    universe: list[_Universe]
    tables: list[tuple[int, _Table]] = msgspec.field(name="marginTables", default_factory=list)


def read_metadata(path: Path) -> dict[str, Instrument]:
    """Instruments by coin from a file with the venue's `meta` answer, as JSON or as TOML."""
    try:
        data = path.read_bytes()
        decoded: Any = (
            tomllib.loads(data.decode()) if path.suffix == ".toml" else msgspec.json.decode(data)
        )
        if isinstance(decoded, list) and decoded:
            # metaAndAssetCtxs answers with [meta, contexts].
            decoded = decoded[0]
        meta = msgspec.convert(decoded, _Meta)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: {error}, expected a meta answer with a universe") from None
    tables = dict(meta.tables)
    return {
        row.name: hyperliquid_instrument(
            "hl",
            row.name,
            sz_decimals=row.sz_decimals,
            asset=index,
            margin_tiers=_tiers(row, tables.get(row.table_id)),
            is_delisted=row.is_delisted,
        )
        for index, row in enumerate(meta.universe)
    }


def _tiers(row: _Universe, table: _Table | None) -> tuple[MarginTier, ...]:
    if table is None:
        return (MarginTier(0, row.leverage_max),)
    return tuple(
        MarginTier(money_e8(float(tier.lower_bound)), tier.leverage_max) for tier in table.tiers
    )


def instrument_of(raws: Sequence[Raw], stated: Stated) -> tuple[Instrument, list[Finding]]:
    """The instrument of rows that are all of one venue and coin, and what had to be guessed."""
    venue, coin = raws[0].venue, raws[0].coin
    where = f"{venue}:{coin}"
    known = stated.metadata.get(coin)
    if known is not None:
        return msgspec.structs.replace(known, id=where, venue=venue), []
    findings: list[Finding] = []
    leverage_max = stated.leverage_max.get(coin)
    if leverage_max is None:
        leverage_max = LEVERAGE_MAX.get(coin, LEVERAGE_MAX_OTHER)
        findings.append(Finding("assumed leverage", where, 1, f"at most {leverage_max}, one tier"))
    tiers = (MarginTier(0, leverage_max),)
    px = stated.px_decimals.get(coin)
    sz = stated.sz_decimals.get(coin)
    if any(raw.family is Family.HYPERLIQUID for raw in raws):
        if sz is None:
            sz, how = _hyperliquid_sz_decimals(raws, where)
            findings.append(Finding("inferred precision", where, 1, f"sz_decimals {sz} {how}"))
        return hyperliquid_instrument(venue, coin, sz_decimals=sz, margin_tiers=tiers), findings
    if px is None or sz is None:
        px_seen = _decimals(raws, PX) if px is None else px
        px = min(px_seen, MONEY_DECIMALS if sz is None else MONEY_DECIMALS - sz)
        sz = min(_decimals(raws, SZ), MONEY_DECIMALS - px) if sz is None else sz
        how = "from the rows" if any(PX[raw.kind] for raw in raws) else "as the rows have no price"
        detail = f"px_decimals {px}, sz_decimals {sz} {how}"
        findings.append(Finding("inferred precision", where, 1, detail))
    return _other_instrument(venue, coin, px, sz, tiers), findings


def _other_instrument(
    venue: str, coin: str, px_decimals: int, sz_decimals: int, tiers: tuple[MarginTier, ...]
) -> Instrument:
    return Instrument(
        id=f"{venue}:{coin}",
        venue=venue,
        coin=coin,
        px_decimals=px_decimals,
        sz_decimals=sz_decimals,
        margin_tiers=tiers,
        significant_figures=_SIGNIFICANT_FIGURES_OTHER,
    )


def _hyperliquid_sz_decimals(raws: Sequence[Raw], where: str) -> tuple[int, str]:
    """SzDecimals from sizes and volumes, no more than the prices leave room for."""
    if any(PX[raw.kind] for raw in raws):
        room = max(0, PX_DECIMALS_TOTAL_HL - _decimals(raws, PX))
        return min(_decimals(raws, SZ), room), "from the sizes in the rows"
    coin = raws[0].coin
    if coin in SZ_DECIMALS_HL:
        return SZ_DECIMALS_HL[coin], "as known; the rows have no size"
    raise DataError(f"{where}: rows without a size, expected its sz_decimals to be given")


def _decimals(raws: Iterable[Raw], columns: Mapping[Any, tuple[str, ...]]) -> int:
    return max(
        (decimals_of(raw.rows[name]) for raw in raws for name in columns[raw.kind]), default=0
    )


def decimals_of(values: Array) -> int:
    """The fewest decimals that write every finite value exactly; 8 when more are needed."""
    rest = values[np.isfinite(values)]
    for decimals in range(MONEY_DECIMALS):
        scale = 10**decimals
        rest = rest[np.rint(rest * scale) / scale != rest]
        if not rest.size:
            return decimals
    return MONEY_DECIMALS
