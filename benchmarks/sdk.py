"""The official Hyperliquid SDK, with coincurve, in a venv of its own that is made once and kept.

Benchmarks measure it, and tests take it as a witness. It pins packages that perpd must not have, so
it never shares an environment with perpd.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

REQUIREMENTS: Final = ("hyperliquid-python-sdk==0.24.0", "coincurve>=21")
INSTALL_SECONDS_MAX: Final = 600
_PROBE: Final = "import hyperliquid.utils.signing, coincurve"


class SdkMissing(Exception):
    """The SDK cannot be had here; the text says why."""


def install_sdk(cache: Path) -> Path:
    """An interpreter that has the SDK and coincurve, from a venv in `cache`. Raises SdkMissing."""
    folder = cache / f"hyperliquid-sdk-{sys.version_info.major}.{sys.version_info.minor}"
    python = _python_of(folder)
    if _has_sdk(python):
        return python
    cache.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there whole: other test processes may be at the same.
    making = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=cache))
    try:
        _run([sys.executable, "-m", "venv", str(making)])
        command = [str(_python_of(making)), "-m", "pip", "install", "--quiet"]
        _run([*command, "--disable-pip-version-check", *REQUIREMENTS])
        _run([str(_python_of(making)), "-c", _PROBE])
        return _settled(making, folder)
    except SdkMissing:
        shutil.rmtree(making, ignore_errors=True)
        raise


def _settled(making: Path, folder: Path) -> Path:
    """The interpreter of the venv in its place, whoever put it there."""
    if not _has_sdk(_python_of(folder)):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            making.rename(folder)
        except OSError:
            if not _has_sdk(_python_of(folder)):
                return _python_of(making)
    shutil.rmtree(making, ignore_errors=True)
    return _python_of(folder)


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def _has_sdk(python: Path) -> bool:
    if not python.is_file():
        return False
    done = subprocess.run([str(python), "-c", _PROBE], capture_output=True, check=False)
    return done.returncode == 0


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        raise SdkMissing(f"no answer within {INSTALL_SECONDS_MAX} s: {command[-1]}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise SdkMissing(lines[-1] if lines else f"{command} failed")
