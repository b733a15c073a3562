"""That the top-level packages are perpd's own, whatever folder or path it is started from.

Their names are common words. A folder of the user's own called `strategies` may come first on the
import path, and half of perpd would then be somebody else's code.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import engine
from engine.errors import UsageError

PACKAGES: Final = ("engine", "strategies", "connectors", "risk", "backtests")


def check_own_packages() -> None:
    """Import none of them. Raises UsageError naming a package that lies elsewhere than `engine`."""
    assert engine.__file__ is not None
    root = Path(engine.__file__).resolve().parents[1]
    for name in PACKAGES:
        expected = root / name / "__init__.py"
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:  # something without a spec already took the name
            spec = None
        found = spec.origin if spec is not None else None
        if found is None or Path(found).resolve() != expected:
            raise UsageError(
                f"the package '{name}' is {found or 'missing or not a package'}, expected"
                f" {expected}: start perpd from another folder, or unset PYTHONPATH"
            )
