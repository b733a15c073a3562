"""Frames decode to typed values or are put away and counted; no bytes raise."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from connectors.hyperliquid.frames import (
    CHANNELS,
    ErrorFrame,
    FrameDecoder,
    PongFrame,
    PostFrame,
    SubscriptionFrame,
    ledger_rows,
)
from connectors.hyperliquid.info.ledger import Deposit
from connectors.hyperliquid.market_frames import (
    AllDexsContextsFrame,
    AllMidsFrame,
    BboFrame,
    BookFrame,
    TradesFrame,
)
from connectors.hyperliquid.quarantine import RAW_MAX, WHY_MAX, Quarantine, Quarantined, Why
from connectors.hyperliquid.user_frames import (
    LedgerFrame,
    OrderUpdatesFrame,
    UserEventFrame,
    UserFillsFrame,
    UserFundingsFrame,
)
from tests.connectors.hyperliquid.frames_made import (
    CLOID,
    EVERY_CHANNEL,
    FILL,
    ORDER,
    SUBSCRIPTION,
    TIME_MS,
    USER,
    book,
    frame,
    level,
    trade,
)


class Decoding:
    """A decoder and what it put away."""

    def __init__(self) -> None:
        self.away: list[Quarantined] = []
        self.quarantine = Quarantine(self.away.append)
        self.decoder = FrameDecoder(self.quarantine)


# -- what is read ----------------------------------------------------------------------------------


def test_every_channel_has_a_frame_that_decodes() -> None:
    decoding = Decoding()

    assert EVERY_CHANNEL.keys() == CHANNELS
    for channel, raw in EVERY_CHANNEL.items():
        found = decoding.decoder.decode(raw)
        assert found is not None, (channel, decoding.away)
        assert channel == found.__struct_config__.tag
        assert found == decoding.decoder.decode(raw.decode())
    assert [] == decoding.away


def test_an_order_update_keeps_the_venues_strings() -> None:
    found = Decoding().decoder.decode(EVERY_CHANNEL["orderUpdates"])

    assert isinstance(found, OrderUpdatesFrame)
    (update,) = found.data
    order = update.order
    assert ("open", TIME_MS) == (update.status, update.status_timestamp_ms)
    assert ("31795.0", "0.00037", CLOID) == (order.limit_px, order.sz, order.cloid)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"isSnapshot": True}, True),
        ({"isSnapshot": False}, False),
        ({"isSnapshot": None}, False),
        ({}, False),
    ],
)
def test_fills_say_whether_they_are_a_snapshot(
    more: dict[str, bool | None],
    expected: bool,  # noqa: FBT001 - a column
) -> None:
    raw = frame("userFills", {"user": USER, "fills": [FILL], **more})
    found = Decoding().decoder.decode(raw)

    assert isinstance(found, UserFillsFrame)
    assert expected is bool(found.data.is_snapshot)
    assert ("66653.0", "0.009997", 745210434703679) == (
        found.data.fills[0].px,
        found.data.fills[0].fee,
        found.data.fills[0].tid,
    )


def test_funding_keeps_its_sign() -> None:
    found = Decoding().decoder.decode(EVERY_CHANNEL["userFundings"])

    assert isinstance(found, UserFundingsFrame)
    assert ("-3.625312", "49.1477") == (found.data.fundings[0].usdc, found.data.fundings[0].szi)


@pytest.mark.parametrize(
    "data",
    [
        {"twapHistory": []},
        {"nonUserCancel": [{"coin": "BTC", "oid": 1}]},
        {
            "liquidation": {
                "lid": 1,
                "liquidator": USER,
                "liquidated_user": USER,
                "liquidated_ntl_pos": "1.0",
                "liquidated_account_value": "2.0",
            }
        },
    ],
)
def test_every_kind_of_user_event_is_read(data: dict[str, object]) -> None:
    found = Decoding().decoder.decode(frame("user", data))

    assert isinstance(found, UserEventFrame)
    kinds = {"nonUserCancel": "non_user_cancel"}
    for key in data.keys() - {"twapHistory"}:
        assert getattr(found.data, kinds.get(key, key)) is not msgspec.UNSET


def test_ledger_rows_are_read_one_by_one() -> None:
    found = Decoding().decoder.decode(EVERY_CHANNEL["userNonFundingLedgerUpdates"])

    assert isinstance(found, LedgerFrame)
    rows = ledger_rows(found)
    assert rows is not None
    assert [Deposit(usdc="100.0")] == [row.delta for row in rows]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"type": "userFills", "user": USER}, True),
        (SUBSCRIPTION, True),
        ({"type": "userFills", "user": "0x1"}, False),
        ({"type": "userFundings", "user": USER}, False),
        ({**SUBSCRIPTION, "coin": None}, False),
    ],
)
def test_an_echo_confirms_what_it_contains(asked: dict[str, object], expected: bool) -> None:  # noqa: FBT001
    found = Decoding().decoder.decode(EVERY_CHANNEL["subscriptionResponse"])

    assert isinstance(found, SubscriptionFrame)
    assert expected is found.data.confirms(asked)


def test_an_answer_to_a_post_keeps_its_payload() -> None:
    found = Decoding().decoder.decode(EVERY_CHANNEL["post"])

    assert isinstance(found, PostFrame)
    assert (7, "action") == (found.data.id, found.data.response.type)
    assert b'{"status":"ok"}' == bytes(found.data.response.payload)


@pytest.mark.parametrize(
    "raw", ["Websocket connection established.", b"Websocket connection established."]
)
def test_the_greeting_is_passed_over(raw: str | bytes) -> None:
    decoding = Decoding()

    assert decoding.decoder.decode(raw) is None
    assert 0 == decoding.quarantine.total


def test_every_recorded_frame_is_read(shared_dir: Path) -> None:
    decoding = Decoding()
    folder = shared_dir / "data" / "hyperliquid_ws"
    lines = (folder / "captured_testnet_20260728.jsonl").read_bytes().splitlines()

    expected = [BookFrame, BboFrame, BookFrame, TradesFrame, SubscriptionFrame, PongFrame]
    expected += [
        ErrorFrame,
        UserFillsFrame,
        SubscriptionFrame,
        OrderUpdatesFrame,
        OrderUpdatesFrame,
    ]
    assert expected == [type(decoding.decoder.decode(line)) for line in lines]
    for name, kind in (
        ("all_dexs_asset_ctxs", AllDexsContextsFrame),
        ("allmids", AllMidsFrame),
        ("user_fill_liquidation", UserEventFrame),
    ):
        raw = (folder / f"nautilus_ws_{name}.json").read_bytes()
        assert kind is type(decoding.decoder.decode(raw)), decoding.away
    inner = msgspec.json.decode((folder / "nautilus_ws_book_data.json").read_bytes())
    assert BookFrame is type(decoding.decoder.decode(frame("l2Book", inner)))
    assert [] == decoding.away


# -- what is put away ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", Why.UNREADABLE),
        (b"{", Why.UNREADABLE),
        (b"\xff", Why.UNREADABLE),
        ("\ud800", Why.UNREADABLE),
        (b"[" * 100_000, Why.UNEXPECTED_SHAPE),
        (b'{"channel":"l2Book","data":{"more":' + b"[" * 100_000, Why.UNREADABLE),
        ("Websocket connection lost.", Why.UNREADABLE),
        (b"null", Why.UNEXPECTED_SHAPE),
        (b"[]", Why.UNEXPECTED_SHAPE),
        (b"{}", Why.UNEXPECTED_SHAPE),
        (b'{"channel":7}', Why.UNEXPECTED_SHAPE),
        (frame("liquidations", []), Why.UNKNOWN_CHANNEL),
        (frame("x" * 100_000, []), Why.UNKNOWN_CHANNEL),
        (frame("l2Book"), Why.UNEXPECTED_SHAPE),
        (frame("trades", {}), Why.UNEXPECTED_SHAPE),
        (frame("userFills", {"user": USER, "fills": {}}), Why.UNEXPECTED_SHAPE),
        (
            frame("userNonFundingLedgerUpdates", {"user": USER, "nonFundingLedgerUpdates": 1}),
            Why.UNEXPECTED_SHAPE,
        ),
        (
            # What is passed on undecoded is not yet known to be text.
            EVERY_CHANNEL["userNonFundingLedgerUpdates"].replace(b"deposit", b"\x80"),
            Why.UNEXPECTED_SHAPE,
        ),
        (frame("post", {"id": "x", "response": {}}), Why.UNEXPECTED_SHAPE),
        (frame("error", {"text": 1}), Why.UNEXPECTED_SHAPE),
    ],
)
def test_what_is_not_understood_is_counted_and_gives_nothing(raw: bytes | str, why: Why) -> None:
    decoding = Decoding()

    assert decoding.decoder.decode(raw) is None
    assert {why: 1} == decoding.quarantine.counts
    (away,) = decoding.away
    start = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
    assert (why, start[:RAW_MAX]) == (away.why, away.raw)
    assert len(away.detail) <= WHY_MAX


@pytest.mark.parametrize(
    "number", ["0", "-1.0", "NaN", "nan", "inf", "-Infinity", "1e999", "1e15", "", "x"]
)
def test_a_price_or_size_that_is_none_puts_the_whole_frame_away(number: str) -> None:
    decoding = Decoding()
    for raw in (
        book([level(number)], []),
        book([], [level("1.0", number)]),
        frame("trades", [trade(), trade(2, px=number)]),
        frame("trades", [trade(3, sz=number)]),
        frame("bbo", {"coin": "BTC", "time": 1, "bbo": [level(number), None]}),
        frame("allMids", {"mids": {"BTC": number}}),
    ):
        assert decoding.decoder.decode(raw) is None, raw
    assert {Why.UNEXPECTED_SHAPE: 6} == decoding.quarantine.counts


@pytest.mark.parametrize("number", ["NaN", "1e5", "0x1", "", "1."])
def test_a_number_of_an_account_that_is_no_decimal_puts_the_whole_frame_away(number: str) -> None:
    decoding = Decoding()
    for raw in (
        frame("userFills", {"user": USER, "fills": [{**FILL, "px": number}]}),
        frame("user", {"fills": [{**FILL, "fee": number}]}),
        frame(
            "orderUpdates",
            [{"order": {**ORDER, "sz": number}, "status": "open", "statusTimestamp": 1}],
        ),
    ):
        assert decoding.decoder.decode(raw) is None, raw
    assert {Why.UNEXPECTED_SHAPE: 3} == decoding.quarantine.counts


@pytest.mark.parametrize("time_ms", [-1, 2**63 // 1_000_000 + 1, 10**20, "soon", None, 1.5])
def test_a_time_outside_the_calendar_puts_the_frame_away(time_ms: object) -> None:
    decoding = Decoding()

    assert decoding.decoder.decode(frame("trades", [trade(time=time_ms)])) is None
    assert 1 == decoding.quarantine.total
