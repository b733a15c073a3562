"""The configs that trade through Perpex, as they are shipped, as daemons until all has traded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.simulated.server import LoopbackVenue
from engine.config import load_config
from engine.drive.daemon import Daemon, Finished
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


@asynccontextmanager
async def ready(
    config: str, folder: Path
) -> AsyncIterator[tuple[Daemon, LoopbackVenue, dict[str, str]]]:
    """A shipped config's daemon, not begun yet, its exchange, and its accounts' addresses."""
    loaded, randomness = load_config(ROOT / "configs" / config), SystemRandomness()
    async with open_venues(loaded, SystemClock(), randomness) as venues:
        assert venues.exchange is not None
        daemon = Daemon(loaded, venues, randomness=randomness, journal_dir=folder / "journal")
        addresses = {name: text.split()[0] for name, text in venues.addresses.items()}
        yield daemon, venues.exchange, addresses


@asynccontextmanager
async def running(
    daemon: Daemon, holds: Callable[[], bool]
) -> AsyncIterator[asyncio.Task[Finished]]:
    """A daemon that runs until something holds; once this is left, its task has ended."""
    ending = asyncio.ensure_future(daemon.run())
    try:
        await until(lambda: ending.done() or holds())
        assert not ending.done()
        yield ending
    finally:
        daemon.stop("seen enough")
        await ending


async def test_both_strategies_of_the_demo_buy_and_sell_and_both_faces_show_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with ready("perpex_demo.toml", tmp_path) as (daemon, exchange, addresses):
        async with running(daemon, lambda: filled(daemon) == EVERY_FILL) as ending:
            meanwhile = await both_faces(exchange, addresses["main"])
        finished = ending.result()
        at_end = await both_faces(exchange, addresses["main"])

    assert finished.fault is None
    assert EVERY_FILL == {(row.strategy, row.side) for row in finished.result.fills}
    assert meanwhile[0] == meanwhile[1]
    assert ([], []) == at_end
    assert finished.live["accounts"]["main"]["positions_agree"]
    assert replay_run(tmp_path / "journal").is_identical


def hedged(daemon: Daemon) -> bool:
    """Whether what the quotes bought or sold is open, and all of it hedged at the other venue."""
    if daemon.driver is None:
        return False
    accounts = daemon.driver.engine.accounts
    made = accounts["maker"].position("px:BTC").lots
    return made != 0 and made == -accounts["hedger"].position("hl:BTC").lots


async def test_what_the_quotes_on_perpex_trade_is_hedged_on_hyperliquid_and_closed_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with ready("quote_and_hedge.toml", tmp_path) as (daemon, exchange, addresses):
        async with running(daemon, lambda: hedged(daemon)) as ending:
            pass
        finished = ending.result()
        at_end = [await both_faces(exchange, addresses[name]) for name in ("maker", "hedger")]

    assert finished.fault is None
    assert {"px:BTC", "hl:BTC"} == {row.instrument for row in finished.result.fills}
    assert [([], []), ([], [])] == at_end
    assert all(one["positions_agree"] for one in finished.live["accounts"].values())
    assert replay_run(tmp_path / "journal").is_identical
