"""What an account holds and what it is: balances, positions, leverage, role, agents.

Protocol 1.2 and 1.4. Amounts are in USD (the collateral of the dex), sizes in base units.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from connectors.hyperliquid.info.fields import Address, Amount, Answer, Count, TimeMs


class CrossLeverage(Answer, frozen=True, tag_field="type", tag="cross"):
    """Margin shared with the account's other cross positions."""

    value: Count


class IsolatedLeverage(Answer, frozen=True, tag_field="type", tag="isolated"):
    """Margin of its own; `raw_usd` is that collateral less the cost of what it bought."""

    value: Count
    raw_usd: Amount


Leverage = CrossLeverage | IsolatedLeverage


class CumFunding(Answer, frozen=True):
    """Funding paid (negative: received) over three spans."""

    all_time: Amount
    since_open: Amount
    since_change: Amount


class Position(Answer, frozen=True):
    """A position. `szi` is signed base units, `position_value` the unsigned value at the mark.

    `margin_used` of an isolated position contains its unrealised profit. `liquidation_px` is None
    where the formula gives no positive price. `max_trade_szs` and the absence of `cum_funding` and
    `max_leverage` belong to answers of 2023.
    """

    coin: str
    szi: Amount
    leverage: Leverage
    entry_px: Amount | None
    position_value: Amount
    unrealized_pnl: Amount
    return_on_equity: Amount
    liquidation_px: Amount | None
    margin_used: Amount
    max_leverage: Count | UnsetType = UNSET
    cum_funding: CumFunding | UnsetType = UNSET
    max_trade_szs: tuple[Amount, Amount] | UnsetType = UNSET


class AssetPosition(Answer, frozen=True):
    """A position and its mode; `type` is oneWay."""

    type: str
    position: Position


class MarginSummary(Answer, frozen=True):
    """Totals. `account_value` = `total_raw_usd` + the signed values of the positions."""

    account_value: Amount
    total_ntl_pos: Amount
    total_raw_usd: Amount
    total_margin_used: Amount


class ClearinghouseState(Answer, frozen=True):
    """A perpetuals account on one dex; a coin that is not listed is flat.

    In unified-account and portfolio-margin mode these figures are not the account's equity.
    """

    margin_summary: MarginSummary
    cross_margin_summary: MarginSummary
    withdrawable: Amount
    asset_positions: tuple[AssetPosition, ...]
    cross_maintenance_margin_used: Amount | UnsetType = UNSET
    time_ms: TimeMs | UnsetType = msgspec.field(name="time", default=UNSET)


class ActiveAssetData(Answer, frozen=True):
    """What an account may trade of one coin: pairs are (buy, sell).

    `max_trade_szs` is in base units, `available_to_trade` in collateral.
    """

    user: Address
    coin: str
    leverage: Leverage
    max_trade_szs: tuple[Amount, Amount]
    available_to_trade: tuple[Amount, Amount]
    mark_px: Amount


class SpotBalance(Answer, frozen=True):
    """A balance of one token; outcome tokens (`+10`) have had no `token` index."""

    coin: str
    total: Amount
    hold: Amount
    entry_ntl: Amount
    token: Count | UnsetType = UNSET


class SpotClearinghouseState(Answer, frozen=True):
    """Every spot balance of an account."""

    balances: tuple[SpotBalance, ...]


class ExtraAgent(Answer, frozen=True):
    """A named agent; unnamed ones are never listed. `valid_until_ms` None is for ever."""

    name: str
    address: Address
    valid_until_ms: TimeMs | None = msgspec.field(name="validUntil")


class RoleData(Answer, frozen=True):
    """Whom an agent acts for (`user`), or whose sub-account it is (`master`)."""

    user: Address | UnsetType = UNSET
    master: Address | UnsetType = UNSET


class UserRole(Answer, frozen=True):
    """What an address is: missing, user, agent, vault or subAccount."""

    role: str
    data: RoleData | UnsetType | None = UNSET
