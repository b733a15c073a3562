"""The command: prepares data and peer, measures every (workload, engine), and prints the tables.

Each measurement is a fresh process. Repeats are interleaved, A B C A B C, so that a slow minute of
the machine meets every engine. This process stays small, because a child's peak memory counts from
its parent's.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from benchmarks.data import ROOT, shared_bench
from benchmarks.measure import DRIVERS, Measurement
from benchmarks.nautilus import LOUD, QUIET, VERSION, Peer, PeerMissing, install
from benchmarks.report import as_json, compare, show
from benchmarks.roundtrip import measure_roundtrip, roundtrip_json, show_roundtrip
from benchmarks.wire import measure_wire, show_wire, wire_json
from benchmarks.workloads import BY_NAME, WORKLOADS, Workload
from engine.cli.logs import configure_logging
from engine.errors import DataError


@click.command(
    help="Measure the backtest drivers beside NautilusTrader, the wire layer, the round trip."
)
@click.option("--repeats", default=3, show_default=True, help="Runs of each, interleaved.")
@click.option("--only", multiple=True, type=click.Choice(list(BY_NAME)), help="Only this workload.")
@click.option("--no-peer", is_flag=True, help="Leave NautilusTrader and the official SDK out.")
@click.option("--smoke", is_flag=True, help="A slice of each workload, once: does it run at all?")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write results here.")
def main(
    repeats: int,
    only: tuple[str, ...],
    no_peer: bool,  # noqa: FBT001 - an option
    smoke: bool,  # noqa: FBT001 - an option
    json_path: Path | None,
) -> None:
    """Run the benchmarks; exit code 0 even when a goal is missed."""
    configure_logging(is_verbose=False)
    cache = ROOT / "build" / "bench"
    try:
        shared_bench()
    except DataError as error:
        raise click.UsageError(str(error)) from None
    _prepare(cache)
    peer = None if no_peer else _peer(cache)
    chosen = [workload for workload in WORKLOADS if not only or workload.name in only]
    measurements: list[Measurement] = []
    for turn in range(1 if smoke else repeats):
        for workload in chosen:
            rows = workload.smoke_rows if smoke else 0
            click.echo(f"turn {turn + 1}: {workload.title}", err=True)
            measurements += _measure_all(workload, peer, cache, rows)
    comparisons = compare(chosen, measurements)
    machine = _machine(peer)
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    show(comparisons, is_whole=not smoke)
    wire = [] if only else measure_wire(with_sdk=not no_peer)
    if wire:
        show_wire(wire)
    roundtrip = [] if only else measure_roundtrip(smoke=smoke)
    if roundtrip:
        show_roundtrip(roundtrip)
    if json_path is not None:
        found = as_json(comparisons, machine, is_whole=not smoke)
        found["wire"] = wire_json(wire)
        found["roundtrip"] = roundtrip_json(roundtrip)
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _prepare(cache: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.data", str(cache)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise click.ClickException("the data could not be made")


def _peer(cache: Path) -> Peer | None:
    try:
        return install(cache)
    except PeerMissing as error:
        print(f"NautilusTrader {VERSION} is left out: {error}")
        return None


def _measure_all(
    workload: Workload, peer: Peer | None, cache: Path, rows: int
) -> list[Measurement]:
    found = []
    if peer is not None:
        for is_quiet in (False, True):
            try:
                found.append(peer.measure(workload.name, is_quiet=is_quiet, rows=rows))
            except PeerMissing as error:
                print(f"{QUIET if is_quiet else LOUD}: {error}")
    for driver in DRIVERS:
        tapes = str(cache / "tapes")
        command = [sys.executable, "-m", "benchmarks.measure", workload.name, driver, tapes]
        done = subprocess.run(
            [*command, str(rows)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise click.ClickException(f"{workload.name} {driver}:\n{done.stderr}")
        found.append(msgspec.json.decode(done.stdout, type=Measurement))
    return found


def _machine(peer: Peer | None) -> dict[str, Any]:
    return {
        "perpd on Python": platform.python_version(),
        "nautilus on Python": "-" if peer is None else peer.python_version,
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
    }


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
