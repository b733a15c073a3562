"""What a link to Hyperliquid is set up with: where the venue is, and every time and bound.

Protocol 0.2 (addresses) and 6 (limits). The loopback exchange counts as testnet in signing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from connectors.freshness import FreshnessSettings
from connectors.stream import Backoff
from engine.errors import ConfigError

PING: Final = '{"method":"ping"}'


class Place(msgspec.Struct, frozen=True):
    """Where the venue is: HTTP base, WebSocket address, and whose signatures it takes."""

    http_url: str
    ws_url: str
    is_mainnet: bool = False


PLACES: Final = {
    "mainnet": Place("https://api.hyperliquid.xyz", "wss://api.hyperliquid.xyz/ws", True),  # noqa: FBT003
    "testnet": Place("https://api.hyperliquid-testnet.xyz", "wss://api.hyperliquid-testnet.xyz/ws"),
}


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times and bounds. Names end in their unit.

    `expires_after_ms` is how long the venue may take to accept what adds risk, in its own time;
    `expired_margin_ms` how much later it is taken as expired for certain. `weight_max` of IP weight
    a minute is what everything may use, requests that only read less `weight_reserve` of it;
    `crowded_pause_s` is how long they rest after a 429.
    """

    expires_after_ms: int = 5_000
    expired_margin_ms: int = 1_000
    action_timeout_s: float = 10.0
    info_timeout_s: float = 5.0
    ack_timeout_s: float = 10.0
    silent_s_max: float = 35.0
    ping_every_s: float = 20.0
    stream_backoff: Backoff = Backoff(0.25, 15.0)
    settle_backoff: Backoff = Backoff(0.25, 10.0, 0.5)
    settling_max: int = 8
    weight_max: int = 1_200
    weight_reserve: int = 400
    crowded_pause_s: float = 5.0
    dials_per_minute: int = 25
    messages_per_minute: int = 1_800
    overlap_ms: int = 60_000
    in_flight_max: int = 256
    freshness: FreshnessSettings = FreshnessSettings()


def place_of(network: str, http_url: str = "", ws_url: str = "") -> Place:
    """Where a network is; an explicit address takes the place of the known one.

    Raises ConfigError for a network that is not known and has no address.
    """
    known = PLACES.get(network)
    if http_url:
        base = http_url.rstrip("/")
        socket = ws_url or base.replace("http", "ws", 1) + "/ws"
        return Place(base, socket, is_mainnet=network == "mainnet")
    if known is None:
        raise ConfigError(
            f"network {network!r}: expected one of {', '.join(PLACES)}, or an http_url"
        )
    return known
