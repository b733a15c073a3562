"""The first message of a subscription, and the state that channels with a clock repeat.

`trades` replays the last 30, without a flag; `userFills` and its like send a snapshot on every
subscribe, empty or not; `orderUpdates` and `userEvents` send nothing (protocol 5.2, 5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.core import VenueCore
from connectors.simulated.hyperliquid import show_account, show_market
from connectors.simulated.hyperliquid.subscriptions import Follow
from connectors.simulated.publicdata import PublicData

TRADES_REPLAYED: Final = 30
ROWS: Final = 500
FILL_ROWS: Final = 2_000
FAST_LEVELS: Final = 5

Frame = dict[str, Any]


class Snapshots:
    """Makes them from the core as it stands."""

    def __init__(self, core: VenueCore) -> None:
        self._core = core
        self._states: dict[str, Callable[[Follow], list[Frame]]] = {
            "allMids": self._mids,
            "l2Book": self._book,
            "bbo": self._bbo,
            "candle": self._candle,
            "activeAssetCtx": self._ctx,
            "activeAssetData": self._asset,
            "clearinghouseState": self._state,
            "openOrders": self._orders,
            "webData3": self._web_data,
        }
        self._firsts: dict[str, Callable[[Follow], list[Frame]]] = {
            "trades": self._trades,
            "userFills": self._fills,
            "userFundings": self._fundings,
            "userNonFundingLedgerUpdates": self._ledger,
        }

    def first(self, follow: Follow) -> list[Frame]:
        """What is sent at once to somebody who subscribes."""
        self._core.catch_up()
        make = self._firsts.get(follow.type) or self._states.get(follow.type)
        return [] if make is None else make(follow)

    def state(self, follow: Follow) -> list[Frame]:
        """What is sent whenever the channel's clock strikes."""
        make = self._states.get(follow.type)
        return [] if make is None else make(follow)

    def _data(self, follow: Follow) -> PublicData:
        return self._core.public[self._core.instruments[follow.coin].id]

    def _account(self, follow: Follow) -> VenueAccount | None:
        return self._core.account(follow.user)

    # -- the market --------------------------------------------------------------------------------

    def _mids(self, _follow: Follow) -> list[Frame]:
        return [{"channel": "allMids", "data": {"mids": show_market.all_mids(self._core)}}]

    def _book(self, follow: Follow) -> list[Frame]:
        data = self._data(follow)
        if follow.figures is not None:
            book = show_market.grouped_book(self._core, data, follow.figures, follow.mantissa or 1)
        else:
            depth = FAST_LEVELS if follow.fast else 20
            book = show_market.l2_book(self._core, data, depth)
        if follow.fast:
            book["fast"] = True
        return [{"channel": "l2Book", "data": book}]

    def _bbo(self, follow: Follow) -> list[Frame]:
        return [{"channel": "bbo", "data": show_market.bbo(self._core, self._data(follow))}]

    def _trades(self, follow: Follow) -> list[Frame]:
        trades = self._data(follow).trades
        last = islice(trades, max(0, len(trades) - TRADES_REPLAYED), None)
        return [{"channel": "trades", "data": [show_market.trade(item) for item in last]}]

    def _candle(self, follow: Follow) -> list[Frame]:
        data = self._data(follow)
        candles = data.candles.by_interval[follow.interval]
        if not candles:
            return []
        shown = show_market.candle(data.instrument, follow.interval, candles[-1])
        return [{"channel": "candle", "data": shown}]

    def _ctx(self, follow: Follow) -> list[Frame]:
        ctx = show_market.asset_ctx(self._core, self._data(follow))
        return [{"channel": "activeAssetCtx", "data": {"coin": follow.coin, "ctx": ctx}}]

    # -- an account --------------------------------------------------------------------------------

    def _fills(self, follow: Follow) -> list[Frame]:
        account = self._account(follow)
        rows = account.history.fills if account is not None else ()
        shown = [show_account.fill(row) for row in islice(reversed(rows), FILL_ROWS)]
        return [_snapshot("userFills", follow.user, "fills", shown)]

    def _fundings(self, follow: Follow) -> list[Frame]:
        account = self._account(follow)
        rows = account.history.fundings if account is not None else ()
        shown = [show_account.flat_funding(row) for row in islice(reversed(rows), ROWS)]
        return [_snapshot("userFundings", follow.user, "fundings", shown)]

    def _ledger(self, follow: Follow) -> list[Frame]:
        account = self._account(follow)
        rows = account.history.ledger if account is not None else ()
        shown = [show_account.ledger(row) for row in islice(reversed(rows), ROWS)]
        name = "userNonFundingLedgerUpdates"
        return [_snapshot(name, follow.user, "nonFundingLedgerUpdates", shown)]

    def _asset(self, follow: Follow) -> list[Frame]:
        instrument = self._core.instruments[follow.coin]
        data = show_account.active_asset_data(
            self._core, follow.user, self._account(follow), instrument
        )
        return [{"channel": "activeAssetData", "data": data}]

    def _state(self, follow: Follow) -> list[Frame]:
        state = show_account.clearinghouse_state(self._core, self._account(follow))
        data = {"dex": "", "user": follow.user, "clearinghouseState": state}
        return [{"channel": "clearinghouseState", "data": data}]

    def _orders(self, follow: Follow) -> list[Frame]:
        orders = show_account.frontend_orders(self._account(follow))
        data = {"dex": "", "user": follow.user, "orders": orders}
        return [{"channel": "openOrders", "data": data}]

    def _web_data(self, follow: Follow) -> list[Frame]:
        account = self._account(follow)
        agents = list(account.agents.values()) if account is not None else []
        unnamed = next((agent for agent in agents if not agent.name), None)
        state = {
            "agentAddress": unnamed.address if unnamed is not None else None,
            "agentValidUntil": unnamed.until_ms if unnamed is not None else None,
            "serverTime": self._core.clock.now_ms(),
            "cumLedger": "0.0",
            "isVault": False,
            "user": follow.user,
        }
        dex = {
            "totalVaultEquity": "0.0",
            "perpsAtOpenInterestCap": sorted(self._core.capped),
            "leadingVaults": [],
        }
        return [{"channel": "webData3", "data": {"userState": state, "perpDexStates": [dex]}}]


def _snapshot(channel: str, user: str, key: str, rows: list[Frame]) -> Frame:
    return {"channel": channel, "data": {"isSnapshot": True, "user": user, key: rows}}
