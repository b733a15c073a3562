"""GET /account as perpd's own values: positions, cash, orders, leverage; with what it lacks said.

Cash is equity less what open positions have gained. Positions must fit the grid and say what they
gained, else the account is not known and the whole reading is refused. An order that cannot be
read makes the list of open orders incomplete: nothing may then be concluded from an absence.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from connectors.perpex.client_ids import split
from connectors.perpex.clocks import is_ahead
from connectors.perpex.mapping import names
from connectors.perpex.mapping.read import Quarantine, rows
from connectors.perpex.mapping.settings import PerpexSettings
from connectors.perpex.mapping.wire import AccountWire, OrderWire, PositionWire
from connectors.perpex.numbers import id_number, lots_stated, money_e8, scaled
from connectors.perpex.tickets import Ticket, Tickets
from connectors.port import AccountState, HeldPosition, OpenOrder
from engine.drive.seams import Clock
from engine.errors import VenueError
from engine.model.events import AccountRead, FundingPaid
from engine.model.instruments import Instrument
from engine.model.orders import OrderState
from engine.model.units import Tif

ORDERS_UNSUPPORTED: Final = "the venue lists no open orders: what rests there cannot be known"


class Reading(msgspec.Struct, frozen=True):
    """One reading of the account: `state`, and what it was made from.

    Without `has_time` the venue did not say when, and the state's time is only our own.
    """

    state: AccountState
    positions: dict[str, PositionWire]
    orders: tuple[OrderWire, ...]
    is_complete: bool
    has_time: bool


class AccountReader:
    """Turns answers about one account into values."""

    def __init__(  # noqa: PLR0913, PLR0917 - what reading needs
        self,
        account: str,
        venue: str,
        instruments: Mapping[str, Instrument],
        tickets: Tickets,
        settings: PerpexSettings,
        clock: Clock,
        quarantine: Quarantine,
    ) -> None:
        self._account = account
        self._venue = venue
        self._instruments = instruments
        self._tickets = tickets
        self._settings = settings
        self._clock = clock
        self._quarantine = quarantine

    def read(self, wire: AccountWire) -> Reading:
        """One reading. Raises VenueError when positions or money cannot be told.

        Warnings and errors name what the venue calls its things, and are freed of tokens.
        """
        try:
            return self._read(wire)
        except VenueError as error:
            raise VenueError(self._quarantine.scrub(str(error))) from None

    def _read(self, wire: AccountWire) -> Reading:
        if wire.time is not None and is_ahead(wire.time, self._clock):
            raise VenueError(f"perpex: the account's time {wire.time} is not yet")
        found, bad = rows(wire.positions, PositionWire, self._quarantine)
        if bad:
            raise VenueError(f"perpex: {bad} positions of the account cannot be read")
        warnings: list[str] = []
        positions: dict[str, PositionWire] = {}
        held: list[HeldPosition] = []
        leverage: dict[str, tuple[int, bool]] = {}
        gained = Decimal(0)
        for position in found:
            gained += _gain(position)
            where = f"{self._venue}:{self._settings.coin(position.symbol)}"
            instrument = self._instruments.get(where)
            if instrument is None:
                if position.size:
                    warnings.append(f"{where}: a position on a market that is not listed")
                continue
            if where in positions:
                raise VenueError(f"perpex: {where}: two positions")
            positions[where] = position
            known = _leverage(position)
            if known is not None:
                leverage[where] = known
            if position.size:
                held.append(_held(position, instrument))
        orders, is_complete = self._orders(wire, warnings)
        equity_e8 = money_e8(wire.equity)
        has_orders = wire.open_orders is not None
        state = AccountState(
            account=self._account,
            ts_venue_ns=self._clock.now_ns() if wire.time is None else wire.time.ns,
            equity_e8=equity_e8,
            cash_e8=equity_e8 - money_e8(gained),
            positions=tuple(held),
            orders=self._open_orders(orders, warnings),
            leverage=leverage,
            has_orders=has_orders and is_complete,
            warnings=tuple(map(self._quarantine.scrub, warnings)),
        )
        is_whole = has_orders and is_complete
        return Reading(state, positions, tuple(orders), is_whole, wire.time is not None)

    def event(self, reading: Reading) -> AccountRead:
        """A reading as the engine hears of it."""
        state = reading.state
        return AccountRead(
            state.ts_venue_ns,
            self._clock.now_ns(),
            self._account,
            state.equity_e8,
            state.cash_e8,
            tuple((position.instrument, position.lots) for position in state.positions),
        )

    def describe(self, ticket: Ticket, order: OrderWire) -> None:
        """Give a ticket of an earlier run what the venue says of its order, as far as it does."""
        try:
            known = self._open_order(order)
        except VenueError as error:
            self._quarantine.keep("open order", str(error))
            return
        ticket.instrument = known.instrument
        ticket.side = known.side
        ticket.px_ticks = known.px_ticks
        if not ticket.sz_lots and order.size is not None:
            # All of it, not what is left: what was filled of it is counted with the ticket.
            sz_decimals = self._instruments[known.instrument].sz_decimals
            ticket.sz_lots = scaled(order.size, sz_decimals, "order size")
        ticket.is_trigger = known.is_trigger
        ticket.reduce_only = known.reduce_only
        where = self._instruments.get(ticket.instrument)
        ticket.state_filled(lots_stated(order.filled_size, where))

    def _orders(self, wire: AccountWire, warnings: list[str]) -> tuple[list[OrderWire], bool]:
        if wire.open_orders is None:
            warnings.append(ORDERS_UNSUPPORTED)
            return [], False
        orders, bad = rows(wire.open_orders, OrderWire, self._quarantine)
        if bad:
            warnings.append(f"{bad} open orders cannot be read")
        over = names.OVER_STATUSES | {names.OrderStatus.REJECTED}
        return [order for order in orders if order.status.lower() not in over], not bad

    def _open_orders(self, orders: list[OrderWire], warnings: list[str]) -> tuple[OpenOrder, ...]:
        found = []
        for order in orders:
            try:
                found.append(self._open_order(order))
            except VenueError as error:
                warnings.append(str(error))
        return tuple(found)

    def _open_order(self, order: OrderWire) -> OpenOrder:
        """Raises VenueError for an order without what must be known of one."""
        where = f"{self._venue}:{self._settings.coin(order.symbol or '')}"
        instrument = self._instruments.get(where)
        side = names.SIDES.get((order.side or "").lower())
        px = order.price if order.price is not None else order.trigger_price
        if instrument is None or side is None or px is None or order.size is None:
            raise VenueError(
                f"perpex: open order {order.id}: lacks its symbol, side, price or size"
            )
        is_trigger = (order.type or "").lower() in names.TRIGGER_TYPES
        is_waiting = is_trigger and order.status.lower() != names.OrderStatus.TRIGGERED
        left = order.size - (order.filled_size or 0)
        return OpenOrder(
            instrument=where,
            cloid=self._cloid(order),
            oid=id_number(order.id),
            side=side,
            px_ticks=scaled(px, instrument.px_decimals, "order price"),
            sz_lots=scaled(left, instrument.sz_decimals, "order size"),
            tif=names.TIFS.get((order.time_in_force or "").lower(), Tif.GTC),
            reduce_only=order.reduce_only,
            state=OrderState.WAITING if is_waiting else OrderState.OPEN,
            is_trigger=is_trigger,
        )

    def _cloid(self, order: OrderWire) -> str:
        """The order's cloid; `oid:N` where the venue has none."""
        ticket = self._tickets.find(order.id, order.client_order_id)
        if ticket is not None:
            return ticket.cloid
        client = (order.client_order_id or "").lower()
        is_cloid = client.startswith("0x") and split(client)[0].startswith("0x")
        return client if is_cloid and len(client) == 34 else f"oid:{id_number(order.id)}"


class FundingWatch:
    """Funding from what positions say they have paid, where they say it.

    A position seen for the first time, or on the other side, starts a new count: what it paid
    before is not told, since nobody knows what of it was.
    """

    def __init__(self, account: str, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._known: dict[str, tuple[bool, Decimal]] = {}

    def read(self, reading: Reading) -> list[FundingPaid]:
        """What was paid or received since the last reading."""
        paid: list[FundingPaid] = []
        lots = {position.instrument: position.lots for position in reading.state.positions}
        known: dict[str, tuple[bool, Decimal]] = {}
        for where, position in reading.positions.items():
            if position.funding_paid is None or not position.size:
                continue
            is_long = position.size > 0
            known[where] = is_long, position.funding_paid
            before = self._known.get(where)
            if before is None or before[0] is not is_long or before[1] == position.funding_paid:
                continue
            amount_e8 = money_e8(position.funding_paid - before[1])
            paid.append(
                FundingPaid(
                    reading.state.ts_venue_ns,
                    self._clock.now_ns(),
                    self._account,
                    where,
                    amount_e8,
                    lots[where],
                    0.0,
                )
            )
        self._known = known
        return paid


def _gain(position: PositionWire) -> Decimal:
    """What a position has gained. Raises VenueError when it does not say."""
    if position.unrealized_pnl is not None:
        return position.unrealized_pnl
    if not position.size:
        return Decimal(0)
    if position.mark_price is None or position.entry_price is None:
        raise VenueError(f"perpex: {position.symbol}: a position that does not say what it gained")
    return position.size * (position.mark_price - position.entry_price)


def _held(position: PositionWire, instrument: Instrument) -> HeldPosition:
    lots = scaled(position.size, instrument.sz_decimals, f"position on {instrument.id}")
    if position.entry_price is None:
        raise VenueError(f"perpex: {instrument.id}: a position without an entry price")
    return HeldPosition(instrument.id, lots, money_e8(position.size * position.entry_price))


def _leverage(position: PositionWire) -> tuple[int, bool] | None:
    """(leverage, whether it is cross); None where the venue does not say it in whole numbers."""
    value = position.leverage
    if value is None or value != value.to_integral_value() or not 1 <= value <= 1_000:
        return None
    mode = (position.margin_mode or "").lower()
    if mode not in {names.CROSS, names.ISOLATED}:
        return None
    return int(value), mode == names.CROSS
