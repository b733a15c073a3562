"""What a daemon needs of its venues: links, whose accounts they trade, budgets, and the clock."""

from __future__ import annotations

import msgspec

from connectors.port import VenueLink
from connectors.simulated.server import LoopbackVenue
from engine.budget import BudgetLimits
from engine.drive.seams import Clock


class OpenVenues(msgspec.Struct):
    """Links by venue name, not yet opened; whose accounts they trade; and the run's clock.

    `addresses` tells one account from another in the journal: an account of the embedded exchange
    is new in every run. `budgets` are those of venues that count otherwise than Hyperliquid.
    """

    links: dict[str, VenueLink]
    addresses: dict[str, str]
    clock: Clock
    budgets: dict[str, BudgetLimits] = {}
    exchange: LoopbackVenue | None = None
