"""A signer never shows its key, and says plainly what is no key."""

from __future__ import annotations

import copy
import pickle

import pytest

from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.sign import CURVE_ORDER
from engine.config.secret import Secret
from engine.errors import CredentialsError

DIGITS = "0123456789" * 6 + "0123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"


@pytest.mark.parametrize("text", [DIGITS, "0x" + DIGITS, "0X" + DIGITS, f" 0x{DIGITS}\n"])
def test_a_key_is_read_with_or_without_its_prefix(text: str) -> None:
    assert ADDRESS == Signer(Secret(text)).address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        DIGITS[:-1],
        DIGITS + "0",
        "0x0x" + DIGITS[:60],
        DIGITS[:-1] + "g",
        "٣" * 64,
        "0" * 64,
        f"{CURVE_ORDER:x}",
        "f" * 64,
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        Signer(Secret(text))

    assert len(text) < 4 or text[:8] not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_signer_shows_its_address_only() -> None:
    signer = Signer(Secret(DIGITS))

    assert [f"Signer({ADDRESS})"] * 3 == [repr(signer), str(signer), f"{signer}"]
    assert not hasattr(signer, "__dict__")


def test_a_signer_is_neither_pickled_nor_copied() -> None:
    signer = Signer(Secret(DIGITS))

    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            attempt(signer)
