"""A scene: one venue, daemons that die and one that ends in order, and what must hold then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import structlog

from engine.drive.daemon import Daemon, Finished
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import PerpdError
from tests.simulation.checker import check_end, check_exchange, quotes_left
from tests.simulation.process import Process
from tests.simulation.venue import SimulatedVenue
from tests.simulation.weather import FAIR, Climate, Fate, Weather

CALM_S = 4.0
STARTS_MAX = 40


class Story(NamedTuple):
    """What happened: the steps of the last daemon, faults by name, where daemons died, fills."""

    steps: int
    faults: dict[str, int]
    deaths: list[str]
    fills: int


class Death(NamedTuple):
    """At which step a daemon dies, and whether the power fails, too."""

    step: int
    loses_power: bool = False


def play(
    folder: Path,
    seed: int,
    *,
    deaths: tuple[Death, ...] = (),
    climate: Climate = FAIR,
    for_s: float = 3.0,
    then_s: float = CALM_S,
) -> Story:
    """Daemons die as told, one after another; then one lives in fair weather, and all is checked.

    A daemon that reaches its end before its death just ends.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        return run_virtual(_play(folder, seed, deaths, climate, for_s, then_s))
    finally:
        structlog.reset_defaults()


async def _play(
    folder: Path,
    seed: int,
    deaths: tuple[Death, ...],
    climate: Climate,
    for_s: float,
    then_s: float,
) -> Story:
    weather = Weather(seed, climate)
    venue = SimulatedVenue(weather, virtual_clock())
    await venue.start()
    process = Process(folder, venue)
    died: list[str] = []
    steps = 0
    for death in deaths or (Death(0),):
        fate = Fate(death.step)
        try:
            await process.live(fate, for_s=for_s, loses_power=death.loses_power)
        except PerpdError as error:
            # A daemon that cannot start in this weather ends in order.
            died.append(f"{type(error).__name__}: {error}")
        died.append(fate.died_at or "lived")
        steps = fate.steps
        await asyncio.sleep(weather.dice.choice((0.0, weather.seconds(3.0))))
        if venue.core.accounts:
            check_exchange(process.journal, venue)
    weather.climate = FAIR
    last, finished = await _last(process, then_s)
    check_end(process.journal, venue, last, finished)
    await venue.stop()
    return Story(steps, dict(weather.counts), died, len(venue.account.history.fills))


async def _last(process: Process, for_s: float) -> tuple[Daemon, Finished]:
    """The daemon that lives in fair weather; it must go on with the quotes that rest."""
    daemons: list[Daemon] = []
    has_journal = process.journal.is_dir() and process.venue.core.accounts
    expected = quotes_left(process.journal, process.venue) if has_journal else {}

    def tick(daemon: Daemon) -> None:
        if daemons:
            return
        daemons.append(daemon)
        # News of a payment may not have come when the run ends: there shall be none by then.
        asyncio.get_running_loop().call_later(for_s - 2.0, process.venue.end_funding)
        assert daemon.driver is not None
        orders = daemon.driver.engine.orders
        resting = {record.new.cloid for record in process.venue.account.live()}
        for (strategy, where, quote), cloid in expected.items():
            order = orders.quote(strategy, where, quote)
            if order is not None and cloid in resting:
                assert cloid == order.cloid, f"{quote} of {strategy} was given up"

    finished = await process.live(Fate(), for_s=for_s, tick=tick)
    assert finished is not None
    return daemons[0], finished
