"""What is signed and how (protocol 3): digests of actions, and who signed one.

A trading action ("L1 action") is packed as msgpack in its signing key order, hashed together with
its nonce, vault and expiry, and the hash is signed inside an EIP-712 message whose domain never
changes: both halves of that message that are the same for every action are computed once. Which
network an action is for is one letter, `a` for mainnet and `b` for everything else; the loopback
exchange counts as testnet, so that nothing signed for it is ever valid on mainnet. Actions that
move money are signed in another way: see `user_actions`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
import sha3  # type: ignore[import-untyped]  # ships no types
from coincurve import PublicKey

from engine.errors import ModelError

CURVE_ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
ADDRESS_BYTES: Final = 20
_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{40}")
NONCE_MAX: Final = 2**64 - 1
_V_EVEN: Final = 27
_V_ODD: Final = 28
_PACKER: Final = msgspec.msgpack.Encoder()
_NO_VAULT: Final = b"\x00"
_VAULT: Final = b"\x01"
_EXPIRES: Final = b"\x00"


class Signature(msgspec.Struct, frozen=True, gc=False):
    """A signature as it is sent: `r` and `s` are 0x and 64 hex digits, `v` is 27 or 28.

    What others send may lack leading zeros (protocol 2.4): compare `numbers`, never texts.
    """

    r: str
    s: str
    v: int

    def numbers(self) -> tuple[int, int, int] | None:
        """(r, s, v), or None when `r` or `s` is no hex number."""
        try:
            return int(self.r, 16), int(self.s, 16), self.v
        except ValueError:
            return None


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it, which is not SHA3-256."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def domain_separator(name: str, chain_id: int) -> bytes:
    """The hash of an EIP-712 domain of version 1 without a verifying contract."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    chain = chain_id.to_bytes(32, "big")
    return keccak(keccak(kind) + keccak(name.encode()) + keccak(b"1") + chain + bytes(32))


_KECCAK: Final = sha3.keccak_256
_PREFIX: Final = b"\x19\x01" + domain_separator("Exchange", 1337)
_AGENT: Final = keccak(b"Agent(string source,bytes32 connectionId)")
_MAINNET_AGENT: Final = _AGENT + keccak(b"a")
_TESTNET_AGENT: Final = _AGENT + keccak(b"b")


def pack(action: object) -> bytes:
    """An action as the msgpack that is hashed: structs by field order, dicts by insertion order.

    Raises ModelError for what msgpack cannot hold, such as an integer of more than 64 bits.
    """
    try:
        return _PACKER.encode(action)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelError(f"an action cannot be packed: {error}") from None


def action_hash(
    packed: bytes, nonce: int, vault_address: str | None = None, expires_after_ms: int | None = None
) -> bytes:
    """The hash of an action with everything that goes with it (protocol 3.1: `connectionId`).

    `packed` is what `pack` made. The nonce takes 8 bytes; a vault is 01 and its address, none is
    00; an expiry is 00 and its 8 bytes, none is nothing. Raises ModelError for a number outside 64
    bits or a vault that is no address.
    """
    tail = _NO_VAULT
    if vault_address is not None:
        tail = _VAULT + address_bytes(vault_address)
    try:
        if expires_after_ms is not None:
            tail += _EXPIRES + expires_after_ms.to_bytes(8, "big")
        return keccak(packed + nonce.to_bytes(8, "big") + tail)
    except OverflowError:
        raise ModelError("a nonce or an expiry is outside 0..2^64 - 1") from None


def l1_digest(
    packed: bytes,
    nonce: int,
    *,
    is_mainnet: bool,
    vault_address: str | None = None,
    expires_after_ms: int | None = None,
) -> bytes:
    """The 32 bytes that are signed for a trading action; errors as `action_hash`."""
    connection_id = action_hash(packed, nonce, vault_address, expires_after_ms)
    return agent_digest(connection_id, is_mainnet=is_mainnet)


def agent_digest(connection_id: bytes, *, is_mainnet: bool) -> bytes:
    """The 32 bytes that are signed for an action of this hash."""
    agent = _MAINNET_AGENT if is_mainnet else _TESTNET_AGENT
    digest: bytes = _KECCAK(_PREFIX + _KECCAK(agent + connection_id).digest()).digest()
    return digest


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address; the case of its digits means nothing.

    Raises ModelError when it is not 0x and 40 hex digits.
    """
    if _ADDRESS.fullmatch(address) is None:
        raise ModelError(f"{address!r:.80} is no address: expected 0x and 40 hex digits")
    return bytes.fromhex(address[2:])


def public_address(key: PublicKey) -> str:
    """The address of a public key, in lower case."""
    return "0x" + keccak(key.format(compressed=False)[1:])[-ADDRESS_BYTES:].hex()


def recover_address(digest: bytes, r: int, s: int, v: int) -> str | None:
    """The address that signed `digest`, in lower case, or None when no key can have signed it.

    Zero, the curve's order and more, and a `v` other than 27 and 28 are no signature. Any other
    wrong signature gives the address of somebody else: compare it with the one expected.
    """
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER and v in (_V_EVEN, _V_ODD)):
        return None
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v - _V_EVEN])
    try:
        return public_address(PublicKey.from_signature_and_message(signature, digest, hasher=None))
    except Exception:  # noqa: BLE001 - the library raises a bare Exception for a point off the curve
        return None
