"""The OpenAPI description is what the mapping module says, field by field, and is well-formed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import schemathesis

from connectors.perpex.mapping import names, wire
from connectors.perpex.mapping.read import decode
from tests.connectors.perpex.fakes import T0_MS, account, fill, market, order, position
from tests.connectors.perpex.openapi import FRAMES, PATH, READ, describe, name_of


@pytest.fixture(scope="module")
def kept() -> Any:  # noqa: ANN401
    return json.loads(PATH.read_text(encoding="utf-8"))


def test_the_kept_description_is_the_one_made_from_the_mapping_module(kept: Any) -> None:  # noqa: ANN401
    assert describe() == kept, "write it anew: python -m tests.connectors.perpex.openapi"


def test_every_struct_of_the_wire_is_described_and_none_is_left_out(kept: Any) -> None:  # noqa: ANN401
    structs = {
        kind
        for kind in vars(wire).values()
        if isinstance(kind, type) and issubclass(kind, wire.Wire) and kind is not wire.Wire
    }

    assert structs == {*READ, *FRAMES}
    for kind in structs:
        described = kept["components"]["schemas"][name_of(kind)]
        fields = msgspec.structs.fields(kind)
        assert [field.name for field in fields] == list(described["properties"])
        assert [field.name for field in fields if field.required] == described["required"]


def test_every_endpoint_and_every_number_of_the_page_is_in_it(kept: Any) -> None:  # noqa: ANN401
    operations = {(verb, path) for path, verbs in kept["paths"].items() for verb in verbs}

    assert {
        ("get", "/markets"),
        ("get", "/orderbook/{symbol}"),
        ("get", "/account"),
        ("post", "/orders"),
        ("post", "/orders/batch"),
        ("delete", "/orders/{id}"),
        ("get", "/trades"),
    } == operations
    assert 10 == kept["components"]["schemas"]["BatchRequest"]["properties"]["orders"]["maxItems"]
    assert ["trades", "orderbook", "positions", "candles"] == kept["x-websocket"]["channels"]
    assert set(names.Code) == set(kept["x-error-codes"])


def test_it_is_an_openapi_document_that_a_tool_can_read(kept: Any) -> None:  # noqa: ANN401
    schema = schemathesis.openapi.from_dict(kept)

    assert 7 == len(list(schema.get_all_operations()))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Market", market()),
        ("Account", account(time=T0_MS, positions=[position()], open_orders=[order()])),
        ("Order", order()),
        ("Fill", fill()),
        ("Position", position()),
    ],
)
def test_what_the_fakes_send_has_exactly_the_fields_that_are_described(
    kept: Any,  # noqa: ANN401
    name: str,
    sent: dict[str, Any],
) -> None:
    kind = next(kind for kind in READ if name_of(kind) == name)

    assert set(kept["components"]["schemas"][name]["properties"]) == set(sent)
    assert isinstance(decode(json.dumps(sent), kind), kind)
