"""The live driver: journal first, then step, then exact bytes on disk, then the wire."""

# ruff: noqa: ARG001 - every scene is given the same

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine.drive.live import INBOX_MAX, LiveDriver
from engine.drive.virtual_time import START_NS, run_virtual, virtual_clock
from engine.errors import ModelError
from engine.journal import JournalReader, JournalWriter
from engine.journal.reader import EventRecord, SentRecord
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountOpened,
    AssetContext,
    BookDelta,
    BookSnapshot,
    CancelRejected,
    EngineStarted,
    EngineStopping,
    OrderAccepted,
    OrderUnclear,
    Quote,
    StreamPhase,
)
from engine.model.orders import OrderState
from engine.model.units import NS_PER_S
from strategies.api import Quotes
from tests.engine.builders import BTC, BUY, MAIN, Scripted, engine_with
from tests.engine.live_fakes import FakeLink


class Settling(FakeLink):
    """Says of every order it is asked about that it rests."""

    def ask(self, ask: AskOrder) -> None:
        super().ask(ask)
        now_ns = virtual_clock().now_ns()
        key = ask.instrument, ask.cloid, ask.generation
        self.say(OrderAccepted(now_ns, now_ns, MAIN, *key, 101))


Scene = Callable[[LiveDriver, FakeLink, Scripted], Awaitable[None]]


def play(folder: Path, scene: Scene, strategy: Scripted | None = None) -> LiveDriver:
    """A driver with one strategy on an open account, driven through a scene in virtual time."""

    async def run() -> LiveDriver:
        clock = virtual_clock()
        mine = strategy or Scripted(Quotes())
        engine = engine_with(mine)
        link = FakeLink(clock.now_ns)
        with JournalWriter(folder) as writer:
            driver = LiveDriver(engine, writer, {MAIN: link}, clock)
            link.sink = driver.hear
            task = asyncio.create_task(driver.run())
            now = clock.now_ns(), clock.now_ns()
            driver.hear(AccountOpened(*now, MAIN, "hl", 10**14))
            driver.hear(AssetContext(*now, BTC, 100.0, 100.0, 0.0, 0.0))
            driver.hear(EngineStarted(*now, 7))
            await scene(driver, link, mine)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return driver

    return run_virtual(run())


async def quote(driver: LiveDriver, px: float = 100.0) -> None:
    """Let the market move once, and the driver take it in."""
    now_ns = virtual_clock().now_ns()
    driver.hear(Quote(now_ns, now_ns, BTC, px - 0.01, 1.0, px + 0.01, 1.0))
    await asyncio.sleep(0.01)


def test_bytes_are_in_the_journal_before_they_are_sent(tmp_path: Path) -> None:
    folder, seen = tmp_path / "journal", []

    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        link.on_send = lambda out: seen.append(
            [r.outgoing for r in JournalReader(folder) if isinstance(r, SentRecord)] == [out]
        )
        strategy.reply = [strategy.limit(BTC, BUY, 99.0, 1.0)]
        await quote(driver)

    play(folder, scene)

    assert [True] == seen


def test_what_is_sent_says_whose_it_is(tmp_path: Path) -> None:
    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        strategy.reply = [strategy.quote(BTC, "bid", BUY, 99.0, 1.0)]
        await quote(driver)
        strategy.reply = [strategy.quote(BTC, "bid", BUY, 98.0, 1.0)]
        await quote(driver)
        notes = [note for outgoing in link.sent for note in outgoing.notes]

        assert [(0, "one", "bid"), (1, "one", "bid")] == [
            (note.generation, note.strategy, note.quote) for note in notes
        ]

    play(tmp_path / "journal", scene)


def test_every_event_is_journaled_and_a_batch_of_them_with_one_sync(tmp_path: Path) -> None:
    folder = tmp_path / "journal"

    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        for px in (100.0, 101.0, 102.0):
            await quote(driver, px)

    driver = play(folder, scene)
    events = [record.event for record in JournalReader(folder) if isinstance(record, EventRecord)]

    assert driver.events == len(events) == 6


def test_a_timer_fires_at_its_time(tmp_path: Path) -> None:
    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        at_ns = START_NS + 3 * NS_PER_S
        strategy.reply = [strategy.wake_at("later", at_ns)]
        await quote(driver)
        await asyncio.sleep(2.9)
        assert "on_timer" not in strategy.handlers
        await asyncio.sleep(0.2)
        assert at_ns <= driver.engine.now_ns < at_ns + NS_PER_S // 100

    strategy = Scripted(Quotes())
    play(tmp_path / "journal", scene, strategy)

    assert "on_timer 'later'" in strategy.saw


def test_an_unclear_order_is_asked_about(tmp_path: Path) -> None:
    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        link.answers = False
        intent = strategy.limit(BTC, BUY, 99.0, 1.0)
        strategy.reply = [intent]
        await quote(driver)
        now_ns = virtual_clock().now_ns()
        link.say(OrderUnclear(now_ns, now_ns, MAIN, BTC, intent.cloid, 0, "timeout"))
        await asyncio.sleep(0.01)

        assert [intent.cloid] == [ask.cloid for ask in link.asked]

    play(tmp_path / "journal", scene)


@pytest.mark.parametrize(("answers", "is_quiet"), [(True, True), (False, False)])
def test_a_stop_waits_for_the_venues_word_on_the_last_orders(
    tmp_path: Path,
    answers: bool,  # noqa: FBT001 - a case
    is_quiet: bool,  # noqa: FBT001
) -> None:
    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        strategy.reply = [strategy.limit(BTC, BUY, 99.0, 1.0)]
        await quote(driver)
        link.answers = answers

        assert is_quiet is await driver.stop("the end", timeout_s=5.0)
        assert ["send order", "send cancel"] == [one for one in link.log if "send" in one]
        states = {order.state for order in driver.engine.orders.all_live()}
        assert (set() if answers else {OrderState.CANCELING}) == states

    play(tmp_path / "journal", scene)


def test_a_strategy_that_raises_ends_the_run_and_its_orders_that_add_risk(tmp_path: Path) -> None:
    def script(strategy: Scripted, handler: str, what: object) -> None:
        del strategy
        if handler == "on_quote" and getattr(what, "bid_px", 0) > 100:
            raise ZeroDivisionError("the strategy's own")

    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        strategy._script = None  # noqa: SLF001 - the test's own class
        strategy.reply = [strategy.limit(BTC, BUY, 99.0, 1.0)]
        await quote(driver)
        strategy._script = script  # noqa: SLF001
        await quote(driver, 101.0)

        assert isinstance(driver.fault, ZeroDivisionError)
        assert ["send order", "send cancel"] == [one for one in link.log if "send" in one]
        assert driver.engine.gate.is_stopping

    play(tmp_path / "journal", scene)


@pytest.mark.parametrize("kind", [ZeroDivisionError, ModelError])
def test_a_strategy_that_raises_at_everything_is_stopped_all_the_same(
    tmp_path: Path, kind: type[Exception]
) -> None:
    """It raises at the market, of which more waits, and at what becomes of its orders."""

    def script(strategy: Scripted, handler: str, what: object) -> None:
        del strategy, what
        if handler in ("on_quote", "on_order"):
            raise kind("the strategy's own")

    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        strategy._script = None  # noqa: SLF001 - the test's own class
        first, second = (strategy.limit(BTC, BUY, px, 1.0) for px in (99.0, 98.0))
        strategy.reply = [first, second]
        await quote(driver)
        strategy._script = script  # noqa: SLF001
        now_ns = virtual_clock().now_ns()
        driver.hear(OrderUnclear(now_ns, now_ns, MAIN, BTC, second.cloid, 0, "timeout"))
        for _ in range(3):
            driver.hear(Quote(now_ns, now_ns, BTC, 99.9, 1.0, 100.1, 1.0))
        await asyncio.sleep(0.01)

        assert isinstance(driver.fault, kind)
        assert OrderState.CANCELED is driver.engine.orders.get(first.cloid).state  # type: ignore[union-attr]
        # Its own handler raised before it could be asked about: it is all the same.
        assert second.cloid in {ask.cloid for ask in link.asked}
        await driver.stop("the end", timeout_s=1.0)

    play(tmp_path / "journal", scene, Scripted(Quotes()))
    events = [r.event for r in JournalReader(tmp_path / "journal") if isinstance(r, EventRecord)]
    stops = [number for number, one in enumerate(events) if isinstance(one, EngineStopping)]

    assert isinstance(events[stops[0] - 1], OrderUnclear)
    assert events[stops[0]].is_fault  # type: ignore[union-attr]


def test_a_cancel_that_was_lost_with_a_fault_at_the_end_is_sent_after_all(tmp_path: Path) -> None:
    """The first strategy's cancel is decided when the second raises, and never leaves."""

    async def run() -> tuple[LiveDriver, FakeLink, bool]:
        clock = virtual_clock()

        def script(strategy: Scripted, handler: str, what: object) -> None:
            del strategy, what
            if handler == "on_stop":
                raise ZeroDivisionError

        first, second = Scripted(Quotes()), Scripted(Quotes(), script=script)
        link = Settling(clock.now_ns)
        with JournalWriter(tmp_path / "journal") as writer:
            driver = LiveDriver(engine_with(first, second), writer, {MAIN: link}, clock)
            link.sink = driver.hear
            task = asyncio.create_task(driver.run())
            now = clock.now_ns(), clock.now_ns()
            driver.hear(AccountOpened(*now, MAIN, "hl", 10**14))
            driver.hear(AssetContext(*now, BTC, 100.0, 100.0, 0.0, 0.0))
            driver.hear(EngineStarted(*now, 7))
            await asyncio.sleep(0.01)
            first.reply = [first.limit(BTC, BUY, 99.0, 1.0)]
            await quote(driver)
            is_quiet = await driver.stop("the end", timeout_s=5.0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return driver, link, is_quiet

    driver, link, is_quiet = run_virtual(run())

    assert isinstance(driver.fault, ZeroDivisionError)
    assert is_quiet
    assert [] == list(driver.engine.orders.all_live())
    assert 1 == link.log.count("send cancel")


def test_a_cancel_that_overtook_its_order_is_repeated_before_the_end(tmp_path: Path) -> None:
    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        strategy.reply = [intent := strategy.limit(BTC, BUY, 99.0, 1.0)]
        await quote(driver)
        link.answers = False
        task = asyncio.ensure_future(driver.stop("the end", timeout_s=5.0))
        await asyncio.sleep(0.01)
        link.answers = True
        # "No such order": the cancel came before it. Asked about, it turns out to live.
        now_ns = virtual_clock().now_ns()
        key = now_ns, now_ns, MAIN, BTC, intent.cloid, 0
        link.say(CancelRejected(*key, "never placed"))
        link.say(OrderAccepted(*key, 101))

        assert await task
        assert [] == list(driver.engine.orders.all_live())
        assert 2 == link.log.count("send cancel")

    play(tmp_path / "journal", scene)


def test_over_the_inbox_bound_market_events_are_dropped_and_their_instrument_is_blocked(
    tmp_path: Path,
) -> None:
    """No book lost news, so none is told again."""
    blocked = []

    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        now_ns = virtual_clock().now_ns()
        event = Quote(now_ns, now_ns, BTC, 99.9, 1.0, 100.1, 1.0)
        for _ in range(INBOX_MAX + 3):
            driver.hear(event)
        driver.hear(OrderUnclear(now_ns, now_ns, MAIN, BTC, "0x1", 0, "kept"))
        market = driver.engine.markets[BTC]
        await driver.until(lambda: bool(market.blocked), 5.0)
        blocked.append(market.blocked)
        await driver.until(lambda: not market.blocked, 5.0)

        assert driver.dropped >= 3
        assert {"OrderUnclear": 1} == driver.engine.account_book.strays
        assert [] == [line for line in link.log if line.startswith("tell book")]

    play(tmp_path / "journal", scene)

    assert [frozenset({f"inbox {StreamPhase.GAP}"})] == blocked


@pytest.mark.parametrize("lost", [BookDelta, BookSnapshot])
def test_a_book_that_lost_news_is_blocked_until_it_comes_whole(
    tmp_path: Path, lost: type[BookDelta | BookSnapshot]
) -> None:
    """A later change would be applied to another book than it was made for."""

    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        now_ns = virtual_clock().now_ns()
        times = now_ns, now_ns
        market = driver.engine.markets[BTC]
        bid = ((99.0,), (1.0,))
        driver.hear(BookSnapshot(*times, BTC, 1, *bid, (101.0,), (1.0,)))
        for _ in range(INBOX_MAX):
            driver.hear(Quote(now_ns, now_ns, BTC, 99.9, 1.0, 100.1, 1.0))
        driver.hear(lost(*times, BTC, 2, (100.0,), (1.0,), (), ()))
        await driver.until(lambda: bool(market.blocked), 5.0)
        await asyncio.sleep(1)
        assert frozenset({f"inbox {StreamPhase.GAP}"}) == market.blocked

        driver.hear(BookDelta(*times, BTC, 3, (99.0,), (0.0,), (), ()))
        driver.hear(Quote(now_ns, now_ns, BTC, 99.8, 1.0, 100.2, 1.0))
        driver.hear(BookDelta(*times, "hl:ETH", 1, (9.0,), (1.0,), (), ()))
        await asyncio.sleep(1)
        assert {"BookDelta hl:ETH": 1} == driver.engine.unknown, (
            "of another book nothing is left out"
        )
        assert (1, 99.0) == (market.book.seq, market.book.best_bid)
        assert 99.8 == market.quote.last.bid_px
        assert frozenset({f"inbox {StreamPhase.GAP}"}) == market.blocked

        assert "tell book hl:BTC" in link.log
        driver.hear(BookSnapshot(*times, BTC, 4, *bid, (102.0,), (1.0,)))
        driver.hear(BookDelta(*times, BTC, 5, (98.0,), (1.0,), (), ()))
        await asyncio.sleep(1)
        assert (5, 102.0) == (market.book.seq, market.book.best_ask)
        assert frozenset() == market.blocked

    play(tmp_path / "journal", scene)


def test_a_book_that_lost_news_is_told_whole_by_the_link_that_knows_it(tmp_path: Path) -> None:
    """A quiet venue that sends changes only would leave it blocked for long."""

    async def scene(driver: LiveDriver, link: FakeLink, strategy: Scripted) -> None:
        now_ns = virtual_clock().now_ns()
        times = now_ns, now_ns
        market = driver.engine.markets[BTC]
        link.book = BookSnapshot(*times, BTC, 2, (99.5,), (1.0,), (101.0,), (1.0,))
        for _ in range(INBOX_MAX):
            driver.hear(Quote(now_ns, now_ns, BTC, 99.9, 1.0, 100.1, 1.0))
        driver.hear(BookDelta(*times, BTC, 2, (99.5,), (1.0,), (), ()))
        await driver.until(lambda: bool(market.blocked), 5.0)
        await driver.until(lambda: not market.blocked, 5.0)

        assert (2, 99.5) == (market.book.seq, market.book.best_bid)

    play(tmp_path / "journal", scene)
