"""`perpd check`: whether a config is right, and the limits it will run under."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from backtests.tape import Tape
from engine.budget import WINDOW_NS, BudgetLimits
from engine.cli.table import echo_table
from engine.config import (
    Config,
    LoadedConfig,
    assign_instruments,
    load_config,
    resolve_strategies,
)
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_S, money
from engine.state.accounts import LEVERAGE_DEFAULT

RATES_PER_S: Final = (0.1, 0.5, 1.0, 5.0, 10.0)


@click.command("check")
@click.argument("config", type=click.Path(path_type=Path))
def command(config: Path) -> None:
    """Check a config and show the limits it will run under.

    Reads the file, loads its strategies and checks their parameters. Where the config has
    [backtest] data, also checks the symbols against it and shows the limits of each: the
    operator's from [risk] beside the venue's. Last, with a Hyperliquid venue, how long its rate
    budget lasts.

    \b
    Example:
      perpd data generate --out build/demo/market.tape
      perpd check configs/demo.toml

    \b
    Exit codes:
      0  the config is right
      2  it is not: one line on stderr says where, and what was expected
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    loaded = load_config(config)
    resolved = resolve_strategies(loaded)
    instruments = _instruments(loaded)
    assigned = assign_instruments(loaded, instruments) if instruments else {}
    click.echo(f"{loaded.path}: right")
    rows = [
        (
            item.config.name,
            f"{item.cls.__module__}:{item.cls.__name__}",
            item.config.account,
            " ".join(assigned.get(item.config.name, item.config.symbols)),
            " ".join(f"{name}={value}" for name, value in item.config.params.items()),
        )
        for item in resolved
    ]
    echo_table("Strategies", ("name", "class", "account", "instruments", "parameters"), rows)
    if instruments:
        used = {where for chosen in assigned.values() for where in chosen}
        _echo_limits(loaded.config, [item for item in instruments if item.id in used])
    else:
        click.echo("No [backtest] data: nothing to check the symbols against.\n")
    if any(venue.kind == "hyperliquid" for venue in loaded.config.venues.values()):
        echo_table(
            "Rate budget of one account, at one order or cancel per request and no trading",
            ("actions/s", "lasts", "for ever from USDC/h", "IP weight/min"),
            budget_rows(BudgetLimits()),
        )


def _instruments(loaded: LoadedConfig) -> list[Instrument]:
    """The instruments of all tapes of the config, by id."""
    found: dict[str, Instrument] = {}
    for path in loaded.data_paths:
        found.update(Tape.open(path).instruments)
    return [found[where] for where in sorted(found)]


# -- what a symbol may do --------------------------------------------------------------------------


def _echo_limits(config: Config, instruments: Iterable[Instrument]) -> None:
    rows = [_limits(config, instrument) for instrument in instruments]
    headers = (
        "instrument",
        "leverage",
        "tiers",
        "order",
        "position",
        "price within",
        "tick",
        "lot",
    )
    echo_table("Limits (the operator's and the venue's together)", headers, rows)


def _limits(config: Config, instrument: Instrument) -> tuple[str, ...]:
    risk, grid = config.risk, instrument.grid
    symbol = config.symbols.get(instrument.coin)
    most = min(instrument.leverage_max, risk.leverage_max or instrument.leverage_max)
    mode = symbol.margin_mode if symbol is not None else instrument.margin_mode
    leverage = symbol.leverage if symbol is not None else min(most, LEVERAGE_DEFAULT)
    tiers = ", ".join(
        f"{tier.leverage_max}x from {_amount(money(tier.lower_bound_e8))}"
        for tier in instrument.margin_tiers
    )
    least = _amount(money(instrument.min_notional_e8))
    return (
        instrument.id,
        f"{leverage}x {mode}, at most {most}x",
        tiers,
        f"{least} to {_most(risk.order_notional_max)}",
        f"to {_most(risk.position_notional_max)}",
        f"{risk.price_distance_max:.0%}",
        f"{grid.px(1):.{instrument.px_decimals}f}, {instrument.significant_figures} figures",
        f"{grid.sz(1):.{instrument.sz_decimals}f}",
    )


def _most(amount: float | None) -> str:
    return "any" if amount is None else _amount(amount)


def _amount(amount: float) -> str:
    return f"{amount:,.2f}".removesuffix(".00")


# -- how long the rate budget lasts ----------------------------------------------------------------


def budget_rows(limits: BudgetLimits) -> list[tuple[str, str, str, str]]:
    """For some rates of actions: how long the address budget lasts, and the IP weight they use."""
    spendable = limits.address_actions_start - limits.address_actions_reserve
    weight_max = limits.ip_weight_max - limits.ip_weight_reserve
    rows = []
    for rate in RATES_PER_S:
        weight = rate * WINDOW_NS / NS_PER_S
        verdict = f"{weight:g} of {weight_max}" + (" TOO MUCH" if weight > weight_max else "")
        rows.append((f"{rate:g}", _duration(spendable / rate), f"{rate * 3600:,.0f}", verdict))
    return rows


def _duration(seconds: float) -> str:
    minutes, _ = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
