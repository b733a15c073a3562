"""From a TOML file to a checked Config.

Every mistake is one line: file, key, value, what was expected, and the nearest right word.
Nothing here runs a strategy's code: `engine.config.resolve` does.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from engine.config.explain import Mistake, explain, hint, joined, show
from engine.config.schema import (
    NAME_PATTERN,
    REFERENCE_FORMS,
    AccountConfig,
    BacktestConfig,
    Config,
    DaemonConfig,
    RiskConfig,
    StrategyConfig,
    SymbolConfig,
    VenueConfig,
    utc_ns,
)
from engine.config.secret import holds_hex_key, is_reference, redact
from engine.errors import ConfigError

RESERVED_NAMES: Final = frozenset({"external", "operator"})

_TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "venues": VenueConfig,
    "accounts": AccountConfig,
    "symbols": SymbolConfig,
}
_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "risk": RiskConfig,
    "backtest": BacktestConfig,
    "daemon": DaemonConfig,
}
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_NAME: Final = re.compile(NAME_PATTERN)


class LoadedConfig(msgspec.Struct, frozen=True):
    """A config with where it came from. `text_hash` is the SHA-256 of the file, in hex."""

    config: Config
    path: Path
    base_dir: Path
    text_hash: str

    def resolve(self, text: str) -> Path:
        """A path written in the file: relative to the file's folder."""
        return self.base_dir / Path(text).expanduser()

    @property
    def data_paths(self) -> tuple[Path, ...]:
        """The tape folders of [backtest]; empty without that section."""
        backtest = self.config.backtest
        return () if backtest is None else tuple(self.resolve(text) for text in backtest.folders)

    def fail(self, mistake: Mistake, *, owner: str = "") -> NoReturn:
        """Raise `mistake` as this file's ConfigError."""
        raise ConfigError(f"{self.path}: {mistake.line(owner=owner)}")


def load_config(path: str | Path) -> LoadedConfig:
    """Read and check a config file.

    Raises ConfigError: one line that names the file, the key, and what was expected.
    """
    path = Path(path)
    data = _read(path)
    try:
        tables = tomllib.loads(data.decode("utf-8-sig"))
        _refuse_unsafe(tables)
        config = _convert(tables)
        _check(config)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text, byte {error.start} is not") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {redact(str(error))}") from error
    except _Wrong as wrong:
        raise ConfigError(f"{path}: {wrong}") from wrong.__cause__
    return LoadedConfig(config, path, path.parent, hashlib.sha256(data).hexdigest())


# -- reading ---------------------------------------------------------------------------------------


class _Wrong(Exception):
    """A mistake whose file is not named yet."""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; expected a TOML config file") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: a folder; expected a TOML config file") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _refuse_unsafe(tables: Mapping[str, Any]) -> None:
    """No private key anywhere, not even as a key's name, and no number that is not finite."""
    for key, value in _leaves(tables, ""):
        if isinstance(value, str) and holds_hex_key(value):
            text = f"looks like a private key; expected {REFERENCE_FORMS}, never the key itself"
            raise _Wrong(Mistake(key or "top level", "", text).line())
        if isinstance(value, float) and not math.isfinite(value):
            raise _Wrong(Mistake(key, str(value), "expected a finite number").line())


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    """Every value that is no container, with its key; and every key's name, with its parent's."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield key, name
            yield from _leaves(inner, joined(key, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{key}[{index}]")
    else:
        yield key, value


# -- decoding, section by section, so that a mistake knows its whole key ---------------------------


def _convert(tables: Mapping[str, Any]) -> Config:
    known = [field.name for field in msgspec.structs.fields(Config)]
    for name in tables:
        if name not in known:
            raise _Wrong(f"{joined('', name)}: unknown key; {hint(name, known, 'sections')}")
    parts: dict[str, Any] = {}
    for name, cls in _TABLES.items():
        table = _table(tables, name)
        parts[name] = {
            entry: _section(value, cls, joined(name, entry)) for entry, value in table.items()
        }
    for name, cls in _SECTIONS.items():
        if name in tables:
            parts[name] = _section(tables[name], cls, name)
    for name in ("venues", "accounts", "strategies"):
        if not tables.get(name):
            wanted = "[[strategies]]" if name == "strategies" else f"[{name}.NAME]"
            raise _Wrong(f"{name}: missing; expected at least one {wanted} section")
    return Config(**parts, strategies=_strategies(tables["strategies"]))


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, Mapping):
        raise _Wrong(Mistake(name, "", f"expected sections [{name}.NAME]").line())
    for entry in table:
        if name != "symbols" and not _NAME.match(entry):
            text = "expected a name of letters, digits, '_' and '-'"
            raise _Wrong(Mistake(joined(name, entry), "", text).line())
    return table


def _section(value: object, cls: type[msgspec.Struct], key: str) -> msgspec.Struct:
    if cls is BacktestConfig and isinstance(value, Mapping):
        value = {name: _text_of_time(inner) for name, inner in value.items()}
    try:
        return msgspec.convert(value, cls)
    except msgspec.ValidationError as error:
        mistake = explain(error, cls, value, key, "key")
        # In an account anything may be a secret that slipped into the wrong place.
        shows = cls is not AccountConfig or mistake.key == f"{key}.venue"
        raise _Wrong(mistake.line(show=shows)) from error


def _strategies(value: object) -> list[StrategyConfig]:
    if not isinstance(value, list):
        raise _Wrong("strategies: expected [[strategies]] sections, with two brackets")
    strategies = []
    for index, table in enumerate(value):
        try:
            strategies.append(msgspec.convert(table, StrategyConfig))
        except msgspec.ValidationError as error:
            mistake = explain(error, StrategyConfig, table, f"strategies[{index}]", "key")
            name = table.get("name") if isinstance(table, Mapping) else None
            raise _Wrong(mistake.line(owner=_owner(name))) from error
    return strategies


def _text_of_time(value: object) -> object:
    """TOML's own dates and times, which may be written without quotes, as text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def _owner(name: object) -> str:
    return f'strategy "{name}"' if isinstance(name, str) else ""


# -- what one section says about another -----------------------------------------------------------


def _check(config: Config) -> None:
    for name, account in config.accounts.items():
        _check_account(config, name, account)
    seen: dict[str, int] = {}
    for index, strategy in enumerate(config.strategies):
        key = f"strategies[{index}]"
        if strategy.name in seen:
            first = f"strategies[{seen[strategy.name]}]"
            text = f"expected a name of its own; {first} has it already"
            raise _Wrong(Mistake(f"{key}.name", show(strategy.name), text).line())
        seen[strategy.name] = index
        _check_strategy(config, key, strategy)
    if config.backtest is not None:
        _check_backtest(config.backtest)


def _check_account(config: Config, name: str, account: AccountConfig) -> None:
    key = joined("accounts", name)
    venue = config.venues.get(account.venue)
    if venue is None:
        text = f"no such venue; {hint(account.venue, config.venues, 'venues')}"
        raise _Wrong(Mistake(f"{key}.venue", show(account.venue), text).line())
    for field, secret in (("key", account.key), ("token", account.token)):
        if secret and not is_reference(secret):
            raise _Wrong(f"{key}.{field}: expected {REFERENCE_FORMS}, never the {field} itself")
    wrong = "token" if venue.kind == "hyperliquid" else "key"
    if getattr(account, wrong):
        right = "key" if wrong == "token" else "token"
        raise _Wrong(f"{key}.{wrong}: a {venue.kind} account has a {right}, not a {wrong}")
    if account.address and venue.kind == "hyperliquid" and not _ADDRESS.fullmatch(account.address):
        raise _Wrong(f"{key}.address: expected an account address, 0x and 40 hex digits")


def _check_strategy(config: Config, key: str, strategy: StrategyConfig) -> None:
    owner = _owner(strategy.name)
    if strategy.name in RESERVED_NAMES:
        text = "expected another name; fills that no strategy caused belong to this one"
        raise _Wrong(Mistake(f"{key}.name", show(strategy.name), text).line())
    if strategy.account not in config.accounts:
        text = f"no such account; {hint(strategy.account, config.accounts, 'accounts')}"
        raise _Wrong(Mistake(f"{key}.account", show(strategy.account), text).line(owner=owner))
    venues = {config.accounts[strategy.account].venue}
    for index, name in enumerate(strategy.also):
        where = f"{key}.also[{index}]"
        if name not in config.accounts:
            text = f"no such account; {hint(name, config.accounts, 'accounts')}"
            raise _Wrong(Mistake(where, show(name), text).line(owner=owner))
        if config.accounts[name].venue in venues:
            text = "expected an account on another venue than the strategy's others"
            raise _Wrong(Mistake(where, show(name), text).line(owner=owner))
        venues.add(config.accounts[name].venue)
    if not strategy.symbols:
        raise _Wrong(
            Mistake(f"{key}.symbols", "[]", "expected at least one coin").line(owner=owner)
        )
    if strategy.symbols == "all":
        return
    for index, coin in enumerate(strategy.symbols):
        if coin in strategy.symbols[:index]:
            mistake = Mistake(f"{key}.symbols[{index}]", show(coin), "expected each coin once")
            raise _Wrong(mistake.line(owner=owner))


def _check_backtest(backtest: BacktestConfig) -> None:
    if not all(backtest.folders):
        raise _Wrong(Mistake("backtest.data", show(backtest.data), "expected a tape folder").line())
    for name, text in (("start", backtest.start), ("end", backtest.end)):
        try:
            utc_ns(text or "1970-01-01")
        except ValueError as error:
            mistake = Mistake(
                f"backtest.{name}",
                show(text),
                "expected a UTC date or time such as 2025-09-01 or 2025-09-01T12:00:00Z",
            )
            raise _Wrong(mistake.line()) from error
    start_ns, end_ns = backtest.start_ns, backtest.end_ns
    if start_ns is not None and end_ns is not None and end_ns <= start_ns:
        text = f"expected a time after backtest.start, {backtest.start}"
        raise _Wrong(Mistake("backtest.end", show(backtest.end), text).line())
