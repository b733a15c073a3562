"""The official Python SDK, unpatched, trades at `perpd venue`, which it is given as base URL."""

from __future__ import annotations

import asyncio
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from tests.connectors.hyperliquid.sdk_venv import sdk_python

Json: TypeAlias = Any  # whatever a JSON text may hold

ROOT = Path(__file__).resolve().parents[2]
SESSION = Path(__file__).with_name("sdk_session.py")


async def session() -> Json:
    """What the SDK saw, from one session of it against a venue of its own."""
    venue = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from engine.cli import main; main()",
        "venue",
        "--activity",
        "lively",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert venue.stdout is not None
    try:
        first = msgspec.json.decode(await venue.stdout.readline())
        client = await asyncio.create_subprocess_exec(
            str(sdk_python()),
            str(SESSION),
            first["hyperliquid"],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await client.communicate()
    finally:
        venue.terminate()
        _, complaints = await venue.communicate()
    assert 0 == client.returncode, errors.decode()
    assert b"Traceback" not in complaints, complaints.decode()
    lines = out.decode().splitlines()
    unexpected = [line for line in lines[:-1] if "unexpected subscription" in line]
    assert [] == unexpected
    return msgspec.json.decode(lines[-1])


@pytest.fixture(scope="module")
def said() -> Json:
    sdk_python()  # skips, with the reason, where the SDK cannot be had
    return asyncio.run(asyncio.wait_for(session(), 100))


def test_it_reads_the_metadata_and_an_account_that_nobody_opened(said: Json) -> None:
    assert ["BTC", "ETH"] == [row["name"] for row in said["meta"]["universe"]]
    assert "100000.0" == said["before"]["marginSummary"]["accountValue"]
    assert ([], []) == (said["before"]["assetPositions"], said["no_orders"])


def test_an_ioc_fills_and_a_limit_order_rests(said: Json) -> None:
    assert "0.02" == said["ioc"]["filled"]["totalSz"]
    assert [said["resting"]["resting"]["oid"]] == [row["oid"] for row in said["open_orders"]]


def test_orders_are_modified_and_canceled_by_either_id(said: Json) -> None:
    assert said["modified"]["resting"]["oid"] > said["resting"]["resting"]["oid"]
    assert ("success", "success") == (said["canceled"], said["canceled_by_cloid"])
    assert said["canceled_again"]["error"].startswith("Order was never placed")
    cloid = "0x" + f"{77:032x}"
    assert cloid == said["with_cloid"]["resting"]["cloid"]
    found = said["by_cloid"]["order"]
    assert ("open", cloid) == (found["status"], found["order"]["cloid"])
    assert "canceled" == said["after_cancel"]


def test_leverage_is_set_or_refused(said: Json) -> None:
    assert {"status": "ok", "response": {"type": "default"}} == said["leverage"]
    assert {"status": "err", "response": "Invalid leverage value"} == said["leverage_refused"]


def test_position_and_money_are_what_the_fills_made_of_them(said: Json) -> None:
    (row,) = said["state"]["assetPositions"]
    position, summary = row["position"], said["state"]["marginSummary"]
    first = [fill for fill in said["fills"] if fill["dir"] == "Open Long"]
    cash = 100_000 - sum(Fraction(fill["fee"]) for fill in first)

    assert ("BTC", "0.02") == (position["coin"], position["szi"])
    assert Fraction(summary["accountValue"]) == cash + Fraction(position["unrealizedPnl"])


def test_a_lone_stop_rests_and_leaves_with_its_position(said: Json) -> None:
    oid = said["stop"]["resting"]["oid"]
    assert [(oid, "Stop Market")] == [(row["oid"], row["orderType"]) for row in said["frontend"]]
    assert "0.02" == said["closed"]["filled"]["totalSz"]
    last = said["heard"]["orderUpdates"]
    gone = [row["status"] for frame in last for row in frame if row["order"]["oid"] == oid]
    assert "reduceOnlyCanceled" == gone[-1]


def test_what_it_need_not_use_is_answered_too(said: Json) -> None:
    assert {"status": "ok", "response": {"type": "default"}} == said["noop"]
    assert "until enough volume traded" in said["schedule"]["response"]
    reads = said["other_reads"]
    assert ("BTC", 2, "0.00045", [], "disabled") == tuple(
        reads[name] for name in ("l2", "contexts", "fees", "spot", "abstraction")
    )
    assert reads["candles"] >= 5


def test_an_agent_that_it_approved_acts_for_the_account(said: Json) -> None:
    assert "ok" == said["approved"]
    assert ["bot"] == said["other_reads"]["agents"]
    oid = said["by_agent"]["resting"]["oid"]
    assert [oid] == [row["oid"] for row in said["of_agent"]]


def test_its_websocket_hears_the_market_and_the_account(said: Json) -> None:
    heard = said["heard"]
    assert 20 == len(heard["l2Book"][0]["levels"][0])
    assert 30 == len(heard["trades"][0])
    assert 2 == len(heard["bbo"])
    statuses = {row["status"] for frame in heard["orderUpdates"] for row in frame}
    assert {"open", "filled", "canceled"} <= statuses
    snapshot, *later = heard["userFills"]
    assert (True, []) == (snapshot["isSnapshot"], snapshot["fills"])
    by_ws = {fill["tid"] for frame in later for fill in frame["fills"]}
    assert by_ws == {fill["tid"] for fill in said["fills"]}
    assert all("fills" in event or "nonUserCancel" in event for event in heard["user"])
