"""`perpd info`: any of Hyperliquid's info requests, as a table or as JSON."""

from __future__ import annotations

import asyncio
import json
import re
from difflib import get_close_matches
from typing import Any, Final, NoReturn

import click
import msgspec

from connectors.hyperliquid.info.caller import account_address
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.info.requests import (
    ALL_PERP_METAS,
    L2_BOOK,
    META_AND_ASSET_CTXS,
    PERP_DEX_LIMITS,
    PERP_DEXS,
    REQUESTS,
    InfoRequest,
    encode,
)
from connectors.hyperliquid.weights import WEIGHT_PER_MINUTE
from connectors.web import AiohttpHttp
from engine.cli.answer_table import echo_answer, ladder, with_contexts
from engine.config.schema import utc_ns
from engine.drive.seams import SystemClock
from engine.errors import ModelError, UsageError
from engine.model.units import NS_PER_MS

NETWORKS: Final = {
    "mainnet": "https://api.hyperliquid.xyz",
    "testnet": "https://api.hyperliquid-testnet.xyz",
}
# What is asked faster than the venue allows once this much is spent waits for its share.
WEIGHT_AT_ONCE: Final = WEIGHT_PER_MINUTE * 3 // 4

# The name of a parameter on the wire, to its option and how the option is shown.
OPTIONS: Final = {
    "user": ("--user", "ADDRESS"),
    "coin": ("--coin", "COIN"),
    "dex": ("--dex", "DEX"),
    "oid": ("--oid", "OID"),
    "interval": ("--interval", "1m"),
    "startTime": ("--start", "TIME"),
    "endTime": ("--end", "TIME"),
}
_CLOID: Final = re.compile(r"0x[0-9a-fA-F]{32}")
_FLAGS: Final = frozenset({"endTime"})


def _types() -> str:
    """One line for each type, and below it the options it needs and takes."""
    lines = []
    for request in REQUESTS.values():
        needs = [" ".join(OPTIONS[name]) for name in request.needs if name not in _FLAGS]
        takes = [
            f"[{' '.join(OPTIONS[name])}]"
            for name in (*request.needs, *request.takes)
            if name in OPTIONS and (name in request.takes or name in _FLAGS)
        ]
        lines.append(f"  {request.name:28}{request.line}")
        if needs or takes:
            lines.append(f"  {'':28}  {' '.join([*needs, *takes])}")
    return "\n".join(lines)


_HELP: Final = f"""Ask Hyperliquid an info request and show the answer.

Reads only: no key is needed. Histories are walked to their end.

\b
Examples:
  perpd info meta
  perpd info metaAndAssetCtxs --dex xyz
  perpd info fundingHistory --coin ETH --start 2026-07-01 --end 2026-07-02
  perpd info clearinghouseState --user 0x5e9ee1089755c3435139848e47e6635505d5a13a --json
  perpd info l2Book --coin BTC --url http://127.0.0.1:8001

\b
Types:
{_types()}

\b
ADDRESS is the account's own, never its agent's. TIME is a UTC date (2026-07-01), a date-time
(2026-07-01T12:30) or milliseconds since 1970; both ends count. OID is a number or a cloid.

\b
Exit codes:
  0  done
  1  the venue could not be reached, failed, or refused
  2  an unknown type, or a missing or wrong option: one line on stderr says which
"""


@click.command("info", help=_HELP)
@click.argument("request_type", metavar="TYPE")
@click.option("--user", metavar="ADDRESS", help="An account.")
@click.option("--coin", metavar="COIN", help="A coin: BTC, xyz:TSLA.")
@click.option("--dex", metavar="DEX", help='A perp dex; "" is the venue\'s own.')
@click.option("--start", metavar="TIME", help="From this time on.")
@click.option("--end", metavar="TIME", help="Up to this time. Default: now.")
@click.option("--oid", metavar="OID", help="An order, by its oid or cloid.")
@click.option("--interval", metavar="1m", help="The length of a candle: 1m, 5m, 1h, 1d, ...")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option("--network", type=click.Choice(list(NETWORKS)), help="Default: mainnet.")
@click.option(
    "--url", metavar="URL", help="Another server that speaks the same, such as a local one."
)
def command(
    request_type: str,
    network: str | None,
    url: str | None,
    *,
    as_json: bool,
    **options: str | None,
) -> None:
    """Ask Hyperliquid an info request and show the answer."""
    request = _request(request_type)
    params = _params(request, options)
    answer = asyncio.run(_ask(_base_url(network, url), request, params))
    encoded = encode(answer)
    if as_json:
        click.echo(msgspec.json.format(encoded, indent=2))
    else:
        _show(request, params, json.loads(encoded))


async def _ask(base_url: str, request: InfoRequest[Any], params: dict[str, str | int]) -> object:
    http = AiohttpHttp(base_url)
    spent = 0

    async def spend(weight: int) -> None:
        nonlocal spent
        spent += weight
        if spent > WEIGHT_AT_ONCE:
            await asyncio.sleep(weight * 60 / WEIGHT_PER_MINUTE)

    try:
        return await InfoClient(http, spend).fetch(request, params)
    finally:
        await http.aclose()


# -- what is asked ---------------------------------------------------------------------------------


def _request(name: str) -> InfoRequest[Any]:
    if name in REQUESTS:
        return REQUESTS[name]
    lower = {known.lower(): known for known in REQUESTS}
    near = get_close_matches(name.lower(), lower, n=1)
    guess = f": did you mean {lower[near[0]]}?" if near else ""
    raise UsageError(f"{name!r:.60} is no info request{guess} (see: perpd info --help)")


def _base_url(network: str | None, url: str | None) -> str:
    if url is None:
        return NETWORKS[network or "mainnet"]
    if network is not None:
        raise UsageError("--network and --url exclude each other")
    if not re.match(r"https?://[^/]", url):
        raise UsageError(f"--url {url!r:.80}: expected http://HOST:PORT or https://HOST")
    return url


def _params(request: InfoRequest[Any], options: dict[str, str | None]) -> dict[str, str | int]:
    """The given options by their names on the wire, when they are what the request needs."""
    given = {
        name: value
        for name, (option, _) in OPTIONS.items()
        if (value := options[option.removeprefix("--")]) is not None
    }
    extra = [OPTIONS[name][0] for name in given if name not in (*request.needs, *request.takes)]
    if extra:
        _complain(request, f"does not take {' '.join(extra)}")
    if request is PERP_DEX_LIMITS and not given.get("dex"):
        given.pop("dex", None)
    missing = [
        " ".join(OPTIONS[name])
        for name in request.needs
        if name not in given and name not in _FLAGS
    ]
    if missing:
        _complain(request, f"needs {' '.join(missing)}")
    params = {name: _value(name, value) for name, value in given.items()}
    if "endTime" in request.needs and "endTime" not in params:
        params["endTime"] = SystemClock().now_ns() // NS_PER_MS
    return params


def _complain(request: InfoRequest[Any], about: str) -> NoReturn:
    raise UsageError(f"info {request.name} {about} (see: perpd info --help)")


def _value(name: str, text: str) -> str | int:
    option = OPTIONS[name][0]
    if name in {"startTime", "endTime"}:
        return _time_ms(option, text)
    if name == "oid":
        if text.isascii() and text.isdigit():
            return int(text)
        if not _CLOID.fullmatch(text):
            raise UsageError(f"{option} {text!r:.60}: expected a number, or 0x and 32 hex digits")
    if name == "user":
        try:
            return account_address(text)
        except ModelError as error:
            raise UsageError(f"{option} {error}") from error
    return text


def _time_ms(option: str, text: str) -> int:
    # Eight digits are a date without its dashes.
    if text.isascii() and text.isdigit() and len(text) != 8:
        return int(text)
    try:
        return utc_ns(text) // NS_PER_MS
    except ValueError as error:
        raise UsageError(
            f"{option} {text!r:.60}: expected a UTC date such as 2026-07-01 or 2026-07-01T12:30,"
            " or milliseconds since 1970"
        ) from error


# -- what is shown ---------------------------------------------------------------------------------


def _show(request: InfoRequest[Any], params: dict[str, str | int], answer: Any) -> None:  # noqa: ANN401
    """The answer as tables; a few forms are easier to read rearranged."""
    said = " ".join(f"{OPTIONS[name][0]} {value or repr(value)}" for name, value in params.items())
    title = f"{request.name} {said}".rstrip()
    if request is META_AND_ASSET_CTXS:
        echo_answer(title, with_contexts(answer))
    elif request is ALL_PERP_METAS:
        for index, one in enumerate(answer):
            echo_answer(
                f"{title}, dex {index}", with_contexts(one) if isinstance(one, list) else one
            )
    elif request is PERP_DEXS:
        echo_answer(
            title, [{"index": i} | (dex or {"name": "null"}) for i, dex in enumerate(answer)]
        )
    elif request is L2_BOOK:
        time = {key: value for key, value in answer.items() if key != "levels"}
        echo_answer(title, time)
        echo_answer("levels", ladder(answer["levels"]))
    elif isinstance(answer, dict) and request.name == "allMids":
        echo_answer(title, [{"coin": coin, "mid": mid} for coin, mid in answer.items()])
    else:
        echo_answer(title, answer)
