"""The chunked driver only skips: on random tapes it gives what the reference driver gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtests.models.fees import StaticFees
from backtests.models.latency import FixedLatency
from backtests.record import Recorder
from backtests.simulate import Driver, Simulation, simulate
from backtests.tape import StreamKind, Tape
from engine.model.units import NS_PER_MS
from engine.setup import AccountSetup, StrategySetup
from tests.acceptance.random_market import Restless, random_tape

TAPES = 2_000
BATCH = 50
KINDS = (StreamKind.QUOTE, StreamKind.TRADE, StreamKind.BOOK, StreamKind.BAR)
LATENCIES_MS = ((0, 0, 0), (0, 1, 0), (2, 3, 1), (150, 150, 50))


def strategies(tape: Tape, seed: int) -> tuple[StrategySetup, ...]:
    """One or two strategies on every instrument whose data has the same kinds."""
    kinds = {
        where: {str(s.kind) for s in tape.streams if s.instrument.id == where and s.n}
        for where in tape.instruments
    }
    names: list[StrategySetup] = []
    for k in range(1 + seed % 2):
        for where, held in kinds.items():
            wanted = tuple(str(kind) for kind in KINDS if kind in held)
            if "trade" in held and seed % 3 == 0:
                wanted = (*wanted, "built")
            rate = 0.02 if seed % 80 == 0 else (0.04, 0.15, 0.4)[seed % 3]
            params = Restless.Params(seed=seed + 7 * k, kinds=wanted, rate=rate)
            names.append(StrategySetup(f"s{k}{where}", Restless(params), "main", (where,)))
    return tuple(names)


def run(tape: Tape, seed: int, driver: Driver) -> dict[str, Any]:
    """Everything that came out of one run."""
    feed_ms, order_ms, report_ms = LATENCIES_MS[seed % len(LATENCIES_MS)]
    recorder = Recorder()
    setups = strategies(tape, seed)
    sim = Simulation(
        tape=tape,
        strategies=setups,
        accounts=(AccountSetup("main", "hl", dict.fromkeys(tape.instruments, 5)),),
        balances_e8={"main": 20_000 * 10**8},
        fees=StaticFees(),
        latency=FixedLatency(order_ms * NS_PER_MS, report_ms * NS_PER_MS),
        feed_delay_ns=feed_ms * NS_PER_MS,
    )
    outcome = simulate(sim, driver, watcher=recorder)
    recorder.drain(outcome.engine)
    account = outcome.engine.accounts["main"]
    return {
        "saw": {
            item.name: item.strategy.saw
            for item in setups
            if item.strategy.name in outcome.engine.runners and hasattr(item.strategy, "saw")
        },
        "fills": [repr(item) for item in recorder.bookings],
        "orders": [
            (order.cloid, order.state.name, order.filled_lots, order.reason, order.ended_ns)
            for order in recorder.orders
        ],
        "refusals": outcome.engine.refusals,
        "cash": account.cash_e8,
        "ledger": {where: (own.lots, own.cost_e8) for where, own in account.positions.items()},
        "venue": (
            outcome.exchange.cash_e8("main"),
            {where: outcome.exchange.position("main", where) for where in account.positions},
        ),
        "funding": account.funding_e8,
    }


@pytest.mark.parametrize("first", range(0, TAPES, BATCH))
def test_both_drivers_give_the_same_run_on_random_tapes(first: int) -> None:
    """Orders, fills, cash, refusals and every event seen are equal; so are both ledgers."""
    fills = 0
    for seed in range(first, first + BATCH):
        tape = random_tape(seed)
        expected = run(tape, seed, "reference")
        actual = run(tape, seed, "chunked")
        for key, value in expected.items():
            assert value == actual[key], f"seed {seed}: {key} differs"
        assert (expected["cash"], expected["ledger"]) == expected["venue"], f"seed {seed}"
        fills += len(expected["fills"])

    assert fills > 0


def test_the_random_tapes_have_long_runs_of_equal_stamps() -> None:
    """A search that loses an equal stamp needs such a run to show it."""
    longest = 0
    for stream in random_tape(80).streams:
        if stream.kind in (StreamKind.QUOTE, StreamKind.TRADE, StreamKind.BOOK):
            _, counts = np.unique(stream.column("ts_venue_ns"), return_counts=True)
            longest = max(longest, int(counts.max()))

    assert longest > 1_000
