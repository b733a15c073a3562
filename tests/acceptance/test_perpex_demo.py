"""The Perpex demo as it is shipped, run as a daemon until all of it has traded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.simulated.server import LoopbackVenue
from engine.config import load_config
from engine.drive.daemon import Daemon
from engine.drive.recorded import replay_run
from engine.drive.seams import SystemClock, SystemRandomness
from engine.drive.venues import open_venues
from engine.model.units import Side
from tests.acceptance.daemon_parts import ROOT

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(120)]

WAIT_S = 80.0
EVERY_FILL = {
    (strategy, side) for strategy in ("trend", "quotes") for side in (Side.BUY, Side.SELL)
}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - of another's state, which tells nobody
            await asyncio.sleep(0.05)


def filled(daemon: Daemon) -> set[tuple[str, Side]]:
    """Which strategies have bought and sold."""
    return {(booking.owner, booking.fill.side) for booking in daemon.recorder.bookings}


async def both_faces(exchange: LoopbackVenue, address: str) -> tuple[list[Any], list[Any]]:
    """The position by Hyperliquid's face and by Perpex's, read between two equal readings."""
    token = exchange.perpex.issue_token(address, key="of the test")
    headers = {"Authorization": f"Bearer {token}"}
    asked = {"type": "clearinghouseState", "user": address}
    async with aiohttp.ClientSession() as session:

        async def native() -> list[Any]:
            async with session.post(f"{exchange.http_url}/info", json=asked) as answer:
                rows = (await answer.json())["assetPositions"]
            return [(row["position"]["coin"], row["position"]["szi"]) for row in rows]

        for _ in range(20):
            before = await native()
            async with session.get(
                f"{exchange.perpex.url}/api/v1/account", headers=headers
            ) as answer:
                rows = (await answer.json())["data"]["positions"]
            if before == await native():
                return before, [(row["symbol"], row["size"]) for row in rows]
    raise AssertionError("the position does not stand still")


async def test_both_strategies_of_the_demo_buy_and_sell_and_both_faces_show_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    loaded, randomness = load_config(ROOT / "configs/perpex_demo.toml"), SystemRandomness()
    async with open_venues(loaded, SystemClock(), randomness) as venues:
        assert venues.exchange is not None
        daemon = Daemon(loaded, venues, randomness=randomness, journal_dir=tmp_path / "journal")
        ending = asyncio.ensure_future(daemon.run())
        address = venues.addresses["main"].split()[0]
        try:
            await until(lambda: ending.done() or filled(daemon) == EVERY_FILL)
            meanwhile = await both_faces(venues.exchange, address)
        finally:
            daemon.stop("seen enough")
            finished = await ending
        at_end = await both_faces(venues.exchange, address)

    assert finished.fault is None
    assert EVERY_FILL == {(row.strategy, row.side) for row in finished.result.fills}
    assert meanwhile[0] == meanwhile[1]
    assert ([], []) == at_end
    assert finished.live["accounts"]["main"]["positions_agree"]
    assert replay_run(tmp_path / "journal").is_identical
