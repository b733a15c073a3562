"""Digests and signatures against published vectors, and who is found to have signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.sign import (
    CURVE_ORDER,
    Signature,
    action_hash,
    agent_digest,
    l1_digest,
    pack,
    recover_address,
)
from connectors.hyperliquid.user_actions import typed_digest, user_digest
from engine.config.secret import Secret
from engine.errors import ModelError

KEY = "0x" + "0123456789" * 6 + "0123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"


def order(asset: int, px: str, sz: str, tif: str, **more: str) -> dict[str, Any]:
    """The action of one buy order, in signing key order."""
    kind = {"limit": {"tif": tif}}
    wire = {"a": asset, "b": True, "p": px, "s": sz, "r": False, "t": kind, **more}
    return {"type": "order", "orders": [wire], "grouping": "na"}


GTC = order(1, "100", "100", "Gtc")
GTC_CLOID = order(1, "100", "100", "Gtc", c="0x" + "0" * 31 + "1")
DUMMY = {"type": "dummy", "num": 100_000_000_000}
BASE = order(0, "30000", "0.1", "Gtc")


# -- trading actions -------------------------------------------------------------------------------


def test_an_action_is_packed_in_its_key_order() -> None:
    expected = (
        "83a474797065a56f72646572a66f72646572739186a16101a162c3a170a3313030a173a3313030a172c2a174"
        "81a56c696d697481a3746966a3477463a867726f7570696e67a26e61"
    )

    assert expected == pack(GTC).hex()


@pytest.mark.parametrize(
    ("action", "nonce", "vault", "expires_ms", "expected"),
    [
        (order(4, "1670.1", "0.0147", "Ioc"), 1677777606040, None, None, "0fcbeda5ae3c4950"),
        (BASE, 1234567890, None, None, "25367e0d"),
        (BASE, 1234567890, "0x" + "1234567890" * 4, None, "214e2ea3"),
        (BASE, 1234567890, None, 1234567890, "c30b002b"),
        (BASE, 1234567890, "0x" + "1234567890" * 4, 1234567890, "2d62412a"),
    ],
)
def test_a_hash_covers_nonce_vault_and_expiry(
    action: dict[str, Any], nonce: int, vault: str | None, expires_ms: int | None, expected: str
) -> None:
    found = action_hash(pack(action), nonce, vault, expires_ms).hex()

    assert expected == found[: len(expected)]


@pytest.mark.parametrize(
    ("action", "vault", "network", "r", "v"),
    [
        (
            GTC,
            None,
            "mainnet",
            "d65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
            28,
        ),
        (
            GTC,
            None,
            "testnet",
            "82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
            27,
        ),
        (
            GTC_CLOID,
            None,
            "mainnet",
            "041ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3",
            27,
        ),
        (DUMMY, VAULT, "mainnet", "003c548d", 28),
    ],
)
def test_a_signature_is_the_published_one(
    action: dict[str, Any],
    vault: str | None,
    network: str,
    r: str,
    v: int,
) -> None:
    is_mainnet = network == "mainnet"
    digest = l1_digest(pack(action), 0, is_mainnet=is_mainnet, vault_address=vault)
    found = Signer(Secret(KEY)).sign(digest)

    assert ("0x" + r, v) == (found.r[: 2 + len(r)], found.v)
    assert (66, 66) == (len(found.r), len(found.s))


def test_an_expiry_of_zero_is_hashed_as_one() -> None:
    assert action_hash(b"", 1, None, 0) != action_hash(b"", 1)


def test_the_case_of_an_address_changes_nothing() -> None:
    assert action_hash(b"", 1, VAULT) == action_hash(b"", 1, VAULT.upper())


@pytest.mark.parametrize("nonce", [-1, 2**64])
def test_a_nonce_or_expiry_outside_64_bits_is_refused(nonce: int) -> None:
    with pytest.raises(ModelError):
        action_hash(b"", nonce)
    with pytest.raises(ModelError):
        action_hash(b"", 0, None, nonce)


@pytest.mark.parametrize(
    "address",
    ["", "0x", VAULT[2:], VAULT + "0", VAULT[:-1] + "g", "0x" + " 1" * 20, "0X" + "٣" * 40],
)
def test_a_vault_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ModelError, match="is no address"):
        action_hash(b"", 0, address)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "action",
    [{"n": 2**64}, {"n": object()}, {"n": -(2**63) - 1}, {"n": "\ud800"}, {"n": CIRCLE}],
)
def test_what_msgpack_cannot_hold_is_refused(action: object) -> None:
    with pytest.raises(ModelError):
        pack(action)


# -- every vector ----------------------------------------------------------------------------------


def test_every_shared_vector_of_a_trading_action_is_reproduced(shared_dir: Path) -> None:
    vectors = read_vectors(shared_dir)["l1"]
    for vector in vectors:
        signer = Signer(Secret(vector["private_key"]))
        packed = pack(vector["action"])
        tail = {
            "vault_address": vector["vault_address"],
            "expires_after_ms": vector["expires_after"],
        }

        assert vector["address"] == signer.address
        assert vector["msgpack_hex"] == packed.hex()
        found = action_hash(packed, vector["nonce"], *tail.values())
        assert vector["connection_id"] == f"0x{found.hex()}"
        for network, expected in vector["signature"].items():
            digest = l1_digest(packed, vector["nonce"], is_mainnet=network == "mainnet", **tail)
            assert Signature(**expected) == signer.sign(digest), (vector["name"], network)
    assert len(vectors) >= 27


def test_the_shared_vector_that_has_only_a_hash_is_reproduced(shared_dir: Path) -> None:
    for vector in read_vectors(shared_dir)["l1_hash_only"]:
        signer = Signer(Secret(vector["private_key"]))
        connection_id = bytes.fromhex(vector["connection_id"][2:])
        for network, expected in vector["signature"].items():
            digest = agent_digest(connection_id, is_mainnet=network == "mainnet")
            assert Signature(**expected) == signer.sign(digest)


def test_every_shared_vector_of_a_user_signed_action_is_reproduced(shared_dir: Path) -> None:
    vectors = read_vectors(shared_dir)["user_signed"]
    for vector in vectors:
        name = vector["primary_type"].removeprefix("HyperliquidTransaction:")
        fields = tuple((field["name"], field["type"]) for field in vector["types"])
        digest = typed_digest(name, fields, vector["message"], vector["domain"]["chainId"])

        expected = Signature(**vector["signature"])
        assert expected == Signer(Secret(vector["private_key"])).sign(digest), vector["name"]
    assert len(vectors) >= 8


def read_vectors(shared_dir: Path) -> dict[str, Any]:
    path = shared_dir / "data" / "signing" / "signing_vectors.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


# -- user-signed actions ---------------------------------------------------------------------------


def test_a_transfer_is_signed_as_the_published_one() -> None:
    action = {
        "type": "usdSend",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Testnet",
        "destination": "0x5e9ee1089755c3435139848e47e6635505d5a13a",
        "amount": "1",
        "time": 1687816341423,
    }
    found = Signer(Secret(KEY)).sign(user_digest(action))

    expected = "0x637b37dd731507cdd24f46532ca8ba6eec616952c56218baeff04144e4a77073"
    assert (expected, 27) == (found.r, found.v)


def approval(**changes: object) -> dict[str, object]:
    action = {
        "type": "approveAgent",
        "signatureChainId": "0xa4b1",
        "hyperliquidChain": "Mainnet",
        "agentAddress": "0x" + "1234567890" * 4,
        "agentName": "",
        "nonce": 1_700_000_000_000,
        **changes,
    }
    return {key: value for key, value in action.items() if value is not None}


def test_an_agent_without_a_name_is_signed_with_an_empty_one() -> None:
    assert user_digest(approval()) == user_digest(approval(agentName=None))
    assert user_digest(approval()) != user_digest(approval(agentName="bot"))


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "order"},
        {"type": None},
        {"type": ["approveAgent"]},
        {"agentAddress": None},
        {"agentAddress": "0x12"},
        {"agentName": 7},
        {"agentName": "\ud800"},
        {"nonce": "1"},
        {"nonce": True},
        {"nonce": -1},
        {"nonce": 2**64},
        {"signatureChainId": None},
        {"signatureChainId": "chain"},
        {"signatureChainId": "-1"},
    ],
)
def test_a_user_signed_action_with_a_wrong_field_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        user_digest(approval(**changes))


# -- who signed ------------------------------------------------------------------------------------

DIGEST = bytes(range(32))
R, S, V = Signer(Secret(KEY)).sign(DIGEST).numbers() or (0, 0, 0)


@given(key=st.integers(1, CURVE_ORDER - 1), digest=st.binary(min_size=32, max_size=32))
def test_the_signer_is_recovered_from_any_signature(key: int, digest: bytes) -> None:
    signer = Signer(Secret(f"{key:064x}"))
    numbers = signer.sign(digest).numbers()

    assert numbers is not None
    assert signer.address == recover_address(digest, *numbers)


@pytest.mark.parametrize(
    ("r", "s", "v"),
    [
        (0, 0, 27),
        (0, S, V),
        (R, 0, V),
        (-R, S, V),
        (CURVE_ORDER, S, V),
        (R, CURVE_ORDER, V),
        (2**256, S, V),
        (R, S, 0),
        (R, S, 29),
        (5, S, 27),
    ],
)
def test_what_no_key_can_have_signed_has_no_signer(r: int, s: int, v: int) -> None:
    assert recover_address(DIGEST, r, s, v) is None


def test_a_signature_of_something_else_has_another_signer() -> None:
    assert ADDRESS == recover_address(DIGEST, R, S, V)
    assert recover_address(bytes(32), R, S, V) not in (ADDRESS, None)


@pytest.mark.parametrize(
    ("r", "s", "expected"),
    [
        ("0x0a", "0xb", (10, 11, 27)),
        ("0xA", "0x000b", (10, 11, 27)),
        ("", "0xb", None),
        ("0x", "0xb", None),
        ("0xa", "hex", None),
    ],
)
def test_a_signature_is_read_as_numbers_with_or_without_leading_zeros(
    r: str, s: str, expected: tuple[int, int, int] | None
) -> None:
    assert expected == Signature(r, s, 27).numbers()
