"""A daemon is killed with orders resting and in flight; the next one doubles and loses nothing.

The daemon is a process of its own, ended by SIGKILL. The venue is the loopback exchange in this
process, so that its own books are there to be compared with.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connectors.hyperliquid.keys import Signer
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.faults import Fault, Kind
from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import LIVELY, VenueSettings
from engine.config.secret import Secret
from engine.journal import JournalReader
from engine.journal.reader import EventRecord, SentRecord
from engine.model.commands import ModifyOrder, Place
from engine.model.events import OrderFilled

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(90)]

ROOT = Path(__file__).resolve().parents[2]
KEY = "0x" + "17" * 32
WAIT_S = 30.0
MAIN = "from engine.cli import main; main()"

PERPEX = """
[venues.hl]
kind = "perpex"
network = "local"
http_url = "{url}"
ws_url = "{ws_url}"

[venues.hl.perpex]
leverage = "assume"
reference_url = "{reference_url}"

[accounts.main]
venue = "hl"
token = "env:PERPD_TEST_KEY"

[risk]
position_notional_max = 20_000.0

[[strategies]]
name = "quotes"
use = "market_maker"
account = "main"
symbols = ["BTC"]
params = {{ notional = 1e3, max_position = 5e3, half_spread_bps = 0.3, interval_ms = 2_000 }}
on_stop = "cancel_all"
"""

CONFIG = """
[venues.hl]
kind = "hyperliquid"
network = "local"
http_url = "{url}"

[accounts.main]
venue = "hl"
key = "env:PERPD_TEST_KEY"

[risk]
position_notional_max = 20_000.0

[[strategies]]
name = "quotes"
use = "market_maker"
account = "main"
symbols = ["BTC"]
params = {{ notional = 1_000.0, max_position = 5_000.0, half_spread_bps = 0.3, requote_bps = 0.2 }}
on_stop = "cancel_all"
"""


class Daemon:
    """`perpd run` as a process."""

    def __init__(self, folder: Path, secret: str = KEY) -> None:
        self._folder = folder
        self._secret = secret
        self.process: asyncio.subprocess.Process

    async def start(self, *options: str) -> None:
        env = os.environ | {"PERPD_TEST_KEY": self._secret, "XDG_STATE_HOME": str(self._folder)}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MAIN, "run", str(self._folder / "run.toml"), *options,
            cwd=ROOT, env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def end(self) -> tuple[dict[str, Any], str]:
        """What it printed: the summary, and the log."""
        out, err = await asyncio.wait_for(self.process.communicate(), WAIT_S)
        assert 0 == self.process.returncode, err.decode()
        summary: dict[str, Any] = json.loads(out)
        return summary, err.decode()


async def until(predicate: Callable[[], object], daemon: Daemon) -> None:
    async with asyncio.timeout(WAIT_S):
        while not predicate():
            if daemon.process.returncode is not None:
                assert daemon.process.stderr is not None
                raise AssertionError((await daemon.process.stderr.read()).decode())
            await asyncio.sleep(0.01)


def account_of(venue: LoopbackVenue) -> VenueAccount | None:
    return venue.core.accounts.get(Signer(Secret(KEY)).address)


class Journaled(NamedTuple):
    """What a journal says: cloids placed, how often each was placed or moved, and the fills.

    `fills` are known by (venue ms, trade id); `lots` is their signed sum.
    """

    placed: list[str]
    sent: Counter[str]
    fills: set[tuple[int, int]]
    lots: int


def journaled(folder: Path) -> Journaled:
    placed: list[str] = []
    sent: Counter[str] = Counter()
    fills: dict[tuple[int, int], int] = {}
    for record in JournalReader(folder / "journal"):
        if isinstance(record, SentRecord):
            for command in record.outgoing.batch.commands:
                if isinstance(command, Place):
                    placed.append(command.cloid)
                if isinstance(command, Place | ModifyOrder):
                    sent[command.cloid] += 1
        elif isinstance(record, EventRecord) and isinstance(record.event, OrderFilled):
            fill = record.event
            key = fill.ts_venue_ns // 1_000_000, fill.trade_id
            assert key not in fills
            fills[key] = int(fill.side) * fill.sz_lots
    return Journaled(placed, sent, set(fills), sum(fills.values()))


def held_lots(account: VenueAccount, venue: LoopbackVenue) -> int:
    return venue.core.exchange.position(account.name, "hl:BTC")[0]


CASES: list[tuple[Kind, str]] = [
    ("hang_after", "order"),
    ("hang_before", "order"),
    ("hang_after", "batchModify"),
    ("hang_before", "batchModify"),
]


@pytest.mark.parametrize(("kind", "action"), CASES)
async def test_a_killed_daemon_is_taken_up_without_an_order_doubled_or_lost(
    kind: Kind, action: str, tmp_path: Path
) -> None:
    async with LoopbackVenue(VenueSettings(coins=("BTC",), market=LIVELY, history_s=20)) as venue:
        (tmp_path / "run.toml").write_text(CONFIG.format(url=venue.http_url), encoding="utf-8")
        daemon = Daemon(tmp_path)
        await daemon.start("--for", "60s")
        await until(lambda: (found := account_of(venue)) and found.history.fills, daemon)
        account = account_of(venue)
        assert account is not None

        # The next one's fate is known to the venue alone when the daemon dies.
        venue.faults.http(Fault(kind, path="/exchange", action=action))
        await until(lambda: venue.faults.used, daemon)
        await daemon.kill()
        assert journaled(tmp_path).placed
        fills_before = len(account.history.fills)

        # Meanwhile the market goes on, and what rests is filled.
        await until_market(lambda: len(account.history.fills) > fills_before)
        venue.faults.clear()
        await daemon.start("--for", "3s", "--json", "-v")
        summary, story = await daemon.end()
        venue.faults.release_hung()

        known = journaled(tmp_path)
        facts = summary["live"]["accounts"]["main"]
        at_venue = Counter(record.new.cloid for record in account.orders.values())

        assert len(set(known.placed)) == len(known.placed), "an order was signed twice"
        assert at_venue <= known.sent, "the venue has an order more often than it was sent"
        assert {(row.time_ms, row.tid) for row in account.history.fills} == known.fills
        assert known.lots == held_lots(account, venue)
        assert [] == [record for record in account.orders.values() if record.is_live]
        assert (True, 0.0) == (facts["positions_agree"], facts["cash_gap"])
        for word in ("settling", "settled", "trading", "stopping"):
            assert word in story


@pytest.mark.parametrize("fault", [None, Fault("hang_after", action="POST orders")])
async def test_a_killed_daemon_on_perpex_is_taken_up_without_an_order_doubled_or_lost(
    fault: Fault | None, tmp_path: Path
) -> None:
    settings = VenueSettings(coins=("BTC",), market=LIVELY, history_s=20, perpex_port=0)
    async with LoopbackVenue(settings) as venue:
        address = Signer(Secret(KEY)).address
        config = PERPEX.format(
            url=venue.perpex.url, ws_url=venue.perpex.ws_url, reference_url=venue.http_url
        )
        (tmp_path / "run.toml").write_text(config, encoding="utf-8")
        daemon = Daemon(tmp_path, venue.perpex.issue_token(address))
        await daemon.start("--for", "60s")
        await until(lambda: (found := account_of(venue)) and found.history.fills, daemon)
        account = account_of(venue)
        assert account is not None
        if fault is not None:
            venue.faults.http(fault)
            await until(lambda: venue.faults.used, daemon)
        else:
            await until(lambda: [one for one in account.orders.values() if one.is_live], daemon)
        await daemon.kill()
        fills_before = len(account.history.fills)
        await until_market(lambda: len(account.history.fills) > fills_before)
        await daemon.start("--for", "5s", "--json", "-v")
        summary, _ = await daemon.end()
        venue.faults.release_hung()

        known = journaled(tmp_path)
        facts = summary["live"]["accounts"]["main"]
        at_venue = Counter(record.new.cloid for record in account.orders.values())

        assert len(set(known.placed)) == len(known.placed), "an order was signed twice"
        assert 1 == max(at_venue.values()), "the venue has a client id twice"
        assert len(account.history.fills) == len(known.fills)
        assert known.lots == held_lots(account, venue)
        assert [] == [record for record in account.orders.values() if record.is_live]
        assert (True, 0.0) == (facts["positions_agree"], facts["cash_gap"])


async def until_market(predicate: Callable[[], object]) -> None:
    """Wait for the market, up to a few seconds: it may leave our orders alone."""
    for _ in range(300):
        if predicate():
            return
        await asyncio.sleep(0.01)


async def test_a_second_daemon_on_the_same_account_is_refused(tmp_path: Path) -> None:
    async with LoopbackVenue(VenueSettings(coins=("BTC",), history_s=5)) as venue:
        (tmp_path / "run.toml").write_text(CONFIG.format(url=venue.http_url), encoding="utf-8")
        first, second = Daemon(tmp_path), Daemon(tmp_path)
        await first.start("--for", "60s")
        await until(lambda: account_of(venue), first)
        await second.start("--for", "1s", "--journal", str(tmp_path / "other"))
        _, err = await asyncio.wait_for(second.process.communicate(), WAIT_S)
        first.process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(first.process.communicate(), WAIT_S)

        assert 2 == second.process.returncode
        assert "is traded by another perpd" in err.decode()
        assert 0 == first.process.returncode
        assert "positions agree" in out.decode()
