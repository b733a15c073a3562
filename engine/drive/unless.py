"""Wait for something that may take long, unless the end is asked for first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from engine.errors import StoppedEarly

T = TypeVar("T")
GIVE_UP_S: Final = 10.0

log = structlog.get_logger("perpd.daemon")


async def unless(asked: asyncio.Event, doing: Coroutine[Any, Any, T]) -> T:
    """What it comes to. Raises StoppedEarly, with the work canceled, where `asked` is set before.

    Work that ends at the same moment has ended, well or not. Work that is canceled and goes on for
    more than ten seconds all the same is left to itself.
    """
    work = asyncio.create_task(doing)
    wish = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait((work, wish), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise StoppedEarly("stopped while it opened; no order was sent")
    finally:
        for task in (work, wish):
            task.cancel()
        done, _ = await asyncio.wait((work, wish), timeout=GIVE_UP_S)
        if work not in done:
            log.warning("still at work, and not waited for", waited_s=GIVE_UP_S)
        elif not work.cancelled():
            work.exception()  # looked at, or the event loop complains of it at its end
