"""A link to Perpex as a config describes it: a token and a lock for each account, never a key.

What the gateway does not say of a coin is read from Hyperliquid's public metadata, which needs no
credentials at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

import structlog

from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.instruments import instruments_of
from connectors.perpex.auth import Renewable, Source, TokenSource
from connectors.perpex.link import PerpexLink
from connectors.perpex.mapping.names import BATCH_MAX
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.stream import Network
from connectors.web import AiohttpDialer, AiohttpHttp, Http
from connectors.windows import Window
from engine.budget import BudgetLimits
from engine.config import AccountConfig, Secret, VenueConfig, resolve_secret
from engine.drive.locks import lock_account
from engine.drive.seams import Clock, Randomness
from engine.errors import ConfigError, CredentialsError
from engine.model.instruments import Instrument

DIALS_PER_MINUTE: Final = 25
NO_BUDGET: Final = 1 << 50

log = structlog.get_logger("perpd.daemon")


class Closing(Protocol):
    """What holds connections."""

    async def aclose(self) -> None:
        """Close them."""
        ...


class HyperliquidReference:
    """What Hyperliquid says publicly of the same coins (`connectors.perpex.metadata`)."""

    def __init__(self, http: Http, venue: str) -> None:
        self._info = InfoClient(http)
        self._venue = venue

    async def instruments(self) -> Mapping[str, Instrument]:
        """Instruments by coin, under the Perpex venue's name."""
        found = instruments_of(await self._info.meta(), venue=self._venue)
        return {one.coin: one for one in found}

    async def marks(self) -> Mapping[str, float]:
        """Mark prices by coin."""
        meta, contexts = await self._info.meta_and_asset_ctxs()
        return {
            row.name: float(context.mark_px)
            for row, context in zip(meta.universe, contexts, strict=False)
        }


def tokens_of(
    accounts: dict[str, AccountConfig], venue: VenueConfig, base_dir: Path, held: ExitStack
) -> dict[str, Renewable]:
    """The tokens of one venue's accounts, each read again from where it is to be renewed.

    Locks are held until `held` is closed. Raises ConfigError for one that is missing, and
    UsageError when another process trades with the same.
    """
    found = {}
    for name, account in accounts.items():
        if not account.token:
            raise ConfigError(
                f"accounts.{name}.token: missing, expected env:NAME, file:PATH or keystore:PATH of"
                " the JWT from the account's dashboard"
            )
        first = resolve_secret(account.token, base_dir)
        network = f"perpex {venue.http_url or venue.network}"
        held.enter_context(lock_account(network, first.reveal().strip(), called=name))
        found[name] = Renewable(first, _reading_again(name, account.token, base_dir))
    return found


def _reading_again(account: str, reference: str, base_dir: Path) -> TokenSource:
    async def read() -> Secret:
        """What the reference names by now. Raises CredentialsError."""
        try:
            # A file may be slow, and a keystore is on purpose: neither may hold up trading.
            return await asyncio.to_thread(resolve_secret, reference, base_dir)
        except ConfigError as error:
            log.warning("perpex: token not read again", account=account, reason=str(error))
            raise CredentialsError(f"accounts.{account}.token: {error}") from None

    return read


def check_accepted(name: str, venue: VenueConfig) -> None:
    """Raise ConfigError unless it is said where the gateway is, and that it is unproven.

    One address without the other would send the token to two different hosts.
    """
    if bool(venue.http_url) is not bool(venue.ws_url):
        missing = "ws_url" if venue.http_url else "http_url"
        raise ConfigError(
            f"venues.{name}.{missing}: missing, expected both http_url and ws_url or neither: the"
            " token goes to both"
        )
    if venue.network == "testnet" and not venue.http_url:
        raise ConfigError(
            f'venues.{name}.network = "testnet": Perpex has no test network; expected "local" or'
            ' "mainnet"'
        )
    if venue.network != "local" and not venue.accept_unproven_gateway:
        raise ConfigError(
            f"venues.{name}.accept_unproven_gateway: expected true: nobody has proven the Perpex"
            ' gateway with real orders (see docs/venues/perpex.md); network = "local" needs it not'
        )


def perpex_budget(venue: VenueConfig) -> BudgetLimits:
    """The gateway's request budget for the engine's planner: by command where it counts those.

    A cancel is a request of its own, and a modify is a cancel and a place. Reads have a share of
    their own, which orders leave alone.
    """
    settings = PerpexSettings(batch_counts=venue.perpex.batch_counts)
    counts_orders = settings.batch_counts == "n"
    return BudgetLimits(
        ip_weight_max=settings.requests_max - settings.read_share,
        ip_weight_reserve=settings.cancel_reserve,
        address_actions_start=NO_BUDGET,
        batch_max=BATCH_MAX,
        order_weight=1 if counts_orders else 0,
        modify_weight=2,
        cancel_weight=1,
    )


def perpex_settings(venue: VenueConfig, rest_url: str = "", ws_url: str = "") -> PerpexSettings:
    """How the gateway is spoken to, at the given addresses or else at the config's."""
    usual, given = PerpexSettings(), venue.perpex
    return PerpexSettings(
        rest_url=rest_url or venue.http_url or usual.rest_url,
        rest_prefix=given.rest_prefix,
        ws_url=ws_url or venue.ws_url or usual.ws_url,
        auth=given.auth,
        batch_counts=given.batch_counts,
        symbols=given.aliases,
        sends_idempotency_key=given.idempotency_key,
        book_depth=given.book_depth,
        leverage=given.leverage,
    )


def perpex_link(  # noqa: PLR0913 - a link has these facts
    name: str,
    venue: VenueConfig,
    tokens: Mapping[str, Source],
    clock: Clock,
    randomness: Randomness,
    *,
    rest_url: str = "",
    ws_url: str = "",
    reference_url: str,
) -> tuple[PerpexLink, list[Closing]]:
    """The link, and the connections to be closed after it."""
    settings = perpex_settings(venue, rest_url, ws_url)
    http, public = AiohttpHttp(settings.rest_url), AiohttpHttp(reference_url)
    dials = Window(DIALS_PER_MINUTE, 60, clock)
    dialer = AiohttpDialer()
    network = Network(dialer, clock, randomness, dials)
    reference = HyperliquidReference(public, name)
    link = PerpexLink(name, settings, tokens, http, network, reference=reference)
    return link, [http, public, dialer]
