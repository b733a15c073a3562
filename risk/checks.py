"""The checks of an order that adds risk: each a name and a pure function of one proposal.

A check returns None, or (limit, measured) as it would be told to a person. Worst cases count: what
rests, what is in flight and what is unknown is taken as filled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.model.units import MONEY_SCALE, NS_PER_MS
from engine.state.accounts import Account
from engine.state.exposure import Exposure
from engine.state.market import Market
from engine.state.orders import Order
from engine.state.positions import Position
from risk.limits import Limits
from risk.margin import initial_margin_e8, tier_leverage_max

Failure = tuple[str, str] | None


class Proposal:
    """One order on the grid, with what it is judged against.

    One is kept for each account and instrument; `ask` puts the next order into it. `replaced` is
    the order that a modify would move: what that already counts is not counted twice. `extra_lots`
    is what the order adds to what already counts.
    """

    __slots__ = (
        "account",
        "exposure",
        "extra_lots",
        "halted",
        "leverage",
        "limits",
        "mark_ticks2",
        "market",
        "notional_e8",
        "now_ns",
        "position",
        "px_ticks",
        "replaced",
        "side",
        "sz_lots",
    )

    def __init__(self, market: Market, account: Account, limits: Limits) -> None:
        self.market = market
        self.account = account
        self.limits = limits
        self.position: Position = account.position(market.instrument.id)
        self.exposure: Exposure = account.exposure(market.instrument.id)

    def ask(
        self,
        side: int,
        px_ticks: int,
        sz_lots: int,
        replaced: Order | None,
        now_ns: int,
        halted: str,
    ) -> None:
        """Let this be the order that is judged."""
        market = self.market
        self.side = side
        self.px_ticks = px_ticks
        self.sz_lots = sz_lots
        self.replaced = replaced
        self.extra_lots = sz_lots
        if replaced is not None:
            self.extra_lots = max(0, sz_lots - replaced.counted_lots)
        self.now_ns = now_ns
        self.halted = halted
        self.leverage = self.account.leverage_of(market.instrument.id)
        self.mark_ticks2 = market.mark_ticks2()
        self.notional_e8 = px_ticks * sz_lots * market.money_per_unit

    def worst_lots(self) -> int:
        """The position on this order's side if everything that may add on that side is filled.

        Where the position is on the other side, what may only reduce it is filled first.
        """
        lots = self.side * self.position.lots
        exposure = self.exposure
        if self.side > 0:
            resting, reducing = exposure.buy_lots, exposure.reduce_buy_lots
        else:
            resting, reducing = exposure.sell_lots, exposure.reduce_sell_lots
        if lots < 0:
            lots = min(0, lots + reducing)
        return lots + resting + self.extra_lots

    def worst_notional_e8(self) -> int:
        """`worst_lots` at the mark."""
        return max(0, self.worst_lots()) * self.mark_ticks2 * self.market.money_per_unit // 2

    def added_e8(self) -> int:
        """The notional, at the limit price, that asks for margin which nothing asks for yet.

        What closes the position asks for none; a modify asks for what it needs beyond its order.
        """
        if self.replaced is not None:
            reserved = self.replaced.counted_lots * self.replaced.counted_px_ticks
            return max(0, self.notional_e8 - reserved * self.market.money_per_unit)
        resting = self.exposure.buy_lots if self.side > 0 else self.exposure.sell_lots
        closing = -self.side * self.position.lots - resting
        if closing <= 0:
            return self.notional_e8
        return self.px_ticks * max(0, self.sz_lots - closing) * self.market.money_per_unit


def _money(amount_e8: int) -> str:
    return f"{amount_e8 / MONEY_SCALE:.2f}"


def halted(p: Proposal) -> Failure:
    """Nothing new while the operator or a guard has halted trading."""
    return ("not halted", p.halted) if p.halted else None


def stream_ready(p: Proposal) -> Failure:
    """Nothing new on data or an account that is down, stale, gapped or not yet merged."""
    blocked = p.market.blocked or p.account.blocked
    return ("every stream ready", ", ".join(sorted(blocked))) if blocked else None


def stale_data(p: Proposal) -> Failure:
    """Nothing new priced from data older than the limit."""
    most_ns = p.limits.data_age_ns_max
    if not most_ns or p.market.has_heard_since(p.now_ns - most_ns):
        return None
    age_ns = p.now_ns - p.market.heard_ns()
    return f"{most_ns // NS_PER_MS} ms", f"{age_ns // NS_PER_MS} ms"


def no_price(p: Proposal) -> Failure:
    """Nothing new without a mark price."""
    return None if p.mark_ticks2 else ("a mark price", "none")


def delisted(p: Proposal) -> Failure:
    """Nothing new on a delisted instrument."""
    return ("listed", "delisted") if p.market.instrument.is_delisted else None


def min_notional(p: Proposal) -> Failure:
    """The venue's least order value; an order that closes the whole position never comes here."""
    least_e8 = p.market.instrument.min_notional_e8
    if p.notional_e8 >= least_e8:
        return None
    return _money(least_e8), _money(p.notional_e8)


def open_interest_cap(p: Proposal) -> Failure:
    """The venue takes no new position while open interest is at its cap."""
    return ("below the open-interest cap", "at the cap") if p.market.is_capped else None


def price_distance(p: Proposal) -> Failure:
    """A price far from the mark is more likely a mistake than a wish."""
    most = p.limits.price_distance_max
    distance = abs(2 * p.px_ticks - p.mark_ticks2)
    if not most or distance <= most * p.mark_ticks2:
        return None
    return f"{most:.2%} from mark", f"{distance / p.mark_ticks2:.2%}"


def order_notional(p: Proposal) -> Failure:
    """The operator's largest order."""
    most_e8 = p.limits.order_notional_max_e8
    if not most_e8 or p.notional_e8 <= most_e8:
        return None
    return _money(most_e8), _money(p.notional_e8)


def position_notional(p: Proposal) -> Failure:
    """The operator's largest position on one instrument, worst case."""
    most_e8 = p.limits.position_notional_max_e8
    if not most_e8:
        return None
    worst_e8 = p.worst_notional_e8()
    return None if worst_e8 <= most_e8 else (_money(most_e8), _money(worst_e8))


def open_orders(p: Proposal) -> Failure:
    """The number of live orders on the account; a modify adds none."""
    most = p.limits.open_orders_max
    if not most or p.replaced is not None:
        return None
    count = 0
    for exposure in p.account.exposures.values():
        count += exposure.count
    return None if count < most else (str(most), str(count + 1))


def leverage(p: Proposal) -> Failure:
    """The leverage in force, against the operator's limit and the worst-case position's tier."""
    used = p.leverage
    if p.limits.leverage_max and used > p.limits.leverage_max:
        return str(p.limits.leverage_max), str(used)
    tiers = p.market.instrument.margin_tiers
    if len(tiers) == 1:
        allowed = tiers[0].leverage_max
    else:
        allowed = tier_leverage_max(p.market.instrument, p.worst_notional_e8())
    return None if used <= allowed else (f"{allowed} at this size", str(used))


def free_margin(p: Proposal) -> Failure:
    """Initial margin of what the order adds, against the equity nothing else needs."""
    needed_e8 = initial_margin_e8(p.added_e8(), p.leverage)
    free_e8 = p.account.free_margin_e8()
    return None if needed_e8 <= free_e8 else (_money(free_e8), _money(needed_e8))


Check = tuple[str, Callable[[Proposal], Failure]]

ADD_CHECKS: Final[tuple[Check, ...]] = (
    ("halted", halted),
    ("stream_ready", stream_ready),
    ("no_price", no_price),
    ("stale_data", stale_data),
    ("delisted", delisted),
    ("min_notional", min_notional),
    ("open_interest_cap", open_interest_cap),
    ("price_distance", price_distance),
    ("order_notional", order_notional),
    ("position_notional", position_notional),
    ("open_orders", open_orders),
    ("leverage", leverage),
    ("free_margin", free_margin),
)


# What bars new risk whatever order asks for it: not its size, its price or the money behind it. Of
# an order that rests and is left over, the margin is set aside while it rests; what it would open
# is no larger than what the close before it closes, and the limit on the position is asked.
_BARRING: Final = frozenset(
    (
        "halted",
        "stream_ready",
        "no_price",
        "stale_data",
        "delisted",
        "open_interest_cap",
        "position_notional",
        "leverage",
    )
)
_OF_THE_HOUR: Final = frozenset(
    ("halted", "stream_ready", "no_price", "delisted", "open_interest_cap")
)


class AddChecks:
    """The checks of an order that adds risk, without those that cannot fail under the limits."""

    __slots__ = ("_all", "_barring", "_measuring")

    def __init__(self, limits: Limits) -> None:
        is_set = {
            "stale_data": limits.data_age_ns_max,
            "price_distance": limits.price_distance_max,
            "order_notional": limits.order_notional_max_e8,
            "position_notional": limits.position_notional_max_e8,
            "open_orders": limits.open_orders_max,
        }
        self._all = tuple([(name, check) for name, check in ADD_CHECKS if is_set.get(name, True)])
        self._measuring = tuple([item for item in self._all if item[0] not in _OF_THE_HOUR])
        self._barring = tuple([check for name, check in self._all if name in _BARRING])

    def first_failure(self, p: Proposal) -> tuple[str, str, str] | None:
        """(check, limit, measured) of the first that refuses, or None."""
        for name, check in self._measuring if is_open(p) else self._all:
            failure = check(p)
            if failure is not None:
                return name, *failure
        return None

    def bar(self, p: Proposal) -> bool:
        """Whether new risk is barred now, whatever order asks for it."""
        return any(check(p) is not None for check in self._barring)


def is_open(p: Proposal) -> bool:
    """Whether nothing bars every order alike: what the checks of the hour would find, in one look.

    Where something does, they say what it is.
    """
    market = p.market
    return not (
        p.halted
        or market.blocked
        or p.account.blocked
        or not p.mark_ticks2
        or market.instrument.is_delisted
        or market.is_capped
    )
