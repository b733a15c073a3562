"""The REST half: who may ask, how often, and what is answered (protocol 9.4).

Every answer is the envelope, errors of the server itself included, unless a fault was asked for.
Public reads need no token; one that is sent must be good all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from aiohttp import web

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.faults import HTML, Fault, Faults
from connectors.simulated.history import FillRow
from connectors.simulated.perpex import views
from connectors.simulated.perpex.errors import (
    FORBIDDEN,
    HTTP_STATUS,
    INTERNAL,
    INVALID_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNAUTHORIZED,
    Refusal,
)
from connectors.simulated.perpex.limits import RequestLimits, throttled
from connectors.simulated.perpex.orders import OrderDesk, read_batch, read_order
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.perpex.tokens import READ, TRADE, Caller, TokenDesk, bearer
from connectors.simulated.perpex.views import Json

DEPTH_MAX: Final = 20
PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 500
BODY_BYTES_MAX: Final = 2**18
_TIME_MAX: Final = 10**15
_AFTER: Final = frozenset({"drop_after", "hang_after", "late_502", "garbage"})


class Page(NamedTuple):
    """What a handler answers; `cursor` is for lists only."""

    data: Any
    cursor: str | None = None
    is_list: bool = False


Handler = Callable[[web.Request, Caller | None], Awaitable[Page]]


class RestDesk:
    """The endpoints."""

    def __init__(
        self,
        core: VenueCore,
        settings: PerpexFaceSettings,
        tokens: TokenDesk,
        faults: Faults,
    ) -> None:
        self._core = core
        self._settings = settings
        self._tokens = tokens
        self._faults = faults
        self._limits = RequestLimits(settings, core.clock)
        self._orders = OrderDesk(core, settings)
        self._log = structlog.get_logger("venue.perpex")

    def add_routes(self, app: web.Application) -> None:
        """Serve every endpoint under every prefix."""
        endpoints: tuple[tuple[str, str, str, Handler], ...] = (
            ("GET", "markets", "", self._markets),
            ("GET", "orderbook/{symbol}", "", self._book),
            ("GET", "account", READ, self._account),
            ("POST", "orders", TRADE, self._place),
            ("POST", "orders/batch", TRADE, self._place_batch),
            ("DELETE", "orders/{id}", TRADE, self._cancel),
            ("GET", "trades", READ, self._trades),
        )
        for prefix in self._settings.prefixes:
            for method, path, permission, handler in endpoints:
                served = self._served(method, path, permission, handler)
                app.router.add_route(method, f"{prefix.rstrip('/')}/{path}", served)

    def _served(
        self, method: str, path: str, permission: str, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        action = f"{method} {path.partition('/{')[0]}"

        async def serve(request: web.Request) -> web.StreamResponse:
            fault = self._faults.take(request.path, action)
            if fault is not None and fault.kind not in _AFTER:
                answered = await self._go_wrong(request, fault)
                if answered is not None:
                    return answered
            answer = await self._answer(request, permission, handler)
            if fault is not None and fault.kind in _AFTER:
                return await self._go_wrong(request, fault) or answer
            return answer

        return serve

    async def _answer(
        self, request: web.Request, permission: str, handler: Handler
    ) -> web.StreamResponse:
        try:
            caller = self._caller(request, permission)
            page = await handler(request, caller)
        except Refusal as refusal:
            return refused(refusal)
        body: Json = {"data": page.data}
        if page.is_list:
            body["next_cursor"] = page.cursor
        return _json(200, body)

    def _caller(self, request: web.Request, permission: str) -> Caller | None:
        """Whom the request comes from; it counts against their limit, known or not."""
        try:
            token = bearer(request.headers.get("Authorization"))
            caller = None if token is None else self._tokens.read(token)
        except Refusal:
            self._limits.spend(f"ip {request.remote}")
            raise
        self._limits.spend(f"ip {request.remote}" if caller is None else caller.key)
        if permission and caller is None:
            raise Refusal(UNAUTHORIZED, "this needs a token")
        if permission and caller is not None and permission not in caller.permissions:
            raise Refusal(FORBIDDEN, f"the key lacks the permission {permission!r}")
        return caller

    def _account_of(self, caller: Caller | None) -> VenueAccount:
        assert caller is not None
        account = self._core.account(caller.address)
        if account is None:
            raise Refusal(UNAUTHORIZED, "the token is of no account here")
        return account

    # -- reads -------------------------------------------------------------------------------------

    async def _markets(self, _request: web.Request, _caller: Caller | None) -> Page:
        self._core.catch_up()
        rows = [views.market(self._core, self._core.public[one.id]) for one in self._core.universe]
        return Page(rows, is_list=True)

    async def _book(self, request: web.Request, _caller: Caller | None) -> Page:
        depth = _number(request, "depth", DEPTH_MAX, 1, DEPTH_MAX)
        instrument = self._orders.instrument(request.match_info["symbol"])
        self._core.catch_up()
        bids, asks = self._core.public[instrument.id].book(depth)
        book = {
            "symbol": instrument.coin,
            "time": self._core.clock.now_ms(),
            "bids": views.levels(instrument, bids),
            "asks": views.levels(instrument, asks),
        }
        return Page(book)

    async def _account(self, _request: web.Request, caller: Caller | None) -> Page:
        account = self._account_of(caller)
        self._core.catch_up()
        return Page(views.account(self._core, account, lists_orders=self._settings.lists_orders))

    async def _trades(self, request: web.Request, caller: Caller | None) -> Page:
        account = self._account_of(caller)
        symbol = request.query.get("symbol")
        instrument = None if symbol is None else self._orders.instrument(symbol)
        start_ms = _number(request, "start", 0, 0, _TIME_MAX)
        end_ms = _number(request, "end", _TIME_MAX, 0, _TIME_MAX)
        limit = _number(request, "limit", PAGE_DEFAULT, 1, PAGE_MAX)
        self._core.catch_up()
        fills = list(reversed(account.history.fills))
        wanted = [
            row
            for row in _older(fills, request.query.get("cursor"))
            if start_ms <= row.time_ms <= end_ms
            and (instrument is None or row.instrument.id == instrument.id)
        ]
        page = wanted[:limit]
        cursor = f"t{page[-1].tid}" if len(wanted) > limit else None
        return Page([views.fill(row) for row in page], cursor, is_list=True)

    # -- actions -----------------------------------------------------------------------------------

    async def _place(self, request: web.Request, caller: Caller | None) -> Page:
        body = await request.read()
        order = read_order(body)
        return await self._once(
            request, caller, body, lambda account: self._orders.place(account, order)
        )

    async def _place_batch(self, request: web.Request, caller: Caller | None) -> Page:
        body = await request.read()
        orders = read_batch(body)
        assert caller is not None
        if self._settings.batch_counts == "n" and len(orders) > 1:
            self._limits.spend(caller.key, len(orders) - 1)
        return await self._once(
            request, caller, body, lambda account: self._orders.place_all(account, orders)
        )

    async def _once(
        self,
        request: web.Request,
        caller: Caller | None,
        body: bytes,
        act: Callable[[VenueAccount], Json],
    ) -> Page:
        """Act, unless the same Idempotency-Key was answered before."""
        account = self._account_of(caller)
        key = request.headers.get("Idempotency-Key")
        await asyncio.sleep(self._core.settings.order_delay_s)
        earlier = self._orders.earlier(account, key, body)
        if earlier is not None:
            return Page(earlier)
        self._core.begin()
        try:
            answer = act(account)
        finally:
            self._core.end()
        self._orders.remember(account, key, body, answer)
        return Page(answer)

    async def _cancel(self, request: web.Request, caller: Caller | None) -> Page:
        account = self._account_of(caller)
        await asyncio.sleep(self._core.settings.order_delay_s)
        self._core.begin()
        try:
            return Page(self._orders.cancel(account, request.match_info["id"]))
        finally:
            self._core.end()

    # -- faults ------------------------------------------------------------------------------------

    async def _go_wrong(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """What a fault answers; None where the request goes its way after all."""
        kind = fault.kind
        if kind == "delay":
            await asyncio.sleep(fault.delay_s)
            return None
        if kind in {"hang_before", "hang_after"}:
            await self._faults.hang()
        if kind in {"refuse", "drop_after"} and request.transport is not None:
            request.transport.abort()
        if kind == "status_429":
            return refused(throttled(1))
        if kind == "null_500":
            return web.Response(status=500, body=b"null", content_type="application/json")
        if kind == "garbage":
            return web.Response(body=b"\x00{", content_type="application/json")
        return web.Response(status=502, text=HTML, content_type="text/html")


@web.middleware
async def envelope(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Say in the usual form what the server itself refuses, or stumbles over."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refused(refusal)
    except web.HTTPMethodNotAllowed as error:
        headers = {"Allow": ", ".join(sorted(error.allowed_methods))}
        return refused(Refusal(METHOD_NOT_ALLOWED, "not for this path", headers=headers))
    except web.HTTPNotFound:
        return refused(Refusal(NOT_FOUND, "there is no such path"))
    except web.HTTPException as error:
        return refused(Refusal(INVALID_REQUEST, error.reason))
    except Exception:  # noqa: BLE001 - a server answers whatever happened
        structlog.get_logger("venue.perpex").exception("a request failed", path=request.path)
        return refused(Refusal(INTERNAL, "internal error"))


def refused(refusal: Refusal) -> web.Response:
    """An error answer."""
    answer = _json(HTTP_STATUS[refusal.code], {"error": refusal.view()})
    answer.headers.update(refusal.headers)
    return answer


def _json(status: int, body: Json) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def _number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query. Raises Refusal."""
    text = request.query.get(name)
    if text is None:
        return default
    is_number = text.isascii() and text.isdecimal() and len(text) < 17
    if not is_number or not least <= int(text) <= most:
        raise Refusal(INVALID_REQUEST, f"{name}: expected a whole number from {least} to {most}")
    return int(text)


def _older(fills: list[FillRow], cursor: str | None) -> list[FillRow]:
    """The fills, newest first, that come after the one a cursor names."""
    if cursor is None:
        return fills
    for place, row in enumerate(fills):
        if f"t{row.tid}" == cursor:
            return fills[place + 1 :]
    raise Refusal(INVALID_REQUEST, "cursor: not one of this account, or too old")
