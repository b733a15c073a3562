"""One strategy on two venues: each intent, position and order is of the account that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.budget import BudgetLimits
from engine.config import accounts_elsewhere, assign_instruments, load_config
from engine.core import Engine
from engine.errors import ConfigError, ModelError
from engine.model.effects import Effect
from engine.model.events import (
    AccountOpened,
    AssetContext,
    EngineStarted,
    Event,
    OrderAccepted,
    OrderFilled,
    TimerFired,
    WeightSpent,
)
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import MONEY_SCALE, Side, Tif
from engine.setup import AccountSetup, EngineSetup, StrategySetup
from tests.engine.builders import EPOCH, START_NS, Scripted, batches, refusals

HERE, THERE = "px:BTC", "hl:BTC"
MAKER, HEDGER = "maker", "hedger"


def instrument(venue: str) -> Instrument:
    return hyperliquid_instrument(venue, "BTC", sz_decimals=3, margin_tiers=(MarginTier(0, 20),))


def engine_of(strategy: Scripted, **setup: Any) -> Engine:  # noqa: ANN401 - what a test sets
    entry = StrategySetup(
        "both", strategy, MAKER, (HERE, THERE), elsewhere=setup.pop("elsewhere", {THERE: HEDGER})
    )
    return Engine(
        EngineSetup(
            instruments=(instrument("px"), instrument("hl")),
            accounts=(AccountSetup(MAKER, "px"), AccountSetup(HEDGER, "hl")),
            strategies=(entry,),
            **setup,
        )
    )


def step(engine: Engine, kind: type[Event], *fields: object) -> tuple[Effect, ...]:
    return engine.step(kind(START_NS, START_NS, *fields))


def opened(strategy: Scripted, **setup: Any) -> Engine:  # noqa: ANN401
    engine = engine_of(strategy, **setup)
    step(engine, EngineStarted, EPOCH)
    for account, venue in ((MAKER, "px"), (HEDGER, "hl")):
        step(engine, AccountOpened, account, venue, 10**6 * MONEY_SCALE)
    for where in (HERE, THERE):
        step(engine, AssetContext, where, 100.0, 100.0, 0.0, 0.0)
    return engine


def test_a_strategy_starts_when_all_of_its_accounts_are_known() -> None:
    strategy = Scripted()
    engine = engine_of(strategy)
    step(engine, EngineStarted, EPOCH)
    step(engine, AccountOpened, MAKER, "px", 10**14)
    assert [] == strategy.handlers

    step(engine, AccountOpened, HEDGER, "hl", 10**14)
    assert ["on_start"] == strategy.handlers


def test_an_intent_goes_to_the_account_on_its_instruments_venue() -> None:
    strategy = Scripted()
    engine = opened(strategy)
    strategy.reply = [
        strategy.limit(HERE, Side.BUY, 99.0, 1.0),
        strategy.limit(THERE, Side.SELL, 101.0, 2.0),
    ]
    effects = step(engine, TimerFired, "both", "ask")

    assert [] == refusals(effects)
    assert {(MAKER, HERE), (HEDGER, THERE)} == {
        (batch.account, command.instrument)
        for batch in batches(effects)
        for command in batch.commands
    }
    assert 1_000 == engine.accounts[MAKER].exposure(HERE).buy_lots
    assert 2_000 == engine.accounts[HEDGER].exposure(THERE).sell_lots


def test_a_view_shows_the_position_and_the_money_of_each_place() -> None:
    strategy = Scripted()
    engine = opened(strategy)
    intent = strategy.limit(THERE, Side.SELL, 99.0, 2.0, tif=Tif.IOC)
    strategy.reply = [intent]
    step(engine, TimerFired, "both", "ask")
    step(engine, OrderAccepted, HEDGER, THERE, intent.cloid, 0, 1)
    fill = (1, 1, Side.SELL, 100_000, 2_000, 100.0, 2.0, 7 * MONEY_SCALE, False)
    step(engine, OrderFilled, HEDGER, THERE, intent.cloid, 0, *fill)
    view = strategy.view

    assert (0.0, -2.0) == (view.position(HERE).sz, view.position(THERE).sz)
    assert (1e6, 1e6 - 7) == (view.account_at(HERE).equity, view.account_at(THERE).equity)
    assert 1e6 == view.account.equity


def test_each_venue_has_a_budget_of_its_own() -> None:
    strategy = Scripted()
    tight = BudgetLimits(ip_weight_max=3, ip_weight_reserve=0, order_weight=1)
    engine = opened(strategy, budget_by_venue={"px": tight})
    step(engine, WeightSpent, "px", 1)
    strategy.reply = [
        strategy.limit(where, Side.BUY, 90.0 + n, 1.0) for where in (HERE, THERE) for n in range(4)
    ]
    effects = step(engine, TimerFired, "both", "ask")

    # One of three is spent; of four orders there two fit, and the other venue takes all.
    assert {MAKER: [2], HEDGER: [4]} == {
        account: [len(one.commands) for one in batches(effects) if one.account == account]
        for account in (MAKER, HEDGER)
    }
    assert [("ip_budget", "1 weight left", "2")] * 2 == [
        (one.check, one.limit, one.measured) for one in refusals(effects)
    ]


def test_an_account_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="account 'nobody'"):
        engine_of(Scripted(), elsewhere={THERE: "nobody"})


CONFIG = """
[venues.px]
kind = "perpex"
network = "local"
[venues.hl]
kind = "hyperliquid"
network = "local"
[accounts.maker]
venue = "px"
[accounts.hedger]
venue = "hl"
[accounts.other]
venue = "px"
[[strategies]]
name = "both"
use = "market_maker"
account = "maker"
also = {also}
symbols = {symbols}
"""


def config(tmp_path: Path, also: str, symbols: str) -> Path:
    path = tmp_path / "both.toml"
    path.write_text(CONFIG.format(also=also, symbols=symbols), encoding="utf-8")
    return path


def test_a_symbol_on_another_venue_is_written_with_the_venue_before_it(tmp_path: Path) -> None:
    loaded = load_config(config(tmp_path, '["hedger"]', '["BTC", "hl:BTC"]'))
    assigned = assign_instruments(loaded, (instrument("px"), instrument("hl")))["both"]

    assert (HERE, THERE) == assigned
    assert {THERE: HEDGER} == accounts_elsewhere(loaded, loaded.config.strategies[0], assigned)


@pytest.mark.parametrize(
    ("also", "symbols", "expected"),
    [
        ('["hegder"]', '["BTC"]', r'also\[0\] = "hegder".*did you mean "hedger"'),
        ('["other"]', '["BTC"]', r'also\[0\] = "other".*another venue'),
        ('["maker"]', '["BTC"]', r'also\[0\] = "maker".*another venue'),
        ('["hedger"]', '["hl:BTX"]', r'symbols\[0\] = "hl:BTX".*did you mean "BTC"'),
        ("[]", '["hl:BTC"]', r'symbols\[0\] = "hl:BTC"'),
    ],
)
def test_a_wrong_second_account_or_symbol_is_one_line(
    also: str, symbols: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=expected):
        assign_instruments(
            load_config(config(tmp_path, also, symbols)), (instrument("px"), instrument("hl"))
        )
