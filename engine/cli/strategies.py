"""`perpd strategies`: what is installed, with parameters and defaults."""

from __future__ import annotations

import click
import msgspec

from strategies.registry import installed_strategies


@click.command("strategies")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(*, as_json: bool) -> None:
    """List the installed strategies and their parameters.

    A strategy is installed when perpd brings it, or when a package declares it as an entry point
    of the group "perpd.strategies". A config names it by its name, by "package.module:Class", or
    by "./file.py:Class" for a file of your own.

    \b
    Example:
      perpd strategies

    \b
    Exit codes:
      0  done, even if one of them cannot be loaded: its line says why
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    found = installed_strategies()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    for info in found:
        click.echo(f"{info.name}  ({info.target})")
        click.echo(
            f"    {info.doc or 'no description'}"
            if not info.error
            else f"    cannot be loaded: {info.error}"
        )
        width = max((len(param.name) for param in info.params), default=0)
        for param in info.params:
            click.echo(f"      {param.name:<{width}} = {param.default}  ({param.type})")
