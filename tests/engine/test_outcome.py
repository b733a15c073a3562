"""What is said at the end of a live run of what is left: nothing that matters is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from backtests.record import Recorder
from engine.config import load_config
from engine.core import Engine
from engine.drive.outcome import (
    CASH_GAP_SAID_E8,
    UNBOUNDED,
    WARNINGS_MAX,
    Span,
    left_alone,
    live_facts,
    live_result,
    unwatched,
    what_is_left,
)
from engine.drive.recovery import Left, Owned
from engine.drive.sampling import EquitySampler
from engine.model.events import (
    AccountOpened,
    AccountRead,
    BudgetRead,
    EngineStarted,
    OrderAccepted,
    OrderFilled,
    PositionCarried,
)
from engine.model.units import MONEY_SCALE, TriggerKind
from engine.setup import AccountSetup, EngineSetup, StrategySetup
from engine.state.accounts import EXTERNAL
from tests.engine.builders import BTC, BUY, ETH, MAIN, SELL, House, Scripted, instrument, live_house

CONFIG = Path(__file__).parents[2] / "configs" / "demo.toml"


def protect(
    house: House, sz: float, kind: TriggerKind = TriggerKind.STOP_LOSS, *, is_held: bool = True
) -> str:
    """A reduce-only trigger that sells; its cloid."""
    strategy = house.strategies[0]
    if kind is TriggerKind.STOP_LOSS:
        intent = strategy.stop_loss(BTC, SELL, sz, 90.0)
    else:
        intent = strategy.take_profit(BTC, SELL, sz, 110.0)
    house.ask(intent)
    if is_held:
        house.accept(intent.cloid)
    return intent.cloid


def stopped(house: House) -> None:
    protect(house, 2.0)


def stopped_twice(house: House) -> None:
    protect(house, 1.5)
    protect(house, 0.5)


def stopped_in_part(house: House) -> None:
    protect(house, 0.5)


def only_a_target(house: House) -> None:
    protect(house, 2.0, TriggerKind.TAKE_PROFIT)


def unanswered(house: House) -> None:
    protect(house, 2.0, is_held=False)


def not_reduce_only(house: House) -> None:
    intent = house.strategies[0].stop_loss(BTC, SELL, 2.0, 90.0)
    house.ask(msgspec.structs.replace(intent, reduce_only=False))
    house.accept(intent.cloid)


def being_canceled(house: House) -> None:
    cloid = protect(house, 2.0)
    house.ask(house.strategies[0].cancel(BTC, cloid))


@pytest.mark.parametrize(
    ("prepare", "without"),
    [
        (lambda _: None, "a position of 2 on hl:BTC is left without a stop"),
        (stopped, ""),
        (stopped_twice, ""),
        (stopped_in_part, "1.5 of a position of 2 on hl:BTC is left without a stop"),
        (only_a_target, "a position of 2 on hl:BTC is left without a stop"),
        (unanswered, "a position of 2 on hl:BTC is left without a stop"),
        (not_reduce_only, "a position of 2 on hl:BTC is left without a stop"),
        (being_canceled, "a position of 2 on hl:BTC is left without a stop"),
    ],
)
def test_a_position_is_named_unless_stops_that_the_venue_holds_cover_it(
    prepare: Callable[[House], None], without: str
) -> None:
    house = live_house()
    house.hold(2.0)
    prepare(house)

    said = [text for text in what_is_left(house.engine) if "without a stop" in text]
    assert [f"main: {without}."] * bool(without) == said


def test_a_stop_of_the_other_side_covers_nothing() -> None:
    house = live_house()
    house.hold(2.0)
    protect(house, 2.0)
    house.hold(-3.0)

    assert ["main: a position of -1 on hl:BTC is left without a stop."] == [
        text for text in what_is_left(house.engine) if "without a stop" in text
    ]


def test_of_too_many_warnings_the_first_are_kept_and_the_rest_are_counted() -> None:
    house = live_house()
    told = [f"warning {number}" for number in range(WARNINGS_MAX + 5)]
    span = Span("live", 0, 1, 0, 0.0)
    sampler = EquitySampler(house.engine, 1)
    sampler.sample(house.now_ns)
    loaded = load_config(CONFIG)

    result = live_result(loaded, house.engine, Recorder(), sampler, span, told)
    assert told[: WARNINGS_MAX - 1] == [*result.warnings[:-1]]
    assert "and 6 more warnings; the log has them" == result.warnings[-1]

    whole = live_result(loaded, house.engine, Recorder(), sampler, span, told[:WARNINGS_MAX])
    assert told[:WARNINGS_MAX] == [*whole.warnings]


def test_a_short_position_is_covered_by_a_stop_that_buys() -> None:
    house = live_house()
    house.hold(-2.0)
    intent = house.strategies[0].stop_loss(BTC, BUY, 2.0, 110.0)
    house.ask(intent)
    house.accept(intent.cloid)

    assert [] == [text for text in what_is_left(house.engine) if "without a stop" in text]


def read(house: House, lots: int, cash_e8: int) -> None:
    """The venue's own word on the account."""
    house.tick()
    house.step(AccountRead, MAIN, cash_e8, cash_e8, ((BTC, lots),))


def test_orders_of_unknown_outcome_are_counted() -> None:
    house = live_house()
    house.rest(BUY, 99.0, 1.0)
    assert [] == what_is_left(house.engine)

    for _ in range(2):
        house.unclear(house.rest(BUY, 98.0, 1.0))
    assert [
        "Orders whose outcome is still unknown: 2; the next run settles them first."
    ] == what_is_left(house.engine)


def test_a_difference_from_the_venue_is_told_and_a_cash_gap_from_a_cent_on() -> None:
    house = live_house()
    cash_e8 = house.account.cash_e8
    read(house, 0, cash_e8 + CASH_GAP_SAID_E8)
    assert [] == what_is_left(house.engine)

    read(house, 0, cash_e8 - CASH_GAP_SAID_E8 - 1)
    (said,) = what_is_left(house.engine)
    assert "main: the venue has -0.01 of cash that our ledger does not know." == said

    read(house, 5, cash_e8)
    (said,) = what_is_left(house.engine)
    assert "main: positions differ from the venue's: (('hl:BTC', 5, 0),)" == said


def test_a_strategy_that_holds_what_somebody_else_closed_is_named() -> None:
    house = live_house()
    house.hold(2.0)
    house.fill("0xmanual", 100.0, 2.0, side=SELL)
    (said,) = what_is_left(house.engine)
    assert (
        "one holds 2 on hl:BTC by its own fills, the account 0: trades of somebody else stand"
        " against it (see --settle-external)."
    ) == said

    house.fill("0xmanual", 100.0, 5.0, side=BUY)
    assert not any("holds" in text for text in what_is_left(house.engine))


def test_reductions_that_were_refused_are_told_and_other_refusals_are_not() -> None:
    house = live_house()
    house.halt()
    house.ask(house.limit(BUY, 99.0, 1.0))
    assert [] == what_is_left(house.engine)

    for _ in range(2):
        house.ask(house.limit(SELL, 99.0, 1.0, reduce_only=True))
    assert [
        "one: refused 2 times: a reduce-only order found no position to reduce."
    ] == what_is_left(house.engine)


def test_the_facts_of_a_live_run_are_those_of_each_account() -> None:
    house = live_house()
    assert None is live_facts(house.engine, Recorder(), 0)["accounts"][MAIN]["cash_gap"]
    house.hold(2.0)
    house.rest(BUY, 99.0, 1.0)
    house.step(BudgetRead, MAIN, 7, 10_000)
    read(house, 2_000, house.account.cash_e8 + 3 * MONEY_SCALE)
    facts = live_facts(house.engine, Recorder(), dropped=4)

    assert {
        "equity": 1_000_000.0,
        "actions_used": 7,
        "actions_cap": 10_000,
        "positions_agree": True,
        "cash_gap": 3.0,
        "held": {BTC: 2.0},
        "open_orders": 1,
    } == facts["accounts"][MAIN]
    assert 4 == facts["market_events_dropped"]

    house.step(BudgetRead, MAIN, 7, UNBOUNDED)
    house.hold(-2.0)
    account = live_facts(house.engine, Recorder(), 0)["accounts"][MAIN]
    assert (None, {}) == (account["actions_cap"], account["held"])


def test_an_equity_begins_with_what_was_carried_into_the_run() -> None:
    house = House(start=False)
    house.step(AccountOpened, MAIN, "hl", 100 * MONEY_SCALE)
    house.step(
        PositionCarried, MAIN, BTC, "one", 1_000, 100 * MONEY_SCALE, net_cost_e8=90 * MONEY_SCALE
    )
    sampler = EquitySampler(house.engine, 1)
    sampler.sample(house.now_ns)
    span = Span("live", 0, 1, 0, 0.0)
    result = live_result(load_config(CONFIG), house.engine, Recorder(), sampler, span, [])

    assert 110 * MONEY_SCALE == result.starting_equity_e8


def test_liquidations_oddities_and_a_made_up_venue_are_told() -> None:
    house = live_house()
    cloid = house.rest(BUY, 99.0, 1.0)
    house.fill(cloid, 99.0, 0.25)
    house.fill(cloid, 99.0, 0.25)
    house.fill(cloid, 90.0, 0.5, side=SELL, is_liquidation=True)
    house.reject(house.rest(BUY, 98.0, 1.0))
    recorder = Recorder()
    recorder.drain(house.engine)
    sampler = EquitySampler(house.engine, 1)
    sampler.sample(house.now_ns)
    span = Span("live", 0, 1, 0, 0.0)
    result = live_result(load_config(CONFIG), house.engine, recorder, sampler, span, [])

    assert 1 == result.liquidations
    assert 1 == live_facts(house.engine, recorder, 0)["anomalies"]
    assert 1 == sum("embedded simulated exchange" in text for text in result.assumptions)


# -- two accounts on one venue ---------------------------------------------------------------------

SECOND = "second"


def two_accounts() -> House:
    """Strategy one on the account main, two on second; both hold 2 BTC, second has a stop of 2."""
    strategies = Scripted(), Scripted()
    house = House(*strategies, start=False)
    house.engine = Engine(
        EngineSetup(
            instruments=(instrument(),),
            accounts=(AccountSetup(MAIN, "hl"), AccountSetup(SECOND, "hl")),
            strategies=(
                StrategySetup("one", strategies[0], MAIN, (BTC,)),
                StrategySetup("two", strategies[1], SECOND, (BTC,)),
            ),
        )
    )
    for account in (MAIN, SECOND):
        house.step(AccountOpened, account, "hl", 10**14)
    house.step(EngineStarted, 7)
    house.quote()
    house.mark()
    for account, owner in ((MAIN, "one"), (SECOND, "two")):
        house.step(PositionCarried, account, BTC, owner, 2_000, 200 * MONEY_SCALE)
    stop = strategies[1].stop_loss(BTC, SELL, 2.0, 90.0)
    house.ask(stop, by=1)
    house.step(OrderAccepted, SECOND, BTC, stop.cloid, 0, 1)
    return house


def test_a_stop_on_one_account_covers_no_position_of_another() -> None:
    assert ["main: a position of 2 on hl:BTC is left without a stop."] == what_is_left(
        two_accounts().engine
    )


def test_orders_and_positions_are_told_of_the_account_they_are_on() -> None:
    engine = two_accounts().engine
    accounts = live_facts(engine, Recorder(), 0)["accounts"]

    assert {MAIN: 0, SECOND: 1} == {name: one["open_orders"] for name, one in accounts.items()}
    assert "main: 2 hl:BTC; second: 2 hl:BTC, 1 order" == left_alone(engine)


def test_what_somebody_else_closed_is_told_of_the_account_it_was_on() -> None:
    """A hedge by hand on one account takes nothing from a strategy on the other."""
    house = two_accounts()
    where = SECOND, BTC, "oid:7", 0, 7, 1
    house.step(OrderFilled, *where, SELL, 100_000, 500, 100.0, 0.5, 0, is_maker=False)

    told = [text for text in what_is_left(house.engine) if "somebody else" in text]
    expected = (
        "two holds 2 on hl:BTC by its own fills, the account 1.5: trades of somebody else stand"
        " against it (see --settle-external)."
    )
    assert [expected] == told


def test_of_what_an_earlier_run_left_each_accounts_net_positions_and_orders_are_told() -> None:
    house = live_house()
    resting = tuple(house.order(house.rest(SELL, px, 1.0)) for px in (101.0, 102.0))
    held = [
        Owned(account, where, owner, lots, 0, 0)
        for account, where, owner, lots in (
            (MAIN, BTC, "one", -300),
            (MAIN, BTC, EXTERNAL, 100),
            (MAIN, ETH, "one", 100),
            (MAIN, ETH, EXTERNAL, -100),
            ("other", ETH, "two", 100),
        )
    ]
    left = Left(cash_e8={MAIN: 1, "other": 1, "flat": 1}, positions=(*held,), orders=resting)

    assert (
        "; an earlier run left, and nobody watches it:"
        " main: short hl:BTC, 2 orders; other: long hl:ETH"
    ) == unwatched(left)
    assert "" == unwatched(Left(cash_e8={MAIN: 1}))
