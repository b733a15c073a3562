"""Batches as actions: exact texts, key order, and what is one action and what is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.hyperliquid.actions import (
    Action,
    CancelAction,
    CancelWire,
    ModifyAction,
    NoopAction,
    OrderAction,
    ScheduleCancelAction,
)
from connectors.hyperliquid.batches import from_batch, oid_of, split
from connectors.hyperliquid.sign import pack
from engine.errors import ModelError
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    Trigger,
    UpdateLeverage,
)
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.units import Side, Tif, TriggerKind


def instrument(coin: str, asset: int, sz_decimals: int) -> Instrument:
    tiers = (MarginTier(0, 25),)
    return hyperliquid_instrument(
        "hl", coin, sz_decimals=sz_decimals, margin_tiers=tiers, asset=asset
    )


ETH, TSLA = instrument("ETH", 4, 4), instrument("xyz:TSLA", 110_003, 0)
INSTRUMENTS = {ETH.id: ETH, TSLA.id: TSLA}
CLOID, CHILD = "0x" + "0" * 31 + "1", "0x" + "0" * 31 + "2"


def batch(kind: str, *commands: Command) -> Batch:
    return Batch("main", kind, commands, 1, len(commands))


def sent(kind: str, *commands: Command) -> Any:  # noqa: ANN401 - JSON
    """The action as the venue reads it, keys in the order of the bytes."""
    return msgspec.json.decode(msgspec.json.encode(from_batch(batch(kind, *commands), INSTRUMENTS)))


def place(px_ticks: int = 167_010, sz_lots: int = 147, **changes: Any) -> Place:  # noqa: ANN401
    entry = Place(ETH.id, CLOID, Side.BUY, px_ticks, sz_lots, Tif.GTC)
    return msgspec.structs.replace(entry, **changes)


STOP = place(
    160_000,
    cloid=CHILD,
    side=Side.SELL,
    reduce_only=True,
    trigger=Trigger(165_050, TriggerKind.STOP_LOSS, is_market=True),
)


# -- orders ----------------------------------------------------------------------------------------


def test_an_order_has_its_keys_in_signing_order_and_no_trailing_zeros() -> None:
    wire = {"a": 4, "b": True, "p": "1670.1", "s": "0.0147", "r": False}
    expected = {
        "type": "order",
        "orders": [{**wire, "t": {"limit": {"tif": "Gtc"}}, "c": CLOID}],
        "grouping": "na",
    }
    action = sent("order", place())

    assert expected == action
    assert list(expected) == list(action)
    assert list("abpsrtc") == list(action["orders"][0])


@pytest.mark.parametrize(
    ("px_ticks", "sz_lots", "expected"),
    [
        (167_010, 147, ("1670.1", "0.0147")),
        (10_000, 10_000, ("100", "1")),
        (1, 1, ("0.01", "0.0001")),
        (12_345_600, 1_230_000, ("123456", "123")),
    ],
)
def test_ticks_and_lots_become_the_exact_text(
    px_ticks: int, sz_lots: int, expected: tuple[str, str]
) -> None:
    wire = sent("order", place(px_ticks, sz_lots))["orders"][0]

    assert expected == (wire["p"], wire["s"])


def test_an_instrument_without_size_decimals_has_prices_of_six() -> None:
    wire = sent("order", place(250_123_000, 3, instrument=TSLA.id))["orders"][0]

    assert (110_003, "250.123", "3") == (wire["a"], wire["p"], wire["s"])


@pytest.mark.parametrize(
    ("kind", "tif"), [("order", Tif.GTC), ("order", Tif.IOC), ("alo", Tif.ALO)]
)
def test_the_time_in_force_is_sent_by_its_name(kind: str, tif: Tif) -> None:
    wire = sent(kind, place(tif=tif, side=Side.SELL, reduce_only=True))["orders"][0]

    assert {"limit": {"tif": tif.value}} == wire["t"]
    assert (False, True) == (wire["b"], wire["r"])


def test_a_trigger_has_its_own_keys_in_order_and_its_limit_as_price() -> None:
    action = sent("order", STOP)
    wire = action["orders"][0]
    trigger = wire["t"]["trigger"]

    assert {"isMarket": True, "triggerPx": "1650.5", "tpsl": "sl"} == trigger
    assert ["isMarket", "triggerPx", "tpsl"] == list(trigger)
    assert ["trigger"] == list(wire["t"])
    assert ("1600", "na") == (wire["p"], action["grouping"])


def test_a_bracket_is_grouped_with_its_entry_first() -> None:
    profit = Trigger(170_000, TriggerKind.TAKE_PROFIT, is_market=False)
    child = msgspec.structs.replace(STOP, trigger=profit, parent=CLOID)
    action = sent("bracket", place(), child)

    assert "normalTpsl" == action["grouping"]
    assert [CLOID, CHILD] == [wire["c"] for wire in action["orders"]]
    assert "tp" == action["orders"][1]["t"]["trigger"]["tpsl"]


# -- cancels, modifies, leverage -------------------------------------------------------------------


def cancel(cloid: str = CLOID) -> CancelOrder:
    return CancelOrder(ETH.id, cloid, 0)


def test_a_cancel_goes_by_cloid() -> None:
    expected = {"type": "cancelByCloid", "cancels": [{"asset": 4, "cloid": CLOID}]}

    assert expected == sent("cancel", cancel())


def test_a_cancel_of_an_order_without_a_cloid_goes_by_the_venues_id() -> None:
    assert {"type": "cancel", "cancels": [{"a": 4, "o": 82382}]} == sent(
        "cancel", cancel("oid:82382")
    )


def test_a_modify_names_the_order_by_cloid_and_keeps_it() -> None:
    modify = ModifyOrder(ETH.id, CLOID, 3, Side.SELL, 167_010, 147, Tif.ALO, reduce_only=True)
    action = sent("modify", modify)
    wire = {"a": 4, "b": False, "p": "1670.1", "s": "0.0147", "r": True}
    order = {**wire, "t": {"limit": {"tif": "Alo"}}, "c": CLOID}

    assert {"type": "batchModify", "modifies": [{"oid": CLOID, "order": order}]} == action
    assert ["oid", "order"] == list(action["modifies"][0])


def test_a_modify_of_an_order_without_a_cloid_gives_it_none() -> None:
    modify = ModifyOrder(ETH.id, "oid:7", 1, Side.BUY, 167_010, 147, Tif.GTC)
    wire = sent("modify", modify)["modifies"][0]

    assert 7 == wire["oid"]
    assert "c" not in wire["order"]


def test_leverage_has_its_keys_in_order() -> None:
    action = sent("leverage", UpdateLeverage(ETH.id, 10, is_cross=False))

    assert {"type": "updateLeverage", "asset": 4, "isCross": False, "leverage": 10} == action
    assert ["type", "asset", "isCross", "leverage"] == list(action)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (NoopAction(), {"type": "noop"}),
        (ScheduleCancelAction(), {"type": "scheduleCancel"}),
        (ScheduleCancelAction(5), {"type": "scheduleCancel", "time": 5}),
        (CancelAction((CancelWire(1, 2),)), {"type": "cancel", "cancels": [{"a": 1, "o": 2}]}),
    ],
)
def test_what_may_be_absent_is_left_out(action: Action, expected: dict[str, object]) -> None:
    assert expected == msgspec.json.decode(msgspec.json.encode(action))
    assert pack(expected) == pack(action)


# -- what is one action ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cloid", "expected"),
    [
        ("oid:0", 0),
        ("oid:57118842019", 57118842019),
        ("oid:", None),
        ("oid:-1", None),
        ("oid:٣", None),
        (CLOID, None),
        ("", None),
        ("82382", None),
    ],
)
def test_an_id_is_read_from_a_cloid_that_is_one(cloid: str, expected: int | None) -> None:
    assert expected == oid_of(cloid)


@pytest.mark.parametrize(
    ("kind", "commands", "expected"),
    [
        ("order", (place(), STOP), ((0, 1),)),
        ("cancel", (cancel(), cancel(CHILD)), ((0, 1),)),
        ("cancel", (cancel("oid:1"), cancel("oid:2")), ((0, 1),)),
        ("cancel", (cancel("oid:1"), cancel(), cancel("oid:2")), ((1,), (0, 2))),
        ("leverage", (UpdateLeverage(ETH.id, 1, is_cross=True),), ((0,),)),
        (
            "leverage",
            (UpdateLeverage(ETH.id, 1, is_cross=True), UpdateLeverage(TSLA.id, 2, is_cross=True)),
            ((0,), (1,)),
        ),
    ],
)
def test_a_batch_is_split_into_actions_and_nothing_is_lost(
    kind: str, commands: tuple[Command, ...], expected: tuple[tuple[int, ...], ...]
) -> None:
    parts = split(batch(kind, *commands))

    assert [batch(kind, *[commands[index] for index in part]) for part in expected] == list(parts)
    for part in parts:
        from_batch(part, INSTRUMENTS)


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        ("cancel", (cancel(), cancel("oid:1"))),
        ("leverage", (UpdateLeverage(ETH.id, 1, is_cross=True),) * 2),
        ("dance", (place(),)),
        ("order", (cancel(),)),
        ("modify", (place(),)),
        ("cancel", (place(),)),
        ("leverage", (place(),)),
        ("order", (place(instrument="hl:DOGE"),)),
    ],
)
def test_what_is_not_one_action_is_refused(kind: str, commands: tuple[Command, ...]) -> None:
    with pytest.raises(ModelError):
        from_batch(batch(kind, *commands), INSTRUMENTS)


# -- reading back ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        (
            b'{"type":"order","orders":[{"a":1,"b":true,"p":"1","s":"2","r":false,'
            b'"t":{"limit":{"tif":"Ioc"}}}],"grouping":{"p":10000}}'
        ),
        (
            b'{"type":"modify","oid":7,"order":{"a":1,"b":true,"p":"1","s":"2","r":false,'
            b'"t":{"trigger":{"isMarket":true,"triggerPx":"3","tpsl":"tp"}},"c":"0x01"}}'
        ),
        b'{"type":"scheduleCancel"}',
        b'{"type":"noop"}',
    ],
)
def test_an_action_decodes_to_what_encodes_to_the_same_bytes(text: bytes) -> None:
    action: Action = msgspec.json.decode(text, type=Action)

    assert text == msgspec.json.encode(action)
    assert isinstance(action, OrderAction | ModifyAction | ScheduleCancelAction | NoopAction)
