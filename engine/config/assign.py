"""Which instruments a strategy trades, and on which account: the config held against metadata.

A symbol is a coin of the venue of the strategy's account. With accounts on other venues (`also`), a
coin there is written with its venue before it: "hl:BTC".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.config.explain import Mistake, hint, joined, show
from engine.config.load import LoadedConfig
from engine.config.schema import StrategyConfig
from engine.model.instruments import Instrument


def check_symbols(loaded: LoadedConfig, known: Collection[str]) -> None:
    """Refuse a coin that is not among `known`, the instrument ids of the tape or of the venues.

    Raises ConfigError naming the key and the nearest coin of the strategy's own venue.
    """
    for index, strategy in enumerate(loaded.config.strategies):
        key, owner = f"strategies[{index}]", f'strategy "{strategy.name}"'
        venue = loaded.config.accounts[strategy.account].venue
        by_venue = _coins_by_venue(known)
        if venue not in by_venue:
            text = f'its venue "{venue}" has no instruments here; {hint(venue, by_venue, "venues")}'
            loaded.fail(Mistake(f"{key}.account", show(strategy.account), text), owner=owner)
        for place, symbol in enumerate(() if strategy.symbols == "all" else strategy.symbols):
            where, coin = place_of_symbol(loaded, strategy, symbol)
            coins = by_venue.get(where, [])
            if coin not in coins:
                text = f'venue "{where}" has no such symbol here; {hint(coin, coins, "symbols")}'
                loaded.fail(Mistake(f"{key}.symbols[{place}]", show(symbol), text), owner=owner)
    coins = sorted({where.partition(":")[2] for where in known})
    for coin in loaded.config.symbols:
        if coin not in coins:
            text = f"no such symbol; {hint(coin, coins, 'symbols')}"
            loaded.fail(Mistake(joined("symbols", coin), "", text))


def assign_instruments(
    loaded: LoadedConfig, instruments: Collection[Instrument]
) -> dict[str, tuple[str, ...]]:
    """The instrument ids of each strategy by its name, with "all" and the account's venue resolved.

    `instruments` is what the tape or the venues have; "all" leaves the delisted out. Raises
    ConfigError as `check_symbols` does, and when the leverage asked for does not exist.
    """
    check_symbols(loaded, {instrument.id for instrument in instruments})
    _check_leverage(loaded, instruments)
    assigned: dict[str, tuple[str, ...]] = {}
    for strategy in loaded.config.strategies:
        if strategy.symbols == "all":
            venue = loaded.config.accounts[strategy.account].venue
            listed = [item for item in instruments if not item.is_delisted]
            assigned[strategy.name] = tuple(item.id for item in listed if item.venue == venue)
        else:
            places = [place_of_symbol(loaded, strategy, symbol) for symbol in strategy.symbols]
            assigned[strategy.name] = tuple(f"{venue}:{coin}" for venue, coin in places)
    return assigned


def accounts_elsewhere(
    loaded: LoadedConfig, strategy: StrategyConfig, instruments: Collection[str]
) -> dict[str, str]:
    """The account of each instrument that is not on the venue of the strategy's own account."""
    others = _accounts_by_venue(loaded, strategy)
    found = {where: others.get(where.partition(":")[0]) for where in instruments}
    return {where: account for where, account in found.items() if account is not None}


def _accounts_by_venue(loaded: LoadedConfig, strategy: StrategyConfig) -> Mapping[str, str]:
    return {loaded.config.accounts[name].venue: name for name in strategy.also}


def place_of_symbol(loaded: LoadedConfig, strategy: StrategyConfig, symbol: str) -> tuple[str, str]:
    """The venue and coin of a symbol; a coin may have a colon of its own ("xyz:TSLA")."""
    venue, _, coin = symbol.partition(":")
    if coin and venue in _accounts_by_venue(loaded, strategy):
        return venue, coin
    return loaded.config.accounts[strategy.account].venue, symbol


def _coins_by_venue(known: Collection[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for where in known:
        venue, _, coin = where.partition(":")
        found.setdefault(venue, []).append(coin)
    return found


def _check_leverage(loaded: LoadedConfig, instruments: Collection[Instrument]) -> None:
    for instrument in instruments:
        symbol = loaded.config.symbols.get(instrument.coin)
        if symbol is not None and symbol.leverage > instrument.leverage_max:
            key = joined(joined("symbols", instrument.coin), "leverage")
            most = f"expected at most {instrument.leverage_max}, the most {instrument.id} allows"
            loaded.fail(Mistake(key, str(symbol.leverage), most))
