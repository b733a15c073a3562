"""One strategy in its place in an engine: its account, its subscriptions, its timers, its life."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from engine.model.effects import SetTimer
from engine.model.intents import AnyIntent, Cancel, CancelAll, ClosePosition
from engine.state.orders import Order
from strategies.api import Bars, Strategy, Subscription, Timer, overrides


class Asker(NamedTuple):
    """Somebody who wishes and is no strategy: the operator, on one account."""

    name: str
    account: str


class StrategyRunner:
    """A strategy, the account it trades, and its life: warming, started, stopped."""

    __slots__ = (
        "account",
        "due_ns",
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

    def __init__(
        self,
        name: str,
        strategy: Strategy,
        account: str,
        instruments: Sequence[str],
        on_stop_policy: str = "keep_protection",
        on_fault_policy: str = "keep_protection",
    ) -> None:
        self.name = name
        self.strategy = strategy
        self.account = account
        self.instruments = tuple(instruments)
        self.on_stop_policy = on_stop_policy
        self.on_fault_policy = on_fault_policy
        self.subscriptions: tuple[Subscription, ...] = tuple(strategy.subscriptions())
        self.timers = {item.name: item for item in self.subscriptions if isinstance(item, Timer)}
        self.due_ns: dict[str, int] = {}
        self.is_started = False
        self.warm_at_ns = 0
        self.on_order = strategy.on_order if overrides(strategy, "on_order") else None
        self.on_fill = strategy.on_fill if overrides(strategy, "on_fill") else None

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
