"""When an account differs from the venue's: read everything that may be missing, at once.

A difference stops new risk, and a report that was lost or is late is the likeliest cause. The
schedule would look for it by and by; here it is looked for when it shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from connectors.port import VenueLink
from engine.agreement import BLOCK
from engine.core import Engine
from engine.drive.seams import Clock
from engine.errors import PerpdError
from engine.model.events import AccountRead, AnyEvent
from engine.model.units import NS_PER_S

# Reading everything costs many times what a comparison does.
LOOKS_APART_NS: Final = 15 * NS_PER_S

log = structlog.get_logger("perpd.daemon")


class SecondLook:
    """Lets the link of an account that differs catch up: one at a time, and not all the time."""

    def __init__(self, engine: Engine, links: Mapping[str, VenueLink], clock: Clock) -> None:
        self._engine = engine
        self._links = links
        self._clock = clock
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._began_ns: dict[str, int] = {}

    def watch(self, event: AnyEvent) -> None:
        """Look again after a comparison that was no more than that, and showed a difference."""
        if not isinstance(event, AccountRead) or event.is_caught_up:
            return
        account = self._engine.accounts.get(event.account)
        if account is None or BLOCK not in account.blocked:
            return
        link, now_ns = self._links[account.name], self._clock.monotonic_ns()
        venue, look = link.venue, self._looks.get(link.venue)
        is_too_soon = now_ns - self._began_ns.get(venue, -LOOKS_APART_NS) < LOOKS_APART_NS
        if is_too_soon or (look is not None and not look.done()):
            return
        self._began_ns[venue] = now_ns
        self._looks[venue] = asyncio.get_running_loop().create_task(self._look(link))

    async def aclose(self) -> None:
        """Look no more."""
        for look in self._looks.values():
            look.cancel()
        await asyncio.gather(*self._looks.values(), return_exceptions=True)

    async def _look(self, link: VenueLink) -> None:
        log.info("positions differ, catching up", venue=link.venue)
        try:
            await link.refresh("orders")
        except PerpdError as error:
            log.warning("catching up failed", venue=link.venue, error=str(error))
