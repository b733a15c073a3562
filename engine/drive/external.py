"""Trades that no strategy of ours caused: said aloud, and at the operator's word given up to.

A position closed by hand is closed at the account, and the strategy that built it still holds it by
its own fills: `external` holds the opposite. Which of the two is meant only the operator knows, so
nothing is concluded by itself: `settle_external` is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import structlog

from engine.account_events import Booking
from engine.drive.recovery import Left, Owned
from engine.model.units import Side
from engine.state.accounts import EXTERNAL

log = structlog.get_logger("perpd.external")


def tell_external(bookings: Sequence[Booking], seen: int) -> int:
    """Warn of every fill since the `seen`-th that is nobody's here; how many there are now."""
    for booking in bookings[seen:]:
        if booking.owner == EXTERNAL:
            fill = booking.fill
            log.warning(
                "a fill of somebody else",
                account=fill.account,
                instrument=fill.instrument,
                side=Side(fill.side).name,
                sz=fill.sz,
                px=fill.px,
                is_liquidation=fill.is_liquidation,
            )
    return len(bookings)


def settle_external(left: Left) -> Left:
    """Let `external` positions close the strategies' opposite ones, on each account and instrument.

    What the account's position cost stays as it is; what was realised between the two goes to
    nobody, as it was before the run.
    """
    groups: dict[tuple[str, str], list[Owned]] = defaultdict(list)
    for held in left.positions:
        groups[held.account, held.instrument].append(held)
    positions: list[Owned] = []
    for group in groups.values():
        positions += _settled(group)
    return msgspec.structs.replace(left, positions=tuple(positions))


def _settled(group: Sequence[Owned]) -> list[Owned]:
    rest = {held.owner: held for held in group}
    for owner, own in rest.items():
        theirs = rest.get(EXTERNAL)
        if owner == EXTERNAL or theirs is None or own.lots * theirs.lots >= 0:
            continue
        lots = min(abs(own.lots), abs(theirs.lots))
        rest[owner], rest[EXTERNAL] = _less(own, lots), _less(theirs, lots)
        log.warning("settled with external", strategy=owner, instrument=own.instrument, lots=lots)
    return list(rest.values())


def _less(held: Owned, lots: int) -> Owned:
    """The position with so many lots less, and its share of the cost."""
    kept = abs(held.lots) - lots
    sign = 1 if held.lots > 0 else -1
    cost_e8 = held.cost_e8 * kept // abs(held.lots)
    return msgspec.structs.replace(held, lots=sign * kept, cost_e8=cost_e8)
