"""`perpd venue`: the simulated exchange as servers on this machine, in the venues' own words."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from connectors.simulated.server import LoopbackVenue
from connectors.simulated.settings import ACTIVITIES, Limits, VenueSettings
from engine.cli.logs import configure_logging
from engine.errors import TransportError, UsageError
from engine.model.units import MONEY_SCALE

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
_PORT: Final = click.IntRange(0, 65535)


class _Usd(click.ParamType[int]):
    """An amount of USD, not negative, as 1e-8 of it."""

    name = "USD"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The amount as an integer."""
        try:
            amount_e8 = int(Decimal(str(value)) * MONEY_SCALE)
        except (ArithmeticError, ValueError):
            amount_e8 = -1
        if amount_e8 < 0:
            self.fail(f"{value!r}: expected an amount in USD, such as 100000", param, ctx)
        return amount_e8


@click.command("venue")
@click.option("--port", type=_PORT, default=0, help="Of /info, /exchange and /ws; 0: a free one.")
@click.option("--perpex-port", type=_PORT, default=None, help="Of Perpex's gateway; 0: a free one.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option(
    "--coin", "coins", multiple=True, default=("BTC", "ETH"), show_default=True,
    help="What is listed; the order gives the asset ids.",
)  # fmt: skip
@click.option(
    "--activity", type=click.Choice(list(ACTIVITIES)), default="usual", show_default=True,
    help="How busy the generated market is.",
)  # fmt: skip
@click.option(
    "--replay", type=click.Path(path_type=Path), default=None,
    help="A tape to play instead of a generated market.",
)  # fmt: skip
@click.option("--balance", type=_Usd(), default="100000", show_default=True, help="Of an account.")
@click.option("--volume", type=_Usd(), default="0", show_default=True, help="It traded before.")
@click.option(
    "--start-before-hour-s", type=click.FloatRange(0, 3600), default=None,
    help="Let the venue's clock start so many seconds before a full hour, when funding is paid.",
)  # fmt: skip
@click.option(
    "--ip-weight", type=click.IntRange(1), default=Limits().ip_weight_per_min, show_default=True,
    help="Request weight a minute for each caller's address.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Unknown signers get no account, but a refusal.")
def command(**options: Any) -> None:  # noqa: ANN401 - click's, handed on by name
    """Serve the simulated exchange on 127.0.0.1, speaking Hyperliquid's protocol.

    Any client of the venue can trade here: give it the printed address as its base URL. With
    --perpex-port it speaks Perpex's gateway too, on the same book and accounts. An address
    that was never seen becomes an account with --balance USDC, and whoever signs for it owns it;
    nothing here is real. The first line on stdout is a JSON object with the addresses. Runs until
    it is interrupted.

    \b
    Examples:
      perpd venue --port 8000
      perpd venue --coin BTC --coin SOL --activity lively --start-before-hour-s 15
      perpd venue --replay build/demo/market.tape

    \b
    Exit codes:
      0  interrupted, and everything closed
      1  failed while running, for one because the port is taken
      2  wrong usage, or --replay names no tape
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    settings = _settings(**options)
    configure_logging(is_verbose=False)
    try:
        with suppress(KeyboardInterrupt):  # before the signal handlers were in place
            asyncio.run(_serve(settings))
    except OSError as error:
        raise TransportError(f"cannot listen: {error.strerror or error}") from error


def _settings(  # noqa: PLR0913 - the options of the command
    *,
    coins: tuple[str, ...],
    activity: str,
    balance: int,
    volume: int,
    ip_weight: int,
    replay: Path | None,
    start_before_hour_s: float | None,
    **same: Any,  # noqa: ANN401 - what goes by the same name in the settings
) -> VenueSettings:
    if len(set(coins)) != len(coins):
        raise UsageError("--coin: each coin once")
    if replay is not None and start_before_hour_s is not None:
        raise UsageError("--replay brings its own time: leave --start-before-hour-s out")
    return VenueSettings(
        coins=coins,
        market=ACTIVITIES[activity],
        balance_e8=balance,
        volume_e8=volume,
        limits=Limits(ip_weight_per_min=ip_weight),
        replay=replay,
        start_before_hour_s=start_before_hour_s,
        **same,
    )


async def _serve(settings: VenueSettings) -> None:
    """Serve until a signal says to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stopping.set)
    async with LoopbackVenue(settings) as venue:
        click.echo(msgspec.json.encode(venue.addresses()).decode())
        coins = ", ".join(one.coin for one in venue.core.universe)
        click.echo(f"perpd venue: {coins}; stop it with Ctrl-C", err=True)
        await _until(stopping, venue)
    click.echo("perpd venue: stopped", err=True)


async def _until(stopping: asyncio.Event, venue: LoopbackVenue) -> None:
    """Wait for the signal; a market that broke ends it too, one that is over does not."""
    stopped = asyncio.ensure_future(stopping.wait())
    playing = asyncio.ensure_future(venue.wait())
    try:
        await asyncio.wait({stopped, playing}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            await playing
            await stopped
    finally:
        for task in (stopped, playing):
            task.cancel()
        await asyncio.gather(stopped, playing, return_exceptions=True)
