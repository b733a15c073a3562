"""The Perpex face as a whole: one port with REST and WebSocket, over the venue's core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from connectors.simulated.core import VenueCore
from connectors.simulated.faults import Faults
from connectors.simulated.perpex.hub import Hub
from connectors.simulated.perpex.rest import BODY_BYTES_MAX, RestDesk, envelope
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.perpex.tokens import PERMISSIONS, TokenDesk
from connectors.simulated.perpex.ws import WsDesk
from connectors.simulated.settings import HOST, VenueSettings
from engine.drive.seams import Randomness, SystemRandomness

STOP_WITHIN_S: Final = 2.0


class PerpexFace:
    """Serves the assumed wire of Perpex on loopback; `port` 0 takes a free one.

    `first_tokens` are those of a few accounts, by address. A test reaches in here: for tokens, and
    for the faults that are Perpex's own. Those of both venues are `connectors.simulated.faults`;
    the action of a request there is its method and path without ids, such as "POST orders" or
    "DELETE orders".
    """

    def __init__(
        self,
        core: VenueCore,
        faults: Faults,
        settings: PerpexFaceSettings,
        *,
        port: int = 0,
        strict: bool = False,
        randomness: Randomness | None = None,
    ) -> None:
        self.port = port
        self.settings = settings
        self.first_tokens: dict[str, str] = {}
        self._core = core
        self._faults = faults
        self._tokens = TokenDesk(core.clock, randomness or SystemRandomness(), strict=strict)
        self.hub = Hub(core, settings.warning_ppb)
        self._ws = WsDesk(core, settings, self._tokens, self.hub, faults)
        self._rest = RestDesk(core, settings, self._tokens, faults)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    # -- running -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen. The port is known from here on."""
        app = web.Application(middlewares=[envelope], client_max_size=BODY_BYTES_MAX)
        self._rest.add_routes(app)
        for path in self.settings.ws_paths:
            app.router.add_get(path, self._ws.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_WITHIN_S)
        await self._runner.setup()
        self._core.listeners.append(self.hub)
        await self._listen(True)  # noqa: FBT003 - open or not is all it takes
        self._faults.listen.append(self._listen)
        for number in range(self.settings.accounts):
            address = self._core.ids.address("perpex", number)
            self.first_tokens[address] = self.issue_token(address, self.settings.tokens_ttl_s)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._runner is None:
            return
        self._core.listeners.remove(self.hub)
        self._faults.listen.remove(self._listen)
        self._faults.release_hung()
        for connection in tuple(self._ws.connections):
            connection.close_cleanly()
        await self._runner.cleanup()
        self._runner = None

    async def _listen(self, is_open: bool) -> None:  # noqa: FBT001 - open or not is all it takes
        if not is_open:
            if self._site is not None:
                await self._site.stop()
                self._site = None
            return
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, HOST, self.port)
        await self._site.start()
        self.port = self._runner.addresses[-1][1]

    # -- where and who -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The REST host, without a prefix."""
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the WebSocket is."""
        return f"ws://{HOST}:{self.port}{self.settings.ws_paths[0]}"

    def addresses(self) -> dict[str, object]:
        """For the first line of `perpd venue`: where, and the tokens of a few accounts."""
        return {
            "perpex": self.url,
            "perpex_ws": self.ws_url,
            "perpex_tokens": dict(self.first_tokens),
        }

    def issue_token(
        self,
        address: str,
        ttl_s: float = 3_600.0,
        permissions: Sequence[str] = PERMISSIONS,
        key: str = "main",
    ) -> str:
        """A JWT for an account, good for `ttl_s` seconds; requests are counted by `key`.

        In a strict venue this is how an account comes about.
        """
        if self._core.account(address) is None and address.lower() not in self._core.agents:
            self._core.open_account(address)
        return self._tokens.issue(address, ttl_s, permissions, key)

    # -- faults of its own -------------------------------------------------------------------------

    def expire_tokens(self) -> None:
        """Refuse every token made so far, and close the connections that came with one."""
        self._tokens.revoke_all()
        self._ws.check_tokens()

    def withhold_pings(self) -> None:
        """Ping nobody any more."""
        self._ws.withholds_pings = True


def make_face(core: VenueCore, settings: VenueSettings, faults: Faults) -> PerpexFace | None:
    """The face the settings ask for; None when they leave it out."""
    if settings.perpex_port is None:
        return None
    return PerpexFace(
        core,
        faults,
        settings.perpex,
        port=settings.perpex_port,
        strict=settings.strict,
    )
