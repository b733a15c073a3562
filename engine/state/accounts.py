"""One account on one venue: cash, positions, exposures, leverage, and a ledger that must close.

Equity = start + transfers + realised - fees - funding + unrealised; every term is an integer in
1e-8. Each fill belongs to the strategy that caused it, or to `EXTERNAL`; the strategies' positions
add up to the account's.
"""

from __future__ import annotations

from typing import Final

from engine.model.units import ceil_div
from engine.state.exposure import Exposure
from engine.state.market import Market
from engine.state.positions import Position

EXTERNAL: Final = "external"
OPERATOR: Final = "operator"
LEVERAGE_DEFAULT: Final = 10
FILLS_REMEMBERED_MAX: Final = 100_000


class Account:
    """The engine's picture of one account.

    `filled_ns` is the venue time of its newest fill. `carried_e8` is what positions from before the
    run have realised for the account and for none of their owners: their costs' sum less its cost.
    """

    def __init__(self, name: str, venue: str, markets: dict[str, Market]) -> None:
        self.name = name
        self.venue = venue
        self.is_open = False
        self.start_e8 = 0
        self.cash_e8 = 0
        self.transfers_e8 = 0
        self.fees_e8 = 0
        self.funding_e8 = 0
        self.leverage: dict[str, int] = {}
        self.is_cross: dict[str, bool] = {}
        self.positions: dict[str, Position] = {}
        self.exposures: dict[str, Exposure] = {}
        self.owned: dict[tuple[str, str], Position] = {}
        self.blocked: frozenset[str] = frozenset()
        self.filled_ns = 0
        self.carried_e8 = 0
        self._markets = markets
        self._seen_fills: dict[tuple[str, int, str], None] = {}

    def position(self, instrument: str) -> Position:
        """The net position."""
        found = self.positions.get(instrument)
        if found is None:
            found = self.positions[instrument] = Position(*self._markets[instrument].scales)
            # Margin is worked out over exposures: every position has one.
            self.exposure(instrument)
        return found

    def strategy_position(self, strategy: str, instrument: str) -> Position:
        """The position that one strategy's own fills built."""
        key = strategy, instrument
        found = self.owned.get(key)
        if found is None:
            found = self.owned[key] = Position(*self._markets[instrument].scales)
        return found

    def exposure(self, instrument: str) -> Exposure:
        """What the live orders on the instrument could still do."""
        found = self.exposures.get(instrument)
        if found is None:
            found = self.exposures[instrument] = Exposure()
        return found

    def leverage_of(self, instrument: str) -> int:
        """The leverage in force: as set, else the default within the instrument's own maximum."""
        found = self.leverage.get(instrument)
        if found is None:
            allowed = self._markets[instrument].instrument.leverage_max
            found = self.leverage[instrument] = min(LEVERAGE_DEFAULT, allowed)
        return found

    def is_new_fill(self, instrument: str, trade_id: int, cloid: str) -> bool:
        """Whether this fill was not booked before; the newest 100,000 are remembered."""
        key = instrument, trade_id, cloid
        seen = self._seen_fills
        if key in seen:
            return False
        seen[key] = None
        if len(seen) > FILLS_REMEMBERED_MAX:
            del seen[next(iter(seen))]
        return True

    def equity_e8(self) -> int:
        """Cash plus what open positions have gained at the mark; nothing where there is no mark."""
        total = self.cash_e8
        for instrument, position in self.positions.items():
            if position.lots:
                mark_ticks2 = self._markets[instrument].mark_ticks2()
                if mark_ticks2:
                    total += position.unrealised_e8(mark_ticks2)
        return total

    def margin_used_e8(self) -> int:
        """Initial margin: positions at the mark, resting orders at their limit (protocol 7.1)."""
        return self.equity_e8() - self.free_margin_e8()

    def free_margin_e8(self) -> int:
        """Equity that no position or order needs; may be negative."""
        free_e8 = self.cash_e8
        for instrument, exposure in self.exposures.items():
            needed_e8 = exposure.reserved_e8
            position = self.positions.get(instrument)
            if position is not None and position.lots:
                market = self._markets[instrument]
                # Nothing where there is no mark, as in `equity_e8`.
                value2_e8 = position.lots * market.mark_ticks2() * market.money_per_unit
                if value2_e8:
                    free_e8 += value2_e8 // 2 - position.cost_e8
                    needed_e8 += abs(value2_e8) // 2
            if needed_e8:
                free_e8 -= ceil_div(needed_e8, self.leverage_of(instrument))
        return free_e8
