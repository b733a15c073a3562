"""Instruments from two sources: the stricter wins, and what nobody knows is said."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors.perpex.client_ids import GENERATIONS_MAX, client_id, split
from connectors.perpex.mapping.read import decode
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import MarketWire
from connectors.perpex.metadata import build_metadata
from connectors.perpex.numbers import id_number, money_e8, scaled, text_of
from engine.errors import ModelError, VenueError
from engine.model.instruments import Instrument, MarginTier
from tests.connectors.perpex.fakes import CLOID, instrument, market

HL = instrument("BTC", 3)


def build(row: dict[str, Any], known: Instrument | None = HL, mark: float = 100.0) -> Any:  # noqa: ANN401
    wire = decode(json.dumps(row), MarketWire)
    assumed = {} if known is None else {"BTC": known}
    return build_metadata("px", [wire], assumed, {"BTC": mark}, PerpexSettings())


def one(row: dict[str, Any], known: Instrument | None = HL) -> Instrument:
    made = build(row, known)
    assert {} == made.left_out
    item: Instrument = made.instruments[0]
    return item


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (3, 3)),
        ({"sz_decimals": 2, "size_step": None}, (3, 2)),
        ({"sz_decimals": 5, "size_step": None}, (3, 3)),
        ({"sz_decimals": None, "size_step": None}, (3, 3)),
        ({"size_step": "0.1"}, (3, 1)),
        ({"size_step": "0.5"}, (3, 0)),
        ({"price_tick": "0.01"}, (2, 3)),
        ({"price_tick": "0.5"}, (0, 3)),
        ({"price_tick": "0.0000001"}, (3, 3)),
    ],
)
def test_the_coarser_grid_of_the_two_wins(
    fields: dict[str, Any], expected: tuple[int, int]
) -> None:
    made = one(market(**fields))

    assert expected == (made.px_decimals, made.sz_decimals)


def test_the_larger_least_notional_and_the_smaller_leverage_win() -> None:
    strict = one(market(min_notional="25", max_leverage=30))
    loose = one(market(min_notional="1", max_leverage=100))

    assert [25 * 10**8, 10 * 10**8] == [strict.min_notional_e8, loose.min_notional_e8]
    assert (MarginTier(0, 30), MarginTier(10**15, 20)) == strict.margin_tiers
    assert HL.margin_tiers == loose.margin_tiers


def test_isolated_of_either_and_delisted_of_either_win() -> None:
    assert "noCross" == one(market(only_isolated=True)).margin_mode
    assert "cross" == one(market()).margin_mode
    assert one(market(status="delisted")).is_delisted
    assert one(market(status="Delisted")).is_delisted


def test_a_market_that_says_everything_itself_needs_no_reference_and_that_is_said() -> None:
    made = build(market(), known=None)

    assert [(3, 3, (MarginTier(0, 40),))] == [
        (i.px_decimals, i.sz_decimals, i.margin_tiers) for i in made.instruments
    ]
    assert "px:BTC" in made.notes[0]


def test_a_mark_that_could_not_be_compared_is_said() -> None:
    assert "could not be compared" in build(market(mark_price=None)).notes[0]
    assert () == build(market()).notes


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sz_decimals": None, "size_step": None}, "how fine"),
        ({"max_leverage": None}, "leverage"),
        ({"max_leverage": "0.5"}, "max_leverage"),
        ({"size_step": "0.3"}, "divides 1"),
        ({"size_step": "-1"}, "divides 1"),
        ({"sz_decimals": -2}, "expected 0 or more"),
        ({"price_tick": "3"}, "divides 1"),
    ],
)
def test_what_cannot_be_made_into_an_instrument_is_left_out_with_its_reason(
    fields: dict[str, Any], said: str
) -> None:
    made = build(market(**fields), known=None)

    assert () == made.instruments
    assert said in made.left_out["BTC"]


@pytest.mark.parametrize(
    ("fields", "mark", "is_blocked"),
    [
        ({}, 100.0, False),
        ({"mark_price": "101"}, 100.0, False),
        ({"mark_price": "101.01"}, 100.0, True),
        ({"mark_price": "98.9"}, 100.0, True),
        ({"mark_price": None}, 100.0, False),
        ({"mark_price": "100"}, 0.0, True),
        ({"status": "halted"}, 100.0, True),
        ({"status": "something new"}, 100.0, True),
        ({"status": "delisted"}, 100.0, False),
    ],
)
def test_a_market_takes_no_new_risk_when_its_mark_or_its_status_is_not_right(
    fields: dict[str, Any], mark: float, *, is_blocked: bool
) -> None:
    made = build(market(**fields), mark=mark)

    assert is_blocked is ("px:BTC" in made.blocked)
    assert 1 == len(made.instruments)


# -- numbers and ids -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "decimals", "expected"), [("1.5", 3, 1500), ("-0.001", 3, -1), ("1e2", 0, 100)]
)
def test_decimals_become_integers_exactly(value: str, decimals: int, expected: int) -> None:
    assert expected == scaled(Decimal(value), decimals, "x")
    assert Decimal(value) == Decimal(text_of(expected, decimals))


@pytest.mark.parametrize("value", ["0.0001", "1e20", "0.1234567890123456789"])
def test_what_does_not_fit_the_grid_is_never_rounded(value: str) -> None:
    with pytest.raises(VenueError):
        scaled(Decimal(value), 3, "x")


def test_money_is_rounded_to_the_nearest_1e_8() -> None:
    assert [100_000_000, 1, 0] == [
        money_e8(Decimal(v)) for v in ("1", "0.0000000149", "0.000000005")
    ]


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (1500, 3, "1.5"),
        (1000, 3, "1"),
        (1, 8, "0.00000001"),
        (120, 0, "120"),
        (10**15, 0, "1" + "0" * 15),
    ],
)
def test_what_is_sent_is_a_plain_decimal(value: int, decimals: int, expected: str) -> None:
    assert expected == text_of(value, decimals)


def test_ids_of_digits_are_themselves_and_others_always_the_same_number() -> None:
    assert [0, 7, 10**17] == [id_number(t) for t in ("0", "7", str(10**17))]
    others = [id_number(t) for t in ("a", "b", "007", "9" * 30, "०१")]
    assert others == [id_number(t) for t in ("a", "b", "007", "9" * 30, "०१")]
    assert all(2**62 <= number < 2**63 for number in others)
    assert 5 == len(set(others))


@pytest.mark.parametrize("generation", [0, 1, 77, GENERATIONS_MAX - 1])
def test_a_client_id_holds_its_generation_and_gives_it_back(generation: int) -> None:
    made = client_id(CLOID, generation)

    assert 34 == len(made)
    assert (CLOID, generation) == split(made)
    assert (CLOID, generation) == split(made.upper().replace("0X", "0x"))


@pytest.mark.parametrize("cloid", ["oid:5", "0x12", "0x" + "f" * 32])
def test_a_cloid_that_is_not_ours_has_no_next_generation(cloid: str) -> None:
    assert cloid == client_id(cloid, 0)
    with pytest.raises(ModelError):
        client_id(cloid, 1)


def test_a_generation_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError):
        client_id(CLOID, GENERATIONS_MAX)
