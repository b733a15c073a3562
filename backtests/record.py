"""What is kept of a run: fills as booked, orders as ended, funding as paid, the equity curve.

The curve is worked out after the run from the fills and the tape's own prices; nothing is computed
per event for it. The mark of a sample is what the engine would have gone by: the venue's mark, else
the mid, the last trade, or the last close.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from backtests.report.result import EquityPoint, FillRow, InstrumentSeries, OrderRow
from backtests.simulate import Outcome
from backtests.tape import Stream, StreamKind
from backtests.tape.schema import IntArray
from engine.account_events import Booking
from engine.core import Engine
from engine.model.events import AccountEvent, CancelRejected, FundingPaid, OrderCanceled
from engine.model.orders import OrderState
from engine.model.units import NS_PER_S, Tif
from engine.routes import Effects
from engine.state.orders import Order
from engine.state.positions import Position
from risk.margin import maintenance_margin_e8

OrderKind = Literal["limit", "market", "trigger"]
SAMPLES_MAX: Final = 2_000
_STEPS_S: Final = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14_400,
    28_800,
    86_400,
)
_MARK_ORDER: Final = (
    StreamKind.CONTEXT,
    StreamKind.BOOK,
    StreamKind.QUOTE,
    StreamKind.TRADE,
    StreamKind.BAR,
)


class Recorder:
    """Takes bookings and ended orders out of an engine as a run goes on."""

    def __init__(self) -> None:
        self.bookings: list[Booking] = []
        self.orders: list[Order] = []
        self.funding: list[FundingPaid] = []
        self.cancels: dict[str, int] = {}
        self.cancel_rejects = 0

    def sent(self, ts_ns: int, effects: Effects) -> None:
        """Nothing to note: what was sent shows in its orders."""

    def reported(self, event: AccountEvent) -> None:
        """Keep what leaves no trace in an order."""
        kind = type(event)
        if kind is OrderCanceled:
            self.cancels[event.account] = self.cancels.get(event.account, 0) + 1
        elif kind is FundingPaid:
            self.funding.append(event)  # type: ignore[arg-type]
        elif kind is CancelRejected:
            self.cancel_rejects += 1

    def drain(self, engine: Engine) -> None:
        """Take away what the engine has finished with."""
        self.bookings += engine.account_book.take_bookings()
        self.orders += engine.orders.take_ended()


def fill_rows(bookings: list[Booking]) -> list[FillRow]:
    """The fills in the order they were booked."""
    return [
        FillRow(
            ts_venue_ns=fill.ts_venue_ns,
            ts_local_ns=fill.ts_local_ns,
            account=fill.account,
            strategy=booking.owner,
            instrument=fill.instrument,
            cloid=fill.cloid,
            generation=fill.generation,
            oid=fill.oid,
            trade_id=fill.trade_id,
            side=fill.side,
            px_ticks=fill.px_ticks,
            sz_lots=fill.sz_lots,
            px=fill.px,
            sz=fill.sz,
            fee_e8=fill.fee_e8,
            is_maker=fill.is_maker,
            is_liquidation=fill.is_liquidation,
            realised_e8=booking.realised_e8,
            position_lots=booking.position_lots,
        )
        for booking in bookings
        for fill in (booking.fill,)
    ]


def order_rows(ended: list[Order], live: list[Order]) -> list[OrderRow]:
    """Every order, oldest first; the live ones as they stand."""
    orders = sorted((*ended, *live), key=lambda order: (order.sent_ns, order.cloid))
    return [_order_row(order) for order in orders]


def _order_row(order: Order) -> OrderRow:
    kind: OrderKind = "limit"
    if order.trigger is not None:
        kind = "trigger"
    elif order.tif is Tif.IOC:
        kind = "market"
    return OrderRow(
        ts_sent_ns=order.sent_ns,
        ts_end_ns=order.ended_ns,
        account=order.account,
        strategy=order.strategy,
        instrument=order.instrument,
        cloid=order.cloid,
        generation=order.generation,
        oid=order.oid,
        side=order.side,
        kind=kind,
        tif=order.tif.value,
        px_ticks=order.px_ticks,
        sz_lots=order.sz_lots,
        px=order.px,
        sz=order.sz,
        filled_lots=order.filled_lots,
        state=OrderState(order.state).name.lower(),
        reason=order.reason,
    )


# -- the equity curve
# ------------------------------------------------------------------------------------


def sample_times(start_ns: int, end_ns: int) -> IntArray:
    """At most about 2,000 instants on a round step, the start and the end among them."""
    span_s = max(1, (end_ns - start_ns) // NS_PER_S)
    step_s = next((step for step in _STEPS_S if span_s / step <= SAMPLES_MAX), _STEPS_S[-1])
    step_ns = step_s * NS_PER_S
    first = (start_ns // step_ns + 1) * step_ns
    inner = np.arange(first, end_ns, step_ns, dtype=np.int64)
    return np.concatenate([[start_ns], inner, [end_ns]]).astype(np.int64)


def mark_at(
    streams: list[Stream], instrument: str, times: IntArray, feed_delay_ns: int
) -> IntArray:
    """Twice the mark in ticks at each time, by the best source by then; 0 before any price."""
    marks = np.zeros(len(times), dtype=np.int64)
    for kind in reversed(_MARK_ORDER):
        for stream in streams:
            if stream.kind is kind and stream.instrument.id == instrument and stream.n:
                rows = (
                    np.searchsorted(
                        stream.column("ts_local_ns") + feed_delay_ns, times, side="right"
                    )
                    - 1
                )
                values = _prices2(stream)[np.maximum(rows, 0)]
                marks = np.where((rows >= 0) & (values > 0), values, marks)
    return marks


def _prices2(stream: Stream) -> IntArray:
    """Twice the price of every row in ticks; 0 where a row tells none."""
    if stream.kind is StreamKind.CONTEXT:
        scale = stream.instrument.grid.px_scale
        marks2: IntArray = np.rint(2 * stream.column("mark_px") * scale).astype(np.int64)
        return marks2
    if stream.kind is StreamKind.TRADE:
        return 2 * stream.column("px_ticks")
    if stream.kind is StreamKind.BAR:
        return 2 * stream.column("close_ticks")
    bid, ask = stream.column("bid_ticks"), stream.column("ask_ticks")
    return np.where((bid > 0) & (ask > 0), bid + ask, 0)


class _Path:
    """One instrument's net position over time, replayed from its fills."""

    def __init__(self, fills: list[Booking], scales: tuple[int, int, int]) -> None:
        position = Position(*scales)
        self.ts_ns = np.array([item.fill.ts_local_ns for item in fills], dtype=np.int64)
        lots, cost, realised, fees = [0], [0], [0], [0]
        for item in fills:
            fill = item.fill
            position.fill(int(fill.side), fill.px_ticks, fill.sz_lots, fill.fee_e8)
            lots.append(position.lots)
            cost.append(position.cost_e8)
            realised.append(position.realised_e8)
            fees.append(position.fees_e8)
        self.lots, self.cost_e8 = np.array(lots, dtype=object), np.array(cost, dtype=object)
        self.realised_e8, self.fees_e8 = (
            np.array(realised, dtype=object),
            np.array(fees, dtype=object),
        )


def equity_curve(
    outcome: Outcome, recorder: Recorder, feed_delay_ns: int
) -> tuple[list[EquityPoint], list[InstrumentSeries], int]:
    """The equity of all accounts together, exact in 1e-8, and each instrument's series.

    Last, the first sample at which it was below maintenance margin, or 0.
    """
    times = sample_times(outcome.start_ns, outcome.end_ns)
    count = len(times)
    start_e8 = sum(account.start_e8 for account in outcome.engine.accounts.values())
    unrealised, realised, fees, gross, net, least = (
        np.zeros(count, dtype=object) for _ in range(6)
    )
    series = []
    for where, market in outcome.engine.markets.items():
        path = _Path([b for b in recorder.bookings if b.fill.instrument == where], market.scales)
        rows = np.searchsorted(path.ts_ns, times, side="right")
        marks2 = mark_at(outcome.streams, where, times, feed_delay_ns)
        lots = path.lots[rows]
        value = lots * marks2.astype(object) * market.money_per_unit // 2
        unrealised += np.where(lots != 0, value - path.cost_e8[rows], 0)
        realised += path.realised_e8[rows]
        fees += path.fees_e8[rows]
        gross += abs(value)
        net += value
        least += [maintenance_margin_e8(market.instrument, abs(one)) for one in value]
        known = marks2 > 0
        series.append(
            InstrumentSeries(
                instrument=where,
                ts_ns=times[known],
                px=marks2[known] / (2 * market.px_scale),
                position=(lots / market.sz_scale).astype(float)[known],
            )
        )
    paid = np.array(
        [0, *np.cumsum([item.amount_e8 for item in recorder.funding], dtype=object)], dtype=object
    )
    paid_ns = np.array([item.ts_local_ns for item in recorder.funding], dtype=np.int64)
    funding = paid[np.searchsorted(paid_ns, times, side="right")]
    cash = start_e8 + realised - fees - funding
    points = [
        EquityPoint(
            ts_ns=int(times[i]),
            equity_e8=int(cash[i] + unrealised[i]),
            cash_e8=int(cash[i]),
            unrealised_e8=int(unrealised[i]),
            fees_e8=int(fees[i]),
            funding_e8=int(funding[i]),
            position_notional_e8=int(gross[i]),
            net_notional_e8=int(net[i]),
        )
        for i in range(count)
    ]
    below = np.flatnonzero(cash + unrealised < least)
    return points, series, int(times[below[0]]) if len(below) else 0
