"""The one place that holds a private key: a signer gives signatures and its address, never the key.

The key signs as an agent ("API wallet") or as the account itself; which of the two it is only the
venue knows (its `userRole`). Signatures are deterministic (RFC 6979) and of the low-s form.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from coincurve import PrivateKey

from connectors.hyperliquid.sign import Signature, public_address
from engine.config.secret import Secret
from engine.errors import CredentialsError

_KEY: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})", re.ASCII)


class Signer:
    """Signs digests with one private key; `address` is the key's, in lower case.

    Raises CredentialsError, which never holds the key, for what is no secp256k1 key.
    """

    __slots__ = ("_key", "address")

    def __init__(self, secret: Secret) -> None:
        match = _KEY.fullmatch(secret.reveal().strip())
        if match is None:
            raise CredentialsError("a private key is 64 hex digits, with or without 0x before them")
        try:
            self._key = PrivateKey(bytes.fromhex(match.group(1)))
        except ValueError:
            # `from None`: the original error may hold the key.
            raise CredentialsError("a private key is zero or beyond the curve's order") from None
        self.address = public_address(self._key.public_key)

    def sign(self, digest: bytes) -> Signature:
        """The signature of 32 bytes that are already a hash."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        return Signature("0x" + raw[:32].hex(), "0x" + raw[32:64].hex(), 27 + raw[64])

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: a key is not sent to other processes."""
        raise TypeError("a Signer cannot be pickled")
