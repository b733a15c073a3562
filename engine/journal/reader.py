"""Reading a journal: every record in order, across segments, checked as it is read.

A torn tail (see `engine.journal.codec`) ends the reading and is reported; any other damage is a
JournalError. Reading changes nothing on disk and needs no lock: of a journal that is being written
it sees what was flushed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.errors import JournalError, PerpdError
from engine.journal import codec
from engine.journal.codec import Kind, RunMeta, Segment, Torn
from engine.model.commands import Outgoing
from engine.model.effects import Effect
from engine.model.events import AnyEvent


class RawRecord(NamedTuple):
    """A checked record of any kind, known or not, with its payload as it is on disk."""

    path: Path
    offset: int
    sequence: int
    kind: int
    payload: bytes


class EventRecord(msgspec.Struct, frozen=True):
    """Record number `sequence` (from 1, over the whole journal): an event."""

    sequence: int
    event: AnyEvent


class EffectsRecord(msgspec.Struct, frozen=True):
    """Record number `sequence`: the effects of the last event before it."""

    sequence: int
    effects: tuple[Effect, ...]


class MetaRecord(msgspec.Struct, frozen=True):
    """Record number `sequence`: a run begins, and this is what runs."""

    sequence: int
    meta: RunMeta


class EndRecord(msgspec.Struct, frozen=True):
    """Record number `sequence`: the writer was closed in order."""

    sequence: int


class SentRecord(msgspec.Struct, frozen=True):
    """Record number `sequence`: these bytes were about to be sent."""

    sequence: int
    outgoing: Outgoing


class NoteRecord(msgspec.Struct, frozen=True):
    """Record number `sequence`: what the driver found out, for people."""

    sequence: int
    text: str


Record = EventRecord | EffectsRecord | MetaRecord | EndRecord | SentRecord | NoteRecord

_DECODERS: dict[int, Callable[[int, bytes], Record]] = {
    Kind.EVENT: lambda sequence, payload: EventRecord(sequence, codec.decode_event(payload)),
    Kind.EFFECTS: lambda sequence, payload: EffectsRecord(sequence, codec.decode_effects(payload)),
    Kind.META: lambda sequence, payload: MetaRecord(sequence, codec.decode_meta(payload)),
    Kind.END: lambda sequence, _: EndRecord(sequence),
    Kind.NOTE: lambda sequence, payload: NoteRecord(sequence, payload.decode(errors="replace")),
    Kind.SENT: lambda sequence, payload: SentRecord(sequence, codec.decode_outgoing(payload)),
}


class JournalReader:
    """Iterates the records of the journal in `folder`; may be iterated again.

    Set anew by each iteration, and final once it is exhausted: `torn`, the tail that was cut off or
    None, and `unknown`, how many records of each kind this version does not know were passed over
    (`raw` gives them too).

    Raises JournalError, while iterating, when there is no journal or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.torn: Torn | None = None
        self.unknown: dict[int, int] = {}

    @property
    def bytes_cut(self) -> int:
        """The length of the torn tail: 0 for a journal that ends in a whole record."""
        return self.torn.bytes_cut if self.torn else 0

    def __iter__(self) -> Iterator[Record]:
        """Every record of a known kind, decoded."""
        self.unknown = {}
        for raw in self.raw():
            decode = _DECODERS.get(raw.kind)
            if decode is None:
                self.unknown[raw.kind] = self.unknown.get(raw.kind, 0) + 1
                continue
            try:
                record = decode(raw.sequence, raw.payload)
            except (msgspec.DecodeError, PerpdError) as error:
                kind = Kind(raw.kind).name.lower()
                raise JournalError(
                    f"{raw.path}: offset {raw.offset}: record {raw.sequence} does not decode,"
                    f" expected {kind}: {error}"
                ) from error
            yield record

    def raw(self) -> Iterator[RawRecord]:
        """Every record of every kind, checked but not decoded."""
        self.torn = None
        paths = codec.segment_paths(self.folder)
        if not paths:
            raise JournalError(
                f"{self.folder}: holds no journal, expected at least"
                f" {codec.segment_path(self.folder, 1).name}"
            )
        sequence, previous = 1, 0
        for path in paths:
            segment = Segment(path, is_last=path == paths[-1])
            if segment.header is not None:
                segment.check_follows(sequence, previous)
                previous = segment.header.checksum
            for frame in segment.frames():
                yield RawRecord(path, frame.offset, sequence, frame.kind, frame.payload)
                sequence, previous = sequence + 1, frame.checksum
            self.torn = segment.torn
