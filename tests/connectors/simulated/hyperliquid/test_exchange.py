"""`/exchange` over real sockets: signatures, nonces, limits, and each action's answer."""

from __future__ import annotations

from fractions import Fraction

import pytest

from connectors.simulated.settings import Limits
from engine.drive.seams import ManualClock
from engine.model.units import NS_PER_S
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
    context,
    order,
    orders,
    serving,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

CLOID = "0x" + "0a" * 16
BUY = order("BTC", "buy", "99000", "0.5")
GONE = "Order was never placed, already canceled, or filled."
DAY_MS = 86_400_000


def refused(text: str) -> Json:
    return {"status": "err", "response": text}


def user_signed(client: Client, kind: str, **fields: Json) -> Json:
    return {
        "type": kind,
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Testnet",
        "nonce": client.nonce + 1,
        **fields,
    }


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_rests_fills_or_is_refused_in_the_venues_words() -> None:
    async with serving() as (_, client):
        rows = await client.statuses(
            orders(
                order("BTC", "buy", "99000", "0.5", cloid=CLOID),
                order("ETH", "buy", "4100", "1.5", "Ioc"),
                order("ETH", "buy", "4100", "100", "Ioc"),
                order("BTC", "buy", "98000", "0.0001"),
                order("BTC", "buy", "100005", "0.5", "Alo"),
                order("BTC", "sell", "101000", "0.5", reduce_only=True),
                order("ETH", "buy", "3000", "1", "Ioc"),
                order("BTC", "buy", "98000", "400"),
            )
        )

    resting, filled, part, *errors = rows
    assert {"oid", "cloid"} == set(resting["resting"])
    assert CLOID == resting["resting"]["cloid"]
    # 1 at 4,005 and 0.5 at 4,015.
    assert ("1.5", "4008.33") == (filled["filled"]["totalSz"], filled["filled"]["avgPx"])
    assert "4.5" == part["filled"]["totalSz"]
    assert [
        "Order must have minimum value of $10. asset=0",
        "Post only order would have immediately matched, bbo was 99995@100005. asset=0",
        "Reduce only order would increase position. asset=0",
        "Order could not immediately match against any resting orders. asset=1",
        "Insufficient margin to place order. asset=0",
    ] == [row["error"] for row in errors]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (order("BTC", "buy", "99000.5", "0.5"), "Price must be divisible by tick size. asset=0"),
        (order("BTC", "buy", "99000.05", "0.5"), "Price must be divisible by tick size. asset=0"),
        (order("BTC", "buy", "99000", "0.000001"), "Order has invalid size. asset=0"),
        (
            order("BTC", "buy", "10000", "0.5"),
            "Order price cannot be more than 80% away from the reference price asset=0",
        ),
        ({**BUY, "a": 7}, "Order has invalid asset. asset=7"),
    ],
)
async def test_what_the_payload_alone_forbids_is_one_error_for_the_whole_batch(
    bad: Json, text: str
) -> None:
    async with serving() as (_, client):
        rows = await client.statuses(orders(BUY, bad, BUY))
        open_orders = await client.info("openOrders", user=client.user)

    assert [{"error": text}] == rows
    assert [] == open_orders


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (orders(), "Batch is empty."),
        (
            orders(BUY, order("BTC", "sell", "90000", "0.5", trigger=("95000", "sl"))),
            "TP/SL orders must be reduce-only.",
        ),
        (orders(BUY, grouping="normalTpsl"), "Unexpected number of trigger orders"),
        (orders(BUY, grouping="positionTpsl"), "Unexpected number of trigger orders"),
        (
            {**orders(BUY), "builder": {"b": address(OTHER_KEY), "f": 10}},
            "Builder fee has not been approved",
        ),
        ({"type": "cancel", "cancels": []}, "Batch is empty."),
    ],
)
async def test_an_action_that_is_wrong_as_a_whole_is_refused_as_a_whole(
    action: Json, text: str
) -> None:
    async with serving() as (_, client):
        assert refused(text) == await client.act(action)


async def test_children_wait_for_fill_and_a_lone_stop_has_an_order_id_or_a_word() -> None:
    children = (
        order("BTC", "sell", "90000", "0.5", reduce_only=True, trigger=("95000", "sl")),
        order("BTC", "sell", "104000", "0.5", reduce_only=True, trigger=("105000", "tp")),
    )
    async with serving() as (_, client):
        rows = await client.statuses(orders(BUY, *children, grouping="normalTpsl"))
        await client.statuses(orders(order("BTC", "buy", "101000", "0.5", "Ioc")))
        lone = await client.statuses(orders(children[0], grouping="positionTpsl"))
        full = await client.info("frontendOpenOrders", user=client.user)
    async with serving(says_waiting_for_trigger=True) as (_, client):
        await client.statuses(orders(order("BTC", "buy", "101000", "0.5", "Ioc")))
        bare = await client.statuses(orders(children[0]))

    assert ["waitingForFill", "waitingForFill"] == rows[1:]
    assert ["resting"] == list(lone[0])
    assert full[0]["isPositionTpsl"]
    assert ["waitingForTrigger"] == bare


async def test_a_market_order_of_the_frontend_is_an_ioc_that_says_so() -> None:
    async with serving() as (_, client):
        (row,) = await client.statuses(orders(order("BTC", "buy", "101000", "1", "FrontendMarket")))
        found = await client.info("orderStatus", user=client.user, oid=row["filled"]["oid"])

    shown = found["order"]["order"]
    assert ("Market", "FrontendMarket") == (shown["orderType"], shown["tif"])


async def test_a_priority_fee_goes_with_orders_that_take_or_only_make() -> None:
    ioc = order("BTC", "buy", "101000", "0.1", "Ioc")
    alo = order("BTC", "buy", "99000", "0.1", "Alo")
    async with serving() as (_, client):
        answers = [
            await client.act({"type": "order", "orders": rows, "grouping": {"p": 5}})
            for rows in ([ioc], [alo], [ioc, alo])
        ]

    assert ["ok", "ok", "err"] == [answer["status"] for answer in answers]


# -- cancels and modifies --------------------------------------------------------------------------


async def test_a_cancel_says_of_each_order_whether_it_was_there() -> None:
    async with serving() as (_, client):
        rows = await client.statuses(
            orders(BUY, order("ETH", "buy", "3900", "1", cloid=CLOID.upper().replace("X", "x")))
        )
        oid = rows[0]["resting"]["oid"]
        by_oid = {"type": "cancel", "cancels": [{"a": 0, "o": oid}] * 2 + [{"a": 0, "o": 5}]}
        by_cloid = {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": CLOID}] * 2}
        first, second = await client.statuses(by_oid), await client.statuses(by_cloid)

    assert ["success", {"error": f"{GONE} asset=0"}, {"error": f"{GONE} asset=0"}] == first
    assert ["success", {"error": f"{GONE} asset=1"}] == second


async def test_an_order_is_canceled_only_under_its_own_asset_and_by_its_own_account() -> None:
    async with serving() as (_, client):
        (row,) = await client.statuses(orders(BUY))
        oid = row["resting"]["oid"]
        wrong = await client.statuses({"type": "cancel", "cancels": [{"a": 1, "o": oid}]})
        other = client.of(OTHER_KEY)
        stolen = await other.statuses({"type": "cancel", "cancels": [{"a": 0, "o": oid}]})

    assert [{"error": f"{GONE} asset=1"}] == wrong
    assert [{"error": f"{GONE} asset=0"}] == stolen


async def test_modifies_replace_orders_by_either_id() -> None:
    async with serving() as (_, client):
        rows = await client.statuses(orders(BUY, order("ETH", "buy", "3900", "1", cloid=CLOID)))
        oid = rows[0]["resting"]["oid"]
        batch = {
            "type": "batchModify",
            "modifies": [
                {"oid": oid, "order": order("BTC", "buy", "98000", "0.7")},
                {"oid": CLOID, "order": order("ETH", "buy", "4100", "1")},
                {"oid": 5, "order": BUY},
            ],
        }
        moved, filled, unknown = await client.statuses(batch)
        new_oid = moved["resting"]["oid"]
        one = await client.act({"type": "modify", "oid": new_oid, "order": BUY})
        again = await client.act({"type": "modify", "oid": new_oid, "order": BUY})
        (left,) = await client.info("openOrders", user=client.user)

    assert new_oid > oid
    assert CLOID == filled["filled"]["cloid"]
    assert {"error": "Cannot modify canceled or filled order asset=0"} == unknown
    assert {"status": "ok", "response": {"type": "default"}} == one
    assert refused("Cannot modify canceled or filled order") == again
    assert ("99000.0", "0.5") == (left["limitPx"], left["sz"])


# -- the other actions -----------------------------------------------------------------------------


async def test_leverage_is_set_within_what_the_asset_allows() -> None:
    async with serving() as (_, client):
        answers = [
            await client.act(
                {"type": "updateLeverage", "asset": a, "isCross": True, "leverage": value}
            )
            for a, value in ((1, 25), (1, 26), (1, 0), (9, 5))
        ]
        shown = await client.info("activeAssetData", user=client.user, coin="ETH")
        await client.statuses(orders(order("ETH", "buy", "4100", "1", "Ioc")))
        switch = await client.act(
            {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 25}
        )

    assert {"status": "ok", "response": {"type": "default"}} == answers[0]
    assert [refused("Invalid leverage value")] * 2 == answers[1:3]
    assert "err" == answers[3]["status"]
    assert {"type": "cross", "value": 25} == shown["leverage"]
    assert refused("Cannot switch leverage type with open position.") == switch


async def test_a_cancel_is_scheduled_only_by_those_who_have_traded_enough() -> None:
    action = {"type": "scheduleCancel", "time": NOW_MS + 6_000}
    async with serving() as (_, client):
        poor = await client.act(action)
    async with serving(volume_e8=1_000_000_00000000) as (venue, client):
        (row,) = await client.statuses(orders(BUY))
        soon = await client.act({"type": "scheduleCancel", "time": NOW_MS + 4_000})
        rich = await client.act(action)
        venue.clock.offset_ns += 6 * NS_PER_S
        venue.core.play([context("BTC", 100_000)])
        found = await client.info("orderStatus", user=client.user, oid=row["resting"]["oid"])

    assert (
        refused(
            "Cannot set scheduled cancel time until enough volume traded. Required: $1000000."
            " Traded: $0.0."
        )
        == poor
    )
    assert "err" == soon["status"]
    assert "ok" == rich["status"]
    assert "scheduledCancel" == found["order"]["status"]


async def test_a_scheduled_cancel_can_be_unset_and_set_ten_times_a_day() -> None:
    action = {"type": "scheduleCancel", "time": NOW_MS + 6_000}
    async with serving(volume_e8=1_000_000_00000000) as (venue, client):
        answers = [await client.act(action) for _ in range(11)]
        await client.act({"type": "scheduleCancel"})
        await client.statuses(orders(BUY))
        venue.clock.offset_ns += 7 * NS_PER_S
        venue.core.play([context("BTC", 100_000)])
        left = await client.info("openOrders", user=client.user)

    assert ["ok"] * 10 + ["err"] == [answer["status"] for answer in answers]
    assert 1 == len(left)


async def test_a_noop_burns_the_nonce_of_an_action_that_comes_later() -> None:
    async with serving() as (_, client):
        nonce = client.nonce + 1
        burnt = await client.act({"type": "noop"}, nonce=nonce)
        late = await client.act(orders(BUY), nonce=nonce)

    assert {"status": "ok", "response": {"type": "default"}} == burnt
    assert refused(f"Invalid nonce: duplicate nonce {nonce}") == late


async def test_an_approved_builder_may_be_named_in_orders() -> None:
    builder = address(OTHER_KEY)
    async with serving() as (_, client):
        approval = user_signed(client, "approveBuilderFee", maxFeeRate="0.001%", builder=builder)
        assert "ok" == (await client.act(approval))["status"]
        named = await client.act({**orders(BUY), "builder": {"b": builder, "f": 1}})
        fee = await client.info("maxBuilderFee", user=client.user, builder=builder)

    assert ("ok", 1) == (named["status"], fee)


@pytest.mark.parametrize(
    "action",
    [
        {"type": "setReferrer", "code": "X"},
        {"type": "twapOrder", "twap": {"a": 0}},
        {"type": "reserveRequestWeight", "weight": 1},
        {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 1},
        {"type": "vaultTransfer", "vaultAddress": address(KEY), "isDeposit": True, "usd": 1},
    ],
)
async def test_what_this_venue_has_not_is_refused_politely(action: Json) -> None:
    async with serving() as (_, client):
        answer = await client.act(action)

    assert "err" == answer["status"]
    assert answer["response"].endswith(".")


async def test_a_transfer_is_refused_after_its_own_kind_of_signature_was_read() -> None:
    async with serving() as (_, client):
        transfer = user_signed(client, "usdClassTransfer", amount="1", toPerp=True)
        answer = await client.act(transfer)

    assert refused("Transfers are not available on this venue.") == answer


# -- who signed ------------------------------------------------------------------------------------


async def test_whoever_signs_first_owns_an_account_and_both_networks_are_understood() -> None:
    async with serving() as (_, client):
        first = await client.act(orders(BUY))
        as_mainnet = await client.act(orders(BUY), is_mainnet=True)
        open_orders = await client.info("openOrders", user=client.user)

    assert ("ok", "ok", 2) == (first["status"], as_mainnet["status"], len(open_orders))


async def test_what_was_changed_after_signing_is_somebody_elses() -> None:
    async with serving() as (_, client):
        await client.act(orders(BUY))
        envelope = client.envelope(orders(BUY))
        envelope["action"] = orders({**BUY, "s": "0.6"})
        await client.post("/exchange", envelope)
        open_orders = await client.info("openOrders", user=client.user)

    assert ["0.5"] == [row["sz"] for row in open_orders]


async def test_in_strict_mode_a_stranger_and_a_trailing_zero_are_refused() -> None:
    async with serving(strict=True) as (venue, client):
        stranger = await client.act(orders(BUY))
        venue.core.open_account(client.user)
        known = await client.act(orders(BUY))
        zeros = await client.act(orders({**BUY, "p": "99000.0"}))

    assert refused(f"User or API Wallet {client.user} does not exist.") == stranger
    assert "ok" == known["status"]
    assert "err" == zeros["status"]
    assert "does not exist" in zeros["response"]


async def test_signatures_without_leading_zeros_are_read_as_numbers() -> None:
    async with serving() as (venue, client):
        venue.core.open_account(client.user)
        short = 0
        for i in range(40):
            envelope = client.envelope({"type": "noop"})
            short += len(envelope["signature"]["r"]) < 66 or len(envelope["signature"]["s"]) < 66
            _, answer = await client.post("/exchange", envelope)
            assert "ok" == answer["status"], i
        accounts = len(venue.core.accounts)

    assert (True, 1) == (short > 0, accounts)


@pytest.mark.parametrize(
    "signature",
    [
        {"r": "0x0", "s": "0x0", "v": 27},
        {"r": "0x1", "s": "0x0", "v": 27},
        {"r": "0x" + "f" * 64, "s": "0x1", "v": 27},
        {"r": "0x1", "s": "0x1", "v": 29},
        {"r": "hello", "s": "0x1", "v": 27},
    ],
)
async def test_a_signature_that_no_key_can_have_made_is_refused(signature: Json) -> None:
    async with serving() as (_, client):
        envelope = {**client.envelope(orders(BUY)), "signature": signature}
        found = await client.post("/exchange", envelope)

    assert (200, refused("Unable to recover signer.")) == found


async def test_an_agent_acts_for_its_master_until_it_is_revoked_or_expires() -> None:
    agent = address(AGENT_KEY)
    async with serving() as (venue, client):
        until = NOW_MS + 60_000
        name = f"bot valid_until {until}"
        approval = user_signed(client, "approveAgent", agentAddress=agent, agentName=name)
        assert "ok" == (await client.act(approval))["status"]
        acting = client.of(AGENT_KEY)
        placed = await acting.act(orders(BUY))
        held = await client.info("openOrders", user=client.user)
        withdrawal = user_signed(acting, "usdClassTransfer", amount="1", toPerp=True)
        moving = await acting.act(withdrawal)
        venue.clock.offset_ns += 61 * NS_PER_S
        expired = await acting.act(orders(BUY))
        nobody = "0x" + "0" * 40
        revoking = user_signed(client, "approveAgent", agentAddress=nobody, agentName="bot")
        await client.act(revoking)
        listed = await client.info("extraAgents", user=client.user)

    assert ("ok", 1) == (placed["status"], len(held))
    assert refused(f"Must deposit before performing actions. User: {agent}") == moving
    assert refused(f"User or API Wallet {agent} does not exist.") == expired
    assert [] == listed


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"agentAddress": "0x12", "agentName": "a"}, "Unable to recover signer."),
        ({"agentName": "a" * 17}, "Agent name is too long."),
        ({"agentName": "a valid_until 5"}, "Agent valid_until already expired."),
    ],
)
async def test_an_agent_that_cannot_be_is_not_approved(fields: Json, text: str) -> None:
    async with serving() as (_, client):
        fields = {"agentAddress": address(AGENT_KEY), **fields}
        envelope = client.envelope(
            user_signed(client, "approveAgent", agentAddress=address(AGENT_KEY), agentName="x")
        )
        action = user_signed(client, "approveAgent", **fields)
        if text.startswith("Unable"):
            envelope["action"] = action
            _, answer = await client.post("/exchange", envelope)
        else:
            answer = await client.act(action)

    assert refused(text) == answer


async def test_a_vault_is_not_registered() -> None:
    async with serving() as (_, client):
        envelope = {**client.envelope(orders(BUY)), "vaultAddress": address(OTHER_KEY)}
        _, answer = await client.post("/exchange", envelope)

    assert refused(f"Vault not registered: {address(OTHER_KEY)}") == answer


# -- nonces and expiry -----------------------------------------------------------------------------


async def test_nonces_are_used_once_within_the_window_and_above_the_hundred_kept() -> None:
    async with serving(limits=Limits(ip_weight_per_min=10_000)) as (_, client):
        old, new = NOW_MS - 2 * DAY_MS, NOW_MS + DAY_MS
        answers = [
            await client.act({"type": "noop"}, nonce=nonce)
            for nonce in (old, old + 1, new, new - 1, new - 1)
        ]
        for nonce in range(NOW_MS, NOW_MS + 98):
            assert "ok" == (await client.act({"type": "noop"}, nonce=nonce))["status"]
        # Kept: old + 1, 98 of these, new - 1. The next takes the place of the smallest.
        await client.act({"type": "noop"}, nonce=NOW_MS + 98)
        low = await client.act({"type": "noop"}, nonce=NOW_MS - 1)
        other = await client.of(OTHER_KEY).act({"type": "noop"}, nonce=NOW_MS - 1)

    assert [
        refused(f"Invalid nonce: nonce too low {old} < {old}"),
        {"status": "ok", "response": {"type": "default"}},
        refused(f"Invalid nonce: nonce too high {new} > {new}"),
        {"status": "ok", "response": {"type": "default"}},
        refused(f"Invalid nonce: duplicate nonce {new - 1}"),
    ] == answers
    assert refused(f"Invalid nonce: nonce too low {NOW_MS - 1} < {NOW_MS}") == low
    assert "ok" == other["status"]


async def test_a_stale_action_is_refused_and_costs_five_times() -> None:
    async with serving() as (_, client):
        before = await client.info("userRateLimit", user=client.user)
        stale = await client.act(orders(BUY, BUY), expires_ms=NOW_MS - 1)
        fresh = await client.act(orders(BUY), expires_ms=NOW_MS + 5_000)
        after = await client.info("userRateLimit", user=client.user)

    assert refused("Action already expired") == stale
    assert "ok" == fresh["status"]
    assert 5 * 2 + 1 == after["nRequestsUsed"] - before["nRequestsUsed"]


# -- limits ----------------------------------------------------------------------------------------


async def test_two_hundred_of_a_kind_are_one_action_and_one_more_is_too_many_and_free() -> None:
    async with serving() as (_, client):
        cancels = [{"a": 0, "o": number} for number in range(201)]
        fits = await client.statuses({"type": "cancel", "cancels": cancels[:200]})
        used = await client.info("userRateLimit", user=client.user)
        over = await client.act({"type": "cancel", "cancels": cancels})
        still = await client.info("userRateLimit", user=client.user)

    assert 200 == len(fits)
    assert refused("Signed action over weight limit of 200.") == over
    assert 200 == used["nRequestsUsed"] == still["nRequestsUsed"]


async def test_beyond_its_budget_an_address_has_one_action_in_ten_seconds() -> None:
    clock = ManualClock(NOW_NS)
    async with serving(clock, limits=Limits(address_requests=2)) as (_, client):
        fits = await client.act(orders(BUY, BUY))
        over = await client.act(orders(BUY))
        clock.advance(9 * NS_PER_S)
        early = await client.act(orders(BUY))
        clock.advance(NS_PER_S)
        later = await client.act(orders(BUY))
        again = await client.act(orders(BUY))

    text = (
        "Too many cumulative requests sent (3 > 2) for cumulative volume traded $0.0. Place taker"
        " orders to free up 1 request per USDC traded."
    )
    assert ("ok", refused(text), refused(text), "ok", "err") == (
        fits["status"],
        over,
        early,
        later["status"],
        again["status"],
    )


async def test_cancels_have_a_ceiling_of_their_own_and_trading_raises_the_budget() -> None:
    async with serving(limits=Limits(address_requests=2)) as (_, client):
        (row, _) = await client.statuses(orders(BUY, BUY))
        cancel = {"type": "cancel", "cancels": [{"a": 0, "o": row["resting"]["oid"]}]}
        canceled = await client.act(cancel)
        failed = await client.act(cancel)
        refused_order = await client.act(orders(BUY))
        over = await client.act(cancel)

    assert ["ok", "ok", "err", "err"] == [
        answer["status"] for answer in (canceled, failed, refused_order, over)
    ]


async def test_an_action_costs_one_weight_and_one_more_for_forty_orders() -> None:
    clock = ManualClock(NOW_NS)
    async with serving(clock, limits=Limits(ip_weight_per_min=3)) as (_, client):
        cancels = [{"a": 0, "o": number} for number in range(40)]
        big = await client.act({"type": "cancel", "cancels": cancels})
        small = await client.act({"type": "noop"})
        status, text = await client.post("/exchange", client.envelope({"type": "noop"}))

    assert ("ok", "ok") == (big["status"], small["status"])
    assert (429, "429 Too Many Requests") == (status, text)


# -- form ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"action": {}},
        {"action": {"type": "noSuchAction"}},
        {"action": {"type": "order"}},
        {"action": orders({**BUY, "c": "0x12"})},
        {"action": orders({**BUY, "p": "1e5"})},
        {"action": orders({**BUY, "s": 0.5})},
        {"action": orders({**BUY, "t": {}})},
        {"action": orders({**BUY, "t": {"limit": {"tif": "Fok"}}})},
        {"action": {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": "0x1"}]}},
        {"nonce": "7"},
        {"nonce": -1},
        {"signature": {"r": 1, "s": 2, "v": 27}},
        {"signature": None},
    ],
)
async def test_what_is_malformed_is_422_in_plain_text(change: Json) -> None:
    async with serving() as (_, client):
        found = await client.post("/exchange", {**client.envelope({"type": "noop"}), **change})

    assert (422, "Failed to deserialize the JSON body into the target type") == found


async def test_an_envelope_may_leave_its_nulls_out() -> None:
    async with serving() as (_, client):
        envelope = client.envelope(orders({**BUY, "c": None}))
        del envelope["vaultAddress"], envelope["expiresAfter"]
        _, answer = await client.post("/exchange", envelope)

    assert "ok" == answer["status"]


# -- what follows from actions ---------------------------------------------------------------------


async def test_a_triggered_stop_realises_and_the_account_closes() -> None:
    async with serving() as (venue, client):
        await client.statuses(orders(order("BTC", "buy", "101000", "0.5", "Ioc")))
        stop = order("BTC", "sell", "90000", "0.5", reduce_only=True, trigger=("95000", "sl"))
        await client.statuses(orders(stop))
        venue.core.play([book("BTC", 94_995, 95_005, seq=2), context("BTC", 94_990)])
        state = await client.info("clearinghouseState", user=client.user)
        fills = await client.info("userFills", user=client.user)

    assert [] == state["assetPositions"]
    gained = sum(Fraction(row["closedPnl"]) - Fraction(row["fee"]) for row in fills)
    assert Fraction(state["marginSummary"]["accountValue"]) == 100_000 + gained
    assert "-2505.0" == fills[0]["closedPnl"]


async def test_an_action_can_take_its_time_to_arrive() -> None:
    async with serving(order_delay_s=0.01) as (_, client):
        assert "ok" == (await client.act(orders(BUY)))["status"]
