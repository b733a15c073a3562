"""A link to Hyperliquid as a config describes it: addresses, keys, a lock for each account."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.link import HyperliquidLink, Outside, over_network
from connectors.hyperliquid.settings import LinkSettings, Place, place_of
from engine.config import AccountConfig, VenueConfig, resolve_secret
from engine.drive.locks import lock_account
from engine.drive.seams import Clock, Randomness
from engine.errors import ConfigError, CredentialsError


class Trader(NamedTuple):
    """An account at the venue, and who signs for it."""

    address: str
    signer: Signer | None


def traders_of(
    accounts: dict[str, AccountConfig], venue: VenueConfig, base_dir: Path, held: ExitStack
) -> dict[str, Trader]:
    """The accounts of one venue with their keys; locks are held until `held` is closed.

    Raises ConfigError for a missing address or key, CredentialsError for what is no key, and
    UsageError when another process trades the account.
    """
    found = {}
    for name, account in accounts.items():
        if not account.key:
            raise ConfigError(
                f"accounts.{name}.key: missing, expected env:NAME, file:PATH or keystore:PATH of"
                " the key that signs for it"
            )
        try:
            signer = Signer(resolve_secret(account.key, base_dir))
        except CredentialsError as error:
            raise CredentialsError(f"accounts.{name}.key ({account.key}): {error}") from None
        address = account.address.lower() or signer.address
        # By network, whatever its address is spelt as: two processes must never meet on an account.
        held.enter_context(lock_account(venue.network, address))
        found[name] = Trader(address, signer)
    return found


def hyperliquid_link(
    name: str,
    venue: VenueConfig,
    traders: dict[str, Trader],
    clock: Clock,
    randomness: Randomness,
    place: Place | None = None,
) -> tuple[HyperliquidLink, Outside]:
    """The link, and what it reaches the world with (to be closed after it)."""
    place = place or place_of(venue.network, venue.http_url, venue.ws_url)
    outside = over_network(place, clock, randomness)
    settings = LinkSettings(expires_after_ms=venue.expires_after_ms)
    accounts = {account: (one.address, one.signer) for account, one in traders.items()}
    return HyperliquidLink(name, place, accounts, outside, settings), outside
