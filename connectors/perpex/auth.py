"""The JWT: where it comes from, when it is renewed, and that nobody else gets to see it.

A token is static, fetched by a callable, or both: one to begin with, and a callable for the next.
Its `exp` is read without verification (we hold no key to verify it with, and trust nothing that it
says): it only tells when to renew, 60 s before. One renewal is shared by all who wait for it.
`scrub` takes every token ever held out of a text.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import jwt
import structlog

from engine.config.secret import Secret
from engine.drive.seams import Clock
from engine.errors import CredentialsError, TransportError
from engine.model.units import NS_PER_S

TOKENS_REMEMBERED_MAX: Final = 64
RENEW_TIMEOUT_S: Final = 10.0
RENEW_AGAIN_S: Final = 5.0
_TOKEN_CHARS_MAX: Final = 8_192
_EXP_MAX: Final = 10**11
# Begins only where a word does, and gives nothing back: linear in texts of megabytes.
_JWT_FORM: Final = re.compile(
    r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}"
)
_HIDDEN: Final = "(hidden)"

TokenSource = Callable[[], Awaitable[Secret]]


class Renewable(NamedTuple):
    """A token to begin with, and a callable that fetches the one after it."""

    first: Secret
    again: TokenSource


Source = Secret | TokenSource | Renewable


class Tokens:
    """The token of one account: `source` is the token itself, a callable that fetches one, or both.

    Raises CredentialsError for a first token that cannot be sent.
    """

    def __init__(self, source: Source, clock: Clock, *, renew_before_s: float = 60.0) -> None:
        self._source: TokenSource | None = None
        self._clock = clock
        self._renew_before_ns = round(renew_before_s * NS_PER_S)
        self._token = ""
        self._expires_ns = 0
        self._held: deque[str] = deque(maxlen=TOKENS_REMEMBERED_MAX)
        self._line = asyncio.Lock()
        self._tried_ns: int | None = None
        self._log = structlog.get_logger()
        if isinstance(source, Renewable):
            self._source = source.again
            self._take(source.first)
        elif isinstance(source, Secret):
            self._take(source)
        else:
            self._source = source

    def __repr__(self) -> str:
        return "Tokens(hidden)"

    @property
    def expires_ns(self) -> int:
        """When the present token ends (UTC); 0 when it does not say."""
        return self._expires_ns

    @property
    def can_renew(self) -> bool:
        """Whether another token can be had."""
        return self._source is not None

    async def get(self) -> str:
        """The token to send now, renewed if it ends soon.

        Raises CredentialsError when there is none that is still good.
        """
        if self._is_fresh(self._renew_before_ns):
            return self._token
        await self.renew(self._token)
        if not self._is_fresh(0):
            raise CredentialsError("perpex: the token has expired; give a new one")
        return self._token

    async def renew(self, refused: str) -> bool:
        """Fetch another token than `refused`; True when there is one.

        Whoever comes while one is fetched waits for that one. A source that fails is asked again no
        sooner than 5 s later.
        """
        if self._source is None:
            return False
        async with self._line:
            if self._token and self._token != refused:
                return True
            now_ns = self._clock.monotonic_ns()
            if self._tried_ns is not None and now_ns - self._tried_ns < RENEW_AGAIN_S * NS_PER_S:
                return False
            self._tried_ns = now_ns
            await self._fetch(self._source)
            return self._token != refused

    def refuse(self, token: str) -> None:
        """The venue does not accept this token: where another can be had, the next `get` does."""
        if self._source is not None and token == self._token:
            self._expires_ns = 1

    def scrub(self, text: str) -> str:
        """`text` without any token that was ever held, or anything of a token's form."""
        for token in self._held:
            if token in text:
                text = text.replace(token, _HIDDEN)
        return _JWT_FORM.sub(_HIDDEN, text)

    def _is_fresh(self, margin_ns: int) -> bool:
        if not self._token:
            return False
        left_ns = self._expires_ns - self._clock.now_ns()
        return not self._expires_ns or left_ns > margin_ns

    async def _fetch(self, source: TokenSource) -> None:
        try:
            async with asyncio.timeout(RENEW_TIMEOUT_S):
                is_new = self._take(await source())
        except (TimeoutError, OSError, TransportError, CredentialsError) as error:
            # The error's own text is foreign, and may hold what it was given.
            self._log.warning("perpex: no new token", reason=type(error).__name__)
            return
        if is_new:
            self._log.info("perpex: token renewed", expires_ns=self._expires_ns)

    def _take(self, secret: Secret) -> bool:
        """Hold a token from now on; whether it is another than before."""
        token = secret.reveal().strip()
        is_header = token.isascii() and token.isprintable() and " " not in token
        if not is_header or not 0 < len(token) <= _TOKEN_CHARS_MAX:
            raise CredentialsError("perpex: the token is not one line of printable characters")
        is_new = token != self._token
        self._token = token
        if token not in self._held:  # one that is read again and again drives no other out
            self._held.append(token)
        self._expires_ns = expiry_ns(token)
        return is_new


def expiry_ns(token: str) -> int:
    """When a JWT ends by its own word, in ns UTC; 0 where it says nothing or is no JWT."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return 0
    exp = claims.get("exp")
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not 0 < exp < _EXP_MAX:
        return 0
    return round(exp * NS_PER_S)
