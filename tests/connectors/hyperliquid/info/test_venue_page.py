"""`docs/venues/hyperliquid.md` lists all that we speak: requests, channels, actions and tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.hyperliquid import actions, market_session, user_session
from connectors.hyperliquid.actions import Action
from connectors.hyperliquid.frames import Frame
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.requests import REQUESTS
from connectors.hyperliquid.user_actions import USER_ACTIONS
from connectors.hyperliquid.weights import ROWS_PER_WEIGHT, info_weight

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "venues" / "hyperliquid.md"
TESTS = ROOT / "tests" / "connectors" / "hyperliquid"
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \| ([^|]*)\|", re.MULTILINE)
MARKET = {
    market_session.BOOK,
    market_session.QUOTES,
    market_session.TRADES,
    market_session.CONTEXT,
    market_session.CANDLE,
}
BOTH = {"subscriptionResponse", "pong", "error"}


def section(title: str) -> str:
    """One part of the page."""
    (found,) = [
        part for part in PAGE.read_text(encoding="utf-8").split("\n## ") if part.startswith(title)
    ]
    return found


def weight_text(name: str) -> str:
    per = ROWS_PER_WEIGHT.get(name)
    return f"{info_weight(name)}" + (f" + 1 per {per} rows" if per else "")


def rows_text(name: str) -> str:
    paging = REQUESTS[name].paging
    return f"{paging.rows_max}, walked" if paging else ""


def hearer(channel: str) -> str:
    """Which session subscribes to a channel, or hears it as a word about its subscriptions."""
    if channel in user_session.CHANNELS:
        return "account"
    if channel in MARKET:
        return "market"
    return "both" if channel in BOTH else "nobody"


def test_the_venue_page_lists_every_request_its_method_and_its_weight() -> None:
    rows = ROW.findall(section("Reading"))

    assert list(REQUESTS) == [name for name, _, _, _ in rows]
    for name, method, weight, page_rows in rows:
        assert callable(getattr(InfoClient, method))
        assert (weight_text(name), rows_text(name)) == (weight, page_rows.strip())


def test_it_lists_every_channel_its_frame_and_who_hears_it() -> None:
    rows = ROW.findall(section("Streaming"))

    frames = {kind.__struct_config__.tag: kind.__name__ for kind in Frame.__args__}
    assert frames == {channel: frame for channel, frame, _, _ in rows}
    heard = {channel: by.partition(",")[0] for channel, _, by, _ in rows}
    assert {channel: hearer(channel) for channel in frames} == heard
    silent = {channel for channel, _, _, becomes in rows if not becomes.strip()}
    assert {channel for channel, by in heard.items() if by == "nobody"} == silent


def test_it_lists_every_action_and_its_struct() -> None:
    trading = section("Trading")

    structs = {kind.__struct_config__.tag: kind.__name__ for kind in Action.__args__}
    rows = ROW.findall(trading)
    assert list(structs.items()) == [(action, struct) for action, struct, _, _ in rows]
    assert all(hasattr(actions, struct) for struct in structs.values())
    (moving,) = re.findall(r"for later: ([^.]*)\.", trading)
    assert list(USER_ACTIONS) == re.findall(r"`(\w+)`", moving)


@pytest.mark.parametrize("title", ["Reading", "Streaming", "Trading"])
def test_every_test_that_it_names_is_there(title: str) -> None:
    folder = TESTS / "info" if title == "Reading" else TESTS
    text = section(title)
    in_tables = {f"{name}.py" for name in re.findall(r"`(test_\w+)`", text)}
    named = set(re.findall(r"`([\w./]*test_\w+\.py)`", text))

    assert in_tables
    assert [] == [name for name in sorted(in_tables) if not (folder / name).is_file()]
    assert [] == [name for name in sorted(named) if not (TESTS / name).is_file()]
