"""An envelope goes out as exact bytes, and its signer is found from what came in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.hyperliquid.actions import NoopAction, UpdateLeverageAction
from connectors.hyperliquid.envelope import received, sealed, sealed_user_action, signer_of
from connectors.hyperliquid.keys import Signer
from engine.config.secret import Secret
from engine.errors import ModelError, VenueError

SIGNER = Signer(Secret("4f" * 32))
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
NONCE = 1_700_000_000_000
LEVERAGE = UpdateLeverageAction(4, is_cross=True, leverage=10)


def test_absent_vault_and_expiry_are_sent_as_null() -> None:
    body = msgspec.json.decode(sealed(NoopAction(), NONCE, SIGNER, is_mainnet=False))

    assert ["action", "nonce", "signature", "vaultAddress", "expiresAfter"] == list(body)
    assert ({"type": "noop"}, NONCE, None, None) == (
        body["action"],
        body["nonce"],
        body["vaultAddress"],
        body["expiresAfter"],
    )


def changed(body: bytes, **changes: Any) -> bytes:  # noqa: ANN401 - any JSON
    """The body with some of its keys replaced; UNSET takes one out."""
    fields = {**msgspec.json.decode(body), **changes}
    return msgspec.json.encode(
        {key: value for key, value in fields.items() if value is not msgspec.UNSET}
    )


def who(body: bytes, *, is_mainnet: bool = False) -> str | None:
    return signer_of(received(body), is_mainnet=is_mainnet)


@pytest.mark.parametrize("vault", [None, VAULT])
@pytest.mark.parametrize("expires_ms", [None, 0, NONCE])
@pytest.mark.parametrize("is_mainnet", [True, False])
def test_the_signer_of_a_sealed_action_is_found(
    vault: str | None,
    expires_ms: int | None,
    is_mainnet: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    body = sealed(
        LEVERAGE,
        NONCE,
        SIGNER,
        is_mainnet=is_mainnet,
        vault_address=vault,
        expires_after_ms=expires_ms,
    )

    assert SIGNER.address == who(body, is_mainnet=is_mainnet)
    assert SIGNER.address != who(body, is_mainnet=not is_mainnet)


SEALED = sealed(LEVERAGE, NONCE, SIGNER, is_mainnet=False)
ACTION = {"type": "updateLeverage", "asset": 4, "isCross": True, "leverage": 10}


def test_what_an_envelope_leaves_out_counts_as_null() -> None:
    unset = msgspec.UNSET

    assert SIGNER.address == who(changed(SEALED, vaultAddress=unset, expiresAfter=unset))


def test_leading_zeros_of_a_signature_do_not_matter() -> None:
    for nonce in range(NONCE, NONCE + 600):
        body = sealed(NoopAction(), nonce, SIGNER, is_mainnet=False)
        signature = msgspec.json.decode(body)["signature"]
        if signature["r"].startswith("0x00"):
            short = {**signature, "r": "0x" + signature["r"][2:].lstrip("0")}
            assert SIGNER.address == who(changed(body, signature=short))
            return
    pytest.fail("no signature of the 600 began with zeros")


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": NONCE + 1},
        {"vaultAddress": VAULT},
        {"expiresAfter": 0},
        {"action": {**ACTION, "leverage": 11}},
        {"action": dict(reversed(ACTION.items()))},
        {"action": {**ACTION, "more": 1}},
        {"action": []},
        {"action": {"type": 2**70}},
        {"vaultAddress": "0x12"},
        {"nonce": -1},
        {"signature": {"r": "0x0", "s": "0x0", "v": 27}},
        {"signature": {"r": "no", "s": "hex", "v": 27}},
    ],
)
def test_a_changed_envelope_is_not_from_its_signer(changes: dict[str, Any]) -> None:
    assert SIGNER.address != who(changed(SEALED, **changes))


def test_keys_in_another_order_are_verified_as_they_came() -> None:
    # A client that signs its own order of keys signs another hash, and the venue sees that order.
    text = changed(SEALED, action=dict(reversed(ACTION.items())))

    assert who(text) not in (SIGNER.address, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"action":{},"nonce":1}',
        changed(SEALED, nonce="1"),
        changed(SEALED, signature={"r": 1, "s": 1, "v": 27}),
        changed(SEALED, signature=None),
    ],
)
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(VenueError, match="no envelope"):
        received(body)


# -- user-signed -----------------------------------------------------------------------------------

SEND = {
    "type": "usdSend",
    "signatureChainId": "0x66eee",
    "hyperliquidChain": "Testnet",
    "destination": VAULT,
    "amount": "1",
    "time": NONCE,
}


def test_a_user_signed_action_is_checked_as_typed_data() -> None:
    body = sealed_user_action(SEND, NONCE, SIGNER)

    assert SIGNER.address == who(body)
    assert SIGNER.address == who(changed(body, action=dict(reversed(SEND.items()))))
    assert who(body, is_mainnet=True) is None


@pytest.mark.parametrize(
    "changes", [{"amount": "2"}, {"time": NONCE + 1}, {"signatureChainId": "0x1"}, {"amount": 1}]
)
def test_a_changed_user_signed_action_is_not_from_its_signer(changes: dict[str, object]) -> None:
    body = changed(sealed_user_action(SEND, NONCE, SIGNER), action={**SEND, **changes})

    assert SIGNER.address != who(body)


def test_a_user_signed_action_must_hold_the_envelopes_nonce() -> None:
    with pytest.raises(ModelError, match="not the envelope's"):
        sealed_user_action(SEND, NONCE + 1, SIGNER)
