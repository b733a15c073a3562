"""What changed an account's cash other than trades: funding, deposits, transfers, liquidations.

Protocol 1.2. Signed amounts are from the account's side: negative funding was paid. The list of
ledger types grows: one that is not known here, or has another form, is kept word for word as
`UnknownDelta`, so that one strange row never hides the others.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from connectors.hyperliquid.info.fields import Address, Amount, Answer, Count, Rate, TimeMs


class FundingDelta(Answer, frozen=True, tag_field="type", tag="funding"):
    """One funding payment. `usdc` is signed, negative is paid; `szi` the position it was for."""

    coin: str
    usdc: Amount
    szi: Amount
    funding_rate: Rate
    n_samples: Count | UnsetType | None = UNSET


class UserFundingRow(Answer, frozen=True):
    """A funding payment and when it was made; many coins share one time."""

    time_ms: TimeMs = msgspec.field(name="time")
    hash: str
    delta: FundingDelta


class _Delta(Answer, frozen=True, tag_field="type"):
    """The base of the known ledger types."""


class Deposit(_Delta, frozen=True, tag="deposit"):
    """Money came from the bridge."""

    usdc: Amount


class Withdraw(_Delta, frozen=True, tag="withdraw"):
    """Money left to the bridge, plus a fee."""

    usdc: Amount
    nonce: Count
    fee: Amount


class InternalTransfer(_Delta, frozen=True, tag="internalTransfer"):
    """Money went from one account to another."""

    usdc: Amount
    user: Address
    destination: Address
    fee: Amount


class SubAccountTransfer(_Delta, frozen=True, tag="subAccountTransfer"):
    """Money went between an account and its sub-account."""

    usdc: Amount
    user: Address
    destination: Address


class AccountClassTransfer(_Delta, frozen=True, tag="accountClassTransfer"):
    """Money went between the spot and the perpetuals account."""

    usdc: Amount
    to_perp: bool


class SpotTransfer(_Delta, frozen=True, tag="spotTransfer"):
    """A token went to another account; `fee_token` "" stands for the usual one."""

    token: str
    amount: Amount
    usdc_value: Amount
    user: Address
    destination: Address
    fee: Amount
    native_token_fee: Amount | UnsetType = UNSET
    nonce: Count | UnsetType | None = UNSET
    fee_token: str | UnsetType = UNSET


class Send(_Delta, frozen=True, tag="send"):
    """A token went between accounts or between dexs."""

    user: Address
    destination: Address
    source_dex: str
    destination_dex: str
    token: str
    amount: Amount
    usdc_value: Amount
    fee: Amount
    native_token_fee: Amount | UnsetType = UNSET
    nonce: Count | UnsetType | None = UNSET
    fee_token: str | UnsetType = UNSET


class LiquidatedPosition(Answer, frozen=True):
    """A position that a liquidation took, signed base units."""

    coin: str
    szi: Amount


class LiquidationDelta(_Delta, frozen=True, tag="liquidation"):
    """The account was liquidated; `leverage_type` is Cross or Isolated."""

    account_value: Amount
    leverage_type: str
    liquidated_positions: tuple[LiquidatedPosition, ...]
    liquidated_ntl_pos: Amount | UnsetType = UNSET


class VaultCreate(_Delta, frozen=True, tag="vaultCreate"):
    """The account founded a vault."""

    vault: Address
    usdc: Amount
    fee: Amount | UnsetType = UNSET


class VaultDeposit(_Delta, frozen=True, tag="vaultDeposit"):
    """Money went into a vault."""

    vault: Address
    usdc: Amount


class VaultDistribution(_Delta, frozen=True, tag="vaultDistribution"):
    """A vault paid out."""

    vault: Address
    usdc: Amount


class VaultWithdraw(_Delta, frozen=True, tag="vaultWithdraw"):
    """Money came out of a vault, less its leader's commission and the cost of closing."""

    vault: Address
    user: Address
    requested_usd: Amount
    commission: Amount
    closing_cost: Amount
    basis: Amount
    net_withdrawn_usd: Amount | UnsetType = UNSET


class VaultLeaderCommission(_Delta, frozen=True, tag="vaultLeaderCommission"):
    """A vault's leader was paid."""

    user: Address
    usdc: Amount


class RewardsClaim(_Delta, frozen=True, tag="rewardsClaim"):
    """A reward was claimed."""

    amount: Amount
    token: str | UnsetType = UNSET


class SpotGenesis(_Delta, frozen=True, tag="spotGenesis"):
    """A token was given at its launch."""

    token: str
    amount: Amount


KnownDelta = (
    Deposit
    | Withdraw
    | InternalTransfer
    | SubAccountTransfer
    | AccountClassTransfer
    | SpotTransfer
    | Send
    | LiquidationDelta
    | VaultCreate
    | VaultDeposit
    | VaultDistribution
    | VaultWithdraw
    | VaultLeaderCommission
    | RewardsClaim
    | SpotGenesis
)


class UnknownDelta:
    """A ledger row's own part in a form we do not know: its `type`, and every byte as it came."""

    __slots__ = ("raw", "type")

    def __init__(self, type_: str, raw: bytes) -> None:
        self.type = type_
        self.raw = raw

    def __repr__(self) -> str:
        return f"UnknownDelta({self.type!r}, {self.raw!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownDelta) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class LedgerUpdate(Answer, frozen=True):
    """One row of the non-funding ledger."""

    time_ms: TimeMs = msgspec.field(name="time")
    hash: str
    delta: KnownDelta | UnknownDelta


class _LedgerRow(Answer, frozen=True):
    time_ms: TimeMs = msgspec.field(name="time")
    hash: str
    delta: msgspec.Raw


class _DeltaType(Answer, frozen=True):
    type: str


_ROWS: Final = msgspec.json.Decoder(tuple[_LedgerRow, ...])
_TYPE: Final = msgspec.json.Decoder(_DeltaType)
_KNOWN: Final[msgspec.json.Decoder[KnownDelta]] = msgspec.json.Decoder(KnownDelta)


def decode_ledger(body: bytes) -> tuple[LedgerUpdate, ...]:
    """The rows of a ledger answer. Raises msgspec.MsgspecError when it is not a list of rows."""
    return tuple(
        LedgerUpdate(time_ms=row.time_ms, hash=row.hash, delta=_delta(bytes(row.delta)))
        for row in _ROWS.decode(body)
    )


def _delta(raw: bytes) -> KnownDelta | UnknownDelta:
    try:
        return _KNOWN.decode(raw)
    except msgspec.ValidationError:
        return UnknownDelta(_TYPE.decode(raw).type, raw)
