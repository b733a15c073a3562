"""The venue's two rate budgets as core state (protocol 6): weight per IP, actions per account.

The IP budget is a sliding window; the address budget starts at 10,000 and grows by one per USDC
traded. Both keep a reserve that only cancels and reduces may use. Time is the event's own, so a
backtest models the limits as live meets them.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from engine.errors import ModelError
from engine.model.units import MONEY_SCALE, NS_PER_S

WINDOW_NS: Final = 60 * NS_PER_S
CANCEL_EXTRA: Final = 100_000


class BudgetLimits(msgspec.Struct, frozen=True):
    """Hyperliquid's limits by default. `*_reserve` is what only cancels and reduces may use.

    At most `batch_max` commands go in one batch (39 weigh 1, 40 would weigh 2). `order_weight`,
    `modify_weight` and `cancel_weight` are for venues that count each command; 0 counts the batch.
    """

    ip_weight_max: int = 1200
    ip_weight_reserve: int = 200
    address_actions_start: int = 10_000
    address_actions_reserve: int = 500
    batch_max: int = 39
    order_weight: int = 0
    modify_weight: int = 0
    cancel_weight: int = 0

    def __post_init__(self) -> None:
        if self.batch_max < 1:
            raise ModelError(f"batch_max is {self.batch_max}, expected 1 or more")

    def weight_each(self, kind: str) -> int:
        """What a command of a batch of this kind weighs; 0 where the batch as a whole weighs 1."""
        if kind == "cancel":
            return self.cancel_weight
        return self.modify_weight if kind == "modify" else self.order_weight


class IpBudget:
    """Weight spent in the last 60 seconds by everything that shares the IP address."""

    __slots__ = ("_limits", "_spent", "_window")

    def __init__(self, limits: BudgetLimits) -> None:
        self._limits = limits
        self._window: deque[tuple[int, int]] = deque()
        self._spent = 0

    def left(self, now_ns: int, *, is_urgent: bool) -> int:
        """The weight that may be spent now."""
        window = self._window
        oldest_ns = now_ns - WINDOW_NS
        while window and window[0][0] <= oldest_ns:
            self._spent -= window.popleft()[1]
        reserve = 0 if is_urgent else self._limits.ip_weight_reserve
        return self._limits.ip_weight_max - reserve - self._spent

    def spend(self, now_ns: int, weight: int) -> None:
        """Count weight against the window."""
        self._window.append((now_ns, weight))
        self._spent += weight


class AddressBudget:
    """Actions an account may still send: the start, plus one per USDC traded, less the used."""

    __slots__ = ("_limits", "used", "volume_e8")

    def __init__(self, limits: BudgetLimits) -> None:
        self._limits = limits
        self.used = 0
        self.volume_e8 = 0

    @property
    def cap(self) -> int:
        """The actions earned so far."""
        return self._limits.address_actions_start + self.volume_e8 // MONEY_SCALE

    def left(self, *, is_cancel: bool, is_urgent: bool) -> int:
        """The actions that may be sent now; cancels have a higher ceiling."""
        cap = self._limits.address_actions_start + self.volume_e8 // MONEY_SCALE
        if is_cancel:
            return min(cap + CANCEL_EXTRA, 2 * cap) - self.used
        reserve = 0 if is_urgent else self._limits.address_actions_reserve
        return cap - reserve - self.used

    def spend(self, actions: int) -> None:
        """Count actions as used."""
        self.used += actions

    def earn(self, notional_e8: int) -> None:
        """Count traded volume."""
        self.volume_e8 += notional_e8

    def read(self, used: int, cap: int) -> None:
        """Take the venue's own count of what was used and earned."""
        self.used = used
        self.volume_e8 = max(0, cap - self._limits.address_actions_start) * MONEY_SCALE
