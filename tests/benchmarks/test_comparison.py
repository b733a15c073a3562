"""What a benchmark prints of its measurements, and how it prepares data and peer."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from backtests.tape import Tape
from benchmarks.data import prepare
from benchmarks.measure import Measurement
from benchmarks.nautilus import LOUD, QUIET, PeerMissing, install
from benchmarks.report import MISSED, NONE, Comparison, compare, show
from benchmarks.workloads import BY_NAME
from engine.errors import DataError

QUOTES = BY_NAME["quotes_ema_py"]


def measured(engine: str, rate: float, *, orders: int = 218, digest: str = "") -> Measurement:
    return Measurement(
        engine=engine,
        workload=QUOTES.name,
        events=1_000_000,
        seconds=1_000_000 / rate,
        cpu_seconds=1_000_000 / rate,
        events_per_second=rate,
        peak_mb=100.0,
        orders=orders,
        filled=orders,
        digest=digest,
    )


def compared(*measurements: Measurement) -> Comparison:
    return compare([QUOTES], measurements)[0]


# -- ratios and goals ------------------------------------------------------------------------------


def test_a_ratio_is_of_the_medians_of_the_repeats() -> None:
    peer = [measured(LOUD, rate) for rate in (100_000, 200_000, 900_000)]
    ours = [measured("chunked", rate) for rate in (1_000_000, 600_000, 100_000)]

    assert 3.0 == compared(*peer, *ours).ratio("chunked")


@pytest.mark.parametrize(
    ("driver", "rate", "expected"),
    [
        ("reference", 90_000, "met"),
        ("reference", 89_999, MISSED),
        ("chunked", 250_000, "met"),
        ("chunked", 249_999, MISSED),
    ],
)
def test_a_goal_is_met_from_its_ratio_on(driver: str, rate: float, expected: str) -> None:
    comparison = compared(measured(LOUD, 100_000), measured(QUIET, 1_000), measured(driver, rate))

    assert expected == comparison.verdict(driver)


def test_without_the_peer_there_is_no_ratio_and_no_verdict() -> None:
    comparison = compared(measured("chunked", 100_000))

    assert comparison.ratio("chunked") is None
    assert NONE == comparison.verdict("chunked")


# -- checks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measurements", "expected"),
    [
        ([measured("reference", 1.0), measured("chunked", 1.0)], []),
        (
            [measured("reference", 1.0, orders=217)],
            ["reference: 217 orders, expected 218: NOT EXPECTED"],
        ),
        (
            [measured("reference", 1.0, digest="a"), measured("chunked", 1.0, digest="b")],
            ["the fills of the reference and the chunked driver DIFFER"],
        ),
        (
            [measured("chunked", 1.0, digest="a"), measured("chunked", 1.0, digest="b")],
            ["chunked: its repeats differ"],
        ),
    ],
)
def test_what_is_not_as_expected_is_said(
    measurements: list[Measurement], expected: list[str]
) -> None:
    assert expected == compared(*measurements).differences()


def test_a_near_count_is_explained_and_a_far_one_is_not() -> None:
    maker = BY_NAME["deltas_mm"]
    near, far = (
        msgspec.structs.replace(measured("chunked", 1.0, orders=orders), workload=maker.name)
        for orders in (17_546, 18_000)
    )

    assert [f"chunked: 17546 orders, expected 17513: {maker.why}"] == compare([maker], [near])[
        0
    ].differences()
    assert "NOT EXPECTED" in compare([maker], [far])[0].differences()[0]


def test_a_missed_goal_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compared(measured(LOUD, 100_000), measured("chunked", 200_000))

    show([comparison], is_whole=True)

    assert f"GOALS NOT MET: {QUOTES.title} chunked" in capsys.readouterr().out


def test_a_slice_is_held_to_no_goal(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compared(measured(LOUD, 100_000), measured("chunked", 200_000, orders=1))

    show([comparison], is_whole=False)

    printed = capsys.readouterr().out
    assert "SLICES ONLY" in printed
    assert MISSED not in printed


# -- data and peer ---------------------------------------------------------------------------------

GENERATOR = """
import numpy as np
TS = np.arange(2) + 1

def quotes():
    one = np.ones(2)
    return dict(ts=TS, bid=one * {bid}, ask=one * 3000.1, bid_sz=one, ask_sz=one)

def trades():
    return dict(ts=TS, px=np.ones(2), sz=np.ones(2), side=np.ones(2, np.int8))

def bars():
    one = np.ones(2)
    return dict(ts=TS, open=one, high=one, low=one, close=one, volume=one)

def book():
    changes = dict(ts=TS, off=np.array([0, 2, 2]), side=np.array([1, -1], np.int8),
                   px=np.array([1.0, 1.1]), sz=np.ones(2))
    return dict(ts=TS), changes
"""


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared folder with a tiny generator and a script for the peer."""
    folder = tmp_path / "shared" / "bench"
    (folder / "peers").mkdir(parents=True)
    (folder / "gen_ticks.py").write_text(GENERATOR.format(bid=3000.0), encoding="utf-8")
    (folder / "peers" / "nautilus_v2.py").write_text("", encoding="utf-8")
    monkeypatch.setenv("PERPD_SHARED", str(folder.parent))
    return folder


def bid_ticks(cache: Path) -> int:
    tape = Tape.open(cache / "tapes" / "quotes.tape")
    return int(tape.streams[0].column("bid_ticks")[0])


def test_the_generators_data_are_kept_for_the_peer_and_as_tapes(
    shared: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"

    prepare(cache)

    tapes = {path.name for path in (cache / "tapes").iterdir()}
    assert {f"{name}.tape" for name in ("quotes", "trades", "bars", "book_deltas")} == tapes
    with np.load(cache / "data" / "quotes.npz") as columns:
        assert [3000.0, 3000.0] == columns["bid"].tolist()
    assert 30_000 == bid_ticks(cache)
    assert shared.is_dir()


def test_the_data_are_made_anew_only_when_the_generator_changes(
    shared: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    prepare(cache)
    made = (cache / "tapes" / "quotes.tape").stat().st_ino

    prepare(cache)
    assert made == (cache / "tapes" / "quotes.tape").stat().st_ino

    (shared / "gen_ticks.py").write_text(GENERATOR.format(bid=2999.0), encoding="utf-8")
    prepare(cache)
    assert 29_990 == bid_ticks(cache)


def test_a_missing_generator_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERPD_SHARED", str(tmp_path))

    with pytest.raises(DataError, match=r"expected gen_ticks.py there; PERPD_SHARED names"):
        prepare(tmp_path / "cache")


@pytest.mark.usefixtures("shared")
def test_an_interpreter_that_does_not_run_leaves_the_peer_out_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "no-python"
    monkeypatch.setenv("PERPD_BENCH_PYTHON", str(absent))

    with pytest.raises(PeerMissing, match=rf"Python 3.12 or newer \({absent} does not run\)"):
        install(tmp_path / "cache")
