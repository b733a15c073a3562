"""An action in its envelope: the exact bytes of one request, and who signed one that was received.

`vaultAddress` and `expiresAfter` are always written, as null where there is none; what others send
may leave them out (protocol 2, 2.4). A received action keeps its own bytes, because its signature
covers its keys in the order they were sent.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from connectors.hyperliquid.actions import Action
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.sign import Signature, l1_digest, pack, recover_address
from connectors.hyperliquid.user_actions import USER_ACTIONS, user_digest
from engine.errors import ModelError, VenueError


class Envelope(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A request to /exchange as it goes out."""

    action: Any
    nonce: int
    signature: Signature
    vault_address: str | None = None
    expires_after: int | None = None


class ReceivedEnvelope(msgspec.Struct, frozen=True, rename="camel"):
    """A request to /exchange as it comes in: the action as its own bytes."""

    action: msgspec.Raw
    nonce: int
    signature: Signature
    vault_address: str | None = None
    expires_after: int | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(ReceivedEnvelope)


def sealed(
    action: Action,
    nonce: int,
    signer: Signer,
    *,
    is_mainnet: bool,
    vault_address: str | None = None,
    expires_after_ms: int | None = None,
) -> bytes:
    """The body of the request that carries this trading action: packed, signed, encoded."""
    digest = l1_digest(
        pack(action),
        nonce,
        is_mainnet=is_mainnet,
        vault_address=vault_address,
        expires_after_ms=expires_after_ms,
    )
    signature = signer.sign(digest)
    return _ENCODER.encode(Envelope(action, nonce, signature, vault_address, expires_after_ms))


def sealed_user_action(action: dict[str, Any], nonce: int, signer: Signer) -> bytes:
    """The body of a user-signed action, which holds its own nonce; see `user_actions`.

    Raises ModelError for an action that is not signed this way, or whose nonce is another one.
    """
    if nonce not in (action.get("nonce"), action.get("time")):
        raise ModelError(f"{action.get('type')}: its nonce is not the envelope's {nonce}")
    return _ENCODER.encode(Envelope(action, nonce, signer.sign(user_digest(action))))


def received(body: bytes) -> ReceivedEnvelope:
    """Decode what a client sent. Raises VenueError when it is no envelope."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise VenueError(f"no envelope: {error}") from None


def signer_of(envelope: ReceivedEnvelope, *, is_mainnet: bool) -> str | None:
    """The address whose key signed it, or None when it cannot be told.

    Every known user-signed type is checked as typed data, everything else as a trading action. A
    user-signed action counts only with the chain it names and with its own nonce equal to the
    envelope's.
    """
    numbers = envelope.signature.numbers()
    if numbers is None:
        return None
    try:
        action = msgspec.json.decode(envelope.action)
        kind = action.get("type") if isinstance(action, dict) else None
        if isinstance(kind, str) and kind in USER_ACTIONS:
            own = action.get("nonce", action.get("time"))
            chain = "Mainnet" if is_mainnet else "Testnet"
            if own != envelope.nonce or action.get("hyperliquidChain") != chain:
                return None
            digest = user_digest(action)
        else:
            digest = l1_digest(
                pack(action),
                envelope.nonce,
                is_mainnet=is_mainnet,
                vault_address=envelope.vault_address,
                expires_after_ms=envelope.expires_after,
            )
    except (msgspec.MsgspecError, ModelError, UnicodeError, RecursionError):
        return None
    return recover_address(digest, *numbers)
