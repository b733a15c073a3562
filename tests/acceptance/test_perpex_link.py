"""perpd's own Perpex link against the loopback gateway: every row of the page, and what goes wrong.

Real sockets and a live market; nothing is faked but the venue.
"""

from __future__ import annotations

from typing import Any

import pytest

from connectors.perpex import auth
from connectors.perpex.auth import Tokens
from connectors.perpex.budget import RequestBudget
from connectors.perpex.mapping.read import Fault as Refusal
from connectors.perpex.mapping.read import Payload, Quarantine, decode
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import OrderRequest, PositionWire
from connectors.perpex.requests import check_order
from connectors.perpex.rest import PerpexRest
from connectors.simulated.faults import Fault, Kind
from connectors.web import AiohttpHttp
from engine.config.secret import Secret
from engine.drive.seams import SeededRandomness, SystemClock
from engine.model.events import (
    AccountRead,
    BookDelta,
    BookSnapshot,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderUnclear,
    Quote,
    StreamPhase,
    Trade,
)
from engine.model.units import Tif
from tests.connectors.simulated.perpex.linked import linked
from tests.connectors.simulated.perpex.scene import Scene, cloid, market, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


# -- endpoint by endpoint --------------------------------------------------------------------------


def rest_of(scene: Scene, **settings: Any) -> tuple[PerpexRest, AiohttpHttp]:  # noqa: ANN401 - passed on
    """Perpd's REST client of a scene's account."""
    clock = SystemClock()
    http = AiohttpHttp(scene.face.url)
    tokens = Tokens(Secret(scene.token(ttl_s=10**9)), clock)
    rest = PerpexRest(
        http,
        PerpexSettings(rest_url=scene.face.url, **settings),
        RequestBudget(110, 20, clock),
        tokens,
        SeededRandomness(7),
        Quarantine(tokens.scrub),
    )
    return rest, http


@pytest.mark.parametrize("prefix", ["/api/v1", "/v1", "/v1/api/v1"])
async def test_the_base_path_is_found_by_probing(prefix: str) -> None:
    async with serving(prefixes=(prefix,)) as scene:
        rest, http = rest_of(scene)

        assert prefix == await rest.probe()
        await http.aclose()


async def test_every_endpoint_of_the_page_is_understood_by_the_client() -> None:
    async with serving() as scene:
        rest, http = rest_of(scene, rest_prefix="/api/v1")
        order = OrderRequest(
            symbol="BTC",
            side="buy",
            type="limit",
            size="0.01",
            price="99999",
            client_order_id=cloid(1),
        )
        markets = await rest.markets()
        book = await rest.orderbook("BTC", 2)
        placed = await rest.post_orders([check_order(order)], cloid(1))
        await scene.ask("POST", "/orders", market("sell", "0.5"), token=scene.token())
        account = await rest.account()
        fills = await rest.fills(limit=1)
        assert account.open_orders is not None
        canceled = await rest.cancel("1")
        gone = await rest.cancel("1")
        await http.aclose()

        assert ["BTC", "ETH"] == [one.symbol for one in markets]
        assert ((100_000.0, 5.0), (99_999.0, 5.0)) == book.bids
        assert isinstance(placed, Payload)
        assert ["-0.5"] == [str(decode(one, PositionWire).size) for one in account.positions]
        assert ["0.5"] == [str(fill.size) for fill in fills.fills]
        for outcome in (canceled, gone):
            assert isinstance(outcome, Refusal)
            assert "ORDER_NOT_FOUND" == outcome.code


# -- a day of the link -----------------------------------------------------------------------------


async def test_orders_are_placed_filled_and_canceled_and_the_account_agrees() -> None:
    async with linked() as trader:
        (kept,), (taken,) = trader.place(), trader.place(1.02, tif=Tif.IOC)
        await trader.until(lambda: trader.heard(OrderFilled, taken))
        await trader.until(lambda: trader.heard(OrderAccepted, kept))
        trader.cancel(kept)
        await trader.until(lambda: trader.heard(OrderCanceled, kept))
        await trader.until(
            lambda: (
                [one.positions for one in trader.heard(AccountRead)][-1:] == [(("px:BTC", 1_000),)]
            )
        )

        fills = trader.heard(OrderFilled)
        assert sorted(row.tid for row in trader.at_venue.history.fills) == sorted(
            one.trade_id for one in fills
        )
        assert 1_000 == trader.venue_lots() == sum(one.sz_lots * one.side for one in fills)
        assert [] == trader.at_venue.live()
        kinds = {BookSnapshot, BookDelta, Quote, Trade}
        await trader.until(lambda: kinds <= {type(one) for one in trader.events})


async def test_ten_orders_go_in_one_request() -> None:
    async with linked(batch_counts="one") as trader:
        cloids = trader.place(count=10)
        await trader.until(lambda: len(trader.heard(OrderAccepted)) == 10)

        assert set(cloids) == {record.new.cloid for record in trader.at_venue.live()}


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_after", "late_502", "garbage", "hang_after"])
async def test_an_order_that_was_taken_without_an_answer_is_found_and_not_doubled(
    kind: Kind,
) -> None:
    async with linked(request_timeout_s=0.3, settle_s=1.0) as trader:
        trader.venue.faults.http(Fault(kind, action="POST orders"))
        (kept,) = trader.place()
        await trader.until(lambda: trader.heard(OrderUnclear, kept))
        trader.ask(kept)
        await trader.until(lambda: trader.heard(OrderAccepted, kept))

        assert [kept] == [record.new.cloid for record in trader.at_venue.orders.values()]
        assert 1 == len(trader.at_venue.live())


async def test_an_order_that_was_never_taken_is_found_to_be_gone() -> None:
    async with linked(request_timeout_s=0.3, settle_s=1.0) as trader:
        (before,) = trader.place()
        await trader.until(lambda: trader.heard(OrderAccepted, before))
        trader.venue.faults.http(Fault("bad_gateway", action="POST orders"))
        (lost,) = trader.place()
        await trader.until(lambda: trader.heard(OrderUnclear, lost))
        trader.ask(lost)
        await trader.until(lambda: trader.heard(OrderCanceled, lost))

        assert [before] == [record.new.cloid for record in trader.at_venue.orders.values()]


async def test_a_throttled_order_is_refused_and_not_unclear() -> None:
    async with linked() as trader:
        trader.venue.faults.http(Fault("status_429", action="POST orders"))
        (refused,) = trader.place()
        await trader.until(lambda: trader.heard(OrderRejected, refused))

        assert {} == dict(trader.at_venue.orders)


@pytest.fixture
def _renews_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a token be fetched sooner than 5 s after another."""
    monkeypatch.setattr(auth, "RENEW_AGAIN_S", 0.0)


@pytest.mark.usefixtures("_renews_at_once")
async def test_a_token_that_expires_in_mid_run_is_renewed_and_trading_goes_on() -> None:
    async with linked() as trader:
        wires = trader.venue.faults.ws.wires
        before = list(wires)
        trader.venue.perpex.expire_tokens()
        await trader.until(lambda: trader.fetched > 1)
        await trader.until(lambda: len(wires) == 2 and wires != before)
        (kept,) = trader.place()
        await trader.until(lambda: trader.heard(OrderAccepted, kept))

        assert 1 == len(trader.at_venue.live())


@pytest.mark.usefixtures("_renews_at_once")
async def test_a_token_is_renewed_before_it_ends() -> None:
    async with linked(ttl_s=4.0, renew_before_s=3.0) as trader:
        await trader.until(lambda: trader.fetched > 2)

        assert [] == trader.phases("perpex account")


async def test_a_gap_in_the_book_is_a_gap_until_another_snapshot_came() -> None:
    async with linked() as trader:
        before = len(trader.events)
        trader.venue.faults.ws.drop("orderbook")
        await trader.until(
            lambda: trader.phases("perpex orderbook", before)[-1:] == [StreamPhase.READY]
        )

        assert StreamPhase.GAP in trader.phases("perpex orderbook", before)
        news = trader.events[before:]
        assert [one for one in news if isinstance(one, BookSnapshot)]


@pytest.mark.parametrize("how", ["close_all", "reset_all"])
async def test_a_lost_connection_is_made_again_and_subscribed(how: str) -> None:
    async with linked() as trader:
        before = len(trader.events)
        getattr(trader.venue.faults.ws, how)()
        await trader.until(
            lambda: trader.phases("perpex orderbook", before)[-1:] == [StreamPhase.READY]
        )

        assert StreamPhase.DOWN in trader.phases("perpex orderbook", before)


async def test_a_venue_that_says_nothing_any_more_is_found_out() -> None:
    async with linked(silent_s_max=1.0) as trader:
        before = len(trader.events)
        trader.venue.faults.ws.freeze_all()
        await trader.until(
            lambda: trader.phases("perpex orderbook", before)[-1:] == [StreamPhase.READY]
        )

        assert StreamPhase.DOWN in trader.phases("perpex orderbook", before)


async def test_pings_are_answered_so_that_a_silent_link_stays_connected() -> None:
    async with linked(face={"ping_after_s": 0.2, "pong_within_s": 0.5}) as trader:
        wires = list(trader.venue.faults.ws.wires)
        quotes = len(trader.heard(Quote))
        await trader.until(lambda: len(trader.heard(Quote)) >= quotes + 10)

        assert wires == trader.venue.faults.ws.wires
