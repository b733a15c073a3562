"""Every config that ships with perpd is right, and says nothing that differs between machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import load_config, resolve_strategies

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))


def test_there_are_configs_to_start_from() -> None:
    names = {path.name for path in CONFIGS}

    assert {"demo.toml", "ema_cross_candles.toml", "market_maker_l2.toml"} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_loads_and_its_strategies_resolve(path: Path) -> None:
    loaded = load_config(path)
    strategies = resolve_strategies(loaded)

    assert [item.name for item in loaded.config.strategies] == [
        item.config.name for item in strategies
    ]
    assert all(item.make().params == item.params for item in strategies)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_keeps_its_files_below_the_build_folder(path: Path) -> None:
    loaded = load_config(path)
    daemon = loaded.config.daemon
    networks = {venue.network for venue in loaded.config.venues.values()}
    live = [daemon.journal, *([daemon.report] if daemon.report else [])]
    paths = [*loaded.data_paths, *(map(loaded.resolve, live) if networks == {"local"} else ())]

    assert paths
    assert all(folder.resolve().is_relative_to(ROOT / "build") for folder in paths)


def test_the_demo_runs_both_bundled_strategies_without_an_account() -> None:
    config = load_config(ROOT / "configs" / "demo.toml").config

    assert {"ema_cross", "market_maker"} == {item.use for item in config.strategies}
    assert {"local"} == {venue.network for venue in config.venues.values()}
    assert {("", "")} == {(item.address, item.key) for item in config.accounts.values()}
