"""Finding a strategy by the three ways of naming it, and the one line a broken plugin gives."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import strategies.registry
from engine.errors import StrategyError
from strategies.api import Strategy, make_params
from strategies.ema_cross import EmaCross
from strategies.registry import BUNDLED, GROUP, ParamInfo, installed_strategies, load_strategy

ROOT = Path(__file__).resolve().parents[2]

PLUGIN = """\
from strategies.api import Params, Strategy

class MineParams(Params, frozen=True):
    size: float = 1.5

class Mine(Strategy):
    Params = MineParams

class Other:
    pass
"""


def register(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    """Pretend that a distribution with these entry points is installed beside the bundled ones."""
    entries = EntryPoints(EntryPoint(name, value, GROUP) for name, value in targets.items())
    monkeypatch.setattr(strategies.registry, "entry_points", entries.select)


def wrong(use: str, base_dir: Path) -> str:
    with pytest.raises(StrategyError) as caught:
        load_strategy(use, base_dir)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config's folder with a plugin in it."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    return tmp_path


# -- what is found ---------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["ema_cross", "strategies.ema_cross:EmaCross"])
def test_an_installed_name_and_a_module_lead_to_the_same_class(use: str, tmp_path: Path) -> None:
    assert EmaCross is load_strategy(use, tmp_path)


def test_a_file_is_found_beside_the_config(folder: Path) -> None:
    cls = load_strategy("./mine.py:Mine", folder)

    assert issubclass(cls, Strategy)
    assert 1.5 == make_params(cls, {}).size  # type: ignore[attr-defined]


def test_a_file_leaves_sys_path_and_its_folder_as_they_were(folder: Path) -> None:
    before = list(sys.path)

    load_strategy(f"{folder}/mine.py:Mine", Path("elsewhere"))

    assert before == sys.path
    assert ["mine.py"] == [path.name for path in folder.iterdir()]
    assert "mine" not in sys.modules


def test_an_unchanged_file_gives_the_same_class_and_an_edited_one_a_new_class(folder: Path) -> None:
    first = load_strategy("./mine.py:Mine", folder)
    again = load_strategy("./mine.py:Mine", folder)
    (folder / "mine.py").write_text(PLUGIN.replace("1.5", "2.5"))
    edited = load_strategy("./mine.py:Mine", folder)

    assert first is again
    assert 2.5 == make_params(edited, {}).size  # type: ignore[attr-defined]


def test_the_bundled_names_are_those_the_distribution_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["entry-points"][GROUP] == BUNDLED


# -- what is wrong ---------------------------------------------------------------------------------


def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path) -> None:
    line = wrong("Market-Maker", tmp_path)

    assert 'no installed strategy has this name; did you mean "market_maker"?' == line


def test_a_name_like_no_other_gets_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)

    line = wrong("zzz", tmp_path)

    expected = "no installed strategy has this name; known strategies: ema_cross, market_maker"
    assert expected == line


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("mine.py", "no class named; expected 'mine.py:Class'"),
        (
            "strategies.ema_cross:",
            (
                "not a strategy's name; expected an installed name, 'package.module:Class' or"
                " './file.py:Class'"
            ),
        ),
        (
            "./mine.py:Min",
            "{0}/mine.py: there is no 'Min'; did you mean \"Mine\"?",
        ),
        (
            "./mine.py:Other",
            (
                "{0}/mine.py: 'Other' is no subclass of strategies.api.Strategy;"
                " known strategies: Mine"
            ),
        ),
        (
            "./mine.py:Strategy",
            (
                "{0}/mine.py: 'Strategy' is no subclass of strategies.api.Strategy;"
                " known strategies: Mine"
            ),
        ),
        ("./none.py:Mine", "{0}/none.py: no such file; expected a Python file"),
        (
            "nowhere.at.all:Mine",
            "no module 'nowhere' is installed; a file of your own is './file.py:Class'",
        ),
        (
            "strategies.nowhere:Mine",
            "no module 'strategies.nowhere' is installed; a file of your own is './file.py:Class'",
        ),
        (
            "engine.errors:DataError",
            (
                "engine.errors: 'DataError' is no subclass of strategies.api.Strategy,"
                " and there is no strategy in it"
            ),
        ),
    ],
)
def test_a_name_that_leads_nowhere_says_where_it_looked(
    use: str, expected: str, folder: Path
) -> None:
    assert expected.format(folder) == wrong(use, folder)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Mine(:\n", "syntax error in line 1: invalid syntax"),
        ("\n\nx = 1 / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "line 1: SystemExit: 3"),
        ("raise ValueError('two\\nlines')\n", "line 1: ValueError: two lines"),
        (
            "import surely_not_installed\n",
            "line 1: ModuleNotFoundError: No module named 'surely_not_installed'",
        ),
        (
            "import neighbour\n",
            (
                "line 1: ModuleNotFoundError: No module named 'neighbour'; a plugin file cannot"
                " import its neighbours: install them and use 'package.module:Class'"
            ),
        ),
        (
            "from strategies.api import Strategy\nclass Mine(Strategy):\n    Params = dict\n",
            "Mine.Params is no subclass of strategies.api.Params",
        ),
    ],
)
def test_a_broken_plugin_gives_one_line(source: str, expected: str, folder: Path) -> None:
    (folder / "mine.py").write_text(source)
    (folder / "neighbour.py").write_text("x = 1\n")

    assert f"{folder}/mine.py: {expected}" == wrong("./mine.py:Mine", folder)


def test_a_broken_plugin_is_tried_again_once_it_is_mended(folder: Path) -> None:
    (folder / "mine.py").write_text("x = 1 / 0\n")
    wrong("./mine.py:Mine", folder)
    (folder / "mine.py").write_text(PLUGIN)

    assert "Mine" == load_strategy("./mine.py:Mine", folder).__name__


def test_a_module_that_breaks_while_it_is_imported_is_not_called_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "perpd_broken_module.py").write_text("import surely_not_installed\n")
    monkeypatch.syspath_prepend(folder)

    line = wrong("perpd_broken_module:Mine", folder)

    expected = (
        "module 'perpd_broken_module' cannot be imported: ModuleNotFoundError:"
        " No module named 'surely_not_installed'"
    )
    assert expected == line


# -- the list --------------------------------------------------------------------------------------


def test_the_list_has_each_strategy_with_its_parameters_and_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch)

    ema, maker = installed_strategies()

    assert ("ema_cross", "strategies.ema_cross:EmaCross") == (ema.name, ema.target)
    assert "Holds a position in the direction of two crossing moving averages." == ema.doc
    assert ParamInfo("interval", "str", '"1m"') == ema.params[0]
    assert ParamInfo("allow_short", "bool", "true") == ema.params[-1]
    assert "market_maker" == maker.name


def test_a_required_parameter_and_one_with_a_list_are_shown_as_a_config_would_write_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = PLUGIN.replace("size: float = 1.5", "size: float\n    spans: list[int] = []")
    (folder / "perpd_listed_module.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    register(monkeypatch, a_plugin="perpd_listed_module:Mine")

    listed = installed_strategies()[0]

    assert (
        ParamInfo("size", "float", "required"),
        ParamInfo("spans", "list[int]", "[]"),
    ) == listed.params


def test_a_broken_installed_plugin_is_listed_with_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch, broken="nowhere:Mine")

    broken = installed_strategies()[0]

    assert ("broken", "nowhere:Mine") == (broken.name, broken.target)
    assert broken.error.startswith("no module 'nowhere' is installed")


def test_a_name_that_two_distributions_claim_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, ema_cross="theirs:EmaCross")

    expected = (
        "installed more than once, as strategies.ema_cross:EmaCross and theirs:EmaCross;"
        " name one of these instead"
    )
    assert expected == wrong("ema_cross", tmp_path)
