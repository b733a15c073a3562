"""Actions signed as typed data of their own (protocol 3.3): transfers and approvals.

Their signature covers named fields, not the packed action, so the order of keys in the JSON means
nothing. Only the account's own key may sign them; an agent's signature acts on the agent's own,
empty account. The domain's chain id is the one the action itself names and may be any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from connectors.hyperliquid.sign import address_bytes, domain_separator, keccak
from engine.errors import ModelError

CHAIN_ID: Final = "0x66eee"
_UINT64_END: Final = 2**64
# What Python lets a text hold and UTF-8 cannot.
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CHAIN: Final = ("hyperliquidChain", "string")
_NONCE: Final = ("nonce", "uint64")
_PAYMENT: Final = (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64"))

Fields = tuple[tuple[str, str], ...]

USER_ACTIONS: Final[Mapping[str, tuple[str, Fields]]] = {
    "usdSend": ("UsdSend", _PAYMENT),
    "withdraw3": ("Withdraw", _PAYMENT),
    "spotSend": (
        "SpotSend",
        (
            _CHAIN,
            ("destination", "string"),
            ("token", "string"),
            ("amount", "string"),
            ("time", "uint64"),
        ),
    ),
    "usdClassTransfer": (
        "UsdClassTransfer",
        (_CHAIN, ("amount", "string"), ("toPerp", "bool"), _NONCE),
    ),
    "sendAsset": (
        "SendAsset",
        (
            _CHAIN,
            ("destination", "string"),
            ("sourceDex", "string"),
            ("destinationDex", "string"),
            ("token", "string"),
            ("amount", "string"),
            ("fromSubAccount", "string"),
            _NONCE,
        ),
    ),
    "approveAgent": (
        "ApproveAgent",
        (_CHAIN, ("agentAddress", "address"), ("agentName", "string"), _NONCE),
    ),
    "approveBuilderFee": (
        "ApproveBuilderFee",
        (_CHAIN, ("maxFeeRate", "string"), ("builder", "address"), _NONCE),
    ),
    "userSetAbstraction": (
        "UserSetAbstraction",
        (_CHAIN, ("user", "address"), ("abstraction", "string"), _NONCE),
    ),
}
"""By action type: the name after `HyperliquidTransaction:` and the signed fields in their order."""


def typed_digest(name: str, fields: Fields, message: Mapping[str, Any], chain_id: int) -> bytes:
    """The 32 bytes signed for a message of these (name, type) fields.

    Types are string, address, uint64 and bool. Raises ModelError when a field is missing or is not
    of its type.
    """
    kind = ",".join(f"{type_name} {field}" for field, type_name in fields)
    parts = [keccak(f"HyperliquidTransaction:{name}({kind})".encode())]
    parts += [_encoded(field, type_name, message.get(field)) for field, type_name in fields]
    domain = domain_separator("HyperliquidSignTransaction", chain_id)
    return keccak(b"\x19\x01" + domain + keccak(b"".join(parts)))


def user_digest(action: Mapping[str, Any]) -> bytes:
    """The 32 bytes signed for a user-signed action as sent, `signatureChainId` in it.

    An agent without a name may leave `agentName` out. Raises ModelError for an action that is not
    signed this way, or lacks a field.
    """
    kind = action.get("type")
    known = USER_ACTIONS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise ModelError(f"{kind!r:.80} is not signed as typed data")
    if kind == "approveAgent" and action.get("agentName") is None:
        action = {**action, "agentName": ""}
    return typed_digest(*known, action, _chain_id(action.get("signatureChainId")))


def _chain_id(text: object) -> int:
    try:
        chain_id = int(text, 16) if isinstance(text, str) else -1
    except ValueError:
        chain_id = -1
    if not 0 <= chain_id < _UINT64_END:
        raise ModelError(f"signatureChainId is {text!r:.80}, expected a hex number")
    return chain_id


def _encoded(field: str, type_name: str, value: object) -> bytes:
    """One field as EIP-712 puts it: 32 bytes."""
    match type_name, value:
        case "string", str(text) if _LONE_SURROGATE.search(text) is None:
            return keccak(text.encode())
        case "address", str(text):
            return address_bytes(text).rjust(32, b"\0")
        case "bool", bool(flag):
            return bytes([flag]).rjust(32, b"\0")
        case "uint64", int(number) if not isinstance(number, bool) and 0 <= number < _UINT64_END:
            return number.to_bytes(32, "big")
    raise ModelError(f"{field} is {value!r:.80}, expected {type_name}")
