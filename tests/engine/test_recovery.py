"""What a journal says was left, whatever became of the runs in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
import pytest

from engine.budget import BudgetLimits
from engine.drive.recorded import RecordedSetup
from engine.drive.recovery import ACTIONS_MAX, Left, Owned, what_was_left
from engine.errors import JournalError
from engine.journal import JournalWriter, RunMeta
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    OrderNote,
    Outgoing,
    Place,
)
from engine.model.events import (
    AccountOpened,
    AccountRead,
    AnyEvent,
    AssetContext,
    BlockTime,
    FundingPaid,
    InstrumentUpdated,
    OrderAccepted,
    OrderCanceled,
    OrderCarried,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnclear,
    PositionCarried,
    Quote,
)
from engine.model.orders import OrderState
from engine.model.units import NS_PER_MS, Side, Tif
from engine.setup import AccountSetup
from risk.limits import Limits
from tests.engine.builders import BTC, MAIN, instrument

ADDRESS = "0xabc"
MS = NS_PER_MS
C1, C2 = "0x1", "0x2"


class Run:
    """One run, written to the journal of `folder` as a driver does; times in ms."""

    def __init__(
        self, folder: Path, *, accounts: Sequence[tuple[str, str]] = ((MAIN, ADDRESS),)
    ) -> None:
        self.writer = JournalWriter(folder)
        self.nonce = 0
        setup = RecordedSetup(
            instruments=(instrument(), instrument("ETH")),
            accounts=tuple(AccountSetup(name, "hl", {}, address) for name, address in accounts),
            strategies=(),
            limits=Limits(),
            budget=BudgetLimits(),
            bars_from_trades=(),
        )
        self.writer.append_meta(RunMeta("", "", (), msgspec.msgpack.encode(setup)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Killed: what was flushed stays."""
        self.writer.abandon()

    def hear(self, *events: AnyEvent) -> Run:
        for event in events:
            self.writer.append_event(event)
        return self

    def open(self, ms: int, cash_e8: int = 1_000, account: str = MAIN) -> Run:
        """The account opens, and something follows."""
        return self.hear(AccountOpened(ms * MS, ms * MS, account, "hl", cash_e8), BlockTime(0, 0))

    def send(self, *commands: Command, kind: str = "order", account: str = MAIN) -> Outgoing:
        self.nonce += 1
        notes = tuple(
            OrderNote(one.cloid, 0, "mine", "bid") for one in commands if isinstance(one, Place)
        )
        batch = Batch(account, kind, commands, 1, 1)
        outgoing = Outgoing("hl", account, batch, self.nonce, b"signed", 0, notes)
        self.writer.append_sent(outgoing)
        return outgoing


def place(cloid: str = C1) -> Place:
    return Place(BTC, cloid, Side.BUY, 99_000, 1_000, Tif.ALO)


def accepted(cloid: str = C1, generation: int = 0, oid: int = 7) -> OrderAccepted:
    return OrderAccepted(0, 0, MAIN, BTC, cloid, generation, oid)


def fill(  # noqa: PLR0913 - a case says what it needs
    ms: int,
    trade_id: int,
    *,
    cloid: str = C1,
    side: Side = Side.BUY,
    lots: int = 400,
    px_ticks: int = 99_000,
    where: str = BTC,
) -> OrderFilled:
    numbers = side, px_ticks, lots, 0.0, 0.0, 5
    return OrderFilled(ms * MS, 0, MAIN, where, cloid, 0, 7, trade_id, *numbers, is_maker=True)


def test_of_no_journal_and_of_an_empty_one_nothing_is_left(tmp_path: Path) -> None:
    assert Left() == what_was_left(tmp_path / "none")

    JournalWriter(tmp_path / "empty").abandon()
    assert Left() == what_was_left(tmp_path / "empty")


def test_what_was_sent_and_not_answered_is_left_with_its_owner_and_its_bytes(
    tmp_path: Path,
) -> None:
    with Run(tmp_path / "j") as run:
        outgoing = run.open(1).send(place())
    left = what_was_left(tmp_path / "j")
    (order,) = left.orders

    assert (OrderState.SENT, "mine", "bid") == (order.state, order.strategy, order.quote)
    assert (outgoing,) == left.unanswered
    assert 1 == left.nonce_max


def test_an_answer_takes_the_action_off_the_list_and_a_later_one_puts_another_on(
    tmp_path: Path,
) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(accepted())
        modify = run.send(ModifyOrder(BTC, C1, 1, Side.BUY, 98_000, 900, Tif.ALO), kind="modify")
    left = what_was_left(tmp_path / "j")
    (order,) = left.orders

    assert (modify,) == left.unanswered
    assert (OrderState.MODIFYING, 0, 98_000, 900) == (
        order.state,
        order.generation,
        order.pending_px_ticks,
        order.pending_sz_lots,
    )


def test_an_order_that_ended_is_not_left_and_neither_is_what_it_was_sent_with(
    tmp_path: Path,
) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(OrderUnclear(0, 0, MAIN, BTC, C1, 0, "timeout"))
        run.hear(OrderCanceled(0, 0, MAIN, BTC, C1, 0, 0, "neverPlaced"))
    left = what_was_left(tmp_path / "j")

    assert ((), ()) == (left.orders, left.unanswered)


def test_an_order_that_lives_after_all_was_not_sent_with_what_had_ended_it(tmp_path: Path) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(OrderRejected(0, 0, MAIN, BTC, C1, 0, "no"), accepted())
    left = what_was_left(tmp_path / "j")

    assert [OrderState.UNKNOWN] == [order.state for order in left.orders]
    assert () == left.unanswered


def test_a_cancel_in_flight_leaves_the_order_counting(tmp_path: Path) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(accepted(), fill(2, 1))
        run.send(CancelOrder(BTC, C1, 0), kind="cancel")
    (order,) = what_was_left(tmp_path / "j").orders

    assert (OrderState.CANCELING, 600) == (order.state, order.remaining_lots)


def test_of_one_order_a_bounded_number_of_actions_is_kept_and_the_newest(tmp_path: Path) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        for px_ticks in range(ACTIONS_MAX + 3):
            newest = run.send(
                ModifyOrder(BTC, C1, 1, Side.BUY, 90_000 + px_ticks, 900, Tif.ALO), kind="modify"
            )
    left = what_was_left(tmp_path / "j")

    assert ACTIONS_MAX == len(left.unanswered)
    assert newest == left.unanswered[-1]


def test_ledger_positions_and_what_was_booked_are_of_all_that_happened(tmp_path: Path) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(
            accepted(),
            Quote(0, 0, BTC, 1.0, 1.0, 2.0, 1.0),
            fill(5, 1),
            FundingPaid(6 * MS, 0, MAIN, BTC, 11, 400, 0.1),
        )
    left = what_was_left(tmp_path / "j")
    cost_e8 = 400 * 99_000 * 100

    assert {MAIN: 1_000 - 5 - 11} == left.cash_e8
    assert (Owned(MAIN, BTC, "mine", 400, cost_e8, cost_e8),) == left.positions
    assert ({MAIN: 5}, {MAIN: 6}, {MAIN: 1}) == (
        left.fills_seen_ms,
        left.funding_seen_ms,
        left.opened_ms,
    )
    assert {("fill", MAIN, 5, BTC, 1), ("funding", MAIN, 6, BTC, 0)} == left.booked


def test_owners_that_hold_against_each_other_bring_what_the_account_itself_paid(
    tmp_path: Path,
) -> None:
    """The account realised when the second sold; the strategies have realised nothing."""
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(
            accepted(),
            fill(2, 1, lots=400),
            fill(3, 2, cloid="theirs", side=Side.SELL, lots=100, px_ticks=100_000),
        )
    left = what_was_left(tmp_path / "j")
    whole_e8 = 400 * 99_000 * 100

    assert whole_e8 * 3 // 4 == sum(held.net_cost_e8 for held in left.positions)
    assert {"mine": whole_e8, "external": -100 * 100_000 * 100} == {
        held.owner: held.cost_e8 for held in left.positions
    }


# -- runs that did not get far ---------------------------------------------------------------------


def one_run(folder: Path) -> Left:
    """A run that left a position, an order and a ledger."""
    with Run(folder) as run:
        run.open(1).send(place())
        run.hear(accepted(), fill(5, 1))
    return what_was_left(folder)


def summary(left: Left) -> tuple[object, ...]:
    return (
        left.cash_e8,
        left.positions,
        [(order.cloid, order.quote, order.remaining_lots) for order in left.orders],
        left.fills_seen_ms,
        left.opened_ms,
        left.addresses,
    )


@pytest.mark.parametrize(
    "heard",
    [
        (),
        (AccountOpened(9 * MS, 0, MAIN, "hl", 984),),
        (
            AccountOpened(9 * MS, 0, MAIN, "hl", 984),
            PositionCarried(9 * MS, 0, MAIN, BTC, "mine", 400, 1),
        ),
        (
            AccountOpened(9 * MS, 0, MAIN, "hl", 984),
            Quote(0, 0, BTC, 1.0, 1.0, 2.0, 1.0),
        ),
    ],
)
def test_a_run_that_died_before_it_took_an_account_over_changes_nothing_of_it(
    tmp_path: Path, heard: tuple[AnyEvent, ...]
) -> None:
    left = one_run(tmp_path / "j")
    for _ in range(2):
        with Run(tmp_path / "j") as run:
            run.hear(*heard)

    assert summary(left) == summary(what_was_left(tmp_path / "j"))


def test_a_run_that_took_an_account_over_is_its_whole_state(tmp_path: Path) -> None:
    one_run(tmp_path / "j")
    with Run(tmp_path / "j") as run:
        carried = PositionCarried(9 * MS, 0, MAIN, BTC, "mine", 400, 77)
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 990), carried, BlockTime(0, 0))
    left = what_was_left(tmp_path / "j")

    assert ({MAIN: 990}, ()) == (left.cash_e8, left.orders)
    assert [77] == [held.cost_e8 for held in left.positions]
    # When it first opened is what bounds its fills.
    assert {MAIN: 1} == left.opened_ms


def test_an_account_that_was_not_in_the_last_run_goes_on_where_it_was(tmp_path: Path) -> None:
    left = one_run(tmp_path / "j")
    with Run(tmp_path / "j", accounts=(("other", "0xdef"),)) as run:
        run.open(9, 5, "other")
    now = what_was_left(tmp_path / "j")

    assert {MAIN: left.cash_e8[MAIN], "other": 5} == now.cash_e8
    assert (left.positions, {MAIN: ADDRESS, "other": "0xdef"}) == (now.positions, now.addresses)


def test_another_address_under_the_same_name_begins_anew(tmp_path: Path) -> None:
    one_run(tmp_path / "j")
    with Run(tmp_path / "j", accounts=((MAIN, "0xdef"),)) as run:
        run.open(9, 5)
    left = what_was_left(tmp_path / "j")

    assert ({MAIN: 5}, (), ()) == (left.cash_e8, left.positions, left.orders)
    assert ({MAIN: 9}, {MAIN: 9}) == (left.fills_seen_ms, left.opened_ms)
    assert Left(nonce_max=1) == msgspec.structs.replace(left.of({MAIN: ADDRESS}))


def test_a_first_opening_that_was_cut_short_bounds_nothing(tmp_path: Path) -> None:
    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(1 * MS, 0, MAIN, "hl", 5))
    with Run(tmp_path / "j") as run:
        run.open(9, 7)

    assert {MAIN: 9} == what_was_left(tmp_path / "j").opened_ms


def test_an_action_stays_unanswered_over_runs_until_its_order_is_settled(tmp_path: Path) -> None:
    with Run(tmp_path / "j") as run:
        outgoing = run.open(1).send(place())
    carried = OrderCarried(
        0, 0, MAIN, BTC, C1, 0, 0, "mine", "bid", Side.BUY, 99_000, 1_000, Tif.ALO,
        reduce_only=False, state=OrderState.UNKNOWN,
    )  # fmt: skip
    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 1_000), carried, BlockTime(0, 0))
    assert (outgoing,) == what_was_left(tmp_path / "j").unanswered

    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 1_000), carried, accepted())
    assert () == what_was_left(tmp_path / "j").unanswered


def test_a_run_that_died_while_opening_leaves_a_modify_unanswered_as_it_was(
    tmp_path: Path,
) -> None:
    """It carried the order as modified, and died: the next must be able to tell that again."""
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(accepted())
        modify = run.send(ModifyOrder(BTC, C1, 1, Side.BUY, 98_000, 900, Tif.ALO), kind="modify")
    carried = OrderCarried(
        0, 0, MAIN, BTC, C1, 1, 8, "mine", "bid", Side.BUY, 98_000, 900, Tif.ALO,
        reduce_only=False, state=OrderState.OPEN,
    )  # fmt: skip
    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 1_000), carried)
    left = what_was_left(tmp_path / "j")

    assert (modify,) == left.unanswered
    assert [(0, 900)] == [(one.generation, one.pending_sz_lots) for one in left.orders]


def test_a_modify_in_flight_stays_one_over_runs(tmp_path: Path) -> None:
    carried = OrderCarried(
        0, 0, MAIN, BTC, C1, 3, 7, "mine", "bid", Side.BUY, 99_000, 1_000, Tif.ALO,
        reduce_only=False, state=OrderState.UNKNOWN, pending_px_ticks=98_000, pending_sz_lots=900,
    )  # fmt: skip
    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 1_000), carried, BlockTime(0, 0))
    (order,) = what_was_left(tmp_path / "j").orders

    assert (3, 98_000, 900, 4) == (
        order.generation,
        order.pending_px_ticks,
        order.pending_sz_lots,
        order.newest_generation,
    )


def test_what_was_filled_of_a_live_order_is_left_by_generation_over_runs_until_it_ends(
    tmp_path: Path,
) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place(), place(C2))
        run.hear(accepted(), fill(2, 1, lots=100), fill(3, 2, cloid=C2), fill(4, 3, cloid="oid:9"))
        run.send(ModifyOrder(BTC, C1, 1, Side.BUY, 98_000, 900, Tif.ALO), kind="modify")
        run.hear(accepted(generation=1, oid=8))
    assert {C1: {0: 100}, C2: {0: 400}} == what_was_left(tmp_path / "j").filled_lots

    facts = "mine", "bid", Side.BUY, 98_000, 900, Tif.ALO
    carried = OrderCarried(
        0, 0, MAIN, BTC, C1, 1, 8, *facts, reduce_only=False, state=OrderState.OPEN
    )
    later = msgspec.structs.replace(fill(11, 4, lots=50), generation=1)
    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 1_000), carried, later)
    assert {C1: {0: 100, 1: 50}} == what_was_left(tmp_path / "j").filled_lots

    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 1_000), carried, BlockTime(0, 0))
        run.hear(OrderCanceled(0, 0, MAIN, BTC, C1, 1, 8, "canceled"))
    assert {} == what_was_left(tmp_path / "j").filled_lots


# -- hard cases ------------------------------------------------------------------------------------


def replaced(generation: int, lots: int) -> OrderReplaced:
    return OrderReplaced(0, 0, MAIN, BTC, C1, generation, 8, 98_000, lots)


@pytest.mark.parametrize("late", [0, 300])
def test_an_order_that_turns_out_to_live_after_its_end_keeps_what_was_filled_of_it(
    late: int, tmp_path: Path
) -> None:
    """Its modify went through after all; a fill may have come between the two."""
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
        run.hear(accepted(), fill(2, 1, lots=100))
        run.hear(OrderCanceled(0, 0, MAIN, BTC, C1, 0, 7, "canceled"))
        if late:
            run.hear(fill(3, 2, lots=late))
        run.hear(replaced(1, 500))
    left = what_was_left(tmp_path / "j")
    (order,) = left.orders

    assert (OrderState.UNKNOWN, 100 + late, 500) == (
        order.state,
        order.filled_lots,
        order.remaining_lots,
    )
    assert {C1: {0: 100 + late}} == left.filled_lots


def test_what_is_traded_on_a_market_that_was_listed_during_the_run_counts(tmp_path: Path) -> None:
    new = instrument("NEW")
    with Run(tmp_path / "j") as run:
        run.open(1).hear(
            fill(2, 1, where=new.id), InstrumentUpdated(0, 0, new), fill(3, 2, where=new.id)
        )
    left = what_was_left(tmp_path / "j")

    assert [(new.id, "external", 400)] == [
        (held.instrument, held.owner, held.lots) for held in left.positions
    ]
    assert {MAIN: 1_000 - 5} == left.cash_e8


def test_a_difference_that_was_declared_is_left_with_external(tmp_path: Path) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).hear(
            AssetContext(0, 0, BTC, 100.0, 100.0, 0.0, 0.0),
            *[AccountRead(ms * MS, 0, MAIN, 0, 0, ((BTC, 300),)) for ms in (2, 3)],
        )
    (held,) = what_was_left(tmp_path / "j").positions

    assert ("external", 300, 300 * 100_000 * 100) == (held.owner, held.lots, held.cost_e8)


def test_a_torn_tail_is_as_if_it_had_not_been_written(tmp_path: Path) -> None:
    one_run(tmp_path / "j")
    (path,) = (tmp_path / "j").glob("*.journal")
    whole = path.read_bytes()
    # The last record is the fill: without its last byte it never was heard.
    path.write_bytes(whole[:-1])
    left = what_was_left(tmp_path / "j")

    assert ({MAIN: 1_000}, ()) == (left.cash_e8, left.positions)


def test_a_journal_of_a_setup_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j")
    writer.append_meta(RunMeta("", "", (), b"\xc1"))
    writer.abandon()

    with pytest.raises(JournalError, match="META"):
        what_was_left(tmp_path / "j")


def test_accounts_that_open_one_right_after_the_other_are_all_taken_over(tmp_path: Path) -> None:
    accounts = ((MAIN, ADDRESS), ("other", "0xdef"))
    with Run(tmp_path / "j", accounts=accounts) as run:
        for account, cash_e8 in ((MAIN, 5), ("other", 7)):
            run.hear(AccountOpened(1 * MS, 0, account, "hl", cash_e8))
        run.hear(BlockTime(0, 0))

    assert {MAIN: 5, "other": 7} == what_was_left(tmp_path / "j").cash_e8


def test_an_order_that_is_listed_when_a_run_begins_leaves_no_action_unanswered(
    tmp_path: Path,
) -> None:
    with Run(tmp_path / "j") as run:
        run.open(1).send(place())
    carried = OrderCarried(
        0, 0, MAIN, BTC, C1, 0, 7, "mine", "bid", Side.BUY, 99_000, 1_000, Tif.ALO,
        reduce_only=False, state=OrderState.OPEN,
    )  # fmt: skip
    with Run(tmp_path / "j") as run:
        run.hear(AccountOpened(9 * MS, 0, MAIN, "hl", 1_000), carried, BlockTime(0, 0))

    assert () == what_was_left(tmp_path / "j").unanswered


def test_the_newest_nonce_and_times_are_the_highest_and_not_the_last(tmp_path: Path) -> None:
    """Another account's signer, or another venue, may count lower; reports may come late."""
    with Run(tmp_path / "j") as run:
        run.open(1).nonce = 50
        run.send(place())
        run.nonce = 0
        run.send(place(C2))
        run.hear(fill(9, 1), fill(4, 2))
    left = what_was_left(tmp_path / "j")

    assert (51, {MAIN: 9}) == (left.nonce_max, left.fills_seen_ms)


def test_an_older_run_of_another_account_hides_no_action_of_this_one(tmp_path: Path) -> None:
    """Each account's unanswered actions are those of the run that last took it over."""
    both = ((MAIN, ADDRESS), ("other", "0xdef"))
    opened = AccountOpened(9 * MS, 0, MAIN, "hl", 1_000)
    carried = OrderCarried(
        0, 0, MAIN, BTC, C1, 0, 7, "mine", "bid", Side.BUY, 99_000, 1_000, Tif.ALO,
        reduce_only=False, state=OrderState.OPEN,
    )  # fmt: skip
    with Run(tmp_path / "j", accounts=both) as run:
        run.open(1).open(1, 5, "other").send(place())
    with Run(tmp_path / "j") as run:
        run.nonce = 7
        run.hear(opened, carried)
        modify = run.send(ModifyOrder(BTC, C1, 1, Side.BUY, 98_000, 900, Tif.ALO), kind="modify")
    unknown = msgspec.structs.replace(
        carried, state=OrderState.UNKNOWN, pending_px_ticks=98_000, pending_sz_lots=900
    )
    with Run(tmp_path / "j", accounts=both) as run:
        run.hear(opened, unknown, BlockTime(0, 0)).open(9, 5, "other")

    assert (modify,) == what_was_left(tmp_path / "j").unanswered
