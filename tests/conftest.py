"""What every test shares: reproducible property tests, and the way to the shared market data.

The network is off (see pyproject.toml). A test that serves on loopback says so with
`@pytest.mark.allow_hosts(["127.0.0.1"])`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

with suppress(ImportError):
    # uvloop keeps the socket class of the moment it is imported: first by a test without a network,
    # it would have none in every later test of that process.
    import_module("uvloop")

ROOT = Path(__file__).resolve().parents[1]

# "ci" is the default everywhere, so that a failure is the same for everybody; "deep" looks for new
# ones (`pytest --hypothesis-profile=deep`).
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("deep", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared market data beside the checkout, or where PERPD_SHARED says."""
    folder = Path(os.environ.get("PERPD_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no shared market data at {folder}; PERPD_SHARED can name another folder")
    return folder
