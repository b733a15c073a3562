"""A whole live run: venues, journal, engine, driver and schedule, from the first read to the last.

    restart = journal, then reconciliation, then trading

Nothing trades before every account is known, what an earlier run left is taken over, and the
leverage the config asks for is in force at the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from backtests.record import Recorder
from backtests.report.result import RunResult
from backtests.runner import strategy_setups
from connectors.port import AccountState, VenueLink
from engine.config import LoadedConfig, assign_instruments
from engine.core import Engine
from engine.drive.external import settle_external, tell_external
from engine.drive.live import LiveDriver
from engine.drive.opening import (
    heard_once,
    missing_leverage,
    opening_events,
    opening_read,
    resumption,
)
from engine.drive.outcome import Span, left_alone, live_facts, live_result, unwatched, what_is_left
from engine.drive.recorded import run_meta
from engine.drive.recovery import Left, what_was_left
from engine.drive.sampling import EquitySampler
from engine.drive.seams import Randomness
from engine.drive.second_look import SecondLook
from engine.drive.unless import unless
from engine.drive.venues.opened import OpenVenues
from engine.drive.wants import BarsByVenue, bars_to_build, wants_of
from engine.errors import CredentialsError, JournalError, StoppedEarly, UsageError, VenueError
from engine.journal import JournalWriter
from engine.model.events import AccountEvent, AnyEvent, EngineStarted, Halted, Wished
from engine.model.instruments import Instrument
from engine.model.intents import SetLeverage
from engine.model.orders import OrderState
from engine.model.units import NS_PER_S
from engine.schedule import Schedule
from engine.setup import AccountSetup, EngineSetup

LEVERAGE_TIMEOUT_S: Final = 15.0
COMPARE_TIMEOUT_S: Final = 10.0
READY_TIMEOUT_S: Final = 5.0
SETTLE_TIMEOUT_S: Final = 20.0
CLOSE_TIMEOUT_S: Final = 10.0
SAMPLE_NS: Final = NS_PER_S
TICK_S: Final = 0.25

log = structlog.get_logger("perpd.daemon")


class Finished(msgspec.Struct):
    """A run that has ended: its result, and what only live has (`engine.drive.outcome`)."""

    result: RunResult
    live: dict[str, Any]
    fault: BaseException | None


class Daemon:
    """One run over the links it is given; `run` does all of it, once.

    `dismiss` are cloids of an earlier run's unclear orders that the operator knows to be gone.
    `settles_external` lets trades of somebody else close the positions they stand against.
    `tick` is called about four times a second while it trades, for status.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        venues: OpenVenues,
        *,
        randomness: Randomness,
        journal_dir: Path | None = None,
        dismiss: Sequence[str] = (),
        settles_external: bool = False,
    ) -> None:
        self.loaded = loaded
        self._dismiss = tuple(dismiss)
        self._settles_external = settles_external
        self._told = 0
        self.links = venues.links
        self.clock = venues.clock
        self.recorder = Recorder()
        self.journal_dir = journal_dir or loaded.resolve(loaded.config.daemon.journal)
        self.driver: LiveDriver | None = None
        self._second_look: SecondLook | None = None
        self._randomness = randomness
        self._addresses = venues.addresses
        self._budgets = venues.budgets
        self._stop = asyncio.Event()
        self._stop_reason = ""

    def stop(self, reason: str) -> None:
        """Ask for the end; the first reason counts."""
        self._stop_reason = self._stop_reason or reason
        self._stop.set()
        if self.driver is not None:
            self.driver.look()

    async def run(
        self, *, for_s: float | None = None, tick: Callable[[Daemon], None] = lambda _: None
    ) -> Finished:
        """Open, trade until stopped or for so many seconds of trading, stop, and say what was made.

        Raises ConfigError for a config that the venue's metadata contradicts, CredentialsError,
        VenueError and TransportError where a venue cannot be used, JournalError, and StoppedEarly
        where it is asked to end before the accounts are known.
        """
        with JournalWriter(self.journal_dir) as writer:
            # Not before the journal is ours alone: an earlier process may still have been writing.
            left = what_was_left(self.journal_dir).of(self._addresses)
            if self._settles_external:
                left = settle_external(left)
            try:
                driver = self.driver = await unless(self._stop, self._load(writer))
                return await self._trade(driver, left, for_s, tick)
            except JournalError as error:
                # Nothing may be sent any more, not even a cancel: a person must see to it.
                alone = "" if self.driver is None else left_alone(self.driver.engine)
                if alone:
                    text = f"{error}; left as it is, and nobody watches it: {alone}"
                    raise JournalError(text) from error
                raise
            except StoppedEarly as error:
                raise StoppedEarly(f"{error}{unwatched(left)}") from None
            finally:
                if self._second_look is not None:
                    await self._second_look.aclose()
                for venue, link in self.links.items():
                    try:
                        async with asyncio.timeout(CLOSE_TIMEOUT_S):
                            await link.close()
                    except Exception:  # what was made is told, and the other links are closed
                        log.exception("not closed", venue=venue)

    async def _load(self, writer: JournalWriter) -> LiveDriver:
        """What the venues list makes the setup, which is what the run's journal begins with."""
        instruments: list[Instrument] = []
        for link in self.links.values():
            instruments += await link.load()
        setup = self._setup(instruments)
        engine = Engine(setup)
        writer.append_meta(run_meta(self.loaded, setup))
        for venue, link in self.links.items():
            for finding in link.findings:
                writer.append_note(f"{venue}: {finding}")
        links = self._links_by_account()
        self._second_look = SecondLook(engine, links, self.clock)
        return LiveDriver(engine, writer, links, self.clock, self._watch)

    async def _trade(
        self,
        driver: LiveDriver,
        left: Left,
        for_s: float | None,
        tick: Callable[[Daemon], None],
    ) -> Finished:
        began_ns = self.clock.monotonic_ns()
        await unless(self._stop, self._open_accounts(driver, left))
        loop = asyncio.create_task(driver.run(), name="perpd driver")
        schedule = Schedule(self.loaded.config.daemon)
        try:
            await self._set_leverage(driver)
            await self._ready(driver)
            start_ns = self.clock.now_ns()
            if self._stop.is_set():
                # Asked to end while it opened: what `on_start` wishes shall add nothing any more.
                driver.hear(Halted(start_ns, start_ns, "stopping"))
            driver.hear(EngineStarted(start_ns, start_ns, self._randomness.u64()))
            for link in self.links.values():
                schedule.add(link)
            schedule.start()
            log.info("trading", strategies=sorted(driver.engine.runners))
            sampler = EquitySampler(driver.engine, SAMPLE_NS)
            await self._until_stopped(driver, loop, sampler, for_s, tick)
            schedule.stop()
            warnings = await self._wind_down(driver)
            self.recorder.drain(driver.engine)
            self._told = tell_external(self.recorder.bookings, self._told)
            sampler.sample(self.clock.now_ns())
        finally:
            schedule.stop()
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
        wall_s = (self.clock.monotonic_ns() - began_ns) / NS_PER_S
        span = Span("live", start_ns, self.clock.now_ns(), driver.events, wall_s)
        result = live_result(self.loaded, driver.engine, self.recorder, sampler, span, warnings)
        facts = live_facts(driver.engine, self.recorder, driver.dropped)
        return Finished(result, facts, driver.fault)

    # -- opening -----------------------------------------------------------------------------------

    def _setup(self, instruments: Sequence[Instrument]) -> EngineSetup:
        config = self.loaded.config
        assigned = assign_instruments(self.loaded, instruments)
        strategies = strategy_setups(self.loaded, assigned)
        return EngineSetup(
            instruments=tuple(instruments),
            accounts=tuple(
                AccountSetup(name, account.venue, {}, self._addresses.get(name, ""))
                for name, account in config.accounts.items()
            ),
            strategies=strategies,
            limits=config.risk.limits(),
            bars_from_trades=frozenset(bars_to_build(strategies, self._bars_sent())),
            budget_by_venue=self._budgets,
        )

    def _bars_sent(self) -> BarsByVenue:
        return {venue: link.bars_ns for venue, link in self.links.items()}

    def _links_by_account(self) -> dict[str, VenueLink]:
        accounts = self.loaded.config.accounts
        return {name: self.links[account.venue] for name, account in accounts.items()}

    async def _open_accounts(self, driver: LiveDriver, left: Left) -> None:
        now_ns = self.clock.now_ns()
        wants = wants_of(driver.engine.setup.strategies, self._bars_sent())
        first: list[AnyEvent] = []
        for venue, link in self.links.items():
            names = [
                name
                for name, account in self.loaded.config.accounts.items()
                if account.venue == venue
            ]
            mine = [item for item in wants if item.instrument.startswith(f"{venue}:")]
            states: tuple[AccountState, ...] = await link.open(
                mine, resumption(left, names), heard_once(driver.hear, left)
            )
            for state in states:
                for warning in state.warnings:
                    log.warning("account", account=state.account, text=warning)
                first += opening_events(state, venue, left, now_ns)
                # Before what is heard while the next link opens: that is newer.
                driver.hear(opening_read(state, self.clock.now_ns()))
        driver.hear_first(first)
        for name, cloid in self._dismissed(left):
            is_known = self._links_by_account()[name].dismiss_unclear(name, cloid)
            log.warning("dismissed", account=name, cloid=cloid, is_known=is_known)

    def _dismissed(self, left: Left) -> list[tuple[str, str]]:
        """The unclear orders that the operator says are gone, with their accounts."""
        mine = {order.cloid: order.account for order in left.orders}
        for cloid in self._dismiss:
            if cloid not in mine:
                raise UsageError(f"--dismiss {cloid}: the journal knows no such unclear order")
        return [(mine[cloid], cloid) for cloid in self._dismiss]

    async def _set_leverage(self, driver: LiveDriver) -> None:
        """Apply the leverage of [symbols], and verify it."""
        engine = driver.engine
        wanted = self._wanted_leverage(engine)
        is_open = await driver.until(
            lambda: self._stop.is_set() or all(one.is_open for one in engine.accounts.values()),
            LEVERAGE_TIMEOUT_S,
        )
        if not is_open:
            raise VenueError("the accounts did not open in time")
        if self._stop.is_set():
            return
        now_ns = self.clock.now_ns()
        for name, leverages in wanted.items():
            missing = missing_leverage(leverages, engine.accounts[name])
            if missing:
                intents = tuple(
                    SetLeverage(where, leverage, is_cross)
                    for where, (leverage, is_cross) in missing.items()
                )
                driver.hear(Wished(now_ns, now_ns, name, intents))

        def in_force() -> bool:
            return self._stop.is_set() or not any(
                missing_leverage(leverages, engine.accounts[name])
                for name, leverages in wanted.items()
            )

        if not await driver.until(in_force, LEVERAGE_TIMEOUT_S):
            for name, leverages in wanted.items():
                missing = missing_leverage(leverages, engine.accounts[name])
                for where, (leverage, _) in missing.items():
                    found = engine.accounts[name].leverage.get(where, "unknown")
                    raise CredentialsError(
                        f"account {name}: leverage of {where} is {found}, expected {leverage} as"
                        " [symbols] asks, and the venue did not change it"
                    )

    async def _ready(self, driver: LiveDriver) -> None:
        """Wait until what an earlier run left is settled and the streams are ready; for a while.

        So `on_start` may trade, and what was sent is settled before anything new is. What is not
        by then counts at its worst, or blocks new risk, and does not keep the rest from trading.
        """
        engine = driver.engine

        def is_settled() -> bool:
            live = engine.orders.all_live()
            return self._stop.is_set() or all(one.state is not OrderState.UNKNOWN for one in live)

        def is_ready() -> bool:
            return self._stop.is_set() or not any(
                any(engine.accounts[name].blocked for name in runner.accounts)
                or any(engine.markets[where].blocked for where in runner.instruments)
                for runner in engine.runners.values()
            )

        if not await driver.until(is_settled, SETTLE_TIMEOUT_S):
            log.warning("not every order of an earlier run is settled", waited_s=SETTLE_TIMEOUT_S)
        if not await driver.until(is_ready, READY_TIMEOUT_S):
            log.warning("not everything is ready", waited_s=READY_TIMEOUT_S)

    def _wanted_leverage(self, engine: Engine) -> dict[str, dict[str, tuple[int, bool]]]:
        wanted: dict[str, dict[str, tuple[int, bool]]] = {}
        for runner in engine.runners.values():
            for where in runner.instruments:
                symbol = self.loaded.config.symbols.get(engine.markets[where].instrument.coin)
                if symbol is not None:
                    is_cross = symbol.margin_mode == "cross"
                    account = runner.account_at(where)
                    wanted.setdefault(account, {})[where] = symbol.leverage, is_cross
        return wanted

    # -- trading and stopping ----------------------------------------------------------------------

    async def _until_stopped(
        self,
        driver: LiveDriver,
        loop: asyncio.Task[None],
        sampler: EquitySampler,
        for_s: float | None,
        tick: Callable[[Daemon], None],
    ) -> None:
        """Sample and show until it is time, somebody asks, or the driver faults."""
        end_ns = None if for_s is None else self.clock.monotonic_ns() + round(for_s * NS_PER_S)
        while not self._stop.is_set() and driver.fault is None:
            if loop.done():
                await loop
            if end_ns is not None and self.clock.monotonic_ns() >= end_ns:
                self.stop("the time asked for is over")
                return
            self.recorder.drain(driver.engine)
            self._told = tell_external(self.recorder.bookings, self._told)
            sampler.tick(self.clock.now_ns())
            tick(self)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._stop.wait()

    async def _wind_down(self, driver: LiveDriver) -> list[str]:
        timeout_s = self.loaded.config.daemon.stop_timeout_s
        log.info("stopping", reason=self._stop_reason or "fault")
        warnings = []
        if not await driver.stop(self._stop_reason, timeout_s=timeout_s):
            warnings.append(
                f"Some orders had no word from the venue within {timeout_s:g} s of the stop."
            )
        if driver.fault is not None:
            fault = driver.fault
            warnings.insert(0, f"Ended by a fault: {type(fault).__name__}: {fault}")
        await self._compare(driver, "account")
        if not all(reading.is_closed for reading in driver.engine.agreement.readings.values()):
            # The last fills or payments may still be on their way.
            await self._compare(driver, "orders")
        # What was noted may be long, and is in the log: what is left comes before it.
        return [*warnings, *what_is_left(driver.engine), *(note.text for note in driver.notes)]

    async def _compare(self, driver: LiveDriver, job: str) -> None:
        """Hear what the venues hold, as far as they say it in time."""
        for link in self.links.values():
            with suppress(Exception):
                async with asyncio.timeout(COMPARE_TIMEOUT_S):
                    await link.refresh(job)
        await driver.until(driver.is_quiet, 1.0)

    def _watch(self, event: AnyEvent) -> None:
        if isinstance(event, AccountEvent):
            self.recorder.reported(event)
            if self._second_look is not None:
                self._second_look.watch(event)
