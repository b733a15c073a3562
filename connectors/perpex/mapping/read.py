"""ASSUMED: how Perpex wraps what it answers, and how bytes become the structs of `wire`.

Success is 2xx with a payload, bare or under "data"; an error has a code and a message, under
"error" or bare, and whatever its form it ends as a `Fault`. What does not decode is a VenueError,
or, as one item among others, is kept raw in a `Quarantine` and counted: never guessed at.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import structlog

from connectors.perpex.mapping.names import Verdict, verdict
from connectors.perpex.mapping.wire import (
    NO_RAW,
    ErrorWire,
    FrameWire,
    PositionWire,
    dec_hook,
    is_given,
    is_sane,
)
from engine.errors import VenueError

RAW_KEPT_MAX: Final = 200
RAW_BYTES_MAX: Final = 4_096
KINDS_MAX: Final = 1_000
KIND_CHARS_MAX: Final = 64
ITEMS_MAX: Final = 10_000
# Whatever else stands where a code should be is no code, and may be anything.
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,47}")

_T = TypeVar("_T")


class _Envelope(msgspec.Struct, frozen=True):
    data: msgspec.Raw = NO_RAW
    next_cursor: str | int | None = None
    error: msgspec.Raw = NO_RAW
    code: str | None = None
    message: str | None = None


class Payload(msgspec.Struct, frozen=True):
    """The payload of a success; `cursor` names the next page, empty at the end."""

    raw: bytes
    cursor: str = ""
    status: int = 200


class Fault(msgspec.Struct, frozen=True):
    """An error of the venue's. `code` is empty where it gave none; `verdict` what follows.

    `message` is as long as it came: whoever shows it frees it of tokens first, and cuts it then.
    """

    status: int
    code: str
    message: str
    verdict: Verdict

    @property
    def reason(self) -> str:
        """The code, or the HTTP status where there is none."""
        return self.code or f"HTTP {self.status}"


class Quarantine:
    """Keeps what could not be read: the newest 200 raw, cut to 4 KiB, and counts by kind."""

    def __init__(self, scrub: Callable[[str], str] = str) -> None:
        self.counts: dict[str, int] = {}
        self.kept: deque[tuple[str, str]] = deque(maxlen=RAW_KEPT_MAX)
        self._scrub = scrub
        self._log = structlog.get_logger()

    def scrub(self, text: str) -> str:
        """A text of the venue's without any token; to be called before it is cut."""
        return self._scrub(text)

    def keep(self, kind: str, raw: bytes | str) -> None:
        """Count something unreadable of this kind, and keep it as it came."""
        kind = self._scrub(kind)[:KIND_CHARS_MAX]
        if kind not in self.counts and len(self.counts) >= KINDS_MAX:
            kind = "other"
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        # Scrubbed whole before it is cut: of a token that is cut nothing would be recognised.
        text = raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")
        text = self._scrub(text)[:RAW_BYTES_MAX]
        self.kept.append((kind, text))
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th ...
            self._log.warning("perpex: unreadable", kind=kind, count=count, raw=text[:512])


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - any type there is
    return msgspec.json.Decoder(kind, dec_hook=dec_hook, strict=False)


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_ENVELOPE: Final = _decoder(_Envelope)
_ERROR: Final = _decoder(ErrorWire)
_FRAME: Final = _decoder(FrameWire)
_LEVEL: Final = _decoder(list[float])
_ITEMS: Final = _decoder(list[msgspec.Raw])


def decode(raw: bytes | str | msgspec.Raw, kind: type[_T]) -> _T:
    """`raw` as a `kind`. Raises VenueError, which shows nothing of the bytes."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = _decoder(kind)
    value: _T = _decode(decoder, raw, kind.__name__)
    return value


def _decode(
    decoder: msgspec.json.Decoder[Any],
    raw: bytes | str | msgspec.Raw,
    what: str,
) -> Any:  # noqa: ANN401 - what the decoder makes
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        text = str(error)[:200]
        raise VenueError(f"perpex: not a {what}: {text}") from None


def open_answer(status: int, body: bytes) -> Payload | Fault:
    """What an HTTP answer holds.

    Raises VenueError when a success is not JSON.
    """
    is_success = 200 <= status < 300
    try:
        envelope: _Envelope = _decode(_ENVELOPE, body, "JSON object")
    except VenueError:
        if not is_success:
            return Fault(status, "", "", verdict(status, ""))
        _decode(_decoder(msgspec.Raw), body, "JSON answer")
        if body.lstrip()[:1] != b"[":
            raise
        return Payload(body, status=status)
    if is_given(envelope.error) or not is_success or _is_bare_error(envelope):
        return _fault(status, envelope)
    if not is_given(envelope.data):
        return Payload(body, status=status)
    cursor = "" if envelope.next_cursor is None else str(envelope.next_cursor)
    return Payload(bytes(envelope.data), cursor, status)


def _is_bare_error(envelope: _Envelope) -> bool:
    return bool(envelope.code) and envelope.message is not None and not is_given(envelope.data)


def _fault(status: int, envelope: _Envelope) -> Fault:
    return read_fault(status, envelope.error, envelope.code or "", envelope.message or "")


def read_fault(status: int, raw: msgspec.Raw, code: str = "", message: str = "") -> Fault:
    """An error object, or a bare code, as a `Fault`; what cannot be read leaves it empty."""
    if is_given(raw):
        try:
            error: ErrorWire = _decode(_ERROR, raw, "error")
            code, message = error.code, error.message
        except VenueError:
            code = _bare_text(raw) or code
    code = code if is_code(code) else ""
    return Fault(status, code, message, verdict(status, code))


def is_code(text: str) -> bool:
    """Whether a text has the form of an error code."""
    return _CODE.fullmatch(text) is not None


def _bare_text(raw: msgspec.Raw) -> str:
    """An error that is only a text is taken for its code."""
    try:
        return str(_decode(_decoder(str), raw, "text"))
    except VenueError:
        return ""


def read_frame(raw: str | bytes) -> FrameWire:
    """A frame of the WebSocket. Raises VenueError."""
    frame: FrameWire = _decode(_FRAME, raw, "frame")
    return frame


def items(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """The items of a list, or of an object that stands alone. Raises VenueError."""
    text = bytes(raw)
    if text.lstrip()[:1] == b"{":
        return [msgspec.Raw(text)]
    found: list[msgspec.Raw] = _decode(_ITEMS, text, "list")
    if len(found) > ITEMS_MAX:
        raise VenueError(f"perpex: a list of {len(found)} items, expected at most {ITEMS_MAX}")
    return found


def rows(
    raw: Sequence[msgspec.Raw], kind: type[_T], quarantine: Quarantine
) -> tuple[list[_T], int]:
    """The items that are a `kind`, and how many were not: those are kept apart."""
    found: list[_T] = []
    bad = 0
    for item in raw:
        try:
            found.append(decode(item, kind))
        except VenueError:
            quarantine.keep(kind.__name__, bytes(item))
            bad += 1
    return found, bad


def positions(raw: bytes | msgspec.Raw, quarantine: Quarantine) -> list[PositionWire]:
    """The positions of a frame that can be read."""
    return rows(items(raw), PositionWire, quarantine)[0]


def levels(raw: Sequence[msgspec.Raw], *, removes: bool) -> tuple[tuple[float, float], ...]:
    """Levels as (price, size); what follows them in a level is ignored.

    `removes` says whether a size of 0 may occur. Raises VenueError for a level that is none.
    """
    found = []
    for item in raw:
        level: list[float] = _decode(_LEVEL, item, "level")
        if len(level) < 2:
            raise VenueError("perpex: a level of fewer than two numbers")
        px, sz = level[0], level[1]
        if not 0.0 < px < 1e15 or not 0.0 <= sz < 1e15 or not (sz or removes):
            raise VenueError("perpex: a level without a price or a size")
        found.append((px, sz))
    return tuple(found)


__all__ = [
    "Fault",
    "Payload",
    "Quarantine",
    "decode",
    "is_code",
    "is_sane",
    "items",
    "levels",
    "open_answer",
    "positions",
    "read_fault",
    "read_frame",
    "rows",
]
