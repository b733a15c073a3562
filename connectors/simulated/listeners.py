"""How a face hears of what happens: it registers a `Listener` with the core.

Everything is told synchronously, in the order of happening, within the turn in which it happens. A
turn is a batch of market rows or one action; `on_turn` ends it, and is when a face sends.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from connectors.simulated.accounts import VenueAccount
from connectors.simulated.history import FillRow, FundingRow, LedgerRow
from connectors.simulated.orders import OrderRecord
from connectors.simulated.publicdata import PublicTrade
from engine.model.events import MarketEvent
from engine.model.instruments import Instrument


class OrderChanged(msgspec.Struct, frozen=True):
    """An order's status or what is left of it changed; the numbers are those of then."""

    record: OrderRecord
    status: str
    left_lots: int
    time_ms: int
    is_venues_doing: bool = False
    """The account did not ask for it: a cancel by the venue."""


class Filled(msgspec.Struct, frozen=True):
    """A fill."""

    row: FillRow


class Funded(msgspec.Struct, frozen=True):
    """A funding payment."""

    row: FundingRow


class LedgerChanged(msgspec.Struct, frozen=True):
    """Money came or went otherwise."""

    row: LedgerRow


class LeverageChanged(msgspec.Struct, frozen=True):
    """The leverage in force."""

    instrument: Instrument
    leverage: int
    is_cross: bool


Report = OrderChanged | Filled | Funded | LedgerChanged | LeverageChanged


class Listener(Protocol):
    """Hears everything."""

    def on_market(self, event: MarketEvent) -> None:
        """A row of the market, after the exchange took it in."""
        ...

    def on_trade(self, trade: PublicTrade) -> None:
        """A public trade: the market's own, or what an account took."""
        ...

    def on_report(self, account: VenueAccount, report: Report) -> None:
        """Something happened to an account."""
        ...

    def on_turn(self) -> None:
        """The turn is over."""
        ...
