"""A daemon on the loopback gateway goes on when its token ends, if another is where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import LIVELY, VenueSettings
from engine.config import load_config
from engine.drive.daemon import Daemon
from engine.drive.seams import SystemClock, SystemRandomness
from engine.drive.venues import open_venues
from engine.journal.reader import EventRecord
from engine.model.events import StreamChanged
from tests.acceptance.daemon_parts import WAIT_S, records

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

ADDRESS = "0x" + "a1" * 20
# More than the 5 s after which a file is read again, and less than the 60 s before an end.
LIFE_S = 8.0

STRATEGY = '''
from engine.model.units import Side
from strategies.api import Books, Intents, Strategy, Subscription, Timer


class Patient(Strategy):
    """Buys a little every second."""

    def subscriptions(self) -> list[Subscription]:
        return [Books(), Timer("turn", "1s")]

    def on_timer(self, name: str) -> Intents:
        (where,) = self.instruments
        return [self.market(where, Side.BUY, 20.0 / self.view.mark_px(where))]
'''

CONFIG = """
[venues.px]
kind = "perpex"
network = "local"
http_url = "{http}"
ws_url = "{ws}"

[venues.px.perpex]
leverage = "assume"
reference_url = "{reference}"

[accounts.main]
venue = "px"
token = "file:perpex.jwt"

[daemon]
journal = "journal"

[[strategies]]
name = "patient"
use = "./mine.py:Patient"
account = "main"
symbols = ["BTC"]
"""


def put_token(folder: Path, token: str) -> None:
    """Replace the token as an operator is told to: written beside it, and renamed."""
    new = folder / "new.jwt"
    new.touch(mode=0o600)
    new.write_text(token, encoding="ascii")
    new.replace(folder / "perpex.jwt")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - of another's state, which tells nobody
            await asyncio.sleep(0.02)


async def test_replacing_the_token_s_file_renews_it_before_its_end_and_trading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "mine.py").write_text(STRATEGY, encoding="utf-8")
    async with LoopbackVenue(VenueSettings(market=LIVELY, perpex_port=0)) as venue:
        face = venue.perpex
        config = CONFIG.format(http=face.url, ws=face.ws_url, reference=venue.http_url)
        (tmp_path / "run.toml").write_text(config, encoding="utf-8")
        put_token(tmp_path, face.issue_token(ADDRESS, ttl_s=LIFE_S))
        first_ends = asyncio.get_running_loop().time() + LIFE_S
        account = venue.core.accounts[ADDRESS]
        loaded, randomness = load_config(tmp_path / "run.toml"), SystemRandomness()
        async with open_venues(loaded, SystemClock(), randomness) as venues:
            daemon = Daemon(loaded, venues, randomness=randomness)
            ending = asyncio.ensure_future(daemon.run())
            await until(lambda: account.history.fills or ending.done())
            put_token(tmp_path, face.issue_token(ADDRESS, ttl_s=3_600.0))
            await asyncio.sleep(first_ends + 0.5 - asyncio.get_running_loop().time())
            before = len(account.history.fills)
            await until(lambda: len(account.history.fills) > before + 1 or ending.done())
            daemon.stop("seen enough")
            finished = await ending
        fills = len(account.history.fills)

    assert finished.fault is None
    assert before + 1 < fills
    assert {"positions_agree": True}.items() <= finished.live["accounts"]["main"].items()
    said = [
        (record.event.stream, str(record.event.phase))
        for record in records(tmp_path)
        if isinstance(record, EventRecord)
        and isinstance(record.event, StreamChanged)
        and record.event.account
    ]
    assert [] == said, "the account was never stale"
