"""What must hold at the end, whatever went wrong: the venue's books against the journal's."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from engine.drive.daemon import Daemon, Finished
from engine.drive.recorded import replay_run
from engine.drive.recovery import what_was_left
from engine.journal import JournalReader
from engine.journal.reader import EventRecord, SentRecord
from engine.model.commands import ModifyOrder, Place
from engine.model.events import OrderFilled
from engine.model.units import NS_PER_MS
from tests.simulation.venue import SimulatedVenue

Booked = tuple[int, str, int]


class Told(NamedTuple):
    """What a journal tells over all its runs.

    `placed` says how often each cloid was sent to be placed, `makers` to be placed or moved; `lots`
    is the signed sum of an instrument's fills.
    """

    placed: Counter[str]
    makers: Counter[str]
    nonces: Counter[int]
    fills: Counter[Booked]
    lots: Counter[str]


def told(folder: Path) -> Told:
    """Read a journal."""
    found = Told(Counter(), Counter(), Counter(), Counter(), Counter())
    for record in JournalReader(folder):
        if isinstance(record, SentRecord):
            found.nonces[record.outgoing.nonce] += 1
            for command in record.outgoing.batch.commands:
                if isinstance(command, Place):
                    found.placed[command.cloid] += 1
                if isinstance(command, Place | ModifyOrder):
                    found.makers[command.cloid] += 1
        elif isinstance(record, EventRecord) and isinstance(record.event, OrderFilled):
            fill = record.event
            found.fills[fill.ts_venue_ns // NS_PER_MS, fill.instrument, fill.trade_id] += 1
            found.lots[fill.instrument] += int(fill.side) * fill.sz_lots
    return found


def quotes_left(folder: Path, venue: SimulatedVenue) -> dict[tuple[str, str, str], str]:
    """The named quotes that rest at the venue and that the journal knows: their cloids."""
    resting = {record.new.cloid for record in venue.account.live()}
    return {
        (order.strategy, order.instrument, order.quote): order.cloid
        for order in what_was_left(folder).orders
        if order.quote and order.cloid in resting
    }


def check_exchange(folder: Path, venue: SimulatedVenue) -> None:
    """Of each order at the venue: it is in the journal, and never there twice."""
    journal, account = told(folder), venue.account
    made: Counter[str] = Counter()
    live: dict[str, list[int]] = defaultdict(list)
    for record in account.orders.values():
        assert record.new.cloid is not None, f"order {record.oid} has no client order id"
        made[record.new.cloid] += not record.error
        if record.is_live:
            live[record.new.cloid].append(record.oid)
    assert {} == {cloid: count for cloid, count in journal.placed.items() if count > 1}
    assert {} == {nonce: count for nonce, count in journal.nonces.items() if count > 1}
    assert set() == made.keys() - journal.makers.keys(), "the journal knows nothing of these"
    assert {} == {cloid: oids for cloid, oids in live.items() if len(oids) > 1}, "lives twice"
    assert +made <= journal.makers, "the venue has an order more often than it was sent"


def check_end(folder: Path, venue: SimulatedVenue, daemon: Daemon, finished: Finished) -> None:
    """At the end of a run that ended in order, in fair weather."""
    check_exchange(folder, venue)
    journal, account = told(folder), venue.account
    assert daemon.driver is not None
    assert None is finished.fault
    engine = daemon.driver.engine
    at_venue = Counter((row.time_ms, row.instrument.id, row.tid) for row in account.history.fills)
    assert at_venue == journal.fills, "a fill was lost, or booked twice"
    ours = engine.accounts["main"]
    for where in venue.core.public:
        held, _ = venue.core.exchange.position(account.name, where)
        assert held == ours.position(where).lots == journal.lots[where], where
        owned = {who: one.lots for (who, at), one in ours.owned.items() if at == where}
        assert held == sum(owned.values()), f"{where}: {owned}"
        assert 0 == owned.get("external", 0), f"{where}: {owned}"
    assert venue.core.exchange.cash_e8(account.name) == ours.cash_e8
    facts = finished.live["accounts"]["main"]
    assert (True, 0.0) == (facts["positions_agree"], facts["cash_gap"])
    assert 0 == finished.live["differences_declared"]
    assert [] == [record.new.cloid for record in account.live()], "left after cancel_all"
    assert [] == list(engine.orders.all_live())
    outcome = replay_run(folder)
    assert outcome.is_identical, str(outcome.difference)
