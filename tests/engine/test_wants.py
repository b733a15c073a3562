"""What a link is asked for: bars that its venue sends, and trades to build the others from."""

from __future__ import annotations

import pytest

from connectors.hyperliquid.bars import BARS_NS
from connectors.perpex.mapping import names
from connectors.port import Wants
from engine.drive.wants import bars_to_build, wants_of
from engine.model.units import NS_PER_S
from engine.setup import StrategySetup
from strategies.api import Bars, Subscription, Warmup
from tests.engine.builders import Scripted

MINUTE_NS = 60 * NS_PER_S
SENT = {"hl": BARS_NS, "px": frozenset(names.INTERVAL_WORDS)}


def on(where: tuple[str, ...], *items: Subscription, warmup: int = 0) -> list[StrategySetup]:
    strategy = Scripted(*items, warmup=Warmup(bars=warmup))
    return [StrategySetup("one", strategy, "main", where, elsewhere={})]


@pytest.mark.parametrize("interval", ["3m", "30m", "2h", "8h", "12h"])
def test_bars_that_one_venue_sends_and_another_does_not_are_built_there_from_trades(
    interval: str,
) -> None:
    bars = Bars(interval)
    both = on(("hl:BTC", "px:BTC"), bars)

    assert {("px:BTC", bars.interval_ns)} == bars_to_build(both, SENT)
    assert [
        Wants("hl:BTC", bars_ns=(bars.interval_ns,)),
        Wants("px:BTC", trades=True),
    ] == wants_of(both, SENT)


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "1h", "4h", "1d"])
def test_bars_that_every_venue_sends_are_built_nowhere(interval: str) -> None:
    both = on(("hl:BTC", "px:BTC"), Bars(interval))

    assert set() == bars_to_build(both, SENT)
    assert [False, False] == [want.trades for want in wants_of(both, SENT)]


def test_history_is_asked_for_only_with_bars_that_the_venue_sends() -> None:
    entries = on(("px:BTC",), Bars("1m", history=5), Bars("3m", history=50), warmup=9)

    assert [Wants("px:BTC", trades=True, bars_ns=(MINUTE_NS,), history_bars=9)] == wants_of(
        entries, SENT
    )


@pytest.mark.parametrize("interval", ["7s", "3d", "7d"])
def test_bars_that_no_venue_sends_are_built_on_each(interval: str) -> None:
    assert {"hl:BTC", "px:BTC"} == {
        where for where, _ in bars_to_build(on(("hl:BTC", "px:BTC"), Bars(interval)), SENT)
    }
