"""Finds a strategy's class from the three ways a config may name it, and lists what is installed.

    "ema_cross"              an installed name: bundled, or an entry point of the group
    `perpd.strategies` "package.module:Class"   anything importable "./file.py:Class"        a file,
    relative to the config file's folder

A plugin file is loaded under a module name of its own and its folder is never put on `sys.path`, so
it can shadow nothing; it therefore cannot import its siblings. Whatever is wrong with a plugin is
one line: a StrategyError.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import msgspec

from engine.errors import StrategyError
from strategies.api import Params, Strategy

GROUP: Final = "perpd.strategies"
# Known without an installation too, so that a bare checkout works.
BUNDLED: Final = {
    "ema_cross": "strategies.ema_cross:EmaCross",
    "market_maker": "strategies.market_maker:MarketMaker",
}
_FORMS: Final = "expected an installed name, 'package.module:Class' or './file.py:Class'"


class ParamInfo(msgspec.Struct, frozen=True):
    """One parameter; `default` as a config would write it, or "required"."""

    name: str
    type: str
    default: str


class StrategyInfo(msgspec.Struct, frozen=True):
    """An installed strategy; where it cannot be loaded, `error` says why and the rest is empty."""

    name: str
    target: str
    doc: str = ""
    params: tuple[ParamInfo, ...] = ()
    error: str = ""


def load_strategy(use: str, base_dir: Path) -> type[Strategy]:
    """The class that `use` names.

    Raises StrategyError: one line that says what was looked for, where, and what was found instead.
    """
    where, colon, name = use.rpartition(":")
    if not colon:
        if use.endswith(".py"):
            raise StrategyError(f"no class named; expected '{use}:Class'")
        return _installed(use)
    if not where or not name.isidentifier():
        raise StrategyError(f"not a strategy's name; {_FORMS}")
    if where.endswith(".py"):
        path = base_dir / Path(where).expanduser()
        return _class_of(_load_file(path), name, str(path))
    return _class_of(_import(where), name, where)


def installed_strategies() -> list[StrategyInfo]:
    """Every installed strategy by name, broken ones included."""
    return [_info(name, targets) for name, targets in sorted(_targets().items())]


# -- installed names -------------------------------------------------------------------------------


def _targets() -> dict[str, list[str]]:
    """Name to the different targets that are registered for it; more than one is an ambiguity."""
    targets = {name: [target] for name, target in BUNDLED.items()}
    for entry in entry_points(group=GROUP):
        found = targets.setdefault(entry.name, [])
        if entry.value not in found:
            found.append(entry.value)
    return targets


def _installed(name: str) -> type[Strategy]:
    targets = _targets()
    if name not in targets:
        raise StrategyError(f"no installed strategy has this name; {_near(name, targets)}")
    return _sole(targets[name])


def _sole(targets: list[str]) -> type[Strategy]:
    if len(targets) > 1:
        raise StrategyError(
            f"installed more than once, as {' and '.join(targets)}; name one of these instead"
        )
    where, _, name = targets[0].partition(":")
    return _class_of(_import(where), name, where)


def _info(name: str, targets: list[str]) -> StrategyInfo:
    target = " and ".join(targets)
    try:
        cls = _sole(targets)
    except StrategyError as error:
        return StrategyInfo(name, target, error=str(error))
    doc = (cls.__doc__ or "").strip().partition("\n")[0]
    fields = msgspec.structs.fields(cls.Params)
    return StrategyInfo(name, target, doc, tuple(_param(field) for field in fields))


def _param(field: msgspec.structs.FieldInfo) -> ParamInfo:
    default: Any = field.default
    if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    kind = field.type.__name__ if isinstance(field.type, type) else str(field.type)
    if default is msgspec.NODEFAULT:
        return ParamInfo(field.encode_name, kind, "required")
    return ParamInfo(field.encode_name, kind, msgspec.json.encode(default).decode())


# -- modules and files -----------------------------------------------------------------------------


class _UncachedLoader(SourceFileLoader):
    """Keeps no byte code: nothing stale, and no __pycache__ among the user's files."""

    def path_stats(self, path: object) -> NoReturn:
        """Say that there is no time to compare byte code with, which turns the cache off."""
        raise OSError(path)


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        parents = [module[: at or None] for at in _dots(module)]
        if isinstance(error, ModuleNotFoundError) and error.name in parents:
            raise StrategyError(
                f"no module '{error.name}' is installed; a file of your own is './file.py:Class'"
            ) from error
        raise StrategyError(f"module '{module}' cannot be imported: {_what(error)}") from error


def _dots(module: str) -> list[int]:
    return [0, *(at for at, char in enumerate(module) if char == ".")]


def _load_file(path: Path) -> ModuleType:
    try:
        source = path.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise StrategyError(f"{path}: {reason}; expected a Python file") from error
    # One module per content: an edited file is a new module, an unchanged one is loaded once.
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + source).hexdigest()[:12]
    name = f"perpd_plugin_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, path, loader=_UncachedLoader(name, str(path))
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # msgspec and dataclasses look their annotations up in sys.modules while the file runs.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise StrategyError(f"{path}: {_what(error, path)}{_sibling(error, path)}") from error
    return module


def _what(error: BaseException, path: Path | None = None) -> str:
    """An exception in one line, with the line of the plugin's file where it is known."""
    if isinstance(error, SyntaxError):
        return f"syntax error in line {error.lineno}: {error.msg}"
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path and Path(frame.filename) == path]
    return f"line {lines[-1]}: {said}" if lines else said


def _sibling(error: BaseException, path: Path) -> str:
    """What to do when the import that failed is of a file beside the plugin."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top = error.name.partition(".")[0]
    if not (path.parent / f"{top}.py").is_file() and not (path.parent / top).is_dir():
        return ""
    return (
        "; a plugin file cannot import its neighbours: install them and use 'package.module:Class'"
    )


def _class_of(module: ModuleType, name: str, where: str) -> type[Strategy]:
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, Strategy) and found is not Strategy:
        if not issubclass(found.Params, Params):
            raise StrategyError(f"{where}: {name}.Params is no subclass of strategies.api.Params")
        return found
    candidates = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    ]
    is_there = found is not None
    wrong = (
        f"'{name}' is no subclass of strategies.api.Strategy"
        if is_there
        else f"there is no '{name}'"
    )
    if not candidates:
        raise StrategyError(f"{where}: {wrong}, and there is no strategy in it")
    raise StrategyError(f"{where}: {wrong}; {_near(name, candidates)}")


def _near(name: str, known: Iterable[str]) -> str:
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    if close:
        return f'did you mean "{by_lower[close[0]]}"?'
    return f"known strategies: {', '.join(sorted(by_lower.values()))}"
