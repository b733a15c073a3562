"""One small answer of every info request, made by hand from protocol 1, as bytes."""

from __future__ import annotations

import json
from typing import Any, Final

USER: Final = "0x" + "ab" * 20
HASH: Final = "0x" + "0c" * 32
CLOID: Final = "0x" + "7f" * 16

META: Final[dict[str, Any]] = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "marginTableId": 25},
        {
            "name": "OLD",
            "szDecimals": 0,
            "maxLeverage": 3,
            "marginTableId": 3,
            "onlyIsolated": True,
            "isDelisted": True,
        },
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ]
    ],
    "collateralToken": 0,
}
CTX: Final[dict[str, Any]] = {
    "funding": "0.0000125",
    "openInterest": "688.11",
    "prevDayPx": "15.322",
    "dayNtlVlm": "1169046.29406",
    "premium": None,
    "oraclePx": "14.32",
    "markPx": "14.3161",
    "midPx": None,
    "impactPxs": None,
    "dayBaseVlm": "81659.1",
}
LEVEL: Final = {"px": "100.5", "sz": "2.0", "n": 3}
SUMMARY: Final = {
    "accountValue": "1010.0",
    "totalNtlPos": "500.0",
    "totalRawUsd": "510.0",
    "totalMarginUsed": "100.0",
}
ORDER: Final[dict[str, Any]] = {
    "coin": "BTC",
    "side": "A",
    "limitPx": "90000.0",
    "sz": "0.5",
    "oid": 91,
    "timestamp": 1_700_000_000_000,
    "origSz": "1.0",
    "triggerCondition": "Price below 91000",
    "isTrigger": True,
    "triggerPx": "91000.0",
    "children": [],
    "isPositionTpsl": False,
    "reduceOnly": True,
    "orderType": "Stop Market",
    "tif": None,
    "cloid": None,
}
FILL: Final[dict[str, Any]] = {
    "coin": "BTC",
    "px": "100000.0",
    "sz": "0.01",
    "side": "B",
    "time": 1_700_000_000_000,
    "startPosition": "-0.5",
    "dir": "Close Short",
    "closedPnl": "1.5",
    "hash": HASH,
    "oid": 91,
    "crossed": True,
    "fee": "-0.003",
    "tid": 118_906_512_037_719,
    "feeToken": "USDC",
    "twapId": None,
    "cloid": CLOID,
    "builderFee": "0.001",
    "liquidation": {"liquidatedUser": USER, "markPx": "100001.0", "method": "market"},
}
FUNDING_DELTA: Final = {
    "type": "funding",
    "coin": "ETH",
    "usdc": "-3.625312",
    "szi": "49.1477",
    "fundingRate": "0.0000417",
    "nSamples": None,
}
DEPOSIT: Final = {"type": "deposit", "usdc": "100.0"}

ANSWERS: Final[dict[str, Any]] = {
    "perpDexs": [
        None,
        {
            "name": "xyz",
            "fullName": "xyz dex",
            "deployer": USER,
            "oracleUpdater": None,
            "feeRecipient": USER,
            "assetToStreamingOiCap": [["xyz:TSLA", "100000.0"]],
            "assetToFundingMultiplier": [["xyz:TSLA", "1.0"]],
            "subDeployers": [["setOracle", [USER]]],
            "deployerFeeScale": "1.0",
            "lastDeployerFeeScaleChangeTime": "2025-11-23T17:21:40.390706535",
            "assetToFundingInterestRate": [["xyz:TSLA", "0.0001"]],
        },
    ],
    "meta": META,
    "metaAndAssetCtxs": [META, [CTX, CTX, CTX]],
    "clearinghouseState": {
        "marginSummary": SUMMARY,
        "crossMarginSummary": SUMMARY,
        "crossMaintenanceMarginUsed": "10.0",
        "withdrawable": "910.0",
        "assetPositions": [
            {
                "type": "oneWay",
                "position": {
                    "coin": "BTC",
                    "szi": "0.005",
                    "leverage": {"type": "cross", "value": 5},
                    "entryPx": "99000.0",
                    "positionValue": "500.0",
                    "unrealizedPnl": "5.0",
                    "returnOnEquity": "0.05",
                    "liquidationPx": None,
                    "marginUsed": "100.0",
                    "maxLeverage": 40,
                    "cumFunding": {"allTime": "1.0", "sinceOpen": "0.5", "sinceChange": "0.0"},
                },
            }
        ],
        "time": 1_700_000_000_000,
    },
    "userFunding": [{"time": 1_700_000_000_000, "hash": HASH, "delta": FUNDING_DELTA}],
    "userNonFundingLedgerUpdates": [{"time": 1_700_000_000_000, "hash": HASH, "delta": DEPOSIT}],
    "fundingHistory": [
        {"coin": "BTC", "fundingRate": "0.0000125", "premium": "NaN", "time": 1_700_000_000_000}
    ],
    "predictedFundings": [
        [
            "BTC",
            [
                ["BinPerp", None],
                [
                    "HlPerp",
                    {
                        "fundingRate": "0.0000125",
                        "nextFundingTime": 1_733_958_000_000,
                        "fundingIntervalHours": 1,
                    },
                ],
            ],
        ]
    ],
    "perpsAtOpenInterestCap": ["CANTO", "FTM"],
    "perpDeployAuctionStatus": {
        "startTimeSeconds": 1_747_656_000,
        "durationSeconds": 111_600,
        "startGas": "500.0",
        "currentGas": None,
        "endGas": "12.5",
    },
    "activeAssetData": {
        "user": USER,
        "coin": "xyz:TSLA",
        "leverage": {"type": "isolated", "value": 20, "rawUsd": "0.0"},
        "maxTradeSzs": ["1.0", "2.0"],
        "availableToTrade": ["10.0", "20.0"],
        "markPx": "465.13",
    },
    "perpDexLimits": {
        "totalOiCap": "10000000.0",
        "oiSzCapPerPerp": "10000000000.0",
        "maxTransferNtl": "100000000.0",
        "coinToOiCap": [["xyz:TSLA", "100000.0"]],
    },
    "perpDexStatus": {"totalNetDeposit": "4103492112.4478230476"},
    "allPerpMetas": [META, [META, [CTX, CTX, CTX]]],
    "perpAnnotation": {
        "category": "stocks",
        "description": "a car maker",
        "displayName": None,
        "keywords": ["cars"],
    },
    "perpCategories": [["xyz:TSLA", "stocks"]],
    "perpConciseAnnotations": [["xyz:TSLA", {"category": "stocks", "keywords": ["cars"]}]],
    "allMids": {"BTC": "100000.5", "@107": "25.1"},
    "l2Book": {"coin": "BTC", "time": 1_700_000_000_000, "levels": [[LEVEL], []]},
    "recentTrades": [
        {
            "coin": "BTC",
            "side": "B",
            "px": "100000.0",
            "sz": "0.1",
            "time": 1_700_000_000_000,
            "hash": HASH,
            "tid": 7,
            "users": [USER, USER],
        }
    ],
    "candleSnapshot": [
        {
            "t": 1_700_000_000_000,
            "T": 1_700_000_059_999,
            "s": "BTC",
            "i": "1m",
            "o": "1.0",
            "c": "2.0",
            "h": "3.0",
            "l": "0.5",
            "v": "100.0",
            "n": 12,
        }
    ],
    "exchangeStatus": {"time": 1_700_000_000_000, "specialStatuses": None},
    "spotMeta": {
        "tokens": [
            {
                "name": "USDC",
                "szDecimals": 8,
                "weiDecimals": 8,
                "index": 0,
                "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
                "isCanonical": True,
                "evmContract": None,
                "fullName": None,
            },
            {
                "name": "HYPE",
                "szDecimals": 2,
                "weiDecimals": 8,
                "index": 150,
                "tokenId": "0x0d01dc56dcaaca66ad901c959b4011ec",
                "isCanonical": False,
                "evmContract": {"address": USER, "evm_extra_wei_decimals": 10},
                "fullName": "Hyperliquid",
            },
        ],
        "universe": [{"name": "@107", "tokens": [150, 0], "index": 107, "isCanonical": False}],
    },
    "openOrders": [
        {
            "coin": "BTC",
            "side": "B",
            "limitPx": "90000.0",
            "sz": "0.5",
            "oid": 91,
            "timestamp": 1_700_000_000_000,
            "origSz": "1.0",
            "cloid": CLOID,
            "reduceOnly": True,
        }
    ],
    "frontendOpenOrders": [ORDER | {"children": [ORDER]}],
    "orderStatus": {
        "status": "order",
        "order": {"order": ORDER, "status": "open", "statusTimestamp": 1_700_000_000_001},
    },
    "userFills": [FILL],
    "userFillsByTime": [FILL],
    "spotClearinghouseState": {
        "balances": [
            {"coin": "USDC", "token": 0, "total": "14.6", "hold": "0.0", "entryNtl": "0.0"},
            {"coin": "+10", "total": "25", "hold": "0", "entryNtl": "12.5"},
        ]
    },
    "userRateLimit": {
        "cumVlm": "2854574.59",
        "nRequestsUsed": 2890,
        "nRequestsCap": 2864574,
        "nRequestsSurplus": 0,
    },
    "userFees": {
        "dailyUserVlm": [
            {"date": "2026-07-01", "userCross": "0.0", "userAdd": "1.0", "exchange": "285.9"}
        ],
        "feeSchedule": {
            "cross": "0.00045",
            "add": "0.00015",
            "spotCross": "0.0007",
            "spotAdd": "0.0004",
            "tiers": {
                "vip": [
                    {
                        "ntlCutoff": "5000000.0",
                        "cross": "0.0004",
                        "add": "0.00012",
                        "spotCross": "0.0006",
                        "spotAdd": "0.0003",
                    }
                ],
                "mm": [{"makerFractionCutoff": "0.005", "add": "-0.00001"}],
            },
            "referralDiscount": "0.04",
            "stakingDiscountTiers": [{"bpsOfMaxSupply": "0.0001", "discount": "0.05"}],
        },
        "userCrossRate": "0.00045",
        "userAddRate": "0.00015",
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialReward": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": {"type": "tradingUser", "stakingUser": USER},
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    },
    "userRole": {"role": "agent", "data": {"user": USER}},
    "extraAgents": [{"name": "bot", "address": USER, "validUntil": None}],
    "userAbstraction": "unifiedAccount",
}


def body(request: str) -> bytes:
    """The small answer of a request as the venue would send it."""
    return json.dumps(ANSWERS[request]).encode()
