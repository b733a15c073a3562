"""The link as the driver meets it: load, open, prepare, send, ask, refresh, close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.perpex.link import PerpexLink
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.plan import decode_plan
from connectors.port import Resumption, VenueLink, Wants
from engine.config.secret import Secret
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import CredentialsError, ModelError, NotSentError, TransportError
from engine.model.commands import CancelOrder, OrderNote
from engine.model.events import (
    AnyEvent,
    AssetContext,
    FundingRate,
    InstrumentUpdated,
    OrderAccepted,
    StreamChanged,
)
from engine.model.instruments import Instrument
from engine.model.units import NS_PER_S
from tests.connectors.perpex.fakes import (
    ACCOUNT,
    BTC,
    CLOID,
    T0_MS,
    TOKEN,
    VENUE,
    FakeHttp,
    WsServer,
    account,
    batch,
    book_frame,
    error,
    instrument,
    market,
    order,
    place,
    reply,
    until,
)

WANTS = [Wants(BTC, book=True, trades=True)]


class Reference:
    """What is publicly known of the coins elsewhere."""

    def __init__(self) -> None:
        self.mark = 100.0

    async def instruments(self) -> Mapping[str, Instrument]:
        return {"BTC": instrument("BTC", 3), "ETH": instrument("ETH", 2)}

    async def marks(self) -> Mapping[str, float]:
        return {"BTC": self.mark, "ETH": 100.0}


class Rig:
    """A link over a scripted venue."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        self.server = WsServer()
        self.server.snapshots["orderbook"] = book_frame(1)
        self.reference = Reference()
        self.http = FakeHttp(
            virtual_clock(),
            {
                "GET /api/v1/markets": [reply([market(), market("ETH", size_step="0.01")])],
                "GET /api/v1/account": [reply(account())],
                "GET /api/v1/trades": [reply([])],
                "POST /api/v1/orders/batch": [error(400, "INVALID_REQUEST")],
                "DELETE *": [error(404, "ORDER_NOT_FOUND")],
            },
        )
        self.heard: list[AnyEvent] = []
        self.link = PerpexLink(
            VENUE,
            PerpexSettings(**settings),
            {ACCOUNT: Secret(TOKEN)},
            self.http,
            self.server.network(),
            reference=self.reference,
        )

    async def open(self) -> None:
        await self.link.load()
        await self.link.open(WANTS, Resumption(), self.heard.append)

    def told(self, *kinds: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kinds)]

    def blocks(self) -> set[str]:
        """What blocks new risk on BTC or the account, by the streams' last phases."""
        last = {event.stream: str(event.phase) for event in self.told(StreamChanged)}
        return {stream for stream, phase in last.items() if phase != "ready"}


def play(story: Callable[[Rig], Coroutine[Any, Any, Any]], **settings: Any) -> Any:  # noqa: ANN401
    async def run() -> object:
        rig = Rig(**settings)
        try:
            return await story(rig)
        finally:
            await rig.link.close()

    return run_virtual(run())


def test_it_is_a_venue_link() -> None:
    async def story(rig: Rig) -> str:
        link: VenueLink = rig.link
        return link.venue

    assert VENUE == play(story)


def test_load_probes_without_a_token_and_gives_instruments_of_both_sources() -> None:
    async def story(rig: Rig) -> tuple[list[Any], list[bool]]:
        found = await rig.link.load()
        with_token = ["Authorization" in call.headers for call in rig.http.requests]
        return [(i.id, i.sz_decimals, i.leverage_max) for i in found], with_token

    instruments, with_token = play(story)
    assert [("px:BTC", 3, 40), ("px:ETH", 2, 40)] == instruments
    assert [False, True] == with_token


def test_what_was_found_out_and_assumed_is_there_for_the_record() -> None:
    async def story(rig: Rig) -> tuple[str, ...]:
        assert () == rig.link.findings
        rows = [market(mark_price="150"), market("SOL"), market("ODD", size_step="0.3")]
        rig.http.on["GET /api/v1/markets"] = [reply(rows)]
        await rig.link.load()
        return rig.link.findings

    text = "\n".join(play(story))
    for said in ("base path /api/v1", "px:SOL", "px:BTC: no new risk: mark 150", "ODD left out"):
        assert said in text


def test_a_token_that_markets_echo_is_in_no_finding_and_no_part_of_it_either() -> None:
    async def story(rig: Rig) -> str:
        rows = [
            market(status=f"halted for {TOKEN}"),
            market(f"a-symbol-{TOKEN}", size_step="0.3"),
            market("ETH"),
        ]
        rig.http.on["GET /api/v1/markets"] = [reply(rows)]
        await rig.link.load()
        return "\n".join(rig.link.findings)

    text = play(story)
    assert "px:BTC: no new risk: status halted for (hidden)" in text
    assert "eyJ" not in text


def test_open_leaves_nothing_blocked_and_tells_mark_and_funding() -> None:
    async def story(rig: Rig) -> tuple[set[str], Any]:
        await rig.open()
        await until(lambda: bool(rig.told(AssetContext)))
        return rig.blocks(), rig.told(AssetContext)[0]

    blocks, context = play(story)
    assert set() == blocks
    assert (BTC, 100.0, 100.1, 0.0000125, 5.0) == (
        context.instrument,
        context.mark_px,
        context.oracle_px,
        context.funding_rate,
        context.open_interest,
    )


def test_a_mark_that_is_not_hyperliquid_s_blocks_the_market_until_it_is() -> None:
    async def story(rig: Rig) -> tuple[set[str], set[str]]:
        rig.reference.mark = 98.0
        await rig.open()
        await asyncio.sleep(1)
        before = rig.blocks()
        rig.reference.mark = 100.5
        await asyncio.sleep(61)
        return before, rig.blocks()

    assert ({"metadata"}, set()) == play(story)


@pytest.mark.parametrize(
    "answer", [reply([market(status="halted")]), reply([market("ETH")]), reply([])]
)
def test_a_market_that_is_halted_or_not_listed_any_more_is_blocked(answer: Any) -> None:  # noqa: ANN401
    async def story(rig: Rig) -> set[str]:
        await rig.open()
        rig.http.on["GET /api/v1/markets"] = [answer]
        await rig.link.refresh("contexts")
        return rig.blocks()

    assert {"metadata"} == play(story)


def test_marks_that_are_not_renewed_are_stale() -> None:
    async def story(rig: Rig) -> tuple[set[str], set[str]]:
        await rig.open()
        await asyncio.sleep(1)
        rig.http.on["GET /api/v1/markets"] = [error(500, "INTERNAL")]
        await asyncio.sleep(120)
        before = rig.blocks()
        rig.http.on["GET /api/v1/markets"] = [reply([market()])]
        await asyncio.sleep(60)
        return before, rig.blocks()

    before, after = play(story)
    assert "perpex contexts" in before
    assert "perpex contexts" not in after


def test_the_rate_last_read_before_a_settlement_is_told_as_the_settled_one() -> None:
    async def story(rig: Rig) -> list[Any]:
        await rig.open()
        await asyncio.sleep(1)
        later = market(funding_rate="0.5", next_funding_time=T0_MS + 7_200_000)
        rig.http.on["GET /api/v1/markets"] = [reply([later])]
        await asyncio.sleep(30)
        return [(e.ts_venue_ns // 1_000_000 - T0_MS, e.rate) for e in rig.told(FundingRate)]

    assert [(3_600_000, 0.0000125)] == play(story)


def test_a_key_without_a_permission_is_refused_before_anything_is_subscribed() -> None:
    async def story(rig: Rig) -> tuple[str, int]:
        rig.http.on["POST /api/v1/orders/batch"] = [error(403, "FORBIDDEN")]
        await rig.link.load()
        with pytest.raises(CredentialsError) as caught:
            await rig.link.open(WANTS, Resumption(), rig.heard.append)
        return str(caught.value), len(rig.server.dialer.dials)

    said, dials = play(story)
    assert "place orders" in said
    assert 0 == dials


def test_a_batch_is_prepared_as_its_exact_requests_and_sent_as_prepared() -> None:
    async def story(rig: Rig) -> tuple[list[Any], Any, int]:
        await rig.open()
        notes = (OrderNote(CLOID, 0, "maker"),)
        made = rig.link.prepare(batch(place()), notes)
        before = len(rig.http.calls("POST", "/orders"))
        rig.http.on["POST /api/v1/orders"] = [reply(order())]
        rig.link.send(made)
        await until(lambda: bool(rig.told(OrderAccepted)))
        steps = decode_plan(made.body).steps
        call = rig.http.calls("POST", "/orders")[-1]
        assert (VENUE, ACCOUNT, notes, 0) == (made.venue, made.account, made.notes, made.nonce)
        return [(s.method, s.path) for s in steps], call.body, before

    steps, body, before = play(story)
    assert [("POST", "/api/v1/orders")] == steps
    assert CLOID == body["client_order_id"]
    assert 0 == before


def test_a_cancel_is_prepared_with_the_venue_s_id_once_it_is_known() -> None:
    async def story(rig: Rig) -> list[str]:
        await rig.open()
        cancel = batch(CancelOrder(BTC, CLOID, 0), kind="cancel")
        early = decode_plan(rig.link.prepare(cancel, ()).body).steps[0].path
        rig.http.on["POST /api/v1/orders"] = [reply(order("12"))]
        rig.link.send(rig.link.prepare(batch(place()), ()))
        await until(lambda: bool(rig.told(OrderAccepted)))
        return [early, decode_plan(rig.link.prepare(cancel, ()).body).steps[0].path]

    assert ["", "/api/v1/orders/12"] == play(story)


@pytest.mark.parametrize("job", ["account", "contexts", "metadata"])
def test_a_refresh_that_fails_is_a_transport_error(job: str) -> None:
    async def story(rig: Rig) -> None:
        await rig.open()
        rig.http.on = {"GET *": [NotSentError("refused")]}
        rig.http.on |= {f"GET /api/v1/{path}": [error(403, "F")] for path in ("account", "markets")}
        with pytest.raises(TransportError):
            await rig.link.refresh(job)

    play(story)


def test_a_refresh_of_metadata_tells_what_changed_and_only_that() -> None:
    async def story(rig: Rig) -> list[Any]:
        await rig.open()
        await rig.link.refresh("metadata")
        assert [] == rig.told(InstrumentUpdated)
        rig.http.on["GET /api/v1/markets"] = [
            reply([market(max_leverage=5), market("ETH", size_step="0.01"), market("SOL")])
        ]
        await rig.link.refresh("metadata")
        await rig.link.refresh("budget")
        return [(e.instrument.id, e.instrument.leverage_max) for e in rig.told(InstrumentUpdated)]

    assert [("px:BTC", 5), ("px:SOL", 40)] == play(story)


@pytest.mark.parametrize("wants", [[Wants("px:DOGE")], [Wants("hl:BTC")]])
def test_an_instrument_that_is_not_here_is_refused(wants: list[Wants]) -> None:
    async def story(rig: Rig) -> None:
        await rig.link.load()
        with pytest.raises(ModelError):
            await rig.link.open(wants, Resumption(), rig.heard.append)

    play(story)


def test_closing_stops_everything_and_may_be_repeated() -> None:
    async def story(rig: Rig) -> tuple[int, bool]:
        await rig.open()
        await rig.link.close()
        await rig.link.close()
        before = len(rig.http.requests) + len(rig.server.dialer.dials)
        await asyncio.sleep(300)
        return len(rig.http.requests) + len(rig.server.dialer.dials) - before, rig.http.is_closed

    assert (0, True) == play(story)


def test_an_hour_of_idleness_stays_far_below_the_limit() -> None:
    async def story(rig: Rig) -> float:
        await rig.open()
        start = len(rig.http.requests)
        for _ in range(360):
            await asyncio.sleep(10)
            for socket in rig.server.dialer.sockets:
                socket.put('{"op":"ping"}')
        requests = len(rig.http.requests) - start
        assert virtual_clock().monotonic_ns() >= 3_600 * NS_PER_S
        return requests / 60

    assert play(story) < 20


def test_the_token_is_in_no_log_and_no_repr_of_a_whole_life() -> None:
    async def story(rig: Rig) -> str:
        await rig.open()
        rig.http.on["POST /api/v1/orders"] = [TransportError(f"sent {TOKEN}")]
        rig.link.send(rig.link.prepare(batch(place()), ()))
        rig.server.dialer.sockets[-1].put(f'{{"op":"error","message":"{TOKEN}"}}')
        rig.server.dialer.sockets[0].lose()
        await asyncio.sleep(60)
        return repr(rig.heard) + repr(rig.link) + repr(vars(rig.link))

    with capture_logs() as logs:
        text = play(story)
    assert logs
    assert TOKEN not in text + repr(logs)


def test_an_account_is_needed() -> None:
    async def story(rig: Rig) -> None:
        network = rig.server.network()
        with pytest.raises(ModelError):
            PerpexLink(VENUE, PerpexSettings(), {}, rig.http, network)

    play(story)
