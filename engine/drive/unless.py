"""Wait for something that may take long, unless the end is asked for first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from engine.errors import StoppedEarly

T = TypeVar("T")


async def unless(asked: asyncio.Event, doing: Coroutine[Any, Any, T]) -> T:
    """What it comes to. Raises StoppedEarly, with the work canceled, where `asked` is set before.

    Work that ends at the same moment has ended, well or not.
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
        await asyncio.gather(work, wish, return_exceptions=True)
