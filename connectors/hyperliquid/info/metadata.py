"""What can be traded and where: perp dexs, universes, margin tables and the asset contexts.

Protocol 1.2. A coin's place in `universe` is its index in asset ids (`connectors.hyperliquid.
instruments`); contexts are matched to coins by that place alone.
"""

from __future__ import annotations

import msgspec
from msgspec import UnsetType

from connectors.hyperliquid.info.fields import (
    UNSET,
    Address,
    Amount,
    Answer,
    Count,
    Flag,
    Rate,
    TimeMs,
)


class PerpDex(Answer, frozen=True):
    """A builder-deployed dex; its place in `perpDexs` is its index, and place 0 is null."""

    name: str
    full_name: str
    deployer: Address
    oracle_updater: Address | None
    fee_recipient: Address | None
    asset_to_streaming_oi_cap: tuple[tuple[str, Amount], ...]
    asset_to_funding_multiplier: tuple[tuple[str, Rate], ...] | UnsetType = UNSET
    sub_deployers: tuple[tuple[str, tuple[Address, ...]], ...] | UnsetType = UNSET
    deployer_fee_scale: Rate | UnsetType = UNSET
    last_deployer_fee_scale_change_time: str | UnsetType = UNSET
    asset_to_funding_interest_rate: tuple[tuple[str, Rate], ...] | UnsetType = UNSET


class MarginTierRow(Answer, frozen=True):
    """From this notional (USD) upwards a position may have at most `max_leverage`."""

    lower_bound: Amount
    max_leverage: Count


class MarginTable(Answer, frozen=True):
    """The tiers of one margin table, by rising lower bound, the first at zero."""

    description: str
    margin_tiers: tuple[MarginTierRow, ...]


class UniverseRow(Answer, frozen=True):
    """One perpetual. `margin_mode` is strictIsolated or noCross; without it cross is allowed.

    `only_isolated` is the older form of that. `last_growth_mode_change_time` is ISO 8601 text in
    nanoseconds without a zone.
    """

    name: str
    sz_decimals: Count
    max_leverage: Count
    margin_table_id: Count | UnsetType = UNSET
    only_isolated: Flag = UNSET
    is_delisted: Flag = UNSET
    margin_mode: str | UnsetType | None = UNSET
    growth_mode: str | UnsetType | None = UNSET
    last_growth_mode_change_time: str | UnsetType | None = UNSET


class PerpMeta(Answer, frozen=True):
    """The universe of one dex. Answers of 2023 have no margin tables and no collateral token.

    Delisted perpetuals stay in their place. `collateral_token` is a spot token index, 0 is USDC.
    """

    universe: tuple[UniverseRow, ...]
    margin_tables: tuple[tuple[Count, MarginTable], ...] | UnsetType = UNSET
    collateral_token: Count | UnsetType = UNSET


class AssetCtx(Answer, frozen=True):
    """The state of one perpetual's market.

    `funding` is the current hourly rate; `open_interest` is in base units, one side;
    `day_ntl_vlm` in USD, `day_base_vlm` in base units. Premium, mid and impact prices are None
    when a side of the book is empty. `impact_pxs` is (bid, ask).
    """

    funding: Rate
    open_interest: Amount
    prev_day_px: Amount
    day_ntl_vlm: Amount
    oracle_px: Amount
    mark_px: Amount
    premium: Rate | UnsetType | None = UNSET
    mid_px: Amount | UnsetType | None = UNSET
    impact_pxs: tuple[Amount, Amount] | UnsetType | None = UNSET
    day_base_vlm: Amount | UnsetType = UNSET


MetaAndAssetCtxs = tuple[PerpMeta, tuple[AssetCtx, ...]]
"""A universe and the contexts of its perpetuals, in the same order."""


class PerpDexLimits(Answer, frozen=True):
    """Open-interest and transfer caps of a builder dex: USD, and base units a perpetual."""

    total_oi_cap: Amount
    oi_sz_cap_per_perp: Amount
    max_transfer_ntl: Amount
    coin_to_oi_cap: tuple[tuple[str, Amount], ...]


class PerpDexStatus(Answer, frozen=True):
    """What was deposited into a dex less what was withdrawn, in its collateral."""

    total_net_deposit: Amount


class PerpDeployAuctionStatus(Answer, frozen=True):
    """The auction of the next perpetual; seconds, not milliseconds. Gas is in HYPE."""

    start_time_seconds: Count
    duration_seconds: Count
    start_gas: Amount
    current_gas: Amount | None
    end_gas: Amount | None


class PerpAnnotation(Answer, frozen=True):
    """What a deployer says of a perpetual."""

    category: str
    description: str
    display_name: str | UnsetType | None = UNSET
    keywords: tuple[str, ...] | UnsetType = UNSET


class PerpConciseAnnotation(Answer, frozen=True):
    """A perpetual's annotation without its description."""

    category: str
    display_name: str | UnsetType | None = UNSET
    keywords: tuple[str, ...] | UnsetType = UNSET


class ExchangeStatus(Answer, frozen=True):
    """The venue's clock, and notices such as an upgrade under way (None: none)."""

    time_ms: TimeMs = msgspec.field(name="time")
    special_statuses: str | UnsetType | None = UNSET


class SpotToken(Answer, frozen=True):
    """A spot token. `index` is its id, and not its place in the list."""

    name: str
    sz_decimals: Count
    wei_decimals: Count
    index: Count
    token_id: str
    is_canonical: bool
    evm_contract: dict[str, str | int] | UnsetType | None = UNSET
    full_name: str | UnsetType | None = UNSET
    deployer_trading_fee_share: Rate | UnsetType = UNSET


class SpotPair(Answer, frozen=True):
    """A spot market of (base, quote) token indexes. Its asset id is 10000 + `index`."""

    name: str
    tokens: tuple[Count, Count]
    index: Count
    is_canonical: bool


class SpotMeta(Answer, frozen=True):
    """Every spot token and pair."""

    tokens: tuple[SpotToken, ...]
    universe: tuple[SpotPair, ...]
