"""The peer: NautilusTrader in a venv of its own, running the shared script, one scenario a process.

It runs twice: as the script configures it, and with its log really off (see `quiet_peer`). Where it
cannot be installed, the reason is told and everything else still runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import msgspec

from benchmarks.data import shared_bench
from benchmarks.measure import Measurement
from engine.errors import DataError

PACKAGE: Final = "nautilus_trader"
VERSION: Final = "2.0.0rc6"
PYTHON_MIN: Final = (3, 12)
INSTALL_SECONDS_MAX: Final = 600
RUN_SECONDS_MAX: Final = 600
SCRIPT: Final = "nautilus_v2.py"
LOUD: Final = "nautilus"
QUIET: Final = "nautilus, log off"
_ASK: Final = (
    "import json, sys\n"
    "from importlib import metadata\n"
    "try: version = metadata.version(sys.argv[1])\n"
    "except metadata.PackageNotFoundError: version = ''\n"
    "print(json.dumps([list(sys.version_info[:3]), version]))"
)


class PeerMissing(Exception):
    """The peer cannot be had here; the text says why."""


class Peer(msgspec.Struct, frozen=True):
    """An interpreter that has the peer, and the script in a folder beside the data."""

    python: str
    python_version: str
    script: Path

    def measure(self, scenario: str, *, is_quiet: bool, rows: int) -> Measurement:
        """Run one scenario in a fresh process; `rows` limits it (0: all). Raises PeerMissing."""
        launcher = [str(Path(__file__).with_name("quiet_peer.py"))] if is_quiet else []
        environment = {**os.environ, **({"LIMIT": str(rows)} if rows else {})}
        # Files, because the log is long, and reading it would take time from the peer.
        with TemporaryFile("w+") as out, TemporaryFile("w+") as errors:
            done = subprocess.run(
                [self.python, *launcher, str(self.script), scenario],
                env=environment,
                stdout=out,
                stderr=errors,
                check=False,
                timeout=RUN_SECONDS_MAX,
            )
            out.seek(0)
            told = [line for line in out if line.startswith("{")]
            errors.seek(0)
            if done.returncode or not told:
                raise PeerMissing(f"{scenario} failed: {_last_line(errors.read())}")
        return _measurement(msgspec.json.decode(told[-1]), QUIET if is_quiet else LOUD)


def _measurement(told: dict[str, Any], engine: str) -> Measurement:
    return Measurement(
        engine=engine,
        workload=told["scenario"],
        events=told["events"],
        seconds=told["run_s"],
        cpu_seconds=told["cpu_s"],
        events_per_second=told["ev_per_s"],
        peak_mb=told["rss_mb"],
        orders=told["orders"],
        filled=told["filled"],
        fills=told["fills"],
        requotes=told["requotes"],
        balance=told["balance"],
    )


def install(cache: Path) -> Peer:
    """The peer, from an interpreter that has it or a venv made in `cache`. Raises PeerMissing."""
    try:
        source = shared_bench() / "peers" / SCRIPT
    except DataError as error:
        raise PeerMissing(str(error)) from None
    if not source.is_file():
        raise PeerMissing(f"{source}: not there")
    script = cache / "peers" / SCRIPT
    script.parent.mkdir(parents=True, exist_ok=True)
    # The script reads ../data beside itself, and the shared folder may be read-only.
    shutil.copyfile(source, script)
    base, version, has = _find_base()
    if not has:
        base, version = _venv(cache / "nautilus", base)
    return Peer(base, version, script)


def _venv(folder: Path, base: str) -> tuple[str, str]:
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    found = _ask(python)
    if found is None:
        shutil.rmtree(folder, ignore_errors=True)
        _run([base, "-m", "venv", str(folder)], f"cannot make a venv with {base}")
        found = _ask(python)
    if found is None or found[1] != VERSION:
        words = ["install", "--quiet", "--disable-pip-version-check", "numpy"]
        requirement = f"{PACKAGE}=={VERSION}"
        _run([python, "-m", "pip", *words, requirement], f"cannot install {requirement}")
        found = _ask(python)
    if found is None or found[1] != VERSION:
        raise PeerMissing(f"{requirement} was installed but cannot be found")
    return python, _text(found[0])


def _find_base() -> tuple[str, str, bool]:
    """(interpreter, its version, whether it has the peer): the one asked for, or the first fit."""
    tried = []
    for python in _candidates():
        found = _ask(python)
        if found is None:
            tried.append(f"{python} does not run")
        elif found[0] < PYTHON_MIN:
            tried.append(f"{python} is {_text(found[0])}")
        else:
            return python, _text(found[0]), found[1] == VERSION
    least = ".".join(map(str, PYTHON_MIN))
    said = "; ".join(tried) or "none is on PATH"
    raise PeerMissing(
        f"needs Python {least} or newer ({said}); PERPD_BENCH_PYTHON names an interpreter"
    )


def _candidates() -> Iterator[str]:
    chosen = os.environ.get("PERPD_BENCH_PYTHON")
    if chosen:
        yield chosen
        return
    yield sys.executable
    for minor in (12, 13, 14):
        found = shutil.which(f"python3.{minor}")
        if found is not None:
            yield found


def _ask(python: str) -> tuple[tuple[int, ...], str] | None:
    """The interpreter's version and the peer's in it ("" without); None where it does not run."""
    try:
        done = subprocess.run(
            [python, "-c", _ASK, PACKAGE], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version, package = msgspec.json.decode(done.stdout, type=tuple[list[int], str])
    return tuple(version), package


def _run(command: list[str], failure: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS_MAX
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerMissing(f"{failure}: {error}") from None
    if done.returncode:
        raise PeerMissing(f"{failure}: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
