"""The floors of the wire layer: the least that must be done, written out in one place each.

A floor has no checks, no choice of network and no functions of ours, and is handed texts that are
already made. It uses libsecp256k1 through the C functions that coincurve binds.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sha3  # type: ignore[import-untyped]  # ships no types
from coincurve import PrivateKey
from coincurve._libsecp256k1 import ffi, lib  # type: ignore[import-not-found]  # made in C

_KEY: Final = b"\x4f" * 32
_CONTEXT: Final = PrivateKey(_KEY).context
_SIGNATURE: Final = ffi.new("secp256k1_ecdsa_recoverable_signature *")
_OUT: Final = ffi.new("unsigned char[64]")
_ID: Final = ffi.new("int *")
_K: Final = sha3.keccak_256
_DOMAIN: Final = _K(
    _K(
        b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    ).digest()
    + _K(b"Exchange").digest()
    + _K(b"1").digest()
    + (1337).to_bytes(32, "big")
    + bytes(32)
).digest()
_OUTER: Final = b"\x19\x01" + _DOMAIN
_INNER: Final = _K(b"Agent(string source,bytes32 connectionId)").digest() + _K(b"a").digest()
_MSGPACK: Final = msgspec.msgpack.Encoder()
_JSON: Final = msgspec.json.Encoder()


class _Limit(msgspec.Struct):
    tif: str


class _Type(msgspec.Struct):
    limit: _Limit


class _Order(msgspec.Struct):
    a: int
    b: bool
    p: str
    s: str
    r: bool
    t: _Type
    c: str


class _Action(msgspec.Struct):
    type: str
    orders: list[_Order]
    grouping: str


class _Modify(msgspec.Struct):
    oid: str
    order: _Order


class _Modifies(msgspec.Struct):
    type: str
    modifies: list[_Modify]


class _Body(msgspec.Struct):
    action: _Action | _Modifies
    nonce: int
    signature: dict[str, Any]
    vaultAddress: None = None  # noqa: N815 - a wire name
    expiresAfter: int | None = None  # noqa: N815 - a wire name


_GTC: Final = _Type(_Limit("Gtc"))
_ALO: Final = _Type(_Limit("Alo"))
_TESTNET: Final = _INNER[:32] + _K(b"b").digest()


def inlined_body(texts: list[tuple[str, str]], asset: int, cloid: str, nonce: int) -> bytes:
    """The signed body of buy orders of these (price, size)."""
    orders = [_Order(asset, True, px, sz, False, _GTC, cloid) for px, sz in texts]  # noqa: FBT003
    action = _Action("order", orders, "na")
    connection = _K(_MSGPACK.encode(action) + nonce.to_bytes(8, "big") + b"\0").digest()
    digest = _K(_OUTER + _K(_INNER + connection).digest()).digest()
    return _JSON.encode(_Body(action, nonce, _signed(digest)))


def inlined_requote(
    texts: tuple[tuple[str, str, str], tuple[str, str, str]],
    asset: int,
    nonce: int,
    expires_ms: int,
) -> bytes:
    """The signed body that moves a bid and an ask, each (cloid, price, size), on a testnet."""
    (bid, bid_px, bid_sz), (ask, ask_px, ask_sz) = texts
    action = _Modifies(
        "batchModify",
        [
            _Modify(bid, _Order(asset, True, bid_px, bid_sz, False, _ALO, bid)),  # noqa: FBT003
            _Modify(ask, _Order(asset, False, ask_px, ask_sz, False, _ALO, ask)),  # noqa: FBT003
        ],
    )
    tail = nonce.to_bytes(8, "big") + b"\0\0" + expires_ms.to_bytes(8, "big")
    connection = _K(_MSGPACK.encode(action) + tail).digest()
    digest = _K(_OUTER + _K(_TESTNET + connection).digest()).digest()
    return _JSON.encode(_Body(action, nonce, _signed(digest), None, expires_ms))


def _signed(digest: bytes) -> dict[str, Any]:
    lib.secp256k1_ecdsa_sign_recoverable(_CONTEXT.ctx, _SIGNATURE, digest, _KEY, ffi.NULL, ffi.NULL)
    lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(_CONTEXT.ctx, _OUT, _ID, _SIGNATURE)
    raw = bytes(ffi.buffer(_OUT))
    return {"r": "0x" + raw[:32].hex(), "s": "0x" + raw[32:].hex(), "v": 27 + _ID[0]}


class _Level(msgspec.Struct, gc=False):
    px: float
    sz: float
    n: int


class _Book(msgspec.Struct, gc=False):
    coin: str
    time: int
    levels: tuple[list[_Level], list[_Level]]


class _BookFrame(msgspec.Struct, tag_field="channel", tag="l2Book"):
    data: _Book


bare_decode: Final = msgspec.json.Decoder(_BookFrame, strict=False).decode
untyped_decode: Final = msgspec.json.Decoder().decode
