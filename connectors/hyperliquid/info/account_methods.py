"""The info requests about one account, one typed method each.

Every method raises as `InfoCaller.fetch` says. `user` is the master's or sub-account's address in
any case: an agent's own address gives empty answers and no error (protocol 0.2). Weights are of the
IP budget (protocol 6). Decimals are text (see `info.fields`).
"""

from __future__ import annotations

import re
from typing import Final

from connectors.hyperliquid.info import account, ledger, limits, orders, requests
from connectors.hyperliquid.info.caller import InfoCaller
from connectors.hyperliquid.info.requests import Params
from engine.errors import ModelError

_CLOID: Final = re.compile(r"0x[0-9a-fA-F]{32}")


class AccountMethods(InfoCaller):
    """What there is to know of an account; nothing here is secret to the venue."""

    async def clearinghouse_state(self, user: str, dex: str = "") -> account.ClearinghouseState:
        """Positions and margin of an account on one dex, in USD. Weight 2; protocol 1.2.

        A coin that is not listed is flat. `total_raw_usd` is not cash: the account value is it plus
        the signed value of the positions. In unified-account or portfolio-margin mode (ask
        `user_abstraction`) these figures are not the account's equity.
        """
        return await self.fetch(requests.CLEARINGHOUSE_STATE, {"user": user, "dex": dex})

    async def active_asset_data(self, user: str, coin: str) -> account.ActiveAssetData:
        """Leverage of an account in a coin and what it may trade. Weight 20; protocol 1.2.

        Pairs are (buy, sell): sizes in base units, available margin in collateral.
        """
        return await self.fetch(requests.ACTIVE_ASSET_DATA, {"user": user, "coin": coin})

    async def spot_clearinghouse_state(self, user: str) -> account.SpotClearinghouseState:
        """Every spot balance, in tokens. Weight 2; protocol 1.4."""
        return await self.fetch(requests.SPOT_CLEARINGHOUSE_STATE, {"user": user})

    async def user_abstraction(self, user: str) -> str:
        """The account's mode. Weight 20; protocol 1.2.

        One of default, disabled, dexAbstraction, unifiedAccount, portfolioMargin, or a newer word.
        """
        return await self.fetch(requests.USER_ABSTRACTION, {"user": user})

    async def user_role(self, user: str) -> account.UserRole:
        """What an address is and whom it belongs to. Weight 60; protocol 1.4.

        `missing` is an address the venue has never seen.
        """
        return await self.fetch(requests.USER_ROLE, {"user": user})

    async def extra_agents(self, user: str) -> tuple[account.ExtraAgent, ...]:
        """The named agents and when they end (ms, None: never). Weight 20; protocol 1.4.

        An unnamed agent is not listed.
        """
        return await self.fetch(requests.EXTRA_AGENTS, {"user": user})

    # -- money -------------------------------------------------------------------------------------

    async def user_funding(
        self, user: str, start_ms: int, end_ms: int | None = None
    ) -> tuple[ledger.UserFundingRow, ...]:
        """Funding paid (negative) and received in USD, oldest first; protocol 1.2.

        Weight 20 + 1 per 20 rows a page. Both ends count; the end is now unless given. A page has
        500 rows; all are walked.
        """
        params: Params = {"user": user, "startTime": start_ms, "endTime": end_ms}
        return await self.fetch(requests.USER_FUNDING, params)

    async def user_non_funding_ledger_updates(
        self, user: str, start_ms: int, end_ms: int | None = None
    ) -> tuple[ledger.LedgerUpdate, ...]:
        """Deposits, withdrawals, transfers, liquidations, oldest first; protocol 1.2.

        Weight 20 + 1 per 20 rows a page. Both ends count; the end is now unless given. A page has
        500 rows; all are walked. A row of an unknown type holds its own part as it came.
        """
        params: Params = {"user": user, "startTime": start_ms, "endTime": end_ms}
        return await self.fetch(requests.USER_NON_FUNDING_LEDGER_UPDATES, params)

    async def user_rate_limit(self, user: str) -> limits.UserRateLimit:
        """The action budget: requests used and allowed, USD ever traded. Weight 20; 1.4 and 6."""
        return await self.fetch(requests.USER_RATE_LIMIT, {"user": user})

    async def user_fees(self, user: str) -> limits.UserFees:
        """The account's fee rates as fractions, and the schedule. Weight 20; 1.4 and 7.4."""
        return await self.fetch(requests.USER_FEES, {"user": user})

    # -- orders ------------------------------------------------------------------------------------

    async def open_orders(self, user: str, dex: str = "") -> tuple[orders.OpenOrder, ...]:
        """Open orders of one dex in short. Weight 20; protocol 1.4.

        Trigger orders look like plain reduce-only limits here: use `frontend_open_orders`.
        """
        return await self.fetch(requests.OPEN_ORDERS, {"user": user, "dex": dex})

    async def frontend_open_orders(
        self, user: str, dex: str = ""
    ) -> tuple[orders.FrontendOrder, ...]:
        """Open orders of one dex in full, triggers too. Weight 20; protocol 1.4.

        `sz` is what remains; the venue shrinks a reduce-only order to the position.
        """
        return await self.fetch(requests.FRONTEND_OPEN_ORDERS, {"user": user, "dex": dex})

    async def order_status(self, user: str, oid: int | str) -> orders.OrderStatus:
        """What became of an order, by its oid or its cloid. Weight 2; protocol 1.4.

        `OrderUnknown` does not prove that an action on its way will not make it. Raises ModelError
        for a cloid that is not 0x and 32 hex digits, which the venue does not read.
        """
        if isinstance(oid, str) and not _CLOID.fullmatch(oid):
            raise ModelError(f"{oid!r:.80} is no cloid: expected 0x and 32 hex digits")
        return await self.fetch(requests.ORDER_STATUS, {"user": user, "oid": oid})

    async def user_fills(
        self, user: str, *, aggregate_by_time: bool | None = None
    ) -> tuple[orders.Fill, ...]:
        """The 2000 newest fills, newest first. Weight 20 + 1 per 20 rows; protocol 1.4.

        `aggregate_by_time` joins the parts of one order that filled in one block.
        """
        params: Params = {"user": user, "aggregateByTime": aggregate_by_time}
        return await self.fetch(requests.USER_FILLS, params)

    async def user_fills_by_time(
        self,
        user: str,
        start_ms: int,
        end_ms: int | None = None,
        *,
        aggregate_by_time: bool | None = None,
    ) -> tuple[orders.Fill, ...]:
        """Fills of a span, oldest first. Weight 20 + 1 per 20 rows a page; protocol 1.4.

        Both ends count; the end is now unless given. A page has 2000 rows; all are walked, but only
        the 10000 newest fills of an account exist at all.
        """
        params: Params = {
            "user": user,
            "startTime": start_ms,
            "endTime": end_ms,
            "aggregateByTime": aggregate_by_time,
        }
        return await self.fetch(requests.USER_FILLS_BY_TIME, params)
