"""The venue core by itself: what becomes of orders, and what an account remembers of it."""

from __future__ import annotations

import pytest

from connectors.simulated.accounts import Agent, VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.history import FillRow
from connectors.simulated.listeners import Filled, OrderChanged, Report
from connectors.simulated.orders import NewOrder, OrderRecord
from connectors.simulated.publicdata import PublicTrade
from engine.drive.seams import ManualClock
from engine.model.commands import Trigger
from engine.model.events import MarketEvent
from engine.model.units import NS_PER_S, Side, Tif, TriggerKind
from tests.connectors.simulated.scripted import (
    NOW_NS,
    Json,
    book,
    context,
    funding,
    scripted_core,
    trade,
)

ANN, BOB = "0x" + "a1" * 20, "0x" + "b2" * 20


class Heard:
    """A listener that writes down what it is told."""

    def __init__(self, core: VenueCore) -> None:
        self.reports: list[Report] = []
        self.trades: list[PublicTrade] = []
        self.turns = 0
        core.listeners.append(self)

    def on_market(self, event: MarketEvent) -> None: ...

    def on_trade(self, trade: PublicTrade) -> None:
        self.trades.append(trade)

    def on_report(self, account: VenueAccount, report: Report) -> None:
        assert account.name
        self.reports.append(report)

    def on_turn(self) -> None:
        self.turns += 1

    def statuses(self) -> list[str]:
        return [one.status for one in self.reports if isinstance(one, OrderChanged)]

    def fills(self) -> list[FillRow]:
        return [one.row for one in self.reports if isinstance(one, Filled)]


def account(core: VenueCore, name: str = ANN) -> VenueAccount:
    found = core.account(name)
    assert found is not None
    return found


def wanted(core: VenueCore, side: int, px: float, sz: float, **how: Json) -> NewOrder:
    one = core.instruments[how.pop("coin", "BTC")]
    px_ticks, lots = one.grid.ticks(px), one.grid.lots(sz)
    return NewOrder(instrument=one, side=Side(side), px_ticks=px_ticks, sz_lots=lots, **how)


def place(core: VenueCore, side: int, px: float, sz: float, **how: Json) -> OrderRecord:
    core.begin()
    who = account(core, how.pop("who", ANN))
    record = core.place(who, wanted(core, side, px, sz, **how))
    core.end()
    return record


def buy_now(core: VenueCore, sz: float = 1.0, **how: Json) -> OrderRecord:
    return place(core, 1, 101_000, sz, tif=Tif.IOC, **how)


# -- the life of an order --------------------------------------------------------------------------


def test_an_order_that_rests_is_open_and_can_be_found_by_both_ids() -> None:
    core = scripted_core()
    heard = Heard(core)

    record = place(core, 1, 99_000, 0.5, cloid="0x01")

    assert ("open", 50_000, "") == (record.status, record.left_lots, record.error)
    assert record is account(core).find(record.oid) is account(core).find("0x01")
    assert ["open"] == heard.statuses()
    assert 1 == heard.turns


def test_a_taker_fills_and_its_trade_is_public_with_the_same_id() -> None:
    core = scripted_core()
    heard = Heard(core)

    record = buy_now(core)

    assert ("filled", 100_000, 0) == (record.status, record.filled_lots, record.left_lots)
    assert [1_000_050] == [row.px_ticks for row in heard.fills()]
    assert [row.tid for row in heard.fills()] == [item.tid for item in heard.trades]
    assert ANN == heard.trades[0].buyer
    assert ["filled"] == heard.statuses()


def test_an_ioc_that_takes_all_there_is_ends_canceled_with_its_rest() -> None:
    core = scripted_core()

    record = place(core, 1, 100_005, 3.0, tif=Tif.IOC)

    assert ("canceled", 100_000, 200_000, "") == (
        record.status,
        record.filled_lots,
        record.left_lots,
        record.error,
    )


@pytest.mark.parametrize(
    ("side", "px", "sz", "how", "status"),
    [
        (1, 99_000, 0.5, {"tif": Tif.IOC}, "iocCancelRejected"),
        (1, 100_005, 0.5, {"tif": Tif.ALO}, "badAloPxRejected"),
        (1, 99_000, 0.00001, {}, "minTradeNtlRejected"),
        (1, 99_000, 50, {}, "perpMarginRejected"),
        (-1, 101_000, 0.5, {"reduce_only": True}, "reduceOnlyRejected"),
        (1, 99_000.5, 0.5, {}, "tickRejected"),
        (1, 5_000, 0.5, {}, "oracleRejected"),
        (1, 99_000, 0, {}, "rejected"),
        (
            -1,
            99_000,
            0.5,
            {
                "reduce_only": True,
                "trigger": Trigger(989_000, TriggerKind.STOP_LOSS, is_market=True),
            },
            "badTriggerPxRejected",
        ),
    ],
)
def test_a_refused_order_is_remembered_by_the_venues_status_word(
    side: int, px: float, sz: float, how: dict[str, Json], status: str
) -> None:
    core = scripted_core()
    heard = Heard(core)

    record = place(core, side, px, sz, **how)

    assert (status, False, True) == (record.status, record.is_live, bool(record.error))
    assert [status] == heard.statuses()
    assert record is account(core).find(record.oid)


def test_an_order_of_a_capped_coin_may_only_reduce() -> None:
    core = scripted_core()
    buy_now(core)
    core.capped.add("BTC")

    adds = place(core, 1, 99_000, 0.5)
    flips = place(core, -1, 101_000, 1.5)
    closes = place(core, -1, 101_000, 1.0)

    words = "positionIncreaseAtOpenInterestCapRejected"
    assert [words, words, "open"] == [adds.status, flips.status, closes.status]


def test_a_client_id_is_free_again_when_its_order_has_ended() -> None:
    core = scripted_core()
    first = place(core, 1, 99_000, 0.5, cloid="0x01")

    second = place(core, 1, 99_000, 0.5, cloid="0x01")
    core.cancel(account(core), first)
    third = place(core, 1, 99_000, 0.5, cloid="0x01")

    assert ["canceled", "rejected", "open"] == [first.status, second.status, third.status]
    assert third is account(core).find("0x01")


def test_a_reduce_only_order_larger_than_the_position_fills_it_and_is_filled() -> None:
    core = scripted_core()
    buy_now(core, 0.5)

    record = place(core, -1, 99_000, 0.9, tif=Tif.IOC, reduce_only=True)

    assert ("filled", 50_000, 0) == (record.status, record.filled_lots, record.left_lots)


def test_a_resting_reduce_only_order_shrinks_to_the_position_and_leaves_with_it() -> None:
    core = scripted_core()
    buy_now(core, 0.5)
    record = place(core, -1, 101_000, 0.9, reduce_only=True)

    assert 50_000 == record.left_lots
    place(core, -1, 99_000, 0.2, tif=Tif.IOC)
    assert 30_000 == record.left_lots
    place(core, -1, 99_000, 0.3, tif=Tif.IOC)
    assert "reduceOnlyCanceled" == record.status


def test_an_own_resting_order_in_the_way_is_canceled_as_a_self_trade() -> None:
    core = scripted_core()
    mine = place(core, -1, 100_001, 0.5)

    taker = place(core, 1, 100_005, 0.5, tif=Tif.IOC)

    assert ("selfTradeCanceled", "filled") == (mine.status, taker.status)


def test_two_accounts_trade_with_each_other_under_one_trade_id() -> None:
    core = scripted_core()
    heard = Heard(core)
    maker = place(core, -1, 100_001, 0.5)

    taker = place(core, 1, 100_001, 0.5, tif=Tif.IOC, who=BOB)

    assert ("filled", "filled") == (maker.status, taker.status)
    assert 1 == len({row.tid for row in heard.fills()})
    assert [(BOB, ANN)] == [(item.buyer, item.seller) for item in heard.trades]


def test_a_public_trade_fills_what_rests_in_parts() -> None:
    core = scripted_core()
    heard = Heard(core)
    record = place(core, 1, 99_999, 0.5)

    core.play([trade("BTC", 99_999, 0.2, -1)])
    assert ("open", 30_000) == (record.status, record.left_lots)
    core.play([trade("BTC", 99_990, 0.2, -1), trade("BTC", 99_990, 0.3, -1)])

    assert ("filled", 0) == (record.status, record.left_lots)
    assert ["open", "open", "open", "filled"] == heard.statuses()
    assert [True, True, True] == [row.is_maker for row in heard.fills()]


# -- modifies --------------------------------------------------------------------------------------


def test_a_modify_makes_a_new_order_under_the_same_or_another_client_id() -> None:
    core = scripted_core()
    old = place(core, 1, 99_000, 0.5, cloid="0x01")
    heard = Heard(core)

    new, error = core.modify(account(core), old, wanted(core, 1, 98_000, 0.7, cloid="0x02"))

    assert new is not None
    assert ("", "canceled", "open", 70_000) == (error, old.status, new.status, new.left_lots)
    assert new.oid > old.oid
    assert ["canceled", "open"] == heard.statuses()
    assert [new] == account(core).live()
    assert (old, new) == (account(core).find("0x01"), account(core).find("0x02"))


def test_a_refused_modify_leaves_the_order_as_it_is() -> None:
    core = scripted_core()
    old = place(core, 1, 99_000, 0.5)

    found = core.modify(account(core), old, wanted(core, 1, 99_000, 500))

    assert (None, "Insufficient margin to place order.") == found
    assert (True, 50_000) == (old.is_live, old.left_lots)


def test_a_modify_that_crosses_is_filled_at_once() -> None:
    core = scripted_core()
    old = place(core, 1, 99_000, 0.5)

    new, error = core.modify(account(core), old, wanted(core, 1, 100_005, 0.5))

    assert new is not None
    assert ("", "filled") == (error, new.status)
    assert [] == account(core).live()


def test_a_stop_that_waits_is_modified_too_and_keeps_its_client_id() -> None:
    core = scripted_core()
    buy_now(core, 0.5)
    stop = Trigger(950_000, TriggerKind.STOP_LOSS, is_market=True)
    old = place(core, -1, 90_000, 0.5, reduce_only=True, trigger=stop, cloid="0x01")
    closer = Trigger(960_000, TriggerKind.STOP_LOSS, is_market=True)

    new, error = core.modify(
        account(core),
        old,
        wanted(core, -1, 90_000, 0.5, reduce_only=True, trigger=closer, cloid="0x01"),
    )

    assert new is not None
    assert ("", "canceled", True) == (error, old.status, new.waits_for_trigger)
    assert new is account(core).find("0x01")


def test_an_ended_order_cannot_be_modified_or_canceled() -> None:
    core = scripted_core()
    old = buy_now(core)

    assert not core.cancel(account(core), old)
    assert (None, "Cannot modify canceled or filled order") == core.modify(
        account(core), old, wanted(core, 1, 99_000, 0.5)
    )


# -- triggers and families -------------------------------------------------------------------------


def test_a_stop_waits_for_the_mark_then_sells() -> None:
    core = scripted_core()
    buy_now(core, 0.5)
    stop = Trigger(950_000, TriggerKind.STOP_LOSS, is_market=True)
    record = place(core, -1, 90_000, 0.5, reduce_only=True, trigger=stop)
    heard = Heard(core)

    assert record.waits_for_trigger
    core.play([book("BTC", 94_995, 95_005, seq=2), context("BTC", 94_999)])

    assert ["triggered", "filled"] == heard.statuses()
    assert (0, 0) == core.exchange.position(ANN, "hl:BTC")


def test_children_wait_for_their_parent_and_leave_with_it() -> None:
    core = scripted_core()
    core.begin()
    who = account(core)
    parent = core.place(who, wanted(core, 1, 99_000, 0.5))
    stop = Trigger(950_000, TriggerKind.STOP_LOSS, is_market=True)
    take = Trigger(1_050_000, TriggerKind.TAKE_PROFIT, is_market=True)
    children = [
        core.place(who, wanted(core, -1, px, 0.5, reduce_only=True, trigger=trigger), parent)
        for px, trigger in ((90_000, stop), (104_000, take))
    ]

    assert [True, True] == [child.waits_for_parent for child in children]
    core.cancel(who, parent)
    assert ["canceled"] * 3 == [one.status for one in (parent, *children)]


def test_when_one_child_fires_the_other_leaves() -> None:
    core = scripted_core()
    core.begin()
    who = account(core)
    parent = core.place(who, wanted(core, 1, 100_005, 0.5))
    stop = Trigger(950_000, TriggerKind.STOP_LOSS, is_market=True)
    take = Trigger(1_050_000, TriggerKind.TAKE_PROFIT, is_market=True)
    sl, tp = (
        core.place(who, wanted(core, -1, px, 0.5, reduce_only=True, trigger=trigger), parent)
        for px, trigger in ((90_000, stop), (104_000, take))
    )

    core.play([book("BTC", 94_995, 95_005, seq=2), context("BTC", 94_999)])

    assert ("filled", "filled", "siblingFilledCanceled") == (parent.status, sl.status, tp.status)


# -- what an account remembers ---------------------------------------------------------------------


def test_fills_say_where_the_position_was_and_what_they_realised_before_fees() -> None:
    core = scripted_core()
    for side, px, sz in ((1, 101_000, 0.5), (1, 101_000, 0.5), (-1, 99_000, 0.4), (-1, 99_000, 1)):
        place(core, side, px, sz, tif=Tif.IOC)

    fills = account(core).history.fills
    found = [(row.start_lots, row.direction, row.realised_e8) for row in fills]

    # Bought at 100,005 and sold at 99,995: a loss of 10 for each BTC; the second sale walks on
    # to 99,985 after 0.6 at 99,995.
    assert [
        (0, "Open Long", 0),
        (50_000, "Open Long", 0),
        (100_000, "Close Long", -4_00000000),
        (60_000, "Close Long", -6_00000000),
        (0, "Open Short", 0),
    ] == found


def test_a_flip_is_one_fill_that_says_so() -> None:
    core = scripted_core()
    buy_now(core, 0.5)
    place(core, -1, 99_000, 0.9, tif=Tif.IOC)

    last = account(core).history.fills[-1]

    assert ("Long > Short", 50_000, -5_00000000) == (
        last.direction,
        last.start_lots,
        last.realised_e8,
    )


def test_cash_is_the_start_with_what_fills_realised_and_cost_and_funding_took() -> None:
    core = scripted_core()
    buy_now(core, 1.0)
    core.play([funding("BTC", 0.0001), funding("BTC", -0.00005)])
    place(core, -1, 99_000, 0.4, tif=Tif.IOC)
    history = account(core).history

    cash_e8 = 100_000_00000000
    cash_e8 += sum(row.realised_e8 - row.fee_e8 for row in history.fills)
    cash_e8 -= sum(row.amount_e8 for row in history.fundings)

    reading = core.reading(account(core))
    assert cash_e8 == reading.cash_e8
    assert reading.equity_e8 == reading.cash_e8 + sum(
        one.unrealised_e8 for one in reading.positions
    )
    assert [10_00000000, -5_00000000] == [row.amount_e8 for row in history.fundings]
    assert 5_00000000 == history.holding("hl:BTC").funding_all_e8
    assert 0 == history.holding("hl:BTC").funding_change_e8


def test_volume_counts_both_sides_of_the_market() -> None:
    core = scripted_core(volume_e8=1_00000000)
    buy_now(core, 1.0)

    assert 1_00000000 + 100_005_00000000 == account(core).volume_e8


def test_ended_orders_are_forgotten_oldest_first_and_live_ones_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.simulated.accounts.ORDERS_MAX", 3)
    core = scripted_core()
    kept = place(core, 1, 90_000, 0.5, cloid="0xaa")
    ended = [place(core, 1, 99_000, 0.5, cloid=f"0x{i}", tif=Tif.IOC) for i in range(4)]
    who = account(core)

    assert [kept.oid, ended[2].oid, ended[3].oid] == list(who.orders)
    assert (None, ended[3], kept) == (who.find("0x0"), who.find("0x3"), who.find("0xaa"))


# -- accounts and agents ---------------------------------------------------------------------------


def test_an_address_is_an_account_at_first_sight_in_any_case() -> None:
    core = scripted_core(balance_e8=7_00000000)

    assert account(core, ANN.upper().replace("0X", "0x")) is account(core, ANN)
    assert 7_00000000 == core.reading(account(core)).equity_e8
    assert {"type": "deposit", "usdc": "7.0"} == account(core).history.ledger[0].delta


def test_a_venue_that_is_full_or_strict_opens_no_account() -> None:
    full, strict = scripted_core(accounts_max=1), scripted_core(strict=True)
    account(full)

    assert full.account(BOB) is None
    assert strict.account(ANN) is None
    strict.open_account(ANN)
    assert strict.account(ANN) is not None


def test_an_agent_is_nobody_and_acts_for_its_master_until_another_takes_its_name() -> None:
    core = scripted_core()
    first, second = "0x" + "11" * 20, "0x" + "22" * 20

    assert "" == core.approve_agent(account(core), Agent(first, "bot", 10**15))
    assert (None, ANN) == (core.account(first), core.agents[first])
    assert "" == core.approve_agent(account(core), Agent(second, "bot", 10**15))
    assert {second: ANN} == core.agents
    assert "Extra agent already used." == core.approve_agent(
        account(core, BOB), Agent(second, "x", 10**15)
    )


def test_a_fourth_named_agent_is_one_too_many_beside_an_unnamed_one() -> None:
    core = scripted_core()
    found = [
        core.approve_agent(account(core), Agent("0x" + f"{i}{i}" * 20, name, 10**15))
        for i, name in enumerate(("", "a", "b", "c", "d"))
    ]

    assert [""] * 4 == found[:4]
    assert found[4].startswith("Too many extra agents")


def test_a_scheduled_cancel_takes_every_order_at_its_time() -> None:
    clock = ManualClock(NOW_NS)
    core = scripted_core(clock)
    record = place(core, 1, 99_000, 0.5)
    account(core).schedule_ms = core.clock.now_ms() + 5_000

    core.play([trade("BTC", 100_000, 0.1, 1)])
    assert record.is_live
    clock.advance(5 * NS_PER_S)
    core.play([trade("BTC", 100_000, 0.1, 1)])

    assert "scheduledCancel" == record.status


# -- the book --------------------------------------------------------------------------------------


def test_own_orders_are_in_the_book_unless_the_market_has_moved_through_them() -> None:
    core = scripted_core()
    data = core.public["hl:BTC"]
    place(core, 1, 99_995, 0.5)
    place(core, 1, 100_000, 0.5)

    bids, asks = data.book()
    assert [(1_000_000, 50_000, 1), (999_950, 150_000, 2)] == [
        (one.px_ticks, one.sz_lots, one.orders) for one in bids[:2]
    ]
    assert 1_000_050 == asks[0].px_ticks

    core.play([book("BTC", 99_985, 99_990, seq=2)])
    bids, asks = data.book()
    assert (999_850, 999_900) == (bids[0].px_ticks, asks[0].px_ticks)


def test_what_was_taken_is_not_in_the_book_until_the_next_row() -> None:
    core = scripted_core()
    data = core.public["hl:BTC"]
    buy_now(core, 0.75)

    assert 25_000 == data.book()[1][0].sz_lots
    core.play([book("BTC", 99_995, 100_005, seq=2)])
    assert 100_000 == data.book()[1][0].sz_lots
