"""Asks the venue one info request and gives its typed answer, or an error that says what happened.

Reading twice does no harm, so what the venue turns away for now (429, and 502 to 504 of the servers
before it) is asked again after a wait, a few times. What it refuses for good is a VenueError; a
link that does not work is a TransportError. Both name the request, the status and the first of the
body, which may be plain text, HTML or `null` (protocol 0.2).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from connectors.hyperliquid.info.paging import Walk
from connectors.hyperliquid.info.requests import InfoRequest, Params, first_of
from connectors.hyperliquid.weights import info_weight, rows_weight
from connectors.web import Http, HttpReply
from engine.errors import ModelError, PerpdError, TransportError, VenueError

T = TypeVar("T")
Spend = Callable[[int], Awaitable[None]]
"""Waits until so much IP weight may be spent, and spends it."""

ATTEMPTS_MAX: Final = 4
WAIT_S_MAX: Final = 30.0
TIMEOUT_S: Final = 10.0
_HEADERS: Final = {"Content-Type": "application/json"}
_OK: Final = 200
_TOO_MANY: Final = 429
_PASSING: Final = frozenset({_TOO_MANY, 502, 503, 504})
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")


class InfoCaller:
    """Asks over `http`, whose base is the venue's; `spend` is called before each request.

    Rows that cost extra are known only with the answer: their weight is spent then, before the
    answer is given. `attempts_max` counts the first attempt too.
    """

    def __init__(
        self,
        http: Http,
        spend: Spend | None = None,
        *,
        attempts_max: int = ATTEMPTS_MAX,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._http = http
        self._spend = spend
        self._attempts_max = attempts_max
        self._timeout_s = timeout_s

    async def fetch(self, request: InfoRequest[T], params: Params) -> T:
        """The whole answer to a request, walked to its end where it is paged.

        `params` go by their names on the wire. Raises NotSentError when the venue cannot be
        reached, TransportError when it fails or stays over its limits, VenueError when it refuses,
        does not know, or makes no sense, and ModelError for an address that cannot be one.
        """
        user = params.get("user")
        if user is not None:
            params = {**params, "user": account_address(str(user))}
        if request.paging is None:
            return await self._ask(request, params)
        start_ms, end_ms = params["startTime"], params.get("endTime")
        assert isinstance(start_ms, int)
        assert end_ms is None or isinstance(end_ms, int)
        walk = Walk[Any](request.name, request.paging, start_ms, end_ms)
        more = True
        while more:
            span = {"startTime": walk.start_ms, "endTime": walk.end_ms}
            page: Any = await self._ask(request, {**params, **span})
            more = walk.take(page)
        return cast("T", tuple(walk.rows))

    async def _ask(self, request: InfoRequest[T], params: Params) -> T:
        body = request.body(params)
        attempt = 1
        while True:
            reply = await self._request(request.name, body)
            if reply.status == _OK:
                answer = request.decode(reply.body)
                await self._pay_rows(request.name, answer)
                return answer
            if reply.status not in _PASSING or attempt >= self._attempts_max:
                raise _error(request.name, reply, attempt)
            await asyncio.sleep(_wait_s(reply, attempt))
            attempt += 1

    async def _request(self, name: str, body: bytes) -> HttpReply:
        if self._spend is not None:
            await self._spend(info_weight(name))
        try:
            return await self._http.request(
                "POST", "/info", body=body, headers=_HEADERS, timeout_s=self._timeout_s
            )
        except TransportError as error:
            raise type(error)(f"info {name}: {error}") from error

    async def _pay_rows(self, name: str, answer: object) -> None:
        rows = len(answer) if isinstance(answer, tuple) else 0
        weight = rows_weight(name, rows)
        if weight and self._spend is not None:
            await self._spend(weight)


def account_address(text: str) -> str:
    """An address in lower case, as the venue echoes it. Raises ModelError when it is none."""
    address = text.lower()
    if not _ADDRESS.fullmatch(address):
        raise ModelError(f"{text!r:.80} is no address: expected 0x and 40 hex digits")
    return address


def _wait_s(reply: HttpReply, attempt: int) -> float:
    """How long the venue asks us to wait, or 1, 2, 4 ... s; never above `WAIT_S_MAX`."""
    asked = reply.headers.get("Retry-After", "")
    is_seconds = asked.isascii() and asked.isdigit() and len(asked) <= 6
    return min(float(asked) if is_seconds else float(2 ** (attempt - 1)), WAIT_S_MAX)


def _error(name: str, reply: HttpReply, attempts: int) -> PerpdError:
    said = f"status {reply.status} {first_of(reply.body)}"
    if reply.status == _TOO_MANY:
        return TransportError(f"info {name}: over the rate limit, {attempts} times: {said}")
    if reply.status >= 500 and reply.body.strip() == b"null":
        return VenueError(f"info {name}: {said}: it knows no such dex, coin or user")
    if reply.status >= 500:
        return TransportError(f"info {name}: the venue fails: {said}")
    return VenueError(f"info {name}: refused: {said}")
