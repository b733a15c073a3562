"""A small exchange to test.

One instrument, prices in ticks, sizes in lots, and reports as short text. COIN has 2 decimals of
price and 0 of size, so 10000 ticks are 100.00 and one lot is worth about 100.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from backtests.exchange import SimAccount, SimulatedExchange
from backtests.models.fees import StaticFees
from backtests.models.queue import QueueRule
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    Place,
    Trigger,
    UpdateLeverage,
)
from engine.model.events import (
    AccountEvent,
    AssetContext,
    Bar,
    BookDelta,
    BookSnapshot,
    BookTop,
    CancelRejected,
    FundingPaid,
    FundingRate,
    LeverageSet,
    ModifyRejected,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    Quote,
    Trade,
    Transfer,
)
from engine.model.instruments import Instrument, MarginTier
from engine.model.units import Side, Tif, TriggerKind

BUY: Final = Side.BUY
SELL: Final = Side.SELL
DOLLAR_E8: Final = 10**8
TICK_E8: Final = 10**6  # one tick times one lot
COIN: Final = Instrument(
    id="sim:COIN",
    venue="sim",
    coin="COIN",
    px_decimals=2,
    sz_decimals=0,
    margin_tiers=(MarginTier(0, 50),),
)
Level = tuple[int, int]


class Scene:
    """An exchange with one instrument, driven in ticks and lots.

    The clock moves 1 s with every call.
    """

    def __init__(  # noqa: PLR0913 - what a test may want to set
        self,
        *,
        queue: QueueRule = "trades",
        instrument: Instrument = COIN,
        balance: int = 1_000_000,
        leverage: int | None = None,
        maker_ppb: int = 0,
        taker_ppb: int = 0,
        accounts: tuple[str, ...] = ("main",),
        half_spread_ppb: int = 50_000,
    ) -> None:
        self.instrument = instrument
        self.id = instrument.id
        set_leverage = {} if leverage is None else {instrument.id: leverage}
        self.exchange = SimulatedExchange(
            [instrument],
            [SimAccount(name, balance * DOLLAR_E8, dict(set_leverage)) for name in accounts],
            fees=StaticFees(maker_ppb=maker_ppb, taker_ppb=taker_ppb),
            queue={instrument.id: queue},
            report_ns=lambda ts_ns: ts_ns + 7,
            synthetic_half_spread_ppb=half_spread_ppb,
        )
        self.ts_ns = 0
        self.seq = 0
        self.history: list[AccountEvent] = []
        self._px_scale: int = 10**instrument.px_decimals
        self._sz_scale: int = 10**instrument.sz_decimals

    def take(self) -> list[str]:
        """The reports since the last call, as text."""
        return [told(event) for event in self.taken()]

    def taken(self) -> list[AccountEvent]:
        """The reports since the last call."""
        events = list(self.exchange.reports)
        self.exchange.reports.clear()
        self.history += events
        return events

    # -- market ------------------------------------------------------------------------------------

    def _tick(self) -> tuple[int, int, str]:
        self.ts_ns += 1_000_000_000
        return self.ts_ns, self.ts_ns, self.id

    def px(self, ticks: float) -> float:
        return ticks / self._px_scale

    def sz(self, lots: float) -> float:
        return lots / self._sz_scale

    def quote(self, bid: int, bid_lots: int, ask: int, ask_lots: int) -> list[str]:
        values = self.px(bid), self.sz(bid_lots), self.px(ask), self.sz(ask_lots)
        self.exchange.on_market(Quote(*self._tick(), *values))
        return self.take()

    def top(
        self, bid: int, bid_lots: int, ask: int, ask_lots: int, *, same: bool = False
    ) -> list[str]:
        self.seq += not same
        values = self.px(bid), self.sz(bid_lots), self.px(ask), self.sz(ask_lots)
        self.exchange.on_market(BookTop(*self._tick(), self.seq, *values))
        return self.take()

    def book(self, bids: list[Level], asks: list[Level]) -> list[str]:
        self.seq += 1
        self.exchange.on_market(BookSnapshot(*self._tick(), self.seq, *self._columns(bids, asks)))
        return self.take()

    def change(self, bids: list[Level], asks: list[Level]) -> list[str]:
        self.seq += 1
        self.exchange.on_market(BookDelta(*self._tick(), self.seq, *self._columns(bids, asks)))
        return self.take()

    def _columns(self, bids: list[Level], asks: list[Level]) -> tuple[tuple[float, ...], ...]:
        return (
            tuple(self.px(px) for px, _ in bids),
            tuple(self.sz(sz) for _, sz in bids),
            tuple(self.px(px) for px, _ in asks),
            tuple(self.sz(sz) for _, sz in asks),
        )

    def trade(self, px: int, lots: int, aggressor: Side) -> list[str]:
        trade = Trade(*self._tick(), self.px(px), self.sz(lots), aggressor, self.ts_ns)
        self.exchange.on_market(trade)
        return self.take()

    def bar(self, open_: int, high: int, low: int, close: int) -> list[str]:
        values = self.px(open_), self.px(high), self.px(low), self.px(close)
        self.exchange.on_market(Bar(*self._tick(), 60_000_000_000, *values, 1.0))
        return self.take()

    def mark(self, px: float, oracle: float | None = None) -> list[str]:
        oracle_px = self.px(px if oracle is None else oracle)
        self.exchange.on_market(AssetContext(*self._tick(), self.px(px), oracle_px, 0.0, 0.0))
        return self.take()

    def funding(self, rate: float) -> list[str]:
        self.exchange.on_market(FundingRate(*self._tick(), rate))
        return self.take()

    # -- commands ----------------------------------------------------------------------------------

    def send(self, *commands: Command, account: str = "main") -> list[str]:
        self.ts_ns += 1_000_000_000
        batch = Batch(account, "any", commands, 1, len(commands))
        self.exchange.on_batch(self.ts_ns, batch)
        return self.take()

    def order(  # noqa: PLR0913 - the fields of an order
        self,
        cloid: str,
        side: Side,
        px: int,
        lots: int,
        tif: Tif = Tif.GTC,
        *,
        reduce_only: bool = False,
        trigger: Trigger | None = None,
        parent: str = "",
    ) -> Place:
        return Place(self.id, cloid, side, px, lots, tif, reduce_only, trigger, parent)

    def place(  # noqa: PLR0913 - the fields of an order
        self,
        cloid: str,
        side: Side,
        px: int,
        lots: int,
        tif: Tif = Tif.GTC,
        *,
        reduce_only: bool = False,
        account: str = "main",
    ) -> list[str]:
        order = self.order(cloid, side, px, lots, tif, reduce_only=reduce_only)
        return self.send(order, account=account)

    def stop(  # noqa: PLR0913 - the fields of an order
        self,
        cloid: str,
        side: Side,
        trigger: int,
        lots: int,
        *,
        px: int | None = None,
        tif: Tif = Tif.GTC,
        parent: str = "",
        kind: TriggerKind = TriggerKind.STOP_LOSS,
    ) -> Place:
        """A trigger order: a market one unless `px` is given (10 % of slippage)."""
        limit = trigger * (100 + 10 * side) // 100 if px is None else px
        return self.order(
            cloid,
            side,
            limit,
            lots,
            Tif.IOC if px is None else tif,
            reduce_only=True,
            trigger=Trigger(trigger, kind, px is None),
            parent=parent,
        )

    def profit(self, cloid: str, side: Side, trigger: int, lots: int, *, parent: str = "") -> Place:
        """A take profit at the market."""
        return self.stop(cloid, side, trigger, lots, parent=parent, kind=TriggerKind.TAKE_PROFIT)

    def cancel(self, cloid: str, generation: int = 0, *, account: str = "main") -> list[str]:
        return self.send(CancelOrder(self.id, cloid, generation), account=account)

    def modify(  # noqa: PLR0913 - the fields of an order
        self,
        cloid: str,
        side: Side,
        px: int,
        lots: int,
        tif: Tif = Tif.GTC,
        *,
        generation: int = 1,
        reduce_only: bool = False,
        account: str = "main",
    ) -> list[str]:
        command = ModifyOrder(self.id, cloid, generation, side, px, lots, tif, reduce_only)
        return self.send(command, account=account)

    def leverage(self, leverage: int, *, is_cross: bool = True) -> list[str]:
        return self.send(UpdateLeverage(self.id, leverage, is_cross))

    # -- accounts ----------------------------------------------------------------------------------

    def lots(self, account: str = "main") -> int:
        return self.exchange.position(account, self.id)[0]

    def ahead(self) -> list[tuple[int, int | None]]:
        """(price, size ahead) of the orders that do not stand first."""
        watch = self.exchange.watch(self.id)
        return [] if watch is None else [(px, ahead) for _, px, ahead in watch.levels]


def told(event: AccountEvent) -> str:
    """A report as short text: what happened to which order, and how."""
    return WORDS[type(event)](event)


def _filled(event: OrderFilled) -> str:
    sign = "+" if event.side > 0 else "-"
    role = "maker" if event.is_maker else "taker"
    return f"{event.cloid} {sign}{event.sz_lots} at {event.px_ticks} {role}"


WORDS: Final[dict[type, Callable[[Any], str]]] = {
    OrderAccepted: lambda e: f"{e.cloid} accepted",
    OrderRejected: lambda e: f"{e.cloid} rejected: {e.reason}",
    OrderCanceled: lambda e: f"{e.cloid} canceled: {e.reason}",
    CancelRejected: lambda e: f"{e.cloid} cancel rejected: {e.reason}",
    OrderReplaced: lambda e: f"{e.cloid} replaced by {e.generation}: {e.sz_lots} at {e.px_ticks}",
    ModifyRejected: lambda e: f"{e.cloid} modify rejected: {e.reason}",
    OrderTriggered: lambda e: f"{e.cloid} triggered",
    OrderFilled: _filled,
    FundingPaid: lambda e: f"{e.account} funding {e.amount_e8} on {e.sz_lots}",
    Transfer: lambda e: f"{e.account} {e.kind} {e.amount_e8}",
    LeverageSet: lambda e: f"leverage {e.leverage} {'cross' if e.is_cross else 'isolated'}",
}
