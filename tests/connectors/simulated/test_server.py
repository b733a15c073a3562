"""A whole venue, embedded and from the command line: how it starts, says where it is, and stops."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import msgspec
import pytest

from backtests.generator import generate_market, instrument
from backtests.tape import write_tape
from connectors.simulated.faults import Fault
from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import LIVELY, VenueSettings
from engine.cli.app import EXIT_USAGE, run
from engine.drive.seams import ManualClock
from engine.errors import ModelError
from engine.model.units import NS_PER_S
from tests.connectors.simulated.scripted import NOW_NS, serving, until

LOOPBACK = pytest.mark.allow_hosts(["127.0.0.1"])
ROOT = Path(__file__).resolve().parents[3]


@LOOPBACK
async def test_a_generated_venue_is_up_with_a_past_and_a_living_market() -> None:
    settings = VenueSettings(seed=5, coins=("BTC", "SOL"), market=LIVELY)
    async with LoopbackVenue(settings) as venue, aiohttp.ClientSession() as session:
        assert venue.http_url.startswith("http://127.0.0.1:")
        async with session.ws_connect(venue.ws_url) as ws:
            subscription = {"type": "trades", "coin": "BTC"}
            await ws.send_json({"method": "subscribe", "subscription": subscription})
            async with asyncio.timeout(20):
                frames = [await ws.receive_json() for _ in range(4)]
        body = {"type": "candleSnapshot", "req": {"coin": "SOL", "interval": "1m", "startTime": 0}}
        answer = await session.post(venue.http_url + "/info", json=body)
        candles = await answer.json()

    assert ["subscriptionResponse", "trades", "trades", "trades"] == [
        frame["channel"] for frame in frames
    ]
    assert 30 == len(frames[1]["data"])
    assert len(candles) >= 5


@LOOPBACK
async def test_the_clock_starts_where_it_is_asked_to() -> None:
    local = ManualClock(NOW_NS)
    async with LoopbackVenue(VenueSettings(start_before_hour_s=2.5), local) as before_hour:
        assert NOW_NS + int(12.5 * NS_PER_S) == before_hour.clock.now_ns()
    async with LoopbackVenue(VenueSettings(start_ns=NS_PER_S * 10**9), local) as anywhere:
        assert NS_PER_S * 10**9 == anywhere.clock.now_ns()


@LOOPBACK
async def test_a_tape_is_played_and_brings_its_own_time(tmp_path: Path) -> None:
    tape = tmp_path / "market.tape"
    write_tape(tape, generate_market(1, [instrument("DOGE")], 5))
    async with LoopbackVenue(VenueSettings(replay=tape)) as venue:
        assert ["DOGE"] == [one.coin for one in venue.core.universe]
        await until(lambda: venue.core.public["hl:DOGE"].trades)
    with pytest.raises(ModelError, match="brings its own time"):
        LoopbackVenue(VenueSettings(replay=tape, start_ns=NOW_NS))


@LOOPBACK
async def test_a_face_that_is_left_out_is_null_in_the_addresses() -> None:
    async with serving() as (venue, _):
        found = venue.addresses()

    assert {"hyperliquid", "ws", "perpex", "perpex_ws", "perpex_tokens"} <= found.keys()
    assert found["perpex"] is None


@LOOPBACK
async def test_a_port_that_is_taken_is_told_and_nothing_is_left_open() -> None:
    async with serving() as (venue, client):
        port = int(venue.http_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=str(port)):
            async with LoopbackVenue(VenueSettings(port=port, history_s=0)):
                pass
        assert "universe" in await client.info("meta")


@LOOPBACK
async def test_after_it_stopped_nobody_listens_and_requests_that_hang_are_over() -> None:
    async with serving() as (venue, client):
        venue.faults.http(Fault("hang_after"))
        hanging = asyncio.ensure_future(client.post("/info", {"type": "meta"}))
        await until(lambda: venue.faults.used)
        url = venue.http_url
    assert isinstance((await asyncio.gather(hanging, return_exceptions=True))[0], Exception)
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        assert 0 != probe.connect_ex((host, int(port)))


@LOOPBACK
async def test_a_market_that_breaks_is_not_passed_over() -> None:
    with pytest.raises(RuntimeError, match="broken"):  # noqa: PT012 - raised at the end
        async with serving() as (venue, _):

            def broken(_rows: object) -> None:
                raise RuntimeError("broken")

            playing = LoopbackVenue(VenueSettings(history_s=0))
            playing.player._play = broken  # noqa: SLF001 - what only a bug would do
            venue.faults.clear()
            async with playing:
                await playing.wait()


# -- the command -----------------------------------------------------------------------------------


@LOOPBACK
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_says_where_it_is_serves_and_stops_on_a_signal(
    number: signal.Signals,
) -> None:
    options = [
        "--coin",
        "BTC",
        "--balance",
        "2500.5",
        "--volume",
        "7",
        "--start-before-hour-s",
        "9",
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from engine.cli import main; main()",
        "venue",
        *options,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            first = msgspec.json.decode(await process.stdout.readline())
            async with aiohttp.ClientSession() as session:
                user = "0x" + "1" * 40
                answers = []
                for kind in ("clearinghouseState", "userRateLimit"):
                    body = {"type": kind, "user": user}
                    answer = await session.post(first["hyperliquid"] + "/info", json=body)
                    answers.append(await answer.json())
            process.send_signal(number)
            rest, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert {"hyperliquid", "ws", "perpex", "perpex_ws", "perpex_tokens"} <= first.keys()
    assert first["ws"].replace("ws://", "http://") == first["hyperliquid"] + "/ws"
    assert ("2500.5", "7.0") == (answers[0]["marginSummary"]["accountValue"], answers[1]["cumVlm"])
    assert (0, b"") == (process.returncode, rest)
    assert b"stopped" in errors.splitlines()[-1]
    assert b"Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--coin", "BTC", "--coin", "BTC"], "each coin once"),
        (["--replay", "no/such/tape"], "no/such/tape"),
        (["--replay", "x", "--start-before-hour-s", "5"], "brings its own time"),
        (["--balance", "-5"], "expected an amount in USD"),
        (["--balance", "much"], "expected an amount in USD"),
        (["--port", "70000"], "70000"),
        (["--activity", "frantic"], "frantic"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert EXIT_USAGE == run(["venue", *options])
    told = capsys.readouterr()
    assert "" == told.out
    assert 1 == len(told.err.splitlines())
    assert said in told.err


def test_the_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    run(["venue", "--help"])
    text = capsys.readouterr().out

    assert "perpd venue --port 8000" in text
    assert "127.0.0.1" in text
