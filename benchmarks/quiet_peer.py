"""Runs the peer's script with its log off: `python quiet_peer.py SCRIPT SCENARIO`, in its venv.

The script asks for `bypass_logging` on the engine, which this release ignores: it formats and
writes every line of its log. Given with the log's own configuration it is obeyed.
"""

from __future__ import annotations

import runpy
import sys

from nautilus_trader import backtest  # type: ignore[import-not-found,unused-ignore]
from nautilus_trader.common import (  # type: ignore[import-not-found,unused-ignore]
    LoggerConfig,
)

configure = backtest.BacktestEngineConfig


def configure_quietly(**settings: object) -> object:
    """The engine's configuration, with the log's own beside it."""
    return configure(**settings, logging=LoggerConfig(bypass_logging=True))


if __name__ == "__main__":
    backtest.BacktestEngineConfig = configure_quietly
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
