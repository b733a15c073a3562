"""The actions that are on their way, or whose fate nobody knows: what may still change an order.

An action is in flight from its sending to a clear answer. An unclear one stays until it is
*sealed*: the venue showed that it was carried out or judged, its nonce was burnt, or it expired.
Only then does "no such order" prove that an order was never placed.
"""

from __future__ import annotations

import asyncio

from connectors.hyperliquid.orders_book import OrdersBook, cloids_of
from engine.model.commands import CancelOrder, Outgoing, UpdateLeverage

Key = tuple[str, str]


class Flight:
    """One action. `landed` is set once a clear answer came or the answer is known to be unclear."""

    __slots__ = ("is_unclear", "keys", "landed", "makes", "outgoing")

    def __init__(self, outgoing: Outgoing, *, is_unclear: bool = False) -> None:
        self.outgoing = outgoing
        self.is_unclear = is_unclear
        self.landed = asyncio.Event()
        if is_unclear:
            self.landed.set()
        account = outgoing.account
        self.keys: list[Key] = [(account, cloid) for cloid, _ in cloids_of(outgoing.batch)]
        self.makes: list[tuple[str, int]] = [
            (command.cloid, getattr(command, "generation", 0))
            for command in outgoing.batch.commands
            if not isinstance(command, CancelOrder | UpdateLeverage)
        ]


class Flights:
    """Every action in flight or unclear, by the orders it is about."""

    def __init__(self, orders: OrdersBook) -> None:
        self._orders = orders
        self._by_order: dict[Key, list[Flight]] = {}
        self.count = 0

    def depart(self, outgoing: Outgoing, *, is_unclear: bool = False) -> Flight:
        """An action is about to be sent; or, after a restart, nobody knows what became of it."""
        flight = Flight(outgoing, is_unclear=is_unclear)
        self.count += 1
        for key in flight.keys:
            self._by_order.setdefault(key, []).append(flight)
        return flight

    def land(self, flight: Flight, *, is_unclear: bool) -> None:
        """Its answer came, or will not come; an unclear one that makes no order is forgotten."""
        flight.is_unclear = is_unclear
        flight.landed.set()
        if not is_unclear or not flight.makes or self.is_judged(flight):
            self.seal(flight)

    def seal(self, flight: Flight) -> None:
        """It can change nothing any more; sealing again does nothing."""
        flight.is_unclear = False
        is_known = False
        for key in flight.keys:
            flights = self._by_order.get(key, [])
            if flight in flights:
                is_known = True
                flights.remove(flight)
            if not flights:
                self._by_order.pop(key, None)
        self.count -= is_known

    def makers(self, account: str, cloid: str) -> list[Flight]:
        """Those that may still make an order, or a generation of it; cancels make nothing."""
        return [
            flight
            for flight in self._by_order.get((account, cloid), ())
            if any(made == cloid for made, _ in flight.makes)
        ]

    def is_judged(self, flight: Flight) -> bool:
        """Whether the venue said anything of an order that it makes: then it was carried out."""
        account = flight.outgoing.account
        legs = [self._orders.leg(account, *made) for made in flight.makes]
        return any(leg is not None and not leg.is_pending for leg in legs)
