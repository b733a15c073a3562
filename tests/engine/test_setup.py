"""An engine is refused a setup in which something is missing or named twice."""

from __future__ import annotations

import pytest

from engine.errors import ModelError
from engine.setup import AccountSetup, EngineSetup, StrategySetup
from tests.engine.builders import BTC, ETH, MAIN, Scripted, instrument


def setup(*strategies: tuple[str, str, str]) -> EngineSetup:
    """A setup of strategies given as (name, account, instrument)."""
    return EngineSetup(
        instruments=(instrument(),),
        accounts=(AccountSetup(MAIN, "hl"),),
        strategies=tuple(
            StrategySetup(name, Scripted(), account, (where,))
            for name, account, where in strategies
        ),
    )


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        (
            [("one", MAIN, BTC), ("one", MAIN, BTC)],
            "strategy 'one': expected a name of its own, not one of perpd's",
        ),
        (
            [("external", MAIN, BTC)],
            "strategy 'external': expected a name of its own, not one of perpd's",
        ),
        ([("one", "other", BTC)], "strategy 'one': account 'other', expected one of {'main'}"),
        ([("one", MAIN, ETH)], "strategy 'one': instrument 'hl:ETH', expected one of {'hl:BTC'}"),
    ],
)
def test_a_setup_that_cannot_be_is_refused_with_what_was_expected(
    strategies: list[tuple[str, str, str]], message: str
) -> None:
    with pytest.raises(ModelError) as error:
        setup(*strategies)

    assert message == str(error.value)


def test_two_strategies_may_share_an_instrument_and_an_account() -> None:
    assert 2 == len(setup(("one", MAIN, BTC), ("two", MAIN, BTC)).strategies)
