"""Importers: market data files of several origins, checked and written as a tape.

report = import_files(["data/hl_l2_trades"], "hl.tape", progress=print)
"""

from backtests.importers.detect import FileKind
from backtests.importers.importing import ImportReport, import_files
from backtests.importers.precision import Stated, read_metadata
from backtests.importers.raw import Options

__all__ = ["FileKind", "ImportReport", "Options", "Stated", "import_files", "read_metadata"]
