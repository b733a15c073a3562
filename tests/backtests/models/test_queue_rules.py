from __future__ import annotations

import pytest

from backtests.exchange import SimAccount, SimulatedExchange
from backtests.models.fees import StaticFees
from backtests.models.queue import queue_rule, queue_rule_for
from engine.errors import ModelError
from tests.backtests.exchange.scene import COIN


@pytest.mark.parametrize("name", ["trades", "cross"])
def test_a_rule_is_found_by_its_name(name: str) -> None:
    assert name == queue_rule(name)


def test_an_unknown_rule_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="queue rule 'touch', expected one of trades, cross"):
        queue_rule("touch")
    with pytest.raises(ModelError, match="queue rule 'touch'"):
        SimulatedExchange(
            [COIN],
            [SimAccount("main", 0)],
            fees=StaticFees(),
            queue={COIN.id: "touch"},  # type: ignore[dict-item]
            report_ns=lambda ts_ns: ts_ns,
        )


def test_a_tape_with_trades_gets_the_stricter_rule() -> None:
    assert ("trades", "cross") == (
        queue_rule_for(has_trades=True),
        queue_rule_for(has_trades=False),
    )
