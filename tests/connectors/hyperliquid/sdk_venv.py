"""The official SDK for tests: an interpreter that has it, or a skipped test."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from benchmarks.data import ROOT
from benchmarks.sdk import SdkMissing, install_sdk


@cache
def _installed() -> Path | str:
    try:
        return install_sdk(ROOT / "build" / "sdk")
    except SdkMissing as error:
        return str(error)


def sdk_python() -> Path:
    """An interpreter with hyperliquid-python-sdk, from a venv that is made once and kept in build.

    Skips the test, with the reason, where it cannot be installed.
    """
    found = _installed()
    if isinstance(found, str):
        pytest.skip(f"the official SDK cannot be installed: {found}")
    return found
