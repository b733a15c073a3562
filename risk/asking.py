"""Who asks the gate, where and when: kept, because only the time changes from wish to wish."""

from __future__ import annotations

from engine.state.accounts import Account
from engine.state.market import Market
from risk.checks import Proposal
from risk.limits import Limits


class Asking:
    """One strategy on one instrument of its account, and the order it asks about (`proposal`)."""

    __slots__ = ("account", "instrument", "market", "now_ns", "proposal", "strategy")

    def __init__(self, strategy: str, account: Account, market: Market, limits: Limits) -> None:
        self.strategy = strategy
        self.account = account
        self.market = market
        self.instrument = market.instrument.id
        self.proposal = Proposal(market, account, limits)
        self.now_ns = 0

    @property
    def oldest_ns(self) -> int:
        """Data older than this prices nothing if there is newer; 0 where the limits set no age."""
        age_ns = self.proposal.limits.data_age_ns_max
        return self.now_ns - age_ns if age_ns else 0
