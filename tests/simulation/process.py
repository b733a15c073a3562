"""One daemon process on the simulated venue: it lives through a run, or dies at one of its steps.

Death is total: what it had in memory is gone, its tasks are ended, its sockets say nothing more.
Of its journal stays what was handed to the kernel, perhaps with half a record at the end, or, when
the power fails too, what was synced and any part of the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest import mock

from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.link import HyperliquidLink, Outside
from connectors.hyperliquid.settings import LinkSettings, Place
from connectors.port import VenueLink
from engine.config import DaemonConfig, load_config
from engine.config.secret import Secret
from engine.drive import daemon as daemon_module
from engine.drive.daemon import Daemon, Finished
from engine.drive.seams import SeededRandomness
from engine.drive.venues.opened import OpenVenues
from engine.drive.virtual_time import virtual_clock
from engine.errors import PerpdError
from engine.journal import JournalWriter, files
from engine.journal.codec import segment_paths
from tests.simulation.venue import KEY, MemoryDialer, MemoryHttp, SimulatedVenue
from tests.simulation.weather import Fate, Killed

SEGMENT_BYTES = 48 << 10
SETTINGS = LinkSettings(weight_max=10**9, dials_per_minute=10**6, messages_per_minute=10**6)
STOP_TIMEOUT_S = 120.0

CONFIG = f"""
[venues.hl]
kind = "hyperliquid"
network = "testnet"

[accounts.main]
venue = "hl"

[symbols.BTC]
leverage = 5

[risk]
position_notional_max = 20_000.0

[daemon]
journal = "journal"
stop_timeout_s = {STOP_TIMEOUT_S}
account_every_s = 2.0
orders_every_s = 20.0

[[strategies]]
name = "maker"
use = "market_maker"
account = "main"
symbols = ["BTC", "ETH"]
params = {{ notional = 1_000.0, max_position = 5_000.0, half_spread_bps = 0.5, requote_bps = 0.3 }}
on_stop = "cancel_all"

[[strategies]]
name = "restless"
use = "tests.simulation.traders:Restless"
account = "main"
symbols = ["BTC"]
on_stop = "cancel_all"
"""


class MortalWriter(JournalWriter):
    """A journal that its process may die at: before or after each of its writes, or within one."""

    fate: Fate
    weather_cut: Callable[[int], int]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, segment_bytes_max=SEGMENT_BYTES)
        self.synced_bytes = self._segment_bytes

    def append(self, kind: int, payload: bytes) -> None:
        self.fate.step("append")
        super().append(kind, payload)

    def _flush(self) -> None:
        if self._pending:
            try:
                self.fate.step("flush")
            except Killed:
                data = b"".join(self._pending)
                files.write(self._file, data[: type(self).weather_cut(len(data))], self._path)
                raise
        super()._flush()

    def _sync_file(self) -> None:
        if self._is_unsynced:
            self.fate.step("sync")
            self._is_unsynced = False
        self.synced_bytes = self._segment_bytes

    def _create(self, number: int):  # type: ignore[no-untyped-def] # noqa: ANN202 - as it is there
        self.synced_bytes = 0
        return super()._create(number)

    def _close(self, *, is_end: bool) -> None:
        if not self.fate.is_dead:
            super()._close(is_end=is_end)
            return
        self._fault = "dead"
        self._file.close()
        self._lock.close()


class VirtualSchedule:
    """The daemon's schedule by virtual time; the real one goes by the machine's clock."""

    def __init__(self, config: DaemonConfig) -> None:
        self._every_s = {
            "account": config.account_every_s,
            "orders": config.orders_every_s,
            "contexts": config.contexts_every_s,
            "budget": config.budget_every_s,
            "metadata": config.metadata_every_s,
        }
        self._links: list[VenueLink] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, link: VenueLink) -> None:
        self._links.append(link)

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._turn(link, job, every_s))
            for link in self._links
            for job, every_s in self._every_s.items()
        ]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    @staticmethod
    async def _turn(link: VenueLink, job: str, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            with suppress(PerpdError):
                await link.refresh(job)


class Process:
    """Starts daemons, one after another, in one folder and at one venue."""

    def __init__(self, folder: Path, venue: SimulatedVenue) -> None:
        self.folder = folder
        self.venue = venue
        self.starts = 0
        (folder / "run.toml").write_text(CONFIG, encoding="utf-8")
        self.journal = folder / "journal"

    async def live(
        self,
        fate: Fate,
        *,
        for_s: float,
        tick: Callable[[Daemon], None] = lambda _: None,
        loses_power: bool = False,
    ) -> Finished | None:
        """One daemon from its start to its end; None when it died.

        Raises what a daemon raises that cannot start or go on.
        """
        self.starts += 1
        before = asyncio.all_tasks()
        writers: list[MortalWriter] = []

        def writer(folder: Path) -> MortalWriter:
            made = MortalWriter.__new__(MortalWriter)
            made.fate = fate
            writers.append(made)
            made.__init__(folder)  # type: ignore[misc]
            return made

        MortalWriter.weather_cut = self._cut
        with (
            mock.patch.object(daemon_module, "JournalWriter", writer),
            mock.patch.object(daemon_module, "Schedule", VirtualSchedule),
        ):
            run = asyncio.ensure_future(self._daemon(fate).run(for_s=for_s, tick=tick))
            fate.on_death = run.cancel
            try:
                return await run
            except (Killed, asyncio.CancelledError):
                assert fate.is_dead
                if loses_power and writers:
                    self._lose_power(writers[-1])
                return None
            finally:
                fate.is_dead = True
                await self._end_tasks(before)

    def _daemon(self, fate: Fate) -> Daemon:
        clock = virtual_clock()
        randomness = SeededRandomness(self.starts)
        signer = Signer(Secret(KEY))
        outside = Outside(
            clock, randomness, MemoryHttp(self.venue, fate), MemoryDialer(self.venue, fate)
        )
        accounts = {"main": (signer.address, signer)}
        link = HyperliquidLink("hl", Place("mem", "mem"), accounts, outside, SETTINGS)
        venues = OpenVenues({"hl": link}, {"main": signer.address}, clock)
        return Daemon(load_config(self.folder / "run.toml"), venues, randomness=randomness)

    async def _end_tasks(self, before: set[asyncio.Task[object]]) -> None:
        """Whatever the daemon left running ends with its process."""
        while left := asyncio.all_tasks() - before - self.venue.tasks:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _cut(self, length: int) -> int:
        return self.venue.weather.dice.randrange(length + 1)

    def _lose_power(self, writer: MortalWriter) -> None:
        """Of what was not synced any part may be there."""
        path = segment_paths(self.journal)[-1]
        written = path.stat().st_size
        kept = self.venue.weather.dice.randint(min(writer.synced_bytes, written), written)
        with path.open("r+b") as file:
            file.truncate(kept)
