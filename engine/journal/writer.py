"""Writing a journal: append to a buffer, flush to the kernel, sync to the disk.

What was appended survives nothing; what was flushed survives the death of the process; what was
synced survives the loss of power. One `sync` makes everything appended before it durable, so a
driver syncs once for many records (group commit).

One writer at a time holds a folder. After a failed write or sync nobody knows what is on disk, so
the writer refuses everything from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zlib import crc32

from engine.errors import JournalError
from engine.journal import files
from engine.journal.codec import (
    CHECKSUM,
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    RECORD_HEAD,
    RECORD_OVERHEAD_BYTES,
    Kind,
    RunMeta,
    Segment,
    encode,
    pack_header,
    segment_path,
    segment_paths,
)
from engine.model.commands import Outgoing
from engine.model.effects import Effect
from engine.model.events import AnyEvent

SEGMENT_BYTES_MAX: Final = 16 << 20
BUFFER_BYTES_MAX: Final = 64 << 10
# For `append`, which every event passes: each look-up saved there is some percent of its time.
_EVENT: Final = int(Kind.EVENT)
_EFFECTS: Final = int(Kind.EFFECTS)
_SENT: Final = int(Kind.SENT)
_pack_head: Final = RECORD_HEAD.pack
_pack_checksum: Final = CHECKSUM.pack


class JournalWriter:
    """Continues the journal in `folder`, or begins one. Not for use from several threads.

    A segment is ended once it holds `segment_bytes_max` bytes (it may exceed them by one record).
    At `buffer_bytes_max` waiting bytes the buffer is flushed. `bytes_cut` is the length of the torn
    tail that opening cut off.

    As a context manager it closes the journal, with its END record only when the block ended
    without an exception.

    Raises JournalError when another writer holds the folder, the folder is open to other users, the
    journal's last segment is damaged (the reader checks all), or the disk fails.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ) -> None:
        self.folder = folder
        self.bytes_cut = 0
        self._sequence = 0
        self._segment_bytes_max = segment_bytes_max
        self._buffer_bytes_max = buffer_bytes_max
        self._pending: list[bytes] = []
        self._is_unsynced = False
        self._fault = ""
        self._room = 0
        self._previous = 0
        self._segment_bytes = 0
        self._number = 0
        self._path = folder
        self._lock = files.lock_folder(folder)
        try:
            self._file = self._open()
        except BaseException:
            self._lock.close()
            raise
        self._reckon_room()

    @property
    def sequence(self) -> int:
        """The number of the last record appended, 0 in an empty journal."""
        return self._sequence + len(self._pending)

    def append_event(self, event: AnyEvent) -> None:
        """Append one event.

        Raises JournalError when it cannot be encoded (an int beyond 64 bits), or the disk fails.
        """
        try:
            payload = encode(event)
        except (TypeError, ValueError, OverflowError) as error:
            raise JournalError(f"{event!r} cannot be written: {error}") from error
        self.append(_EVENT, payload)

    def append_effects(self, effects: tuple[Effect, ...]) -> None:
        """Append the effects of the event just appended; nothing when there are none."""
        if not effects:
            return
        try:
            payload = encode(effects)
        except (TypeError, ValueError, OverflowError) as error:
            raise JournalError(f"{effects!r} cannot be written: {error}") from error
        self.append(_EFFECTS, payload)

    def append_sent(self, outgoing: Outgoing) -> None:
        """Append what is about to be sent; `sync` before it is."""
        self.append(_SENT, encode(outgoing))

    def append_note(self, text: str) -> None:
        """Append what the driver found out, for people."""
        self.append(Kind.NOTE, text.encode())

    def append_meta(self, meta: RunMeta) -> None:
        """Append what is about to run: once, before the first event of a run."""
        self.append(Kind.META, encode(meta))

    def append(self, kind: int, payload: bytes) -> None:
        """Append a record of any kind (0 to 255), its payload as given, at most 16 MiB."""
        size_bytes = len(payload)
        if size_bytes > PAYLOAD_BYTES_MAX:
            raise JournalError(
                f"{self.folder}: a payload of {size_bytes} bytes, expected at most"
                f" {PAYLOAD_BYTES_MAX}"
            )
        body = _pack_head(size_bytes, self._previous, kind) + payload
        self._previous = checksum = crc32(body)
        self._pending.append(_pack_checksum(checksum) + body)
        self._room -= size_bytes + RECORD_OVERHEAD_BYTES
        if self._room <= 0:
            self.flush()

    def flush(self) -> None:
        """Hand everything appended to the kernel: from here on it survives this process."""
        if self._pending or self._fault:
            self._perform(self._flush)

    def sync(self) -> None:
        """Flush, then wait until the disk holds everything appended."""
        self._perform(self._flush, self._sync_file)

    def close(self) -> None:
        """Append the END record, sync, and let the folder go; after a fault, only let go."""
        self._close(is_end=True)

    def abandon(self) -> None:
        """Sync and let the folder go without an END record, as after a failure of the run."""
        self._close(is_end=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close(is_end=error is None)

    def _close(self, *, is_end: bool) -> None:
        try:
            if not self._fault:
                if is_end:
                    self.append(Kind.END, b"")
                self.sync()
        finally:
            self._fault = self._fault or f"{self.folder}: this writer is closed"
            self._room = 0
            self._file.close()
            self._lock.close()

    def _perform(self, *actions: Callable[[], None]) -> None:
        if self._fault:
            raise JournalError(self._fault)
        try:
            for action in actions:
                action()
        except BaseException as error:
            self._fault = f"{self.folder}: this writer failed before and writes no more: {error}"
            raise

    def _flush(self) -> None:
        data = b"".join(self._pending)
        self._sequence += len(self._pending)
        self._pending.clear()
        if data:
            self._is_unsynced = True
            files.write(self._file, data, self._path)
            self._segment_bytes += len(data)
        if self._segment_bytes >= self._segment_bytes_max:
            self._next_segment()
        self._reckon_room()

    def _open(self) -> FileIO:
        """Open the last segment, cut behind its last whole record, or begin the first."""
        paths = segment_paths(self.folder)
        if not paths:
            return self._create(1)
        last = Segment(paths[-1], is_last=True)
        if last.header is not None:
            return self._continue(last)
        # The creation of this segment was cut short, so it never held a record.
        if len(paths) == 1:
            self.bytes_cut = files.remove(paths[0])
            return self._create(1)
        file = self._continue(Segment(paths[-2], is_last=False))
        self.bytes_cut = files.remove(paths[-1])
        return file

    def _continue(self, segment: Segment) -> FileIO:
        header = segment.header
        assert header is not None, "a segment without a header is only tolerated as the last"
        self._segment_bytes = HEADER_BYTES
        self._previous = header.checksum
        self._sequence = header.first_sequence - 1
        for frame in segment.frames():
            self._segment_bytes = frame.end
            self._previous = frame.checksum
            self._sequence += 1
        self.bytes_cut = segment.torn.bytes_cut if segment.torn else 0
        self._number, self._path = header.number, segment.path
        return files.reopen(segment.path, self._segment_bytes)

    def _create(self, number: int) -> FileIO:
        header, checksum = pack_header(number, self._sequence + 1, self._previous)
        path = segment_path(self.folder, number)
        file = files.create(path, header)
        self._number, self._path = number, path
        self._segment_bytes, self._previous = len(header), checksum
        return file

    def _next_segment(self) -> None:
        """The old segment is durable before the new one exists: only a last segment can be torn."""
        self._sync_file()
        self._file.close()
        self._file = self._create(self._number + 1)

    def _sync_file(self) -> None:
        if self._is_unsynced:
            files.sync(self._file, self._path)
            self._is_unsynced = False

    def _reckon_room(self) -> None:
        self._room = min(self._buffer_bytes_max, self._segment_bytes_max - self._segment_bytes)
