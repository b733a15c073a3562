"""Whatever is sent, the venue answers with a status of its own and stays as it was."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulated.hyperliquid.actions import Actions
from connectors.simulated.hyperliquid.exchange import ExchangeHandler
from connectors.simulated.hyperliquid.info import InfoHandler
from connectors.simulated.hyperliquid.limits import AddressBudget, IpWeights
from connectors.simulated.settings import Limits
from engine.drive.seams import ManualClock
from tests.connectors.simulated.scripted import (
    KEY,
    NOW_MS,
    NOW_NS,
    Client,
    Json,
    address,
    order,
    scripted_core,
)

ROOMY = Limits(ip_weight_per_min=10**12, address_requests=10**12)
CORE = scripted_core(ManualClock(NOW_NS), limits=ROOMY)
WEIGHTS = IpWeights(CORE.clock, ROOMY)
BUDGET = AddressBudget(CORE.clock, ROOMY)
INFO = InfoHandler(CORE, WEIGHTS, BUDGET)
EXCHANGE = ExchangeHandler(CORE, CORE.settings, WEIGHTS, BUDGET)
SIGNER = Client(None, None, KEY)  # type: ignore[arg-type]  # it only signs here

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1.5, 2**63, 2**64, 10**30, NOW_MS]),
    st.sampled_from(["", "BTC", address(KEY), "0x" + "1" * 32, "x" * 300, "1e9", "-1"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["coin", "interval", "startTime"]), st.text(), max_size=2),
)
GOOD_PX = {
    "BTC": ["99000", "99999", "100005", "101000", "95000", "105000"],
    "ETH": ["3900", "3999.9", "4005", "4100"],
}
BAD_NUMBERS = ["0", "0.00000001", "9" * 20, "-1", "1e5", "99000.123"]


@st.composite
def an_order(draw: st.DrawFn) -> dict[str, Json]:
    """One order, mostly one that the venue takes."""
    coin = draw(st.sampled_from(["BTC", "ETH"]))
    px = st.sampled_from(GOOD_PX[coin] * 4 + BAD_NUMBERS)
    sz = st.sampled_from(["0.01", "0.5", "1", "3", "7"] * 4 + BAD_NUMBERS)
    trigger = draw(st.sampled_from([None] * 4 + [("95000", "sl"), ("105000", "tp")]))
    return order(
        coin,
        draw(st.sampled_from(["buy", "sell"])),
        draw(px),
        draw(sz),
        draw(st.sampled_from(["Gtc", "Ioc", "Alo", "FrontendMarket"])),
        cloid=draw(st.sampled_from([None, None, "0x" + "1" * 32, "0x" + "2" * 32])),
        reduce_only=trigger is not None or draw(st.booleans()),
        trigger=trigger,
    )


KINDS = [*Actions(CORE, CORE.settings)._by_type, "setReferrer", "updateIsolatedMargin"]  # noqa: SLF001
KINDS += ["order"] * len(KINDS) + ["batchModify"] * 4


def fields(*names: str, most: int = 9) -> st.SearchStrategy[dict[str, Json]]:
    return st.dictionaries(st.sampled_from(names), ODD, max_size=most)


INFO_FIELDS = ("user", "coin", "dex", "startTime", "endTime", "oid", "req", "nSigFigs", "id")


@settings(max_examples=500)
@given(st.sampled_from(INFO.types), fields(*INFO_FIELDS))
def test_an_info_request_is_answered_or_unreadable_or_about_nothing(
    kind: str, given_fields: dict[str, Json]
) -> None:
    reply = INFO.answer({"type": kind, **given_fields}, "ip")

    assert reply.status in {200, 422, 500}
    assert (reply.body is None) or reply.status != 500


@settings(max_examples=500)
@given(
    st.sampled_from(KINDS),
    st.lists(an_order(), min_size=1, max_size=3),
    st.sampled_from(["na", "na", "na", "normalTpsl", "positionTpsl", {"p": 1}]),
    st.integers(70_000_000_000, 70_000_000_400),
    fields("asset", "isCross", "leverage", "time", "cancels", "builder", "grouping", most=1),
)
def test_an_action_is_carried_out_or_refused_and_the_ledger_closes(
    kind: str,
    rows: list[dict[str, Json]],
    grouping: Json,
    oid: int,
    given_fields: dict[str, Json],
) -> None:
    action: dict[str, Json] = {"type": kind, "orders": rows, "grouping": grouping, "oid": oid}
    action["cancels"] = [{"a": 0, "o": oid, "asset": 0, "cloid": "0x" + "1" * 32}]
    action["modifies"] = [{"oid": oid, "order": row} for row in rows]
    action |= {"order": rows[0], "asset": 0, "isCross": True, "leverage": 10}
    action |= given_fields
    try:
        envelope = SIGNER.envelope(action)
    except Exception:  # noqa: BLE001 - what cannot be packed cannot be signed
        return

    reply = EXCHANGE.answer_now(envelope, "ip")

    assert reply.status in {200, 422}
    account = CORE.account(address(KEY))
    assert account is not None
    reading = CORE.reading(account)
    cash_e8 = CORE.settings.balance_e8
    cash_e8 += sum(row.realised_e8 - row.fee_e8 for row in account.history.fills)
    assert cash_e8 == reading.cash_e8
    assert {one.key for one in account.live()} == set(CORE.exchange.account(account.name).orders)
