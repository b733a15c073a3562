"""Info requests about one address (protocol 1.2, 1.4).

An address never seen becomes an account with the usual balance; an agent's address is empty.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from backtests.models.fees import MAKER_PPB, STAKING_TIERS, TAKER_PPB, VOLUME_TIERS
from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.hyperliquid import show_account as show
from connectors.simulated.hyperliquid.info_requests import (
    OfOrder,
    OfUser,
    OfUserAndBuilder,
    OfUserAndCoin,
    OfUserLate,
    OfUserSpan,
)
from connectors.simulated.hyperliquid.limits import AddressBudget
from connectors.simulated.numbers import printed, printed_money

SPAN_ROWS: Final = 500
FILL_ROWS: Final = 2_000
ORDER_ROWS: Final = 2_000
# A stake in basis points of the supply of 1e9.
BPS_DECIMALS: Final = 5


class AccountInfo:
    """Answers them. `by_type` gives what each carries and its rule."""

    def __init__(self, core: VenueCore, budget: AddressBudget) -> None:
        self._core = core
        self._budget = budget
        empty: Callable[[Any], list[Any]] = lambda _: []  # noqa: E731 - a rule like the others
        self.by_type: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
            "clearinghouseState": (OfUser, self._state),
            "spotClearinghouseState": (OfUser, lambda _: {"balances": []}),
            "activeAssetData": (OfUserAndCoin, self._asset),
            "userFunding": (OfUserSpan, self._funding),
            "userNonFundingLedgerUpdates": (OfUserLate, self._ledger),
            "openOrders": (OfUser, self._open_orders),
            "frontendOpenOrders": (OfUser, lambda r: show.frontend_orders(self._of(r.user))),
            "orderStatus": (OfOrder, self._order_status),
            "historicalOrders": (OfUser, self._historical),
            "userFills": (OfUser, self._fills),
            "userFillsByTime": (OfUserSpan, self._fills_by_time),
            "userRateLimit": (OfUser, self._rate_limit),
            "userFees": (OfUser, self._fees),
            "userRole": (OfUser, self._role),
            "extraAgents": (OfUser, self._agents),
            "portfolio": (OfUser, lambda r: show.portfolio(core, self._of(r.user))),
            "userAbstraction": (OfUser, self._abstraction),
            "userDexAbstraction": (OfUser, lambda _: False),
            "subAccounts": (OfUser, lambda _: None),
            "userVaultEquities": (OfUser, empty),
            "userTwapSliceFills": (OfUser, empty),
            "twapHistory": (OfUser, empty),
            "delegations": (OfUser, empty),
            "delegatorHistory": (OfUser, empty),
            "delegatorRewards": (OfUser, empty),
            "userToMultiSigSigners": (OfUser, lambda _: None),
            "maxBuilderFee": (OfUserAndBuilder, self._max_builder_fee),
            "approvedBuilders": (OfUser, self._builders),
            "referral": (OfUser, self._referral),
        }

    def _of(self, user: str) -> VenueAccount | None:
        return self._core.account(user)

    # -- money and positions -----------------------------------------------------------------------

    def _state(self, request: OfUser) -> show.Json:
        return show.clearinghouse_state(self._core, self._of(request.user))

    def _asset(self, request: OfUserAndCoin) -> show.Json:
        instrument = self._core.instruments[request.coin]
        user = request.user.lower()
        return show.active_asset_data(self._core, user, self._of(user), instrument)

    def _funding(self, request: OfUserSpan) -> list[show.Json]:
        account = self._of(request.user)
        rows = account.history.fundings if account is not None else ()
        start_ms, end_ms = self._span(request)
        found = (row for row in rows if start_ms <= row.time_ms <= end_ms)
        return [show.funding(row) for row in islice(found, SPAN_ROWS)]

    def _ledger(self, request: OfUserLate) -> list[show.Json]:
        account = self._of(request.user)
        rows = account.history.ledger if account is not None else ()
        start_ms, end_ms = self._span(request)
        found = (row for row in rows if start_ms <= row.time_ms <= end_ms)
        return [show.ledger(row) for row in islice(found, SPAN_ROWS)]

    def _span(self, request: OfUserSpan | OfUserLate) -> tuple[int, int]:
        end_ms = self._core.clock.now_ms() if request.endTime is None else request.endTime
        return request.startTime or 0, end_ms

    # -- orders ------------------------------------------------------------------------------------

    def _open_orders(self, request: OfUser) -> list[show.Json]:
        account = self._of(request.user)
        live = account.live() if account is not None else []
        return [show.short_order(record) for record in live if not record.waits_for_parent]

    def _order_status(self, request: OfOrder) -> show.Json:
        account = self._of(request.user)
        oid = request.oid if isinstance(request.oid, int) else request.oid.lower()
        record = account.find(oid) if account is not None else None
        if record is None or account is None:
            return {"status": "unknownOid"}
        return {"status": "order", "order": show.order_and_status(account, record)}

    def _historical(self, request: OfUser) -> list[show.Json]:
        account = self._of(request.user)
        if account is None:
            return []
        newest = islice(reversed(account.orders.values()), ORDER_ROWS)
        return [show.order_and_status(account, record) for record in newest]

    # -- fills -------------------------------------------------------------------------------------

    def _fills(self, request: OfUser) -> list[show.Json]:
        account = self._of(request.user)
        rows = account.history.fills if account is not None else ()
        return [show.fill(row) for row in islice(reversed(rows), FILL_ROWS)]

    def _fills_by_time(self, request: OfUserSpan) -> list[show.Json]:
        account = self._of(request.user)
        rows = account.history.fills if account is not None else ()
        start_ms, end_ms = self._span(request)
        found = (row for row in rows if start_ms <= row.time_ms <= end_ms)
        return [show.fill(row) for row in islice(found, FILL_ROWS)]

    # -- limits and fees ---------------------------------------------------------------------------

    def _rate_limit(self, request: OfUser) -> show.Json:
        account = self._of(request.user)
        if account is None:
            account = VenueAccount("", 0, 0)
        return {
            "cumVlm": printed_money(account.volume_e8),
            "nRequestsUsed": account.requests,
            "nRequestsCap": self._budget.cap(account),
            "nRequestsSurplus": 0,
        }

    def _fees(self, request: OfUser) -> show.Json:
        account = self._of(request.user)
        name = account.name if account is not None else ""
        fees, now_ns = self._core.settings.fees, self._core.clock.now_ns()
        where = self._core.universe[0].id
        day = dt.datetime.fromtimestamp(now_ns / 1e9, dt.UTC).date().isoformat()
        taken_e8, made_e8 = self._volumes(account)
        vip = [
            {
                "ntlCutoff": f"{least:.1f}",
                "cross": show.rate(taker),
                "add": show.rate(maker),
                "spotCross": show.rate(taker),
                "spotAdd": show.rate(maker),
            }
            for least, taker, maker in VOLUME_TIERS[1:]
        ]
        staking = [
            {
                "bpsOfMaxSupply": printed(least, BPS_DECIMALS),
                "discount": printed(percent, 2),
            }
            for least, percent in STAKING_TIERS
        ]
        taker = show.rate(fees.rate_ppb(name, where, False, now_ns))  # noqa: FBT003 - a taker's
        maker = show.rate(fees.rate_ppb(name, where, True, now_ns))  # noqa: FBT003 - a maker's
        return {
            "dailyUserVlm": [
                {
                    "date": day,
                    "userCross": printed_money(taken_e8),
                    "userAdd": printed_money(made_e8),
                    "exchange": printed_money(taken_e8 + made_e8),
                }
            ],
            "feeSchedule": {
                "cross": show.rate(TAKER_PPB),
                "add": show.rate(MAKER_PPB),
                "spotCross": show.rate(TAKER_PPB),
                "spotAdd": show.rate(MAKER_PPB),
                "tiers": {"vip": vip, "mm": []},
                "referralDiscount": "0.04",
                "stakingDiscountTiers": staking,
            },
            "userCrossRate": taker,
            "userAddRate": maker,
            "userSpotCrossRate": taker,
            "userSpotAddRate": maker,
            "activeReferralDiscount": "0.0",
            "trial": None,
            "feeTrialReward": "0.0",
            "nextTrialAvailableTimestamp": None,
            "stakingLink": None,
            "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
        }

    def _volumes(self, account: VenueAccount | None) -> tuple[int, int]:
        """What the account took and made of the fills still remembered, in 1e-8."""
        sums = [0, 0]
        for row in account.history.fills if account is not None else ():
            unit = self._core.public[row.instrument.id].desk.market.money_per_unit
            sums[row.is_maker] += row.px_ticks * row.sz_lots * unit
        return sums[0], sums[1]

    # -- who it is ---------------------------------------------------------------------------------

    def _role(self, request: OfUser) -> show.Json:
        user = request.user.lower()
        master = self._core.agents.get(user)
        if master is not None:
            return {"role": "agent", "data": {"user": master}}
        return {"role": "missing" if self._of(user) is None else "user"}

    def _agents(self, request: OfUser) -> list[show.Json]:
        account = self._of(request.user)
        agents = account.agents.values() if account is not None else ()
        return [
            {"name": agent.name, "address": agent.address, "validUntil": agent.until_ms}
            for agent in agents
            if agent.name
        ]

    def _abstraction(self, request: OfUser) -> str:
        account = self._of(request.user)
        return account.abstraction if account is not None else "disabled"

    def _builders(self, request: OfUser) -> list[str]:
        account = self._of(request.user)
        return list(account.builders) if account is not None else []

    def _max_builder_fee(self, request: OfUserAndBuilder) -> int:
        """In tenths of a basis point."""
        account = self._of(request.user)
        text = account.builders.get(request.builder.lower(), "0%") if account is not None else "0%"
        try:
            return round(float(text.removesuffix("%")) * 1000)
        except ValueError:
            return 0

    def _referral(self, request: OfUser) -> show.Json:
        account = self._of(request.user)
        return {
            "referredBy": None,
            "cumVlm": printed_money(account.volume_e8 if account is not None else 0),
            "unclaimedRewards": "0.0",
            "claimedRewards": "0.0",
            "builderRewards": "0.0",
            "referrerState": None,
            "rewardHistory": [],
        }
