"""The data: what the shared generator makes, kept in a cache folder as its own files and as tapes.

    python -m benchmarks.data CACHE

The generator is imported from the folder `shared` beside the checkout (or $PERPD_SHARED) and never
copied. Its .npz files are for the peer, the tapes for us; both are made anew when it changes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np

from backtests.tape import Stream, StreamKind, write_tape
from backtests.tape.building import BookBuilder, Update
from backtests.tape.schema import Array, IntArray
from benchmarks.workloads import ETH
from engine.errors import DataError
from engine.model.units import NS_PER_S

ROOT: Final = Path(__file__).resolve().parents[1]
Columns = Mapping[str, Array]


def shared_bench() -> Path:
    """The folder with the generator and the peers. Raises DataError when it is not there."""
    shared = Path(os.environ.get("PERPD_SHARED") or ROOT.parent / "shared")
    folder = shared / "bench"
    if not (folder / "gen_ticks.py").is_file():
        raise DataError(
            f"{folder}: expected gen_ticks.py there; PERPD_SHARED names the folder that holds bench"
        )
    return folder


def prepare(cache: Path) -> None:
    """Make `cache`/data and `cache`/tapes unless this generator's are there."""
    source = shared_bench() / "gen_ticks.py"
    key = sha256(source.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    stamp = cache / "made-by"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return
    stamp.unlink(missing_ok=True)
    data = cache / "data"
    data.mkdir(parents=True, exist_ok=True)
    generator = _imported(source)
    parts: dict[str, Columns] = {
        name: getattr(generator, name)() for name in ("quotes", "trades", "bars")
    }
    parts["book"], parts["book_deltas"] = generator.book()
    for name, columns in parts.items():
        np.savez(data / f"{name}.npz", allow_pickle=False, **columns)
        if name in STREAMS:
            tape = cache / "tapes" / f"{name}.tape"
            write_tape(tape, [STREAMS[name](columns)], overwrite=tape.exists())
    stamp.write_text(key, encoding="utf-8")


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("perpd_bench_generator", path)
    if spec is None or spec.loader is None:
        raise DataError(f"{path}: cannot be imported, expected a Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- from the generator's columns to streams -------------------------------------------------------


def _ticks(px: Array) -> IntArray:
    ticks: IntArray = np.rint(px * ETH.grid.px_scale).astype(np.int64)
    return ticks


def _lots(sz: Array) -> IntArray:
    lots: IntArray = np.rint(sz * ETH.grid.sz_scale).astype(np.int64)
    return lots


def _stream(columns: Columns, kind: StreamKind, values: Columns, interval_ns: int = 0) -> Stream:
    times = {"ts_venue_ns": columns["ts"], "ts_local_ns": columns["ts"]}
    return Stream.from_columns(kind, ETH, {**times, **values}, interval_ns)


def quote_stream(columns: Columns) -> Stream:
    """Tops of book."""
    values = {
        "bid_ticks": _ticks(columns["bid"]),
        "bid_lots": _lots(columns["bid_sz"]),
        "ask_ticks": _ticks(columns["ask"]),
        "ask_lots": _lots(columns["ask_sz"]),
    }
    return _stream(columns, StreamKind.QUOTE, values)


def trade_stream(columns: Columns) -> Stream:
    """Public trades, numbered."""
    values = {
        "px_ticks": _ticks(columns["px"]),
        "sz_lots": _lots(columns["sz"]),
        "side": columns["side"],
        "trade_id": np.arange(len(columns["ts"]), dtype=np.int64),
    }
    return _stream(columns, StreamKind.TRADE, values)


def bar_stream(columns: Columns) -> Stream:
    """One-minute bars."""
    values = {f"{name}_ticks": _ticks(columns[name]) for name in ("open", "high", "low", "close")}
    values["volume_lots"] = _lots(columns["volume"])
    return _stream(columns, StreamKind.BAR, values, 60 * NS_PER_S)


def book_stream(columns: Columns) -> Stream:
    """The order book from its changes, built as an import builds one."""
    builder = BookBuilder(ETH)
    times, off, side = (columns[name].tolist() for name in ("ts", "off", "side"))
    ticks, lots = _ticks(columns["px"]).tolist(), _lots(columns["sz"]).tolist()

    def changes(start: int, stop: int, wanted: int) -> Iterable[tuple[int, int]]:
        return [(ticks[k], lots[k]) for k in range(start, stop) if side[k] == wanted]

    for row, ts_ns in enumerate(times):
        start, stop = off[row], off[row + 1]
        bids, asks = changes(start, stop, 1), changes(start, stop, -1)
        builder.add_changes(Update(ts_ns, ts_ns, row, bids, asks))
    return builder.stream()


STREAMS: Final[dict[str, Callable[[Columns], Stream]]] = {
    "quotes": quote_stream,
    "trades": trade_stream,
    "bars": bar_stream,
    "book_deltas": book_stream,
}

if __name__ == "__main__":
    try:
        prepare(Path(sys.argv[1]))
    except DataError as error:
        sys.exit(str(error))
