"""What of an account's positions the fills that were read do not explain.

The positions of the opening and every fill told since say what the account must hold. What it says
beyond that was filled and is not in /trades yet, or moved by what no fill tells. Where nothing of
ours is alive on a market, what it holds is taken as explained.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.model.units import Side


class Standing:
    """Signed lots by instrument: what the fills explain, and what the newest reading shows."""

    def __init__(self) -> None:
        self._explained: dict[str, int] = {}
        self._shown: dict[str, int] = {}

    def open(self, lots: Mapping[str, int]) -> None:
        """Begin with what the account was opened with."""
        self._explained = dict(lots)
        self._shown = dict(lots)

    def count(self, instrument: str, side: Side, lots: int) -> None:
        """A fill was told that the opening did not hold."""
        self._explained[instrument] = self._explained.get(instrument, 0) + side * lots

    def show(self, lots: Mapping[str, int]) -> None:
        """The account was read, and the fills were not read since."""
        self._shown = dict(lots)

    def accept(self, alive: Collection[str]) -> None:
        """No fill came after the reading: it stands, but where orders of ours may be alive."""
        for instrument in {*self._explained, *self._shown}.difference(alive):
            self._explained[instrument] = self._shown.get(instrument, 0)

    @property
    def is_explained(self) -> bool:
        """Whether every position is what the fills make it."""
        return not any(map(self.unexplained, {*self._shown, *self._explained}))

    def unexplained(self, instrument: str) -> int:
        """Lots held beyond what the fills explain; below zero for a sale that is not explained."""
        return self._shown.get(instrument, 0) - self._explained.get(instrument, 0)

    def may_hold(self, instrument: str, side: Side | None) -> bool:
        """Whether what is not explained may be from an order of this side, or of any if None."""
        lots = self.unexplained(instrument)
        return lots != 0 if side is None else lots * side > 0
