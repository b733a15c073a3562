"""A secret is named in a config file, never written there: env:NAME, file:PATH or keystore:PATH.

What is resolved is wrapped, so that it reaches no log, error or repr by accident; only `reveal`
gives it out.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final, NoReturn

from engine.config.schema import REFERENCE_FORMS
from engine.errors import ConfigError

SECRET_BYTES_MAX: Final = 4_096

_REFERENCE: Final = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|(file|keystore):[^\s].*)")
_HEX_KEY: Final = re.compile(r"(?:0[xX])?[0-9a-fA-F]{64,}")


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
        raise ConfigError(
            f"secret keystore:{path}: this version cannot open keystores; use env:NAME or file:PATH"
        )
    return _from_file(path)


def _from_env(name: str) -> Secret:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"secret env:{name}: the environment variable {name} is not set")
    return Secret(value)


def _from_file(path: Path) -> Secret:
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that what is checked is what is read.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"secret file:{path}: expected a regular file")
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o077:
                raise ConfigError(
                    f"secret file:{path}: its mode is {mode:04o}, expected 0600:"
                    f" other users can reach it (chmod 600)"
                )
            data = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"secret file:{path}: {error.strerror or 'cannot be read'}") from error
    if len(data) > SECRET_BYTES_MAX:
        raise ConfigError(f"secret file:{path}: more than {SECRET_BYTES_MAX} bytes")
    try:
        value = data.decode("ascii").strip()
    except UnicodeDecodeError:
        # `from None`: the original error holds the bytes.
        raise ConfigError(f"secret file:{path}: expected text, found other bytes") from None
    if not value:
        raise ConfigError(f"secret file:{path}: the file is empty")
    return Secret(value)
