"""The header of a tape folder: what it says, and how it is read, written and checked.

Nothing here reads market data.

`header.json` is one JSON object (`Header`); `header.crc32` holds the CRC-32 of its bytes as eight
hex digits. Every column file has its CRC-32 and its number of values in the header, so any altered
or truncated file is found.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from backtests.tape.schema import StreamKind
from engine.errors import DataError
from engine.model.instruments import Instrument

FORMAT_VERSION: Final = 1
HEADER_NAME: Final = "header.json"
CHECKSUM_NAME: Final = "header.crc32"

_BLOCK_BYTES: Final = 1 << 20

_Record = TypeVar("_Record", bound=msgspec.Struct)


class Finding(msgspec.Struct, frozen=True):
    """Something an import saw: which check, where, how often, and what was done about it."""

    check: str
    where: str
    count: int
    detail: str


class Provenance(msgspec.Struct, frozen=True):
    """Where rows came from.

    `sha256` is of the source file as it lay on disk; empty when there is no file.
    """

    name: str
    sha256: str
    rows_in: int
    rows_out: int
    detail: str = ""


class ColumnHeader(msgspec.Struct, frozen=True):
    """One column: its file in the stream's folder, numpy type, number of values and CRC-32."""

    name: str
    file: str
    dtype: str
    size: int
    crc32: int


class StreamHeader(msgspec.Struct, frozen=True):
    """One stream: `instrument` is an id, `interval_ns` is 0 unless it holds bars."""

    kind: StreamKind
    instrument: str
    interval_ns: int
    rows: int
    folder: str
    columns: tuple[ColumnHeader, ...]


class Header(msgspec.Struct, frozen=True):
    """All that a tape says about itself."""

    format: Literal["perpd-tape"]
    version: int
    instruments: tuple[Instrument, ...]
    streams: tuple[StreamHeader, ...]
    provenance: tuple[Provenance, ...]
    findings: tuple[Finding, ...]


def write_record(folder: Path, record: msgspec.Struct) -> None:
    """Write a record as the header of a folder, with its checksum beside it."""
    data = msgspec.json.format(msgspec.json.encode(record), indent=1)
    (folder / HEADER_NAME).write_bytes(data)
    (folder / CHECKSUM_NAME).write_text(f"{zlib.crc32(data):08x}\n", encoding="ascii")


def read_record(folder: Path, record_type: type[_Record]) -> tuple[_Record, int]:
    """The header of a folder and its CRC-32.

    Raises DataError when it is missing, altered or not of this format.
    """
    path = folder / HEADER_NAME
    try:
        data = path.read_bytes()
        stated = (folder / CHECKSUM_NAME).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{folder}: no tape ({error}), expected a folder with {HEADER_NAME}, {CHECKSUM_NAME}"
        ) from None
    crc32 = zlib.crc32(data)
    if stated != f"{crc32:08x}\n":
        raise DataError(
            f"{path}: CRC-32 is {crc32:08x}, expected {stated!r} as {CHECKSUM_NAME} states"
        )
    return _decoded(path, data, record_type), crc32


def _decoded(path: Path, data: bytes, record_type: type[_Record]) -> _Record:
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version != FORMAT_VERSION:
            raise DataError(f"{path}: format version {version}, expected {FORMAT_VERSION}")
        return msgspec.json.decode(data, type=record_type)
    except msgspec.MsgspecError as error:
        raise DataError(f"{path}: {error}, expected the header of a tape") from None


class _Versioned(msgspec.Struct):
    version: int


def check_file(path: Path, expected_crc32: int) -> None:
    """Raise DataError unless the bytes of `path` have this CRC-32. Reads it in blocks."""
    crc32 = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                crc32 = zlib.crc32(block, crc32)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}, expected a column file") from None
    if crc32 != expected_crc32:
        raise DataError(f"{path}: CRC-32 is {crc32:08x}, expected {expected_crc32:08x}: altered")
