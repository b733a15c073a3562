"""`Engine.step`: one event in, effects out. Synchronous, total, deterministic, and free of I/O.

The way of an event: its route applies it to the state and wakes strategies; what they wish goes
through the gate; what the gate approves goes through the planner; out come effects. The time is the
event's own `ts_local_ns`. Same input, same output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from engine.account_events import AccountBook, Rule
from engine.agreement import Agreement
from engine.cloids import Cloids
from engine.conditions import Conditions
from engine.model.commands import Approved, Refused
from engine.model.effects import AskOrder, Effect, Record, SetTimer
from engine.model.events import (
    AccountEvent,
    AccountOpened,
    AccountRead,
    AssetContext,
    Bar,
    BlockTime,
    BookDelta,
    BookSnapshot,
    BookTop,
    EngineStarted,
    EngineStopping,
    Event,
    FundingPaid,
    FundingRate,
    Halted,
    InstrumentUpdated,
    OpenInterestCaps,
    Quote,
    Resumed,
    StreamChanged,
    TimerFired,
    Trade,
    WeightSpent,
    Wished,
)
from engine.model.instruments import Instrument
from engine.model.intents import AnyIntent, WakeAt
from engine.routes import (
    NOTHING,
    BarRoute,
    BookRoute,
    Effects,
    Route,
    TradeRoute,
    detach_all,
)
from engine.runner import Asker, StrategyRunner, stop_wishes
from engine.setup import EngineSetup, StrategySetup
from engine.state.accounts import OPERATOR, Account
from engine.state.bars import BarBuilder
from engine.state.market import Feed, Market
from engine.state.orders import Orders
from engine.submission import coalesce
from engine.view import EngineView
from risk.gate import Gate
from strategies.api import Bars, Books, Funding, Intents, Quotes, Trades

_WARMUP_TIMER = "perpd:warmup"
_NO_ROUTES: dict[int, BarRoute] = {}


class Engine:
    """The deterministic core. Built once from a setup; then changed by `step` and routes alone."""

    def __init__(self, setup: EngineSetup) -> None:
        self.setup = setup
        self.active = self._desk = Feed()
        self.orders = Orders()
        self.markets: dict[str, Market] = {}
        self.unknown: dict[str, int] = {}
        self.refusals: dict[tuple[str, str], int] = {}
        self._is_running = False
        self._cloids = Cloids()
        self._routes: dict[type, dict[str, Any]] = {
            kind: {}
            for kind in (
                Quote,
                BookTop,
                BookSnapshot,
                BookDelta,
                Trade,
                AssetContext,
                FundingRate,
            )
        }
        self._bars: dict[str, dict[int, BarRoute]] = {}
        for instrument in setup.instruments:
            self._open_market(instrument)
        self.accounts = {
            item.name: Account(item.name, item.venue, self.markets) for item in setup.accounts
        }
        for item in setup.accounts:
            self.accounts[item.name].leverage.update(item.leverage)
        self.gate = Gate(setup.limits, self.markets, self.orders)
        self.planner = setup.planner(self.orders)
        self.runners: dict[str, StrategyRunner] = {}
        self.agreement = Agreement(self.accounts, self.markets)
        self._conditions = Conditions(self.accounts, self.markets, self.gate, self._open_market)
        self.account_book = AccountBook(
            self.accounts, self.markets, self.orders, self.planner, self.agreement, self.runners
        )
        for entry in setup.strategies:
            self._seat(entry)
        self._control: dict[type, Callable[[Any], Effects]] = {
            EngineStarted: self._on_started,
            EngineStopping: self._on_stopping,
            Wished: self._on_wished,
            TimerFired: self._on_timer,
            Halted: self._conditions.halted,
            Resumed: self._conditions.resumed,
            StreamChanged: self._on_stream,
            OpenInterestCaps: self._conditions.caps,
            InstrumentUpdated: self._conditions.instrument,
            WeightSpent: self._on_weight,
            BlockTime: lambda _: NOTHING,
            **{
                kind: partial(self._on_account, rule)
                for kind, rule in self.account_book.rules.items()
            },
            AccountRead: self._on_read,
        }

    # -- the one door ------------------------------------------------------------------------------

    def step(self, event: Event) -> Effects:
        """Take in one event and return its effects."""
        routes = self._routes.get(type(event))
        if routes is not None:
            route = routes.get(event.instrument)  # type: ignore[attr-defined]
            if route is not None:
                effects: Effects = route.run((event,))
                return effects
            return self._count_unknown(event)
        if type(event) is Bar:
            return self._bar_step(event)
        desk = self._desk
        desk.last = event
        self.active = desk
        handler = self._control.get(type(event))
        return self._count_unknown(event) if handler is None else handler(event)

    def route(self, kind: type, instrument: str, interval_ns: int = 0) -> Route | BookRoute:
        """The route of one event type of one instrument, for drivers that hand over iterators."""
        if kind is Bar:
            return self._bar_route(instrument, interval_ns)
        route: Route | BookRoute = self._routes[kind][instrument]
        return route

    @property
    def now_ns(self) -> int:
        """The local stamp of the event being handled; 0 before the first."""
        last = self.active.last
        now_ns: int = last.ts_local_ns if last is not None else 0
        return now_ns

    def bar_history(self, instrument: str, interval_ns: int) -> Iterable[Bar]:
        """The bars kept for one interval, oldest first."""
        route = self._bars.get(instrument, {}).get(interval_ns)
        return () if route is None else route.history

    def decide(self, wishes: Sequence[tuple[Any, Any]]) -> Effects:
        """Gate and planner: from what strategies wish to the effects that follow."""
        now_ns: int = self.active.last.ts_local_ns
        approved: list[Approved] = []
        effects: list[Effect] = []
        judge = self.gate.judge
        for runner, intents in wishes:
            account = self.accounts[runner.account]
            for intent in coalesce(intents):
                if type(intent) is WakeAt:
                    effects.append(SetTimer(runner.name, intent.name, intent.at_ns))
                    continue
                if runner.elsewhere:
                    account = self.accounts[runner.account_at(intent.instrument)]
                for verdict in judge(intent, runner.name, account, now_ns):
                    if type(verdict) is Approved:
                        approved.append(verdict)
                    else:
                        effects.append(self._record(verdict))  # type: ignore[arg-type]
        if approved:
            for effect in self.planner.plan(approved, now_ns):
                if type(effect) is Record:
                    self._record(effect.refusal)
                effects.append(effect)
        return tuple(effects) if effects else NOTHING

    def start_warm(self) -> Effects:
        """Start every strategy whose warm-up is complete; none any more when the run ends."""
        effects: Effects = NOTHING
        if self.gate.is_stopping:
            return effects
        for runner in self.runners.values():
            if not runner.is_started and self._is_warm(runner):
                effects += self._start(runner)
        warming = {
            (instrument, item.interval_ns)
            for runner in self.runners.values()
            if not runner.is_started
            for instrument in runner.instruments
            for item in runner.bar_subscriptions()
        }
        for instrument, routes in self._bars.items():
            for interval_ns, route in routes.items():
                if (instrument, interval_ns) not in warming:
                    route.settle()
        return effects

    # -- building ----------------------------------------------------------------------------------

    def _open_market(self, instrument: Instrument) -> None:
        market = self.markets[instrument.id] = Market(instrument)
        for kind in (Quote, BookTop, AssetContext, FundingRate):
            self._routes[kind][instrument.id] = Route(self)
        self._routes[Trade][instrument.id] = TradeRoute(self)
        market.quote = self._routes[Quote][instrument.id]
        market.top = self._routes[BookTop][instrument.id]
        market.trade = self._routes[Trade][instrument.id]
        market.context = self._routes[AssetContext][instrument.id]
        book, top = market.book, self._routes[BookTop][instrument.id]
        self._routes[BookSnapshot][instrument.id] = BookRoute(book.snapshot, top)
        self._routes[BookDelta][instrument.id] = BookRoute(book.delta, top)

    def _bar_route(self, instrument: str, interval_ns: int) -> BarRoute:
        routes = self._bars.setdefault(instrument, {})
        route = routes.get(interval_ns)
        if route is None:
            route = routes[interval_ns] = BarRoute(self)
            market = self.markets[instrument]
            market.bars[interval_ns] = route
            if (instrument, interval_ns) in self.setup.bars_from_trades:
                builder = BarBuilder(interval_ns, market.px_scale, market.sz_scale)
                self._routes[Trade][instrument].build(builder, route)
        return route

    def _seat(self, entry: StrategySetup) -> None:
        runner = StrategyRunner(entry)
        view = EngineView(self, runner)
        entry.strategy.bind(
            name=entry.name,
            instruments=entry.instruments,
            view=view,
            next_cloid=self._cloids.next,
        )
        warm_bars = entry.strategy.warmup().bars
        for instrument in entry.instruments:
            for item in runner.bar_subscriptions():
                route = self._bar_route(instrument, item.interval_ns)
                route.remember(item.history, warm_bars)
        self.runners[entry.name] = runner

    def _is_warm(self, runner: StrategyRunner) -> bool:
        """The run has begun, the account is known, and what was declared has been seen."""
        warmup = runner.strategy.warmup()
        is_open = self._is_running and all(self.accounts[name].is_open for name in runner.accounts)
        if not is_open or runner.warm_at_ns > self.now_ns:
            return False
        return all(
            self._bar_route(instrument, item.interval_ns).count >= warmup.bars
            for instrument in runner.instruments
            for item in runner.bar_subscriptions()
        )

    def _start(self, runner: StrategyRunner) -> Effects:
        """Attach the handlers, arm the timers, and let the strategy speak for the first time."""
        runner.is_started = True
        strategy = runner.strategy
        kinds: dict[type, tuple[type, Any]] = {
            Books: (BookTop, strategy.on_book),
            Quotes: (Quote, strategy.on_quote),
            Trades: (Trade, strategy.on_trade),
            Funding: (FundingRate, strategy.on_funding),
        }
        for instrument in runner.instruments:
            for item in runner.subscriptions:
                if type(item) in kinds:
                    kind, handler = kinds[type(item)]
                    self._routes[kind][instrument].attach(runner, handler)
                elif isinstance(item, Bars):
                    route = self._bar_route(instrument, item.interval_ns)
                    route.attach(runner, strategy.on_bar)
        timers = runner.arm_timers(self.now_ns)
        return timers + self._wish(runner, strategy.on_start())

    # -- control events ----------------------------------------------------------------------------

    def _bar_step(self, bar: Bar) -> Effects:
        route = self._bars.get(bar.instrument, _NO_ROUTES).get(bar.interval_ns)
        return self._count_unknown(bar) if route is None else route.run((bar,))

    def _count_unknown(self, event: Event) -> Effects:
        """A kind or an instrument that this engine was not built for: counted, never guessed at."""
        where = f"{type(event).__name__} {getattr(event, 'instrument', '')}".strip()
        self.unknown[where] = self.unknown.get(where, 0) + 1
        return NOTHING

    def _wish(self, asker: StrategyRunner | Asker, intents: Intents) -> Effects:
        return self.decide(((asker, intents),)) if intents else NOTHING

    def _record(self, refusal: Refused) -> Record:
        key = refusal.strategy, refusal.check
        self.refusals[key] = self.refusals.get(key, 0) + 1
        return Record(refusal)

    def _on_account(self, rule: Rule, event: AccountEvent) -> Effects:
        account = self.accounts.get(event.account)
        if account is None:
            return self._count_unknown(event)
        where = getattr(event, "instrument", "")
        if where and where not in self.markets:
            # Somebody trades another market on this account: only its funding is money we can book.
            self._count_unknown(event)
            if type(event) is not FundingPaid:
                return NOTHING
        owner, is_fill = rule(event, account)
        if type(event) is AccountOpened:
            return self.start_warm()
        asks: Effects = NOTHING
        if self.orders.unsettled:
            # An unclear outcome is settled by asking.
            asks = tuple(
                AskOrder(order.account, order.instrument, order.cloid, order.newest_generation)
                for order in self.orders.take_unsettled()
            )
        runner = self.runners.get(owner)
        if runner is None or not runner.is_started:
            return asks
        handler = runner.on_fill if is_fill else runner.on_order
        return asks if handler is None else asks + self._wish(runner, handler(event))  # type: ignore[arg-type]

    def _on_started(self, event: EngineStarted) -> Effects:
        self._is_running = True
        self._cloids.begin(event.epoch)
        effects: Effects = NOTHING
        for runner in self.runners.values():
            span_ns = runner.strategy.warmup().span_ns
            if span_ns:
                runner.warm_at_ns = event.ts_local_ns + span_ns
                effects += (SetTimer(runner.name, _WARMUP_TIMER, runner.warm_at_ns),)
        return effects + self.start_warm()

    def _on_stopping(self, event: EngineStopping) -> Effects:
        """The market wakes nobody any more; told again, only what the policies ask for is left."""
        is_first = not self.gate.is_stopping
        self.gate.is_stopping = True
        detach_all(*self._routes.values(), *self._bars.values())
        effects: Effects = NOTHING
        for runner in self.runners.values():
            wishes: list[AnyIntent] = []
            if runner.is_started and is_first and not event.is_fault:
                wishes += runner.strategy.on_stop() or ()
            policy = runner.on_fault_policy if event.is_fault else runner.on_stop_policy
            for instrument in runner.instruments:
                live = self.orders.live(runner.name, instrument).values()
                wishes += stop_wishes(policy, instrument, live, self._cloids.next)
            effects += self._wish(runner, wishes)
        return effects

    def _on_wished(self, event: Wished) -> Effects:
        if event.account not in self.accounts:
            return self._count_unknown(event)
        return self._wish(Asker(OPERATOR, event.account), [*event.intents])

    def _on_timer(self, event: TimerFired) -> Effects:
        runner = self.runners.get(event.strategy)
        if runner is None:
            return NOTHING
        if event.name == _WARMUP_TIMER:
            return self.start_warm()
        if not runner.is_started:
            return NOTHING
        effects = runner.arm_timers(event.ts_local_ns, event.name)
        return effects + self._wish(runner, runner.strategy.on_timer(event.name))

    def _on_stream(self, event: StreamChanged) -> Effects:
        return NOTHING if self._conditions.stream(event) else self._count_unknown(event)

    def _on_read(self, event: AccountRead) -> Effects:
        if event.account not in self.accounts:
            return self._count_unknown(event)
        return self.agreement.read(event)

    def _on_weight(self, event: WeightSpent) -> Effects:
        self.planner.ip(event.venue).spend(event.ts_local_ns, event.weight)
        return NOTHING
