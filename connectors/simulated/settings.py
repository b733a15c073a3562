"""What a loopback venue is like. The defaults are those of `perpd venue`.

Limits are the venue's own (protocol 6); a test that needs room or speed changes them here and
nowhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from backtests.generator import Settings
from backtests.models.fees import FeeModel, StaticFees
from connectors.simulated.perpex.settings import PerpexFaceSettings
from engine.errors import ModelError
from engine.model.units import MONEY_SCALE

HOST: Final = "127.0.0.1"

USUAL: Final = Settings()
# A market in which half a minute is enough for a strategy to trade on both sides.
LIVELY: Final = Settings(
    book_rate_hz=10.0,
    orders_per_s=2.0,
    volatility=2.5,
    order_notional=8_000.0,
    level_notional=20_000.0,
)
ACTIVITIES: Final = {"usual": USUAL, "lively": LIVELY}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's limits of protocol 6. Times in seconds."""

    ip_weight_per_min: int = 1200
    ws_connections: int = 10
    ws_connections_per_min: int = 30
    ws_subscriptions: int = 1000
    ws_users: int = 10
    ws_messages_per_min: int = 2000
    ws_posts_in_flight: int = 100
    ws_silence_s: float = 60.0
    address_requests: int = 10_000
    address_wait_s: float = 10.0
    action_weight: int = 200


class Cadences(msgspec.Struct, frozen=True, kw_only=True):
    """How often the channels that have a clock of their own speak, in seconds (protocol 5.2)."""

    book_s: float = 5.0
    fast_book_s: float = 0.5
    context_s: float = 1.0
    account_s: float = 1.0
    tick_s: float = 0.01


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a loopback venue is set up.

    `port` 0 picks a free one; `perpex_port` None leaves the Perpex face out, `perpex` is what it is
    like. `coins` and `market` describe a generated market, `replay` a tape that is played instead.
    `history_s` seconds of the generated market lie before the start, so that candles and trades are
    there to be read.
    `start_before_hour_s` None leaves the clock as it is, unless `start_ns` says what it shows
    first.

    Whoever signs owns an account of `balance_e8`, opened at first sight, up to `accounts_max` of
    them. With `strict` an unknown signer is refused instead, and numbers must be signed in the
    form the venue hashes: for tests of our own signatures. `order_delay_s` is what an action takes
    to arrive. A stop that waits is answered with its order id, or, with `says_waiting_for_trigger`,
    with the bare word: both are seen in the wild.
    """

    port: int = 0
    perpex_port: int | None = None
    seed: int = 1
    coins: tuple[str, ...] = ("BTC", "ETH")
    market: Settings = USUAL
    history_s: float = 300.0
    replay: Path | None = None
    balance_e8: int = 100_000 * MONEY_SCALE
    volume_e8: int = 0
    start_before_hour_s: float | None = None
    start_ns: int | None = None
    strict: bool = False
    accounts_max: int = 1_000
    order_delay_s: float = 0.0
    says_waiting_for_trigger: bool = False
    fees: FeeModel = StaticFees()
    limits: Limits = Limits()
    cadences: Cadences = Cadences()
    perpex: PerpexFaceSettings = PerpexFaceSettings()

    def __post_init__(self) -> None:
        if not self.coins or len(set(self.coins)) != len(self.coins):
            raise ModelError(f"coins are {', '.join(self.coins) or 'none'}, expected each once")
        for name in ("balance_e8", "volume_e8", "history_s", "order_delay_s"):
            if getattr(self, name) < 0:
                raise ModelError(f"{name} is {getattr(self, name)}, expected 0 or more")
