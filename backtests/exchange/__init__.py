"""The simulated exchange: one venue's matching, ledger and margin, in this process.

It holds the venue's rules in plain integer code and never imports ours, so that a mistake in one
shows against the other.
"""

from backtests.exchange.exchange import SimAccount, SimulatedExchange
from backtests.exchange.market import DepthSource
from backtests.exchange.orders import Watch

__all__ = ["DepthSource", "SimAccount", "SimulatedExchange", "Watch"]
