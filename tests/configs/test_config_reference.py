"""docs/config.md is held to the schema: each key with its default, and none that is not there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import FieldInfo, fields

from engine.config import load_config, resolve_strategies
from engine.config.schema import (
    AccountConfig,
    BacktestConfig,
    Config,
    DaemonConfig,
    FeesConfig,
    LatencyConfig,
    LocalConfig,
    PerpexConfig,
    RiskConfig,
    StrategyConfig,
    SymbolConfig,
    VenueConfig,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "config.md").read_text()
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "The config file": Config,
    "[venues.NAME]": VenueConfig,
    "[venues.NAME.local]": LocalConfig,
    "[venues.NAME.perpex]": PerpexConfig,
    "[accounts.NAME]": AccountConfig,
    "[symbols.COIN]": SymbolConfig,
    "[risk]": RiskConfig,
    "[[strategies]]": StrategyConfig,
    "[backtest]": BacktestConfig,
    "[backtest.fees]": FeesConfig,
    "[backtest.latency]": LatencyConfig,
    "[daemon]": DaemonConfig,
}
KEYS = [(title, field) for title, section in SECTIONS.items() for field in fields(section)]
WORDS = {"required": msgspec.NODEFAULT, "none": None}


class Row(NamedTuple):
    """One line of a table."""

    key: str
    expected: str
    default: str
    meaning: str


def tables() -> dict[str, list[Row]]:
    """The first table below each heading, where it has the four columns of a section."""
    found: dict[str, list[Row]] = {}
    for part in re.split(r"^#+ ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        if cells and cells[0][2:3] == ["default"]:
            found[title] = [Row(*row) for row in cells[2:]]
    return found


def structs_in(annotation: object) -> Iterator[type[msgspec.Struct]]:
    """Every Struct that a type names, and those that it has fields of."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
        for field in fields(annotation):
            yield from structs_in(field.type)
    for arg in get_args(annotation):
        yield from structs_in(arg)


def descriptions(annotation: object) -> Iterator[str]:
    """What the schema says of a value, where it says it."""
    if get_origin(annotation) in {list, dict}:
        return
    for arg in get_args(annotation):
        if isinstance(arg, msgspec.Meta):
            yield arg.description or ""
        else:
            yield from descriptions(arg)


def options(annotation: object) -> Iterator[str]:
    """The words that a value may be."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for arg in get_args(annotation):
            yield from options(arg)


def default_of(field: FieldInfo) -> Any:  # noqa: ANN401 - whatever the key holds
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def row_of(title: str, key: str) -> Row:
    (row,) = [row for row in tables()[title] if row.key == f"`{key}`"]
    return row


def bare(text: str) -> str:
    """Without the marks of code and text, which only the page has."""
    return re.sub(r"[`'\"]", "", text)


def test_every_section_of_the_schema_has_its_table() -> None:
    assert set(structs_in(Config)) == set(SECTIONS.values())
    assert [*SECTIONS] == [title for title in SECTIONS if title in tables()]
    assert set(SECTIONS) == set(tables())


@pytest.mark.parametrize("title", SECTIONS)
def test_a_table_names_the_keys_of_its_section_and_no_other(title: str) -> None:
    expected = [f"`{field.encode_name}`" for field in fields(SECTIONS[title])]

    assert sorted(expected) == sorted(row.key for row in tables()[title])


@pytest.mark.parametrize(("title", "field"), KEYS, ids=lambda item: getattr(item, "name", item))
def test_a_key_has_the_default_of_the_schema_and_a_meaning(title: str, field: FieldInfo) -> None:
    row, default = row_of(title, field.encode_name), default_of(field)

    assert row.meaning
    if row.default == "its defaults":
        assert type(default)() == default
        assert isinstance(default, msgspec.Struct)
    elif row.default in WORDS:
        assert WORDS[row.default] is default
    else:
        shown = tomllib.loads(f"shown = {row.default.strip('`')}")["shown"]
        assert (type(default), default) == (type(shown), shown)


@pytest.mark.parametrize(
    ("title", "field"),
    [item for item in KEYS if item[0] != "The config file"],
    ids=lambda item: getattr(item, "name", item),
)
def test_a_key_expects_what_an_error_would_say(title: str, field: FieldInfo) -> None:
    expected = row_of(title, field.encode_name).expected
    described, words = [*descriptions(field.type)], [*options(field.type)]

    for description in described:
        assert bare(description) in bare(expected)
    if not described:
        assert words == re.findall(r'`"(\w+)"`', expected)
    if field.type is bool:
        assert "`true` or `false`" == expected


def test_the_example_is_right_and_has_every_section(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "example.toml").write_text(text)

    loaded = load_config(tmp_path / "example.toml")
    strategies = resolve_strategies(loaded)

    headers = set(re.findall(r"^\[.*\]", text, flags=re.MULTILINE))
    named = {
        re.sub(r"^\[(venues|accounts)\.\w+", r"[\1.NAME", header).replace(".BTC]", ".COIN]")
        for header in headers
    }
    assert {*SECTIONS} - {"The config file"} == named - {"[strategies.params]"}
    assert ["trend", "quotes"] == [item.config.name for item in strategies]
