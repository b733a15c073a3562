"""An envelope is exact bytes, signed for what it says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.hyperliquid.actions import NoopAction, UpdateLeverageAction
from connectors.hyperliquid.envelope import sealed
from connectors.hyperliquid.keys import Signer
from engine.config.secret import Secret
from tests.connectors.hyperliquid.link_parts import signer_of

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


@pytest.mark.parametrize("vault", [None, VAULT])
@pytest.mark.parametrize("expires_ms", [None, 0, NONCE])
@pytest.mark.parametrize("is_mainnet", [True, False])
def test_the_signer_of_a_sealed_action_is_found_from_its_bytes(
    vault: str | None,
    expires_ms: int | None,
    is_mainnet: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    raw = sealed(
        LEVERAGE,
        NONCE,
        SIGNER,
        is_mainnet=is_mainnet,
        vault_address=vault,
        expires_after_ms=expires_ms,
    )
    body = msgspec.json.decode(raw)

    assert (vault, expires_ms) == (body["vaultAddress"], body["expiresAfter"])
    assert SIGNER.address == signer_of(body, is_mainnet=is_mainnet)
    assert SIGNER.address != signer_of(body, is_mainnet=not is_mainnet)


ACTION = {"type": "updateLeverage", "asset": 4, "isCross": True, "leverage": 10}


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": NONCE + 1},
        {"vaultAddress": VAULT},
        {"expiresAfter": 0},
        {"action": {**ACTION, "leverage": 11}},
        {"action": dict(reversed(ACTION.items()))},
        {"action": {**ACTION, "more": 1}},
        {"signature": {"r": "0x0", "s": "0x0", "v": 27}},
        {"signature": {"r": "no", "s": "hex", "v": 27}},
    ],
)
def test_everything_in_it_is_covered_by_its_signature(changes: dict[str, Any]) -> None:
    body = msgspec.json.decode(sealed(LEVERAGE, NONCE, SIGNER, is_mainnet=False))

    assert ACTION == body["action"]
    assert SIGNER.address != signer_of({**body, **changes})


def test_leading_zeros_of_a_signature_do_not_matter() -> None:
    for nonce in range(NONCE, NONCE + 600):
        body = msgspec.json.decode(sealed(NoopAction(), nonce, SIGNER, is_mainnet=False))
        signature = body["signature"]
        if signature["r"].startswith("0x0"):
            short = {**signature, "r": "0x" + signature["r"][2:].lstrip("0")}
            assert SIGNER.address == signer_of({**body, "signature": short})
            return
    pytest.fail("no signature of the 600 began with a zero")
