"""The daemon's clockwork: what is read again from a venue, and how often. APScheduler does it.

Only reads are scheduled here. A strategy's own timers are events of the engine, so that a backtest
and a replay have them too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from connectors.port import VenueLink
from engine.config import DaemonConfig
from engine.errors import PerpdError

JOBS: Final = ("account", "orders", "contexts", "budget", "metadata")

log = structlog.get_logger("perpd.schedule")


class Schedule:
    """Refreshes links until it is stopped; a turn that failed is logged, and the next one comes."""

    def __init__(self, config: DaemonConfig) -> None:
        self._every_s = {
            "account": config.account_every_s,
            "orders": config.orders_every_s,
            "contexts": config.contexts_every_s,
            "budget": config.budget_every_s,
            "metadata": config.metadata_every_s,
        }
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self.failures = 0

    def add(self, link: VenueLink) -> None:
        """Refresh this link, too. Turns never overlap; missed ones are made up for by one."""
        for job in JOBS:
            self._scheduler.add_job(
                self._turn(link, job),
                "interval",
                seconds=self._every_s[job],
                id=f"{link.venue} {job}",
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )

    def start(self) -> None:
        """Begin; the first turns come after one interval."""
        self._scheduler.start()

    def stop(self) -> None:
        """End; a turn under way is not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _turn(self, link: VenueLink, job: str) -> Callable[[], Awaitable[None]]:
        async def refresh() -> None:
            try:
                await link.refresh(job)
            except asyncio.CancelledError:
                # The scheduler ends its turns by it, and would report that as their failure.
                log.debug("refresh ended", venue=link.venue, job=job)
            except PerpdError as error:
                self.failures += 1
                log.warning("refresh failed", venue=link.venue, job=job, error=str(error))

        return refresh
