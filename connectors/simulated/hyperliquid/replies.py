"""What `/info` and `/exchange` answer with, over HTTP and over a WebSocket post alike."""

from __future__ import annotations

from typing import Any, Final

import msgspec

MALFORMED: Final = "Failed to deserialize the JSON body into the target type"


class Reply(msgspec.Struct, frozen=True):
    """An answer: JSON when the status is 200 or 500, else plain text."""

    status: int
    body: Any


UNREADABLE: Final = Reply(422, MALFORMED)
NOTHING_THERE: Final = Reply(500, None)
