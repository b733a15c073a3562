"""A JWT only: the connector can neither read nor log a Hyperliquid key.

What it imports is looked at in the source, and what the whole import pulls in, in a process of its
own; its own code names nothing that a key is read with.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config import VenueConfig
from engine.drive.venues.perpex import check_accepted
from engine.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "connectors" / "perpex"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Whatever holds, reads or uses a private key, or resolves a secret from outside.
FORBIDDEN = ("connectors.hyperliquid", "coincurve", "eth_keyfile", "sha3", "os", "keyring")
KEY_WORDS = re.compile(r"private[_ ]key|keystore|resolve_secret|environ")
READERS = {"open", "read_bytes", "read_text", "fdopen"}


def imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(source: str) -> list[str]:
    return [
        name
        for name in imports(source)
        if any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN)
    ]


def test_no_module_imports_anything_that_could_read_or_use_a_key() -> None:
    found = {
        str(path.relative_to(ROOT)): forbidden(path.read_text(encoding="utf-8")) for path in MODULES
    }

    assert MODULES
    assert {} == {path: names for path, names in found.items() if names}


@pytest.mark.parametrize(
    "snippet",
    [
        "from connectors.hyperliquid.keys import load_key",
        "import connectors.hyperliquid.sign",
        "from connectors import hyperliquid",
        "def f():\n    import os",
        "from coincurve import PrivateKey",
    ],
)
def test_such_an_import_is_found_wherever_it_stands(snippet: str) -> None:
    assert forbidden(snippet)


def file_reads(source: str) -> list[str]:
    """Calls of the builtin `open`, and of what reads a path."""
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call.id for call in calls if isinstance(call, ast.Name)]
    named += [
        call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr != "open"
    ]
    return [name for name in named if name in READERS]


def test_no_module_opens_a_file_or_looks_for_a_secret_by_itself() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in MODULES}
    found = {name: KEY_WORDS.findall(text) + file_reads(text) for name, text in sources.items()}

    assert {} == {name: words for name, words in found.items() if words}
    assert ["open", "read_text"] == file_reads("x = open('a')\nPath('b').read_text()")


def test_importing_the_link_loads_no_module_of_hyperliquid_and_no_signing_library() -> None:
    script = (
        "import sys, connectors.perpex.link;"
        "print([m for m in sys.modules if m.startswith(('connectors.hyperliquid',"
        " 'coincurve', 'sha3', 'eth_keyfile'))])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "[]" == done.stdout.strip()


def test_the_token_is_revealed_in_one_place() -> None:
    revealing = [p.name for p in MODULES if "reveal()" in p.read_text(encoding="utf-8")]

    assert ["auth.py"] == revealing


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"network": "local", "http_url": "http://127.0.0.1:1"}, "ws_url: missing"),
        ({"network": "local", "ws_url": "ws://127.0.0.1:1"}, "http_url: missing"),
        ({"network": "testnet", "accept_unproven_gateway": True}, "has no test network"),
        ({"network": "mainnet"}, "accept_unproven_gateway: expected true"),
    ],
)
def test_a_token_is_sent_nowhere_that_was_not_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_accepted("px", VenueConfig(kind="perpex", **given))
