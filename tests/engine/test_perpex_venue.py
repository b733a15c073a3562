"""What a config says of the Perpex gateway is how its link speaks to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.perpex.mapping.settings import PerpexSettings
from engine.config import VenueConfig, load_config
from engine.config.schema import PerpexConfig
from engine.drive.seams import SystemClock, SystemRandomness
from engine.drive.venues import open_venues
from engine.drive.venues.perpex import perpex_settings
from engine.errors import UsageError

OTHERWISE: dict[str, tuple[Any, str]] = {
    "rest_prefix": ("/v1", "rest_prefix"),
    "auth": ("message", "auth"),
    "batch_counts": ("one", "batch_counts"),
    "aliases": ({"BTC": "BTC-PERP"}, "symbols"),
    "book_depth": (5, "book_depth"),
    "idempotency_key": (False, "sends_idempotency_key"),
    "leverage": ("assume", "leverage"),
}
# Not of the gateway: where the other venue is read.
ELSEWHERE = {"reference_url"}


@pytest.mark.parametrize("key", OTHERWISE)
def test_each_key_of_the_section_reaches_the_link_and_changes_nothing_else(key: str) -> None:
    value, name = OTHERWISE[key]
    venue = VenueConfig(kind="perpex", network="local", perpex=PerpexConfig(**{key: value}))

    expected = msgspec.structs.replace(PerpexSettings(), **{name: value})
    assert expected == perpex_settings(venue)


def test_every_key_of_the_section_is_looked_at_here() -> None:
    assert {*OTHERWISE, *ELSEWHERE} == {*PerpexConfig.__struct_fields__}


def test_without_the_section_the_link_speaks_by_the_connector_s_own_settings() -> None:
    assert PerpexSettings() == perpex_settings(VenueConfig(kind="perpex", network="local"))


CONFIG = """
[venues.px]
kind = "perpex"
network = "local"
http_url = "http://127.0.0.1:9"
ws_url = "ws://127.0.0.1:9"

[accounts.{account}]
venue = "px"
token = "file:perpex.jwt"

[[strategies]]
name = "maker"
use = "market_maker"
account = "{account}"
symbols = ["BTC"]
"""


async def test_a_second_process_on_the_same_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    token = "header.of-a-token.signed"  # noqa: S105 - nobody's
    (tmp_path / "perpex.jwt").touch(mode=0o600)
    (tmp_path / "perpex.jwt").write_text(token, encoding="ascii")
    loaded = []
    for account in ("main", "other"):
        (tmp_path / f"{account}.toml").write_text(CONFIG.format(account=account), encoding="utf-8")
        loaded.append(load_config(tmp_path / f"{account}.toml"))
    async with open_venues(loaded[0], SystemClock(), SystemRandomness()):
        with pytest.raises(UsageError, match=r"account other on perpex .*another perpd") as caught:
            async with open_venues(loaded[1], SystemClock(), SystemRandomness()):
                raise AssertionError
        assert token not in str(caught.value)

    async with open_venues(loaded[1], SystemClock(), SystemRandomness()) as venues:
        assert ["px"] == [*venues.links]
