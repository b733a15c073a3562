"""Who is started and woken, by what, and when."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core import Engine
from engine.model.commands import Place
from engine.model.effects import Effect, SetTimer, Submit
from engine.model.events import (
    AccountOpened,
    AssetContext,
    Bar,
    BookDelta,
    BookSnapshot,
    EngineStarted,
    EngineStopping,
    Event,
    FundingRate,
    OrderAccepted,
    OrderFilled,
    Quote,
    TimerFired,
    Trade,
)
from engine.model.units import MONEY_SCALE, NS_PER_MS, NS_PER_S
from engine.setup import AccountSetup, EngineSetup, StrategySetup
from strategies.api import (
    Bars,
    Books,
    Funding,
    Intents,
    Params,
    Quotes,
    Strategy,
    Subscription,
    Timer,
    Trades,
    Warmup,
)
from tests.engine.builders import (
    BTC,
    BUY,
    EPOCH,
    ETH,
    MAIN,
    SELL,
    START_NS,
    House,
    Scripted,
    commands,
    engine_with,
    instrument,
    live_house,
    only_command,
)

MINUTE_NS = 60 * NS_PER_S


def trade_at(house: House, ms: int, px: float = 100.0, where: str = BTC) -> tuple[Effect, ...]:
    """A trade so many milliseconds after the start."""
    house.now_ns = START_NS + ms * NS_PER_MS
    return house.step(Trade, where, px, 1.0, BUY, ms)


def bar_event(house: House, close: float, interval_ns: int = MINUTE_NS, where: str = BTC) -> Any:  # noqa: ANN401 - effects
    return house.step(Bar, where, interval_ns, close, close, close, close, 1.0)


# -- starting --------------------------------------------------------------------------------------


def test_a_strategy_starts_when_the_run_has_begun_and_its_account_is_known() -> None:
    strategy = Scripted(Quotes())
    house = House(strategy, start=False)
    house.quote()
    house.step(EngineStarted, EPOCH)
    house.quote()
    before = list(strategy.saw)
    house.step(AccountOpened, MAIN, "hl", 0)
    house.quote()

    assert [] == before
    assert ["on_start", "on_quote"] == strategy.handlers


def test_the_epoch_makes_the_client_order_ids_of_a_run_its_own() -> None:
    strategy = Scripted()
    house = House(strategy, start=False)
    house.step(AccountOpened, MAIN, "hl", 0)
    house.step(EngineStarted, (1 << 64) + 0xABC)
    first, second = (strategy.market(BTC, BUY, 1.0).cloid for _ in range(2))

    assert ("0x0000000000000abc0000000000000001", "0x0000000000000abc0000000000000002") == (
        first,
        second,
    )


def test_no_handler_runs_and_no_order_leaves_before_so_many_bars_were_seen() -> None:
    """All that happens is taken in; the bar that completes the warm-up is not delivered."""

    def script(strategy: Scripted, handler: str, what: object) -> Intents:
        del what
        return [strategy.limit(BTC, BUY, 100.0, 1.0)] if handler == "on_start" else None

    strategy = Scripted(Quotes(), Trades(), Bars("1m"), warmup=Warmup(bars=2), script=script)
    house = House(strategy)
    quiet = [house.quote(), house.mark(), bar_event(house, 100.0), trade_at(house, 5)]
    quiet.append(house.fill("0xmanual", 100.0, 1.0, side=BUY))
    before = list(strategy.saw)
    effects = bar_event(house, 101.0)
    bar_event(house, 102.0)

    assert [()] * 5 == quiet
    assert [] == before
    assert 1 == len(commands(effects))
    assert ["on_start", "on_bar"] == strategy.handlers
    assert "open=102.0" in strategy.saw[1]


def test_a_strategy_starts_with_all_bars_of_its_warm_up_and_keeps_as_many_as_it_asked_for() -> None:
    at_start: list[float] = []

    def script(strategy: Scripted, handler: str, what: object) -> Intents:
        del what
        if handler == "on_start":
            at_start.extend(bar.close for bar in strategy.view.bars(BTC, "1m"))
        return None

    strategy = Scripted(Bars("1m", history=2), warmup=Warmup(bars=3), script=script)
    house = House(strategy)
    for close in (1.0, 2.0, 3.0, 4.0):
        bar_event(house, close)

    assert [1.0, 2.0, 3.0] == at_start
    assert [3.0, 4.0] == [bar.close for bar in strategy.view.bars(BTC, "1m")]
    assert () == strategy.view.bars(BTC, "5m")


def test_bars_are_built_from_trades_where_the_venue_sends_none() -> None:
    """The bars a trade closes come before the trade."""
    strategy = Scripted(Trades(), Bars("1s"), warmup=Warmup(bars=1))
    house = House(strategy, bars_from_trades=frozenset({(BTC, NS_PER_S)}))
    for ms, px in ((0, 100.0), (900, 101.0), (1000, 102.0), (1500, 103.0), (2000, 104.0)):
        trade_at(house, ms, px)

    assert ["on_start", "on_trade", "on_trade", "on_bar", "on_trade"] == strategy.handlers
    assert "open=102.0, high=103.0, low=102.0, close=103.0" in strategy.saw[3]


def test_what_a_strategy_wishes_at_a_built_bar_leaves_with_the_trade_that_closed_it() -> None:
    def script(strategy: Scripted, handler: str, what: object) -> Intents:
        del what
        return [strategy.limit(BTC, BUY, 100.0, 1.0)] if handler in {"on_bar", "on_trade"} else None

    strategy = Scripted(Trades(), Bars("1s"), script=script)
    house = House(strategy, bars_from_trades=frozenset({(BTC, NS_PER_S)}))
    first, second = trade_at(house, 0), trade_at(house, 1000)

    assert [1, 2] == [len(commands(first)), len(commands(second))]


def test_every_subscribed_interval_of_every_instrument_must_be_warm() -> None:
    strategy = Scripted(Bars("1m"), Bars("5m"), warmup=Warmup(bars=1))
    house = House(strategy, instruments=(instrument(), instrument("ETH")))
    for where, interval_ns in ((BTC, MINUTE_NS), (ETH, MINUTE_NS), (ETH, 5 * MINUTE_NS)):
        bar_event(house, 1.0, interval_ns, where)
    before = list(strategy.saw)
    bar_event(house, 1.0, 5 * MINUTE_NS)

    assert [] == before
    assert ["on_start"] == strategy.handlers


def test_bars_and_a_span_must_both_have_been_seen() -> None:
    strategy = Scripted(Bars("1m"), warmup=Warmup(bars=1, span="10s"))
    house = House(strategy)
    bar_event(house, 1.0)
    house.tick(ms=9_999)
    house.step(TimerFired, "one", "perpd:warmup")
    before = list(strategy.saw)
    house.tick()
    house.step(TimerFired, "one", "perpd:warmup")

    assert [] == before
    assert ["on_start"] == strategy.handlers


def test_strategies_start_each_when_it_is_warm() -> None:
    quick, slow = Scripted(Bars("1m")), Scripted(Bars("1m"), warmup=Warmup(bars=2))
    house = House(quick, slow)
    bar_event(house, 1.0)
    bar_event(house, 2.0)
    bar_event(house, 3.0)

    assert ["on_start", "on_bar", "on_bar", "on_bar"] == quick.handlers
    assert ["on_start", "on_bar"] == slow.handlers


def test_no_strategy_starts_when_the_run_ends() -> None:
    strategy = Scripted(Bars("1m"), warmup=Warmup(bars=1))
    house = House(strategy)
    house.step(EngineStopping, "end")
    bar_event(house, 1.0)

    assert [] == strategy.saw


# -- waking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscription", "handler", "kind", "fields"),
    [
        (Quotes(), "on_quote", Quote, (99.0, 1.0, 101.0, 1.0)),
        (Trades(), "on_trade", Trade, (100.0, 1.0, BUY, 1)),
        (Books(), "on_book", BookSnapshot, (1, (99.0,), (1.0,), (101.0,), (1.0,))),
        (Books(), "on_book", BookDelta, (2, (99.0,), (1.0,), (), ())),
        (Bars("1m"), "on_bar", Bar, (MINUTE_NS, 1.0, 1.0, 1.0, 1.0, 1.0)),
        (Funding(), "on_funding", FundingRate, (0.0001,)),
    ],
)
def test_a_strategy_is_woken_by_what_it_subscribed_to_on_its_own_instruments(
    subscription: Subscription, handler: str, kind: type[Event], fields: tuple[Any, ...]
) -> None:
    woken, asleep = Scripted(subscription), Scripted()
    house = House(woken, asleep, instruments=(instrument(), instrument("ETH")))
    house.step(kind, BTC, *fields)
    house.step(kind, ETH, *fields)

    assert ["on_start", handler, handler] == woken.handlers
    assert ["on_start"] == asleep.handlers


def test_a_book_handler_receives_the_top_that_follows_from_the_update() -> None:
    strategy = Scripted(Books())
    house = House(strategy)
    house.step(BookSnapshot, BTC, 5, (99.0, 98.0), (1.0, 2.0), (101.0,), (3.0,))

    assert "on_book BookTop(" in strategy.saw[1]
    assert "seq=5, bid_px=99.0, bid_sz=1.0, ask_px=101.0, ask_sz=3.0)" in strategy.saw[1]


def test_a_declared_timer_fires_on_whole_multiples_of_its_period() -> None:
    strategy = Scripted(Timer("beat", "1m"))
    engine = engine_with(strategy)
    engine.step(AccountOpened(START_NS, START_NS, MAIN, "hl", 0))
    first_ns = (START_NS // MINUTE_NS + 1) * MINUTE_NS
    late_ns = first_ns + 5 * NS_PER_S

    assert (SetTimer("one", "beat", first_ns),) == engine.step(
        EngineStarted(START_NS, START_NS, EPOCH)
    )
    assert (SetTimer("one", "beat", first_ns + MINUTE_NS),) == engine.step(
        TimerFired(late_ns, late_ns, "one", "beat")
    )
    assert ["on_start", "on_timer"] == strategy.handlers


def test_a_wish_for_a_declared_timers_name_does_not_double_the_timer() -> None:
    """Each firing arms the next; a second chain would never end."""
    strategy = Scripted(Timer("beat", "1m"))
    house = House(strategy)
    house.tick()
    early = house.step(TimerFired, "one", "beat")
    house.now_ns = (START_NS // MINUTE_NS + 1) * MINUTE_NS
    due = house.step(TimerFired, "one", "beat")
    doubled = house.step(TimerFired, "one", "beat")

    assert () == early == doubled
    assert (SetTimer("one", "beat", house.now_ns + MINUTE_NS),) == due
    assert 3 == strategy.handlers.count("on_timer")


def test_wake_at_asks_for_a_timer_at_that_time() -> None:
    strategy = Scripted()
    house = House(strategy)

    assert (SetTimer("one", "soon", 123),) == house.ask(strategy.wake_at("soon", 123))


def test_a_timer_of_a_strategy_that_is_not_there_or_has_not_started_wakes_nobody() -> None:
    strategy = Scripted(Bars("1m"), warmup=Warmup(bars=1))
    house = House(strategy)

    assert () == house.step(TimerFired, "one", "beat")
    assert () == house.step(TimerFired, "nobody", "beat")
    assert [] == strategy.saw


class Deaf(Strategy):
    """Overrides neither on_order nor on_fill, and enters when it starts."""

    def on_start(self) -> Intents:
        return [self.limit(BTC, BUY, 99.0, 1.0)]


def test_a_strategy_that_overrides_no_handler_of_orders_or_fills_is_not_called() -> None:
    deaf = Deaf(Params())
    setup = EngineSetup(
        instruments=(instrument(),),
        accounts=(AccountSetup(MAIN, "hl"),),
        strategies=(StrategySetup("deaf", deaf, MAIN, (BTC,)),),
    )
    engine = Engine(setup)
    t = START_NS
    engine.step(AssetContext(t, t, BTC, 100.0, 100.0, 0.0, 0.0))
    engine.step(AccountOpened(t, t, MAIN, "hl", 10**6 * MONEY_SCALE))
    place = only_command(engine.step(EngineStarted(t, t, EPOCH)))
    assert isinstance(place, Place)
    deaf.on_fill = deaf.on_order = None  # type: ignore[assignment, method-assign]
    fill = OrderFilled(
        t, t, MAIN, BTC, place.cloid, 0, 1, 1, BUY, 99_000, 1000, 99.0, 1.0, 0, is_maker=True
    )

    assert () == engine.step(OrderAccepted(t, t, MAIN, BTC, place.cloid, 0, 1))
    assert () == engine.step(fill)
    assert 1.0 == deaf.view.position(BTC).sz


def test_orders_and_fills_reach_their_owner_and_nobody_else() -> None:
    one, two = Scripted(), Scripted()
    house = live_house(one, two)
    cloid = house.rest(BUY, 99.0, 1.0, by=1)
    house.fill(cloid, 99.0, 0.5)
    house.canceled(cloid)
    house.fill("0xmanual", 99.0, 0.5, side=BUY)

    assert ["on_start"] == one.handlers
    assert ["on_start", "on_timer", "on_order", "on_fill", "on_order"] == two.handlers
    assert "OrderAccepted" in two.saw[2]
    assert "OrderFilled" in two.saw[3]
    assert "OrderCanceled" in two.saw[4]


def test_a_strategy_hears_nothing_of_a_doubled_fill() -> None:
    strategy = Scripted()
    house = live_house(strategy)
    cloid = house.rest(BUY, 99.0, 1.0)
    for _ in range(2):
        house.fill(cloid, 99.0, 0.5, trade_id=9)

    assert 1 == strategy.handlers.count("on_fill")


def test_what_a_strategy_wishes_when_it_is_filled_leaves_in_the_same_step() -> None:
    strategy = Scripted()
    house = live_house(strategy)
    cloid = house.rest(BUY, 99.0, 1.0)
    strategy.reply = [strategy.limit(BTC, SELL, 101.0, 1.0)]

    assert isinstance(only_command(house.fill(cloid, 99.0, 1.0)), Place)


def test_two_strategies_on_one_symbol_each_see_their_own_position() -> None:
    one, two = Scripted(), Scripted()
    house = live_house(one, two)
    house.hold(3.0, by=0)
    house.hold(-1.0, by=1)
    house.fill("0xmanual", 100.0, 0.5, side=BUY)

    assert (3.0, -1.0) == (one.view.position(BTC).sz, two.view.position(BTC).sz)
    assert (2.5, 2.5) == (one.view.net_position(BTC).sz, two.view.net_position(BTC).sz)
    assert [] == one.view.orders(BTC)


def test_the_wishes_of_two_strategies_on_one_event_share_a_batch() -> None:
    def script(strategy: Scripted, handler: str, what: object) -> Intents:
        del what
        return [strategy.limit(BTC, BUY, 99.0, 1.0)] if handler == "on_quote" else None

    house = House(Scripted(Quotes(), script=script), Scripted(Quotes(), script=script))
    (effect,) = house.quote()

    assert isinstance(effect, Submit)
    assert 2 == len(effect.batch.commands)
