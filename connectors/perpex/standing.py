"""What of an account's positions the fills that were read do not explain.

The positions of the opening and every later fill say what the account must hold. What it says
beyond that was filled and is not in /trades yet, or was moved by what no fill tells. The latter is
taken as explained when it stood still for as long as an unclear order is looked for, while no
order of ours could be the cause.
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
        self._as_of_ms = 0
        self._after: dict[str, int] = {}
        self._since: dict[str, tuple[int, int]] = {}

    def open(self, lots: Mapping[str, int], opened_ms: int) -> None:
        """Begin with what the account was opened with: that holds every fill up to then."""
        self._explained = dict(lots)
        self._shown = dict(lots)
        self._opened_ms = opened_ms

    def count(self, instrument: str, side: Side, lots: int, ts_ms: int) -> None:
        """A fill of this venue time was told."""
        if ts_ms <= self._opened_ms:
            return
        self._explained[instrument] = self._explained.get(instrument, 0) + side * lots
        if 0 < self._as_of_ms < ts_ms:
            self._after[instrument] = self._after.get(instrument, 0) + side * lots

    def show(self, lots: Mapping[str, int], as_of_ms: int = 0) -> None:
        """The account was read, as of this venue time (0: it does not say), and then the fills."""
        self._shown = dict(lots)
        self._as_of_ms = as_of_ms
        self._after.clear()

    def accept(self, unsettled: Collection[str], now_ns: int) -> None:
        """What was shown was followed by a reading of the fills without news, or rows in doubt.

        On `unsettled` markets there may be orders of ours of which not all is known.
        """
        for instrument in {*self._explained, *self._shown}:
            lots = self.unexplained(instrument)
            if instrument in unsettled or not lots:
                self._since.pop(instrument, None)
                continue
            before, since_ns = self._since.get(instrument, (lots, now_ns))
            since_ns = since_ns if before == lots else now_ns
            self._since[instrument] = lots, since_ns
            if now_ns - since_ns >= self._patience_ns:
                self._explained[instrument] = self._explained.get(instrument, 0) + lots
                del self._since[instrument]

    @property
    def knows_when(self) -> bool:
        """Whether a fill can be told to be from before or after what was shown."""
        return self._as_of_ms > 0

    @property
    def is_explained(self) -> bool:
        """Whether every position was shown as all of the fills make it."""
        return not any(
            self._shown.get(instrument, 0) != self._explained.get(instrument, 0)
            for instrument in {*self._shown, *self._explained}
        )

    def is_open(self, instrument: str, side: Side | None) -> bool:
        """Whether there is a position that an order of this side, any if None, would close.

        By the fills or by the account: either may be late.
        """
        for lots in (self._explained.get(instrument, 0), self._shown.get(instrument, 0)):
            if lots != 0 if side is None else lots * side < 0:
                return True
        return False

    def unexplained(self, instrument: str) -> int:
        """Lots held beyond what the fills explain; below zero for a sale that is not explained."""
        shown = self._shown.get(instrument, 0) + self._after.get(instrument, 0)
        return shown - self._explained.get(instrument, 0)

    def may_hold(self, instrument: str, side: Side | None) -> bool:
        """Whether what is not explained may be from an order of this side, or of any if None."""
        lots = self.unexplained(instrument)
        return lots != 0 if side is None else lots * side > 0
