"""Fills, funding and transfers: each once, in order, in exact integers."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from connectors.hyperliquid.fills import CashBook, in_order, transferred_e8
from connectors.hyperliquid.info import ledger
from connectors.hyperliquid.info.orders import Liquidation
from connectors.hyperliquid.user_frames import UserFunding
from connectors.hyperliquid.venue_time import VenueTime
from connectors.port import Resumption
from engine.drive.seams import ManualClock
from engine.model.commands import Place
from engine.model.events import FundingPaid, OrderFilled, Transfer
from engine.model.units import MONEY_SCALE, NS_PER_MS, Side, Tif
from tests.connectors.hyperliquid.link_parts import ADDRESS, NOW_MS, Parts, cloid, fill

OTHER = "0x" + "cd" * 20


def book(parts: Parts) -> CashBook:
    return CashBook(parts.common, parts.reports, "main", ADDRESS)


def test_a_fill_is_exact_and_names_its_order() -> None:
    parts = Parts()
    parts.sent("order", Place("hl:BTC", cloid(1), Side.SELL, 1_000, 5, Tif.GTC))
    cash = book(parts)
    row = fill(
        9, number=1, side="A", px="98765.4", sz="0.00003", fee="-0.00012345", crossed=False, oid=5
    )
    assert 1 == cash.book_fills([row])

    (event,) = parts.take()
    assert isinstance(event, OrderFilled)
    assert (cloid(1), 0, 5, 9) == (event.cloid, event.generation, event.oid, event.trade_id)
    assert (987_654, 3, -12_345) == (event.px_ticks, event.sz_lots, event.fee_e8)
    assert (Side.SELL, True, False) == (event.side, event.is_maker, event.is_liquidation)
    assert (98765.4, 0.00003) == (event.px, event.sz)


def test_a_fill_comes_once_whether_by_stream_snapshot_or_request() -> None:
    parts = Parts()
    cash = book(parts)
    rows = [fill(1), fill(2, time_ms=NOW_MS + 1)]
    assert [2, 0, 0] == [cash.book_fills(rows), cash.book_fills(rows[::-1]), cash.book_fills(rows)]


def test_a_trade_id_alone_does_not_tell_fills_apart() -> None:
    cash = book(Parts())
    rows = [fill(1), fill(1, coin="ETH"), fill(1, time_ms=NOW_MS + 1)]

    assert 3 == cash.book_fills(rows)


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_fills_of_one_millisecond_are_ordered_by_the_positions_they_tell(
    order: tuple[int, ...],
) -> None:
    chain = [
        fill(1, start="-1.0", sz="3.0"),
        fill(2, start="2.0", sz="0.5", side="A"),
        fill(3, start="1.5", sz="1.5", side="A"),
        fill(4, start="0.0", sz="4.0", side="A"),
    ]

    assert [1, 2, 3, 4] == [row.tid for row in in_order([chain[index] for index in order])]


def test_fills_whose_chain_is_broken_are_all_booked() -> None:
    rows = [fill(1, start="5.0"), fill(2, start="5.0"), fill(3, start="9.0")]

    assert {1, 2, 3} == {row.tid for row in in_order(rows)}


@pytest.mark.parametrize(
    ("liquidation", "expected"),
    [
        (None, False),
        (Liquidation(mark_px="1.0", method="market", liquidated_user=ADDRESS.upper()), True),
        (Liquidation(mark_px="1.0", method="market", liquidated_user=OTHER), False),
        (Liquidation(mark_px="1.0", method="market"), False),
    ],
)
def test_only_our_own_liquidation_is_one(liquidation: Any, *, expected: bool) -> None:  # noqa: ANN401
    parts = Parts()
    book(parts).book_fills([fill(1, liquidation=liquidation)])

    (event,) = parts.take()
    assert isinstance(event, OrderFilled)
    assert expected is event.is_liquidation


def test_a_fill_of_nobodys_order_goes_by_its_oid() -> None:
    parts = Parts()
    book(parts).book_fills([fill(1, oid=77), fill(2, oid=78, number=5)])

    assert ["oid:77", "oid:78"] == [event.cloid for event in parts.take()]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "row", [fill(1, sz="0.000001"), fill(1, px="100.01"), fill(1, px="1e3"), fill(1, sz="abc")]
)
def test_a_fill_off_the_grid_is_put_away_and_hides_no_other(row: Any) -> None:  # noqa: ANN401
    parts = Parts()
    assert 1 == book(parts).book_fills([row, fill(2)])
    assert {"fill": 1} == dict(parts.common.quarantine)


def test_a_fill_from_the_future_is_put_away_and_hides_no_later_one() -> None:
    parts = Parts()
    cash = book(parts)
    day_ms = 24 * 3_600_000
    assert 1 == cash.book_fills([fill(1, time_ms=NOW_MS + day_ms), fill(2, time_ms=NOW_MS + 1)])

    assert (NOW_MS, 1) == (cash.newest_fill_ms, parts.common.quarantine["fill"])


def test_a_funding_from_the_future_is_put_away_and_hides_no_later_one() -> None:
    parts = Parts()
    cash = book(parts)
    rows = [
        UserFunding(coin="BTC", usdc="1", szi="1", funding_rate="0.1", time_ms=NOW_MS + ahead_ms)
        for ahead_ms in (24 * 3_600_000, 1)
    ]
    assert 1 == cash.book_fundings(rows)

    assert (NOW_MS, 1) == (cash.newest_funding_ms, parts.common.quarantine["funding"])


def transfer(time_ms: int) -> ledger.LedgerUpdate:
    return ledger.LedgerUpdate(time_ms=time_ms, hash="0x1", delta=ledger.Deposit(usdc="5"))


def test_a_transfer_from_the_future_is_put_away_and_hides_no_other() -> None:
    parts = Parts()
    rows = [transfer(NOW_MS + 24 * 3_600_000), transfer(NOW_MS + 1)]
    assert 1 == book(parts).book_transfers(rows)

    assert {"ledger row": 1} == dict(parts.common.quarantine)


@pytest.mark.parametrize("has_seen_one", [True, False])
def test_a_transfer_or_nonce_of_an_earlier_run_from_the_future_hides_no_later_transfer(
    *, has_seen_one: bool
) -> None:
    cash = book(Parts())
    late_ms = NOW_MS + 24 * 3_600_000
    seen = {"main": late_ms} if has_seen_one else {}
    fills = {"main": NOW_MS}
    left = Resumption(nonce_max=late_ms, fills_seen_ms=fills, transfers_seen_ms=seen)
    assert cash.resume(left)

    assert 1 == cash.book_transfers([transfer(NOW_MS)])


def test_a_time_is_not_yet_only_if_it_is_so_by_the_machines_clock_too() -> None:
    """That one goes on while the machine sleeps; the measured one does not."""
    clock = ManualClock(NOW_MS * NS_PER_MS)
    time = VenueTime(clock)
    late_ms = NOW_MS + 24 * 3_600_000
    assert time.is_ahead(late_ms)

    clock.set_now(late_ms * NS_PER_MS)
    assert not time.is_ahead(late_ms)


def test_what_an_earlier_run_saw_in_the_future_is_taken_up_from_now_on() -> None:
    cash = book(Parts())
    late_ms = NOW_MS + 24 * 3_600_000
    seen = {"main": late_ms}
    assert cash.resume(Resumption(fills_seen_ms=seen, funding_seen_ms=seen))

    assert (NOW_MS, NOW_MS) == (cash.newest_fill_ms, cash.newest_funding_ms)


def test_a_spot_fill_is_not_counted() -> None:
    parts = Parts()
    assert 0 == book(parts).book_fills([fill(1, coin="@107")])
    assert [] == parts.take()


def funding(time_ms: int = NOW_MS, usdc: str = "-1.25", coin: str = "BTC") -> UserFunding:
    return UserFunding(time_ms=time_ms, coin=coin, usdc=usdc, szi="-0.5", funding_rate="0.0000125")


def test_funding_that_was_paid_is_positive_and_comes_once() -> None:
    parts = Parts()
    cash = book(parts)
    rows = [funding(), funding(usdc=" 0.00000001", coin="ETH"), funding()]
    assert 2 == cash.book_fundings(rows)
    assert 0 == cash.book_fundings(rows)

    paid, received = parts.take()
    assert isinstance(paid, FundingPaid)
    assert isinstance(received, FundingPaid)
    assert (125_000_000, -50_000, 0.0000125) == (paid.amount_e8, paid.sz_lots, paid.rate)
    assert -1 == received.amount_e8


def test_what_the_starting_state_holds_is_history() -> None:
    parts = Parts()
    cash = book(parts)
    cash.begin_at(NOW_MS)
    cash.pass_over([fill(1), fill(2, time_ms=NOW_MS - 5)])
    cash.pass_over_fundings([funding()])

    assert 0 == cash.book_fills([fill(1), fill(2, time_ms=NOW_MS - 5)])
    assert 2 == cash.book_fills([fill(3), fill(4, time_ms=NOW_MS + 1)])
    assert 0 == cash.book_fundings([funding(), funding(NOW_MS - 3_600_000)])
    assert 1 == cash.book_fundings([funding(NOW_MS + 3_600_000)])


def test_after_an_earlier_run_only_what_it_did_not_book_is_booked() -> None:
    parts = Parts()
    cash = book(parts)
    left = Resumption(
        fills_seen_ms={"main": NOW_MS},
        funding_seen_ms={"main": NOW_MS},
        fills_seen=frozenset({("main", NOW_MS, "hl:BTC", 1), ("other", NOW_MS, "hl:BTC", 2)}),
        fundings_seen=frozenset({("main", NOW_MS, "hl:BTC")}),
    )
    assert cash.resume(left)

    old = fill(7, time_ms=NOW_MS - parts.common.settings.overlap_ms - 1)
    assert 2 == cash.book_fills([old, fill(1), fill(2), fill(3, time_ms=NOW_MS - 10)])
    assert 1 == cash.book_fundings([funding(), funding(NOW_MS + 3_600_000)])


def test_an_earlier_run_without_a_fill_is_taken_up_at_its_last_action() -> None:
    cash = book(Parts())
    assert cash.resume(
        Resumption(nonce_max=NOW_MS, fills_seen_ms={"main": 0}, funding_seen_ms={"main": 0})
    )

    assert 0 == cash.book_fills([fill(1, time_ms=NOW_MS - 3_600_000)])
    assert 1 == cash.book_fills([fill(2, time_ms=NOW_MS + 5)])


def test_without_an_earlier_run_there_is_nothing_to_resume() -> None:
    assert not book(Parts()).resume(Resumption(nonce_max=5))


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (ledger.Deposit(usdc="10.5"), 10.5),
        (ledger.Withdraw(usdc="10.0", nonce=1, fee="1.0"), -11.0),
        (ledger.InternalTransfer(usdc="5.0", user=OTHER, destination=ADDRESS, fee="1.0"), 5.0),
        (ledger.InternalTransfer(usdc="5.0", user=ADDRESS, destination=OTHER, fee="1.0"), -6.0),
        (ledger.SubAccountTransfer(usdc="5.0", user=OTHER, destination=ADDRESS), 5.0),
        (ledger.SubAccountTransfer(usdc="5.0", user=ADDRESS, destination=OTHER), -5.0),
        (ledger.AccountClassTransfer(usdc="5.0", to_perp=True), 5.0),
        (ledger.AccountClassTransfer(usdc="5.0", to_perp=False), -5.0),
        (ledger.VaultDeposit(vault=OTHER, usdc="5.0"), -5.0),
        (ledger.VaultDistribution(vault=OTHER, usdc="5.0"), 5.0),
        (ledger.RewardsClaim(amount="5.0"), 0.0),
        (ledger.UnknownDelta("new", b"{}"), 0.0),
    ],
)
def test_a_ledger_row_moves_what_it_says(delta: Any, expected: float) -> None:  # noqa: ANN401
    assert round(expected * MONEY_SCALE) == transferred_e8(delta, ADDRESS)


def test_a_transfer_comes_once_and_not_from_before_the_start() -> None:
    parts = Parts()
    cash = book(parts)
    cash.begin_at(NOW_MS)
    new = ledger.LedgerUpdate(time_ms=NOW_MS + 1, hash="0x1", delta=ledger.Deposit(usdc="3.0"))
    old = ledger.LedgerUpdate(time_ms=NOW_MS, hash="0x2", delta=ledger.Deposit(usdc="4.0"))
    assert [1, 0] == [cash.book_transfers([old, new]), cash.book_transfers([new])]

    (event,) = parts.take()
    assert isinstance(event, Transfer)
    assert (3 * MONEY_SCALE, "Deposit") == (event.amount_e8, event.kind)
