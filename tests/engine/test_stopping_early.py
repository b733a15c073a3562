"""Asked to end while it still opens, a run ends at once, whatever it is waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.port import AccountState, Outgoing
from engine.cli import run as cli
from engine.config import load_config
from engine.drive.daemon import Daemon, Finished
from engine.drive.recovery import what_was_left
from engine.drive.seams import SeededRandomness
from engine.drive.venues.opened import OpenVenues
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import StoppedEarly
from engine.model.events import StreamChanged, StreamPhase
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_S
from tests.engine.builders import MAIN
from tests.engine.live_fakes import FakeLink
from tests.engine.test_daemon import CONFIG, STRATEGY, Killed, kill_after

STOP_AFTER_S = 1.0
STOP_TIMEOUT_S = 15.0
# And a last look at the account.
COMPARED_S = 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(STRATEGY, encoding="utf-8")
    (tmp_path / "run.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def play(folder: Path, prepare: Callable[[FakeLink], None]) -> tuple[FakeLink, float, object]:
    """A run that is asked to end after a second: its link, when it ended, and how."""

    async def run() -> tuple[FakeLink, float, object]:
        clock = virtual_clock()
        link = FakeLink(clock.now_ns)
        prepare(link)
        venues = OpenVenues({"hl": link}, {MAIN: "0xabc"}, clock)
        daemon = Daemon(load_config(folder / "run.toml"), venues, randomness=SeededRandomness(1))
        began_ns = clock.monotonic_ns()
        asyncio.get_running_loop().call_later(STOP_AFTER_S, daemon.stop, "SIGINT")
        outcome: object
        try:
            outcome = await daemon.run()
        except StoppedEarly as error:
            outcome = str(error)
        return link, (clock.monotonic_ns() - began_ns) / NS_PER_S, outcome

    return run_virtual(run())


async def answer_never(*_: object) -> Any:  # noqa: ANN401 - of any request
    await asyncio.sleep(10**6)


def no_load(link: FakeLink) -> None:
    link.load = answer_never  # type: ignore[method-assign]


def no_open(link: FakeLink) -> None:
    link.open = answer_never  # type: ignore[method-assign, assignment]


def no_account(link: FakeLink) -> None:
    async def open_none(*_: object) -> tuple[AccountState, ...]:
        return ()

    link.open = open_none  # type: ignore[method-assign, assignment]


def no_close(link: FakeLink) -> None:
    async def close() -> None:
        link.log.append("close")
        await answer_never()

    no_open(link)
    link.close = close  # type: ignore[method-assign]


def no_end(link: FakeLink) -> None:
    """Goes on with its opening though it is told to leave it."""

    async def open_for_ever(*_: object) -> Any:  # noqa: ANN401
        try:
            await answer_never()
        finally:
            await answer_never()

    link.open = open_for_ever  # type: ignore[method-assign, assignment]


def no_leverage(link: FakeLink) -> None:
    link.leverage_answers = False


def no_stream(link: FakeLink) -> None:
    def on_send(_: object) -> None:
        now_ns = link._now_ns()  # noqa: SLF001
        link.say(StreamChanged(now_ns, now_ns, "hl account", StreamPhase.UP, "", MAIN))

    link.on_send = on_send


@pytest.mark.parametrize("prepare", [no_load, no_open])
def test_a_run_whose_venue_does_not_answer_ends_with_every_link_closed(
    prepare: Callable[[FakeLink], None], folder: Path
) -> None:
    link, ended_s, outcome = play(folder, prepare)

    assert (STOP_AFTER_S, "close") == (ended_s, link.log[-1])
    assert "stopped while it opened; no order was sent" == outcome


@pytest.mark.parametrize("prepare", [no_close, no_end])
def test_a_link_that_neither_ends_nor_closes_holds_up_the_stop_for_ten_seconds(
    prepare: Callable[[FakeLink], None], folder: Path
) -> None:
    link, ended_s, outcome = play(folder, prepare)

    assert (STOP_AFTER_S + 10.0, "close") == (ended_s, link.log[-1])
    assert "stopped while it opened; no order was sent" == outcome


class Slow(FakeLink):
    """Takes a turn of the event loop for every answer."""

    async def load(self) -> tuple[Instrument, ...]:
        await asyncio.sleep(0)
        return await super().load()

    async def open(self, *how: Any) -> tuple[AccountState, ...]:  # noqa: ANN401
        found = await super().open(*how)
        await asyncio.sleep(0)
        return found


@pytest.mark.parametrize("turns", range(20))
def test_nothing_is_sent_once_the_end_was_asked_for_whenever_it_was(
    turns: int, folder: Path
) -> None:
    async def run() -> tuple[Slow, list[Outgoing]]:
        clock = virtual_clock()
        link = Slow(clock.now_ns)
        venues = OpenVenues({"hl": link}, {MAIN: "0xabc"}, clock)
        daemon = Daemon(load_config(folder / "run.toml"), venues, randomness=SeededRandomness(1))
        before: list[Outgoing] = []

        async def ask() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            before.extend(link.sent)
            daemon.stop("SIGINT")

        asking = asyncio.create_task(ask())
        with suppress(StoppedEarly):
            await daemon.run()
        await asking
        return link, before

    link, before = run_virtual(run())

    assert [] == [one for one in link.sent[len(before) :] if one.batch.kind != "cancel"]
    assert "close" == link.log[-1]


def test_a_run_that_waits_for_an_account_to_open_sends_nothing(folder: Path) -> None:
    link, ended_s, outcome = play(folder, no_account)

    assert (STOP_AFTER_S, []) == (ended_s, link.sent)
    assert isinstance(outcome, Finished)


@pytest.mark.parametrize("prepare", [no_leverage, no_stream])
def test_a_run_that_waits_for_leverage_or_streams_winds_down_without_an_order(
    prepare: Callable[[FakeLink], None], folder: Path
) -> None:
    link, ended_s, outcome = play(folder, prepare)

    assert (STOP_AFTER_S, "close") == (ended_s, link.log[-1])
    assert isinstance(outcome, Finished)
    assert ["leverage"] == [one.batch.kind for one in link.sent]


def killed(folder: Path) -> None:
    """A run that dies with an order sent."""

    async def run_and_die() -> None:
        clock = virtual_clock()
        link = FakeLink(clock.now_ns)
        kill_after(3)(link)
        venues = OpenVenues({"hl": link}, {MAIN: "0xabc"}, clock)
        loaded = load_config(folder / "run.toml")
        await Daemon(loaded, venues, randomness=SeededRandomness(1)).run()

    with pytest.raises(Killed):
        run_virtual(run_and_die())


@pytest.mark.parametrize("prepare", [no_load, no_open])
def test_a_run_that_was_stopped_early_says_what_an_earlier_one_left(
    prepare: Callable[[FakeLink], None], folder: Path
) -> None:
    killed(folder)
    _, _, outcome = play(folder, prepare)

    assert (
        "stopped while it opened; no order was sent;"
        " an earlier run left, and nobody watches it: main: 1 order"
    ) == outcome


def test_a_run_that_waits_for_an_order_of_an_earlier_one_waits_no_longer_than_a_stop_does(
    folder: Path,
) -> None:
    killed(folder)
    link, ended_s, outcome = play(folder, lambda _: None)

    assert STOP_AFTER_S + STOP_TIMEOUT_S + COMPARED_S == ended_s
    assert isinstance(outcome, Finished)
    assert 1 == len(link.asked)


def test_a_run_that_was_stopped_early_leaves_what_the_one_before_it_left(folder: Path) -> None:
    class Half(FakeLink):
        """Tells of the account before it stops answering."""

        async def open(self, *how: Any) -> tuple[AccountState, ...]:  # noqa: ANN401
            await super().open(*how)
            await asyncio.sleep(10**6)
            return ()

    play(folder, no_stream)
    before = what_was_left(folder / "journal")
    play(folder, lambda link: setattr(link, "open", Half(link._now_ns).open))  # noqa: SLF001

    assert before.cash_e8 == what_was_left(folder / "journal").cash_e8


def test_a_failure_to_open_is_told_though_the_end_was_asked_for_since(folder: Path) -> None:
    def prepare(link: FakeLink) -> None:
        async def load() -> tuple[Instrument, ...]:
            await asyncio.sleep(STOP_AFTER_S)
            raise ZeroDivisionError

        link.load = load  # type: ignore[method-assign]

    with pytest.raises(ZeroDivisionError):
        play(folder, prepare)


def test_the_command_ends_well_when_it_was_stopped_early(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(*_: object, **__: object) -> Finished:
        raise StoppedEarly("stopped while it opened; no order was sent")

    monkeypatch.setattr(cli, "_run", run)
    result = CliRunner().invoke(cli.command, [str(folder / "run.toml"), "--json"])

    assert (0, "") == (result.exit_code, result.stdout)
    assert "perpd: stopped while it opened; no order was sent\n" == result.stderr
