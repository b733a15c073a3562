"""What becomes of orders on Perpex, told honestly: taken, refused, replaced, gone or unclear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from connectors.perpex.auth import Tokens
from connectors.perpex.client_ids import client_id
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.session import Session
from connectors.perpex.tickets import Phase
from connectors.port import AccountState, Outgoing, Resumption
from connectors.stream import Network
from engine.config.secret import Secret
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import NotSentError, TransportError, VenueError
from engine.model.commands import CancelOrder, Command, ModifyOrder, Trigger, UpdateLeverage
from engine.model.effects import AskOrder
from engine.model.events import (
    AccountRead,
    AnyEvent,
    CancelRejected,
    FundingPaid,
    LeverageSet,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderUnclear,
    StreamChanged,
)
from engine.model.units import NS_PER_S, Side, Tif, TriggerKind
from tests.connectors.fakes import FakeDialer, ScriptedRandomness
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    OTHER,
    T0_MS,
    TOKEN,
    VENUE,
    FakeHttp,
    account,
    bare,
    batch,
    error,
    fill,
    instrument,
    order,
    place,
    position,
    reply,
    until,
)

THIRD = "0x" + "00000000000000ab" + "0000000000000003"
NEXT = client_id(CLOID, 1)
CANCEL = CancelOrder(BTC, CLOID, 0)
MODIFY = ModifyOrder(BTC, CLOID, 1, Side.BUY, 99_000, 500, Tif.GTC)
NOISE = (AccountRead,)
Heard = list[AnyEvent]


class Rig:
    """One account over a scripted venue: what was sent, and what the sink heard."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        clock = virtual_clock()
        self.http = FakeHttp(
            clock,
            {"GET /api/v1/account": [reply(account())], "GET /api/v1/trades": [reply([])]},
        )
        network = Network(FakeDialer(), clock, ScriptedRandomness(1.0))
        self.session = Session(
            VENUE,
            ACCOUNT,
            self.http,
            PerpexSettings(rest_prefix="/api/v1", **settings),
            Tokens(Secret(TOKEN), clock),
            network,
            {item.id: item for item in (instrument("BTC"), instrument("ETH"))},
        )
        self.heard: Heard = []

    async def open(self, resumption: Resumption | None = None) -> AccountState:
        state = await self.session.open(resumption or Resumption(), self.heard.append)
        self.session.start()
        return state

    def on(self, what: str, *answers: Any) -> None:  # noqa: ANN401
        method, _, path = what.partition(" ")
        self.http.on[f"{method} /api/v1/{path}"] = list(answers)

    def send(self, *commands: Command, kind: str = "order") -> None:
        made = batch(*commands, kind=kind)
        self.session.desk.send(made, self.session.desk.prepare(made))

    def told(self, *kinds: type) -> list[Any]:
        """What was heard of these kinds, or of all that matter."""
        return [
            event
            for event in self.heard
            if (isinstance(event, kinds) if kinds else not isinstance(event, NOISE))
        ]

    def names(self) -> list[str]:
        return [
            f"{type(event).__name__} {getattr(event, 'generation', '')}".strip()
            for event in self.told()
            if not isinstance(event, StreamChanged)
        ]

    def phases(self, stream: str) -> list[str]:
        return [e.phase for e in self.told(StreamChanged) if e.stream.startswith(stream)]


def play(story: Callable[[Rig], Coroutine[Any, Any, Any]], **settings: Any) -> Any:  # noqa: ANN401
    async def run() -> object:
        rig = Rig(**settings)
        await rig.open()
        try:
            return await story(rig)
        finally:
            await rig.session.aclose()

    return run_virtual(run())


# -- places ----------------------------------------------------------------------------------------


def test_an_order_is_sent_in_decimals_and_its_acceptance_is_told_with_the_venue_s_id() -> None:
    async def story(rig: Rig) -> tuple[Any, list[Any]]:
        rig.on("POST orders", reply(order("77")))
        rig.send(place())
        await asyncio.sleep(0.1)
        return rig.http.calls("POST")[0].body, rig.told(OrderAccepted)

    body, told = play(story)
    assert {
        "symbol": "BTC",
        "side": "buy",
        "type": "limit",
        "size": "0.5",
        "price": "100",
        "time_in_force": "gtc",
        "client_order_id": CLOID,
    } == body
    assert [(ACCOUNT, BTC, CLOID, 0, 77)] == [
        (e.account, e.instrument, e.cloid, e.generation, e.oid) for e in told
    ]


@pytest.mark.parametrize(
    ("trigger", "fields"),
    [
        (Trigger(95_000, TriggerKind.STOP_LOSS, True), {"type": "stop_market"}),  # noqa: FBT003
        (
            Trigger(95_000, TriggerKind.STOP_LOSS, False),  # noqa: FBT003
            {"type": "stop_limit", "price": "94", "time_in_force": "gtc"},
        ),
        (Trigger(95_000, TriggerKind.TAKE_PROFIT, True), {"type": "take_profit_market"}),  # noqa: FBT003
        (
            Trigger(95_000, TriggerKind.TAKE_PROFIT, False),  # noqa: FBT003
            {"type": "take_profit_limit", "price": "94", "time_in_force": "gtc"},
        ),
    ],
)
def test_stops_and_take_profits_are_sent_by_their_own_types(
    trigger: Trigger, fields: dict[str, str]
) -> None:
    async def story(rig: Rig) -> Any:  # noqa: ANN401
        rig.on("POST orders", reply(order("1", "pending", type=fields["type"])))
        rig.send(place(px_ticks=94_000, side=Side.SELL, reduce_only=True, trigger=trigger))
        await asyncio.sleep(0.1)
        return rig.http.calls("POST")[0].body

    common = {"symbol": "BTC", "side": "sell", "size": "0.5", "trigger_price": "95"}
    assert {**common, **fields, "reduce_only": True, "client_order_id": CLOID} == play(story)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error(422, "INSUFFICIENT_MARGIN"), "INSUFFICIENT_MARGIN"),
        (error(400, "INVALID_SYMBOL"), "INVALID_SYMBOL"),
        (error(400, "SOMETHING_NEW"), "SOMETHING_NEW"),
        (error(401, "UNAUTHORIZED"), "UNAUTHORIZED"),
        (error(403, "FORBIDDEN"), "FORBIDDEN"),
        (error(429, "RATE_LIMITED"), "RATE_LIMITED"),
        (bare(b"<html>", 400), "HTTP 400"),
        (reply(order("1", "rejected", reject_code="INVALID_PRICE")), "INVALID_PRICE"),
        (reply(order("1", "rejected")), "REJECTED"),
        (reply(order("1", "rejected", reject_code=TOKEN)), "REJECTED"),
        (reply(order("1", "rejected", reject_code="no, because")), "REJECTED"),
        (reply(order("1", "rejected", reject_code="X" * 60)), "REJECTED"),
        (NotSentError("refused"), "refused"),
    ],
)
def test_a_refusal_is_told_by_its_code_and_leaves_nothing_open(answer: Any, reason: str) -> None:  # noqa: ANN401
    async def story(rig: Rig) -> tuple[list[str], int]:
        rig.on("POST orders", answer)
        rig.send(place())
        await asyncio.sleep(20)
        told = [event.reason for event in rig.told(OrderRejected)]
        return told, rig.session.budget.open_orders

    assert ([reason], 0) == play(story)


def test_twelve_orders_go_as_ten_and_two_and_each_gets_its_own_answer() -> None:
    cloids = [f"0x{0xAB:016x}{number:016x}" for number in range(1, 13)]

    async def story(rig: Rig) -> tuple[list[int], list[str], list[str]]:
        results: list[dict[str, Any]] = [
            {"index": n, "order": order(str(n), client_order_id=cloid)}
            for n, cloid in enumerate(cloids[:10])
        ]
        results[3] = {"index": 3, "error": {"code": "INVALID_SIZE", "message": ""}}
        tail = [
            {"index": 1, "order": order("21", client_order_id=cloids[11])},
            {"index": 0, "order": order("20", client_order_id=cloids[10])},
        ]
        rig.on("POST orders/batch", reply({"results": results}), reply({"results": tail}))
        rig.send(*(place(cloid) for cloid in cloids))
        await asyncio.sleep(0.1)
        sizes = [len(call.body["orders"]) for call in rig.http.calls("POST")]
        accepted = [event.cloid for event in rig.told(OrderAccepted)]
        return sizes, accepted, [event.cloid for event in rig.told(OrderRejected)]

    sizes, accepted, rejected = play(story)
    assert [10, 2] == sizes
    assert sorted(set(cloids) - {cloids[3]}) == sorted(accepted)
    assert [cloids[3]] == rejected


@pytest.mark.parametrize(
    "results",
    [
        [],
        [{"index": 0, "order": order("1")}],
        [{"index": 0, "order": order("1")}, {"index": 0, "order": order("2")}],
        [{"index": 0, "order": order("1")}, {"index": 9, "order": order("2")}],
        [{"index": 0, "order": order("1")}, {"index": 1}],
        [{"index": 0, "order": order("1")}, {"index": 1, "order": {"id": []}}],
    ],
)
def test_what_a_batch_does_not_answer_clearly_is_unclear(results: list[Any]) -> None:
    async def story(rig: Rig) -> set[str]:
        rig.on("POST orders/batch", reply({"results": results}))
        rig.send(place(), place(OTHER))
        await asyncio.sleep(0.1)
        rejected = rig.told(OrderRejected)
        assert [] == rejected
        return {event.cloid for event in rig.told(OrderUnclear)}

    assert OTHER in play(story)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"code": "INVALID_SIZE", "message": ""}, ("OrderRejected", "INVALID_SIZE")),
        ("INVALID_SIZE", ("OrderRejected", "INVALID_SIZE")),
        ({"code": "SOMETHING_NEW", "message": ""}, ("OrderUnclear", "SOMETHING_NEW")),
        ("SOMETHING_NEW", ("OrderUnclear", "SOMETHING_NEW")),
        ({"message": "who knows"}, ("OrderUnclear", "HTTP 200")),
        ({"code": "UNAVAILABLE", "message": ""}, ("OrderUnclear", "UNAVAILABLE")),
    ],
)
@pytest.mark.parametrize("is_alone", [True, False])
def test_an_error_in_a_success_refuses_by_a_known_code_only_alone_or_in_a_batch(
    fault: Any,  # noqa: ANN401
    expected: tuple[str, str],
    *,
    is_alone: bool,
) -> None:
    async def story(rig: Rig) -> list[tuple[str, str]]:
        rig.on("POST orders", bare({"error": fault}))
        results = [
            {"index": 0, "error": fault},
            {"index": 1, "order": order(client_order_id=OTHER)},
        ]
        rig.on("POST orders/batch", reply({"results": results}))
        rig.send(*([place()] if is_alone else [place(), place(OTHER)]))
        await asyncio.sleep(0.1)
        return [
            (type(e).__name__, e.detail if isinstance(e, OrderUnclear) else e.reason)
            for e in rig.told(OrderRejected, OrderUnclear)
        ]

    assert [expected] == play(story)


def test_an_answer_that_names_another_order_is_believed_of_neither() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1", client_order_id=OTHER)))
        rig.send(place())
        await asyncio.sleep(0.1)
        return rig.names()

    assert ["OrderUnclear 0"] == play(story)


def test_the_budget_s_own_no_is_a_rejection_and_nothing_is_sent() -> None:
    async def story(rig: Rig) -> tuple[int, str]:
        while rig.session.budget.try_orders(1, 0):
            pass
        rig.send(place())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(rig.http.calls("POST")), rig.told(OrderRejected)[0].reason

    assert (0, "RATE_LIMITED (own budget)") == play(story)


# -- fills and ends --------------------------------------------------------------------------------


def test_an_order_filled_at_once_is_told_as_accepted_and_then_by_its_fills() -> None:
    async def story(rig: Rig) -> tuple[list[str], Any]:
        rig.on("POST orders", reply(order("1", "filled", filled_size="0.5")))
        rig.on("GET trades", reply([fill()]))
        rig.send(place())
        await asyncio.sleep(10)
        return rig.names(), rig.told(OrderFilled)[0]

    names, told = play(story)
    assert ["OrderAccepted 0", "OrderFilled 0"] == names
    assert (CLOID, 100_000, 500, 2_000_000, True, Side.BUY) == (
        told.cloid,
        told.px_ticks,
        told.sz_lots,
        told.fee_e8,
        told.is_maker,
        told.side,
    )
    assert (T0_MS + 5_000) * 1_000_000 == told.ts_venue_ns


def test_an_ioc_that_filled_in_part_is_gone_only_after_its_fills_were_told() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1", "canceled", filled_size="0.2")))
        rig.on("GET trades", reply([]), reply([]), reply([fill(size="0.2")]))
        rig.send(place(tif=Tif.IOC))
        await asyncio.sleep(20)
        return rig.names()

    assert ["OrderAccepted 0", "OrderFilled 0", "OrderCanceled 0"] == play(story)


def test_a_token_that_a_fill_echoes_is_neither_told_nor_kept() -> None:
    async def story(rig: Rig) -> tuple[list[str], str]:
        rows = [fill("f1", client_order_id=TOKEN, order_id=None), fill("f2", side=TOKEN)]
        rig.on("GET trades", reply(rows))
        await asyncio.sleep(20)
        kept = rig.session.quarantine
        return [e.cloid for e in rig.told(OrderFilled)], f"{kept.kept} {kept.counts}"

    cloids, kept = play(story)
    assert ["(hidden)"] == cloids
    assert "a fill of side '(hidden)'" in kept
    assert TOKEN[:8] not in kept


def test_a_token_that_the_account_echoes_is_not_in_its_warnings_or_errors() -> None:
    async def story(rig: Rig) -> tuple[str, str]:
        lacking = order(TOKEN, symbol="NONE", client_order_id=None)
        strange = [position(TOKEN), position("BTC", "0")]
        rig.on("GET account", reply(account(positions=strange, open_orders=[lacking])))
        warnings = str((await rig.open()).warnings)
        unknown = position(TOKEN, unrealized_pnl=None, entry_price=None)
        rig.on("GET account", reply(account(positions=[unknown])))
        with pytest.raises(VenueError) as caught:
            await rig.session.poll(with_account=True)
        return warnings, str(caught.value)

    warnings, error_text = play(story)
    assert 2 == warnings.count("(hidden)")
    assert "perpex: (hidden): a position that does not say what it gained" == error_text
    assert TOKEN[:8] not in warnings


def test_a_fill_is_told_once_however_often_it_is_read() -> None:
    async def story(rig: Rig) -> int:
        rig.on("POST orders", reply(order("1")))
        rig.on("GET trades", reply([fill(size="0.1")]))
        rig.send(place())
        await asyncio.sleep(60)
        return len(rig.told(OrderFilled))

    assert 1 == play(story)


def test_a_fill_without_a_client_id_finds_its_order_by_the_venue_s_id() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1", client_order_id=None)))
        rig.on("GET trades", reply([fill(client_order_id=None, size="0.1")]))
        rig.send(place())
        await asyncio.sleep(5)
        return [event.cloid for event in rig.told(OrderFilled)]

    assert [CLOID] == play(story)


def test_a_fill_of_somebody_else_moves_the_account_under_a_name_of_its_own() -> None:
    async def story(rig: Rig) -> list[str]:
        foreign = fill("f9", order_id="900", client_order_id=None)
        rig.on("GET trades", reply([foreign, fill("f8", order_id="901", client_order_id="bot")]))
        await asyncio.sleep(40)
        return sorted(event.cloid for event in rig.told(OrderFilled))

    assert ["bot", "oid:900"] == play(story)


def test_fills_that_cannot_be_read_block_the_account_until_they_can() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("GET trades", reply([fill(price="100.0001")]), reply([fill(price="100")]))
        rig.session.wake()
        await asyncio.sleep(40)
        return rig.phases("perpex account")

    assert ["gap", "ready"] == play(story)


def test_a_fill_that_cannot_be_read_is_never_left_behind_by_the_others() -> None:
    async def story(rig: Rig) -> tuple[list[str], bool]:
        bad = fill("bad", price="100.0001", time=T0_MS + 1_000)
        later = [fill(f"g{n}", time=T0_MS + 60_000 * n, client_order_id=None) for n in range(1, 9)]
        rig.on("GET trades", *(reply([bad, *later[:count]]) for count in range(1, 9)))
        await asyncio.sleep(200)
        asked = rig.http.calls("GET", "/trades")[-1].query
        start_ms = int(asked.rpartition("start=")[2])
        return rig.phases("perpex account"), start_ms <= T0_MS

    assert (["gap"], True) == play(story)


def test_an_order_that_the_account_lists_no_more_is_gone_after_two_readings() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1")))
        rig.on("GET account", reply(account(open_orders=[order("1")])), reply(account()))
        rig.send(place())
        await asyncio.sleep(60)
        return rig.names()

    assert ["OrderAccepted 0", "OrderCanceled 0"] == play(story)


def test_without_a_list_of_open_orders_nothing_is_concluded_from_an_absence() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1")))
        rig.on("GET account", reply(account(open_orders=None)))
        rig.send(place())
        await asyncio.sleep(300)
        return rig.names()

    assert ["OrderAccepted 0"] == play(story)


def test_a_trigger_that_fired_is_told_when_the_account_shows_it() -> None:
    stop = Trigger(95_000, TriggerKind.STOP_LOSS, False)  # noqa: FBT003

    async def story(rig: Rig) -> list[str]:
        waiting = order("1", "pending", type="stop_limit")
        rig.on("POST orders", reply(waiting))
        fired = {**waiting, "status": "triggered"}
        rig.on(
            "GET account",
            reply(account(open_orders=[waiting])),
            reply(account(open_orders=[fired])),
        )
        rig.send(place(trigger=stop, reduce_only=True, side=Side.SELL))
        await until(lambda: bool(rig.told(OrderTriggered)))
        await asyncio.sleep(30)
        return rig.names()

    assert ["OrderAccepted 0", "OrderTriggered 0"] == play(story)


# -- cancels ---------------------------------------------------------------------------------------


async def open_order(rig: Rig, number: str = "1", **fields: Any) -> None:  # noqa: ANN401
    rig.on("POST orders", reply(order(number, **fields)))
    rig.on("GET account", reply(account(open_orders=[order(number, **fields)])))
    rig.send(place())
    await asyncio.sleep(0.1)
    rig.heard.clear()


def test_a_cancel_goes_to_the_venue_s_id_and_is_told_when_the_venue_said_so() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str], int]:
        await open_order(rig, "a/1")
        rig.on(
            "DELETE orders/a%2F1", reply({"id": "a/1", "status": "canceled", "filled_size": "0"})
        )
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(0.1)
        paths = [call.path for call in rig.http.calls("DELETE")]
        return paths, rig.names(), rig.session.budget.open_orders

    assert (["/api/v1/orders/a%2F1"], ["OrderCanceled 0"], 0) == play(story)


def test_a_cancel_of_an_order_that_was_partly_filled_waits_for_the_fill() -> None:
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        rig.on("DELETE orders/1", reply({"id": "1", "status": "canceled", "filled_size": "0.1"}))
        rig.on("GET trades", reply([fill(size="0.1")]))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(5)
        return rig.names()

    assert ["OrderFilled 0", "OrderCanceled 0"] == play(story)


def test_a_cancel_right_after_its_place_waits_for_the_answer_that_brings_the_id() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        rig.http.delay_s = 0.3
        rig.on("POST orders", reply(order("5")))
        rig.on("DELETE orders/5", reply({"id": "5", "status": "canceled", "filled_size": "0"}))
        rig.send(place())
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(1.5)
        sent = [call.method for call in rig.http.requests if call.method != "GET"]
        return sent, rig.names()

    assert (["POST", "DELETE"], ["OrderAccepted 0", "OrderCanceled 0"]) == play(story)


def test_a_cancel_of_an_order_that_is_gone_ends_with_what_its_fills_say() -> None:
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        rig.on("DELETE orders/1", error(404, "ORDER_NOT_FOUND"))
        rig.on("GET trades", reply([fill(size="0.5")]))
        rig.on("GET account", reply(account()))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(0.2)
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(30)
        return rig.names()

    assert ["CancelRejected 0", "OrderFilled 0"] == play(story)


@pytest.mark.parametrize("orders", [None, []])
def test_a_cancel_of_an_order_that_is_gone_without_fills_says_canceled_once(orders: Any) -> None:  # noqa: ANN401
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        rig.on("DELETE orders/1", error(404, "ORDER_NOT_FOUND"))
        rig.on("GET account", reply(account(open_orders=orders)))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(0.2)
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(30)
        return rig.names()

    assert ["CancelRejected 0", "OrderCanceled 0"] == play(story)


def test_a_cancel_nobody_knows_the_outcome_of_is_unclear_and_settled_by_the_account() -> None:
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        rig.on("DELETE orders/1", TransportError("reset"))
        rig.send(CANCEL, kind="cancel")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await until(lambda: bool(rig.told(OrderAccepted)))
        return rig.names()

    assert ["OrderUnclear 0", "OrderAccepted 0"] == play(story)


@pytest.mark.parametrize(
    "later",
    [
        NotSentError("refused"),
        error(429, "RATE_LIMITED"),
        error(403, "FORBIDDEN"),
        error(401, "UNAUTHORIZED"),
    ],
)
@pytest.mark.parametrize(
    ("command", "kind", "expected"),
    [(CANCEL, "cancel", "OrderUnclear 0"), (MODIFY, "modify", "OrderUnclear 1")],
)
def test_a_cancel_that_timed_out_stays_unclear_though_a_later_try_was_not_carried_out(
    later: Any,  # noqa: ANN401
    command: Command,
    kind: str,
    expected: str,
) -> None:
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        rig.on("DELETE orders/1", 99.0, later)
        rig.send(command, kind=kind)
        await until(lambda: bool(rig.names()))
        return rig.names()

    assert [expected] == play(story)


def test_a_cancel_of_an_order_nobody_knows_is_refused() -> None:
    async def story(rig: Rig) -> tuple[list[str], int]:
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(0.1)
        return [event.reason for event in rig.told(CancelRejected)], len(rig.http.calls("DELETE"))

    assert (["ORDER_NOT_FOUND"], 0) == play(story)


# -- modifies --------------------------------------------------------------------------------------


def test_a_modify_is_a_cancel_and_then_a_place_under_the_next_generation_s_id() -> None:
    async def story(rig: Rig) -> tuple[list[str], str, list[str], tuple[int, int, int]]:
        await open_order(rig)
        rig.on("DELETE orders/1", reply({"id": "1", "status": "canceled", "filled_size": "0"}))
        rig.on("POST orders", reply(order("2", client_order_id=NEXT, price="99")))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(0.1)
        writes = [call.method for call in rig.http.requests if call.method != "GET"]
        replaced = rig.told(OrderReplaced)[0]
        body = rig.http.calls("POST")[-1].body
        return (
            writes,
            body["client_order_id"],
            rig.names(),
            (replaced.oid, replaced.px_ticks, replaced.sz_lots),
        )

    writes, sent_id, names, facts = play(story)
    assert ["POST", "DELETE", "POST"] == writes
    assert NEXT == sent_id
    assert ["OrderCanceled 0", "OrderReplaced 1"] == names
    assert (2, 99_000, 500) == facts


def test_a_modify_whose_new_order_is_refused_says_both_that_it_was_and_that_the_old_is_gone() -> (
    None
):
    async def story(rig: Rig) -> tuple[list[str], int]:
        await open_order(rig)
        rig.on("DELETE orders/1", reply({"id": "1", "status": "canceled", "filled_size": "0"}))
        rig.on("POST orders", error(422, "INSUFFICIENT_MARGIN"))
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(0.1)
        return rig.names(), rig.session.budget.open_orders

    assert (["OrderCanceled 0", "ModifyRejected 1"], 0) == play(story)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(404, "ORDER_NOT_FOUND"), "ModifyRejected 1"),
        (error(403, "FORBIDDEN"), "ModifyRejected 1"),
        (TransportError("reset"), "OrderUnclear 1"),
        (error(429, "RATE_LIMITED"), "ModifyRejected 1"),
        (NotSentError("refused"), "ModifyRejected 1"),
        (error(503, "UNAVAILABLE"), "OrderUnclear 1"),
        (bare(b"<html>", 502), "OrderUnclear 1"),
        (bare(b"<html>", 200), "OrderUnclear 1"),
        (reply({"id": "1", "status": "pending_cancel"}), "OrderUnclear 1"),
    ],
)
def test_a_new_order_is_not_sent_unless_the_venue_said_that_the_old_one_is_canceled(
    answer: Any,  # noqa: ANN401
    expected: str,
) -> None:
    async def story(rig: Rig) -> tuple[int, str]:
        await open_order(rig)
        posts = len(rig.http.calls("POST"))
        rig.on("DELETE orders/1", answer)
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.names()))
        await asyncio.sleep(5)
        return len(rig.http.calls("POST")) - posts, rig.names()[0]

    sent, told = play(story)
    assert 0 == sent
    assert expected == told


def test_a_modify_of_unclear_outcome_is_settled_by_the_generation_that_is_found() -> None:
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        rig.on("DELETE orders/1", reply({"id": "1", "status": "canceled", "filled_size": "0"}))
        rig.on("POST orders", TransportError("reset"))
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        rig.on("GET account", reply(account(open_orders=[order("2", client_order_id=NEXT)])))
        await until(lambda: bool(rig.told(OrderAccepted)))
        return rig.names()

    assert ["OrderCanceled 0", "OrderUnclear 1", "OrderAccepted 1"] == play(story)


def test_a_cancel_during_a_modify_cancels_the_new_generation() -> None:
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        rig.http.delay_s = 0.2
        gone = {"status": "canceled", "filled_size": "0"}
        rig.on("DELETE orders/1", reply(gone))
        rig.on("DELETE orders/2", reply(gone))
        rig.on("POST orders", reply(order("2", client_order_id=NEXT)))
        rig.send(MODIFY, kind="modify")
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(2)
        return rig.names()

    assert ["OrderCanceled 0", "OrderReplaced 1", "OrderCanceled 1"] == play(story)


def test_where_a_batch_counts_one_two_modifies_share_one_post() -> None:
    second = ModifyOrder(BTC, OTHER, 1, Side.BUY, 98_000, 500, Tif.GTC)

    async def story(rig: Rig) -> tuple[list[str], int]:
        rig.on(
            "POST orders/batch",
            reply(
                {"results": [{"order": order("1")}, {"order": order("2", client_order_id=OTHER)}]}
            ),
            reply(
                {
                    "results": [
                        {"order": order("3", client_order_id=NEXT)},
                        {"order": order("4", client_order_id=client_id(OTHER, 1))},
                    ]
                }
            ),
        )
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": "0"}))
        rig.on("DELETE orders/2", reply({"status": "canceled", "filled_size": "0"}))
        rig.send(place(), place(OTHER))
        await asyncio.sleep(0.1)
        used = rig.session.budget.used
        rig.send(MODIFY, second, kind="modify")
        await asyncio.sleep(0.1)
        writes = [f"{c.method} {c.path[8:]}" for c in rig.http.requests if c.method != "GET"]
        return writes[1:], rig.session.budget.used - used

    writes, cost = play(story, batch_counts="one")
    assert ["DELETE orders/1", "DELETE orders/2", "POST orders/batch"] == writes
    assert 3 == cost


# -- unclear places --------------------------------------------------------------------------------


def test_before_an_echo_an_unclear_order_blocks_its_market_until_account_and_fills_agree() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str], float]:
        rig.on("POST orders", TransportError("reset"))
        rig.send(place())
        await asyncio.sleep(0.1)
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        blocked = rig.phases("unclear-order")
        assert ["gap"] == blocked
        await until(lambda: bool(rig.told(OrderCanceled)))
        at_s = virtual_clock().monotonic_ns() / NS_PER_S
        return rig.names(), rig.phases("unclear-order"), at_s

    names, phases, at_s = play(story)
    assert ["OrderUnclear 0", "OrderCanceled 0"] == names
    assert ["gap", "ready"] == phases
    assert 30 <= at_s <= 40, "no sooner than settle_s after it was sent"


def test_after_an_echo_an_unclear_order_blocks_nothing_and_is_found_by_its_client_id() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        await open_order(rig)
        await asyncio.sleep(3)
        rig.on("POST orders", TransportError("reset"))
        rig.send(place(OTHER))
        await asyncio.sleep(0.1)
        rig.session.ask(AskOrder(ACCOUNT, BTC, OTHER, 0))
        listed = [order("1"), order("2", client_order_id=OTHER)]
        rig.on("GET account", reply(account(open_orders=listed)))
        await until(lambda: bool(rig.told(OrderAccepted)))
        return rig.names(), rig.phases("unclear-order")

    assert (["OrderUnclear 0", "OrderAccepted 0"], []) == play(story)


@pytest.mark.parametrize("echo", [CLOID, CLOID.upper().replace("X", "x"), None])
def test_an_echo_in_an_answer_proves_nothing_of_an_account_that_shows_no_client_ids(
    echo: str | None,
) -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        rig.on("POST orders", reply(order("1", client_order_id=echo)))
        rig.on("GET account", reply(account(open_orders=[order("1", client_order_id=None)])))
        rig.send(place())
        await asyncio.sleep(3)
        rig.heard.clear()
        rig.on("POST orders", TransportError("reset"))
        twins = [order(number, client_order_id=None, price="99") for number in ("2", "3")]
        listed = [order("1", client_order_id=None), *twins]
        rig.on("GET account", reply(account(open_orders=listed)))
        for cloid in (OTHER, THIRD):
            rig.send(place(cloid, px_ticks=99_000))
        await asyncio.sleep(0.1)
        for cloid in (OTHER, THIRD):
            rig.session.ask(AskOrder(ACCOUNT, BTC, cloid, 0))
        await asyncio.sleep(300)
        return rig.names(), rig.phases("unclear-order")

    assert (["OrderUnclear 0", "OrderUnclear 0"], ["gap"]) == play(story)


def test_an_account_that_shows_another_client_id_than_was_sent_has_echoed_nothing() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", reply(order("1", client_order_id=None)))
        listed = order("1", client_order_id="the-venues-own")
        rig.on("GET account", reply(account(open_orders=[listed])))
        rig.send(place())
        await asyncio.sleep(3)
        rig.on("POST orders", TransportError("reset"))
        rig.send(place(OTHER))
        await asyncio.sleep(0.1)
        return rig.phases("unclear-order")

    assert ["gap"] == play(story)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (None, ["OrderUnclear 0"]),
        ("0xother", ["OrderUnclear 0", "OrderCanceled 0"]),
    ],
)
def test_after_an_echo_only_an_order_without_a_client_id_keeps_an_unclear_one_open(
    client: str | None, expected: list[str]
) -> None:
    async def story(rig: Rig) -> list[str]:
        await open_order(rig)
        await asyncio.sleep(3)
        rig.on("POST orders", TransportError("reset"))
        listed = [order("1"), order("2", client_order_id=client, price="98")]
        rig.on("GET account", reply(account(open_orders=listed)))
        rig.send(place(OTHER))
        await asyncio.sleep(0.1)
        rig.session.ask(AskOrder(ACCOUNT, BTC, OTHER, 0))
        await asyncio.sleep(300)
        return rig.names()

    assert expected == play(story)


def test_where_client_ids_are_never_echoed_an_unclear_order_is_known_by_all_its_facts() -> None:
    async def story(rig: Rig) -> tuple[list[str], int]:
        rig.on("POST orders", TransportError("reset"))
        rig.on("GET account", reply(account(open_orders=[order("9", client_order_id=None)])))
        rig.send(place())
        await until(lambda: bool(rig.told(OrderAccepted)))
        return rig.phases("unclear-order"), rig.told(OrderAccepted)[0].oid

    assert (["gap", "ready"], 9) == play(story)


@pytest.mark.parametrize(
    "fields", [{"price": "99"}, {"size": "0.4"}, {"side": "sell"}, {"client_order_id": "0xother"}]
)
def test_an_order_of_somebody_else_keeps_the_market_blocked(fields: dict[str, Any]) -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        rig.on("POST orders", TransportError("reset"))
        foreign = order("9", **{"client_order_id": None, **fields})
        rig.on("GET account", reply(account(open_orders=[foreign])))
        rig.send(place())
        await asyncio.sleep(0.1)
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(600)
        before = rig.names(), rig.phases("unclear-order")
        assert (["OrderUnclear 0"], ["gap"]) == before
        assert rig.session.settler.dismiss(CLOID)
        return rig.names(), rig.phases("unclear-order")

    assert (["OrderUnclear 0", "OrderCanceled 0"], ["gap", "ready"]) == play(story)


@pytest.mark.parametrize("fields", [{}, {"price": "99"}, {"size": "0.4"}, {"side": "sell"}])
@pytest.mark.parametrize("is_filled", [False, True])
def test_an_order_that_was_listed_before_an_unclear_one_was_sent_is_not_taken_for_it(
    fields: dict[str, Any],
    is_filled: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str], list[str]]:
        foreign = order("900", **{"client_order_id": None, **fields})
        rig.on("GET account", reply(account(open_orders=[foreign])))
        await asyncio.sleep(40)
        rig.on("POST orders", TransportError("reset"))
        rig.send(place())
        await asyncio.sleep(0.1)
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        if is_filled:
            now_ms = virtual_clock().now_ns() // 1_000_000
            rig.on("GET account", reply(account()))
            rig.on("GET trades", reply([fill(**FOREIGN, time=now_ms)]))
        await asyncio.sleep(120)
        filled = [event.cloid for event in rig.told(OrderFilled)]
        return filled, gone(rig), rig.phases("unclear-order")

    filled = ["oid:900"] if is_filled else []
    assert (filled, ["1"], ["gap", "ready"]) == play(story)


def test_a_fill_proves_an_unclear_order_by_its_client_id() -> None:
    async def story(rig: Rig) -> list[str]:
        rig.on("POST orders", 99.0)
        rig.on("GET trades", reply([]), reply([fill()]))
        rig.send(place())
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(60)
        return rig.names()

    assert ["OrderFilled 0", "OrderUnclear 0"] == sorted(play(story))


def test_a_fill_without_any_client_id_is_held_until_the_order_it_may_be_of_is_answered() -> None:
    async def story(rig: Rig) -> tuple[int, list[str]]:
        rig.http.delay_s = 0.0
        slow = reply(order("1", "filled", client_order_id=None, filled_size="0.5"))
        rig.on("POST orders", slow)
        rig.on("GET trades", reply([fill(client_order_id=None)]))
        rig.http.delay_s = 3.0
        rig.send(place())
        await asyncio.sleep(2.9)
        held = len(rig.told(OrderFilled))
        await asyncio.sleep(20)
        return held, [event.cloid for event in rig.told(OrderFilled)]

    assert (0, [CLOID]) == play(story)


FOREIGN: dict[str, Any] = {"order_id": "900", "client_order_id": None}


async def unclear_and_filled(rig: Rig, *rows: Any, **fields: Any) -> tuple[list[str], str]:  # noqa: ANN401
    """Whose the fills were taken for, and the id learned, long after a POST of unclear outcome."""
    rig.on("POST orders", TransportError("reset"))
    rig.send(place(**fields))
    await asyncio.sleep(0.1)
    rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
    rig.on("GET trades", reply(list(rows)))
    await asyncio.sleep(300)
    ticket = rig.session.tickets.get(CLOID, 0)
    assert ticket is not None
    return [event.cloid for event in rig.told(OrderFilled)], ticket.order_id


@pytest.mark.parametrize(
    ("rows", "fields"),
    [
        ([{}], {}),
        ([{"price": "99"}], {}),
        ([{"price": "101", "side": "sell"}], {"side": Side.SELL}),
        ([{"size": "0.2"}, {"size": "0.3"}], {}),
        ([{"time": T0_MS + 1}], {}),
    ],
)
def test_a_fill_of_nobody_s_is_taken_for_the_one_unclear_order_that_it_fits_in_every_fact(
    rows: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    async def story(rig: Rig) -> tuple[list[str], str]:
        made = [fill(f"f{number}", **FOREIGN, **row) for number, row in enumerate(rows)]
        return await unclear_and_filled(rig, *made, **fields)

    assert ([CLOID] * len(rows), "900") == play(story)


@pytest.mark.parametrize(
    ("rows", "fields"),
    [
        ([{"price": "100.001"}], {}),
        ([{"side": "sell", "price": "99"}], {"side": Side.SELL}),
        ([{"side": "sell"}], {}),
        ([{"size": "0.501"}], {}),
        ([{"size": "0.2"}, {"size": "0.4"}], {}),
    ],
)
def test_a_fill_that_cannot_be_of_the_unclear_order_is_somebody_else_s(
    rows: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    async def story(rig: Rig) -> tuple[list[str], str]:
        made = [fill(f"f{number}", **FOREIGN, **row) for number, row in enumerate(rows)]
        return await unclear_and_filled(rig, *made, **fields)

    assert (["oid:900"] * len(rows), "") == play(story)


async def after_an_echo(rig: Rig) -> None:
    rig.on("POST orders", reply(order("1", client_order_id=OTHER)))
    rig.on("GET account", reply(account(open_orders=[order("1", client_order_id=None)])))
    rig.send(place(OTHER))
    await asyncio.sleep(0.1)


async def long_after(_: Rig) -> None:
    await asyncio.sleep(20)


async def beside_a_twin(rig: Rig) -> None:
    rig.on("POST orders", TransportError("reset"))
    rig.send(place(OTHER))
    await asyncio.sleep(0.1)


async def as_a_trigger(_: Rig) -> None:
    pass


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        (after_an_echo, {}),
        (long_after, {}),
        (beside_a_twin, {}),
        (as_a_trigger, {"trigger": Trigger(95_000, TriggerKind.STOP_LOSS, True)}),  # noqa: FBT003
    ],
)
def test_a_fill_of_which_it_is_not_known_whether_it_is_of_the_unclear_order_stays_held(
    before: Callable[[Rig], Coroutine[Any, Any, None]], fields: dict[str, Any]
) -> None:
    async def story(rig: Rig) -> tuple[tuple[list[str], str], list[str]]:
        await before(rig)
        held = await unclear_and_filled(rig, fill(**FOREIGN), **fields)
        for cloid in (CLOID, OTHER):
            rig.session.settler.dismiss(cloid)
        rig.session.wake()
        await asyncio.sleep(20)
        return held, [event.cloid for event in rig.told(OrderFilled)]

    assert (([], ""), ["oid:900"]) == play(story)


# -- protection ------------------------------------------------------------------------------------


def test_children_of_an_entry_that_never_lived_are_canceled_as_the_venue_would_have() -> None:
    stop = Trigger(95_000, TriggerKind.STOP_LOSS, True)  # noqa: FBT003
    child = place(OTHER, side=Side.SELL, reduce_only=True, trigger=stop, parent=CLOID)

    async def story(rig: Rig) -> list[str]:
        rig.on(
            "POST orders/batch",
            reply(
                {
                    "results": [
                        {"index": 0, "error": {"code": "INSUFFICIENT_MARGIN", "message": ""}},
                        {"index": 1, "order": order("2", "pending", client_order_id=OTHER)},
                    ]
                }
            ),
        )
        rig.on("DELETE orders/2", reply({"status": "canceled", "filled_size": "0"}))
        rig.send(place(), child, kind="bracket")
        await asyncio.sleep(1)
        return rig.names()

    assert ["OrderRejected 0", "OrderAccepted 0", "OrderCanceled 0"] == play(story)


async def bracket(rig: Rig) -> None:
    """An entry that rests, and a stop and a take profit that wait for it."""
    stop = Trigger(95_000, TriggerKind.STOP_LOSS, True)  # noqa: FBT003
    take = Trigger(105_000, TriggerKind.TAKE_PROFIT, True)  # noqa: FBT003
    common: dict[str, Any] = {"side": Side.SELL, "reduce_only": True, "parent": CLOID}
    listed = [
        order("1"),
        order("2", "pending", client_order_id=OTHER),
        order("3", "pending", client_order_id=THIRD),
    ]
    rig.on("POST orders/batch", reply({"results": [{"order": item} for item in listed]}))
    rig.on("GET account", reply(account(open_orders=listed)))
    for number in ("1", "2", "3"):
        rig.on(f"DELETE orders/{number}", reply({"status": "canceled", "filled_size": "0"}))
    children = place(OTHER, trigger=stop, **common), place(THIRD, trigger=take, **common)
    rig.send(place(), *children, kind="bracket")
    await asyncio.sleep(0.1)
    rig.heard.clear()


def gone(rig: Rig) -> list[str]:
    return sorted(event.cloid[-1] for event in rig.told(OrderCanceled))


def test_when_one_child_is_filled_the_other_is_canceled() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rows = [fill("a"), fill("b", order_id="2", client_order_id=OTHER, side="sell")]
        rig.on("GET trades", reply(rows))
        await asyncio.sleep(5)
        return gone(rig)

    assert ["3"] == play(story)


def test_when_the_entry_is_canceled_without_a_fill_its_children_are_too() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(1)
        return gone(rig)

    assert ["1", "2", "3"] == play(story)


def test_when_the_entry_was_filled_in_part_its_children_stay() -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": "0.1"}))
        rig.on("GET trades", reply([fill(size="0.1")]))
        rig.send(CANCEL, kind="cancel")
        await asyncio.sleep(5)
        return gone(rig)

    assert ["1"] == play(story)


@pytest.mark.parametrize(
    ("answer", "size", "expected"),
    [
        (reply(order("4", client_order_id=NEXT)), "0", []),
        (error(422, "INVALID_PRICE"), "0", ["2", "3"]),
        (error(422, "INVALID_PRICE"), "0.1", []),
    ],
)
def test_a_modified_entry_keeps_its_children_unless_nothing_is_left_of_it(
    answer: Any,  # noqa: ANN401
    size: str,
    expected: list[str],
) -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rows = [] if size == "0" else [fill(size=size)]
        rig.on("GET trades", reply(rows))
        rig.session.wake()
        await asyncio.sleep(5)
        rig.on("DELETE orders/1", reply({"status": "canceled", "filled_size": size}))
        rig.on("POST orders", answer)
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(1)
        return [number for number in gone(rig) if number != "1"]

    assert expected == play(story)


@pytest.mark.parametrize("answer", [99.0, error(503, "UNAVAILABLE")])
@pytest.mark.parametrize(
    ("early", "late", "expected"),
    [
        ([fill(size="0.1")], [fill(size="0.1")], []),
        ([], [fill(size="0.1")], []),
        ([], [], ["2", "3"]),
    ],
)
def test_an_entry_lost_in_an_unclear_modify_keeps_its_children_for_what_was_filled_of_it(
    answer: Any,  # noqa: ANN401
    early: list[Any],
    late: list[Any],
    expected: list[str],
) -> None:
    async def story(rig: Rig) -> list[str]:
        await bracket(rig)
        rig.on("GET trades", reply(early))
        rig.session.wake()
        await asyncio.sleep(5)
        rig.on("DELETE orders/1", answer)
        rig.send(MODIFY, kind="modify")
        await until(lambda: bool(rig.told(OrderUnclear)))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 1))
        rig.on("GET trades", reply(late))
        children = (("2", OTHER), ("3", THIRD))
        left = [order(number, "pending", client_order_id=cloid) for number, cloid in children]
        rig.on("GET account", reply(account(open_orders=left)))
        await asyncio.sleep(120)
        assert "1" in gone(rig)
        return [number for number in gone(rig) if number != "1"]

    assert expected == play(story)


# -- leverage, funding, account --------------------------------------------------------------------


def test_leverage_that_the_account_shows_is_told_as_set() -> None:
    async def story(rig: Rig) -> list[Any]:
        rig.on("GET account", reply(account(positions=[position()])))
        rig.session.hasten()
        await asyncio.sleep(2)
        rig.send(UpdateLeverage(BTC, 10, is_cross=True), kind="leverage")
        return [(e.instrument, e.leverage, e.is_cross) for e in rig.told(LeverageSet)]

    assert [(BTC, 10, True)] == play(story)


def test_leverage_that_cannot_be_verified_blocks_until_the_account_shows_it() -> None:
    async def story(rig: Rig) -> tuple[list[str], list[str], int]:
        rig.send(UpdateLeverage(BTC, 10, is_cross=True), kind="leverage")
        before = rig.phases("leverage")
        rig.on("GET account", reply(account(positions=[position()])))
        await asyncio.sleep(40)
        return before, rig.phases("leverage"), len(rig.told(LeverageSet))

    assert (["gap"], ["gap", "ready"], 1) == play(story)


def test_leverage_may_be_taken_on_trust_where_the_account_does_not_contradict() -> None:
    async def story(rig: Rig) -> tuple[int, list[str]]:
        rig.send(UpdateLeverage(BTC, 10, is_cross=True), kind="leverage")
        return len(rig.told(LeverageSet)), rig.phases("leverage")

    assert (1, []) == play(story, leverage="assume")


def test_funding_is_what_a_position_says_it_paid_more_than_before() -> None:
    async def story(rig: Rig) -> list[tuple[int, int]]:
        paid = [None, "0.5", "0.7", "0.6", "0.6"]
        rig.on(
            "GET account",
            *(reply(account(positions=[position(funding_paid=value)])) for value in paid),
            reply(account(positions=[position(size="-1", funding_paid="9")])),
        )
        rig.session.hasten()
        await asyncio.sleep(120)
        return [(e.amount_e8, e.sz_lots) for e in rig.told(FundingPaid)]

    assert [(20_000_000, 1500), (-10_000_000, 1500)] == play(story)


def test_the_account_is_told_with_cash_as_equity_less_what_positions_gained() -> None:
    async def story(rig: Rig) -> tuple[int, int, Any]:
        rig.on("GET account", reply(account(positions=[position()])))
        rig.session.hasten()
        await asyncio.sleep(2)
        told = rig.told(AccountRead)[-1]
        return told.equity_e8, told.cash_e8, told.positions

    assert (1000 * 10**8, 985 * 10**8, ((BTC, 1500),)) == play(story)


@pytest.mark.parametrize(
    "answer",
    [
        reply(account(equity="NaN")),
        reply(account(positions=[position(size="0.0001")])),
        reply(account(positions=[position(), position()])),
        reply(account(positions=[{"symbol": "BTC"}])),
        reply(account(positions=[position(unrealized_pnl=None, mark_price=None)])),
        bare(b"<html>"),
        reply([]),
    ],
)
def test_an_account_that_cannot_be_read_is_stale_until_it_can(answer: Any) -> None:  # noqa: ANN401
    async def story(rig: Rig) -> tuple[list[str], list[str]]:
        rig.on("GET account", answer)
        rig.session.hasten()
        await asyncio.sleep(30)
        before = rig.phases("perpex account")
        rig.on("GET account", reply(account()))
        await asyncio.sleep(60)
        return before, rig.phases("perpex account")

    assert (["stale"], ["stale", "ready"]) == play(story)


# -- polling ---------------------------------------------------------------------------------------


def test_polls_are_2_s_apart_while_an_order_lives_and_15_s_when_none_does() -> None:
    async def story(rig: Rig) -> tuple[int, int]:
        await asyncio.sleep(60)
        idle = len(rig.http.calls("GET", "/trades"))
        await open_order(rig)
        before = len(rig.http.calls("GET", "/trades"))
        await asyncio.sleep(60)
        return idle, len(rig.http.calls("GET", "/trades")) - before

    idle, busy = play(story)
    assert 4 <= idle <= 6
    assert 29 <= busy <= 31


def test_an_hour_of_orders_and_polls_never_exceeds_120_requests_in_a_minute() -> None:
    async def story(rig: Rig) -> int:
        rig.on("POST *", reply(order("1")))
        rig.http.on["POST *"] = [error(422, "INVALID_PRICE")]
        for number in range(3_600):
            rig.send(place(f"0x{0xAB:016x}{number + 1:016x}"))
            rig.session.hasten()
            await asyncio.sleep(0.5)
        stamps = [call.at_s for call in rig.http.requests]
        return max(
            sum(start <= at < start + 60 for at in stamps[index : index + 130])
            for index, start in enumerate(stamps)
        )

    assert 85 <= play(story) <= 110


# -- opening ---------------------------------------------------------------------------------------


def test_opening_gives_the_state_and_tells_no_fill_that_it_already_holds() -> None:
    async def run() -> tuple[AccountState, list[str]]:
        rig = Rig()
        rig.on("GET account", reply(account(positions=[position()], open_orders=[order("4")])))
        old = fill("old", time=T0_MS - 1_000, client_order_id=None, order_id="3")
        late = fill("late", time=T0_MS - 500, client_order_id=None, order_id="3")
        rig.on("GET trades", reply([old]), reply([late, old]))
        state = await rig.open()
        await asyncio.sleep(60)
        await rig.session.aclose()
        return state, rig.names()

    state, names = run_virtual(run())
    assert [(BTC, 1500, 150 * 10**8)] == [
        (item.instrument, item.lots, item.cost_e8) for item in state.positions
    ]
    assert [(CLOID, 4, 100_000, 500)] == [
        (item.cloid, item.oid, item.px_ticks, item.sz_lots) for item in state.orders
    ]
    assert {BTC: (10, True)} == state.leverage
    assert state.has_orders
    assert [] == names


@pytest.mark.parametrize("ahead_s", [-20, 20, 600])
@pytest.mark.parametrize("has_old", [False, True])
def test_without_the_venue_s_time_a_fill_right_after_opening_is_told_whatever_our_clock(
    ahead_s: int,
    has_old: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def run() -> tuple[list[str], int]:
        rig = Rig()
        venue_ms = virtual_clock().now_ns() // 10**6 - ahead_s * 1_000
        old = fill("old", time=venue_ms, client_order_id=None, order_id="3")
        older = fill("older", time=venue_ms - 4_000_000, client_order_id=None, order_id="3")
        known = [old] if has_old else []
        rig.on("GET account", reply(account(time=None)))
        rig.on("GET trades", reply(known))
        state = await rig.open()
        rig.on("GET trades", reply([fill(time=venue_ms), *known, older]))
        rig.on("POST orders", reply(order()))
        rig.send(place())
        await asyncio.sleep(60)
        await rig.session.aclose()
        opened_ms = state.ts_venue_ns // 10**6
        return rig.names(), opened_ms - venue_ms

    names, apart_ms = run_virtual(run())
    assert ["OrderAccepted 0", "OrderFilled 0"] == names
    assert apart_ms <= 0


def test_a_reading_without_a_time_that_may_be_from_before_a_fill_is_not_told() -> None:
    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(time=None)))
        await rig.open()
        filled = fill(time=virtual_clock().now_ns() // 10**6)
        rig.on("GET trades", reply([]), reply([filled]))
        await asyncio.sleep(60)
        await rig.session.aclose()
        return [type(event).__name__ for event in rig.heard]

    assert ["AccountRead", "OrderFilled", "AccountRead"] == run_virtual(run())[:3]


def test_opening_again_tells_the_fills_since_the_newest_that_was_booked() -> None:
    async def run() -> tuple[list[str], list[str]]:
        rig = Rig()
        rig.on("GET trades", reply([fill(time=T0_MS - 1_000)]))
        resumption = Resumption(
            fills_seen_ms={ACCOUNT: T0_MS - 2_000}, generations=((CLOID, 0, 1),)
        )
        await rig.session.open(resumption, rig.heard.append)
        return rig.names(), [call.query for call in rig.http.calls("GET", "/trades")]

    names, queries = run_virtual(run())
    assert ["OrderFilled 0"] == names
    assert f"start={T0_MS - 62_000}" in queries[0]


def test_orders_of_an_earlier_run_are_recognised_asked_about_and_settled() -> None:
    async def run() -> list[str]:
        rig = Rig()
        rig.on("GET account", reply(account(open_orders=[order("1")])))
        lost = place(OTHER)
        unanswered = Outgoing(VENUE, ACCOUNT, batch(lost), 0, b"{}")
        living = (CLOID, 0, 1), (OTHER, 0, 0)
        await rig.open(Resumption(unanswered=(unanswered,), generations=living))
        for cloid in (CLOID, OTHER):
            rig.session.ask(AskOrder(ACCOUNT, BTC, cloid, 0))
        await asyncio.sleep(60)
        live = [t.cloid for t in rig.session.tickets.alive() if t.phase is Phase.LIVE]
        await rig.session.aclose()
        assert [CLOID] == live
        return [f"{type(e).__name__} {e.cloid[-1]}" for e in rig.told(OrderAccepted, OrderCanceled)]

    assert ["OrderAccepted 1", "OrderCanceled 2"] == sorted(run_virtual(run()))


@pytest.mark.parametrize("size", ["0.5", "0.1", "0.6"])
def test_a_fill_held_while_opening_is_told_once_and_keeps_no_order_of_an_earlier_run_unclear(
    size: str,
) -> None:
    async def run() -> tuple[list[str], list[str], list[str], dict[str, Any]]:
        rig = Rig()
        rows = [fill(size=size, time=T0_MS - 1_000, **FOREIGN)]
        rig.on("GET trades", reply(rows))
        unanswered = Outgoing(VENUE, ACCOUNT, batch(place()), 0, b"{}")
        seen, living = {ACCOUNT: T0_MS - 2_000}, ((CLOID, 0, 0),)
        await rig.open(Resumption(unanswered=(unanswered,), fills_seen_ms=seen, generations=living))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(120)
        await rig.session.aclose()
        filled = [event.cloid for event in rig.told(OrderFilled)]
        return filled, gone(rig), rig.phases("unclear-order"), dict(rig.session.fills.held)

    assert (["oid:900"], ["1"], ["gap", "ready"], {}) == run_virtual(run())


def test_an_entry_of_an_earlier_run_that_a_fill_held_while_opening_may_be_of_keeps_its_stop() -> (
    None
):
    stop = Trigger(95_000, TriggerKind.STOP_LOSS, True)  # noqa: FBT003
    child = place(OTHER, side=Side.SELL, reduce_only=True, trigger=stop, parent=CLOID)

    async def run(rows: list[Any]) -> list[str]:
        rig = Rig()
        listed = order("2", "pending", client_order_id=OTHER, side="sell")
        rig.on("GET account", reply(account(open_orders=[listed])))
        rig.on("GET trades", reply(rows))
        rig.on("DELETE orders/2", reply({"status": "canceled", "filled_size": "0"}))
        unanswered = Outgoing(VENUE, ACCOUNT, batch(place(), child, kind="bracket"), 0, b"{}")
        seen, living = {ACCOUNT: T0_MS - 2_000}, ((CLOID, 0, 0), (OTHER, 0, 2))
        await rig.open(Resumption(unanswered=(unanswered,), fills_seen_ms=seen, generations=living))
        rig.session.ask(AskOrder(ACCOUNT, BTC, CLOID, 0))
        await asyncio.sleep(120)
        await rig.session.aclose()
        return gone(rig)

    assert ["1", "2"] == run_virtual(run([]))
    assert ["1"] == run_virtual(run([fill(time=T0_MS - 1_000, **FOREIGN)]))


def test_a_generation_of_an_earlier_run_that_nobody_asks_about_ends_without_a_word() -> None:
    async def run() -> tuple[int, list[str]]:
        rig = Rig()
        await rig.open(Resumption(generations=((OTHER, 3, 8),)))
        await asyncio.sleep(200)
        await rig.session.aclose()
        return rig.session.budget.open_orders, rig.names()

    assert (0, []) == run_virtual(run())


def test_positions_that_never_stand_still_cannot_be_opened_on() -> None:
    async def run() -> None:
        rig = Rig()
        answers = [reply(account(positions=[position(size=f"{n}.5")])) for n in range(1, 9)]
        rig.on("GET account", *answers)
        with pytest.raises(VenueError, match="stand still"):
            await rig.open()

    run_virtual(run())


def test_modify_rejections_of_the_budget_leave_the_old_order_alone() -> None:
    async def story(rig: Rig) -> tuple[list[str], int]:
        await open_order(rig)
        while rig.session.budget.try_orders(1, 0):
            pass
        rig.send(MODIFY, kind="modify")
        await asyncio.sleep(0.01)
        return [type(e).__name__ for e in rig.told(ModifyRejected)], len(rig.http.calls("DELETE"))

    assert (["ModifyRejected"], 0) == play(story)
