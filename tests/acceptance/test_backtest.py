"""A backtest from config to files: repeatable, its ledger closed, its journal replayable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from backtests.data_commands import generate_command, import_command
from backtests.report import summarise, write_report
from backtests.runner import run_backtest
from backtests.tape import Stream, StreamKind, write_tape
from engine.config import load_config
from engine.drive.recorded import replay_run
from engine.journal import JournalReader, JournalWriter, Record
from engine.journal.reader import EffectsRecord, EventRecord, MetaRecord
from engine.model.events import AnyEvent, BookDelta, BookSnapshot
from engine.model.instruments import MarginTier, hyperliquid_instrument
from engine.model.units import NS_PER_S
from tests.conftest import ROOT

CSVS = ("fills.csv", "orders.csv", "equity.csv")
CONFIG = """
[venues.hl]
kind = "hyperliquid"
network = "local"
[accounts.main]
venue = "hl"
[[strategies]]
name = "quotes"
use = "market_maker"
account = "main"
symbols = ["BTC", "ETH"]
params = { notional = 1000.0, half_spread_bps = 1.0, max_position = 4000.0 }
[[strategies]]
name = "trend"
use = "ema_cross"
account = "main"
symbols = ["BTC"]
params = { interval = "5s", fast = 2, slow = 4, notional = 2000.0 }
[backtest]
data = "market.tape"
starting_balance = 50_000.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated market of six minutes, and a config that trades it."""
    made = tmp_path_factory.mktemp("backtest")
    generate_command(made / "market.tape", seed=5, coins=["BTC", "ETH"], minutes=6)
    (made / "run.toml").write_text(CONFIG)
    return made


def summary_of(folder: Path, driver: str, journal: Path | None = None) -> dict[str, Any]:
    """Run the folder's config and return its summary as JSON would show it."""
    loaded = load_config(folder / "run.toml")
    result = run_backtest(loaded, driver=driver, journal_dir=journal)
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(summarise(result)))
    return found


def test_both_strategies_trade_on_both_sides_and_the_ledger_closes(folder: Path) -> None:
    loaded = load_config(folder / "run.toml")

    result = run_backtest(loaded, driver="chunked")

    for totals in result.strategies:
        assert totals.fills_buy > 0
        assert totals.fills_sell > 0
        assert totals.fees_e8 > 0
    net_e8 = sum(totals.net_e8 for totals in result.strategies)
    assert result.starting_equity_e8 + net_e8 == result.final_equity_e8
    assert result.final_equity_e8 == result.equity[-1].equity_e8


def test_the_files_are_the_same_bytes_under_two_hash_seeds(folder: Path, tmp_path: Path) -> None:
    for seed in ("1", "4242"):
        code = "import sys; from engine.cli import main; sys.exit(main())"
        args = ["backtest", str(folder / "run.toml"), "--out", str(tmp_path / seed)]
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", code, *args], check=True, env=env, cwd=tmp_path)

    for name in CSVS:
        first = (tmp_path / "1" / name).read_bytes()
        assert len(first.splitlines()) > 2
        assert first == (tmp_path / "4242" / name).read_bytes()


def test_both_drivers_write_the_same_files(folder: Path, tmp_path: Path) -> None:
    loaded = load_config(folder / "run.toml")
    for driver in ("reference", "chunked"):
        write_report(run_backtest(loaded, driver=driver), tmp_path / driver)

    for name in CSVS:
        expected = (tmp_path / "reference" / name).read_bytes()
        assert expected == (tmp_path / "chunked" / name).read_bytes()


def test_a_journaled_run_replays_identically(folder: Path, tmp_path: Path) -> None:
    summary_of(folder, "reference", tmp_path / "journal")

    outcome = replay_run(tmp_path / "journal")

    assert outcome.is_identical
    assert outcome.events > 1_000
    assert outcome.effects > 10


def telling(records: list[Record]) -> int:
    """Where a book update stands that the strategies answered, well into the run."""
    return next(
        number
        for number, (record, following) in enumerate(pairwise(records))
        if number > 900
        and isinstance(record, EventRecord)
        and isinstance(record.event, BookDelta | BookSnapshot)
        and isinstance(following, EffectsRecord)
    )


def another(event: AnyEvent) -> AnyEvent:
    """A book at the same instant, at prices far away."""
    assert isinstance(event, BookDelta | BookSnapshot)
    when = event.ts_venue_ns, event.ts_local_ns
    return BookSnapshot(*when, event.instrument, event.seq, (1.0,), (1.0,), (2.0,), (1.0,))


def test_one_changed_event_is_reported_as_the_first_differing_effect(
    folder: Path, tmp_path: Path
) -> None:
    summary_of(folder, "reference", tmp_path / "journal")
    records = list(JournalReader(tmp_path / "journal"))
    at = telling(records)
    with JournalWriter(tmp_path / "changed") as writer:
        for number, record in enumerate(records):
            if isinstance(record, MetaRecord):
                writer.append_meta(record.meta)
            elif isinstance(record, EventRecord):
                writer.append_event(another(record.event) if number == at else record.event)
            elif isinstance(record, EffectsRecord):
                writer.append_effects(record.effects)

    outcome = replay_run(tmp_path / "changed")

    assert outcome.difference is not None
    assert outcome.difference.record == at + 1
    assert outcome.difference.recorded != outcome.difference.new


def readme_blocks() -> dict[str, str]:
    """The README's code blocks by language; each language stands there once."""
    text = (ROOT / "README.md").read_text()
    return dict(re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL))


def test_the_strategy_in_the_readme_runs_from_its_file(tmp_path: Path) -> None:
    blocks = readme_blocks()
    (tmp_path / "mine.py").write_text(blocks["python"])
    (tmp_path / "mine.toml").write_text(blocks["toml"])
    generate_command(tmp_path / "market.tape", seed=3, coins=["BTC"], minutes=240)

    result = run_backtest(load_config(tmp_path / "mine.toml"))

    assert len(result.fills) > 0
    assert {order.strategy for order in result.orders} == {"breakout"}


LEVERED = """
[venues.hl]
kind = "hyperliquid"
network = "local"
[accounts.main]
venue = "hl"
[symbols.SOL]
leverage = 20
[[strategies]]
name = "trend"
use = "ema_cross"
account = "main"
symbols = ["SOL"]
params = { interval = "1m", fast = 2, slow = 4, notional = 15000.0 }
[risk]
data_age_ms_max = 120_000
[backtest]
data = "market.tape"
starting_balance = 1_000.0
"""
REAL_MM = (
    CONFIG.split('[[strategies]]\nname = "trend"', maxsplit=1)[0]
    + """
[backtest]
data = "market.tape"
starting_balance = 100_000.0
"""
)
REAL_EMA = """
[venues.hl]
kind = "hyperliquid"
network = "local"
[accounts.main]
venue = "hl"
[[strategies]]
name = "trend"
use = "ema_cross"
account = "main"
symbols = ["BTC", "ETH", "SOL"]
params = { interval = "1m", notional = 10000.0 }
[backtest]
data = "market.tape"
starting_balance = 100_000.0
"""


def crash(folder: Path) -> None:
    """Minutes that fall, minutes that rise, and then one that loses a seventh."""
    where = hyperliquid_instrument("hl", "SOL", sz_decimals=2, margin_tiers=(MarginTier(0, 20),))
    falling = [1_000_000 - 1_000 * k for k in range(6)]
    rising = [995_000 + 1_000 * k for k in range(8)]
    close = np.array([*falling, *rising, 860_000, 860_000])
    opened = np.concatenate([close[:1], close[:-1]])
    close_ns = 1_700_000_000 * NS_PER_S + np.arange(1, len(close) + 1) * 60 * NS_PER_S
    columns = {
        "ts_venue_ns": close_ns,
        "ts_local_ns": close_ns,
        "open_ticks": opened,
        "high_ticks": np.maximum(opened, close),
        "low_ticks": np.minimum(opened, close),
        "close_ticks": close,
        "volume_lots": np.full(len(close), 1_000),
    }
    bars = Stream.from_columns(StreamKind.BAR, where, columns, 60 * NS_PER_S)
    write_tape(folder / "market.tape", [bars])


def test_equity_below_maintenance_margin_is_said_first(tmp_path: Path) -> None:
    crash(tmp_path)
    (tmp_path / "run.toml").write_text(LEVERED)

    summary = summary_of(tmp_path, "chunked")

    assert summary["warnings"][0].startswith("At 2023-11-14T22:28:21")
    assert "below maintenance margin" in summary["warnings"][0]


@pytest.mark.parametrize("driver", ["reference", "chunked"])
def test_the_market_maker_trades_the_recorded_btc_and_eth_books(
    shared_dir: Path, tmp_path: Path, driver: str
) -> None:
    folder = shared_dir / "data" / "market" / "hl_l2_trades_20250904"
    files = [path for path in sorted(folder.iterdir()) if "BTC" in path.name or "ETH" in path.name]
    import_command(files, tmp_path / "market.tape")
    (tmp_path / "run.toml").write_text(REAL_MM)

    summary = summary_of(tmp_path, driver)

    totals = summary["per_strategy"]["quotes"]
    assert totals["fills_buy"] > 0
    assert totals["fills_sell"] > 0
    assert summary["fees"] > 0
    assert summary["ledger"]["difference"] == 0


def test_the_ema_cross_trades_recorded_candles_and_pays_recorded_funding(
    shared_dir: Path, tmp_path: Path
) -> None:
    market = shared_dir / "data" / "market"
    coins = ("BTC", "ETH", "SOL")
    files = [market / "hl_candles" / f"{coin}_1m.csv.gz" for coin in coins]
    files += [market / "hl_funding" / f"{coin}_1h_funding.csv.gz" for coin in coins]
    import_command(files, tmp_path / "market.tape")
    (tmp_path / "run.toml").write_text(REAL_EMA)

    summary = summary_of(tmp_path, "chunked")

    totals = summary["per_strategy"]["trend"]
    assert totals["fills_buy"] > 0
    assert totals["fills_sell"] > 0
    assert summary["fees"] > 0
    assert summary["funding"] != 0
    assert summary["ledger"]["difference"] == 0
