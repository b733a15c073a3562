"""What each strategy, and `external`, made of a run: read from the engine when it has ended."""

from __future__ import annotations

import re
from typing import Final

from backtests.record import Recorder
from backtests.report.result import StrategyTotals
from engine.core import Engine
from engine.model.units import Side

_BBO: Final = re.compile(r", bbo was \S+@\S+\.?")


def owners(engine: Engine) -> list[str]:
    """The strategies in the order of the config, then whoever else owns something."""
    others = {owner for account in engine.accounts.values() for owner, _ in account.owned}
    return [*engine.runners, *sorted(others - engine.runners.keys())]


def refusals_by_check(engine: Engine) -> dict[str, int]:
    """How often each check of our own gate refused."""
    found: dict[str, int] = {}
    for (_, check), count in sorted(engine.refusals.items()):
        found[check] = found.get(check, 0) + count
    return found


def rejects_by_reason(engine: Engine, owner: str | None = None) -> dict[str, int]:
    """How often the venue refused, by its words without the prices of the moment."""
    found: dict[str, int] = {}
    for (name, reason), count in sorted(engine.account_book.rejects.items()):
        if owner in (None, name):
            kind = _BBO.sub("", reason)
            found[kind] = found.get(kind, 0) + count
    return found


def totals(name: str, engine: Engine, recorder: Recorder) -> StrategyTotals:
    """The totals of one owner."""
    fills = [booking.fill for booking in recorder.bookings if booking.owner == name]
    realised = unrealised = fees = funding = volume = 0
    for account in engine.accounts.values():
        for (owner, where), position in account.owned.items():
            if owner == name:
                realised += position.realised_e8
                unrealised += position.unrealised_e8(engine.markets[where].mark_ticks2())
                fees += position.fees_e8
                funding += position.funding_e8
                volume += position.volume_e8
    orders = [
        order for order in (*recorder.orders, *engine.orders.all_live()) if order.strategy == name
    ]
    return StrategyTotals(
        name=name,
        fills_buy=sum(fill.side is Side.BUY for fill in fills),
        fills_sell=sum(fill.side is Side.SELL for fill in fills),
        maker_fills=sum(fill.is_maker for fill in fills),
        orders=len(orders),
        cancels=sum(order.state.name == "CANCELED" for order in orders),
        refusals={
            check: n for (owner, check), n in sorted(engine.refusals.items()) if owner == name
        },
        rejects=rejects_by_reason(engine, name),
        realised_e8=realised,
        unrealised_e8=unrealised,
        fees_e8=fees,
        funding_e8=funding,
        net_e8=realised + unrealised - fees - funding,
        volume_e8=volume,
    )
