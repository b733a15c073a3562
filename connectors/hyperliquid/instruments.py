"""Hyperliquid's universes as instruments, and the asset ids that actions are sent with.

Protocol 4: a perpetual of the venue's own dex is its place in `meta`, one of a builder dex is
100000 + 10000 times the dex's place in `perpDexs` + its place in that dex's `meta`; a spot pair is
10000 + its index; outcomes begin at 100000000. Delisted perpetuals keep their place, so ids never
shift. Margin tables (7.1): an id below 50 that is not listed is one tier of that leverage.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import UNSET

from connectors.hyperliquid.info.metadata import MarginTable, PerpDex, PerpMeta, UniverseRow
from connectors.hyperliquid.numbers import scaled
from engine.errors import ModelError, VenueError
from engine.model.instruments import (
    PX_DECIMALS_TOTAL_HL,
    Instrument,
    MarginTier,
    hyperliquid_instrument,
)
from engine.model.units import MONEY_DECIMALS

SPOT_ASSETS: Final = 10_000
BUILDER_ASSETS: Final = 100_000
BUILDER_ASSETS_PER_DEX: Final = 10_000
OUTCOME_ASSETS: Final = 100_000_000
SINGLE_TIER_IDS: Final = 50
CROSS: Final = "cross"
ISOLATED: Final = "isolated"

Quarantine = Callable[[str, str], None]
"""Told (coin, why) of a perpetual that makes no sense and is left out."""


# -- asset ids -------------------------------------------------------------------------------------


class AssetKind(StrEnum):
    """What an asset id stands for."""

    PERP = "perp"
    SPOT = "spot"
    OUTCOME = "outcome"


class AssetPlace(NamedTuple):
    """Where an asset id points: a place in the `meta` of a dex, a spot index, an outcome side."""

    kind: AssetKind
    dex_index: int
    place: int


def perp_asset(dex_index: int, place: int) -> int:
    """The asset id of the perpetual at a place of a dex's universe; dex 0 is the venue's own.

    Raises ModelError for a place that no id can name.
    """
    places = SPOT_ASSETS if dex_index == 0 else BUILDER_ASSETS_PER_DEX
    dexs = (OUTCOME_ASSETS - BUILDER_ASSETS) // BUILDER_ASSETS_PER_DEX
    if not (0 <= place < places and 0 <= dex_index < dexs):
        raise ModelError(f"place {place} of dex {dex_index} has no asset id")
    if dex_index == 0:
        return place
    return BUILDER_ASSETS + BUILDER_ASSETS_PER_DEX * dex_index + place


def asset_place(asset: int) -> AssetPlace:
    """What an asset id stands for. Raises ModelError for a negative one."""
    if asset < 0:
        raise ModelError(f"asset {asset}, expected 0 or more")
    if asset >= OUTCOME_ASSETS:
        return AssetPlace(AssetKind.OUTCOME, 0, asset - OUTCOME_ASSETS)
    if asset >= BUILDER_ASSETS:
        dex_index, place = divmod(asset - BUILDER_ASSETS, BUILDER_ASSETS_PER_DEX)
        return AssetPlace(AssetKind.PERP, dex_index, place)
    if asset >= SPOT_ASSETS:
        return AssetPlace(AssetKind.SPOT, 0, asset - SPOT_ASSETS)
    return AssetPlace(AssetKind.PERP, 0, asset)


# -- instruments -----------------------------------------------------------------------------------


def instruments_of(
    meta: PerpMeta,
    *,
    venue: str = "hl",
    dex_index: int = 0,
    dex: str = "",
    quarantine: Quarantine | None = None,
) -> tuple[Instrument, ...]:
    """The perpetuals of one dex, delisted ones too, in the order of its universe.

    Ids are `venue:coin` (`hl:BTC`, `hl:xyz:TSLA`), assets as `perp_asset` says. `margin_mode` is
    `cross`, the venue's own word (strictIsolated, noCross), or `isolated` where it only says the
    deprecated onlyIsolated. A row that makes no sense (a grid that cannot be, a margin table that
    is not there, a name twice or of another dex) raises VenueError, or is told to `quarantine` and
    left out.
    """
    tables = dict(meta.margin_tables) if meta.margin_tables is not UNSET else {}
    found: dict[str, Instrument] = {}
    for place, row in enumerate(meta.universe):
        try:
            _check_name(row.name, dex, found)
            asset = perp_asset(dex_index, place)
            found[row.name] = _instrument(row, tables, venue, asset)
        except (VenueError, ModelError) as error:
            if quarantine is None:
                raise VenueError(f"meta of dex {dex!r}: {row.name!r:.80}: {error}") from error
            quarantine(row.name, str(error))
    return tuple(found.values())


def instruments_of_all(
    metas: Sequence[PerpMeta],
    dexs: Sequence[PerpDex | None],
    *,
    venue: str = "hl",
    quarantine: Quarantine | None = None,
) -> tuple[Instrument, ...]:
    """The perpetuals of every dex, from `allPerpMetas` and `perpDexs`, matched by place.

    Raises VenueError when the two do not fit each other, or as `instruments_of` does.
    """
    if len(metas) != len(dexs):
        raise VenueError(f"allPerpMetas has {len(metas)} dexs and perpDexs {len(dexs)}")
    return tuple(
        instrument
        for dex_index, (meta, dex) in enumerate(zip(metas, dexs, strict=True))
        for instrument in instruments_of(
            meta,
            venue=venue,
            dex_index=dex_index,
            dex=dex.name if dex is not None else "",
            quarantine=quarantine,
        )
    )


def _check_name(name: str, dex: str, found: Container[str]) -> None:
    """A name is new, and carries the prefix of its dex: none on the venue's own."""
    prefix, _, coin = name.rpartition(":")
    if prefix != dex or not coin:
        raise VenueError(f"expected a name of dex {dex!r}")
    if name in found:
        raise VenueError("its name comes twice")


def _instrument(
    row: UniverseRow, tables: Mapping[int, MarginTable], venue: str, asset: int
) -> Instrument:
    if row.sz_decimals > PX_DECIMALS_TOTAL_HL:
        raise VenueError(f"szDecimals {row.sz_decimals}, expected 0 to {PX_DECIMALS_TOTAL_HL}")
    return hyperliquid_instrument(
        venue,
        row.name,
        sz_decimals=row.sz_decimals,
        margin_tiers=_margin_tiers(row, tables),
        asset=asset,
        margin_mode=_margin_mode(row),
        is_delisted=row.is_delisted is True,
    )


def _margin_mode(row: UniverseRow) -> str:
    if isinstance(row.margin_mode, str) and row.margin_mode:
        return row.margin_mode
    return ISOLATED if row.only_isolated is True else CROSS


def _margin_tiers(row: UniverseRow, tables: Mapping[int, MarginTable]) -> tuple[MarginTier, ...]:
    """The tiers of a row's table; without a table id (answers of 2023) one of its max leverage."""
    table_id = row.margin_table_id
    if table_id is UNSET:
        return _tiers([(0, row.max_leverage)])
    table = tables.get(table_id)
    if table is not None:
        place = f"lowerBound of margin table {table_id}"
        return _tiers(
            [
                (scaled(tier.lower_bound, MONEY_DECIMALS, place), tier.max_leverage)
                for tier in table.margin_tiers
            ]
        )
    if table_id < SINGLE_TIER_IDS:
        return _tiers([(0, table_id)])
    raise VenueError(f"margin table {table_id} is not listed")


def _tiers(tiers: list[tuple[int, int]]) -> tuple[MarginTier, ...]:
    bounds = [bound_e8 for bound_e8, _ in tiers]
    if not tiers or bounds[0] != 0 or sorted(set(bounds)) != bounds:
        raise VenueError("margin tiers must start at 0 and rise")
    if any(leverage_max < 1 for _, leverage_max in tiers):
        raise VenueError("a margin tier has no leverage")
    return tuple(MarginTier(bound_e8, leverage_max) for bound_e8, leverage_max in tiers)
