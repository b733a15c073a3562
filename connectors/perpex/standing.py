"""What of an account's positions the fills that were read do not explain.

The positions of the opening and every fill since say what the account must hold. What it says
beyond that was filled and is not in /trades yet, or was moved by what no fill tells. A fill is
counted only if it is later than the positions it would be added to. What stays unexplained while
nothing of ours can be the cause is taken as explained: at once where no order of ours is alive,
else when it stood for as long as an unclear order is looked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.model.units import Side


class Standing:
    """Signed lots by instrument: what the fills explain, and what the newest reading shows."""

    def __init__(self, patience_ns: int) -> None:
        self._patience_ns = patience_ns
        self._explained: dict[str, int] = {}
        self._shown: dict[str, int] = {}
        self._opened_ms = 0
        self._as_of_ms: dict[str, int] = {}
        self._since: dict[str, tuple[int, int]] = {}

    def open(self, lots: Mapping[str, int], as_of_ms: int) -> None:
        """Begin with what the account was opened with, and when (venue time) that was so."""
        self._explained = dict(lots)
        self._shown = dict(lots)
        self._opened_ms = as_of_ms

    def count(self, instrument: str, side: Side, lots: int, ts_ms: int) -> None:
        """A fill of this venue time was told; one that the explained position holds is no news."""
        if ts_ms > self._as_of_ms.get(instrument, self._opened_ms):
            self._explained[instrument] = self._explained.get(instrument, 0) + side * lots

    def show(self, lots: Mapping[str, int]) -> None:
        """The account was read, and the fills were not read since."""
        self._shown = dict(lots)

    def accept(
        self, alive: Collection[str], unsettled: Collection[str], as_of_ms: int, now_ns: int
    ) -> None:
        """The reading shown, as of this venue time, was followed by one of the fills without news.

        Orders of ours may be on the `alive` markets, of which nothing is known on `unsettled`.
        """
        for instrument in {*self._explained, *self._shown}:
            lots = self.unexplained(instrument)
            if instrument in alive and (instrument in unsettled or not lots):
                self._since.pop(instrument, None)
                continue
            before, since_ns = self._since.get(instrument, (0, now_ns))
            since_ns = since_ns if before == lots else now_ns
            self._since[instrument] = lots, since_ns
            if instrument not in alive or now_ns - since_ns >= self._patience_ns:
                self._explained[instrument] = self._shown.get(instrument, 0)
                self._as_of_ms[instrument] = as_of_ms
                del self._since[instrument]

    @property
    def is_explained(self) -> bool:
        """Whether every position is what the fills make it."""
        return not any(map(self.unexplained, {*self._shown, *self._explained}))

    def explained(self, instrument: str) -> int:
        """Signed lots that the fills make the position."""
        return self._explained.get(instrument, 0)

    def unexplained(self, instrument: str) -> int:
        """Lots held beyond what the fills explain; below zero for a sale that is not explained."""
        return self._shown.get(instrument, 0) - self.explained(instrument)

    def may_hold(self, instrument: str, side: Side | None) -> bool:
        """Whether what is not explained may be from an order of this side, or of any if None."""
        lots = self.unexplained(instrument)
        return lots != 0 if side is None else lots * side > 0
