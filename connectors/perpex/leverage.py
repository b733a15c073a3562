"""Leverage: Perpex names no endpoint to set it, so it can only be found, never made.

A wish is granted when the account shows that leverage on the instrument. Until then nothing new may
be opened there, unless the operator's setting says to trust that it was set at the venue.
"""

from __future__ import annotations

from typing import Final

import structlog

from connectors.perpex.account import Reading
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.port import Sink
from engine.drive.seams import Clock
from engine.model.commands import UpdateLeverage
from engine.model.events import LeverageSet, StreamChanged, StreamPhase

LEVERAGE_STREAM: Final = "leverage"


class LeverageWatch:
    """The leverage asked for on one account, and what the account shows."""

    def __init__(self, account: str, settings: PerpexSettings, clock: Clock, sink: Sink) -> None:
        self._account = account
        self._settings = settings
        self._clock = clock
        self._sink = sink
        self._shown: dict[str, tuple[int, bool]] = {}
        self._wishes: dict[str, tuple[int, bool]] = {}
        self._log = structlog.get_logger().bind(account=account)

    def wish(self, command: UpdateLeverage) -> None:
        """Somebody wants this leverage: told as set if it is, else as what is in the way."""
        wanted = command.leverage, command.is_cross
        if self._shown.get(command.instrument) == wanted:
            self._wishes.pop(command.instrument, None)
            self._tell(command.instrument, wanted)
            return
        if self._settings.leverage == "assume" and command.instrument not in self._shown:
            self._log.warning(
                "perpex: leverage taken on trust",
                instrument=command.instrument,
                leverage=command.leverage,
            )
            self._tell(command.instrument, wanted)
            return
        self._wishes[command.instrument] = wanted
        self._log.error(
            "perpex: leverage cannot be set through this venue; set it in the dashboard",
            instrument=command.instrument,
            wanted=command.leverage,
            shown=self._shown.get(command.instrument),
        )
        self._block(command.instrument, StreamPhase.GAP)

    def read(self, reading: Reading) -> None:
        """What the account shows now."""
        self._shown = reading.state.leverage
        for instrument, wanted in list(self._wishes.items()):
            if self._shown.get(instrument) == wanted:
                del self._wishes[instrument]
                self._tell(instrument, wanted)
                self._block(instrument, StreamPhase.READY)

    def _tell(self, instrument: str, shown: tuple[int, bool]) -> None:
        at_ns = self._clock.now_ns()
        self._sink(LeverageSet(at_ns, at_ns, self._account, instrument, *shown))

    def _block(self, instrument: str, phase: StreamPhase) -> None:
        at_ns = self._clock.now_ns()
        stream = f"{LEVERAGE_STREAM} {self._account}"
        self._sink(StreamChanged(at_ns, at_ns, stream, phase, instrument))
