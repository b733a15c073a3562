"""Whatever frame is sent, the gateway's WebSocket answers in its own words and stays as it was."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulated.clock import VenueClock
from connectors.simulated.core import VenueCore
from connectors.simulated.faults import Faults
from connectors.simulated.perpex.channels import INTERVALS
from connectors.simulated.perpex.hub import Hub
from connectors.simulated.perpex.settings import PerpexFaceSettings
from connectors.simulated.perpex.tokens import READ, TokenDesk
from connectors.simulated.perpex.ws import Connection, WsDesk
from connectors.simulated.settings import VenueSettings
from engine.drive.seams import ManualClock, SeededRandomness
from tests.connectors.simulated.perpex.scene import ALICE, START_NS, QuietSource

CORE = VenueCore(VenueSettings(), VenueClock(ManualClock(START_NS)), QuietSource())
CORE.open_account(ALICE)
FACE = PerpexFaceSettings(subscriptions_max=3)
FAULTS = Faults()
TOKENS = TokenDesk(CORE.clock, SeededRandomness(7), strict=False)
GOOD_TOKEN = TOKENS.issue(ALICE, 10**9, (READ,), "main")
HUB = Hub(CORE, FACE.warning_ppb)
DESK = WsDesk(CORE, FACE, TOKENS, HUB, FAULTS)

CHANNELS = ["trades", "orderbook", "positions", "candles"]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1.5, 2**63, 2**64, 10**30, 20, 21]),
    st.sampled_from(["", "BTC", "x" * 300, "1e9", "-1"]),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["op", "channel"]), st.text(max_size=3), max_size=2),
)


@st.composite
def a_message(draw: st.DrawFn) -> dict[str, Any]:
    """One message, mostly one that is understood, and often with something odd in it."""
    message: dict[str, Any] = {
        "op": draw(st.sampled_from(["subscribe"] * 4 + ["unsubscribe", "auth", "ping", "pong"])),
        "id": draw(st.integers(0, 9)),
        "channel": draw(st.sampled_from(CHANNELS)),
        "symbol": draw(st.sampled_from(["BTC", "BTC", "ETH", "NONE"])),
        "depth": draw(st.sampled_from([1, 5, 20])),
        "interval": draw(st.sampled_from([*INTERVALS, "3m"])),
        "token": draw(st.sampled_from([GOOD_TOKEN, GOOD_TOKEN[:-4], "token", ""])),
    }
    for name in draw(st.lists(st.sampled_from([*message]), max_size=2)):
        if draw(st.booleans()):
            message[name] = draw(ODD)
        else:
            message.pop(name, None)
    return message


@st.composite
def a_frame(draw: st.DrawFn) -> str:
    """A message as text, sometimes damaged, sometimes no message at all."""
    text = msgspec.json.encode(draw(a_message())).decode()
    kind = draw(st.integers(0, 7))
    if kind == 0:
        at = draw(st.integers(0, len(text)))
        return text[:at] + draw(st.text(max_size=4)) + text[at + 1 :]
    if kind == 1:
        return draw(st.one_of(st.text(max_size=20), st.sampled_from(["[" * 5_000, "{}", "null"])))
    return text


class Written(Connection):
    """A connection whose frames are kept instead of sent."""

    def __init__(self) -> None:
        request = cast("Any", type("Request", (), {"transport": None}))
        super().__init__(cast("Any", None), request, FAULTS, FACE.frames_queued_max)
        self.frames: list[dict[str, Any]] = []

    def send_now(self, frame: Any) -> None:  # noqa: ANN401 - any JSON
        # What goes out must be JSON.
        self.frames.append(msgspec.json.decode(msgspec.json.encode(frame)))


@settings(max_examples=500)
@given(st.lists(a_frame(), min_size=1, max_size=30))
def test_a_frame_is_carried_out_or_refused_and_never_more_than_may_be_is_subscribed(
    texts: list[str],
) -> None:
    connection = Written()
    try:
        for text in texts:
            before, known = len(connection.frames), dict(connection.subscriptions)
            DESK._on_text(connection, text)  # noqa: SLF001
            answers = connection.frames[before:]
            is_refused = [frame for frame in answers if frame.get("op") == "error"]

            assert len(is_refused) <= 1
            assert not is_refused or (connection.subscriptions == known and len(answers) == 1)
            assert len(connection.subscriptions) <= FACE.subscriptions_max
            assert all(frame["code"] for frame in is_refused)
        private = [key for key in connection.subscriptions if key[0] == "positions"]
        assert not private or connection.caller is not None
    finally:
        HUB.leave(connection)

    assert [ALICE] == [*CORE.accounts]
    assert [] == [*CORE.accounts[ALICE].live()]
