"""What a venue, its connection and the operator say: streams, caps, metadata, halts.

None of it wakes a strategy; it decides what new risk the gate will take.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.model.effects import Effect, Notify
from engine.model.events import (
    Halted,
    InstrumentUpdated,
    OpenInterestCaps,
    Resumed,
    StreamChanged,
    StreamPhase,
)
from engine.model.instruments import Instrument
from engine.state.accounts import Account
from engine.state.market import Market
from risk.gate import Gate

_NO_EFFECTS: tuple[Effect, ...] = ()


class Conditions:
    """Keeps what blocks new risk on the markets and accounts of one engine."""

    def __init__(
        self,
        accounts: dict[str, Account],
        markets: dict[str, Market],
        gate: Gate,
        open_market: Callable[[Instrument], None],
    ) -> None:
        self._accounts = accounts
        self._markets = markets
        self._gate = gate
        self._open_market = open_market

    def halted(self, event: Halted) -> tuple[Effect, ...]:
        """Nothing new from now on, for every account."""
        self._gate.halted = event.reason or "halted"
        return _NO_EFFECTS

    def resumed(self, event: Resumed) -> tuple[Effect, ...]:
        """The halt is over."""
        del event
        self._gate.halted = ""
        return _NO_EFFECTS

    def stream(self, event: StreamChanged) -> bool:
        """A stream that is not ready blocks new risk on what it feeds; False if that is nothing."""
        target: Market | Account | None = (
            self._accounts.get(event.account)
            if event.account
            else self._markets.get(event.instrument)
        )
        if target is None:
            return False
        others = frozenset(
            item for item in target.blocked if item.rpartition(" ")[0] != event.stream
        )
        is_ready = event.phase is StreamPhase.READY
        target.blocked = others if is_ready else others | {f"{event.stream} {event.phase}"}
        return True

    def caps(self, event: OpenInterestCaps) -> tuple[Effect, ...]:
        """The venue's list of capped instruments replaces the earlier one."""
        capped = frozenset(event.instruments)
        for market in self._markets.values():
            if market.instrument.venue == event.venue:
                market.is_capped = market.instrument.id in capped
        return _NO_EFFECTS

    def instrument(self, event: InstrumentUpdated) -> tuple[Effect, ...]:
        """New metadata. Orders and positions are counted in the units of the grid, so it stays."""
        instrument = event.instrument
        market = self._markets.get(instrument.id)
        if market is None:
            self._open_market(instrument)
        elif market.grid == instrument.grid:
            market.describe(instrument)
        else:
            market.blocked |= {"metadata another-grid"}
            text = f"{instrument.id}: the venue changed its grid; no new risk until a restart"
            return (Notify("error", text),)
        return _NO_EFFECTS
