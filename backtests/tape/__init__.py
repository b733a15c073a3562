"""perpd's columnar tape: market data as typed columns in a folder, read in windows.

The format is in docs/tape.md.

tape = Tape.open("btc.tape").select(kinds=["trade"], start_ns=..., end_ns=...)
for stream in tape.streams:
    px_ticks = stream.window("px_ticks", 0, 4096)
"""

from backtests.tape.bars import bars_from_trades
from backtests.tape.depth import Depth, DepthReader
from backtests.tape.header import Finding, Provenance
from backtests.tape.inspection import Inspection, StreamReport, inspect
from backtests.tape.schema import TIE_ORDER, StreamKind
from backtests.tape.stream import Stream
from backtests.tape.tape import Tape
from backtests.tape.writing import write_tape

__all__ = [
    "TIE_ORDER",
    "Depth",
    "DepthReader",
    "Finding",
    "Inspection",
    "Provenance",
    "Stream",
    "StreamKind",
    "StreamReport",
    "Tape",
    "bars_from_trades",
    "inspect",
    "write_tape",
]
