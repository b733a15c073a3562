"""`/info` over real sockets: every request it answers, read by our own decoder and by hand."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest

from connectors.hyperliquid.info.requests import REQUESTS
from connectors.simulated.hyperliquid.info import InfoHandler
from connectors.simulated.hyperliquid.limits import AddressBudget, IpWeights
from connectors.simulated.settings import Limits
from engine.drive.seams import ManualClock
from engine.model.units import NS_PER_S
from tests.connectors.hyperliquid.info.examples import OWNERS_PAGE
from tests.connectors.simulated.scripted import (
    AGENT_KEY,
    KEY,
    NOW_MS,
    NOW_NS,
    OTHER_KEY,
    Client,
    Json,
    address,
    book,
    funding,
    order,
    orders,
    scripted_core,
    serving,
    trade,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PARAMS: dict[str, Json] = {
    "user": address(KEY),
    "coin": "BTC",
    "dex": "",
    "interval": "1m",
    "startTime": 0,
    "endTime": NOW_MS + 10_000,
    "oid": 1,
    "builder": address(OTHER_KEY),
    "id": 52,
    "nSigFigs": None,
    "mantissa": None,
}
ROOMY = Limits(ip_weight_per_min=100_000)


async def lived(client: Client) -> None:
    """Let the account have an order, fills, funding and an agent."""
    core = client.venue.core
    await client.statuses(orders(order("BTC", "buy", "101000", "1", "Ioc", cloid="0x" + "ab" * 16)))
    core.play([trade("BTC", 100_000, 0.25, -1), funding("BTC", 0.0001)])
    await client.statuses(orders(order("ETH", "sell", "4100", "2", "Alo")))
    stop = order("BTC", "sell", "90000", "1", reduce_only=True, trigger=("95000", "sl"))
    await client.statuses(orders(stop))


def test_every_request_the_client_knows_and_the_page_names_is_served() -> None:
    core = scripted_core()
    info = InfoHandler(core, IpWeights(core.clock, ROOMY), AddressBudget(core.clock, ROOMY))

    assert set() == set(REQUESTS) - set(info.types)
    assert set() == set(OWNERS_PAGE) - set(info.types)


@pytest.mark.parametrize("name", sorted(REQUESTS))
async def test_an_answer_is_read_by_the_client_and_written_back_as_the_same_facts(
    name: str,
) -> None:
    request = REQUESTS[name]
    async with serving(limits=ROOMY) as (_, client):
        await lived(client)
        status, body = await client.post("/info", request.body(PARAMS))

    assert 200 == status
    read = request.decode(msgspec.json.encode(body))
    written = msgspec.json.decode(msgspec.json.encode(read))
    assert body == written or _covers(body, written)


def _covers(body: Json, written: Json) -> bool:
    """Whether all that was read back was in the answer, as it was there."""
    if isinstance(written, dict) and isinstance(body, dict):
        return all(key in body and _covers(body[key], written[key]) for key in written)
    if isinstance(written, list) and isinstance(body, list):
        return len(body) == len(written) and all(map(_covers, body, written))
    return bool(body == written)


async def test_the_metadata_lists_coins_by_asset_id_with_their_margin_tiers() -> None:
    async with serving() as (_, client):
        meta, ctxs = await client.info("metaAndAssetCtxs")
        assert meta == await client.info("meta")
        assert [meta] == await client.info("allPerpMetas")
        assert [None] == await client.info("perpDexs")
        table = await client.info("marginTable", id=meta["universe"][0]["marginTableId"])

    assert [("BTC", 5, 40), ("ETH", 4, 25)] == [
        (row["name"], row["szDecimals"], row["maxLeverage"]) for row in meta["universe"]
    ]
    assert [
        {"lowerBound": "0.0", "maxLeverage": 40},
        {"lowerBound": "150000000.0", "maxLeverage": 20},
    ] == table["marginTiers"]
    assert ("100000.0", "100000.0", "0.0000125", "1234.5") == tuple(
        ctxs[0][name] for name in ("markPx", "midPx", "funding", "openInterest")
    )
    assert ["99995.0", "100005.0"] == ctxs[0]["impactPxs"]
    assert ("50000.0", "0.5") == (ctxs[0]["dayNtlVlm"], ctxs[0]["dayBaseVlm"])


async def test_an_empty_book_side_makes_mid_premium_and_impact_prices_null() -> None:
    async with serving() as (venue, client):
        empty = msgspec.structs.replace(book("BTC", 99_995, 100_005, seq=2), ask_px=(), ask_sz=())
        venue.core.play([empty])
        (_, (btc, _)) = await client.info("metaAndAssetCtxs")
        mids = await client.info("allMids")

    assert [None, None, None] == [btc[name] for name in ("midPx", "premium", "impactPxs")]
    assert "100000.0" == mids["BTC"]


async def test_the_book_is_shown_whole_or_rounded_away_from_the_mid() -> None:
    async with serving() as (_, client):
        whole = await client.info("l2Book", coin="BTC")
        rounded = await client.info("l2Book", coin="BTC", nSigFigs=4, mantissa=None)
        fives = await client.info("l2Book", coin="ETH", nSigFigs=5, mantissa=5)

    assert NOW_MS == whole["time"]
    assert {"px": "99995.0", "sz": "1.0", "n": 1} == whole["levels"][0][0]
    assert [("99990.0", "1.0"), ("99980.0", "2.0"), ("99970.0", "3.0")] == [
        (row["px"], row["sz"]) for row in rounded["levels"][0]
    ]
    assert ["100100.0"] == [row["px"] for row in rounded["levels"][1]]
    assert "spread" in rounded
    assert ["3995.0", "3985.0", "3975.0"] == [row["px"] for row in fives["levels"][0]]


async def test_the_ledger_over_the_wire_closes() -> None:
    async with serving(limits=ROOMY) as (venue, client):
        await lived(client)
        venue.core.play([book("BTC", 100_115, 100_125, seq=2)])
        state = await client.info("clearinghouseState", user=client.user)
        fills = await client.info("userFills", user=client.user)
        fundings = await client.info("userFunding", user=client.user, startTime=0)
        ledger = await client.info("userNonFundingLedgerUpdates", user=client.user, startTime=0)

    cash = Fraction(0)
    cash += sum(Fraction(row["delta"]["usdc"]) for row in (*fundings, *ledger))
    cash += sum(Fraction(row["closedPnl"]) - Fraction(row["fee"]) for row in fills)
    position = state["assetPositions"][0]["position"]
    summary = state["marginSummary"]
    value = Fraction(position["szi"]) * 100_000  # the mark is the context's, not the mid
    assert Fraction(summary["accountValue"]) == cash + Fraction(position["unrealizedPnl"])
    assert Fraction(summary["accountValue"]) == Fraction(summary["totalRawUsd"]) + value
    cost = sum(Fraction(row["px"]) * Fraction(row["sz"]) for row in fills)
    assert Fraction(position["unrealizedPnl"]) == value - cost
    assert ("cross", 20, "1.0", "100005.0") == (
        position["leverage"]["type"],
        position["leverage"]["value"],
        position["szi"],
        position["entryPx"],
    )
    assert ("10.0", "5000.0") == (position["cumFunding"]["allTime"], position["marginUsed"])
    # Initial margin of the position, and of the order at its limit price and leverage 20.
    expected = Fraction(summary["accountValue"]) - max(5_000 + 410, 10_000)
    assert Fraction(state["withdrawable"]) == expected


async def test_orders_are_listed_in_short_and_in_full() -> None:
    async with serving(limits=ROOMY) as (_, client):
        await lived(client)
        short = await client.info("openOrders", user=client.user)
        full = await client.info("frontendOpenOrders", user=client.user.upper().replace("X", "x"))
        past = await client.info("historicalOrders", user=client.user)
        by_id = await client.info("orderStatus", user=client.user, oid=short[0]["oid"])
        by_cloid = await client.info("orderStatus", user=client.user, oid="0x" + "AB" * 16)
        unknown = await client.info("orderStatus", user=client.user, oid=1)

    assert [("ETH", "A", "4100.0", "2.0"), ("BTC", "A", "90000.0", "1.0")] == [
        (row["coin"], row["side"], row["limitPx"], row["sz"]) for row in short
    ]
    stop, plain = full
    assert ("Stop Market", None, True, "Price below 95000", "95000.0", True) == tuple(
        stop[name]
        for name in ("orderType", "tif", "isTrigger", "triggerCondition", "triggerPx", "reduceOnly")
    )
    assert ("Limit", "Alo", False, "N/A", None) == tuple(
        plain[name] for name in ("orderType", "tif", "isTrigger", "triggerCondition", "cloid")
    )
    assert ["open", "open", "filled"] == [row["status"] for row in past]
    assert ("order", "open") == (by_id["status"], by_id["order"]["status"])
    assert "filled" == by_cloid["order"]["status"]
    assert {"status": "unknownOid"} == unknown


async def test_children_are_shown_inside_their_parent() -> None:
    async with serving() as (_, client):
        parent = order("BTC", "buy", "99000", "0.5")
        stop = order("BTC", "sell", "90000", "0.5", reduce_only=True, trigger=("95000", "sl"))
        await client.statuses(orders(parent, stop, grouping="normalTpsl"))
        full = await client.info("frontendOpenOrders", user=client.user)

    assert ["99000.0"] == [row["limitPx"] for row in full]
    assert ["Stop Market"] == [row["orderType"] for row in full[0]["children"]]


async def test_candles_and_trades_are_those_that_happened() -> None:
    async with serving() as (venue, client):
        later = NOW_NS + 60 * NS_PER_S
        venue.core.play(
            [trade("BTC", 99_000, 0.25, -1), trade("BTC", 102_000, 1.0, 1, ts_ns=later)]
        )
        span = {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": NOW_MS + 120_000}
        candles = await client.info("candleSnapshot", req=span)
        trades = await client.info("recentTrades", coin="BTC")

    assert [
        ("100000.0", "100000.0", "99000.0", "99000.0", "0.75", 2),
        ("102000.0", "102000.0", "102000.0", "102000.0", "1.0", 1),
    ] == [tuple(row[name] for name in "ohlcvn") for row in candles]
    assert [59_999, 59_999] == [row["T"] - row["t"] for row in candles]
    assert ["102000.0", "99000.0", "100000.0"] == [row["px"] for row in trades]
    assert ["B", "A", "B"] == [row["side"] for row in trades]


async def test_funding_history_has_what_was_settled() -> None:
    async with serving() as (venue, client):
        venue.core.play([funding("BTC", 0.0001), funding("BTC", 0.0002, ts_ns=NOW_NS + NS_PER_S)])
        venue.clock.offset_ns += NS_PER_S
        both = await client.info("fundingHistory", coin="BTC", startTime=NOW_MS)
        last = await client.info("fundingHistory", coin="BTC", startTime=NOW_MS + 1)
        ((coin, venues), _) = await client.info("predictedFundings")

    assert ["0.0001", "0.0002"] == [row["fundingRate"] for row in both]
    assert [NOW_MS + 1000] == [row["time"] for row in last]
    assert "BTC" == coin
    here = dict(venues)["HlPerp"]
    assert ("0.0000125", NOW_MS + 15_000) == (here["fundingRate"], here["nextFundingTime"])


async def test_a_page_of_a_span_is_the_oldest_500_rows() -> None:
    async with serving(limits=ROOMY) as (venue, client):
        await client.statuses(orders(order("BTC", "buy", "101000", "1", "Ioc")))
        rows = [funding("BTC", 0.00001, ts_ns=NOW_NS - (600 - i) * NS_PER_S) for i in range(600)]
        venue.core.play(list(rows))
        ask = {"user": client.user, "startTime": 0}
        first = await client.info("userFunding", **ask)
        ask["startTime"] = first[-1]["time"] + 1
        second = await client.info("userFunding", **ask)
        history = await client.info("fundingHistory", coin="BTC", startTime=0, endTime=None)

    assert [500, 100, 500] == [len(first), len(second), len(history)]
    assert 600 == len({row["time"] for row in (*first, *second)})


async def test_fills_come_newest_first_or_oldest_first_within_a_span() -> None:
    async with serving(limits=ROOMY) as (venue, client):
        for sz in ("0.1", "0.2"):
            await client.statuses(orders(order("BTC", "buy", "101000", sz, "Ioc")))
            venue.clock.offset_ns += NS_PER_S
        newest = await client.info("userFills", user=client.user)
        span = await client.info("userFillsByTime", user=client.user, startTime=NOW_MS)
        late = await client.info("userFillsByTime", user=client.user, startTime=NOW_MS + 1)

    assert [["0.2", "0.1"], ["0.1", "0.2"], ["0.2"]] == [
        [row["sz"] for row in rows] for rows in (newest, span, late)
    ]
    assert ("0.1", "Open Long", True, "USDC", None) == tuple(
        newest[0][name] for name in ("startPosition", "dir", "crossed", "feeToken", "twapId")
    )
    assert all(0 < row["tid"] < 1 << 50 for row in newest)


async def test_what_can_be_traded_is_told_for_each_side() -> None:
    async with serving(limits=ROOMY) as (_, client):
        before = await client.info("activeAssetData", user=client.user, coin="BTC")
        await client.statuses(orders(order("BTC", "buy", "101000", "1", "Ioc")))
        after = await client.info("activeAssetData", user=client.user, coin="BTC")

    assert (["20.0", "20.0"], ["100000.0", "100000.0"]) == (
        before["maxTradeSzs"],
        before["availableToTrade"],
    )
    buys, sells = (Fraction(one) for one in after["availableToTrade"])
    assert sells == buys + 2 * 5_000


async def test_an_isolated_position_shows_its_collateral() -> None:
    async with serving(limits=ROOMY) as (_, client):
        leverage = {"type": "updateLeverage", "asset": 0, "isCross": False, "leverage": 10}
        await client.act(leverage)
        await client.statuses(orders(order("BTC", "buy", "101000", "1", "Ioc")))
        state = await client.info("clearinghouseState", user=client.user)

    position = state["assetPositions"][0]["position"]
    # 100,005 / 10 at the opening, less the 5 that it lost at the mark.
    assert ("isolated", 10, "9995.5") == (
        position["leverage"]["type"],
        position["leverage"]["value"],
        position["marginUsed"],
    )
    assert Fraction(position["leverage"]["rawUsd"]) == Fraction("9995.5") - 100_000
    whole, cross = state["marginSummary"], state["crossMarginSummary"]
    assert Fraction(whole["accountValue"]) - Fraction("9995.5") == Fraction(cross["accountValue"])
    assert ("0.0", "0.0") == (cross["totalNtlPos"], cross["totalMarginUsed"])


async def test_an_agent_has_a_role_and_no_money() -> None:
    async with serving(limits=ROOMY) as (_, client):
        agent = address(AGENT_KEY)
        await client.info("clearinghouseState", user=client.user)
        approval = {
            "type": "approveAgent",
            "signatureChainId": "0x66eee",
            "hyperliquidChain": "Testnet",
            "agentAddress": agent,
            "agentName": "bot",
            "nonce": client.nonce + 1,
        }
        await client.act(approval)
        role = await client.info("userRole", user=agent)
        state = await client.info("clearinghouseState", user=agent)
        listed = await client.info("extraAgents", user=client.user)

    assert {"role": "agent", "data": {"user": client.user}} == role
    assert "0.0" == state["marginSummary"]["accountValue"]
    assert [("bot", agent)] == [(row["name"], row["address"]) for row in listed]


async def test_the_budget_and_the_fees_are_the_accounts_own() -> None:
    async with serving(limits=ROOMY, volume_e8=5_00000000) as (_, client):
        await client.statuses(orders(order("BTC", "buy", "101000", "1", "Ioc")))
        budget = await client.info("userRateLimit", user=client.user)
        fees = await client.info("userFees", user=client.user)

    assert ("100010.0", 1, 110_010) == (
        budget["cumVlm"],
        budget["nRequestsUsed"],
        budget["nRequestsCap"],
    )
    assert ("0.00045", "0.00015") == (fees["userCrossRate"], fees["userAddRate"])
    assert "100005.0" == fees["dailyUserVlm"][0]["userCross"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        {"type": "noSuchThing"},
        {"type": 7},
        {"coin": "BTC"},
        {"type": "l2Book"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 9},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 4, "mantissa": 5},
        {"type": "clearinghouseState", "user": "0x12"},
        {"type": "userFunding", "user": "0x" + "a" * 40},
        {"type": "orderStatus", "user": "0x" + "a" * 40, "oid": "0x12"},
        {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "7m", "startTime": 0}},
        {"type": "liquidations"},
    ],
)
async def test_what_is_malformed_or_unknown_is_422_in_plain_text(body: Json) -> None:
    async with serving() as (_, client):
        found = await client.post("/info", body)

    assert (422, "Failed to deserialize the JSON body into the target type") == found


@pytest.mark.parametrize(
    "body",
    [
        {"type": "meta", "dex": "nosuch"},
        {"type": "l2Book", "coin": "NOSUCH"},
        {"type": "clearinghouseState", "user": "0x" + "a" * 40, "dex": "nosuch"},
        {"type": "perpDexStatus", "dex": "nosuch"},
    ],
)
async def test_a_dex_or_coin_that_is_not_there_is_500_and_null(body: Json) -> None:
    async with serving() as (_, client):
        assert (500, None) == await client.post("/info", body)


async def test_explicit_nulls_and_needless_keys_are_passed_over() -> None:
    async with serving() as (_, client):
        user = "0x" + "Ab" * 20
        span = {"user": user, "startTime": 0, "endTime": None, "aggregateByTime": None}
        assert [] == await client.info("userFillsByTime", **span)
        assert "universe" in await client.info("meta", dex=None, unheard=[1])


async def test_the_ip_weight_of_a_minute_is_enforced_and_comes_back() -> None:
    clock = ManualClock(NOW_NS)
    async with serving(clock, limits=Limits(ip_weight_per_min=43)) as (_, client):
        for _ in range(2):
            await client.info("meta")
        await client.info("exchangeStatus")
        refused = await client.post("/info", {"type": "exchangeStatus"})
        clock.advance(60 * NS_PER_S)
        again, _ = await client.post("/info", {"type": "exchangeStatus"})

    assert (429, "429 Too Many Requests") == refused
    assert 200 == again


@pytest.mark.parametrize(
    ("kind", "params", "weight"),
    [
        ("l2Book", {"coin": "BTC"}, 2),
        ("userRole", {"user": address(KEY)}, 60),
        ("meta", {}, 20),
        ("recentTrades", {"coin": "BTC"}, 20 + 3),
        (
            "candleSnapshot",
            {"req": {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": 2 * NOW_MS}},
            20 + 1,
        ),
    ],
)
async def test_a_request_costs_its_weight_and_its_rows(
    kind: str, params: Json, weight: int
) -> None:
    minutes = [
        trade("BTC", 100_000, 0.1, 1, ts_ns=NOW_NS + i * 60 * NS_PER_S) for i in range(1, 60)
    ]
    core = scripted_core(accounts_max=1)
    core.play(list(minutes))
    weights = IpWeights(core.clock, ROOMY)
    info = InfoHandler(core, weights, AddressBudget(core.clock, ROOMY))

    assert 200 == info.answer({"type": kind, **params}, "ip").status
    assert weight == weights.of("ip").used
