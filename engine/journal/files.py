"""What a journal asks of the operating system: private files, one writer, durable writes.

Every failure is a JournalError that names the file and what was asked.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from engine.errors import JournalError

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_LOCK_NAME: Final = "writer.lock"


def lock_folder(folder: Path) -> FileIO:
    """Create the folder if need be, and lock it for one writer.

    The lock lasts until the returned file is closed or the process dies.

    Raises JournalError when another writer holds it, or others than the owner may enter it.
    """
    with _asked(folder, "made a journal folder"):
        is_new = not folder.exists()
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        mode = folder.stat().st_mode & 0o777
    if is_new:
        _sync_folder(folder.parent)
    if mode & ~_FOLDER_MODE:
        raise JournalError(
            f"{folder}: has mode {mode:04o}, expected {_FOLDER_MODE:04o}: a journal is for its"
            f" owner only (chmod {_FOLDER_MODE:o})"
        )
    path = folder / _LOCK_NAME
    lock = _open(path, os.O_CREAT)
    with _closing_on_failure(lock), _asked(path, "locked"):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = path.read_text(encoding="utf-8") or "unknown"
            raise JournalError(
                f"{folder}: another writer (process {holder}) holds this journal"
            ) from error
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), b"%d" % os.getpid())
    return lock


def create(path: Path, header: bytes) -> FileIO:
    """A new segment holding its header, durable together with its name."""
    file = _open(path, os.O_CREAT | os.O_EXCL)
    with _closing_on_failure(file):
        write(file, header, path)
        sync(file, path)
        _sync_folder(path.parent)
    return file


def reopen(path: Path, size_bytes: int) -> FileIO:
    """A segment to append to, cut to `size_bytes`."""
    file = _open(path, 0)
    with _closing_on_failure(file):
        with _asked(path, f"cut to {size_bytes} bytes"):
            os.ftruncate(file.fileno(), size_bytes)
        sync(file, path)
    return file


def remove(path: Path) -> int:
    """Delete a file, durably; its size in bytes."""
    with _asked(path, "deleted"):
        size_bytes = path.stat().st_size
        path.unlink()
    _sync_folder(path.parent)
    return size_bytes


def write(file: FileIO, data: bytes, path: Path) -> None:
    """Append all of `data`."""
    # No context manager here and in `sync`: every order waits for these two.
    try:
        written = os.write(file.fileno(), data)
        while written < len(data):
            written += os.write(file.fileno(), memoryview(data)[written:])
    except OSError as error:
        raise _failure(path, "written", error) from error


def sync(file: FileIO, path: Path) -> None:
    """Wait until the disk holds what was written to the file."""
    try:
        if sys.platform == "darwin":
            # There a plain sync leaves the data in the drive's own cache.
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(file.fileno())
    except OSError as error:
        raise _failure(path, "synced to disk", error) from error


def _open(path: Path, flags: int) -> FileIO:
    with _asked(path, "opened"):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, _FILE_MODE)
    return FileIO(fd, "a")


def _sync_folder(folder: Path) -> None:
    with _asked(folder, "synced to disk"):
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextmanager
def _closing_on_failure(file: FileIO) -> Iterator[None]:
    try:
        yield
    except BaseException:
        file.close()
        raise


@contextmanager
def _asked(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(path, what, error) from error


def _failure(path: Path, what: str, error: OSError) -> JournalError:
    return JournalError(f"{path}: could not be {what}: {error.strerror}")
