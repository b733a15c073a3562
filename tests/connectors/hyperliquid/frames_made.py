"""Frames as the venue sends them, made by hand from the protocol reference, for several tests."""

from __future__ import annotations

from typing import Any

import msgspec

USER = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
TIME_MS = 1_785_251_521_889
CLOID = "0xa1f0cddc17303d07f3fd128d5b35071d"


def frame(channel: str, data: Any = msgspec.UNSET) -> bytes:  # noqa: ANN401 - any JSON
    """A frame as bytes; `data` UNSET leaves it out."""
    fields = {"channel": channel} | ({} if data is msgspec.UNSET else {"data": data})
    return msgspec.json.encode(fields)


def level(px: str, sz: str = "1.5") -> dict[str, Any]:
    return {"px": px, "sz": sz, "n": 2}


def book(bids: list[Any], asks: list[Any], coin: str = "BTC", **more: Any) -> bytes:  # noqa: ANN401
    """A book; prices alone get a size."""
    levels = [
        [level(each) if isinstance(each, str) else each for each in side] for side in (bids, asks)
    ]
    return frame("l2Book", {"coin": coin, "time": TIME_MS, "levels": levels, **more})


def bbo(bid: Any, ask: Any, coin: str = "BTC") -> bytes:  # noqa: ANN401 - a level or null
    return frame("bbo", {"coin": coin, "time": TIME_MS, "bbo": [bid, ask]})


def trade(tid: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "coin": "BTC",
        "side": "B",
        "px": "63719.0",
        "sz": "0.00016",
        "time": TIME_MS,
        "hash": "0x66",
        "tid": tid,
        "users": [USER, USER],
        **changes,
    }


def candle(open_ms: int = 1_785_251_460_000, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "t": open_ms,
        "T": open_ms + 59_999,
        "s": "BTC",
        "i": "1m",
        "o": "100.0",
        "c": "101.0",
        "h": "102.0",
        "l": "99.0",
        "v": "12.5",
        "n": 3,
        **changes,
    }


def context(coin: str = "BTC", **changes: Any) -> bytes:  # noqa: ANN401
    ctx = {
        "funding": "0.0000125",
        "openInterest": "27353.17682",
        "prevDayPx": "76317.0",
        "dayNtlVlm": "1516669192.19",
        "premium": None,
        "oraclePx": "77605.0",
        "markPx": "77562.0",
        "midPx": None,
        "impactPxs": None,
        "dayBaseVlm": "19707.77457",
    }
    return frame("activeAssetCtx", {"coin": coin, "ctx": {**ctx, **changes}})


ORDER = {
    "coin": "BTC",
    "side": "B",
    "limitPx": "31795.0",
    "sz": "0.00037",
    "oid": 57118842019,
    "timestamp": TIME_MS,
    "origSz": "0.00037",
    "cloid": CLOID,
}
FRONTEND_ORDER = {
    **ORDER,
    "triggerCondition": "N/A",
    "isTrigger": False,
    "triggerPx": "0.0",
    "children": [],
    "isPositionTpsl": False,
    "reduceOnly": False,
    "orderType": "Limit",
    "tif": "Gtc",
}
FILL = {
    "coin": "BTC",
    "px": "66653.0",
    "sz": "0.001",
    "side": "A",
    "time": TIME_MS,
    "startPosition": "-0.0213",
    "dir": "Open Short",
    "closedPnl": "0.0",
    "hash": "0xe2",
    "oid": 55030848197,
    "crossed": False,
    "fee": "0.009997",
    "tid": 745210434703679,
    "cloid": CLOID,
    "feeToken": "USDC",
    "twapId": None,
}
FUNDING = {
    "time": TIME_MS,
    "coin": "ETH",
    "usdc": "-3.625312",
    "szi": "49.1477",
    "fundingRate": "0.0000417",
    "nSamples": None,
}
SUMMARY = {
    "accountValue": "0.0",
    "totalNtlPos": "0.0",
    "totalRawUsd": "0.0",
    "totalMarginUsed": "0.0",
}
STATE = {
    "marginSummary": SUMMARY,
    "crossMarginSummary": SUMMARY,
    "crossMaintenanceMarginUsed": "0.0",
    "withdrawable": "0.0",
    "assetPositions": [],
    "time": TIME_MS,
}
LEDGER_ROW = {"time": TIME_MS, "hash": "0xa1", "delta": {"type": "deposit", "usdc": "100.0"}}
SUBSCRIPTION = {"type": "userFills", "user": USER, "aggregateByTime": False}

EVERY_CHANNEL: dict[str, bytes] = {
    "l2Book": book(["63460.0", "63457.0"], ["63488.0", "63495.0"], fast=True, spread="28.0"),
    "bbo": bbo(level("63457.0"), None),
    "trades": frame("trades", [trade(1), trade(2, side="A")]),
    "candle": frame("candle", candle()),
    "activeAssetCtx": context(),
    "activeSpotAssetCtx": frame("activeSpotAssetCtx", {"coin": "@107", "ctx": {"markPx": "1.0"}}),
    "allMids": frame("allMids", {"mids": {"BTC": "80868.5", "@142": "80907.5"}}),
    "allDexsAssetCtxs": frame(
        "allDexsAssetCtxs", {"ctxs": [["", [{"funding": "0.0", "openInterest": "1.0"}]]]}
    ),
    "orderUpdates": frame(
        "orderUpdates", [{"order": ORDER, "status": "open", "statusTimestamp": TIME_MS}]
    ),
    "user": frame("user", {"fills": [FILL]}),
    "userFills": frame("userFills", {"isSnapshot": True, "user": USER, "fills": [FILL]}),
    "userFundings": frame("userFundings", {"user": USER, "fundings": [FUNDING]}),
    "userNonFundingLedgerUpdates": frame(
        "userNonFundingLedgerUpdates", {"user": USER, "nonFundingLedgerUpdates": [LEDGER_ROW]}
    ),
    "notification": frame("notification", {"notification": "hello"}),
    "clearinghouseState": frame(
        "clearinghouseState", {"dex": "", "user": USER, "clearinghouseState": STATE}
    ),
    "openOrders": frame("openOrders", {"dex": "", "user": USER, "orders": [FRONTEND_ORDER]}),
    "activeAssetData": frame(
        "activeAssetData",
        {
            "user": USER,
            "coin": "BTC",
            "leverage": {"type": "cross", "value": 20},
            "maxTradeSzs": ["1.0", "2.0"],
            "availableToTrade": ["3.0", "4.0"],
            "markPx": "77562.0",
        },
    ),
    "webData3": frame(
        "webData3",
        {
            "userState": {"serverTime": TIME_MS, "agentAddress": None, "cumLedger": "0.0"},
            "perpDexStates": [{"totalVaultEquity": "0.0", "perpsAtOpenInterestCap": ["CANTO"]}],
        },
    ),
    "subscriptionResponse": frame(
        "subscriptionResponse", {"method": "subscribe", "subscription": SUBSCRIPTION}
    ),
    "pong": frame("pong"),
    "error": frame("error", "Already subscribed"),
    "post": frame("post", {"id": 7, "response": {"type": "action", "payload": {"status": "ok"}}}),
}
"""One frame of every channel that is read."""
