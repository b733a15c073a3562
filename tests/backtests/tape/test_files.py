"""A tape written and opened again is the same tape, and an unsound one says so."""

from __future__ import annotations

import mmap
import re
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtests.tape import Finding, Provenance, Stream, StreamKind, Tape, inspect, write_tape
from engine.errors import DataError
from tests.backtests.tape.streams import (
    BTC,
    ETH,
    book,
    columns_of,
    replayed,
    tapes,
    trades,
    updates,
)


@settings(max_examples=40)
@given(tapes())
def test_what_is_written_is_what_is_read(streams: list[Stream]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_tape(Path(folder) / "a.tape", streams)
        opened = Tape.open(Path(folder) / "a.tape", verify=True)

        expected = Tape.in_memory(streams)
        assert expected.instruments == opened.instruments
        assert [s.label for s in expected.streams] == [s.label for s in opened.streams]
        for before, after in zip(expected.streams, opened.streams, strict=True):
            assert columns_of(before) == columns_of(after)


@settings(max_examples=40)
@given(tapes(), st.data())
def test_a_window_of_a_mapped_column_is_that_part_of_it(
    streams: list[Stream], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_tape(Path(folder) / "a.tape", streams)
        for stream in Tape.open(Path(folder) / "a.tape").streams:
            for name in stream.names:
                size = stream.size(name)
                start = data.draw(st.integers(0, size))
                stop = data.draw(st.integers(start, size))

                window = stream.window(name, start, stop)

                assert type(window) is np.ndarray
                assert stream.column(name)[start:stop].tolist() == window.tolist()


@given(tapes(), st.integers(-1, 4_000), st.integers(-1, 4_000))
def test_select_keeps_exactly_the_rows_received_in_the_span(
    streams: list[Stream], start_ns: int, end_ns: int
) -> None:
    tape = Tape.in_memory(streams)

    selected = tape.select(start_ns=start_ns, end_ns=end_ns)

    assert [s.label for s in tape.streams] == [s.label for s in selected.streams]
    for whole, part in zip(tape.streams, selected.streams, strict=True):
        local = whole.column("ts_local_ns")
        inside = (local >= start_ns) & (local < end_ns)
        for name in ("ts_venue_ns", "ts_local_ns"):
            assert whole.column(name)[inside].tolist() == part.column(name).tolist()


def test_select_takes_all_of_a_thousand_equal_stamps_or_none() -> None:
    stream = trades([10] * 5 + [20] * 1_500 + [30] * 5, latency_ns=0)
    tape = Tape.in_memory([stream])

    assert 1_500 == tape.select(start_ns=20, end_ns=21).rows
    assert 5 == tape.select(end_ns=20).rows
    assert 1_505 == tape.select(start_ns=20).rows
    assert 5 == tape.select(start_ns=21).rows


def test_select_by_kind_and_instrument() -> None:
    tape = Tape.in_memory([trades([1, 2]), trades([1], instrument=ETH), book([({1: 1}, {2: 1})])])

    assert ["trade hl:ETH"] == [
        s.label for s in tape.select(kinds=["trade"], instruments=["hl:ETH"]).streams
    ]
    assert {"hl:BTC": BTC} == tape.select(kinds=[StreamKind.BOOK]).instruments
    with pytest.raises(DataError, match="no instrument hl:XRP, expected one of hl:BTC, hl:ETH"):
        tape.select(instruments=["hl:XRP"])


def test_the_span_of_a_tape_selects_all_of_it() -> None:
    tape = Tape.in_memory([trades([10, 20], latency_ns=7), trades([5], instrument=ETH)])

    assert (10, 28) == (tape.start_ns, tape.end_ns)
    assert 3 == tape.select(start_ns=tape.start_ns, end_ns=tape.end_ns).rows
    assert (0, 0) == (Tape.in_memory([]).start_ns, Tape.in_memory([]).end_ns)


def test_streams_stand_in_the_order_that_settles_ties() -> None:
    def stream(kind: StreamKind, columns: dict[str, Any], interval_ns: int = 0) -> Stream:
        times = {"ts_venue_ns": [1], "ts_local_ns": [1]}
        return Stream.from_columns(kind, BTC, times | columns, interval_ns)

    top = {"bid_ticks": [1], "bid_lots": [1], "ask_ticks": [2], "ask_lots": [1]}
    bar = {f"{name}_ticks": [1] for name in ("open", "high", "low", "close")} | {"volume_lots": [1]}
    context = {name: [1.0] for name in ("mark_px", "oracle_px", "funding_rate", "open_interest")}
    streams = [
        stream(StreamKind.BAR, bar, 60),
        stream(StreamKind.BAR, bar, 5),
        stream(StreamKind.QUOTE, top),
        book([({1: 1}, {2: 1})]),
        trades([1], instrument=ETH),
        trades([1]),
        stream(StreamKind.CONTEXT, context),
        stream(StreamKind.FUNDING, {"rate_ppb": [12_500]}),
    ]

    assert [
        "funding hl:BTC",
        "context hl:BTC",
        "trade hl:BTC",
        "trade hl:ETH",
        "book hl:BTC",
        "quote hl:BTC",
        "bar hl:BTC 5 ns",
        "bar hl:BTC 60 ns",
    ] == [s.label for s in Tape.in_memory(streams).streams]


def test_the_same_stream_twice_is_refused() -> None:
    with pytest.raises(DataError, match="trade hl:BTC: given twice"):
        Tape.in_memory([trades([1]), trades([2])])


def test_two_instruments_of_one_id_are_refused() -> None:
    other = msgspec.structs.replace(BTC, asset=7)
    columns = {"ts_venue_ns": [1], "ts_local_ns": [1], "rate_ppb": [1]}
    funding = Stream.from_columns(StreamKind.FUNDING, other, columns)

    with pytest.raises(DataError, match="hl:BTC: two different instruments"):
        Tape.in_memory([trades([1]), funding])


def test_findings_and_provenance_come_back() -> None:
    finding = Finding("gaps", "trade hl:BTC", 3, "left open")
    source = Provenance("a.csv", "ab" * 32, 10, 7)
    with tempfile.TemporaryDirectory() as folder:
        write_tape(Path(folder) / "a.tape", [trades([1])], provenance=[source], findings=[finding])

        opened = Tape.open(Path(folder) / "a.tape")

        assert ((finding,), (source,)) == (opened.findings, opened.provenance)


@pytest.fixture
def tape_path(tmp_path: Path) -> Path:
    path = tmp_path / "a.tape"
    write_tape(path, [trades(range(1_000)), book([({1: 5, 2: 6}, {3: 7}), ({1: 0}, {})])])
    return path


def all_files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file())


def test_a_flipped_bit_in_any_file_is_found(tape_path: Path) -> None:
    files = all_files(tape_path)
    assert 20 == len(files)
    for file in files:
        sound = file.read_bytes()
        for at in {0, len(sound) // 2, len(sound) - 1}:
            file.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
            with pytest.raises(DataError, match=re.escape(file.name.partition(".")[0])):
                Tape.open(tape_path, verify=True)
        file.write_bytes(sound)
    Tape.open(tape_path, verify=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-8]), "7992 bytes, expected 8000"),
        (lambda file: file.write_bytes(file.read_bytes() + b"12345678"), "8008 bytes, expected"),
        (lambda file: file.unlink(), "No such file or directory, expected a column file"),
    ],
)
def test_a_truncated_extended_or_missing_file_does_not_open(
    tape_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(tape_path / "streams" / "000-trade-hl_BTC" / "px_ticks.i64")

    with pytest.raises(DataError, match=f"px_ticks.i64: {message}"):
        Tape.open(tape_path)


def test_a_long_tape_is_checked_only_when_asked(
    tape_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tape_path / "streams" / "000-trade-hl_BTC" / "trade_id.i64"
    file.write_bytes(bytes(8) + bytes([2]) + file.read_bytes()[9:])
    monkeypatch.setattr("backtests.tape.tape.VERIFIED_BYTES_MAX", 0)

    assert not Tape.open(tape_path).is_verified
    with pytest.raises(DataError, match=r"trade_id.i64: CRC-32 is \w{8}, expected \w{8}: altered"):
        inspect(tape_path, verify=True)


def restate(path: Path, header: dict[str, Any]) -> None:
    """Write a header with a right checksum."""
    text = msgspec.json.encode(header)
    (path / "header.json").write_bytes(text)
    (path / "header.crc32").write_text(f"{zlib.crc32(text):08x}\n")


def test_rules_are_checked_beside_checksums(tape_path: Path) -> None:
    """A tape by another program, with right checksums and times that go back, is refused."""
    header = msgspec.json.decode((tape_path / "header.json").read_bytes())
    stream = header["streams"][0]
    column = stream["columns"][0]
    file = tape_path / stream["folder"] / column["file"]
    values = np.fromfile(file, "<i8")
    values[500] = 0
    file.write_bytes(values.tobytes())
    column["crc32"] = zlib.crc32(values.tobytes())
    restate(tape_path, header)

    message = "trade hl:BTC: row 500: ts_venue_ns is 0, expected at least the row before it"
    with pytest.raises(DataError, match=message):
        Tape.open(tape_path)


def change_version(header: dict[str, Any]) -> None:
    header["version"] = 2


def change_rows(header: dict[str, Any]) -> None:
    header["streams"][0]["rows"] = 999


def change_instrument(header: dict[str, Any]) -> None:
    header["streams"][0]["instrument"] = "hl:XRP"


def change_column(header: dict[str, Any]) -> None:
    header["streams"][0]["columns"][2]["dtype"] = "<f8"


def change_kind(header: dict[str, Any]) -> None:
    header["streams"][0]["kind"] = "tick"


def change_offsets(header: dict[str, Any]) -> None:
    columns = header["streams"][1]["columns"]
    columns[4] = columns[4] | {"size": 2, "file": columns[5]["file"], "crc32": columns[5]["crc32"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_version, "header.json: format version 2, expected 1"),
        (change_rows, "000-trade-hl_BTC: 999 rows, expected 1000"),
        (change_instrument, "is of hl:XRP, expected one of hl:BTC"),
        (change_column, r"columns are .*'px_ticks', '<f8'.* expected .*'px_ticks', '<i8'"),
        (change_kind, "Invalid enum value 'tick'.* expected the header of a tape"),
        (change_offsets, "book hl:BTC: column off has 2 values, expected 3"),
    ],
)
def test_a_header_that_does_not_fit_is_named(
    tape_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    header = msgspec.json.decode((tape_path / "header.json").read_bytes())
    change(header)
    restate(tape_path, header)

    with pytest.raises(DataError, match=message):
        Tape.open(tape_path)


@pytest.mark.parametrize("name", ["header.json", "header.crc32"])
def test_a_folder_that_is_no_tape_is_named(tape_path: Path, name: str) -> None:
    (tape_path / name).unlink()

    with pytest.raises(DataError, match=r"a.tape: no tape .* expected a folder with header.json"):
        Tape.open(tape_path)


def test_a_tape_is_not_written_over_unless_told(tape_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.tape: exists, expected a new path"):
        write_tape(tape_path, [trades([1])])

    write_tape(tape_path, [trades([1])], overwrite=True)

    assert 1 == Tape.open(tape_path).rows
    assert [tape_path] == list(tape_path.parent.iterdir())


def test_only_a_tape_is_ever_written_over(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("x")

    with pytest.raises(DataError, match="precious: exists and is no tape"):
        write_tape(tmp_path / "precious", [trades([1])], overwrite=True)

    assert "x" == (tmp_path / "precious" / "thesis.txt").read_text()


def test_a_write_that_fails_leaves_nothing_new_and_nothing_lost(
    tape_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    before = {file: file.read_bytes() for file in all_files(tape_path)}
    monkeypatch.setattr("backtests.tape.writing.write_record", fail)

    with pytest.raises(OSError, match="disk full"):
        write_tape(tape_path, [trades([1])], overwrite=True)

    assert before == {file: file.read_bytes() for file in all_files(tape_path.parent)}


@given(updates(), st.data())
def test_a_slice_of_a_book_is_written_so_that_it_stands_alone(
    drawn: list[tuple[dict[int, int], dict[int, int]]], data: st.DataObject
) -> None:
    whole = book(drawn)
    start = data.draw(st.integers(0, whole.n))
    part = whole.slice(start, data.draw(st.integers(start, whole.n)))
    with tempfile.TemporaryDirectory() as folder:
        write_tape(Path(folder) / "a.tape", [part])
        alone = Tape.open(Path(folder) / "a.tape", verify=True).streams[0]

        assert part.n == alone.n
        for row in range(part.n):
            assert replayed(whole, start + row) == alone.depth(row)
        for name in ("ts_venue_ns", "seq", "bid_ticks", "ask_lots"):
            assert part.column(name).tolist() == alone.column(name).tolist()


def test_columns_are_read_only(tape_path: Path) -> None:
    for tape in (Tape.open(tape_path), Tape.in_memory([trades([1])])):
        with pytest.raises(ValueError, match="read-only"):
            tape.streams[0].column("px_ticks")[0] = 1


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="trade hl:BTC: no column 'price', expected ts_venue_ns, "):
        trades([1]).window("price", 0, 1)


def resident_bytes() -> int:
    """How much memory of this process is resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * mmap.PAGESIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_reading_a_long_tape_in_windows_does_not_make_it_resident(tmp_path: Path) -> None:
    n = 4_000_000
    columns = {name: np.arange(n) // 8 for name in ("ts_venue_ns", "ts_local_ns", "rate_ppb")}
    write_tape(tmp_path / "a.tape", [Stream.from_columns(StreamKind.FUNDING, BTC, columns)])
    del columns
    stream = Tape.open(tmp_path / "a.tape").streams[0]
    before = resident_bytes()

    def read_through() -> int:
        return sum(
            int(stream.window(name, start, min(n, start + 4_096)).sum())
            for start in range(0, n, 4_096)
            for name in stream.names
        )

    for _ in range(2):
        assert 3 * sum(range(n // 8)) * 8 == read_through()
        assert resident_bytes() - before < 3 * (8 << 20) < 3 * 8 * n / 3


def test_rows_behind_are_still_there_after_their_pages_were_given_back(tmp_path: Path) -> None:
    n = 1_500_000
    columns = {name: np.arange(n) for name in ("ts_venue_ns", "ts_local_ns")}
    columns["rate_ppb"] = np.arange(n) % 1_000
    write_tape(tmp_path / "a.tape", [Stream.from_columns(StreamKind.FUNDING, BTC, columns)])
    stream = Tape.open(tmp_path / "a.tape").streams[0]
    held = stream.window("ts_venue_ns", 0, 4)

    for start in (1_400_000, 3, 700_000, 1_499_990, 0):
        expected = list(range(start, start + 10))
        assert expected == stream.window("ts_venue_ns", start, start + 10).tolist()
    assert [0, 1, 2, 3] == held.tolist()
