"""Which perpd this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """The installed version, or "unknown" where perpd runs from a folder never installed."""
    try:
        return version("perpd")
    except PackageNotFoundError:
        return "unknown"
