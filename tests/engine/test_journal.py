"""The journal gives back what was written, in order, for as long as the disk holds."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import JournalError
from engine.journal import JournalReader, JournalWriter, Kind, RunMeta
from engine.journal.reader import EffectsRecord, EndRecord, EventRecord, MetaRecord
from engine.model.effects import Effect, Notify, SetTimer
from engine.model.events import (
    AnyEvent,
    BlockTime,
    EngineStarted,
    OrderFilled,
    Quote,
    StreamChanged,
    StreamPhase,
    Transfer,
)
from engine.model.instruments import Instrument, MarginTier
from engine.model.units import Side

META = RunMeta("ab" * 32, "0.1.0", ("maker", "ema"))
EFFECTS = (Notify("info", "hello"), SetTimer("maker", "requote", 5))


# -- any event and any effects ---------------------------------------------------------------------

# An int of msgpack; money in 1e-8 and nanoseconds are far inside.
INTS = st.integers(-(2**63), 2**64 - 1)
INSTRUMENTS = st.builds(
    Instrument,
    id=st.text(),
    venue=st.text(),
    coin=st.text(),
    px_decimals=st.integers(0, 4),
    sz_decimals=st.integers(0, 4),
    margin_tiers=st.lists(st.builds(MarginTier, INTS, INTS)).map(
        lambda rest: (MarginTier(0, 40), *rest)
    ),
    dex=st.text(),
    asset=INTS,
    is_delisted=st.booleans(),
)


def values_of(annotation: typing.Any) -> st.SearchStrategy[typing.Any]:  # noqa: ANN401
    """Any value of a type that occurs in events and effects."""
    simple = {
        int: INTS,
        float: st.floats(allow_nan=False),
        str: st.text(),
        bool: st.booleans(),
        type(None): st.none(),
        Instrument: INSTRUMENTS,
    }
    if annotation in simple:
        return simple[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple and Ellipsis not in arguments:
        return st.tuples(*map(values_of, arguments))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin in {types.UnionType, typing.Union}:
        return st.one_of(*map(values_of, arguments))
    if issubclass(annotation, enum.Enum):
        return st.sampled_from(list(annotation))
    assert issubclass(annotation, msgspec.Struct), annotation
    hints = typing.get_type_hints(annotation)
    fields = annotation.__struct_fields__
    return st.tuples(*(values_of(hints[name]) for name in fields)).map(
        lambda values: annotation(**dict(zip(fields, values, strict=True)))
    )


EVENTS = values_of(AnyEvent)
STEPS = st.tuples(EVENTS, st.lists(values_of(Effect), max_size=3).map(tuple))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def quote(number: int) -> Quote:
    return Quote(number, number + 1, "hl:BTC", 100.5, 1.0, 100.6, float(number))


def write_quotes(folder: Path, numbers: Iterator[int] | range, **bounds: int) -> list[Quote]:
    quotes = [quote(number) for number in numbers]
    with JournalWriter(folder, **bounds) as writer:
        for event in quotes:
            writer.append_event(event)
    return quotes


def events_in(folder: Path) -> list[AnyEvent]:
    return [record.event for record in JournalReader(folder) if isinstance(record, EventRecord)]


def segments_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


# -- what was written comes back -------------------------------------------------------------------


@given(steps=st.lists(STEPS, max_size=4), segment_bytes_max=st.sampled_from([1, 200, 1 << 20]))
def test_any_events_and_effects_come_back_equal_and_of_the_same_types(
    steps: list[tuple[AnyEvent, tuple[Effect, ...]]], segment_bytes_max: int
) -> None:
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "journal"
        with JournalWriter(folder, segment_bytes_max=segment_bytes_max) as writer:
            for event, effects in steps:
                writer.append_event(event)
                writer.append_effects(effects)
        expected: list[object] = []
        for event, effects in steps:
            expected += [event, effects] if effects else [event]

        found = [
            record.event if isinstance(record, EventRecord) else record.effects
            for record in JournalReader(folder)
            if isinstance(record, EventRecord | EffectsRecord)
        ]

    assert expected == found
    assert repr(expected) == repr(found)


@pytest.mark.parametrize("struct", typing.get_args(AnyEvent), ids=lambda struct: struct.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_every_type_of_event_comes_back(struct: type[AnyEvent], data: st.DataObject) -> None:
    event = data.draw(values_of(struct))

    with TemporaryDirectory() as parent:
        folder = Path(parent) / "journal"
        with JournalWriter(folder) as writer:
            writer.append_event(event)

        assert [event] == events_in(folder)


def test_enums_come_back_as_enums_and_tuples_as_tuples(folder: Path) -> None:
    fill = OrderFilled(1, 2, "main", "hl:BTC", "0x1", 0, 7, 8, Side.SELL, 9, 10, 1.0, 2.0, -3, True)  # noqa: FBT003
    phase = StreamChanged(1, 2, "bbo", StreamPhase.GAP, instrument="hl:BTC")
    with JournalWriter(folder) as writer:
        writer.append_event(fill)
        writer.append_event(phase)
        writer.append_effects(EFFECTS)

    records = list(JournalReader(folder))

    assert isinstance(records[0], EventRecord)
    assert isinstance(records[0].event, OrderFilled)
    assert records[0].event.side is Side.SELL
    assert isinstance(records[1], EventRecord)
    assert isinstance(records[1].event, StreamChanged)
    assert records[1].event.phase is StreamPhase.GAP
    assert EffectsRecord(3, EFFECTS) == records[2]


def test_records_are_numbered_from_1_and_a_closed_journal_ends_in_an_end_record(
    folder: Path,
) -> None:
    with JournalWriter(folder) as writer:
        writer.append_meta(META)
        writer.append_event(quote(7))
        writer.append_effects(EFFECTS)

    assert [
        MetaRecord(1, META),
        EventRecord(2, quote(7)),
        EffectsRecord(3, EFFECTS),
        EndRecord(4),
    ] == list(JournalReader(folder))


def test_no_effects_make_no_record(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(quote(1))
        writer.append_effects(())

    assert [EventRecord(1, quote(1)), EndRecord(2)] == list(JournalReader(folder))


def test_a_reader_can_be_iterated_again(folder: Path) -> None:
    write_quotes(folder, range(3))
    reader = JournalReader(folder)

    assert list(reader) == list(reader)


@pytest.mark.parametrize(
    "event",
    [
        EngineStarted(0, 0, 2**64),
        Transfer(0, 0, "main", -(2**63) - 1, "deposit"),
        Transfer(0, 0, "main", 1, "\ud800"),
    ],
    ids=["too large", "too small", "lone surrogate"],
)
def test_an_event_that_msgpack_cannot_hold_is_refused_and_the_journal_goes_on(
    folder: Path, event: AnyEvent
) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(quote(1))
        with pytest.raises(JournalError, match="cannot be written"):
            writer.append_event(event)
        writer.append_event(quote(2))

    assert [quote(1), quote(2)] == events_in(folder)


def test_a_payload_too_long_for_a_record_is_refused(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append(200, bytes((1 << 24) - 1))
        with pytest.raises(JournalError, match="16777216 bytes, expected at most 16777215"):
            writer.append(200, bytes(1 << 24))


# -- kinds this version does not know --------------------------------------------------------------


def test_records_of_unknown_kinds_are_passed_over_and_counted_and_kept(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append(99, b"signed bytes")
        writer.append_event(quote(1))
        writer.append(99, b"")
        writer.append(255, b"\xc1 not msgpack")
    with JournalWriter(folder) as writer:
        writer.append_event(quote(2))
    reader = JournalReader(folder)

    records = list(reader)

    assert [
        EventRecord(2, quote(1)),
        EndRecord(5),
        EventRecord(6, quote(2)),
        EndRecord(7),
    ] == records
    assert {99: 2, 255: 1} == reader.unknown
    assert records == list(reader)
    assert {99: 2, 255: 1} == reader.unknown
    assert [
        (1, 99, b"signed bytes"),
        (3, 99, b""),
        (4, 255, b"\xc1 not msgpack"),
    ] == [(raw.sequence, raw.kind, raw.payload) for raw in reader.raw() if raw.kind >= 99]


def test_a_known_kind_that_does_not_decode_is_an_error_that_names_its_place(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append(Kind.EVENT, msgspec.msgpack.encode({"type": "Earthquake"}))

    with pytest.raises(
        JournalError,
        match=r"00000001\.journal: offset 32: record 1 does not decode, expected event: .*quake",
    ):
        list(JournalReader(folder))


def test_an_instrument_that_cannot_exist_is_an_error_of_the_journal(folder: Path) -> None:
    instrument = {"id": "a", "venue": "v", "coin": "c", "px_decimals": 9, "sz_decimals": 9}
    event = {
        "type": "InstrumentUpdated",
        "ts_venue_ns": 0,
        "ts_local_ns": 0,
        "instrument": instrument | {"margin_tiers": [{"lower_bound_e8": 0, "leverage_max": 1}]},
    }
    with JournalWriter(folder) as writer:
        writer.append(Kind.EVENT, msgspec.msgpack.encode(event))

    with pytest.raises(JournalError, match="record 1 does not decode"):
        list(JournalReader(folder))


# -- segments --------------------------------------------------------------------------------------


def test_a_segment_ends_at_its_size_bound_and_the_next_continues_it(folder: Path) -> None:
    quotes = write_quotes(folder, range(100), segment_bytes_max=1000)

    segments = segments_of(folder)

    assert quotes == events_in(folder)
    assert [f"{number:08d}.journal" for number in range(1, len(segments) + 1)] == [
        segment.name for segment in segments
    ]
    record_bytes_max = 200
    for segment in segments[:-1]:
        assert 1000 <= segment.stat().st_size < 1000 + record_bytes_max


def test_a_buffer_is_flushed_at_its_bound(folder: Path) -> None:
    with JournalWriter(folder, buffer_bytes_max=500) as writer:
        waiting = []
        for number in range(12):
            writer.append_event(quote(number))
            waiting.append(number + 1 - len(events_in(folder)))

    assert [1, 2, 3, 0] * 3 == waiting


def test_a_flush_makes_records_visible_and_nothing_before_it_does(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(quote(1))
        before = events_in(folder)
        writer.flush()
        after = events_in(folder)

    assert [] == before
    assert [quote(1)] == after


def test_one_sync_makes_many_records_durable_and_a_second_costs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    with JournalWriter(folder) as writer:
        monkeypatch.setattr(os, "fdatasync", synced.append)
        for number in range(10):
            writer.append_event(quote(number))
        writer.sync()
        assert 10 == len(events_in(folder))
        writer.sync()
        assert 1 == len(synced)
        writer.append_event(quote(11))
        writer.sync()
        assert 2 == len(synced)


def test_a_full_segment_is_on_disk_before_the_next_one_exists(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes_at_sync: list[list[int]] = []
    with JournalWriter(folder, segment_bytes_max=400) as writer:
        monkeypatch.setattr(
            os,
            "fdatasync",
            lambda _: sizes_at_sync.append([path.stat().st_size for path in segments_of(folder)]),
        )
        for number in range(4):
            writer.append_event(quote(number))
        monkeypatch.undo()

    full = segments_of(folder)[0].stat().st_size
    assert [[full], [full, 32]] == sizes_at_sync


# -- closing, reopening, and who may write ---------------------------------------------------------


def test_a_writer_continues_a_journal_where_the_last_one_ended(folder: Path) -> None:
    for run in range(5):
        with JournalWriter(folder, segment_bytes_max=700) as writer:
            assert run * 4 == writer.sequence
            assert 0 == writer.bytes_cut
            for number in range(3):
                writer.append_event(quote(run * 3 + number))

    assert [quote(number) for number in range(15)] == events_in(folder)
    assert list(range(1, 21)) == [record.sequence for record in JournalReader(folder)]
    assert len(segments_of(folder)) > 1


def test_a_journal_whose_run_failed_has_no_end_record(folder: Path) -> None:
    def fail_in_a_run() -> None:
        with JournalWriter(folder) as writer:
            writer.append_event(quote(1))
            raise KeyError

    with pytest.raises(KeyError):
        fail_in_a_run()

    assert [EventRecord(1, quote(1))] == list(JournalReader(folder))


def test_an_abandoned_journal_holds_everything_but_an_end_record(folder: Path) -> None:
    writer = JournalWriter(folder)
    writer.append_event(quote(1))
    writer.abandon()

    assert [EventRecord(1, quote(1))] == list(JournalReader(folder))


def test_a_closed_writer_may_be_closed_again_but_takes_no_more(folder: Path) -> None:
    writer = JournalWriter(folder)
    writer.close()
    writer.close()

    with pytest.raises(JournalError, match="this writer is closed"):
        writer.append_event(quote(1))
    with pytest.raises(JournalError, match="this writer is closed"):
        writer.sync()
    assert [EndRecord(1)] == list(JournalReader(folder))


def test_a_second_writer_is_refused_until_the_first_lets_go(folder: Path) -> None:
    with (
        JournalWriter(folder),
        pytest.raises(JournalError, match=rf"another writer \(process {os.getpid()}\) holds"),
    ):
        JournalWriter(folder)

    assert [quote(0)] == write_quotes(folder, range(1))


def test_a_writer_in_another_process_is_refused_and_its_death_frees_the_folder(
    folder: Path,
) -> None:
    script = (
        "import sys; from pathlib import Path; from engine.journal import JournalWriter\n"
        "writer = JournalWriter(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(folder)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert "held\n" == other.stdout.readline()
        with pytest.raises(JournalError, match=rf"\(process {other.pid}\)"):
            JournalWriter(folder)
        other.kill()

    assert [quote(0)] == write_quotes(folder, range(1))


def test_files_are_for_their_owner_only_whatever_the_umask(folder: Path) -> None:
    umask = os.umask(0)
    try:
        write_quotes(folder, range(20), segment_bytes_max=500)
    finally:
        os.umask(umask)

    files = list(folder.iterdir())
    assert 0o700 == folder.stat().st_mode & 0o777
    assert len(files) > 3
    assert {0o600} == {path.stat().st_mode & 0o777 for path in files}


def test_a_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o750)

    with pytest.raises(JournalError, match="has mode 0750, expected 0700"):
        JournalWriter(folder)


def test_a_path_that_is_a_file_is_refused(folder: Path) -> None:
    folder.write_text("hello")

    with pytest.raises(JournalError, match="could not be made a journal folder: File exists"):
        JournalWriter(folder)


# -- a disk that fails -----------------------------------------------------------------------------


def no_space(*_: object) -> typing.NoReturn:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_after_a_failed_write_or_sync_the_writer_refuses_everything(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(quote(1))
        writer.sync()
        writer.append_event(quote(2))
        with monkeypatch.context() as patch:
            patch.setattr(os, call, no_space)
            with pytest.raises(JournalError, match=r"00000001\.journal: .*No space left"):
                writer.sync()

        for refused in (writer.sync, writer.flush):
            with pytest.raises(JournalError, match="failed before and writes no more"):
                refused()

    assert quote(1) == events_in(folder)[0]
    assert not [record for record in JournalReader(folder) if isinstance(record, EndRecord)]


def test_an_event_too_many_for_a_failed_writer_is_refused_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JournalWriter(folder, buffer_bytes_max=1) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", no_space)
            with pytest.raises(JournalError, match="No space left"):
                writer.append_event(BlockTime(1, 1))
        with pytest.raises(JournalError, match="writes no more"):
            writer.append_event(BlockTime(2, 2))


def test_a_write_that_takes_only_part_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: whole(fd, bytes(data[:7])))
        quotes = write_quotes(folder, range(3))

    assert quotes == events_in(folder)


def test_a_folder_without_a_journal_is_an_error(folder: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read as a journal folder: No such file"):
        list(JournalReader(folder))
    folder.mkdir()
    with pytest.raises(
        JournalError, match=r"holds no journal, expected at least 00000001\.journal"
    ):
        list(JournalReader(folder))
