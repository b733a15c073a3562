"""A replay says whether a recorded run comes out the same, and if not, where it first does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.drive.replay import ReplayOutcome, journaled_step, replay
from engine.errors import JournalError, ReplayDivergence
from engine.journal import JournalReader, JournalWriter, RunMeta
from engine.journal.reader import EffectsRecord, EventRecord
from engine.model.effects import Effect, Notify, SetTimer
from engine.model.events import AnyEvent, BlockTime, EngineStarted, EngineStopping, Trade
from engine.model.units import Side

META = RunMeta("ab" * 32, "0.1.0", ("counter",))


class Counter:
    """Counts the trades of its run, and says so after every second one, setting a timer with it."""

    def __init__(self) -> None:
        self.trades = 0

    def step(self, event: AnyEvent) -> tuple[Effect, ...]:
        if not isinstance(event, Trade):
            return ()
        self.trades += 1
        if self.trades % 2:
            return ()
        return (
            Notify("info", f"{self.trades} trades"),
            SetTimer("counter", "again", event.ts_local_ns + 1),
        )


def trade(number: int) -> Trade:
    return Trade(number, number, "hl:BTC", 100.0, 1.0, Side.BUY, number)


def record_run(folder: Path, trades: int, *, is_killed: bool = False) -> None:
    """One run: META, EngineStarted, trades."""
    engine, writer = Counter(), JournalWriter(folder, segment_bytes_max=1000)
    writer.append_meta(META)
    events: list[AnyEvent] = [EngineStarted(0, 0, 1), *map(trade, range(1, trades + 1))]
    for event in events:
        journaled_step(engine, writer, event)
    if is_killed:
        writer.abandon()
    else:
        writer.close()


def counters(_: RunMeta | None) -> Counter:
    return Counter()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


class Altered(Counter):
    """A counter that answers its nth trade with other effects."""

    def __init__(self, at_trade: int, effects: tuple[Effect, ...]) -> None:
        super().__init__()
        self.at_trade = at_trade
        self.effects = effects

    def step(self, event: AnyEvent) -> tuple[Effect, ...]:
        effects = super().step(event)
        is_altered = isinstance(event, Trade) and self.trades == self.at_trade
        return self.effects if is_altered else effects


# -- recording -------------------------------------------------------------------------------------


def test_a_journaled_step_gives_the_effects_and_records_them_behind_their_event(
    folder: Path,
) -> None:
    engine = Counter()
    with JournalWriter(folder) as writer:
        quiet = journaled_step(engine, writer, trade(1))
        loud = journaled_step(engine, writer, trade(2))

    effects = (Notify("info", "2 trades"), SetTimer("counter", "again", 3))
    assert ((), effects) == (quiet, loud)
    assert [
        EventRecord(1, trade(1)),
        EventRecord(2, trade(2)),
        EffectsRecord(3, effects),
    ] == list(JournalReader(folder))[:3]


class Failing:
    def step(self, event: AnyEvent) -> tuple[Effect, ...]:
        raise ZeroDivisionError(f"at {event.ts_local_ns}")


def test_an_event_that_breaks_the_engine_is_on_disk_and_its_replay_breaks_it_again(
    folder: Path,
) -> None:
    writer = JournalWriter(folder)
    with pytest.raises(ZeroDivisionError, match="at 7"):
        journaled_step(Failing(), writer, trade(7))

    assert [EventRecord(1, trade(7))] == list(JournalReader(folder))
    writer.abandon()
    with pytest.raises(ZeroDivisionError, match="at 7") as caught:
        replay(folder, lambda _: Failing())
    assert [f"while replaying event 1 (record 1): {trade(7)!r}"] == caught.value.__notes__


class FailingAt(Counter):
    """A counter that raises at one trade, and says so at the end."""

    def __init__(self, trade_id: int) -> None:
        super().__init__()
        self._trade_id = trade_id

    def step(self, event: AnyEvent) -> tuple[Effect, ...]:
        if isinstance(event, Trade) and event.trade_id == self._trade_id:
            raise ZeroDivisionError(f"at {event.trade_id}")
        return super().step(event)


def record_fault(folder: Path) -> None:
    """A run that meets a fault at trade 3, goes on to the stop, and ends in order."""
    engine = FailingAt(3)
    with JournalWriter(folder) as writer:
        for number in (1, 2, 4):
            journaled_step(engine, writer, trade(number))
            if number == 2:
                with pytest.raises(ZeroDivisionError):
                    journaled_step(engine, writer, trade(3))
        stop = EngineStopping(5, 5, "fault: ZeroDivisionError: at 3", is_fault=True)
        journaled_step(engine, writer, stop)


def test_a_fault_is_part_of_a_run_that_stopped_for_it(folder: Path) -> None:
    record_fault(folder)

    assert replay(folder, lambda _: FailingAt(3)).is_identical


def test_a_fault_that_comes_out_otherwise_is_raised(folder: Path) -> None:
    record_fault(folder)

    with pytest.raises(ZeroDivisionError, match="at 4"):
        replay(folder, lambda _: FailingAt(4))


# -- the same --------------------------------------------------------------------------------------


def test_the_same_engine_gives_an_identical_run(folder: Path) -> None:
    record_run(folder, trades=100)

    outcome = replay(folder, counters)

    expected = ReplayOutcome(
        runs=1,
        events=101,
        effects=100,
        unrecorded=0,
        bytes_cut=0,
        records_unknown=0,
        difference=None,
    )
    assert expected == outcome
    assert outcome.is_identical
    outcome.raise_if_different()


def test_every_run_of_a_journal_gets_a_new_engine_made_from_what_ran(folder: Path) -> None:
    record_run(folder, trades=3)
    record_run(folder, trades=5, is_killed=True)
    record_run(folder, trades=1)
    metas: list[RunMeta | None] = []

    def make(meta: RunMeta | None) -> Counter:
        metas.append(meta)
        return Counter()

    outcome = replay(folder, make)

    assert outcome.is_identical
    assert (3, 12, 2 + 4 + 0) == (outcome.runs, outcome.events, outcome.effects)
    assert [META] * 3 == metas


def test_a_journal_of_events_alone_is_one_run_of_an_engine_made_from_nothing(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        journaled_step(Counter(), writer, BlockTime(1, 1))
    metas: list[RunMeta | None] = []

    def make(meta: RunMeta | None) -> Counter:
        metas.append(meta)
        return Counter()

    assert 1 == replay(folder, make).events
    assert [None] == metas


def test_a_start_of_the_engine_begins_a_run_even_when_nothing_says_what_ran(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        for epoch in range(3):
            engine = Counter()
            for event in (EngineStarted(0, 0, epoch), trade(1), trade(2)):
                journaled_step(engine, writer, event)

    outcome = replay(folder, counters)

    assert outcome.is_identical
    assert 3 == outcome.runs


def test_records_between_an_event_and_its_effects_that_nobody_knows_change_nothing(
    folder: Path,
) -> None:
    engine = Counter()
    with JournalWriter(folder) as writer:
        for number in (1, 2, 3):
            writer.append_event(trade(number))
            writer.append(77, b"?")
            writer.append_effects(engine.step(trade(number)))

    outcome = replay(folder, counters)

    assert outcome.is_identical
    assert (2, 3) == (outcome.effects, outcome.records_unknown)


# -- a run that died -------------------------------------------------------------------------------


def test_a_run_killed_at_any_byte_replays_as_far_as_it_was_recorded(folder: Path) -> None:
    """Also between an event and its effects: what came of it is then not known, not different."""
    engine, writer = Counter(), JournalWriter(folder)
    for number in range(1, 7):
        journaled_step(engine, writer, trade(number))
    writer.abandon()
    segment = folder / "00000001.journal"
    data = segment.read_bytes()
    unrecorded = set()

    for size in range(len(data), 31, -1):
        segment.write_bytes(data[:size])
        records = list(JournalReader(folder))
        outcome = replay(folder, counters)

        assert outcome.is_identical
        assert outcome.events == sum(isinstance(record, EventRecord) for record in records)
        assert outcome.effects == 2 * sum(isinstance(record, EffectsRecord) for record in records)
        assert (outcome.effects + outcome.unrecorded) == outcome.events // 2 * 2
        unrecorded.add(outcome.unrecorded)

    assert {0, 2} == unrecorded


def test_the_tail_cut_off_a_journal_is_reported(folder: Path) -> None:
    record_run(folder, trades=2)
    segment = folder / "00000001.journal"
    segment.write_bytes(segment.read_bytes()[:-3])

    assert 13 - 3 == replay(folder, counters).bytes_cut


def test_effects_missing_from_a_run_that_died_are_not_held_against_the_next(folder: Path) -> None:
    engine, writer = Counter(), JournalWriter(folder)
    journaled_step(engine, writer, trade(1))
    writer.append_event(trade(2))
    writer.abandon()
    record_run(folder, trades=2)

    outcome = replay(folder, counters)

    assert outcome.is_identical
    assert (2, 2, 2) == (outcome.runs, outcome.unrecorded, outcome.effects)


# -- different -------------------------------------------------------------------------------------


def difference_of(folder: Path, at_trade: int, effects: tuple[Effect, ...]) -> str:
    record_run(folder, trades=6)
    outcome = replay(folder, lambda _: Altered(at_trade, effects))
    assert not outcome.is_identical
    with pytest.raises(ReplayDivergence) as caught:
        outcome.raise_if_different()
    assert str(outcome.difference) == str(caught.value)
    return str(outcome.difference)


def test_a_different_effect_is_shown_beside_the_recorded_one(folder: Path) -> None:
    text = difference_of(folder, 4, (Notify("info", "4 trades"), SetTimer("counter", "again", 9)))

    assert [
        "event 5 (record 7) came out differently at effect 2:",
        f"    event:    {trade(4)!r}",
        "    recorded: SetTimer(strategy='counter', name='again', at_ns=5)",
        "    now:      SetTimer(strategy='counter', name='again', at_ns=9)",
    ] == text.splitlines()


@pytest.mark.parametrize(
    ("at_trade", "effects", "place", "recorded", "now"),
    [
        (4, (Notify("info", "4 trades"),), "event 5 (record 7)", "SetTimer(", "nothing"),
        (4, (), "event 5 (record 7)", "Notify(", "nothing"),
        (3, (Notify("info", "odd"),), "event 4 (record 6)", "nothing", "Notify("),
        (6, (), "event 7 (record 10)", "Notify(", "nothing"),
    ],
    ids=["one missing", "all missing", "one extra", "the last event"],
)
def test_missing_and_extra_effects_are_differences(
    folder: Path,
    at_trade: int,
    effects: tuple[Effect, ...],
    place: str,
    recorded: str,
    now: str,
) -> None:
    lines = difference_of(folder, at_trade, effects).splitlines()

    assert lines[0].startswith(place)
    assert lines[2].startswith(f"    recorded: {recorded}")
    assert lines[3].startswith(f"    now:      {now}")


@pytest.mark.parametrize("trades", [1, 3])
def test_an_extra_effect_of_the_last_event_of_a_closed_run_is_a_difference(
    folder: Path, trades: int
) -> None:
    record_run(folder, trades=trades)

    outcome = replay(folder, lambda _: Altered(trades, (Notify("info", "extra"),)))

    assert outcome.difference is not None
    assert outcome.difference.recorded is None
    assert Notify("info", "extra") == outcome.difference.new


def test_numbers_that_are_equal_but_not_written_alike_are_a_difference(folder: Path) -> None:
    """1 == 1.0 == True, but they are not the same bytes on the wire."""
    record_run(folder, trades=2)
    almost = (Notify("info", "2 trades"), SetTimer("counter", "again", 3.0))  # type: ignore[arg-type]

    assert not replay(folder, lambda _: Altered(2, almost)).is_identical


def test_the_replay_stops_at_the_first_difference(folder: Path) -> None:
    record_run(folder, trades=100)
    stepped: list[AnyEvent] = []

    class Watched(Altered):
        def step(self, event: AnyEvent) -> tuple[Effect, ...]:
            stepped.append(event)
            return super().step(event)

    outcome = replay(folder, lambda _: Watched(10, ()))

    assert outcome.difference is not None
    assert (11, 11, 8) == (outcome.difference.event_number, outcome.events, outcome.effects)
    assert 11 == len(stepped)


# -- a record out of order -------------------------------------------------------------------------


def test_effects_without_an_event_before_them_are_an_error_of_the_journal(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(trade(1))
        writer.append_effects((Notify("info", "once"),))
        writer.append_effects((Notify("info", "twice"),))

    class Once:
        def step(self, _: AnyEvent) -> tuple[Effect, ...]:
            return (Notify("info", "once"),)

    with pytest.raises(JournalError, match="record 3 holds effects, expected an event before"):
        replay(folder, lambda _: Once())
