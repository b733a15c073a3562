"""A secret is named in a config file, never written there: env:NAME, file:PATH or keystore:PATH.

What is resolved is wrapped, so that it reaches no log, error or repr by accident; only `reveal`
gives it out. A keystore is an encrypted key file (Web3 secret storage, version 3): its password
comes from the environment variable PERPD_KEYSTORE_PASSWORD, and opening it takes a second or so.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import Final, Literal, NoReturn

import msgspec

from engine.config.schema import REFERENCE_FORMS
from engine.errors import ConfigError

SECRET_BYTES_MAX: Final = 4_096
KEYSTORE_PASSWORD: Final = "PERPD_KEYSTORE_PASSWORD"  # noqa: S105 - where it is, not what it is

_REFERENCE: Final = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|(file|keystore):[^\s].*)")
_HEX_KEY: Final = re.compile(r"(?:0[xX])?[0-9a-fA-F]{64,}")


class _Version3(msgspec.Struct):
    version: Literal[3]


class Secret:
    """A key or token in memory."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that signs or authenticates."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a secret is not sent to other processes or written to disk."""
        raise TypeError("a Secret cannot be pickled")


def is_reference(text: str) -> bool:
    """Whether `text` says where a secret is."""
    return _REFERENCE.fullmatch(text) is not None


def holds_hex_key(text: str) -> bool:
    """Whether `text` holds what looks like a private key: 64 or more hex digits."""
    return _HEX_KEY.search(text) is not None


def redact(text: str) -> str:
    """`text` without anything that looks like a private key."""
    return _HEX_KEY.sub("(hidden)", text)


def resolve_secret(reference: str, base_dir: Path | None = None) -> Secret:
    """The secret that `reference` names; a relative path is taken from `base_dir`.

    Raises ConfigError, which never contains the secret, when it is missing, empty, or readable by
    other users.
    """
    if not is_reference(reference):
        raise ConfigError(f"a secret must be given as {REFERENCE_FORMS}, not written out")
    kind, _, where = reference.partition(":")
    if kind == "env":
        return _from_env(where)
    path = (base_dir or Path()) / Path(where).expanduser()
    if kind == "keystore":
        return _from_keystore(path)
    return _from_file(path)


def _from_env(name: str) -> Secret:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"secret env:{name}: the environment variable {name} is not set")
    return Secret(value)


def _from_file(path: Path) -> Secret:
    data = _read_private(path, f"secret file:{path}")
    try:
        value = data.decode("ascii").strip()
    except UnicodeDecodeError:
        # `from None`: the original error holds the bytes.
        raise ConfigError(f"secret file:{path}: expected text, found other bytes") from None
    if not value:
        raise ConfigError(f"secret file:{path}: the file is empty")
    return Secret(value)


def _from_keystore(path: Path) -> Secret:
    name = f"secret keystore:{path}"
    # One of the packages that come with it raises the limit beyond what a stack holds: a deeply
    # nested answer of a venue would then end the process instead of being refused.
    recursion_limit = sys.getrecursionlimit()
    try:
        # An extra: most keys are in a file or the environment, and it brings a dozen packages.
        from eth_keyfile.keyfile import decode_keyfile_json  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            f"{name}: opening keystores needs eth-keyfile: pip install 'perpd[keys]'"
        ) from None
    finally:
        sys.setrecursionlimit(recursion_limit)
    data = _read_private(path, name)
    password = os.environ.get(KEYSTORE_PASSWORD, "")
    if not password:
        raise ConfigError(
            f"{name}: the environment variable {KEYSTORE_PASSWORD}, its password, is not set"
        )
    try:
        msgspec.json.decode(data, type=_Version3)
        key: bytes = decode_keyfile_json(msgspec.json.decode(data), password.encode())
    except Exception as error:  # noqa: BLE001 - a damaged keystore fails in many ways
        # `from None`: none of the ways is worth showing, and one may hold what it should not.
        is_password = isinstance(error, ValueError) and "MAC" in str(error)
        why = f"{KEYSTORE_PASSWORD} does not open it" if is_password else "not a version 3 keystore"
        raise ConfigError(f"{name}: {why}") from None
    return Secret("0x" + key.hex())


def _read_private(path: Path, name: str) -> bytes:
    """What is in a file that only its owner can reach. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that what is checked is what is read.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{name}: expected a regular file")
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o077:
                raise ConfigError(
                    f"{name}: its mode is {mode:04o}, expected 0600:"
                    f" other users can reach it (chmod 600)"
                )
            data = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror or 'cannot be read'}") from error
    if len(data) > SECRET_BYTES_MAX:
        raise ConfigError(f"{name}: more than {SECRET_BYTES_MAX} bytes")
    return data
