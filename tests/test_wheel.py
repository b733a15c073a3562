"""What people install is the wheel: installed here as they would, and run from their own folder.

Offline: the wheel is built without isolation and installed without dependencies into a fresh
environment that borrows the libraries of this one. The borrowed folder comes last on the path and
its own .pth files are not read, so perpd can only come from the wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "strategies", "connectors", "risk", "backtests")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in `cwd`, free of this environment's own Python settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    out = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT)
    built = run(*build, cwd=out)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    offline = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")
    installer = (sys.executable, "-m", "pip", "--python", python, "install", *offline, wheel)
    install = run(*installer, cwd=folder)
    assert install.returncode == 0, install.stdout + install.stderr
    borrowed = "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site_packages(folder) / "borrowed.pth").write_text(borrowed + "\n", encoding="utf-8")
    return folder


def site_packages(environment: Path) -> Path:
    """The folder an environment's packages are installed into."""
    (folder,) = environment.glob("lib/python3*/site-packages")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folder whose packages are named like ours and cannot be imported."""
    for package in PACKAGES:
        junk = tmp_path / package / "__init__.py"
        junk.parent.mkdir()
        junk.write_text(f"raise SystemExit('imported the wrong {package}')\n", encoding="utf-8")
    return tmp_path


def test_the_wheel_holds_the_packages_with_their_types_and_the_configs_and_nothing_else(
    wheel: Path,
) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"engine/_configs/{path.name}" for path in (ROOT / "configs").glob("*.toml")}

    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert configs
    assert configs <= names
    assert {*PACKAGES} == {name.split("/")[0] for name in names if ".dist-info/" not in name}


def test_the_installed_packages_are_the_wheels(installed: Path, project: Path) -> None:
    """And not those of the checkout, whose libraries the environment borrows."""
    code = f"import {', '.join(PACKAGES)}\nfor p in {', '.join(PACKAGES)}: print(p.__file__)"

    shown = run(installed / "bin" / "python", "-I", "-c", code, cwd=project)

    expected = [str(site_packages(installed) / package / "__init__.py") for package in PACKAGES]
    assert (0, expected) == (shown.returncode, shown.stdout.splitlines()), shown.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("strategies",)], ids=" ".join)
def test_perpd_runs_from_a_folder_with_packages_named_like_its_own(
    installed: Path, project: Path, arguments: tuple[str, ...]
) -> None:
    shown = run(installed / "bin" / "perpd", *arguments, cwd=project)

    assert (0, "") == (shown.returncode, shown.stderr)
    assert shown.stdout


def test_the_bundled_strategies_are_listed(installed: Path, project: Path) -> None:
    shown = run(installed / "bin" / "perpd", "strategies", cwd=project)

    missing = [name for name in ("ema_cross", "market_maker") if name not in shown.stdout]
    assert [] == missing, shown.stdout + shown.stderr
