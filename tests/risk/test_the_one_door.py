"""Nothing but the gate makes an `Approved`, and nothing but the planner a `Batch`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "strategies", "connectors", "risk", "backtests")


def makers(source: str, name: str) -> Iterator[int]:
    """The lines on which `name(...)` is called, however it is reached."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func
            found = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if found == name:
                yield node.lineno


@pytest.mark.parametrize(
    ("name", "maker"), [("Approved", "risk/gate.py"), ("Batch", "engine/submission.py")]
)
def test_only_one_module_makes_what_may_be_sent(name: str, maker: str) -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if list(makers(path.read_text(encoding="utf-8"), name))
    }

    assert {maker} == found


@pytest.mark.parametrize("source", ["Approved(1)", "commands.Approved(*what)", "x = [Approved()]"])
def test_a_maker_is_found(source: str) -> None:
    assert [1] == list(makers(source, "Approved"))
