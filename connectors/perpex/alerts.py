"""A liquidation alert stops new risk on its account until five minutes brought no other.

The venue is taken to warn once, when a position comes near its end, and does not say when it is
safe again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from connectors.perpex.mapping.wire import LiquidationWire
from connectors.port import Sink
from engine.drive.seams import Clock
from engine.model.events import StreamChanged, StreamPhase

LASTS_S: Final = 300.0
ALERT_STREAM: Final = "perpex liquidation alert"


class Alerts:
    """The alerts of one venue's accounts; `count` is for its records."""

    def __init__(self, clock: Clock, sink: Sink) -> None:
        self.count = 0
        self._clock = clock
        self._sink = sink
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._log = structlog.get_logger()

    def take(
        self, account: str, kind: str, alert: LiquidationWire, scrub: Callable[[str], str]
    ) -> None:
        """An alert came: say it, and stop new risk from now on."""
        self.count += 1
        self._log.error(
            "perpex: liquidation alert, no new risk",
            account=account,
            kind=kind,
            symbol=scrub(alert.symbol)[:32],
            margin_ratio=str(alert.margin_ratio),
            liquidation_price=str(alert.liquidation_price),
        )
        end = self._ends.pop(account, None)
        if end is None:
            self._tell(account, StreamPhase.GAP)
        else:
            end.cancel()
        loop = asyncio.get_running_loop()
        self._ends[account] = loop.call_later(LASTS_S, self._calm, account)

    def close(self) -> None:
        """Wait for nothing any more."""
        for end in self._ends.values():
            end.cancel()
        self._ends.clear()

    def _calm(self, account: str) -> None:
        del self._ends[account]
        self._tell(account, StreamPhase.READY)

    def _tell(self, account: str, phase: StreamPhase) -> None:
        at_ns = self._clock.now_ns()
        self._sink(StreamChanged(at_ns, at_ns, ALERT_STREAM, phase, account=account))
