"""The engine walked event by event: everything that comes out."""

from __future__ import annotations

from typing import Any

from engine.model.commands import Batch, CancelOrder, Place, Refused
from engine.model.effects import AskOrder, Effect, Notify, Record, SetTimer, Submit
from engine.model.events import (
    AccountOpened,
    AssetContext,
    Bar,
    BlockTime,
    EngineStarted,
    EngineStopping,
    Event,
    Halted,
    InstrumentUpdated,
    OpenInterestCaps,
    OrderCanceled,
    Quote,
    StreamChanged,
    StreamPhase,
    TimerFired,
    Transfer,
)
from engine.model.units import MONEY_SCALE, NS_PER_MS, NS_PER_S, TriggerKind
from strategies.api import (
    Bars,
    Intents,
    Quotes,
    Timer,
    Warmup,
)
from tests.engine.builders import (
    BTC,
    BUY,
    EPOCH,
    ETH,
    GTC,
    IOC,
    MAIN,
    SELL,
    START_NS,
    House,
    Scripted,
    checks,
    commands,
    instrument,
    live_house,
    refused,
)

MINUTE_NS = 60 * NS_PER_S
CLOIDS = [f"0x{EPOCH:016x}{number:016x}" for number in range(1, 10)]
# -- a whole life ----------------------------------------------------------------------------------


def test_a_life_from_start_to_stop_gives_exactly_these_effects() -> None:
    """One strategy: it warms up, enters with a limit, protects itself, is filled, and stops."""

    def script(strategy: Scripted, handler: str, what: object) -> Intents:
        if handler == "on_start":
            return [strategy.wake_at("enter", START_NS + NS_PER_S)]
        if handler == "on_timer" and what == "enter":
            return [strategy.limit(BTC, BUY, 99.9, 1.0)]
        if handler == "on_fill" and strategy.view.position(BTC).sz == 1.0:
            return [strategy.stop_loss(BTC, SELL, 1.0, 95.0)]
        if handler == "on_stop":
            return [strategy.limit(BTC, BUY, 99.0, 1.0), strategy.close(BTC)]
        return None

    strategy = Scripted(Timer("beat", "1m"), warmup=Warmup(span="1s"), script=script)
    house = House(strategy, start=False)
    house.engine.step(AccountOpened(START_NS, START_NS, MAIN, "hl", 10**5 * MONEY_SCALE))
    beat_ns = (START_NS // MINUTE_NS + 1) * MINUTE_NS
    warm_ns = START_NS + NS_PER_S
    entry, stop, late, close = CLOIDS[:4]

    def at(seconds: float, kind: type[Event], *fields: object) -> tuple[Effect, ...]:
        house.now_ns = START_NS + round(seconds * NS_PER_S)
        return house.step(kind, *fields)

    assert (SetTimer("one", "perpd:warmup", warm_ns),) == at(0, EngineStarted, EPOCH)
    assert () == at(0.1, Quote, BTC, 99.99, 1.0, 100.01, 1.0)
    assert () == at(0.9, TimerFired, "one", "beat")
    assert (
        SetTimer("one", "beat", beat_ns),
        SetTimer("one", "enter", START_NS + NS_PER_S),
    ) == at(1, TimerFired, "one", "perpd:warmup")
    place = Place(BTC, entry, BUY, 99_900, 1000, GTC)
    assert (Submit(Batch(MAIN, "order", (place,), 1, 1)),) == at(1, TimerFired, "one", "enter")
    assert () == house.accept(entry)
    assert () == house.fill(entry, 99.9, 0.4)
    house.engine.step(Halted(house.now_ns, house.now_ns, "by hand"))
    (protect,) = house.fill(entry, 99.9, 0.6)
    assert isinstance(protect, Submit)
    (child,) = protect.batch.commands
    assert isinstance(child, Place)
    assert child.trigger is not None
    assert (stop, SELL, 95_000, TriggerKind.STOP_LOSS, True) == (
        child.cloid,
        child.side,
        child.trigger.px_ticks,
        child.trigger.kind,
        child.reduce_only,
    )
    assert () == house.accept(stop, oid=0)
    assert (AskOrder(MAIN, BTC, stop, 0),) == house.unclear(stop)
    # Stopping under a halt: the new entry is refused, the close goes out, the stop stays.
    flat = Place(BTC, close, SELL, 94_990, 1000, IOC, reduce_only=True)
    assert (
        Record(Refused("one", BTC, late, "halted", "not halted", "by hand")),
        Submit(Batch(MAIN, "order", (flat,), 1, 1)),
    ) == at(9, EngineStopping, "end")
    assert () == house.fill(close, 95.0, 1.0)

    assert [
        "on_start",
        "on_timer",
        "on_order",
        "on_fill",
        "on_fill",
        "on_order",
        "on_order",
        "on_stop",
        "on_fill",
    ] == strategy.handlers
    assert (0, 0) == (house.net(), house.own())
    assert 10**5 * MONEY_SCALE - round(4.9 * MONEY_SCALE) == house.account.equity_e8()


# -- what cannot be placed anywhere ----------------------------------------------------------------


class Strange(Event, frozen=True):
    """A kind of event that the engine was not built for."""


def test_what_the_engine_was_not_built_for_is_counted() -> None:
    house = House()
    for _ in range(2):
        house.quote(where="hl:DOGE")
    house.step(Bar, BTC, 7, 1.0, 1.0, 1.0, 1.0, 1.0)
    house.step(Strange)
    house.step(Transfer, "nobody", 5, "deposit")
    house.step(StreamChanged, "book", StreamPhase.DOWN, instrument="hl:DOGE")
    house.step(StreamChanged, "fills", StreamPhase.DOWN, account="nobody")

    assert {
        "Quote hl:DOGE": 2,
        "Bar hl:BTC": 1,
        "Strange": 1,
        "Transfer": 1,
        "StreamChanged hl:DOGE": 1,
        "StreamChanged": 1,
    } == house.engine.unknown


def test_time_alone_does_nothing_but_pass() -> None:
    house = House()
    house.tick(ms=77)

    assert () == house.step(BlockTime)
    assert START_NS + 77 * NS_PER_MS == house.engine.now_ns


# -- metadata --------------------------------------------------------------------------------------


def test_new_metadata_of_a_market_is_taken_in() -> None:
    house = live_house(leverage={BTC: 10})
    house.step(InstrumentUpdated, instrument(leverage_max=3))

    assert [("leverage", "3 at this size", "10")] == refused(house.ask(house.limit(BUY, 99.0, 1.0)))


def test_a_market_that_appears_can_be_seen() -> None:
    strategy = Scripted()
    house = House(strategy)
    house.step(InstrumentUpdated, instrument("ETH"))
    house.quote(9.0, 11.0, where=ETH)

    assert 10.0 == strategy.view.mark_px(ETH)
    assert {} == house.engine.unknown


def test_another_grid_stops_new_risk_and_tells_a_person() -> None:
    """Orders and positions are counted in the units of the grid they were made on."""
    house = live_house()
    house.hold(1.0)
    effects = house.step(InstrumentUpdated, instrument(sz_decimals=1))

    assert (
        Notify("error", "hl:BTC: the venue changed its grid; no new risk until a restart"),
    ) == effects
    assert 3 == house.strategies[0].view.instrument(BTC).sz_decimals
    assert ["stream_ready"] == checks(house.ask(house.limit(BUY, 99.0, 1.0)))
    assert [] == checks(house.ask(house.strategies[0].close(BTC)))


def test_caps_of_instruments_nobody_trades_are_ignored() -> None:
    house = live_house()
    house.step(OpenInterestCaps, "hl", ("hl:DOGE",))

    assert [] == checks(house.ask(house.limit(BUY, 99.0, 1.0)))


# -- stopping --------------------------------------------------------------------------------------


def stopped(on_stop: str) -> tuple[House, dict[str, str], list[Any]]:
    """A house with a position, an adding and two reducing orders, stopped; and what went out."""
    house = live_house(on_stop=on_stop)
    house.hold(2.0)
    cloids = {"add": house.rest(BUY, 90.0, 1.0), "take": house.rest(SELL, 110.0, 1.0)}
    cloids["take_only"] = house.rest(SELL, 111.0, 1.0, reduce_only=True)
    stop = house.strategies[0].stop_loss(BTC, SELL, 2.0, 95.0)
    house.ask(stop)
    house.accept(stop.cloid, oid=0)
    cloids["stop"] = stop.cloid
    effects = house.step(EngineStopping, "end")
    assert [] == refused(effects)
    return house, cloids, commands(effects)


def test_keep_protection_cancels_what_may_add_and_keeps_what_only_reduces() -> None:
    _, cloids, out = stopped("keep_protection")

    assert [CancelOrder(BTC, cloids[name], 0) for name in ("add", "take")] == out


def test_cancel_all_cancels_everything_and_keeps_the_position() -> None:
    house, cloids, out = stopped("cancel_all")

    assert [CancelOrder(BTC, cloid, 0) for cloid in cloids.values()] == out
    assert 2000 == house.net()


def test_flatten_cancels_everything_and_closes_the_position() -> None:
    """The orders on their way out still count, and the close is sent all the same."""
    _, cloids, out = stopped("flatten")

    assert [CancelOrder(BTC, cloid, 0) for cloid in cloids.values()] == out[:-1]
    close = out[-1]
    assert isinstance(close, Place)
    assert (SELL, 2000, IOC, True) == (close.side, close.sz_lots, close.tif, close.reduce_only)


def test_a_stopping_strategy_may_cancel_and_reduce_and_not_add() -> None:
    strategy = Scripted()
    house = live_house(strategy)
    house.hold(1.0)
    cloid = house.rest(BUY, 90.0, 1.0)
    strategy.reply = [
        strategy.cancel(BTC, cloid),
        strategy.limit(BTC, SELL, 101.0, 1.0),
        strategy.limit(BTC, BUY, 90.0, 1.0),
    ]
    effects = house.step(EngineStopping, "end")

    assert [("halted", "not halted", "stopping")] == refused(effects)
    assert [CancelOrder, Place] == [type(command) for command in commands(effects)]


def test_a_strategy_that_never_started_is_not_asked_to_stop() -> None:
    strategy = Scripted(Bars("1m"), warmup=Warmup(bars=1))
    house = House(strategy, on_stop="flatten")

    assert () == house.step(EngineStopping, "end")
    assert [] == strategy.saw


# -- accounts that say things ----------------------------------------------------------------------


def test_a_context_and_an_unknown_cloid_wake_nobody() -> None:
    strategy = Scripted(Quotes())
    house = House(strategy)
    house.step(AssetContext, BTC, 100.0, 100.0, 0.0, 0.0)
    house.step(OrderCanceled, MAIN, BTC, "0xmanual", 0, 1, "canceled")

    assert ["on_start"] == strategy.handlers
