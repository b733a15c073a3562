"""The rules of the house that no tool we use already checks, each with proof that it can fail.

- Only `engine/drive/seams.py` reads a clock or makes randomness; everything else is handed them.
- A function has at most 70 lines and a module at most 400.
- Every module of the engine has its place in the import rules.
- No tracked file names a package index or a path of somebody's machine.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "strategies", "connectors", "risk", "backtests")
SEAMS = ROOT / "engine" / "drive" / "seams.py"
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


# -- clocks and randomness -------------------------------------------------------------------------

# A whole module, or one name of a module that is otherwise harmless.
IMPURE = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.getrandom",
    "os.times",
    "os.urandom",
    "random",
    "secrets",
    "time",
    "uuid",
}
# Of numpy.random only the type of a generator, and what makes one from a seed that it is given.
SEEDABLE = {"numpy.random.PCG64", "numpy.random.SeedSequence", "numpy.random.default_rng"}
PURE = SEEDABLE | {"numpy.random.Generator"}
LOOP_MAKERS = {"get_event_loop", "get_running_loop", "new_event_loop"}


def impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every use of a raw clock or raw randomness, as (line, dotted name)."""
    names = _imported(tree)
    seeded = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _has_argument(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for dotted in _imported(node).values():
                if _is_impure(dotted):
                    yield node.lineno, f"import of {dotted}"
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        dotted = _dotted(node, names)
        if _is_impure(dotted) and not isinstance(node, ast.Name):
            yield node.lineno, dotted
        elif dotted in SEEDABLE and id(node) not in seeded:
            yield node.lineno, f"{dotted} without a seed"
        elif isinstance(node, ast.Attribute) and node.attr == "time" and _is_loop(node.value):
            yield node.lineno, "the event loop's time"


def _is_impure(dotted: str) -> bool:
    if dotted.startswith("numpy.random."):
        return not any(_within(dotted, pure) for pure in PURE)
    return any(_within(dotted, impure) for impure in IMPURE)


def _within(dotted: str, parent: str) -> bool:
    return dotted == parent or dotted.startswith(parent + ".")


def _has_argument(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in values)


def _imported(tree: ast.AST) -> dict[str, str]:
    """What each name bound by an import stands for: {"np": "numpy", "now": "time.time"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".", 1)[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """The full name an expression stands for, or "" when it does not come from an import."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _is_loop(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        node = node.func
        return _last_name(node) in LOOP_MAKERS
    return _last_name(node).endswith("loop")


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_only_the_seams_read_a_clock_or_make_randomness() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in MODULES
        if path != SEAMS
        for line, name in impurities(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert [] == found


@pytest.mark.parametrize(
    "snippet",
    [
        "import time",
        "import time as clock",
        "from time import monotonic",
        "def f():\n    from time import perf_counter as now",
        "import random",
        "from random import Random",
        "from uuid import uuid4",
        "import secrets",
        "import os\nos.urandom(8)",
        "from os import urandom",
        "import datetime\ndatetime.datetime.now()",
        "import datetime as dt\ndt.datetime.now(dt.UTC)",
        "from datetime import datetime\nnow = datetime.utcnow",
        "from datetime import date\ndate.today()",
        "import numpy as np\nnp.random.default_rng()",
        "import numpy as np\nnp.random.default_rng(None)",
        "import numpy as np\nnp.random.default_rng(seed=None)",
        "import numpy as np\nmake = np.random.default_rng",
        "import numpy as np\nnp.random.normal()",
        "from numpy.random import default_rng\ndefault_rng()",
        "from numpy import random\nrandom.shuffle([1])",
        "import asyncio\nasyncio.get_running_loop().time()",
        "def f(loop):\n    return loop.time()",
        "class A:\n    def f(self):\n        return self._loop.time",
    ],
)
def test_a_raw_clock_or_raw_randomness_is_found(snippet: str) -> None:
    assert list(impurities(ast.parse(snippet)))


@pytest.mark.parametrize(
    "snippet",
    [
        "import datetime as dt\ndt.datetime.fromtimestamp(0, dt.UTC)",
        "from datetime import time, timedelta",
        "import numpy as np\nnp.random.default_rng(7)",
        "import numpy as np\ndef f(seed: int) -> np.random.Generator: ...",
        "import numpy as np\ndef f(generator: np.random.Generator | None = None): ...",
        "import os\nos.environ.get('HOME')",
        "def f(event):\n    return event.time",
        "def f(clock):\n    time = clock.time_ns()\n    return time",
        "from engine.drive.seams import random",
    ],
)
def test_an_injected_clock_and_a_seeded_generator_are_allowed(snippet: str) -> None:
    assert [] == list(impurities(ast.parse(snippet)))


# -- size ------------------------------------------------------------------------------------------


def oversized(source: str) -> Iterator[str]:
    """What is too long in a module: the module itself, and each function."""
    lines = len(source.splitlines())
    if lines > MODULE_LINES_MAX:
        yield f"1: {lines} lines, at most {MODULE_LINES_MAX}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def test_no_function_and_no_module_is_too_long_to_read_at_once() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{excess}"
        for path in MODULES
        for excess in oversized(path.read_text(encoding="utf-8"))
    ]

    assert [] == found


@pytest.mark.parametrize("head", ["def f():\n", "async def f():\n"])
def test_a_function_of_71_lines_is_found_and_one_of_70_is_not(head: str) -> None:
    fits = head + "    pass\n" * (FUNCTION_LINES_MAX - 1)

    assert [] == list(oversized(fits))
    assert ["1: f has 71 lines, at most 70"] == list(oversized(fits + "    pass\n"))


def test_a_module_of_401_lines_is_found_and_one_of_400_is_not() -> None:
    fits = "x = 1\n" * MODULE_LINES_MAX

    assert [] == list(oversized(fits))
    assert ["1: 401 lines, at most 400"] == list(oversized(fits + "x = 1\n"))


# -- import rules ----------------------------------------------------------------------------------


def unplaced(modules: set[str], layers: list[str]) -> set[str]:
    """The modules that no layer names, and which may therefore import anything."""
    return modules - {name for layer in layers for name in re.findall(r"[\w.]+", layer)}


def test_every_module_of_the_engine_has_its_place_in_the_import_rules() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    children = (ROOT / "engine").iterdir()
    modules = {f"engine.{path.stem}" for path in children if is_module(path)}

    assert set() == unplaced(modules, contracts[0]["layers"])


def is_module(path: Path) -> bool:
    """Whether a child of a package is a module or a package of its own."""
    return (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()


def test_a_module_that_no_layer_names_is_found() -> None:
    layers = ["(engine.cli)", "engine.core : risk"]

    assert {"engine.clock"} == unplaced({"engine.cli", "engine.clock", "engine.core"}, layers)


# -- what must not be named ------------------------------------------------------------------------

# Written so that this file does not contain what it looks for.
UNPORTABLE = re.compile(
    r"""
      pypi[.]org | pythonhosted[.]org | test[.]pypi
    | (?:extra-)?index[-]url | find[-]links | (?:PIP|UV)[_](?:EXTRA_)?INDEX | PIP[_]FIND
    | registry[.]npm
    | (?<![\w.:/}])/(?:work|farm|root|opt|tmp|home/\w+|Users/\w+)/
    | \b[A-Z]:\\\\?Users\\
    """,
    re.VERBOSE,
)


def unportable(text: str) -> Iterator[str]:
    """Every line that names a package index or an absolute path of one machine."""
    for number, line in enumerate(text.splitlines(), 1):
        match = UNPORTABLE.search(line)
        if match:
            yield f"{number}: {match.group().strip()}"


def project_files() -> list[Path]:
    """Every file that is tracked or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip(f"not a git checkout: {listing.stderr.strip()}")
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_package_index_or_a_path_of_one_machine() -> None:
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}:{line}" for line in unportable(text)]

    assert [] == found


@pytest.mark.parametrize(
    "line",
    [
        "--index" + "-url https://mirror.example/simple",
        "PIP" + "_INDEX_URL=https://mirror.example",
        "https://" + "pypi" + ".org/simple",
        "DATA = '/" + "work/shared/data'",
        "see /" + "root/.cache",
        "cd /" + "home/ana/perpd",
        "open('/" + "tmp/market.npz')",
        "C:" + "\\Users\\ana",
    ],
)
def test_a_package_index_or_a_path_of_one_machine_is_found(line: str) -> None:
    assert list(unportable(line))


@pytest.mark.parametrize(
    "line",
    [
        "#!/usr/bin/env bash",
        "command -v make >/dev/null",
        "https://example.com/work/item",
        "build/demo/out/report.html",
        "POST /api/v1/orders",
        "reports/root/summary.json",
    ],
)
def test_a_portable_line_is_allowed(line: str) -> None:
    assert [] == list(unportable(line))
