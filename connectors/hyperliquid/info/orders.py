"""An account's orders and fills as the venue lists them.

Protocol 1.4. `side` is the account's own side; `sz` of an order is what remains, `orig_sz` what it
began with.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from connectors.hyperliquid.info.fields import (
    Address,
    Amount,
    Answer,
    Count,
    Flag,
    SideText,
    TimeMs,
)


class OpenOrder(Answer, frozen=True):
    """An open order in short. A trigger order looks like a plain reduce-only limit here."""

    coin: str
    side: SideText
    limit_px: Amount
    sz: Amount
    oid: Count
    timestamp_ms: TimeMs = msgspec.field(name="timestamp")
    orig_sz: Amount | UnsetType = UNSET
    cloid: str | UnsetType | None = UNSET
    reduce_only: Flag = UNSET


class FrontendOrder(Answer, frozen=True):
    """An order in full.

    `trigger_condition` is "N/A" or text such as "Price above 2200". `order_type` is Limit, Market,
    Stop Market, Stop Limit, Take Profit Market, Take Profit Limit, or a word of the venue's own
    jobs. `tif` is Gtc, Ioc, Alo, a word of the front end's, or None for triggers.
    """

    coin: str
    side: SideText
    limit_px: Amount
    sz: Amount
    oid: Count
    timestamp_ms: TimeMs = msgspec.field(name="timestamp")
    orig_sz: Amount
    trigger_condition: str
    is_trigger: bool
    trigger_px: Amount
    children: tuple[FrontendOrder, ...]
    is_position_tpsl: bool
    reduce_only: bool
    order_type: str
    tif: str | None
    cloid: str | UnsetType | None = UNSET


class OrderRecord(Answer, frozen=True):
    """An order and what became of it, by the venue's growing list of status words."""

    order: FrontendOrder
    status: str
    status_timestamp_ms: TimeMs = msgspec.field(name="statusTimestamp")


class OrderFound(Answer, frozen=True, tag_field="status", tag="order"):
    """The venue knows the order."""

    order: OrderRecord


class OrderUnknown(Answer, frozen=True, tag_field="status", tag="unknownOid"):
    """The venue does not know it now. That proves nothing about an action still on its way."""


OrderStatus = OrderFound | OrderUnknown


class Liquidation(Answer, frozen=True):
    """What a fill had to do with a liquidation, which may be the counterparty's."""

    mark_px: Amount
    method: str
    liquidated_user: Address | UnsetType | None = UNSET


class Fill(Answer, frozen=True):
    """A fill of an account. Fills of 2023 have no `tid`, `fee_token` or `twap_id`.

    `start_position` is the signed position before it. `fee` includes the builder's; negative is a
    rebate. `closed_pnl` is before fees. `crossed` says it took liquidity. `dir` is text for people.
    """

    coin: str
    px: Amount
    sz: Amount
    side: SideText
    time_ms: TimeMs = msgspec.field(name="time")
    start_position: Amount
    dir: str
    closed_pnl: Amount
    hash: str
    oid: Count
    crossed: bool
    fee: Amount
    tid: Count | UnsetType = UNSET
    fee_token: str | UnsetType = UNSET
    builder_fee: Amount | UnsetType | None = UNSET
    cloid: str | UnsetType | None = UNSET
    twap_id: Count | UnsetType | None = UNSET
    liquidation: Liquidation | UnsetType | None = UNSET
    fee_trial_escrow: Amount | UnsetType | None = UNSET
