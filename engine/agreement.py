"""Whether our positions are the venue's: compared at every read of the account.

Position = sum of applied fills = the venue's position. A difference stops ADD on the account at
once. It may only be news under way (a fill on one stream, the read on another), so it is believed
when two reads in a row, both newer than our last fill, tell the same, and fills were asked for
after the second: a stream may be late, or lose a fill, for longer than any two reads are apart.
Then it is declared, what we never heard of is booked to `external`, and the operator is told. A
difference that a late fill explains is gone with that fill.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.model.effects import Effect, Notify
from engine.model.events import AccountRead
from engine.state.accounts import EXTERNAL, Account
from engine.state.market import Market

BLOCK: Final = "positions differ"
_NO_EFFECTS: Final[tuple[Effect, ...]] = ()

Difference = tuple[tuple[str, int, int], ...]


class Reading(msgspec.Struct):
    """The last read of an account, and how it compared.

    `difference` holds (instrument, the venue's lots, ours). `cash_gap_e8` is the venue's cash less
    our ledger's when positions last agreed: 0 when the ledger closes.
    """

    event: AccountRead
    difference: Difference
    cash_gap_e8: int | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the venue and we agree on everything."""
        return not self.difference and not self.cash_gap_e8


class Agreement:
    """The comparison of every account of one engine."""

    def __init__(self, accounts: dict[str, Account], markets: dict[str, Market]) -> None:
        self._accounts = accounts
        self._markets = markets
        self.readings: dict[str, Reading] = {}
        self.declared = 0

    def read(self, event: AccountRead) -> tuple[Effect, ...]:
        """Compare with what the venue says; the effects tell a person what was declared."""
        account = self._accounts[event.account]
        before = self.readings.get(account.name)
        difference = self._difference(event, account)
        reading = self.readings[account.name] = Reading(event, difference)
        if not difference:
            self._agree(reading, account)
            return _NO_EFFECTS
        account.blocked |= {BLOCK}
        newest_ns = account.filled_ns
        if (
            not event.is_caught_up
            or before is None
            or before.difference != difference
            or before.event.ts_venue_ns <= newest_ns
            or event.ts_venue_ns <= newest_ns
        ):
            return _NO_EFFECTS
        return self._declare(account, difference)

    def filled(self, account: Account) -> None:
        """A fill was booked: it may be the one a difference waited for."""
        if BLOCK not in account.blocked:
            return
        reading = self.readings[account.name]
        reading.difference = self._difference(reading.event, account)
        if not reading.difference:
            self._agree(reading, account)

    def _agree(self, reading: Reading, account: Account) -> None:
        account.blocked -= {BLOCK}
        reading.cash_gap_e8 = reading.event.cash_e8 - account.cash_e8

    def _difference(self, event: AccountRead, account: Account) -> Difference:
        theirs = dict(event.positions)
        ours = {where: position.lots for where, position in account.positions.items()}
        return tuple(
            (where, theirs.get(where, 0), ours.get(where, 0))
            for where in sorted((theirs.keys() | ours.keys()) & self._markets.keys())
            if theirs.get(where, 0) != ours.get(where, 0)
        )

    def _declare(self, account: Account, difference: Difference) -> tuple[Effect, ...]:
        """Take the venue's word: what no fill explains was somebody else's doing."""
        effects: list[Effect] = []
        for where, theirs, ours in difference:
            market = self._markets[where]
            missing = theirs - ours
            cost_e8 = missing * market.mark_ticks2() * market.money_per_unit // 2
            for position in (account.position(where), account.strategy_position(EXTERNAL, where)):
                position.lots += missing
                position.cost_e8 += cost_e8
            text = (
                f"{account.name} {where}: the venue holds {market.grid.sz(theirs):g}, our fills"
                f" make {market.grid.sz(ours):g}; the difference is booked to {EXTERNAL}"
            )
            effects.append(Notify("error", text))
        self.declared += 1
        reading = self.readings[account.name]
        reading.difference = ()
        self._agree(reading, account)
        return tuple(effects)
