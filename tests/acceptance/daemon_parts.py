"""What daemon tests share: plugin strategies, configs, `perpd run` as a process, its journal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from connectors.hyperliquid.keys import Signer
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import LIVELY, Cadences, Limits, VenueSettings
from engine.config.secret import Secret
from engine.journal import JournalReader
from engine.journal.reader import Record, SentRecord
from engine.model.commands import Outgoing, Place

ROOT = Path(__file__).resolve().parents[2]
MAIN = "from engine.cli import main; main()"
WAIT_S = 20.0

KEY_NAME = "PERPD_TEST_KEY"
KEY = "0x" + "5e" * 32
ADDRESS = Signer(Secret(KEY)).address

QUICK = VenueSettings(
    market=LIVELY,
    history_s=10.0,
    cadences=Cadences(fast_book_s=0.1, context_s=0.1),
    limits=Limits(ip_weight_per_min=1_000_000),
)

STRATEGIES = '''
from engine.model.events import OrderEvent, OrderFilled
from engine.model.units import Side
from strategies.api import Books, Intents, Params, Strategy, Subscription, Trades


class Steady(Strategy):
    """Five times a second buys a little of every coin, and gives a part of it back."""

    def subscriptions(self) -> list[Subscription]:
        return [Books(), Trades()]

    def on_start(self) -> Intents:
        return [*self._take(Side.BUY, 2_000.0), self._next()]

    def on_timer(self, name: str) -> Intents:
        return [*self._take(Side.BUY, 20.0), *self._take(Side.SELL, 15.0), self._next()]

    def _take(self, side, notional):
        is_sell = side is Side.SELL
        for where in self.instruments:
            sz = notional / self.view.mark_px(where)
            yield self.market(where, side, sz, reduce_only=is_sell)

    def _next(self):
        return self.wake_at("turn", self.view.now_ns + 200_000_000)


class Holder(Strategy):
    """Buys once, rests a bid far below and a stop farther below, and may raise then."""

    class Params(Params, frozen=True):
        raises: bool = False

    def subscriptions(self) -> list[Subscription]:
        return [Books()]

    def on_start(self) -> Intents:
        self.is_placed = False
        (where,) = self.instruments
        return [self.market(where, Side.BUY, 1_000.0 / self.view.mark_px(where))]

    def on_fill(self, fill: OrderFilled) -> Intents:
        if self.is_placed:
            return None
        self.is_placed = True
        (where,) = self.instruments
        px, sz = self.view.mark_px(where), self.view.position(where).sz
        return [
            self.limit(where, Side.BUY, px * 0.9, sz),
            self.stop_loss(where, Side.SELL, sz, px * 0.85),
            self.wake_at("later", self.view.now_ns + 500_000_000),
        ]

    def on_timer(self, name: str) -> Intents:
        if self.params.raises:
            raise ValueError("a mistake of the strategy")
        return None
'''

VENUE = """
[venues.hl]
kind = "hyperliquid"
network = "local"
http_url = "{url}"

[accounts.main]
venue = "hl"
key = "env:PERPD_TEST_KEY"
"""

STEADY = """
[[strategies]]
name = "steady"
use = "./mine.py:Steady"
account = "main"
symbols = ["BTC", "ETH"]
on_stop = "flatten"
"""

HOLDER = """
[[strategies]]
name = "holder"
use = "./mine.py:Holder"
account = "main"
symbols = ["BTC"]
"""

LOCAL = """
[venues.hl]
kind = "hyperliquid"
network = "local"

[venues.hl.local]
activity = "lively"

[accounts.main]
venue = "hl"
"""

BUNDLED = """
[[strategies]]
name = "quotes"
use = "market_maker"
account = "main"
symbols = ["BTC"]
params = { notional = 1_000.0, max_position = 5_000.0, half_spread_bps = 0.3, requote_bps = 0.2 }
on_stop = "flatten"

[backtest]
data = "market.tape"
"""

BOTH = """
[venues.px]
kind = "perpex"
network = "local"

[venues.px.local]
activity = "lively"

[accounts.other]
venue = "px"

[[strategies]]
name = "first"
use = "./mine.py:Steady"
account = "main"
symbols = ["BTC"]

[[strategies]]
name = "second"
use = "./mine.py:Steady"
account = "other"
symbols = ["BTC"]
"""


def write(folder: Path, *parts: str, url: str = "") -> Path:
    """The config of these parts, with the strategies beside it."""
    (folder / "mine.py").write_text(STRATEGIES, encoding="utf-8")
    config = folder / "run.toml"
    config.write_text("".join(parts).replace("{url}", url), encoding="utf-8")
    return config


class Ended(NamedTuple):
    """A daemon's process that has ended."""

    code: int | None
    out: str
    err: str

    @property
    def last_words(self) -> list[str]:
        """What the command itself said, apart from status and logs."""
        return [line for line in self.err.splitlines() if line.startswith("perpd:")]


class Process:
    """`perpd run` as a process; the key is in its environment."""

    def __init__(self, folder: Path, key: str = KEY) -> None:
        self._folder = folder
        self._key = key
        self._process: asyncio.subprocess.Process

    async def start(self, *options: str) -> None:
        env = os.environ | {KEY_NAME: self._key, "XDG_STATE_HOME": str(self._folder)}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MAIN, "run", str(self._folder / "run.toml"), *options,
            cwd=ROOT, env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds; fail with what was said when the process ends before."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                if self._process.returncode is not None:
                    raise AssertionError((await self.ended()).err)
                await asyncio.sleep(0.01)

    async def ended(self) -> Ended:
        """Wait for its end."""
        try:
            out, err = await asyncio.wait_for(self._process.communicate(), WAIT_S)
        except TimeoutError:
            self._process.kill()
            raise
        return Ended(self._process.returncode, out.decode(), err.decode())


def account_of(venue: LoopbackVenue) -> VenueAccount | None:
    """The traded account as the venue has it; None before it was first seen."""
    return venue.core.accounts.get(ADDRESS)


def held_lots(venue: LoopbackVenue, where: str = "hl:BTC") -> int:
    """The position the venue holds for the traded account."""
    return venue.core.exchange.position(ADDRESS, where)[0]


def records(folder: Path) -> list[Record]:
    """Everything in the journal of a run."""
    return [*JournalReader(folder / "journal")]


def placed(of: list[Record]) -> dict[str, tuple[Place, Outgoing]]:
    """Every order that was sent, by cloid, with what it was sent in."""
    return {
        command.cloid: (command, record.outgoing)
        for record in of
        if isinstance(record, SentRecord)
        for command in record.outgoing.batch.commands
        if isinstance(command, Place)
    }
