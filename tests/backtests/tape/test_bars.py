"""Bars and their closing rows are what folding one trade after another gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.tape import Stream, Tape, bars_from_trades, write_tape
from engine.errors import DataError
from tests.backtests.tape.streams import columns_of, times, trades


def folded(stream: Stream, interval_ns: int) -> tuple[dict[str, list[int]], list[int]]:
    """The rule in its plainest form: one trade at a time."""
    names = ("ts_venue_ns", "ts_local_ns", "px_ticks", "sz_lots")
    rows = zip(*(stream.column(name).tolist() for name in names), strict=True)
    columns: dict[str, list[int]] = {name: [] for name in _BAR}
    closing_rows: list[int] = []
    end = opened = high = low = close = volume = 0
    for row, (venue, local, px, lots) in enumerate(rows):
        if row and venue >= end:
            closing_rows.append(row)
            bar = (end, local, opened, high, low, close, volume)
            for name, value in zip(_BAR, bar, strict=True):
                columns[name].append(value)
        if not row or venue >= end:
            end = (venue // interval_ns + 1) * interval_ns
            opened = high = low = px
            volume = 0
        high, low, close, volume = max(high, px), min(low, px), px, volume + lots
    return columns, closing_rows


_BAR = (
    "ts_venue_ns",
    "ts_local_ns",
    "open_ticks",
    "high_ticks",
    "low_ticks",
    "close_ticks",
    "volume_lots",
)


def check(stream: Stream, interval_ns: int) -> None:
    bars, closing_rows = bars_from_trades(stream, interval_ns)
    expected, expected_rows = folded(stream, interval_ns)

    assert expected == columns_of(bars)
    assert expected_rows == closing_rows.tolist()
    assert interval_ns == bars.interval_ns


def random_trades(seed: int, n: int, *, step: int = 3) -> Stream:
    """Trades of which about one in ten moves time; runs of 1,000 and more share a stamp."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(n) < 0.1, rng.integers(1, step, n), 0)
    for start in rng.integers(0, n, 5):
        steps[start : start + 1_500] = 0
    return trades(np.cumsum(steps).tolist(), rng.integers(1, 100, n).tolist())


@given(times(60), st.sampled_from([1, 2, 7, 100, 5_000]), st.data())
def test_bars_equal_folding_one_trade_after_another(
    stamps: list[int], interval_ns: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(0, 60))
    px = data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))

    check(trades(stamps[:n], px), interval_ns)


@pytest.mark.parametrize("interval_ns", [1, 10, 1_000, 10**9])
def test_bars_of_long_runs_of_equal_stamps_and_of_many_blocks(interval_ns: int) -> None:
    check(random_trades(interval_ns, 600_000), interval_ns)


@pytest.mark.parametrize(
    ("stamps", "closes", "closing_rows"),
    [
        ([], [], []),
        ([5], [], []),
        ([5, 9], [], []),
        ([5, 10], [10], [1]),
        ([0, 9, 10, 10, 19, 20], [10, 20], [2, 5]),
        ([5, 35], [10], [1]),
        ([5, 35, 35, 41], [10, 40], [1, 3]),
    ],
)
def test_when_a_bar_closes(stamps: list[int], closes: list[int], closing_rows: list[int]) -> None:
    bars, rows = bars_from_trades(trades(stamps, latency_ns=100), 10)

    assert closes == bars.column("ts_venue_ns").tolist()
    assert closing_rows == rows.tolist()
    assert [stamps[row] + 100 for row in closing_rows] == bars.column("ts_local_ns").tolist()


@pytest.fixture
def tape_path(tmp_path: Path) -> Path:
    write_tape(tmp_path / "a.tape", [random_trades(1, 20_000)])
    return tmp_path / "a.tape"


def kept(path: Path) -> list[str]:
    return sorted(p.name for p in (path / "derived").iterdir())


def test_bars_of_a_tape_are_kept_and_found_again(tape_path: Path) -> None:
    check(Tape.open(tape_path).streams[0], 50)
    check(Tape.open(tape_path).streams[0], 70)
    assert ["000-trade-hl_BTC-50", "000-trade-hl_BTC-70"] == kept(tape_path)

    again, _ = bars_from_trades(Tape.open(tape_path).streams[0], 50)

    assert tape_path / "derived" / "000-trade-hl_BTC-50" == again.folder
    check(Tape.open(tape_path).streams[0], 50)


@pytest.mark.parametrize("name", ["header.json", "closing_rows.i64", "high_ticks.i64"])
def test_kept_bars_that_were_altered_are_computed_again(tape_path: Path, name: str) -> None:
    bars_from_trades(Tape.open(tape_path).streams[0], 50)
    file = tape_path / "derived" / "000-trade-hl_BTC-50" / name
    sound = file.read_bytes()
    file.write_bytes(sound[:8] + bytes([sound[8] ^ 1]) + sound[9:])

    check(Tape.open(tape_path).streams[0], 50)

    assert sound == file.read_bytes()


def test_kept_bars_of_another_tape_are_not_used(tape_path: Path) -> None:
    bars_from_trades(Tape.open(tape_path).streams[0], 50)
    other = tape_path.with_name("b.tape")
    write_tape(other, [random_trades(2, 20_000)])
    shutil.copytree(tape_path / "derived", other / "derived")

    check(Tape.open(other).streams[0], 50)


def test_a_tape_that_cannot_be_written_to_still_gives_bars(
    tape_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("backtests.tape.derived.write_folder", refuse)

    check(Tape.open(tape_path).streams[0], 50)
    assert not (tape_path / "derived").exists()


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.sampled_from([1, 50, 333]))
def test_bars_of_a_slice_are_those_of_its_own_trades(
    kept_trades: Stream, start: int, stop: int, interval_ns: int
) -> None:
    check(kept_trades.slice(min(start, stop), max(start, stop)), interval_ns)


def test_bars_of_slices_that_begin_or_end_at_a_closing_row(kept_trades: Stream) -> None:
    _, closing_rows = bars_from_trades(kept_trades, 50)
    first, second, *_, last = closing_rows.tolist()

    for start in (first - 1, first, first + 1, second):
        for stop in (second, second + 1, last, last + 1):
            check(kept_trades.slice(start, stop), 50)


@pytest.fixture(scope="module")
def kept_trades(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    path = tmp_path_factory.mktemp("tapes") / "a.tape"
    write_tape(path, [random_trades(3, 20_000)])
    return Tape.open(path).streams[0]


def test_bars_from_anything_else_are_an_error() -> None:
    bars, _ = bars_from_trades(trades([1, 100]), 10)

    with pytest.raises(DataError, match="bar hl:BTC 10 ns: cannot be folded to bars"):
        bars_from_trades(bars, 20)
    with pytest.raises(DataError, match="interval_ns is 0, expected more than 0"):
        bars_from_trades(trades([1]), 0)
