"""From a config file to a finished backtest: the tape, the strategies, the run, the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from backtests.drive.session import Session
from backtests.models.fees import StaticFees
from backtests.models.latency import FixedLatency, JitteredLatency, LatencyModel
from backtests.record import Recorder, equity_curve, fill_rows, order_rows
from backtests.report.exact import iso_ns
from backtests.report.result import RunResult
from backtests.simulate import Driver, Outcome, Simulation, simulate
from backtests.tape import Stream, StreamKind, Tape
from backtests.totals import owners, refusals_by_check, rejects_by_reason, totals
from engine.config import (
    BacktestConfig,
    Config,
    LatencyConfig,
    LoadedConfig,
    accounts_elsewhere,
    assign_instruments,
    resolve_strategies,
)
from engine.core import Engine
from engine.drive.recorded import run_meta
from engine.drive.replay import journaled_step
from engine.drive.seams import wall_seconds
from engine.errors import ConfigError, UsageError
from engine.journal import JournalWriter
from engine.model.orders import OrderState
from engine.model.units import NS_PER_MS, PPB, money_e8
from engine.routes import Effects
from engine.setup import AccountSetup, EngineSetup, StrategySetup

Progress = Callable[[float, str], None]
_BPS = 10_000


def run_backtest(
    loaded: LoadedConfig,
    *,
    driver: str | None = None,
    progress: Progress | None = None,
    journal_dir: Path | None = None,
) -> RunResult:
    """Run the config's backtest to the end of its data.

    `driver` overrides the config's. `progress` is told the fraction done and where it is. With
    `journal_dir` every event and effect is recorded there, which takes the reference driver. Raises
    ConfigError, DataError or JournalError.
    """
    sim = simulation(loaded)
    settings = _settings(loaded)
    chosen = _driver(driver or settings.driver)
    if journal_dir is not None:
        if driver == "chunked":
            raise UsageError("--journal: a journaled run takes the reference driver, not chunked")
        chosen = "reference"
    recorder = Recorder()
    start_ns, end_ns = sim.tape.start_ns, sim.tape.end_ns
    span_ns = max(1, end_ns - start_ns)

    def tell(ts_ns: int, session: Session) -> None:
        recorder.drain(session.engine)
        if progress is not None:
            progress(min(1.0, (ts_ns - start_ns) / span_ns), f"{session.events:,} events")

    began = wall_seconds()
    if journal_dir is None:
        outcome = simulate(sim, chosen, watcher=recorder, progress=tell)
    else:
        with JournalWriter(journal_dir) as writer:
            journal = partial(_journaled, loaded, writer)
            outcome = simulate(sim, chosen, watcher=recorder, progress=tell, journal=journal)
    recorder.drain(outcome.engine)
    elapsed = wall_seconds() - began
    return result_of(loaded, sim, outcome, recorder, chosen, elapsed)


def _journaled(
    loaded: LoadedConfig, writer: JournalWriter, setup: EngineSetup, engine: Engine
) -> Callable[[Any], Effects]:
    writer.append_meta(run_meta(loaded, setup))
    return partial(journaled_step, engine, writer)


def simulation(loaded: LoadedConfig) -> Simulation:
    """The config's backtest, put together but not run."""
    config, settings = loaded.config, _settings(loaded)
    tape = open_tapes([loaded.base_dir / folder for folder in settings.folders])
    start_ns = settings.start_ns if settings.start_ns is not None else _first_price_ns(tape)
    tape = tape.select(start_ns=start_ns, end_ns=settings.end_ns)
    if settings.funding == "none":
        tape = tape.select(kinds=[kind for kind in StreamKind if kind is not StreamKind.FUNDING])
    assigned = assign_instruments(loaded, tuple(tape.instruments.values()))
    accounts = tuple(
        AccountSetup(name, account.venue, _leverage(config, account.venue))
        for name, account in config.accounts.items()
    )
    balance_e8 = money_e8(settings.starting_balance)
    return Simulation(
        tape=tape,
        strategies=strategy_setups(loaded, assigned),
        accounts=accounts,
        balances_e8=dict.fromkeys(config.accounts, balance_e8),
        limits=config.risk.limits(),
        fees=StaticFees(
            maker_ppb=round(settings.fees.maker * PPB), taker_ppb=round(settings.fees.taker * PPB)
        ),
        latency=_latency(settings.latency),
        feed_delay_ns=round(settings.latency.feed_ms * NS_PER_MS),
        queue=None if settings.queue == "auto" else settings.queue,
        half_spread_ppb=round(settings.half_spread_bps * PPB / _BPS),
    )


def _first_price_ns(tape: Tape) -> int | None:
    """Where prices begin: a funding history often begins years before."""
    priced = [
        stream for stream in tape.streams if stream.kind is not StreamKind.FUNDING and stream.n
    ]
    return min((int(stream.window("ts_local_ns", 0, 1)[0]) for stream in priced), default=None)


def strategy_setups(
    loaded: LoadedConfig, assigned: dict[str, tuple[str, ...]]
) -> tuple[StrategySetup, ...]:
    """The config's strategies, made and placed on the instruments assigned to them."""
    return tuple(
        StrategySetup(
            resolved.config.name,
            resolved.make(),
            resolved.config.account,
            assigned[resolved.config.name],
            resolved.config.on_stop,
            resolved.config.on_fault,
            accounts_elsewhere(loaded, resolved.config, assigned[resolved.config.name]),
        )
        for resolved in resolve_strategies(loaded)
    )


def open_tapes(folders: list[Path]) -> Tape:
    """Several tapes as one."""
    tapes = [Tape.open(folder) for folder in folders]
    if len(tapes) == 1:
        return tapes[0]
    streams: list[Stream] = [stream for tape in tapes for stream in tape.streams]
    return Tape(
        streams,
        findings=tuple(item for tape in tapes for item in tape.findings),
        provenance=tuple(item for tape in tapes for item in tape.provenance),
    )


def result_of(
    loaded: LoadedConfig,
    sim: Simulation,
    outcome: Outcome,
    recorder: Recorder,
    driver: Driver,
    elapsed_s: float,
) -> RunResult:
    """The result of a finished run, as the report takes it."""
    engine = outcome.engine
    equity, series, breach_ns = equity_curve(outcome, recorder, sim.feed_delay_ns)
    return RunResult(
        name=loaded.path.stem,
        mode="backtest",
        driver=driver,
        start_ns=outcome.start_ns,
        end_ns=outcome.end_ns,
        events=outcome.session.events,
        wall_seconds=elapsed_s,
        starting_equity_e8=sum(sim.balances_e8.values()),
        final_equity_e8=sum(account.equity_e8() for account in engine.accounts.values()),
        liquidations=0,
        instruments=tuple(market.instrument for market in engine.markets.values()),
        fills=fill_rows(recorder.bookings),
        orders=order_rows(recorder.orders, list(engine.orders.all_live())),
        cancels=sum(recorder.cancels.values()),
        refusals=refusals_by_check(engine),
        rejects=rejects_by_reason(engine),
        equity=equity,
        series=series,
        strategies=[totals(name, engine, recorder) for name in owners(engine)],
        assumptions=assumptions(sim, outcome),
        config=shown_config(loaded.config),
        warnings=tuple(_warnings(outcome, breach_ns)),
    )


def _warnings(outcome: Outcome, breach_ns: int) -> Iterator[str]:
    """What the run itself knows and a reader must know before any number."""
    if breach_ns:
        yield (
            f"At {iso_ns(breach_ns)} equity was below maintenance margin: a real account would have"
            " been liquidated, and nothing after that could have happened."
        )
    orders = outcome.engine.orders
    unknown = sum(order.state is OrderState.UNKNOWN for order in orders.all_live())
    if unknown:
        yield f"Orders whose outcome is still unknown at the end: {unknown}."
    if orders.anomalies:
        count = sum(orders.anomalies.values())
        yield f"Reports of the venue that contradict what was known of an order: {count}."
    for note in outcome.session.notes:
        yield note.text


def assumptions(sim: Simulation, outcome: Outcome) -> list[str]:
    """What the simulation took for granted, in words, for the person who reads the result."""
    said = []
    kinds = {
        where: {
            stream.kind for stream in outcome.streams if stream.instrument.id == where and stream.n
        }
        for where in outcome.queue
    }
    for where, rule in outcome.queue.items():
        held = kinds[where]
        source = next(
            (
                kind
                for kind in (StreamKind.BOOK, StreamKind.QUOTE, StreamKind.TRADE)
                if kind in held
            ),
            StreamKind.BAR,
        )
        words = _BAR_WORDS if source is StreamKind.BAR else _QUEUE_WORDS[rule]
        said.append(f"{where}: orders are matched against recorded {source} rows; {words}")
        if source in (StreamKind.TRADE, StreamKind.BAR):
            bps = sim.half_spread_ppb * _BPS / PPB
            said.append(
                f"{where}: the data has no quotes, so a taker pays {bps:g} bps from the last price,"
                " in any size"
            )
        if StreamKind.CONTEXT not in held:
            said.append(
                f"{where}: the data has no mark price; the mid or last price stands in for it"
            )
        if StreamKind.FUNDING not in held:
            said.append(f"{where}: the data has no funding rates, so no funding is paid")
        elif StreamKind.CONTEXT not in held:
            said.append(
                f"{where}: funding is paid on the stand-in mark price, for want of the oracle's"
            )
    said.append("Own orders do not move the recorded market; what they take is not taken twice.")
    said.append(
        "Liquidation is not simulated; equity below maintenance margin is said in a warning."
    )
    return said


_BAR_WORDS = "a resting order fills when a bar trades through its price"
_QUEUE_WORDS = {
    "trades": "a resting order fills when trades reach it after the size displayed ahead of it",
    "cross": "a resting order fills when the opposite best reaches it (the data has no trades)",
}


def _settings(loaded: LoadedConfig) -> BacktestConfig:
    settings = loaded.config.backtest
    if settings is None:
        raise ConfigError(
            f"{loaded.path}: backtest: missing, expected a [backtest] section with data"
        )
    return settings


def _driver(name: str) -> Driver:
    return "reference" if name == "reference" else "chunked"


def _leverage(config: Config, venue: str) -> dict[str, int]:
    return {f"{venue}:{coin}": symbol.leverage for coin, symbol in config.symbols.items()}


def _latency(settings: LatencyConfig) -> LatencyModel:
    order_ns, report_ns = (
        round(settings.order_ms * NS_PER_MS),
        round(settings.report_ms * NS_PER_MS),
    )
    if settings.jitter_ms:
        jitter_ns = round(settings.jitter_ms * NS_PER_MS)
        return JitteredLatency(order_ns, report_ns, jitter_ns=jitter_ns, seed=settings.seed)
    return FixedLatency(order_ns, report_ns)


def shown_config(config: Config) -> dict[str, Any]:
    """The config as the report may show it: without where keys are kept."""
    shown: dict[str, Any] = msgspec.to_builtins(config)
    for account in shown.get("accounts", {}).values():
        account.pop("key", None)
        account.pop("token", None)
    return shown
