"""Frames about one account (protocol 5.3): orders, fills, funding, ledger, state.

Decimals stay the venue's strings. `orderUpdates` and `user` do not say whose they are, so one
connection carries one account of these.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from connectors.hyperliquid.info.account import ActiveAssetData, ClearinghouseState
from connectors.hyperliquid.info.fields import Address, Amount, Answer, Count, Rate, TimeMs
from connectors.hyperliquid.info.orders import Fill, FrontendOrder, OpenOrder


class _UserFrame(msgspec.Struct, frozen=True, tag_field="channel"):
    """The base of a frame: its channel is its tag."""


class OrderUpdate(Answer, frozen=True):
    """An order and its new status. `order.sz` is what remains, also of a canceled order.

    Never count fills from it: they have a channel of their own. A modify is a cancel of the old id
    and an opening of the new one, in either order.
    """

    order: OpenOrder
    status: str
    status_timestamp_ms: TimeMs = msgspec.field(name="statusTimestamp")


class OrderUpdatesFrame(_UserFrame, frozen=True, tag="orderUpdates"):
    """Orders that changed. What happened in a gap of the connection is not replayed."""

    data: tuple[OrderUpdate, ...]


class UserFills(Answer, frozen=True):
    """Fills of `user`; `is_snapshot` on the first message after every subscribe."""

    user: Address
    fills: tuple[Fill, ...]
    is_snapshot: bool | None = None


class UserFillsFrame(_UserFrame, frozen=True, tag="userFills"):
    """Fills, old ones again after every subscribe: known by (time, coin, tid)."""

    data: UserFills


class UserFunding(Answer, frozen=True):
    """One funding payment, flatter than in the REST answer. `usdc` negative is paid."""

    time_ms: TimeMs = msgspec.field(name="time")
    coin: str
    usdc: Amount
    szi: Amount
    funding_rate: Rate
    n_samples: Count | UnsetType | None = UNSET


class UserFundings(Answer, frozen=True):
    """Funding payments of `user`."""

    user: Address
    fundings: tuple[UserFunding, ...]
    is_snapshot: bool | None = None


class UserFundingsFrame(_UserFrame, frozen=True, tag="userFundings"):
    """Funding, once an hour, old payments again after every subscribe."""

    data: UserFundings


class LedgerUpdates(msgspec.Struct, frozen=True, rename="camel"):
    """Rows of the ledger as they came: read them with `frames.ledger_rows`."""

    user: Address
    updates: msgspec.Raw = msgspec.field(name="nonFundingLedgerUpdates")
    is_snapshot: bool | None = None


class LedgerFrame(_UserFrame, frozen=True, tag="userNonFundingLedgerUpdates"):
    """Deposits, transfers and the like."""

    data: LedgerUpdates


class UserLiquidation(msgspec.Struct, frozen=True):
    """A liquidation that this account was part of, on one side or the other."""

    liquidator: Address
    liquidated_user: Address
    liquidated_ntl_pos: Amount
    liquidated_account_value: Amount
    lid: Count | UnsetType = UNSET


class NonUserCancel(Answer, frozen=True):
    """An order that the venue canceled of its own."""

    coin: str
    oid: Count


class UserEvent(Answer, frozen=True):
    """One of these; kinds we do not use leave all of them unset."""

    fills: tuple[Fill, ...] | UnsetType = UNSET
    funding: UserFunding | UnsetType = UNSET
    liquidation: UserLiquidation | UnsetType = UNSET
    non_user_cancel: tuple[NonUserCancel, ...] | UnsetType = UNSET


class UserEventFrame(_UserFrame, frozen=True, tag="user"):
    """What `userEvents` was subscribed for."""

    data: UserEvent


class Notification(Answer, frozen=True):
    """Text for a person."""

    notification: str


class NotificationFrame(_UserFrame, frozen=True, tag="notification"):
    """Something the venue shows its users."""

    data: Notification


class Clearinghouse(Answer, frozen=True):
    """The state of `user` on one dex."""

    user: Address
    clearinghouse_state: ClearinghouseState
    dex: str = ""


class ClearinghouseFrame(_UserFrame, frozen=True, tag="clearinghouseState"):
    """Balances and positions."""

    data: Clearinghouse


class OpenOrders(Answer, frozen=True):
    """Every open order of `user` on one dex."""

    user: Address
    orders: tuple[FrontendOrder, ...]
    dex: str = ""


class OpenOrdersFrame(_UserFrame, frozen=True, tag="openOrders"):
    """Open orders in full."""

    data: OpenOrders


class ActiveAssetDataFrame(_UserFrame, frozen=True, tag="activeAssetData"):
    """What the account may trade of one coin."""

    data: ActiveAssetData


class WebUserState(Answer, frozen=True):
    """The venue's clock, and the agent that the front end uses."""

    server_time_ms: TimeMs | UnsetType = msgspec.field(name="serverTime", default=UNSET)
    agent_address: Address | UnsetType | None = UNSET
    agent_valid_until_ms: TimeMs | UnsetType | None = msgspec.field(
        name="agentValidUntil", default=UNSET
    )


class WebDexState(Answer, frozen=True):
    """One dex, in the order of `perpDexs`."""

    perps_at_open_interest_cap: tuple[str, ...] | UnsetType | None = UNSET


class WebData(Answer, frozen=True):
    """What the venue's own front end is fed with, as far as we use it."""

    user_state: WebUserState
    perp_dex_states: tuple[WebDexState, ...] = ()


class WebDataFrame(_UserFrame, frozen=True, tag="webData3"):
    """State of the front end."""

    data: WebData
