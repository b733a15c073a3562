"""One run of one workload under one driver, timed; as a program, in a process of its own.

    python -m benchmarks.measure WORKLOAD DRIVER TAPES ROWS

prints one JSON line. The time runs from a tape whose integer columns are mapped, and not read, to
the last fill: building events, strategy, gate, exchange, ledger, and keeping orders and fills as a
backtest does.
"""

from __future__ import annotations

import resource
import sys
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import msgspec

from backtests.drive.session import Session
from backtests.record import Recorder
from backtests.simulate import Driver, Outcome, Simulation, simulate
from backtests.tape import Tape
from benchmarks.workloads import BY_NAME, ETH, Workload
from engine.model.units import money, money_e8
from engine.setup import AccountSetup, StrategySetup

LEVERAGE: Final = 10
CASH: Final = 10_000_000.0
DRIVERS: Final[tuple[Driver, ...]] = ("reference", "chunked")


class Measurement(msgspec.Struct, kw_only=True):
    """One run. `fills` counts fill events, `filled` the orders that had any.

    `digest` is of the fills. `position` is what is held at the end, in base units. The peer tells
    neither. `peak_mb` is the highest resident memory of the process.
    """

    engine: str
    workload: str
    events: int
    seconds: float
    cpu_seconds: float
    events_per_second: float
    peak_mb: float
    orders: int
    filled: int
    fills: int | None = None
    requotes: int = 0
    refusals: dict[str, int] = {}
    rejects: dict[str, int] = {}
    digest: str = ""
    balance: str = ""
    position: float = 0.0


def simulation(workload: Workload, tape: Tape) -> Simulation:
    """The run of a workload: fees 1.5/4.5 bps, no latency, default limits."""
    strategy = workload.make()
    return Simulation(
        tape=tape,
        strategies=(StrategySetup(workload.name, strategy, "main", (ETH.id,)),),
        accounts=(AccountSetup("main", ETH.venue, {ETH.id: LEVERAGE}),),
        balances_e8={"main": money_e8(CASH)},
    )


def measure(workload: Workload, tape: Tape, driver: Driver) -> Measurement:
    """Run it once and tell what it took and did."""
    sim = simulation(workload, tape)
    recorder = Recorder()

    def keep(ts_ns: int, session: Session) -> None:  # noqa: ARG001 - the driver tells both
        recorder.drain(session.engine)

    cpu_s = process_time()
    start_s = perf_counter()
    outcome = simulate(sim, driver, watcher=recorder, progress=keep)
    recorder.drain(outcome.engine)
    seconds = perf_counter() - start_s
    cpu_s = process_time() - cpu_s
    return _measurement(workload, driver, outcome, recorder, (seconds, cpu_s))


def _measurement(
    workload: Workload,
    driver: Driver,
    outcome: Outcome,
    recorder: Recorder,
    times_s: tuple[float, float],
) -> Measurement:
    engine = outcome.engine
    fills = [booking.fill for booking in recorder.bookings]
    seconds, cpu_s = times_s
    events = outcome.session.events
    strategy = engine.setup.strategies[0].strategy
    return Measurement(
        engine=driver,
        workload=workload.name,
        events=events,
        seconds=seconds,
        cpu_seconds=cpu_s,
        events_per_second=events / seconds,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        orders=len(recorder.orders) + len(list(engine.orders.all_live())),
        filled=len({fill.cloid for fill in fills}),
        fills=len(fills),
        requotes=getattr(strategy, "requotes", 0),
        refusals={check: count for (_, check), count in sorted(engine.refusals.items())},
        rejects={
            reason: count for (_, reason), count in sorted(engine.account_book.rejects.items())
        },
        digest=sha256(msgspec.msgpack.encode(fills)).hexdigest()[:16],
        balance=f"{money(engine.accounts['main'].cash_e8):.8f}",
        position=engine.accounts["main"].position(ETH.id).sz,
    )


def open_tape(folder: Path, rows: int) -> Tape:
    """The tape in `folder`, of each stream only the first `rows` (0: all)."""
    tape = Tape.open(folder)
    if rows:
        return Tape([stream.slice(0, min(rows, stream.n)) for stream in tape.streams])
    return tape


def main(name: str, driver: str, tapes: str, rows: str) -> None:
    """Measure and print."""
    workload = BY_NAME[name]
    tape = open_tape(Path(tapes) / f"{workload.tape}.tape", int(rows))
    chosen = next(known for known in DRIVERS if known == driver)
    print(msgspec.json.encode(measure(workload, tape, chosen)).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
