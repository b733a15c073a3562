"""Opens every venue of a config, and closes it all again in the right order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Final

from connectors.hyperliquid.settings import Place, place_of
from connectors.perpex.auth import Source
from connectors.port import VenueLink
from connectors.simulated.server import LoopbackVenue
from engine.config import AccountConfig, LoadedConfig, Secret, VenueConfig
from engine.drive.seams import Clock, Randomness, SteadyClock
from engine.drive.venues.embedded import embedded_exchange, embedded_venues, made_up_signers
from engine.drive.venues.hyperliquid import Trader, hyperliquid_link, traders_of
from engine.drive.venues.opened import OpenVenues
from engine.drive.venues.perpex import (
    check_accepted,
    perpex_budget,
    perpex_link,
    tokens_of,
)
from engine.errors import ConfigError, CredentialsError

TOKEN_TTL_S: Final = 7 * 86_400.0


@asynccontextmanager
async def open_venues(
    loaded: LoadedConfig, clock: Clock, randomness: Randomness, *, seed: int | None = None
) -> AsyncIterator[OpenVenues]:
    """Make the links of a config; `seed` overrides the embedded exchange's.

    Raises ConfigError, CredentialsError, or UsageError when another process trades an account.
    """
    config = loaded.config
    with ExitStack() as held:
        async with AsyncExitStack() as stack:
            venues = OpenVenues({}, {}, SteadyClock(clock))
            if embedded_venues(config):
                exchange = embedded_exchange(loaded, clock, seed=seed)
                venues.exchange = await stack.enter_async_context(exchange)
            opener = _Opener(loaded, venues, randomness, held, stack)
            for name, venue in config.venues.items():
                accounts = {
                    key: account
                    for key, account in config.accounts.items()
                    if account.venue == name
                }
                if accounts:
                    opener.open(name, venue, accounts)
            yield venues


class _Opener:
    """What the opening of one venue needs of the rest."""

    def __init__(
        self,
        loaded: LoadedConfig,
        venues: OpenVenues,
        randomness: Randomness,
        held: ExitStack,
        stack: AsyncExitStack,
    ) -> None:
        self._base_dir = loaded.base_dir
        self._path = loaded.path
        self._venues = venues
        self._randomness = randomness
        self._held = held
        self._stack = stack
        self._run = f"{randomness.u64():016x}"
        self._signers = made_up_signers(loaded.config, randomness)

    def open(self, name: str, venue: VenueConfig, accounts: dict[str, AccountConfig]) -> None:
        """Add one venue's link."""
        inside = None
        if venue.network == "local" and not venue.http_url:
            inside = self._venues.exchange
        open_link = self._hyperliquid if venue.kind == "hyperliquid" else self._perpex
        try:
            self._venues.links[name] = open_link(name, venue, accounts, inside)
        except (ConfigError, CredentialsError) as error:
            raise type(error)(f"{self._path}: {error}") from None

    def _hyperliquid(
        self,
        name: str,
        venue: VenueConfig,
        accounts: dict[str, AccountConfig],
        inside: LoopbackVenue | None,
    ) -> VenueLink:
        if inside is None:
            traders = traders_of(accounts, venue, self._base_dir, self._held)
            place = place_of(venue.network, venue.http_url, venue.ws_url)
            for key, trader in traders.items():
                self._venues.addresses[key] = trader.address
        else:
            signers = {key: self._signers[key] for key in accounts}
            traders = {key: Trader(signer.address, signer) for key, signer in signers.items()}
            place = Place(inside.http_url, inside.ws_url)
            self._is_of_this_run(traders)
        link, outside = hyperliquid_link(
            name, venue, traders, self._venues.clock, self._randomness, place
        )
        self._stack.push_async_callback(outside.http.aclose)
        return link

    def _perpex(
        self,
        name: str,
        venue: VenueConfig,
        accounts: dict[str, AccountConfig],
        inside: LoopbackVenue | None,
    ) -> VenueLink:
        check_accepted(name, venue)
        self._venues.budgets[name] = perpex_budget(venue)
        rest_url = ws_url = ""
        if inside is None:
            tokens: Mapping[str, Source] = tokens_of(accounts, venue, self._base_dir, self._held)
            reference = venue.perpex.reference_url or place_of("mainnet").http_url
            for key in accounts:
                self._venues.addresses[key] = f"{venue.http_url or venue.network} {key}"
        else:
            face = inside.perpex
            tokens = {
                key: Secret(
                    face.issue_token(self._signers[key].address, ttl_s=TOKEN_TTL_S, key=key)
                )
                for key in accounts
            }
            rest_url, ws_url, reference = face.url, face.ws_url, inside.http_url
            self._is_of_this_run(accounts)
        link, closing = perpex_link(
            name,
            venue,
            tokens,
            self._venues.clock,
            self._randomness,
            rest_url=rest_url,
            ws_url=ws_url,
            reference_url=reference,
        )
        for http in closing:
            self._stack.push_async_callback(http.aclose)
        return link

    def _is_of_this_run(self, accounts: Iterable[str]) -> None:
        for key in accounts:
            self._venues.addresses[key] = f"{self._signers[key].address} of run {self._run}"
