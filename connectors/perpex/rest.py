"""REST: every endpoint of the page as one method, with what may be tried again and what may not.

Reads are tried again (after 429, 5xx, a lost connection, and once after 401 with a new token).
Cancels too, since a second one does no harm; after a try that was unclear only the venue's word
that the order is canceled or gone makes the outcome clear. An order is sent once: it ends as taken,
refused, or unclear. A token goes to the one host of the settings, and to none while the base path
is probed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
import structlog

from connectors.perpex.auth import Tokens
from connectors.perpex.budget import RequestBudget
from connectors.perpex.mapping import names
from connectors.perpex.mapping.names import Verdict
from connectors.perpex.mapping.read import (
    Fault,
    Payload,
    Quarantine,
    decode,
    items,
    levels,
    open_answer,
    rows,
)
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import (
    AccountWire,
    FillWire,
    MarketWire,
    OrderBookWire,
)
from connectors.perpex.requests import order_request
from connectors.web import Http, HttpReply
from engine.drive.seams import Randomness
from engine.errors import CredentialsError, ModelError, NotSentError, TransportError, VenueError

READ_TRIES_MAX: Final = 5
CANCEL_TRIES_MAX: Final = 3
PAGES_MAX: Final = 200
_BACKOFF_FIRST_S: Final = 0.5
_BACKOFF_MOST_S: Final = 8.0
_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_GET: Final = "GET"


class Unclear(msgspec.Struct, frozen=True):
    """Nobody knows whether the request was carried out."""

    detail: str


class NotSent(msgspec.Struct, frozen=True):
    """Nothing of the request left, so it was not carried out."""

    detail: str


Outcome = Payload | Fault | Unclear | NotSent


class FillsPage(msgspec.Struct, frozen=True):
    """Fills oldest first; `unreadable` is how many rows of the answers were not."""

    fills: tuple[FillWire, ...]
    unreadable: int = 0


class OrderBookReply(msgspec.Struct, frozen=True):
    """A book as (price, size), best first; `time_ns` is 0 where the venue gave none."""

    time_ns: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


class PerpexRest:
    """One key's way to the REST endpoints; without `tokens` only public ones can be read."""

    def __init__(
        self,
        http: Http,
        settings: PerpexSettings,
        budget: RequestBudget,
        tokens: Tokens | None,
        randomness: Randomness,
        quarantine: Quarantine,
    ) -> None:
        self.settings = settings
        self.budget = budget
        self.prefix = settings.rest_prefix
        self._http = http
        self._tokens = tokens
        self._randomness = randomness
        self._quarantine = quarantine
        self._log = structlog.get_logger()

    # -- where ---------------------------------------------------------------------------------

    async def probe(self) -> str:
        """The base path: of the settings, or the first candidate that lists markets as JSON.

        Sends no token. Raises TransportError when the host cannot be reached, VenueError when no
        candidate answers.
        """
        if self.prefix:
            return self.prefix
        seen: list[str] = []
        failure: TransportError | None = None
        for prefix in names.REST_PREFIXES:
            await self.budget.take_read()
            try:
                reply = await self._http.request(
                    _GET, prefix + names.MARKETS, timeout_s=self.settings.request_timeout_s
                )
            except TransportError as error:
                failure = error
                continue
            seen.append(f"{prefix}: HTTP {reply.status}")
            if reply.status == 200 and _lists_markets(reply):
                self.prefix = prefix
                self._log.info("perpex: base path found", prefix=prefix, tried=seen)
                return prefix
        if failure is not None:
            raise TransportError(f"perpex: no base path found: {failure}")
        raise VenueError(f"perpex: no base path found ({', '.join(seen)}); set rest_prefix")

    # -- reads -----------------------------------------------------------------------------------

    async def markets(self) -> list[MarketWire]:
        """GET /markets, its words without any token, since they go on into findings and notes.

        Raises VenueError when nothing in it can be read.
        """
        payload = await self._read(names.MARKETS)
        raw = items(payload.raw)
        found, bad = rows(raw, MarketWire, self._quarantine)
        if bad and not found:
            raise VenueError(f"perpex: none of {bad} markets can be read")
        scrub, replace = self.scrub, msgspec.structs.replace
        return [replace(one, symbol=scrub(one.symbol), status=scrub(one.status)) for one in found]

    async def orderbook(self, symbol: str, depth: int = names.DEPTH_MAX) -> OrderBookReply:
        """GET /orderbook/{symbol}, so many levels a side (1 to 20)."""
        if not 1 <= depth <= names.DEPTH_MAX:
            raise ModelError(f"perpex: depth {depth}, expected 1 to {names.DEPTH_MAX}")
        path = f"{names.ORDERBOOK}/{quote(symbol, safe='')}?{urlencode({'depth': depth})}"
        wire = decode((await self._read(path)).raw, OrderBookWire)
        return OrderBookReply(
            0 if wire.time is None else wire.time.ns,
            levels(wire.bids, removes=False),
            levels(wire.asks, removes=False),
        )

    async def account(self) -> AccountWire:
        """GET /account."""
        return decode((await self._read(names.ACCOUNT)).raw, AccountWire)

    async def fills(
        self, *, symbol: str = "", start_ms: int = 0, end_ms: int = 0, limit: int = 500
    ) -> FillsPage:
        """GET /trades, every page: the fills of [start, end] in ms, 0 for no bound.

        Raises VenueError when a page brings nothing new while a cursor says that there is more.
        """
        query: dict[str, str | int] = {"limit": min(limit, names.TRADES_PAGE_MAX)}
        if symbol:
            query["symbol"] = symbol
        if start_ms > 0:
            query["start"] = start_ms
        if end_ms > 0:
            query["end"] = end_ms
        seen: dict[str, FillWire] = {}
        unreadable = 0
        for _ in range(PAGES_MAX):
            payload = await self._read(f"{names.TRADES}?{urlencode(query)}")
            page, bad = rows(items(payload.raw), FillWire, self._quarantine)
            unreadable += bad
            before = len(seen)
            for fill in page:
                seen.setdefault(fill.id, fill)
            if not payload.cursor:
                ordered = sorted(seen.values(), key=lambda fill: (fill.time, fill.id))
                return FillsPage(tuple(ordered), unreadable)
            if len(seen) == before:
                raise VenueError("perpex: a page of trades brought nothing new, yet has a cursor")
            query["cursor"] = payload.cursor
        raise VenueError(f"perpex: more than {PAGES_MAX} pages of trades")

    # -- orders ----------------------------------------------------------------------------------

    async def post_orders(self, orders: list[msgspec.Raw], client_id: str = "") -> Outcome:
        """Send one order, or up to 10 as a batch, once; the budget has been asked before.

        Raises ModelError, and sends nothing, for none or more than 10.
        """
        path, body = order_request(orders)
        headers: dict[str, str] = {}
        if client_id and self.settings.sends_idempotency_key:
            headers[names.IDEMPOTENCY_HEADER] = client_id
        return await self._write("POST", path, body, headers)

    async def cancel(
        self, order_id: str, *, is_paid: bool = False, tries_max: int = CANCEL_TRIES_MAX
    ) -> Outcome:
        """DELETE /orders/{id}, tried again where that does no harm; waits for the budget.

        `is_paid` says that the budget has counted the first try already.
        A try that was unclear may have been carried out: whatever those after it say, the outcome
        is unclear then, unless one says that the order is canceled, or gone (maybe by this cancel).
        """
        path = f"{names.ORDERS}/{quote(order_id, safe='')}"
        outcome: Outcome = NotSent("not tried")
        unclear: Outcome | None = None
        was_renewed = False
        for tries in range(1, tries_max + 1):
            if tries > 1:
                await self._back_off(tries - 1)
            if tries > 1 or not is_paid:
                await self.budget.take_cancel()
            token = await self._token_or_none()  # an ended one is still better than none
            outcome = await self._write("DELETE", path, None, {}, token=token)
            if isinstance(outcome, Payload):
                return outcome
            verdict = outcome.verdict if isinstance(outcome, Fault) else None
            if verdict is Verdict.GONE:
                return outcome
            if isinstance(outcome, Unclear) or verdict is Verdict.UNCLEAR:
                unclear = outcome
            elif verdict is Verdict.UNAUTHORIZED:
                if was_renewed or not await self._renew(token or ""):
                    break
                was_renewed = True
            elif verdict not in {None, Verdict.THROTTLED}:
                break
        return unclear or outcome

    async def may(self, method: str, path: str, body: bytes | None) -> Outcome:
        """A request that can change nothing, to learn whether the key may make it."""
        await self.budget.take_read()
        return await self._write(method, path, body, {})

    def scrub(self, text: str) -> str:
        """A text of the venue's without any token."""
        return text if self._tokens is None else self._tokens.scrub(text)

    # -- one request -----------------------------------------------------------------------------

    async def _read(self, path: str) -> Payload:
        """GET until it succeeds, at most 5 times.

        Raises TransportError when the venue cannot be reached or does not recover, CredentialsError
        for a token or a permission, VenueError for what cannot be read or was refused.
        """
        was_renewed = False
        failure = ""
        for tries in range(1, READ_TRIES_MAX + 1):
            if tries > 1:
                await self._back_off(tries - 1)
            await self.budget.take_read()
            token = None if self._tokens is None else await self._tokens.get()
            try:
                reply = await self._request(_GET, path, None, {}, token)
            except TransportError as error:
                failure = str(error)
                continue
            answer = open_answer(reply.status, reply.body)
            if isinstance(answer, Payload):
                return answer
            failure = self._describe(path, answer)
            if answer.verdict is Verdict.UNAUTHORIZED:
                if was_renewed or not await self._renew(token or ""):
                    raise CredentialsError(f"{failure}; the token is not accepted")
                was_renewed = True
            elif answer.verdict is Verdict.FORBIDDEN:
                raise CredentialsError(f"{failure}; the key lacks the permission")
            elif answer.verdict not in {Verdict.THROTTLED, Verdict.UNCLEAR}:
                raise VenueError(failure)
        raise TransportError(f"{failure} ({READ_TRIES_MAX} tries)")

    async def _write(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        token: str | None = None,
    ) -> Outcome:
        """One request that may change something, sent once."""
        try:
            if token is None and self._tokens is not None:
                token = await self._tokens.get()
            reply = await self._request(method, path, body, headers, token)
        except CredentialsError as error:
            return NotSent(str(error))
        except NotSentError as error:
            return NotSent(self.scrub(str(error)))
        except TransportError as error:
            return Unclear(self.scrub(str(error)))
        try:
            answer = open_answer(reply.status, reply.body)
        except VenueError as error:
            self._quarantine.keep(f"answer to {method}", reply.body)
            return Unclear(self.scrub(str(error)))
        if isinstance(answer, Fault) and answer.verdict is Verdict.UNAUTHORIZED:
            self._log.warning("perpex: token refused", method=method)
            if self._tokens is not None:
                self._tokens.refuse(token or "")
        return answer

    async def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        token: str | None,
    ) -> HttpReply:
        sent = {**_JSON, **headers}
        if token:
            sent[names.AUTH_HEADER] = f"{names.AUTH_SCHEME} {token}"
        reply = await self._http.request(
            method,
            self.prefix + path,
            body=body,
            headers=sent,
            timeout_s=self.settings.request_timeout_s,
        )
        if reply.status == 429:
            wait_s = self.budget.throttle(reply.headers.get(names.RETRY_AFTER_HEADER))
            self._log.warning("perpex: throttled", method=method, wait_s=wait_s)
        else:
            self.budget.passed()
        return reply

    async def _renew(self, refused: str) -> bool:
        return self._tokens is not None and await self._tokens.renew(refused)

    async def _token_or_none(self) -> str | None:
        if self._tokens is None:
            return None
        try:
            return await self._tokens.get()
        except CredentialsError:
            return None

    async def _back_off(self, tries: int) -> None:
        whole_s = min(_BACKOFF_MOST_S, _BACKOFF_FIRST_S * 2.0 ** (tries - 1))
        await asyncio.sleep(whole_s * (0.5 + self._randomness.uniform() / 2))

    def _describe(self, path: str, fault: Fault) -> str:
        where = path.partition("?")[0]
        message = self.scrub(fault.message)[:200]
        text = f"perpex: GET {where}: HTTP {fault.status} {self.scrub(fault.code)} {message}"
        return text.rstrip()


def _lists_markets(reply: HttpReply) -> bool:
    try:
        answer = open_answer(reply.status, reply.body)
        if not isinstance(answer, Payload):
            return False
        listed = items(answer.raw)
        return not listed or decode(listed[0], MarketWire).symbol != ""
    except VenueError:
        return False
