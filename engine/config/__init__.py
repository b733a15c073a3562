"""The config file: one TOML file serves run and backtest.

`load_config` reads and checks it, `resolve_strategies` turns what it names into classes and
parameters, `assign_instruments` holds it against the market's metadata, `resolve_secret` fetches a
key when it is needed.
"""

from engine.config.assign import (
    accounts_elsewhere,
    assign_instruments,
    check_symbols,
    place_of_symbol,
)
from engine.config.load import LoadedConfig, load_config
from engine.config.resolve import ResolvedStrategy, resolve_strategies
from engine.config.schema import (
    AccountConfig,
    BacktestConfig,
    Config,
    DaemonConfig,
    FeesConfig,
    LatencyConfig,
    LocalConfig,
    PerpexConfig,
    RiskConfig,
    StrategyConfig,
    SymbolConfig,
    VenueConfig,
)
from engine.config.secret import Secret, resolve_secret

__all__ = [
    "AccountConfig",
    "BacktestConfig",
    "Config",
    "DaemonConfig",
    "FeesConfig",
    "LatencyConfig",
    "LoadedConfig",
    "LocalConfig",
    "PerpexConfig",
    "ResolvedStrategy",
    "RiskConfig",
    "Secret",
    "StrategyConfig",
    "SymbolConfig",
    "VenueConfig",
    "accounts_elsewhere",
    "assign_instruments",
    "check_symbols",
    "load_config",
    "place_of_symbol",
    "resolve_secret",
    "resolve_strategies",
]
