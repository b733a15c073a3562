"""One strategy in its place in an engine: its account, its subscriptions, and whether it has started."""

from __future__ import annotations

from collections.abc import Sequence

from strategies.api import Bars, Strategy, Subscription, Timer, overrides


class StrategyRunner:
    """A strategy, the account it trades, and its life: warming, started, stopped."""

    __slots__ = (
        "account",
        "instruments",
        "is_started",
        "name",
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
    ) -> None:
        self.name = name
        self.strategy = strategy
        self.account = account
        self.instruments = tuple(instruments)
        self.on_stop_policy = on_stop_policy
        self.subscriptions: tuple[Subscription, ...] = tuple(strategy.subscriptions())
        self.timers = {item.name: item for item in self.subscriptions if isinstance(item, Timer)}
        self.is_started = False
        self.warm_at_ns = 0
        self.on_order = strategy.on_order if overrides(strategy, "on_order") else None
        self.on_fill = strategy.on_fill if overrides(strategy, "on_fill") else None

    def bar_subscriptions(self) -> list[Bars]:
        """The bars this strategy takes."""
        return [item for item in self.subscriptions if isinstance(item, Bars)]
