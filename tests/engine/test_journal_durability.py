"""What a journal waits for, and in which order: names are durable as well as what they name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.journal import JournalWriter
from engine.model.events import BlockTime

FIRST, SECOND = "00000001.journal", "00000002.journal"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def synced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(name, size) of every file and (name, 0) of every folder that was waited for, in order."""
    waits: list[tuple[str, int]] = []

    def waiting(real: Callable[[int], None]) -> Callable[[int], None]:
        def wait(fd: int) -> None:
            inode = os.fstat(fd).st_ino
            (path,) = [
                one
                for one in (folder.parent, *folder.parent.rglob("*"))
                if one.stat().st_ino == inode
            ]
            waits.append((path.name, path.stat().st_size if path.is_file() else 0))
            real(fd)

        return wait

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, waiting(getattr(os, name)))
    return waits


def test_a_new_journal_is_there_after_a_loss_of_power(
    folder: Path, synced: list[tuple[str, int]]
) -> None:
    with JournalWriter(folder):
        assert [(folder.parent.name, 0), (FIRST, 32), ("journal", 0)] == synced


def test_a_new_segment_is_there_before_a_record_is_in_it(
    folder: Path, synced: list[tuple[str, int]]
) -> None:
    with JournalWriter(folder, segment_bytes_max=64) as writer:
        synced.clear()
        writer.append_event(BlockTime(1, 1))
        full = (folder / FIRST).stat().st_size
        assert [(FIRST, full), (SECOND, 32), ("journal", 0)] == synced


def test_a_torn_tail_is_off_the_disk_before_anything_is_written_in_its_place(
    folder: Path, synced: list[tuple[str, int]]
) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(BlockTime(1, 1))
    whole = (folder / FIRST).stat().st_size
    with (folder / FIRST).open("ab") as file:
        file.write(b"torn")
    synced.clear()

    with JournalWriter(folder) as writer:
        assert 4 == writer.bytes_cut
        assert [(FIRST, whole)] == synced


def test_a_segment_that_was_never_begun_is_gone_for_good(
    folder: Path, synced: list[tuple[str, int]]
) -> None:
    with JournalWriter(folder):
        pass
    whole = (folder / FIRST).stat().st_size
    (folder / SECOND).touch()
    synced.clear()

    with JournalWriter(folder):
        assert [(FIRST, whole), ("journal", 0)] == synced
        assert not (folder / SECOND).exists()


def test_a_segment_that_somebody_else_made_is_never_written_into(folder: Path) -> None:
    with JournalWriter(folder, segment_bytes_max=64) as writer:
        (folder / SECOND).write_bytes(b"of somebody else")
        with pytest.raises(JournalError, match=r"00000002\.journal: could not be opened"):
            writer.append_event(BlockTime(1, 1))

    assert b"of somebody else" == (folder / SECOND).read_bytes()


def test_the_lock_names_only_who_holds_it_now(folder: Path) -> None:
    for _ in range(2):
        with JournalWriter(folder):
            assert str(os.getpid()) == (folder / "writer.lock").read_text(encoding="utf-8")


def test_a_segment_that_is_exactly_full_is_ended(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(BlockTime(1, 1))
        writer.flush()
        full = (folder / FIRST).stat().st_size
    other = folder.parent / "other"
    with JournalWriter(other, segment_bytes_max=full) as writer:
        writer.append_event(BlockTime(1, 1))
        assert full == (other / FIRST).stat().st_size
        assert (other / SECOND).exists()


def test_a_buffer_that_is_exactly_full_is_flushed(folder: Path) -> None:
    with JournalWriter(folder) as writer:
        writer.append_event(BlockTime(1, 1))
        writer.flush()
        full = (folder / FIRST).stat().st_size
    other = folder.parent / "other"
    with JournalWriter(other, buffer_bytes_max=full - 32) as writer:
        writer.append_event(BlockTime(1, 1))
        assert full == (other / FIRST).stat().st_size


@pytest.mark.parametrize("is_end", [True, False])
def test_what_was_appended_last_is_on_disk_when_the_journal_is_closed(
    folder: Path, synced: list[tuple[str, int]], *, is_end: bool
) -> None:
    writer = JournalWriter(folder)
    writer.append_event(BlockTime(1, 1))
    synced.clear()
    if is_end:
        writer.close()
    else:
        writer.abandon()

    assert [(FIRST, (folder / FIRST).stat().st_size)] == synced
