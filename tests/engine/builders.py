"""A small engine to ask things of: scripted strategies, a clock, and short words for a venue.

The instrument is BTC on a venue "hl": prices of 3 decimals, sizes of 3, so that a price of 100 is
100,000 ticks and a size of 1 is 1,000 lots.
"""

# ruff: noqa: ANN401, PLR0913 - a builder passes on whatever a test wants to set

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.budget import BudgetLimits
from engine.core import Engine
from engine.model.commands import Batch, Command, Place, Refused
from engine.model.effects import Effect, Record, Submit
from engine.model.events import (
    AccountOpened,
    AssetContext,
    Bar,
    BookTop,
    CancelRejected,
    EngineStarted,
    Event,
    FundingRate,
    Halted,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnclear,
    Quote,
    TimerFired,
    Trade,
)
from engine.model.instruments import Instrument, MarginTier, hyperliquid_instrument
from engine.model.intents import AnyIntent, PlaceLimit
from engine.model.units import MONEY_SCALE, NS_PER_MS, Side, Tif
from engine.setup import AccountSetup, EngineSetup, StrategySetup
from engine.state.accounts import Account
from engine.state.orders import Order
from risk.limits import Limits
from strategies.api import Intents, Params, Strategy, Subscription, Warmup

BTC, ETH = "hl:BTC", "hl:ETH"
START_NS = 1_700_000_000_000_000_000
EPOCH = 7
MAIN = "main"


def instrument(
    coin: str = "BTC",
    *,
    sz_decimals: int = 3,
    leverage_max: int = 20,
    tiers: Sequence[tuple[float, int]] = (),
    is_delisted: bool = False,
) -> Instrument:
    """A perpetual of "hl"; `tiers` are (lower bound in money, leverage), the first from zero."""
    return hyperliquid_instrument(
        "hl",
        coin,
        sz_decimals=sz_decimals,
        margin_tiers=tuple(
            MarginTier(round(bound * MONEY_SCALE), most)
            for bound, most in tiers or ((0.0, leverage_max),)
        ),
        is_delisted=is_delisted,
    )


class Scripted(Strategy):
    """Writes down what it sees, and returns what the test tells it.

    `script(self, handler, what)` decides, if given; otherwise `reply` is returned once, at the next
    handler that runs.
    """

    def __init__(
        self,
        *subscriptions: Subscription,
        warmup: Warmup | None = None,
        script: Callable[[Scripted, str, Any], Intents] | None = None,
    ) -> None:
        super().__init__(Params())
        self.saw: list[str] = []
        self.reply: Intents = None
        self._subscriptions = subscriptions
        self._warmup = warmup or Warmup()
        self._script = script

    def subscriptions(self) -> Sequence[Subscription]:
        return self._subscriptions

    def warmup(self) -> Warmup:
        return self._warmup

    def _hear(self, handler: str, what: object) -> Intents:
        self.saw.append(f"{handler} {what!r}")
        if self._script is not None:
            return self._script(self, handler, what)
        reply, self.reply = self.reply, None
        return reply

    def on_start(self) -> Intents:
        return self._hear("on_start", self.view.now_ns)

    def on_book(self, top: BookTop) -> Intents:
        return self._hear("on_book", top)

    def on_quote(self, quote: Quote) -> Intents:
        return self._hear("on_quote", quote)

    def on_trade(self, trade: Trade) -> Intents:
        return self._hear("on_trade", trade)

    def on_bar(self, bar: Bar) -> Intents:
        return self._hear("on_bar", bar)

    def on_funding(self, funding: FundingRate) -> Intents:
        return self._hear("on_funding", funding)

    def on_timer(self, name: str) -> Intents:
        return self._hear("on_timer", name)

    def on_order(self, event: OrderEvent) -> Intents:
        return self._hear("on_order", event)

    def on_fill(self, fill: OrderFilled) -> Intents:
        return self._hear("on_fill", fill)

    def on_stop(self) -> Intents:
        return self._hear("on_stop", None)

    @property
    def handlers(self) -> list[str]:
        """Only the names of the handlers that ran, in order."""
        return [line.split(" ", 1)[0] for line in self.saw]


def engine_with(
    *strategies: Scripted,
    names: Sequence[str] = (),
    instruments: Sequence[Instrument] = (),
    limits: Limits | None = None,
    budget: BudgetLimits | None = None,
    leverage: dict[str, int] | None = None,
    on_stop: str = "keep_protection",
    bars_from_trades: frozenset[tuple[str, int]] = frozenset(),
) -> Engine:
    """An engine, not yet started; its strategies are one, two, three, and trade everything."""
    markets = tuple(instruments) or (instrument(),)
    words = tuple(names) or ("one", "two", "three")
    return Engine(
        EngineSetup(
            instruments=markets,
            accounts=(AccountSetup(MAIN, "hl", leverage or {}),),
            strategies=tuple(
                StrategySetup(name, strategy, MAIN, tuple(item.id for item in markets), on_stop)
                for name, strategy in zip(words, strategies, strict=False)
            ),
            limits=limits or Limits(),
            budget=budget or BudgetLimits(),
            bars_from_trades=bars_from_trades,
        )
    )


class House:
    """A running engine, its clock, and a venue's words, each returning the effects of its step."""

    def __init__(
        self, *strategies: Scripted, balance: float = 1_000_000.0, start: bool = True, **how: Any
    ) -> None:
        self.strategies = strategies or (Scripted(),)
        self.engine = engine_with(*self.strategies, **how)
        self.now_ns = START_NS
        self._trade_id = 0
        if start:
            self.step(AccountOpened, MAIN, "hl", round(balance * MONEY_SCALE))
            self.step(EngineStarted, EPOCH)

    # time and events

    def tick(self, ms: int = 1) -> None:
        """Let time pass."""
        self.now_ns += ms * NS_PER_MS

    def step(self, kind: type[Event], *fields: Any, **named: Any) -> tuple[Effect, ...]:
        """Step an event of this kind, stamped now."""
        return self.engine.step(kind(self.now_ns, self.now_ns, *fields, **named))

    def quote(
        self, bid_px: float = 99.99, ask_px: float = 100.01, where: str = BTC
    ) -> tuple[Effect, ...]:
        return self.step(Quote, where, bid_px, 1.0, ask_px, 1.0)

    def mark(self, mark_px: float = 100.0, where: str = BTC) -> tuple[Effect, ...]:
        return self.step(AssetContext, where, mark_px, mark_px, 0.0, 0.0)

    def halt(self) -> None:
        self.step(Halted, "by hand")

    # what strategies ask for

    def ask(self, *intents: AnyIntent, by: int = 0) -> tuple[Effect, ...]:
        """Let a strategy wish for this at a timer."""
        self.strategies[by].reply = list(intents)
        return self.step(TimerFired, self.strategies[by].name, "ask")

    def limit(self, side: Side, px: float, sz: float, **how: Any) -> PlaceLimit:
        return self.strategies[0].limit(BTC, side, px, sz, **how)

    def rest(self, side: Side, px: float, sz: float, *, by: int = 0, **how: Any) -> str:
        """A limit order that the venue holds; its cloid."""
        intent = self.strategies[by].limit(BTC, side, px, sz, **how)
        place = only_command(self.ask(intent, by=by))
        assert isinstance(place, Place)
        self.accept(intent.cloid)
        return intent.cloid

    def hold(self, sz: float, *, px: float = 100.0, by: int = 0) -> None:
        """Give a strategy a position, by a limit order that is filled at once."""
        side = Side.BUY if sz > 0 else Side.SELL
        cloid = self.rest(side, px, abs(sz), by=by)
        self.fill(cloid, px, abs(sz))

    # what the venue answers

    def accept(self, cloid: str, generation: int = 0, oid: int = 1) -> tuple[Effect, ...]:
        return self.step(OrderAccepted, MAIN, BTC, cloid, generation, oid)

    def reject(self, cloid: str, reason: str = "no") -> tuple[Effect, ...]:
        return self.step(OrderRejected, MAIN, BTC, cloid, 0, reason)

    def canceled(self, cloid: str, generation: int = 0) -> tuple[Effect, ...]:
        return self.step(OrderCanceled, MAIN, BTC, cloid, generation, 1, "canceled")

    def cancel_rejected(self, cloid: str, generation: int = 0) -> tuple[Effect, ...]:
        return self.step(CancelRejected, MAIN, BTC, cloid, generation, "gone")

    def replaced(
        self, cloid: str, px_ticks: int, sz_lots: int, generation: int = 1, oid: int = 2
    ) -> tuple[Effect, ...]:
        return self.step(OrderReplaced, MAIN, BTC, cloid, generation, oid, px_ticks, sz_lots)

    def modify_rejected(self, cloid: str, generation: int = 1) -> tuple[Effect, ...]:
        return self.step(ModifyRejected, MAIN, BTC, cloid, generation, "no")

    def unclear(self, cloid: str, generation: int = 0) -> tuple[Effect, ...]:
        return self.step(OrderUnclear, MAIN, BTC, cloid, generation, "timeout")

    def fill(
        self,
        cloid: str,
        px: float,
        sz: float,
        *,
        side: Side | None = None,
        generation: int | None = None,
        trade_id: int | None = None,
        fee_e8: int = 0,
        is_liquidation: bool = False,
    ) -> tuple[Effect, ...]:
        """A fill of one order; side and generation are the order's unless they are given."""
        self._trade_id += 1
        order = self.engine.orders.get(cloid)
        if order is not None:
            side = side or order.side
            generation = order.generation if generation is None else generation
        assert side is not None
        return self.step(
            OrderFilled,
            MAIN,
            BTC,
            cloid,
            generation or 0,
            1,
            self._trade_id if trade_id is None else trade_id,
            side,
            round(px * 1000),
            round(sz * 1000),
            px,
            sz,
            fee_e8,
            is_maker=True,
            is_liquidation=is_liquidation,
        )

    # what there is

    @property
    def account(self) -> Account:
        return self.engine.accounts[MAIN]

    def order(self, cloid: str) -> Order:
        order = self.engine.orders.get(cloid)
        assert order is not None
        return order

    def net(self, where: str = BTC) -> int:
        """The account's position in lots."""
        return self.account.position(where).lots

    def own(self, name: str = "one", where: str = BTC) -> int:
        """One strategy's position in lots."""
        return self.account.strategy_position(name, where).lots


def live_house(*strategies: Scripted, **how: Any) -> House:
    """A house whose market has a quote around 100 and a mark of 100."""
    house = House(*strategies, **how)
    house.quote()
    house.mark()
    return house


def batches(effects: Sequence[Effect]) -> list[Batch]:
    return [effect.batch for effect in effects if isinstance(effect, Submit)]


def commands(effects: Sequence[Effect]) -> list[Command]:
    """Every command that goes out, in the order it does."""
    return [command for batch in batches(effects) for command in batch.commands]


def only_command(effects: Sequence[Effect]) -> Command:
    assert [] == refusals(effects)
    (command,) = commands(effects)
    return command


def refusals(effects: Sequence[Effect]) -> list[Refused]:
    return [effect.refusal for effect in effects if isinstance(effect, Record)]


def refused(effects: Sequence[Effect]) -> list[tuple[str, str, str]]:
    """Every refusal as (check, limit, measured)."""
    return [(item.check, item.limit, item.measured) for item in refusals(effects)]


def checks(effects: Sequence[Effect]) -> list[str]:
    """The names of the checks that refused."""
    return [item.check for item in refusals(effects)]


ALO, GTC, IOC = Tif.ALO, Tif.GTC, Tif.IOC
BUY, SELL = Side.BUY, Side.SELL
