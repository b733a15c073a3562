"""What a live run made: a `RunResult` for the reports a backtest has, and what only live has.

`live` in the summary: batches and weight sent, the action budget, whether positions and cash agreed
with the venue at the last read, and what was still unclear at the end.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backtests.record import Recorder, fill_rows, order_rows
from backtests.report.result import RunResult
from backtests.runner import shown_config
from backtests.totals import owners, refusals_by_check, rejects_by_reason, totals
from engine.config import LoadedConfig
from engine.core import Engine
from engine.drive.recovery import Left
from engine.drive.sampling import EquitySampler
from engine.model.orders import OrderState
from engine.model.units import MONEY_SCALE, TriggerKind, money
from engine.state.accounts import EXTERNAL

WARNINGS_MAX: Final = 20
# Venues without an action budget are given one that nobody can use up.
UNBOUNDED: Final = 1 << 40
CASH_GAP_SAID_E8: Final = MONEY_SCALE // 100
_HELD: Final = (OrderState.OPEN, OrderState.WAITING)


class Span(msgspec.Struct, frozen=True):
    """When a run was, what drove it, and how much it took in."""

    mode: str
    start_ns: int
    end_ns: int
    events: int
    wall_s: float


def live_result(
    loaded: LoadedConfig,
    engine: Engine,
    recorder: Recorder,
    sampler: EquitySampler,
    span: Span,
    warnings: list[str],
) -> RunResult:
    """The result of a finished live run; of the warnings the first count most."""
    named = {booking.fill.instrument for booking in recorder.bookings}
    live = list(engine.orders.all_live())
    named |= {order.instrument for order in (*recorder.orders, *live)}
    named |= {where for runner in engine.runners.values() for where in runner.instruments}
    return RunResult(
        name=loaded.path.stem,
        mode=span.mode,
        driver="live",
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        events=span.events,
        wall_seconds=span.wall_s,
        starting_equity_e8=sum(
            account.start_e8 + account.carried_e8 for account in engine.accounts.values()
        ),
        final_equity_e8=sum(account.equity_e8() for account in engine.accounts.values()),
        liquidations=sum(booking.fill.is_liquidation for booking in recorder.bookings),
        instruments=tuple(engine.markets[where].instrument for where in sorted(named)),
        fills=fill_rows(recorder.bookings),
        orders=order_rows(recorder.orders, live),
        cancels=sum(recorder.cancels.values()),
        refusals=refusals_by_check(engine),
        rejects=rejects_by_reason(engine),
        equity=sampler.points,
        series=[one for one in sampler.series() if one.instrument in named],
        strategies=[totals(name, engine, recorder) for name in owners(engine)],
        assumptions=_assumptions(loaded),
        config=shown_config(loaded.config),
        warnings=_bounded(warnings),
    )


def _bounded(warnings: list[str]) -> tuple[str, ...]:
    """The first of them, and how many there are besides."""
    if len(warnings) <= WARNINGS_MAX:
        return tuple(warnings)
    more = len(warnings) - WARNINGS_MAX + 1
    return *warnings[: WARNINGS_MAX - 1], f"and {more} more warnings; the log has them"


def _assumptions(loaded: LoadedConfig) -> list[str]:
    said = ["Fees and funding are the venue's own; equity is at the venue's mark prices."]
    said += [
        f"{name}: the venue was the embedded simulated exchange; its market is generated (seed"
        f" {venue.local.seed}) and says nothing about a real one."
        for name, venue in loaded.config.venues.items()
        if venue.network == "local" and not venue.http_url
    ]
    return said


def what_is_left(engine: Engine) -> list[str]:
    """What of a run is left at its end that a person should know of."""
    said = []
    unknown = sum(order.state is OrderState.UNKNOWN for order in engine.orders.all_live())
    if unknown:
        said.append(
            f"Orders whose outcome is still unknown: {unknown}; the next run settles them first."
        )
    for account in engine.accounts.values():
        reading = engine.agreement.readings.get(account.name)
        if reading is not None and reading.difference:
            said.append(f"{account.name}: positions differ from the venue's: {reading.difference}")
        elif reading is not None and abs(reading.cash_gap_e8 or 0) > CASH_GAP_SAID_E8:
            gap = money(reading.cash_gap_e8 or 0)
            said.append(
                f"{account.name}: the venue has {gap:+,.2f} of cash that our ledger does not know."
            )
        said += _phantoms(engine, account.name)
        said += _unprotected(engine, account.name)
    return said + _refused_reduces(engine)


def _phantoms(engine: Engine, account: str) -> list[str]:
    """Strategies that hold what the account does not: somebody else closed it."""
    state = engine.accounts[account]
    found = []
    for (owner, where), own in state.owned.items():
        theirs = state.owned.get((EXTERNAL, where))
        if owner != EXTERNAL and theirs is not None and own.lots * theirs.lots < 0:
            net = state.positions[where]
            found.append(
                f"{owner} holds {own.sz:g} on {where} by its own fills, the account {net.sz:g}:"
                f" trades of somebody else stand against it (see --settle-external)."
            )
    return found


def _refused_reduces(engine: Engine) -> list[str]:
    """Refusals that leave a strategy with another protection than it believes to have."""
    words = {
        "reduce_only": "a reduce-only order found no position to reduce",
        "modify": "an order could not be moved: gone, or not at rest (a waiting stop cannot be)",
    }
    return [
        f"{owner}: refused {count} times: {words[check]}."
        for (owner, check), count in sorted(engine.refusals.items())
        if check in words
    ]


def _unprotected(engine: Engine, account: str) -> list[str]:
    """Positions, or parts of them, that no stop covers which the venue holds for certain."""
    covered: dict[tuple[str, int], int] = {}
    for order in engine.orders.all_live():
        is_stop = order.trigger is not None and order.trigger.kind is TriggerKind.STOP_LOSS
        if order.account == account and order.reduce_only and is_stop and order.state in _HELD:
            key = order.instrument, int(order.side)
            covered[key] = covered.get(key, 0) + order.remaining_lots
    said = []
    for where, position in sorted(engine.accounts[account].positions.items()):
        closing = -1 if position.lots > 0 else 1
        bare = abs(position.lots) - covered.get((where, closing), 0)
        if bare > 0:
            part = "" if bare == abs(position.lots) else f"{bare / position.sz_scale:g} of "
            said.append(
                f"{account}: {part}a position of {position.sz:g} on {where} is left without a stop."
            )
    return said


def left_alone(engine: Engine) -> str:
    """What a run that can say nothing more to a venue leaves there; "" when that is nothing."""
    said = []
    for name, account in engine.accounts.items():
        held = [f"{one.sz:g} {where}" for where, one in sorted(account.positions.items()) if one.sz]
        orders = sum(order.account == name for order in engine.orders.all_live())
        if orders:
            held.append(f"{orders} order{'s' * (orders > 1)}")
        if held:
            said.append(f"{name}: {', '.join(held)}")
    return "; ".join(said)


def unwatched(left: Left) -> str:
    """The end of a sentence that says what an earlier run left; "" when that is nothing."""
    said = []
    for name in sorted(left.cash_e8):
        net: dict[str, int] = {}
        for one in left.positions:
            if one.account == name:
                net[one.instrument] = net.get(one.instrument, 0) + one.lots
        held = [f"{'long' if net[where] > 0 else 'short'} {where}" for where in net if net[where]]
        orders = sum(order.account == name for order in left.orders)
        if orders:
            held.append(f"{orders} order{'s' * (orders > 1)}")
        if held:
            said.append(f"{name}: {', '.join(held)}")
    return f"; an earlier run left, and nobody watches it: {'; '.join(said)}" if said else ""


def live_facts(engine: Engine, recorder: Recorder, dropped: int) -> dict[str, Any]:
    """What only a live run has to say, for the summary."""
    accounts: dict[str, Any] = {}
    for name, account in engine.accounts.items():
        address = engine.planner.address(name)
        reading = engine.agreement.readings.get(name)
        gap_e8 = None if reading is None else reading.cash_gap_e8
        accounts[name] = {
            "equity": money(account.equity_e8()),
            "actions_used": address.used,
            "actions_cap": address.cap if address.cap < UNBOUNDED else None,
            "positions_agree": None if reading is None else not reading.difference,
            "cash_gap": None if gap_e8 is None else money(gap_e8),
            "held": {
                where: position.sz
                for where, position in sorted(account.positions.items())
                if position.lots
            },
            "open_orders": sum(order.account == name for order in engine.orders.all_live()),
        }
    return {
        "batches": engine.planner.batches,
        "ip_weight": engine.planner.weight,
        "cancel_rejects": recorder.cancel_rejects,
        "market_events_dropped": dropped,
        "differences_declared": engine.agreement.declared,
        "anomalies": sum(engine.orders.anomalies.values()),
        "accounts": accounts,
    }
