"""An entry and its protection: all of it, or none."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.commands import Place, Trigger
from engine.model.intents import (
    PlaceBracket,
    PlaceTrigger,
)
from engine.model.units import TriggerKind
from tests.engine.builders import (
    BTC,
    BUY,
    GTC,
    IOC,
    SELL,
    House,
    checks,
    commands,
    live_house,
    refused,
)


def bracket(house: House, **how: Any) -> PlaceBracket:  # noqa: ANN401 - passed on
    entry = house.limit(BUY, 99.0, 2.0)
    return house.strategies[0].bracket(entry, **({"stop_px": 95.0, "take_profit_px": 110.0} | how))


def test_a_bracket_is_an_entry_with_children_that_wait_for_it() -> None:
    house = live_house()
    intent = bracket(house)
    places = commands(house.ask(intent))
    assert intent.stop_loss is not None
    assert intent.take_profit is not None

    stop = Trigger(95_000, TriggerKind.STOP_LOSS, is_market=True)
    take = Trigger(110_000, TriggerKind.TAKE_PROFIT, is_market=True)
    parent = intent.entry.cloid
    assert places == [
        Place(BTC, parent, BUY, 99_000, 2000, GTC),
        Place(
            BTC,
            intent.stop_loss.cloid,
            SELL,
            85_500,
            2000,
            IOC,
            reduce_only=True,
            trigger=stop,
            parent=parent,
        ),
        Place(
            BTC,
            intent.take_profit.cloid,
            SELL,
            99_000,
            2000,
            IOC,
            reduce_only=True,
            trigger=take,
            parent=parent,
        ),
    ]


def test_a_bracket_may_have_one_child_or_none() -> None:
    house = live_house()

    assert 2 == len(commands(house.ask(bracket(house, stop_px=None))))
    assert 1 == len(commands(house.ask(bracket(house, stop_px=None, take_profit_px=None))))


def test_the_children_of_a_refused_entry_are_not_sent() -> None:
    house = live_house()
    house.halt()
    effects = house.ask(bracket(house))

    assert ["halted"] == checks(effects)
    assert [] == commands(effects)


def test_an_entry_whose_protection_cannot_be_placed_is_not_sent() -> None:
    house = live_house()
    intent = bracket(house, stop_px=1e-9)
    effects = house.ask(intent)

    # A stop to sell goes up to the first tick, but what it would then sell at is below it.
    assert [
        ("zero_price", "a price on the grid", "0"),
        ("bracket", "protection that can be placed", "zero_price"),
    ] == refused(effects)
    assert [] == commands(effects)
    assert 0 == house.account.exposure(BTC).count
    assert house.engine.orders.get(intent.entry.cloid) is None


def test_a_child_is_never_larger_than_its_entry() -> None:
    house = live_house()
    strategy = house.strategies[0]
    entry = house.limit(BUY, 99.0, 2.0)
    stop = strategy.stop_loss(BTC, SELL, 10**9, 95.0)
    places = commands(house.ask(PlaceBracket(BTC, entry, stop)))

    assert [2000, 2000] == [place.sz_lots for place in places if isinstance(place, Place)]


@pytest.mark.parametrize(
    ("stop", "limit"),
    [
        (
            PlaceTrigger(BTC, "s", BUY, 1.0, 95.0, TriggerKind.STOP_LOSS),
            "reduce-only children on the other side",
        ),
        (
            PlaceTrigger(BTC, "s", SELL, 1.0, 95.0, TriggerKind.STOP_LOSS, reduce_only=False),
            "reduce-only children on the other side",
        ),
        (
            PlaceTrigger("hl:ETH", "s", SELL, 1.0, 95.0, TriggerKind.STOP_LOSS),
            f"all of it on {BTC}",
        ),
    ],
)
def test_an_ill_formed_bracket_is_refused(stop: PlaceTrigger, limit: str) -> None:
    house = live_house()
    effects = house.ask(PlaceBracket(BTC, house.limit(BUY, 99.0, 1.0), stop))

    assert [("bracket", limit)] == [(check, said) for check, said, _ in refused(effects)]
    assert [] == commands(effects)


def test_a_bracket_around_a_quote_that_already_is_there_is_nothing() -> None:
    house = live_house()
    quote = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)
    house.ask(quote)
    house.accept(quote.cloid)
    entry = house.strategies[0].quote(BTC, "bid", BUY, 99.0, 1.0)

    assert () == house.ask(house.strategies[0].bracket(entry, stop_px=95.0))
