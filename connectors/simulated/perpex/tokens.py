"""Tokens of the face's own making: JWTs (HS256) for an address, signed with a secret of the run.

`exp` is real time, not the venue's: a client judges by its own clock whether a token is still good.
A token of another kind stands for an account too, unless the venue is strict: one that is an
address for that address, any other for an address made from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import jwt
import msgspec

from connectors.simulated.accounts import is_address
from connectors.simulated.clock import VenueClock
from connectors.simulated.perpex.errors import UNAUTHORIZED, Refusal
from engine.drive.seams import Randomness
from engine.model.units import NS_PER_S

READ: Final = "read"
TRADE: Final = "trade"
PERMISSIONS: Final = (READ, TRADE)
_ALGORITHM: Final = "HS256"
_SECRET_WORDS: Final = 4
_OPAQUE: Final = re.compile(r"[!-~]{8,256}")
_JWT: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token stands for. Requests are counted by `key`; `expires_ns` 0 is never.

    `number` is the token's own, counted from 1; 0 for one that was not made here.
    """

    address: str
    key: str
    permissions: tuple[str, ...]
    expires_ns: int = 0
    number: int = 0


class TokenDesk:
    """Makes tokens and reads them; `strict` leaves no others than its own."""

    def __init__(self, clock: VenueClock, randomness: Randomness, *, strict: bool) -> None:
        self._clock = clock
        self._strict = strict
        self._secret = b"".join(
            randomness.u64().to_bytes(8, "little") for _ in range(_SECRET_WORDS)
        )
        self._made = 0
        self._revoked = 0

    def __repr__(self) -> str:
        return "TokenDesk(hidden)"

    def issue(
        self,
        address: str,
        ttl_s: float,
        permissions: Sequence[str] = PERMISSIONS,
        key: str = "main",
    ) -> str:
        """A token for an address, good for `ttl_s` seconds from now, of the API key `key`."""
        self._made += 1
        claims = {
            "sub": address.lower(),
            "exp": self.now_ns() / NS_PER_S + ttl_s,
            "permissions": list(permissions),
            "key": key,
            "number": self._made,
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def revoke_all(self) -> None:
        """Every token made so far is refused from now on, whatever its own word."""
        self._revoked = self._made

    def read(self, token: str) -> Caller:
        """Whom a token stands for. Raises Refusal."""
        if not _JWT.fullmatch(token):
            return self._opaque(token)
        options: Any = {"verify_exp": False, "require": ["sub", "exp"]}
        try:
            claims = jwt.decode(token, self._secret, algorithms=[_ALGORITHM], options=options)
        except (jwt.PyJWTError, ValueError):
            raise Refusal(UNAUTHORIZED, "the token is not valid") from None
        caller = Caller(
            address=claims["sub"],
            key=f"{claims['sub']}/{claims['key']}",
            permissions=tuple(claims["permissions"]),
            expires_ns=round(claims["exp"] * NS_PER_S),
            number=claims["number"],
        )
        self.check(caller)
        return caller

    def check(self, caller: Caller) -> None:
        """Raises Refusal when the token a caller came with is over."""
        if caller.expires_ns and caller.expires_ns <= self.now_ns():
            raise Refusal(UNAUTHORIZED, "the token has expired")
        if 0 < caller.number <= self._revoked:
            raise Refusal(UNAUTHORIZED, "the token was revoked")

    def now_ns(self) -> int:
        """The real time that tokens are judged by."""
        return self._clock.now_ns() - self._clock.offset_ns

    def _opaque(self, token: str) -> Caller:
        if self._strict or not _OPAQUE.fullmatch(token):
            raise Refusal(UNAUTHORIZED, "the token is not valid")
        digest = hashlib.sha256(token.encode()).hexdigest()
        address = token.lower() if is_address(token) else f"0x{digest[:40]}"
        return Caller(address=address, key=digest, permissions=PERMISSIONS)


def bearer(header: str | None) -> str | None:
    """The token of an Authorization header; None without one. Raises Refusal for another scheme."""
    if header is None:
        return None
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refusal(UNAUTHORIZED, "expected a Bearer token")
    return token.strip()
