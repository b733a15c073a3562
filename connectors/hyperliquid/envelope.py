"""An action in its envelope: the exact bytes of one request to /exchange (protocol 2).

`vaultAddress` and `expiresAfter` are always written, as null where there is none.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from connectors.hyperliquid.actions import Action
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.sign import Signature, l1_digest, pack


class Envelope(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A request as it goes out: an action is any of `actions.Action`."""

    action: Any
    nonce: int
    signature: Signature
    vault_address: str | None = None
    expires_after: int | None = None


_ENCODER: Final = msgspec.json.Encoder()


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
