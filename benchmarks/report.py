"""What the measurements say: rates side by side, ratios to the peer against goals, and the checks.

A rate is the median of its repeats, with the least and the greatest beside it; a ratio is of
medians.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

import msgspec

from benchmarks.measure import DRIVERS, Measurement
from benchmarks.nautilus import LOUD, QUIET
from benchmarks.workloads import Workload
from engine.cli.table import echo_table

ENGINES: Final = (LOUD, QUIET, *DRIVERS)
NONE: Final = "-"
MISSED: Final = "NOT MET"


class Rates(msgspec.Struct, frozen=True):
    """The repeats of one engine on one workload."""

    runs: tuple[Measurement, ...]

    @property
    def median(self) -> float:
        """Events per second."""
        return median([run.events_per_second for run in self.runs])

    @property
    def cpu_median(self) -> float:
        """Events per second of processor time, which other work on the machine disturbs less."""
        return median([run.events / run.cpu_seconds for run in self.runs])

    @property
    def peak_mb(self) -> float:
        """The highest resident memory of any repeat."""
        return max(run.peak_mb for run in self.runs)

    def __str__(self) -> str:
        rates = [run.events_per_second for run in self.runs]
        if len(rates) == 1:
            return thousands(rates[0])
        return f"{thousands(self.median)} ({thousands(min(rates))}..{thousands(max(rates))})"


class Comparison(msgspec.Struct, frozen=True):
    """One workload under every engine that ran it."""

    workload: Workload
    by_engine: dict[str, Rates]

    def ratio(self, engine: str, peer: str = LOUD) -> float | None:
        """The engine's rate over a peer's; None when either did not run."""
        ours, theirs = self.by_engine.get(engine), self.by_engine.get(peer)
        return None if ours is None or theirs is None else ours.median / theirs.median

    def cpu_ratio(self, engine: str, peer: str = LOUD) -> float | None:
        """The same of processor time."""
        ours, theirs = self.by_engine.get(engine), self.by_engine.get(peer)
        return None if ours is None or theirs is None else ours.cpu_median / theirs.cpu_median

    def goal(self, driver: str) -> float:
        """The least ratio that is good enough."""
        workload = self.workload
        is_reference = driver == "reference"
        return workload.reference_ratio_min if is_reference else workload.chunked_ratio_min

    def verdict(self, driver: str) -> str:
        """Whether the goal is met."""
        ratio = self.ratio(driver)
        if ratio is None:
            return NONE
        return "met" if ratio >= self.goal(driver) else MISSED

    def differences(self) -> list[str]:
        """What the checks find: orders that are not the expected count, drivers that disagree."""
        workload = self.workload
        expected = workload.orders_expected
        found = []
        for engine, rates in self.by_engine.items():
            run = rates.runs[0]
            slack = round(expected * workload.orders_slack)
            if run.orders != expected:
                is_near = abs(run.orders - expected) <= slack
                why = workload.why if is_near else "NOT EXPECTED"
                found.append(f"{engine}: {run.orders} orders, expected {expected}: {why}")
            if len({(other.orders, other.digest) for other in rates.runs}) > 1:
                found.append(f"{engine}: its repeats differ")
        digests = {rates.runs[0].digest for rates in self.by_engine.values()} - {""}
        if len(digests) > 1:
            found.append("the fills of the reference and the chunked driver DIFFER")
        return found


def thousands(rate: float) -> str:
    """A rate in thousands of events a second."""
    return f"{rate / 1000:,.0f} k" if rate >= 10_000 else f"{rate / 1000:,.1f} k"


def compare(workloads: Sequence[Workload], measurements: Sequence[Measurement]) -> list[Comparison]:
    """The measurements by workload and engine."""
    comparisons = []
    for workload in workloads:
        by_engine = {}
        for engine in ENGINES:
            runs = [
                run
                for run in measurements
                if run.engine == engine and run.workload == workload.name
            ]
            if runs:
                by_engine[engine] = Rates(tuple(runs))
        comparisons.append(Comparison(workload, by_engine))
    return comparisons


def show(comparisons: Sequence[Comparison], *, is_whole: bool) -> None:
    """Print the tables. Only whole runs are held to goals and expected counts."""
    rates = [
        (item.workload.title, *[str(item.by_engine.get(engine, NONE)) for engine in ENGINES])
        for item in comparisons
    ]
    slices = "" if is_whole else " (SLICES ONLY: these rates mean little)"
    echo_table(f"Events per second{slices}", ("workload", *ENGINES), rates)
    peers = (f"x {LOUD}", "goal", "", "CPU time", f"x {QUIET}", "CPU time")
    ratios = [_ratios(item, driver, is_whole) for item in comparisons for driver in DRIVERS]
    echo_table("Times as fast as the peer", ("workload", "driver", *peers), ratios)
    work = [_work(item, engine) for item in comparisons for engine in item.by_engine]
    headers = ("workload", "engine", "ev/CPU s", "peak MB", "orders", "filled", "fills", "requotes")
    echo_table("Work done", (*headers, "refusals", "rejects"), work)
    if is_whole:
        _show_checks(comparisons)


def _ratios(item: Comparison, driver: str, is_whole: bool) -> tuple[str, ...]:  # noqa: FBT001 - passed on
    return (
        item.workload.title,
        driver,
        _ratio(item.ratio(driver)),
        f">= {item.goal(driver):g}x",
        item.verdict(driver) if is_whole else NONE,
        _ratio(item.cpu_ratio(driver)),
        _ratio(item.ratio(driver, QUIET)),
        _ratio(item.cpu_ratio(driver, QUIET)),
    )


def _ratio(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f}x"


def _work(item: Comparison, engine: str) -> tuple[str, ...]:
    rates = item.by_engine[engine]
    run = rates.runs[0]
    return (
        item.workload.title,
        engine,
        thousands(rates.cpu_median),
        f"{rates.peak_mb:.0f}",
        str(run.orders),
        str(run.filled),
        NONE if run.fills is None else str(run.fills),
        str(run.requotes),
        str(sum(run.refusals.values())),
        str(sum(run.rejects.values())),
    )


def _show_checks(comparisons: Sequence[Comparison]) -> None:
    print("Checks")
    for item in comparisons:
        for words in item.differences() or ["as expected, and the drivers' fills are equal"]:
            print(f"  {item.workload.title}: {words}")
    missed = [
        f"{item.workload.title} {driver}"
        for item in comparisons
        for driver in DRIVERS
        if item.verdict(driver) == MISSED
    ]
    if missed:
        print(f"  GOALS NOT MET: {', '.join(missed)}")


def as_json(
    comparisons: Sequence[Comparison], machine: dict[str, Any], *, is_whole: bool
) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "machine": machine,
        "is_whole": is_whole,
        "workloads": [
            {
                "name": item.workload.name,
                "medians": {name: rates.median for name, rates in item.by_engine.items()},
                "ratios": {driver: item.ratio(driver) for driver in DRIVERS},
                "ratios_log_off": {driver: item.ratio(driver, QUIET) for driver in DRIVERS},
                "cpu_ratios": {driver: item.cpu_ratio(driver) for driver in DRIVERS},
                "cpu_ratios_log_off": {driver: item.cpu_ratio(driver, QUIET) for driver in DRIVERS},
                "goals": {driver: item.goal(driver) for driver in DRIVERS},
                "differences": item.differences() if is_whole else [],
                "runs": {name: rates.runs for name, rates in item.by_engine.items()},
            }
            for item in comparisons
        ],
    }
