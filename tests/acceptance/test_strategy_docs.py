"""The examples of docs/strategies.md: they run as they stand, and do what the page says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backtests.data_commands import generate_command
from backtests.report.result import OrderRow, RunResult
from backtests.runner import run_backtest
from engine.config import load_config
from engine.errors import StrategyError
from engine.model.commands import CancelOrder, Place, Trigger
from engine.model.effects import Effect
from engine.model.events import (
    AccountOpened,
    Bar,
    EngineStarted,
    OrderCarried,
    PositionCarried,
)
from engine.model.orders import OrderState
from engine.model.units import MONEY_SCALE, NS_PER_MS, NS_PER_S, Side, Tif, TriggerKind
from strategies.api import Strategy
from strategies.registry import load_strategy
from tests.conftest import ROOT
from tests.engine.builders import BTC, MAIN, House, commands

OLD = "0x" + "ab" * 16
# One way to the venue and one back, as [backtest.latency] has them.
TRIP_NS = 200 * NS_PER_MS
CONFIG = """
[venues.hl]
kind = "hyperliquid"
network = "local"
[accounts.main]
venue = "hl"
[[strategies]]
name = "example"
use = "./example.py:{name}"
account = "main"
symbols = ["BTC"]
params = {{ {params} }}
[backtest]
data = "market.tape"
"""
# What the page says must not be done: the stop is moved by `modify` while it waits.
MOVED = '''
from engine.model.units import Side, TriggerKind
from strategies.api import Bars, Params, Strategy


class Moved(Strategy):
    """Holds a position with a stop, and tries to move it."""

    class Params(Params, frozen=True):
        interval: str = "1m"

    def subscriptions(self):
        return [Bars(self.params.interval)]

    def on_bar(self, bar):
        where, orders = bar.instrument, self.view.orders(bar.instrument)
        if not self.view.position(where).sz:
            return [] if orders else [self.market(where, Side.BUY, 0.01)]
        if not orders:
            return [self.stop_loss(where, Side.SELL, 0.01, bar.close * 0.9)]
        (stop,) = orders
        return [self.modify(where, stop.cloid, bar.close * 0.95, 0.01)]
'''


def examples() -> dict[str, str]:
    """The page's programs by the name of their class."""
    text = (ROOT / "docs" / "strategies.md").read_text()
    blocks: list[str] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    return {
        re.findall(r"^class (\w+)\(Strategy\)", block, re.MULTILINE)[0]: block for block in blocks
    }


def strategy(folder: Path, name: str) -> Strategy:
    """One example as an object, with the defaults of its parameters."""
    (folder / "example.py").write_text(examples()[name])
    cls = load_strategy(f"./example.py:{name}", folder)
    return cls(cls.Params())


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated market of twenty minutes."""
    folder = tmp_path_factory.mktemp("docs")
    generate_command(folder / "market.tape", seed=3, coins=["BTC"], minutes=20)
    return folder


def run(folder: Path, name: str, params: str, source: str = "") -> RunResult:
    """A backtest of an example, or of `source`."""
    (folder / "example.py").write_text(source or examples()[name])
    (folder / "run.toml").write_text(CONFIG.format(name=name, params=params))
    return run_backtest(load_config(folder / "run.toml"))


def test_the_page_has_both_examples() -> None:
    assert ["Bracketed", "Trailing"] == sorted(examples())


def test_the_bracket_is_left_by_its_stop_and_by_its_take_profit_and_one_ends_the_other(
    market: Path,
) -> None:
    result = run(market, "Bracketed", "interval = '5s', stop = 0.0003, profit = 0.0003")

    families: dict[int, list[OrderRow]] = {}
    for order in result.orders:
        if order.kind == "trigger":
            families.setdefault(order.ts_sent_ns, []).append(order)
    ends = set()
    for at_ns, children in families.items():
        stop, take = sorted(children, key=lambda order: order.px)
        (entry,) = [
            one for one in result.orders if one.ts_sent_ns == at_ns and one.kind == "market"
        ]
        assert entry.state == "filled"
        ends.add((stop.state, stop.reason, take.state, take.reason))
    assert {} == result.refusals
    assert {
        ("filled", "", "canceled", "siblingFilledCanceled"),
        ("canceled", "siblingFilledCanceled", "filled", ""),
    } <= ends


def test_the_trailing_stop_goes_up_only_and_is_canceled_after_the_next_one_was_accepted(
    market: Path,
) -> None:
    result = run(market, "Trailing", "interval = '5s', trail = 0.0005, step = 0.0001")

    stops = [order for order in result.orders if order.kind == "trigger"]
    moved = [order for order in stops if order.reason == "canceled"]
    assert {} == result.refusals
    assert len(moved) > 3
    for old in moved:
        following = next(new for new in stops if new.ts_sent_ns > old.ts_sent_ns)
        assert following.px > old.px
        assert old.ts_end_ns >= following.ts_sent_ns + 2 * TRIP_NS
    assert any(order.state == "filled" for order in stops)


def test_a_waiting_stop_cannot_be_modified(market: Path) -> None:
    result = run(market, "Moved", "interval = '5s'", MOVED)

    assert ["modify"] == [*result.refusals]


def restarted(example: Strategy, *, with_stop: bool) -> tuple[House, tuple[Effect, ...]]:
    """The example in a run that finds a position of 10 and, on demand, its stop; what starts it."""
    house = House(example, start=False)  # type: ignore[arg-type]  # none of the scripting is used
    house.step(AccountOpened, MAIN, "hl", 100_000 * MONEY_SCALE)
    house.step(PositionCarried, MAIN, BTC, "one", 10_000, 1_000 * MONEY_SCALE)
    if with_stop:
        trigger = Trigger(99_900, TriggerKind.STOP_LOSS, is_market=True)
        house.step(
            OrderCarried, MAIN, BTC, OLD, 0, 77, "one", "", Side.SELL, 90_000, 10_000, Tif.IOC,
            True, OrderState.WAITING, trigger,  # noqa: FBT003 - reduce-only
        )  # fmt: skip
    house.quote()
    house.mark()
    return house, house.step(EngineStarted, 7)


def test_the_trailing_stop_goes_on_from_the_stop_of_an_earlier_run(tmp_path: Path) -> None:
    house, effects = restarted(strategy(tmp_path, "Trailing"), with_stop=True)
    assert [] == commands(effects)

    rising = 100.0, 101.0, 100.0, 101.0
    (placed,) = commands(house.step(Bar, BTC, 60 * NS_PER_S, *rising, 1.0))

    assert isinstance(placed, Place)
    assert (Side.SELL, 10_000, True) == (placed.side, placed.sz_lots, placed.reduce_only)
    assert Trigger(100_800, TriggerKind.STOP_LOSS, is_market=True) == placed.trigger
    assert [CancelOrder(BTC, OLD, 0)] == commands(house.accept(placed.cloid))


def test_a_position_found_without_a_stop_is_given_one_at_the_start(tmp_path: Path) -> None:
    _, effects = restarted(strategy(tmp_path, "Trailing"), with_stop=False)

    (placed,) = commands(effects)
    assert isinstance(placed, Place)
    assert Trigger(99_800, TriggerKind.STOP_LOSS, is_market=True) == placed.trigger


def test_the_bracket_knows_its_stop_of_an_earlier_run(tmp_path: Path) -> None:
    example = strategy(tmp_path, "Bracketed")
    house, _ = restarted(example, with_stop=True)

    house.fill(OLD, 99.9, 10.0)

    assert house.now_ns + 60 * NS_PER_S == vars(example)["resumes_ns"]


@pytest.mark.parametrize(
    ("name", "params"), [("Bracketed", "stop = 1.5"), ("Trailing", "step = 0.01")]
)
def test_a_parameter_that_makes_no_sense_is_named_with_the_file(
    market: Path, name: str, params: str
) -> None:
    with pytest.raises(StrategyError, match=rf"run\.toml: strategies\[0\]\.params.*{params}"):
        run(market, name, params)
