"""The embedded exchange of network "local": one for all such venues of a config, spoken to by wire.

Accounts are made up for the run, with keys and tokens of its own randomness. Accounts of one
`address` are one account, whichever venue they are traded through.
"""

from __future__ import annotations

from backtests.generator.settings import KNOWN_COINS
from connectors.hyperliquid.keys import Signer
from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import ACTIVITIES, VenueSettings
from engine.config import Config, LoadedConfig, Secret, place_of_symbol
from engine.drive.seams import Clock, Randomness
from engine.errors import ConfigError
from engine.model.units import money_e8

_DEFAULT_COINS = ("BTC", "ETH")


def embedded_venues(config: Config) -> dict[str, str]:
    """The venues of a config that the embedded exchange is: their kinds by name."""
    return {
        name: venue.kind
        for name, venue in config.venues.items()
        if venue.network == "local" and not venue.http_url
    }


def embedded_exchange(loaded: LoadedConfig, clock: Clock, *, seed: int | None) -> LoopbackVenue:
    """The exchange, not yet started. Raises ConfigError when venues describe it differently."""
    config = loaded.config
    names = [*embedded_venues(config)]
    settings = {name: config.venues[name].local for name in names}
    first = settings[names[0]]
    for name, other in settings.items():
        if other != first:
            raise ConfigError(
                f"venues.{name}.local: differs from venues.{names[0]}.local, expected the same:"
                " the embedded exchange is one"
            )
    wanted = [
        place_of_symbol(loaded, strategy, symbol)[1]
        for strategy in config.strategies
        for symbol in (strategy.symbols if strategy.symbols != "all" else ())
    ]
    # A coin that nobody knows is listed only when the config says so: else it is a slip.
    known = [coin for coin in wanted if coin in KNOWN_COINS]
    coins = tuple(dict.fromkeys(first.coins or known or _DEFAULT_COINS))
    has_perpex = "perpex" in embedded_venues(config).values()
    return LoopbackVenue(
        VenueSettings(
            seed=first.seed if seed is None else seed,
            coins=coins,
            market=ACTIVITIES[first.activity],
            balance_e8=money_e8(first.balance),
            start_before_hour_s=first.before_hour_s,
            perpex_port=0 if has_perpex else None,
        ),
        clock,
    )


def made_up_signers(config: Config, randomness: Randomness) -> dict[str, Signer]:
    """A signer for each account on the embedded exchange; one for all of the same address."""
    embedded = embedded_venues(config)
    signers: dict[str, Signer] = {}
    found = {}
    for name, account in config.accounts.items():
        if account.venue in embedded:
            whose = account.address.lower() or f"account {name}"
            if whose not in signers:
                words = b"".join(randomness.u64().to_bytes(8, "big") for _ in range(4))
                signers[whose] = Signer(Secret(words.hex()))
            found[name] = signers[whose]
    return found
