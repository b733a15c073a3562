"""What a link takes over of an earlier run: its nonces, its orders, and what nobody answered."""

from __future__ import annotations

import asyncio

import pytest

from connectors.port import Resumption
from engine.model.commands import Batch, CancelOrder, Command, ModifyOrder, Outgoing, Place
from engine.model.effects import AskOrder
from engine.model.events import OrderCanceled, OrderEvent, OrderReplaced
from engine.model.units import Side, Tif
from tests.connectors.hyperliquid.link_parts import cloid
from tests.connectors.hyperliquid.venue_in_memory import Rig, update, virtually

PLACE = Place("hl:BTC", cloid(1), Side.BUY, 1_000, 100_000, Tif.GTC)
MODIFY = ModifyOrder("hl:BTC", cloid(1), 4, Side.BUY, 900, 100_000, Tif.GTC)
CANCEL = CancelOrder("hl:BTC", cloid(1), 0)


def nonce_after(rig: Rig, before_ms: int) -> int:
    """A nonce of an earlier run, so much above the venue's time."""
    return rig.venue.now_ms() + before_ms


def unanswered(nonce: int, *commands: Command, kind: str = "order") -> Outgoing:
    """An action that an earlier run journaled and never heard of again."""
    batch = Batch("main", kind, commands, 1, len(commands))
    return Outgoing("hl", "main", batch, nonce, b"{}", 0)


def told(rig: Rig) -> list[tuple[type, int, int]]:
    """(event, generation, oid) of everything said of orders."""
    return [
        (type(event), event.generation, getattr(event, "oid", -1))
        for event in rig.events
        if isinstance(event, OrderEvent)
    ]


@virtually
async def test_every_nonce_of_a_new_run_is_above_the_highest_of_the_earlier_ones(rig: Rig) -> None:
    highest = nonce_after(rig, 60_000)
    await rig.open(Resumption(nonce_max=highest))
    batch = Batch("main", "cancel", (CANCEL,), 1, 1)
    prepared = [rig.link.prepare(batch, ()).nonce for _ in range(2)]

    # The first is that of the noop which proves the key, before the account is even opened.
    assert [highest + 1] == [action["nonce"] for action in rig.venue.actions]
    assert [highest + 2, highest + 3] == prepared


@virtually
async def test_an_action_nobody_answered_is_burnt_before_its_order_is_said_never_to_have_been(
    rig: Rig,
) -> None:
    nonce = nonce_after(rig, -7_000)
    await rig.open(Resumption(nonce_max=nonce, unanswered=(unanswered(nonce, PLACE),)))
    rig.venue.actions.clear()
    rig.link.ask(AskOrder("main", "hl:BTC", cloid(1), 0))
    await asyncio.sleep(0.1)

    assert [(nonce, {"type": "noop"})] == [
        (action["nonce"], action["action"]) for action in rig.venue.actions
    ]
    assert [(OrderCanceled, 0, 0)] == told(rig)


@virtually
async def test_of_several_actions_nobody_answered_each_is_burnt(rig: Rig) -> None:
    first, second = nonce_after(rig, -9_000), nonce_after(rig, -7_000)
    actions = unanswered(first, PLACE), unanswered(second, MODIFY, kind="modify")
    await rig.open(Resumption(nonce_max=second, unanswered=actions))
    rig.venue.actions.clear()
    rig.link.ask(AskOrder("main", "hl:BTC", cloid(1), 4))
    await asyncio.sleep(0.1)

    assert [first, second] == [action["nonce"] for action in rig.venue.actions]


@virtually
async def test_news_of_a_modify_nobody_answered_is_of_the_generation_it_makes(rig: Rig) -> None:
    nonce = nonce_after(rig, -7_000)
    resumption = Resumption(
        nonce_max=nonce,
        unanswered=(unanswered(nonce, MODIFY, kind="modify"),),
        generations=((cloid(1), 3, 5),),
    )
    await rig.open(resumption)
    update(rig, 6, "open", px="90.0")
    await asyncio.sleep(0.1)

    assert [(OrderReplaced, 4, 6)] == told(rig)


@pytest.mark.parametrize("oid", [5, 0])
def test_an_order_of_an_earlier_run_goes_on_in_its_generation(oid: int) -> None:
    @virtually
    async def play(rig: Rig) -> None:
        await rig.open(Resumption(generations=((cloid(1), 3, oid),)))
        update(rig, 5, "canceled")
        await asyncio.sleep(0.1)

        assert [(OrderCanceled, 3, 5)] == told(rig)

    play()


@virtually
async def test_the_end_of_what_an_order_was_before_its_modify_does_not_end_it(rig: Rig) -> None:
    await rig.open(Resumption(generations=((cloid(1), 3, 5),)))
    update(rig, 4, "canceled")
    await asyncio.sleep(0.1)
    assert [] == told(rig)

    update(rig, 5, "canceled")
    await asyncio.sleep(0.1)
    assert [(OrderCanceled, 3, 5)] == told(rig)
