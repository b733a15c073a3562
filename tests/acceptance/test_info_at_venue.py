"""Every info request through `perpd info` at a running `perpd venue`, as JSON and as tables.

The venue is a process of its own, found by its first line; the account that is asked about holds
positions, orders, fills, funding and an agent, all made by signed actions before the full hour.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from connectors.hyperliquid.actions import (
    LIMITS,
    Action,
    OrderAction,
    OrderWire,
    UpdateLeverageAction,
)
from connectors.hyperliquid.envelope import sealed
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.requests import REQUESTS, encode
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.user_actions import CHAIN_ID, user_digest
from connectors.web import AiohttpHttp
from engine.cli.app import run
from engine.config.secret import Secret
from engine.model.units import Tif
from tests.connectors.hyperliquid.info.examples import OWNERS_PAGE, PAGE, Json, page_examples

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

ROOT = Path(__file__).resolve().parents[2]
MAIN = "from engine.cli import main; main()"
WAIT_S = 20.0
BEFORE_HOUR_S = 4

SIGNER = Signer(Secret("0x" + "2b" * 32))
AGENT = Signer(Secret("0x" + "2c" * 32))
CLOID = "0x" + f"{77:032x}"

# This venue has no builder dex, no coin at its cap, and nobody's spot balances.
NOTHING_TO_SAY = {"perpsAtOpenInterestCap", "perpDexLimits"}


class Place(NamedTuple):
    """Where the venue is, by its first line, and when its account was opened (venue ms)."""

    url: str
    start_ms: int


class Acting:
    """Signs and sends actions as the account."""

    def __init__(self, http: AiohttpHttp) -> None:
        self._http = http
        self._nonce = time.time_ns() // 1_000_000

    async def act(self, action: Action) -> Json:
        self._nonce += 1
        return await self._post(sealed(action, self._nonce, SIGNER, is_mainnet=False))

    async def order(self, asset: int, px: str, sz: str, tif: Tif, cloid: str = "") -> Json:
        wire = OrderWire(
            asset, True, px, sz, False, LIMITS[tif], cloid or msgspec.UNSET  # noqa: FBT003
        )  # fmt: skip
        answer = await self.act(OrderAction((wire,)))
        return answer["response"]["data"]["statuses"][0]

    async def approve(self, agent: str, name: str) -> Json:
        self._nonce += 1
        action: dict[str, Json] = {
            "type": "approveAgent",
            "hyperliquidChain": "Testnet",
            "signatureChainId": CHAIN_ID,
            "agentAddress": agent,
            "agentName": name,
            "nonce": self._nonce,
        }
        signature = SIGNER.sign(user_digest(action))
        sent = {"action": action, "nonce": self._nonce, "signature": signature}
        return await self._post(msgspec.json.encode(sent))

    async def _post(self, body: bytes) -> Json:
        headers = {"Content-Type": "application/json"}
        reply = await self._http.request("POST", "/exchange", body=body, headers=headers)
        answer = msgspec.json.decode(reply.body)
        assert "ok" == answer["status"], answer
        return answer


async def make_history(url: str) -> int:
    """Trade, let the hour strike, and give the venue's time before all that."""
    http = AiohttpHttp(url)
    info, acting = InfoClient(http), Acting(http)
    try:
        start_ms = (await info.exchange_status()).time_ms
        mids = await info.all_mids()
        await acting.act(UpdateLeverageAction(1, False, 5))  # noqa: FBT003 - isolated
        for asset, coin, sz in ((0, "BTC", "0.02"), (1, "ETH", "0.5")):
            taken = await acting.order(asset, f"{float(mids[coin]) * 1.02:.0f}", sz, Tif.IOC)
            assert sz == taken["filled"]["totalSz"]
        px = f"{float(mids['BTC']) * 0.9:.0f}"
        assert "resting" in await acting.order(0, px, "0.01", Tif.ALO, CLOID)
        await acting.approve(AGENT.address, "bot")
        async with asyncio.timeout(WAIT_S):
            while not await info.user_funding(SIGNER.address, start_ms):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await http.aclose()
    return start_ms


@pytest.fixture(scope="module")
def venue() -> Iterator[Place]:
    command = [sys.executable, "-c", MAIN, "venue", "--activity", "lively"]
    command += ["--start-before-hour-s", str(BEFORE_HOUR_S), "--ip-weight", "1000000"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        first = json.loads(process.stdout.readline())
        yield Place(first["hyperliquid"], asyncio.run(make_history(first["hyperliquid"])))
    finally:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=WAIT_S)
    assert (0, "") == (process.returncode, out)
    assert "Traceback" not in errors


def command_line(name: str, place: Place) -> list[str]:
    """What a type needs, about this account and this venue."""
    args = {
        "user": ["--user", SIGNER.address],
        "coin": ["--coin", "BTC"],
        "dex": ["--dex", "xyz" if name == "perpDexLimits" else ""],
        "oid": ["--oid", CLOID],
        "interval": ["--interval", "1m"],
        "startTime": ["--start", str(place.start_ms - 600_000)],
        "endTime": ["--end", str(place.start_ms + 600_000)],
    }
    request = REQUESTS[name]
    known = [key for key in (*request.needs, *request.takes) if key in args]
    return ["info", name, *(word for key in known for word in args[key]), "--url", place.url]


def asked(name: str, place: Place, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What `perpd info` printed; nothing else, and no complaint."""
    assert 0 == run([*command_line(name, place), *more])
    captured = capsys.readouterr()
    assert "" == captured.err
    return captured.out


def test_the_requests_of_the_owners_page_are_the_first_of_the_table() -> None:
    assert OWNERS_PAGE == tuple(REQUESTS)[: len(OWNERS_PAGE)]


def test_they_are_all_that_the_owners_page_has(shared_dir: Path) -> None:
    page = (shared_dir / "seeds" / PAGE).read_text(encoding="utf-8")

    assert set(OWNERS_PAGE) == {name for name, _ in page_examples(page)}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_is_answered_and_decodes_again(
    name: str, venue: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = asked(name, venue, capsys, "--json")

    answer = REQUESTS[name].decode(shown.encode())
    assert json.loads(shown) == json.loads(encode(answer))
    if name not in NOTHING_TO_SAY:
        assert answer


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_is_shown_as_a_table(
    name: str, venue: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = asked(name, venue, capsys)

    assert shown.startswith(name)
    assert ("nothing" in shown) is (name in NOTHING_TO_SAY)


def test_the_account_is_shown_with_what_it_did(
    venue: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(name: str) -> Json:
        return json.loads(asked(name, venue, capsys, "--json"))

    state = said("clearinghouseState")
    held = {row["position"]["coin"]: row["position"] for row in state["assetPositions"]}
    assert {"BTC": "0.02", "ETH": "0.5"} == {coin: one["szi"] for coin, one in held.items()}
    assert ("cross", "isolated", 5) == (
        held["BTC"]["leverage"]["type"],
        held["ETH"]["leverage"]["type"],
        held["ETH"]["leverage"]["value"],
    )
    assert {"BTC", "ETH"} == {row["coin"] for row in said("userFills")}
    assert {"BTC", "ETH"} == {row["delta"]["coin"] for row in said("userFunding")}
    assert ["deposit"] == [row["delta"]["type"] for row in said("userNonFundingLedgerUpdates")]
    assert [CLOID] == [row["cloid"] for row in said("frontendOpenOrders")]
    assert ("order", "open") == (
        (found := said("orderStatus"))["status"],
        found["order"]["status"],
    )
    assert [AGENT.address] == [row["address"] for row in said("extraAgents")]
    assert "user" == said("userRole")["role"]


def test_a_dex_that_is_not_there_is_one_line_and_code_1(
    venue: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run(["info", "meta", "--dex", "xyz", "--url", venue.url])

    assert (
        "perpd: info meta: status 500 'null': it knows no such dex, coin or user\n"
        == capsys.readouterr().err
    )
