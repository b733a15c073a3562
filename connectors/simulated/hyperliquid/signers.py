"""Who signed an action, and for whom it acts (protocol 3).

The signer is recovered from the action's keys as received: a wrong signature is not an error, it is
somebody else. The loopback venue counts as testnet; what was signed for mainnet is understood too,
when it was signed by somebody known. In strict mode numbers count in the form the venue itself
would write them, so that what was signed with a trailing zero was signed by a stranger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from connectors.hyperliquid.sign import l1_digest, pack, recover_address
from connectors.hyperliquid.user_actions import USER_ACTIONS, user_digest
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from engine.errors import ModelError

UNRECOVERABLE: Final = "Unable to recover signer."
_NUMBERS: Final = frozenset({"p", "s", "triggerPx"})


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A request to /exchange. `action` keeps its keys in the order in which they came."""

    action: dict[str, Any]
    nonce: int
    signature: SignatureWire
    vault_address: str | None = msgspec.field(name="vaultAddress", default=None)
    expires_after: int | None = msgspec.field(name="expiresAfter", default=None)


class SignatureWire(msgspec.Struct, frozen=True):
    """r and s as hex numbers, leading zeros or not."""

    r: str
    s: str
    v: int


class Signer(msgspec.Struct, frozen=True):
    """The address that signed, and the account it acts for; or why it acts for none."""

    address: str = ""
    account: VenueAccount | None = None
    error: str = ""


class Signers:
    """Finds out who signed."""

    def __init__(self, core: VenueCore) -> None:
        self._core = core

    def find(self, envelope: Envelope) -> Signer:
        """The signer of an action; one never seen before owns a new account."""
        try:
            numbers = int(envelope.signature.r, 16), int(envelope.signature.s, 16)
        except ValueError:
            return Signer(error=UNRECOVERABLE)
        is_user_signed = envelope.action["type"] in USER_ACTIONS
        try:
            digests = self._digests(envelope, is_user_signed=is_user_signed)
        except ModelError:
            return Signer(error=UNRECOVERABLE)
        found = [recover_address(digest, *numbers, envelope.signature.v) for digest in digests]
        addresses = [address for address in found if address is not None]
        if not addresses:
            return Signer(error=UNRECOVERABLE)
        core = self._core
        known = [one for one in addresses if one in core.accounts or one in core.agents]
        address = (known or addresses)[0]
        if is_user_signed:
            # An agent's signature acts on the agent's own, empty account.
            account = core.account(address)
            error = "" if account else f"Must deposit before performing actions. User: {address}"
            return Signer(address, account, error)
        account = self._master(address)
        return Signer(
            address,
            account,
            "" if account else f"User or API Wallet {address} does not exist.",
        )

    def _digests(self, envelope: Envelope, *, is_user_signed: bool) -> list[bytes]:
        if is_user_signed:
            return [user_digest(envelope.action)]
        action: Any = envelope.action
        if self._core.settings.strict:
            action = _canonical(action)
        packed = pack(action)
        return [
            l1_digest(
                packed,
                envelope.nonce,
                is_mainnet=is_mainnet,
                vault_address=envelope.vault_address,
                expires_after_ms=envelope.expires_after,
            )
            for is_mainnet in (False, True)
        ]

    def _master(self, address: str) -> VenueAccount | None:
        core = self._core
        master = core.agents.get(address)
        if master is None:
            return core.account(address)
        agents = core.accounts[master].agents.values()
        now_ms = core.clock.now_ms()
        is_valid = any(one.address == address and one.until_ms > now_ms for one in agents)
        return core.accounts[master] if is_valid else None


def _canonical(value: Any, key: str = "") -> Any:  # noqa: ANN401 - any JSON
    """The same action with its prices and sizes written without trailing zeros."""
    if isinstance(value, Mapping):
        return {name: _canonical(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if key in _NUMBERS and isinstance(value, str) and "." in value:
        return value.rstrip("0").rstrip(".")
    return value
