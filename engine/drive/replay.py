"""A recorded run again: every event into a new engine, and whether the same effects come out.

A journal holds, for each run, what ran (META), then each event followed by its effects if there
were any, and END when it was closed in order. Effects are compared as the bytes they are written
as, so that 1 and 1.0 differ. `journaled_step` writes that record; drivers use nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

import msgspec

from engine.errors import JournalError, ReplayDivergence
from engine.journal import JournalReader, JournalWriter, RunMeta
from engine.journal.codec import encode
from engine.journal.reader import (
    EffectsRecord,
    EndRecord,
    EventRecord,
    MetaRecord,
    NoteRecord,
    Record,
    SentRecord,
)
from engine.model.effects import Effect
from engine.model.events import AnyEvent, EngineStarted, EngineStopping


class SteppingEngine(Protocol):
    """What a driver and a replay need of the engine."""

    def step(self, event: AnyEvent) -> tuple[Effect, ...]:
        """Take one event; give the effects it calls for, in order."""
        ...


def journaled_step(
    engine: SteppingEngine, writer: JournalWriter, event: AnyEvent
) -> tuple[Effect, ...]:
    """Record the event, step, record the effects: so a crash leaves its cause on record.

    Nothing is flushed: the driver must `writer.sync()` (once for as many steps as it likes) before
    it performs the effects. When the engine raises, the event is flushed, and the journal replays
    the failure.
    """
    writer.append_event(event)
    try:
        effects = engine.step(event)
    except BaseException:
        writer.flush()
        raise
    writer.append_effects(effects)
    return effects


def fault_reason(error: BaseException) -> str:
    """How a run that ends by a fault names it in its `EngineStopping`."""
    return f"fault: {type(error).__name__}: {error}"


class Difference(msgspec.Struct, frozen=True):
    """The first effect that came out differently; None stands for an effect that is not there.

    `event_number` and `effect_number` (of that event) count from 1, as does `record`, the event's
    number in the journal.
    """

    event_number: int
    effect_number: int
    record: int
    event: AnyEvent
    recorded: Effect | None
    new: Effect | None

    def __str__(self) -> str:
        """Several lines for a person."""
        return (
            f"event {self.event_number} (record {self.record}) came out differently"
            f" at effect {self.effect_number}:"
            f"\n    event:    {self.event!r}"
            f"\n    recorded: {'nothing' if self.recorded is None else repr(self.recorded)}"
            f"\n    now:      {'nothing' if self.new is None else repr(self.new)}"
        )


class ReplayOutcome(msgspec.Struct, frozen=True):
    """How a replay went: counts of what was replayed up to the first difference, or to the end.

    `unrecorded` counts effects of steps whose run died (no END record) before it wrote what came of
    its last event: they can be compared with nothing, and are no difference. `bytes_cut` is the
    journal's torn tail, `records_unknown` how many records of kinds this version does not know were
    passed over.
    """

    runs: int
    events: int
    effects: int
    unrecorded: int
    bytes_cut: int
    records_unknown: int
    difference: Difference | None

    @property
    def is_identical(self) -> bool:
        """Whether every effect came out as recorded."""
        return self.difference is None

    def raise_if_different(self) -> None:
        """Raise ReplayDivergence, naming the first effect that differs, if there is one."""
        if self.difference is not None:
            raise ReplayDivergence(str(self.difference))


def replay(
    folder: Path, engine_factory: Callable[[RunMeta | None], SteppingEngine]
) -> ReplayOutcome:
    """Feed every event of the journal in `folder` into new engines and compare what comes out.

    `engine_factory` makes the engine of each run (one begins with META, or with an EngineStarted
    after an earlier one) from what the journal says ran. A fault is part of a run that stopped for
    it; any other exception of the engine passes through, with a note naming the event.

    Raises JournalError when the journal is damaged or its records are out of order.
    """
    reader = JournalReader(folder)
    run = _Replay(engine_factory)
    difference = None
    for record in reader:
        difference = run.take(record)
        if difference is not None:
            break
    else:
        run.end_unrecorded()
    return ReplayOutcome(
        runs=run.runs,
        events=run.events,
        effects=run.effects,
        unrecorded=run.unrecorded,
        bytes_cut=reader.bytes_cut,
        records_unknown=sum(reader.unknown.values()),
        difference=difference,
    )


class _Step(msgspec.Struct, frozen=True):
    """A step of the new engine that has not been compared yet."""

    record: int
    event: AnyEvent
    effects: Sequence[Effect]


class _Replay:
    """What is known between two records: the engine, and the last step until it is compared."""

    def __init__(self, engine_factory: Callable[[RunMeta | None], SteppingEngine]) -> None:
        self.runs = self.events = self.effects = self.unrecorded = 0
        self._engine_factory = engine_factory
        self._engine: SteppingEngine | None = None
        self._has_started = False
        self._meta: RunMeta | None = None
        self._step: _Step | None = None
        self._fault: Exception | None = None
        self._has_failed = False

    def take(self, record: Record) -> Difference | None:
        """Take one record; give the difference it shows, if any."""
        match record:
            case EventRecord(sequence=sequence, event=event):
                if isinstance(event, EngineStarted):
                    if self._has_started:
                        self._begin_run()
                    self._has_started = True
                difference = self._compare(())
                if difference is None:
                    self._take_event(sequence, event)
                return difference
            case EffectsRecord(sequence=sequence, effects=effects):
                if self._step is None:
                    raise JournalError(
                        f"record {sequence} holds effects, expected an event before them"
                    )
                return self._compare(effects)
            case MetaRecord(meta=meta):
                self._begin_run()
                self._meta = meta
                return None
            case EndRecord():
                return self._compare(())
            case SentRecord() | NoteRecord():
                return None

    def end_unrecorded(self) -> None:
        """The journal goes no further: what the last step came to may not have been written.

        A fault that nothing in the journal tells of is raised: the run died of it.
        """
        if self._fault is not None:
            raise self._fault
        if self._step is not None:
            self.unrecorded += len(self._step.effects)
            self._step = None

    def _begin_run(self) -> None:
        self.end_unrecorded()
        self._engine = None
        self._has_started = self._has_failed = False

    def _take_event(self, sequence: int, event: AnyEvent) -> None:
        if self._engine is None:
            self._engine = self._engine_factory(self._meta)
            self.runs += 1
        self.events += 1
        if isinstance(event, EngineStopping) and event.is_fault and self._fault is not None:
            # The run stopped for this very fault, or it came out differently.
            if event.reason != fault_reason(self._fault):
                raise self._fault
            self._fault = None
            self._has_failed = True
        try:
            effects = self._engine.step(event)
        except Exception as error:
            error.add_note(f"while replaying event {self.events} (record {sequence}): {event!r}")
            if self._fault is not None:
                raise
            # After the fault that the run stopped for, it went on through any other.
            self._fault = None if self._has_failed else error
            return
        self._step = _Step(sequence, event, effects)

    def _compare(self, recorded: Sequence[Effect]) -> Difference | None:
        """Compare the last step with what was recorded of it, and be done with it."""
        step, self._step = self._step, None
        if step is None:
            return None
        if recorded or step.effects:
            pairs = zip_longest(recorded, step.effects)
            for number, (was, now) in enumerate(pairs, 1):
                if encode(was) != encode(now):
                    return Difference(self.events, number, step.record, step.event, was, now)
        self.effects += len(recorded)
        return None
