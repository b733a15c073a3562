"""The round trip: from a frame's bytes to the signed action's bytes written, journal durable.

    python -m benchmarks.roundtrip

A whole daemon trades over loopback sockets against `benchmarks.roundtrip_venue`; every book makes
it move two quotes by one signed batchModify, which is on disk before it is sent. Its time is
measured beside the sum of its floors (`benchmarks.roundtrip_floors`), in turns of some twenty trips
and as many of each floor. A ratio is the median of the turns' own, so that a slow minute of the
machine meets both sides.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp
import msgspec

from benchmarks.data import ROOT
from benchmarks.roundtrip_floors import DECODE, DISK, POST, RECEIVE, SIGN, Floors
from benchmarks.roundtrip_live import Trip, trading
from benchmarks.wire import MISSED
from engine.cli.logs import configure_logging
from engine.cli.table import echo_table

GOAL: Final = 1.5
TURNS: Final = 20
TRIPS: Final = 25
SMOKE: Final = (1, 5)
"""Turns, and trips in each, that show that it runs."""
TIMEOUT_S: Final = 60.0
US: Final = 1e3
WHOLE: Final = "frame in to signed bytes written, journal durable"
_STEPS: Final = {
    "frame to event": ("received_ns", "heard_ns", (RECEIVE, DECODE)),
    "event to signed action": ("heard_ns", "flushing_ns", (SIGN,)),
    "journal to disk": ("flushing_ns", "synced_ns", (DISK,)),
    "action to written": ("synced_ns", "written_ns", (POST,)),
}


class Turn(msgspec.Struct, frozen=True):
    """Some trips and some times of each floor, measured one after the other. Nanoseconds."""

    trips: list[Trip]
    floors: dict[str, list[int]]

    def whole(self) -> tuple[float, float]:
        """(a trip's median, the floors' sum)."""
        ours = median(trip.written_ns - trip.received_ns for trip in self.trips)
        return ours, sum(median(times) for times in self.floors.values())

    def without_disk(self) -> tuple[float, float]:
        """The same without what waits for the disk."""
        ours = median(
            (trip.flushing_ns - trip.received_ns) + (trip.written_ns - trip.synced_ns)
            for trip in self.trips
        )
        return ours, sum(median(times) for name, times in self.floors.items() if name != DISK)

    def step(self, begin: str, end: str, names: Sequence[str]) -> tuple[float, float]:
        """(a step's median, its floors')."""
        ours = median(getattr(trip, end) - getattr(trip, begin) for trip in self.trips)
        return ours, sum(median(self.floors[name]) for name in names)


class Row(msgspec.Struct, frozen=True):
    """A time beside its floor, in microseconds. `ratio` is the median of the turns' ratios.

    `p99_us` is of the trips, 0 for a part of them; a goal of 0 is none.
    """

    loop: str
    what: str
    median_us: float
    p99_us: float
    floor_us: float
    ratio: float
    goal: float = 0.0

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if not self.goal:
            return ""
        return "met" if self.ratio <= self.goal else MISSED


def rows_of(loop: str, turns: Sequence[Turn]) -> list[Row]:
    """The whole trip, the trip without the disk, and its steps."""
    whole = [trip.written_ns - trip.received_ns for turn in turns for trip in turn.trips]
    p99_us = sorted(whole)[len(whole) * 99 // 100] / US

    def row(
        what: str, pairs: Sequence[tuple[float, float]], p99_us: float = 0.0, goal: float = 0.0
    ) -> Row:
        ours_us, floor_us = (median(each) / US for each in zip(*pairs, strict=True))
        ratio = median(ours / floor for ours, floor in pairs)
        return Row(loop, what, ours_us, p99_us, floor_us, ratio, goal)

    return [
        row(WHOLE, [turn.whole() for turn in turns], p99_us, GOAL),
        row("the same without the disk", [turn.without_disk() for turn in turns]),
        *[row(f"- {what}", [turn.step(*step) for turn in turns]) for what, step in _STEPS.items()],
    ]


# -- measuring -------------------------------------------------------------------------------------


def measure_roundtrip(*, smoke: bool = False) -> list[Row]:
    """On asyncio's own loop, and on uvloop where that is installed."""
    count = SMOKE if smoke else (TURNS, TRIPS)
    rows = []
    with _venue() as url:
        rows += rows_of("asyncio", asyncio.run(_turns(url, *count)))
        if find_spec("uvloop") is not None:
            import uvloop  # noqa: PLC0415 - an extra

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                rows += rows_of("uvloop", runner.run(_turns(url, *count)))
    return rows


@contextmanager
def _venue() -> Iterator[str]:
    """The server in a process of its own, as long as this is entered; its address."""
    command = [sys.executable, "-m", "benchmarks.roundtrip_venue"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


async def _turns(url: str, turns: int, trips: int) -> list[Turn]:
    # Not in the system's folder for such, which is often no disk.
    cache = ROOT / "build" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    with TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        async with aiohttp.ClientSession(url) as session, trading(url, folder) as live:
            first = await live.trips(trips, TIMEOUT_S)
            floors = Floors(url, session, folder, live.body, first[-1].journal_bytes)
            with floors.disk() as append:
                for _ in range(turns):
                    disk: list[int] = []
                    made = await live.trips(trips, TIMEOUT_S, partial(append, disk))
                    found.append(Turn(made, {**await floors.measure(trips), DISK: disk}))
            if live.left_out:
                print(f"{live.left_out} trips left out: another frame came in between")
    return found


# -- showing ---------------------------------------------------------------------------------------


def show_roundtrip(rows: Sequence[Row]) -> None:
    """Print the table."""
    cells = []
    for row in rows:
        p99 = f"{row.p99_us:.0f}" if row.p99_us else ""
        goal = f"<= {row.goal:g}x" if row.goal else ""
        us = f"{row.median_us:.0f}", p99, f"{row.floor_us:.0f}"
        cells.append((row.loop, row.what, *us, f"{row.ratio:.2f}x", goal, row.verdict))
    headers = ("loop", "what", "us", "p99", "floors us", "ratio", "goal", "")
    echo_table(f"The round trip on Python {sys.version.split()[0]}", headers, cells)


def roundtrip_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Everything as plain values."""
    return [{**msgspec.structs.asdict(row), "verdict": row.verdict} for row in rows]


if __name__ == "__main__":
    configure_logging(is_verbose=False)
    show_roundtrip(measure_roundtrip())
