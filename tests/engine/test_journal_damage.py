"""What a crash leaves is cut off, what only damage can leave is an error, no record is altered."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from zlib import crc32

import pytest

from engine.errors import JournalError
from engine.journal import JournalReader, JournalWriter, RawRecord, RunMeta
from engine.model.effects import Notify
from engine.model.events import AnyEvent, BlockTime, EngineStarted, Quote, Trade
from engine.model.units import Side

HEADER_BYTES = 32
EVENTS: tuple[AnyEvent, ...] = (
    EngineStarted(1, 1, 0xFFFF_FFFF_FFFF_FFFF),
    Quote(2, 3, "hl:BTC", 100.0, 1.0, 101.0, 2.0),
    Trade(4, 5, "hl:BTC", 100.5, 0.25, Side.SELL, 77),
    BlockTime(0, 0),
)


def write_journal(folder: Path, segment_bytes_max: int) -> None:
    """Twelve records: META, then each event with effects after every second one, twice; no END."""
    writer = JournalWriter(folder, segment_bytes_max=segment_bytes_max)
    writer.append_meta(RunMeta("00" * 32, "0.1.0", ("maker",)))
    for number, event in enumerate(EVENTS + EVENTS[:3]):
        writer.append_event(event)
        if number % 2:
            writer.append_effects((Notify("info", "quoting"),))
    writer.append(99, b"of a kind nobody knows")
    writer.abandon()


def segments_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def payloads(folder: Path) -> list[tuple[int, int, bytes]]:
    return [
        (record.sequence, record.kind, record.payload) for record in JournalReader(folder).raw()
    ]


@pytest.fixture(params=[1 << 20, 250], ids=["one segment", "several segments"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    write_journal(path, request.param)
    return path


@pytest.fixture
def several(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    write_journal(path, 250)
    return path


# -- a torn tail -----------------------------------------------------------------------------------


def test_a_journal_cut_at_any_byte_of_its_last_segment_holds_exactly_the_whole_records_before(
    folder: Path,
) -> None:
    whole = list(JournalReader(folder).raw())
    last = segments_of(folder)[-1]
    data = last.read_bytes()
    ends = [*(raw.offset for raw in whole if raw.path == last), len(data)]

    for size in range(len(data)):
        last.write_bytes(data[:size])
        reader = JournalReader(folder)
        expected = [raw for raw in whole if raw.path != last or end_of(raw) <= size]

        assert expected == list(reader.raw())
        boundary = max([end for end in ends if end <= size], default=0)
        assert size - boundary == reader.bytes_cut


def end_of(raw: RawRecord) -> int:
    return raw.offset + 13 + len(raw.payload)


def test_a_writer_cuts_a_torn_tail_off_and_continues_behind_the_last_whole_record(
    folder: Path, tmp_path: Path
) -> None:
    number = len(segments_of(folder))
    data = segments_of(folder)[-1].read_bytes()
    before = payloads(folder)

    for size in range(0, len(data), 11):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        (copy / f"{number:08d}.journal").write_bytes(data[:size])
        reader = JournalReader(copy)
        kept = list(reader.raw())

        with JournalWriter(copy, segment_bytes_max=300) as writer:
            assert reader.bytes_cut == writer.bytes_cut
            assert len(kept) == writer.sequence
            writer.append(98, b"behind")

        after = payloads(copy)
        assert before[: len(kept)] == after[: len(kept)]
        assert [(len(kept) + 1, 98, b"behind"), (len(kept) + 2, 4, b"")] == after[len(kept) :]


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\0", b"\xff" * 500, bytes(range(256)) * 8])
def test_bytes_behind_the_last_record_that_are_no_record_are_a_torn_tail(
    folder: Path, tail: bytes
) -> None:
    before = payloads(folder)
    last = segments_of(folder)[-1]
    with last.open("ab") as file:
        file.write(tail)
    reader = JournalReader(folder)

    assert len(before) == len(list(reader.raw()))
    assert len(tail) == reader.bytes_cut
    assert reader.torn is not None
    assert last.stat().st_size - len(tail) == reader.torn.offset


def test_a_segment_of_nothing_but_zeros_was_never_begun(several: Path) -> None:
    before = payloads(several)
    segment = several / f"{len(segments_of(several)) + 1:08d}.journal"
    segment.write_bytes(bytes(4096))

    assert before == payloads(several)
    with JournalWriter(several) as writer:
        assert 4096 == writer.bytes_cut
    assert not segment.exists()
    assert [*before, (len(before) + 1, 4, b"")] == payloads(several)


def test_a_long_tail_of_noise_is_searched_in_reasonable_time(tmp_path: Path) -> None:
    """Noise in which every fourth byte looks like the start of a record of up to two megabytes."""
    folder = tmp_path / "journal"
    write_journal(folder, 1 << 30)
    before = payloads(folder)
    noise = bytearray(random.Random(1).randbytes(1 << 22))  # noqa: S311 - repeatable
    noise[2::4] = bytes(byte & 31 for byte in noise[2::4])
    noise[3::4] = bytes(len(noise) // 4)
    with segments_of(folder)[-1].open("ab") as file:
        file.write(noise)

    assert before == payloads(folder)


# -- damage ----------------------------------------------------------------------------------------


def test_a_flipped_bit_anywhere_is_an_error_or_cuts_only_the_very_last_record(
    folder: Path,
) -> None:
    before = payloads(folder)
    last = segments_of(folder)[-1]
    last_offset = max(raw.offset for raw in JournalReader(folder).raw() if raw.path == last)

    for segment in segments_of(folder):
        data = segment.read_bytes()
        for position in range(len(data)):
            flipped = bytearray(data)
            flipped[position] ^= 1 << position % 8
            segment.write_bytes(flipped)
            reader = JournalReader(folder)
            if segment == last and position >= last_offset:
                assert before[:-1] == [
                    (raw.sequence, raw.kind, raw.payload) for raw in reader.raw()
                ]
                assert len(data) - last_offset == reader.bytes_cut
            else:
                with pytest.raises(JournalError, match=rf"{segment.name}: offset \d+: .*expected"):
                    list(reader.raw())
        segment.write_bytes(data)


def test_a_writer_refuses_a_last_segment_with_damage_before_its_end_and_leaves_it_alone(
    folder: Path,
) -> None:
    last = segments_of(folder)[-1]
    data = bytearray(last.read_bytes())
    data[HEADER_BYTES + 20] ^= 1
    last.write_bytes(data)

    with pytest.raises(JournalError, match="expected a record, as an intact one lies behind at"):
        JournalWriter(folder)

    assert bytes(data) == last.read_bytes()


def test_a_cut_in_a_segment_that_is_not_the_last_is_damage(several: Path) -> None:
    first = segments_of(several)[0]
    first.write_bytes(first.read_bytes()[:-1])

    with pytest.raises(JournalError, match=r"00000001\.journal: offset \d+: .*a later segment"):
        list(JournalReader(several))


def test_whole_records_cut_off_a_segment_that_is_not_the_last_are_missed(several: Path) -> None:
    first = segments_of(several)[0]
    last_record = max(raw.offset for raw in JournalReader(several).raw() if raw.path == first)
    first.write_bytes(first.read_bytes()[:last_record])

    with pytest.raises(
        JournalError, match=r"00000002\.journal: offset 24: a segment that follows checksum"
    ):
        list(JournalReader(several))


def test_a_segment_that_counts_its_records_from_elsewhere_is_noticed(several: Path) -> None:
    second = segments_of(several)[1]
    data = bytearray(second.read_bytes())
    data[16] += 1
    data[28:32] = crc32(data[:28]).to_bytes(4, "little")
    second.write_bytes(data)

    with pytest.raises(
        JournalError, match=r"00000002\.journal: offset 16: first record 5, expected 4"
    ):
        list(JournalReader(several))


def test_a_missing_segment_is_named(several: Path) -> None:
    (several / "00000002.journal").unlink()

    with pytest.raises(
        JournalError, match=r"00000002\.journal: is missing, expected as a segment 3"
    ):
        list(JournalReader(several))
    with pytest.raises(JournalError, match=r"00000002\.journal: is missing"):
        JournalWriter(several)


def test_a_segment_of_another_journal_is_noticed(several: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with JournalWriter(other, segment_bytes_max=1) as writer:
        writer.append_event(EVENTS[0])
        writer.append_event(EVENTS[1])
    shutil.copy(other / "00000002.journal", several / "00000002.journal")

    with pytest.raises(JournalError, match=r"00000002\.journal: offset 24: a segment that follows"):
        list(JournalReader(several))


def test_records_that_changed_places_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    with JournalWriter(folder) as writer:
        for event in EVENTS:
            writer.append_event(event)
    segment = segments_of(folder)[0]
    data = segment.read_bytes()
    offsets = [raw.offset for raw in JournalReader(folder).raw()]
    first, second, third = offsets[:3]
    segment.write_bytes(data[:first] + data[second:third] + data[first:second] + data[third:])

    with pytest.raises(JournalError, match="offset 32: a record that follows checksum"):
        list(JournalReader(folder))


def test_a_segment_under_another_number_is_noticed(several: Path) -> None:
    shutil.copy(several / "00000001.journal", several / "00000002.journal")

    with pytest.raises(JournalError, match="segment number 1, expected 2, as the file is named"):
        list(JournalReader(several))


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o700)
    foreign = folder / "00000001.journal"
    foreign.write_bytes(b"Dear diary, today I wrote a journal of my own.")

    with pytest.raises(JournalError, match=r"offset 0: b'Dear dia', expected b'perpdjnl'"):
        JournalWriter(folder)

    assert b"Dear diary" in foreign.read_bytes()


def test_a_later_format_version_is_named(folder: Path) -> None:
    segment = segments_of(folder)[0]
    data = bytearray(segment.read_bytes())
    data[8] = 2
    data[28:32] = crc32(data[:28]).to_bytes(4, "little")
    segment.write_bytes(data)

    with pytest.raises(JournalError, match="offset 8: format version 2, expected 1"):
        list(JournalReader(folder))
