"""One strategy in its place in an engine: its account, its subscriptions, its timers, its life."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from engine.model.effects import SetTimer
from engine.model.intents import AnyIntent, Cancel, CancelAll, ClosePosition
from engine.setup import StrategySetup
from engine.state.orders import Order
from strategies.api import Bars, Strategy, Subscription, Timer, overrides


class Asker(NamedTuple):
    """Somebody who wishes and is no strategy: the operator, on one account."""

    name: str
    account: str
    elsewhere: tuple[str, ...] = ()


class StrategyRunner:
    """A strategy, what it trades, and its life: warming, started, stopped.

    `account` is the one it trades; `elsewhere` names the accounts of its instruments on other
    venues.
    """

    __slots__ = (
        "account",
        "due_ns",
        "elsewhere",
        "instruments",
        "is_started",
        "name",
        "on_fault_policy",
        "on_fill",
        "on_order",
        "on_stop_policy",
        "strategy",
        "subscriptions",
        "timers",
        "warm_at_ns",
    )

    def __init__(self, entry: StrategySetup) -> None:
        strategy = entry.strategy
        self.name = entry.name
        self.strategy: Strategy = strategy
        self.account = entry.account
        self.instruments = entry.instruments
        self.elsewhere = entry.elsewhere
        self.on_stop_policy = entry.on_stop
        self.on_fault_policy = entry.on_fault
        self.subscriptions: tuple[Subscription, ...] = tuple(strategy.subscriptions())
        self.timers = {item.name: item for item in self.subscriptions if isinstance(item, Timer)}
        self.due_ns: dict[str, int] = {}
        self.is_started = False
        self.warm_at_ns = 0
        self.on_order = strategy.on_order if overrides(strategy, "on_order") else None
        self.on_fill = strategy.on_fill if overrides(strategy, "on_fill") else None

    @property
    def accounts(self) -> frozenset[str]:
        """Every account it trades."""
        return frozenset({self.account, *self.elsewhere.values()})

    def account_at(self, instrument: str) -> str:
        """The account it trades an instrument on."""
        return self.elsewhere.get(instrument, self.account)

    def bar_subscriptions(self) -> list[Bars]:
        """The bars this strategy takes."""
        return [item for item in self.subscriptions if isinstance(item, Bars)]

    def arm_timers(self, now_ns: int, fired: str | None = None) -> tuple[SetTimer, ...]:
        """The next due time of the timer that fired, or at the start (None) of every timer.

        Not for one that fired early because the strategy also asked for its name by `wake_at`:
        what was armed is still to come.
        """
        effects: list[SetTimer] = []
        for name, timer in self.timers.items():
            if fired in (None, name) and now_ns >= self.due_ns.get(name, 0):
                due_ns = (now_ns // timer.every_ns + 1) * timer.every_ns
                self.due_ns[name] = due_ns
                effects.append(SetTimer(self.name, name, due_ns))
        return tuple(effects)


def stop_wishes(
    policy: str, instrument: str, live: Iterable[Order], next_cloid: Callable[[], str]
) -> list[AnyIntent]:
    """What a policy asks for when a strategy stops, by will or by a fault.

    keep_protection cancels what may add risk and keeps reduce-only orders; the others say what they
    do.
    """
    if policy == "cancel_all":
        return [CancelAll(instrument)]
    if policy == "flatten":
        return [CancelAll(instrument), ClosePosition(instrument, next_cloid())]
    return [Cancel(instrument, order.cloid) for order in live if not order.reduce_only]
