"""The venues of a config, opened: links, and for network "local" the embedded exchange.

async with open_venues(loaded, clock, randomness) as venues:
venues.links, venues.addresses, venues.clock
"""

from engine.drive.venues.opened import OpenVenues
from engine.drive.venues.opening import open_venues

__all__ = ["OpenVenues", "open_venues"]
