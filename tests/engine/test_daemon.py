"""A whole run: open, trade, stop; and a second one that takes up where the first was killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from connectors.port import AccountState, HeldPosition, OpenOrder
from engine.config import load_config
from engine.drive.daemon import READY_TIMEOUT_S, Daemon, Finished
from engine.drive.opening import heard_once
from engine.drive.recorded import replay_run
from engine.drive.recovery import Left, booking_key, what_was_left
from engine.drive.seams import SeededRandomness
from engine.drive.venues.opened import OpenVenues
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import CredentialsError, JournalError, TransportError, VenueError
from engine.journal import JournalReader
from engine.journal.reader import EventRecord, NoteRecord, SentRecord
from engine.model.commands import Outgoing, Place
from engine.model.events import (
    AccountRead,
    EngineStarted,
    FundingPaid,
    OrderFilled,
    StreamChanged,
    StreamPhase,
    Transfer,
)
from engine.model.instruments import Instrument
from engine.model.orders import OrderState
from engine.model.units import MONEY_SCALE, NS_PER_MS, NS_PER_S, Side, Tif
from engine.state.accounts import EXTERNAL
from tests.engine.builders import BTC, MAIN
from tests.engine.live_fakes import FakeLink

STRATEGY = '''
from strategies.api import Intents, Params, Strategy, Subscription, Timer
from engine.model.units import Side


class Mine(Strategy):
    """Quotes a bid, a dollar lower every second."""

    class Params(Params, frozen=True):
        px: float = 99.0

    def subscriptions(self) -> list[Subscription]:
        return [Timer("turn", "1s")]

    def on_start(self) -> Intents:
        self.px = self.params.px
        return [self.quote("hl:BTC", "bid", Side.BUY, self.px, 1.0)]

    def on_timer(self, name: str) -> Intents:
        self.px -= 1.0
        return [self.quote("hl:BTC", "bid", Side.BUY, self.px, 1.0)]
'''

CONFIG = """
[venues.hl]
kind = "hyperliquid"
network = "testnet"

[accounts.main]
venue = "hl"

[symbols.BTC]
leverage = 5

[daemon]
journal = "journal"

[[strategies]]
name = "mine"
use = "./mine.py:Mine"
account = "main"
symbols = ["BTC"]
"""

Prepare = Callable[[FakeLink], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(STRATEGY, encoding="utf-8")
    (tmp_path / "run.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def play(
    folder: Path,
    prepare: Prepare = lambda _: None,
    *,
    for_s: float = 2.5,
    tick: Callable[[Daemon], None] = lambda _: None,
    address: str = "0xabc",
) -> tuple[Finished, FakeLink]:
    async def run() -> tuple[Finished, FakeLink]:
        clock = virtual_clock()
        link = FakeLink(clock.now_ns)
        prepare(link)
        venues = OpenVenues({"hl": link}, {MAIN: address}, clock)
        daemon = Daemon(load_config(folder / "run.toml"), venues, randomness=SeededRandomness(1))
        return await daemon.run(for_s=for_s, tick=tick), link

    return run_virtual(run())


class Killed(BaseException):
    """The process died here."""


def kill_after(batches: int) -> Prepare:
    """The process dies as so many batches are in the journal, before the last is sent."""

    def prepare(link: FakeLink) -> None:
        def on_send(outgoing: Outgoing) -> None:
            del outgoing
            if len(link.sent) >= batches:
                raise Killed

        link.on_send = on_send

    return prepare


def test_a_run_sets_leverage_before_it_trades_and_stops_under_on_stop(folder: Path) -> None:
    finished, link = play(folder)

    assert ["load", "open", "prepare leverage", "send leverage"] == link.log[:4]
    kinds = [one.removeprefix("send ") for one in link.log if one.startswith("send ")]
    assert ["leverage", "alo", "modify", "modify", "cancel"] == kinds
    assert "close" == link.log[-1]
    assert 4 + 1 == finished.live["batches"]
    assert None is finished.fault


@pytest.mark.parametrize(("after_s", "started_s"), [(1.5, 1.5), (60.0, READY_TIMEOUT_S)])
def test_on_start_waits_for_the_streams_and_not_for_ever(
    after_s: float, started_s: float, folder: Path
) -> None:
    began: list[int] = []

    def prepare(link: FakeLink) -> None:
        def say(phase: StreamPhase) -> None:
            now_ns = link._now_ns()  # noqa: SLF001
            began.append(now_ns)
            link.say(StreamChanged(now_ns, now_ns, "hl account", phase, "", MAIN))

        def on_send(outgoing: Outgoing) -> None:
            if outgoing.batch.kind == "leverage":
                say(StreamPhase.UP)
                asyncio.get_running_loop().call_later(after_s, say, StreamPhase.READY)

        link.on_send = on_send

    play(folder, prepare, for_s=0.1)

    records = [*JournalReader(folder / "journal")]
    (started,) = (
        record.event.ts_local_ns
        for record in records
        if isinstance(record, EventRecord) and isinstance(record.event, EngineStarted)
    )
    kinds = [record.outgoing.batch.kind for record in records if isinstance(record, SentRecord)]
    assert pytest.approx(started_s, abs=0.01) == (started - began[0]) / NS_PER_S
    assert ("alo" in kinds) is (started_s == after_s)


def test_a_run_replays_identically(folder: Path) -> None:
    play(folder)
    outcome = replay_run(folder / "journal")

    assert outcome.is_identical
    assert (1, 0) == (outcome.runs, outcome.records_unknown)


def test_an_account_that_never_opens_is_an_error(folder: Path) -> None:
    def prepare(link: FakeLink) -> None:
        async def open_none(*_: object) -> tuple[AccountState, ...]:
            return ()

        link.open = open_none  # type: ignore[method-assign, assignment]

    with pytest.raises(VenueError, match="did not open in time"):
        play(folder, prepare)


def test_leverage_the_venue_does_not_set_is_an_error_that_names_it(folder: Path) -> None:
    def prepare(link: FakeLink) -> None:
        link.leverage_answers = False

    with pytest.raises(CredentialsError, match="leverage of hl:BTC is 10, expected 5"):
        play(folder, prepare)


def test_what_is_on_the_account_already_is_external_at_the_first_run(folder: Path) -> None:
    seen: list[object] = []

    def prepare(link: FakeLink) -> None:
        order = OpenOrder(
            BTC,
            "oid:9",
            9,
            Side.SELL,
            120_000,
            500,
            Tif.GTC,
            reduce_only=False,
            state=OrderState.OPEN,
        )
        link._state = link.state(  # noqa: SLF001
            positions=(HeldPosition(BTC, 2_000, 190 * MONEY_SCALE),), orders=(order,)
        )

    def tick(daemon: Daemon) -> None:
        assert daemon.driver is not None
        account = daemon.driver.engine.accounts[MAIN]
        seen.append(
            (account.strategy_position(EXTERNAL, BTC).lots, account.exposure(BTC).sell_lots)
        )

    play(folder, prepare, tick=tick)

    assert (2_000, 500) == seen[0]


def test_a_position_that_changed_between_two_runs_stops_new_risk_from_the_first_moment(
    folder: Path,
) -> None:
    play(folder)

    def prepare(link: FakeLink) -> None:
        held = HeldPosition(BTC, 400, 40 * MONEY_SCALE)
        link._state = link.state(positions=(held,), cash_e8=10**14 + 7)  # noqa: SLF001

    finished, link = play(folder, prepare)

    assert [] == [one.batch.kind for one in link.sent if one.batch.kind != "leverage"]
    assert {"stream_ready"} == {*finished.result.refusals}
    assert finished.live["accounts"][MAIN]["positions_agree"] is False
    assert link.log.index("open") < link.log.index("refresh orders")


def test_what_the_account_opened_with_agrees_with_itself(folder: Path) -> None:
    def prepare(link: FakeLink) -> None:
        held = HeldPosition(BTC, 400, 40 * MONEY_SCALE)
        link._state = link.state(positions=(held,))  # noqa: SLF001

    finished, link = play(folder, prepare)

    assert "alo" in [one.batch.kind for one in link.sent]
    assert (True, 0) == (
        finished.live["accounts"][MAIN]["positions_agree"],
        finished.live["accounts"][MAIN]["cash_gap"],
    )


def test_a_killed_run_leaves_what_was_sent_and_the_next_settles_it_first(folder: Path) -> None:
    with pytest.raises(Killed):
        play(folder, kill_after(3))
    left = what_was_left(folder / "journal")
    (order,) = left.orders
    (unanswered,) = left.unanswered

    # Leverage and the quote were answered, the quote's first move was not.
    assert (OrderState.MODIFYING, "mine", "bid") == (order.state, order.strategy, order.quote)
    assert (3, "modify") == (unanswered.nonce, unanswered.batch.kind)

    finished, link = play(folder)

    assert (order.cloid, 1) == (link.asked[0].cloid, link.asked[0].generation)
    assert 3 == link.resumption.nonce_max
    assert (unanswered,) == link.resumption.unanswered
    assert ((order.cloid, 0, order.oid),) == link.resumption.generations
    assert finished.result.orders


def test_an_order_of_a_killed_run_that_the_venue_lists_goes_on_as_the_same_quote(
    folder: Path,
) -> None:
    with pytest.raises(Killed):
        play(folder, kill_after(3))
    (order,) = what_was_left(folder / "journal").orders

    def prepare(link: FakeLink) -> None:
        # The modify went through: another oid, another price.
        listed = OpenOrder(
            BTC,
            order.cloid,
            777,
            Side.BUY,
            98_000,
            1_000,
            Tif.GTC,
            reduce_only=False,
            state=OrderState.OPEN,
        )
        link._state = link.state(orders=(listed,))  # noqa: SLF001

    _, link = play(folder, prepare)
    moves = [command for out in link.sent for command in out.batch.commands]

    assert [] == [command for command in moves if isinstance(command, Place)]
    assert {order.cloid} == {command.cloid for command in moves if hasattr(command, "cloid")}
    assert 2 == min(command.generation for command in moves if hasattr(command, "generation"))


def test_a_ledger_goes_on_where_the_killed_run_left_it_and_no_fill_is_booked_twice(
    folder: Path,
) -> None:
    def fill(link: FakeLink, cloid: str, trade_id: int) -> None:
        now_ns = link._now_ns() // NS_PER_MS * NS_PER_MS  # noqa: SLF001
        link.say(
            OrderFilled(
                now_ns,
                now_ns,
                MAIN,
                BTC,
                cloid,
                0,
                101,
                trade_id,
                Side.BUY,
                99_000,
                400,
                99.0,
                0.4,
                5,
                is_maker=True,
            )
        )
        link.say(FundingPaid(now_ns, now_ns, MAIN, BTC, 11, 400, 0.0001))

    def prepare(link: FakeLink) -> None:
        def on_send(_: Outgoing) -> None:
            if len(link.sent) == 3:
                place = link.sent[1].batch.commands[0]
                assert isinstance(place, Place)
                fill(link, place.cloid, 1)
            if len(link.sent) >= 4:
                raise Killed

        link.on_send = on_send

    with pytest.raises(Killed):
        play(folder, prepare)
    left = what_was_left(folder / "journal")

    assert [("mine", 400)] == [(held.owner, held.lots) for held in left.positions]
    assert {MAIN: 10**14 - 5 - 11} == left.cash_e8
    assert ["fill", "funding"] == sorted(key[0] for key in left.booked)

    seen: list[tuple[int, int]] = []

    def tick(daemon: Daemon) -> None:
        assert daemon.driver is not None
        account = daemon.driver.engine.accounts[MAIN]
        seen.append((account.strategy_position("mine", BTC).lots, account.cash_e8))

    def agree(link: FakeLink) -> None:
        def on_send(_: Outgoing) -> None:
            now_ns = link._now_ns()  # noqa: SLF001
            link.say(AccountRead(now_ns, now_ns, MAIN, 0, 10**14 - 16, ((BTC, 400),)))

        link.on_send = on_send

    finished, link = play(folder, agree, tick=tick)

    assert {(400, 10**14 - 16)} == set(seen)
    assert {key[1:] for key in left.booked if key[0] == "fill"} == link.resumption.fills_seen
    assert {"positions_agree": True, "cash_gap": 0.0}.items() <= finished.live["accounts"][
        MAIN
    ].items()


def test_a_config_may_change_its_strategies_between_runs(folder: Path) -> None:
    with pytest.raises(Killed):
        play(folder, kill_after(3))
    path = folder / "run.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('"mine"', '"other"'), encoding="utf-8")
    finished, link = play(folder)

    # The old quote belongs to nobody in this run now, counts, and is settled all the same.
    assert 1 == len(link.asked)
    assert {"external"} == {
        row.strategy for row in finished.result.orders if row.cloid == link.asked[0].cloid
    }


def test_every_run_in_the_journal_replays(folder: Path) -> None:
    play(folder)
    play(folder)

    assert 2 == replay_run(folder / "journal").runs


def test_another_address_under_the_same_name_takes_nothing_over(folder: Path) -> None:
    with pytest.raises(Killed):
        play(folder, kill_after(3))
    _, link = play(folder, address="0xdef")

    assert ([], ()) == (link.asked, link.resumption.unanswered)
    # A signer's nonces are never used again all the same.
    assert 3 == link.resumption.nonce_max


def test_what_is_found_out_of_a_venue_is_in_the_journal(folder: Path) -> None:
    play(folder)
    notes = [r.text for r in JournalReader(folder / "journal") if isinstance(r, NoteRecord)]

    assert ["hl: a fake"] == notes


def test_what_an_earlier_run_booked_and_what_was_before_it_is_passed_over() -> None:
    events: list[OrderFilled | FundingPaid | Transfer] = [
        OrderFilled(
            5_000_000, 6, MAIN, BTC, "0x1", 0, 1, 9, Side.BUY, 1, 1, 1.0, 1.0, 0, is_maker=True
        ),
        FundingPaid(5_000_000, 6, MAIN, BTC, 1, 1, 0.1),
        Transfer(5_000_000, 6, MAIN, 100, "deposit"),
    ]
    heard: list[int] = []
    booked = frozenset(key for event in events if (key := booking_key(event)) is not None)
    left = Left(booked=booked, opened_ms={MAIN: 4})
    sink = heard_once(lambda event: heard.append(event.ts_venue_ns), left)
    for event in events:
        sink(event)
        sink(msgspec.structs.replace(event, ts_venue_ns=7_000_000))
        sink(msgspec.structs.replace(event, ts_venue_ns=4_000_000))

    assert [7_000_000] * 3 == heard


def test_a_daemon_that_is_told_to_stop_while_it_opens_sends_no_order_that_adds_risk(
    folder: Path,
) -> None:
    async def run() -> FakeLink:
        clock = virtual_clock()
        link = FakeLink(clock.now_ns)
        venues = OpenVenues({"hl": link}, {MAIN: "0xabc"}, clock)
        daemon = Daemon(load_config(folder / "run.toml"), venues, randomness=SeededRandomness(1))
        link.on_send = lambda _: daemon.stop("a signal")
        await daemon.run(for_s=5.0)
        return link

    link = run_virtual(run())

    assert ["send leverage"] == [one for one in link.log if one.startswith("send ")]


def test_a_run_that_cannot_open_leaves_what_the_one_before_it_left(folder: Path) -> None:
    with pytest.raises(Killed):
        play(folder, kill_after(3))
    (order,) = what_was_left(folder / "journal").orders

    def prepare(link: FakeLink) -> None:
        async def fail(*_: object) -> tuple[AccountState, ...]:
            raise TransportError("the venue is down")

        link.open = fail  # type: ignore[method-assign, assignment]

    for _ in range(2):
        with pytest.raises(TransportError):
            play(folder, prepare)
    _, link = play(folder)

    assert order.cloid == link.asked[0].cloid
    assert 1 == len(link.resumption.unanswered)
    assert [MAIN] == [*link.resumption.fills_seen_ms]


def test_a_strategy_that_raises_at_its_own_end_too_leaves_a_run_that_replays(folder: Path) -> None:
    path = folder / "mine.py"
    raising = """
    def on_order(self, event: object) -> Intents:
        raise ZeroDivisionError("the strategy's own")
"""
    path.write_text(path.read_text(encoding="utf-8") + raising, encoding="utf-8")
    finished, link = play(folder)

    assert isinstance(finished.fault, ZeroDivisionError)
    assert "send cancel" in link.log
    assert replay_run(folder / "journal").is_identical


class Lagging(FakeLink):
    """Its comparisons show a fill that it only reads when it is asked to read everything."""

    async def refresh(self, job: str) -> None:
        await super().refresh(job)
        now_ns = self._now_ns()
        if job == "orders" and not self.is_read:
            self.is_read = True
            place = self.sent[1].batch.commands[0]
            assert isinstance(place, Place)
            numbers = Side.BUY, 99_000, 400, 99.0, 0.4, 5
            key = MAIN, BTC, place.cloid, 0, 101, 1
            self.say(OrderFilled(now_ns, now_ns, *key, *numbers, is_maker=True))
        lots = ((BTC, 400),)
        self.say(AccountRead(now_ns + 1, now_ns, MAIN, 0, 0, lots, is_caught_up=job == "orders"))

    is_read = False


def test_a_difference_is_looked_into_at_once_and_a_lost_fill_is_its_strategys(
    folder: Path,
) -> None:
    async def run() -> tuple[Daemon, Lagging]:
        clock = virtual_clock()
        link = Lagging(clock.now_ns)
        venues = OpenVenues({"hl": link}, {MAIN: "0xabc"}, clock)
        daemon = Daemon(load_config(folder / "run.toml"), venues, randomness=SeededRandomness(1))
        seen: list[object] = []

        def tick(_: Daemon) -> None:
            if len(link.sent) > 1 and not seen:
                seen.append(asyncio.ensure_future(link.refresh("account")))

        await daemon.run(for_s=2.5, tick=tick)
        return daemon, link

    daemon, link = run_virtual(run())
    assert daemon.driver is not None
    engine = daemon.driver.engine
    account = engine.accounts[MAIN]

    assert link.log.index("refresh account") + 1 == link.log.index("refresh orders")
    assert (400, 400) == (account.position(BTC).lots, account.strategy_position("mine", BTC).lots)
    assert 0 == engine.agreement.declared


def test_bars_that_the_link_does_not_send_are_built_from_the_trades_it_is_asked_for(
    folder: Path,
) -> None:
    path = folder / "mine.py"
    text = path.read_text(encoding="utf-8")
    text = text.replace("Subscription, Timer", "Bars, Subscription, Timer")
    text = text.replace('[Timer("turn", "1s")]', '[Timer("turn", "1s"), Bars("1m"), Bars("3m")]')
    path.write_text(text, encoding="utf-8")
    built: list[frozenset[tuple[str, int]]] = []

    def tick(daemon: Daemon) -> None:
        assert daemon.driver is not None
        built.append(daemon.driver.engine.setup.bars_from_trades)

    _, link = play(folder, tick=tick)

    assert [(True, (60 * NS_PER_S,))] == [(want.trades, want.bars_ns) for want in link.wants]
    assert frozenset({(BTC, 180 * NS_PER_S)}) == built[0]


def test_what_is_found_out_at_the_very_end_is_among_the_warnings(folder: Path) -> None:
    def prepare(link: FakeLink) -> None:
        async def refresh(job: str) -> None:
            del job
            times = virtual_clock().now_ns(), virtual_clock().now_ns()
            link.say(AccountRead(*times, MAIN, 10**14, 10**14, ((BTC, 5),)))

        link.refresh = refresh  # type: ignore[method-assign]

    finished, _ = play(folder, prepare)

    assert 1 == finished.live["differences_declared"]
    (said,) = [text for text in finished.result.warnings if "the venue holds" in text]
    assert f"the venue holds 0.005, our fills make 0; the difference is booked to {EXTERNAL}" in (
        said
    )
    left = f"{MAIN}: a position of 0.005 on hl:BTC is left without a stop."
    assert [left, said] == [text for text in finished.result.warnings if MAIN in text]


def test_the_opening_read_of_a_venue_comes_before_what_it_says_while_the_next_one_opens(
    folder: Path,
) -> None:
    async def run() -> None:
        clock = virtual_clock()
        link, idle = FakeLink(clock.now_ns), Idle(clock.now_ns)

        async def open_late(*_: object) -> tuple[AccountState, ...]:
            await asyncio.sleep(1)
            now_ns = clock.now_ns()
            link.say(AccountRead(now_ns, now_ns, MAIN, 7, 7, ()))
            return ()

        idle.open = open_late  # type: ignore[method-assign]
        venues = OpenVenues({"hl": link, "more": idle}, {MAIN: "0xabc"}, clock)
        daemon = Daemon(load_config(folder / "run.toml"), venues, randomness=SeededRandomness(1))
        await daemon.run(for_s=0.5)

    run_virtual(run())
    heard = [r.event for r in JournalReader(folder / "journal") if isinstance(r, EventRecord)]
    reads = [event for event in heard if isinstance(event, AccountRead)]

    assert [10**14, 7] == [read.cash_e8 for read in reads]
    assert [0, NS_PER_S] == [read.ts_local_ns - heard[0].ts_local_ns for read in reads]


def test_a_fill_of_somebody_else_at_the_very_end_is_told(folder: Path) -> None:
    def prepare(link: FakeLink) -> None:
        async def refresh(job: str) -> None:
            if job == "account":
                now_ns = link._now_ns()  # noqa: SLF001
                key = MAIN, BTC, "oid:7", 0, 7, 1
                numbers = Side.SELL, 100_000, 500, 100.0, 0.5, 0
                link.say(OrderFilled(now_ns, now_ns, *key, *numbers, is_maker=False))

        link.refresh = refresh  # type: ignore[method-assign]

    with capture_logs() as logs:
        play(folder, prepare)

    told = [line["sz"] for line in logs if line["event"] == "a fill of somebody else"]
    assert [0.5] == told


class Stubborn(FakeLink):
    """Its connections cannot be closed."""

    async def close(self) -> None:
        await super().close()
        raise OSError("a socket that will not go")


class Idle(FakeLink):
    """Another venue, on which the run has nothing."""

    @property
    def venue(self) -> str:
        return "more"

    async def load(self) -> tuple[Instrument, ...]:
        return ()

    async def open(self, *_: object) -> tuple[AccountState, ...]:
        return ()


def test_a_link_that_cannot_be_closed_costs_neither_the_result_nor_another_links_closing(
    folder: Path,
) -> None:
    async def run() -> tuple[Finished, Idle]:
        clock = virtual_clock()
        idle = Idle(clock.now_ns)
        venues = OpenVenues({"hl": Stubborn(clock.now_ns), "more": idle}, {MAIN: "0xabc"}, clock)
        daemon = Daemon(load_config(folder / "run.toml"), venues, randomness=SeededRandomness(1))
        return await daemon.run(for_s=2.5), idle

    finished, idle = run_virtual(run())

    assert finished.fault is None
    assert "close" == idle.log[-1]


def test_a_run_whose_disk_is_full_says_what_it_leaves_unwatched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    def prepare(link: FakeLink) -> None:
        held = HeldPosition(BTC, 400, 40 * MONEY_SCALE)
        link._state = link.state(positions=(held,))  # noqa: SLF001

    def tick(daemon: Daemon) -> None:
        assert daemon.driver is not None
        if any(daemon.driver.engine.orders.all_live()):
            monkeypatch.setattr(os, "write", no_space)

    with pytest.raises(JournalError, match="No space left on device") as caught:
        play(folder, prepare, tick=tick)

    text = f"left as it is, and nobody watches it: {MAIN}: 0.4 hl:BTC, 1 order"
    assert text in str(caught.value)
