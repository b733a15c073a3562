"""The bytes of a journal: segments of checksummed records, each of which names the one before it.

    segment = header, record, record, ...          file `00000001.journal`, `00000002.journal`, ...
    header  = magic (8), format version (u16), zero (u16), segment number (u32), sequence number
              of the first record (u64), checksum that ended the previous segment (u32, 0 in the
              first), crc32 of all that (u32)
    record  = crc32 of the rest of the record (u32), payload length (u32), checksum of what came
              before (u32), kind (u8), payload

Integers are little-endian. "What came before" is the previous record, and for a segment's first
record its header: so one number vouches for everything up to it, and a record that is lost,
repeated, moved or altered is noticed. A payload is msgpack: structs as maps by field name with
their tag in `type`, so a field added later with a default reads old journals. A reader passes over
kinds it does not know.

A process killed while writing leaves a *torn tail*: a last segment that ends in something that is
not a record, with no record after it. That is cut off. A bad record with a good one behind it is
damage, never a torn tail: cutting there would forget what had been written and acted on.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from engine.errors import JournalError
from engine.model.commands import Outgoing
from engine.model.effects import Effect
from engine.model.events import AnyEvent

MAGIC: Final = b"perpdjnl"
FORMAT_VERSION: Final = 1
PAYLOAD_BYTES_MAX: Final = (1 << 24) - 1

CHECKSUM: Final = struct.Struct("<I")
RECORD_HEAD: Final = struct.Struct("<IIB")
RECORD_OVERHEAD_BYTES: Final = CHECKSUM.size + RECORD_HEAD.size
_FRAME: Final = struct.Struct("<IIIB")
_HEADER: Final = struct.Struct("<8sHHIQII")
HEADER_BYTES: Final = _HEADER.size

_NAME: Final = re.compile(r"(\d{8,})\.journal")
# Where a record may start: its payload is shorter than 2^24, and it is not all zeros (which is what
# a crash may grow a file by).
_PLAUSIBLE: Final = re.compile(rb"(?=.{4}(?!\0{9}).{3}\0.{5})", re.DOTALL)


class Kind(IntEnum):
    """What a record holds. A number is never used again for something else."""

    EVENT = 1
    """One event, as it was given to the engine."""
    EFFECTS = 2
    """The effects of the event before it, in order; absent when there were none."""
    META = 3
    """What ran: one `RunMeta` before the first event of each run."""
    END = 4
    """The writer was closed in order (no payload). A journal that ends without it was cut short."""
    SENT = 5
    """One `Outgoing`: exact bytes, durable here before they were sent."""
    NOTE = 6
    """What the driver found out, for people: UTF-8 text."""


class RunMeta(msgspec.Struct, frozen=True):
    """What ran: SHA-256 of the config file's text (hex), perpd's version, the strategies' names.

    `setup` is what an engine is rebuilt from, in the form of `engine.drive.recorded`.
    """

    config_sha256: str
    perpd_version: str
    strategies: tuple[str, ...]
    setup: bytes = b""


class Header(NamedTuple):
    """A segment's header: `previous` is the checksum that ended the segment before."""

    number: int
    first_sequence: int
    previous: int
    checksum: int


class Frame(NamedTuple):
    """One record as it lies in a segment: `previous` is the checksum it names beside its own."""

    offset: int
    kind: int
    payload: bytes
    previous: int
    checksum: int

    @property
    def end(self) -> int:
        """The offset behind the record."""
        return self.offset + RECORD_OVERHEAD_BYTES + len(self.payload)


class Torn(NamedTuple):
    """A torn tail: `bytes_cut` bytes at `offset` that are no record; `found` says why not."""

    offset: int
    bytes_cut: int
    found: str


encode: Final = msgspec.msgpack.Encoder().encode
decode_event: Final = msgspec.msgpack.Decoder(AnyEvent).decode
decode_effects: Final = msgspec.msgpack.Decoder(tuple[Effect, ...]).decode
decode_outgoing: Final = msgspec.msgpack.Decoder(Outgoing).decode
decode_meta: Final = msgspec.msgpack.Decoder(RunMeta).decode


def segment_path(folder: Path, number: int) -> Path:
    """The file of one segment."""
    return folder / f"{number:08d}.journal"


def segment_paths(folder: Path) -> list[Path]:
    """The segments of a journal in order.

    Raises JournalError when the folder cannot be read, or a segment before the last is missing.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise JournalError(
            f"{folder}: cannot be read as a journal folder: {error.strerror}"
        ) from error
    numbers = sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            missing = segment_path(folder, expected)
            raise JournalError(f"{missing}: is missing, expected as a segment {number} exists")
    return [segment_path(folder, number) for number in numbers]


def pack_header(number: int, first_sequence: int, previous: int) -> tuple[bytes, int]:
    """A segment's header and its checksum."""
    head = _HEADER.pack(MAGIC, FORMAT_VERSION, 0, number, first_sequence, previous, 0)
    checksum = crc32(head[: -CHECKSUM.size])
    return head[: -CHECKSUM.size] + CHECKSUM.pack(checksum), checksum


class Segment:
    """One segment file's bytes, checked record by record.

    Construction reads the file. `torn` is set, once `frames` is exhausted, when the file is the
    journal's last and ends in a torn tail; every other fault is a JournalError naming file, offset,
    what was found and what was expected.
    """

    def __init__(self, path: Path, *, is_last: bool) -> None:
        self.path = path
        self.torn: Torn | None = None
        self.header: Header | None = None
        self._is_last = is_last
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise JournalError(f"{path}: cannot be read: {error.strerror}") from error
        self.header = self._read_header()

    def frames(self) -> Iterator[Frame]:
        """Every record in order, up to the end or a torn tail."""
        if self.header is None:
            return
        data, end, previous = self._data, len(self._data), self.header.checksum
        offset = HEADER_BYTES
        while offset < end:
            frame = _frame_at(data, offset)
            if isinstance(frame, str):
                self._tear(offset, frame)
                return
            if frame.previous != previous:
                found = f"a record that follows checksum {frame.previous:08x}"
                raise self.damage(offset, found, f"one that follows {previous:08x}")
            yield frame
            offset, previous = frame.end, frame.checksum

    def check_follows(self, sequence: int, previous: int) -> None:
        """Raise JournalError unless this segment's first record can be number `sequence`.

        `previous` is the checksum that ended the segment before this one.
        """
        if self.header is None:
            return
        if self.header.previous != previous:
            found = f"a segment that follows checksum {self.header.previous:08x}"
            raise self.damage(24, found, f"one that follows {previous:08x}")
        if self.header.first_sequence != sequence:
            raise self.damage(16, f"first record {self.header.first_sequence}", f"{sequence}")

    def damage(self, offset: int, found: str, expected: str) -> JournalError:
        """The error for this segment at this byte offset."""
        return JournalError(f"{self.path}: offset {offset}: {found}, expected {expected}")

    def _read_header(self) -> Header | None:
        head = self._data[:HEADER_BYTES]
        if len(head) < HEADER_BYTES or not head.strip(b"\0"):
            self._tear(0, "no whole header")
            return None
        magic, version, _, number, first_sequence, previous, stored = _HEADER.unpack(head)
        if magic != MAGIC:
            raise self.damage(0, f"{magic!r}", f"{MAGIC!r} at the start of a journal segment")
        if version != FORMAT_VERSION:
            raise self.damage(len(MAGIC), f"format version {version}", f"{FORMAT_VERSION}")
        checksum = crc32(head[: -CHECKSUM.size])
        if stored != checksum:
            at = HEADER_BYTES - CHECKSUM.size
            raise self.damage(at, f"header checksum {stored:08x}", f"{checksum:08x}")
        expected = int(self.path.stem)
        if number != expected:
            raise self.damage(12, f"segment number {number}", f"{expected}, as the file is named")
        return Header(number, first_sequence, previous, checksum)

    def _tear(self, offset: int, found: str) -> None:
        """What lies at `offset` is no record: note a torn tail, or raise when it cannot be one."""
        if not self._is_last:
            raise self.damage(offset, found, "a record, as a later segment exists")
        intact = _record_behind(self._data, offset)
        if intact is not None:
            raise self.damage(offset, found, f"a record, as an intact one lies behind at {intact}")
        self.torn = Torn(offset, len(self._data) - offset, found)


def _frame_at(data: bytes, offset: int) -> Frame | str:
    """The record at `offset`, or what is wrong with it, its place in the chain aside."""
    start = offset + RECORD_OVERHEAD_BYTES
    if start > len(data):
        return f"{len(data) - offset} bytes of a record's head"
    stored, length, previous, kind = _FRAME.unpack_from(data, offset)
    if length > len(data) - start:
        return f"{len(data) - start} bytes of a payload of {length}"
    checksum = crc32(data[offset + CHECKSUM.size : start + length])
    if checksum != stored:
        return f"a record of checksum {stored:08x} whose bytes give {checksum:08x}"
    return Frame(offset, kind, data[start : start + length], previous, checksum)


def _record_behind(data: bytes, offset: int) -> int | None:
    """The offset of an intact record anywhere behind `offset`, or None.

    Only a place whose successor, if there is one, names it is worth a checksum: else a long tail
    would take for ever.
    """
    for match in _PLAUSIBLE.finditer(data, offset + 1):
        start = match.start()
        stored, length, _, _ = _FRAME.unpack_from(data, start)
        end = start + RECORD_OVERHEAD_BYTES + length
        if end + RECORD_OVERHEAD_BYTES <= len(data) and _FRAME.unpack_from(data, end)[2] != stored:
            continue
        if isinstance(_frame_at(data, start), Frame):
            return start
    return None
