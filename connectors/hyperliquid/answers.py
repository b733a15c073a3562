"""What became of each command of an action, from an answer of any shape (protocol 2.2, 5.4).

Only what the venue says plainly is concluded. An answer that cannot be read, that does not fit what
was sent, or that came from something on the way (a 5xx, a page of HTML) leaves every command
*unclear*: it may have been carried out, and is settled by asking. No bytes raise an error here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from connectors.hyperliquid.info.fields import Count

TEXT_MAX: Final = 300
DUPLICATE_NONCE: Final = "Invalid nonce: duplicate nonce"
_DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
# By these a server or proxy gives up on a request that may still be carried out behind it.
_UNCLEAR_STATUSES: Final = frozenset({408, 499})
_STATUS_TEXT: Final = re.compile(r"\s*([1-5]\d\d)\b", re.ASCII)

Printed = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]+(\.[0-9]+)?\Z", max_length=64)]
"""A positive decimal or zero, as printed."""


class Request(StrEnum):
    """What was sent, by how its answer looks."""

    ORDER = "order"
    MODIFY = "modify"
    CANCEL = "cancel"
    PLAIN = "plain"
    """Answered by yes or no alone: leverage, noop, scheduled cancel."""


class Resting(msgspec.Struct, frozen=True, gc=False):
    """In the book under `oid`; it may have been filled in part before."""

    oid: int


class Filled(msgspec.Struct, frozen=True, gc=False):
    """Filled for `total_sz` at `average_px`, as printed; says nothing of an IOC's unfilled rest."""

    oid: int
    total_sz: str
    average_px: str


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """Held by the venue until its trigger fires or its parent fills; no id is told."""


class Success(msgspec.Struct, frozen=True, gc=False):
    """Carried out; nothing more is told."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Not carried out, and the venue says why; see `refusals.refusal_kind`."""

    text: str


class NotTaken(msgspec.Struct, frozen=True, gc=False):
    """Turned away before anything was carried out: 429, or a request that could not be read."""

    text: str


class Unclear(msgspec.Struct, frozen=True, gc=False):
    """It may have been carried out or not."""

    detail: str


Outcome = Resting | Filled | Waiting | Success | Refused | NotTaken | Unclear
Outcomes = tuple[Outcome, ...]


class _RestingStatus(msgspec.Struct):
    oid: Count


class _FilledStatus(msgspec.Struct, rename="camel"):
    total_sz: Printed
    avg_px: Printed
    oid: Count


class _Status(msgspec.Struct):
    """One order's status; exactly one of the three is there."""

    resting: _RestingStatus | None = None
    filled: _FilledStatus | None = None
    error: str | None = None


class _Data(msgspec.Struct):
    statuses: list[msgspec.Raw]


class _Response(msgspec.Struct):
    type: str
    data: _Data | None = None


class _Answer(msgspec.Struct):
    status: str
    response: msgspec.Raw


_ANSWERS: Final = msgspec.json.Decoder(_Answer)
_RESPONSES: Final = msgspec.json.Decoder(_Response)
_STATUSES: Final = msgspec.json.Decoder(_Status | str)
_TEXTS: Final = msgspec.json.Decoder(str)
_WORDS: Final[dict[str, Outcome]] = {
    "waitingForFill": Waiting(),
    "waitingForTrigger": Waiting(),
    "success": Success(),
}
_EXPECTED: Final[dict[Request, tuple[type[Any], ...]]] = {
    Request.ORDER: (Resting, Filled, Waiting, Refused),
    Request.MODIFY: (Resting, Filled, Waiting, Refused),
    Request.CANCEL: (Success, Refused),
    Request.PLAIN: (),
}


def outcomes(status: int, body: bytes, count: int, request: Request) -> Outcomes:
    """One outcome for each of the `count` commands of an action, in their order.

    `status` and `body` are those of the HTTP answer. One error for several commands is the error of
    each; any other wrong number of statuses leaves all of them unclear.
    """
    if status != 200:
        return _by_status(status, _text_of(body), count)
    return _judged(body, count, request)


def post_outcomes(kind: str, payload: bytes, count: int, request: Request) -> Outcomes:
    """The same from an answer to a WebSocket post: `response.type` and its `payload` as bytes.

    An error is a text that begins with an HTTP status, such as "429 Too Many Requests".
    """
    if kind == "action":
        return _judged(payload, count, request)
    try:
        text = _TEXTS.decode(payload)
    except _DECODE_ERRORS:
        text = _text_of(payload)
    match = _STATUS_TEXT.match(text)
    if kind != "error" or match is None or match.group(1) == "200":
        return (Unclear(clip(f"an answer of type {kind}: {text}")),) * count
    return _by_status(int(match.group(1)), text, count)


def clip(text: str) -> str:
    """A venue's text, short enough for a log or a journal."""
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 3] + "..."


def _text_of(body: bytes) -> str:
    return bytes(body[: 4 * TEXT_MAX]).decode("utf-8", "replace").strip()


def _by_status(status: int, text: str, count: int) -> Outcomes:
    words = clip(f"HTTP {status}: {text}" if text else f"HTTP {status}")
    may_be_taken = not 400 <= status < 500 or status in _UNCLEAR_STATUSES
    return ((Unclear(words) if may_be_taken else NotTaken(words)),) * count


def _judged(body: bytes, count: int, request: Request) -> Outcomes:
    """The outcomes told by a body that came with 200."""
    try:
        answer = _ANSWERS.decode(body)
        if answer.status == "err":
            return (_whole(_TEXTS.decode(answer.response)),) * count
        if answer.status != "ok":
            return (Unclear(clip(f"status {answer.status!r}")),) * count
        response = _RESPONSES.decode(answer.response)
    except _DECODE_ERRORS:
        return (Unclear(clip(f"cannot be read: {_text_of(body)}")),) * count
    if response.data is None:
        return _without_statuses(response.type, count, request)
    return _one_each(response.data.statuses, count, request)


def _whole(text: str) -> Outcome:
    """The outcome of an action that was refused as a whole."""
    if DUPLICATE_NONCE in text:
        # Something with this nonce was carried out, and it may be this very action.
        return Unclear(clip(text))
    return Refused(clip(text))


def _without_statuses(kind: str, count: int, request: Request) -> Outcomes:
    """A bare yes: enough for what has no more to tell, and for a modify."""
    if kind == "default" and request in (Request.PLAIN, Request.MODIFY):
        return (Success(),) * count
    return (Unclear(clip(f"an answer of type {kind!r} without statuses")),) * count


def _one_each(statuses: Sequence[msgspec.Raw], count: int, request: Request) -> Outcomes:
    found = [_one(status, request) for status in statuses]
    if len(found) == count:
        return tuple(found)
    if len(found) == 1 and isinstance(found[0], Refused):
        return (found[0],) * count
    return (Unclear(f"{len(found)} statuses for {count} commands"),) * count


def _one(raw: msgspec.Raw, request: Request) -> Outcome:
    try:
        status = _STATUSES.decode(raw)
    except _DECODE_ERRORS:
        status = ""
    outcome = _WORDS.get(status) if isinstance(status, str) else _told(status)
    if outcome is None or not isinstance(outcome, _EXPECTED[request]):
        return Unclear(clip(f"status {_text_of(bytes(raw))}"))
    return outcome


def _told(status: _Status) -> Outcome | None:
    """The one thing a status says, or None when it says nothing or two things."""
    match status:
        case _Status(resting=_RestingStatus(oid=oid), filled=None, error=None):
            return Resting(oid)
        case _Status(resting=None, filled=_FilledStatus() as filled, error=None):
            return Filled(filled.oid, filled.total_sz, filled.avg_px)
        case _Status(resting=None, filled=None, error=str(text)):
            return Refused(clip(text))
    return None
