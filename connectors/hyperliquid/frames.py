"""WebSocket frames as typed values, by channel (protocol 5.1 - 5.4).

One decoder for everything a connection may say: a frame is one of `Frame`, or it is quarantined and
gives nothing. Unknown fields are passed over. Market numbers decode to floats, positive and finite
where they are prices or sizes; what concerns an account keeps the venue's decimal strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from connectors.hyperliquid.info.ledger import LedgerUpdate, decode_ledger
from connectors.hyperliquid.market_frames import (
    AllDexsContextsFrame,
    AllMidsFrame,
    BboFrame,
    BookFrame,
    CandleFrame,
    ContextFrame,
    SpotContextFrame,
    TradesFrame,
)
from connectors.hyperliquid.quarantine import Quarantine, Why
from connectors.hyperliquid.user_frames import (
    ActiveAssetDataFrame,
    ClearinghouseFrame,
    LedgerFrame,
    NotificationFrame,
    OpenOrdersFrame,
    OrderUpdatesFrame,
    UserEventFrame,
    UserFillsFrame,
    UserFundingsFrame,
    WebDataFrame,
)

GREETING: Final = "Websocket connection established."


class SubscriptionEcho(msgspec.Struct, frozen=True):
    """What was subscribed to or unsubscribed from, with defaults that the venue added."""

    method: str
    subscription: dict[str, Any]

    def confirms(self, subscription: Mapping[str, Any]) -> bool:
        """Whether this is the answer to that subscription: all that was asked for is in it."""
        echoed = self.subscription
        return all(key in echoed and echoed[key] == asked for key, asked in subscription.items())


class SubscriptionFrame(
    msgspec.Struct, frozen=True, tag_field="channel", tag="subscriptionResponse"
):
    """The acknowledgement of a subscribe or unsubscribe."""

    data: SubscriptionEcho


class PongFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="pong"):
    """The answer to a ping."""


class ErrorFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="error"):
    """A message of ours was refused; the connection goes on."""

    data: str


class PostResponse(msgspec.Struct, frozen=True):
    """`type` is info, action or error; `payload` as it came (see `answers.post_outcomes`)."""

    type: str
    payload: msgspec.Raw


class PostReply(msgspec.Struct, frozen=True):
    """The answer to the post of this id."""

    id: int
    response: PostResponse


class PostFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="post"):
    """An answer to a request made over the socket."""

    data: PostReply


MarketFrame = (
    BookFrame
    | BboFrame
    | TradesFrame
    | CandleFrame
    | ContextFrame
    | SpotContextFrame
    | AllMidsFrame
    | AllDexsContextsFrame
)
UserFrame = (
    OrderUpdatesFrame
    | UserEventFrame
    | UserFillsFrame
    | UserFundingsFrame
    | LedgerFrame
    | NotificationFrame
    | ClearinghouseFrame
    | OpenOrdersFrame
    | ActiveAssetDataFrame
    | WebDataFrame
)
ControlFrame = SubscriptionFrame | PongFrame | ErrorFrame | PostFrame
Frame = MarketFrame | UserFrame | ControlFrame


class _Channel(msgspec.Struct):
    channel: str


# strict=False reads "1670.1" straight into a float, which costs no more than keeping the string.
_FRAMES: Final[msgspec.json.Decoder[Frame]] = msgspec.json.Decoder(Frame, strict=False)
_CHANNELS: Final = msgspec.json.Decoder(_Channel)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


class FrameDecoder:
    """Decodes the frames of one connection or of many; what it cannot goes to the quarantine."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine

    def decode(self, raw: bytes | str) -> Frame | None:
        """The frame, or None for the greeting and for what was quarantined. Never raises."""
        try:
            frame = _FRAMES.decode(raw)
        except msgspec.ValidationError as error:
            self._put_away(raw, error)
            return None
        except _UNREADABLE as error:
            if raw != GREETING and raw != GREETING.encode():
                self._quarantine.add(Why.UNREADABLE, str(error), raw)
            return None
        if isinstance(frame, LedgerFrame) and ledger_rows(frame) is None:
            self._quarantine.add(Why.UNEXPECTED_SHAPE, "no list of ledger rows", raw)
            return None
        return frame

    def _put_away(self, raw: bytes | str, error: msgspec.ValidationError) -> None:
        try:
            channel = _CHANNELS.decode(raw).channel
        except (msgspec.ValidationError, *_UNREADABLE):
            self._quarantine.add(Why.UNEXPECTED_SHAPE, "a frame without a channel", raw)
            return
        why = Why.UNEXPECTED_SHAPE if channel in CHANNELS else Why.UNKNOWN_CHANNEL
        self._quarantine.add(why, f"{channel:.40}: {error}", raw)


def ledger_rows(frame: LedgerFrame) -> tuple[LedgerUpdate, ...] | None:
    """The rows of a ledger frame; None only for a frame that `FrameDecoder` would not give out."""
    try:
        return decode_ledger(bytes(frame.data.updates))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


CHANNELS: Final = frozenset(str(kind.__struct_config__.tag) for kind in (*Frame.__args__,))
"""Every channel that decodes."""
