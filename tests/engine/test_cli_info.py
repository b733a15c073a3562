"""`perpd info` from outside, against a small server on loopback that gives known answers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Self

import pytest
from aiohttp import web

from connectors.hyperliquid.info.requests import REQUESTS
from engine.cli.answer_table import echo_answer
from engine.cli.app import run
from tests.connectors.hyperliquid.info.answers import ANSWERS, CLOID, USER
from tests.connectors.hyperliquid.info.examples import Json

LOOPBACK = pytest.mark.allow_hosts(["127.0.0.1"])

# What each parameter is given as on the command line.
ARGS = {
    "user": ["--user", USER],
    "coin": ["--coin", "BTC"],
    "dex": ["--dex", "xyz"],
    "oid": ["--oid", "91"],
    "interval": ["--interval", "1m"],
    "startTime": ["--start", "2023-01-01"],
    "endTime": ["--end", "1700000000000"],
}


class Server:
    """Answers /info with `answers` by type on a port of its own; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Json] = dict(ANSWERS)
        self.asked: list[Json] = []
        self.status = 200
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/info", self._info)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._up.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _info(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked)
        if self.status != 200:
            return web.Response(status=self.status, text="Failed to deserialize")
        return web.json_response(self.answers[asked["type"]])


@pytest.fixture(scope="module")
def module_server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def server(module_server: Server) -> Server:
    """The server as it is at the start: it gives every small answer."""
    module_server.answers = dict(ANSWERS)
    module_server.asked.clear()
    module_server.status = 200
    return module_server


def command_line(name: str) -> list[str]:
    """`perpd info` with every option that a type needs or takes."""
    request = REQUESTS[name]
    known = [key for key in (*request.needs, *request.takes) if key in ARGS]
    return ["info", name, *(word for key in known for word in ARGS[key])]


# -- answers ---------------------------------------------------------------------------------------


@LOOPBACK
@pytest.mark.parametrize("name", REQUESTS)
def test_every_type_is_asked_and_given_as_json(
    name: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run([*command_line(name), "--url", server.url, "--json"])

    captured = capsys.readouterr()
    assert (ANSWERS[name], "") == (json.loads(captured.out), captured.err)
    sent = server.asked[0]
    assert name == sent.pop("type")
    sent = sent.get("req", sent)
    assert set(sent) == {key for key in ARGS if ARGS[key][0] in command_line(name)}


@LOOPBACK
@pytest.mark.parametrize("name", REQUESTS)
def test_every_type_is_shown_as_a_table_with_its_facts(
    name: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run([*command_line(name), "--url", server.url])

    captured = capsys.readouterr()
    assert "" == captured.err
    assert captured.out.startswith(name)
    assert all(len(line) <= 202 for line in captured.out.splitlines())
    numbers = [text for text in _texts(ANSWERS[name]) if text.replace(".", "", 1).isdecimal()]
    assert [] == [number for number in numbers if number not in captured.out]


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


@LOOPBACK
def test_times_are_shown_in_utc_and_given_in_ms(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["info", "userFunding", *ARGS["user"], "--start", "2023-11-14T22:13:20+00:00"]

    assert 0 == run([*args, "--end", "20231231", "--url", server.url])

    assert "2023-11-14 22:13:20.000" in capsys.readouterr().out
    assert (1_700_000_000_000, 1_703_980_800_000) == (
        server.asked[0]["startTime"],
        server.asked[0]["endTime"],
    )


@LOOPBACK
def test_candles_end_now_unless_told_and_an_order_is_found_by_its_cloid(server: Server) -> None:
    args = ["info", "candleSnapshot", *ARGS["coin"], *ARGS["interval"], *ARGS["startTime"]]

    assert 0 == run([*args, "--url", server.url])
    assert 0 == run(["info", "orderStatus", *ARGS["user"], "--oid", CLOID, "--url", server.url])

    assert server.asked[0]["req"]["endTime"] > 1_700_000_000_000
    assert CLOID == server.asked[-1]["oid"]


@LOOPBACK
@pytest.mark.parametrize("answer", [None, []])
def test_nothing_is_said_to_be_nothing(
    answer: Json, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "perpAnnotation" if answer is None else "perpCategories"
    server.answers[name] = answer

    assert 0 == run([*command_line(name), "--url", server.url])

    assert "nothing" in capsys.readouterr().out


@LOOPBACK
def test_what_the_venue_says_cannot_steer_the_terminal(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["perpCategories"] = [["[red]x[/]", "\x1b[2Jgone"], ["a:smile:b", "[/nothing]"]]

    assert 0 == run(["info", "perpCategories", "--url", server.url])

    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert all(text in shown for text in ("[red]x[/]", r"\x1b[2Jgone", "a:smile:b", "[/nothing]"))


def test_a_table_too_wide_becomes_several_with_the_first_column_in_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"coin": "BTC"} | {f"column{number}": "x" * 80 for number in range(4)}

    echo_answer("wide", [row, row])

    shown = capsys.readouterr().out
    assert "wide (1 of 2)" in shown
    assert "wide (2 of 2)" in shown
    assert 4 == shown.count("  BTC ")
    assert "…" not in shown


# -- mistakes and failures -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["metaa"], "'metaa' is no info request: did you mean meta? (see: perpd info --help)"),
        (["FUNDINGHISTORY"], "did you mean fundingHistory?"),
        (["zzz"], "'zzz' is no info request (see: perpd info --help)"),
        (["fundingHistory"], "info fundingHistory needs --coin COIN --start TIME"),
        (["userFills"], "info userFills needs --user ADDRESS"),
        (["perpDexLimits", "--dex", ""], "info perpDexLimits needs --dex DEX"),
        (["meta", "--coin", "BTC", "--oid", "1"], "info meta does not take --coin --oid"),
        (["userRole", "--user", "0x12"], "--user '0x12' is no address"),
        (["fundingHistory", "--coin", "X", "--start", "then"], "--start 'then': expected a UTC"),
        (["orderStatus", *ARGS["user"], "--oid", "0x1"], "--oid '0x1': expected a number, or"),
        (["meta", "--url", "ftp://x"], "--url 'ftp://x': expected http://HOST:PORT"),
        (["meta", "--url", "http://x", "--network", "testnet"], "--network and --url exclude"),
        (["meta", "--network", "moon"], "'moon' is not one of 'mainnet', 'testnet'"),
        ([], "Missing argument 'TYPE'"),
    ],
)
def test_a_wrong_or_missing_option_is_one_line_and_code_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["info", *args])

    captured = capsys.readouterr()
    assert "" == captured.out
    assert said in captured.err
    assert 1 == captured.err.count("\n")


@LOOPBACK
def test_a_refusal_of_the_venue_is_one_line_and_code_1(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = 422

    assert 1 == run(["info", "meta", "--url", server.url])

    assert "perpd: info meta: refused: status 422 'Failed to deserialize'\n" == (
        capsys.readouterr().err
    )


@LOOPBACK
def test_a_venue_that_cannot_be_reached_is_one_line_and_code_1(
    unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run(["info", "meta", "--url", f"http://127.0.0.1:{unused_tcp_port}"])

    said = capsys.readouterr().err
    assert said.startswith("perpd: info meta: POST /info: not connected: ")
    assert 1 == said.count("\n")


def test_the_help_lists_every_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["info", "--help"])

    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in REQUESTS)
    assert all(request.line in shown for request in REQUESTS.values())
