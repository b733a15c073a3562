"""Who trades at the venue: accounts opened at first sight, and the agents who act for them.

An account is known by its address in lower case. Whoever signs for an address owns it; an agent's
address is nobody's account, and what it signs acts on its master (protocol 3.6).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import msgspec

from connectors.simulated.history import History
from connectors.simulated.orders import OrderRecord

ORDERS_MAX: Final = 5_000
NAMED_AGENTS_MAX: Final = 3
ADDRESS_LENGTH: Final = 42


class Agent(msgspec.Struct, frozen=True):
    """An approved API wallet. `until_ms` is venue time."""

    address: str
    name: str
    until_ms: int


class VenueAccount:
    """One account: its orders, its history, and what it has used of the venue.

    `orders` has live and ended ones by order id, at most 5,000 of the latter, oldest first.
    `volume_e8` is what it ever traded; `requests` counts its actions as the venue does.
    """

    __slots__ = (
        "_by_cloid",
        "abstraction",
        "agents",
        "builders",
        "by_key",
        "history",
        "last_request_ns",
        "name",
        "opened_ms",
        "orders",
        "requests",
        "schedule_ms",
        "scheduled",
        "volume_e8",
    )

    def __init__(self, name: str, volume_e8: int, opened_ms: int) -> None:
        self.name = name
        self.volume_e8 = volume_e8
        self.opened_ms = opened_ms
        self.requests = 0
        self.last_request_ns: int | None = None
        self.history = History()
        self.orders: OrderedDict[int, OrderRecord] = OrderedDict()
        self.by_key: dict[str, OrderRecord] = {}
        self.agents: dict[str, Agent] = {}
        self.builders: dict[str, str] = {}
        self.abstraction = "disabled"
        self.schedule_ms = 0
        self.scheduled = (0, 0)
        self._by_cloid: dict[str, OrderRecord] = {}

    def add(self, record: OrderRecord) -> None:
        """Remember an order; the oldest ended one is forgotten when there are too many."""
        self.orders[record.oid] = record
        cloid = record.new.cloid
        if cloid is not None:
            known = self._by_cloid.get(cloid)
            if known is None or not known.is_live or record.is_live:
                self._by_cloid[cloid] = record
        if len(self.orders) > ORDERS_MAX:
            self._forget()

    def find(self, ident: int | str) -> OrderRecord | None:
        """The order of an order id, or the live one (else the newest) of a client order id."""
        if isinstance(ident, int):
            return self.orders.get(ident)
        return self._by_cloid.get(ident)

    def live(self) -> list[OrderRecord]:
        """The live orders, oldest first."""
        return list(self.by_key.values())

    def ended(self) -> Iterator[OrderRecord]:
        """The orders that are over, newest first."""
        return (record for record in reversed(self.orders.values()) if not record.is_live)

    def _forget(self) -> None:
        for oid, record in self.orders.items():
            if not record.is_live:
                del self.orders[oid]
                cloid = record.new.cloid
                if cloid is not None and self._by_cloid.get(cloid) is record:
                    del self._by_cloid[cloid]
                return


def is_address(text: object) -> bool:
    """Whether this is 0x and 40 hex digits."""
    if not isinstance(text, str) or len(text) != ADDRESS_LENGTH or not text.startswith("0x"):
        return False
    return all(digit in "0123456789abcdefABCDEF" for digit in text[2:])
