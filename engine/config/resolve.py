"""From the strategies a config names to their classes and checked parameters.

This loads, and so runs, plugin code.
"""

from __future__ import annotations

import msgspec

from engine.config.explain import Mistake, explain, show
from engine.config.load import LoadedConfig
from engine.config.schema import StrategyConfig
from engine.errors import StrategyError
from strategies.api import Params, Strategy
from strategies.registry import load_strategy


class ResolvedStrategy(msgspec.Struct, frozen=True):
    """One [[strategies]] section with its class and its parameters, defaults filled in."""

    config: StrategyConfig
    cls: type[Strategy]
    params: Params

    def make(self) -> Strategy:
        """A new strategy, not yet bound to an engine."""
        return self.cls(self.params)


def resolve_strategies(loaded: LoadedConfig) -> tuple[ResolvedStrategy, ...]:
    """Every configured strategy, in the file's order.

    Raises StrategyError, one line, when one cannot be loaded or its parameters are wrong.
    """
    return tuple(
        _resolve(loaded, index, config) for index, config in enumerate(loaded.config.strategies)
    )


def _resolve(loaded: LoadedConfig, index: int, config: StrategyConfig) -> ResolvedStrategy:
    key, owner = f"strategies[{index}]", f'strategy "{config.name}"'
    try:
        cls = load_strategy(config.use, loaded.base_dir)
    except StrategyError as error:
        mistake = Mistake(f"{key}.use", show(config.use), str(error))
        raise StrategyError(f"{loaded.path}: {mistake.line(owner=owner)}") from error
    try:
        params = msgspec.convert(config.params, cls.Params)
    except msgspec.ValidationError as error:
        mistake = explain(error, cls.Params, config.params, f"{key}.params", "parameter")
        raise StrategyError(f"{loaded.path}: {mistake.line(owner=owner)}") from error
    except StrategyError as error:
        raise StrategyError(f"{loaded.path}: {key}.params ({owner}): {error}") from error
    return ResolvedStrategy(config, cls, params)
