"""What a journal must say of a run so that it can be run again, and the engine built from it.

A run's setup is data: instruments, accounts, limits, and for each strategy where its class is found
and its parameters. It is written once, in the journal's META record, before the first event.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.budget import BudgetLimits
from engine.config import LoadedConfig
from engine.core import Engine
from engine.drive.replay import ReplayOutcome, replay
from engine.errors import JournalError
from engine.journal import RunMeta
from engine.model.instruments import Instrument
from engine.setup import AccountSetup, EngineSetup, StrategySetup
from engine.version import own_version
from risk.limits import Limits
from strategies.api import make_params
from strategies.registry import load_strategy


class RecordedStrategy(msgspec.Struct, frozen=True):
    """A strategy of a recorded run: `use` and `base_dir` find its class."""

    name: str
    use: str
    base_dir: str
    params: dict[str, Any]
    account: str
    instruments: tuple[str, ...]
    on_stop: str
    on_fault: str = "keep_protection"
    elsewhere: dict[str, str] = {}


class RecordedSetup(msgspec.Struct, frozen=True):
    """The whole setup of a recorded run."""

    instruments: tuple[Instrument, ...]
    accounts: tuple[AccountSetup, ...]
    strategies: tuple[RecordedStrategy, ...]
    limits: Limits
    budget: BudgetLimits
    bars_from_trades: tuple[tuple[str, int], ...]
    budget_by_venue: dict[str, BudgetLimits] = {}


def run_meta(loaded: LoadedConfig, setup: EngineSetup) -> RunMeta:
    """What the journal of this run begins with."""
    uses = {item.name: item.use for item in loaded.config.strategies}
    recorded = RecordedSetup(
        instruments=setup.instruments,
        accounts=setup.accounts,
        strategies=tuple(
            RecordedStrategy(
                name=item.name,
                use=uses[item.name],
                base_dir=str(loaded.base_dir.resolve()),
                params=msgspec.to_builtins(item.strategy.params),
                account=item.account,
                instruments=item.instruments,
                on_stop=item.on_stop,
                on_fault=item.on_fault,
                elsewhere=item.elsewhere,
            )
            for item in setup.strategies
        ),
        limits=setup.limits,
        budget=setup.budget,
        bars_from_trades=tuple(sorted(setup.bars_from_trades)),
        budget_by_venue=setup.budget_by_venue,
    )
    return RunMeta(
        config_sha256=loaded.text_hash,
        perpd_version=own_version(),
        strategies=tuple(uses),
        setup=msgspec.msgpack.encode(recorded),
    )


def rebuild(meta: RunMeta | None) -> Engine:
    """A new engine as the recorded one was. Raises JournalError if the journal does not say."""
    if meta is None or not meta.setup:
        raise JournalError("the journal does not say what ran, expected a META record with a setup")
    try:
        recorded = msgspec.msgpack.decode(meta.setup, type=RecordedSetup)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the journal's META record: {error}") from error
    return Engine(
        EngineSetup(
            instruments=recorded.instruments,
            accounts=recorded.accounts,
            strategies=_strategies(recorded.strategies),
            limits=recorded.limits,
            budget=recorded.budget,
            bars_from_trades=frozenset(recorded.bars_from_trades),
            budget_by_venue=recorded.budget_by_venue,
        )
    )


def _strategies(recorded: Sequence[RecordedStrategy]) -> tuple[StrategySetup, ...]:
    found = []
    for item in recorded:
        cls = load_strategy(item.use, Path(item.base_dir))
        strategy = cls(make_params(cls, item.params))
        found.append(
            StrategySetup(
                item.name,
                strategy,
                item.account,
                item.instruments,
                item.on_stop,
                item.on_fault,
                item.elsewhere,
            )
        )
    return tuple(found)


def replay_run(folder: Path) -> ReplayOutcome:
    """Run a recorded run again: whether it came out the same, or the first effect that differs."""
    return replay(folder, rebuild)
