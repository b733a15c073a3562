"""Whatever becomes of a bracket, only what is needed is left of it, and what was told is so.

Ordinary stories, restarts and random ones, on a venue that keeps its own book and whose fills are
read late. A seed is a whole story, repeated exactly.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from functools import partial

import pytest

from connectors.port import Resumption
from engine.drive.virtual_time import run_virtual
from engine.model.commands import Batch, CancelOrder, ModifyOrder
from engine.model.effects import AskOrder
from engine.model.events import AnyEvent, OrderFilled, OrderUnclear
from tests.connectors.perpex.fakes import ACCOUNT, BTC, CLOID, OTHER, batch, error
from tests.connectors.perpex.matching_venue import (
    BRACKET_LOTS,
    LAGS,
    Belief,
    MatchingVenue,
    VenueOrder,
    contradictions,
    enter,
    move_child,
    move_entry,
    resumption,
    settled,
    simulate,
)
from tests.connectors.perpex.test_cleanup import UNAVAILABLE
from tests.connectors.perpex.test_orders import CANCEL, MODIFY, THIRD, Rig
from tests.connectors.perpex.test_resuming import BRACKET

SIBLING = {OTHER: THIRD, THIRD: OTHER}


# -- ordinary stories ------------------------------------------------------------------------------


@LAGS
def test_an_entry_modified_after_a_part_and_then_filled_is_closed_by_its_stop(
    lag_s: float,
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str]]:
        await enter(rig)
        venue.fill("1", "0.2")
        await asyncio.sleep(0.5)
        rig.send(move_entry(1, 300), kind="modify")
        await asyncio.sleep(5)
        venue.fill("4", "0.3")
        await asyncio.sleep(60)
        early = settled(rig, venue)
        venue.fill("2", "0.5")
        await asyncio.sleep(60)
        return early, settled(rig, venue)

    assert (["2", "3"], []) == simulate(story, lag_s)


@LAGS
def test_an_entry_modified_after_a_part_and_then_canceled_is_closed_by_its_profit(
    lag_s: float,
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str]]:
        await enter(rig)
        venue.fill("1", "0.2")
        await asyncio.sleep(0.5)
        rig.send(move_entry(1, 300), kind="modify")
        await asyncio.sleep(5)
        rig.send(CancelOrder(BTC, CLOID, 1), kind="cancel")
        await asyncio.sleep(60)
        early = settled(rig, venue)
        venue.fill("3", "0.2")
        await asyncio.sleep(60)
        return early, settled(rig, venue)

    assert (["2", "3"], []) == simulate(story, lag_s)


@LAGS
def test_an_entry_moved_often_and_canceled_without_a_fill_leaves_nothing(lag_s: float) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        for generation in range(1, 6):
            rig.send(move_entry(generation, 500, 99_000 - generation), kind="modify")
            await asyncio.sleep(3)
        rig.send(CancelOrder(BTC, CLOID, 5), kind="cancel")
        await asyncio.sleep(60)
        return settled(rig, venue)

    assert [] == simulate(story, lag_s)


@LAGS
@pytest.mark.parametrize(("command", "child"), [(CANCEL, "3"), (MODIFY, "2")])
def test_a_request_that_comes_too_late_for_a_filled_entry_leaves_its_children_until_one_closes(
    lag_s: float, command: CancelOrder | ModifyOrder, child: str
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str]]:
        await enter(rig)
        venue.fill("1", "0.5")
        rig.send(command, kind="cancel" if isinstance(command, CancelOrder) else "modify")
        await asyncio.sleep(60)
        early = settled(rig, venue)
        venue.fill(child, "0.5")
        await asyncio.sleep(60)
        return early, settled(rig, venue)

    assert (["2", "3"], []) == simulate(story, lag_s)


@LAGS
@pytest.mark.parametrize(("part", "left"), [("0", []), ("0.2", ["2", "3"])])
def test_an_entry_that_the_venue_ends_leaves_its_children_only_to_what_was_filled(
    lag_s: float, part: str, left: list[str]
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> tuple[list[str], list[str]]:
        await enter(rig)
        venue.fill("1", part)
        venue.end("1")
        await asyncio.sleep(90)
        early = settled(rig, venue)
        venue.fill("2", "0.5")
        await asyncio.sleep(90)
        return early, settled(rig, venue)

    assert (left, []) == simulate(story, lag_s)


@LAGS
def test_a_stop_that_is_trailed_while_the_profit_fills_goes_with_it(lag_s: float) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.fill("1", "0.5")
        await asyncio.sleep(20)
        for generation in range(1, 4):
            rig.send(move_child(OTHER, generation, 500, 94_000 + generation), kind="modify")
            await asyncio.sleep(4)
        rig.send(move_child(OTHER, 4, 500, 94_500), kind="modify")
        venue.fill("3", "0.5")
        await asyncio.sleep(60)
        return settled(rig, venue)

    assert [] == simulate(story, lag_s)


@LAGS
def test_an_entry_without_a_fill_takes_its_children_along_whatever_was_bought_by_hand(
    lag_s: float,
) -> None:
    async def story(rig: Rig, venue: MatchingVenue) -> list[str]:
        await enter(rig)
        venue.trade_by_hand("0.7")
        await asyncio.sleep(3)
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(60)
        return settled(rig, venue)

    assert [] == simulate(story, lag_s)


# -- restarts --------------------------------------------------------------------------------------


Leave = Callable[[Rig, MatchingVenue], Coroutine[None, None, Batch | None]]


async def before_the_answer(rig: Rig, _: MatchingVenue) -> Batch:
    rig.session.desk.send(BRACKET, rig.session.desk.prepare(BRACKET))
    await asyncio.sleep(0.07)
    return BRACKET


def filled(size: str, wait_s: float) -> Leave:
    async def leave(rig: Rig, venue: MatchingVenue) -> None:
        await enter(rig)
        venue.fill("1", size)
        await asyncio.sleep(wait_s)

    return leave


async def between_cancel_and_place(rig: Rig, _: MatchingVenue) -> Batch:
    await enter(rig)
    rig.send(MODIFY, kind="modify")
    await asyncio.sleep(0.07)
    return batch(MODIFY, kind="modify")


async def modified_before_the_answer(rig: Rig, venue: MatchingVenue) -> Batch:
    unanswered = await between_cancel_and_place(rig, venue)
    await asyncio.sleep(0.1)
    return unanswered


async def canceled_too_late(rig: Rig, venue: MatchingVenue) -> None:
    await enter(rig)
    venue.fill("1", "0.5")
    rig.send(CANCEL, kind="cancel")
    await asyncio.sleep(0.07)


@LAGS
@pytest.mark.parametrize(
    ("leave", "left"),
    [
        (before_the_answer, ["1", "2", "3"]),
        (filled("0.2", 0), ["1", "2", "3"]),
        (filled("0.2", 20), ["1", "2", "3"]),
        (filled("0.5", 20), ["2", "3"]),
        # That nothing was filled is seen, but no longer whose children these are.
        (between_cancel_and_place, ["2", "3"]),
        (modified_before_the_answer, ["2", "3", "4"]),
        (canceled_too_late, ["2", "3"]),
    ],
    ids=["sent", "unread", "part", "filled", "modify", "modified", "late"],
)
def test_a_restart_misses_no_fill_and_leaves_protection(
    lag_s: float, leave: Leave, left: list[str]
) -> None:
    async def run() -> tuple[list[str], bool]:
        first, second, venue = Rig(), Rig(), MatchingVenue(lag_s)
        venue.serve(first)
        await first.open()
        unanswered = await leave(first, venue)
        await first.session.aclose()
        venue.serve(second)
        resumed = resumption(first, unanswered)
        await second.open(resumed)
        for cloid, generation, _ in resumed.generations:
            second.session.ask(AskOrder(ACCOUNT, BTC, cloid, generation))
        await asyncio.sleep(120)
        await second.session.aclose()
        # A fill that is told again is known by its id.
        again = {event.trade_id for event in second.told(OrderFilled)}
        second.heard += [one for one in first.told(OrderFilled) if one.trade_id not in again]
        return settled(second, venue), bool(second.session.settler.asked)

    assert (left, False) == run_virtual(run())


# -- random ones -----------------------------------------------------------------------------------


class Trader:
    """Throws dice for what becomes of one bracket, and notes what is wrong with it.

    In trouble cancels and places fail, and somebody trades by hand.
    """

    def __init__(self, dice: random.Random, venue: MatchingVenue, *, has_trouble: bool) -> None:
        self._dice = dice
        self._has_trouble = has_trouble
        self._rig = Rig()
        self._venue = venue
        self._beliefs = {cloid: Belief() for cloid in (CLOID, *SIBLING)}
        self._given_up: set[str] = set()
        self._wrong: list[str] = []
        venue.serve(self._rig)
        venue.on_cancel = self._check_cancel

    async def play(self) -> list[str]:
        """Trade for a while, wait until all is settled, and say what is wrong."""
        dice, session = self._dice, self._rig.session
        await session.open(Resumption(), self._hear)
        session.start()
        session.desk.send(BRACKET, session.desk.prepare(BRACKET))
        acts = {
            self._fill_entry: 30,
            self._fill_child: 15,
            self._modify: 25,
            self._cancel: 15,
            self._end_entry: 5,
            self._trade_by_hand: 5 * self._has_trouble,
        }
        for _ in range(dice.randint(2, 9)):
            await asyncio.sleep(dice.choice([0.03, 0.08, 0.13, 0.5, 1, 2, 3, 6, 12, 20]))
            dice.choices([*acts], [*acts.values()])[0]()
            if self._has_trouble and dice.random() < 0.2:
                what = f"DELETE orders/{dice.choice([*self._venue.orders, '1'])}"
                self._venue.failures[what] = [UNAVAILABLE] * dice.randint(1, 5)
        await asyncio.sleep(700)  # a cancel that fails is sent again ever more rarely
        await session.aclose()
        return [*self._wrong, *contradictions(self._rig, self._venue), *self._unsettled()]

    def _hear(self, event: AnyEvent) -> None:
        self._rig.heard.append(event)
        belief = self._beliefs.get(getattr(event, "cloid", ""))
        if belief is None:
            return
        belief.hear(event)
        if isinstance(event, OrderUnclear) and not belief.is_over:
            generation = belief.moving or belief.generation
            self._rig.session.ask(AskOrder(ACCOUNT, BTC, event.cloid, generation))

    # -- what may happen ---------------------------------------------------------------------------

    def _fill_entry(self) -> None:
        for one in self._venue.of(CLOID):
            self._venue.fill(one.number, self._dice.choice(["0.1", "0.2", "0.3", "0.5"]))

    def _fill_child(self) -> None:
        if self._venue.position > 0:
            for one in self._venue.of(self._dice.choice([*SIBLING])):
                self._venue.fill(one.number, self._dice.choice(["0.2", "0.5"]))

    def _modify(self) -> None:
        cloid = self._dice.choice([CLOID, *self._beliefs])
        belief = self._beliefs[cloid]
        left = BRACKET_LOTS - belief.filled_lots
        is_free = not belief.moving and not belief.is_over and cloid not in self._given_up
        if is_free and left > 0 and self._venue.orders:
            if self._has_trouble and self._dice.random() < 0.2:
                self._venue.failures["POST orders"] = [error(422, "INVALID_PRICE")]
            belief.moving = belief.generation + 1
            px_ticks = 99_000 + self._dice.randint(-9, 9)
            is_entry = cloid == CLOID
            move = move_entry if is_entry else partial(move_child, cloid)
            self._rig.send(move(belief.moving, left, px_ticks), kind="modify")

    def _cancel(self) -> None:
        cloid = self._dice.choice([CLOID, CLOID, CLOID, *self._beliefs])
        belief = self._beliefs[cloid]
        if not belief.is_over:
            self._given_up.add(cloid)
            generation = belief.moving or belief.generation
            self._rig.send(CancelOrder(BTC, cloid, generation), kind="cancel")

    def _end_entry(self) -> None:
        for one in self._venue.of(CLOID):
            if one.rests:
                self._venue.end(one.number)

    def _trade_by_hand(self) -> None:
        self._venue.trade_by_hand(self._dice.choice(["0.3", "-0.2", "0.1"]))

    # -- what must not -----------------------------------------------------------------------------

    def _check_cancel(self, one: VenueOrder) -> None:
        """Nobody asked to cancel a child while its entry rests, or left what it can close."""
        generations = self._rig.session.tickets.generations(one.cloid)
        is_asked_for = one.cloid in self._given_up or any(each.is_replaced for each in generations)
        if one.cloid == CLOID or is_asked_for:
            return
        venue = self._venue
        opened, closed = venue.filled_lots(CLOID), venue.filled_lots(SIBLING[one.cloid])
        may_fill = any(entry.rests for entry in venue.of(CLOID))
        if may_fill or (venue.position > 0 and closed < opened):
            self._wrong.append(f"{one} was canceled, {venue.position} is open")

    def _unsettled(self) -> Iterator[str]:
        venue = self._venue
        resting = {venue.orders[number].cloid for number in venue.resting}
        for cloid, belief in self._beliefs.items():
            is_whole = any(one.status == "filled" for one in venue.of(cloid))
            if belief.moving:
                yield f"the modify of {cloid} was not answered"
            if belief.is_over if cloid in resting else not (belief.is_over or is_whole):
                yield f"the end of {cloid}: {belief}"
        if self._rig.session.settler.asked:
            yield "an order is asked about for ever"
        if CLOID in resting:
            return
        if resting and not venue.filled_lots(CLOID):
            yield f"{resting} were left behind by an entry without a fill"
        for child, sibling in SIBLING.items():
            has_ended = venue.filled_lots(child) > 0 and child not in resting
            if has_ended and sibling in resting and venue.position <= 0:
                yield f"{sibling} was left behind by its sibling"


@pytest.mark.parametrize("has_trouble", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_filled_modified_and_canceled_only_what_is_needed_is_left(
    seed: int,
    has_trouble: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    dice = random.Random(seed)  # noqa: S311 - repeatable, and no secret

    async def run() -> list[str]:
        venue = MatchingVenue(lag_s=dice.choice([0.0, 0.0, 0.7, 2.5, 6.0]))
        return await Trader(dice, venue, has_trouble=has_trouble).play()

    assert [] == run_virtual(run())
