"""The command line. `main` is the console script `perpd`.

Each command is a module of its own that is imported only when the command runs, so that
`perpd --help` needs neither numpy nor plotly.
"""

from engine.cli.app import main

__all__ = ["main"]
