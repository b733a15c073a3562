"""What a config says of the Perpex gateway is how its link speaks to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.perpex.mapping.settings import PerpexSettings
from engine.config import VenueConfig
from engine.config.schema import PerpexConfig
from engine.drive.venues.perpex import perpex_settings

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
