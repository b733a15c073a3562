"""One simulated run: an engine, an exchange and a tape, driven to the end of the tape.

Which rows go where: the exchange matches against the best source it has for an instrument (its
book, else quotes, else trades, else bars) beside trades, contexts and funding; the engine receives
what its strategies subscribed to and what prices an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from backtests.drive.chunked import run_chunked
from backtests.drive.reference import run_reference
from backtests.drive.session import Session, Watcher
from backtests.exchange import SimAccount, SimulatedExchange
from backtests.models.fees import FeeModel, StaticFees
from backtests.models.latency import FixedLatency, LatencyModel
from backtests.models.queue import QueueRule, queue_rule_for
from backtests.tape import Stream, StreamKind, Tape
from engine.budget import BudgetLimits
from engine.core import Engine
from engine.errors import DataError
from engine.model.events import AccountOpened, EngineStarted, EngineStopping, Event
from engine.routes import Effects
from engine.setup import AccountSetup, EngineSetup, StrategySetup
from risk.limits import Limits
from strategies.api import Bars, Books, Quotes, Trades

Driver = Literal["reference", "chunked"]
# Given a run's setup and its engine, the step that journals every event and its effects.
Journal = Callable[[EngineSetup, Engine], Callable[[Event], Effects]]
HALF_SPREAD_PPB: Final = 50_000
_TICKS: Final = (StreamKind.BOOK, StreamKind.QUOTE, StreamKind.TRADE)


class Simulation(msgspec.Struct, kw_only=True):
    """What a run is made of. Balances are 1e-8, delays ns; `epoch` seeds the client order ids."""

    tape: Tape
    strategies: tuple[StrategySetup, ...]
    accounts: tuple[AccountSetup, ...]
    balances_e8: dict[str, int]
    limits: Limits = Limits()
    budget: BudgetLimits = BudgetLimits()
    fees: FeeModel = StaticFees()
    latency: LatencyModel = FixedLatency()
    feed_delay_ns: int = 0
    queue: QueueRule | None = None
    half_spread_ppb: int = HALF_SPREAD_PPB
    epoch: int = 1


class Outcome(msgspec.Struct):
    """A finished run: the engine and the exchange as they stand, and the session between them."""

    engine: Engine
    exchange: SimulatedExchange
    session: Session
    streams: list[Stream]
    queue: dict[str, QueueRule]
    start_ns: int
    end_ns: int


def simulate(
    sim: Simulation,
    driver: Driver,
    *,
    watcher: Watcher | None = None,
    progress: Callable[[int, Session], None] | None = None,
    journal: Journal | None = None,
) -> Outcome:
    """Run to the end of the tape; a journaled run needs the reference driver.

    Raises DataError when the tape lacks what a strategy subscribed to.
    """
    used = sorted({where for item in sim.strategies for where in item.instruments})
    tape = sim.tape.select(instruments=used)
    built = bars_to_build(tape, sim.strategies)
    feed = [stream for stream in tape.streams if stream.n and is_fed(stream, sim.strategies, tape)]
    venue = [stream for stream in tape.streams if stream.n and is_matched(stream, tape)]
    if not feed:
        raise DataError(f"tape holds no rows of {', '.join(used)} in the span asked for")
    setup = EngineSetup(
        instruments=tuple(tape.instruments[where] for where in used),
        accounts=sim.accounts,
        strategies=sim.strategies,
        limits=sim.limits,
        budget=sim.budget,
        bars_from_trades=frozenset(built),
    )
    engine = Engine(setup)
    queue = {where: sim.queue or _queue(tape, where) for where in used}
    exchange = SimulatedExchange(
        [tape.instruments[where] for where in used],
        [
            SimAccount(
                name=item.name,
                balance_e8=sim.balances_e8[item.name],
                leverage=_leverage(engine, item, used),
            )
            for item in sim.accounts
        ],
        fees=sim.fees,
        queue=queue,
        report_ns=sim.latency.report_ns,
        synthetic_half_spread_ppb=sim.half_spread_ppb,
    )
    step = None if journal is None else journal(setup, engine)
    session = Session(engine, exchange, sim.latency, watcher, step)
    start_ns = (
        min(int(stream.window("ts_local_ns", 0, 1)[0]) for stream in feed) + sim.feed_delay_ns
    )
    for event in _opening(sim, start_ns):
        _step(session, event)
    run = run_reference if driver == "reference" else run_chunked
    run(
        session,
        exchange_streams=venue,
        feed_streams=feed,
        feed_ns=sim.feed_delay_ns,
        progress=None if progress is None else lambda ts_ns: progress(ts_ns, session),
    )
    end_ns = max(int(stream.window("ts_local_ns", stream.n - 1, stream.n)[0]) for stream in feed)
    end_ns += sim.feed_delay_ns
    _step(session, EngineStopping(end_ns, end_ns, "end of data"))
    end_ns = max(end_ns, session.drain())
    return Outcome(engine, exchange, session, list(tape.streams), queue, start_ns, end_ns)


def _opening(sim: Simulation, start_ns: int) -> Iterable[Event]:
    yield EngineStarted(start_ns, start_ns, sim.epoch)
    for item in sim.accounts:
        balance_e8 = sim.balances_e8[item.name]
        yield AccountOpened(start_ns, start_ns, item.name, item.venue, balance_e8)


def _step(session: Session, event: Event) -> None:
    effects = session.step(event)
    if effects:
        session.perform(effects, event.ts_local_ns)


def _leverage(engine: Engine, account: AccountSetup, used: list[str]) -> dict[str, int]:
    """The leverage the engine goes by, which a live run verifies before its first order."""
    state = engine.accounts[account.name]
    venue = account.venue + ":"
    return {where: state.leverage_of(where) for where in used if where.startswith(venue)}


def _has(tape: Tape, where: str, kind: StreamKind, interval_ns: int = 0) -> bool:
    return any(
        stream.kind is kind
        and stream.instrument.id == where
        and stream.n
        and (kind is not StreamKind.BAR or interval_ns in (0, stream.interval_ns))
        for stream in tape.streams
    )


def _queue(tape: Tape, where: str) -> QueueRule:
    return queue_rule_for(has_trades=_has(tape, where, StreamKind.TRADE))


def bars_to_build(tape: Tape, strategies: Iterable[StrategySetup]) -> set[tuple[str, int]]:
    """The bars that the tape lacks and its trades can make. Raises DataError for any other lack."""
    built: set[tuple[str, int]] = set()
    kinds = {Books: StreamKind.BOOK, Quotes: StreamKind.QUOTE, Trades: StreamKind.TRADE}
    for item in strategies:
        for where in item.instruments:
            for subscription in item.strategy.subscriptions():
                if isinstance(subscription, Bars):
                    if _has(tape, where, StreamKind.BAR, subscription.interval_ns):
                        continue
                    if not _has(tape, where, StreamKind.TRADE):
                        raise DataError(
                            f"strategy {item.name}: wants {subscription.interval} bars of {where},"
                            f" but the data has neither these nor trades ({_held(tape, where)})"
                        )
                    built.add((where, subscription.interval_ns))
                    continue
                kind = kinds.get(type(subscription))
                if kind is not None and not _has(tape, where, kind):
                    raise DataError(
                        f"strategy {item.name}: wants {kind} rows of {where},"
                        f" but the data has none ({_held(tape, where)})"
                    )
    return built


def _held(tape: Tape, where: str) -> str:
    held = [
        f"{stream.kind} {stream.interval_ns // 1_000_000_000}s"
        if stream.interval_ns
        else stream.kind
        for stream in tape.streams
        if stream.instrument.id == where and stream.n
    ]
    return "it has " + (", ".join(held) or "nothing")


def is_fed(stream: Stream, strategies: Iterable[StrategySetup], tape: Tape) -> bool:
    """Whether the engine receives a stream: it is subscribed to, or it prices orders."""
    where = stream.instrument.id
    subscriptions = [
        subscription
        for item in strategies
        if where in item.instruments
        for subscription in item.strategy.subscriptions()
    ]
    if stream.kind is StreamKind.BAR:
        return any(
            isinstance(item, Bars) and item.interval_ns == stream.interval_ns
            for item in subscriptions
        )
    if stream.kind is StreamKind.QUOTE:
        is_wanted = any(isinstance(item, Quotes) for item in subscriptions)
        return is_wanted or not _has(tape, where, StreamKind.BOOK)
    return True


def is_matched(stream: Stream, tape: Tape) -> bool:
    """Whether the exchange sees a stream: the best source there is, and what is no source."""
    where = stream.instrument.id
    if stream.kind is StreamKind.QUOTE:
        return not _has(tape, where, StreamKind.BOOK)
    if stream.kind is StreamKind.BAR:
        if any(_has(tape, where, kind) for kind in _TICKS):
            return False
        intervals = [
            item.interval_ns
            for item in tape.streams
            if item.kind is StreamKind.BAR and item.instrument.id == where and item.n
        ]
        return stream.interval_ns == min(intervals)
    return True
