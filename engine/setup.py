"""What an engine is built from: instruments, accounts, strategies, limits. Values only."""

from __future__ import annotations

import msgspec

from engine.budget import BudgetLimits
from engine.errors import ModelError
from engine.model.instruments import Instrument
from engine.state.accounts import EXTERNAL, OPERATOR
from engine.state.orders import Orders
from engine.submission import Planner
from risk.limits import Limits
from strategies.api import Strategy


class AccountSetup(msgspec.Struct, frozen=True):
    """An account of this engine. `leverage` is by instrument id; the rest gets the default.

    `address` is whose account it is at the venue; empty in a backtest.
    """

    name: str
    venue: str
    leverage: dict[str, int] = {}
    address: str = ""


class StrategySetup(msgspec.Struct, frozen=True):
    """A strategy of this engine. The policies are keep_protection, cancel_all or flatten.

    `elsewhere` gives the account of each instrument that is not traded on `account`.
    """

    name: str
    strategy: Strategy
    account: str
    instruments: tuple[str, ...]
    on_stop: str = "keep_protection"
    on_fault: str = "keep_protection"
    elsewhere: dict[str, str] = {}


class EngineSetup(msgspec.Struct, frozen=True):
    """Everything an engine is built from.

    `budget` is every venue's that `budget_by_venue` does not name. `bars_from_trades` names
    (instrument, interval_ns) that the venue sends no bars for. Raises ModelError for a strategy
    that shares its name, or whose account or instrument is not here.
    """

    instruments: tuple[Instrument, ...]
    accounts: tuple[AccountSetup, ...]
    strategies: tuple[StrategySetup, ...]
    limits: Limits = Limits()
    budget: BudgetLimits = BudgetLimits()
    bars_from_trades: frozenset[tuple[str, int]] = frozenset()
    budget_by_venue: dict[str, BudgetLimits] = {}

    def planner(self, orders: Orders) -> Planner:
        """A planner for these accounts and budgets."""
        venues = {item.name: item.venue for item in self.accounts}
        return Planner(self.budget, orders, venues, self.budget_by_venue)

    def __post_init__(self) -> None:
        accounts = {item.name for item in self.accounts}
        instruments = {item.id for item in self.instruments}
        names = {EXTERNAL, OPERATOR}
        for item in self.strategies:
            where = f"strategy {item.name!r}"
            if item.name in names:
                raise ModelError(f"{where}: expected a name of its own, not one of perpd's")
            names.add(item.name)
            for account in (item.account, *item.elsewhere.values()):
                if account not in accounts:
                    raise ModelError(f"{where}: account {account!r}, expected one of {accounts}")
            for instrument in item.instruments:
                if instrument not in instruments:
                    raise ModelError(
                        f"{where}: instrument {instrument!r}, expected one of {instruments}"
                    )
