"""A key from an encrypted keystore: opened by its password, and never shown by an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.config.secret import KEYSTORE_PASSWORD, resolve_secret
from engine.errors import ConfigError

KEY = "0x" + "4c" * 32
PASSWORD = "correct horse"  # noqa: S105 - of a key that is published here
# Both made by eth-keyfile for KEY, with so few rounds that opening them takes no time.
PBKDF2 = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "114bf044424c9fb0e5cf4d96c07f7e6f"},
        "ciphertext": "376baed1fb02bc1ca1945ef01042cac116d67e2a9855ae5510cb87a3b98a86a8",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 10,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "d5c4e0a4e7acb951cbb6d2991431da9f",
        },
        "mac": "4bd030eba45ec8e8a8571ac7bffedd35d28bb57205fa6f9bf959acec5bdb3318",
    },
    "version": 3,
}
SCRYPT = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "c5bb4ec671f20799e70229f18c759242"},
        "ciphertext": "c6f2acf31cddcddbe1c5dc1e6179e38e4513eba4e1b4c5e63013be2d991ec0f8",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 2,
            "r": 8,
            "p": 1,
            "salt": "934a86eb38deceaf2b1b44e782df6553",
        },
        "mac": "2550dd3135b11cc2f5a98afe8bfc0e7f409b78be34fe0eb01a709324249459a4",
    },
    "version": 3,
}
DAMAGED = "not a version 3 keystore"


def keystore(folder: Path, content: Any, mode: int = 0o600) -> Path:  # noqa: ANN401 - any JSON
    path = folder / "key.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def opening(folder: Path, content: Any) -> str:  # noqa: ANN401 - any JSON
    """What is said of a keystore that cannot be opened."""
    path = keystore(folder, content)
    with pytest.raises(ConfigError) as caught:
        resolve_secret("keystore:key.json", folder)
    text = str(caught.value)
    assert "4c4c" not in text
    assert PASSWORD not in text
    return text.removeprefix(f"secret keystore:{path}: ")


@pytest.mark.parametrize("content", [PBKDF2, SCRYPT, {"version": 3, "Crypto": SCRYPT["crypto"]}])
def test_a_keystore_gives_its_key_to_its_password(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("eth_keyfile")
    monkeypatch.setenv(KEYSTORE_PASSWORD, PASSWORD)
    path = keystore(tmp_path, content)

    assert KEY == resolve_secret("keystore:key.json", tmp_path).reveal()
    assert KEY == resolve_secret(f"keystore:{path}").reveal()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        {"version": 3},
        {**PBKDF2, "version": 4},
        {**PBKDF2, "version": "3"},
        {"version": 3, "crypto": {**PBKDF2["crypto"], "kdf": "none"}},  # type: ignore[dict-item]
        {"version": 3, "crypto": {**PBKDF2["crypto"], "mac": 1}},  # type: ignore[dict-item]
        {"version": 3, "crypto": []},
    ],
)
def test_a_damaged_keystore_is_refused_in_one_line(
    content: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("eth_keyfile")
    monkeypatch.setenv(KEYSTORE_PASSWORD, PASSWORD)

    assert DAMAGED == opening(tmp_path, content)


def test_a_wrong_password_is_told_from_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("eth_keyfile")
    monkeypatch.setenv(KEYSTORE_PASSWORD, "wrong")

    assert f"{KEYSTORE_PASSWORD} does not open it" == opening(tmp_path, PBKDF2)


def test_a_keystore_without_its_password_says_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("eth_keyfile")
    monkeypatch.delenv(KEYSTORE_PASSWORD, raising=False)

    expected = f"the environment variable {KEYSTORE_PASSWORD}, its password, is not set"
    assert expected == opening(tmp_path, PBKDF2)


def test_a_keystore_that_others_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("eth_keyfile")
    monkeypatch.setenv(KEYSTORE_PASSWORD, PASSWORD)
    path = keystore(tmp_path, PBKDF2, mode=0o644)

    with pytest.raises(ConfigError, match=r"its mode is 0644, expected 0600"):
        resolve_secret(f"keystore:{path}")


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "eth_keyfile.keyfile", None)

    expected = "opening keystores needs eth-keyfile: pip install 'perpd[keys]'"
    assert expected == opening(tmp_path, PBKDF2)


def test_opening_a_keystore_leaves_the_recursion_limit_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("eth_keyfile")
    code = (
        "import sys; from pathlib import Path; from engine.config.secret import resolve_secret;"
        " before = sys.getrecursionlimit();\n"
        "try: resolve_secret('keystore:none', Path(sys.argv[1]))\n"
        "except Exception: pass\n"
        "print('py_ecc' in sys.modules, sys.getrecursionlimit() == before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert "True True" == done.stdout.strip()
