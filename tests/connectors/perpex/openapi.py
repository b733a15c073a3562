"""Describes Perpex, as assumed, in OpenAPI 3.1: from the mapping module's own structs and words.

`python -m tests.connectors.perpex.openapi` writes docs/venues/perpex-openapi.json anew; a test
holds the file equal to what is made here.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from connectors.perpex.mapping import names, wire

PATH: Final = Path(__file__).resolve().parents[3] / "docs" / "venues" / "perpex-openapi.json"
NUMBER: Final = r"^-?[0-9]+(\.[0-9]+)?$"
POSITIVE: Final = r"^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,20})?$"
CLIENT_ID: Final = "^0x[0-9a-f]{32}$"
READ: Final[tuple[type[wire.Wire], ...]] = (
    wire.MarketWire,
    wire.OrderBookWire,
    wire.BalanceWire,
    wire.PositionWire,
    wire.OrderWire,
    wire.AccountWire,
    wire.FillWire,
    wire.CanceledWire,
    wire.ErrorWire,
    wire.BatchResultWire,
    wire.BatchWire,
)
FRAMES: Final[tuple[type[wire.Wire], ...]] = (
    wire.PrintWire,
    wire.LevelsWire,
    wire.CandleWire,
    wire.LiquidationWire,
    wire.FrameWire,
)

Json = dict[str, Any]


def name_of(kind: type) -> str:
    """A struct's name without its suffix."""
    return kind.__name__.removesuffix("Wire")


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str) -> Json:
    return {"type": "array", "items": ref(name)}


# What is read later, because one bad item must not take the others with it.
LATER: Final[dict[str, Json]] = {
    "OrderBook.bids": listed("Level"),
    "OrderBook.asks": listed("Level"),
    "Levels.bids": listed("Level"),
    "Levels.asks": listed("Level"),
    "Account.balances": listed("Balance"),
    "Account.positions": listed("Position"),
    "Account.open_orders": {"anyOf": [listed("Order"), {"type": "null"}]},
    "Batch.results": {**listed("BatchResult"), "maxItems": names.BATCH_MAX},
    "BatchResult.order": {"anyOf": [ref("Order"), {"type": "null"}]},
    "BatchResult.error": {"anyOf": [ref("Error"), {"type": "null"}]},
    "Error.details": {},
    "Frame.data": {},
}
# Numbers on the wire; every other decimal is a string there.
WHOLE: Final = frozenset({"Market.max_leverage"})
WORDS: Final[dict[str, Any]] = {
    "Market.status": names.MarketStatus,
    "Order.side": names.SIDES,
    "Order.type": names.OrderType,
    "Order.time_in_force": names.TIFS,
    "Order.status": names.OrderStatus,
    "Fill.side": names.SIDES,
    "Fill.liquidity": (names.MAKER, names.TAKER),
    "Print.side": names.SIDES,
    "Position.margin_mode": (names.CROSS, names.ISOLATED),
    "Candle.interval": names.INTERVALS_NS,
}


def schemas() -> Json:
    """Every struct, field by field; what is not required may be null or missing."""
    made: Json = {"Level": LEVEL}
    for kind in (*READ, *FRAMES):
        name = name_of(kind)
        fields = msgspec.structs.fields(kind)
        made[name] = {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": {field.name: _field(name, field) for field in fields},
            "required": [field.name for field in fields if field.required],
        }
    made["OrderRequest"] = _order_request()
    made["BatchRequest"] = {
        "type": "object",
        "properties": {
            "orders": {**listed("OrderRequest"), "minItems": 1, "maxItems": names.BATCH_MAX}
        },
        "required": ["orders"],
        "additionalProperties": False,
    }
    return made


LEVEL: Final[Json] = {
    "type": "array",
    "description": "Price and size; what follows them is ignored.",
    "items": {"type": "string", "pattern": NUMBER},
    "minItems": 2,
}


def _field(owner: str, field: msgspec.structs.FieldInfo) -> Json:
    key = f"{owner}.{field.name}"
    if key in LATER:
        return LATER[key]
    kinds = str(field.type)
    is_nullable = "None" in kinds
    schema: Json
    if key == "Market.max_leverage":
        schema = {"type": "integer"}  # read as any decimal, but it is shown as a whole number
    elif "Decimal" in kinds or field.type is Decimal:
        schema = {"type": "string", "pattern": NUMBER}
    elif "Millis" in kinds:
        schema = {"type": "integer", "description": "ms UTC"}
    elif "bool" in kinds:
        schema = {"type": "boolean"}
    elif "int" in kinds and "Id" not in kinds:
        schema = {"type": "integer"}
    else:
        schema = {"type": "string"}
    if key in WORDS:
        schema = {**schema, "enum": sorted(map(str, WORDS[key]))}
    return {"anyOf": [schema, {"type": "null"}]} if is_nullable else schema


def _order_request() -> Json:
    number = {"type": "string", "pattern": POSITIVE}
    known: Json = {
        "symbol": {"type": "string", "minLength": 1},
        "side": {"enum": sorted(names.SIDES)},
        "type": {"enum": sorted(names.OrderType)},
        "size": number,
        "price": number,
        "trigger_price": number,
        "time_in_force": {"enum": sorted(names.TIFS)},
        "reduce_only": {"type": "boolean"},
        "client_order_id": {"type": "string", "pattern": CLIENT_ID},
    }
    fields = msgspec.structs.fields(wire.OrderRequest)
    limits = sorted(names.LIMIT_TYPES)
    triggers = sorted(names.TRIGGER_TYPES)
    return {
        "type": "object",
        "properties": {field.name: known[field.name] for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"type": {"enum": limits}}},
                "then": {"required": ["price"]},
            },
            {
                "if": {"properties": {"type": {"enum": triggers}}},
                "then": {"required": ["trigger_price"]},
                "else": {"not": {"required": ["trigger_price"]}},
            },
        ],
    }


# -- operations ------------------------------------------------------------------------------------


def envelope(payload: Json, *, has_cursor: bool = False) -> Json:
    properties: Json = {"data": payload}
    if has_cursor:
        properties["next_cursor"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    return {"type": "object", "properties": properties, "required": ["data"]}


def success(payload: Json, **more: Any) -> Json:  # noqa: ANN401 - parts of a response
    has_cursor = more.pop("has_cursor", False)
    body = {"application/json": {"schema": envelope(payload, has_cursor=has_cursor)}}
    return {"description": "What was asked for.", "content": body, **more}


def failures(*statuses: int) -> Json:
    """The error answers of an operation; every operation may be throttled or fail."""
    every = sorted({429, 500, 503, *statuses})
    return {str(status): {"$ref": "#/components/responses/Fault"} for status in every}


def query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def in_path(name: str) -> Json:
    schema = {**SYMBOL, "maxLength": wire.TEXT_MAX}
    return {"name": name, "in": "path", "required": True, "schema": schema}


SYMBOL: Final[Json] = {"type": "string", "minLength": 1}
TIME: Final[Json] = {"type": "integer", "minimum": 0, "description": "ms UTC, inclusive"}


def operations() -> Json:
    """Every endpoint of the owner's page."""
    pages = [
        query("symbol", SYMBOL),
        query("start", TIME),
        query("end", TIME),
        query("limit", {"type": "integer", "minimum": 1, "maximum": names.TRADES_PAGE_MAX}),
        query("cursor", {"type": "string"}),
    ]
    depth = {"type": "integer", "minimum": 1, "maximum": names.DEPTH_MAX}
    return {
        names.MARKETS: {
            "get": {
                "operationId": "listMarkets",
                "summary": "All trading pairs and market data",
                "security": [{}, {"jwt": []}],
                "responses": {"200": success(listed("Market")), **failures(401)},
            }
        },
        f"{names.ORDERBOOK}/{{symbol}}": {
            "get": {
                "operationId": "readOrderbook",
                "summary": "Depth of one symbol",
                "security": [{}, {"jwt": []}],
                "parameters": [
                    in_path("symbol"),
                    query("depth", depth),
                ],
                "responses": {"200": success(ref("OrderBook")), **failures(400, 401)},
            }
        },
        names.ACCOUNT: {
            "get": {
                "operationId": "readAccount",
                "summary": "Balances, positions, margin, and open orders where they are listed",
                "responses": {"200": success(ref("Account")), **failures(401, 403)},
            }
        },
        names.ORDERS: {"post": _place()},
        names.ORDERS_BATCH: {
            "post": {
                "operationId": "placeOrders",
                "summary": "Place up to 10 orders; each has its own result",
                "requestBody": _body("BatchRequest"),
                "responses": {"200": success(ref("Batch")), **failures(400, 401, 403)},
            }
        },
        f"{names.ORDERS}/{{id}}": {
            "delete": {
                "operationId": "cancelOrder",
                "summary": "Cancel an open order",
                "parameters": [in_path("id")],
                "responses": {"200": success(ref("Canceled")), **failures(401, 403, 404)},
            }
        },
        names.TRADES: {
            "get": {
                "operationId": "listTrades",
                "summary": "The user's fills, newest first, by pages",
                "parameters": pages,
                "responses": {
                    "200": success(listed("Fill"), has_cursor=True),
                    **failures(400, 401, 403),
                },
            }
        },
    }


def _body(name: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": ref(name)}}}


def _place() -> Json:
    cancel = {"operationId": "cancelOrder", "parameters": {"id": "$response.body#/data/id"}}
    links = {"read": {"operationId": "readAccount"}, "cancel": cancel}
    return {
        "operationId": "placeOrder",
        "summary": "Place an order",
        "requestBody": _body("OrderRequest"),
        "responses": {
            "200": success(ref("Order"), links=links),
            **failures(400, 401, 403, 409, 422),
        },
    }


def describe() -> Json:
    """The whole description."""
    fault = {
        "type": "object",
        "properties": {"error": {**ref("Error")}},
        "required": ["error"],
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Perpex, as assumed by perpd",
            "version": "0",
            "summary": "The venue states paths, limits and three error codes, and nothing else.",
            "description": (
                "Made from connectors/perpex/mapping. No payload of the real service was ever seen:"
                " fields, words and error codes are assumptions, to be confirmed before live use."
                " perpd reads more than is described here (numbers as JSON numbers, times in s or"
                " ISO 8601, bare payloads) and sends exactly this."
            ),
        },
        "servers": [{"url": names.REST_URL + prefix} for prefix in names.REST_PREFIXES],
        "security": [{"jwt": []}],
        "paths": operations(),
        "components": {
            "securitySchemes": {
                "jwt": {"type": "http", "scheme": names.AUTH_SCHEME.lower(), "bearerFormat": "JWT"}
            },
            "responses": {
                "Fault": {
                    "description": "An error: a code and a message.",
                    "content": {"application/json": {"schema": fault}},
                }
            },
            "schemas": schemas(),
        },
        "x-error-codes": {code: str(verdict) for code, verdict in sorted(names.VERDICTS.items())},
        "x-websocket": {
            "url": names.WS_URL,
            "channels": [str(channel) for channel in names.Channel],
            "subscriptions_max": names.SUBSCRIPTIONS_MAX,
            "intervals": list(names.INTERVALS_NS),
            "operations": [str(op) for op in names.Op],
            "frame_types": [str(kind) for kind in names.FrameType],
            "sent": [field.name for field in msgspec.structs.fields(wire.ControlFrame)],
        },
    }


def text() -> str:
    """The description as it is kept."""
    return json.dumps(describe(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
