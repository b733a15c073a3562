"""The venue's limits, counted as the venue counts (protocol 6).

IP weight in a window of the last minute; an address's requests against what it traded. Time is the
local monotonic clock: limits know nothing of the venue's date.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.numbers import printed
from connectors.simulated.settings import Limits
from engine.drive.seams import Clock
from engine.model.units import MONEY_SCALE, NS_PER_S

MINUTE_NS: Final = 60 * NS_PER_S
CANCEL_EXTRA: Final = 100_000
EXPIRED_COST: Final = 5
TOO_MANY: Final = "429 Too Many Requests"

_LIGHT: Final = frozenset(
    {
        "l2Book",
        "allMids",
        "clearinghouseState",
        "orderStatus",
        "spotClearinghouseState",
        "exchangeStatus",
    }
)
_BY_20_ROWS: Final = frozenset(
    {
        "recentTrades",
        "historicalOrders",
        "userFills",
        "userFillsByTime",
        "fundingHistory",
        "userFunding",
        "userNonFundingLedgerUpdates",
        "twapHistory",
        "userTwapSliceFills",
    }
)


def info_weight(kind: str) -> int:
    """What an info request costs before its rows."""
    if kind in _LIGHT:
        return 2
    return 60 if kind == "userRole" else 20


def rows_weight(kind: str, rows: int) -> int:
    """What the rows of an answer cost beside it."""
    if kind == "candleSnapshot":
        return rows // 60
    return rows // 20 if kind in _BY_20_ROWS else 0


def action_weight(length: int) -> int:
    """What a batch of this length costs."""
    return 1 + length // 40


class Window:
    """So much within the last minute and no more."""

    __slots__ = ("_clock", "_most", "_spent", "_total")

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._spent: deque[tuple[int, int]] = deque()
        self._total = 0

    @property
    def used(self) -> int:
        """What was spent within the last minute."""
        since_ns = self._clock.monotonic_ns() - MINUTE_NS
        while self._spent and self._spent[0][0] <= since_ns:
            self._total -= self._spent.popleft()[1]
        return self._total

    def spend(self, amount: int) -> bool:
        """Spend, if there is room for all of it."""
        if self.used + amount > self._most:
            return False
        self.add(amount)
        return True

    def add(self, amount: int) -> None:
        """Spend whatever room there is: the price of what was answered already."""
        if amount:
            self._spent.append((self._clock.monotonic_ns(), amount))
            self._total += amount


class IpWeights:
    """One window for each address of a caller."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._windows: dict[str, Window] = {}

    def of(self, ip: str) -> Window:
        """The window of one caller."""
        window = self._windows.get(ip)
        if window is None:
            window = self._windows[ip] = Window(self._clock, self._limits.ip_weight_per_min)
        return window


class AddressBudget:
    """10,000 requests and one for each USDC ever traded; beyond it one action every 10 s."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits

    def cap(self, account: VenueAccount) -> int:
        """How many requests the account may have made."""
        return self._limits.address_requests + account.volume_e8 // MONEY_SCALE

    def spend(self, account: VenueAccount, cost: int, *, is_cancel: bool) -> str:
        """Count an action; the venue's refusal, which costs nothing, or "".

        Cancels have a ceiling of their own.
        """
        cap = self.cap(account)
        ceiling = min(cap + CANCEL_EXTRA, 2 * cap) if is_cancel else cap
        now_ns = self._clock.monotonic_ns()
        if account.requests + cost > ceiling:
            wait_ns = round(self._limits.address_wait_s * NS_PER_S)
            last_ns = account.last_request_ns
            if last_ns is not None and now_ns - last_ns < wait_ns:
                traded = printed(account.volume_e8 * 100 // MONEY_SCALE, 2)
                return (
                    f"Too many cumulative requests sent ({account.requests + cost} > {ceiling})"
                    f" for cumulative volume traded ${traded}. Place taker orders to free up 1"
                    " request per USDC traded."
                )
        account.requests += cost
        account.last_request_ns = now_ns
        return ""
