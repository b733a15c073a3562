"""What a request costs of the IP weight: 1200 a minute, shared by everything on one address.

Protocol 6. An info request costs 2, 20 or 60, and some cost more by the rows of their answer, so
the whole price is known only afterwards. A batch of actions costs by its length. A block of rows
counts as nothing until it is full: 5000 candles are 20 + 83.
"""

from __future__ import annotations

from typing import Final

from engine.errors import ModelError

WEIGHT_PER_MINUTE: Final = 1200
INFO_WEIGHT: Final = 20
INFO_WEIGHTS: Final = {
    "l2Book": 2,
    "allMids": 2,
    "clearinghouseState": 2,
    "orderStatus": 2,
    "spotClearinghouseState": 2,
    "exchangeStatus": 2,
    "userRole": 60,
}
ROWS_PER_WEIGHT: Final = {
    "recentTrades": 20,
    "historicalOrders": 20,
    "userFills": 20,
    "userFillsByTime": 20,
    "fundingHistory": 20,
    "userFunding": 20,
    "userNonFundingLedgerUpdates": 20,
    "twapHistory": 20,
    "userTwapSliceFills": 20,
    "userTwapSliceFillsByTime": 20,
    "delegatorHistory": 20,
    "delegatorRewards": 20,
    "validatorStats": 20,
    "candleSnapshot": 60,
}
ACTIONS_PER_WEIGHT: Final = 40


def info_weight(request: str) -> int:
    """What an info request costs before its rows are known: 2, 60, or 20 for everything else."""
    return INFO_WEIGHTS.get(request, INFO_WEIGHT)


def rows_weight(request: str, rows: int) -> int:
    """What the rows of an info answer cost on top of `info_weight`."""
    per_weight = ROWS_PER_WEIGHT.get(request)
    return rows // per_weight if per_weight is not None else 0


def exchange_weight(batch_length: int) -> int:
    """What one POST to /exchange costs: 1, and 1 more for every 40 orders or cancels in it.

    Raises ModelError for a negative length. An action without a batch has length 1.
    """
    if batch_length < 0:
        raise ModelError(f"a batch of {batch_length} actions, expected 0 or more")
    return 1 + batch_length // ACTIONS_PER_WEIGHT
