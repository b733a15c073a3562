"""A face: one venue's wire over the core.

To add one, write a class with this shape and name it in `connectors.simulated.server.FACES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from connectors.simulated.core import VenueCore
from connectors.simulated.faults import Faults
from connectors.simulated.settings import VenueSettings


class Face(Protocol):
    """Serves one venue's wire on loopback."""

    async def start(self) -> None:
        """Listen. The port is known from here on."""
        ...

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        ...

    def addresses(self) -> dict[str, object]:
        """What this face adds to the first line of `perpd venue`, such as {"ws": url}."""
        ...


FaceMaker = Callable[[VenueCore, VenueSettings, Faults], Face | None]
"""Makes a face from the core; None when the settings leave it out."""
