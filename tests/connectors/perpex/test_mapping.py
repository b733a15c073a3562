"""Perpex is read tolerantly, and what cannot be read is a VenueError or kept raw."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.perpex.mapping import names
from connectors.perpex.mapping.names import Verdict, verdict
from connectors.perpex.mapping.read import (
    RAW_BYTES_MAX,
    RAW_KEPT_MAX,
    Fault,
    Payload,
    Quarantine,
    decode,
    items,
    levels,
    open_answer,
    rows,
)
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import (
    FillWire,
    Millis,
    OrderRequest,
    OrderWire,
    PositionWire,
)
from engine.errors import ModelError, VenueError
from tests.connectors.perpex.fakes import fill, order, position


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


# -- decimals, times, ids --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("1.50", Decimal("1.50")),
        (1.5, Decimal("1.5")),
        (2, Decimal(2)),
        ("0.00000001", Decimal("0.00000001")),
        ("1e3", Decimal(1000)),
        ("-3", Decimal(-3)),
    ],
)
def test_a_decimal_may_be_a_string_or_a_number(sent: object, expected: Decimal) -> None:
    assert expected == decode(raw(position(size=sent)), PositionWire).size


def test_a_number_keeps_every_digit_that_was_sent() -> None:
    text = json.dumps(position()).replace('"1.5"', "0.12345678901234567890")

    assert Decimal("0.12345678901234567890") == decode(text, PositionWire).size


@pytest.mark.parametrize(
    "sent",
    ["NaN", "Infinity", "-inf", "1e999999999", "1e-30", "9" * 60, "", "abc", None, True, [1]],
)
def test_what_is_no_number_to_compute_with_is_refused(sent: object) -> None:
    with pytest.raises(VenueError):
        decode(raw(position(size=sent)), PositionWire)


@pytest.mark.parametrize(
    "sent",
    [
        1_767_225_600_000,
        1_767_225_600,
        1_767_225_600.0,
        "1767225600000",
        "1767225600",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T00:00:00.000Z",
    ],
)
def test_a_time_may_be_ms_s_or_iso(sent: object) -> None:
    assert Millis(1_767_225_600_000) == decode(raw(fill(time=sent)), FillWire).time


@pytest.mark.parametrize(
    "sent", [0, 12, 1_767_225_600_000_000, "yesterday", "", None, True, -1, 1e300, "9" * 300]
)
def test_a_time_in_another_unit_is_refused_and_not_guessed_at(sent: object) -> None:
    with pytest.raises(VenueError):
        decode(raw(fill(time=sent)), FillWire)


@pytest.mark.parametrize(("sent", "expected"), [("7", "7"), (7, "7"), ("a-b", "a-b")])
def test_an_id_is_text_even_when_it_was_a_number(sent: object, expected: str) -> None:
    assert expected == decode(raw(order(sent)), OrderWire).id  # type: ignore[arg-type]


@pytest.mark.parametrize("sent", ["", "x" * 300, 1.5, True, None, ["1"], "a\nb"])
def test_what_is_no_id_is_refused(sent: object) -> None:
    with pytest.raises(VenueError):
        decode(raw(order(sent)), OrderWire)  # type: ignore[arg-type]


def test_unknown_fields_are_ignored_and_only_what_is_vital_is_required() -> None:
    told = decode(raw({"id": 5, "status": "open", "colour": {"deep": [1]}}), OrderWire)

    assert ("5", "open", None) == (told.id, told.status, told.price)


# -- envelopes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected", "cursor"),
    [
        (b'{"data":[1],"next_cursor":null}', b"[1]", ""),
        (b'{"data":[1],"next_cursor":"c"}', b"[1]", "c"),
        (b'{"data":[1],"next_cursor":7}', b"[1]", "7"),
        (b"[1]", b"[1]", ""),
        (b'{"id":1}', b'{"id":1}', ""),
        (b'{"data":{"id":1},"extra":2}', b'{"id":1}', ""),
    ],
)
def test_a_success_may_be_wrapped_or_bare(body: bytes, expected: bytes, cursor: str) -> None:
    assert Payload(expected, cursor) == open_answer(200, body)


@pytest.mark.parametrize(
    ("status", "body", "code", "expected"),
    [
        (422, {"error": {"code": "INSUFFICIENT_MARGIN", "message": "m"}}, "", Verdict.REFUSED),
        (400, {"error": {"code": "INVALID_SYMBOL"}}, "INVALID_SYMBOL", Verdict.REFUSED),
        (404, {"code": "ORDER_NOT_FOUND", "message": "m"}, "ORDER_NOT_FOUND", Verdict.GONE),
        (500, {"error": "ORDER_NOT_FOUND"}, "ORDER_NOT_FOUND", Verdict.GONE),
        (200, {"error": {"code": "INVALID_SYMBOL"}}, "INVALID_SYMBOL", Verdict.REFUSED),
        (200, {"code": "INVALID_SYMBOL", "message": ""}, "INVALID_SYMBOL", Verdict.REFUSED),
        (409, {"error": {"code": "DUPLICATE_CLIENT_ORDER_ID"}}, "", Verdict.DUPLICATE),
        (418, {"error": {"code": "NEVER_HEARD"}}, "NEVER_HEARD", Verdict.REFUSED),
        (502, {"error": {"code": "NEVER_HEARD"}}, "NEVER_HEARD", Verdict.UNCLEAR),
        (429, {"error": {"code": "INTERNAL"}}, "INTERNAL", Verdict.THROTTLED),
        (503, {"error": {}}, "", Verdict.UNCLEAR),
    ],
)
def test_an_error_is_judged_by_its_code_first_and_its_status_second(
    status: int, body: object, code: str, expected: Verdict
) -> None:
    fault = open_answer(status, json.dumps(body).encode())

    assert isinstance(fault, Fault)
    assert expected is fault.verdict
    assert code in fault.code


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, Verdict.UNAUTHORIZED),
        (403, Verdict.FORBIDDEN),
        (408, Verdict.UNCLEAR),
        (409, Verdict.UNCLEAR),
        (422, Verdict.REFUSED),
        (429, Verdict.THROTTLED),
        (500, Verdict.UNCLEAR),
        (502, Verdict.UNCLEAR),
        (302, Verdict.UNCLEAR),
    ],
)
def test_an_error_page_that_is_no_json_is_judged_by_its_status(
    status: int, expected: Verdict
) -> None:
    fault = open_answer(status, b"<html>oh</html>")

    assert Fault(status, "", "", expected) == fault
    assert f"HTTP {status}" == fault.reason


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":', b"\xff\xfe", b'"text"', b"null"])
def test_a_success_that_is_no_json_object_or_list_is_refused(body: bytes) -> None:
    with pytest.raises(VenueError):
        open_answer(200, body)


def test_the_codes_of_the_page_are_all_known() -> None:
    stated = {"INSUFFICIENT_MARGIN", "INVALID_SYMBOL", "ORDER_NOT_FOUND"}

    assert stated <= set(names.VERDICTS)
    assert set(names.Code) == set(names.VERDICTS)
    assert Verdict.GONE is verdict(200, "ORDER_NOT_FOUND")


# -- lists and levels ------------------------------------------------------------------------------


def test_one_bad_row_does_not_take_the_others_with_it_and_is_kept_raw() -> None:
    quarantine = Quarantine()
    listed = [raw(fill("a")), raw({"id": "b"}), raw(fill("c"))]

    found, bad = rows(listed, FillWire, quarantine)

    assert ["a", "c"] == [item.id for item in found]
    assert 1 == bad
    assert {"FillWire": 1} == quarantine.counts
    assert ("FillWire", '{"id": "b"}') == quarantine.kept[0]


def test_the_quarantine_is_bounded_in_every_way_and_counts_on() -> None:
    quarantine = Quarantine(lambda text: text.replace("secret", "***"))

    for number in range(3_000):
        quarantine.keep(f"kind {number}", b"secret " + b"x" * 10_000)

    assert RAW_KEPT_MAX == len(quarantine.kept)
    assert 3_000 == sum(quarantine.counts.values())
    assert len(quarantine.counts) <= 1_001
    assert all(len(text) <= RAW_BYTES_MAX for _, text in quarantine.kept)
    assert not any("secret" in text for _, text in quarantine.kept)


def test_no_part_of_a_token_is_left_where_what_is_kept_was_cut() -> None:
    token = "secret" * 100
    quarantine = Quarantine(lambda text: text.replace(token, "***"))

    for count in range(1, 50):
        quarantine.keep("frame", f"{token} " * count)
        quarantine.keep("frame", f"{token} ".encode() * count)

    assert not any("secret" in text for _, text in quarantine.kept)


@pytest.mark.parametrize("field", ["id", "price", "fee", "time"])
@pytest.mark.parametrize("count", [1, 110, 160, 190, 300])
def test_an_error_of_reading_shows_nothing_of_what_was_read(field: str, count: int) -> None:
    with pytest.raises(VenueError) as caught:
        decode(raw({**fill(), field: "\n" + "x" * count + "secret" * 8}), FillWire)

    assert "secr" not in str(caught.value)


def test_an_object_where_a_list_is_expected_is_a_list_of_one() -> None:
    assert 1 == len(items(b' {"id":1}'))
    assert 2 == len(items(b"[1,2]"))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([["99.5", "1"], [98, 2]], ((99.5, 1.0), (98.0, 2.0))),
        ([["99.5", "1", 7]], ((99.5, 1.0),)),
        ([], ()),
    ],
)
def test_levels_are_pairs_of_strings_or_numbers(sent: list[Any], expected: object) -> None:
    assert expected == levels([raw(item) for item in sent], removes=False)


@pytest.mark.parametrize(
    "sent", [["99"], [], ["x", "1"], ["0", "1"], ["-1", "1"], ["nan", "1"], ["1", "inf"], {}, 5]
)
def test_a_level_that_is_none_is_refused(sent: object) -> None:
    with pytest.raises(VenueError):
        levels([raw(sent)], removes=True)


def test_a_size_of_zero_removes_in_an_update_and_is_refused_in_a_snapshot() -> None:
    assert ((99.0, 0.0),) == levels([raw(["99", "0"])], removes=True)
    with pytest.raises(VenueError):
        levels([raw(["99", "0"])], removes=False)


# -- what is sent, what is set ---------------------------------------------------------------------


def test_what_is_sent_has_decimals_as_strings_and_nothing_that_was_not_said() -> None:
    sent = OrderRequest(symbol="BTC", side="buy", type="market", size="0.5")

    assert {"symbol": "BTC", "side": "buy", "type": "market", "size": "0.5"} == json.loads(
        msgspec.json.encode(sent)
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"requests_max": 121},
        {"cancel_reserve": 0},
        {"cancel_reserve": 110},
        {"read_share": 90},
        {"rest_url": "http://api.perpex.io"},
        {"ws_url": "ws://10.0.0.1:80/ws"},
        {"rest_url": "api.perpex.io"},
        {"orders_poll_s": 0.5},
    ],
)
def test_settings_that_leave_nothing_to_trade_with_or_show_the_token_are_refused(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(ModelError):
        PerpexSettings(**fields)


def test_symbols_are_the_coins_unless_an_alias_is_set() -> None:
    settings = PerpexSettings(symbols={"BTC": "BTC-PERP"})

    assert ["BTC-PERP", "kPEPE"] == [settings.symbol("BTC"), settings.symbol("kPEPE")]
    assert ["BTC", "kPEPE"] == [settings.coin("BTC-PERP"), settings.coin("kPEPE")]
