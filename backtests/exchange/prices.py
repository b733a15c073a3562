"""Which prices the venue takes, written from its rule (protocol 4) and from nothing of ours.

A price has at most `significant_figures` figures, or is a whole number. Prices here are ticks.
"""

from __future__ import annotations

from engine.model.instruments import Instrument


class PriceRule:
    """The allowed prices of one instrument."""

    __slots__ = ("_decimals", "_figures", "_free_below", "scale")

    def __init__(self, instrument: Instrument) -> None:
        self._decimals = instrument.px_decimals
        self._figures = instrument.significant_figures
        self._free_below: int = 10**instrument.significant_figures
        self.scale: int = 10**instrument.px_decimals

    def is_allowed(self, px_ticks: int) -> bool:
        """Whether the venue takes this (positive) price."""
        if px_ticks < self._free_below or px_ticks % self.scale == 0:
            return True
        return len(str(px_ticks).rstrip("0")) <= self._figures

    def up(self, px_ticks: int) -> int:
        """The lowest allowed price at or above."""
        step = self._step(px_ticks)
        return -(-px_ticks // step) * step

    def down(self, px_ticks: int) -> int:
        """The highest allowed price at or below; 0 when there is none."""
        step = self._step(px_ticks)
        return px_ticks // step * step

    def text(self, px_ticks: int) -> str:
        """A price as the venue prints it: no trailing zeros.

        "None" for 0, a side that is not there.
        """
        if not px_ticks:
            return "None"
        text = f"{px_ticks / self.scale:.{self._decimals}f}"
        return text.rstrip("0").rstrip(".") if self._decimals else text

    def _step(self, px_ticks: int) -> int:
        spare = len(str(px_ticks)) - self._figures
        return 1 if spare <= 0 else min(10**spare, self.scale)
